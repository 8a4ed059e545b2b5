//! HTTP/1.1 messages (RFC 9112): the head, and the chunked transfer coding.
//!
//! The twins of `netkit.http.parser`, its `head` and `chunked`, where the rules are explained. Both judge a
//! message line by line, each when its end is there; what is as it should be, which is nearly everything,
//! is taken in one pass by `scan`, and the rest is read again the careful way.

pub mod chunked;
pub mod error;
pub mod framing;
pub mod head;
mod lines;
mod scan;
mod start_line;
mod tables;

pub use error::{Error, Kind, Reason, Setting, Span};
pub use framing::{Framing, Lenient};
