"""The destination of a received datagram, the source of a sent one: IP_PKTINFO (ip(7)), RFC 3542.

A socket bound to a wildcard address receives for every address of the machine, and the system chooses the
source of what it sends by the route. A client that asked another address drops the answer. These control
messages tell the address that was asked, and set the source of the answer.

IPv4 needs Linux. An IPv6 socket that takes IPv4 too gets both messages for an IPv4 datagram, so that a
broadcast can be told from a datagram to one address there as well.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING

from netkit.addr import Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Control messages as recvmsg(2) returns and sendmsg(2) takes them: level, type, data.
ControlMessages = list[tuple[int, int, bytes]]

#: Room for the control messages of one datagram. Options that others set on a shared socket add more of them.
ROOM = 256

# Python names IP_PKTINFO from version 3.14 on; the structure below is that of Linux.
_IP_PKTINFO = 8 if sys.platform == "linux" else None
_IPV6_RECVPKTINFO: int | None = getattr(socket, "IPV6_RECVPKTINFO", None)
_IPV6_PKTINFO: int | None = getattr(socket, "IPV6_PKTINFO", None)

_IN_PKTINFO = struct.Struct("@i4s4s")  # the interface, the local address to answer from, the destination
_IN6_PKTINFO = struct.Struct("@16sI")  # the address, the interface


def request(sock: socket.socket) -> bool:
    """Have the system tell the destination of each datagram. Returns whether it can."""
    if not hasattr(sock, "recvmsg"):
        return False
    if sock.family == socket.AF_INET:
        if _IP_PKTINFO is None:
            return False
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        return True
    if _IPV6_RECVPKTINFO is None or _IPV6_PKTINFO is None:
        return False
    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
    if _IP_PKTINFO is not None:
        try:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        except OSError:
            pass  # a system whose IPv6 sockets have no options of IPv4
    return True


def addresses(messages: Iterable[tuple[int, int, bytes]], port: int) -> tuple[SocketAddr | None, ...]:
    """The destination of a datagram, and the source for its answer, both with `port`.

    None for a destination that the system did not tell. None for a source that is the system's choice,
    because the datagram went to a group or to everybody, and no datagram can come from there.
    """
    destination: SocketAddr | None = None
    source: SocketAddr | None = None
    for level, kind, data in messages:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) >= _IN_PKTINFO.size:
            _, local, to = _IN_PKTINFO.unpack_from(data)
            # For a broadcast or a group, the system tells the local address that belongs to it, or 0.0.0.0.
            own = SocketAddr.new(Ipv4Addr(local), port)
            return SocketAddr.new(Ipv4Addr(to), port), None if own.ip.is_unspecified else own
        if level == socket.IPPROTO_IPV6 and kind == _IPV6_PKTINFO and len(data) >= _IN6_PKTINFO.size:
            packed, interface = _IN6_PKTINFO.unpack_from(data)
            ip = Ipv6Addr(packed)
            scope = interface if ip.is_link_local or ip.is_multicast else 0
            destination = SocketAddrV6(ip, port, 0, scope).unmapped
            source = None if destination.ip.is_multicast else destination
    return destination, source


def from_source(source: SocketAddr) -> ControlMessages:
    """The control message that sends a datagram from the address of `source`.

    The route chooses the interface; a link-local address needs its own.
    """
    ip = source.unmapped.ip
    if isinstance(ip, Ipv4Addr):
        if _IP_PKTINFO is None:
            return []
        return [(socket.IPPROTO_IP, _IP_PKTINFO, _IN_PKTINFO.pack(0, ip.packed, bytes(4)))]
    if _IPV6_PKTINFO is None:
        return []
    scope = source.scope_id if isinstance(source, SocketAddrV6) and ip.is_link_local else 0
    return [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, _IN6_PKTINFO.pack(ip.packed, scope))]
