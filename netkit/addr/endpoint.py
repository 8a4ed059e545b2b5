"""Endpoints: the host and port that people write for a connection, before the DNS lookup.

RFC 3986 section 3.2 (host and port), WHATWG URL section 3.5 (a host that ends in a number is an address).

This module does not resolve names. A `HostPort` holds the name to resolve; netkit.net resolves it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from netkit.addr.errors import AddrInvalidFormat
from netkit.addr.ip import IpAddr, Ipv4Addr, Ipv6Addr
from netkit.addr.socket_addr import SocketAddr, SocketAddrV4, SocketAddrV6
from netkit.addr.text import (
    ENDPOINT_FORM,
    check_name,
    checked_port,
    ends_in_a_number,
    parse_port,
    port_is_missing,
    scan_bare_v6,
    scan_bracketed,
    scan_port,
    scan_v4,
    split_port,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


class ToSocketAddrs(Protocol):
    """The protocol of objects that give their own socket addresses, in order of preference.

    `SocketAddr` implements it. Every netkit function that takes an address accepts such an object, and
    also the other forms in `SocketAddrsLike`.
    """

    def to_socket_addrs(self) -> Iterable[SocketAddr]:
        """Return the addresses to try, in order. Raises an OSError or a NetkitError if there is none."""
        ...


class HostPort:
    """A host and a port, before any lookup: `example.com:443`, `[2001:db8::1]:443`, `:443`.

    `host` is an `IpAddr` if the text is an IP address; otherwise it is a name, as it was written. The empty
    name "" means this machine: all its addresses for a listener, the loopback address for a connection.
    `port` is 0 to 65535. A name whose last label is a number is an error, as in URLs, because some systems
    would read the name as an address in octal or hexadecimal. Immutable and hashable; `parse` can read the
    text that `str` gives.

    Raises AddrParseError. RFC 3986 section 3.2; WHATWG URL section 3.5 ("ends in a number").
    """

    __slots__ = ("_host", "_port")
    __match_args__ = ("host", "port")

    def __init__(self, host: str | IpAddr | IPv4Address | IPv6Address, port: int) -> None:
        self._host = _host(host, host) if isinstance(host, str) else IpAddr.of(host)
        self._port = checked_port(port)

    @classmethod
    def parse(cls, text: str, default_port: int | None = None, proto: str = "tcp") -> HostPort:
        """Read an endpoint.

            example.com:443   192.0.2.1:443   [2001:db8::1]:443   [fe80::1%eth0]:443
            example.com:https                 a service name, as this system has it for `proto`
            :443                              this machine
            example.com   [2001:db8::1]   2001:db8::1     with `default_port` only

        Text without brackets and with several colons is an IPv6 address without a port: `::1:53` is an
        address.

        Raises AddrParseError (all three variants), with the offset of the mistake; the hint shows the right
        form.
        """
        scheme = text.find("://")
        if scheme >= 0:
            raise AddrInvalidFormat(text, scheme, "a URL is not an endpoint", ENDPOINT_FORM)
        if not text:
            raise AddrInvalidFormat(text, 0, "nothing is there", ENDPOINT_FORM)
        host, start = split_port(text, ENDPOINT_FORM)
        found = _host(f"[{host}]" if text.startswith("[") else host, text)
        if start is not None:
            return cls._made(found, scan_port(text, start, proto))
        if default_port is None:
            raise port_is_missing(text, ENDPOINT_FORM)
        return cls._made(found, checked_port(default_port))

    @classmethod
    def _made(cls, host: str | IpAddr, port: int) -> HostPort:
        made = cls.__new__(cls)
        made._host = host
        made._port = port
        return made

    @property
    def host(self) -> str | IpAddr:
        """The address, or the name as it was written; "" means this machine."""
        return self._host

    @property
    def port(self) -> int:
        """The port, 0 to 65535."""
        return self._port

    @property
    def socket_addr(self) -> SocketAddr | None:
        """The socket address if the host is an IP address, so that no lookup is needed; otherwise None."""
        host = self._host
        if isinstance(host, Ipv4Addr):
            return SocketAddrV4(host, self._port)
        return SocketAddrV6(host, self._port) if isinstance(host, Ipv6Addr) else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HostPort):
            return NotImplemented
        return self._host == other._host and self._port == other._port

    def __hash__(self) -> int:
        return hash((self._host, self._port))

    def __reduce__(self) -> tuple[type[HostPort], tuple[str | IpAddr, int]]:
        return HostPort, (self._host, self._port)

    def __repr__(self) -> str:
        return f"<HostPort {self}>"

    def __str__(self) -> str:
        host = f"[{self._host}]" if isinstance(self._host, Ipv6Addr) else self._host
        return f"{host}:{self._port}"


#: The values that netkit accepts as an address. netkit.net looks up a name in such a value when it uses it.
SocketAddrsLike: TypeAlias = (
    "ToSocketAddrs | SocketAddr | HostPort | str | tuple[str | IpAddr | IPv4Address | IPv6Address, int | str]"
)


def to_socket_addrs_parts(value: Any, default_port: int | None = None, proto: str = "tcp") -> HostPort:
    """Return the host and the port that a value names, without any lookup of the host.

        "example.com:443"                  see `HostPort.parse`
        ("example.com", 443)               also with an address as text, `ipaddress` object or `IpAddr`,
        ("example.com", "https")           and with a service name
        Ipv4Addr(192, 0, 2, 1)             with `default_port` only
        SocketAddr, HostPort               their own host and port (the flowinfo is lost)

    Raises AddrParseError, and TypeError for anything else.
    """
    match value:
        case HostPort():
            return value
        case SocketAddr():
            return HostPort._made(value.ip, value.port)
        case str():
            return HostPort.parse(value, default_port, proto)
        case (str() | IPv4Address() | IPv6Address() as host, int() | str() as port):
            return HostPort(host, parse_port(port, proto) if isinstance(port, str) else port)
        case IPv4Address() | IPv6Address():
            if default_port is None:
                raise port_is_missing(str(value), ENDPOINT_FORM)
            return HostPort(value, default_port)
        case _:
            raise TypeError(f"not an address: {value!r} (give 'host:port', (host, port) or a SocketAddr)")


def _host(text: str, whole: str) -> str | IpAddr:
    """Return the address or the name at the beginning of `whole`."""
    if text.startswith("[") and text.endswith("]"):
        return Ipv6Addr(scan_bracketed(text[1:-1], whole, ENDPOINT_FORM))
    if ":" in text:
        return Ipv6Addr(scan_bare_v6(text, whole))
    check_name(text, whole)
    if text.isdigit() and len(text) <= 5:
        hint = f"write :{text} for that port of this machine"
        raise AddrInvalidFormat(whole, 0, "a number is not a host", hint)
    return Ipv4Addr(scan_v4(text, whole)) if ends_in_a_number(text) else text
