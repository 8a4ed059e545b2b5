//! WebSocket frames (RFC 6455 section 5): the receiving half of a connection, and the header of a frame.
//!
//! The twins of `netkit.websocket.reader` and of `build_frame`, where the rules are explained.

pub mod header;
pub mod reader;
pub mod utf8;

pub use header::Header;
pub use reader::{Reader, Settings, Step};

/// The bit of a first octet that ends a message.
pub const FIN: u8 = 0x80;
/// The bit of a first octet that marks a compressed message.
pub const RSV1: u8 = 0x40;

/// What is wrong; the variants of `WebSocketError` with their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    ReservedBitsSet { bits: u8 },
    ReservedOpcode { opcode: u8 },
    FragmentedControl { opcode: u8 },
    ControlTooLong { opcode: u8 },
    UnexpectedContinuation,
    UnfinishedMessage { opcode: u8 },
    MaskMissing,
    MaskForbidden,
    NonMinimalLength { length: u64 },
    LengthOverflow,
    InvalidUtf8 { octet: Option<u8> },
    LimitExceeded { setting: &'static str, limit: u64, size: Option<u64> },
}

/// What is wrong, and at which octet of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What.
    pub kind: Kind,
    /// Where.
    pub offset: u64,
}

/// Refuse what is at that octet.
fn refuse<T>(kind: Kind, offset: u64) -> Result<T, Error> {
    Err(Error { kind, offset })
}
