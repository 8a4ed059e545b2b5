"""Exchanges over a connection of HTTP/2: many at a time, by flows of one event loop or of several threads.

One of the flows that wait pumps: it receives for all, gives each reply what is its own, and sends what is to
be sent. The others wait for an event. When the pump leaves, for whatever reason, it wakes another one, which
goes on (rule 9 of `netkit.io`). So no thread and no task is needed, and an idle connection costs nothing; it
is looked at before its next use, because the server may have said GOAWAY meanwhile.

What is to be sent lies in one outbox, in order. Nobody waits to put something there; who sends a body waits
while it is full (rule 8). A lock guards the protocol object; it is never held across a yield.

Flow control gives credit back when the application takes a piece, not when the piece comes: a response that
nobody reads holds back its server, and no other response (RFC 9113 section 5.2).
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.client.channel import Exchange, NoRoom, Reply
from netkit.http.connection.errors import ErrorCode
from netkit.http.connection.events import (
    Broken,
    Data,
    End,
    GoAway,
    Interim,
    Reset,
    ResponseHead,
    Room,
)
from netkit.http.errors import HttpError
from netkit.io import OPERATIONS_PER_TURN, PAUSE, Event as Signal, Want
from netkit.io.stream import RECEIVE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.errors import NetkitError
    from netkit.http.client.body import Body
    from netkit.http.client.dial import Link
    from netkit.http.client.facts import ConnectionInfo
    from netkit.http.connection.events import ClientConnection, Events
    from netkit.io import Flow

#: Octets that may wait to be sent before whoever sends a body waits.
OUTBOX_LIMIT = 262_144

#: How much of a body is given to the protocol object at once.
SEND_SIZE = 65_536


class H2Reply(Reply):
    """A response over HTTP/2."""

    def __init__(self, channel: H2Channel, exchange: Exchange, stream: int) -> None:
        Reply.__init__(self, exchange)  # super() would cost as much again
        self._channel = channel
        self.stream = stream
        self.version = (2, 0)
        #: Set when something has come for this reply, or when its flow is to pump.
        self.signal = Signal()
        #: Whether the request has been sent whole.
        self.is_sent = exchange.body is None

    def next_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; `b""` at its end."""
        if not self.pieces and not self.is_ended and self.error is None:
            yield from self._channel.wait_flow(self, self._has_piece, self.exchange.read_timeout)
        if self.pieces:
            data, credit = self.pieces.popleft()
            self._channel.give_back(self, credit)
            return data
        if self.error is not None:
            raise self.error
        return b""

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` octets of the body into `view`; 0 at its end.

        All that has come, because servers send small frames.
        """
        pieces = self.pieces
        if not pieces and not self.is_ended and self.error is None:
            yield from self._channel.wait_flow(self, self._has_piece, self.exchange.read_timeout)
        if not pieces and self.error is not None:
            raise self.error
        size = credit_of_all = 0
        room = len(view)
        while pieces and size < room:
            data, credit = pieces.popleft()
            if len(data) > room - size:
                pieces.appendleft((data[room - size :], 0))
                data = data[: room - size]
            view[size : size + len(data)] = data
            size += len(data)
            credit_of_all += credit
        self._channel.give_back(self, credit_of_all)
        return size

    def _has_piece(self) -> bool:
        return bool(self.pieces) or self.is_ended or self.error is not None

    def close(self) -> None:
        """Give up what is left of the body: the server is told so (RST_STREAM)."""
        credit = sum(credit for _, credit in self.pieces)
        self.pieces.clear()
        self._channel.abandon(self, credit)
        self.release()


class H2Channel:
    """A connection of HTTP/2 with its protocol object."""

    __slots__ = (
        "_conn",
        "_failure",
        "_going_away",
        "_info_again",
        "_lock",
        "_outbox",
        "_pump_thread",
        "_pumping",
        "_replies",
        "_waiting",
        "_wake",
        "idle_since",
        "info",
        "stream",
        "uses",
    )

    is_http2 = True

    def __init__(self, link: Link, conn: ClientConnection) -> None:
        self.stream = link.stream
        self.info = link.info
        self.idle_since = 0.0
        self.uses = 0
        self._info_again: ConnectionInfo | None = None
        self._conn = conn
        self._lock = threading.Lock()
        self._outbox = bytearray()
        self._pumping = False
        self._pump_thread = 0  # the number of the thread whose flow pumps
        self._wake = Signal()  # has the pump look at the outbox again
        self._replies: dict[int, H2Reply] = {}
        self._waiting: dict[H2Reply, None] = {}  # the replies whose flows wait for their signal
        self._failure: NetkitError | None = None
        self._going_away = False

    # What the pool asks.

    @property
    def info_again(self) -> ConnectionInfo:
        """What is known of the connection, for the exchanges after the first."""
        if self._info_again is None:
            self._info_again = self.info.again()
        return self._info_again

    def is_alive(self) -> bool:
        """Take in what has come while nobody waited. Whether it can take a request now."""
        if not self._pumping:
            self._take_in()
        return self.has_room

    @property
    def has_room(self) -> bool:
        """Whether one more request may begin."""
        return self.is_usable and self._conn.can_request

    @property
    def is_usable(self) -> bool:
        """Whether it may be kept for another request."""
        return not (
            self._failure is not None or self._going_away or self._conn.is_closed or self.stream.is_closed
        )

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._replies)

    def close(self) -> None:
        """End the connection at once, with a GOAWAY if the system takes it at once."""
        try:
            with self._lock:
                if self._failure is None and not self.stream.is_closed:
                    self._conn.goaway(ErrorCode.NO_ERROR)
                    self._push()
        except OSError:
            pass
        self.stream.close()

    # The exchange.

    def exchange_flow(self, exchange: Exchange) -> Flow[H2Reply]:
        """Flow: send the request, and return its reply when the head is there."""
        exchange.timing.phase = "send"
        body = exchange.body
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._conn.can_request:
                raise NoRoom
            length = None if body is None else body.length
            stream = self._conn.request(exchange.head, end=body is None, length=length)
            self.uses += 1
            reply = H2Reply(self, exchange, stream)
            self._replies[stream] = reply
        try:
            exchange.was_sent = True
            if body is None:
                self._push_soon()
            else:
                self._push_or_wake()
                if exchange.expects_continue is not None:
                    yield from self._wait_for_continue(exchange, reply)
                yield from self._send_body(exchange, reply, body)
            if exchange.timing.sent is None:
                exchange.timing.sent = monotonic()
            exchange.timing.phase = "wait"
            if not reply.has_head and reply.error is None:
                yield from self.wait_flow(reply, lambda: reply.has_head, exchange.read_timeout)
            if reply.error is not None and not reply.has_head:
                raise reply.error
        except BaseException:
            self.abandon(reply, 0)
            raise
        exchange.timing.phase = "receive"
        return reply

    def _send_body(self, exchange: Exchange, reply: H2Reply, body: Body) -> Flow[None]:
        """Flow: send the body, as flow control and the outbox have room, until the server has refused it."""
        conn, stream = self._conn, reply.stream
        pieces = body.begin()
        sent = 0
        try:
            while True:
                piece = memoryview((yield from pieces.next_flow()))
                sent += len(piece)
                if body.length is not None and (sent > body.length or (not piece and sent < body.length)):
                    raise HttpError.InvalidRequest(
                        f"its body has {'more' if piece else 'less'} than the announced {body.length} octets"
                    )
                if not piece:
                    with self._lock:
                        if not self._is_over(reply):
                            conn.send(stream, b"", end=True)
                            reply.is_sent = True
                    self._push_or_wake()
                    return
                while piece:
                    room = 0
                    with self._lock:
                        if self._is_over(reply):
                            return
                        if len(self._outbox) < OUTBOX_LIMIT:
                            room = min(conn.room(stream), len(piece), SEND_SIZE)
                        if room:
                            conn.send(stream, piece[:room])
                            piece = piece[room:]
                    if room:
                        self._push_or_wake()
                    else:
                        yield from self.wait_flow(
                            reply, lambda: self._may_send(reply), exchange.write_timeout
                        )
        finally:
            pieces.close()

    def _may_send(self, reply: H2Reply) -> bool:
        if self._is_over(reply):
            return True
        return len(self._outbox) < OUTBOX_LIMIT and self._conn.room(reply.stream) > 0

    @staticmethod
    def _is_over(reply: H2Reply) -> bool:
        """Whether no more of the request's body is wanted."""
        if reply.error is not None or reply.is_ended:
            return True
        return reply.has_head and reply.status >= 300

    def _wait_for_continue(self, exchange: Exchange, reply: H2Reply) -> Flow[None]:
        assert exchange.expects_continue is not None  # the caller has looked
        seen = [False]
        tell = exchange.on_interim

        def note(status: int, fields: list[tuple[bytes, bytes]]) -> None:
            seen[0] = seen[0] or status == 100
            if tell is not None:
                tell(status, fields)

        exchange.on_interim = note
        until = monotonic() + exchange.expects_continue
        try:
            yield from self.wait_flow(reply, lambda: seen[0] or reply.has_head, None, until)
        finally:
            exchange.on_interim = tell

    # Waiting: one pumps, the others wait for their signal.

    def wait_flow(
        self,
        reply: H2Reply,
        is_there: Callable[[], bool],
        patience: float | None,
        until: float | None = None,
    ) -> Flow[None]:
        """Flow: until `is_there`, or the reply has failed; the flow pumps if nobody else does.

        `patience`, in seconds, limits the wait for anything to come on this stream: then the stream is
        given up, and HttpError.Timeout raised. At `until` the flow returns.
        """
        limit = until if patience is None else monotonic() + patience
        try:
            while True:
                with self._lock:
                    if is_there() or reply.error is not None:
                        return
                    pumps = not self._pumping
                    if pumps:
                        self._pumping = True
                    else:
                        reply.signal.clear()
                        self._waiting[reply] = None
                if pumps:
                    yield from self._pump_flow(reply, is_there, limit)
                else:
                    try:
                        yield Want(event=reply.signal, until=limit)
                    finally:
                        self._waiting.pop(reply, None)
                if limit is not None and monotonic() >= limit and not is_there() and reply.error is None:
                    if until is not None:
                        return
                    raise reply._read_timeout()
        finally:
            # Whoever was woken to pump, and has its own answer already, or was interrupted, wakes the next.
            self._pass_on()

    def _pump_flow(self, reply: H2Reply, is_there: Callable[[], bool], limit: float | None) -> Flow[None]:
        """Flow: receive for all and send what is to be sent, until `is_there`, or the `limit`."""
        turns = 0
        self._pump_thread = threading.get_ident()
        try:
            while not (is_there() or reply.error is not None):
                if limit is not None and monotonic() >= limit:
                    return
                if self._pump_once():
                    turns += 1
                    if turns % OPERATIONS_PER_TURN == 0:
                        yield PAUSE
                    continue
                yield self.stream.want(write=bool(self._outbox), event=self._wake, until=limit)
        finally:
            self._pump_thread = 0
            self._pumping = False

    def _pump_once(self) -> bool:
        """Send what goes, and take in what is there. Returns whether anything was there."""
        self._wake.clear()
        try:
            with self._lock:
                self._push()
            if self._failure is not None or not self.stream.try_fill():
                return self._failure is not None
            self._feed()
            return True
        except OSError as error:
            self._fail(_broken(error))
            return True

    def _pass_on(self) -> None:
        """If nobody pumps, one of those who wait is woken to do it."""
        if self._pumping:
            return
        if self._waiting:
            with self._lock:
                heir = next(iter(self._waiting), None)
            if heir is not None:
                heir.signal.set()
                return
        if self._wake.is_set:  # for a pump that has left
            self._push_or_wake()

    def _take_in(self) -> None:
        """Receive what is there, without waiting, while nobody pumps."""
        with self._lock:
            if self._pumping:
                return
            self._pumping = True
        try:
            fresh = True
            while self._failure is None and self.stream.try_fill(fresh=fresh):
                self._feed()
                fresh = False
            with self._lock:
                self._push()
        except OSError as error:
            self._fail(_broken(error))
        finally:
            self._pumping = False
            self._pass_on()

    def _feed(self) -> None:
        """Give the protocol object what was received, and each reply what is its own."""
        data = self.stream._buffer.take(RECEIVE_SIZE)
        woken: list[H2Reply] = []
        try:
            with self._lock:
                events = self._conn.feed(data) if data else self._conn.feed_eof()
                woken = self._dispatch(events)
                self._push()
            if not data:
                self._fail(HttpError.ConnectionError("the server closed the connection"))
        finally:
            # Also where sending fails: a response that is there is over for whoever waits for it.
            for reply in woken:
                if reply.is_ended or reply.error is not None:
                    reply.release()
                reply.signal.set()

    def _dispatch(self, events: Events) -> list[H2Reply]:
        woken: dict[H2Reply, None] = {}
        for event in events:
            reply = self._replies.get(event.stream)
            if reply is None:
                if isinstance(event, Broken):
                    self._failure = event.error
                    for each in list(self._replies.values()):
                        self._drop(each, event.error)
                        woken[each] = None
                elif isinstance(event, GoAway):
                    self._going_away = True
                elif isinstance(event, Room):
                    woken.update(dict.fromkeys(self._replies.values()))
                elif isinstance(event, Data) and event.credit:
                    self._conn.consumed(event.stream, event.credit)  # of a stream that was given up
                continue
            woken[reply] = None
            if type(event) is Data:
                reply.pieces.append((event.data, event.credit))
            elif type(event) is ResponseHead:
                reply.status, reply.fields = event.status, event.fields
                reply.length = event.length
                reply.may_be_coded = b"content-encoding" in dict(event.fields)
                reply.exchange.has_answer = reply.has_head = True
                reply.exchange.timing.answered = monotonic()
                if event.end:
                    self._end(reply)
            elif type(event) is End:
                reply.trailers = event.trailers
                self._end(reply)
            elif isinstance(event, Interim):
                reply.exchange.has_answer = True
                if reply.exchange.on_interim is not None:
                    reply.exchange.on_interim(event.status, event.fields)
            elif isinstance(event, Reset):
                if event.is_safe:
                    # The server has not worked on it: as if it had not been sent (RFC 9113 section 8.7).
                    reply.exchange.was_sent = reply.exchange.has_answer = False
                self._drop(reply, event.error)
        return list(woken)

    def _end(self, reply: H2Reply) -> None:
        self._replies.pop(reply.stream, None)
        reply.is_ended = True
        if not reply.is_sent:
            # The server wants no more of the request (RFC 9113 section 8.1).
            self._conn.reset(reply.stream, ErrorCode.NO_ERROR)
        reply.exchange.timing.ended = monotonic()

    def _drop(self, reply: H2Reply, error: NetkitError) -> None:
        self._replies.pop(reply.stream, None)
        if reply.error is None and not reply.is_ended:
            reply.error = error

    def _fail(self, error: NetkitError) -> None:
        """The connection is over: so are all its streams."""
        with self._lock:
            if self._failure is None:
                self._failure = error
            lost = list(self._replies.values())
            for reply in lost:
                self._drop(reply, self._failure)
        for reply in lost:
            reply.release()
            reply.signal.set()
        self.stream.close()

    # Sending.

    def _push(self) -> None:
        """Send what goes at once. The caller holds the lock."""
        outbox = self._outbox
        if self._conn.has_output:
            outbox += self._conn.take()
        while outbox:
            view = memoryview(outbox)
            try:
                sent = self.stream.offer(view[:RECEIVE_SIZE])
            finally:
                view.release()
            if not sent:
                return
            del outbox[:sent]
        if self.stream.unsent:
            self.stream.offer(b"")

    def _push_or_wake(self) -> None:
        """Send what goes at once; the pump, if there is one, sends the rest."""
        try:
            with self._lock:
                self._push()
                left = bool(self._outbox) or self.stream.unsent > 0
        except OSError as error:
            self._fail(_broken(error))
            return
        if left and self._pumping:
            self._wake.set()

    def _push_soon(self) -> None:
        """Send what is to be sent in this turn of the loop, with what others add to it, by one call.

        So many small requests cost one call each to the system, and one to the server, only if they come one
        by one. The pump does it, if it is a flow of this thread: it is woken after those that run now.
        """
        if self._pumping and self._pump_thread == threading.get_ident():
            if not self._wake.is_set:
                self._wake.set()
        else:
            self._push_or_wake()

    def give_back(self, reply: H2Reply, credit: int) -> None:
        """The application has taken octets of that credit: as many more may come."""
        if not credit:
            return
        with self._lock:
            if self._failure is None:
                self._conn.consumed(reply.stream, credit)
        self._push_soon()

    def abandon(self, reply: H2Reply, credit: int) -> None:
        """The reply is not wanted any more: tell the server, if it is not over."""
        with self._lock:
            if self._failure is None:
                if self._replies.pop(reply.stream, None) is not None:
                    self._conn.reset(reply.stream, ErrorCode.CANCEL)
                if credit:
                    self._conn.consumed(reply.stream, credit)
        self._push_or_wake()


def _broken(error: OSError) -> HttpError:
    """The connection broke, as the error of HTTP."""
    if isinstance(error, HttpError):
        return error
    made = HttpError.ConnectionError(f"the connection broke: {error.strerror or error}", errno=error.errno)
    made.__cause__ = error
    return made
