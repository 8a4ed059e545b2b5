"""Socket addresses: an IP address and a port, converted to and from the socket module's tuples.

RFC 5952 section 6 (an IPv6 address before a port stands in brackets), RFC 4007 section 11 (zones).

An IPv6 address keeps its zone as it was written. The zone's name becomes a number only when the socket module
needs the number, because the table of names and numbers belongs to this machine and may change.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit.addr.errors import AddrInvalidFormat, UnknownZone
from netkit.addr.ip import IpAddr, Ipv4Addr, Ipv6Addr
from netkit.addr.text import (
    SOCKET_FORM,
    V6_FORM,
    checked_port,
    port_is_missing,
    scan_bare_v6,
    scan_bracketed,
    scan_port,
    scan_v4,
    split_port,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from socket import AddressFamily

MAX_FLOWINFO = 0xFFFFF  # RFC 8200 section 6: the flow label has 20 bits


@functools.total_ordering
class SocketAddr(ABC):
    """An IP address and a port: the local address of a socket, or the address that it connects to.

    Make one with `new`, `new_v4`, `new_v6`, `parse` or `from_sockaddr`. In `match`, use the patterns
    `SocketAddrV4(ip, port)` and `SocketAddrV6(ip, port)`; `SocketAddr.V4` and `SocketAddr.V6` are the same
    classes. Immutable, hashable, ordered; `parse` can read the text that `str` gives.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        V4: TypeAlias = "SocketAddrV4"
        V6: TypeAlias = "SocketAddrV6"

    @classmethod
    def new(cls, ip: str | bytes | IpAddr | IPv4Address | IPv6Address, port: int) -> SocketAddr:
        """Make a socket address from any IP address (see `IpAddr.of`) and a port. Raises AddrParseError."""
        addr = IpAddr.of(ip)
        return SocketAddrV4(addr, port) if isinstance(addr, Ipv4Addr) else SocketAddrV6(addr, port)

    @classmethod
    def new_v4(cls, ip: object, port: int) -> SocketAddrV4:
        """See `SocketAddrV4`."""
        return SocketAddrV4(ip, port)

    @classmethod
    def new_v6(cls, ip: object, port: int, flowinfo: int = 0, scope_id: int = 0) -> SocketAddrV6:
        """See `SocketAddrV6`."""
        return SocketAddrV6(ip, port, flowinfo, scope_id)

    @classmethod
    def parse(cls, text: str) -> SocketAddr:
        """Read `192.0.2.1:53`, `[2001:db8::1]:53` or `[fe80::1%eth0]:53`.

        The text must have an IP address and a port number; `HostPort.parse` also reads names.
        Raises AddrParseError (all three variants), with the offset.
        RFC 5952 section 6: an IPv6 address before a port stands in brackets.
        """
        host, start = split_port(text, SOCKET_FORM)
        if text.startswith("["):
            value = scan_bracketed(host, text, SOCKET_FORM)
        elif ":" in host:
            value = scan_bare_v6(host, text)
        else:
            value = scan_v4(host, text)
        if start is None:
            raise port_is_missing(text, SOCKET_FORM)
        port = scan_port(text, start, None)
        return SocketAddrV6(value, port) if text.startswith("[") else SocketAddrV4(value, port)

    @classmethod
    def from_sockaddr(cls, sockaddr: tuple[Any, ...]) -> SocketAddr:
        """Read a tuple of the socket module: (host, port) or (host, port, flowinfo, scope_id).

        The host is a numeric address. If scope_id is not 0, it replaces the zone in the host.
        Raises AddrParseError.
        """
        host, port, *rest = sockaddr
        addr = IpAddr.parse(host)
        if isinstance(addr, Ipv4Addr):
            return SocketAddrV4(addr, port)
        flowinfo, scope_id = rest or (0, 0)
        if scope_id:
            addr = Ipv6Addr(int(addr))
        return SocketAddrV6(addr, port, flowinfo, scope_id)

    @property
    @abstractmethod
    def ip(self) -> Ipv4Addr | Ipv6Addr:
        """The address."""

    @property
    @abstractmethod
    def port(self) -> int:
        """The port, 0 to 65535."""

    @property
    @abstractmethod
    def family(self) -> AddressFamily:
        """`socket.AF_INET` or `socket.AF_INET6`."""

    @property
    def unmapped(self) -> SocketAddr:
        """The IPv4 form of an IPv4-mapped address (RFC 4291 section 2.5.5.2); otherwise the address itself.

        A socket that accepts both families gives its IPv4 peers as mapped addresses. Streams and UDP sockets
        of netkit show the IPv4 address of such a peer: `127.0.0.1:80`, not `[::ffff:127.0.0.1]:80`.
        """
        return self

    @abstractmethod
    def to_sockaddr(self, family: int = 0) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return the tuple that the socket module needs for a socket of `family`.

        If `family` is AF_INET6, an IPv4 address becomes an IPv4-mapped address, because an IPv6 socket
        accepts no other form.
        """

    @property
    def is_ipv4(self) -> bool:
        """Whether it is a `SocketAddrV4`."""
        return self.ip.version == 4

    @property
    def is_ipv6(self) -> bool:
        """Whether it is a `SocketAddrV6`."""
        return self.ip.version == 6

    def to_socket_addrs(self) -> tuple[SocketAddr, ...]:
        """Return only this address. This method implements the protocol `ToSocketAddrs`."""
        return (self,)

    @abstractmethod
    def _key(self) -> tuple[Any, ...]: ...

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, SocketAddr) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._key() < other._key() if isinstance(other, SocketAddr) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[type[SocketAddr], tuple[Any, ...]]:
        return type(self), self._key()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class SocketAddrV4(SocketAddr):
    """An IPv4 address and a port.

    `ip` is an address or any argument of `Ipv4Addr`; `port` is 0 to 65535.
    Raises AddrParseError.InvalidPort, and the errors of `Ipv4Addr`.
    """

    __slots__ = ("_ip", "_port")
    __match_args__ = ("ip", "port")

    def __init__(self, ip: object, port: int) -> None:
        self._ip = ip if isinstance(ip, Ipv4Addr) else Ipv4Addr(ip)
        self._port = checked_port(port)

    @property
    def ip(self) -> Ipv4Addr:
        """The address."""
        return self._ip

    @property
    def port(self) -> int:
        """The port, 0 to 65535."""
        return self._port

    @property
    def family(self) -> AddressFamily:
        """`socket.AF_INET`."""
        import socket

        return socket.AF_INET

    def to_sockaddr(self, family: int = 0) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return (host, port); for an IPv6 socket, the four-part tuple of the IPv4-mapped address."""
        if family and family != self.family:
            return f"::ffff:{self._ip}", self._port, 0, 0
        return str(self._ip), self._port

    def _key(self) -> tuple[Ipv4Addr, int]:
        return self._ip, self._port

    def __str__(self) -> str:
        return f"{self._ip}:{self._port}"


