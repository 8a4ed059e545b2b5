"""SOCKS version 5 on the wire: RFC 1928, and authentication by user name and password, RFC 1929.

This module writes each message of the client and reads each message of the proxy; `dialogue` has the order of
the messages. The length of every answer but one is known from the bytes before it. So the dialogue reads
exactly that many bytes from its stream, and the next byte is the first byte from the target.

The dialogue reads a reply in two parts. The first two bytes tell whether the proxy has connected; a proxy
that has not connected does not always send the rest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from netkit.addr import HostPort, IpAddr, Ipv4Addr, Ipv6Addr
from netkit.proxy.errors import ProxyError

VERSION: Final = 5
#: RFC 1929 section 2: the version of the sub-negotiation.
AUTH_VERSION: Final = 1

#: Methods of authentication, RFC 1928 section 3.
NO_AUTH: Final = 0x00
USER_PASSWORD: Final = 0x02
NO_ACCEPTABLE: Final = 0xFF

CONNECT: Final = 1

#: Address types, RFC 1928 section 5.
IPV4: Final = 1
DOMAIN: Final = 3
IPV6: Final = 4

#: A length in one byte: names, user names, passwords.
LONGEST: Final = 255

_METHODS: Final = {0: "none", 1: "GSSAPI", 2: "user name and password", 3: "CHAP"}


class Bound(NamedTuple):
    """The address from which the proxy says it has connected; often 0.0.0.0:0, and possibly a name."""

    host: str | IpAddr
    port: int


def greeting(*, credentials: bool) -> bytes:
    """Offer methods of authentication: none, and with `credentials` also user name and password."""
    methods = bytes([NO_AUTH, USER_PASSWORD] if credentials else [NO_AUTH])
    return bytes([VERSION, len(methods)]) + methods


def chosen_method(answer: bytes, *, credentials: bool) -> int:
    """Read the method that the proxy chose, from the two bytes of its answer.

    Raises `ProxyError.InvalidReply`, and `ProxyError.AuthRequired` if the proxy accepts no offered method.
    """
    _check_version(answer)
    method = answer[1]
    if method == NO_ACCEPTABLE:
        raise ProxyError.AuthRequired((), credentials)
    if method != NO_AUTH and not (credentials and method == USER_PASSWORD):
        name = _METHODS.get(method, "unknown")
        raise ProxyError.InvalidReply(f"it chose a method that was not offered: {method} ({name})", answer)
    return method


def check_credentials(username: str, password: str) -> tuple[bytes, bytes]:
    """Encode both in UTF-8, 1 to 255 bytes each (RFC 1929 section 2). Raises `ProxyError.InvalidProxy`."""
    found = []
    for what, text in (("user name", username), ("password", password)):
        data = text.encode("utf-8", "surrogateescape")
        if not 1 <= len(data) <= LONGEST:
            raise ProxyError.InvalidProxy(f"SOCKS takes a {what} of 1 to {LONGEST} bytes, not of {len(data)}")
        found.append(data)
    return found[0], found[1]


def authentication(username: str, password: str) -> bytes:
    """The request of RFC 1929 section 2. Raises `ProxyError.InvalidProxy`."""
    user, secret = check_credentials(username, password)
    return bytes([AUTH_VERSION, len(user)]) + user + bytes([len(secret)]) + secret


def check_authentication(answer: bytes, username: str) -> None:
    """Read the two bytes of its answer: a status other than 0 is a failure (RFC 1929 section 2)."""
    if answer[0] != AUTH_VERSION:
        raise ProxyError.InvalidReply(f"version {answer[0]} of the authentication, not 1", answer)
    if answer[1]:
        raise ProxyError.AuthFailed(username)


def connect_request(target: HostPort) -> bytes:
    """Return the request to connect to `target`. The proxy looks up a name in `target` (section 5).

    Raises `ProxyError.InvalidProxy` for a name that is empty or over 255 bytes.
    """
    host = target.host
    if isinstance(host, Ipv4Addr):
        address = bytes([IPV4]) + host.packed
    elif isinstance(host, Ipv6Addr):
        address = bytes([IPV6]) + host.packed
    else:
        name = ascii_name(str(host))
        address = bytes([DOMAIN, len(name)]) + name
    return bytes([VERSION, CONNECT, 0]) + address + target.port.to_bytes(2, "big")


def ascii_name(host: str) -> bytes:
    """Return a host name in the form for proxies: ASCII, 1 to 255 bytes. Raises `ProxyError.InvalidProxy`."""
    try:
        name = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError:
        raise ProxyError.InvalidProxy(f"{host!r} is not a host name") from None
    if not 1 <= len(name) <= LONGEST:
        raise ProxyError.InvalidProxy(f"a host name of {len(name)} bytes: proxies take 1 to {LONGEST}")
    return name


def check_reply(answer: bytes, target: HostPort) -> None:
    """Read the first two bytes of a reply. Raises `ProxyError.SocksReply` if the proxy refused."""
    _check_version(answer)
    if answer[1]:
        raise ProxyError.SocksReply(str(target), answer[1])


def bound_size(answer: bytes) -> int | None:
    """Return how many bytes of address and port follow bytes 3 and 4 of a reply; None for a name, because its
    length comes first. Raises `ProxyError.InvalidReply` for an unknown address type."""
    kind = answer[1]
    if kind == DOMAIN:
        return None
    if kind not in (IPV4, IPV6):
        raise ProxyError.InvalidReply(f"an unknown address type: {kind}", answer)
    return 6 if kind == IPV4 else 18


def bound_address(data: bytes, *, name: bool) -> Bound:
    """Read the bound address from the bytes of address and port (for a name: without its length byte)."""
    host, port = data[:-2], int.from_bytes(data[-2:], "big")
    if name:
        return Bound(host.decode("latin-1"), port)
    return Bound(Ipv4Addr(host) if len(host) == 4 else Ipv6Addr(host), port)


def _check_version(answer: bytes) -> None:
    if answer[0] == VERSION:
        return
    hint = None
    if answer[:1] in (b"H", b"<"):
        hint = "it seems to speak HTTP: write http:// for the proxy"
    elif answer[0] in (0, 4):
        hint = "it seems to speak SOCKS 4, which netkit does not"
    elif answer[0] in (0x15, 0x16):
        hint = "it seems to speak TLS"
    raise ProxyError.InvalidReply(f"its version is {answer[0]}, not 5", answer, hint)
