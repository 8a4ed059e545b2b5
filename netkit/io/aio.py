"""The asyncio driver: `run_async` steps a flow inside an event loop (uvloop's too).

Two decisions make it fast, and a third makes it correct:

- A registration stays. Adding and removing a reader around every wait costs two system calls. Here the first
  wait adds the reader, and it stays until an event finds no waiter. A writer is added only after a call
  returned EAGAIN, and removed by the first event that finds no writer.
- A descriptor has one timer. Each wait only writes down its deadline; when the timer fires, it checks the
  deadline, and sets itself again if the deadline has not passed. So a stream whose every read has a timeout
  makes a timer call every few seconds instead of at every read.
- The flow runs inside the loop's callback, so the bytes are read from the socket before the loop polls it
  again. The task that awaits is woken once, when the flow has ended. If that task is cancelled in between,
  the flow's result is dropped. So a flow leaves received bytes in its stream's buffer, and the method around
  the flow takes them from there after the await.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from netkit.io.blocking import why_over, without_waiting
from netkit.io.closing import dispose
from netkit.io.errors import BusyError, CancellationError, DeadlineExceeded, LoopUnsupported
from netkit.io.flow import (
    LONGEST_WAIT,
    OPERATIONS_PER_TURN,
    PAUSE,
    AnyWant,
    Descriptor,
    Flow,
    Waiter,
    Want,
    resume,
)
from netkit.io.interruption import Interrupted, interrupt
from netkit.io.reactor import ARMING_ERRORS, Reactor

if TYPE_CHECKING:
    import asyncio  # an async caller has imported it already; blocking programs never import this module
    from collections.abc import Callable, Generator

    from netkit.io.token import CancellationToken

T = TypeVar("T")

_POSIX = os.name == "posix"

_unwaited = 0  # how many operations ended without waiting since the loop last had a turn


async def run_async(
    flow: Flow[T], *, deadline: float | None = None, cancel: CancellationToken | None = None
) -> T:
    """Drive `flow` to its end under asyncio; the calling task is suspended while the flow waits.

    `deadline` and `cancel` are as in `netkit.io.run`: `deadline` is a moment of `time.monotonic()`. The
    deadline, the token, and asyncio's own CancelledError interrupt the flow where it waits. If the task is
    cancelled just when the flow ends, no caller gets the result: if it is `Closing`, it is closed.
    """
    try:
        if turn_is_due():
            await Turn()
        if cancel is not None and (over := why_over(None, cancel)) is not None:
            raise over
    except BaseException:
        flow.close()
        raise
    try:
        want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        if deadline is not None and monotonic() >= deadline:
            want = without_waiting(flow, want)
    except StopIteration as end:
        value: T = end.value
        return value
    task = _Task(_running_loop(), flow, deadline, cancel)
    task.wait(want)
    try:
        result: T = await task.future
        return result
    except BaseException as cause:
        if task.future.done() and not task.future.cancelled():
            if task.future.exception() is None:  # cancelled after the flow had ended
                dispose(task.future.result())
            raise
        task.leave()
        owed = interrupt(flow, cause)
    finally:
        task.end()
    try:
        raise owed
    finally:
        del owed  # the error refers to this frame: without `del` they would form a reference cycle


def turn_is_due() -> bool:
    """Count an operation that did not wait. Returns whether it is time to `await Turn()` (rule 5)."""
    global _unwaited
    _unwaited += 1
    if _unwaited < OPERATIONS_PER_TURN:
        return False
    _unwaited = 0
    return True


class Turn:
    """Awaiting it lets the loop run everything else that is ready."""

    def __await__(self) -> Generator[None, None, None]:
        yield  # a task that yields None is scheduled again at the end of the queue


_get_running_loop: Callable[[], asyncio.AbstractEventLoop] | None = None


def _running_loop() -> asyncio.AbstractEventLoop:
    global _get_running_loop
    if _get_running_loop is None:
        from asyncio import get_running_loop

        _get_running_loop = get_running_loop
    return _get_running_loop()


class _Task(Waiter):
    """One flow that runs in one event loop."""

    __slots__ = ("_alarm", "cancel", "deadline", "flow", "future", "key", "loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flow: Flow[Any],
        deadline: float | None,
        cancel: CancellationToken | None,
    ) -> None:
        self.want = PAUSE
        self.reactor = self.timer = self.failure = None  # `Waiter`, without a call for each operation
        self.loop = loop
        self.flow = flow
        self.deadline = deadline
        self.cancel = cancel
        self.future: asyncio.Future[Any] = loop.create_future()
        self._alarm: asyncio.TimerHandle | None = None
        self.key: tuple[asyncio.AbstractEventLoop, Callable[[], None]] | None = None
        if cancel is not None:
            self.key = (loop, self._cancelled)
            cancel._loops[self.key] = None
            if cancel.is_cancelled:
                loop.call_soon(
                    self._cancelled
                )  # the token was cancelled between the first check and the registration

    def end(self) -> None:
        """Unregister from the token and the timer, so that nothing wakes this any more."""
        if self.cancel is not None and self.key is not None:
            self.cancel._loops.pop(self.key, None)
            self.key = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def wait(self, want: AnyWant) -> None:
        """Arm for what the flow wants next; errors of arming are thrown into the flow."""
        while True:
            self.want = want
            try:
                if want is PAUSE:
                    self.loop.call_soon(self._unpause)
                    return
                reactor = _last_reactor
                if reactor is None or reactor._loop is not self.loop:
                    reactor = reactor_of(self.loop)
                reactor.arm(self)
                if self.deadline is not None and self._alarm is None:
                    self._keep_deadline(want, self.deadline)
                return
            except ARMING_ERRORS as error:
                try:
                    want = self.flow.throw(error)
                except StopIteration as end:
                    self._finish(end.value)
                    return
                except BaseException as raised:
                    self._fail(raised)
                    return

    def _keep_deadline(self, want: AnyWant, deadline: float) -> None:
        """Make a timer fire in time: the descriptor's own timer, if the task waits only for the
        descriptor."""
        if type(want) is Want:
            read, write = want.read, want.write
            if read is not None and want is read.want_read:
                watch, side = read.watch, 0
            elif write is not None and want is write.want_write:
                watch, side = write.watch, 1
            else:
                watch, side = None, 0
            if type(watch) is _Watch:
                watch.keep_time(side, deadline)
                return
        self._alarm = call_at(self.loop, deadline, self._expired)

    def wake(self, ready: bool) -> None:
        if self.future.done():
            return  # it is cancelled and will soon be interrupted: leave the data in the socket
        try:
            want = resume(self.flow, self.want, ready)
        except StopIteration as end:
            self._finish(end.value)
        except BaseException as error:
            self._fail(error)
        else:
            self.wait(want)

    def leave(self) -> None:
        """Stop waiting."""
        if self.reactor is not None:
            self.reactor.disarm(self)

    def expire(self) -> None:
        """The deadline has passed."""
        self._interrupt(DeadlineExceeded())

    def _unpause(self) -> None:
        if self.future.done():
            return
        if self.deadline is not None and monotonic() >= self.deadline:
            self.expire()
        else:
            self.wake(True)

    def _expired(self) -> None:
        self._alarm = None
        if self.future.done() or self.deadline is None:
            return
        if monotonic() < self.deadline:
            self._alarm = call_at(self.loop, self.deadline, self._expired)
        else:
            self.expire()

    def _cancelled(self) -> None:
        if not self.future.done() and self.cancel is not None:
            self._interrupt(CancellationError(self.cancel.reason))

    def _interrupt(self, error: Exception) -> None:
        self.leave()
        self._fail(interrupt(self.flow, Interrupted(error)))

    def _finish(self, value: object) -> None:
        if self.future.done():
            dispose(value)  # the flow's own last step cancelled the task
        else:
            self.future.set_result(value)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error


def call_at(
    loop: asyncio.AbstractEventLoop, moment: float, callback: Callable[[], object]
) -> asyncio.TimerHandle:
    """Schedule a call by `time.monotonic()`, even if the loop uses another clock (as uvloop does).

    The call may come too early, because of LONGEST_WAIT or by a millisecond, so it must check the time.
    """
    return loop.call_later(min(max(0.0, moment - monotonic()), LONGEST_WAIT), callback)


def _lasting(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a registration with `loop` survives an error on the descriptor.

    libuv's does not: at POLLERR uv_poll stops, while uvloop's reader stays in its table and is never called
    again. But after an error there may still be data (a reset) or more datagrams (a refusal).
    """
    from asyncio import SelectorEventLoop

    return isinstance(loop, SelectorEventLoop)


