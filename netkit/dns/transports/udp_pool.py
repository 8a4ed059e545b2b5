"""Questions over UDP: sockets at random ports, each with many questions outstanding.

The system chooses the port of each socket (RFC 5452 section 4.5). A socket is connected to its server, so
that the system keeps away what comes from elsewhere, and reports at once that nobody receives there (ICMP).
There are more sockets the more questions are outstanding, and which of them takes a question is random. A
socket takes so many questions, or for so many seconds, and is then replaced: whoever finds a port out has
little time to use it.

A pool belongs to one place (see `places`); `Waiting` says who receives.
"""

from __future__ import annotations

import errno
import os
import socket
from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import MAX_MESSAGE
from netkit.dns.transports.ready import AT_ONCE, ReadySet
from netkit.dns.transports.table import Table
from netkit.dns.transports.waiting import Waiting
from netkit.io import Descriptor, Want
from netkit.net.connect import bind_source

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.dns.transports.chance import Chance
    from netkit.dns.transports.table import Outstanding
    from netkit.io import Flow

#: The most sockets that one server is asked through at the same time.
MAX_SOCKETS = 64
#: So many questions a socket has outstanding before another is opened, on average.
QUESTIONS_A_SOCKET = 2
#: A socket is replaced after so many questions, and after so many seconds.
SOCKET_QUESTIONS = 256
SOCKET_SECONDS = 5.0
#: How many servers keep their sockets; above that, those of the servers that were not asked for longest are
#: closed.
MAX_SERVERS = 256
#: Why there is no answer where the sockets were closed.
CLOSED = "the resolver was closed"


