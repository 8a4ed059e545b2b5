"""A connection of HTTP/1.1, served: request after request, each answered before the next is read.

RFC 9112 section 9.3 (persistence, pipelining), 9.6 (closing); RFC 9110 section 10.1.1 (Expect).

`H1Server` makes every decision of the protocol. What stands here waits: for octets, for the handler, for a
client that takes nothing; and it says how long for each. Pipelined requests are answered in order, because a
request is read only when the one before it is answered.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.connection.events import Broken, Data, End, RequestReceived, values_of
from netkit.http.connection.h1_server import H1Server
from netkit.http.errors import HttpError
from netkit.http.server.exchange import Exchange
from netkit.http.server.patience import Patience
from netkit.http.server.refusal import refusal, status_of
from netkit.io import OPERATIONS_PER_TURN, PAUSE, Event, before, race, sleep_until
from netkit.serve.stop import LAST_LOOK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import Event as HttpEvent
    from netkit.http.server.request import ConnectionFacts
    from netkit.http.server.service import Service
    from netkit.io import ByteStream, Flow
    from netkit.io.protocols import Buffer

#: The first octets of HTTP/2 (RFC 9113 section 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: How long a client may take to finish after the last response, in seconds, so that it can read it.
LINGER = 2.0


class H1Serving:
    """One connection, while it is served."""

    def __init__(
        self, service: Service, stream: ByteStream, facts: ConnectionFacts, conn: H1Server | None = None
    ) -> None:
        self.service = service
        self.config = service.config
        self.stream = stream
        self.facts = facts
        scheme = facts.scheme.encode()
        self.conn = H1Server(self.config.limits, scheme=scheme) if conn is None else conn
        self.events: deque[HttpEvent] = deque()
        self.failure: Exception | None = None  # what the stream raised: there is nobody to answer any more
        self.handed_over = False
        #: The client speaks HTTP/2: nothing was taken from the stream.
        self.is_http2 = False
        # The first octets, while they may still be HTTP/2's; None when they are not.
        self._opening: bytes | None = b"" if self.config.http2 and facts.tls is None else None
        self._turns = 0

    def run_flow(self) -> Flow[None]:
        """Flow: serve the connection to its end. Raises what the stream does."""
        conn = self.conn
        while (event := (yield from self._next_request())) is not None:
            if isinstance(event, Broken):
                yield from self._refuse(event)
                break
            exchange = H1Exchange(self, event)
            yield from self._answer(exchange)
            if self.handed_over:
                return
            if conn.is_closed:
                break
            self._turns += 1
            if self._turns % OPERATIONS_PER_TURN == 0:
                yield PAUSE
        if not self.is_http2:
            yield from self._farewell()

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

    def _next_request(self) -> Flow[RequestReceived | Broken | None]:
        """Flow: the next request, what is wrong with it, or None where none comes."""
        config, conn, stream = self.config, self.conn, self.stream
        finish = self.service.stop
        idle_until = _later(config.idle_timeout)
        head_until: float | None = None
        looked = False
        if conn.wants_turn:
            self.events.extend(conn.feed(b""))
        while True:
            while self.events:
                event = self.events.popleft()
                if isinstance(event, (RequestReceived, Broken)):
                    return event
            if conn.is_closed:
                return None
            is_idle = not (conn.held or self._opening)
            data = stream.try_take()
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
                self.events.extend(conn.feed(data) if data else conn.feed_eof())
                continue
            now = monotonic()
            if not is_idle:
                if head_until is not None and now >= head_until:
                    error = HttpError.Timeout(config.head_timeout, "waiting for a request", fault="peer")
                    self.events.extend(conn.give_up(error))
                    if not self.events:
                        return None
                    continue
                yield stream.want(until=head_until)
            elif finish.is_set:
                if looked:
                    return None
                looked = True
                yield stream.want(until=now + LAST_LOOK)
            elif idle_until is not None and now >= idle_until:
                return None
            else:
                yield stream.want(event=finish, until=idle_until)

    def receive_flow(self, patience: Patience) -> Flow[None]:
        """Flow: take in more of the request under way. Raises HttpError.Timeout when the patience is over."""
        stream = self.stream
        try:
            data = stream.try_take()
            if data is None:
                begun = monotonic()
                until = patience.until(begun)
                while data is None:
                    if until is not None and monotonic() >= until:
                        raise HttpError.Timeout(patience.timeout, "waiting for a body", fault="peer")
                    yield stream.want(until=until)
                    data = stream.try_take()
                patience.spend(monotonic() - begun)
        except HttpError:
            raise
        except (OSError, EOFError) as error:
            self.failure = error
            raise
        self.events.extend(self.conn.feed(data) if data else self.conn.feed_eof())

    # Sending

    def flush_flow(self, patience: Patience | None = None) -> Flow[None]:
        """Flow: send what the connection has to send. Raises HttpError.Timeout for a client that takes
        nothing, or too little."""
        data = self.conn.take()
        stream = self.stream
        try:
            sent = stream.try_send(data)
            if sent == len(data):
                return
            view = memoryview(data)[sent:]
            if patience is None:
                patience = Patience(self.config.write_timeout, None)
            while view:
                begun = monotonic()
                size = yield from before(patience.until(begun), stream.write_flow(view), "sending a response")
                patience.spend(monotonic() - begun)
                view = view[size:]
                self._turns += 1
                if self._turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        except TimeoutError as error:
            late = HttpError.Timeout(self.config.write_timeout, "sending a response", fault="peer")
            self.failure = late
            raise late from error
        except (OSError, EOFError) as error:
            self.failure = error
            raise

    # Answers

    def _answer(self, exchange: H1Exchange) -> Flow[None]:
        """Flow: have the handler answer, and end what it has left."""
        error: Exception | None = None
        config = self.config
        self.facts.requests += 1
        if config.max_requests is not None and self.facts.requests >= config.max_requests:
            exchange.close_after()
        try:
            try:
                if config.handler_timeout is None:
                    yield from self.service.handler.handle_flow(exchange)
                else:
                    yield from self._in_time(exchange, config.handler_timeout)
                if not exchange.is_ended and not self.handed_over:
                    raise RuntimeError(
                        "the handler gave no response"
                        if exchange.status is None
                        else "the handler left its response without an end"
                    )
            except Exception as caught:
                error = caught
                if self.failure is None:
                    yield from self._answer_failure(exchange, caught)
            if not (self.handed_over or self.conn.is_closed) and self.failure is None:
                yield from self._drop_body(exchange)
        except Exception as caught:
            if self.failure is None:
                raise
            error = error or caught
        finally:
            if self.failure is not None:
                exchange.failure = self.failure
                self.conn.reset(exchange.stream)
            self.service.tell(exchange, error)

    def _in_time(self, exchange: H1Exchange, timeout: float) -> Flow[None]:
        """Flow: the handler, which has to begin its response within `timeout` seconds."""

        def watching() -> Flow[None]:
            yield from sleep_until(monotonic() + timeout)
            if exchange.status is not None:
                yield from Event().wait()  # it has: the rest may take its time

        won = yield from race(self.service.handler.handle_flow(exchange), watching())
        if won.index == 1:
            raise HttpError.Timeout(timeout, "waiting for the handler", fault="local")

    def _answer_failure(self, exchange: H1Exchange, error: Exception) -> Flow[None]:
        """Flow: say what went wrong, as far as a client may know; break off a response that has begun."""
        if exchange.status is not None:
            exchange.abort()
            return
        status = status_of(error)
        if status != 500:
            exchange.close_after()
        exchange.discard_body = status in (408, 413)
        yield from exchange.respond_flow(refusal(status))

    def _refuse(self, event: Broken) -> Flow[None]:
        """Flow: answer a request that is wrong (RFC 9112 section 2.2, 3)."""
        self.service.fault(self.facts, event.error)
        if event.stream:
            response = refusal(status_of(event.error))
            fields = [*response.headers.to_items()]
            body = response.body or b""
            self.conn.respond(event.stream, int(response.status), fields, end=False, length=len(body))
            self.conn.send(event.stream, body, end=True)
            try:
                yield from self.flush_flow()
            except (OSError, EOFError, HttpError):
                return

    def _drop_body(self, exchange: H1Exchange) -> Flow[None]:
        """Flow: read on over what the handler left of the body; close if that is much."""
        conn, config = self.conn, self.config
        if exchange.is_read:
            return
        left = conn.body_left
        if exchange.discard_body or (left is not None and left > config.max_unread):
            conn.reset(exchange.stream)
            return
        dropped = 0
        patience = Patience(config.body_timeout, None)
        while not exchange.is_read:
            while self.events:
                event = self.events.popleft()
                if isinstance(event, Data):
                    dropped += len(event.data)
                elif isinstance(event, (End, Broken)):
                    exchange.is_read = True
                    if isinstance(event, Broken):
                        return
            if exchange.is_read:
                break
            if dropped > config.max_unread:
                conn.reset(exchange.stream)
                return
            yield from self.receive_flow(patience)

    def _farewell(self) -> Flow[None]:
        """Flow: end the connection so that the client can still read what was sent (RFC 9112 section 9.6)."""
        if self.failure is not None or self.stream.is_closed:
            return
        try:
            yield from self.stream.finish()
            yield from self.stream.lingering_close(LINGER)
        except (OSError, EOFError):
            pass  # the client has closed too


class H1Exchange(Exchange):
    """An exchange over HTTP/1.1."""

    __slots__ = ("_continues", "_reading", "_serving", "_writing", "discard_body", "is_read", "stream")

    def __init__(self, serving: H1Serving, event: RequestReceived) -> None:
        super().__init__(
            serving.config, serving.facts, event.head, event.version, event.length, not event.end
        )
        self._serving = serving
        self.stream = event.stream
        self.is_read = event.end  # whether the body is over
        self.discard_body = False
        # RFC 9110 section 10.1.1: to a client of HTTP/1.0, the expectation is ignored.
        self._continues = not event.end and event.version >= (1, 1) and _expects(event.head.fields)
        self._reading = Patience(serving.config.body_timeout, serving.config.min_rate)
        self._writing = Patience(serving.config.write_timeout, serving.config.min_rate)

    def read_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; see `Exchange.read_flow`."""
        serving = self._serving
        if self.is_read:
            return b""
        self._check_length()
        while True:
            while serving.events:
                event = serving.events.popleft()
                if isinstance(event, Data):
                    self._count_received(len(event.data))
                    return event.data
                if isinstance(event, End):
                    self.trailers = event.trailers
                    self.is_read = True
                    return b""
                if isinstance(event, Broken):
                    self.is_read = True
                    serving.service.fault(serving.facts, event.error)
                    raise event.error
            if self._continues:
                yield from self.interim_flow(100)
            self._reading.done = self.received
            yield from serving.receive_flow(self._reading)

    def interim_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: send a 1xx response."""
        if status == 101:
            raise ValueError("101 is the end of HTTP on the connection: upgrade_flow sends it")
        self._serving.conn.respond(self.stream, status, fields, end=False)
        if status == 100:
            self._continues = False
        yield from self._serving.flush_flow()

    def begin(
        self,
        status: int,
        fields: Sequence[tuple[bytes, bytes]] = (),
        *,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Begin the response; see `Exchange.begin`."""
        serving = self._serving
        conn = serving.conn
        if self.status is not None:
            raise ValueError("the response has begun")
        if self._continues or (not self.is_read and (conn.body_left or 0) > serving.config.max_unread):
            # The client may or may not send what it announced (RFC 9110 section 10.1.1).
            conn.goaway()
        elif serving.service.stop.is_set and not conn.held:
            conn.goaway()
        conn.respond(self.stream, status, self._standard_fields(fields), end=end, length=length)
        self.status = status
        self.is_ended = conn.room(self.stream) == 0

    def flush_flow(self) -> Flow[None]:
        """Flow: send what was begun."""
        self._writing.done = self.sent
        yield from self._serving.flush_flow(self._writing)

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        """Flow: send octets of the body; see `Exchange.send_flow`."""
        conn = self._serving.conn
        if self.is_ended:
            if conn.has_output:
                yield from self.flush_flow()
            return
        conn.send(self.stream, data, end=end)
        self.sent += len(data)
        self.is_ended = conn.room(self.stream) == 0
        yield from self.flush_flow()

    def end_flow(self, trailers: Sequence[tuple[bytes, bytes]] = ()) -> Flow[None]:
        """Flow: the response is over; see `Exchange.end_flow`."""
        conn = self._serving.conn
        if self.status is None:
            raise ValueError("the response has not begun")
        if not self.is_ended:
            if trailers:
                conn.trailers(self.stream, trailers)
            else:
                conn.send(self.stream, b"", end=True)
            self.is_ended = True
        yield from self.flush_flow()

    def upgrade_flow(self, status: int, fields: Sequence[tuple[bytes, bytes]] = ()) -> Flow[ByteStream]:
        """Flow: hand the connection over; see `Exchange.upgrade_flow`."""
        serving = self._serving
        serving.conn.respond(self.stream, status, self._standard_fields(fields), end=False)
        self.status = status
        self.is_ended = True
        serving.handed_over = True
        yield from serving.flush_flow()
        serving.stream.put_back(serving.conn.rest())
        return serving.stream

    def abort(self) -> None:
        """Break the response off: the connection ends without the end of the message."""
        self._serving.conn.reset(self.stream)

    def close_after(self) -> None:
        """Close the connection after this response."""
        self._serving.conn.goaway()

    def gone_flow(self) -> Flow[None]:
        """Flow: until the client is gone; see `Exchange.gone_flow`."""
        stream = self._serving.stream
        while not self.is_read and (yield from self.read_flow()):
            pass
        held = len(stream.peek())
        while (yield from stream.fill(held + 1)):
            held += 1
            if held > 65_536:
                yield from stream.gone.wait()


def _later(seconds: float | None) -> float | None:
    return None if seconds is None else monotonic() + seconds


def _expects(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(value.lower() == b"100-continue" for value in values_of(fields, b"expect"))
