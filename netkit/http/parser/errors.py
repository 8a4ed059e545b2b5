"""The errors in the octets of an HTTP/1.1 message (RFC 9112): which octet, which rule, which status.

    NetkitError
    └── ParseError                     (ValueError)
        ├── RequestLineTooLong         the start line, with the empty lines before it, is over its limit
        ├── HeaderTooLong              a header line, or all of them together, is over its limit
        ├── TooManyHeaders             more header or trailer fields than the limit
        ├── InvalidRequestLine         it is not `method SP target SP version`
        ├── InvalidMethod              an octet that no method may have
        ├── UnknownMethod              a method nobody registered
        ├── InvalidTarget              an octet no target may have, or a form this method does not take
        ├── InvalidVersion             it is not `HTTP/DIGIT.DIGIT`
        ├── UnsupportedVersion         a version that this is no parser of, HTTP/0.9 included
        ├── InvalidStatusLine          it is not `version SP status SP reason`
        ├── InvalidHeaderName          an octet that no field name may have, or no name at all
        ├── MissingColon               a line without one among the headers
        ├── SpaceBeforeColon           whitespace between a field's name and its colon
        ├── InvalidHeaderValue         a control character in a value, NUL above all
        ├── ObsoleteFold               a line that continues the one before
        ├── BareLineFeed               LF without CR before it
        ├── BareCarriageReturn         CR without LF after it
        ├── InvalidContentLength       a Content-Length that is no number, or too large a one
        ├── ConflictingContentLength   Content-Length more than once
        ├── InvalidTransferEncoding    a Transfer-Encoding that leaves the end of the body unknown
        ├── InvalidChunkSize           a chunk that does not begin with its size in hexadecimal digits
        ├── ChunkSizeOverflow          a chunk's size is over its limit
        ├── InvalidChunkExtension      what follows the size is no chunk extension
        ├── ChunkExtensionTooLong      a chunk's extension, or all of them together, is over its limit
        ├── InvalidChunkEnd            no CRLF where a chunk's data should end
        ├── ForbiddenTrailer           a trailer that would change the framing of the message it ends
        ├── Http2Preface               an HTTP/2 client is talking
        ├── TlsBytes                   a TLS record, where plain HTTP was expected
        └── Incomplete                 the stream ended inside the message

Use every variant as `ParseError.X`; the module-level `ParseX` is the same class, for annotations. All have
`offset`, the position of the fault in the buffer; `status`, the status of the server's answer; `section`, the
rule; and `tolerance`, the name of the flag that tolerates the fault, or None. The stage is `protocol`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

from netkit.errors import NetkitError

#: Octets of a peer's own text that an error's words quote.
_QUOTED = 40


class ParseError(NetkitError, ValueError):
    """The octets are no HTTP/1.1 message; the variants are its attributes."""

    layer = "http"
    stage = "protocol"
    #: The status code that a server sends back (RFC 9110 section 15.5; 400 unless another says more).
    status: ClassVar[int] = 400
    #: Where the rule is written.
    section: str = "RFC 9112 section 2.2"
    #: The flag of `Lenient` that lets this pass, as the command line spells it.
    tolerance: str | None = None
    #: Octets of the message around the fault, and where in them it is; None where nobody kept them.
    excerpt: tuple[bytes, int] | None = None
    _what: ClassVar[str] = "not an HTTP/1.1 message"

    if TYPE_CHECKING:
        RequestLineTooLong: TypeAlias = "ParseRequestLineTooLong"
        HeaderTooLong: TypeAlias = "ParseHeaderTooLong"
        TooManyHeaders: TypeAlias = "ParseTooManyHeaders"
        InvalidRequestLine: TypeAlias = "ParseInvalidRequestLine"
        InvalidMethod: TypeAlias = "ParseInvalidMethod"
        UnknownMethod: TypeAlias = "ParseUnknownMethod"
        InvalidTarget: TypeAlias = "ParseInvalidTarget"
        InvalidVersion: TypeAlias = "ParseInvalidVersion"
        UnsupportedVersion: TypeAlias = "ParseUnsupportedVersion"
        InvalidStatusLine: TypeAlias = "ParseInvalidStatusLine"
        InvalidHeaderName: TypeAlias = "ParseInvalidHeaderName"
        MissingColon: TypeAlias = "ParseMissingColon"
        SpaceBeforeColon: TypeAlias = "ParseSpaceBeforeColon"
        InvalidHeaderValue: TypeAlias = "ParseInvalidHeaderValue"
        ObsoleteFold: TypeAlias = "ParseObsoleteFold"
        BareLineFeed: TypeAlias = "ParseBareLineFeed"
        BareCarriageReturn: TypeAlias = "ParseBareCarriageReturn"
        InvalidContentLength: TypeAlias = "ParseInvalidContentLength"
        ConflictingContentLength: TypeAlias = "ParseConflictingContentLength"
        InvalidTransferEncoding: TypeAlias = "ParseInvalidTransferEncoding"
        InvalidChunkSize: TypeAlias = "ParseInvalidChunkSize"
        ChunkSizeOverflow: TypeAlias = "ParseChunkSizeOverflow"
        InvalidChunkExtension: TypeAlias = "ParseInvalidChunkExtension"
        ChunkExtensionTooLong: TypeAlias = "ParseChunkExtensionTooLong"
        InvalidChunkEnd: TypeAlias = "ParseInvalidChunkEnd"
        ForbiddenTrailer: TypeAlias = "ParseForbiddenTrailer"
        Http2Preface: TypeAlias = "ParseHttp2Preface"
        TlsBytes: TypeAlias = "ParseTlsBytes"
        Incomplete: TypeAlias = "ParseIncomplete"

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset

    def fresh(self) -> Self:
        """The same error, never raised: kept, it keeps no traceback alive, nor what that refers to."""
        error = type(self).__new__(type(self))
        error.__dict__.update(self.__dict__)
        return error

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({str(self)!r})"

    def __str__(self) -> str:
        return f"{self.problem} at octet {self.offset}"

    @property
    def problem(self) -> str:
        """What is wrong, without where."""
        return self._what


def _variant(cls: type[ParseError]) -> type[ParseError]:
    """Hang a variant on ParseError under its name there, which is also the name it is printed with."""
    cls.__name__ = cls.__name__.removeprefix("Parse")
    cls.__qualname__ = f"ParseError.{cls.__name__}"
    setattr(ParseError, cls.__name__, cls)
    return cls


def quoted(octets: bytes, most: int = _QUOTED) -> str:
    """The peer's text as it may be shown: ASCII, escaped, and not too much of it."""
    text = ascii(octets[:most])[1:]
    return text if len(octets) <= most else f"{text}..."


