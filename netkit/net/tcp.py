"""TCP: `TcpStream` to talk, `TcpListener` to be talked to. RFC 9293.

Decision a reader may wonder about: Nagle's algorithm is off from the start (TCP_NODELAY), as in every
library made for request and response; `set_nodelay(False)` turns it on.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Self

from netkit.addr import SocketAddr, SocketAddrsLike
from netkit.io import (
    BusyError,
    CancellationToken,
    ClosedError,
    Closing,
    Descriptor,
    Flow,
    deadline_after,
    phase,
    run,
    run_async,
)
from netkit.net.connect import ATTEMPT_DELAY, Connected, connect, connect_first, descriptor_of
from netkit.net.errors import Attempt, ListenError
from netkit.net.resolve import NameResolver, listening_addrs
from netkit.net.sockets import Shutdown, SocketStream

__all__ = ["Incoming", "Shutdown", "TcpListener", "TcpStream"]

#: How many connections the system keeps for a listener that has not accepted them yet.
BACKLOG = 1024


class TcpStream(SocketStream):
    """A TCP connection: what `ByteStream` offers, and TCP's options.

        with TcpStream.connect("example.com:7", timeout=5) as stream:
            stream.write_all(b"hello")
            print(stream.read())

    `attempts` tells which addresses were tried to make it.
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
        super().__init__(sock, descriptor or descriptor_of(sock), inherited=inherited)
        self._peer = peer
        self.attempts = attempts or []
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # reset before it could be set: the first read says so

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
        made = yield from connect(
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
        `default_port` serves text that names none. `family` (`socket.AF_INET`, `AF_INET6`) allows one
        family, `prefer` puts one first. `source` is the local address to connect from (port 0: any).
        A next address is tried `attempt_delay` seconds after the last. `resolver` looks names up instead
        of the system. `timeout` is for all of it, names included.

        Raises AddrParseError, ResolveError, or ConnectError with what became of every address.
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
        return cls._of(run(connect_first([addr]), deadline=deadline_after(timeout), cancel=cancel))

    @classmethod
    async def connect_addr_async(
        cls, addr: SocketAddr, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Self:
        """Connect to this one address. Raises ConnectError."""
        return cls._of(
            await run_async(connect_first([addr]), deadline=deadline_after(timeout), cancel=cancel)
        )

    @classmethod
    def _of(cls, made: Connected) -> Self:
        return cls(made.sock, made.descriptor, peer=made.addr, attempts=made.attempts)

    # Both ends, and options.

    @property
    def peer_addr(self) -> SocketAddr:
        """The other end. Raises OSError (ENOTCONN) where the peer was gone before it was first asked."""
        if self._peer is None:
            self._check_open()
            self._peer = SocketAddr.from_sockaddr(self._sock.getpeername())
        return self._peer

    @property
    def local_addr(self) -> SocketAddr:
        """This end."""
        self._check_open()
        return SocketAddr.from_sockaddr(self._sock.getsockname())

    def set_nodelay(self, enable: bool) -> None:
        """Send small writes at once (True, as from the start) or collect them (Nagle, RFC 896)."""
        self._check_open()
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(enable))

    def set_keepalive(self, enable: bool) -> None:
        """Probe an idle connection so that a dead peer is noticed (RFC 9293 section 3.8.4)."""
        self._check_open()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(enable))

    def set_linger(self, seconds: float | None) -> None:
        """What `close` does with unsent bytes: None sends them in the background; 0 resets the connection."""
        self._check_open()
        on, whole = (0, 0) if seconds is None else (1, int(seconds))
        layout = "hh" if os.name == "nt" else "ii"
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, on, whole))

    def set_ttl(self, ttl: int) -> None:
        """How many routers a packet may pass (IPv4 TTL, IPv6 hop limit), 1 to 255."""
        self._check_open()
        _set_ttl(self._sock, ttl)

    def _describe(self) -> str:
        return "closed" if self.is_closed else f"{self._peer or 'connected'} fd={self._sock.fileno()}"


