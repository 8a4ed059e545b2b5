"""HTTP CONNECT on the wire: the request for a tunnel (RFC 9110 section 9.3.6) and the head of its answer.

This module reads only heads, never a body. After a 2xx answer the tunnel begins with the first byte after the
empty line, even if the answer has Content-Length or Transfer-Encoding. After any other answer the client
gives up the connection. The HTTP parser reads the head inside the stream's buffer, so that no byte of the
tunnel is removed from the stream, and an answer that is not HTTP is an error at its first wrong byte.

The reader accepts irregular answers where RFC 9112 allows it and where this is safe for a tunnel: lines that
end with LF only, an empty line before the answer, repeated lengths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.addr import HostPort, Ipv6Addr
from netkit.proxy.errors import ProxyError
from netkit.proxy.socks5 import ascii_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.http.parser.errors import ParseError

#: The longest head that is accepted, in bytes, including interim answers.
HEAD_LIMIT: Final = 16_384
#: The largest number of header lines in one head.
FIELDS_LIMIT: Final = 100
#: The largest number of interim (1xx) answers before the final answer.
INTERIM_LIMIT: Final = 8

_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
#: The offset in a status line of the space before the reason phrase.
_REASON: Final = len("HTTP/1.1 200")
#: A quoted-string, RFC 9110 section 5.6.4.
_QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"')


class ConnectReply(NamedTuple):
    """The head of a proxy's answer: `status`, `reason` (its phrase, often empty), and the header `fields`."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Return the values of a field, in order; upper and lower case in the name are equal."""
        wanted = name.lower()
        return [value for field, value in self.fields if field.lower() == wanted]

    @property
    def challenges(self) -> tuple[str, ...]:
        """The schemes in the Proxy-Authenticate fields (RFC 9110 section 11.7.1), without repetition."""
        schemes: dict[str, None] = {}
        for value in self.values("Proxy-Authenticate"):
            for part in _QUOTED.sub("", value).split(","):
                # A challenge begins with its scheme. A first word with "=" is a parameter of the one before.
                first = part.split()[:1]
                if first and "=" not in first[0]:
                    schemes[first[0]] = None
        return tuple(schemes)


def authority(target: HostPort) -> str:
    """Return the request target of CONNECT: always host and port (RFC 9110 section 9.3.6)."""
    host = target.host
    if isinstance(host, Ipv6Addr):
        return f"[{host}]:{target.port}"
    return f"{ascii_name(str(host)).decode('ascii')}:{target.port}"


