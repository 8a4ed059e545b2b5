//! TLS without I/O: octets in, octets out (RFC 8446, RFC 5246), on the `rustls` crate.
//!
//! rustls calls verifiers, key logs and stores of sessions of a *configuration*, which many connections share.
//! Here everything that one connection learns goes to that connection: `slot` carries it from the callback to
//! the session that made the call.
//!
//! Everything but `python` is plain Rust that knows nothing of Python, tested by
//! `cargo test --no-default-features --features aws-lc`.

pub mod compress;
pub mod failure;
pub mod identity;
#[cfg(feature = "libcrux")]
mod libcrux;
pub mod memory;
pub mod provider;
pub mod records;
pub mod resume;
pub mod session;
pub mod settings;
mod slot;
pub mod verify;

#[cfg(feature = "python")]
mod python;
