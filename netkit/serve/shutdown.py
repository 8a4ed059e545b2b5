"""Graceful shutdown: stop the loops, let open connections end, and wait until they have ended.

`GracefulShutdown` is a token that stops accepting, and a count of open connections. `shutdown_signals`
usually begins the shutdown: it gives SIGTERM and SIGINT as they come, in blocking and asyncio programs. The
parts are independent. For servers made of flows, `netkit.serve.connections.serve` does everything.

    shutdown = GracefulShutdown()
    with shutdown_signals(then=shutdown.initiate):
        for stream in listener.incoming(cancel=shutdown.token):    # ends when the token is cancelled
            threading.Thread(target=serve_one, args=[stream, shutdown.track()]).start()
        shutdown.wait_drained(timeout=30)

There is no polling: the end of the last connection, or the signal, wakes the waiter.
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

#: The signals that ask a server to end.
SHUTDOWN_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class GracefulShutdown:
    """Ends a service: a token stops accepting; then the connections are counted until they have ended.

    All methods may be called from any thread; `initiate` also from a signal handler.
    """

    def __init__(self) -> None:
        self._token = CancellationToken()
        # The held guards: a dict, because its operations are atomic. The garbage collector may drop a guard
        # while another is released, and no lock is needed for that.
        self._guards: dict[int, None] = {}
        self._numbers = 0
        self._making = threading.Lock()
        self._drained = Event()

    @property
    def token(self) -> CancellationToken:
        """Pass it as `cancel=` to operations that should end at once when the shutdown begins."""
        return self._token

    @property
    def is_initiated(self) -> bool:
        """Whether the shutdown has begun."""
        return self._token.is_cancelled

    @property
    def active(self) -> int:
        """How many guards are held, one for each connection or request that `track` was called for."""
        return len(self._guards)

    def track(self) -> ConnectionGuard:
        """A guard for one connection or request, which counts as open until the guard is released.

        `with`, `release()`, or dropping the last reference releases it. A guard that is taken after the
        shutdown has begun counts too.
        """
        with self._making:
            self._numbers += 1
            number = self._numbers
        self._guards[number] = None
        return ConnectionGuard(self, number)

    def initiate(self, reason: object = "shutting down") -> None:
        """Begin the shutdown: cancel the token. Idempotent; any thread or signal handler may call it."""
        self._token.cancel(reason.name if isinstance(reason, signal.Signals) else str(reason))

    def wait_drained_flow(self) -> Flow[None]:
        """Flow: wait until no guard is held."""
        want = Want(event=self._drained)
        while self._guards:
            self._drained.clear()
            if not self._guards:  # the last guard was released between the two checks
                self._drained.set()  # clearing the event may have hidden it from another waiter
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
        """`initiate`, then `wait_drained`. False if connections were still open after `timeout` seconds."""
        self.initiate()
        return self.wait_drained(timeout)

    async def shutdown_async(self, timeout: float | None = None) -> bool:
        """`initiate`, then `wait_drained_async`. False if connections were still open after `timeout`
        seconds."""
        self.initiate()
        return await self.wait_drained_async(timeout)

    def _drained_by(self, moment: float | None) -> Flow[bool]:
        # Not a driver's deadline: here a timeout is an answer (False), not an error.
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
    """Counts one connection as open, until it is released. Made by `GracefulShutdown.track`."""

    __slots__ = ("_number", "_shutdown")

    def __init__(self, shutdown: GracefulShutdown, number: int) -> None:
        self._shutdown = shutdown
        self._number = number

    def release(self) -> None:
        """Say that the connection has ended. A second call does nothing."""
        self._shutdown._release(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if hasattr(self, "_number"):  # otherwise its construction was interrupted
            self.release()


class ShutdownSignals:
    """The signals that ask a process to end, as they come. Made by `shutdown_signals`.

    As a blocking or asynchronous iterator it gives each signal when it arrives; `wait` gives the next one.
    `then` is called with each signal, from the handler itself, so it may do only what a handler may do. While
    the object is open, its signals have no other effect. With `force`, the second signal has its usual effect
    (normally the process ends at once), for users who do not want to wait.
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
        """Flow: wait until a signal has arrived; `take` returns it."""
        want = Want(event=self._any)
        while not self._arrived:
            self._any.clear()
            if self._arrived:
                self._any.set()
                return
            yield want

    def take(self) -> signal.Signals:
        """The signal that `wait_flow` has waited for. Raises IndexError if there is none."""
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
        """Restore the previous handlers of the signals."""
        if not self._open:
            return
        self._open = False
        if self._loop is not None and not self._loop.is_closed():
            for number in self._signals:
                self._loop.remove_signal_handler(number)
        for number, handler in self._before.items():
            # None: the previous handler was not Python's, and cannot be restored.
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
        """Make the signals wake the running loop: a plain Python handler would not end the loop's select."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        if loop is self._loop or not self._open:
            return
        for number in self._signals:
            try:
                loop.add_signal_handler(number, self._handle, number)
            except NotImplementedError:  # Windows: its loops check for signals regularly
                return
        self._loop = loop


def shutdown_signals(
    *signals: signal.Signals, then: Callable[[signal.Signals], object] | None = None, force: bool = True
) -> ShutdownSignals:
    """Handle SIGTERM and SIGINT (or `signals`) until the result is closed; it is an iterator of the signals.

    `then` is called with each signal, from the handler. With `force`, a second signal has its usual effect,
    and normally ends the process. Raises ValueError outside the main thread, because Python handles signals
    only there.

        signal = await anext(shutdown_signals())        # or next(...), blocking
    """
    return ShutdownSignals(signals or SHUTDOWN_SIGNALS, then, force)
