"""Flows, and the things that a flow can wait for.

A *flow* is a generator that makes non-blocking calls and yields what it must wait for. A driver does the
waiting (`run` with poll(2), `run_async` under asyncio). The driver sends True if something that the flow
waited for is ready, or False if only the wake-up time passed. A wake-up is only a hint: the flow tries its
call again, and yields again if the call would still block.

    def receive(sock, descriptor):
        while True:
            try:
                return sock.recv(65536)
            except BlockingIOError:
                yield descriptor.want_read

This module has everything that flows and drivers share: `Want` (what to wait for), `Descriptor` (a file
descriptor with its waiters, and how to close it while they wait), `Event` (set by another flow or thread),
and `Waiter` (the common form of a driver and of a branch of a composed flow). `netkit.io` explains the
reasons and the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import monotonic
from typing import Protocol, TypeAlias, TypeVar

from netkit.io.errors import BusyError, ClosedError

T = TypeVar("T")

#: A loop of operations that succeed without waiting must `yield PAUSE` after this many, so that the driver
#: checks cancellation and deadline, and an event loop gets its turn.
OPERATIONS_PER_TURN = 32

#: The longest single wait of a driver, in seconds; after it the driver computes the rest again. The reason:
#: systems and event loops count milliseconds in integers of limited size.
LONGEST_WAIT = 86_400.0


class Want:
    """What a flow waits for: any of a readable or writable descriptor, an event, or a moment.

    `until` is a moment of `time.monotonic()`, in seconds. A want that names nothing is `PAUSE`.
    """

    __slots__ = ("event", "read", "until", "write")

    def __init__(
        self,
        *,
        read: Descriptor | None = None,
        write: Descriptor | None = None,
        event: Event | None = None,
        until: float | None = None,
    ) -> None:
        self.read = read
        self.write = write
        self.event = event
        self.until = until

    def __repr__(self) -> str:
        named = ((name, getattr(self, name)) for name in ("read", "write", "event", "until"))
        return f"Want({', '.join(f'{name}={value!r}' for name, value in named if value is not None)})"


class Group:
    """The want of a composed flow: the wants of all its branches, which stay armed from one turn to the next.

    A branch that wakes puts itself into `ready`. Only these branches run, and only the `fresh` ones are armed
    again. So if one of a thousand branches wakes, the cost is that of one.
    """

    __slots__ = ("branches", "fresh", "parent", "ready")

    def __init__(self) -> None:
        self.branches: dict[Waiter, None] = {}  # the branches that have not ended (an ordered set)
        self.fresh: list[Waiter] = []  # the branches not armed since their last step
        self.ready: list[Waiter] = []  # the branches that woke
        self.parent: Waiter | None = None  # the waiter to wake, while the group waits


AnyWant: TypeAlias = "Want | Group"
Flow: TypeAlias = Generator[AnyWant, bool, T]

#: Waits for nothing: it lets the driver check cancellation and deadline, and gives others their turn.
PAUSE = Want()


class Timer(Protocol):
    """A wake-up time that was requested."""

    def cancel(self) -> None:
        """Forget it (no effect if it has passed)."""


class Waiter:
    """The part that is suspended on a want: the driver of a whole flow, or one branch of a composed flow."""

    __slots__ = ("failure", "reactor", "timer", "want")

    def __init__(self) -> None:
        self.want: AnyWant = PAUSE
        self.reactor: Arms | None = None  # where it is armed; None while it is not
        self.timer: Timer | None = None  # of its want, while it is armed
        self.failure: Exception | None = None  # why it could not be armed, to be thrown into its flow

    def wake(self, ready: bool) -> None:
        """Called when something that it waits for is ready (True), or its wake-up time has passed (False).

        This happens at most once for each arming, in the reactor's thread, after the waiter was disarmed.
        """
        raise NotImplementedError


class Arms(Protocol):
    """The part of a reactor that a waiter uses while it is armed; see `netkit.io.reactor`."""

    def disarm(self, waiter: Waiter) -> None:
        """Disarm `waiter` (no effect if it is not armed)."""

    def post(self, waiter: Waiter) -> None:
        """Wake an armed waiter, from any thread."""

    def soon(self, waiter: Waiter, want: AnyWant) -> None:
        """Wake a waiter in this turn or the next, if it still waits for `want`. Only in the reactor's
        thread."""


class Watch(Protocol):
    """A lasting registration of a descriptor with an event loop."""

    def forget(self, close: Callable[[], None]) -> None:
        """Unregister, then call `close`, in the loop's own thread."""


