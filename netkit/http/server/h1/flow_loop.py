"""The loop for handlers that may wait: flows, threads, coroutines.

`HttpLoop` calls a handler and has its response. Here the handler is a flow, and `FlowLoop` resumes it itself,
from one turn to the next: as long as it waits for nothing but events (a thread's return, a task's end), no
driver, race or timer takes part. Whoever waits for something else, or longer than `BRIEF`, leaves with its
connection for the connection's own flow, which waits as for any other handler (see `brief`). The request is
a `QuickExchange`. Only requests without a body are answered here.

A thread that is done writes down whom it wakes, and rings once for all that are written down meanwhile.
"""

from __future__ import annotations

import select
from collections import deque
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing
from netkit.http.server.h1.loop import PIPELINED, HttpLoop, Place
from netkit.http.server.h1.quick_exchange import Quick, QuickExchange
from netkit.http.server.handling.brief import LEAVE, Begun, is_for_event, rest_of
from netkit.io import PAUSE, Event, Flow, Want, sleep_until
from netkit.io.flow import Waiter
from netkit.net.sockets import SocketStream

if TYPE_CHECKING:
    from netkit.http.message import Response
    from netkit.http.server.h1.flow import H1Serving
    from netkit.http.server.handling.threads import ThreadPool
    from netkit.http.server.request import ConnectionFacts, ServerRequest
    from netkit.http.server.service import Service
    from netkit.io import ByteStream
    from netkit.io.flow import AnyWant

#: How long, in seconds, a handler waits in the loop; between this and twice as much.
BRIEF = 0.02

_NONE = Framing.NONE


