//! One connection: octets in, octets out.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::client::{EchStatus, Resumption};
use rustls::internal::msgs::codec::Codec;
use rustls::pki_types::{IpAddr, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, Error, HandshakeKind, InvalidMessage,
    PeerIncompatible, ProtocolVersion, ServerConfig, ServerConnection,
};

use crate::failure::Failure;
use crate::memory::Queue;
use crate::records;
use crate::resume::{Resumable, Store};
use crate::slot::{running, Slot};
use crate::verify::Verified;

/// The most plaintext of a record (RFC 8446 section 5.1).
const RECORD: usize = 16_384;

/// The most plaintext that rustls holds: it takes no more ciphertext while it has more than a record's.
const HELD: usize = 4 * RECORD;

/// What the connection is made of, once it has begun.
enum Core {
    /// A client that has not said anything yet.
    Waiting(Arc<ClientConfig>, ServerName<'static>),
    Client(Box<ClientConnection>),
    Server(Box<ServerConnection>),
    /// Its keys were given out.
    Spent,
}

/// Do `$work` with the connection, or give `$otherwise` where there is none.
macro_rules! with_connection {
    ($core:expr, $connection:ident => $work:expr, $otherwise:expr) => {
        match $core {
            Core::Client($connection) => $work,
            Core::Server($connection) => $work,
            Core::Waiting(..) | Core::Spent => $otherwise,
        }
    };
}

/// One direction's keys, for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The cipher by its usual name.
    pub cipher: &'static str,
    /// The key.
    pub key: Vec<u8>,
    /// The nonce that the sequence number is added to.
    pub iv: Vec<u8>,
    /// The number of the next record.
    pub sequence: u64,
}

/// One side of a TLS connection.
pub struct Session {
    core: Core,
    store: Arc<Store>,
    /// What came, from the first record on that rustls has not had as a whole.
    incoming: Queue,
    /// How much of `incoming` rustls has. A part of a record stays here as well, for `extract`.
    taken: usize,
    /// How much of `incoming` is whole records.
    whole: usize,
    eof: bool,
    out: Queue,
    slot: Slot,
    failed: Option<Failure>,
    early_sent: bool,
    retry_configs: Option<Vec<u8>>,
}

impl Session {
    /// A client. `name` is a DNS name or an address; without one, no name is sent. `resume` is a session of
    /// the same configuration. The error says why the name cannot be.
    pub fn client(
        config: &Arc<ClientConfig>,
        name: Option<&str>,
        resume: Option<Resumable>,
    ) -> Result<Self, String> {
        let store = Arc::new(Store::new(resume));
        let mut own = (**config).clone();
        own.resumption = Resumption::store(store.clone());
        let name = if let Some(name) = name {
            ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?
        } else {
            own.enable_sni = false;
            ServerName::IpAddress(IpAddr::V4([0; 4].into()))
        };
        Ok(Self::new(Core::Waiting(Arc::new(own), name), store))
    }

    /// A server. The error is one of the configuration.
    pub fn server(config: &Arc<ServerConfig>) -> Result<Self, String> {
        let mut connection = ServerConnection::new(config.clone()).map_err(|error| error.to_string())?;
        connection.set_buffer_limit(None);
        Ok(Self::new(Core::Server(Box::new(connection)), Arc::default()))
    }

    fn new(core: Core, store: Arc<Store>) -> Self {
        Self {
            core,
            store,
            incoming: Queue::default(),
            taken: 0,
            whole: 0,
            eof: false,
            out: Queue::default(),
            slot: Slot::default(),
            failed: None,
            early_sent: false,
            retry_configs: None,
        }
    }

    /// Let a client say its hello; with `early`, one that promises early data where the session to resume
    /// allows it.
    fn begin(&mut self, early: bool) -> Result<(), Failure> {
        let Core::Waiting(config, name) = &self.core else { return Ok(()) };
        let mut config = config.clone();
        if early {
            Arc::make_mut(&mut config).enable_early_data = true;
        }
        let name = name.clone();
        let made = running(&mut self.slot, || ClientConnection::new(config, name));
        let mut connection = made.map_err(|error| Failure::from(&error))?;
        connection.set_buffer_limit(None);
        self.core = Core::Client(Box::new(connection));
        self.collect();
        Ok(())
    }

    /// Take ciphertext that the peer sent.
    pub fn feed(&mut self, data: &[u8]) {
        self.incoming.extend(data);
    }

    /// Take `size` octets of ciphertext that `write` writes. The error is its own: nothing was taken then.
    pub fn feed_with<E>(
        &mut self,
        size: usize,
        write: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        write(self.incoming.room(size))?;
        self.incoming.put(size);
        Ok(())
    }

    /// The peer sends no more.
    pub fn feed_eof(&mut self) {
        self.eof = true;
    }

