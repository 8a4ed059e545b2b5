//! Rust twins of netkit's hot functions.
//!
//! The Python implementation is the specification; what stands here does the same, faster. Each kernel is
//! a module of plain Rust that knows nothing of Python, tested by `cargo test --no-default-features`. The
//! thin layer that turns Python objects into slices, and kernel errors into the exceptions that the Python
//! twin raises, is in `python`, and only there.

pub mod dns;
pub mod http;
pub mod masking;
pub mod websocket;

#[cfg(feature = "python")]
mod python;