class FlowLoop(HttpLoop):
    """Resumes the handlers of simple requests on every connection that has a `place`."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, _no_answer)
        self._woken: deque[tuple[Waiter, AnyWant]] = deque()
        self._paused: list[FlowPlace] = []
        self._busy: dict[FlowPlace, float] = {}
        self._is_busy = Event()
        self._bell = Event()
        self._is_rung = False
        self._is_turning = False
        self._thread = get_ident()
        self._pool: ThreadPool | None = None
        self._has_calls = False

    def place(self, stream: ByteStream, facts: ConnectionFacts) -> Place | None:
        """The place of a connection; None for one over a stream that is no socket."""
        return FlowPlace(self, stream, facts) if isinstance(stream, SocketStream) else None

    def flows(self) -> list[Flow[None]]:
        """What is to be driven beside the server."""
        return [*super().flows(), self.looking_at_busy()]

    def turning(self) -> Flow[None]:
        """Flow: answer requests, until `close`."""
        self._thread = get_ident()
        want = Want(read=self._descriptor, event=self._bell)
        while True:
            yield PAUSE if self._again or self._paused or self._woken else want
            self._is_turning = True
            try:
                self._turn()
            finally:
                self._is_turning = False
            if self._has_calls and self._pool is not None:
                self._has_calls = False
                self._pool.wake()

    def looking_at_busy(self) -> Flow[None]:
        """Flow: send those away who wait for longer than a moment."""
        while True:
            if not self._busy:
                self._is_busy.clear()
                yield from self._is_busy.wait()
            yield from sleep_until(monotonic() + BRIEF)
            since = monotonic() - BRIEF
            for place in [place for place, moment in self._busy.items() if moment <= since]:
                place.leave()

    def _turn(self) -> None:
        self._bell.clear()
        self._is_rung = False  # only now: who rings after that is seen in the next turn
        woken, paused, self._paused = self._woken, self._paused, []
        for _ in range(len(woken)):
            waiter, want = woken.popleft()
            if waiter.reactor is self and waiter.want is want:
                self.disarm(waiter)
                waiter.wake(True)
        for place in paused:
            if place.answering is not None and place.is_here:
                self.go_on(place)
        super()._turn()

    # What an event asks of a reactor; see `netkit.io.flow.Arms`.

    def disarm(self, waiter: Waiter) -> None:
        """Stop waiting."""
        want = waiter.want
        if waiter.reactor is not None and isinstance(want, Want) and want.event is not None:
            want.event._discard(waiter)
        waiter.reactor = None

    def post(self, waiter: Waiter) -> None:
        """Wake a waiter, from any thread."""
        self._woken.append((waiter, waiter.want))
        if not self._is_rung:
            pool = self._pool
            if pool is None or get_ident() == self._thread or not pool.takes_over(self._ring):
                self._ring()

    def _ring(self) -> None:
        if not self._is_rung:
            self._is_rung = True
            self._bell.set()

    def gathers_for(self, pool: ThreadPool) -> bool:
        """`pool` has calls, and is woken at the end of the turn."""
        if not self._is_turning:
            return False
        self._pool = pool
        self._has_calls = True
        return True

    def soon(self, waiter: Waiter, want: AnyWant) -> None:
        """Wake a waiter, in the loop's own thread."""
        self._woken.append((waiter, want))
        if not (self._is_rung or self._is_turning):
            self._is_rung = True
            self._bell.set_soon()

    # Answers

    def _serve(self, place: Place, data: bytes, had: int = 0) -> None:
        """Begin to answer the requests in `data`, whose first `had` octets came before."""
        assert isinstance(place, FlowPlace)
        at = count = 0
        while at < len(data):
            exchange = self._read(place, data, at)
            if exchange is None:
                place.rest = data[at:] if at else data
                if at or not had:
                    limit = self._config.head_timeout
                    place.head_until = None if limit is None else self._now + limit
                if place.is_odd or had > at:
                    place.leave()
                return
            place.rest = b""
            place.head_until = place.idle_until = None
            place.was_used = True
            place.exchange = exchange
            place.answering = place.serving.answer_flow(exchange)
            place.serving.is_brief = True
            if not self._step(place):
                return
            data, at = exchange.quick.octets, exchange.quick.rest
            count += 1
            if count >= PIPELINED and at < len(data):
                self._put_off(place, data[at:])
                return

    def _read(self, place: FlowPlace, data: bytes, at: int) -> QuickExchange | None:
        """The request at that offset of the octets; None for one that is not there whole, or is for the flow:
        then the place `is_odd`."""
        parser = self._parser
        parser.reset(at)
        place.is_odd = False
        try:
            done = parser.feed(data)
        except ParseError:
            place.is_odd = True
            return None
        if not done:
            return None
        if done.framing is _NONE:
            end = done.body_start
            target, method, version = parser.target(data), parser.method(data), parser.version or (1, 1)
            facts = self._reader.facts(tuple(parser.items(data)), version, end - at)
            if facts is not None and (target[0] == 47 or target == b"*") and method != b"CONNECT":
                quick = Quick(data, at, end, facts, self._writer)
                return QuickExchange(place.serving, method, target, version, quick)
        place.is_odd = True
        return None

    def _put_off(self, place: FlowPlace, rest: bytes) -> None:
        place.rest = rest
        place.is_again = True
        self._again.append(place)

    def go_on(self, place: FlowPlace) -> None:
        """Resume an answer, and begin with what came behind its request."""
        exchange = place.exchange
        if self._step(place) and exchange is not None:
            rest = exchange.quick.octets[exchange.quick.rest :]
            if rest:
                self._put_off(place, rest)

    def _step(self, place: FlowPlace) -> bool:
        """Resume an answer up to its next wait. Returns whether it is over, and the connection still here."""
        answering, exchange, serving = place.answering, place.exchange, place.serving
        assert answering is not None
        assert exchange is not None
        place.is_stepping = True
        try:
            want = answering.send(True if place.is_busy else None)  # type: ignore[arg-type]  # the first is None
        except StopIteration:
            place.answering = None
        except Exception as error:
            place.answering = _raising(error)
            want = LEAVE
        finally:
            place.is_stepping = False
        if place.answering is not None:
            self._wait(place, want)
            return False
        self.answered += 1
        place.exchange = None
        serving.is_brief = False
        if place.is_busy:
            self._busy.pop(place, None)
            place.is_busy = False
        limit = self._config.idle_timeout
        place.idle_until = None if limit is None else self._now + limit
        if not place.is_here:
            place.rest = exchange.quick.octets[exchange.quick.rest :]
            place.end()
            return False
        if not exchange.quick.octets or serving.failure is not None or serving.conn.is_closed:
            place.rest = exchange.quick.octets[exchange.quick.rest :]
            place.leave()
            return False
        if place.is_muted:
            place.hear()
        return True

    def _wait(self, place: FlowPlace, want: AnyWant) -> None:
        place.want = want
        if not place.is_busy:
            place.is_busy = True
            self._busy[place] = self._now
            if not self._is_busy.is_set:
                self._is_busy.set_soon()
        if not place.is_here:
            place.hand_over()
        elif want is PAUSE:
            self._paused.append(place)
        elif is_for_event(want):
            assert isinstance(want, Want)
            assert want.event is not None
            waiter = place.waiter
            waiter.want = want
            waiter.reactor = self
            want.event._add(waiter)
            if want.event.is_set:
                self.soon(waiter, want)
        else:
            place.leave()