def _error_poll(fd: int) -> Callable[[int], list[tuple[int, int]]]:
    """A poll function for `fd`: called with a timeout of 0, it returns pending errors."""
    from select import poll

    poller = poll()
    poller.register(fd, 0)  # errors and hang-ups are always reported
    return poller.poll


class _Watch:
    """A descriptor's registration with one loop, which stays between waits, and its two timers."""

    __slots__ = ("_alarms", "_due", "_errors", "_reading", "_thread", "_writing", "descriptor", "fd", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: Descriptor) -> None:
        self.loop = loop
        self.fd = descriptor.fd
        self.descriptor = descriptor
        self._reading = False
        self._writing = False
        self._alarms: list[asyncio.TimerHandle | None] = [None, None]
        self._due = [0.0, 0.0]
        self._errors = _error_poll(self.fd) if _POSIX and not _lasting(loop) else None
        self._thread = threading.get_ident()

    def want_read(self) -> None:
        try:
            self._add(self.loop.add_reader, self._readable)
        except NotImplementedError:
            raise LoopUnsupported(type(self.loop).__name__) from None
        self._reading = True

    def want_write(self) -> None:
        try:
            self._add(self.loop.add_writer, self._writable)
        except NotImplementedError:
            raise LoopUnsupported(type(self.loop).__name__) from None
        self._writing = True

    def _add(self, add: Callable[[int, Callable[[], None]], None], callback: Callable[[], None]) -> None:
        # libuv makes every descriptor that it watches non-blocking, also for the processes that share it
        # (rule 11).
        blocking = _POSIX and os.get_blocking(self.fd)
        add(self.fd, callback)
        if blocking:
            os.set_blocking(self.fd, True)

    def _renew(self) -> None:
        """Register again what the loop has dropped without any notice."""
        reading, writing = self._reading, self._writing
        self._unregister()
        if reading:
            self.want_read()
        if writing:
            self.want_write()

    def _readable(self) -> None:
        if self._errors is not None and self._errors(0):
            self._renew()
        waiter = self.descriptor.reader
        if waiter is None:
            self._reading = False
            self.loop.remove_reader(self.fd)
            return
        if waiter.reactor is not None:
            waiter.reactor.disarm(waiter)
        waiter.wake(True)

    def _writable(self) -> None:
        if self._errors is not None and self._errors(0):
            self._renew()
        waiter = self.descriptor.writer
        if waiter is not None:
            if waiter.reactor is not None:
                waiter.reactor.disarm(waiter)
            waiter.wake(True)
        # A socket is nearly always writable: a registration without a writer would be called again and again.
        if self._writing and self.descriptor.writer is None:
            self._writing = False
            self.loop.remove_writer(self.fd)

    def keep_time(self, side: int, deadline: float) -> None:
        """Make the timer of a side (0 read, 1 write) fire no later than `deadline`."""
        alarm = self._alarms[side]
        if alarm is not None:
            if self._due[side] <= deadline:
                return
            alarm.cancel()
        self._due[side] = deadline
        self._alarms[side] = call_at(self.loop, deadline, self._read_due if side == 0 else self._write_due)

    def _read_due(self) -> None:
        self._alarms[0] = None
        self._look(0, self.descriptor.reader)

    def _write_due(self) -> None:
        self._alarms[1] = None
        self._look(1, self.descriptor.writer)

    def _look(self, side: int, waiter: Waiter | None) -> None:
        if not isinstance(waiter, _Task) or waiter.deadline is None:
            return  # there is no waiter any more, or the waiter has no deadline
        if monotonic() >= waiter.deadline:
            waiter.expire()
        else:
            self.keep_time(side, waiter.deadline)

    def forget(self, close: Callable[[], None]) -> None:
        """Unregister, then close: here, or in the loop's own thread if that is another thread."""
        if self.loop.is_closed():
            close()
        elif threading.get_ident() == self._thread or not self.loop.is_running():
            self._end()
            close()
        else:

            def finish() -> None:
                self._end()
                close()

            try:
                self.loop.call_soon_threadsafe(finish)
            except RuntimeError:
                close()  # the loop was closed at this very moment

    def _unregister(self) -> None:
        if self._reading:
            self._reading = False
            self.loop.remove_reader(self.fd)
        if self._writing:
            self._writing = False
            self.loop.remove_writer(self.fd)

    def _end(self) -> None:
        self._unregister()
        for alarm in self._alarms:
            if alarm is not None:
                alarm.cancel()
        self._alarms = [None, None]


