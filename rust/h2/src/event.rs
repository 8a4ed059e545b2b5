//! What a connection finds in the octets it is fed: `netkit.http.connection.events`, in Rust.

use bytes::Bytes;
use http::HeaderMap;

use crate::limits::Excess;

/// Why one stream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent `RST_STREAM`.
    ByPeer,
    /// The peer sent GOAWAY, and will not work on this stream.
    GoneAway,
    /// The peer broke a rule on this stream.
    Broken(&'static str),
    /// The peer went over a limit on this stream.
    Excess(Excess),
    /// The connection ended before there was a response.
    Unanswered,
    /// The connection ended before the message did: octets of body, and how many were announced.
    Ended(u64, Option<u64>),
}

/// An event; each variant is the Python class of that name.
#[derive(Debug)]
#[allow(missing_docs)] // the fields are those of the classes
pub enum Event {
    Interim { stream: u32, status: u16, fields: HeaderMap },
    ResponseHead { stream: u32, status: u16, fields: HeaderMap, end: bool, length: Option<u64> },
    RequestReceived { stream: u32, head: Box<Request>, end: bool, length: Option<u64> },
    Data { stream: u32, data: Bytes },
    End { stream: u32, trailers: Option<HeaderMap> },
    Reset { stream: u32, cause: Cause, code: Option<u32>, is_safe: bool },
    Room { stream: u32 },
    GoAway { last_stream: u32, code: u32, debug: Bytes },
    PingAnswered { data: [u8; 8] },
    Broken { code: u32, reason: &'static str, excess: Option<Excess> },
}

/// The head of a request that was received.
#[derive(Debug, Default)]
#[allow(missing_docs)] // the fields are those of `RequestHead`
pub struct Request {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub authority: Vec<u8>,
    pub scheme: Option<Vec<u8>>,
    pub protocol: Option<Vec<u8>>,
    pub fields: HeaderMap,
}
