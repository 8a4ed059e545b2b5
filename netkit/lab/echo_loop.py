"""The echo service (RFC 862) for many plain connections: one flow that serves all of them.

`echo_stream` is a flow for one connection, over any stream: each of its messages costs a turn of the driver.
Here the sockets of all connections are in one epoll(7) set, and the flow waits for the descriptor of this
set. One turn of the driver then serves every connection that is ready, in a plain loop of recv and send. This
special code exists only because it is much faster (DESIGN.md section 3; measured in `benchmarks/echo.py`). A
connection holds at most one received piece: while a peer does not receive its echo, no more is read from it.
"""

from __future__ import annotations

import select
import socket
from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import ClosedError, DeadlineExceeded, Descriptor, Event, Flow, Want
from netkit.io.stream import QUIET, RECEIVE_SIZE
from netkit.net.sockets import unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.lab.echo import Echoed
    from netkit.net.sockets import SocketStream

#: How often, in seconds, the connections' times are looked at, at most.
SHORTEST_LOOK = 0.005

#: How many connections are served before the driver's other work gets a turn.
BATCH = 64


class EchoLoop:
    """Echoes on every connection that is passed to `connection`, while `turning` is driven.

    A connection ends with DeadlineExceeded if its peer does not receive its echo for `stall_timeout` seconds,
    or sends nothing for `idle_timeout` seconds (None: no limit).
    """

    #: Whether this system has epoll.
    available = hasattr(select, "epoll")

    def __init__(
        self, *, counts: Echoed, idle_timeout: float | None = None, stall_timeout: float | None = None
    ) -> None:
        self._counts = counts
        self._idle_timeout = idle_timeout
        self._stall_timeout = stall_timeout
        self._epoll = select.epoll()
        self._descriptor = Descriptor(self._epoll.fileno(), close=self._epoll.close)
        self._connections: dict[int, _Connection] = {}
        self._every = self._look_every(idle_timeout, stall_timeout)
        self._now = monotonic()

    def connection(self, stream: SocketStream, own: Echoed | None = None) -> Flow[None]:
        """Flow: wait until `stream` was echoed to its end. Raises the error if it failed.

        At the end, the bytes of this connection are added to `own`.
        """
        self._counts.messages += 1
        if not self._connections:
            self._descriptor.wake_reader()  # there is a timeout to watch again
        connection = _Connection(self, stream)
        if stream._quiet is not None:
            self._stop_reading(connection, stream._quiet)
        try:
            yield from connection.done.wait()
        finally:
            connection.leave()
            if own is not None:
                own.bytes += connection.echoed
        if connection.error is not None:
            raise connection.error

    def stop_reading(self, stream: SocketStream, quiet: float = QUIET) -> None:
        """End `stream` as soon as its peer has sent nothing for `quiet` seconds; see `ByteStream`."""
        connection = self._connections.get(stream.fileno())
        if connection is None:
            stream.stop_reading(quiet)  # it will soon be passed to `connection`
        else:
            self._stop_reading(connection, quiet)

    def _stop_reading(self, connection: _Connection, quiet: float) -> None:
        connection.quiet = quiet
        if not self._has_ended(connection, monotonic()):
            every = self._look_every(self._idle_timeout, self._stall_timeout, quiet)
            if every != self._every:
                self._every = every
                self._descriptor.wake_reader()  # the next check of all connections is earlier now

    def _has_ended(self, connection: _Connection, now: float) -> bool:
        """Whether `connection` was ended, because its peer has paused for so long."""
        quiet = connection.quiet
        if quiet is None or connection.pending or now - connection.moved < quiet or unread(connection.sock):
            return False
        self._finish(connection)
        return True

    @staticmethod
    def _look_every(*limits: float | None) -> float | None:
        """How often, in seconds, to look at the connections' times; None where nothing limits them."""
        given = [limit for limit in limits if limit is not None]
        return max(min(given) / 4, SHORTEST_LOOK) if given else None

    def turning(self) -> Flow[None]:
        """Flow: serve, until `close`."""
        want = self._descriptor.want_read
        look_at: float | None = None
        every = self._every
        while True:
            if self._every is not None and self._connections and (look_at is None or self._every != every):
                every = self._every
                look_at = monotonic() + every
                want = Want(read=self._descriptor, until=look_at)
            yield want
            self._now = now = monotonic()
            self._turn()
            if look_at is not None and now >= look_at:
                look_at = None
                want = self._descriptor.want_read
                self._end_overdue(now)

    def close(self) -> None:
        """End every connection, and `turning`."""
        for connection in list(self._connections.values()):
            connection.end(ClosedError("stream"))
        self._descriptor.close()

    def _turn(self) -> None:
        connections, now, echoed = self._connections, self._now, 0
        for fd, events in self._epoll.poll(0, BATCH):
            connection = connections.get(fd)
            if connection is None:
                continue  # it ended in this turn
            if events != select.EPOLLIN:
                self._serve(connection, events)
                continue
            # The usual case: data came, and all of it can be sent back at once.
            data = b""
            try:
                data = connection.recv(RECEIVE_SIZE)
                if not data:
                    self._finish(connection)
                    continue
                sent = connection.send(data)
            except BlockingIOError:
                if not data:
                    continue  # a wake-up is only a hint: there was no data
                sent = 0
            except OSError as error:
                connection.end(error)
                continue
            echoed += sent
            connection.echoed += sent
            connection.moved = now
            if sent < len(data):
                connection.hold(memoryview(data)[sent:])
        self._counts.bytes += echoed

    def _serve(self, connection: _Connection, events: int) -> None:
        """All that is rarer: a peer that does not read, hang-ups."""
        try:
            if connection.pending:
                if events & ~select.EPOLLIN:
                    self._send_pending(connection)
                return
            data = connection.recv(RECEIVE_SIZE)
            if data:
                connection.hold(memoryview(data))
                self._send_pending(connection)
            else:
                self._finish(connection)
        except BlockingIOError:
            return
        except OSError as error:
            connection.end(error)

    def _send_pending(self, connection: _Connection) -> None:
        try:
            sent = connection.send(connection.pending)
        except BlockingIOError:
            return
        self._counts.bytes += sent
        connection.echoed += sent
        connection.moved = self._now
        connection.pending = connection.pending[sent:]
        if not connection.pending:
            connection.watch_for(select.EPOLLIN)

    def _finish(self, connection: _Connection) -> None:
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the peer has closed the connection, so it needs no notice
        connection.end(None)

    def _end_overdue(self, now: float) -> None:
        for connection in list(self._connections.values()):
            if self._has_ended(connection, now):
                continue
            limit, doing = (
                (self._stall_timeout, "sending back")
                if connection.pending
                else (self._idle_timeout, "waiting for data")
            )
            if limit is not None and now - connection.moved >= limit:
                connection.end(DeadlineExceeded(doing))


