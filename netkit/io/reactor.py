"""What both drivers do alike: arm waiters for what they want, disarm them, fire them, post to them.

A driver supplies how descriptors are watched, how a wake-up time is asked for, and how something is done
soon; in which order all that happens, and what is undone when arming fails half-way, is written here once.
"""

from __future__ import annotations

from typing import ClassVar

from netkit.io.errors import BusyError, LoopUnsupported
from netkit.io.flow import AnyWant, Descriptor, Group, Timer, Waiter

#: What arming may raise: the place is taken, the descriptor is closed or cannot be watched (a regular file
#: under epoll), or the event loop cannot watch at all. It is the flow's own doing, and thrown into it.
ARMING_ERRORS = (BusyError, LoopUnsupported, OSError)


class Reactor:
    """Watches descriptors, events and times for waiters."""

    # What a driver supplies.

    #: Whether what is watched stays so when nobody waits (rule 2): there is no `unwatch` then.
    lasting: ClassVar[bool] = False

    def watch_read(self, descriptor: Descriptor) -> None:
        """Fire its reader when `descriptor` is readable. May refuse one that is another loop's."""
        raise NotImplementedError

    def watch_write(self, descriptor: Descriptor) -> None:
        """Fire its writer when `descriptor` is writable. May refuse one that is another loop's."""
        raise NotImplementedError

    def unwatch(self, descriptor: Descriptor, *, write: bool) -> None:
        """Nobody waits for that any more."""
        raise NotImplementedError

    def timer(self, until: float, waiter: Waiter) -> Timer:
        """Fire `waiter`, not ready, when `time.monotonic()` has reached `until`."""
        raise NotImplementedError

    def soon(self, waiter: Waiter, want: AnyWant) -> None:
        """Fire `waiter` in this turn or the next, if it still waits for `want`. In the reactor's thread."""
        raise NotImplementedError

    def from_anywhere(self, waiter: Waiter, want: AnyWant) -> None:
        """The same, from any thread and from signal handlers."""
        raise NotImplementedError

    # What all have.

    def arm(self, waiter: Waiter) -> None:
        """Start to wait for `waiter.want`. Raises one of ARMING_ERRORS, and then it is not armed."""
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
        """Stop waiting for it (no effect on a waiter that is not armed)."""
        if waiter.reactor is None:
            return
        want = waiter.want
        if isinstance(want, Group):
            want.parent = None
            waiter.reactor = None
            return
        timer, waiter.timer = waiter.timer, None
        if timer is not None:
            timer.cancel()
        read, write, event = want.read, want.write, want.event
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
        waiter.reactor = None  # last: interrupted before that, it is disarmed again

    def fire(self, waiter: Waiter, want: AnyWant, ready: bool = True) -> None:
        """Disarm and wake a waiter, unless it was woken meanwhile, and armed for something else perhaps."""
        if waiter.reactor is self and waiter.want is want:
            self.disarm(waiter)
            waiter.wake(ready)

    def post(self, waiter: Waiter) -> None:
        """Wake an armed waiter, from any thread."""
        self.from_anywhere(waiter, waiter.want)