class _Socket:
    """One socket: its table, and how much longer it takes questions."""

    __slots__ = ("fd", "is_retired", "left", "server", "sock", "table", "until", "writable")

    def __init__(self, server: _Server, source: SocketAddr | None, now: float) -> None:
        self.server = server
        addr = server.addr
        self.sock = sock = _Closing(addr.family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if source is not None:
                if source.port:  # there may be a socket at this port for each server
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bind_source(sock, source)
            sock.connect(addr.to_sockaddr())
            self.table = Table(sock.getpeername())
        except BaseException:
            sock.close()
            raise
        self.fd = sock.fileno()
        self.is_retired = False  # it takes no more questions, and is closed after the last of them
        self.left = SOCKET_QUESTIONS
        self.until = now + SOCKET_SECONDS
        self.writable: Descriptor | None = None  # made when the system's buffer is full for the first time


class _Closing(socket.SocketType):
    """A socket that closes itself when it is collected, as a thread's sockets are when it ends.

    The base class and its `__del__` are the interpreter's own code: see `netkit.io.bell`.
    """

    __del__ = socket.SocketType.close


class _Server:
    """The sockets that are connected to one server and take questions."""

    __slots__ = ("addr", "outstanding", "sockets")

    def __init__(self, addr: SocketAddr) -> None:
        self.addr = addr
        self.sockets: list[_Socket] = []
        self.outstanding = 0


class UdpPool(Waiting):
    """The sockets of one place, and the questions outstanding there.

    `source` is the local address of the sockets. With a port in it there is one socket for each server.
    `preface` are octets before each query, such as a PROXY header.
    """

    __slots__ = (
        "_at", "_by_fd", "_chance", "_last", "_most", "_preface", "_process", "_ready", "_servers", "_source",
        "foreign",
    )  # fmt: skip

    def __init__(self, chance: Chance, source: SocketAddr | None = None, preface: bytes = b"") -> None:
        super().__init__()
        self._preface = preface
        self._process = os.getpid()
        self._chance = chance
        self._source = source
        self._most = 1 if source is not None and source.port else MAX_SOCKETS
        self._ready = ReadySet()
        self._servers: dict[SocketAddr, _Server] = {}
        self._last: _Server | None = (
            None  # of `_servers`, the one that was asked last: nearly always the same
        )
        self._by_fd: dict[int, _Socket] = {}
        self._at: dict[Outstanding, _Socket] = {}
        self.foreign = 0  # datagrams that belonged to no question, of sockets that are closed now

    @property
    def _is_ours(self) -> bool:
        """Whether these are sockets of this process, and not of one that this was forked from."""
        return self._process == os.getpid()

    @property
    def outstanding(self) -> int:
        """How many questions are outstanding."""
        return len(self._at)

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return len(self._by_fd)

    def begin_flow(self, one: Outstanding, addr: SocketAddr) -> Flow[None]:
        """Flow: send a question; it waits only where the system's buffer is full.

        What goes wrong is in `one.error`.
        """
        blocked = self.begin(one, addr)
        if blocked is not None:
            yield from self.blocked_flow(one, blocked)

    def begin(self, one: Outstanding, addr: SocketAddr) -> Descriptor | None:
        """The same without waiting; what `blocked_flow` is to wait for, if the system's buffer is full."""
        try:
            return self.send(one, addr)
        except OSError as error:
            one.is_over = True
            one.error = _network_error(error)
            return None

    def blocked_flow(self, one: Outstanding, blocked: Descriptor | None) -> Flow[None]:
        """Flow: send a question for which there was no room in the system's buffer."""
        try:
            while blocked is not None:
                yield Want(write=blocked, until=one.until)
                self._expire()
                blocked = None if one.is_over else self._send_again(one)
        except OSError as error:
            one.is_over = True
            one.error = _network_error(error)
        except BaseException:
            self.drop(one)
            raise

    def send(self, one: Outstanding, addr: SocketAddr) -> Descriptor | None:
        """Send a question at once. Returns what to wait for where the system's buffer is full.

        Raises OSError, and DnsError.TryAgain.
        """
        now = monotonic()
        server = self._last
        if server is None or server.addr is not addr:
            server = self._last = self._servers.get(addr) or self._server(addr)
        at = self._socket_for(server, now)
        at.table.add(one, self._chance.pair)
        self._at[one] = at
        server.outstanding += 1
        at.left -= 1
        one.sent_at = now
        self._moments.add(one)
        try:
            at.sock.send(self._preface + one.wire)
        except BlockingIOError:
            return self._writable(at)
        except ConnectionRefusedError as error:
            # The report about an earlier question, whether it is still outstanding or not.
            self._fail_all(at, error, but=one)
            return self._send_again(one)
        except BaseException:
            one.is_over = True
            self._forget(one)
            raise
        return None

    def _send_again(self, one: Outstanding) -> Descriptor | None:
        at = self._at[one]
        try:
            at.sock.send(self._preface + one.wire)
        except BlockingIOError:
            return self._writable(at)
        except BaseException:
            one.is_over = True
            self._forget(one)
            raise
        return None

    @staticmethod
    def _writable(at: _Socket) -> Descriptor:
        if at.writable is None:
            at.writable = Descriptor(at.fd, close=_nothing)
        return at.writable

    def _server(self, addr: SocketAddr) -> _Server:
        """A new one. Others may be forgotten for it; the caller notes which was asked last."""
        if len(self._servers) >= MAX_SERVERS:
            for other in [server for server in self._servers.values() if not server.outstanding]:
                for at in other.sockets:
                    self._close(at)
                del self._servers[other.addr]
                if len(self._servers) < MAX_SERVERS:
                    break
        self._servers[addr] = made = _Server(addr)
        return made

    def _socket_for(self, server: _Server, now: float) -> _Socket:
        sockets = server.sockets
        while sockets:
            if len(sockets) < self._most and server.outstanding >= len(sockets) * QUESTIONS_A_SOCKET:
                break
            at = sockets[self._chance.below(len(sockets)) if len(sockets) > 1 else 0]
            if (at.left > 0 and now < at.until) or self._most == 1:
                return at
            sockets.remove(at)
            at.is_retired = True
            if not len(at.table):
                self._close(at)
        try:
            at = self._opened(server, now)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not sockets:
                raise
            return sockets[0]  # as many as there can be
        self._by_fd[at.fd] = at
        sockets.append(at)
        return at

    def _opened(self, server: _Server, now: float) -> _Socket:
        """A new socket, which is waited for. Raises OSError."""
        at = _Socket(server, self._source, now)
        try:
            self._ready.add(at.fd)
        except BaseException as error:
            at.sock.close()
            if isinstance(error, ValueError):  # from the system's object: another thread has closed it
                raise DnsError.NetworkError(CLOSED) from error
            raise
        return at

    def _close(self, at: _Socket) -> None:
        del self._by_fd[at.fd]
        self.foreign += at.table.foreign
        if not self._ready.descriptor.closed:
            self._ready.remove(at.fd)
        if at.writable is not None:
            at.writable.close()
        at.sock.close()

    def _forget(self, one: Outstanding) -> None:
        at = self._at.get(one)
        if at is not None:
            at.table.drop(one)
            self._leave(one, at)

    def _leave(self, one: Outstanding, at: _Socket) -> None:
        """A question is out of its table. If it was the last one of a socket that takes no more, close it."""
        del self._at[one]
        at.server.outstanding -= 1
        if at.is_retired and not len(at.table):
            self._close(at)

    # Receiving, for `Waiting`.

    def _want(self, until: float | None) -> Want:
        descriptor = self._ready.descriptor
        return descriptor.want_read if until is None else Want(read=descriptor, until=until)

    def _step(self) -> bool:
        if len(self._at) == 1:
            # Nearly always it is the answer. If not, what is there belongs to another socket.
            (only,) = self._at.values()
            if self._receive(only, AT_ONCE):
                return False
        ready = self._ready.ready()
        if not ready:
            return False
        # Each has its share: who floods one socket does not keep the answers of the others waiting.
        share = max(1, AT_ONCE // len(ready))
        is_full = False
        for fd in ready:
            at = self._by_fd.get(fd)
            if at is not None and self._receive(at, share) >= share:
                is_full = True
        return is_full

    def _receive(self, at: _Socket, budget: int) -> int:
        """Take what has come to a socket, at least one datagram. Returns how many."""
        taken = 0
        table = at.table
        receive = at.sock.recvfrom
        while True:
            try:
                # All that a datagram can hold: some servers ignore the size in the query, and what is cut off
                # here would look like their malformed answer. Octets that are not used cost nothing.
                wire, source = receive(MAX_MESSAGE)
            except BlockingIOError:
                return taken
            except OSError as error:
                self._fail_all(at, error)
                return taken + 1
            taken += 1
            one = table.hear(wire, source)
            if one is not None:
                self._leave(one, at)
                self.finish(one, wire)
            # More has come only if more is outstanding, or if it is foreign: the next look finds that.
            if taken >= budget or not len(table):
                return taken

    def _fail_all(self, at: _Socket, error: OSError, but: Outstanding | None = None) -> None:
        for one in at.table:
            if one is not but:
                self._forget(one)
                self.finish(one, None, _network_error(error))

    def interrupt(self) -> None:
        """Make the pump close the pool. Any thread."""
        if not self._is_ours:
            self.close()
            return
        self._ready.descriptor.close()

    def close(self) -> None:
        """Close all sockets; those who wait get DnsError.NetworkError.

        In a forked child nobody waits: those who do are in the parent, and so is the epoll. What the child
        took out of it, the parent would no longer hear. So its descriptors are closed, and nothing else.
        """
        if not self._is_ours:
            for at in self._by_fd.values():
                at.sock.close()
            self._by_fd.clear()
            self._servers.clear()
            self._at.clear()
            return
        lost = list(self._at)
        for at in list(self._by_fd.values()):
            self._close(at)
        self._servers.clear()
        self._last = None
        self._at.clear()
        self._ready.descriptor.close()
        for one in lost:
            self.finish(one, None, DnsError.NetworkError(CLOSED))


def _network_error(error: OSError) -> DnsError:
    if isinstance(error, DnsError):
        return error
    made: DnsError = DnsError.NetworkError.from_os_error(error)
    made.__cause__ = error
    return made


def _nothing() -> None:
    return None
