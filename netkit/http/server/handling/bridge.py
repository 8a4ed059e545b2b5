"""How a handler that runs elsewhere has things done by the flow that owns its connection.

A blocking handler runs in a thread, and a socket belongs to the loop that watches it. So the thread touches
no socket: it *asks* for a flow (read a piece of the body, send this), the connection's flow runs it, and the
thread waits for the result. A coroutine asks in the same way, so that one flow alone reads, and reading ends
with it. When the connection's flow ends, whoever asks gets ClosedError: a thread cannot be interrupted, but
it learns it at its next step.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from netkit.http.errors import HttpError
from netkit.http.server.handling.brief import briefly_alone
from netkit.io import ClosedError, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.http.server.exchange import Exchange
    from netkit.http.server.handling.threads import ThreadPool
    from netkit.io import Flow

T = TypeVar("T")

#: What is closed for whoever asks too late.
_WHAT = "the connection of the request"


class _Errand(Generic[T]):
    """A flow that somebody wants done. `tell` says that it is over."""

    __slots__ = ("error", "make", "tell", "value")

    def __init__(self, make: Callable[[], Flow[T]], tell: Callable[[], object]) -> None:
        self.make = make
        self.tell = tell
        self.value: T | None = None
        self.error: Exception | None = None

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # an errand without an error has a T


class Bridge:
    """Between a handler and the flow of its connection, for one exchange.

    The flow attends (`attend_flow`), and leaves (`leave`) however it ends. The handler asks, and is over
    (`finish`).
    """

    __slots__ = ("_current", "_errands", "_guard", "_left", "_over", "_owner", "_posted_error", "_rung")

    def __init__(self) -> None:
        self._errands: deque[_Errand[object]] = deque()
        self._current: _Errand[object] | None = None
        self._guard = threading.Lock()
        self._rung = Event()
        self._left = False
        self._over = False
        self._owner = threading.get_ident()
        self._posted_error: Exception | None = None

    # For the handler.

    def delegate(self, make: Callable[[], Flow[T]]) -> T:
        """Have the flow that `make` makes done, and wait for its result. Raises what the flow raises.

        Raises ClosedError if the connection's flow has left, RuntimeError in the thread of that flow, which
        would wait for itself.
        """
        if threading.get_ident() == self._owner:
            raise RuntimeError("this would block the event loop: use the form that is awaited")
        done = threading.Lock()
        done.acquire()
        errand = _Errand(make, done.release)
        self._enter(errand)
        done.acquire()
        return errand.result()

    async def delegate_async(self, make: Callable[[], Flow[T]]) -> T:
        """`delegate`, awaited in the loop that drives the connection's flow.

        A caller that is cancelled meanwhile leaves the flow to its end: what it has read must not be lost.
        """
        from asyncio import get_running_loop

        there = get_running_loop().create_future()

        def tell() -> None:
            if not there.done():
                there.set_result(None)

        errand = _Errand(make, tell)
        self._enter(errand)
        await there
        return errand.result()

    def post(self, make: Callable[[], Flow[object]]) -> None:
        """Have a flow done, and go on. `attend_flow` raises its error when the handler is over."""
        errand: _Errand[object]

        def tell() -> None:
            if errand.error is not None and self._posted_error is None:
                self._posted_error = errand.error

        errand = _Errand(make, tell)
        self._enter(errand)

    def finish(self) -> bool:
        """The handler is over. Returns whether somebody still waits for that. Any thread."""
        with self._guard:
            if self._left:
                return False
            self._over = True
        self._ring()
        return True

    def _enter(self, errand: _Errand[T]) -> None:
        with self._guard:
            if self._left:
                raise ClosedError(_WHAT)
            self._errands.append(errand)  # type: ignore[arg-type]  # only its own caller reads its result
        self._ring()

    def _ring(self) -> None:
        if threading.get_ident() == self._owner:
            self._rung.set_soon()
        else:
            self._rung.set()

    # For the flow of the connection.

    def attend_flow(self, until: Callable[[], bool] | None = None) -> Flow[None]:
        """Flow: do what is asked, one after the other, until the handler is over, or `until()` is true."""
        while True:
            while self._errands:
                self._current = errand = self._errands.popleft()
                try:
                    errand.value = yield from errand.make()
                except Exception as error:
                    errand.error = error
                self._current = None
                errand.tell()
                if until is not None and until():
                    return
            if self._over:
                if self._posted_error is not None:
                    raise self._posted_error
                return
            self._rung.clear()
            if not (self._errands or self._over):  # they may have come since the last look
                yield from self._rung.wait()

    def leave(self) -> bool:
        """Nothing more is done for the handler. Returns whether it was over."""
        with self._guard:
            self._left = True
            left = list(self._errands)
            self._errands.clear()
            if self._current is not None:
                left.append(self._current)
                self._current = None
        for errand in left:
            errand.error = ClosedError(_WHAT)
            errand.tell()
        return self._over


class _Call(Generic[T]):
    """A call of `function` in a thread."""

    __slots__ = ("bridge", "dropped", "error", "function", "value")

    def __init__(self, bridge: Bridge, function: Callable[[], T], dropped: Callable[[T], object]) -> None:
        self.bridge = bridge
        self.function = function
        self.dropped = dropped
        self.value: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call it, in the thread."""
        try:
            self.value = self.function()
        except BaseException as error:
            self.error = error
        if not self.bridge.finish():
            self.drop()

    def drop(self) -> None:
        """Nobody wants the result."""
        if self.error is None:
            self.dropped(self.value)  # type: ignore[arg-type]  # a call without an error returned a T

    def result(self) -> T:
        error, self.error = self.error, None  # the error refers to frames that refer to this
        if error is None:
            return self.value  # type: ignore[return-value]  # as above
        if isinstance(error, Exception):
            raise error
        # SystemExit in a handler is no reason to end the server.
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error


