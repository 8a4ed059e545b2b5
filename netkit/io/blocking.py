"""The blocking driver: `run` steps a flow in the calling thread and waits with poll(2).

Each call has its own poll object, so no registration remains after the call. The call also polls the thread's
bell: if another thread closes a stream or sets an event, the wait ends.
"""

from __future__ import annotations

import select
import sys
import threading
from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from netkit.io.bell import Bell, thread_bell
from netkit.io.errors import CancellationError, DeadlineExceeded
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
from netkit.io.pollers import MANY, READ, WRITE, Epoll, Poller, Select
from netkit.io.reactor import ARMING_ERRORS, Reactor

if TYPE_CHECKING:
    from netkit.io.token import CancellationToken

T = TypeVar("T")

#: How many wake-up times, dead ones included, may collect before the dead ones are removed.
MANY_TIMES = 1024


def run(flow: Flow[T], *, deadline: float | None = None, cancel: CancellationToken | None = None) -> T:
    """Drive `flow` to its end; this thread blocks while the flow waits.

    `deadline` is a moment of `time.monotonic()`. Raises DeadlineExceeded when it passes first,
    CancellationError when `cancel` is cancelled first, and whatever the flow raises. Where the flow waits, it
    is interrupted by all three of deadline, token and KeyboardInterrupt (see `netkit.io.interruption`). Where
    the deadline has passed already, the flow comes as far as it does without waiting.
    """
    over = why_over(None, cancel)
    if over is not None:
        flow.close()
        raise over
    reactor: PollReactor | None = None
    root = _Root()
    depth = _local.depth
    try:
        _local.depth = depth + 1
        want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        if deadline is not None and monotonic() >= deadline:
            want = without_waiting(flow, want)
        reactor = _reactor(cancel)
        while True:
            try:
                ready = reactor.wait(root, want, deadline)
            except ARMING_ERRORS as error:
                reactor.disarm(root)
                want = flow.throw(error)  # the flow's own mistake: the flow may handle the error and continue
                continue
            want = resume(flow, want, ready)
    except StopIteration as end:
        value: T = end.value
        return value
    except Exception:
        # Out of the flow, which is over then; or out of a signal's handler, which may raise what it likes.
        if reactor is not None:
            reactor.disarm(root)
        flow.close()
        raise
    except BaseException as cause:
        if reactor is not None and root is not None:
            reactor.disarm(root)
        owed = interrupt(
            flow, cause
        )  # if the flow itself raised `cause`, the flow has ended, and this returns `cause`
    finally:
        _local.depth = depth
        if reactor is not None:
            reactor.close()
    try:
        raise owed
    finally:
        del owed  # the error refers to this frame: without `del` they would form a reference cycle


class _Local(threading.local):
    """What a thread keeps: the reactor that its last call has left, and how many calls are under way."""

    left: PollReactor | None = None
    depth = 0


_local = _Local()


def driver_depth() -> int:
    """How many calls of `run` are under way in this thread, one inside the other; 0 in an event loop.

    Flows that share something must not wait for each other where one of them cannot go on before the other
    has ended: a call of `run` in a callback of the loop, or in the flow of another call.
    """
    return _local.depth


def _reactor(cancel: CancellationToken | None) -> PollReactor:
    """A reactor for one call: the one that an earlier call of this thread has left, or a new one."""
    if cancel is None:
        left = _local.left
        if left is not None:
            _local.left = None  # a call within this call needs another one
            if left.begin_again():
                return left
    return PollReactor(cancel)


def why_over(deadline: float | None, cancel: CancellationToken | None) -> Exception | None:
    """The error of a driver that has to stop now; None if it may continue."""
    if cancel is not None and cancel.is_cancelled:
        return CancellationError(cancel.reason)
    if deadline is not None and monotonic() >= deadline:
        return DeadlineExceeded()
    return None


def without_waiting(flow: Flow[T], want: AnyWant) -> AnyWant:
    """Step a flow that has no time left as long as what it wants is there; what it would have to wait for.

    So that a timeout of 0 means "what can be had at once". Raises StopIteration where the flow ends.
    """
    for _ in range(OPERATIONS_PER_TURN):
        if not _is_ready(want):
            break
        want = resume(flow, want, True)
    return want


