"""The start line of an HTTP/1.1 message: request line (RFC 9112 section 3) or status line (section 4).

A request target has one of four forms (section 3.2), and the method decides which: CONNECT takes a host and a
port, OPTIONS may take `*`, all other methods take a path or, for a proxy, a whole URI. A target of another
form is refused, because two parsers may read it differently.

This parser differs from the RFC in two points. First, it accepts `M-SEARCH *` and `NOTIFY *`, although
section 3.2.4 allows `*` only for OPTIONS: UPnP sends them (UPnP Device Architecture 2.0, sections 1.2 and
1.3). Second, section 3.2.2 allows all absolute URIs, but this parser accepts only those with a scheme of
letters and a host that is a name or an address, as llhttp does. It refuses `coap+ws://h/`, `urn:a:b` and
`http://[v1.x]/`, with that reason.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import ASTERISK_METHODS, METHODS, TCHAR, Lenient, TargetForm
from netkit.http.parser.lines import CR, SP, Buffer, check_terminator, line_end, refuse, skip

# What nearly every message begins with, taken at once.
_REQUEST_LINE = re.compile(rb"([A-Z\-]++) (/[\x21\x22\x24-\x7e]*+) HTTP/1\.([01])\r\n").match
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*+)\r\n").match

_METHOD = re.compile(rb"[" + TCHAR + rb"]*+")
# Every visible character but "#": what follows it is never sent (RFC 9112 section 3.2).
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]*+")
_TARGET_OF_ANY_OCTETS = re.compile(rb"[\x21\x22\x24-\x7e\x80-\xff]*+")
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+")

_HOST = rb"(?:\[[0-9A-Fa-f:.]++\]|[0-9A-Za-z\-._~%!$&'()*+,;=]++)"
# Without userinfo, which RFC 9110 section 4.2.4 tells recipients to treat as an error.
_ABSOLUTE_FORM = re.compile(rb"[A-Za-z]++://" + _HOST + rb"(?::[0-9]{0,5}+)?+(?:[/?]|\Z)").match
_SCHEME = re.compile(rb"[A-Za-z][0-9A-Za-z+.\-]*+:").match
_AUTHORITY_FORM = re.compile(_HOST + rb":[0-9]{1,5}+\Z").match

# What a named tuple's own constructor comes down to, without the call of a Python function.
_new = tuple.__new__

_DIGITS = range(0x30, 0x3A)
#: Octets of `HTTP/1.1`.
_VERSION = 8


class RequestLine(NamedTuple):
    """Where the parts of a request line are, and what they say."""

    method: tuple[int, int]
    target: tuple[int, int]
    version: tuple[int, int]
    minor: int
    form: TargetForm

    def parts(self) -> dict[str, tuple[int, int]]:
        """Start and end of each part."""
        return {"method": self.method, "target": self.target, "version": self.version}


class StatusLine(NamedTuple):
    """Where the parts of a status line are, and what they say."""

    version: tuple[int, int]
    status: tuple[int, int]
    reason: tuple[int, int]
    minor: int
    code: int

    def parts(self) -> dict[str, tuple[int, int]]:
        """Start and end of each part."""
        return {"version": self.version, "status": self.status, "reason": self.reason}


def quick_request_line(buffer: Buffer, start: int, end: int) -> RequestLine | None:
    """A request line that ends before `end`, if it is what nearly every one is: a known method and a path."""
    match = _REQUEST_LINE(buffer, start, end)
    if match is None or match[1] not in METHODS or match[1] == b"CONNECT":
        return None
    (_, after), method, target, _ = match.regs
    version = (target[1] + 1, after - 2)
    return _new(RequestLine, (method, target, version, match[3][0] - 0x30, TargetForm.ORIGIN))


def quick_status_line(buffer: Buffer, start: int, end: int) -> StatusLine | None:
    """A status line that ends before `end`, if it is as it should be."""
    match = _STATUS_LINE(buffer, start, end)
    if match is None:
        return None
    _, _, status, reason = match.regs
    version = (start, start + _VERSION)
    return _new(StatusLine, (version, status, reason, match[1][0] - 0x30, _three_digits(match[2])))


def read_request_line(buffer: Buffer, start: int, line_feed: int, lenient: Lenient) -> RequestLine:
    """`method SP request-target SP HTTP-version` (RFC 9112 section 3).

    Args:
        buffer: the message.
        start: where the line begins, with an octet that a method may have.
        line_feed: where its LF is.
        lenient: what is tolerated.

    Raises:
        ParseError: the first octet that is wrong, or the method, target or version that is, by its variant.
    """
    end = line_end(buffer, start, line_feed)
    method_end = skip(_METHOD, buffer, start, end)
    if method_end == end:
        raise ParseError.InvalidRequestLine("it has no target", end)
    if buffer[method_end] != SP:
        refuse(ParseError.InvalidMethod, buffer, method_end, end)
    if bytes(buffer[start:end]) == b"PRI * HTTP/2.0":
        raise ParseError.Http2Preface(start)
    method = bytes(buffer[start:method_end])
    if method not in METHODS and not lenient & Lenient.UNKNOWN_METHOD:
        raise ParseError.UnknownMethod(method, start)
    target = method_end + 1
    target_end = _target_end(buffer, target, end, lenient)
    form = _target_form(bytes(buffer[target:target_end]), method, target)
    if target_end == end:
        raise ParseError.UnsupportedVersion(b"HTTP/0.9", end)
    version = target_end + 1
    minor = _read_version(buffer, version, end, lenient)
    if version + _VERSION < end:
        refuse(ParseError.InvalidVersion, buffer, version + _VERSION, end)
    check_terminator(end, line_feed, lenient)
    return RequestLine((start, method_end), (target, target_end), (version, end), minor, form)


def read_status_line(buffer: Buffer, start: int, line_feed: int, lenient: Lenient) -> StatusLine:
    """`HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4).

    Arguments and errors are those of `read_request_line`.
    """
    version = (start, start + _VERSION)
    end = line_end(buffer, start, line_feed)
    minor = _read_version(buffer, start, end, lenient)
    status = start + _VERSION + 1
    _expect(buffer, status - 1, end, (SP,), "no space after the version")
    for at in range(status, status + 3):
        _expect(buffer, at, end, _DIGITS, "the status is not three digits")
    if buffer[status] == 0x30:
        # RFC 9110 section 15: 600 to 999 are invalid too, but a client takes them for 5xx.
        raise ParseError.InvalidStatusLine("a status below 100", status)
    reason = status + 3
    if reason < end or not lenient & Lenient.MISSING_REASON:
        _expect(buffer, reason, end, (SP,), "no space after the status")
        reason += 1
        wrong = skip(_REASON, buffer, reason, end)
        if wrong < end:
            _expect(buffer, wrong, end, (), f"octet 0x{buffer[wrong]:02x} in the reason")
    check_terminator(end, line_feed, lenient)
    code = _three_digits(bytes(buffer[status : status + 3]))
    return StatusLine(version, (status, status + 3), (reason, end), minor, code)


def _expect(buffer: Buffer, at: int, end: int, octets: range | tuple[int, ...], reason: str) -> None:
    """Refuse a status line whose octet at `at` is none of these."""
    if at < end and buffer[at] == CR:
        raise ParseError.BareCarriageReturn(at)
    if at >= end or buffer[at] not in octets:
        raise ParseError.InvalidStatusLine(reason, at)


def _three_digits(digits: bytes) -> int:
    hundreds, tens, ones = digits
    return hundreds * 100 + tens * 10 + ones - 0x30 * 111


def _read_version(buffer: Buffer, start: int, end: int, lenient: Lenient) -> int:
    """The minor version: of `HTTP/1.0` and `HTTP/1.1`, and of others in HTTP/1 where that is tolerated."""
    for at, expected in enumerate(b"HTTP/0.0", start):
        octet = buffer[at] if at < end else -1
        if octet not in _DIGITS if expected == 0x30 else octet != expected:
            refuse(ParseError.InvalidVersion, buffer, at, end)
    major, minor = buffer[start + 5] - 0x30, buffer[start + 7] - 0x30
    if major != 1 or (minor > 1 and not lenient & Lenient.VERSION):
        raise ParseError.UnsupportedVersion(bytes(buffer[start : start + _VERSION]), start)
    return minor


def _target_end(buffer: Buffer, start: int, end: int, lenient: Lenient) -> int:
    """Where a request target ends: at the space before the version, or with the line."""
    allowed = _TARGET_OF_ANY_OCTETS if lenient & Lenient.NON_ASCII_TARGET else _TARGET
    target_end = skip(allowed, buffer, start, end)
    if target_end == end:
        if target_end == start:
            raise ParseError.InvalidRequestLine("it has no target", end)
        return end
    if buffer[target_end] == CR:
        raise ParseError.BareCarriageReturn(target_end)
    if buffer[target_end] != SP:
        raise ParseError.InvalidTarget(f"octet 0x{buffer[target_end]:02x} in it", target_end)
    if target_end == start:
        raise ParseError.InvalidRequestLine("more than one space", target_end)
    return target_end


def _target_form(target: bytes, method: bytes, offset: int) -> TargetForm:
    """Which form a target has; refuses one that its method does not take (RFC 9112 section 3.2)."""
    if method == b"CONNECT":
        if not _AUTHORITY_FORM(target):
            raise ParseError.InvalidTarget("CONNECT takes a host and a port", offset)
        return TargetForm.AUTHORITY
    if target[0] == ord("/"):
        return TargetForm.ORIGIN
    if target == b"*":
        if method not in ASTERISK_METHODS:
            raise ParseError.InvalidTarget("* is for OPTIONS, M-SEARCH and NOTIFY alone", offset)
        return TargetForm.ASTERISK
    if not _ABSOLUTE_FORM(target):
        raise ParseError.InvalidTarget(_why_not_absolute(target), offset)
    return TargetForm.ABSOLUTE


def _why_not_absolute(target: bytes) -> str:
    """Why a target that is no path is refused: because it is no absolute URI, or which one it is."""
    if _AUTHORITY_FORM(target):
        return "a host and a port are for CONNECT alone"
    scheme = _SCHEME(target)
    if scheme is None:
        return "it is neither a path nor an absolute URI"
    if not target.startswith(b"//", scheme.end()):
        return "an absolute URI without a host, which is not taken here"
    if not scheme[0][:-1].isalpha():
        return "a scheme of more than letters, which is not taken here"
    authority = re.split(rb"[/?]", target[scheme.end() + 2 :], maxsplit=1)[0]
    if b"@" in authority:
        return "userinfo in it"
    if authority[:2] in (b"[v", b"[V"):
        return "an address of a future version of IP, which is not taken here"
    return "no host, or a port that is none"
