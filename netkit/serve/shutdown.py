"""Graceful shutdown: tell the loops to stop, let what is under way end, and know when it has.

`GracefulShutdown` is a token to stop accepting by, and a count of what is under way. `shutdown_signals` is
what usually begins it: SIGTERM and SIGINT as they come, for blocking and asyncio programs. The parts are
independent: `netkit.serve.connections.serve` does all of it for servers made of flows.

    shutdown = GracefulShutdown()
    with shutdown_signals(then=shutdown.initiate):
        for stream in listener.incoming(cancel=shutdown.token):    # ends when the token is cancelled
            threading.Thread(target=serve_one, args=[stream, shutdown.track()]).start()
        shutdown.wait_drained(timeout=30)

Nothing polls: whoever waits is woken by the last connection's end, or by the signal.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Self

from netkit.io import CancellationToken, Event, Flow, Want, deadline_after, run, run_async

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import FrameType, TracebackType

#: What asks a server to end.
SHUTDOWN_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class GracefulShutdown:
    """Ends a service: first its accepting, by a token; then, when they have ended, its connections.

    Everything may be called from any thread; `initiate` also from a signal handler.
    """

    def __init__(self) -> None:
        self._token = CancellationToken()
        # The guards held: a dict, whose operations are atomic, so that a guard dropped by the garbage
        # collector in the middle of another's release needs no lock.
        self._guards: dict[int, None] = {}
        self._numbers = 0
        self._making = threading.Lock()
        self._drained = Event()

    @property
    def token(self) -> CancellationToken:
        """Pass it as `cancel=` to whatever should end at once when the shutdown begins."""
        return self._token

    @property
    def is_initiated(self) -> bool:
        """Whether the shutdown has begun."""
        return self._token.is_cancelled

    @property
    def active(self) -> int:
        """How many guards are held: connections, requests, whatever `track` was called for."""
        return len(self._guards)

    def track(self) -> ConnectionGuard:
        """A guard for one connection or request: under way until it is released.

        Release it by `with`, `release()`, or by letting go of it. One that is taken after the shutdown
        has begun counts like any other.
        """
        with self._making:
            self._numbers += 1
            number = self._numbers
        self._guards[number] = None
        return ConnectionGuard(self, number)

    def initiate(self, reason: object = "shutting down") -> None:
        """Begin: cancel the token. Idempotent; any thread, any signal handler."""
        self._token.cancel(reason.name if isinstance(reason, signal.Signals) else str(reason))

    def wait_drained_flow(self) -> Flow[None]:
        """Flow: wait until no guard is held."""
        want = Want(event=self._drained)
        while self._guards:
            self._drained.clear()
            if not self._guards:  # the last went between the two looks
                self._drained.set()  # what was cleared may be what another waiter is to be woken by
                return
            yield want

    def wait_drained(self, timeout: float | None = None, *, cancel: CancellationToken | None = None) -> bool:
        """Wait until no guard is held. False if that took longer than `timeout` seconds."""
        return run(self._drained_by(deadline_after(timeout)), cancel=cancel)

    async def wait_drained_async(
        self, timeout: float | None = None, *, cancel: CancellationToken | None = None
    ) -> bool:
        """Wait until no guard is held. False if that took longer than `timeout` seconds."""
        return await run_async(self._drained_by(deadline_after(timeout)), cancel=cancel)

    def shutdown(self, timeout: float | None = None) -> bool:
        """`initiate`, then `wait_drained`. False if connections were still under way after `timeout`."""
        self.initiate()
        return self.wait_drained(timeout)

    async def shutdown_async(self, timeout: float | None = None) -> bool:
        """`initiate`, then `wait_drained_async`. False if connections were still under way then."""
        self.initiate()
        return await self.wait_drained_async(timeout)

    def _drained_by(self, moment: float | None) -> Flow[bool]:
        # Not a driver's deadline: that there was too little time is an answer here, not an error.
        while self._guards:
            self._drained.clear()
            if not self._guards:
                self._drained.set()
                break
            if moment is not None and monotonic() >= moment:
                return False
            yield Want(event=self._drained, until=moment)
        return True

    def _release(self, number: int) -> None:
        self._guards.pop(number, None)
        if not self._guards:
            self._drained.set()

    def __repr__(self) -> str:
        return f"<GracefulShutdown {'initiated' if self.is_initiated else 'running'} active={self.active}>"


class ConnectionGuard:
    """Says that one connection is under way, until it is released. Made by `GracefulShutdown.track`."""

    __slots__ = ("_number", "_shutdown")

    def __init__(self, shutdown: GracefulShutdown, number: int) -> None:
        self._shutdown = shutdown
        self._number = number

    def release(self) -> None:
        """It has ended. A second call does nothing."""
        self._shutdown._release(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if hasattr(self, "_number"):  # else it was interrupted while it was made
            self.release()


class ShutdownSignals:
    """The signals that ask a process to end, as they come. Made by `shutdown_signals`.

    As a blocking or asynchronous iterator it gives each as it arrives; `wait` gives the next. `then` is
    called with each from the handler itself, so it may only do what a handler may. While the object is
    open, its signals have no other effect; with `force`, the second one has the effect it would have had
    without it (as a rule the process ends at once), for whoever has lost patience.
    """

    def __init__(
        self,
        signals: tuple[signal.Signals, ...],
        then: Callable[[signal.Signals], object] | None,
        force: bool,
    ) -> None:
        self._signals = signals
        self._then = then
        self._force = force
        self._arrived: deque[signal.Signals] = deque()
        self._any = Event()
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before = {number: signal.getsignal(number) for number in signals}
        self._open = True
        for number in signals:
            signal.signal(number, self._handle)

    def wait_flow(self) -> Flow[None]:
        """Flow: wait until a signal has arrived; `take` gives it."""
        want = Want(event=self._any)
        while not self._arrived:
            self._any.clear()
            if self._arrived:
                self._any.set()
                return
            yield want

    def take(self) -> signal.Signals:
        """The signal that `flow` has waited for. Raises IndexError if there is none."""
        return self._arrived.popleft()

    def wait(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> signal.Signals:
        """Wait for the next signal. Raises DeadlineExceeded, CancellationError."""
        run(self.wait_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self.take()

    async def wait_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> signal.Signals:
        """Wait for the next signal. Raises DeadlineExceeded, CancellationError."""
        self._handle_in_loop()
        await run_async(self.wait_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self.take()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> signal.Signals:
        if not self._open:
            raise StopIteration
        return self.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> signal.Signals:
        if not self._open:
            raise StopAsyncIteration
        return await self.wait_async()

    def close(self) -> None:
        """Give the signals back to whatever handled them before."""
        if not self._open:
            return
        self._open = False
        if self._loop is not None and not self._loop.is_closed():
            for number in self._signals:
                self._loop.remove_signal_handler(number)
        for number, handler in self._before.items():
            # None: it was handled by something that is not Python, and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _handle(self, number: int, _frame: FrameType | None = None) -> None:
        which = signal.Signals(number)
        self._count += 1
        if self._force and self._count > 1:
            self.close()
            os.kill(os.getpid(), number)
            return
        self._arrived.append(which)
        if self._then is not None:
            self._then(which)
        self._any.set()

    def _handle_in_loop(self) -> None:
        """Have the running loop be woken by the signals: its select sleeps through a handler of Python's."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        if loop is self._loop or not self._open:
            return
        for number in self._signals:
            try:
                loop.add_signal_handler(number, self._handle, number)
            except NotImplementedError:  # Windows: its loops look every so often
                return
        self._loop = loop


def shutdown_signals(
    *signals: signal.Signals, then: Callable[[signal.Signals], object] | None = None, force: bool = True
) -> ShutdownSignals:
    """Take SIGTERM and SIGINT (or `signals`) over, until it is closed: an iterator of those that come.

    `then` is called with each, from the handler. With `force`, a second signal ends the process as if
    nobody had taken them over. Raises ValueError outside the main thread, where signals are not handled.

        signal = await anext(shutdown_signals())        # or next(...), blocking
    """
    return ShutdownSignals(signals or SHUTDOWN_SIGNALS, then, force)
