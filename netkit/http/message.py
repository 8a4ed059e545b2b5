"""Requests and responses as values: a start line, headers, and a complete body.

RFC 9110 section 6 (messages), 7.1 (targets), 8.3 (Content-Type), 8.4 (Content-Encoding).

These classes do not set the framing (Content-Length, Transfer-Encoding); the sender of a message does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netkit._value import Value, assign
from netkit.http.errors import HttpError, quoted
from netkit.http.headers import Headers, named
from netkit.http.types import Method, StatusCode, Version
from netkit.http.url import Url

if TYPE_CHECKING:
    from typing import Self

    from netkit.http.headers import HeadersLike

#: Codecs of Python's that are no character sets, or that cost more than the text is long.
_NOT_CHARSETS = frozenset(
    ("idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined", "unicode_escape", "utf-7")
)


class _Message(Value):
    """What requests and responses share."""

    __slots__ = ()

    headers: Headers
    body: bytes | None

    @property
    def body_text(self) -> str | None:
        """The body as text, in the charset of its Content-Type, else in UTF-8; None without a body.

        Raises HttpError.BodyEncoding for a compressed body (Content-Encoding), for an unknown charset, and
        for octets that are invalid in the charset.
        """
        if self.body is None:
            return None
        coding = self.headers.combined("Content-Encoding")
        if coding is not None and coding.lower() != "identity":
            raise HttpError.BodyEncoding(f"it is encoded as {quoted(coding)}", coding)
        content_type = self.headers.get_first("Content-Type")
        return decode_body(self.body, None if content_type is None else charset_of(content_type))

    def __hash__(self) -> int:
        return hash(tuple([part.frozen() if isinstance(part, Headers) else part for part in self._values()]))


class Request(_Message):
    """A request: `Request(Method.Get, "/index.html", headers={"Host": "example.com"})`.

        >>> request = Request("POST", "/notes", headers={"Host": "example.com"}, body=b"caf\\xc3\\xa9")
        >>> request.body_text, request.replace(method="PUT").method
        ('café', <Method PUT>)

    `method` may be text. `uri` is the target as it is sent (a path with its query, a whole URL, an authority
    for CONNECT, `*` for OPTIONS), or a Url, which is used whole, but without its fragment.
    `headers` are copied and frozen, `body` is any buffer, or None.

    Raises HttpError.InvalidUri for a target with whitespace, control characters or anything else that is not
    ASCII. Raises HttpError.InvalidValue for an invalid method or header.
    """

    __slots__ = ("body", "headers", "method", "uri", "version")
    __match_args__: ClassVar[tuple[str, ...]] = ("method", "uri", "version", "headers", "body")

    method: Method
    uri: str
    version: Version

    def __init__(
        self,
        method: Method | str,
        uri: str | Url,
        version: Version = Version.Http11,
        headers: HeadersLike = (),
        body: bytes | bytearray | memoryview | None = None,
    ) -> None:
        target = str(uri) if isinstance(uri, str) else uri.without_fragment
        assign(self, "method", method if type(method) is Method else Method(method))
        assign(self, "uri", checked_target(target))
        assign(self, "version", version if type(version) is Version else _checked_version(version))
        assign(self, "headers", Headers.frozen_from(headers))
        assign(self, "body", body if body is None or type(body) is bytes else _checked_body(body))

    @property
    def url(self) -> Url | None:
        """The URL if `uri` is a whole URL; None for a path. Raises HttpError.InvalidUri."""
        return Url.parse(self.uri) if "://" in self.uri and not self.uri.startswith("/") else None

    def __repr__(self) -> str:
        return f"<Request {self.method} {_shown_uri(self.uri)} {self.version}{_shown(self)}>"


class Response(_Message):
    """A response: `Response(StatusCode.not_found(), body=b"no such note")`.

        >>> response = Response(200, headers={"Content-Type": "text/html; charset=latin1"}, body=b"\\xe9")
        >>> response.status.reason_phrase, response.body_text
        ('OK', 'é')

    `status` may be a number; `headers` are copied and frozen, `body` is any buffer, or None.
    Raises HttpError.InvalidValue for an invalid status or header.
    """

    __slots__ = ("body", "headers", "status", "version")
    __match_args__: ClassVar[tuple[str, ...]] = ("status", "version", "headers", "body")

    status: StatusCode
    version: Version

    def __init__(
        self,
        status: StatusCode | int,
        version: Version = Version.Http11,
        headers: HeadersLike = (),
        body: bytes | bytearray | memoryview | None = None,
    ) -> None:
        assign(self, "status", StatusCode(status))
        assign(self, "version", version if type(version) is Version else _checked_version(version))
        assign(self, "headers", Headers.frozen_from(headers))
        assign(self, "body", body if body is None or type(body) is bytes else _checked_body(body))

    @classmethod
    def received(
        cls, status: int, version: Version, headers: Headers, body: bytes | None, **more: object
    ) -> Self:
        """A response that came over a connection, of parts that are right: only the status is looked at.

        `headers` are frozen (`Headers.from_received`), and `body` is bytes. `more` are the fields that a
        subclass adds, by name, all of them: its constructor is not called.
        Raises HttpError.InvalidValue for a status under 100 or over 999.
        """
        made = cls.__new__(cls)
        assign(made, "status", StatusCode(status))
        assign(made, "version", version)
        assign(made, "headers", headers)
        assign(made, "body", body)
        for field, value in more.items():
            assign(made, field, value)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.version} {self.status}{_shown(self)}>"


def checked_target(uri: str) -> str:
    """A request target, if it can stand in a request line (RFC 9112 section 3.2): visible ASCII, not nothing.

    Raises HttpError.InvalidUri.
    """
    if not uri:
        raise HttpError.InvalidUri("a request needs a target, such as /")
    if uri.isascii() and uri.isprintable() and " " not in uri:
        return uri
    for at, char in enumerate(uri):
        if not "!" <= char <= "~":
            reason = f"{named(char)} cannot stand in a request target (at offset {at})"
            raise HttpError.InvalidUri(reason, hint="percent-encode it; Url.parse does")
    return uri


def charset_of(content_type: str) -> str | None:
    """The charset parameter of a Content-Type, in lower case; None without one (RFC 9110 section 8.3.2)."""
    position = content_type.find(";")
    while 0 <= position < len(content_type):
        position += 1
        equals = content_type.find("=", position)
        if equals < 0:
            return None
        # A parameter without a value ends at the next semicolon.
        name = content_type[position:equals].rpartition(";")[2].strip(" \t").lower()
        value, position = _parameter_value(content_type, equals + 1)
        if name == "charset":
            return value.strip(" \t").lower() or None
    return None


def _parameter_value(text: str, start: int) -> tuple[str, int]:
    """A token or quoted string from `start` (RFC 9110 section 5.6.4), and where its semicolon is."""
    if text[start : start + 1] != '"':
        end = text.find(";", start)
        end = len(text) if end < 0 else end
        return text[start:end], end
    value: list[str] = []
    at = start + 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        value.append(text[at])
        at += 1
    end = text.find(";", at)
    return "".join(value), len(text) if end < 0 else end


def decode_body(body: bytes, charset: str | None = None) -> str:
    """A body as text: in `charset`, or UTF-8 where it is None, without a byte order mark.

    Raises HttpError.BodyEncoding.
    """
    import codecs

    name = charset or "utf-8"
    unknown = f"nobody knows the character set {quoted(name)}"
    if not name.isascii() or len(name) > 40:
        raise HttpError.BodyEncoding(unknown, name)
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        raise HttpError.BodyEncoding(unknown, name) from None
    if codec.name.replace("-", "_") in {one.replace("-", "_") for one in _NOT_CHARSETS}:
        raise HttpError.BodyEncoding(unknown, name)
    try:
        return body.decode("utf-8-sig" if codec.name == "utf-8" else codec.name)
    except LookupError:  # a codec of Python's that makes no text
        raise HttpError.BodyEncoding(unknown, name) from None
    except UnicodeDecodeError as error:
        raise HttpError.BodyEncoding(
            f"it is not {quoted(name)}: {error.reason}", name, offset=error.start
        ) from None


def _checked_version(version: Version) -> Version:
    if not isinstance(version, Version):
        raise TypeError(f"a version is a Version, not {type(version).__name__}")
    return version


def _checked_body(body: Any) -> bytes | None:
    if body is None or type(body) is bytes:
        return body
    if isinstance(body, str):
        raise TypeError("a body is bytes: encode the text")
    return bytes(memoryview(body))


def _shown(message: _Message) -> str:
    size = "no body" if message.body is None else f"{len(message.body)} octets"
    return f", {len(message.headers.fields)} header lines, {size}"


def _shown_uri(uri: str) -> str:
    """The target for a log: short, and without a password."""
    scheme, slashes, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        uri = f"{scheme}{slashes}***@{authority.rpartition('@')[2]}{slash}{path}"
    return uri if len(uri) <= 80 else f"{uri[:79]}…"
