"""The stream of octets that CONNECT gives, over one stream of HTTP/2 (RFC 9113 section 8.5, RFC 8441).

Octets are the payload of DATA frames. The end of a direction is END_STREAM, and what a reset is to TCP is
RST_STREAM. WebSocket over HTTP/2 runs over this, and so does a proxy's tunnel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import ErrorCode
from netkit.http.errors import HttpError
from netkit.http.server.patience import Patience
from netkit.io import ByteStream, Event, Want
from netkit.io.stream import LINGER, QUIET

if TYPE_CHECKING:
    from netkit.http.server.h2.exchange import H2Exchange
    from netkit.http.server.h2.flow import H2Serving
    from netkit.io import Flow

#: How much of a body, or of a tunnel, is given to the protocol object at once, in octets.
SEND_SIZE = 65_536

_NO_LIMIT = Patience(None, None)


class H2Tunnel(ByteStream):
    """A stream of octets between the client and the handler of its CONNECT."""

    _what = "HTTP/2 stream"
    is_multiplexed = True

    def __init__(self, exchange: H2Exchange, serving: H2Serving) -> None:
        super().__init__()
        self._exchange = exchange
        self._serving = serving
        self._finished = False
        self._gone = Event()

    def __repr__(self) -> str:
        return f"<H2Tunnel on stream {self._exchange.stream}{' closed' if self.is_closed else ''}>"

    def _receive(self) -> Flow[None]:
        while not self._take_piece():
            yield from self._exchange.wait_for_octets(_NO_LIMIT)

    def _take_piece(self) -> bool:
        """Take a piece that is there, or the end. Raises ClosedError, ConnectionResetError."""
        self._check_open()
        exchange = self._exchange
        if exchange.pieces:
            data, credit = exchange.pieces.popleft()
            self._serving.conn.consumed(exchange.stream, credit)
            exchange.received += len(data)
            self._buffer.put(data)
            return True
        self._check_alive()
        self._eof = exchange.has_come
        return self._eof

    def _check_alive(self) -> None:
        failure = self._exchange.failure
        if failure is not None:
            raise ConnectionResetError(str(failure)) from failure

    def _send(self, data: memoryview) -> Flow[int]:
        while True:
            self._check_open()
            self._check_alive()
            if self._finished:
                raise BrokenPipeError("the stream was finished")
            if size := self._put(data):
                return size
            try:
                yield from self._exchange.wait_to_send(_NO_LIMIT)
            except HttpError:
                self._check_alive()
                raise

    def _put(self, data: bytes | memoryview) -> int:
        """Send as much of `data` as the window and the outbox have room for."""
        serving, exchange = self._serving, self._exchange
        if serving.is_crowded:
            return 0
        size = min(serving.conn.room(exchange.stream), len(data), SEND_SIZE)
        if size:
            serving.put(exchange.stream, data[:size], size, end=False)
            exchange.sent += size
            serving.look()
        return size

    def _finish(self) -> Flow[None]:
        self._end_sending()
        yield from self._exchange.flush_flow()

    def _end_sending(self) -> None:
        if not self._finished and self._exchange.failure is None:
            self._finished = True
            self._serving.conn.send(self._exchange.stream, b"", end=True)
            self._serving.look()

    def try_send(self, data: bytes | memoryview) -> int:
        """Send as much of `data` as the window and the outbox have room for, without waiting."""
        if self._writing or self._finished or self.is_closed or self._exchange.failure is not None:
            return 0
        return self._put(data)

    def stop_reading(self, quiet: float = QUIET) -> None:
        """No effect: what is under way on the connection goes on until the server's drain is over."""

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:  # noqa: ARG002
        """Flow: end the stream; the connection below it goes on, so there is nothing to wait for."""
        self.close()
        return 0
        yield

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for: octets, or with `write` that the stream may send.

        An `event` of the caller is set by octets too, so the caller clears it before it looks.
        """
        exchange = self._exchange
        if event is not None:
            if write:
                raise NotImplementedError("either an event of the caller, or that the stream may send")
            exchange.arrived = event
            return Want(event=event, until=until)
        if write:
            # One event for both: whoever is woken tries both.
            exchange.arrived = exchange.may_send = exchange.arrived or exchange.may_send or Event()
            want = exchange.want_to_send()
        else:
            exchange.arrived = exchange.arrived or Event()
            exchange.arrived.clear()
            want = Want(event=exchange.arrived)
        want.until = until
        return want

    def close(self) -> None:
        """End the stream, in both directions; one that the client has not ended is reset (NO_ERROR)."""
        if self.is_closed:
            return
        self._end_sending()
        self._gone.set()
        exchange = self._exchange
        if not exchange.has_come:
            self._serving.conn.reset(exchange.stream, ErrorCode.NO_ERROR)
            exchange.has_come = True
        exchange.told()
        exchange.let()
        self._serving.look()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._gone.is_set

    @property
    def gone(self) -> Event:
        """Set when the stream is closed here."""
        return self._gone