def loop_for(service: Service) -> HttpLoop | None:
    """The loop for a server's handler; None where this system has none."""
    if not HttpLoop.available:
        return None
    return HttpLoop.for_service(service) or FlowLoop(service)


class FlowPlace(Place):
    """One connection in the loop, whose handler may be waiting there."""

    __slots__ = (
        "_flow_loop",
        "answering",
        "exchange",
        "is_muted",
        "is_odd",
        "is_stepping",
        "serving",
        "waiter",
        "want",
    )

    serving: H1Serving

    def __init__(self, loop: FlowLoop, stream: SocketStream, facts: ConnectionFacts) -> None:
        super().__init__(loop, stream, facts)
        self._flow_loop = loop
        self.answering: Flow[None] | None = None
        self.exchange: QuickExchange | None = None
        self.is_muted = self.is_odd = self.is_stepping = False
        self.waiter = _PlaceWaiter(self)
        self.want: AnyWant = PAUSE

    def serve_flow(self, serving: H1Serving, idle_until: float | None) -> Flow[bool]:
        """Flow: have the loop answer what is simple; see `Place.serve_flow`."""
        self.serving = serving
        self.is_muted = False
        try:
            goes_on = yield from super().serve_flow(serving, idle_until)
        except BaseException as error:
            answering = self._taken()
            if answering is not None:
                try:
                    answering.throw(error)
                    answering.close()
                except StopIteration:
                    pass
            raise
        is_over = serving.handed_over and serving.begun is None
        return goes_on and serving.failure is None and not is_over

    def leave(self, error: Exception | None = None) -> None:
        """Send the connection back to its flow, with the answer that is under way, if there is one."""
        if self.answering is None:
            super().leave(error)
        elif self.is_here:
            self._take_out()
            if not self.is_stepping:
                self.hand_over()

    def hand_over(self) -> None:
        """Have the connection's flow go on with the answer. It is not in the loop any more."""
        exchange, serving = self.exchange, self.serving
        if exchange is not None:
            if exchange.is_quick and not exchange.is_ended:
                exchange.slow_down()
            self.rest = exchange.quick.octets[exchange.quick.rest :]
        answering = self._taken()
        assert answering is not None
        serving.begun = Begun(rest_of(answering, self.want))
        self._done.set()

    def _taken(self) -> Flow[None] | None:
        """The answer, which the loop does not resume any more."""
        answering, self.answering = self.answering, None
        self.exchange = None
        self.serving.is_brief = False
        self._flow_loop.disarm(self.waiter)
        self._flow_loop._busy.pop(self, None)
        self.is_busy = False
        return answering

    def end(self) -> None:
        """The answer of a connection that has left meanwhile is over."""
        self._done.set()

    def gathers_for(self, pool: ThreadPool) -> bool:
        """Whether the loop will wake a thread of `pool` at the end of its turn."""
        return self._flow_loop.gathers_for(pool)

    def mute(self) -> None:
        """Something came for a busy connection: the system shall not say so again and again."""
        if not self.is_muted:
            self.is_muted = True
            self._loop._epoll.unregister(self.fd)

    def hear(self) -> None:
        """The connection is not busy any more."""
        self.is_muted = False
        self._loop._epoll.register(self.fd, select.EPOLLIN)

    def _take_out(self) -> None:
        if self.is_here and self.is_muted:
            self.hear()
        super()._take_out()


class _PlaceWaiter(Waiter):
    """Waits for the answer of a place."""

    __slots__ = ("place",)

    def __init__(self, place: FlowPlace) -> None:
        super().__init__()
        self.place = place

    def wake(self, ready: bool) -> None:  # noqa: ARG002 - there is nothing else to wait for
        place = self.place
        if place.answering is not None and place.is_here:
            place._flow_loop.go_on(place)


def _raising(error: Exception) -> Flow[None]:
    raise error
    yield  # a flow, though it never waits


def _no_answer(_request: ServerRequest) -> Response:
    raise AssertionError("the answers of this loop are flows")