class SocketAddrV6(SocketAddr):
    """An IPv6 address, a port, flow information and a zone.

    `ip` is an address or any argument of `Ipv6Addr`; `port` is 0 to 65535; `flowinfo` is 0 to 1048575.
    `scope_id` is the number of the interface to which a link-local address belongs. With 0, the zone is the
    zone of `ip`. `ip` always holds the zone (`s.ip.scope_id`), as a number or as an interface's name. A name
    and a number are not equal even if they are the same interface: compare `to_sockaddr()` in that case.

    Raises AddrParseError.InvalidPort for the port, InvalidFormat for flowinfo and for two different zones.
    """

    __slots__ = ("_flowinfo", "_ip", "_port")
    __match_args__ = ("ip", "port")

    def __init__(self, ip: object, port: int, flowinfo: int = 0, scope_id: int = 0) -> None:
        addr = ip if isinstance(ip, Ipv6Addr) else Ipv6Addr(ip)
        if scope_id and addr.scope_id != str(scope_id):
            if addr.scope_id is not None:
                offset = str(addr).index("%") + 1
                raise AddrInvalidFormat(str(addr), offset, f"a second zone, {scope_id}, is given", V6_FORM)
            addr = addr.with_scope(scope_id)
        if not 0 <= flowinfo <= MAX_FLOWINFO:
            raise AddrInvalidFormat(str(flowinfo), 0, f"flowinfo is not from 0 to {MAX_FLOWINFO}")
        self._ip = addr
        self._port = checked_port(port)
        self._flowinfo = flowinfo

    @property
    def ip(self) -> Ipv6Addr:
        """The address, with its zone."""
        return self._ip

    @property
    def port(self) -> int:
        """The port, 0 to 65535."""
        return self._port

    @property
    def flowinfo(self) -> int:
        """The flow label, 0 to 1048575 (RFC 8200 section 6)."""
        return self._flowinfo

    @property
    def scope_id(self) -> int:
        """The number of the zone's interface, or 0 without a zone. Raises UnknownZone (an OSError)."""
        zone = self._ip.scope_id
        if zone is None:
            return 0
        if zone.isdigit():
            return int(zone)
        import socket

        try:
            return socket.if_nametoindex(zone)
        except OSError:
            raise UnknownZone(zone) from None

    @property
    def family(self) -> AddressFamily:
        """`socket.AF_INET6`."""
        import socket

        return socket.AF_INET6

    @property
    def unmapped(self) -> SocketAddr:
        ip = self._ip.unmapped
        return SocketAddrV4(ip, self._port) if isinstance(ip, Ipv4Addr) else self

    def to_sockaddr(self, family: int = 0) -> tuple[str, int, int, int]:  # noqa: ARG002 - it has no other
        """(host, port, flowinfo, scope_id), for the socket module. Raises UnknownZone (an OSError)."""
        return str(self._ip).partition("%")[0], self._port, self._flowinfo, self.scope_id

    def _key(self) -> tuple[Ipv6Addr, int, int]:
        return self._ip, self._port, self._flowinfo

    def __str__(self) -> str:
        return f"[{self._ip}]:{self._port}"


if not TYPE_CHECKING:
    SocketAddr.V4 = SocketAddrV4
    SocketAddr.V6 = SocketAddrV6
