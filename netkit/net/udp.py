"""UDP: `UdpSocket`, connected to one peer or open to all, broadcast and multicast. RFC 768, 1112, 3493.

At each wake-up the socket is drained: what has arrived is taken off it, DRAIN_DATAGRAMS and DRAIN_BYTES at
most, and kept until it is asked for. So a burst costs one wait, a flood no more memory than that, and
whatever interrupts the waiting loses nothing: not even a signal's handler, because what recvfrom(2) returns
is kept inside one C call (`deque.extend`), as the system gave it, and read when it is asked for.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from itertools import islice, repeat, starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from netkit._log import Log
from netkit.addr import Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrsLike
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
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
from netkit.net.connect import bind_source, descriptor_of
from netkit.net.errors import ListenError
from netkit.net.pktinfo import ROOM, addresses, from_source, request
from netkit.net.resolve import listening_addrs
from netkit.net.sockets import set_ttl, ttl_of

if TYPE_CHECKING:
    from collections.abc import Callable

log = Log("netkit.net.udp")

#: The largest payload of a datagram: 65,535 bytes less the UDP header (IPv6); IPv4 allows 20 less.
MAX_DATAGRAM = 65527

#: How much is read at one wake-up and kept, at most.
DRAIN_DATAGRAMS = 64
DRAIN_BYTES = 1_048_576

#: For how many sources a socket caches the address object: making one takes longer than receiving a datagram.
REMEMBERED_PEERS = 256

_PAYLOAD = itemgetter(0)


class UdpMessage(NamedTuple):
    """A received datagram with both its addresses.

    `destination` is the address it was sent to; None if the system does not tell. `reply_source` is the
    `source` for an answer: None where the system's choice is right or the only one (the socket is bound to
    one address, or the datagram went to a group).
    """

    data: bytes
    peer: SocketAddr
    destination: SocketAddr | None
    reply_source: SocketAddr | None


class UdpSocket(Closing, Timed):
    """A UDP socket.

        with UdpSocket.bind("127.0.0.1:0") as sock:
            sock.send_to(b"hello", SocketAddr.parse("127.0.0.1:7"))
            data, peer = sock.recv_from(timeout=1)

    Every method that can wait has a blocking form and an `_async` one, both with `timeout` (seconds)
    and `cancel`.
    """

    def __init__(self, sock: socket.socket, *, inherited: bool = False) -> None:
        """Wrap `sock`. `inherited` says that others may share it: its O_NONBLOCK is not changed."""
        if not inherited:
            sock.setblocking(False)
        self._flags = socket.MSG_DONTWAIT if inherited else 0
        self._sock = sock
        self._descriptor = descriptor_of(sock)
        # What recvfrom or recvmsg returned: the datagram is first in it, the source's sockaddr last.
        self._received: deque[tuple[Any, ...]] = deque()
        self._failed: OSError | None = None  # an error after the kept datagrams, which is not raised yet
        self._peers: dict[Any, SocketAddr] = {}  # the address objects of recent sources
        self._turns = 0
        self._receiving = False
        self._sending = False
        self._peer = _peer_of(sock)
        self._port: int | None = None  # set while the system tells the destination of each datagram
        self._bound_to: SocketAddr | None = None  # the destination of every datagram
        self._destinations: dict[Any, tuple[SocketAddr | None, ...]] = {}  # by the system's control messages

    # Making one.

    @classmethod
    def bind(
        cls,
        addr: SocketAddrsLike,
        *,
        reuse_addr: bool = False,
        reuse_port: bool = False,
        only_v6: bool | None = None,
        destinations: bool = False,
    ) -> Self:
        """Receive at the first address of `addr` that can be bound; port 0 takes a free one.

        `reuse_addr` lets other programs receive at the same address, which several programs need to receive
        from one multicast group. With `reuse_port` each datagram goes to one of them. `only_v6` excludes IPv4
        from an IPv6 socket; without it `"::"` receives both. With `destinations`,
        `recv_msg` tells where datagrams were sent to: see `tell_destinations`.

        Raises AddrParseError, ResolveError, ListenError.
        """
        return cls._bind_first(run(listening_addrs(addr)), reuse_addr, reuse_port, only_v6, destinations)

    @classmethod
    async def bind_async(
        cls,
        addr: SocketAddrsLike,
        *,
        reuse_addr: bool = False,
        reuse_port: bool = False,
        only_v6: bool | None = None,
        destinations: bool = False,
    ) -> Self:
        """Receive at the first address of `addr` that can be bound; arguments and errors as `bind`."""
        return cls._bind_first(
            await run_async(listening_addrs(addr)), reuse_addr, reuse_port, only_v6, destinations
        )

    @classmethod
    def bind_addr(cls, addr: SocketAddr) -> Self:
        """Receive at this one address. Raises ListenError."""
        return cls._bind_first([addr])

    @classmethod
    def connected(cls, peer: SocketAddr, *, source: SocketAddr | None = None) -> Self:
        """A socket at a random port (or `source`) that sends to `peer`, and receives only from it."""
        sock = socket.socket(peer.family, socket.SOCK_DGRAM)
        try:
            if source is not None:
                bind_source(sock, source)
            made = cls(sock)
            made.connect(peer)
        except BaseException:
            sock.close()
            raise
        return made

    @classmethod
    def _bind_first(
        cls,
        addrs: list[SocketAddr],
        reuse_addr: bool = False,
        reuse_port: bool = False,
        only_v6: bool | None = None,
        destinations: bool = False,
    ) -> Self:
        failure: ListenError | None = None
        for addr in addrs:
            sock = socket.socket(addr.family, socket.SOCK_DGRAM)
            try:
                if addr.family == socket.AF_INET6 and (only_v6 is not None or addr.ip.is_unspecified):
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(only_v6)))
                if reuse_addr:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if reuse_port:
                    if not hasattr(socket, "SO_REUSEPORT"):
                        raise OSError(errno.ENOPROTOOPT, "this system has no SO_REUSEPORT")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sock.bind(addr.to_sockaddr())
            except OSError as error:
                sock.close()
                failure = failure or ListenError(addr, error)
                continue
            made = cls(sock)
            if destinations:
                made.tell_destinations()
            return made
        assert failure is not None  # resolve never gives an empty list
        raise failure

    def connect(self, peer: SocketAddr) -> None:
        """Make `peer` the default destination, and the only source. Never waits."""
        self._check_open()
        self._sock.connect(peer.to_sockaddr(self._sock.family))
        self._peer = peer

    def tell_destinations(self) -> None:
        """Let `recv_msg` tell the address that each datagram was sent to, and from which to answer it.

        A server bound to a wildcard needs both: its client drops an answer that comes from another address
        than the one that it asked. Receiving takes a little longer on such a socket. A socket bound to one
        address knows the destination already. On a system that tells none, it stays None.
        """
        local = self.local_addr
        self._bound_to = self._port = None
        if not local.ip.is_unspecified:
            self._bound_to = local.unmapped
        elif request(self._sock):
            self._port = local.port

    # Flows.

    def receive_flow(self) -> Flow[tuple[bytes, SocketAddr]]:
        """Flow: the next datagram, and where it came from.

        Raises the system's OSError, such as ConnectionRefusedError if the host of a connected peer reports
        that no program receives there.
        """
        yield from self._arrive_in_turn()
        return self._first(take=True)

    def receive_msg_flow(self) -> Flow[UdpMessage]:
        """Flow: the next datagram with both its addresses; see `tell_destinations`. Errors as
        `receive_flow`."""
        yield from self._arrive_in_turn()
        return self._first_message()

    def _arrive_in_turn(self) -> Flow[None]:
        """Flow: `_arrive`, which lets other work run even if a datagram is always there."""
        self._turns += 1
        if self._turns % OPERATIONS_PER_TURN == 0:
            yield PAUSE  # a flood on this socket must not stop everything else
        yield from self._arrive()

    def _arrive(self) -> Flow[None]:
        """Flow: wait until there is a datagram, or an error to report.

        It takes neither of them: under asyncio, if a task is cancelled just when its flow ends, the result or
        error of the flow is dropped.
        """
        if self._receiving:
            raise BusyError("UDP socket's receiving side")
        self._receiving = True
        try:
            while not self._received and self._failed is None:
                self._check_open()
                if not self._drain():
                    yield self._descriptor.want_read
        finally:
            self._receiving = False

    def _drain(self) -> bool:
        """Read the datagrams that have arrived. Returns whether there was one, or an error to report."""
        if self._failed is not None:
            return True
        received = self._received
        receive: Callable[..., tuple[Any, ...]] = self._sock.recvfrom
        asked: tuple[int, ...] = (MAX_DATAGRAM, self._flags)
        if self._port is not None:
            receive, asked = self._sock.recvmsg, (MAX_DATAGRAM, ROOM, self._flags)
        room = DRAIN_BYTES
        try:
            while room > 0 and (count := DRAIN_DATAGRAMS - len(received)) > 0:
                # As many at once as keep within the limit, however long they are.
                count = min(count, max(1, room // MAX_DATAGRAM))
                before = len(received)
                received.extend(starmap(receive, repeat(asked, count)))
                room -= sum(map(len, map(_PAYLOAD, islice(received, before, None))))
        except BlockingIOError:
            return bool(received)
        except OSError as error:
            # Stored before any call, because Ctrl-C may come in one; raised after the datagrams before it.
            self._failed = error
            self._check_open()  # another thread may have closed it at this moment
        return True

    def _report(self) -> None:
        """Raise the error that is next in order, if there is one; each error once."""
        if self._failed is not None and not self._received:
            error, self._failed = self._failed, None
            raise error

    def _first(self, *, take: bool) -> tuple[bytes, SocketAddr]:
        """The datagram that was waited for, or raise its error. BusyError if another receiver took it."""
        data, *_, sockaddr = self._head()
        first = data, self._peers.get(sockaddr) or self._peer_at(sockaddr)
        if take:
            del self._received[0]  # not by a call, because Ctrl-C could come after it
        return first

    def _first_message(self) -> UdpMessage:
        """Take the datagram that was waited for, with both its addresses; errors as `_first`."""
        head = self._head()
        data, sockaddr = head[0], head[-1]
        to: tuple[SocketAddr | None, ...] = (self._bound_to, None)
        if self._port is not None and len(head) > 2:  # not one that was kept before destinations were told
            to = self._destination_of(tuple(head[1]), self._port)
        message = UdpMessage(data, self._peers.get(sockaddr) or self._peer_at(sockaddr), *to)
        del self._received[0]  # not by a call, because Ctrl-C could come after it
        return message

    def _head(self) -> tuple[Any, ...]:
        self._report()
        if not self._received:
            raise BusyError("UDP socket's receiving side")
        return self._received[0]

    def _destination_of(self, messages: tuple[Any, ...], port: int) -> tuple[SocketAddr | None, ...]:
        """Read control messages, and cache what they say."""
        found = self._destinations.get(messages)
        if found is None:
            if len(self._destinations) >= REMEMBERED_PEERS:
                self._destinations.clear()
            self._destinations[messages] = found = addresses(messages, port)
        return found

    def _peer_at(self, sockaddr: Any) -> SocketAddr:
        """The address that the system wrote so, and remember it."""
        if len(self._peers) >= REMEMBERED_PEERS:
            self._peers.clear()
        self._peers[sockaddr] = peer = SocketAddr.from_sockaddr(sockaddr).unmapped
        return peer

    def send_flow(
        self, data: Buffer, addr: SocketAddr | None = None, source: SocketAddr | None = None
    ) -> Flow[int]:
        """Flow: send one datagram to `addr`, or to the connected peer; from `source` if it is given."""
        self._check_sending()
        self._sending = True
        try:
            while True:
                self._check_open()
                try:
                    return self._transmit(data, addr, source)
                except BlockingIOError:
                    yield self._descriptor.want_write
        finally:
            self._sending = False

    def answer_flow(self, answer: Callable[[bytes, object], bytes | None]) -> Flow[None]:
        """Flow: for each datagram, send what `answer` returns back to where the datagram came from.

        It never ends by itself. `answer` gets the datagram, and the source in the system's form, of which
        `peer_of` makes an address; it must not wait, and None is no answer. An answer comes from the address
        that was asked if `tell_destinations` was called. What arrived together is answered in one turn and
        without an object for each datagram, so this is what a busy server calls.

        An answer that the system refuses to send is logged, and one that finds no room in the system's buffer
        waits for it. Raises ClosedError, BusyError.
        """
        received = self._received
        while True:
            try:
                yield from self._arrive()
                self._report()
            except ClosedError:
                raise
            except OSError:
                continue  # an ICMP error for something that was sent before
            while received:
                head = received.popleft()
                response = answer(head[0], head[-1])
                if response is None:
                    continue
                try:
                    self._send_back(response, head)
                except BlockingIOError:
                    yield from self._answer_later(response, head)
                except OSError as error:
                    self._check_open()
                    log.debug("%s: cannot be answered: %s", self.peer_of(head[-1]), error)
            yield PAUSE  # a flood on this socket must not stop everything else

    def _send_back(self, response: Buffer, head: tuple[Any, ...]) -> None:
        """Send the answer to a received datagram now. Raises OSError."""
        source = self._source_for(head)
        if source is not None and (control := from_source(source)):
            self._sock.sendmsg([response], control, self._flags, head[-1])
        else:
            self._sock.sendto(response, self._flags, head[-1])

    def _source_for(self, head: tuple[Any, ...]) -> SocketAddr | None:
        """What an answer to a received datagram is to come from; None is the system's choice."""
        if self._port is None or len(head) <= 2:
            return None
        return self._destination_of(tuple(head[1]), self._port)[1]

    def _answer_later(self, response: bytes, head: tuple[Any, ...]) -> Flow[None]:
        peer = self.peer_of(head[-1])
        try:
            yield from self.send_flow(response, peer, self._source_for(head))
        except ClosedError:
            raise
        except OSError as error:
            log.debug("%s: cannot be answered: %s", peer, error)

    def peer_of(self, sockaddr: object) -> SocketAddr:
        """The address that the system wrote as `sockaddr`."""
        return self._peers.get(sockaddr) or self._peer_at(sockaddr)

    def _transmit(self, data: Buffer, addr: SocketAddr | None, source: SocketAddr | None = None) -> int:
        """Send one datagram now. Raises BlockingIOError if there is no room."""
        if addr is None:
            return self._sock.send(data, self._flags)
        to = addr.to_sockaddr(self._sock.family)
        if source is None or not (control := from_source(source)):
            return self._sock.sendto(data, self._flags, to)
        return self._sock.sendmsg([data], control, self._flags, to)

    # Connected.

    def send(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send one datagram to the connected peer; returns its size. A datagram is sent whole or not at
        all."""
        with phase("sending"):
            return run(self.send_flow(data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def send_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send one datagram to the connected peer; returns its size."""
        with phase("sending"):
            return await run_async(
                self.send_flow(data), deadline=self._write_deadline(timeout), cancel=cancel
            )

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
        source: SocketAddr | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> int:
        """Send one datagram to `addr`; returns its size.

        `source` is the address of this machine that it is to come from, such as the `reply_source` of a
        `UdpMessage`; the port is always the socket's own. Without it the system chooses by the route.
        """
        with phase("sending"):
            return run(
                self.send_flow(data, addr, source), deadline=self._write_deadline(timeout), cancel=cancel
            )

    async def send_to_async(
        self,
        data: Buffer,
        addr: SocketAddr,
        *,
        source: SocketAddr | None = None,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> int:
        """Send one datagram to `addr`; returns its size. `source` as for `send_to`."""
        with phase("sending"):
            return await run_async(
                self.send_flow(data, addr, source), deadline=self._write_deadline(timeout), cancel=cancel
            )

    def recv_from(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[bytes, SocketAddr]:
        """The next datagram, and where it came from."""
        with phase("waiting for a datagram"):
            run(self._arrive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._first(take=True)

    async def recv_from_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[bytes, SocketAddr]:
        """The next datagram, and where it came from."""
        with phase("waiting for a datagram"):
            await run_async(self._arrive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._first(take=True)

    def recv_msg(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> UdpMessage:
        """The next datagram, where it came from, and where it was sent to; see `tell_destinations`."""
        with phase("waiting for a datagram"):
            run(self._arrive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._first_message()

    async def recv_msg_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> UdpMessage:
        """The next datagram, where it came from, and where it was sent to; see `tell_destinations`."""
        with phase("waiting for a datagram"):
            await run_async(self._arrive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._first_message()

    # Looking without taking, and calls that do not wait.

    def peek(self, *, timeout: float | None = None, cancel: CancellationToken | None = None) -> bytes:
        """The next datagram, without taking it."""
        return self.peek_from(timeout=timeout, cancel=cancel)[0]

    async def peek_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """The next datagram, without taking it."""
        return (await self.peek_from_async(timeout=timeout, cancel=cancel))[0]

    def peek_from(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[bytes, SocketAddr]:
        """The next datagram and where it came from, without taking it."""
        with phase("waiting for a datagram"):
            run(self._arrive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._first(take=False)

    async def peek_from_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[bytes, SocketAddr]:
        """The next datagram and where it came from, without taking it."""
        with phase("waiting for a datagram"):
            await run_async(self._arrive(), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._first(take=False)

    def recv_nonblock(self) -> bytes | None:
        """The next datagram, or None if there is none yet. Never waits."""
        found = self.recv_from_nonblock()
        return None if found is None else found[0]

    def recv_from_nonblock(self) -> tuple[bytes, SocketAddr] | None:
        """The next datagram and where it came from, or None if there is none yet. Never waits."""
        return self._first(take=True) if self._is_there() else None

    def recv_msg_nonblock(self) -> UdpMessage | None:
        """The next datagram with both its addresses, or None if there is none yet. Never waits."""
        return self._first_message() if self._is_there() else None

    def _is_there(self) -> bool:
        """Whether there is a datagram, or an error to report. Never waits."""
        self._check_open()
        if self._receiving and not self._received:
            raise BusyError("UDP socket's receiving side")
        return bool(self._received) or self._drain()

    def send_nonblock(self, data: Buffer) -> int | None:
        """Send one datagram to the connected peer; returns its size, or None if there is no room now."""
        self._check_sending()
        try:
            return self._sock.send(data, self._flags)
        except BlockingIOError:
            return None

    def send_to_nonblock(
        self, data: Buffer, addr: SocketAddr, *, source: SocketAddr | None = None
    ) -> int | None:
        """Send one datagram to `addr`; returns its size, or None if there is no room now. Never waits.

        `source` as for `send_to`.
        """
        self._check_sending()
        try:
            return self._transmit(data, addr, source)
        except BlockingIOError:
            return None

    # Options. An option that the system does not have raises OSError.

    def set_broadcast(self, enable: bool) -> None:
        """Allow datagrams to a broadcast address, such as 255.255.255.255; without it they are refused."""
        self._set(socket.SOL_SOCKET, socket.SO_BROADCAST, int(enable))

    @property
    def broadcast(self) -> bool:
        """Whether datagrams to a broadcast address are allowed."""
        return bool(self._get(socket.SOL_SOCKET, socket.SO_BROADCAST))

    def set_send_buffer_size(self, size: int) -> None:
        """Request a send buffer of `size` bytes; the system may choose another size."""
        self._set(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    @property
    def send_buffer_size(self) -> int:
        """The size that the system chose, in bytes, with its own overhead (Linux: twice the requested
        size)."""
        return self._get(socket.SOL_SOCKET, socket.SO_SNDBUF)

    def set_recv_buffer_size(self, size: int) -> None:
        """Request a receive buffer of `size` bytes; the system may choose another size."""
        self._set(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    @property
    def recv_buffer_size(self) -> int:
        """The size that the system chose, in bytes, with its own overhead (Linux: twice the requested
        size)."""
        return self._get(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def set_ttl(self, ttl: int) -> None:
        """Set how many routers a datagram may pass (IPv4 TTL, IPv6 hop limit), 1 to 255. Not for
        multicast."""
        self._check_open()
        set_ttl(self._sock, ttl)

    @property
    def ttl(self) -> int:
        """How many routers a datagram may pass."""
        self._check_open()
        return ttl_of(self._sock)

    # Multicast: IPv4 by the interface's address, IPv6 by its number (`socket.if_nametoindex`).

    def join_multicast_v4(self, multicast: Ipv4Addr | str, interface: Ipv4Addr | str = "0.0.0.0") -> None:
        """Receive datagrams of a group, on the interface with this address (0.0.0.0: any).

        Raises ValueError if the address is not a group, OSError if the system refuses.
        """
        self._set(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership_v4(multicast, interface))

    def leave_multicast_v4(self, multicast: Ipv4Addr | str, interface: Ipv4Addr | str = "0.0.0.0") -> None:
        """Undo `join_multicast_v4`, with the same arguments."""
        self._set(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, _membership_v4(multicast, interface))

    def set_multicast_ttl_v4(self, ttl: int) -> None:
        """Set how many routers a multicast datagram may pass, 0 to 255; the default is 1, this network
        only."""
        self._set(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)

    def set_multicast_loop_v4(self, enable: bool) -> None:
        """Set whether members of the group on this machine receive what is sent here; the default is yes."""
        self._set(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(enable))

    def set_multicast_interface_v4(self, interface: Ipv4Addr | str) -> None:
        """Send multicast on the interface with this address."""
        self._set(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, Ipv4Addr(interface).packed)

    def join_multicast_v6(self, multicast: Ipv6Addr | str, interface: int = 0) -> None:
        """Receive datagrams of a group, on the interface with this number (0: the system's choice).

        Raises ValueError if the address is not a group, OSError if the system refuses.
        """
        self._set(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _membership_v6(multicast, interface))

    def leave_multicast_v6(self, multicast: Ipv6Addr | str, interface: int = 0) -> None:
        """Undo `join_multicast_v6`, with the same arguments."""
        self._set(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _membership_v6(multicast, interface))

    def set_multicast_hops_v6(self, hops: int) -> None:
        """Set how many routers a multicast datagram may pass, 0 to 255; the default is 1."""
        self._set(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)

    def set_multicast_loop_v6(self, enable: bool) -> None:
        """Set whether members of the group on this machine receive what is sent here; the default is yes."""
        self._set(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, int(enable))

    def set_multicast_interface_v6(self, interface: int) -> None:
        """Send multicast on the interface with this number."""
        self._set(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)

    def _set(self, level: int, option: int, value: int | bytes) -> None:
        self._check_open()
        self._sock.setsockopt(level, option, value)

    def _get(self, level: int, option: int) -> int:
        self._check_open()
        return self._sock.getsockopt(level, option)

    # The socket itself.

    @property
    def local_addr(self) -> SocketAddr:
        """This end."""
        self._check_open()
        return SocketAddr.from_sockaddr(self._sock.getsockname())

    @property
    def peer_addr(self) -> SocketAddr | None:
        """The connected peer; None if there is none."""
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
        """Release the socket, from any thread. Calls that wait on it raise ClosedError."""
        self._descriptor.close()

    def _check_sending(self) -> None:
        if self._sending:
            raise BusyError("UDP socket's sending side")
        self._check_open()

    def _check_open(self) -> None:
        if self._descriptor.closed:
            raise ClosedError("UDP socket")

    def __repr__(self) -> str:
        return f"<UdpSocket {'closed' if self.is_closed else self.local_addr}>"


def _peer_of(sock: socket.socket) -> SocketAddr | None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None  # its name is no SocketAddr
    try:
        return SocketAddr.from_sockaddr(sock.getpeername()).unmapped
    except OSError:
        return None  # it is not connected


def _membership_v4(multicast: Ipv4Addr | str, interface: Ipv4Addr | str) -> bytes:
    """A struct ip_mreq."""
    group = Ipv4Addr(multicast)
    if not group.is_multicast:
        raise ValueError(f"{group} is not a multicast group: those are 224.0.0.0 to 239.255.255.255")
    return group.packed + Ipv4Addr(interface).packed


def _membership_v6(multicast: Ipv6Addr | str, interface: int) -> bytes:
    """A struct ipv6_mreq (RFC 3493 section 5.2)."""
    group = Ipv6Addr(multicast)
    if not group.is_multicast:
        raise ValueError(f"{group} is not a multicast group: those begin with ff")
    return group.packed + struct.pack("@I", interface)
