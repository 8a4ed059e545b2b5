"""Listening: what `TcpListener` and `UnixListener` have in common, once.

The waiting leaves the connection in the listener's hands; `accept`, `accept_async` and the two iterators take
it from there when the waiting has ended. So whatever interrupts the waiting (a deadline, a token, a cancelled
task) loses no connection: the next `accept` has it. `accept_flow` is both, for other flows.

A listener that this process did not make
-----------------------------------------
A listener that came from a service manager or a parent may be shared with other processes, so its
O_NONBLOCK, which belongs to the open file, is left as it is found (rule 11 of `netkit.io`). If it is
clear, accept(2) waits where another process has taken the connection that poll(2) announced, and for
accept there is no MSG_DONTWAIT. Of the ways around it, a receive timeout (SO_RCVTIMEO) left on the
listener would be changed for the others as well, and connections inherit it; one that is set and taken
back around each call is taken back under another process that does the same. So both: processes that
share the listener by way of this module keep out of each other's way with a record lock (fcntl(2)) on the
socket, held for the four calls poll, set, accept, set back; and the timeout, of one clock tick, is for the
others, who know nothing of that lock. Nobody waits in accept for longer than that tick.

Closing a listener never shuts it down (shutdown(2)): that would end it in every process that has it.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

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
)
from netkit.net.connect import descriptor_of
from netkit.net.sockets import SocketStream

S = TypeVar("S", bound=SocketStream)
A = TypeVar("A")

#: How many connections the system keeps for a listener that has not accepted them yet.
BACKLOG = 1024

#: The most that `stop_accepting` still accepts, so that a flood of connections ends as well.
BACKLOG_AT_STOP = 4096

#: How long a process waits, in seconds, when another one that shares the listener is accepting.
SHARED_PAUSE = 0.001

#: What accept(2) reports of a connection that has ended already: the next may be whole.
_PASSED_OVER = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "EPROTO", "ENOPROTOOPT", "ENETDOWN", "ENETUNREACH"),
        *("EHOSTDOWN", "EHOSTUNREACH", "ENONET"),
    )
    if hasattr(errno, name)
)

#: Record locks belong to a process: within it, its threads keep out of each other's way with this one.
_accepting_shared = threading.Lock()


class StreamListener(Closing, Generic[S, A]):
    """A listening stream socket, whose connections are streams `S` from addresses `A`.

    `inherited` says that this process did not make the socket. A subclass writes `_connection`, and
    `local_addr`.
    """

    def __init__(
        self, sock: socket.socket, descriptor: Descriptor | None = None, *, inherited: bool = False
    ) -> None:
        self._sock = sock
        self._descriptor = descriptor or descriptor_of(sock, shared=True)
        self._inherited = inherited
        self._accepted: deque[tuple[S, A]] = deque()
        self._accepting = False
        self._left: int | None = None  # how many more are accepted, once accepting has been stopped

    def _connection(self, sock: socket.socket, sockaddr: Any) -> tuple[S, A]:
        """The stream and the peer's address, of a socket that accept(2) gave."""
        raise NotImplementedError

    # Accepting.

    def accept_flow(self) -> Flow[tuple[S, A]]:
        """Flow: the next connection and the address it comes from.

        A connection that ended before it was accepted is passed over. Raises OSError where the process
        or the system has no descriptor left (EMFILE, ENFILE): the connection stays in the backlog.
        """
        yield from self._arrive()
        return self._first()

    def _arrive(self) -> Flow[None]:
        """Flow: wait until a connection has been accepted, and leave it in `_accepted`."""
        if self._accepting:
            raise BusyError("listener")
        self._accepting = True
        passed_over = 0
        try:
            while not self._accepted:
                self._check_open()
                if self._left is not None:
                    if self._left == 0:
                        raise ClosedError("listener")
                    self._left -= 1
                try:
                    sock, sockaddr = _accept_shared(self._sock) if self._inherited else self._sock.accept()
                except _Contended:
                    yield Want(until=monotonic() + SHARED_PAUSE)
                    continue
                except BlockingIOError:
                    if self._left is not None:
                        raise ClosedError("listener") from None
                    yield self._descriptor.want_read
                    continue
                except OSError as error:
                    if error.errno not in _PASSED_OVER:
                        raise
                    passed_over += 1
                    if passed_over % OPERATIONS_PER_TURN == 0:
                        yield PAUSE
                    continue
                sock.setblocking(False)
                self._accepted.append(self._connection(sock, sockaddr))
        finally:
            self._accepting = False

    def stop_accepting(self) -> None:
        """Accept what waits in the backlog by now, and then find the listener closed. Never waits.

        A connection in the backlog is one whose peer believes itself served, and may have sent already;
        closing the listener would reset it. The listener itself is still to be closed.
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
            raise BusyError("listener")  # another, who is one too many, took it since
        return self._first()

    def _first(self) -> tuple[S, A]:
        taken = self._accepted[0]
        del self._accepted[0]  # not by a call, after which Ctrl-C might come
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
        """Whether this process was handed the socket, and may share it with others."""
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
        """Stop listening, from any thread. Whoever waits in `accept` gets ClosedError."""
        self._descriptor.close()
        while self._accepted:
            self._accepted.popleft()[0].close()

    def _check_open(self) -> None:
        if self._descriptor.closed:
            raise ClosedError("listener")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self.is_closed else self.local_addr}>"


class Incoming(Iterator[S]):
    """A listener's connections as a blocking iterator without end.

    What `accept` raises ends it: CancellationError for its token, ClosedError where the listener is closed.
    """

    def __init__(self, listener: StreamListener[S, Any], cancel: CancellationToken | None = None) -> None:
        self._listener = listener
        self._cancel = cancel

    def __next__(self) -> S:
        return self._listener.accept(cancel=self._cancel)[0]


class AsyncIncoming(AsyncIterator[S]):
    """A listener's connections for `async for`, without end.

        async for stream in listener.incoming_async(cancel=token):
            group.create_task(serve(stream))

    It keeps nothing of its own: a connection that was accepted when the task was cancelled, or the loop
    left, is the next one of whoever accepts from the listener then. Errors as `Incoming`.
    """

    def __init__(self, listener: StreamListener[S, Any], cancel: CancellationToken | None = None) -> None:
        self._listener = listener
        self._cancel = cancel

    async def __anext__(self) -> S:
        return (await self._listener.accept_async(cancel=self._cancel))[0]


class _Contended(Exception):
    """Another process that shares the listener is accepting in this instant."""


def _accept_shared(sock: socket.socket) -> tuple[socket.socket, Any]:
    """accept(2) on a listener that others may share, without waiting; the module's docstring says how.

    Raises BlockingIOError where there is no connection (any more), _Contended where another process has
    the lock.
    """
    if os.name != "posix" or not os.get_blocking(sock.fileno()):
        return sock.accept()
    from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, lockf

    with _accepting_shared:
        locked = False
        try:
            lockf(sock, LOCK_EX | LOCK_NB)
            locked = True
        except (BlockingIOError, PermissionError):  # EAGAIN and EACCES both mean that another has it
            raise _Contended from None
        except OSError:
            pass  # a system without record locks on sockets: the timeout alone has to do
        try:
            return _accept_for_a_tick(sock)
        finally:
            if locked:
                lockf(sock, LOCK_UN)


def _accept_for_a_tick(sock: socket.socket) -> tuple[socket.socket, Any]:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(0):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    shortest = struct.pack("ll", 0, 1)  # a timeval of one microsecond, which is rounded up to a tick
    before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, len(shortest))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, shortest)
    try:
        accepted, sockaddr = sock.accept()
    finally:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, before)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, before)  # TCP's inherit it
    return accepted, sockaddr
