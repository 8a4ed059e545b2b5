"""Sockets: TCP, UDP and Unix-domain, blocking and async. Knows no protocol above them.

    connect, order, resolve   from a name to a connection: Happy Eyeballs
    look_ups                  getaddrinfo(3) in threads
    tcp, udp, unix            TcpStream, TcpListener, UdpSocket, UnixStream, UnixListener
    sockets, listening        the base of the streams, and of the listeners
    socket_file, fds          the file of a Unix-domain listener; passing descriptors (SCM_RIGHTS)
    same_port                 TCP and UDP at one port
    pktinfo                   the address that a datagram was sent to
    interfaces                this machine's network interfaces: names, numbers, IPv4 addresses
    pump                      copying bytes in both directions

The parts for servers (activation, shutdown, workers) are in `netkit.serve`; this package also exports their
names in core-net.txt. Modules that only some programs need are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._lazy import lazy
from netkit.net.connect import ATTEMPT_DELAY, connect_first, interleave
from netkit.net.errors import Attempt, ConnectError, FdPassingError, ListenError, ResolveError, UnixError
from netkit.net.listening import AsyncIncoming, Incoming, StreamListener
from netkit.net.resolve import NameResolver, resolve_flow, system_resolver
from netkit.net.sockets import Shutdown
from netkit.net.tcp import KeepAlive, TcpInfo, TcpListener, TcpStream

if TYPE_CHECKING:
    from netkit.net.udp import UdpMessage as UdpMessage, UdpSocket as UdpSocket
    from netkit.net.unix import (
        PeerCred as PeerCred,
        UnixAddr as UnixAddr,
        UnixAddrLike as UnixAddrLike,
        UnixIncoming as UnixIncoming,
        UnixListener as UnixListener,
        UnixStream as UnixStream,
    )
    from netkit.serve.activation import (
        ActivationError as ActivationError,
        AdoptError as AdoptError,
        ListenFd as ListenFd,
        listen_fd as listen_fd,
        listen_fds as listen_fds,
        listen_fds_named as listen_fds_named,
        sd_notify as sd_notify,
        tcp_listener_from_raw_fd as tcp_listener_from_raw_fd,
        tcp_stream_from_raw_fd as tcp_stream_from_raw_fd,
        udp_socket_from_raw_fd as udp_socket_from_raw_fd,
        unix_listener_from_raw_fd as unix_listener_from_raw_fd,
        unix_stream_from_raw_fd as unix_stream_from_raw_fd,
        watchdog_interval as watchdog_interval,
    )
    from netkit.serve.shutdown import (
        ConnectionGuard as ConnectionGuard,
        GracefulShutdown as GracefulShutdown,
        ShutdownSignals as ShutdownSignals,
        shutdown_signals as shutdown_signals,
    )

__getattr__, __dir__, _ = lazy(
    __name__,
    {
        "netkit.serve.activation": (
            "ActivationError AdoptError ListenFd listen_fd listen_fds listen_fds_named sd_notify "
            "tcp_listener_from_raw_fd tcp_stream_from_raw_fd udp_socket_from_raw_fd "
            "unix_listener_from_raw_fd unix_stream_from_raw_fd watchdog_interval"
        ),
        "netkit.serve.shutdown": "ConnectionGuard GracefulShutdown ShutdownSignals shutdown_signals",
        "udp": "UdpMessage UdpSocket",
        "unix": "PeerCred UnixAddr UnixAddrLike UnixIncoming UnixListener UnixStream",
    },
)

__all__ = [
    "ATTEMPT_DELAY",
    "ActivationError",
    "AdoptError",
    "AsyncIncoming",
    "Attempt",
    "ConnectError",
    "ConnectionGuard",
    "FdPassingError",
    "GracefulShutdown",
    "Incoming",
    "KeepAlive",
    "ListenError",
    "ListenFd",
    "NameResolver",
    "PeerCred",
    "ResolveError",
    "Shutdown",
    "ShutdownSignals",
    "StreamListener",
    "TcpInfo",
    "TcpListener",
    "TcpStream",
    "UdpMessage",
    "UdpSocket",
    "UnixAddr",
    "UnixAddrLike",
    "UnixError",
    "UnixIncoming",
    "UnixListener",
    "UnixStream",
    "connect_first",
    "interleave",
    "listen_fd",
    "listen_fds",
    "listen_fds_named",
    "resolve_flow",
    "sd_notify",
    "shutdown_signals",
    "system_resolver",
    "tcp_listener_from_raw_fd",
    "tcp_stream_from_raw_fd",
    "udp_socket_from_raw_fd",
    "unix_listener_from_raw_fd",
    "unix_stream_from_raw_fd",
    "watchdog_interval",
]
