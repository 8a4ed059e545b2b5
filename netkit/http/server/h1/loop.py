"""HTTP/1.1 on many plain connections: one flow that serves all of them, as long as requests are simple.

`H1Serving` is a flow for one connection, over any stream: each of its requests costs a turn of the driver.
Here the sockets of all connections are in one epoll(7) set, and the flow waits for the descriptor of this
set. One turn of the driver then answers the requests of every connection that is ready, in a plain loop of
receive, answer and send. This special code exists only because it is much faster (DESIGN.md section 3;
measured in `benchmarks/http_server.py`).

A connection is here between two requests. Its own flow waits meanwhile, in `Place.serve_flow`. What is not
simple (see `quick`) goes back to that flow with the octets so far: a request that is not there as a whole, a
client that takes nothing, an error. The flow serves on, and comes back when the connection is idle again. So
both forms behave alike, and every rule for hard cases stands once, in `flow`.

A handler that was called is not called again: what it returned or raised goes along, in `Prepared`.
"""

from __future__ import annotations

import select
from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.connection.events import RequestHead
from netkit.http.connection.h1_server import request_parser
from netkit.http.errors import HttpError
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing
from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.quick import CLOSES, RequestReader, ResponseWriter
from netkit.http.server.handling.handlers import InlineHandler
from netkit.http.server.request import ServerRequest
from netkit.io import PAUSE, ClosedError, Descriptor, Event, Flow, sleep_until
from netkit.io.stream import RECEIVE_SIZE
from netkit.net.sockets import SocketStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.message import Response
    from netkit.http.server.h1.flow import H1Serving
    from netkit.http.server.handling.threads import ThreadPool
    from netkit.http.server.request import ConnectionFacts
    from netkit.http.server.service import Service
    from netkit.io import ByteStream

#: How many connections are served before the driver's other work gets a turn.
BATCH = 64

#: How many requests of one connection are answered before others get their turn.
PIPELINED = 32

#: How many octets of responses are collected before they are sent.
MOST_OUTPUT = 131_072

#: How often, in seconds, the connections' times are looked at: an eighth of a timeout, within these.
SHORTEST_LOOK, LONGEST_LOOK = 0.005, 1.0

# A member of an enumeration costs four times as much where it is looked up.
_NONE = Framing.NONE