class Descriptor:
    """A non-blocking descriptor and its waiters; it can be closed while they wait.

    The two wants are made once, and yielded at every wait. `shutdown` wakes a thread that is inside poll(2)
    on the descriptor; `close` releases the number. Closing from the thread that waits unregisters first.
    Closing from another thread shuts down and wakes, and the waiter then closes: if the number were released
    during a poll, it could belong to another connection when poll returns.
    """

    __slots__ = (
        "_close",
        "_gone",
        "_shutdown",
        "closed",
        "fd",
        "nudged",
        "reader",
        "want_read",
        "want_write",
        "watch",
        "writer",
    )

    def __init__(
        self, fd: int, *, close: Callable[[], None], shutdown: Callable[[], None] | None = None
    ) -> None:
        self.fd = fd
        self.want_read = Want(read=self)
        self.want_write = Want(write=self)
        self.reader: Waiter | None = None
        self.writer: Waiter | None = None
        self.watch: Watch | None = None  # the registration with an event loop, if there is one
        self.closed = False
        self.nudged = False  # the next waiter for reading is woken at once
        self._close: Callable[[], None] | None = close
        self._shutdown = shutdown
        self._gone: Event | None = None

    def __repr__(self) -> str:
        return f"<Descriptor {self.fd}{' closed' if self.closed else ''}>"

    def claim(self, waiter: Waiter, *, read: bool, write: bool) -> None:
        """Enter `waiter` as the one reader and/or writer. Raises BusyError if the place is taken."""
        if self.closed:
            raise ClosedError
        if (read and self.reader is not None) or (write and self.writer is not None):
            raise BusyError(f"descriptor {self.fd}")
        if read:
            self.reader = waiter
        if write:
            self.writer = waiter
        if self.closed:  # another thread closed it between the check above and the entry, and saw no waiter
            self.release(waiter)
            raise ClosedError

    def release(self, waiter: Waiter) -> None:
        """Take `waiter` out; the last one out of a closed descriptor closes the number."""
        if self.reader is waiter:
            self.reader = None
        if self.writer is waiter:
            self.writer = None
        if self.closed:
            self._close_if_unused()

    def wake_reader(self) -> None:
        """Make the reader that waits, or is about to wait, try again. Any thread may call this."""
        self.nudged = True  # set before the check below: a reader that enters after the check finds it set
        waiter = self.reader
        reactor = waiter.reactor if waiter is not None else None
        if waiter is not None and reactor is not None:
            reactor.post(waiter)

    def close(self) -> None:
        """Wake the waiters with ClosedError, unregister, close. Any thread; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        if self._gone is not None:
            self._gone.set()
        waiters = [waiter for waiter in {self.reader, self.writer} if waiter is not None]
        if waiters and self._shutdown is not None:
            try:
                self._shutdown()
            except OSError:
                pass  # not connected, or already closed: the code below still wakes the waiters
        for waiter in waiters:
            reactor = waiter.reactor
            if reactor is not None:
                reactor.post(waiter)
        self._close_if_unused()

    def abort(self) -> None:
        """Close without shutdown(2), which would send a FIN. So with linger 0 the peer sees a reset."""
        self._shutdown = None
        self.close()

    @property
    def gone(self) -> Event:
        """Set when the descriptor is closed: for a flow that waits for something else, but must end then
        too."""
        if self._gone is None:
            self._gone = Event()
            if self.closed:  # another thread may have closed it just now
                self._gone.set()
        return self._gone

    def detach(self) -> None:
        """Give up the number without closing it: it then belongs to the caller."""
        self._close = _nothing
        self._shutdown = None
        self.close()

    def _close_if_unused(self) -> None:
        if self.reader is not None or self.writer is not None:
            return  # there is a waiter in another thread or loop turn: its `release` calls this again
        close, self._close = self._close, None
        if close is None:
            return
        watch, self.watch = self.watch, None
        if watch is None:
            close()
        else:
            watch.forget(close)


def _nothing() -> None:
    return None


class Event:
    """A flag that flows wait for; `set` may be called from any thread, flow or callback."""

    __slots__ = ("_set", "_waiters")

    def __init__(self) -> None:
        self._set = False
        self._waiters: dict[Waiter, None] = {}

    @property
    def is_set(self) -> bool:
        """Whether `set` was called (and `clear` has not been since)."""
        return self._set

    def set(self) -> None:
        """Set the flag and wake everyone who waits for it."""
        self._set = True
        for waiter in list(self._waiters):
            reactor = waiter.reactor
            if reactor is not None:
                reactor.post(waiter)

    def set_soon(self) -> None:
        """`set`, in the thread that drives those who wait: that costs no wake-up. Not for signal handlers."""
        self._set = True
        for waiter in list(self._waiters):
            reactor = waiter.reactor
            if reactor is not None:
                reactor.soon(waiter, waiter.want)

    def clear(self) -> None:
        """Clear the flag: from now on `wait` waits for the next `set`."""
        self._set = False

    def wait(self) -> Flow[None]:
        """Flow: suspend until the flag is set."""
        want = Want(event=self)
        while not self._set:
            yield want

    def _add(self, waiter: Waiter) -> None:
        self._waiters[waiter] = None

    def _discard(self, waiter: Waiter) -> None:
        self._waiters.pop(waiter, None)


def sleep_until(moment: float) -> Flow[None]:
    """Flow: suspend until `time.monotonic()` has reached `moment`."""
    want = Want(until=moment)
    while monotonic() < moment:
        yield want


def resume(flow: Flow[T], want: AnyWant, ready: bool) -> AnyWant:
    """Step a suspended flow: `ready` is sent in, or ClosedError thrown in if its descriptor was closed.

    Returns what it wants next; raises StopIteration with its value when it has ended.
    """
    if type(want) is Want:
        read, write = want.read, want.write
        if (read is not None and read.closed) or (write is not None and write.closed):
            return flow.throw(ClosedError())
    return flow.send(ready)
