"""Find where the body of an HTTP/1.1 message ends (RFC 9112 section 6); the faults a parser may tolerate.

`body_framing` has the rules of section 6.3, in their order. `read_content_length` and
`read_transfer_encoding` read the headers for these rules, octet by octet. They do not use `int()`, because
`int()` accepts signs, underscores, spaces and the digits of every script. Attackers have used each of these
to make two parsers see two different bodies.

If a message has both Transfer-Encoding and Content-Length, chunked wins, as section 6.1 says. The result then
has `framing_conflict`: a sender of both is more probably smuggling than mistaken, and the server must decide
whether to serve such a request.
"""

from __future__ import annotations

from enum import Enum, Flag, StrEnum
from operator import index
from typing import TYPE_CHECKING, Self

from netkit.http.parser.errors import NOT_LAST, WITH_PARAMETER, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.http.parser.lines import Buffer

#: The largest Content-Length: what a signed 64-bit integer holds, as any storage does.
MAX_CONTENT_LENGTH = 2**63 - 1
#: Every setting is at most this, so that any two of them add up in 32 bits.
MAX_LIMIT = 2**30

#: The methods that are known without being asked for: those of the IANA registry and of UPnP that are in
#: use with HTTP/1.1, and PURGE.
METHODS = frozenset(
    b"ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL "
    b"MOVE NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SUBSCRIBE "
    b"TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)

#: The methods whose target may be `*`: OPTIONS (RFC 9112 section 3.2.4), and UPnP's over UDP.
ASTERISK_METHODS = frozenset((b"OPTIONS", b"M-SEARCH", b"NOTIFY"))

#: The octets of a token (RFC 9110 section 5.6.2), as the inside of a character class.
TCHAR = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
TOKEN_OCTETS = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


#: The fields that say where a body ends, in lower case.
FRAMING_FIELDS = (b"content-length", b"transfer-encoding")


class Framing(StrEnum):
    """How the end of a body is found."""

    #: There is no body.
    NONE = "none"
    #: It has as many octets as Content-Length says.
    LENGTH = "length"
    #: It is chunked, and its last chunk says so.
    CHUNKED = "chunked"
    #: It goes on until the connection is closed.
    UNTIL_CLOSE = "until-close"


class TargetForm(StrEnum):
    """The four forms of a request target (RFC 9112 section 3.2)."""

    #: A path, and perhaps a query.
    ORIGIN = "origin"
    #: A whole URI, as to a proxy.
    ABSOLUTE = "absolute"
    #: A host and a port, for CONNECT.
    AUTHORITY = "authority"
    #: `*`, for OPTIONS, and for M-SEARCH and NOTIFY as UPnP sends them.
    ASTERISK = "asterisk"


class Lenient(Flag):
    """What a parser tolerates when told to. Each flag has a name on the command line: `bare-lf` and so on."""

    #: Nothing: the default for requests.
    NOTHING = 0
    #: LF alone ends a line (RFC 9112 section 2.2 lets a recipient do so).
    BARE_LF = 1
    #: A header line that begins with whitespace continues the one before (RFC 9112 section 5.2), except
    #: after Content-Length and Transfer-Encoding.
    OBS_FOLD = 2
    #: Whitespace may stand between a field name and its colon (RFC 9112 section 5.1 forbids it).
    SPACE_BEFORE_COLON = 4
    #: Content-Length may be repeated, in lines or in a list, if it is the same (RFC 9110 section 8.6).
    CONTENT_LENGTH = 8
    #: Transfer-Encoding may stand in an HTTP/1.0 message (RFC 9112 section 6.1 calls its framing faulty), and
    #: have a tab behind it (which section 5 allows, and which has hidden `chunked` from other parsers).
    TRANSFER_ENCODING = 16
    #: HTTP/1.2 to HTTP/1.9 are read as HTTP/1.1 (RFC 9110 section 2.5).
    VERSION = 32
    #: Any token is a method (RFC 9110 section 9.1), not only a known one.
    UNKNOWN_METHOD = 64
    #: A request target may have octets from 0x80 on, which RFC 3986 wants escaped.
    NON_ASCII_TARGET = 128
    #: A status line may end after the status code (RFC 9112 section 4 wants a space); responses default to
    #: it, because so many servers do.
    MISSING_REASON = 256
    #: Spaces and tabs may stand around the ";" and "=" of a chunk's extensions, where RFC 9110 section 5.6.3
    #: has a recipient remove them, and at the end of the chunk's line, where no RFC has them.
    CHUNK_SPACE = 512
    #: For those who judge `framing_conflict`; the parser reports it either way.
    CL_TE = 1024
    #: A response whose Transfer-Encoding has `chunked` before another coding, or a coding with parameters, is
    #: read until the connection closes (RFC 9112 section 6.3, item 4).
    UNTIL_CLOSE = 2048

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """The flags with these names, as the command line spells them. Raises ValueError for another."""
        flags = cls(0)
        for name in names:
            try:
                flags |= cls[name.upper().replace("-", "_")]
            except KeyError:
                known = ", ".join(flag.option for flag in cls)
                raise ValueError(f"no tolerance is called {name!r}; there are {known}") from None
        return flags

    @property
    def option(self) -> str:
        """This flag as the command line spells it."""
        return (self.name or "").lower().replace("_", "-")


#: What responses are parsed with unless something else is asked for.
RESPONSE_DEFAULT = Lenient.MISSING_REASON


class TransferEncoding(Enum):
    """What the Transfer-Encoding lines so far come to."""

    ABSENT = 0
    #: Codings, none of them `chunked`.
    OTHER = 1
    #: `chunked` is the last of them.
    CHUNKED = 2
    #: `chunked` is one of them, and not the last.
    BEFORE_OTHER = 3


_HAS_CHUNKED = (TransferEncoding.CHUNKED, TransferEncoding.BEFORE_OTHER)


def read_content_length(
    value: bytes, offset: int, before: int | None = None, *, repeats: bool = False
) -> int:
    """The number in one Content-Length field.

    Args:
        value: the field's value, without whitespace around it.
        offset: where it begins, for the error.
        before: what the field before it says, None without one.
        repeats: whether `5, 5` is 5, in one field or in two (RFC 9110 section 8.6).

    Raises:
        ParseError.InvalidContentLength: it is no number, or one over MAX_CONTENT_LENGTH.
        ParseError.ConflictingContentLength: it is a list of numbers that differ, or one more field.
    """
    if repeats and b"," in value:
        length, *others = (_digits(part.strip(b" \t"), value, offset) for part in value.split(b","))
        for other in others:
            if other != length:
                raise ParseError.ConflictingContentLength(length, other, offset)
    else:
        length = _digits(value, value, offset)
    if before is not None and not (repeats and before == length):
        raise ParseError.ConflictingContentLength(before, length, offset)
    return length


def _digits(digits: bytes, value: bytes, offset: int) -> int:
    """ASCII digits as the number they are; no sign, no space, no other script (RFC 9110 section 8.6)."""
    if not digits:
        raise ParseError.InvalidContentLength(value, offset)
    length = 0
    for octet in digits:
        if not 0x30 <= octet <= 0x39:
            raise ParseError.InvalidContentLength(value, offset)
        length = length * 10 + octet - 0x30
        if length > MAX_CONTENT_LENGTH:
            raise ParseError.InvalidContentLength(value, offset)
    return length


def read_transfer_encoding(
    value: bytes, offset: int, before: TransferEncoding, *, until_close: bool = False
) -> TransferEncoding:
    """What one more Transfer-Encoding field makes of those before it (RFC 9112 section 6.1).

    Args:
        value: the field's value, without whitespace around it.
        offset: where it begins, for the error.
        before: what the fields before it came to.
        until_close: whether codings may follow `chunked`, and have parameters: those of a response, which is
            read until the connection closes then.

    Raises:
        ParseError.InvalidTransferEncoding: a coding after `chunked`, `chunked` twice, or no list of tokens.
            An empty member of the list and a coding with a parameter are refused too, although the grammar
            has them: no registered coding takes parameters, and parsers read both differently.
    """
    for coding in value.split(b","):
        coding = coding.strip(b" \t").lower()
        if not coding or not TOKEN_OCTETS.issuperset(coding):
            reason = _why_no_coding(coding)
            # With a parameter, `chunked` is too near to what it is without; a quoted one may hold commas.
            plain = not coding.startswith(b"chunked") and b'"' not in coding
            if not (until_close and plain and reason == WITH_PARAMETER):
                raise ParseError.InvalidTransferEncoding(value, reason, offset)
        is_chunked = coding == b"chunked"
        if before in _HAS_CHUNKED:
            if is_chunked or not until_close:
                reason = "chunked twice" if is_chunked else NOT_LAST
                raise ParseError.InvalidTransferEncoding(value, reason, offset)
            before = TransferEncoding.BEFORE_OTHER
        else:
            before = TransferEncoding.CHUNKED if is_chunked else TransferEncoding.OTHER
    return before


def _why_no_coding(member: bytes) -> str:
    """What is wrong with a member of Transfer-Encoding that is no token."""
    if not member:
        return "an empty list member"
    name, semicolon, _ = member.partition(b";")
    name = name.rstrip(b" \t")
    if semicolon and name and TOKEN_OCTETS.issuperset(name):
        return WITH_PARAMETER
    return "not a list of transfer codings"


def check_behind_coding(buffer: Buffer, at: int, lenient: Lenient, value: bytes, offset: int) -> None:
    """Refuse a tab behind a transfer coding, at `at`: allowed whitespace, but taken for its name by some."""
    while buffer[at] in b" \t":
        if buffer[at] == 0x09 and not lenient & Lenient.TRANSFER_ENCODING:
            raise ParseError.InvalidTransferEncoding(value, "a tab behind it", offset)
        at += 1


def connection_persists(minor: int, fields: list[tuple[bytes, bytes]]) -> bool:
    """Whether the connection may be used again after a message of HTTP/1.`minor` (RFC 9112 section 9.3)."""
    persists = minor >= 1
    for name, value in fields:
        if len(name) != 10 or name.lower() != b"connection":
            continue
        for option in value.lower().split(b","):
            option = option.strip(b" \t")
            if option == b"close":
                return False
            if option == b"keep-alive":
                persists = True
    return persists


def makes_tunnel(request_method: bytes | None, status: int) -> bool:
    """Whether a response makes the connection a tunnel: 2xx to CONNECT.

    Its Content-Length and Transfer-Encoding then count for nothing (RFC 9110 section 9.3.6: a client must
    ignore them), and are not even judged.
    """
    return request_method == b"CONNECT" and 200 <= status <= 299


def body_framing(
    *,
    is_request: bool,
    request_method: bytes | None,
    status: int,
    coding: TransferEncoding,
    length: int | None,
) -> Framing:
    """How the body's end is found: RFC 9112 section 6.3, in its order.

    Args:
        is_request: or a response.
        request_method: for a response, the method that it answers; None if that is not known.
        status: for a response, its status code.
        coding: what Transfer-Encoding says.
        length: what Content-Length says, None without one.

    A request with a transfer coding that is not `chunked` has no end that can be found; the caller refuses
    it, and does not ask.
    """
    if not is_request:
        # 1. Responses to HEAD, and 1xx, 204 and 304, have no body, whatever their headers say.
        if request_method == b"HEAD" or 100 <= status <= 199 or status in (204, 304):
            return Framing.NONE
        # 2. After a 2xx to CONNECT the connection is a tunnel.
        if makes_tunnel(request_method, status):
            return Framing.NONE
    # 3., 4. Transfer-Encoding overrides Content-Length.
    if coding is TransferEncoding.CHUNKED:
        return Framing.CHUNKED
    if coding is not TransferEncoding.ABSENT:
        return Framing.UNTIL_CLOSE
    # 5. is what read_content_length refuses. 6. A valid Content-Length.
    if length is not None:
        return Framing.LENGTH
    # 7. and 8.
    return Framing.NONE if is_request else Framing.UNTIL_CLOSE


def check_lenient(lenient: object) -> None:
    """Refuse what are no tolerances: TypeError."""
    if not isinstance(lenient, Lenient):
        raise TypeError(f"lenient is a Lenient, not {type(lenient).__name__}")


def check_limits(**settings: int) -> None:
    """Refuse a limit that is out of range: ValueError; or no integer: TypeError."""
    for name, value in settings.items():
        if not 0 <= index(value) <= MAX_LIMIT:
            raise ValueError(f"{name} must be from 0 to {MAX_LIMIT}, not {value}")