class HttpLoop:
    """Answers simple requests on every connection that has a `place`, while `turning` is driven.

    `handler` is called in the server's thread; it must not wait.
    """

    #: Whether this system has epoll.
    available = hasattr(select, "epoll")

    def __init__(self, service: Service, answer: Callable[[ServerRequest], Response]) -> None:
        self.service = service
        self._config = service.config
        self._answer = answer
        self._epoll = select.epoll()
        self._descriptor = Descriptor(self._epoll.fileno(), close=self._epoll.close)
        self.places: dict[int, Place] = {}
        self._again: list[Place] = []  # those with more requests than one turn answers
        self._occupied = Event()
        self._buffer = bytearray(RECEIVE_SIZE)
        self._view = memoryview(self._buffer)
        self._parser = request_parser(service.config.limits)
        self._reader = RequestReader()
        self._writer = ResponseWriter(service.config.server_name)
        self._now = monotonic()
        #: How many requests were answered here.
        self.answered = 0

    @classmethod
    def for_service(cls, service: Service) -> HttpLoop | None:
        """A loop, where there can be one for this handler and on this system."""
        handler = service.handler
        if cls.available and type(handler) is InlineHandler and not service.config.stream_bodies:
            return cls(service, handler.answer)
        return None

    def place(self, stream: ByteStream, facts: ConnectionFacts) -> Place | None:
        """The place of a connection; None for one over a stream that is no socket."""
        return Place(self, stream, facts) if isinstance(stream, SocketStream) else None

    def close(self) -> None:
        """End every connection that is here, and `turning`."""
        for place in list(self.places.values()):
            place.leave(ClosedError("stream"))
        self._descriptor.close()

    # The flows beside each other

    def flows(self) -> list[Flow[None]]:
        """What is to be driven beside the server."""
        return [self.turning(), self.looking(), self.stopping()]

    def turning(self) -> Flow[None]:
        """Flow: answer requests, until `close`."""
        want = self._descriptor.want_read
        while True:
            yield PAUSE if self._again else want
            self._turn()

    def looking(self) -> Flow[None]:
        """Flow: send those back whose time is over, and all of them when the server stops."""
        config = self._config
        limits = [limit for limit in (config.idle_timeout, config.head_timeout) if limit is not None]
        if not limits:
            return
        every = min(max(min(limits) / 8, SHORTEST_LOOK), LONGEST_LOOK)
        while True:
            if not self.places:  # a server that nobody uses does not wake up
                self._occupied.clear()
                yield from self._occupied.wait()
            yield from sleep_until(monotonic() + every)
            now = monotonic()
            for place in list(self.places.values()):
                until = place.head_until if place.rest else place.idle_until
                if until is not None and now >= until:
                    place.leave()

    def stopping(self) -> Flow[None]:
        """Flow: when the server stops or has a successor, send all connections back to their flows, which end
        the idle ones."""
        yield from self.service.retiring.wait()
        for place in list(self.places.values()):
            place.leave()

    # One turn

    def _turn(self) -> None:
        self._now = monotonic()
        self._writer.look_at_clock()
        places, view, buffer = self.places, self._view, self._buffer
        again, self._again = self._again, []
        for place in again:
            if place.is_here:
                place.is_again = False
                data, place.rest = place.rest, b""
                try:
                    self._serve(place, data)
                except Exception as error:
                    place.leave(error)
        for fd, _ in self._epoll.poll(0, BATCH):
            place_or_none = places.get(fd)
            if place_or_none is None or place_or_none.is_again:
                continue  # it left in this turn; or it has enough to do
            place = place_or_none
            if place.is_busy:
                place.mute()
                continue
            try:
                size = place.recv_into(buffer)
            except BlockingIOError:
                continue  # a wake-up is only a hint
            except OSError as error:
                place.leave(error)
                continue
            if not size:
                place.leave()  # the flow finds the end itself
                continue
            had = len(place.rest)
            data = place.rest + view[:size] if had else bytes(view[:size])
            try:
                self._serve(place, data, had)
            except Exception as error:  # of a watcher: it ends this connection, not the others
                place.leave(error)

    def _serve(self, place: Place, data: bytes, had: int = 0) -> None:
        """Answer the requests in `data`, whose first `had` octets came before."""
        config, service, parser, facts = self._config, self.service, self._parser, place.facts
        watched = service.watcher is not None
        told: list[Exchange] = []
        out: list[bytes] = []
        statuses: list[int] = []
        at = collected = sent = received = 0
        size = len(data)
        leaves = closes = is_again = False
        begun = self._now
        while True:
            parser.reset(at)
            try:
                done = parser.feed(data)
            except ParseError:
                leaves = True
                break
            if not done:
                # Once more, and the flow has it: its parser need not begin again with each octet.
                leaves = at < had
                break
            end = done.body_start
            body: bytes | None = None
            length: int | None = None
            if done.framing is not _NONE:
                length = done.body_len
                if length is None or end + length > size:
                    leaves = True
                    break
                if length:
                    if config.max_body is not None and length > config.max_body:
                        leaves = True
                        break
                    body = data[end : end + length]
                    end += length
            target, method = parser.target(data), parser.method(data)
            version = parser.version or (1, 1)
            known = self._reader.facts(tuple(parser.items(data)), version, end - at)
            if known is None or (target[0] != 47 and target != b"*") or method == b"CONNECT":
                leaves = True
                break
            facts.requests += 1
            head_end = known.end
            if config.max_requests is not None and facts.requests >= config.max_requests:
                head_end = CLOSES
            if watched:
                begun = monotonic()
            response: Response | None = None
            error: Exception | None = None
            encoded = None
            try:
                response = self._answer(
                    ServerRequest.received(
                        method, target, known.version, known.headers, body, known.authority, facts
                    )
                )
                if end == size and service.retiring.is_set:
                    head_end = CLOSES
                encoded = self._writer.encode(response, head_end, is_head=method == b"HEAD")
            except Exception as caught:
                error = caught
            if encoded is None:
                facts.requests -= 1  # the flow counts it
                place.prepared = Prepared(begun, response, error)
                leaves = True
                break
            octets, status, body_sent, closes = encoded
            out.append(octets)
            collected += len(octets)
            sent += body_sent
            if body is not None:
                received += len(body)
            statuses.append(status)
            if watched:
                authority = known.authority.encode("latin-1")
                head = RequestHead(method, target, authority, b"http", [*known.others])
                exchange = Exchange(config, facts, head, version, length, body is not None)
                exchange.begun = begun
                exchange.received = length or 0
                exchange.status, exchange.sent = status, body_sent
                exchange.is_ended = True
                told.append(exchange)
            at = end
            if closes or at == size:
                break
            if len(out) >= PIPELINED or collected >= MOST_OUTPUT:
                is_again = True
                break
        if out:
            service.counts.answered(statuses, sent, received)
            self.answered += len(statuses)
            place.was_used = True
            leaves = self._send(place, out, told) or leaves
            place.idle_until = None if config.idle_timeout is None else self._now + config.idle_timeout
        place.rest = rest = data[at:] if at < size and not closes else b""
        if (rest and not had) or at:
            place.head_until = None if config.head_timeout is None else self._now + config.head_timeout
        if leaves or closes:
            place.closes = closes
            place.leave()
        elif is_again:
            place.is_again = True
            self._again.append(place)

    def _send(self, place: Place, out: list[bytes], told: list[Exchange]) -> bool:
        """Send the responses of one turn. Returns whether the connection has to leave for that."""
        octets = out[0] if len(out) == 1 else b"".join(out)
        sent = 0
        try:
            sent = place.send(octets)
        except BlockingIOError:
            pass
        except OSError as error:
            place.failure = error
        if sent < len(octets):
            place.unsent = memoryview(octets)[sent:]
            place.untold = told
            return True
        if told:
            self.show(place.facts, told, None)
        return False

    def show(self, facts: ConnectionFacts, told: list[Exchange], error: Exception | None) -> None:
        """Tell the watcher of exchanges, each as if the ones behind it had not come yet."""
        facts.requests -= len(told)
        for exchange in told:
            facts.requests += 1
            exchange.failure = error
            self.service.show(exchange, error)


