"""Listening: the common base of `TcpListener` and `UnixListener`.

A wait leaves the accepted connection in the listener. After the wait, `accept`, `accept_async` and the two
iterators take it from there. So if a wait is interrupted (by a deadline, a token, a cancelled task), no
connection is lost: the next `accept` returns it. `accept_flow` does both steps, for other flows.

A signal's handler may raise between any two calls, and a descriptor that was in a variable only would be lost
then: a connection that hangs until the process ends. So what accept(2) returned is kept inside one C call
(`deque.extend`), and each step on the way from there to a stream can be done again.

A listener that this process did not make
-----------------------------------------
A listener from a service manager or a parent may be shared with other processes. Its O_NONBLOCK belongs to
the open file, so it is not changed (rule 11 of `netkit.io`). If the flag is clear, accept(2) would block when
another process has taken the connection that poll(2) reported, and accept has no MSG_DONTWAIT.

A receive timeout (SO_RCVTIMEO) limits that wait. But left on the listener, it would apply to the other
processes too, and connections inherit it. And if it is set and reset around each call, one process may reset
it while another process relies on it. So two things are done. Processes that share the listener through this
module exclude each other with a record lock (fcntl(2)) on the socket, held for the four calls: poll, set,
accept, reset. And the timeout of one clock tick is for other programs, which do not use that lock. So accept
never waits longer than one tick.

Closing a listener never shuts it down (shutdown(2)), because that would end it in every process that has it.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import starmap
from time import monotonic
from typing import Any, Generic, TypeVar

from netkit._log import Log
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    BusyError,
    CancellationToken,
    ClosedError,
    Closing,
    Descriptor,
    Flow,
    Want,
    deadline_after,
    phase,
    run,
    run_async,
    sleep_until,
)
from netkit.net.connect import descriptor_of
from netkit.net.sockets import SocketStream

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

log = Log("netkit.net.listening")

S = TypeVar("S", bound=SocketStream)
A = TypeVar("A")

#: How many connections the system keeps for a listener that has not accepted them yet.
BACKLOG = 1024

#: How many connections are accepted at most after `stop_accepting`, so that even a flood of them ends.
BACKLOG_AT_STOP = 4096

#: How long a process waits, in seconds, when another one that shares the listener is accepting.
SHARED_PAUSE = 0.001

#: What accept(2) reports of one connection: that it has ended already, that a firewall does not let it in,
#: what went wrong on its way. The next may be whole.
_PASSED_OVER = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "ECONNRESET", "EPERM", "EPROTO", "ENOPROTOOPT", "EOPNOTSUPP", "ETIMEDOUT"),
        *("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ENONET"),
        *("ESOCKTNOSUPPORT", "EPROTONOSUPPORT"),
    )
    if hasattr(errno, name)
)

#: So many of these one after another, with no connection in between, are about the listener after all.
PASSED_OVER_LIMIT = 1024

#: How long who accepts persistently waits, in seconds, before it tries again after an error.
ACCEPT_PAUSE = 0.1

#: How many descriptors who accepts persistently leaves to the rest of the process (of a low limit, a
#: quarter). Else as many idle connections as the limit allows are the end of a server that must read a file:
#: a zone, or a module that is imported when it is first needed.
SPARE_DESCRIPTORS = 16

#: The shortest receive timeout: a timeval of one microsecond, which is rounded up to a tick.
_TICK = struct.pack("ll", 0, 1)

#: What accept(2) takes: nothing.
_NOTHING: tuple[tuple[()], ...] = ((),)

#: Record locks belong to a process, so the threads of this process exclude each other with this lock.
_accepting_shared = threading.Lock()


class AcceptedSocket(socket.socket):
    """A socket around a descriptor that accept(2) gave.

    Its constructor is the C type's own, so that the descriptor is an object's, and closed with it, from one
    instruction to the next. `socket.socket` has one in Python, inside which a signal may strike: nobody could
    tell afterwards whether the descriptor was taken.
    """

    __init__ = socket.SocketType.__init__
    # What that constructor sets.
    _io_refs = 0
    _closed = False


def _most_descriptors() -> int:
    """The number that the descriptor of a connection must be below, so that some are left.

    The system is asked for the limit each time, which takes a microsecond: prlimit(1) raises that of a server
    that has run out of descriptors, and it goes on at once.
    """
    if resource is None:
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return limit - min(SPARE_DESCRIPTORS, limit // 4)


def _first_free(sock: socket.socket) -> int:
    """The number that the next descriptor of this process gets. Raises OSError if there is none."""
    number = os.dup(sock.fileno())
    os.close(number)
    return number


class StreamListener(Closing, Generic[S, A]):
    """A listening stream socket, whose connections are streams `S` from addresses `A`.

    `inherited` says that this process did not make the socket. A subclass implements `_connection` and
    `local_addr`.
    """

    def __init__(
        self, sock: socket.socket, descriptor: Descriptor | None = None, *, inherited: bool = False
    ) -> None:
        self._sock = sock
        self._descriptor = descriptor or descriptor_of(sock, shared=True)
        self._inherited = inherited
        self._made_of = sock.family, sock.type, sock.proto  # and so are its connections
        self._arrived: deque[Any] = deque()  # of one connection: what accept(2) returned, and then its socket
        self._accepted: deque[tuple[S, A]] = deque()
        self._accepting = False
        self._said: set[int | None] = set()  # the errors that accepting persistently has logged
        self._left: int | None = None  # how many more are accepted, once accepting has been stopped
        self._number = -1  # the descriptor of the last connection: those below it were taken then

    def _connection(self, sock: socket.socket, sockaddr: Any) -> tuple[S, A]:
        """The stream and the peer's address, for a socket from accept(2)."""
        raise NotImplementedError

    # Accepting.

    def accept_flow(self) -> Flow[tuple[S, A]]:
        """Flow: the next connection and the address it comes from.

        A connection that ended before it was accepted, or that a firewall does not let in, is passed over.
        Raises OSError where the process or the system has no descriptor left (EMFILE, ENFILE), and for
        whatever else accept(2) says: a connection then stays in the backlog.
        """
        yield from self._arrive()
        return self._first()

    def accept_persistently_flow(
        self, failed: Callable[[OSError], object] | None = None
    ) -> Flow[tuple[S, A]]:
        """Flow: the next connection and where it comes from, whatever accept(2) says before: for a server.

        After an error it waits for ACCEPT_PAUSE seconds and tries again. Each kind of error is logged once,
        as a warning; `failed` is called with every one. That the last SPARE_DESCRIPTORS are left over counts
        as EMFILE. Raises ClosedError, and BusyError.
        """
        yield from self._arrive_persistently(failed)
        return self._first()

    def _arrive_persistently(self, failed: Callable[[OSError], object] | None = None) -> Flow[None]:
        while True:
            try:
                yield from self._leave_some()
                return (yield from self._arrive())
            except ClosedError:
                raise
            except OSError as error:
                say = log.debug if error.errno in self._said else log.warning
                self._said.add(error.errno)
                say("cannot accept a connection: %s; trying again every %g s", error.strerror, ACCEPT_PAUSE)
                if failed is not None:
                    failed(error)
            yield from sleep_until(monotonic() + ACCEPT_PAUSE)

    def _leave_some(self) -> Flow[None]:
        """Flow: where few descriptors are left, wait for a connection; raise EMFILE if they still are."""
        if self._number < (most := _most_descriptors()) or self._left is not None or self._accepted:
            return
        if _first_free(self._sock) >= most:
            yield self._descriptor.want_read
            if _first_free(self._sock) >= most and self._left is None:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def _arrive(self) -> Flow[None]:
        """Flow: wait until a connection has been accepted, and leave it in `_accepted`."""
        if self._accepting:
            raise BusyError("listener")
        self._accepting = True
        passed_over = 0
        try:
            while not self._accepted:
                self._check_open()
                if self._arrived:
                    self._make_connection()
                    return
                if self._left is not None:
                    if self._left == 0:
                        raise ClosedError("listener")
                    self._left -= 1
                try:
                    if self._inherited:
                        _accept_shared(self._sock, self._arrived)
                    else:
                        _accept_into(self._arrived, self._sock)
                except _Contended:
                    yield Want(until=monotonic() + SHARED_PAUSE)
                    continue
                except BlockingIOError:
                    if self._left is not None:
                        raise ClosedError("listener") from None
                    yield self._descriptor.want_read
                    continue
                except OSError as error:
                    self._check_open()  # it may have been closed by another thread in this instant
                    passed_over += 1
                    if error.errno not in _PASSED_OVER or passed_over >= PASSED_OVER_LIMIT:
                        raise
                    if passed_over % OPERATIONS_PER_TURN == 0:
                        yield PAUSE
                    continue
        finally:
            self._accepting = False
            if self._descriptor.closed:  # by another thread, while this one was accepting
                self._close_arrived()

    def _make_connection(self) -> None:
        """Make a stream of what has arrived. Interrupted at any moment, it is done again."""
        sock = self._arrived_socket()
        sock.setblocking(False)
        number = sock.fileno()
        if self._inherited and os.name == "posix":
            _without_tick(sock, self._sock)
        accepted = (self._connection(sock, self._arrived[0][1]),)
        # No call lies between: the connection is in one of the two places.
        self._number = number
        self._accepted += accepted
        del self._arrived[0]
        del self._arrived[0]

    def _arrived_socket(self) -> socket.socket:
        """The socket of what has arrived, made where there is none yet."""
        arrived = self._arrived
        if len(arrived) == 1:
            arrived.extend(starmap(AcceptedSocket, ((*self._made_of, arrived[0][0]),)))
        sock: socket.socket = arrived[1]
        return sock

    def _close_arrived(self) -> None:
        """Close a connection of which there is no stream yet."""
        if self._arrived:
            self._arrived_socket().close()
            self._arrived.clear()

    def stop_accepting(self) -> None:
        """Let `accept` take the connections that are in the backlog now, and then raise ClosedError. Never
        waits.

        The peer of a connection in the backlog is already connected, and may have sent data; closing the
        listener would reset it. The caller must still close the listener.
        """
        if self._left is None:
            self._left = BACKLOG_AT_STOP
            self._descriptor.wake_reader()

    def accept(self, *, timeout: float | None = None, cancel: CancellationToken | None = None) -> tuple[S, A]:
        """Wait for a connection: the stream, and the address it comes from."""
        with phase("waiting for a connection"):
            run(self._arrive(), deadline=deadline_after(timeout), cancel=cancel)
        return self._take()

    async def accept_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> tuple[S, A]:
        """Wait for a connection: the stream, and the address it comes from."""
        with phase("waiting for a connection"):
            await run_async(self._arrive(), deadline=deadline_after(timeout), cancel=cancel)
        return self._take()

    def _take(self) -> tuple[S, A]:
        if not self._accepted:
            self._check_open()
            raise BusyError("listener")  # a second caller took it meanwhile
        return self._first()

    def _first(self) -> tuple[S, A]:
        taken = self._accepted[0]
        del self._accepted[0]  # not by a call, because Ctrl-C could come after it
        return taken

    def incoming(self, *, cancel: CancellationToken | None = None) -> Incoming[S]:
        """The connections as they come, one blocking `accept` after another, without end."""
        return Incoming(self, cancel)

    def incoming_async(self, *, cancel: CancellationToken | None = None) -> AsyncIncoming[S]:
        """The connections as they come, for `async for`, without end."""
        return AsyncIncoming(self, cancel)

    # The listener itself.

    @property
    def local_addr(self) -> A:
        """Where it listens."""
        raise NotImplementedError

    @property
    def inherited(self) -> bool:
        """Whether this process inherited the socket, and may share it with others."""
        return self._inherited

    def as_raw_fd(self) -> int:
        """The socket's descriptor number; the listener keeps it. -1 once closed."""
        return self._sock.fileno()

    fileno = as_raw_fd

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor.closed

    def close(self) -> None:
        """Stop listening, from any thread. Calls that wait in `accept` raise ClosedError."""
        self._descriptor.close()
        while self._accepted:
            self._accepted.popleft()[0].close()
        if not self._accepting:
            self._close_arrived()

    def _check_open(self) -> None:
        if self._descriptor.closed:
            raise ClosedError("listener")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self.is_closed else self.local_addr}>"