class _Connection:
    """One socket in the set. It is the `watch` of its descriptor, so that closing the stream removes it."""

    __slots__ = (
        "_descriptor",
        "_events",
        "_loop",
        "done",
        "echoed",
        "error",
        "fd",
        "moved",
        "pending",
        "quiet",
        "recv",
        "send",
        "sock",
    )

    def __init__(self, loop: EchoLoop, stream: SocketStream) -> None:
        self._loop = loop
        self._descriptor = stream._descriptor
        self.sock = stream._sock
        self.recv = self.sock.recv
        self.send = self.sock.send
        self.fd = stream.fileno()
        self.pending = memoryview(b"")  # received, and not yet sent back
        self.quiet: float | None = None  # how long a pause is the end, once reading is to stop
        self.moved = monotonic()
        self.echoed = 0
        self.done = Event()
        self.error: Exception | None = None
        self._events = select.EPOLLIN
        loop._epoll.register(self.fd, self._events)
        loop._connections[self.fd] = self
        self._descriptor.watch = self

    def hold(self, data: memoryview) -> None:
        """Keep the data that could not be sent yet, and read no more until it is sent."""
        self.pending = data
        self.watch_for(select.EPOLLOUT)

    def watch_for(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._loop._epoll.modify(self.fd, events)

    def end(self, error: Exception | None) -> None:
        """End the connection, with an error or without; wakes the flow that waits for it."""
        self.leave()
        self.error = error
        self.done.set()

    def leave(self) -> None:
        """Remove it from the set."""
        if self._loop._connections.get(self.fd) is self:
            del self._loop._connections[self.fd]
            self._loop._epoll.unregister(self.fd)
            self._descriptor.watch = None

    def forget(self, close: Callable[[], None]) -> None:
        """Called when the stream is closed."""
        self.end(ClosedError("stream"))
        close()