def in_thread_flow(
    pool: ThreadPool,
    exchange: Exchange,
    bridge: Bridge,
    function: Callable[[], T],
    *,
    dropped: Callable[[T], object],
    is_received: bool,
) -> Flow[T]:
    """Flow: call `function` in a thread of `pool`, do what it asks of `bridge`, and return its result.

    While no thread is free, a broken connection is noticed if the request `is_received` as a whole. Once
    the function runs, it runs to its end, also if this flow does not: `dropped` gets its result then. Raises
    what the function raises, HttpError.ConnectionError for a client that has gone before that.
    """
    if not pool.places.try_acquire():
        if not pool.lacking.is_set:
            pool.lacking.set_soon()
        if not is_received:
            yield from pool.places.acquire()
        elif (yield from briefly_alone(exchange, pool.places.acquire(), broken_flow(exchange)))[0]:
            raise given_up(exchange)
    call = _Call(bridge, function, dropped)
    pool.start(call.run, wakes=not exchange.gathers_for(pool))
    try:
        yield from bridge.attend_flow()
    except BaseException:
        if bridge.leave():
            call.drop()
        raise
    bridge.leave()
    return call.result()


def gone_flow(exchange: Exchange) -> Flow[None]:
    """Flow: until the client is gone, however it went."""
    try:
        yield from exchange.gone_flow()
    except (OSError, EOFError):
        return


def broken_flow(exchange: Exchange) -> Flow[None]:
    """Flow: until the connection is broken. A client that has only finished sending may still read what it
    asked for, and the pipelined requests of one that says so at once would be lost (RFC 9112 section 9.6)."""
    yield from gone_flow(exchange)
    if exchange.failure is None:
        yield from Event().wait()


def given_up(exchange: Exchange) -> HttpError:
    """The client is gone: break the exchange off. Returns the error for the log."""
    exchange.abort()
    return HttpError.ConnectionError("the client has gone", fault="peer")
