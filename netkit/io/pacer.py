"""A pace: so many starts a second, evenly, whoever starts."""

from __future__ import annotations

#: How far, in seconds, a start that came late may be made up for by the next ones.
CATCH_UP = 0.01


class Pacer:
    """Moments that lie `interval` seconds apart. A late start is made up for, but by no more than CATCH_UP.

    It has no clock: the caller hands it the time and sleeps.
    """

    __slots__ = ("_interval", "_next")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0

    def next_start(self, now: float) -> float:
        """The moment at which the next may start, which is taken by that; `now` or earlier means at once."""
        start = max(self._next, now - CATCH_UP)
        self._next = start + self._interval
        return start