class Incoming(Iterator[S]):
    """A listener's connections as a blocking iterator without end.

    An error of accept(2), such as that no descriptor is left, does not end it: it is logged once, and
    accepting is tried again after a pause. CancellationError ends it where its token is cancelled,
    ClosedError where the listener is closed.
    """

    def __init__(self, listener: StreamListener[S, Any], cancel: CancellationToken | None = None) -> None:
        self._listener = listener
        self._cancel = cancel

    def __next__(self) -> S:
        run(self._listener._arrive_persistently(), cancel=self._cancel)
        return self._listener._take()[0]


class AsyncIncoming(AsyncIterator[S]):
    """A listener's connections for `async for`, without end.

        async for stream in listener.incoming_async(cancel=token):
            group.create_task(serve(stream))

    The iterator itself holds no connection. If a connection was just accepted when the task was cancelled or
    the loop ended, the next `accept` on the listener returns it. Errors as `Incoming`.
    """

    def __init__(self, listener: StreamListener[S, Any], cancel: CancellationToken | None = None) -> None:
        self._listener = listener
        self._cancel = cancel

    async def __anext__(self) -> S:
        await run_async(self._listener._arrive_persistently(), cancel=self._cancel)
        return self._listener._take()[0]


class _Contended(Exception):
    """Another process that shares the listener is accepting at this moment."""


