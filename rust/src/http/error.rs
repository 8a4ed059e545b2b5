//! What can be wrong with a message: the variants of `ParseError`, without its words.

/// A part of the buffer: its first octet, and the one behind its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first octet.
    pub start: usize,
    /// The octet behind the last.
    pub end: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The octets.
    #[must_use]
    pub fn of<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.start..self.end]
    }
}

/// The argument that sets a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // they are the arguments' names
pub enum Setting {
    MaxRequestLine,
    MaxHeaderLine,
    MaxHeadersTotal,
    MaxHeaderCount,
    MaxChunkSize,
    MaxExtension,
    MaxExtensionsTotal,
}

/// Why something is wrong, in the words of the Python twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The words.
    Words(&'static str),
    /// `octet 0x.. in it`.
    OctetIn(u8),
    /// `octet 0x.. in the reason`.
    OctetInReason(u8),
}

/// Which variant of `ParseError` an error is, with its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // netkit/http/parser/errors.py says what each is
pub enum Kind {
    RequestLineTooLong { limit: u64, setting: Setting },
    HeaderTooLong { limit: u64, setting: Setting },
    TooManyHeaders { limit: u64, setting: Setting },
    ChunkSizeOverflow { limit: u64, setting: Setting },
    ChunkExtensionTooLong { limit: u64, setting: Setting },
    InvalidRequestLine { reason: Reason },
    InvalidStatusLine { reason: Reason },
    InvalidTarget { reason: Reason },
    InvalidMethod { octet: Option<u8> },
    InvalidVersion { octet: Option<u8> },
    InvalidHeaderName { octet: Option<u8> },
    InvalidHeaderValue { octet: Option<u8> },
    InvalidChunkSize { octet: Option<u8> },
    InvalidChunkExtension { octet: Option<u8> },
    InvalidChunkEnd { octet: Option<u8> },
    UnknownMethod { raw: Span },
    UnsupportedVersion { raw: Span },
    Http09,
    InvalidContentLength { raw: Span },
    ConflictingContentLength { first: u64, second: u64 },
    InvalidTransferEncoding { raw: Span, reason: &'static str },
    ForbiddenTrailer { raw: Span },
    MissingColon,
    SpaceBeforeColon,
    ObsoleteFold,
    BareLineFeed,
    BareCarriageReturn,
    Http2Preface,
    TlsBytes,
}

/// What is wrong, and at which octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The octet. In a chunked body it counts from the front, and wraps around where it lies before that.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: Kind,
}

impl Kind {
    /// The error of this kind at an octet.
    pub(super) fn at<T>(self, offset: usize) -> Result<T, Error> {
        Err(Error { offset, kind: self })
    }
}

/// The error for the octet at `at` of a line that ends with `line`: a bare CR is called that everywhere.
pub(super) fn refuse<T>(line: &[u8], at: usize, kind: impl FnOnce(Option<u8>) -> Kind) -> Result<T, Error> {
    match line.get(at) {
        Some(b'\r') => Kind::BareCarriageReturn.at(at),
        octet => kind(octet.copied()).at(at),
    }
}
