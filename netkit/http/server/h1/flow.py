"""A connection of HTTP/1.1, served: request after request, each answered before the next is read.

RFC 9112 section 9.3 (persistence, pipelining), 9.6 (closing); RFC 9110 section 10.1.1 (Expect).

`H1Server` makes every decision of the protocol. What stands here waits: for octets, for the handler, for a
client that takes nothing; and it says how long for each. Pipelined requests are answered in order, because a
request is read only when the one before it is answered.
"""

from __future__ import annotations

from collections import deque
from io import UnsupportedOperation
from time import monotonic
from typing import TYPE_CHECKING

from netkit.errors import NetkitError
from netkit.http.connection.events import Broken, Data, End, RequestReceived
from netkit.http.connection.h1_server import H1Server
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from netkit.http.server.early.serving import EarlyServing
from netkit.http.server.exchange import FirstTurn, standard_fields, unanswered
from netkit.http.server.h1.exchange import H1Exchange
from netkit.http.server.handling.brief import LEAVE, Begun, is_for_event, resumed
from netkit.http.server.handling.in_time import late_flow, too_late
from netkit.http.server.patience import Patience
from netkit.http.server.refusal import refusal, status_of
from netkit.io import OPERATIONS_PER_TURN, PAUSE, BusyError, ClosedError, Event, before, race
from netkit.net.sockets import SENDFILE_SIZE, SocketStream
from netkit.serve.farewell import farewell_flow, reset
from netkit.serve.stop import LAST_LOOK

if TYPE_CHECKING:
    from netkit.http.connection.events import Event as HttpEvent
    from netkit.http.server.exchange import FlowHandler
    from netkit.http.server.h1.loop import HttpLoop, Place
    from netkit.http.server.request import ConnectionFacts
    from netkit.http.server.service import Service
    from netkit.io import ByteStream, Flow, Want

#: The first octets of HTTP/2 (RFC 9113 section 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: What a stream raises when it has failed; BusyError is the caller's own mistake.
STREAM_ERRORS = (OSError, EOFError, NetkitError)

#: How long an idle connection stays, in seconds, when a successor has taken the listeners.
RETIRED_IDLE = 1.0


