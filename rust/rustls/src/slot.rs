//! What callbacks of rustls learn during one call, handed to the session that made the call.
//!
//! rustls makes all callbacks synchronously, on the thread that calls it, so a thread-local slot is enough.

use std::cell::RefCell;

use crate::verify::Verified;

/// What one connection has learned.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// What came of the peer's chain.
    pub(crate) verified: Option<Verified>,
    /// The scheme of the peer's signature, by its number.
    pub(crate) scheme: Option<u16>,
    /// The names of the authorities in a request for a client certificate; None if there was none.
    pub(crate) requested: Option<Vec<Vec<u8>>>,
    /// The name that the client of this server asked for.
    pub(crate) server_name: Option<String>,
    /// Lines for the key log.
    pub(crate) key_log: Vec<String>,
}

thread_local! {
    static CURRENT: RefCell<Slot> = RefCell::new(Slot::default());
}

/// Run `work` with `slot` as the one that callbacks write to.
pub(crate) fn running<R>(slot: &mut Slot, work: impl FnOnce() -> R) -> R {
    let swap = |slot: &mut Slot| CURRENT.with(|current| std::mem::swap(&mut *current.borrow_mut(), slot));
    swap(slot);
    let result = work();
    swap(slot);
    result
}

/// Let a callback write into the slot of the session that runs.
pub(crate) fn with<R>(work: impl FnOnce(&mut Slot) -> R) -> R {
    CURRENT.with(|current| work(&mut current.borrow_mut()))
}

/// A key log whose lines wait for the session to give them out.
#[derive(Debug)]
pub(crate) struct KeyLines;

impl rustls::KeyLog for KeyLines {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        with(|slot| slot.key_log.push(format!("{label} {} {}", hex(client_random), hex(secret))));
    }
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
