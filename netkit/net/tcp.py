"""TCP: `TcpStream` for connections, `TcpListener` to accept them. RFC 9293.

Nagle's algorithm is off by default (TCP_NODELAY), because it delays small requests and responses;
`set_nodelay(False)` turns it on.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from math import ceil
from typing import Any, NamedTuple, Self

from netkit.addr import SocketAddr, SocketAddrsLike
from netkit.io import CancellationToken, Descriptor, Flow, deadline_after, run, run_async
from netkit.net.connect import ATTEMPT_DELAY, Connected, connect_first, connect_flow, descriptor_of
from netkit.net.errors import Attempt, ListenError
from netkit.net.listening import BACKLOG, AsyncIncoming, Incoming, StreamListener
from netkit.net.resolve import NameResolver, listening_addrs
from netkit.net.sockets import Shutdown, SocketStream, set_ttl, ttl_of

__all__ = [
    "BACKLOG",
    "AsyncIncoming",
    "Incoming",
    "KeepAlive",
    "Shutdown",
    "TcpInfo",
    "TcpListener",
    "TcpStream",
]

#: The options of each part of `set_keepalive`, as far as this system has them.
_KEEPALIVE: dict[str, int] = {
    part: getattr(socket, name)
    for name, part in (
        ("TCP_KEEPALIVE", "idle"),  # macOS's name for it
        ("TCP_KEEPIDLE", "idle"),
        ("TCP_KEEPINTVL", "interval"),
        ("TCP_KEEPCNT", "count"),
    )
    if hasattr(socket, name)
}

#: struct linger: l_onoff and l_linger.
_LINGER = "hh" if os.name == "nt" else "ii"


class KeepAlive(NamedTuple):
    """How an idle connection is probed; None if this system does not report it.

    `idle` and `interval` are seconds; `probes` is the number of unanswered probes before the connection is
    reset.
    """

    enabled: bool
    idle: int | None
    interval: int | None
    probes: int | None


class TcpInfo(NamedTuple):
    """What the system has measured of a connection (TCP_INFO, tcp(7)); times are seconds, sizes bytes."""

    #: The smoothed round trip (RFC 6298), and its variation.
    round_trip: float
    round_trip_variation: float
    #: Segments that were sent again, all in all.
    retransmits: int
    #: The largest segment that is sent, and that is received.
    mss: int
    received_mss: int
    #: The largest packet that the path takes.
    path_mtu: int
    #: How many segments may be under way at the same time.
    congestion_window: int


#: struct tcp_info of Linux up to tcpi_total_retrans: eight octets, and then 24 numbers of 32 bits.
_TCP_INFO = struct.Struct("=8x24I")


class TcpStream(SocketStream):
    """A TCP connection: a `ByteStream` with TCP's options.

        with TcpStream.connect("example.com:7", timeout=5) as stream:
            stream.write_all(b"hello")
            print(stream.read())

    `attempts` lists the addresses that were tried.
    """

    _what = "TCP stream"

    def __init__(
        self,
        sock: socket.socket,
        descriptor: Descriptor | None = None,
        *,
        peer: SocketAddr | None = None,
        attempts: list[Attempt] | None = None,
        inherited: bool = False,
    ) -> None:
        super().__init__(sock, descriptor or descriptor_of(sock, shared=inherited), inherited=inherited)
        self._peer = peer
        self.attempts = attempts or []
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # the connection was reset already: the first read raises the error

    # Connecting.

    @classmethod
    def connect_flow(
        cls,
        addr: SocketAddrsLike,
        *,
        default_port: int | None = None,
        family: int = 0,
        prefer: int = 0,
        source: SocketAddr | None = None,
        attempt_delay: float = ATTEMPT_DELAY,
        resolver: NameResolver | None = None,
    ) -> Flow[Self]:
        """Flow: `connect`, for other flows to `yield from`."""
        made = yield from connect_flow(
            addr,
            default_port=default_port,
            family=family,
            prefer=prefer,
            source=source,
            attempt_delay=attempt_delay,
            resolver=resolver,
        )
        return cls._of(made)

    @classmethod
    def connect(
        cls,
        addr: SocketAddrsLike,
        *,
        default_port: int | None = None,
        family: int = 0,
        prefer: int = 0,
        source: SocketAddr | None = None,
        attempt_delay: float = ATTEMPT_DELAY,
        resolver: NameResolver | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Connect to the first address of `addr` that answers (Happy Eyeballs, RFC 8305).

        `addr` is `"host:port"`, `(host, port)`, a `SocketAddr` or anything else of `SocketAddrsLike`;
        `default_port` is used for text without a port. `family` (`socket.AF_INET`, `AF_INET6`) allows only
        one family, `prefer` puts one first. `source` is the local address to connect from (port 0: any). The
        next address is tried `attempt_delay` seconds after the previous one. `resolver` looks names up
        instead of the system. `timeout` covers everything, including the name lookup.

        Raises AddrParseError, ResolveError, or ConnectError with the result for every address.
        """
        flow = cls.connect_flow(
            addr,
            default_port=default_port,
            family=family,
            prefer=prefer,
            source=source,
            attempt_delay=attempt_delay,
            resolver=resolver,
        )
        return run(flow, deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    async def connect_async(
        cls,
        addr: SocketAddrsLike,
        *,
        default_port: int | None = None,
        family: int = 0,
        prefer: int = 0,
        source: SocketAddr | None = None,
        attempt_delay: float = ATTEMPT_DELAY,
        resolver: NameResolver | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Self:
        """Connect to the first address of `addr` that answers; arguments and errors as `connect`."""
        flow = cls.connect_flow(
            addr,
            default_port=default_port,
            family=family,
            prefer=prefer,
            source=source,
            attempt_delay=attempt_delay,
            resolver=resolver,
        )
        return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    def connect_addr(
        cls, addr: SocketAddr, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Self:
        """Connect to this one address. Raises ConnectError."""
        return run(cls.connect_addr_flow(addr), deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    async def connect_addr_async(
        cls, addr: SocketAddr, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Self:
        """Connect to this one address. Raises ConnectError."""
        return await run_async(cls.connect_addr_flow(addr), deadline=deadline_after(timeout), cancel=cancel)

    @classmethod
    def connect_addr_flow(cls, addr: SocketAddr) -> Flow[Self]:
        return cls._of((yield from connect_first([addr])))

    @classmethod
    def _of(cls, made: Connected) -> Self:
        return cls(made.sock, made.descriptor, peer=made.addr, attempts=made.attempts)

    # Both ends, and options.

    @property
    def peer_addr(self) -> SocketAddr:
        """The other end. Raises OSError (ENOTCONN) if the peer was gone before this was first read."""
        if self._peer is None:
            self._check_open()
            self._peer = SocketAddr.from_sockaddr(self._sock.getpeername()).unmapped
        return self._peer

    @property
    def local_addr(self) -> SocketAddr:
        """This end."""
        self._check_open()
        return SocketAddr.from_sockaddr(self._sock.getsockname()).unmapped

    @property
    def info(self) -> TcpInfo | None:
        """What the system has measured so far; None where it does not tell (on other systems than Linux)."""
        self._check_open()
        if sys.platform != "linux":
            return None
        try:
            told = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except OSError:
            return None
        if len(told) < _TCP_INFO.size:
            return None
        numbers = _TCP_INFO.unpack(told)
        return TcpInfo(
            round_trip=numbers[15] / 1e6,
            round_trip_variation=numbers[16] / 1e6,
            retransmits=numbers[23],
            mss=numbers[2],
            received_mss=numbers[3],
            path_mtu=numbers[13],
            congestion_window=numbers[18],
        )

    def set_nodelay(self, enable: bool) -> None:
        """Send small writes at once (True, the default) or collect them (Nagle, RFC 896)."""
        self._check_open()
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(enable))

    @property
    def nodelay(self) -> bool:
        """Whether small writes are sent at once."""
        self._check_open()
        return bool(self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def set_keepalive(
        self,
        enable: bool,
        *,
        idle: float | None = None,
        interval: float | None = None,
        count: int | None = None,
    ) -> None:
        """Probe an idle connection so that a dead peer is noticed (RFC 9293 section 3.8.4).

        The first probe is sent after `idle` seconds of silence, the next ones every `interval` seconds. After
        `count` probes without an answer the connection is reset. Seconds are rounded up to whole numbers;
        None keeps the system's value. Raises OSError (ENOPROTOOPT) if this system cannot set one of the three
        for a single connection.
        """
        self._check_open()
        for name, value in (("idle", idle), ("interval", interval), ("count", count)):
            if value is not None:
                self._sock.setsockopt(socket.IPPROTO_TCP, _keepalive_option(name), ceil(value))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(enable))

    @property
    def keepalive(self) -> KeepAlive:
        """Whether and how an idle connection is probed."""
        self._check_open()
        idle, interval, count = (
            None if name is None else self._sock.getsockopt(socket.IPPROTO_TCP, name)
            for name in map(_KEEPALIVE.get, ("idle", "interval", "count"))
        )
        enabled = bool(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        return KeepAlive(enabled, idle, interval, count)

    def set_linger(self, seconds: float | None) -> None:
        """Set what `close` does with unsent bytes: None sends them in the background, 0 resets the
        connection."""
        self._check_open()
        on, whole = (0, 0) if seconds is None else (1, int(seconds))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, on, whole))

    @property
    def linger(self) -> int | None:
        """What `close` does with unsent bytes: None sends them in the background; else seconds."""
        self._check_open()
        value = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.calcsize(_LINGER))
        on, seconds = struct.unpack(_LINGER, value)
        return seconds if on else None

    def reset(self) -> None:
        """Close at once with a reset: the peer gets ECONNRESET (RFC 9293 section 3.10.5).

        Unsent bytes are dropped. Any thread may call this; calls that wait on the stream raise ClosedError.
        """
        if not self.is_closed:
            self.set_linger(0)
            self._descriptor.abort()

    def set_ttl(self, ttl: int) -> None:
        """Set how many routers a packet may pass (IPv4 TTL, IPv6 hop limit), 1 to 255."""
        self._check_open()
        set_ttl(self._sock, ttl)

    @property
    def ttl(self) -> int:
        """How many routers a packet may pass."""
        self._check_open()
        return ttl_of(self._sock)

    def _describe(self) -> str:
        return "closed" if self.is_closed else f"{self._peer or 'connected'} fd={self._sock.fileno()}"


class TcpListener(StreamListener[TcpStream, SocketAddr]):
    """A listening TCP socket.

        with TcpListener.bind("127.0.0.1:0") as listener:
            stream, peer = listener.accept()

    If a wait is interrupted just when a connection is accepted, the next `accept` returns the connection.
    """

    # Binding.

    @classmethod
    def bind(
        cls,
        addr: SocketAddrsLike,
        *,
        backlog: int = BACKLOG,
        reuse_port: bool = False,
        only_v6: bool | None = None,
    ) -> Self:
        """Listen on the first address of `addr` that can be bound; port 0 takes a free one.

        `backlog` is how many connections may wait to be accepted; `reuse_port` shares the address with other
        sockets (SO_REUSEPORT). `only_v6` (IPV6_V6ONLY): True takes only IPv6 connections and addresses, False
        takes both families if the system can; None takes both for `[::]`, and the system's default for other
        addresses.

        Raises AddrParseError, ResolveError, ListenError.
        """
        return cls._bind_first(run(listening_addrs(addr)), backlog, reuse_port, only_v6)

    @classmethod
    async def bind_async(
        cls,
        addr: SocketAddrsLike,
        *,
        backlog: int = BACKLOG,
        reuse_port: bool = False,
        only_v6: bool | None = None,
    ) -> Self:
        """Listen on the first address of `addr` that can be bound; arguments and errors as `bind`."""
        return cls._bind_first(await run_async(listening_addrs(addr)), backlog, reuse_port, only_v6)

    @classmethod
    def bind_addr(cls, addr: SocketAddr) -> Self:
        """Listen on this one address. Raises ListenError."""
        return cls._bind_first([addr], BACKLOG, False)

    @classmethod
    def bind_addr_with_backlog(cls, addr: SocketAddr, backlog: int) -> Self:
        """Listen on this one address; `backlog` is how many connections may wait to be accepted."""
        return cls._bind_first([addr], backlog, False)

    @classmethod
    def bind_reuseport(cls, addr: SocketAddrsLike, *, backlog: int = BACKLOG) -> Self:
        """Listen beside other sockets on the same address (SO_REUSEPORT); the system spreads connections."""
        return cls.bind(addr, backlog=backlog, reuse_port=True)

    @classmethod
    def bind_addr_reuseport(cls, addr: SocketAddr, backlog: int = BACKLOG) -> Self:
        """Listen on this one address beside other sockets (SO_REUSEPORT)."""
        return cls._bind_first([addr], backlog, True)

    @classmethod
    def _bind_first(
        cls, addrs: list[SocketAddr], backlog: int, reuse_port: bool, only_v6: bool | None = None
    ) -> Self:
        failure: ListenError | None = None
        for addr in addrs:
            if only_v6 and addr.family != socket.AF_INET6:
                refused = OSError(errno.EAFNOSUPPORT, "not an IPv6 address")
                failure = failure or ListenError(addr, refused)
                continue
            sock = socket.socket(addr.family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                if os.name == "posix":  # on other systems the option lets another process take the port
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if addr.family == socket.AF_INET6 and (only_v6 is not None or addr.ip.is_unspecified):
                    # "::" takes IPv4 connections too, even if this system's default differs.
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(only_v6)))
                if reuse_port:
                    if not hasattr(socket, "SO_REUSEPORT"):
                        raise OSError(errno.ENOPROTOOPT, "this system has no SO_REUSEPORT")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sock.bind(addr.to_sockaddr())
                sock.listen(backlog)
            except OSError as error:
                sock.close()
                failure = failure or ListenError(addr, error)
                continue
            return cls(sock)
        assert failure is not None  # the list of addresses is never empty
        raise failure

    # The listener itself.

    @property
    def local_addr(self) -> SocketAddr:
        """Where it listens, with the port that the system chose if 0 was given."""
        self._check_open()
        return SocketAddr.from_sockaddr(self._sock.getsockname())

    def set_ttl(self, ttl: int) -> None:
        """Set how many routers a packet of accepted connections may pass, 1 to 255."""
        self._check_open()
        set_ttl(self._sock, ttl)

    @property
    def ttl(self) -> int:
        """How many routers a packet of accepted connections may pass."""
        self._check_open()
        return ttl_of(self._sock)

    @property
    def only_v6(self) -> bool:
        """Whether an IPv6 listener takes no IPv4 connections. Raises OSError for an IPv4 one."""
        self._check_open()
        return bool(self._sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))

    def set_only_v6(self, only: bool) -> None:
        """Take IPv6 connections only, or both families (IPV6_V6ONLY, RFC 3493 section 5.3).

        On most systems this cannot change after binding: then this raises ListenError, unless it is so
        already; use `bind(addr, only_v6=...)` instead. Raises OSError for an IPv4 listener.
        """
        if self.only_v6 == only:
            return
        try:
            self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            fixed = ListenError(
                self.local_addr, OSError(error.errno, "the families are fixed when it is bound")
            )
            fixed.hint = "give only_v6 to TcpListener.bind"
            raise fixed from None

    def _connection(self, sock: socket.socket, sockaddr: Any) -> tuple[TcpStream, SocketAddr]:
        peer = SocketAddr.from_sockaddr(sockaddr).unmapped
        return TcpStream(sock, peer=peer), peer


def _keepalive_option(part: str) -> int:
    try:
        return _KEEPALIVE[part]
    except KeyError:
        raise OSError(errno.ENOPROTOOPT, f"this system has no keepalive {part}") from None
