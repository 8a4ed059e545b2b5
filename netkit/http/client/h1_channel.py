"""Exchanges over a connection of HTTP/1.1: one at a time.

A small request goes with its body in one piece. A larger body is sent while the channel also watches for the
response: a server may refuse it before it is over (RFC 9112 section 9.5), and then the rest is not sent. What
the server sent before it reset the connection is still read.

A large response goes past the protocol object into the caller's buffer (`read_into_flow`).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.bodies.body import Octets
from netkit.http.client.channel import ContinueWatch, Exchange, Reply, timed_out
from netkit.http.connection.events import (
    Broken,
    Data,
    End,
    Event,
    Interim,
    ResponseHead,
    Upgraded,
)
from netkit.http.connection.h1_client import H1Client  # without the server's side
from netkit.http.errors import HttpError
from netkit.io import OPERATIONS_PER_TURN, PAUSE, BrokenStreamError, Event as Signal, beside

if TYPE_CHECKING:
    from netkit.http.bodies.body import Body
    from netkit.http.client.dial import Link
    from netkit.http.client.facts import ConnectionInfo
    from netkit.http.connection.h1_client import WholeResponse
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.io import Flow

#: A body of at most this many octets goes with the head of its request.
SMALL_BODY = 65536

#: How many octets of an unwanted body are read so that the connection can be kept.
DRAIN_LIMIT = 65536


class _Refused(Exception):
    """The server has answered before the request was sent whole, and wants no more of it."""


class H1Reply(Reply):
    """A response over HTTP/1.1."""

    __slots__ = ("_channel",)

    def __init__(self, channel: H1Channel, exchange: Exchange) -> None:
        Reply.__init__(self, exchange)  # super() would cost as much again
        self._channel = channel

    def next_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; `b""` at its end."""
        pieces = self.pieces
        while not pieces:
            if self.error is not None:
                raise self.error
            if self.is_ended:
                return b""
            yield from self._channel.receive_flow(self)
        return pieces.popleft()[0]

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` octets of the body into `view`; 0 at its end."""
        if not self.pieces and not self.is_ended and self.error is None:
            size = yield from self._channel.receive_into_flow(self, view)
            if size:
                return size
        data = yield from self.next_flow()
        size = min(len(data), len(view))
        view[:size] = data[:size]
        if size < len(data):
            self.pieces.appendleft((data[size:], 0))
        return size

    def take_whole(self, whole: WholeResponse) -> None:
        """The response has come in one piece."""
        self.status, self.version, self.reason, self.fields, self.length, body, self.may_be_coded = whole
        if body:
            self.pieces.append((body, 0))
        self.has_head = True
        self.exchange.timing.answered = monotonic()
        self._finish()

    def close(self) -> None:
        """Give up what is left. If that is little and there already, the connection can be kept."""
        if self.upgraded is not None:
            self.upgraded.close()
        elif not self.is_ended and self.error is None:
            self._channel.abandon(self)
        self.pieces.clear()
        self.release()


#: One request at a time: that is known from the beginning.
_SETTLED = Signal()
_SETTLED.set()


class H1Channel:
    """A connection of HTTP/1.1 with its protocol object."""

    __slots__ = ("_conn", "_early", "_info_again", "_turns", "idle_since", "info", "stream")

    is_http2 = False
    settled = _SETTLED

    def __init__(self, link: Link, limits: ConnectionLimits) -> None:
        self.stream = link.stream
        self.info = link.info
        self.idle_since = 0.0
        self._info_again: ConnectionInfo | None = None
        self._conn = H1Client(limits)
        #: The exchange whose request is on its way already.
        self._early: Exchange | None = None
        if link.early is not None and link.early.begun is not None:
            assert isinstance(link.early.begun.conn, H1Client)  # `Dialer` has looked
            self._conn, self._early = link.early.begun.conn, link.early.exchange
        self._turns = 0

    # What the pool asks.

    @property
    def info_again(self) -> ConnectionInfo:
        """What is known of the connection, for the exchanges after the first."""
        if self._info_again is None:
            self._info_again = self.info.again()
        return self._info_again

    def is_alive(self) -> bool:
        """Whether nothing has come while it was idle, not even the end."""
        try:
            return (
                self._conn.can_request and not self.stream.is_closed and not self.stream.try_fill(fresh=True)
            )
        except OSError:
            return False

    @property
    def has_room(self) -> bool:
        """Whether a request may begin."""
        return self._conn.can_request

    @property
    def is_usable(self) -> bool:
        """Whether it may be kept for another request."""
        return not self.stream.is_closed and self._conn.can_request

    @property
    def in_flight(self) -> int:
        """1 while a request is under way, else 0."""
        return self._conn.in_flight

    def retire(self) -> None:
        """End the connection, which nobody uses."""
        self.stream.close()

    def close(self) -> None:
        """End the connection at once."""
        self.stream.close()

    # The exchange.

    def exchange_flow(self, exchange: Exchange) -> Flow[H1Reply]:
        """Flow: send the request, and return its reply when the head is there."""
        reply = H1Reply(self, exchange)
        timing, stream = exchange.timing, self.stream
        try:
            timing.phase = "send"
            data = self._begin(exchange)
            if data is None:
                yield from self._send_with_body(exchange, reply)
            else:
                exchange.was_sent = True
                sent = stream.try_send(data)
                if sent != len(data):
                    yield from self._patiently(memoryview(data)[sent:], exchange)
            if timing.sent is None:
                timing.sent = monotonic()
            timing.phase = "wait"
            if data and exchange.read_timeout is None:
                # Nothing was there before the request: so wait first. Only once, and not if the request went
                # early: what TLS has received and not decrypted yet does not wake anybody.
                yield stream.want()
                received = stream.try_take()
                if received is not None:
                    self._take(reply, received)
            while not reply.has_head:
                if reply.error is not None:
                    raise reply.error
                yield from self.receive_flow(reply)
        except BaseException:
            stream.close()
            raise
        timing.phase = "receive"
        return reply

    def _begin(self, exchange: Exchange) -> bytes | None:
        """The octets of a request that goes in one piece; None if its body is sent by `_send_with_body`."""
        conn, body = self._conn, exchange.body
        if self._early is not None:
            assert self._early is exchange  # nobody else had the channel
            self._early = None
            return b""
        if body is None:
            conn.request(exchange.head, end=True)
            return conn.take()
        if (
            not isinstance(body, Octets)
            or len(body.data) > SMALL_BODY
            or exchange.expects_continue is not None
        ):
            return None
        stream = conn.request(exchange.head, end=False, length=body.length)
        if body.data:
            conn.send(stream, body.data, end=True)
        return conn.take()

    def _write_flow(self, data: bytes | memoryview, exchange: Exchange) -> Flow[None]:
        sent = self.stream.try_send(data)
        if sent != len(data):
            yield from self._patiently(memoryview(data)[sent:], exchange)

    def _patiently(self, view: memoryview, exchange: Exchange) -> Flow[None]:
        """Flow: write what does not go at once. Each wait for the peer is limited, not the whole."""
        timeout = exchange.write_timeout
        if timeout is None:
            yield from self.stream.write_all_flow(view)
            return
        from netkit.io import before

        while view:
            flow = self.stream.write_flow(view)
            sent = yield from before(
                monotonic() + timeout, flow, expired=lambda _: timed_out(timeout, exchange.timing.phase)
            )
            view = view[sent:]

    def _send_with_body(self, exchange: Exchange, reply: H1Reply) -> Flow[None]:
        body = exchange.body
        assert body is not None  # or it would have gone in one piece
        stream = self._conn.request(exchange.head, end=False, length=body.length)
        exchange.was_sent = True
        yield from self._write_flow(self._conn.take(), exchange)
        if exchange.expects_continue is not None:
            yield from self._wait_for_continue(exchange, reply)
            if reply.has_head:
                self._conn.goaway()
                return
        try:
            yield from beside(self._send_body(exchange, stream, body), self._watch(reply))
        except _Refused:
            return
        except (BrokenStreamError, TimeoutError):
            raise
        except OSError:
            # The server may have answered before it closed the connection.
            yield from self._last_words(reply)
            if not reply.has_head:
                raise

    def _send_body(self, exchange: Exchange, stream: int, body: Body) -> Flow[None]:
        conn = self._conn
        pieces = body.begin()
        left = body.length or 0
        turns = 0
        try:
            while True:
                piece = yield from pieces.next_flow()
                if body.length is None:
                    conn.send(stream, piece, end=not piece)
                    yield from self._write_flow(conn.take(), exchange)
                elif piece:
                    left -= len(piece)
                    if left < 0:
                        raise HttpError.InvalidRequest(
                            f"its body has more than the announced {body.length} octets"
                        )
                    yield from self._write_flow(memoryview(piece), exchange)
                    conn.sent(stream, len(piece))
                elif left:
                    raise HttpError.InvalidRequest(
                        f"its body has less than the announced {body.length} octets: it ended {left} before"
                    )
                if not piece:
                    break
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        finally:
            pieces.close()
        exchange.timing.sent = monotonic()

    def _watch(self, reply: H1Reply) -> Flow[None]:
        """Flow: read the head of the response while the body goes. Raises _Refused if it ends the sending."""
        while not reply.has_head:
            if reply.error is not None:
                raise _Refused
            yield from self.receive_flow(reply, patient=True)
        if reply.status >= 300:
            raise _Refused

    def _last_words(self, reply: H1Reply) -> Flow[None]:
        try:
            while not reply.has_head and reply.error is None:
                yield from self.receive_flow(reply)
        except OSError:
            pass

    def _wait_for_continue(self, exchange: Exchange, reply: H1Reply) -> Flow[None]:
        """Flow: wait for 100 (Continue), for the final response, or for as long as the exchange says."""
        assert exchange.expects_continue is not None  # the caller has looked
        until = monotonic() + exchange.expects_continue
        with ContinueWatch(exchange) as watch:
            while not (watch.is_seen or reply.has_head):
                if reply.error is not None:
                    raise reply.error
                if monotonic() >= until:
                    return
                data = self.stream.try_take()
                if data is None:
                    yield self.stream.want(until=until)
                else:
                    self._take(reply, data)

    # Receiving.

    def receive_flow(self, reply: H1Reply, *, patient: bool = False) -> Flow[None]:
        """Flow: receive one piece, and do what its events say. `patient`: without a limit of time."""
        stream = self.stream
        timeout = None if patient else reply.exchange.read_timeout
        data = stream.try_take()
        if data is not None:
            self._take(reply, data)
            self._turns += 1
            if self._turns % OPERATIONS_PER_TURN == 0:
                yield PAUSE
            return
        until = None if timeout is None else monotonic() + timeout
        while data is None:
            yield stream.want(until=until)
            data = stream.try_take()
            if data is None and until is not None and monotonic() >= until:
                self.stream.close()
                raise reply._read_timeout()
        self._take(reply, data)

    def _take(self, reply: H1Reply, data: bytes) -> None:
        """Do what the received octets say; none are the end."""
        if data:
            reply.exchange.has_answer = True
            if not reply.has_head:
                whole = self._conn.whole(data)
                if whole is not None:
                    reply.take_whole(whole)
                    return
            events = self._conn.feed(data)
        else:
            events = self._conn.feed_eof()
        for event in events:
            self._on(event, reply)

    def _on(self, event: Event, reply: H1Reply) -> None:
        if isinstance(event, Data):
            reply.pieces.append((event.data, 0))
        elif isinstance(event, ResponseHead):
            reply.status, reply.fields = event.status, event.fields
            reply.version, reply.reason, reply.length = event.version, event.reason, event.length
            reply.exchange.timing.answered = monotonic()
            reply.has_head = True
            if event.end:
                reply._finish()
        elif isinstance(event, End):
            if event.trailers:
                reply.trailers = event.trailers
            reply._finish()
        elif isinstance(event, Broken):
            if not self._conn.answered and self.info.tls_version is None:
                event.error.hint = event.error.hint or "if TLS is spoken on this port, write https://"
            reply._fail(event.error)
            self.stream.close()
        elif isinstance(event, Interim):
            if reply.exchange.on_interim is not None:
                reply.exchange.on_interim(event.status, event.fields)
        elif isinstance(event, Upgraded):
            reply.status, reply.fields = event.status, event.fields
            reply.exchange.timing.answered = monotonic()
            reply.has_head = reply.is_upgraded = True
            reply.upgraded = self.stream
            self.stream.put_back(event.rest)
            reply._finish()  # what follows is no body

    def receive_into_flow(self, reply: H1Reply, view: memoryview) -> Flow[int]:
        """Flow: octets of a body straight into `view`; 0 where the protocol object must see them first."""
        direct = self._conn.direct
        if not direct:
            return 0
        timeout = reply.exchange.read_timeout
        flow = self.stream.read_into_flow(view[: min(direct, len(view))])
        if timeout is None:
            size = yield from flow
        else:
            from netkit.io import before

            size = yield from before(monotonic() + timeout, flow, expired=lambda _: reply._read_timeout())
        events = self._conn.received(size) if size else self._conn.feed_eof()
        for event in events:
            self._on(event, reply)
        self._turns += 1
        if self._turns % OPERATIONS_PER_TURN == 0:
            yield PAUSE
        return size

    def abandon(self, reply: H1Reply) -> None:
        """The body is not wanted. Drop what is there; if that is not all, close the connection."""
        dropped = 0
        try:
            while not reply.is_ended and reply.error is None and dropped < DRAIN_LIMIT:
                data = self.stream.try_take()
                if data is None:
                    break
                self._take(reply, data)
                dropped += sum(len(data) for data, _ in reply.pieces)
                reply.pieces.clear()
        except OSError:
            pass
        if not reply.is_ended:
            self.stream.close()
