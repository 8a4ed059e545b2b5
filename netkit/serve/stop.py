"""`Stop`: tells a server to end, and how much of what is under way may still come to its end.

A server takes connections until its `stop` is set. What happens then has three degrees, each of which goes
further than the one before:

    retire   accept no more; every connection goes on until it ends by itself: a successor takes the new ones
    set      accept no more; what is under way goes on to its end, and what is idle is closed
    cut      end everything now

The first two have an end as well: `serve` cuts what is left when its `drain` seconds are over. What "under
way" means is for each protocol to say. A stream of bytes has something under way while its peer sends without
a pause of `netkit.io.stream.QUIET` seconds, or has not taken what was sent to it. A protocol of requests and
responses has something under way while a request is being read or answered: see `another_request`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import Event, before, race
from netkit.io.errors import DeadlineExceeded

if TYPE_CHECKING:
    from netkit.io import ByteStream, Flow

#: How long, in seconds, a stopped server looks whether a request has come before it closes the connection.
LAST_LOOK = 0.02


class Stop(Event):
    """What a server is told to end by; a plain `Event` in its place knows `set` alone.

    All three methods may be called from any thread and from a signal handler. A degree is never taken back.
    """

    __slots__ = ("cutting", "finishing")

    def __init__(self) -> None:
        super().__init__()
        #: Set when what is idle is to be closed.
        self.finishing = Event()
        #: Set when everything is to be ended.
        self.cutting = Event()

    def retire(self) -> None:
        """Accept no more; connections go on until they end by themselves."""
        super().set()

    def set(self) -> None:
        """Accept no more, finish what is under way, close what is idle."""
        self.finishing.set()
        super().set()

    def cut(self) -> None:
        """End everything now."""
        self.cutting.set()
        self.set()


def finishing(stop: Event) -> Event:
    """The event that is set when what is idle is to be closed."""
    return stop.finishing if isinstance(stop, Stop) else stop


def cutting(stop: Event) -> Event:
    """The event that is set when everything is to be ended; of a plain event, one that never is."""
    return stop.cutting if isinstance(stop, Stop) else Event()


def another_request(stream: ByteStream, stop: Event) -> Flow[bool]:
    """Flow: wait until something of the peer's next request is in the buffer.

    False where there will be none: the peer has finished, or the server finishes and nothing has come. A
    handler that asks this between two messages has every request that was begun answered, and its idle
    connections closed at once. Hand `leave` to `serve` as `hurry` then.
    """
    finish = finishing(stop)
    if not finish.is_set:
        first = yield from race(stream.fill(1), finish.wait())
        if first.index == 0:
            return bool(first.value)
    try:
        return (yield from before(monotonic() + LAST_LOOK, stream.fill(1)))
    except DeadlineExceeded:
        return False


def leave(_stream: object, _quiet: float) -> None:
    """For `serve`, as `hurry`: the handler itself sees to it that an idle connection ends."""
