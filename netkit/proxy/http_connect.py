"""HTTP CONNECT on the wire: the request for a tunnel (RFC 9110 section 9.3.6) and the head of its answer.

There is no body to read in either direction: after a 2xx answer the connection is the tunnel from the first
byte after the empty line, whatever Content-Length or Transfer-Encoding the answer has ("A client MUST ignore
any Content-Length or Transfer-Encoding header fields received in a successful response to CONNECT"); after
any other it is given up. So a head reader is all of HTTP that is needed here, and it is this small.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.addr import HostPort, Ipv6Addr
from netkit.proxy.errors import ProxyError
from netkit.proxy.socks5 import ascii_name

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The longest head that is read, in bytes, interim answers included.
HEAD_LIMIT: Final = 16_384
#: The most header lines of one head.
FIELDS_LIMIT: Final = 100
#: The most interim (1xx) answers before the one that counts.
INTERIM_LIMIT: Final = 8

_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
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


def read_head(lines: list[bytes]) -> ConnectReply:
    """The head that these lines make, without their line ends and the empty line.

    Raises `ProxyError.InvalidReply`. RFC 9112 sections 4 and 5.
    """
    status, reason = _status_line(lines[0])
    fields = []
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t"):  # obs-fold, section 5.2
            raise ProxyError.InvalidReply("a header line that is folded", line[:80])
        name, colon, value = line.partition(b":")
        if not colon or not name or not _TOKEN.issuperset(name):
            raise ProxyError.InvalidReply("a line that is no header field", line[:80])
        fields.append((name.decode("ascii"), value.strip(b" \t").decode("latin-1")))
    return ConnectReply(status, reason, tuple(fields))


def _status_line(line: bytes) -> tuple[int, str]:
    """Status and phrase of `HTTP/1.1 200 OK`; the phrase, and the space before it, may be missing."""
    version, _, rest = line.partition(b" ")
    digits, _, reason = rest.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        hint = (
            "it seems to speak SOCKS: write socks5:// for the proxy" if line[:1] in (b"\x05", b"\0") else None
        )
        raise ProxyError.InvalidReply(f"it begins with {line[:24]!r}, not with HTTP/1.1", line[:80], hint)
    if len(digits) != 3 or not digits.isdigit() or digits[:1] == b"0":
        raise ProxyError.InvalidReply(f"{digits[:24]!r} is not an HTTP status", line[:80])
    return int(digits), reason.decode("latin-1").strip()


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