    /// How much ciphertext waits to be worked on, a record included that is here in part.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.incoming.len()
    }

    /// The most plaintext that `read_into` can give now.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.waiting() + HELD
    }

    /// Continue the handshake; true when it is done, false when it needs more input.
    pub fn handshake(&mut self) -> Result<bool, Failure> {
        self.begin(false)?;
        self.pump()?;
        let busy = with_connection!(&self.core, connection => connection.is_handshaking(), false);
        if busy && self.eof {
            return Err(Failure::truncated());
        }
        Ok(!busy)
    }

    /// Give rustls what came, until there is plaintext or there is no more.
    ///
    /// It gets parts of records too: while it has some, its buffer keeps the size of a record, and is not made
    /// anew for each.
    fn pump(&mut self) -> Result<(), Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let Self { core, incoming, taken, whole, slot, .. } = self;
        let came = incoming.as_slice();
        *whole += records::whole(&came[*whole..]);
        let outcome: Result<(), Error> = running(slot, || loop {
            let mut rest = &came[*taken..];
            let before = rest.len();
            if before == 0 {
                return Ok(());
            }
            let read = with_connection!(core, connection => connection.read_tls(&mut rest), return Ok(()));
            *taken += before - rest.len();
            let state =
                with_connection!(core, connection => connection.process_new_packets()?, return Ok(()));
            if read.is_err() && state.plaintext_bytes_to_read() == 0 {
                // There is no room, and nobody can make any: a message in more pieces than rustls keeps.
                return Err(InvalidMessage::HandshakePayloadTooLarge.into());
            }
            if read.is_err() || state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
                return Ok(());
            }
        });
        let done = self.whole.min(self.taken);
        self.incoming.skip(done);
        self.taken -= done;
        self.whole -= done;
        self.collect();
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => {
                let failure = self.fail(&error);
                // What was decrypted before it is given first.
                if self.has_plaintext() {
                    Ok(())
                } else {
                    Err(failure)
                }
            }
        }
    }

    fn fail(&mut self, error: &Error) -> Failure {
        use PeerIncompatible::ServerRejectedEncryptedClientHello as Rejected;
        if let Error::PeerIncompatible(Rejected(Some(configs))) = error {
            let mut list = Vec::new();
            configs.encode(&mut list);
            self.retry_configs = Some(list);
        }
        let failure = Failure::from(error);
        self.failed = Some(failure.clone());
        failure
    }

    /// Take what rustls has to send.
    fn collect(&mut self) {
        let Self { core, out, .. } = self;
        with_connection!(core, connection => while connection.wants_write() {
            if connection.write_tls(out).is_err() {
                break;
            }
        }, ());
    }

    /// Plaintext into `into`, until it is full or there is no more: how many octets. Some(0) is the end after
    /// the peer's `close_notify`, None that more input is needed. What came before a failure is given first.
    pub fn read_into(&mut self, into: &mut [u8]) -> Result<Option<usize>, Failure> {
        let mut found = 0;
        while found < into.len() {
            match with_connection!(
                &mut self.core,
                connection => connection.reader().read(&mut into[found..]),
                Err(ErrorKind::WouldBlock.into())
            ) {
                Ok(0) => return Ok(Some(found)),
                Ok(more) => {
                    found += more;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) if found > 0 => break,
                Err(_) => return Err(Failure::truncated()),
            }
            let before = (self.taken, self.waiting());
            match self.pump() {
                Ok(()) => {}
                Err(_) if found > 0 => break, // said at the next call
                Err(failure) => return Err(failure),
            }
            let moved = (self.taken, self.waiting()) != before;
            if !moved && !self.has_plaintext() {
                return match (found, self.eof) {
                    (0, true) => Err(Failure::truncated()),
                    (0, false) => Ok(None),
                    _ => Ok(Some(found)),
                };
            }
        }
        Ok(Some(found))
    }

    fn has_plaintext(&mut self) -> bool {
        with_connection!(&mut self.core, connection => connection.reader().fill_buf().is_ok(), false)
    }

    /// Encrypt `data`; how much was taken.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let mut written = 0;
        // A record at a time: so that each is made where the one before it was, in the processor's cache.
        for record in data.chunks(RECORD) {
            let taken = with_connection!(
                &mut self.core,
                connection => connection.writer().write(record).unwrap_or(0),
                0
            );
            self.collect();
            written += taken;
            if taken < record.len() {
                break;
            }
        }
        Ok(written)
    }

    /// Put a `close_notify` into the output.
    pub fn close_notify(&mut self) {
        with_connection!(&mut self.core, connection => connection.send_close_notify(), ());
        self.collect();
    }

    /// Use new keys from now on, and ask the peer to do so (RFC 8446 section 4.6.3). The error says why not.
    pub fn update_keys(&mut self) -> Result<(), String> {
        with_connection!(
            &mut self.core,
            connection => connection.refresh_traffic_keys().map_err(|error| error.to_string())?,
            return Err("there is no connection".to_owned())
        );
        self.collect();
        Ok(())
    }

    /// How many octets wait to be taken.
    #[must_use]
    pub fn pending_output(&self) -> usize {
        self.out.len()
    }

    /// Hand the first octets of the output, at most `limit`, to `take`, and forget them.
    pub fn take_output<R>(&mut self, limit: Option<usize>, take: impl FnOnce(&[u8]) -> R) -> R {
        let end = limit.map_or(self.out.len(), |limit| limit.min(self.out.len()));
        let result = take(&self.out.as_slice()[..end]);
        self.out.skip(end);
        result
    }

    // Early data (RFC 8446 section 2.3).

    /// A client's early data, before its handshake: how much was taken, 0 where none may be sent.
    pub fn write_early(&mut self, data: &[u8]) -> Result<usize, Failure> {
        self.begin(true)?;
        let Core::Client(connection) = &mut self.core else { return Ok(0) };
        let Some(mut early) = connection.early_data() else { return Ok(0) };
        let written = early.write(data).unwrap_or(0);
        self.early_sent |= written > 0;
        self.collect();
        Ok(written)
    }

    /// Early data that a server has received and not given yet.
    pub fn read_early(&mut self) -> Vec<u8> {
        let mut found = Vec::new();
        if let Core::Server(connection) = &mut self.core {
            if let Some(mut early) = connection.early_data() {
                let _ = early.read_to_end(&mut found); // that there is no more is not a failure
            }
        }
        found
    }

    /// Whether the server took the early data; None if none was sent, or it has not answered.
    #[must_use]
    pub fn early_accepted(&self) -> Option<bool> {
        match &self.core {
            Core::Client(connection) if self.early_sent && !connection.is_handshaking() => {
                Some(connection.is_early_data_accepted())
            }
            _ => None,
        }
    }

    // What was agreed on.

    /// The minor number of the version: 3 for TLS 1.2, 4 for TLS 1.3.
    #[must_use]
    pub fn version(&self) -> Option<u16> {
        with_connection!(&self.core, connection => connection.protocol_version(), None)
            .map(|version: ProtocolVersion| u16::from(version))
    }

    /// The cipher suite, by IANA's number.
    #[must_use]
    pub fn suite(&self) -> Option<u16> {
        with_connection!(&self.core, connection => connection.negotiated_cipher_suite(), None)
            .map(|suite| suite.suite().into())
    }

    /// The group of the key exchange, by IANA's number.
    #[must_use]
    pub fn group(&self) -> Option<u16> {
        with_connection!(&self.core, connection => connection.negotiated_key_exchange_group(), None)
            .map(|group| group.name().into())
    }

    /// The scheme of the peer's signature, by IANA's number.
    #[must_use]
    pub fn scheme(&self) -> Option<u16> {
        self.slot.scheme
    }

    /// The application protocol.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        with_connection!(&self.core, connection => connection.alpn_protocol(), None)
    }

    /// The name that the client of this server asked for.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match &self.core {
            Core::Server(connection) => connection.server_name(),
            _ => None,
        }
    }

    /// Whether a session was resumed; None before it is known.
    #[must_use]
    pub fn resumed(&self) -> Option<bool> {
        with_connection!(&self.core, connection => connection.handshake_kind(), None)
            .map(|kind| kind == HandshakeKind::Resumed)
    }

    /// What came of the peer's chain in this handshake.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        self.slot.verified.as_ref()
    }

    /// The peer's certificates, its own first: from this handshake, or from the one that is resumed.
    #[must_use]
    pub fn peer_chain(&self) -> Vec<Vec<u8>> {
        if let Some(verified) = &self.slot.verified {
            return verified.chain.clone();
        }
        with_connection!(&self.core, connection => connection.peer_certificates(), None)
            .map(|chain| chain.iter().map(|one| one.to_vec()).collect())
            .unwrap_or_default()
    }

    /// The names of the authorities in a request for a client certificate; None if there was none.
    #[must_use]
    pub fn requested(&self) -> Option<&[Vec<u8>]> {
        self.slot.requested.as_deref()
    }

    /// The sessions that the server has given since the last call.
    #[must_use]
    pub fn take_given(&self) -> Vec<Resumable> {
        self.store.take_given()
    }

    /// Lines for the key log since the last call.
    pub fn take_key_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.slot.key_log)
    }

    /// Whether the server decrypted the inner hello; None if there was none, or it has not answered.
    #[must_use]
    pub fn ech_accepted(&self) -> Option<bool> {
        let Core::Client(connection) = &self.core else { return None };
        match connection.ech_status() {
            EchStatus::Accepted => Some(true),
            EchStatus::Rejected => Some(false),
            EchStatus::NotOffered | EchStatus::Grease | EchStatus::Offered => None,
        }
    }

    /// The `ECHConfigList` that a server which refused ours would have taken.
    #[must_use]
    pub fn retry_configs(&self) -> Option<&[u8]> {
        self.retry_configs.as_deref()
    }

    /// `length` octets for a use named by `label` (RFC 5705). The error says why not.
    pub fn export(&self, label: &[u8], context: Option<&[u8]>, length: usize) -> Result<Vec<u8>, String> {
        let room = vec![0; length];
        with_connection!(
            &self.core,
            connection => connection.export_keying_material(room, label, context).map_err(|error| error.to_string()),
            Err("the handshake is not done".to_owned())
        )
    }

    /// The keys of both directions, and ciphertext that was fed and not decrypted yet. The session is spent.
    /// The error says why not.
    pub fn extract(&mut self) -> Result<(Secret, Secret, Vec<u8>), String> {
        // Afterwards all that rustls has of the peer's and has not worked on is a part of a record, which is in
        // `incoming` too, unless it has plaintext to be read before the rest.
        self.pump().map_err(|failure| failure.words)?;
        if self.has_plaintext() {
            return Err("there is plaintext to be read first".to_owned());
        }
        if self.pending_output() > 0 {
            return Err("there is ciphertext to be sent first".to_owned());
        }
        let secrets = match std::mem::replace(&mut self.core, Core::Spent) {
            Core::Client(connection) => connection.dangerous_extract_secrets(),
            Core::Server(connection) => connection.dangerous_extract_secrets(),
            other => {
                self.core = other;
                return Err("there is no connection".to_owned());
            }
        };
        let secrets = secrets.map_err(|error| error.to_string())?;
        let unread = self.incoming.as_slice()[self.whole..].to_vec();
        self.incoming.skip(self.incoming.len());
        (self.taken, self.whole) = (0, 0);
        Ok((secret(secrets.tx)?, secret(secrets.rx)?, unread))
    }
}

