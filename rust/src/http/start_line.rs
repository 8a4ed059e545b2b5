//! The request line (RFC 9112 section 3) and the status line (section 4).

use super::error::{refuse, Error, Kind, Reason, Span};
use super::framing::Lenient;
use super::lines::{check_terminator, line_end};
use super::scan;
use super::tables::{run, HIGH, IN_BRACKETS, REG_NAME, TARGET, VALUE};

/// The form of a request target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // netkit/http/parser/framing.py says what each is
pub enum TargetForm {
    Origin,
    Absolute,
    Authority,
    Asterisk,
}

/// What a start line says, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// Of a request.
    Request {
        /// Where the method is.
        method: Span,
        /// Where the target is.
        target: Span,
        /// Where the version is.
        version: Span,
        /// Which form the target has.
        form: TargetForm,
        /// The minor version.
        minor: u8,
    },
    /// Of a response.
    Status {
        /// Where the version is.
        version: Span,
        /// Where the status is.
        status: Span,
        /// Where the reason is.
        reason: Span,
        /// The status.
        code: u16,
        /// The minor version.
        minor: u8,
    },
}

impl StartLine {
    /// The minor version.
    #[must_use]
    pub fn minor(&self) -> u8 {
        match *self {
            Self::Request { minor, .. } | Self::Status { minor, .. } => minor,
        }
    }
}

/// Octets of `HTTP/1.1`.
const VERSION: usize = 8;

fn is_known(method: &[u8]) -> bool {
    matches!(
        method,
        b"ACL"
            | b"BIND"
            | b"CHECKOUT"
            | b"CONNECT"
            | b"COPY"
            | b"DELETE"
            | b"GET"
            | b"HEAD"
            | b"LINK"
            | b"LOCK"
            | b"M-SEARCH"
            | b"MERGE"
            | b"MKACTIVITY"
            | b"MKCALENDAR"
            | b"MKCOL"
            | b"MOVE"
            | b"NOTIFY"
            | b"OPTIONS"
            | b"PATCH"
            | b"POST"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"PURGE"
            | b"PUT"
            | b"QUERY"
            | b"REBIND"
            | b"REPORT"
            | b"SEARCH"
            | b"SUBSCRIBE"
            | b"TRACE"
            | b"UNBIND"
            | b"UNLINK"
            | b"UNLOCK"
            | b"UNSUBSCRIBE"
    )
}

/// `method SP request-target SP HTTP-version`.
pub(super) fn read_request_line(
    buffer: &[u8],
    start: usize,
    line_feed: usize,
    lenient: Lenient,
) -> Result<StartLine, Error> {
    let end = line_end(buffer, start, line_feed);
    let line = &buffer[..end];
    let method_end = scan::token_end(line, start);
    if method_end == end {
        return Kind::InvalidRequestLine { reason: Reason::Words("it has no target") }.at(end);
    }
    if line[method_end] != b' ' {
        return refuse(line, method_end, |octet| Kind::InvalidMethod { octet });
    }
    if &line[start..] == b"PRI * HTTP/2.0" {
        return Kind::Http2Preface.at(start);
    }
    let method = Span::new(start, method_end);
    if !is_known(method.of(line)) && !lenient.has(Lenient::UNKNOWN_METHOD) {
        return Kind::UnknownMethod { raw: method }.at(start);
    }
    let target = Span::new(method_end + 1, target_end(line, method_end + 1, lenient)?);
    let form = match target_form(target.of(line), method.of(line)) {
        Ok(form) => form,
        Err(words) => return Kind::InvalidTarget { reason: Reason::Words(words) }.at(target.start),
    };
    if target.end == end {
        return Kind::Http09.at(end);
    }
    let version = Span::new(target.end + 1, end);
    let minor = read_version(line, version.start, lenient)?;
    if version.start + VERSION < end {
        return refuse(line, version.start + VERSION, |octet| Kind::InvalidVersion { octet });
    }
    check_terminator(end, line_feed, lenient)?;
    Ok(StartLine::Request { method, target, version, form, minor })
}

/// `HTTP-version SP status-code SP [ reason-phrase ]`.
pub(super) fn read_status_line(
    buffer: &[u8],
    start: usize,
    line_feed: usize,
    lenient: Lenient,
) -> Result<StartLine, Error> {
    let end = line_end(buffer, start, line_feed);
    let line = &buffer[..end];
    let minor = read_version(line, start, lenient)?;
    let status = start + VERSION + 1;
    expect(line, status - 1, |octet| octet == b' ', "no space after the version")?;
    for at in status..status + 3 {
        expect(line, at, |octet| octet.is_ascii_digit(), "the status is not three digits")?;
    }
    if line[status] == b'0' {
        return Kind::InvalidStatusLine { reason: Reason::Words("a status below 100") }.at(status);
    }
    let mut reason = status + 3;
    if reason < end || !lenient.has(Lenient::MISSING_REASON) {
        expect(line, reason, |octet| octet == b' ', "no space after the status")?;
        reason += 1;
        let wrong = reason + run(&line[reason..], VALUE);
        if wrong < end {
            return refuse(line, wrong, |_| Kind::InvalidStatusLine {
                reason: Reason::OctetInReason(line[wrong]),
            });
        }
    }
    check_terminator(end, line_feed, lenient)?;
    let code = line[status..status + 3].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    Ok(StartLine::Status {
        version: Span::new(start, start + VERSION),
        status: Span::new(status, status + 3),
        reason: Span::new(reason, end),
        code,
        minor,
    })
}

