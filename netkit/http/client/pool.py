"""The pool: which connection a request goes over, and how many there are.

One function decides, `_find`, under a lock, and does nothing else there: connections to close are given to
the caller, connections to make are made by the caller. A request takes, in this order: a connection of HTTP/2
with room, an idle one of HTTP/1.1 (the one used last: the others may then reach their idle time), a new one,
or its turn to wait. Where a connection that is being made may turn out to be HTTP/2, those who want the same
route wait for it, because one would be enough for all.

Who waits has a ticket, and is called in the order of tickets. Whoever is called looks again, before all who
come later, and keeps its ticket if it finds nothing. So nobody is passed over, and a turn that its owner does
not take (it was cancelled in that instant) goes to the next.

Idle connections are closed when a request looks at the pool after their time: without a thread of its own, a
pool cannot do it earlier.
"""

from __future__ import annotations

import threading
from collections import deque
from heapq import heappop, heappush
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

    __slots__ = ("has_left", "is_called", "ticket")

    def __init__(self, ticket: int) -> None:
        super().__init__()
        self.ticket = ticket
        self.is_called = False
        self.has_left = False

    def __lt__(self, other: _Seat) -> bool:
        return self.ticket < other.ticket


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
        #: Of HTTP/2: how many requests have it, also those that have not begun. Without one, it is idle.
        self._claims: dict[Channel, int] = {}
        self._count = 0  # of all, with those that are being made
        self._seats: list[_Seat] = []  # a heap; those who have left are taken out when they come to the top
        self._called = 0  # how many were called, and have not looked yet
        self._tickets = 0
        self._dialing: dict[Route, _Dialing] = {}
        self._http11: set[Route] = set()  # routes that are known to speak HTTP/1.1
        self._next_expiry = 0.0
        self._keeps = config.idle_timeout != 0  # connections that are not in use
        self._is_closed = False

    def take(self, route: Route) -> Channel | None:
        """A channel that is there, for one request; None if `acquire_flow` must make one, or wait."""
        with self._guard:
            if self._is_closed or self._seats or self._called or monotonic() >= self._next_expiry:
                return None
            found: Channel | None = None
            idle = self._idle.get(route)
            if idle:
                found = idle.pop()
                self._busy.add(found)
            else:
                found = self._shared_for(route)
        if found is None or found.is_alive():
            return found
        self._give_up(route, found)
        return None

    def acquire_flow(
        self, route: Route, dial: Callable[[], Flow[Channel]], *, may_share: bool, fresh: bool = False
    ) -> Flow[tuple[Channel, bool]]:
        """Flow: a channel for one request, and whether it has been used before.

        `dial` makes a new one. `may_share`: a new one may turn out to be of HTTP/2. `fresh`: only a new one
        will do. Give it back by `release`. Raises what `dial` raises, to all who wait for the same.
        """
        seat: _Seat | None = None  # where it has sat, if it has
        while True:
            close: list[Channel] = []
            with self._guard:
                found = self._decide(seat, route, may_share, fresh, close)
                called = None if found is None else self._call_another()
                if found is None:
                    seat = self._sit_down(seat)
            for channel in close:
                channel.retire()
            if called is not None:
                called.set()
            if found is None:
                assert seat is not None  # just taken
                yield from self._sit(seat)
            elif isinstance(found, _Dialing):
                yield from found.wait()
                if found.error is not None:
                    raise found.error
            elif isinstance(found, _Permit):
                return (yield from self._dial(route, dial, found)), False
            elif isinstance(found, Event):
                yield from found.wait()
            elif found.is_alive():
                return found, True
            else:
                self._give_up(route, found)

    def _give_up(self, route: Route, channel: Channel) -> None:
        """A channel that was found turned out to be of no use."""
        if not channel.is_http2:
            channel.close()  # else the pool would keep it, and give it out again
        self.release(route, channel)

    def _decide(
        self, seat: _Seat | None, route: Route, may_share: bool, fresh: bool, close: list[Channel]
    ) -> Channel | Event | _Permit | None:
        """What a request gets that has sat in `seat`; None if it must wait."""
        if seat is not None and seat.is_called:
            seat.is_called = False
            self._called -= 1
        if self._is_closed:
            raise HttpError.ConnectionError("the client was closed", fault="caller")
        if seat is None and (self._seats or self._called):
            # Others came first. What they wait for may be another route, so a shared connection is no loss.
            return None if fresh else self._shared_for(route)
        return self._find(route, may_share, fresh, close)

    def _shared_for(self, route: Route) -> Channel | None:
        for channel in self._shared.get(route, ()):
            if channel.has_room:
                self._claims[channel] += 1
                return channel
        return None

    def _is_idle(self, channel: Channel) -> bool:
        """Whether nobody has this channel of HTTP/2."""
        return not self._claims[channel]

    def _find(
        self, route: Route, may_share: bool, fresh: bool, close: list[Channel]
    ) -> Channel | Event | _Permit | None:
        """A channel, something that will be one, or the right to make one; None if there is none of them."""
        now = monotonic()
        if now >= self._next_expiry:
            self._expire(now, close)
        if not fresh:
            shared = self._shared_for(route)
            if shared is not None:
                return shared
            for channel in self._shared.get(route, ()):
                if channel.is_usable and not channel.settled.is_set:
                    return channel.settled  # it will soon be known whether it has room for all
            idle = self._idle.get(route)
            if idle:
                self._busy.add(idle[-1])
                return idle.pop()
            dialing = self._dialing.get(route)
            if dialing is not None:
                return dialing
        if self._count >= self.config.max_connections:
            spare = self._longest_idle()
            if spare is None:
                return None
            its_route, channel = spare
            if channel.is_http2 and its_route == route and channel.has_room and not fresh:
                self._claims[channel] += 1
                return channel  # its last request has ended just now, in another thread
            self._evict(its_route, channel)
            close.append(channel)
        self._count += 1
        if not may_share or route in self._http11 or route in self._dialing:
            return _Permit(None)
        self._dialing[route] = made = _Dialing()
        return _Permit(made)

    def _dial(self, route: Route, dial: Callable[[], Flow[Channel]], permit: _Permit) -> Flow[Channel]:
        channel: Channel | None = None
        failure: Exception | None = None
        is_closed = False
        try:
            channel = yield from dial()
            channel.idle_since = monotonic()
        except Exception as error:
            failure = error
            raise
        finally:
            called = None
            with self._guard:
                is_closed = self._is_closed
                dialing = permit.dialing
                if dialing is not None:
                    del self._dialing[route]
                if channel is None or is_closed:
                    self._count -= 1
                    called = self._call()
                elif channel.is_http2:
                    self._shared.setdefault(route, []).append(channel)
                    self._claims[channel] = 1
                    called = self._call()  # of many who could share it, each calls the next
                else:
                    self._busy.add(channel)
                    if dialing is not None and len(self._http11) < 10_000:
                        self._http11.add(route)
            if dialing is not None:
                dialing.error = failure
                dialing.set()
            del failure  # its traceback leads to this frame
            if called is not None:
                called.set()
        if is_closed:
            channel.close()
            raise HttpError.ConnectionError("the client was closed meanwhile", fault="caller")
        return channel

    def _sit_down(self, seat: _Seat | None) -> _Seat:
        """A place in the queue: a new one, or the same again. The caller holds the guard."""
        if seat is None:
            self._tickets += 1
            seat = _Seat(self._tickets)
        else:
            seat.clear()
        heappush(self._seats, seat)
        return seat

    def _sit(self, seat: _Seat) -> Flow[None]:
        try:
            yield from seat.wait()
        except BaseException:
            called = None
            with self._guard:
                seat.has_left = True
                if seat.is_called:
                    self._called -= 1
                    called = self._call()  # the turn goes to the next
            if called is not None:
                called.set()
            raise

    def _call(self) -> _Seat | None:
        """The next who waits gets its turn. The caller holds the guard, and sets the seat's event after."""
        while self._seats:
            seat = heappop(self._seats)
            if not seat.has_left:
                seat.is_called = True
                self._called += 1
                return seat
        return None

    def call_next(self) -> None:
        """A connection of HTTP/2 has room again, which no request has given up: its server takes more."""
        if self._seats:
            with self._guard:
                called = self._call()
            if called is not None:
                called.set()

    def _call_another(self) -> _Seat | None:
        """One request has found something: call the next if there may be something for that one too."""
        if not self._seats:
            return None
        may_be = self._shared or self._count < self.config.max_connections or any(self._idle.values())
        return self._call() if may_be else None

    def release(self, route: Route, channel: Channel) -> None:
        """A request is over that had this channel: keep it for the next one, or close it."""
        closes = False
        called: _Seat | None = None
        with self._guard:
            channel.idle_since = monotonic()
            keeps = self._keeps and not self._is_closed
            if channel.is_http2 and channel in self._claims:
                self._claims[channel] -= 1
                if self._is_idle(channel) and not (keeps and channel.is_usable):
                    self._remove_shared(route, channel)
                    self._count -= 1
                    closes = True
            elif channel in self._busy:
                self._busy.discard(channel)
                if keeps and channel.is_usable:
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

    def hand_over(self, channel: Channel) -> None:
        """The stream of this channel is its user's from now on, and no connection of the pool any more."""
        called: _Seat | None = None
        with self._guard:
            if channel in self._busy:
                self._busy.discard(channel)
                self._count -= 1
                called = self._call()
        if called is not None:
            called.set()

    def _remove_shared(self, route: Route, channel: Channel) -> None:
        shared = self._shared[route]
        shared.remove(channel)
        del self._claims[channel]
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
                if self._is_idle(channel) and (channel.idle_since < oldest or not channel.is_usable):
                    self._remove_shared(route, channel)
                    self._count -= 1
                    close.append(channel)

    def _longest_idle(self) -> tuple[Route, Channel] | None:
        """The connection that has been idle longest, of whatever route."""
        candidates: list[tuple[float, Route, Channel]] = [
            (idle[0].idle_since, route, idle[0]) for route, idle in self._idle.items() if idle
        ]
        candidates += [
            (channel.idle_since, route, channel)
            for route, shared in self._shared.items()
            for channel in shared
            if self._is_idle(channel)
        ]
        if not candidates:
            return None
        _, route, channel = min(candidates, key=lambda each: each[0])
        return route, channel

    def _evict(self, route: Route, channel: Channel) -> None:
        """Take out an idle connection."""
        if channel.is_http2:
            self._remove_shared(route, channel)
        else:
            self._idle[route].popleft()
        self._count -= 1

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
            return sum(map(len, self._idle.values())) + sum(map(self._is_idle, shared))

    def close(self) -> None:
        """Close all connections, those in use too; requests that wait for one fail."""
        with self._guard:
            self._is_closed = True
            channels = [channel for idle in self._idle.values() for channel in idle]
            channels += [channel for shared in self._shared.values() for channel in shared]
            channels += self._busy
            self._idle.clear()
            self._shared.clear()
            self._claims.clear()
            self._busy.clear()
            self._count -= len(channels)
            called: list[_Seat] = []
            while (seat := self._call()) is not None:
                called.append(seat)
        for channel in channels:
            channel.close()
        for seat in called:
            seat.set()


class PoolLease:
    """The right to use a channel of a pool, for one request."""

    __slots__ = ("_channel", "_lasts", "_pool", "_route")

    def __init__(self, pool: Pool, route: Route, channel: Channel) -> None:
        self._pool = pool
        self._route = route
        self._channel = channel
        self._lasts = [True]

    def end(self) -> None:
        """Give the channel back. A second call does nothing, also of another thread at the same time."""
        try:
            self._lasts.pop()
        except IndexError:
            return
        self._pool.release(self._route, self._channel)
