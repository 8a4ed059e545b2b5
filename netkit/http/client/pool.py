"""The pool: which connection a request goes over, and how many there are.

One function decides, `_decide`, under a lock, and does nothing else there: connections to close are given to
the caller, connections to make are made by the caller. A request takes, in this order: a connection of HTTP/2
with room, an idle one of HTTP/1.1 (the one used last: the others may then reach their idle time), a new one,
or its turn to wait. Where a connection that is being made may turn out to be HTTP/2, those who want the same
route wait for it, because one would be enough for all.

Idle connections are closed when a request looks at the pool after their time: without a thread of its own, a
pool cannot do it earlier.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.io import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.http.client.channel import Channel
    from netkit.http.client.dial import Route
    from netkit.http.config import PoolConfig
    from netkit.io import Flow


class _Seat(Event):
    """A request that waits for its turn. `is_called`: its turn has come."""

    __slots__ = ("is_called",)

    def __init__(self) -> None:
        super().__init__()
        self.is_called = False


class _Dialing(Event):
    """A connection that is being made, and may turn out to be enough for many requests. Set when it ended."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None  # why it could not be made


class _Permit:
    """The right to make a new connection; `dialing` is what others wait for meanwhile."""

    __slots__ = ("dialing",)

    def __init__(self, dialing: _Dialing | None) -> None:
        self.dialing = dialing


