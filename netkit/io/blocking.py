"""The blocking driver: `run` steps a flow in the calling thread and waits with poll(2).

Nothing outlives a call: descriptors are registered with a poll object of the call's own. The thread's
bell is always polled along, so that a stream closed, or an event set, by another thread ends the wait.
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
from netkit.io.errors import BusyError, CancellationError, ClosedError, DeadlineExceeded
from netkit.io.flow import LONGEST_WAIT, PAUSE, AnyWant, Descriptor, Flow, Group, Waiter, abort, resume
from netkit.io.pollers import MANY, READ, WRITE, Epoll, Poller, Select

if TYPE_CHECKING:
    from netkit.io.token import CancellationToken

T = TypeVar("T")

#: Wake-up times, dead ones included, that are kept before the dead ones are looked for.
MANY_TIMES = 1024


def run(flow: Flow[T], *, deadline: float | None = None, cancel: CancellationToken | None = None) -> T:
    """Drive `flow` to its end, blocking this thread where it waits.

    `deadline` is a moment of `time.monotonic()`. Raises DeadlineExceeded when it passes first,
    CancellationError when `cancel` is cancelled first, and whatever the flow raises; both, and a
    KeyboardInterrupt, are thrown in where the flow waits.
    """
    reactor: PollReactor | None = None
    try:
        _look(deadline, cancel)
    except (CancellationError, DeadlineExceeded) as error:
        flow.close()
        raise error
    try:
        want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        root: _Root | None = None
        while True:
            try:
                if reactor is None:
                    reactor = PollReactor(cancel)
                    root = _Root()
                assert root is not None
                _look(deadline, cancel)
                ready = reactor.wait(root, want, deadline)
            except BaseException as error:
                if reactor is not None and root is not None:
                    reactor.disarm(root)
                if isinstance(error, (BusyError, ClosedError)):
                    want = flow.throw(error)  # the flow's own doing: it may handle it and go on
                    continue
                raise abort(flow, error)  # noqa: B904  # it is that error, as a rule
            want = resume(flow, want, ready)
    except StopIteration as end:
        value: T = end.value
        return value
    finally:
        if reactor is not None:
            reactor.close()


def _look(deadline: float | None, cancel: CancellationToken | None) -> None:
    if cancel is not None and cancel.is_cancelled:
        raise CancellationError(cancel.reason)
    if deadline is not None and monotonic() >= deadline:
        raise DeadlineExceeded


class _Root(Waiter):
    """The driven flow itself."""

    __slots__ = ("woken",)

    def __init__(self) -> None:
        super().__init__()
        self.woken: bool | None = None

    def wake(self, ready: bool) -> None:
        self.woken = ready


class PollReactor:
    """What one blocking call waits for: descriptors, times, events of other threads, its token."""

    def __init__(self, cancel: CancellationToken | None) -> None:
        self._poll: Poller = select.poll() if hasattr(select, "poll") else Select()
        self._many: Epoll | None = None  # `_poll`, once it has to be one that takes many
        self._many_from = MANY if hasattr(select, "epoll") else sys.maxsize
        self._descriptors: dict[int, Descriptor] = {}
        self._masks: dict[int, int] = {}
        self._times: list[tuple[float, int, Waiter]] = []
        self._most_times = MANY_TIMES
        self._order = count()
        self._posted: deque[Waiter] = deque()
        self._soon: list[Waiter] = []
        self._thread = threading.get_ident()
        self._bell: Bell = thread_bell()
        self._signals = self._bell.rung_by_signals()
        self._polling = False
        self._cancel = cancel
        self._poll.register(self._bell.fd, READ)
        if cancel is not None:
            self._poll.register(cancel._fileno(), READ)

    def close(self) -> None:
        """Give back what the call had of the process: its signals, and epoll's descriptor."""
        if self._many is not None:
            self._many.close()
        if self._signals:
            self._signals = False
            self._bell.silent_to_signals()

    def wait(self, root: _Root, want: AnyWant, deadline: float | None) -> bool:
        """Wait for what the flow wants; what to send it. Raises when time or the token runs out first."""
        if want is PAUSE:
            self._turn(0.0)
            return True
        root.want = want
        root.woken = None
        self.arm(root)
        while root.woken is None:
            self._turn(deadline)
            if root.woken is None:
                _look(deadline, self._cancel)
        return root.woken

    def arm(self, waiter: Waiter) -> None:
        want = waiter.want
        if isinstance(want, Group):
            self._arm_group(waiter, want)
            return
        read, write, event, until = want.read, want.write, want.event, want.until
        waiter.reactor = self  # first: who closes a descriptor that is claimed finds here whom to wake
        try:
            if read is not None:
                read.claim(waiter, read=True, write=read is write)
            if write is not None and write is not read:
                write.claim(waiter, read=False, write=True)
        except (BusyError, ClosedError):
            self.disarm(waiter)
            raise
        if read is not None:
            self._watch(read, READ)
            if read.nudged:
                read.nudged = False
                self._soon.append(waiter)
        if write is not None:
            self._watch(write, WRITE)
        if until is not None:
            waiter.timer = timer = (until, next(self._order), waiter)
            if len(self._times) >= self._most_times:
                self._drop_dead_times()
            heappush(self._times, timer)
        if event is not None:
            event._add(waiter)
            if event.is_set:
                self._soon.append(waiter)

    def _arm_group(self, waiter: Waiter, group: Group) -> None:
        waiter.reactor = self
        group.parent = waiter
        fresh, group.fresh = group.fresh, []
        for branch in fresh:
            try:
                self.arm(branch)
            except (BusyError, ClosedError) as error:
                branch.failure = error
                group.ready.append(branch)
        if group.ready:
            self._soon.append(waiter)

    def disarm(self, waiter: Waiter) -> None:
        if waiter.reactor is None:
            return
        want = waiter.want
        if isinstance(want, Group):
            want.parent = None
            waiter.reactor = None
            return
        read, write = want.read, want.write
        if read is not None and read.reader is waiter:
            self._unwatch(read, READ)
        if write is not None and write.writer is waiter:
            self._unwatch(write, WRITE)
        for descriptor in (read, write):
            if descriptor is not None:
                descriptor.release(waiter)
        if want.event is not None:
            want.event._discard(waiter)
        waiter.timer = None  # its entry in the heap is recognised as dead by that
        waiter.reactor = None  # last: interrupted before that, it is disarmed again

    def _drop_dead_times(self) -> None:
        """Forget the times of those that were disarmed before them, which wait at the bottom of the heap."""
        self._times[:] = [entry for entry in self._times if entry[2].timer is entry]
        heapify(self._times)
        self._most_times = max(MANY_TIMES, 2 * len(self._times))

    def post(self, waiter: Waiter) -> None:
        self._posted.append(waiter)
        # Also a signal handler of this very thread: poll goes on after it (PEP 475) unless something rings.
        if self._polling or threading.get_ident() != self._thread:
            self._bell.ring()

    def _watch(self, descriptor: Descriptor, bit: int) -> None:
        fd = descriptor.fd
        mask = self._masks.get(fd, 0) | bit
        self._masks[fd] = mask
        self._descriptors[fd] = descriptor
        self._poll.register(fd, mask)
        if self._many is None and len(self._masks) > self._many_from:
            self._take_many()

    def _take_many(self) -> None:
        """Go on with epoll, if there is a descriptor left for it."""
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

    def _unwatch(self, descriptor: Descriptor, bit: int) -> None:
        fd = descriptor.fd
        mask = self._masks.get(fd, 0) & ~bit
        if mask:
            self._masks[fd] = mask
            self._poll.register(fd, mask)
        elif self._masks.pop(fd, None) is not None:
            del self._descriptors[fd]
            self._poll.unregister(fd)

    def _fire(self, waiter: Waiter | None, ready: bool) -> None:
        if waiter is not None and waiter.reactor is self:
            self.disarm(waiter)
            waiter.wake(ready)

    def _turn(self, deadline: float | None) -> None:
        """Wait once, no longer than to `deadline` or the next wake-up time, and wake who is ready."""
        times = self._times
        while times and times[0][2].timer is not times[0]:
            heappop(times)  # disarmed since
        if self._soon or self._posted:
            until: float | None = 0.0
        else:
            until = deadline
            if times and (until is None or times[0][0] < until):
                until = times[0][0]
        # Rounded up: a wake-up a fraction early would find nothing due, and poll again for no time at all.
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
                    self._poll.register(fd, READ)  # epoll's has fired: once
                continue
            # Errors and hang-ups wake both sides: the call itself tells what happened.
            if events & ~WRITE:
                self._fire(descriptor.reader, True)
            if events & ~READ:
                self._fire(descriptor.writer, True)
        soon, self._soon = self._soon, []
        for waiter in soon:
            self._fire(waiter, True)
        while self._posted:
            self._fire(self._posted.popleft(), True)
        if times:
            now = monotonic()
            while times and times[0][0] <= now:
                entry = heappop(times)
                if entry[2].timer is entry:
                    self._fire(entry[2], False)