def connect_request(
    target: HostPort,
    *,
    username: str | None = None,
    password: str | None = None,
    fields: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return the head of a CONNECT request; with a user name, it contains Basic credentials (RFC 7617).

    Raises `ProxyError.InvalidProxy` for values that are not allowed in the head.
    """
    where = authority(target)
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if username is not None:
        lines.append(f"Proxy-Authorization: {basic(username, password or '')}")
    for name, value in fields:
        if not (name and _TOKEN.issuperset(name.encode()) and value.isascii() and value.isprintable()):
            raise ProxyError.InvalidProxy(f"not a header field: {name!r}")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def basic(username: str, password: str) -> str:
    """Return Basic credentials, in UTF-8. Raises `ProxyError.InvalidProxy` by RFC 7617 section 2."""
    from netkit.http.errors import HttpError
    from netkit.http.policy.auth import basic_credentials

    try:
        return basic_credentials(username, password)
    except HttpError.InvalidValue as error:
        raise ProxyError.InvalidProxy(f"{error.field} for HTTP: {error.reason}") from None


class ReplyReader:
    """Reads the heads of a proxy's answers, one after another.

    `limit` is the longest total length of all heads, in bytes.
    """

    def __init__(self, limit: int = HEAD_LIMIT) -> None:
        from netkit.http.parser.framing import MAX_LIMIT, RESPONSE_DEFAULT, Lenient
        from netkit.http.parser.head import HttpParser

        longest = min(limit, MAX_LIMIT)
        self._parser = HttpParser.response(
            request_method="CONNECT",
            lenient=RESPONSE_DEFAULT | Lenient.BARE_LF | Lenient.CONTENT_LENGTH | Lenient.TRANSFER_ENCODING,
            max_request_line=longest,
            max_header_line=longest,
            max_headers_total=longest,
            max_header_count=FIELDS_LIMIT,
        )
        self._limit = limit
        self._left = limit
        self._start = 0  # the offset of the head, after the empty lines

    def feed(self, buffer: memoryview) -> tuple[ConnectReply, int] | None:
        """Return the answer at the beginning of `buffer` and the length of its head; None if more is needed.

        `buffer` has all bytes received after the previous answer. Raises `ProxyError.InvalidReply` and
        `ProxyError.LimitExceeded`.
        """
        from netkit.http.parser.errors import ParseError

        done = None
        if self._is_begun(buffer):
            try:
                done = self._parser.feed(buffer)
            except ParseError as error:
                head = bytes(buffer)
                refusal = _refusal(error, head, self._start)
                if refusal is None:
                    raise _invalid_reply(error, head, self._limit) from error
                return refusal, len(head)
        size = done.body_start if done else len(buffer) + 1
        if size > self._left:
            raise ProxyError.LimitExceeded("bytes of head", self._limit)
        if not done:
            return None
        head = bytes(buffer[:size])
        status = self._parser.status
        assert status is not None  # of a response, whose head is complete
        fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in self._parser.items(head)]
        reply = ConnectReply(status, self._parser.reason(head).decode("latin-1").strip(), tuple(fields))
        self._left -= size
        self._start = 0
        self._parser.reset(request_method="CONNECT")
        return reply, size

    def _is_begun(self, buffer: memoryview) -> bool:
        """Whether the answer has begun. Empty lines before the answer are ignored, as a server ignores empty
        lines before a request (RFC 9112 section 2.2)."""
        start = self._start
        while (first := bytes(buffer[start : start + 2])).startswith((b"\n", b"\r\n")):
            start += 2 if first == b"\r\n" else 1
        if start != self._start:
            self._start = start
            self._parser.reset(start, request_method="CONNECT")
        return first not in (b"", b"\r")


def _refusal(error: ParseError, head: bytes, start: int) -> ConnectReply | None:
    """Return the answer if its status is a refusal and only its reason phrase is wrong; otherwise None.
    The wrong phrase does no harm, because the client gives up the connection in any case."""
    from netkit.http.parser.errors import ParseError

    if not isinstance(error, ParseError.InvalidStatusLine | ParseError.BareCarriageReturn):
        return None
    line = head[start:].partition(b"\n")[0].removesuffix(b"\r")
    if not _REASON < error.offset - start <= len(line):
        return None
    status = int(line[_REASON - 3 : _REASON])
    return ConnectReply(status, line[_REASON:].decode("latin-1").strip(), ()) if status >= 300 else None


def _invalid_reply(error: ParseError, head: bytes, limit: int) -> ProxyError:
    """Convert an error of the HTTP parser to a ProxyError."""
    from netkit.http.parser.errors import ParseError

    start = head.rfind(b"\n", 0, error.offset) + 1
    line = head[start:].partition(b"\n")[0].removesuffix(b"\r")
    begun = line[:80]
    match error:
        case ParseError.RequestLineTooLong() | ParseError.HeaderTooLong():
            return ProxyError.LimitExceeded("bytes of head", limit)
        case ParseError.TooManyHeaders():
            return ProxyError.LimitExceeded("header fields", FIELDS_LIMIT)
        case ParseError.ObsoleteFold():
            return ProxyError.InvalidReply("a header line that is folded", begun)
        case ParseError.MissingColon() | ParseError.InvalidHeaderName() | ParseError.SpaceBeforeColon():
            return ProxyError.InvalidReply("a line that is no header field", begun)
        case ParseError.InvalidStatusLine(offset=offset) if offset - start > _REASON:
            pass  # in the phrase: told in the words of the parser, below
        case ParseError.InvalidStatusLine() if line.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
            digits = line.split(b" ")[1]
            return ProxyError.InvalidReply(f"{digits[:24]!r} is not an HTTP status", begun)
        case ParseError.InvalidStatusLine() | ParseError.InvalidVersion() | ParseError.UnsupportedVersion():
            socks = "it seems to speak SOCKS: write socks5:// for the proxy"
            hint = socks if line[:1] in (b"\x05", b"\0") else None
            return ProxyError.InvalidReply(f"it begins with {line[:24]!r}, not with HTTP/1.1", begun, hint)
    return ProxyError.InvalidReply(error.problem, begun, error.hint)


def judge(reply: ConnectReply, target: HostPort, username: str | None) -> None:
    """Return for a 2xx status; for others raise AuthRequired, AuthFailed, Status, or InvalidReply."""
    if 200 <= reply.status <= 299:
        return
    if reply.status == 407:
        offered = reply.challenges
        if username is None:
            raise ProxyError.AuthRequired(offered)
        if offered and not any(scheme.lower() == "basic" for scheme in offered):
            raise ProxyError.AuthRequired(offered, True)
        raise ProxyError.AuthFailed(username)
    raise ProxyError.Status(str(target), reply.status, reply.reason)