class Place:
    """One connection in the loop. While it is there, it is the `watch` of the stream's descriptor, so that
    closing the stream takes it out."""

    __slots__ = (
        "_done",
        "_error",
        "_loop",
        "_stream",
        "closes",
        "facts",
        "failure",
        "fd",
        "head_until",
        "idle_until",
        "is_again",
        "is_busy",
        "is_here",
        "prepared",
        "recv_into",
        "rest",
        "send",
        "unsent",
        "untold",
        "was_used",
    )

    def __init__(self, loop: HttpLoop, stream: SocketStream, facts: ConnectionFacts) -> None:
        self._loop = loop
        self._stream = stream
        self._done = Event()
        self._error: Exception | None = None
        self.facts = facts
        self.fd = stream.fileno()
        self.is_here = self.is_again = self.is_busy = self.was_used = False
        self.idle_until: float | None = None
        self._empty()

    def _empty(self) -> None:
        self.rest = b""  # received, and not answered
        self.head_until: float | None = None  # when the head of which `rest` is the begin has to be there
        self.unsent = memoryview(b"")  # of responses that were counted already
        self.untold: list[Exchange] = []  # their exchanges, of which the watcher is told
        self.failure: OSError | None = None  # why they cannot be sent
        self.prepared: Prepared | None = None  # the outcome of the request that `rest` begins with
        self.closes = False  # the last response said so

    def serve_flow(self, serving: H1Serving, idle_until: float | None) -> Flow[bool]:
        """Flow: have the loop answer what is simple; then give back to `serving` what is left.

        False if the connection has failed meanwhile. Raises what receiving raised.
        """
        loop, stream = self._loop, self._stream
        self._empty()
        self.idle_until = idle_until
        sock = stream.lend(self)
        self.recv_into, self.send = sock.recv_into, sock.send
        loop._epoll.register(self.fd, select.EPOLLIN)
        loop.places[self.fd] = self
        self.is_here = True
        if not loop._occupied.is_set:
            loop._occupied.set()
        self._done.clear()
        try:
            yield from self._done.wait()
        finally:
            self._take_out()
        if self._error is not None:
            raise self._error
        stream.take_back()
        stream.put_back(self.rest)
        serving.prepared = self.prepared
        if self.closes:
            serving.conn.goaway()
        return (yield from self._send_rest(serving)) if self.unsent else True

    def _send_rest(self, serving: H1Serving) -> Flow[bool]:
        """Flow: send what the client did not take at once."""
        error: Exception | None = self.failure
        if error is None:
            try:
                yield from serving.send_rest_flow(self.unsent)
            except (OSError, EOFError, HttpError) as caught:
                error = caught
        else:
            serving.failure = error
        if error is not None:
            self._loop.service.counts.failed += 1
        self._loop.show(self.facts, self.untold, error)
        return error is None

    def leave(self, error: Exception | None = None) -> None:
        """Send the connection back to its flow, which raises the error."""
        if self.is_here:
            self._take_out()
            self._error = error
            self._done.set()

    def _take_out(self) -> None:
        if self.is_here:
            self.is_here = self.is_again = False
            del self._loop.places[self.fd]
            self._loop._epoll.unregister(self.fd)
            self._stream.take_back()

    def gathers_for(self, pool: ThreadPool) -> bool:  # noqa: ARG002 - no handler of this loop has one
        """Whether the loop will wake a thread of `pool` at the end of its turn."""
        return False

    def mute(self) -> None:
        """Something came for a connection that is busy."""

    def forget(self, close: Callable[[], None]) -> None:
        """Called when the stream is closed."""
        self.leave(ClosedError("stream"))
        close()


class Prepared:
    """What a handler returned or raised when the loop called it, for the exchange of that request."""

    __slots__ = ("_begun", "_error", "_response")

    def __init__(self, begun: float, response: Response | None, error: Exception | None) -> None:
        self._begun = begun
        self._response = response
        self._error = error

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer as the handler did. The body of the request is there; the handler had it."""
        exchange.begun = self._begun
        yield from exchange.read_all_flow()
        if self._error is not None:
            raise self._error
        yield from exchange.respond_flow(self._response)  # type: ignore[arg-type]  # or what else it returned