class LoopReactor(Reactor):
    """The reactor of one event loop: it watches for all flows in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    lasting = True

    def watch_read(self, descriptor: Descriptor) -> None:
        watch = descriptor.watch
        if type(watch) is not _Watch or watch.loop is not self._loop:
            watch = self._adopted(descriptor)
        if not watch._reading:
            watch.want_read()

    def watch_write(self, descriptor: Descriptor) -> None:
        watch = descriptor.watch
        if type(watch) is not _Watch or watch.loop is not self._loop:
            watch = self._adopted(descriptor)
        if not watch._writing:
            watch.want_write()

    def _adopted(self, descriptor: Descriptor) -> _Watch:
        """A registration with this loop. Raises BusyError if another running loop watches the descriptor."""
        watch = descriptor.watch
        if watch is not None:
            if type(watch) is not _Watch or watch.loop.is_running():
                raise BusyError(f"descriptor {descriptor.fd}")
            if not watch.loop.is_closed():
                watch._end()
        descriptor.watch = made = _Watch(self._loop, descriptor)
        return made

    def timer(self, until: float, waiter: Waiter) -> _LoopTimer:
        return _LoopTimer(self, until, waiter)

    def soon(self, waiter: Waiter, want: AnyWant) -> None:
        self._loop.call_soon(self.fire, waiter, want)

    def from_anywhere(self, waiter: Waiter, want: AnyWant) -> None:
        try:  # "threadsafe" even in the loop's own thread, because a signal handler may be the caller
            self._loop.call_soon_threadsafe(self.fire, waiter, want)
        except RuntimeError:
            pass  # the loop is closed, and so nothing waits in it any more


class _LoopTimer:
    """A waiter's wake-up time, kept by the loop."""

    __slots__ = ("_handle", "_reactor", "_until", "_waiter")

    def __init__(self, reactor: LoopReactor, until: float, waiter: Waiter) -> None:
        self._reactor = reactor
        self._until = until
        self._waiter = waiter
        self._handle = call_at(reactor._loop, until, self._passed)

    def cancel(self) -> None:
        self._handle.cancel()

    def _passed(self) -> None:
        if monotonic() < self._until:
            # uvloop's clock counts milliseconds: its timers may come a fraction of a millisecond too early.
            self._handle = call_at(self._reactor._loop, self._until, self._passed)
        else:
            self._reactor.fire(self._waiter, self._waiter.want, ready=False)


_local = threading.local()
#: The reactor that was asked for last, in whatever thread: most programs have one loop.
_last_reactor: LoopReactor | None = None


def reactor_of(loop: asyncio.AbstractEventLoop) -> LoopReactor:
    """The reactor of the loop that runs in this thread."""
    global _last_reactor
    reactor: LoopReactor | None = getattr(_local, "reactor", None)
    if reactor is None or reactor._loop is not loop:
        reactor = _local.reactor = LoopReactor(loop)
    _last_reactor = reactor
    return reactor