/// Refuse a status line whose octet at `at` is not what it should be.
fn expect(line: &[u8], at: usize, good: impl Fn(u8) -> bool, words: &'static str) -> Result<(), Error> {
    match line.get(at) {
        Some(&octet) if good(octet) => Ok(()),
        _ => refuse(line, at, |_| Kind::InvalidStatusLine { reason: Reason::Words(words) }),
    }
}

/// The minor version.
fn read_version(line: &[u8], start: usize, lenient: Lenient) -> Result<u8, Error> {
    if let Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1')]) =
        line.get(start..start + VERSION)
    {
        return Ok(minor - b'0');
    }
    for (at, expected) in (start..).zip(b"HTTP/0.0") {
        let right = line.get(at).is_some_and(|octet| {
            if *expected == b'0' {
                octet.is_ascii_digit()
            } else {
                octet == expected
            }
        });
        if !right {
            return refuse(line, at, |octet| Kind::InvalidVersion { octet });
        }
    }
    let minor = line[start + 7] - b'0';
    if line[start + 5] != b'1' || (minor > 1 && !lenient.has(Lenient::VERSION)) {
        return Kind::UnsupportedVersion { raw: Span::new(start, start + VERSION) }.at(start);
    }
    Ok(minor)
}

/// Where a request target ends: at the space before the version, or with the line.
fn target_end(line: &[u8], start: usize, lenient: Lenient) -> Result<usize, Error> {
    let at = if lenient.has(Lenient::NON_ASCII_TARGET) {
        start + run(&line[start..], TARGET | HIGH)
    } else {
        scan::target_end(line, start)
    };
    let words = |words| Kind::InvalidRequestLine { reason: Reason::Words(words) }.at(at);
    match line.get(at) {
        None if at == start => words("it has no target"),
        Some(b'\r') => Kind::BareCarriageReturn.at(at),
        Some(b' ') if at == start => words("more than one space"),
        None | Some(b' ') => Ok(at),
        Some(&octet) => Kind::InvalidTarget { reason: Reason::OctetIn(octet) }.at(at),
    }
}

/// Which form a target has, or what is wrong with it for this method.
fn target_form(target: &[u8], method: &[u8]) -> Result<TargetForm, &'static str> {
    if method == b"CONNECT" {
        return if is_authority(target) {
            Ok(TargetForm::Authority)
        } else {
            Err("CONNECT takes a host and a port")
        };
    }
    match target {
        [b'/', ..] => Ok(TargetForm::Origin),
        b"*" if matches!(method, b"OPTIONS" | b"M-SEARCH" | b"NOTIFY") => Ok(TargetForm::Asterisk),
        b"*" => Err("* is for OPTIONS, M-SEARCH and NOTIFY alone"),
        _ if is_absolute(target) => Ok(TargetForm::Absolute),
        _ => Err(why_not_absolute(target)),
    }
}

/// Why a target that is no path is refused: because it is no absolute URI, or which one it is.
fn why_not_absolute(target: &[u8]) -> &'static str {
    if is_authority(target) {
        return "a host and a port are for CONNECT alone";
    }
    let is_scheme = |octet: &&u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'.' | b'-');
    let scheme = target.iter().take_while(is_scheme).count();
    if !target[0].is_ascii_alphabetic() || target.get(scheme) != Some(&b':') {
        return "it is neither a path nor an absolute URI";
    }
    let Some(rest) = target[scheme + 1..].strip_prefix(b"//") else {
        return "an absolute URI without a host, which is not taken here";
    };
    if !target[..scheme].iter().all(u8::is_ascii_alphabetic) {
        return "a scheme of more than letters, which is not taken here";
    }
    let authority = rest.split(|octet| matches!(octet, b'/' | b'?')).next().unwrap_or(rest);
    if authority.contains(&b'@') {
        "userinfo in it"
    } else if matches!(authority, [b'[', b'v' | b'V', ..]) {
        "an address of a future version of IP, which is not taken here"
    } else {
        "no host, or a port that is none"
    }
}

/// Whether a target is `scheme://host[:port]`, with or without a path or a query.
fn is_absolute(target: &[u8]) -> bool {
    let scheme = target.iter().take_while(|octet| octet.is_ascii_alphabetic()).count();
    if scheme == 0 {
        return false;
    }
    let Some(rest) = target[scheme..].strip_prefix(b"://") else { return false };
    let Some(mut rest) = host_end(rest).map(|end| &rest[end..]) else { return false };
    if let Some(port) = rest.strip_prefix(b":") {
        let digits = port.iter().take_while(|octet| octet.is_ascii_digit()).count();
        // As in the Python twin, digits beyond the fifth are no part of the port.
        rest = &port[digits.min(5)..];
    }
    matches!(rest, [] | [b'/' | b'?', ..])
}

/// Where a host ends that a text begins with, if it begins with one.
fn host_end(text: &[u8]) -> Option<usize> {
    if let Some(address) = text.strip_prefix(b"[") {
        let length = run(address, IN_BRACKETS);
        return (length > 0 && address.get(length) == Some(&b']')).then_some(length + 2);
    }
    let length = run(text, REG_NAME);
    (length > 0).then_some(length)
}

/// Whether a target is `host:port`.
fn is_authority(target: &[u8]) -> bool {
    let behind = host_end(target).map(|end| &target[end..]);
    matches!(behind, Some([b':', port @ ..]) if !port.is_empty() && is_port(port))
}

fn is_port(text: &[u8]) -> bool {
    text.len() <= 5 && text.iter().all(u8::is_ascii_digit)
}
