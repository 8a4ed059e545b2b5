"""One of the flows that wait for answers receives for all of them (rule 9 of `netkit.io`).

The flows of one place (see `places`) ask through shared sockets. The first that waits takes the pump: it
waits for the sockets, and gives each question its answer. The others wait for their own event. When the pump
has its answer, or is interrupted, it wakes another one, which goes on. So neither a thread nor a task is
needed, and a cancelled lookup takes nothing along.

All flows of a place run in one thread, so there is no lock.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from netkit.dns.errors import DnsError
from netkit.io import ClosedError, Event, Want

if TYPE_CHECKING:
    from netkit.dns.transports.table import Outstanding
    from netkit.io import Flow

T = TypeVar("T")

#: After so many seconds of taking in, without an end of what has come, questions are given up all the same:
#: who sends without end must not make them last for ever. It is enough for all that sockets may hold.
FULL_SECONDS = 0.25

#: How many moments of questions that are over may collect before they are removed.
MANY_MOMENTS = 1024


class Moments:
    """When questions are to be given up: the next of these moments, and which questions are due."""

    __slots__ = ("_heap", "_most", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Outstanding]] = []
        self._order = count()
        self._most = MANY_MOMENTS

    def add(self, one: Outstanding) -> None:
        """Note `one.until`, unless that is None."""
        if one.until is None:
            return
        if len(self._heap) >= self._most:
            self._heap = [entry for entry in self._heap if not entry[2].is_over]
            heapify(self._heap)
            self._most = max(MANY_MOMENTS, 2 * len(self._heap))
        heappush(self._heap, (one.until, next(self._order), one))

    def next(self) -> float | None:
        """The moment of the question that is to be given up first."""
        heap = self._heap
        while heap and heap[0][2].is_over:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[Outstanding]:
        """Take the questions whose moment has come."""
        heap = self._heap
        found: list[Outstanding] = []
        while heap and heap[0][0] <= now:
            one = heappop(heap)[2]
            if not one.is_over:
                found.append(one)
        return found


class Waiting:
    """The base of what flows share: who pumps, who waits, and the moments when questions are given up.

    A subclass implements `_want` (what the pump waits for), `_step` (take in what is there, without waiting,
    and say whether there may be more), `_forget` (take a question out of its table) and `close` (end all
    questions).
    """

    __slots__ = ("__weakref__", "_full_for", "_is_pumped", "_moments", "_waiting")

    def __init__(self) -> None:
        self._moments = Moments()
        self._waiting: dict[object, Event] = {}
        self._is_pumped = False
        self._full_for = 0.0  # the time that the turns took that ended before all was taken in

    def _want(self, until: float | None) -> Want:
        raise NotImplementedError

    def _step(self) -> bool:
        raise NotImplementedError

    def _forget(self, one: Outstanding) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """End all questions with an error, and release the descriptors. Only in the flows' own thread."""
        raise NotImplementedError

    def wait_flow(self, one: Outstanding, event: Event, *, may_be_miscased: bool = False) -> Flow[None]:
        """Flow: until `one` is over; `event` is its event. The flow pumps if nobody else does.

        With `may_be_miscased` it also returns when `one.was_miscased`, or has a refusal. Whoever is
        interrupted, or waits no longer, calls `drop`.
        """
        try:
            while not _is_enough(one, may_be_miscased):
                if self._is_pumped:
                    event.clear()
                    self._waiting[one] = event
                    yield Want(event=event)
                    continue
                self._is_pumped = True
                try:
                    # `_is_enough`, without a call.
                    while not (
                        one.is_over or (may_be_miscased and (one.was_miscased or one.refusal is not None))
                    ):
                        try:
                            yield self._want(self._moments.next())
                        except ClosedError:  # from another thread
                            self.close()
                            if not one.is_over:
                                raise  # it is none of those that have just ended: it would wait for ever
                        else:
                            self._take_in()
                finally:
                    self._is_pumped = False
                return
        finally:
            if self._waiting:
                self._waiting.pop(one, None)
                self._pass_on()

    def any_flow(self, finished: list[T], event: Event) -> Flow[None]:
        """Flow: until something is in `finished`, which whoever puts it there says by `event`.

        For who has many questions out at once: nothing has to be done for each of them.
        """
        key = object()
        try:
            while not finished:
                if self._is_pumped:
                    event.clear()
                    self._waiting[key] = event
                    yield Want(event=event)
                    continue
                self._is_pumped = True
                try:
                    while not finished:
                        try:
                            yield self._want(self._moments.next())
                        except ClosedError:  # from another thread
                            self.close()
                            if not finished:
                                raise
                        else:
                            self._take_in()
                finally:
                    self._is_pumped = False
        finally:
            self._waiting.pop(key, None)
            self._pass_on()

    def _take_in(self) -> None:
        """The pump, which has waited, takes in what is there, and gives up what has waited too long."""
        # What has come is taken before anything is given up, however late the flow runs again.
        begun = monotonic()
        if self._step():
            self._full_for += monotonic() - begun
            if self._full_for < FULL_SECONDS:
                return
        self._full_for = 0.0
        self._expire()

    def drop(self, one: Outstanding) -> None:
        """Nobody waits for it any more: an answer that comes later is foreign. No effect if it is over."""
        if not one.is_over:
            one.is_over = True
            self._forget(one)

    def _pass_on(self) -> None:
        """If nobody pumps, wake one of those who wait: the one that came last will likely wait longest."""
        if not self._is_pumped and self._waiting:
            self._waiting[next(reversed(self._waiting))].set_soon()

    def finish(self, one: Outstanding, answer: bytes | None, error: DnsError | None = None) -> None:
        """A question is over, and out of its table: wake who waits for it."""
        one.answer = answer
        one.error = error
        one.is_over = True
        one.answered_at = monotonic()
        if self._waiting:
            self._waiting.pop(one, None)  # so that nobody hands it the pump
        one.event.set_soon()

    def _expire(self) -> None:
        now = monotonic()
        for one in self._moments.due(now):
            self._forget(one)
            self.finish(one, None, one.refusal or DnsError.Timeout(now - one.sent_at, 1, hint=one.hint))


def _is_enough(one: Outstanding, may_be_miscased: bool) -> bool:
    return one.is_over or (may_be_miscased and (one.was_miscased or one.refusal is not None))