class TcpListener(Closing):
    """A listening TCP socket.

        with TcpListener.bind("127.0.0.1:0") as listener:
            stream, peer = listener.accept()

    A connection that was accepted when the waiting was interrupted is kept for the next `accept`.
    """

    def __init__(
        self, sock: socket.socket, descriptor: Descriptor | None = None, *, inherited: bool = False
    ) -> None:
        self._sock = sock
        self._descriptor = descriptor or descriptor_of(sock)
        self._inherited = inherited
        self._accepted: deque[TcpStream] = deque()
        self._accepting = False

    # Binding.

    @classmethod
    def bind(cls, addr: SocketAddrsLike, *, backlog: int = BACKLOG, reuse_port: bool = False) -> Self:
        """Listen on the first address of `addr` that can be bound; port 0 takes a free one.

        Raises AddrParseError, ResolveError, ListenError.
        """
        return cls._bind_first(run(listening_addrs(addr)), backlog, reuse_port)

    @classmethod
    async def bind_async(
        cls, addr: SocketAddrsLike, *, backlog: int = BACKLOG, reuse_port: bool = False
    ) -> Self:
        """Listen on the first address of `addr` that can be bound; errors as `bind`."""
        return cls._bind_first(await run_async(listening_addrs(addr)), backlog, reuse_port)

    @classmethod
    def bind_addr(cls, addr: SocketAddr) -> Self:
        """Listen on this one address. Raises ListenError."""
        return cls._bind_first([addr], BACKLOG, False)

    @classmethod
    def bind_addr_with_backlog(cls, addr: SocketAddr, backlog: int) -> Self:
        """Listen on this one address, with room for `backlog` connections not accepted yet."""
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
    def _bind_first(cls, addrs: list[SocketAddr], backlog: int, reuse_port: bool) -> Self:
        failure: ListenError | None = None
        for addr in addrs:
            sock = socket.socket(addr.family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                if os.name == "posix":  # elsewhere the option lets another process steal the port
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if addr.family == socket.AF_INET6 and addr.ip.is_unspecified:
                    # "::" takes IPv4 connections too, whatever this system's default is.
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
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
        assert failure is not None  # resolve never gives an empty list
        raise failure

    # Accepting.

    def accept_flow(self) -> Flow[None]:
        """Flow: wait until a connection is accepted; `take_accepted` hands it out.

        A connection that ended before it was accepted is passed over. Raises OSError where the process
        or the system has no descriptor left (EMFILE, ENFILE): the connection stays in the backlog.
        """
        if self._accepting:
            raise BusyError("listener")
        self._accepting = True
        try:
            while not self._accepted:
                self._check_open()
                try:
                    sock, sockaddr = self._sock.accept()
                except BlockingIOError:
                    yield self._descriptor.want_read
                    continue
                except ConnectionAbortedError:
                    continue
                sock.setblocking(False)
                self._accepted.append(TcpStream(sock, peer=SocketAddr.from_sockaddr(sockaddr)))
        finally:
            self._accepting = False

    def take_accepted(self) -> tuple[TcpStream, SocketAddr]:
        """The connection that `accept_flow` has waited for. Raises IndexError if there is none."""
        stream = self._accepted.popleft()
        return stream, stream.peer_addr

    def accept(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[TcpStream, SocketAddr]:
        """Wait for a connection: the stream, and the address it comes from."""
        with phase("waiting for a connection"):
            run(self.accept_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self.take_accepted()

    async def accept_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[TcpStream, SocketAddr]:
        """Wait for a connection: the stream, and the address it comes from."""
        with phase("waiting for a connection"):
            await run_async(self.accept_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self.take_accepted()

    def incoming(self, *, cancel: CancellationToken | None = None) -> Incoming:
        """The connections as they come, one blocking `accept` after another, without end."""
        return Incoming(self, cancel)

    async def incoming_async(self, *, cancel: CancellationToken | None = None) -> AsyncIterator[TcpStream]:
        """The connections as they come, for `async for`."""
        while True:
            yield (await self.accept_async(cancel=cancel))[0]

    # The listener itself.

    @property
    def local_addr(self) -> SocketAddr:
        """Where it listens; with the port the system chose, where 0 was asked for."""
        self._check_open()
        return SocketAddr.from_sockaddr(self._sock.getsockname())

    def set_ttl(self, ttl: int) -> None:
        """How many routers a packet of accepted connections may pass, 1 to 255."""
        self._check_open()
        _set_ttl(self._sock, ttl)

    def as_raw_fd(self) -> int:
        """The socket's descriptor number; the listener keeps it. -1 once closed."""
        return self._sock.fileno()

    fileno = as_raw_fd

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor.closed

    def close(self) -> None:
        """Stop listening, from any thread. Whoever waits in `accept` gets ClosedError."""
        self._descriptor.close()
        while self._accepted:
            self._accepted.popleft().close()

    def _check_open(self) -> None:
        if self._descriptor.closed:
            raise ClosedError("listener")

    def __repr__(self) -> str:
        return f"<TcpListener {'closed' if self.is_closed else self.local_addr}>"


class Incoming(Iterator[TcpStream]):
    """A listener's connections as a blocking iterator without end."""

    def __init__(self, listener: TcpListener, cancel: CancellationToken | None = None) -> None:
        self._listener = listener
        self._cancel = cancel

    def __next__(self) -> TcpStream:
        return self._listener.accept(cancel=self._cancel)[0]


def _set_ttl(sock: socket.socket, ttl: int) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