def _octet(octet: int | None) -> str:
    return "the end of the line" if octet is None else f"octet 0x{octet:02x}"


class _OverLimit(ParseError):
    """Something is longer, larger or more than `limit`, which the argument `setting` sets.

    `_what` has a place for the limit.
    """

    def __init__(self, limit: int, offset: int, setting: str) -> None:
        super().__init__(offset)
        self.limit = limit
        self.setting = setting
        self.hint = f"{setting}={limit} is the limit; a larger one is an argument away"

    @property
    def problem(self) -> str:
        return self._what.format(self.limit)


class ParseRequestLineTooLong(_OverLimit):
    """The request line (or status line) has more than `limit` octets, empty lines before it included."""

    status = 414
    section = "RFC 9112 section 3"
    _what = "start line longer than {} octets"


class ParseHeaderTooLong(_OverLimit):
    """A header line, or all of them together, has more than `limit` octets; `setting` says which."""

    status = 431
    section = "RFC 9110 section 5.4"

    @property
    def problem(self) -> str:
        what = "header line" if self.setting == "max_header_line" else "headers"
        return f"{what} longer than {self.limit} octets"


class ParseTooManyHeaders(_OverLimit):
    """More than `limit` header fields, or trailer fields."""

    status = 431
    section = "RFC 9110 section 5.4"
    _what = "more than {} fields"


class ParseChunkSizeOverflow(_OverLimit):
    """A chunk says that it has more than `limit` octets, or says so in too many digits."""

    status = 413
    section = "RFC 9112 section 7.1"
    _what = "chunk larger than {} octets"


class ParseChunkExtensionTooLong(_OverLimit):
    """One chunk's extension, or all together, has more than `limit` octets; `setting` says which."""

    section = "RFC 9112 section 7.1.1"

    @property
    def problem(self) -> str:
        what = "chunk extensions" if self.setting == "max_extensions_total" else "chunk extension"
        return f"{what} longer than {self.limit} octets"


