"""Socket addresses: an IP address and a port, as the socket module takes and gives them.

RFC 5952 section 6 (an IPv6 address before a port stands in brackets), RFC 4007 section 11 (zones).

The zone of an IPv6 address is kept in the address, as it was written; it becomes a number only where the
socket module needs one, because the name-to-number table belongs to this machine and may change.
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
    """An IP address and a port: where a socket is, or what it connects to.

    Made with `new`, `new_v4`, `new_v6`, `parse` or `from_sockaddr`. `match` takes `SocketAddrV4(ip, port)`
    and `SocketAddrV6(ip, port)`, also there as `SocketAddr.V4` and `SocketAddr.V6`. Immutable, hashable,
    ordered; `str` gives what `parse` reads.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        V4: TypeAlias = "SocketAddrV4"
        V6: TypeAlias = "SocketAddrV6"

    @classmethod
    def new(cls, ip: str | bytes | IpAddr | IPv4Address | IPv6Address, port: int) -> SocketAddr:
        """The socket address of any IP address (see `IpAddr.of`) and a port. Raises AddrParseError."""
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
        """Read `192.0.2.1:53`, `[2001:db8::1]:53` or `[fe80::1%eth0]:53`: numbers only, and both parts.

        Raises AddrParseError (all three variants), with the offset. `HostPort.parse` reads names too.
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
        """The address in what the socket module returns: (host, port) or (host, port, flowinfo, scope_id).

        The host is a numeric address; a zone in it gives way to a scope_id that is not 0.
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
        """With the IPv4 address that an IPv4-mapped one stands for (RFC 4291 section 2.5.5.2), else itself.

        Sockets that take both families have mapped addresses for their IPv4 peers; streams and UDP sockets
        of netkit say who these peers are: `127.0.0.1:80`, not `[::ffff:127.0.0.1]:80`.
        """
        return self

    @abstractmethod
    def to_sockaddr(self, family: int = 0) -> tuple[str, int] | tuple[str, int, int, int]:
        """What the socket module's calls take for an address of `family`.

        Given the family of an IPv6 socket, an IPv4 address is mapped, as such a socket takes it.
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
        """Itself alone: what makes it a `ToSocketAddrs`."""
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

    `ip` is an address or whatever `Ipv4Addr` takes; `port` is 0 to 65535.
    Raises AddrParseError.InvalidPort, and as `Ipv4Addr` does.
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
        """(host, port), for the socket module; for an IPv6 socket the mapped address, as `SocketAddrV6`."""
        if family and family != self.family:
            return f"::ffff:{self._ip}", self._port, 0, 0
        return str(self._ip), self._port

    def _key(self) -> tuple[Ipv4Addr, int]:
        return self._ip, self._port

    def __str__(self) -> str:
        return f"{self._ip}:{self._port}"


class SocketAddrV6(SocketAddr):
    """An IPv6 address, a port, and what a socket address adds to them: flow information and the zone.

    `ip` is an address or whatever `Ipv6Addr` takes; `port` is 0 to 65535; `flowinfo` 0 to 1048575.
    `scope_id` is the number of the interface that a link-local address is meant on; 0 leaves the zone to
    `ip`, which then holds it (`s.ip.scope_id`), as a number or as an interface's name. A name and the
    number of the same interface are not equal: compare `to_sockaddr()` where that matters.

    Raises AddrParseError.InvalidPort for the port, InvalidFormat for flowinfo and for a zone given twice.
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
        """The number of the zone's interface, 0 for no zone. Raises UnknownZone (an OSError)."""
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
