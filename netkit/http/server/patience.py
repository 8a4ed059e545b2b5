"""How long a server waits for a client that sends or takes a body: for each wait, and for all of them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.io import Event, race, sleep_until

if TYPE_CHECKING:
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow


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


def in_time(handling: Flow[None], exchange: Exchange, timeout: float) -> Flow[None]:
    """Flow: `handling`, which has to begin the response of `exchange` within `timeout` seconds.

    Raises HttpError.Timeout, of the fault `local`.
    """

    def watching() -> Flow[None]:
        yield from sleep_until(monotonic() + timeout)
        if exchange.status is not None:
            yield from Event().wait()  # it has: the rest may take its time

    won = yield from race(handling, watching())
    if won.index == 1:
        raise HttpError.Timeout(timeout, "waiting for the handler", fault="local")
