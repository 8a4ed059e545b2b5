"""Addresses: IP addresses, socket addresses, and the text that people write for an endpoint.

    IpAddr         Ipv4Addr | Ipv6Addr            192.0.2.1    2001:db8::1    fe80::1%eth0
    SocketAddr     SocketAddrV4 | SocketAddrV6    192.0.2.1:53    [2001:db8::1]:53    [fe80::1%2]:53
    HostPort       a name or an address, and a port: what an endpoint is before DNS was asked
    ToSocketAddrs  anything that can say which socket addresses it stands for

    >>> match IpAddr.parse("fe80::1%eth0"):
    ...     case Ipv6Addr() as addr:
    ...         print(addr.scope_id, addr.is_link_local)
    eth0 True
    >>> SocketAddr.parse("[2001:DB8:0:0::1]:53").to_sockaddr()
    ('2001:db8::1', 53, 0, 0)
    >>> HostPort.parse("example.com", default_port=443).port
    443
    >>> SocketAddr.parse("192.0.2.256:53")
    Traceback (most recent call last):
    netkit.addr.errors.AddrParseError.InvalidOctet: '192.0.2.256:53': '256' is more than 255 (at offset 8)

Nothing here resolves a name or opens a socket; only a service name (`host:https`) and a zone's name
(`%eth0`, when its number is asked for) are looked up, in this system's own tables.

Where things are: `ip`, `socket_addr`, `endpoint` (HostPort, ToSocketAddrs), `text` (the scanners), `errors`.
"""

from netkit.addr.endpoint import HostPort, SocketAddrsLike, ToSocketAddrs, to_socket_addrs_parts
from netkit.addr.errors import AddrParseError, UnknownZone
from netkit.addr.ip import IpAddr, Ipv4Addr, Ipv6Addr
from netkit.addr.socket_addr import SocketAddr, SocketAddrV4, SocketAddrV6
from netkit.addr.text import parse_port

__all__ = [
    "AddrParseError",
    "HostPort",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
    "SocketAddrsLike",
    "ToSocketAddrs",
    "UnknownZone",
    "parse_port",
    "to_socket_addrs_parts",
]
