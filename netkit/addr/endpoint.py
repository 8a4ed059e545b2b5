"""Endpoints: the text people write for a place to connect to, before DNS was asked.

RFC 3986 section 3.2 (host and port), WHATWG URL section 3.5 (a host that ends in a number is an address).

Nothing here resolves a name: `HostPort` says what there is to resolve, and netkit.net does it.
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
    """Something that says by itself which socket addresses it stands for, in order of preference.

    `SocketAddr` is one. Wherever netkit takes an address it takes one of these, or one of the other
    forms of `SocketAddrsLike`.
    """

    def to_socket_addrs(self) -> Iterable[SocketAddr]:
        """The addresses to try, in order. Raises an OSError or a NetkitError if there are none."""
        ...


class HostPort:
    """A host and a port, before anything was looked up: `example.com:443`, `[2001:db8::1]:443`, `:443`.

    `host` is an `IpAddr` where the text is one, else a name as it was written; "" stands for this
    machine (a listener: all its addresses; a connection: its loopback). `port` is 0 to 65535.
    A name whose last label is a number is refused, as URLs do, because some systems would read it as an
    address in octal or hex. Immutable and hashable; `str` gives what `parse` reads.

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

        Without brackets, several colons make an IPv6 address and never a port: `::1:53` is an address.

        Raises AddrParseError (all three variants), with the offset and the right form in the hint.
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
        """The address, or the name as it was written; "" for this machine."""
        return self._host

    @property
    def port(self) -> int:
        """The port, 0 to 65535."""
        return self._port

    @property
    def socket_addr(self) -> SocketAddr | None:
        """The socket address, where the host is an address: nothing is left to look up."""
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


#: What netkit takes for an address. A name in it is looked up (by netkit.net) when it is used.
SocketAddrsLike: TypeAlias = (
    "ToSocketAddrs | SocketAddr | HostPort | str | tuple[str | IpAddr | IPv4Address | IPv6Address, int | str]"
)


def to_socket_addrs_parts(value: Any, default_port: int | None = None, proto: str = "tcp") -> HostPort:
    """The host and the port that a value stands for, before anything is looked up.

        "example.com:443"                  see `HostPort.parse`
        ("example.com", 443)               also with an address as text, `ipaddress` object or `IpAddr`,
        ("example.com", "https")           and with a service name
        Ipv4Addr(192, 0, 2, 1)             with `default_port` only
        SocketAddr, HostPort               themselves (a flowinfo is not kept)

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
    """The address or the name that stands at the beginning of `whole`."""
    if text.startswith("[") and text.endswith("]"):
        return Ipv6Addr(scan_bracketed(text[1:-1], whole, ENDPOINT_FORM))
    if ":" in text:
        return Ipv6Addr(scan_bare_v6(text, whole))
    check_name(text, whole)
    if text.isdigit() and len(text) <= 5:
        hint = f"write :{text} for that port of this machine"
        raise AddrInvalidFormat(whole, 0, "a number is not a host", hint)
    return Ipv4Addr(scan_v4(text, whole)) if ends_in_a_number(text) else text
