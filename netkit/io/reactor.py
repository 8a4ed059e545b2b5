"""The common part of both drivers: arm waiters for their wants, disarm them, fire them, post to them.

A driver supplies the methods that watch descriptors, set wake-up times, and run something soon. The order of
all steps, and what to undo if arming fails half-way, is written here once.
"""

from __future__ import annotations

from typing import ClassVar

from netkit.io.errors import BusyError, LoopUnsupported
from netkit.io.flow import AnyWant, Descriptor, Group, Timer, Waiter

#: The errors of arming: the place is taken, the descriptor is closed or cannot be watched (a regular file
#: under epoll), or the event loop cannot watch at all. The flow caused such an error, so it is thrown into
#: the flow.
ARMING_ERRORS = (BusyError, LoopUnsupported, OSError)


class Reactor:
    """Watches descriptors, events and times for waiters."""

    # A driver supplies these.

    #: Whether a descriptor stays watched without a waiter (rule 2): then there is no `unwatch`.
    lasting: ClassVar[bool] = False

    def watch_read(self, descriptor: Descriptor) -> None:
        """Fire the reader of `descriptor` when it is readable. May refuse a descriptor of another loop."""
        raise NotImplementedError

    def watch_write(self, descriptor: Descriptor) -> None:
        """Fire the writer of `descriptor` when it is writable. May refuse a descriptor of another loop."""
        raise NotImplementedError

    def unwatch(self, descriptor: Descriptor, *, write: bool) -> None:
        """Stop watching one side of `descriptor`: it has no waiter any more."""
        raise NotImplementedError

    def timer(self, until: float, waiter: Waiter) -> Timer:
        """Fire `waiter`, not ready, when `time.monotonic()` has reached `until`."""
        raise NotImplementedError

    def soon(self, waiter: Waiter, want: AnyWant) -> None:
        """Fire `waiter` in this turn or the next, if it still waits for `want`. Only in the reactor's
        thread."""
        raise NotImplementedError

    def from_anywhere(self, waiter: Waiter, want: AnyWant) -> None:
        """The same as `soon`, for any thread and for signal handlers."""
        raise NotImplementedError

    # Common to all drivers.

    def arm(self, waiter: Waiter) -> None:
        """Start to wait for `waiter.want`. If it raises (ARMING_ERRORS), the waiter is not armed."""
        want = waiter.want
        if isinstance(want, Group):
            self._arm_group(waiter, want)
            return
        read = want.read
        waiter.reactor = (
            self  # first: when a claimed descriptor is closed, the closer needs this to wake the waiter
        )
        try:
            if read is not None and want is read.want_read:
                # Nearly every wait is this one, and there is nothing else in it.
                read.claim(waiter, read=True, write=False)
                self.watch_read(read)
                if read.nudged:
                    read.nudged = False
                    self.soon(waiter, want)
                return
            write, event, until = want.write, want.event, want.until
            if event is not None and read is None and write is None and until is None:
                # An event alone: the other frequent wait.
                event._add(waiter)
                if event.is_set:
                    self.soon(waiter, want)
                return
            if read is not None:
                read.claim(waiter, read=True, write=read is write)
            if write is not None and write is not read:
                write.claim(waiter, read=False, write=True)
            if read is not None:
                self.watch_read(read)
                if read.nudged:
                    read.nudged = False
                    self.soon(waiter, want)
            if write is not None:
                self.watch_write(write)
            if until is not None:
                waiter.timer = self.timer(until, waiter)
            if event is not None:
                event._add(waiter)
                if event.is_set:
                    self.soon(waiter, want)
        except BaseException:
            self.disarm(waiter)
            raise

    def _arm_group(self, waiter: Waiter, group: Group) -> None:
        waiter.reactor = self
        group.parent = waiter
        fresh, group.fresh = group.fresh, []
        for branch in fresh:
            try:
                self.arm(branch)
            except ARMING_ERRORS as error:
                branch.failure = error
                group.ready.append(branch)
        if group.ready:
            self.soon(waiter, group)

    def disarm(self, waiter: Waiter) -> None:
        """Stop waiting for the waiter's want (no effect if it is not armed)."""
        if waiter.reactor is None:
            return
        want = waiter.want
        if isinstance(want, Group):
            want.parent = None
            waiter.reactor = None
            return
        read = want.read
        if read is not None and want is read.want_read:
            if not self.lasting and read.reader is waiter:
                self.unwatch(read, write=False)
            read.release(waiter)
            waiter.reactor = None  # last, as below
            return
        write, event = want.write, want.event
        if event is not None and read is None and write is None and want.until is None:
            event._discard(waiter)
            waiter.reactor = None  # last, as below
            return
        timer, waiter.timer = waiter.timer, None
        if timer is not None:
            timer.cancel()
        if read is not None:
            if read.reader is waiter and not self.lasting:
                self.unwatch(read, write=False)
            if read is not write:
                read.release(waiter)
        if write is not None:
            if write.writer is waiter and not self.lasting:
                self.unwatch(write, write=True)
            write.release(waiter)
        if event is not None:
            event._discard(waiter)
        waiter.reactor = None  # last: if this is interrupted earlier, the waiter is disarmed again

    def fire(self, waiter: Waiter, want: AnyWant, ready: bool = True) -> None:
        """Disarm and wake a waiter, unless it was woken meanwhile (it may be armed for another want now)."""
        if waiter.reactor is self and waiter.want is want:
            self.disarm(waiter)
            waiter.wake(ready)

    def post(self, waiter: Waiter) -> None:
        """Wake an armed waiter, from any thread."""
        self.from_anywhere(waiter, waiter.want)
