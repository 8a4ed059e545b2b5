"""Sockets: TCP and UDP, to and from any address, blocking and async. Knows no protocol above them."""

from netkit.net.connect import ATTEMPT_DELAY, connect_first, interleave
from netkit.net.errors import Attempt, ConnectError, ListenError, ResolveError
from netkit.net.resolve import NameResolver, resolve, system_resolver
from netkit.net.sockets import Shutdown
from netkit.net.tcp import Incoming, TcpListener, TcpStream
from netkit.net.udp import UdpSocket

__all__ = [
    "ATTEMPT_DELAY",
    "Attempt",
    "ConnectError",
    "Incoming",
    "ListenError",
    "NameResolver",
    "ResolveError",
    "Shutdown",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "connect_first",
    "interleave",
    "resolve",
    "system_resolver",
]
