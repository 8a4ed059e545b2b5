//! The thin layer: Python objects in, slices to the kernels, the Python twin's exceptions out.

use pyo3::prelude::*;

mod arguments;
mod chunked;
mod dns;
mod http;
mod masking;
mod parse_errors;
mod websocket;
mod zone;

/// The functions and classes that `netkit._twins` chooses from.
#[pymodule(name = "_rust")]
mod module {
    #[pymodule_export]
    use super::chunked::{ChunkEnd, ChunkOutput, ChunkedDecoder};
    #[pymodule_export]
    use super::dns::read_message;
    #[pymodule_export]
    use super::http::{Done, HeaderView, HttpParser};
    #[pymodule_export]
    use super::masking::{apply_mask, apply_mask_in_place};
    #[pymodule_export]
    use super::websocket::{build_frame, MessageReader};
    #[pymodule_export]
    use super::zone::read_plain_lines;

    /// The version this was built at; `netkit._twins` takes no other than its own.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
