"""HTTP CONNECT on the wire: the request for a tunnel (RFC 9110 section 9.3.6) and the head of its answer.

There is no body to read in either direction: after a 2xx answer the connection is the tunnel from the first
byte after the empty line, whatever Content-Length or Transfer-Encoding the answer has; after any other it is
given up. So heads are all that is read, by the HTTP parser, where they lie in the stream's buffer: no byte
of the tunnel is taken off the stream, and an answer that is none is refused at its first wrong byte.

Proxies are tolerated where RFC 9112 lets a recipient be tolerant, and a tunnel hides nothing: lines that end
in LF alone, an empty line before the answer, repeated lengths.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.addr import HostPort, Ipv6Addr
from netkit.proxy.errors import ProxyError
from netkit.proxy.socks5 import ascii_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.http.parse_errors import ParseError

#: The longest head that is read, in bytes, interim answers included.
HEAD_LIMIT: Final = 16_384
#: The most header lines of one head.
FIELDS_LIMIT: Final = 100
#: The most interim (1xx) answers before the one that counts.
INTERIM_LIMIT: Final = 8

_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
#: Where the reason of a status line begins, less the space before it.
_REASON: Final = len("HTTP/1.1 200")
#: A quoted-string, RFC 9110 section 5.6.4.
_QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"')


class ConnectReply(NamedTuple):
    """The head of a proxy's answer: `status`, `reason` (its phrase, often empty), and the header `fields`."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """The values of a field, in order; names are compared without case."""
        wanted = name.lower()
        return [value for field, value in self.fields if field.lower() == wanted]

    @property
    def challenges(self) -> tuple[str, ...]:
        """The schemes that its Proxy-Authenticate fields ask for (RFC 9110 section 11.7.1), each once."""
        schemes: dict[str, None] = {}
        for value in self.values("Proxy-Authenticate"):
            for part in _QUOTED.sub("", value).split(","):
                # A challenge begins with its scheme; a first word with "=" is a parameter of the last one.
                first = part.split()[:1]
                if first and "=" not in first[0]:
                    schemes[first[0]] = None
        return tuple(schemes)


def authority(target: HostPort) -> str:
    """The request target of CONNECT: host and port, always both (RFC 9110 section 9.3.6)."""
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
    """The head of a CONNECT request; with a user name, it carries Basic credentials (RFC 7617).

    Raises `ProxyError.InvalidProxy` for what cannot stand in it.
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
    """Basic credentials, in UTF-8. Raises `ProxyError.InvalidProxy` for what RFC 7617 section 2 excludes."""
    from binascii import b2a_base64

    if ":" in username:
        raise ProxyError.InvalidProxy("a user name for HTTP has no colon in it (RFC 7617 section 2)")
    for what, text in (("user name", username), ("password", password)):
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise ProxyError.InvalidProxy(f"a {what} for HTTP has no control character in it")
    pair = f"{username}:{password}".encode("utf-8", "surrogateescape")
    return f"Basic {b2a_base64(pair, newline=False).decode('ascii')}"


class ReplyReader:
    """Reads the heads of a proxy's answers, one after another.

    `limit` is for all heads together, in bytes.
    """

    def __init__(self, limit: int = HEAD_LIMIT) -> None:
        from netkit.http.framing import MAX_LIMIT, RESPONSE_DEFAULT, Lenient
        from netkit.http.parser import HttpParser

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
        self._start = 0  # where the head begins, behind empty lines

    def feed(self, buffer: memoryview) -> tuple[ConnectReply, int] | None:
        """The answer that `buffer` begins with, and the length of its head; None where more is needed.

        `buffer` has everything received since the answer before. Raises `ProxyError.InvalidReply` and
        `ProxyError.LimitExceeded`.
        """
        from netkit.http.parse_errors import ParseError

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
        """Whether the answer has begun. Empty lines before it are passed over, as a server passes over those
        before a request (RFC 9112 section 2.2)."""
        start = self._start
        while (first := bytes(buffer[start : start + 2])).startswith((b"\n", b"\r\n")):
            start += 2 if first == b"\r\n" else 1
        if start != self._start:
            self._start = start
            self._parser.reset(start, request_method="CONNECT")
        return first not in (b"", b"\r")


def _refusal(error: ParseError, head: bytes, start: int) -> ConnectReply | None:
    """The answer, where only the phrase of its status line is wrong, and the status says no: that counts,
    and the connection is given up in any case. None for all else."""
    from netkit.http.parse_errors import ParseError

    if not isinstance(error, ParseError.InvalidStatusLine | ParseError.BareCarriageReturn):
        return None
    line = head[start:].partition(b"\n")[0].removesuffix(b"\r")
    if not _REASON < error.offset - start <= len(line):
        return None
    status = int(line[_REASON - 3 : _REASON])
    return ConnectReply(status, line[_REASON:].decode("latin-1").strip(), ()) if status >= 300 else None


def _invalid_reply(error: ParseError, head: bytes, limit: int) -> ProxyError:
    """What the parser says of a head, as an error of the dialogue with a proxy."""
    from netkit.http.parse_errors import ParseError

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
    """Nothing for a 2xx status; for others raises AuthRequired, AuthFailed, Status, or InvalidReply."""
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