def _is_ready(want: AnyWant) -> bool:
    """Whether the descriptors of a want are there, or one of them; of other wants it is not told."""
    if type(want) is not Want:
        return False
    poll: Poller = select.poll() if hasattr(select, "poll") else Select()
    for descriptor, bit in ((want.read, READ), (want.write, WRITE)):
        if descriptor is None:
            continue
        if descriptor.closed:
            return True  # which the flow is to be told
        if (descriptor.reader if bit == READ else descriptor.writer) is not None:
            return False  # another waits there
        poll.register(descriptor.fd, bit)
    return bool(poll.poll(0))


def _many_from() -> int:
    """With more descriptors than that, a call changes to epoll."""
    return MANY if hasattr(select, "epoll") else sys.maxsize


class _Root(Waiter):
    """The driven flow itself."""

    __slots__ = ("woken",)

    def __init__(self) -> None:
        super().__init__()
        self.woken: bool | None = None

    def wake(self, ready: bool) -> None:
        self.woken = ready


class _Alarm:
    """A wake-up time in the heap. A cancelled one is dead, and is dropped when it comes to the top."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter: Waiter | None = waiter

    def cancel(self) -> None:
        self.waiter = None


class PollReactor(Reactor):
    """The reactor of one blocking call: it watches descriptors, times, events of other threads, the token."""

    def __init__(self, cancel: CancellationToken | None) -> None:
        self._poll: Poller = select.poll() if hasattr(select, "poll") else Select()
        self._many: Epoll | None = None  # the same as `_poll`, once that is an epoll for many descriptors
        self._many_from = _many_from()
        self._descriptors: dict[int, Descriptor] = {}
        self._masks: dict[int, int] = {}
        self._times: list[tuple[float, int, _Alarm]] = []
        self._most_times = MANY_TIMES
        self._order = count()
        self._posted: deque[tuple[Waiter, AnyWant]] = deque()
        self._soon: list[tuple[Waiter, AnyWant]] = []
        self._thread = threading.get_ident()
        self._bell: Bell = thread_bell()
        self._signals = self._bell.rung_by_signals()
        self._polling = False
        self._cancel = cancel
        self._poll.register(self._bell.fd, READ)
        if cancel is not None:
            self._poll.register(cancel._fileno(), READ)

    def close(self) -> None:
        """Release the resources of the call: the wake-up by signals, and epoll's descriptor."""
        if self._signals:
            self._signals = False
            self._bell.silent_to_signals()
        if self._many is not None:
            self._many.close()
        elif self._cancel is None and not (self._masks or self._soon or self._posted):
            times = self._times
            while times and times[-1][2].waiter is None:
                times.pop()  # the last one of a heap may go without further work
            if not times:
                _local.left = (
                    self  # nothing is left in it, and to make one costs as much as some system calls
                )

    def begin_again(self) -> bool:
        """Take up the work for another call, after `close`. False if it cannot: after fork(2)."""
        if self._bell is not thread_bell():
            return False
        self._posted.clear()  # what came too late, for waiters that have ended
        self._many_from = _many_from()
        self._signals = self._bell.rung_by_signals()
        return True

    def wait(self, root: _Root, want: AnyWant, deadline: float | None) -> bool:
        """Wait for what the flow wants. Returns the value to send into the flow.

        Raises Interrupted if the deadline passes or the token is cancelled first, and one of ARMING_ERRORS if
        it is not possible to wait for `want`.
        """
        self._look(deadline)
        if want is PAUSE:
            self._turn(0.0)
            return True
        root.want = want
        root.woken = None
        self.arm(root)
        while root.woken is None:
            self._turn(deadline)
            if root.woken is None:
                self._look(deadline)
        return root.woken

    def _look(self, deadline: float | None) -> None:
        over = why_over(deadline, self._cancel)
        if over is not None:
            try:
                raise Interrupted(over)
            finally:
                del over  # see `run`

    def timer(self, until: float, waiter: Waiter) -> _Alarm:
        alarm = _Alarm(waiter)
        if len(self._times) >= self._most_times:
            self._drop_dead_times()
        heappush(self._times, (until, next(self._order), alarm))
        return alarm

    def _drop_dead_times(self) -> None:
        """Remove the dead times, which otherwise stay in the heap until they come to its top."""
        self._times[:] = [entry for entry in self._times if entry[2].waiter is not None]
        heapify(self._times)
        self._most_times = max(MANY_TIMES, 2 * len(self._times))

    def soon(self, waiter: Waiter, want: AnyWant) -> None:
        self._soon.append((waiter, want))

    def from_anywhere(self, waiter: Waiter, want: AnyWant) -> None:
        self._posted.append((waiter, want))
        # Ring also for a signal handler of this thread: after it, poll would continue (PEP 475).
        if self._polling or threading.get_ident() != self._thread:
            self._bell.ring()

    def watch_read(self, descriptor: Descriptor) -> None:
        self._watch(descriptor, READ)

    def watch_write(self, descriptor: Descriptor) -> None:
        self._watch(descriptor, WRITE)

    def _watch(self, descriptor: Descriptor, bit: int) -> None:
        fd = descriptor.fd
        mask = self._masks.get(fd, 0) | bit
        self._masks[fd] = mask
        self._descriptors[fd] = descriptor
        self._poll.register(fd, mask)
        if self._many is None and len(self._masks) > self._many_from:
            self._take_many()

    def _take_many(self) -> None:
        """Change to epoll, if a descriptor is available for it."""
        try:
            self._poll = self._many = Epoll()
        except OSError:
            self._many_from = 2 * len(self._masks)
            return
        for fd, mask in self._masks.items():
            self._many.register(fd, mask)
        self._many.register(self._bell.fd, READ)
        if self._cancel is not None:
            self._many.register(self._cancel._fileno(), READ)

    def unwatch(self, descriptor: Descriptor, *, write: bool) -> None:
        fd = descriptor.fd
        mask = self._masks.get(fd, 0) & ~(WRITE if write else READ)
        if mask:
            self._masks[fd] = mask
            self._poll.register(fd, mask)
        elif self._masks.pop(fd, None) is not None:
            del self._descriptors[fd]
            self._poll.unregister(fd)

    def _turn(self, deadline: float | None) -> None:
        """Wait once, at most until `deadline` or the next wake-up time, and wake the waiters that are
        ready."""
        times = self._times
        while times and times[0][2].waiter is None:
            heappop(times)  # it was disarmed meanwhile
        if self._soon or self._posted:
            until: float | None = 0.0
        else:
            until = deadline
            if times and (until is None or times[0][0] < until):
                until = times[0][0]
        # Rounded up: if poll returned a fraction too early, nothing would be due, and the loop would spin.
        timeout = None if until is None else max(0, ceil(min(until - monotonic(), LONGEST_WAIT) * 1000))
        bell = self._bell
        self._polling = True
        try:
            found = self._poll.poll(0 if self._posted else timeout)
        finally:
            self._polling = False
        for fd, events in found:
            descriptor = self._descriptors.get(fd)
            if descriptor is None:
                if fd == bell.fd:
                    bell.silence()
                    self._poll.register(fd, READ)  # with epoll, a registration fires only once
                continue
            # Errors and hang-ups wake both sides: their next call gets the error.
            if events & ~WRITE:
                self._fire_side(descriptor.reader)
            if events & ~READ:
                self._fire_side(descriptor.writer)
        soon, self._soon = self._soon, []
        for waiter, want in soon:
            self.fire(waiter, want)
        while self._posted:
            self.fire(*self._posted.popleft())
        if times:
            now = monotonic()
            while times and times[0][0] <= now:
                due = heappop(times)[2].waiter
                if due is not None:
                    self.fire(due, due.want, ready=False)

    def _fire_side(self, waiter: Waiter | None) -> None:
        if waiter is not None:
            self.fire(waiter, waiter.want)