class _BadOctet(ParseError):
    """An octet that may not stand where it does: `octet`, None where the line ends too early."""

    _where: ClassVar[str]

    def __init__(self, octet: int | None, offset: int) -> None:
        super().__init__(offset)
        self.octet = octet

    @property
    def problem(self) -> str:
        return f"{_octet(self.octet)} {self._where}"


class ParseInvalidMethod(_BadOctet):
    """An octet that is no token character, in a method or where one begins (RFC 9110 section 9.1)."""

    section = "RFC 9110 section 9.1"
    _where = "in a method"


class ParseInvalidVersion(_BadOctet):
    """The version is not `HTTP/`, a digit, a dot and a digit."""

    section = "RFC 9112 section 2.3"
    _where = "where the HTTP version should go on or end"


class ParseInvalidHeaderName(_BadOctet):
    """An octet that is no token character, in a field name or where one begins."""

    section = "RFC 9112 section 5.1"
    _where = "in a field name"


class ParseInvalidHeaderValue(_BadOctet):
    """A control character in a field value (RFC 9110 section 5.5: CR, LF and NUL are dangerous)."""

    section = "RFC 9110 section 5.5"
    _where = "in a field value"


class ParseInvalidChunkSize(_BadOctet):
    """An octet that is no hexadecimal digit, where a chunk's size should begin."""

    section = "RFC 9112 section 7.1"
    _where = "where a chunk's size should be"


class ParseInvalidChunkExtension(_BadOctet):
    """What stands between a chunk's size and the end of its line is no extension, or has whitespace in it.

    RFC 9110 section 5.6.3 forbids senders to write this whitespace and makes recipients remove it. The
    decoder is stricter: it removes the whitespace only with a flag.
    """

    section = "RFC 9112 section 7.1.1"
    tolerance = "chunk-space"
    _where = "in a chunk extension"

    def __init__(self, octet: int | None, offset: int) -> None:
        super().__init__(octet, offset)
        if octet in (0x20, 0x09):
            self.section = "RFC 9110 section 5.6.3"

    @property
    def problem(self) -> str:
        if self.octet in (0x20, 0x09):
            return "whitespace behind a chunk's size or in its extension, which no sender may write,"
        return super().problem


class ParseInvalidChunkEnd(_BadOctet):
    """A chunk's data is not followed by CRLF: its size was wrong, or somebody else's."""

    section = "RFC 9112 section 7.1"
    _where = "where CRLF should end a chunk"

    def __init__(self, octet: int | None, offset: int) -> None:
        super().__init__(octet, offset)
        self.tolerance = "bare-lf" if octet == 0x0A else None


class ParseMissingColon(ParseError):
    """A line among the headers that has no colon."""

    section = "RFC 9112 section 5"
    _what = "a header line without a colon ends"


class ParseSpaceBeforeColon(ParseError):
    """Whitespace between a field name and its colon, which parsers have read differently."""

    section = "RFC 9112 section 5.1"
    tolerance = "space-before-colon"
    _what = "whitespace before the colon of a field"


class ParseObsoleteFold(ParseError):
    """A line that begins with whitespace, which once continued the line before."""

    section = "RFC 9112 section 5.2"
    tolerance = "obs-fold"
    _what = "a folded header line"


class ParseBareLineFeed(ParseError):
    """LF without CR before it."""

    tolerance = "bare-lf"
    _what = "a line that ends in LF without CR"


class ParseBareCarriageReturn(ParseError):
    """CR without LF after it, which other parsers take for the end of a line, or for whitespace."""

    _what = "CR without LF"


class ParseHttp2Preface(ParseError):
    """The connection preface of HTTP/2 (RFC 9113 section 3.4): this client wants another protocol."""

    status = 505
    section = "RFC 9113 section 3.4"
    hint = "the client speaks HTTP/2 without having asked; give the connection to an HTTP/2 server"
    _what = "the connection preface of HTTP/2"


class ParseTlsBytes(ParseError):
    """A TLS record (RFC 8446 section 5.1): the peer speaks TLS, or sends a TLS alert, where http is due."""

    section = "RFC 8446 section 5.1"
    hint = "one side speaks TLS and the other does not: https against http, or a wrong port"
    _what = "a TLS record instead of HTTP"


class ParseIncomplete(ParseError):
    """The stream ended before the message did; `offset` is where (RFC 9112 section 8)."""

    section = "RFC 9112 section 8"
    _what = "the message is cut off"


