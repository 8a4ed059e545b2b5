"""When a server is asked again: never before its answer has come to the end of its time.

- A cache gives the same until the TTL has ended, which it counts down (RFC 1035 section 3.2.1); a denial for
  the TTL and the minimum of the SOA record, whichever is less (RFC 2308 section 5). An interval that was
  asked for can make the wait longer, never shorter.
- An authoritative server could be asked at any time; without an interval that was asked for, its TTL is the
  interval, because nobody who uses a cache will see a change sooner.
- After an error, after an answer that must not be kept, and with a TTL of 0, there is a least interval.

There is no chance in it: who watches with a thousand machines sets an interval for each.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.watching.conditions import tells

if TYPE_CHECKING:
    from netkit.dns.comparing.heard import Heard

#: Seconds between two queries at the least, unless an interval was asked for.
LEAST_INTERVAL = 5.0


class Why(Enum):
    """Why the next query is then; the value says it in words."""

    TTL = "the TTL of the answer"
    DENIAL = "how long a denial may be kept"
    INTERVAL = "the interval"
    LEAST = "the least interval"
    FAILURE = "the interval after a failure"

    def __str__(self) -> str:
        return self.value


class Pace(NamedTuple):
    """`interval` is the time that was asked for, `least` the shortest without that, in seconds."""

    interval: float | None = None
    least: float = LEAST_INTERVAL


#: Without an interval that was asked for.
TTL_PACE = Pace()


class Delay(NamedTuple):
    """How many seconds to wait, and why."""

    seconds: float
    why: Why


def next_delay(heard: Heard, pace: Pace = TTL_PACE) -> Delay:
    """How long to wait after this answer before the same server is asked again."""
    content, interval = heard.content, pace.interval
    if content is None or not tells(content):
        return Delay(pace.least if interval is None else interval, Why.FAILURE)
    floor = Delay(pace.least, Why.LEAST) if interval is None else Delay(interval, Why.INTERVAL)
    if content.lifetime is None or (content.is_authoritative and interval is not None):
        return floor
    allowed = Delay(float(content.lifetime), Why.TTL if content.exists else Why.DENIAL)
    return max(allowed, floor, key=lambda each: each.seconds)
