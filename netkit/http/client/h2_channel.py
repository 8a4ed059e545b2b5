"""Exchanges over a connection of HTTP/2: many at a time, by flows of one event loop or of several threads.

One of the flows that wait pumps: it receives for all, gives each reply what is its own, and sends what is to
be sent. The others wait for an event. When the pump leaves, for whatever reason, it wakes another one, which
goes on (rule 9 of `netkit.io`). So no thread and no task is needed, and an idle connection costs nothing; it
is looked at before its next use, because the server may have said GOAWAY meanwhile.

What is to be sent lies in one outbox, in order. Nobody waits to put something there; who sends a body waits
while it is full (rule 8). A lock guards the protocol object, and everything that says who pumps and who
waits. It is never held across a yield, nor while code of others is called: a lease, a callback.

Flow control gives credit back when the application takes a piece, not when the piece comes: a response that
nobody reads holds back its server, and no other response (RFC 9113 section 5.2). There is one exception:
while a request's own body is being sent, nobody can take the pieces yet, so they are kept up to a limit.
"""

from __future__ import annotations

import threading
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.http.client.channel import ContinueWatch, Exchange, NoRoom, timed_out
from netkit.http.client.failures import as_http_error
from netkit.http.client.h2_reply import H2Reply, Writer
from netkit.http.client.h2_tunnel import H2ClientTunnel
from netkit.http.connection.errors import ConnectionFault, ErrorCode
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
from netkit.http.parser.errors import quoted
from netkit.io import OPERATIONS_PER_TURN, PAUSE, BusyError, ClosedError, Event as Signal, Want, race
from netkit.io.stream import RECEIVE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.http.bodies.body import Body, Pieces
    from netkit.http.client.channel import Lease
    from netkit.http.client.dial import Link
    from netkit.http.client.facts import ConnectionInfo
    from netkit.http.connection.events import Event, Events
    from netkit.http.connection.h2 import H2ClientConnection
    from netkit.io import Flow
    from netkit.io.protocols import Buffer

#: Octets that may wait to be sent before whoever sends a body waits.
OUTBOX_LIMIT = 262_144

#: How much of a body is given to the protocol object at once.
SEND_SIZE = 65_536

#: Octets of a response that are kept while the body of its request is being sent. A server that answers as it
#: reads (an echo, a filter) could not go on reading otherwise. Above it, such a server is held back.
EARLY_LIMIT = 64 << 20

#: Octets that the server may make this side send without reading them: answers to PING and SETTINGS.
ANSWERS_LIMIT = 262_144