class Pool:
    """The connections of one client. Any thread may use it."""

    def __init__(self, config: PoolConfig) -> None:
        self.config = config
        self._guard = threading.Lock()
        #: By route: idle ones of HTTP/1.1, the one used last at the end, and all of HTTP/2.
        self._idle: dict[Route, deque[Channel]] = {}
        self._shared: dict[Route, list[Channel]] = {}
        self._busy: set[Channel] = set()  # of HTTP/1.1, in use
        self._count = 0  # of all, with those that are being made
        self._seats: deque[_Seat] = deque()
        self._dialing: dict[Route, _Dialing] = {}
        self._http11: set[Route] = set()  # routes that are known to speak HTTP/1.1
        self._next_expiry = 0.0
        self._is_closed = False

    def take(self, route: Route) -> Channel | None:
        """A channel that is there, for one request; None if `acquire_flow` must make one, or wait."""
        with self._guard:
            if self._is_closed or self._seats or monotonic() >= self._next_expiry:
                return None
            found: Channel | None = None
            idle = self._idle.get(route)
            if idle:
                found = idle.pop()
                self._busy.add(found)
            else:
                for channel in self._shared.get(route, ()):
                    if channel.has_room:
                        found = channel
                        break
        if found is None or found.is_alive():
            return found
        self.release(route, found)
        return None

    def acquire_flow(
        self, route: Route, dial: Callable[[], Flow[Channel]], *, may_share: bool, fresh: bool = False
    ) -> Flow[tuple[Channel, bool]]:
        """Flow: a channel for one request, and whether it has been used before.

        `dial` makes a new one. `may_share`: a new one may turn out to be of HTTP/2. `fresh`: only a new one
        will do. Give it back by `release`. Raises what `dial` raises, to all who wait for the same.
        """
        while True:
            close: list[Channel] = []
            with self._guard:
                found = self._decide(route, may_share, fresh, close)
            for channel in close:
                channel.close()
            if isinstance(found, _Seat):
                yield from self._sit(found)
            elif isinstance(found, _Dialing):
                yield from found.wait()
                if found.error is not None:
                    raise found.error
            elif isinstance(found, _Permit):
                return (yield from self._dial(route, dial, found)), False
            elif found.is_alive():
                return found, True
            else:
                if not found.is_http2:
                    found.close()  # else the pool would keep it, and give it out again
                self.release(route, found)

    def _decide(
        self, route: Route, may_share: bool, fresh: bool, close: list[Channel]
    ) -> Channel | _Seat | _Dialing | _Permit:
        """What a request gets: a channel, something to wait for, or the right to make a new one."""
        if self._is_closed:
            raise HttpError.ConnectionError("the client was closed", fault="caller")
        now = monotonic()
        if now >= self._next_expiry:
            self._expire(now, close)
        if not fresh:
            for channel in self._shared.get(route, ()):
                if channel.has_room:
                    return channel
            idle = self._idle.get(route)
            if idle:
                self._busy.add(idle[-1])
                return idle.pop()
            dialing = self._dialing.get(route)
            if dialing is not None:
                return dialing
        if self._count >= self.config.max_connections and not self._evict(close):
            seat = _Seat()
            self._seats.append(seat)
            return seat
        self._count += 1
        if not may_share or route in self._http11 or route in self._dialing:
            return _Permit(None)
        self._dialing[route] = made = _Dialing()
        return _Permit(made)

    def _dial(self, route: Route, dial: Callable[[], Flow[Channel]], permit: _Permit) -> Flow[Channel]:
        channel: Channel | None = None
        failure: Exception | None = None
        try:
            channel = yield from dial()
            channel.idle_since = monotonic()
            return channel
        except Exception as error:
            failure = error
            raise
        finally:
            with self._guard:
                dialing = permit.dialing
                if dialing is not None:
                    del self._dialing[route]
                if channel is None:
                    self._count -= 1
                elif channel.is_http2:
                    self._shared.setdefault(route, []).append(channel)
                else:
                    self._busy.add(channel)
                    if dialing is not None and len(self._http11) < 10_000:
                        self._http11.add(route)
                called = [self._call()] if channel is None else []
            if dialing is not None:
                dialing.error = failure
                dialing.set()
            del failure  # its traceback leads to this frame
            _wake(called)

    def _sit(self, seat: _Seat) -> Flow[None]:
        try:
            yield from seat.wait()
        except BaseException:
            with self._guard:
                if seat.is_called:
                    called = self._call()  # the turn goes to the next
                else:
                    self._seats.remove(seat)
                    called = None
            _wake([called])
            raise

    def _call(self) -> _Seat | None:
        """The next who waits gets its turn. The caller holds the guard, and sets the seat's event after."""
        if not self._seats:
            return None
        seat = self._seats.popleft()
        seat.is_called = True
        return seat

    def release(self, route: Route, channel: Channel) -> None:
        """A request is over that had this channel: keep it for the next one, or close it."""
        usable = channel.is_usable
        closes = False
        called: _Seat | None = None
        with self._guard:
            channel.idle_since = monotonic()
            usable = usable and not self._is_closed
            if channel.is_http2:
                if not usable and channel.in_flight == 0 and channel in self._shared.get(route, ()):
                    self._remove_shared(route, channel)
                    self._count -= 1
                    closes = True
            elif channel in self._busy:
                self._busy.discard(channel)
                if usable and self.config.idle_timeout != 0:
                    idle = self._idle.get(route)
                    if idle is None:
                        idle = self._idle[route] = deque()
                    idle.append(channel)
                else:
                    self._count -= 1
                    closes = True
            if self._seats:
                called = self._call()
        if closes:
            channel.close()
        if called is not None:
            called.set()

    def forget_http11(self, route: Route) -> None:
        """The server may have learnt HTTP/2 since."""
        with self._guard:
            self._http11.discard(route)

    def _remove_shared(self, route: Route, channel: Channel) -> None:
        shared = self._shared[route]
        shared.remove(channel)
        if not shared:
            del self._shared[route]

    def _expire(self, now: float, close: list[Channel]) -> None:
        """Take out what has been idle for too long, or is of no use; and say when to look again."""
        timeout = self.config.idle_timeout
        if timeout is None:
            self._next_expiry = now + 3600.0
            return
        self._next_expiry = now + min(timeout / 8, 1.0)
        oldest = now - timeout
        for route, idle in list(self._idle.items()):
            while idle and idle[0].idle_since < oldest:
                close.append(idle.popleft())
                self._count -= 1
            if not idle:
                del self._idle[route]
        for route, shared in list(self._shared.items()):
            for channel in list(shared):
                if channel.in_flight == 0 and (channel.idle_since < oldest or not channel.is_usable):
                    self._remove_shared(route, channel)
                    self._count -= 1
                    close.append(channel)

    def _evict(self, close: list[Channel]) -> bool:
        """Take out the connection that has been idle longest, of whatever route. False if none is idle."""
        candidates: list[tuple[float, Route, Channel]] = [
            (idle[0].idle_since, route, idle[0]) for route, idle in self._idle.items() if idle
        ]
        candidates += [
            (channel.idle_since, route, channel)
            for route, shared in self._shared.items()
            for channel in shared
            if channel.in_flight == 0
        ]
        if not candidates:
            return False
        _, route, channel = min(candidates, key=lambda each: each[0])
        if channel.is_http2:
            self._remove_shared(route, channel)
        else:
            self._idle[route].popleft()
        self._count -= 1
        close.append(channel)
        return True

    def __iter__(self) -> Iterator[Channel]:
        """All channels, in use or idle."""
        with self._guard:
            found = [channel for idle in self._idle.values() for channel in idle]
            found += [channel for shared in self._shared.values() for channel in shared]
            found += self._busy
        return iter(found)

    def __len__(self) -> int:
        """How many connections there are, with those that are being made."""
        return self._count

    @property
    def idle(self) -> int:
        """How many connections are idle."""
        with self._guard:
            shared = (channel for channels in self._shared.values() for channel in channels)
            return sum(map(len, self._idle.values())) + sum(channel.in_flight == 0 for channel in shared)

    def close(self) -> None:
        """Close all connections, those in use too; requests that wait for one fail."""
        with self._guard:
            self._is_closed = True
            channels = [channel for idle in self._idle.values() for channel in idle]
            channels += [channel for shared in self._shared.values() for channel in shared]
            channels += self._busy
            self._idle.clear()
            self._shared.clear()
            self._busy.clear()
            self._count -= len(channels)
            called: list[_Seat | None] = []
            while self._seats:
                called.append(self._call())
        for channel in channels:
            channel.close()
        _wake(called)


def _wake(called: list[_Seat | None]) -> None:
    for seat in called:
        if seat is not None:
            seat.set()


class PoolLease:
    """The right to use a channel of a pool, for one request."""

    __slots__ = ("_channel", "_pool", "_route")

    def __init__(self, pool: Pool, route: Route, channel: Channel) -> None:
        self._pool = pool
        self._route = route
        self._channel = channel

    def end(self) -> None:
        """Give the channel back."""
        self._pool.release(self._route, self._channel)
