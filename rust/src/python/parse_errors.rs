//! The variants of `ParseError`, raised with the fields that the Python twin gives them.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};
use pyo3::IntoPyObjectExt;

use super::arguments::import;
use crate::http::{Error, Kind, Reason, Setting, Span};

/// The exception for an error; `octets` is what its spans are of, `base` where that begins in the buffer.
pub(super) fn exception(py: Python<'_>, error: &Error, octets: &[u8], base: usize) -> PyErr {
    build(py, error, octets, base).unwrap_or_else(|failed| failed)
}

/// The exception for a stream that ended inside a message.
pub(super) fn incomplete(py: Python<'_>, offset: usize) -> PyErr {
    variant(py, "Incomplete", (offset,)).unwrap_or_else(|failed| failed)
}

/// The same error, to be raised again: a new exception, which has not been raised.
pub(super) fn again(error: &Bound<'_, PyAny>) -> PyErr {
    error.call_method0("fresh").map_or_else(|failed| failed, PyErr::from_value)
}

fn build(py: Python<'_>, error: &Error, octets: &[u8], base: usize) -> PyResult<PyErr> {
    let at = base.wrapping_add(error.offset);
    let raw = |span: Span| PyBytes::new(py, span.of(octets));
    match error.kind {
        Kind::RequestLineTooLong { limit, setting } => {
            variant(py, "RequestLineTooLong", (limit, at, name(setting)))
        }
        Kind::HeaderTooLong { limit, setting } => variant(py, "HeaderTooLong", (limit, at, name(setting))),
        Kind::TooManyHeaders { limit, setting } => variant(py, "TooManyHeaders", (limit, at, name(setting))),
        Kind::ChunkSizeOverflow { limit, setting } => {
            variant(py, "ChunkSizeOverflow", (limit, at, name(setting)))
        }
        Kind::ChunkExtensionTooLong { limit, setting } => {
            variant(py, "ChunkExtensionTooLong", (limit, at, name(setting)))
        }
        Kind::InvalidRequestLine { reason } => variant(py, "InvalidRequestLine", (words(py, reason), at)),
        Kind::InvalidStatusLine { reason } => variant(py, "InvalidStatusLine", (words(py, reason), at)),
        Kind::InvalidTarget { reason } => variant(py, "InvalidTarget", (words(py, reason), at)),
        Kind::InvalidMethod { octet } => variant(py, "InvalidMethod", (octet, at)),
        Kind::InvalidVersion { octet } => variant(py, "InvalidVersion", (octet, at)),
        Kind::InvalidHeaderName { octet } => variant(py, "InvalidHeaderName", (octet, at)),
        Kind::InvalidHeaderValue { octet } => variant(py, "InvalidHeaderValue", (octet, at)),
        Kind::InvalidChunkSize { octet } => variant(py, "InvalidChunkSize", (octet, at)),
        Kind::InvalidChunkExtension { octet } => variant(py, "InvalidChunkExtension", (octet, at)),
        Kind::InvalidChunkEnd { octet } => variant(py, "InvalidChunkEnd", (octet, at)),
        Kind::UnknownMethod { raw: span } => variant(py, "UnknownMethod", (raw(span), at)),
        Kind::UnsupportedVersion { raw: span } => variant(py, "UnsupportedVersion", (raw(span), at)),
        Kind::Http09 => variant(py, "UnsupportedVersion", (PyBytes::new(py, b"HTTP/0.9"), at)),
        Kind::InvalidContentLength { raw: span } => variant(py, "InvalidContentLength", (raw(span), at)),
        Kind::ConflictingContentLength { first, second } => {
            variant(py, "ConflictingContentLength", (first, second, at))
        }
        Kind::InvalidTransferEncoding { raw: span, reason } => {
            variant(py, "InvalidTransferEncoding", (raw(span), reason, at))
        }
        Kind::ForbiddenTrailer { raw: span } => variant(py, "ForbiddenTrailer", (raw(span), at)),
        Kind::MissingColon => variant(py, "MissingColon", (at,)),
        Kind::SpaceBeforeColon => variant(py, "SpaceBeforeColon", (at,)),
        Kind::ObsoleteFold => variant(py, "ObsoleteFold", (at,)),
        Kind::BareLineFeed => variant(py, "BareLineFeed", (at,)),
        Kind::BareCarriageReturn => variant(py, "BareCarriageReturn", (at,)),
        Kind::Http2Preface => variant(py, "Http2Preface", (at,)),
        Kind::TlsBytes => variant(py, "TlsBytes", (at,)),
    }
}

fn variant<'py>(py: Python<'py>, name: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = import(py, &CLASS, "netkit.http.parser.errors", "ParseError")?;
    Ok(PyErr::from_value(class.getattr(name)?.call1(arguments)?.into_bound_py_any(py)?))
}

fn name(setting: Setting) -> &'static str {
    match setting {
        Setting::MaxRequestLine => "max_request_line",
        Setting::MaxHeaderLine => "max_header_line",
        Setting::MaxHeadersTotal => "max_headers_total",
        Setting::MaxHeaderCount => "max_header_count",
        Setting::MaxChunkSize => "max_chunk_size",
        Setting::MaxExtension => "max_extension",
        Setting::MaxExtensionsTotal => "max_extensions_total",
    }
}

fn words(py: Python<'_>, reason: Reason) -> Bound<'_, PyString> {
    match reason {
        Reason::Words(words) => PyString::new(py, words),
        Reason::OctetIn(octet) => PyString::new(py, &format!("octet 0x{octet:02x} in it")),
        Reason::OctetInReason(octet) => PyString::new(py, &format!("octet 0x{octet:02x} in the reason")),
    }
}
