"""Sockets: TCP, UDP and Unix-domain, blocking and async. Knows no protocol above them.

    connect, order, resolve   from a name to a connection: Happy Eyeballs
    tcp, udp, unix            TcpStream, TcpListener, UdpSocket, UnixStream, UnixListener
    sockets, listening        what the streams, and what the listeners, have in common
    socket_file, fds          the file of a Unix-domain listener; descriptors that travel along (SCM_RIGHTS)
    activation                listeners handed over by a service manager, and what it is told
    serve, echo, pump         serving connections; the echo service; carrying bytes both ways

What only some programs need is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy
from netkit.net.connect import ATTEMPT_DELAY, connect_first, interleave
from netkit.net.errors import Attempt, ConnectError, FdPassingError, ListenError, ResolveError, UnixError
from netkit.net.listening import AsyncIncoming, Incoming, StreamListener
from netkit.net.resolve import NameResolver, resolve, system_resolver
from netkit.net.sockets import Shutdown
from netkit.net.tcp import KeepAlive, TcpListener, TcpStream
from netkit.net.udp import UdpSocket

if TYPE_CHECKING:
    from netkit.net.unix import (
        PeerCred as PeerCred,
        UnixAddr as UnixAddr,
        UnixAddrLike as UnixAddrLike,
        UnixIncoming as UnixIncoming,
        UnixListener as UnixListener,
        UnixStream as UnixStream,
    )

__getattr__, __dir__, _later = lazy(
    __name__, {"unix": "PeerCred UnixAddr UnixAddrLike UnixIncoming UnixListener UnixStream"}
)

__all__ = [
    "ATTEMPT_DELAY",
    "AsyncIncoming",
    "Attempt",
    "ConnectError",
    "FdPassingError",
    "Incoming",
    "KeepAlive",
    "ListenError",
    "NameResolver",
    "ResolveError",
    "Shutdown",
    "StreamListener",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixError",
    "connect_first",
    "interleave",
    "resolve",
    "system_resolver",
    *_later,
]