class _Reasoned(ParseError):
    """Something that is wrong for a `reason`."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(offset)
        self.reason = reason

    @property
    def problem(self) -> str:
        return f"{self._what}: {self.reason},"


class ParseInvalidRequestLine(_Reasoned):
    """The request line is not a method, a target and a version with one space between each two."""

    section = "RFC 9112 section 3"
    _what = "invalid request line"


class ParseInvalidStatusLine(_Reasoned):
    """The status line is not a version, three digits and a reason with one space between each two."""

    section = "RFC 9112 section 4"
    tolerance = "missing-reason"
    _what = "invalid status line"


class ParseInvalidTarget(_Reasoned):
    """An octet that no request target may have, or a form of target that the method does not take."""

    section = "RFC 9112 section 3.2"
    tolerance = "non-ascii-target"
    _what = "invalid request target"


class _Quoting(ParseError):
    """Something the peer said that means nothing here: `raw`."""

    def __init__(self, raw: bytes, offset: int) -> None:
        super().__init__(offset)
        self.raw = raw

    @property
    def problem(self) -> str:
        return f"{self._what} {quoted(self.raw)}"


class ParseUnknownMethod(_Quoting):
    """A method that is well formed and that nobody registered (RFC 9110 section 9.1)."""

    status = 501
    section = "RFC 9110 section 9.1"
    tolerance = "unknown-method"
    _what = "unknown method"


class ParseUnsupportedVersion(_Quoting):
    """A version other than HTTP/1.0 and HTTP/1.1; no version at all is HTTP/0.9."""

    status = 505
    section = "RFC 9112 section 2.3"
    tolerance = "version"
    _what = "unsupported version"


class ParseInvalidContentLength(_Quoting):
    """Content-Length is not one or more ASCII digits, or more than 2**63 - 1."""

    section = "RFC 9110 section 8.6"
    tolerance = "content-length"
    _what = "invalid Content-Length"


class ParseForbiddenTrailer(_Quoting):
    """Content-Length or Transfer-Encoding as a trailer (RFC 9110 section 6.5.1)."""

    section = "RFC 9110 section 6.5.1"
    _what = "forbidden trailer"


class ParseConflictingContentLength(ParseError):
    """Content-Length more than once: `first` and `second`.

    RFC 9112 section 6.3 allows a recipient to treat equal values as one; a flag turns this on.
    """

    section = "RFC 9112 section 6.3"
    tolerance = "content-length"

    def __init__(self, first: int, second: int, offset: int) -> None:
        super().__init__(offset)
        self.first = first
        self.second = second

    @property
    def problem(self) -> str:
        if self.first == self.second:
            return f"Content-Length {self.first} repeated"
        return f"Content-Length {self.first} and then {self.second}"


#: Reasons to refuse a Transfer-Encoding.
NOT_LAST = "chunked is not the last"
WITH_PARAMETER = "a parameter, which no registered coding has"

#: Where the RFCs say to senders what this parser, stricter than they are to recipients, refuses.
_CODING_SECTIONS = {
    "an empty list member": "RFC 9110 section 5.6.1",
    WITH_PARAMETER: "RFC 9112 section 7",
    "a tab behind it": "RFC 9110 section 5.6.3",
}


class ParseInvalidTransferEncoding(ParseError):
    """Transfer-Encoding does not end in one `chunked`, is no list, or stands in HTTP/1.0: `raw`, `reason`.

    Three reasons are stricter than the RFC is to a recipient: an empty member of the list, a parameter and a
    tab behind the field, each of which has hidden `chunked` from one of two parsers.
    """

    section = "RFC 9112 section 6.1"
    tolerance = "transfer-encoding"

    def __init__(self, raw: bytes, reason: str, offset: int) -> None:
        super().__init__(offset)
        self.raw = raw
        self.reason = reason
        self.section = _CODING_SECTIONS.get(reason, self.section)
        if reason in (NOT_LAST, WITH_PARAMETER):
            self.tolerance = "until-close"

    @property
    def problem(self) -> str:
        return f"Transfer-Encoding {quoted(self.raw)} ({self.reason})"


for _cls in [value for value in globals().values() if isinstance(value, type)]:
    if _cls.__module__ == __name__ and _cls.__name__.startswith("Parse") and _cls is not ParseError:
        _variant(_cls)
del _cls
