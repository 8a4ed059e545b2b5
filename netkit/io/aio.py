"""The asyncio driver: `run_async` steps a flow inside an event loop (uvloop's too).

Two decisions carry its speed, and a third its soundness:

- A registration lasts. Adding and removing a reader around every wait costs two system calls; here the
  first wait adds it, and it stays until an event finds nobody waiting. Write interest is only ever added
  after a call said EAGAIN, and removed by the first event that finds no writer.
- A deadline is a moment the descriptor's one timer must not oversleep. Each wait writes its deadline
  down; the timer, when it fires, looks whether that has passed and re-arms itself if not. A stream whose
  every read has a timeout makes a timer call every few seconds instead of every read.
- The flow is stepped inside the loop's callback, so the bytes are taken off the socket before the loop
  polls it again. The task that awaits is woken once, when the flow has ended. If that task is cancelled in
  between, the flow's result is dropped: a flow therefore leaves what it received in its stream's
  buffer, and the method around it takes it from there after the await.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from netkit.io.closing import Closing
from netkit.io.errors import BusyError, CancellationError, DeadlineExceeded, LoopUnsupported
from netkit.io.flow import (
    LONGEST_WAIT,
    OPERATIONS_PER_TURN,
    PAUSE,
    AnyWant,
    Descriptor,
    Flow,
    Group,
    Waiter,
    abort,
    resume,
)

if TYPE_CHECKING:
    import asyncio  # at run time the caller has imported it: blocking programs never pay for it
    from collections.abc import Callable, Generator

    from netkit.io.token import CancellationToken

T = TypeVar("T")

_POSIX = os.name == "posix"

#: The mark of a waiter whose deadline is kept by its descriptor's timer.
_BY_DESCRIPTOR = object()

#: What arming may raise: the place is taken, closed, not pollable (a regular file), or the wrong loop.
_ARMING = (BusyError, LoopUnsupported, OSError)

_unwaited = 0  # operations that ended without waiting, since some operation last gave the loop a turn


async def run_async(
    flow: Flow[T], *, deadline: float | None = None, cancel: CancellationToken | None = None
) -> T:
    """Drive `flow` to its end under asyncio, suspending the calling task where it waits.

    As `netkit.io.run`: `deadline` is a moment of `time.monotonic()`; DeadlineExceeded, CancellationError
    and asyncio's own CancelledError are thrown in where the flow waits. Where the task was cancelled as the
    flow ended, so that nobody has its result, a result that is `Closing` is closed.
    """
    try:
        if turn_is_due():
            await Turn()
        if cancel is not None and cancel.is_cancelled:
            raise CancellationError(cancel.reason)
        if deadline is not None and monotonic() >= deadline:
            raise DeadlineExceeded
    except BaseException:
        flow.close()
        raise
    try:
        want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
    except StopIteration as end:
        value: T = end.value
        return value
    task = _Task(_running_loop(), flow, deadline, cancel)
    task.wait(want)
    try:
        result: T = await task.future
        return result
    except BaseException as error:
        if task.future.cancelled() or not task.future.done():
            task.leave()
            raise abort(flow, error)  # noqa: B904  # it is that error, as a rule
        if task.future.exception() is None:  # cancelled after the flow had ended
            _dispose(task.future.result())
        raise
    finally:
        task.end()


def _dispose(value: object) -> None:
    """Close what a flow returned, where nobody will have it: a connection that was just made."""
    if isinstance(value, Closing):
        value.close()


def turn_is_due() -> bool:
    """Count an operation that did not wait; whether it is time to `await Turn()` (rule 5)."""
    global _unwaited
    _unwaited += 1
    if _unwaited < OPERATIONS_PER_TURN:
        return False
    _unwaited = 0
    return True


class Turn:
    """Awaited, it lets the loop run everything else that is ready."""

    def __await__(self) -> Generator[None, None, None]:
        yield  # a task that yields nothing is scheduled again at the end of the queue


_get_running_loop: Callable[[], asyncio.AbstractEventLoop] | None = None


def _running_loop() -> asyncio.AbstractEventLoop:
    global _get_running_loop
    if _get_running_loop is None:
        from asyncio import get_running_loop

        _get_running_loop = get_running_loop
    return _get_running_loop()


class _Task(Waiter):
    """One flow under way in one event loop."""

    __slots__ = ("_alarm", "cancel", "flow", "future", "key", "loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flow: Flow[Any],
        deadline: float | None,
        cancel: CancellationToken | None,
    ) -> None:
        super().__init__()
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
                loop.call_soon(self._cancelled)  # between the first look and the entry

    def end(self) -> None:
        """Forget the token and the timer; nothing will wake this any more."""
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
                reactor_of(self.loop).arm(self)
                if self.deadline is not None and self.timer is not _BY_DESCRIPTOR and self._alarm is None:
                    self._alarm = call_at(self.loop, self.deadline, self._expired)
                return
            except _ARMING as error:
                self.leave()
                try:
                    want = self.flow.throw(error)
                except StopIteration as end:
                    self._finish(end.value)
                    return
                except BaseException as raised:
                    self._fail(raised)
                    return

    def wake(self, ready: bool) -> None:
        if self.future.done():
            return  # cancelled, and about to be told: what is there stays in the socket
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

    def _interrupt(self, error: BaseException) -> None:
        self.leave()
        self._fail(abort(self.flow, error))

    def _finish(self, value: object) -> None:
        if self.future.done():
            _dispose(value)  # cancelled by what the flow itself did last
        else:
            self.future.set_result(value)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error


def call_at(loop: asyncio.AbstractEventLoop, moment: float, callback: Callable[[], object]) -> Any:
    """Schedule by `time.monotonic()`, whatever clock the loop goes by (uvloop's starts elsewhere).

    It may be called too early, by LONGEST_WAIT or a millisecond, and is to look.
    """
    return loop.call_later(min(max(0.0, moment - monotonic()), LONGEST_WAIT), callback)


def _lasting(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a registration with `loop` outlives an error on the descriptor.

    libuv's does not: at POLLERR uv_poll stops, and uvloop's reader stays in its table and is never called
    again. An error is no end: behind it there may be data (a reset) or more datagrams (a refusal).
    """
    from asyncio import SelectorEventLoop

    return isinstance(loop, SelectorEventLoop)


def _error_poll(fd: int) -> Callable[[int], list[tuple[int, int]]]:
    """What says, called with a timeout of 0, whether an error is pending on `fd`."""
    from select import poll

    poller = poll()
    poller.register(fd, 0)  # errors and hang-ups are reported unasked
    return poller.poll


class _Watch:
    """A descriptor's lasting registration with one loop, and its two lazily re-armed timers."""

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
        if not self._reading:
            try:
                self._add(self.loop.add_reader, self._readable)
            except NotImplementedError:
                raise LoopUnsupported(type(self.loop).__name__) from None
            self._reading = True

    def want_write(self) -> None:
        if not self._writing:
            try:
                self._add(self.loop.add_writer, self._writable)
            except NotImplementedError:
                raise LoopUnsupported(type(self.loop).__name__) from None
            self._writing = True

    def _add(self, add: Callable[[int, Callable[[], None]], None], callback: Callable[[], None]) -> None:
        # libuv makes whatever it watches non-blocking, and with it everybody's who shares it (rule 11).
        blocking = _POSIX and os.get_blocking(self.fd)
        add(self.fd, callback)
        if blocking:
            os.set_blocking(self.fd, True)

    def _renew(self) -> None:
        """Register anew what the loop has dropped without a word."""
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
        # A socket is nearly always writable: interest without a writer would be called back for ever.
        if self._writing and self.descriptor.writer is None:
            self._writing = False
            self.loop.remove_writer(self.fd)

    def keep_time(self, side: int, deadline: float) -> None:
        """See to it that the timer of a side (0 read, 1 write) fires no later than `deadline`."""
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
        if not isinstance(waiter, _Task) or waiter.timer is not _BY_DESCRIPTOR or waiter.deadline is None:
            return  # nobody waits, or not by this timer
        if monotonic() >= waiter.deadline:
            waiter.expire()
        else:
            self.keep_time(side, waiter.deadline)

    def forget(self, close: Callable[[], None]) -> None:
        """Unregister, then close: here, or in the loop's own thread where that is another one."""
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
                close()  # the loop was closed in this instant

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


class LoopReactor:
    """What the flows of one event loop wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def arm(self, waiter: Waiter) -> None:
        want = waiter.want
        if isinstance(want, Group):
            self._arm_group(waiter, want)
            return
        read, write, event, until = want.read, want.write, want.event, want.until
        waiter.reactor = self  # first: who closes a descriptor that is claimed finds here whom to wake
        if read is not None:
            self._claim(read, waiter, read=True, write=read is write)
        if write is not None and write is not read:
            self._claim(write, waiter, read=False, write=True)
        if read is not None:
            read.watch.want_read()
            if read.nudged:
                read.nudged = False
                self._loop.call_soon(self._fire, waiter, want)
        if write is not None:
            write.watch.want_write()
        if event is None and until is None:
            if waiter.deadline is not None and read is not write and (read is None or write is None):
                waiter.timer = _BY_DESCRIPTOR
                if read is not None:
                    read.watch.keep_time(0, waiter.deadline)
                elif write is not None:
                    write.watch.keep_time(1, waiter.deadline)
            return
        if until is not None:
            waiter.timer = call_at(self._loop, until, lambda: self._time_passed(waiter, until))
        if event is not None:
            event._add(waiter)
            if event.is_set:
                self._loop.call_soon(self._fire, waiter, want)

    def _arm_group(self, waiter: Waiter, group: Group) -> None:
        waiter.reactor = self
        group.parent = waiter
        fresh, group.fresh = group.fresh, []
        for branch in fresh:
            try:
                self.arm(branch)
            except _ARMING as error:
                self.disarm(branch)
                branch.failure = error
                group.ready.append(branch)
        if group.ready:
            self._loop.call_soon(self._fire, waiter, group)

    def _claim(self, descriptor: Descriptor, waiter: Waiter, *, read: bool, write: bool) -> None:
        watch: _Watch | None = descriptor.watch
        if watch is None or watch.loop is not self._loop:
            if watch is not None:
                if watch.loop.is_running():
                    raise BusyError(f"descriptor {descriptor.fd}")
                if not watch.loop.is_closed():
                    watch._end()
            descriptor.watch = _Watch(self._loop, descriptor)
        descriptor.claim(waiter, read=read, write=write)

    def disarm(self, waiter: Waiter) -> None:
        if waiter.reactor is None:
            return
        want = waiter.want
        if isinstance(want, Group):
            want.parent = None
            waiter.reactor = None
            return
        timer, waiter.timer = waiter.timer, None
        if timer is not None and timer is not _BY_DESCRIPTOR:
            timer.cancel()
        if want.read is not None:
            want.read.release(waiter)
        if want.write is not None and want.write is not want.read:
            want.write.release(waiter)
        if want.event is not None:
            want.event._discard(waiter)
        waiter.reactor = None

    def post(self, waiter: Waiter) -> None:
        try:  # "threadsafe" also from the loop's own thread, where a signal handler may be the caller
            self._loop.call_soon_threadsafe(self._fire, waiter, waiter.want)
        except RuntimeError:
            pass  # that loop is closed, and what waited in it with it

    def _fire(self, waiter: Waiter, want: AnyWant) -> None:
        # The want is compared because the waiter may have been woken, and armed for another, since.
        if waiter.reactor is self and waiter.want is want:
            self.disarm(waiter)
            waiter.wake(True)

    def _time_passed(self, waiter: Waiter, until: float) -> None:
        if waiter.reactor is self:
            if monotonic() < until:
                # uvloop's clock goes in milliseconds: its timers may come a fraction of one too early.
                waiter.timer = call_at(self._loop, until, lambda: self._time_passed(waiter, until))
                return
            self.disarm(waiter)
            waiter.wake(False)


_local = threading.local()


def reactor_of(loop: asyncio.AbstractEventLoop) -> LoopReactor:
    """The reactor of the loop that runs in this thread."""
    reactor: LoopReactor | None = getattr(_local, "reactor", None)
    if reactor is None or reactor._loop is not loop:
        reactor = _local.reactor = LoopReactor(loop)
    return reactor
