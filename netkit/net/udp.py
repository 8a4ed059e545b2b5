"""UDP: `UdpSocket`, connected to one peer or open to all. RFC 768.

A datagram that was received when the waiting was interrupted is kept for the next receive.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import Self

from netkit.addr import SocketAddr, SocketAddrsLike
from netkit.io import (
    Buffer,
    BusyError,
    CancellationToken,
    ClosedError,
    Closing,
    Flow,
    Timed,
    phase,
    run,
    run_async,
)
from netkit.net.connect import descriptor_of
from netkit.net.errors import ListenError
from netkit.net.resolve import listening_addrs

#: The largest payload of a datagram: 65,535 bytes less the UDP header (IPv6); IPv4 allows 20 less.
MAX_DATAGRAM = 65527


class UdpSocket(Closing, Timed):
    """A UDP socket.

        with UdpSocket.bind("127.0.0.1:0") as sock:
            sock.send_to(b"hello", SocketAddr.parse("127.0.0.1:7"))
            data, peer = sock.recv_from(timeout=1)

    Every method that can wait has a blocking form and an `_async` one, both with `timeout` (seconds)
    and `cancel`.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._descriptor = descriptor_of(sock)
        self._received: deque[tuple[bytes, SocketAddr]] = deque()
        self._receiving = False
        self._sending = False
        self._peer: SocketAddr | None = None

    # Making one.

    @classmethod
    def bind(cls, addr: SocketAddrsLike) -> Self:
        """Receive at the first address of `addr` that can be bound; port 0 takes a free one.

        Raises AddrParseError, ResolveError, ListenError.
        """
        return cls._bind_first(run(listening_addrs(addr)))

    @classmethod
    async def bind_async(cls, addr: SocketAddrsLike) -> Self:
        """Receive at the first address of `addr` that can be bound; errors as `bind`."""
        return cls._bind_first(await run_async(listening_addrs(addr)))

    @classmethod
    def bind_addr(cls, addr: SocketAddr) -> Self:
        """Receive at this one address. Raises ListenError."""
        return cls._bind_first([addr])

    @classmethod
    def connected(cls, peer: SocketAddr, *, source: SocketAddr | None = None) -> Self:
        """A socket of its own random port (or `source`) that sends to `peer`, and hears nobody else."""
        sock = socket.socket(peer.family, socket.SOCK_DGRAM)
        try:
            if source is not None:
                sock.bind(source.to_sockaddr())
            made = cls(sock)
            made.connect(peer)
        except BaseException:
            sock.close()
            raise
        return made

    @classmethod
    def _bind_first(cls, addrs: list[SocketAddr]) -> Self:
        failure: ListenError | None = None
        for addr in addrs:
            sock = socket.socket(addr.family, socket.SOCK_DGRAM)
            try:
                if addr.family == socket.AF_INET6 and addr.ip.is_unspecified:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                sock.bind(addr.to_sockaddr())
            except OSError as error:
                sock.close()
                failure = failure or ListenError(addr, error)
                continue
            return cls(sock)
        assert failure is not None  # resolve never gives an empty list
        raise failure

    def connect(self, peer: SocketAddr) -> None:
        """Make `peer` the default destination, and the only source heard. Never waits."""
        self._check_open()
        self._sock.connect(peer.to_sockaddr())
        self._peer = peer

    # Flows.

    def receive(self) -> Flow[None]:
        """Flow: wait until a datagram is there; `take_received` hands it out.

        Raises the system's OSError, such as ConnectionRefusedError where a connected peer's host
        answered that nobody receives there.
        """
        if self._receiving:
            raise BusyError("UDP socket's receiving side")
        self._receiving = True
        try:
            while not self._received:
                self._check_open()
                try:
                    data, sockaddr = self._sock.recvfrom(MAX_DATAGRAM)
                except BlockingIOError:
                    yield self._descriptor.want_read
                    continue
                self._received.append((data, SocketAddr.from_sockaddr(sockaddr)))
        finally:
            self._receiving = False

    def take_received(self) -> tuple[bytes, SocketAddr]:
        """The datagram that `receive` has waited for, and its source. Raises IndexError if there is none."""
        return self._received.popleft()

    def transmit(self, data: Buffer, addr: SocketAddr | None = None) -> Flow[int]:
        """Flow: send one datagram to `addr`, or to the connected peer."""
        if self._sending:
            raise BusyError("UDP socket's sending side")
        self._sending = True
        try:
            while True:
                self._check_open()
                try:
                    if addr is None:
                        return self._sock.send(data)
                    return self._sock.sendto(data, addr.to_sockaddr())
                except BlockingIOError:
                    yield self._descriptor.want_write
        finally:
            self._sending = False

    # Connected.

    def send(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send one datagram to the connected peer; its size. A datagram is sent whole or not at all."""
        with phase("sending"):
            return run(self.transmit(data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def send_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send one datagram to the connected peer; its size."""
        with phase("sending"):
            return await run_async(self.transmit(data), deadline=self._write_deadline(timeout), cancel=cancel)

    def recv(self, *, timeout: float | None = None, cancel: CancellationToken | None = None) -> bytes:
        """The next datagram."""
        return self.recv_from(timeout=timeout, cancel=cancel)[0]

    async def recv_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """The next datagram."""
        return (await self.recv_from_async(timeout=timeout, cancel=cancel))[0]

    # Unconnected.

    def send_to(
        self,
        data: Buffer,
        addr: SocketAddr,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> int:
        """Send one datagram to `addr`; its size."""
        with phase("sending"):
            return run(self.transmit(data, addr), deadline=self._write_deadline(timeout), cancel=cancel)

    async def send_to_async(
        self,
        data: Buffer,
        addr: SocketAddr,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> int:
        """Send one datagram to `addr`; its size."""
        with phase("sending"):
            return await run_async(
                self.transmit(data, addr), deadline=self._write_deadline(timeout), cancel=cancel
            )

    def recv_from(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[bytes, SocketAddr]:
        """The next datagram, and where it came from."""
        with phase("waiting for a datagram"):
            run(self.receive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self.take_received()

    async def recv_from_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[bytes, SocketAddr]:
        """The next datagram, and where it came from."""
        with phase("waiting for a datagram"):
            await run_async(self.receive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self.take_received()

    # The socket itself.

    @property
    def local_addr(self) -> SocketAddr:
        """This end."""
        self._check_open()
        return SocketAddr.from_sockaddr(self._sock.getsockname())

    @property
    def peer_addr(self) -> SocketAddr | None:
        """The connected peer; None where there is none."""
        return self._peer

    def as_raw_fd(self) -> int:
        """The socket's descriptor number; the socket keeps it. -1 once closed."""
        return self._sock.fileno()

    fileno = as_raw_fd

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor.closed

    def close(self) -> None:
        """Release the socket, from any thread. Whoever waits on it gets ClosedError."""
        self._descriptor.close()

    def _check_open(self) -> None:
        if self._descriptor.closed:
            raise ClosedError("UDP socket")

    def __repr__(self) -> str:
        return f"<UdpSocket {'closed' if self.is_closed else self.local_addr}>"
