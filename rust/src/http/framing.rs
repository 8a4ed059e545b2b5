//! Where the body of a message ends (RFC 9112 section 6), and what may be tolerated.

use super::error::{Error, Kind, Span};
use super::lines::{is_space, spaces_end, trimmed_end};
use super::tables::{run, TOKEN};

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Framing {
    /// There is no body.
    None,
    /// It has as many octets as Content-Length says.
    Length,
    /// It is chunked.
    Chunked,
    /// It goes on until the connection is closed.
    UntilClose,
}

/// What is tolerated: the bits of `netkit.http.parser.framing.Lenient`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lenient(pub u32);

#[allow(missing_docs)] // netkit/http/parser/framing.py says what each is
impl Lenient {
    pub const BARE_LF: u32 = 1;
    pub const OBS_FOLD: u32 = 2;
    pub const SPACE_BEFORE_COLON: u32 = 4;
    pub const CONTENT_LENGTH: u32 = 8;
    pub const TRANSFER_ENCODING: u32 = 16;
    pub const VERSION: u32 = 32;
    pub const UNKNOWN_METHOD: u32 = 64;
    pub const NON_ASCII_TARGET: u32 = 128;
    pub const MISSING_REASON: u32 = 256;
    pub const CHUNK_SPACE: u32 = 512;
    pub const UNTIL_CLOSE: u32 = 2048;

    /// Whether a flag is set.
    #[must_use]
    #[inline]
    pub fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

/// What the Transfer-Encoding lines so far come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Absent,
    /// Codings, none of them `chunked`.
    Other,
    /// `chunked` is the last of them.
    Chunked,
    /// `chunked` is one of them, and not the last.
    BeforeOther,
}

/// Reasons to refuse a Transfer-Encoding, of which some are tolerated in a response.
pub(super) const NOT_LAST: &str = "chunked is not the last";
const WITH_PARAMETER: &str = "a parameter, which no registered coding has";

/// The largest Content-Length.
const MAX_CONTENT_LENGTH: u64 = u64::MAX >> 1;

/// The number in one Content-Length field; where repeats are tolerated, `5, 5` is 5.
pub(super) fn read_content_length(buffer: &[u8], value: Span, repeats: bool) -> Result<u64, Error> {
    let invalid = Error { offset: value.start, kind: Kind::InvalidContentLength { raw: value } };
    let octets = value.of(buffer);
    if !repeats || !octets.contains(&b',') {
        return digits(octets).ok_or(invalid);
    }
    let numbers = || octets.split(|&octet| octet == b',').map(|part| digits(trimmed(part)));
    // What is no number comes before what differs.
    if numbers().any(|number| number.is_none()) {
        return Err(invalid);
    }
    let mut numbers = numbers().flatten();
    let first = numbers.next().ok_or(invalid)?;
    match numbers.find(|&number| number != first) {
        Some(second) => Kind::ConflictingContentLength { first, second }.at(value.start),
        None => Ok(first),
    }
}

fn trimmed(octets: &[u8]) -> &[u8] {
    let start = spaces_end(octets, 0);
    &octets[start..trimmed_end(octets, start, octets.len())]
}

/// ASCII digits as the number they are; no sign, no space (RFC 9110 section 8.6).
fn digits(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() {
        return None;
    }
    octets.iter().try_fold(0_u64, |number, octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        let number = number.checked_mul(10)?.checked_add(digit)?;
        (number <= MAX_CONTENT_LENGTH).then_some(number)
    })
}

/// What one more Transfer-Encoding field makes of those before it (RFC 9112 section 6.1); `until_close` says
/// whether codings may follow `chunked`, and have parameters.
pub(super) fn read_transfer_encoding(
    buffer: &[u8],
    value: Span,
    before: Coding,
    until_close: bool,
) -> Result<Coding, Error> {
    let mut coding = before;
    let refuse = |reason| Kind::InvalidTransferEncoding { raw: value, reason }.at(value.start);
    for part in value.of(buffer).split(|&octet| octet == b',') {
        let part = trimmed(part);
        debug_assert!(!part.last().is_some_and(|&octet| is_space(octet)));
        let name = run(part, TOKEN);
        if part.is_empty() || name < part.len() {
            let reason = why_no_coding(part, name);
            // With a parameter, `chunked` is too near to what it is without; a quoted one may hold commas.
            let near = part.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"chunked"));
            if !until_close || near || part.contains(&b'"') || reason != WITH_PARAMETER {
                return refuse(reason);
            }
        }
        let chunked = part.eq_ignore_ascii_case(b"chunked");
        coding = match coding {
            Coding::Chunked | Coding::BeforeOther if chunked => return refuse("chunked twice"),
            Coding::Chunked | Coding::BeforeOther if !until_close => return refuse(NOT_LAST),
            Coding::Chunked | Coding::BeforeOther => Coding::BeforeOther,
            Coding::Absent | Coding::Other if chunked => Coding::Chunked,
            Coding::Absent | Coding::Other => Coding::Other,
        };
    }
    Ok(coding)
}

/// What is wrong with a member of Transfer-Encoding that is no token; its first `name` octets are one.
fn why_no_coding(member: &[u8], name: usize) -> &'static str {
    if member.is_empty() {
        "an empty list member"
    } else if name > 0 && member.get(spaces_end(member, name)) == Some(&b';') {
        WITH_PARAMETER
    } else {
        "not a list of transfer codings"
    }
}

/// What the method that a response answers means for its body (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// HEAD: no body.
    Head,
    /// CONNECT: no body after a 2xx.
    Connect,
    /// Another method, or none that is known.
    Other,
}

impl Answers {
    /// Whether a response with this status makes the connection a tunnel: 2xx to CONNECT. Its Content-Length
    /// and Transfer-Encoding then count for nothing (RFC 9110 section 9.3.6), and are not even judged.
    pub(super) fn makes_tunnel(self, status: u16) -> bool {
        self == Answers::Connect && matches!(status, 200..=299)
    }
}

/// How the body's end is found: RFC 9112 section 6.3, in its order. `answers` is None for a request.
pub(super) fn body_framing(
    answers: Option<Answers>,
    status: u16,
    coding: Coding,
    length: Option<u64>,
) -> Framing {
    if let Some(answers) = answers {
        let empty = matches!(status, 100..=199 | 204 | 304);
        if empty || answers.makes_tunnel(status) || answers == Answers::Head {
            return Framing::None;
        }
    }
    match (coding, length) {
        (Coding::Chunked, _) => Framing::Chunked,
        (Coding::Absent, Some(_)) => Framing::Length,
        (Coding::Absent, None) if answers.is_none() => Framing::None,
        (Coding::Other | Coding::BeforeOther, _) | (Coding::Absent, None) => Framing::UntilClose,
    }
}
