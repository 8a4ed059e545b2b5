"""How long a server waits for a client that sends or takes a body: for each wait, and for all of them."""

from __future__ import annotations


class Patience:
    """The waits for one body, in one direction.

    No wait is longer than `timeout` seconds. All of them together are no longer than `timeout` and what
    `done` octets take at `rate` octets a second: so a client that sends an octet now and then does not keep
    its place for ever. Only waits for the client count, not the time that a handler takes. None is no limit.
    """

    __slots__ = ("_spent", "done", "rate", "timeout")

    def __init__(self, timeout: float | None, rate: int | None) -> None:
        self.timeout = timeout
        self.rate = rate
        self.done = 0
        self._spent = 0.0

    def until(self, now: float) -> float | None:
        """When a wait that begins `now` has to be over."""
        if self.timeout is None:
            return None
        if self.rate is None:
            return now + self.timeout
        return now + min(self.timeout, self.timeout + self.done / self.rate - self._spent)

    def spend(self, seconds: float) -> None:
        """A wait took so long."""
        self._spent += seconds
