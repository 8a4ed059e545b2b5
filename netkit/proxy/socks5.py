"""SOCKS version 5 on the wire: RFC 1928, and its user name and password, RFC 1929.

Bytes of what a client sends, and readings of what it gets, each message by itself; when which of them comes
is told in `dialogue`. All but one of the answers have a length that is known from what came before, so the
dialogue asks its stream for exactly that many bytes, and what follows the last of them is the target's.

A reply is read in two parts: its first two bytes tell whether there is a connection, and proxies that have
none to offer do not always take the trouble to send the rest.
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
    """The address from which the proxy has connected, as it says: a name is possible, 0.0.0.0:0 is usual."""

    host: str | IpAddr
    port: int


def greeting(*, credentials: bool) -> bytes:
    """The methods that are offered: with `credentials`, user name and password besides none."""
    methods = bytes([NO_AUTH, USER_PASSWORD] if credentials else [NO_AUTH])
    return bytes([VERSION, len(methods)]) + methods


def chosen_method(answer: bytes, *, credentials: bool) -> int:
    """The method that the two bytes of the proxy's answer choose.

    Raises `ProxyError.InvalidReply`, and `ProxyError.AuthRequired` where it takes none of those offered.
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
    """Both in UTF-8, 1 to 255 bytes each (RFC 1929 section 2). Raises `ProxyError.InvalidProxy`."""
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
    """Ask for a connection to `target`; a name goes as it is, for the proxy to look up (section 5).

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
    """A host name as proxies take it: ASCII, 1 to 255 bytes. Raises `ProxyError.InvalidProxy`."""
    try:
        name = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError:
        raise ProxyError.InvalidProxy(f"{host!r} is not a host name") from None
    if not 1 <= len(name) <= LONGEST:
        raise ProxyError.InvalidProxy(f"a host name of {len(name)} bytes: proxies take 1 to {LONGEST}")
    return name


def check_reply(answer: bytes, target: HostPort) -> None:
    """Read the first two bytes of a reply. Raises `ProxyError.SocksReply` where the proxy said no."""
    _check_version(answer)
    if answer[1]:
        raise ProxyError.SocksReply(str(target), answer[1])


def bound_size(answer: bytes) -> int | None:
    """How many bytes of address and port follow a reply's bytes 3 and 4; None for a name, whose length comes
    first. Raises `ProxyError.InvalidReply` for an address type that there is not."""
    kind = answer[1]
    if kind == DOMAIN:
        return None
    if kind not in (IPV4, IPV6):
        raise ProxyError.InvalidReply(f"an unknown address type: {kind}", answer)
    return 6 if kind == IPV4 else 18


def bound_address(data: bytes, *, name: bool) -> Bound:
    """What is bound, from the address and the port (of a name: without its length byte)."""
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