class H2Channel:
    """A connection of HTTP/2 with its protocol object."""

    __slots__ = (
        "_answers",
        "_conn",
        "_crowded",
        "_deaf",
        "_early",
        "_failure",
        "_going_away",
        "_has_room",
        "_in_flight",
        "_info_again",
        "_lock",
        "_on_room",
        "_outbox",
        "_pump_thread",
        "_pumping",
        "_replies",
        "_retired",
        "_waiting",
        "_wake",
        "idle_since",
        "info",
        "settled",
        "stream",
    )

    is_http2 = True

    def __init__(
        self, link: Link, conn: H2ClientConnection, on_room: Callable[[], None] | None = None
    ) -> None:
        """`on_room` is called when more requests may begin than before: in any thread, with no lock held."""
        self.stream = link.stream
        self.info = link.info
        self.idle_since = 0.0
        self._info_again: ConnectionInfo | None = None
        self._conn = conn
        self._lock = threading.Lock()
        self._outbox = bytearray()
        self._pumping = False
        self._pump_thread = 0  # the number of the thread whose flow pumps
        self._wake = Signal()  # has the pump look at the outbox again
        self._replies: dict[int, H2Reply] = {}
        self._waiting: dict[H2Reply | Writer, None] = {}  # the replies whose flows wait for their signal
        self._failure: NetkitError | None = None
        self._going_away = False
        # What the pool reads without the lock: see `_count`.
        self._has_room = conn.can_request
        self._in_flight = 0
        self._retired = False  # to be closed when no request is under way
        self._on_room = on_room
        self._crowded = False  # somebody waits for room in the outbox
        self._deaf = False  # the server takes no more octets; what it has sent is still to be read
        self._answers = 0  # octets that the server made this side send, in the outbox
        self.settled = Signal()
        #: The reply to the request that is on its way already.
        self._early: H2Reply | None = None
        if link.early is not None and link.early.begun is not None:
            self._early = H2Reply(self, link.early.exchange, link.early.begun.stream)
            self._early.is_sent = True
            self._replies[self._early.stream] = self._early
            self._count()

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
            self.take_in()
        return self.has_room

    @property
    def has_room(self) -> bool:
        """Whether one more request may begin."""
        return self._has_room and self.is_usable

    @property
    def is_usable(self) -> bool:
        """Whether it may be kept for another request."""
        return not (self._failure is not None or self._going_away or self.stream.is_closed)

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._in_flight

    def _count(self) -> None:
        """Note how many requests are under way, and whether one more may begin. The caller holds the lock.

        The pool reads both without the lock. In this order, none under way means that the room is as noted.
        """
        self._has_room = self._conn.can_request
        self._in_flight = len(self._replies)

    def retire(self) -> None:
        """Close, now or as soon as no request is under way: one may have begun meanwhile."""
        with self._lock:
            self._going_away = self._retired = True
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        if self._retired and not self._replies and self._failure is None:
            self.close()

    def close(self) -> None:
        """End the connection at once, with a GOAWAY if the system takes it at once."""
        try:
            with self._lock:
                if self._failure is None and not self.stream.is_closed:
                    self._conn.goaway(ErrorCode.NO_ERROR)
                    self._push()
        except (OSError, NetkitError):
            pass
        self._fail(HttpError.ConnectionError("the connection was closed meanwhile", fault="caller"))

    # The exchange.

    def exchange_flow(self, exchange: Exchange) -> Flow[H2Reply]:
        """Flow: send the request, and return its reply when the head is there."""
        exchange.timing.phase = "send"
        body = exchange.body
        is_tunnel = exchange.head.protocol is not None
        if self._early is not None and self._early.exchange is exchange:
            reply, self._early, body = self._early, None, None
        else:
            reply = self._begin(exchange, is_tunnel)
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
            reply.tell_interims()
            if reply.error is not None and not reply.has_head:
                raise reply.error
        except BaseException:
            self.abandon(reply)
            raise
        if is_tunnel:
            if 200 <= reply.status < 300:
                reply.upgraded = H2ClientTunnel(self, reply)
            else:
                self.end_sending(reply)
        exchange.timing.phase = "receive"
        return reply

    def _begin(self, exchange: Exchange, is_tunnel: bool) -> H2Reply:
        """Put the head of a request into what is to be sent. Raises NoRoom, HttpError."""
        body = exchange.body
        with self._lock:
            if not self.is_usable:
                raise HttpError.ConnectionError("the connection takes no more requests")
            if not self._conn.can_request:
                self._count()
                raise NoRoom
            length = None if body is None else body.length
            stream = self._conn.request(exchange.head, end=body is None and not is_tunnel, length=length)
            reply = H2Reply(self, exchange, stream)
            if is_tunnel:
                reply.is_tunnel, reply.is_sent = True, False
            self._replies[stream] = reply
            self._in_flight = len(self._replies)  # first: see `_count`
            self._count()
        return reply

    def _send_body(self, exchange: Exchange, reply: H2Reply, body: Body) -> Flow[None]:
        """Flow: send the body, as flow control and the outbox have room, until the server has refused it."""
        if self._is_over(reply):
            return
        conn, stream = self._conn, reply.stream
        pieces = body.begin()
        sent = turns = 0
        try:
            while True:
                piece = memoryview((yield from self._next_piece(pieces, reply)))
                if self._is_over(reply):
                    return
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
                        if self._may_send(reply):
                            room = min(conn.room(stream), len(piece), SEND_SIZE)
                            conn.send(stream, piece[:room])
                            piece = piece[room:]
                    if room:
                        self._push_or_wake()
                        turns += 1
                        if turns % OPERATIONS_PER_TURN == 0:
                            yield PAUSE
                    else:
                        yield from self.wait_flow(
                            reply, lambda: self._may_send(reply), exchange.write_timeout
                        )
        finally:
            pieces.close()

    def _next_piece(self, pieces: Pieces, reply: H2Reply) -> Flow[Buffer]:
        """Flow: the next piece of a request's body; anything if the server wants no more of it."""
        if not pieces.waits:
            return (yield from pieces.next_flow())
        # Nobody may pump meanwhile, and the server may answer early.
        won = yield from race(pieces.next_flow(), self._watch(reply))
        return b"" if won.value is None else won.value

    def _watch(self, reply: H2Reply) -> Flow[None]:
        yield from self.wait_flow(reply, lambda: self._is_over(reply), None)

    def _may_send(self, reply: H2Reply) -> bool:
        """Whether some of a body can go, or none of it is wanted any more. The caller holds the lock."""
        if self._is_over(reply):
            return True
        if len(self._outbox) >= OUTBOX_LIMIT:
            self._crowded = True
            return False
        return self._conn.room(reply.stream) > 0

    @staticmethod
    def _is_over(reply: H2Reply) -> bool:
        """Whether no more of the request's body is wanted."""
        if reply.error is not None or reply.is_ended:
            return True
        return reply.has_head and reply.status >= 300

    def _wait_for_continue(self, exchange: Exchange, reply: H2Reply) -> Flow[None]:
        assert exchange.expects_continue is not None  # the caller has looked
        until = monotonic() + exchange.expects_continue
        with ContinueWatch(exchange) as watch:
            yield from self.wait_flow(reply, lambda: watch.is_seen or reply.has_head, None, until)

    # Waiting: one pumps, the others wait for their signal.

    def wait_flow(
        self,
        reply: H2Reply | Writer,
        is_there: Callable[[], bool],
        patience: float | None,
        until: float | None = None,
    ) -> Flow[None]:
        """Flow: until `is_there`, or the reply has failed; the flow pumps if nobody else does.

        `is_there` is called with the lock held. `patience`, in seconds, limits the wait for this stream,
        however lively the others are: then HttpError.Timeout is raised, and the caller gives the stream up.
        At `until` the flow returns. Raises BusyError if another flow waits for the same reply.
        """
        limit = until if patience is None else monotonic() + patience
        if reply.is_awaited:
            raise BusyError("response's reading side")
        reply.is_awaited = True
        try:
            while True:
                if reply.interims:
                    reply.tell_interims()
                with self._lock:
                    if is_there() or reply.error is not None:
                        return
                    if limit is not None and monotonic() >= limit:
                        break
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
                        with self._lock:
                            self._waiting.pop(reply, None)
        finally:
            reply.is_awaited = False
            # Whoever was woken to pump, and has its own answer already, or was interrupted, wakes the next.
            self._pass_on()
        if until is None:
            raise timed_out(patience, reply.exchange.timing.phase)

    def _pump_flow(
        self, reply: H2Reply | Writer, is_there: Callable[[], bool], limit: float | None
    ) -> Flow[None]:
        """Flow: receive for all and send what is to be sent, until `is_there`, or the `limit`."""
        turns = 0
        self._pump_thread = threading.get_ident()
        try:
            while True:
                if self._pump_once():
                    turns += 1
                    if turns % OPERATIONS_PER_TURN == 0:
                        yield PAUSE
                else:
                    try:
                        yield self.stream.want(write=bool(self._outbox), event=self._wake, until=limit)
                    except ClosedError as error:
                        self._fail(_broken(error))  # which says why, if that is known
                if reply.interims:
                    reply.tell_interims()
                with self._lock:
                    if is_there() or reply.error is not None:
                        return
                if limit is not None and monotonic() >= limit:
                    return
        finally:
            with self._lock:
                self._pump_thread = 0
                self._pumping = False

    def _pump_once(self) -> bool:
        """Send what goes, and take in what is there. Returns whether anything was there."""
        self._wake.clear()
        try:
            with self._lock:
                self._push()
            if self._failure is not None or not self._fill(fresh=False):
                return self._failure is not None
            self._feed()
            return True
        except (OSError, NetkitError) as error:
            self._fail(_broken(error))
            return True
        except BaseException:
            self._give_up()
            raise

    def _pass_on(self) -> None:
        """If nobody pumps, one of those who wait is woken to do it.

        It is called after the pump has left, and by everybody who leaves: so whoever began to wait while
        there was a pump is seen here.
        """
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

    def take_in(self) -> None:
        """Receive what is there, without waiting, while nobody pumps."""
        with self._lock:
            if self._pumping:
                return
            self._pumping = True
        try:
            fresh = True
            while self._failure is None and self._fill(fresh=fresh):
                self._feed()
                fresh = False
            with self._lock:
                self._push()
        except (OSError, NetkitError) as error:
            self._fail(_broken(error))
        except BaseException:
            self._give_up()
            raise
        finally:
            with self._lock:
                self._pumping = False
            self._pass_on()

    def _fill(self, *, fresh: bool) -> bool:
        """Receive what is there. True if something was, or nothing more will come."""
        try:
            return self.stream.try_fill(fresh=fresh)
        except EOFError:
            # TLS without close_notify is an end like any other: the frames say whether something is missing.
            return True

    def _give_up(self) -> None:
        """Ctrl-C came in the middle of a step: nobody knows how much of it was done."""
        self._fail(HttpError.ConnectionError("the connection was interrupted", fault="local"))

    def _feed(self) -> None:
        """Give the protocol object what was received, and each reply what is its own."""
        data = self.stream._buffer.take(RECEIVE_SIZE)
        woken: dict[H2Reply, None] = {}
        had_room = True
        try:
            with self._lock:
                had_room = self._has_room
                events = self._conn.feed(data) if data else self._conn.feed_eof()
                # RFC 9113 section 3.4: a server's first frame is SETTINGS.
                if data and not self.settled.is_set and data[3:4] != b"\x04":
                    events = [self._not_http2(event, data) for event in events]
                self._dispatch(events, woken)
                self._count()
                self._take_answers()
                self._push()
        finally:
            # Whatever became of the sending: what these wait for has come, and nobody else will tell them.
            self._rouse(woken)
        if not self.settled.is_set:
            self.settled.set()  # SETTINGS come before everything else (RFC 9113 section 3.4)
            for each in list(self._waiting):
                each.signal.set()
        if not data:
            self._fail(HttpError.ConnectionError("the server closed the connection"))
        if not had_room and self._has_room and self._on_room is not None:
            self._on_room()

    def _not_http2(self, event: Event, data: bytes) -> Event:
        """The event that breaks the connection, if the server speaks something else than HTTP/2."""
        if not isinstance(event, Broken):
            return event
        begins = quoted(data.partition(b"\r")[0])
        error = ConnectionFault(f"the server does not speak HTTP/2: it sent {begins}")
        if self.info.tls_version is None:  # with TLS, it has chosen HTTP/2 itself
            error.hint, error.remedy = "it may speak HTTP/1.1 only", "http1"
        return Broken(error, ErrorCode.PROTOCOL_ERROR)

    def _rouse(self, replies: Iterable[H2Reply]) -> None:
        """Wake the flows of these replies, and give back the channel of those that are over."""
        for reply in replies:
            reply.signal.set()
            if reply.writer is not None:
                reply.writer.signal.set()
        for reply in replies:
            if reply._lease is not None and reply.is_over:
                reply.release()
        if self._retired:
            self._close_if_retired()

    def taken_lease(self, reply: H2Reply) -> Lease | None:
        """The lease of a reply, for who ends it: two threads may want to at once."""
        with self._lock:
            return reply.take_lease()

    def _dispatch(self, events: Events, woken: dict[H2Reply, None]) -> None:
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
                    woken.update((each, None) for each in self._replies.values() if not each.is_sent)
                elif isinstance(event, Data) and event.credit:
                    self._conn.consumed(event.stream, event.credit)  # of a stream that was given up
                continue
            woken[reply] = None
            if type(event) is Data:
                credit = event.credit
                if not (reply.is_sent or reply.is_tunnel) and reply.early < EARLY_LIMIT:
                    reply.early += credit
                    self._conn.consumed(event.stream, credit)
                    credit = 0
                reply.pieces.append((event.data, credit))
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
                if reply.interims is None:
                    reply.interims = []
                reply.interims.append((event.status, event.fields))
            elif isinstance(event, Reset):
                if event.is_safe:
                    # The server has not worked on it: as if it had not been sent (RFC 9113 section 8.7).
                    reply.exchange.was_sent = reply.exchange.has_answer = False
                self._drop(reply, event.error)

    def _end(self, reply: H2Reply) -> None:
        reply.is_ended = True
        if reply.is_tunnel and not reply.is_sent and 200 <= reply.status < 300:
            return  # this side may go on sending
        self._replies.pop(reply.stream, None)
        if reply.is_tunnel and not reply.is_sent:
            self._conn.send(reply.stream, b"", end=True)  # it was refused
            reply.is_sent = True
        elif not reply.is_sent:
            # The server wants no more of the request (RFC 9113 section 8.1).
            self._conn.reset(reply.stream, ErrorCode.NO_ERROR)
        reply.exchange.timing.ended = monotonic()

    def _drop(self, reply: H2Reply, error: NetkitError) -> None:
        self._replies.pop(reply.stream, None)
        if reply.error is None and not reply.is_ended:
            # Each its own: an error that several flows raise would collect the frames of all.
            reply.error = copy(error)
            reply.error.__cause__ = error.__cause__

    def _fail(self, error: NetkitError) -> None:
        """The connection is over: so are all its streams."""
        with self._lock:
            if self._failure is None:
                self._failure = error
            lost = list(self._replies.values())
            for reply in lost:
                self._drop(reply, self._failure)
            self._in_flight = 0
        self._rouse(lost)
        self.settled.set()
        self.stream.close()

    # Sending.

    def _push(self) -> None:
        """Send what goes at once. The caller holds the lock."""
        outbox = self._outbox
        if self._conn.has_output:
            outbox += self._conn.take()
        if self._deaf:
            outbox.clear()
        try:
            while outbox:
                view = memoryview(outbox)
                try:
                    sent = self.stream.offer(view[:RECEIVE_SIZE])
                finally:
                    view.release()
                if not sent:
                    break
                del outbox[:sent]
            if not outbox and self.stream.unsent:
                self.stream.offer(b"")
        except ConnectionError as error:
            if isinstance(error, NetkitError):
                raise
            # The server may have answered before it left: reading goes on, to the end of what it sent.
            self._deaf = True
            self._outbox = outbox = bytearray()  # the old one is still in the frames of the error
        if not outbox:
            self._answers = 0
        if self._crowded and len(outbox) < OUTBOX_LIMIT:
            self._crowded = False
            for reply in self._waiting:
                if not reply.is_sent or isinstance(reply, Writer):
                    reply.signal.set()

    def _take_answers(self) -> None:
        """Put into the outbox what the server made this side say; it must read that, or the connection ends.

        The caller holds the lock.
        """
        if self._conn.has_output:
            answers = self._conn.take()
            self._outbox += answers
            self._answers += len(answers)
            if self._answers > ANSWERS_LIMIT:
                raise ConnectionFault(
                    "the server does not read the answers that it asks for",
                    ErrorCode.ENHANCE_YOUR_CALM,
                    limit_name="answers",
                    limit=ANSWERS_LIMIT,
                )

    # What a stream of octets asks: see `h2_tunnel`.

    def takes_protocols_flow(self, exchange: Exchange) -> Flow[bool]:
        """Flow: whether the server takes an extended CONNECT (RFC 8441 section 3): its SETTINGS say so."""
        if not self.settled.is_set:
            waiter = H2Reply(self, exchange, -1)  # nothing comes for such a stream
            with self._lock:
                if self._failure is not None:
                    raise self._failure
                self._replies[waiter.stream] = waiter
            try:
                yield from self.wait_flow(waiter, lambda: self.settled.is_set, exchange.read_timeout)
            finally:
                with self._lock:
                    self._replies.pop(waiter.stream, None)
                    self._count()
            if waiter.error is not None:
                raise waiter.error
        with self._lock:
            return self._conn.takes_protocols

    def put(self, reply: H2Reply, data: memoryview) -> int:
        """Send as much of `data` as flow control and the outbox have room for; how much that is."""
        with self._lock:
            room = min(self._conn.room(reply.stream), len(data), SEND_SIZE) if self._may_put(reply) else 0
            if room:
                self._conn.send(reply.stream, data[:room])
        if room:
            self._push_or_wake()
        return room

    def may_put(self, reply: H2Reply) -> bool:
        """Whether `put` finds room, or an error; for `wait_flow`, which holds the lock."""
        return reply.error is not None or self._may_put(reply)

    def _may_put(self, reply: H2Reply) -> bool:
        if reply.error is not None or self._failure is not None or reply.is_sent:
            return False
        if len(self._outbox) >= OUTBOX_LIMIT:
            self._crowded = True
            return False
        return self._conn.room(reply.stream) > 0

    @property
    def unsent(self) -> int:
        """How many octets the system has not taken."""
        return len(self._outbox) + self.stream.unsent

    def is_flushed(self) -> bool:
        """Whether the system has all; for `wait_flow`, which holds the lock."""
        if self._failure is not None or not (self._outbox or self._conn.has_output or self.stream.unsent):
            return True
        self._crowded = True  # so that the pump says when some has gone
        return False

    def end_sending(self, reply: H2Reply) -> None:
        """This side of a stream of octets is over."""
        with self._lock:
            if reply.is_sent:
                return
            reply.is_sent = True
            if reply.error is not None or self._failure is not None:
                return
            self._conn.send(reply.stream, b"", end=True)
            is_over = reply.is_ended and self._replies.pop(reply.stream, None) is not None
            if is_over:
                self._count()
        self._push_or_wake()
        if is_over:
            reply.release()
            self._close_if_retired()

    def _push_or_wake(self) -> None:
        """Send what goes at once; the pump, if there is one, sends the rest."""
        try:
            with self._lock:
                self._push()
                left = bool(self._outbox) or self.stream.unsent > 0
        except (OSError, NetkitError) as error:
            self._fail(_broken(error))
            return
        except BaseException:
            self._give_up()
            raise
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
        with self._lock:
            if self._failure is None:
                self._conn.consumed(reply.stream, credit)
        self._push_soon()

    def abandon(self, reply: H2Reply) -> None:
        """The reply is not wanted any more: tell the server, if it is not over, and whoever waits for it."""
        with self._lock:
            credit = sum(credit for _, credit in reply.pieces)
            reply.pieces.clear()
            is_live = self._replies.get(reply.stream) is reply
            if is_live:
                self._drop(reply, HttpError.ConnectionError("the response was closed", fault="caller"))
            if self._failure is None:
                if is_live:
                    self._conn.reset(reply.stream, ErrorCode.CANCEL)
                if credit:
                    self._conn.consumed(reply.stream, credit)
            self._count()
        if is_live and reply.is_awaited:
            reply.signal.set()
            self._wake.set()  # if the one that waits is the pump
        if is_live and not self.settled.is_set:
            self.settled.set()  # there is room now, and perhaps nobody who pumps
        self._push_or_wake()
        self._close_if_retired()


def _broken(error: OSError | NetkitError) -> NetkitError:
    """The connection broke, as the error of HTTP."""
    made = as_http_error(error, "receive")
    assert isinstance(made, NetkitError)  # it takes every OSError, and leaves other errors of netkit alone
    return made
