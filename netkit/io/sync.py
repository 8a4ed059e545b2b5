"""Synchronisation of flows: `Lock`, `Semaphore`, `SingleFlight`.

Flows of several threads and event loops may use one of them at the same time, because a pool of connections
needs that. A `threading.Lock` guards their counts; it is never held across a yield.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakSet

from netkit.io.flow import Event, Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_guards: WeakSet[threading.Lock] = WeakSet()


def forkable_lock() -> threading.Lock:
    """Make a lock for a few lines without a yield, that is free in a forked child.

    A thread may hold it at the moment when another one forks. The child has no such thread, so that nobody
    would release it there.
    """
    made = threading.Lock()
    _guards.add(made)
    return made


def _freed() -> None:
    # Not `release`: a thread of the parent may have been about to have it, when `locked` is false as yet.
    # This is what the standard library does to its own locks.
    for each in _guards:
        each._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_freed)

T = TypeVar("T")
K = TypeVar("K", bound="Hashable")


class Semaphore:
    """A number of permits. A flow that finds no free permit waits; waiters get permits in their order."""

    __slots__ = ("_free", "_guard", "_waiting")

    def __init__(self, permits: int) -> None:
        if permits < 1:
            raise ValueError(f"a semaphore needs at least one permit, not {permits}")
        self._free = permits
        self._guard = threading.Lock()
        self._waiting: deque[Event] = deque()

    @property
    def free(self) -> int:
        """How many permits are free."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many flows wait for a permit."""
        return len(self._waiting)

    def acquire(self) -> Flow[None]:
        """Flow: take a permit; `release` gives it back. If the flow is interrupted, it has taken no permit.

        If it got a permit in the same turn as the interruption, the permit goes to the next waiter.
        """
        with self._guard:
            if self._free and not self._waiting:
                self._free -= 1
                return
            turn = Event()
            self._waiting.append(turn)
        try:
            yield from turn.wait()
        except BaseException:
            with self._guard:
                handed_over = turn not in self._waiting
                if not handed_over:
                    self._waiting.remove(turn)
            if handed_over:
                self.release()
            raise

    def try_acquire(self) -> bool:
        """Take a permit if one is free now; returns whether it did. Never waits."""
        with self._guard:
            if not self._free or self._waiting:
                return False
            self._free -= 1
            return True

    def release(self) -> None:
        """Give a permit back. If flows wait, the one that has waited longest gets it."""
        with self._guard:
            if not self._waiting:
                self._free += 1
                return
            turn = self._waiting.popleft()
        turn.set()

    def holding(self, flow: Flow[T]) -> Flow[T]:
        """Flow: run `flow`, and hold a permit from its beginning to its end."""
        try:
            yield from self.acquire()
        except BaseException:
            flow.close()
            raise
        try:
            return (yield from flow)
        finally:
            self.release()


class Lock(Semaphore):
    """A semaphore with one permit: one holder at a time; the others wait in their order."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(1)

    @property
    def locked(self) -> bool:
        """Whether a flow holds it."""
        return not self._free


class _Call(Generic[T]):
    """One running flow, shared by all callers with the same key; the callers that wait, in their order."""

    __slots__ = ("error", "value", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Seat] | None = None  # made by the first that waits: nearly always nobody does
        self.error: Exception | None = None
        self.value: T | None = None


class _Seat(Event):
    """A caller that waits for a call. `leads`: this caller must now run the call."""

    __slots__ = ("leads",)

    def __init__(self) -> None:
        super().__init__()
        self.leads = False


class SingleFlight(Generic[K, T]):
    """Does the work once if several callers ask for the same at the same time; all get the result.

    The first caller runs the flow, and the others wait for it. They share its result, or its ordinary error.
    If the caller that runs the flow is interrupted, only this caller ends: the next waiter starts the work
    again, and the others continue to wait. No result is kept: a caller that comes after the end starts the
    work again.
    """

    __slots__ = ("_calls", "_guard")

    def __init__(self) -> None:
        self._calls: dict[K, _Call[T]] = {}
        self._guard = forkable_lock()

    def do(self, key: K, make: Callable[[], Flow[T]]) -> Flow[T]:
        """Flow: the result of the flow that `make` makes, or of the flow already running for an equal
        `key`."""
        seat: _Seat | None = None
        with self._guard:
            call = self._calls.get(key)
            if call is None:
                call = self._calls[key] = _Call()
            else:
                seat = _Seat()
                if call.waiting is None:
                    call.waiting = deque()
                call.waiting.append(seat)
        if seat is not None:
            try:
                yield from seat.wait()
            except BaseException:
                with self._guard:
                    if call.waiting is not None and seat in call.waiting:
                        call.waiting.remove(seat)
                if seat.leads:  # this caller became the leader in the same turn as the interruption
                    self._hand_over(key, call)
                raise
            if not seat.leads:
                if call.error is not None:
                    raise call.error
                return call.value  # type: ignore[return-value]  # a call without an error has a T
        try:
            call.value = value = yield from make()
        except Exception as error:
            call.error = error
            self._finish(key, call)
            raise
        except BaseException:
            self._hand_over(key, call)
            raise
        self._finish(key, call)
        return value

    def _finish(self, key: K, call: _Call[T]) -> None:
        with self._guard:
            del self._calls[key]
            waiting, call.waiting = call.waiting, None
        if waiting is not None:
            for seat in waiting:
                seat.set()

    def _hand_over(self, key: K, call: _Call[T]) -> None:
        with self._guard:
            if not call.waiting:
                del self._calls[key]
                return
            seat = call.waiting.popleft()
            seat.leads = True
        seat.set()