fn secret((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Secret, String> {
    let (cipher, key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => ("AES-128-GCM", key, iv),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => ("AES-256-GCM", key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => ("CHACHA20-POLY1305", key, iv),
        _ => return Err("the kernel does not have this cipher".to_owned()),
    };
    Ok(Secret { cipher, key: key.as_ref().to_vec(), iv: iv.as_ref().to_vec(), sequence })
}

#[cfg(all(test, feature = "aws-lc"))]
mod tests {
    use super::*;
    use crate::settings::{ClientAuth, Ech, Settings};

    fn settings() -> Settings {
        Settings { provider: "aws-lc".to_owned(), versions: (true, true), ..Settings::default() }
    }

    #[test]
    fn a_client_says_its_hello_and_then_waits() {
        let config = settings().client(Ech::No).unwrap();
        let mut session = Session::client(&config, Some("server.test"), None).unwrap();
        assert_eq!(session.pending_output(), 0);
        assert!(!session.handshake().unwrap());
        let first = session.take_output(Some(3), <[u8]>::to_vec);
        assert_eq!(first, [22, 3, 1]);
        let rest = session.take_output(None, <[u8]>::len);
        assert!(rest > 1_200, "a share of X25519MLKEM768 has 1,216 octets, and this hello {rest}");
        session.feed_eof();
        assert_eq!(session.handshake().unwrap_err(), Failure::truncated());
    }

    #[test]
    fn what_is_no_tls_is_refused_and_stays_so() {
        let config = settings().client(Ech::No).unwrap();
        let mut session = Session::client(&config, None, None).unwrap();
        session.handshake().unwrap();
        session.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let failure = session.handshake().unwrap_err();
        assert_eq!(failure.kind.name(), "message");
        assert_eq!(session.handshake().unwrap_err(), failure);
        assert_eq!(session.write(b"x").unwrap_err(), failure);
    }

    #[test]
    fn a_message_in_endless_pieces_is_refused_and_not_kept() {
        let config = settings().client(Ech::No).unwrap();
        let mut session = Session::client(&config, None, None).unwrap();
        session.handshake().unwrap();
        session.feed(b"\x16\x03\x03\x00\x04\x02\x00\xff\x00");
        let outcome = (0..20_000).find_map(|_| {
            session.feed(b"\x16\x03\x03\x00\x01A");
            session.handshake().err()
        });
        assert_eq!(outcome.unwrap().kind.name(), "message");
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let config = settings().client(Ech::No).unwrap();
        assert!(Session::client(&config, Some("a..b"), None).is_err());
        assert!(Session::client(&config, Some("127.0.0.1"), None).is_ok());
    }

    #[test]
    fn a_server_needs_an_identity() {
        let error = settings().server(ClientAuth::No, None, 0, false).unwrap_err();
        assert!(error.contains("certificate"));
    }
}
