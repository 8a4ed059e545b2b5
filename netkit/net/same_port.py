"""TCP and UDP at the same port, for services such as DNS and echo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.addr import AddrParseError, HostPort, SocketAddr, to_socket_addrs_parts
from netkit.net.tcp import TcpListener
from netkit.net.udp import UdpSocket

if TYPE_CHECKING:
    from netkit.addr import SocketAddrsLike

#: How many ports chosen by the system are tried: a port that is free for TCP may be in use for UDP.
ATTEMPTS = 16


def bind_same_port(addr: SocketAddrsLike) -> tuple[TcpListener, UdpSocket]:
    """A TCP listener and a UDP socket at the same address and port; port 0 takes a port free for both.

    Raises AddrParseError, ResolveError, ListenError.
    """
    for attempt in range(1, ATTEMPTS + 1):
        listener = TcpListener.bind(addr)
        try:
            return listener, UdpSocket.bind_addr(listener.local_addr)
        except OSError:
            listener.close()
            if attempt == ATTEMPTS or not _asks_for_any_port(addr):
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _asks_for_any_port(addr: SocketAddrsLike) -> bool:
    """Whether the system chooses the port, so that another attempt may give another port."""
    if isinstance(addr, SocketAddr):
        return addr.port == 0
    try:
        parts = addr if isinstance(addr, HostPort) else to_socket_addrs_parts(addr)
    except (AddrParseError, TypeError):
        return False
    return parts.port == 0
