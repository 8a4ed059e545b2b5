"""A pace: a limit of starts a second, evenly distributed."""

from __future__ import annotations

#: By how much, in seconds, the next starts may catch up after a late one.
CATCH_UP = 0.01


class Pacer:
    """Moments that are `interval` seconds apart. After a late start the next ones catch up, by CATCH_UP at
    most.

    It has no clock: the caller passes the time, and sleeps.
    """

    __slots__ = ("_interval", "_next")

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0

    def next_start(self, now: float) -> float:
        """Take the next moment for a start, and return it; `now` or earlier means at once."""
        start = max(self._next, now - CATCH_UP)
        self._next = start + self._interval
        return start