def _accept_into(arrived: deque[Any], sock: socket.socket) -> None:
    """Append what accept(2) returns, a descriptor and an address, to `arrived`."""
    # `socket.accept` is Python around this, which gives the descriptor to nobody for an instant.
    arrived.extend(starmap(sock._accept, _NOTHING))  # type: ignore[attr-defined]


def _accept_shared(sock: socket.socket, arrived: deque[Any]) -> None:
    """accept(2) on a listener that others may share, without waiting; the module's docstring says how.

    What it returned is left in `arrived`. Raises BlockingIOError where there is no connection (any more),
    _Contended where another process has the lock.
    """
    if os.name != "posix" or not os.get_blocking(sock.fileno()):
        _accept_into(arrived, sock)
        return
    from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, lockf

    with _accepting_shared:
        try:
            try:
                lockf(sock, LOCK_EX | LOCK_NB)
            except (
                BlockingIOError,
                PermissionError,
            ):  # EAGAIN and EACCES both mean that another process has it
                raise _Contended from None
            except OSError:
                pass  # a system without record locks on sockets: the timeout alone must be enough
            _accept_for_a_tick(sock, arrived)
        finally:
            try:
                lockf(sock, LOCK_UN)  # also where it was interrupted before it knew that it had the lock
            except OSError:
                pass


def _accept_for_a_tick(sock: socket.socket, arrived: deque[Any]) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(0):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, len(_TICK))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)
        _accept_into(arrived, sock)
    finally:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, before)


def _without_tick(accepted: socket.socket, listener: socket.socket) -> None:
    """Give a connection its listener's receive timeout back: TCP's inherit the one of the moment."""
    before = listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, len(_TICK))
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, before)
