//! HTTP/2 without I/O: octets in, events and octets out (RFC 9113), on the `h2` crate.
//!
//! The crate wants a socket and a runtime. Here it gets a pipe in memory and wakers that only write down
//! which stream woke, so that feeding octets costs what the streams in them cost, and no more. What the
//! crate does not show (PING, GOAWAY, the windows of the peer) is read from the frames on their way in, by
//! the reader that also counts them for the limits.
//!
//! Everything but `python` is plain Rust that knows nothing of Python, tested by
//! `cargo test --no-default-features`.

pub mod connection;
mod ending;
pub mod event;
pub mod frame;
pub mod limits;
pub mod message;
pub mod meter;
mod pipe;
mod receiving;
mod stream;
mod waking;

#[cfg(feature = "python")]
mod python;
