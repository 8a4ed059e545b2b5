"""A connection of HTTP/2, served: many exchanges at a time, each in a flow of its own (RFC 9113).

Section 5.1 (streams), 6.8 (GOAWAY), 8.1 (early responses), 10.5 (floods).

One flow pumps: it receives, tells each exchange what came for it, begins new ones, and sends the outbox. The
handlers run beside it, as branches of one join. `h2_server` makes every decision of the protocol; what stands
here waits, says how long, and says how much may lie in memory meanwhile:

- as many handlers run as the client may have streams, also if it resets them at once;
- a body that is sent waits while the outbox holds `OUTBOX_LIMIT` octets, and nothing more is received while
  it holds `DEAF_LIMIT`: so a client that never reads is held to that, whatever it asks for;
- a client that takes nothing of the outbox for `write_timeout`, or too little of it, is left.

Two decisions a reader would wonder about. A stream that is answered before its request has ended is reset
only after `UNWANTED_TIMEOUT`: clients that find the reset right behind the response take it for a failure,
and drop the response (curl 7.88 does). And a connection that is to end says GOAWAY twice (section 6.8). The
first names no stream, and goes with a PING. The second follows the answer, or `LEAVE_TIMEOUT`, and names the
last stream: so what the client asked before it had read the first one is answered too.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.http.connection.errors import ErrorCode
from netkit.http.connection.events import Broken, Data, End, PingAnswered, RequestReceived, Reset, Room
from netkit.http.connection.h2 import WARNING, h2_server
from netkit.http.errors import HttpError
from netkit.http.server.early.serving import EarlyServing
from netkit.http.server.exchange import unanswered
from netkit.http.server.h2.exchange import H2Exchange
from netkit.http.server.h2.tunnel import SEND_SIZE
from netkit.http.server.handling.brief import resumed
from netkit.http.server.handling.in_time import in_time
from netkit.http.server.patience import Patience
from netkit.http.server.refusal import refusal, status_of
from netkit.io import OPERATIONS_PER_TURN, PAUSE, ClosedError, Event, Want, before
from netkit.io.compose import Join
from netkit.serve.farewell import LINGER

if TYPE_CHECKING:
    from netkit.http.connection.events import Events
    from netkit.http.server.request import ConnectionFacts
    from netkit.http.server.service import Service
    from netkit.io import ByteStream, Flow
    from netkit.io.compose import Branch
    from netkit.io.protocols import Buffer

#: Octets that may wait to be sent before whoever sends a body waits.
OUTBOX_LIMIT = 262_144

#: Octets that may wait to be sent before nothing more is received: heads, and answers to PING and SETTINGS,
#: wait for nobody.
DEAF_LIMIT = 524_288

#: How much of the outbox is offered to the stream at once, in octets.
OFFER_SIZE = 262_144

#: How long a client may take to answer the PING that goes with the first GOAWAY, in seconds.
LEAVE_TIMEOUT = 0.5

#: How long a client may take to end a request that is answered, in seconds, before its stream is reset.
UNWANTED_TIMEOUT = 0.25

#: What that PING carries.
_LEAVING = b"leaving."


class Unwanted:
    """The rest of a request that was answered before its end: until when it may come, and what has."""

    __slots__ = ("dropped", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.dropped = 0


class H2Serving(EarlyServing):
    """One connection, while it is served.

    `exchanges` are those that are not over, by their streams; `crowd` are those that wait for the outbox.
    `is_leaving`: the client was told to begin no more.
    """

    def __init__(self, service: Service, stream: ByteStream, facts: ConnectionFacts) -> None:
        super().__init__(facts)
        self.service = service
        self.config = config = service.config
        self.stream = stream
        self.conn = h2_server(config.limits)
        self.server_name = None if config.server_name is None else config.server_name.encode("latin-1")
        self.exchanges: dict[int, H2Exchange] = {}
        self.crowd: deque[H2Exchange] = deque()
        self._join = Join()
        self._unwanted: dict[int, Unwanted] = {}  # answered streams whose requests are not over
        self._begun: deque[H2Exchange] = deque()  # received, and not handed to the handler yet
        self._running = 0
        self._most = config.limits.max_concurrent_streams
        self._wake = Event()  # has the pump look again
        self._failure: Exception | None = None  # what broke the connection
        self._is_lost = False  # and no octet reaches the client any more
        self._has_ended = False  # the client will send no more
        # Sending: what the system has not taken yet, and what the protocol object has been given since.
        self._outbox = bytearray()
        self._given = 0
        self._writes = False  # the pump waits until the stream can be written
        self._sent = 0
        self._stuck_since: float | None = None
        self._writing = Patience(config.write_timeout, config.min_rate)
        # Ending.
        self._idle_since = monotonic()
        self._head_until: float | None = None
        self._leave_until: float | None = None
        self.is_leaving = self._has_left = False
        # The requests that wait until the client has finished its TLS handshake.
        self._held: list[H2Exchange] = []

    def run_flow(self) -> Flow[None]:
        """Flow: serve the connection to its end."""
        with self._join as join:
            try:
                pump: Branch[None] = join.start(self._pump_flow())
                join.start(self._stop_flow())
                while pump.outcome is None:
                    stepped = join.step()
                    if stepped is None:
                        if not self._begun:  # else this is only a turn for others, and the pump goes on
                            self._look_at_output()
                        yield join.want
                        join.collect()
                    elif stepped.outcome is not None:
                        stepped.outcome.unwrap()
                pump.outcome.unwrap()
            finally:
                self._end_exchanges()
        yield from self._farewell()

    def _lost(self, error: Exception) -> None:
        """Nothing reaches the client any more: the pump ends, and everything with it."""
        self._is_lost = True
        if self._failure is None:
            self._failure = error
        self._wake.set()

    def _end_exchanges(self) -> None:
        """The connection is over, and with it what is still under way."""
        failure = self._failure or ClosedError("connection")
        for held in self._held:
            del self.exchanges[held.stream]  # as if nothing had come: its client was never there
        self._held.clear()
        for exchange in self.exchanges.values():
            exchange.fail(failure)
        while self._begun:
            self._over(self._begun.popleft(), failure)

    def _stop_flow(self) -> Flow[None]:
        """Flow: when the server stops, or has a successor, take no further request."""
        yield from self.service.retiring.wait()
        self.leave()

    # Receiving.

    def _pump_flow(self) -> Flow[None]:
        """Flow: receive for all, begin exchanges, and send, until the connection is over."""
        turns = 0
        self._feed_first_early()
        while True:
            while True:
                while self._begun and self._running < self._most:
                    self._begin()
                    turns += 1
                    if turns % OPERATIONS_PER_TURN == 0:
                        yield PAUSE
                data = self._received()
                if self._unconfirmed is not None:
                    came_early = self._look_for_early()
                    if data is None and (came_early or self._unconfirmed is None):
                        continue
                if data is None:
                    break
                self.push()
                self._feed(data)
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
            self.push()
            if self._is_over():
                return
            yield from self._wait()

    def _received(self) -> bytes | None:
        """What has come, `b""` at the end; None if nothing has, or nothing is to be taken now."""
        if self._has_ended or self._failure is not None or self.queued >= DEAF_LIMIT:
            return None
        try:
            return self.stream.try_take()
        except (EOFError, OSError, NetkitError) as error:
            unconfirmed = self._unconfirmed
            if unconfirmed is None or unconfirmed.is_over:
                if isinstance(error, EOFError):
                    return b""  # TLS without close_notify: the frames say whether something is missing
                if not isinstance(error, OSError):
                    raise
            self._lost(error)
            return None

    def _confirmed(self) -> None:
        """Let go what was held until the TLS handshake was over."""
        now = monotonic()
        for exchange in self._held:
            exchange.begun = now
        self._begun.extend(self._held)
        self._held.clear()

    def _feed(self, data: bytes, *, is_later: bool = True) -> None:
        """Tell the exchanges what the received octets mean for them; `is_later`: after the TLS handshake."""
        conn = self.conn
        if data:
            events = conn.feed(data)
            if self._early is not None:
                # A head that began with the octets that came early, and has not ended, is early too.
                self._mark(events, int(conn.is_in_head), is_later=is_later)
        else:
            self._has_ended = True
            events = conn.feed_eof()
        self._dispatch(events)
        if conn.is_in_head:
            if self._head_until is None:
                self._head_until = _later(self.config.head_timeout)
        else:
            self._head_until = None
        if not data:
            for exchange in self.exchanges.values():
                exchange.left()

    def _dispatch(self, events: Events) -> None:
        exchanges = self.exchanges
        for event in events:
            kind = type(event)
            if kind is RequestReceived:
                assert isinstance(event, RequestReceived)
                exchanges[event.stream] = exchange = H2Exchange(self, event)
                if self._unconfirmed is not None and self._unconfirmed.holds(event.head):
                    self._held.append(exchange)
                else:
                    self._begun.append(exchange)
            elif kind is Data:
                assert isinstance(event, Data)
                receiver = exchanges.get(event.stream)
                if receiver is None or receiver.has_come:
                    self._drop(event.stream, event.credit)
                else:
                    receiver.pieces.append((event.data, event.credit))
                    receiver.told()
            elif kind is End:
                assert isinstance(event, End)
                receiver = exchanges.get(event.stream)
                if receiver is not None:
                    receiver.trailers = event.trailers
                    receiver.has_come = True
                    receiver.told()
                else:
                    self._unwanted.pop(event.stream, None)
            elif isinstance(event, Room):
                self._room(event.stream)
            elif isinstance(event, Reset):
                self._was_reset(event)
            elif isinstance(event, PingAnswered):
                if event.data == _LEAVING:
                    self._leave_now()
            elif isinstance(event, Broken):
                self._failure = event.error
                self.service.fault(self.facts, event.error)

    def _room(self, stream: int) -> None:
        """The client takes more: on one stream, or on all."""
        if stream:
            exchange = self.exchanges.get(stream)
            if exchange is not None and exchange.waits_for_window:
                exchange.let()
            return
        for each in self.exchanges.values():
            if each.waits_for_window:
                each.let()

    def _was_reset(self, event: Reset) -> None:
        """A stream is over: the client gave it up, or broke a rule on it."""
        error = event.error
        if event.code is not None and not (isinstance(error, HttpError) and _is_by_peer(error)):
            self.service.fault(self.facts, error)
        exchange = self.exchanges.get(event.stream)
        if exchange is None:
            self._unwanted.pop(event.stream, None)
            return
        exchange.fail(error)
        branch = exchange.branch
        if exchange in self._held:
            self._held.remove(exchange)
            del self.exchanges[event.stream]
        elif branch is None:
            self._begun.remove(exchange)
            self._over(exchange, error)
        elif not exchange.is_watched or self._running >= self._most:
            self._join.close(branch)

    # Exchanges.

    def _begin(self) -> None:
        """Hand the next request to the handler; one that does not wait is over then."""
        exchange = self._begun.popleft()
        config = self.config
        self.facts.requests += 1
        if config.max_requests is not None and self.facts.requests >= config.max_requests:
            self.leave()
        self._running += 1
        handling = self.service.handler.handle_flow(exchange)
        if config.handler_timeout is not None:
            handling = in_time(handling, exchange, config.handler_timeout)
        try:
            want = handling.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        except StopIteration:
            if exchange.is_ended:
                self._running -= 1
                self._over(exchange, None)
                return
            rest = _nothing()
        except Exception as error:
            rest = _raising(error)
        else:
            rest = resumed(handling, want)
        exchange.branch = self._join.start(self._answer(exchange, rest))

    def _answer(self, exchange: H2Exchange, handling: Flow[None]) -> Flow[None]:
        """Flow: let the handler go on, and end what it has left."""
        error: Exception | None = None
        try:
            try:
                yield from handling
                if not exchange.is_ended and exchange.failure is None:
                    raise unanswered(exchange)
            except Exception as caught:
                error = caught
                if exchange.failure is None and not (exchange.is_ended and exchange.tunnel is None):
                    yield from self._answer_failure(exchange, caught)
        except Exception as caught:
            if exchange.failure is None:
                raise
            error = error or caught
        finally:
            self._running -= 1
            self._over(exchange, error or exchange.failure)

    def _answer_failure(self, exchange: H2Exchange, error: Exception) -> Flow[None]:
        """Flow: say what went wrong, as far as a client may know; break off a response that has begun."""
        if exchange.status is not None:
            exchange.abort()
        else:
            status = status_of(error, received=error is exchange.refused)
            yield from exchange.respond_flow(refusal(status))

    def _over(self, exchange: H2Exchange, error: Exception | None) -> None:
        """An exchange is over, whatever became of it."""
        stream = exchange.stream
        self.exchanges.pop(stream, None)
        if exchange.failure is None:
            if exchange.tunnel is not None:
                exchange.tunnel.close()
            elif not exchange.is_ended:
                self.conn.reset(stream, ErrorCode.INTERNAL_ERROR)
            elif not exchange.has_come:
                self._unwanted[stream] = Unwanted(monotonic() + UNWANTED_TIMEOUT)
                self._wake.set()
            elif exchange.pieces:
                for _, credit in exchange.pieces:
                    self.conn.consumed(stream, credit)
            exchange.pieces.clear()
        self.service.tell(exchange, error)
        if not self.exchanges:
            self._idle_since = monotonic()
        if self._begun or self.is_leaving or self._has_ended:
            self._wake.set()

    def _drop(self, stream: int, credit: int) -> None:
        """Drop octets of a request that is answered; after too many, the client is given no more room."""
        unwanted = self._unwanted.get(stream)
        if unwanted is not None:
            unwanted.dropped += credit
            if unwanted.dropped > self.config.max_unread:
                return
        self.conn.consumed(stream, credit)

    def _refuse_rest(self, stream: int) -> None:
        """The rest of the request is not wanted (section 8.1)."""
        del self._unwanted[stream]
        self.conn.reset(stream, ErrorCode.NO_ERROR)

    # Sending.

    @property
    def queued(self) -> int:
        """How many octets wait to be sent."""
        return len(self._outbox) + self._given

    @property
    def is_crowded(self) -> bool:
        """Whether whoever sends a body has to wait."""
        return len(self._outbox) + self._given >= OUTBOX_LIMIT

    def put(self, stream: int, data: Buffer, size: int, *, end: bool) -> None:
        """Send octets of a body: `size` of them, no more than there is room for."""
        self.conn.send(stream, data, end=end)
        self._given += size

    def look(self) -> None:
        """Have the pump look for something to send, for who does not run in one of its branches."""
        self._wake.set()

    def _look_at_output(self) -> None:
        """Send what the branches have left, before all of them wait."""
        if self.conn.has_output and self.push() and not self._writes:
            self._wake.set()
        if self.crowd:
            self._let_crowd()

    def push(self) -> bool:
        """Send what goes at once. True if there is more than whoever sends a body may leave."""
        conn, stream, outbox = self.conn, self.stream, self._outbox
        if self._is_lost:
            return True
        sent = 0
        try:
            if not outbox and conn.has_output:
                data = conn.take()
                self._given = 0
                sent = stream.offer(data)
                if sent < len(data):
                    outbox += memoryview(data)[sent:]
            elif conn.has_output:
                outbox += conn.take()
                self._given = 0
            while outbox:
                piece = bytes(memoryview(outbox)[:OFFER_SIZE])
                size = stream.offer(piece)
                if not size:
                    break
                sent += size
                del outbox[:size]
            if not outbox and stream.unsent:
                stream.offer(b"")
        except (OSError, EOFError) as error:
            self._lost(error)
            return True
        self._count_sent(sent)
        if self.crowd:
            self._let_crowd()
        return len(outbox) >= OUTBOX_LIMIT

    def _count_sent(self, sent: int) -> None:
        """Note how long the client has taken nothing, or how much it has."""
        is_stuck = bool(self._outbox) or self.stream.unsent > 0
        if self._stuck_since is not None and (sent or not is_stuck):
            self._writing.spend(monotonic() - self._stuck_since)
            self._stuck_since = None
        self._sent += sent
        if is_stuck and self._stuck_since is None:
            self._stuck_since = monotonic()
            if not self._writes:
                self._wake.set()

    def _let_crowd(self) -> None:
        """Wake as many of those who wait for the outbox as it has room for, in their order."""
        room = OUTBOX_LIMIT - self.queued
        while room > 0 and self.crowd:
            self.crowd.popleft().let()
            room -= SEND_SIZE

    # Waiting.

    def _wait(self) -> Flow[None]:
        """Flow: until something is to be done, or a limit of time has passed."""
        self._wake.clear()
        now = monotonic()
        until = self._next_limit(now)
        if self._unconfirmed is not None and now >= self._unconfirmed.soonest(None):
            yield PAUSE  # who watches over that ends the connection in this turn
            return
        if until is not None and now >= until:
            self._limit_passed(now)
            return
        stream = self.stream
        is_stuck = bool(self._outbox) or stream.unsent > 0
        if not self._has_ended and self.queued < DEAF_LIMIT:
            self._writes = is_stuck
            try:
                yield stream.want(write=is_stuck, event=self._wake, until=until)
            except ClosedError as error:
                self._lost(error)
            self._writes = False
        elif is_stuck:
            self._writes = True
            try:
                piece = bytes(memoryview(self._outbox)[:OFFER_SIZE])
                if piece:
                    size = yield from before(until, stream.write_flow(piece))
                    del self._outbox[:size]
                    self._count_sent(size)
                else:
                    yield from before(until, stream.flush())
            except TimeoutError:
                pass  # the next look finds the limit
            except (OSError, EOFError) as error:
                self._lost(error)
            self._writes = False
        else:
            yield Want(event=self._wake, until=until)

    def _next_limit(self, now: float) -> float | None:
        """When the connection is to be looked at again, if nothing happens."""
        config = self.config
        limits = [self._head_until]
        if self._unwanted:
            limits.append(next(iter(self._unwanted.values())).until)
        if self._stuck_since is not None:
            self._writing.done = self._sent
            limits.append(self._writing.until(self._stuck_since))
        if self.is_leaving and not self._has_left:
            limits.append(self._leave_until)
        if config.idle_timeout is not None and not self.is_leaving:
            # While something is under way, it only is the earliest moment at which it can matter.
            limits.append((now if self.exchanges else self._idle_since) + config.idle_timeout)
        until = min((limit for limit in limits if limit is not None), default=None)
        return until if self._unconfirmed is None else self._unconfirmed.soonest(until)

    def _limit_passed(self, now: float) -> None:
        """A limit of time has passed: the connection ends, or is to."""
        config = self.config
        late = [stream for stream, unwanted in self._unwanted.items() if now >= unwanted.until]
        if late:
            for stream in late:
                self._refuse_rest(stream)
            return
        if self._stuck_since is not None:
            stuck_until = self._writing.until(self._stuck_since)
            if stuck_until is not None and now >= stuck_until:
                error = HttpError.Timeout(config.write_timeout, "sending a response", fault="peer")
                self._lost(error)
                self.service.fault(self.facts, error)
                return
        if self._head_until is not None and now >= self._head_until:
            self._head_until = None
            self._failure = HttpError.Timeout(config.head_timeout, "waiting for a request", fault="peer")
            self.conn.goaway(ErrorCode.NO_ERROR)
            self.service.fault(self.facts, self._failure)
        elif self.is_leaving:
            self._leave_now()
        else:
            self.leave()

    # Ending.

    def leave(self) -> None:
        """Take no further request, but those that are on their way: the first GOAWAY (section 6.8)."""
        if self.is_leaving:
            return
        self.is_leaving = True
        self._leave_until = monotonic() + LEAVE_TIMEOUT
        if not self.conn.is_closed:
            self._outbox += self.conn.take() + WARNING
            self._given = 0
            self.conn.ping(_LEAVING)
        self._wake.set()

    def _leave_now(self) -> None:
        """The second GOAWAY, which names the last stream."""
        if not self._has_left:
            self._has_left = True
            self.conn.goaway(ErrorCode.NO_ERROR)

    def _is_over(self) -> bool:
        """Whether the connection has come to its end. Exchanges of one that broke are ended."""
        if self._failure is not None:
            return True
        if self.exchanges or not (self.conn.is_closed or self._has_ended):
            return False
        return not (self._outbox or self.stream.unsent or self.conn.has_output)

    def _farewell(self) -> Flow[None]:
        """Flow: end the connection so that the client can still read what was sent."""
        stream = self.stream
        if self._is_lost or stream.is_closed:
            return
        try:
            yield from before(monotonic() + LINGER, self._last_words())
        except (OSError, EOFError):
            pass  # the client has closed too, or takes nothing

    def _last_words(self) -> Flow[None]:
        stream = self.stream
        if self._outbox or self.conn.has_output:
            yield from stream.write_all_flow(bytes(self._outbox) + self.conn.take())
        yield from stream.finish()
        yield from stream.lingering_close(LINGER)


def _nothing() -> Flow[None]:
    return
    yield


def _raising(error: Exception) -> Flow[None]:
    raise error
    yield


def _later(seconds: float | None) -> float | None:
    return None if seconds is None else monotonic() + seconds


def _is_by_peer(error: HttpError) -> bool:
    from netkit.http.connection.errors import ConnectionFault

    return isinstance(error, ConnectionFault) and error.by_peer