class H1Serving(EarlyServing):
    """One connection, while it is served."""

    def __init__(
        self,
        service: Service,
        stream: ByteStream,
        facts: ConnectionFacts,
        conn: H1Server | None = None,
        *,
        loop: HttpLoop | None = None,
    ) -> None:
        super().__init__(facts)
        self.service = service
        self.config = service.config
        self.stream = stream
        scheme = facts.scheme.encode()
        self.conn = H1Server(self.config.limits, scheme=scheme) if conn is None else conn
        self.conn.keeps_heads = service.keeps_heads
        self.events: deque[HttpEvent] = deque()
        self.failure: Exception | None = None  # what the stream raised: there is nobody to answer any more
        self.handed_over = False
        #: The end of the connection would look like the end of the response: it has to be a reset.
        self.wants_reset = False
        #: The client speaks HTTP/2: nothing was taken from the stream.
        self.is_http2 = False
        # The first octets, while they may still be HTTP/2's; None when they are not.
        self._opening: bytes | None = b"" if self.config.http2 and facts.tls is None else None
        self._turns = 0
        # What the client has not taken yet of what `conn` gave, and whether a flow is sending it.
        self._unsent: memoryview | None = None
        self._sending = False
        #: Where the loop answers simple requests while nothing is under way; None where there is no loop.
        self.place: Place | None = None if loop is None else loop.place(stream, facts)
        #: What answers the next request, where the loop has called the handler already.
        self.prepared: FlowHandler | None = None
        #: What is left of an answer that was begun in the loop.
        self.begun: Begun | None = None
        #: Whether the loop resumes the flow of the answer, and looks after a while whether it still waits.
        self.is_brief = False

    def run_flow(self) -> Flow[None]:
        """Flow: serve the connection to its end. Raises ClosedError if the stream was closed meanwhile."""
        conn = self.conn
        self._feed_first_early()
        while (event := (yield from self._next_request())) is not None:
            if isinstance(event, Begun):
                yield from event.flow
            elif isinstance(event, Broken):
                yield from self._refuse(event)
                break
            elif self._unconfirmed is not None and not (yield from self._may_answer(event)):
                break
            else:
                yield from self.answer_flow(H1Exchange(self, event))
            if self.handed_over or self.failure is not None or conn.is_closed:
                break
        if isinstance(self.failure, ClosedError):
            raise self.failure
        if self.is_http2 or self.failure is not None:
            return
        if self.wants_reset:
            reset(self.stream)
        else:
            yield from farewell_flow(self.stream)

    # Receiving

    def _look_for_preface(self, data: bytes) -> bytes | None:
        """Whether the connection begins as HTTP/2 does (RFC 9113 section 3.4); None while that is open.

        Returns the octets to be read as HTTP/1.1 otherwise.
        """
        assert self._opening is not None
        opening = self._opening + data
        if data and PREFACE.startswith(opening[: len(PREFACE)]):
            self._opening = opening
            if len(opening) >= len(PREFACE):
                self.stream.put_back(opening)
                self.is_http2 = True
            return None
        self._opening = None
        if not data and opening:
            self.events.extend(self.conn.feed(opening))
            return b""
        return opening

    def _next_request(self) -> Flow[RequestReceived | Broken | Begun | None]:
        """Flow: the next request, what is wrong with it, or None where none comes."""
        try:
            return (yield from self._await_request())
        except STREAM_ERRORS as error:
            self.failure = error
            return None

    def _await_request(self) -> Flow[RequestReceived | Broken | Begun | None]:
        """Flow: `_next_request`. Raises what the stream does."""
        config, conn, stream = self.config, self.conn, self.stream
        finish, retiring = self.service.stop, self.service.retiring
        idle_until = _later(config.idle_timeout)
        # The next request may have begun behind the one before.
        head_until = _later(config.head_timeout) if conn.held else None
        looked = is_last = False
        if conn.wants_turn:
            self._feed(b"", is_later=False)
        while True:
            while self.events:
                event = self.events.popleft()
                if isinstance(event, (RequestReceived, Broken)):
                    return event
            if conn.is_closed:
                return None
            is_idle = not (conn.held or self._opening)
            data = stream.try_take()
            if self._unconfirmed is not None and self._look_for_early():
                if head_until is None:
                    head_until = _later(config.head_timeout)
                if data:
                    self._feed(data)
                continue
            if data is not None:
                looked = False
                if head_until is None and data:
                    head_until = _later(config.head_timeout)
                if self._opening is not None:
                    data = self._look_for_preface(data)
                    if self.is_http2:
                        return None
                    if data is None:
                        continue
                if data:
                    self._feed(data)
                else:
                    self.events.extend(conn.feed_eof())
                if not (data or self.events):
                    return None  # the end of the stream would be found again and again
                continue
            now = monotonic()
            if not is_idle:
                if head_until is not None and now >= head_until:
                    error = HttpError.Timeout(config.head_timeout, "waiting for a request", fault="peer")
                    self.events.extend(conn.give_up(error))
                    if not self.events:
                        return None
                    continue
                yield self._want(until=head_until)
            elif finish.is_set:
                if looked:
                    return None
                looked = True
                yield self._want(until=now + LAST_LOOK)
            elif idle_until is not None and now >= idle_until:
                return None
            elif retiring.is_set:
                # Its next request is to be the last one: it has a moment for that, and then it is closed.
                if not is_last:
                    is_last = True
                    soon = now + RETIRED_IDLE
                    idle_until = soon if idle_until is None else min(soon, idle_until)
                yield self._want(event=finish, until=idle_until)
            elif self.place is not None:
                if not (yield from self.place.serve_flow(self, idle_until)):
                    return None
                idle_until, head_until = self.place.idle_until, self.place.head_until
                if self.place.was_used:
                    self._opening = None
                if self.begun is not None:
                    begun, self.begun = self.begun, None
                    return begun
                if conn.wants_turn:
                    self.events.extend(conn.feed(b""))
            else:
                yield self._want(event=retiring, until=idle_until)

    def _feed(self, data: bytes, *, is_later: bool = True) -> None:
        """Note what octets say that came; `is_later`: after the TLS handshake."""
        events = self.conn.feed(data)
        if self._early is not None:
            self._mark(events, self.conn.held, is_later=is_later)
        self.events.extend(events)

    # Before the client's Finished

    def _may_answer(self, event: RequestReceived) -> Flow[bool]:
        """Flow: hold a request that is not to be answered before the client has finished its handshake.

        False if it never does.
        """
        try:
            if self._unconfirmed is not None and self._unconfirmed.holds(event.head):
                yield from self.confirm_flow()
        except STREAM_ERRORS as error:
            self.failure = error
            return False
        return True

    def _want(self, *, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for: octets, an event, and no longer than the client has for its handshake."""
        if self._unconfirmed is not None:
            until = self._unconfirmed.soonest(until)
        return self.stream.want(event=event, until=until)

    def confirm_flow(self) -> Flow[None]:
        """Flow: wait until the TLS handshake is over. Raises what the stream does."""
        while self._unconfirmed is not None:
            self._unconfirmed.look()
            self._look_for_early()
            if self._unconfirmed is not None:
                yield self._want()

    def receive_flow(self, patience: Patience) -> Flow[None]:
        """Flow: take in more of the request under way. Raises HttpError.Timeout when the patience is over."""
        stream = self.stream
        begun: float | None = None
        while True:
            try:
                data = stream.try_take()
            except BusyError:
                raise
            except STREAM_ERRORS as error:
                self.failure = error
                raise
            came_early = self._unconfirmed is not None and self._look_for_early()
            if data is not None or came_early:
                break
            now = monotonic()
            if begun is None:
                begun, until = now, patience.until(now)
            if until is not None and now >= until:
                raise HttpError.Timeout(patience.timeout, "waiting for a body", fault="peer")
            try:
                yield self._want(until=until)
            except ClosedError as error:
                self.failure = error
                raise
        if begun is not None:
            patience.spend(monotonic() - begun)
        if data:
            self._feed(data)
        elif data is not None:
            self.events.extend(self.conn.feed_eof())
        self._turns += 1
        if self._turns % OPERATIONS_PER_TURN == 0:
            yield PAUSE  # a client that sends without a pause leaves the others their turn

    # Sending

    @property
    def has_unsent(self) -> bool:
        """Whether something is still to be sent."""
        return self._unsent is not None or self.conn.has_output

    def flush_flow(self, patience: Patience | None = None) -> Flow[None]:
        """Flow: send what the connection has to send. An interruption loses nothing: the next call goes on,
        but for TLS, where it raises BrokenStreamError.

        Raises HttpError.Timeout for a client that takes nothing, or too little; BusyError while another flow
        sends.
        """
        if self._sending:
            raise BusyError("the response")
        if self._unsent is None:
            data = self.conn.take()
            try:
                sent = self.stream.try_send(data) if data else 0
            except STREAM_ERRORS as error:
                self.failure = error
                raise
            if patience is not None:
                patience.done += sent
            if sent < len(data):
                self._unsent = memoryview(data)[sent:]
        if self._unsent is not None:
            self._sending = True
            try:
                yield from self._send_rest(patience or Patience(self.config.write_timeout, None))
            finally:
                self._sending = False
        self._turns += 1
        if self._turns % OPERATIONS_PER_TURN == 0:
            yield PAUSE  # a client that reads without a pause leaves the others their turn

    def send_rest_flow(self, rest: memoryview) -> Flow[None]:
        """Flow: send what the loop could not, as `flush_flow`."""
        self._unsent = rest
        yield from self.flush_flow(Patience(self.config.write_timeout, self.config.min_rate))

    def send_whole_flow(self, octets: bytes) -> Flow[None]:
        """Flow: send a response that the loop has made; raises as `flush_flow`."""
        try:
            sent = self.stream.try_send(octets)
        except STREAM_ERRORS as error:
            self.failure = error
            raise
        if sent < len(octets):
            patience = Patience(self.config.write_timeout, self.config.min_rate)
            patience.done = sent
            self._unsent = memoryview(octets)[sent:]
            yield from self.flush_flow(patience)

    def flush_beside_flow(self) -> Flow[None]:
        """Flow: `flush_flow` for a flow that reads: one that is sending meanwhile takes it along."""
        if not self._sending:
            yield from self.flush_flow()

    def _send_rest(self, patience: Patience) -> Flow[None]:
        """Flow: send what the client did not take at once."""
        turns = 0
        try:
            while self._unsent is not None:
                begun = monotonic()
                writing = self.stream.write_flow(self._unsent)
                size = yield from before(patience.until(begun), writing, "sending a response")
                patience.spend(monotonic() - begun)
                patience.done += size
                self._unsent = self._unsent[size:] if size < len(self._unsent) else None
                if self._unsent is None and (more := self.conn.take()):
                    self._unsent = memoryview(more)
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        except TimeoutError as error:
            raise self._too_slow() from error
        except STREAM_ERRORS as error:
            self.failure = error
            raise

    @property
    def file_socket(self) -> SocketStream | None:
        """The socket that the system may send files to by itself: the connection's own, and the one below
        TLS where the kernel encrypts what goes there (kTLS); None where this process has to encrypt."""
        stream, tls = self.stream, self.facts.tls
        if isinstance(stream, SocketStream):
            return stream
        if tls is None or tls is not stream or tls.kernel_tls is None:
            return None
        return tls.below if isinstance(tls.below, SocketStream) else None

    def send_file_flow(
        self, exchange: H1Exchange, file: int, start: int, size: int, patience: Patience
    ) -> Flow[int]:
        """Flow: have the system send a file as a part of the body, when all else is sent. Raises as
        `flush_flow`. Returns how many octets it could not send: it cannot, or the file is shorter."""
        stream, conn = self.file_socket, self.conn
        assert stream is not None  # the caller has looked
        if self._sending:
            raise BusyError("the response")
        self._sending = True
        try:
            if stream is not self.stream:
                yield from self.stream.flush()  # what the kernel is to encrypt before the file
            while size:
                sent = stream.try_send_file(file, start, size)
                if sent == 0:
                    break
                if sent is not None:
                    conn.sent(exchange.stream, sent)
                    exchange.sent += sent
                    patience.done += sent
                    start += sent
                    size -= sent
                    self._turns += 1
                    if self._turns % OPERATIONS_PER_TURN == 0:
                        yield PAUSE
                    if sent == SENDFILE_SIZE or not size:
                        continue  # there may be room for more
                begun = monotonic()
                until = patience.until(begun)
                if not (yield stream.want_room(until)) and until is not None and monotonic() >= until:
                    raise self._too_slow()
                patience.spend(monotonic() - begun)
        except UnsupportedOperation:
            pass
        except STREAM_ERRORS as error:
            self.failure = error
            raise
        finally:
            self._sending = False
        return size

    def _too_slow(self) -> HttpError:
        """The client has not taken its response in time: it gets no more."""
        late = HttpError.Timeout(self.config.write_timeout, "sending a response", fault="peer")
        self.failure = late
        return late

    # Answers

    def answer_flow(self, exchange: H1Exchange) -> Flow[None]:
        """Flow: have the handler answer, and end what it has left."""
        error: Exception | None = None
        config = self.config
        handler, self.prepared = self.prepared or self.service.handler, None
        self.facts.requests += 1
        if config.max_requests is not None and self.facts.requests >= config.max_requests:
            exchange.close_after()
        try:
            try:
                yield from self._call(handler, exchange)
                if not exchange.is_ended:
                    raise unanswered(exchange)
            except Exception as caught:
                error = caught
                if self.failure is None:
                    yield from self._answer_failure(exchange, caught)
            if self.failure is None and not self.handed_over:
                if self.has_unsent:
                    yield from exchange.flush_flow()
                if not exchange.is_read:
                    yield from self._drop_body(exchange)
        except Exception as caught:
            if self.failure is None:
                raise
            error = error or caught
        finally:
            if self.failure is not None:
                exchange.failure = self.failure
                if exchange.stream:  # which one in the loop has none of
                    self.conn.reset(exchange.stream)
            self.service.tell(exchange, error)

    def _call(self, handler: FlowHandler, exchange: H1Exchange) -> Flow[None]:
        """Flow: the handler, to its end; or until the stream is closed, whatever the handler waits for.

        It has to begin its response within `handler_timeout`. Most never wait, so nothing is made for them.
        """
        flow = handler.handle_flow(exchange)
        try:
            want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
            if type(want) is FirstTurn:  # a coroutine gets one, in which most have answered
                want = flow.send((yield want))
            while self.is_brief:
                ready = yield (want if is_for_event(want) else LEAVE)
                if not is_for_event(want):
                    break
                want = flow.send(ready)
        except StopIteration:
            return
        except BaseException:
            flow.close()
            raise
        watches: list[Flow[None]] = [self._lost()]
        timeout = self.config.handler_timeout
        if timeout is not None:
            watches.append(late_flow(exchange, exchange.begun + timeout))
        won = yield from race(resumed(flow, want), *watches)
        if won.index == 1:
            self.failure = ClosedError("the connection")
            raise self.failure
        if won.index == 2:
            raise too_late(exchange, timeout)

    def _lost(self) -> Flow[None]:
        """Flow: until the stream is closed under a handler that has not taken it over."""
        yield from self.stream.gone.wait()
        if self.handed_over:
            yield from Event().wait()  # it is the handler's, who may have closed it

    def _answer_failure(self, exchange: H1Exchange, error: Exception) -> Flow[None]:
        """Flow: say what went wrong, as far as a client may know; break off a response that has begun."""
        if self.handed_over:
            if isinstance(error, ClosedError):
                self.failure = error  # the server closed it: it was cut off
            self.wants_reset = True
        elif exchange.is_ended:
            return  # the client has it all
        elif exchange.status is not None:
            exchange.abort()
        else:
            status = status_of(error, received=error is exchange.refused)
            if status != 500:
                exchange.close_after()
            is_broken = isinstance(error, ParseError) and error is exchange.refused
            yield from exchange.respond_flow(self.service.refusal(error) if is_broken else refusal(status))

    def _refuse(self, event: Broken) -> Flow[None]:
        """Flow: answer a request that is wrong (RFC 9112 section 2.2, 3)."""
        self.service.fault(self.facts, event.error)
        if event.stream:
            response = self.service.refusal(event.error)
            fields = standard_fields(response.headers.to_items(), self.config)
            body = response.body or b""
            self.conn.respond(event.stream, int(response.status), fields, end=False, length=len(body))
            if self.conn.room(event.stream):  # a response to HEAD has no body
                self.conn.send(event.stream, body, end=True)
            try:
                yield from self.flush_flow()
            except STREAM_ERRORS:
                return

    def _drop_body(self, exchange: H1Exchange) -> Flow[None]:
        """Flow: read on over what the handler left of the body, so that the connection can be kept.

        Nothing is read where it is not kept, nor where that is much, or takes long: then it ends.
        """
        conn, config = self.conn, self.config
        dropped = 0
        patience = Patience(config.body_timeout, config.min_rate)
        while True:
            while self.events:
                event = self.events.popleft()
                if isinstance(event, Data):
                    dropped += len(event.data)
                elif isinstance(event, End):
                    return
                elif isinstance(event, Broken):
                    self.service.fault(self.facts, event.error)
                    conn.reset(event.stream)  # it could be answered, but was answered already
                    return
            left = conn.body_left or 0
            if conn.is_last or dropped + left > config.max_unread:
                break
            patience.done = dropped
            try:
                yield from self.receive_flow(patience)
            except HttpError.Timeout as error:
                self.service.fault(self.facts, error)
                break
        conn.reset(exchange.stream)


def _later(seconds: float | None) -> float | None:
    return None if seconds is None else monotonic() + seconds
