"""IP addresses, socket addresses, and endpoints as people write them (`example.com:443`).

    IpAddr         Ipv4Addr | Ipv6Addr            192.0.2.1    2001:db8::1    fe80::1%eth0
    SocketAddr     SocketAddrV4 | SocketAddrV6    192.0.2.1:53    [2001:db8::1]:53    [fe80::1%2]:53
    HostPort       a name or an address, and a port: an endpoint before the DNS lookup
    ToSocketAddrs  the protocol of objects that give their own socket addresses

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

This package does not resolve host names and does not open sockets. It looks up only two things, both in
tables of this system: the port of a service name (`host:https`), and the number of a zone's interface
(`%eth0`), when the caller asks for that number.

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
