"""Whether a request is sent again after it failed, and how long to wait before: a policy, without a clock.

RFC 9110 section 9.2.2 (idempotent methods), 10.2.3 (Retry-After), 15.5.9, 15.6.4 and RFC 6585 section 4
(statuses that ask for another try).

The wait grows by a factor with each try, and a part of it is random, so that clients that failed together do
not come back together. A server that says when to come back is never asked earlier. If it says a time beyond
`max_retry_after`, there is no other try: to come earlier than asked would do the same work in vain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netkit._value import Value, assign
from netkit.http.errors import HttpError
from netkit.http.fields.dates import parse_cookie_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.http.types import Method, StatusCode

#: Statuses after which the same request may succeed.
STATUSES = (408, 429, 500, 502, 503, 504)
#: Methods that do the same when they are done twice (RFC 9110 section 9.2.2).
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE")
#: The most tries, and the longest time in seconds, that a policy can have.
MAX_TRIES = 1000
MAX_SECONDS = 7 * 86400.0

_DIGITS = frozenset("0123456789")


class TryOutcome(Value):
    """What one try came to, as far as it matters for another one.

    `method` is that of the request. `status` is None if no response came. `retry_after` is the value of the
    Retry-After field. `is_unsent`: the server has not worked on the request (there was no connection, or it
    said so with REFUSED_STREAM), so that any method may be sent again. `can_repeat`: there is a body to send
    again, or none is needed; False after a stream that is used up.
    """

    __slots__ = ("can_repeat", "is_unsent", "method", "retry_after", "status")
    __match_args__: ClassVar[tuple[str, ...]] = (
        "method",
        "status",
        "retry_after",
        "is_unsent",
        "can_repeat",
    )

    method: str
    status: int | None
    retry_after: str | None
    is_unsent: bool
    can_repeat: bool

    def __init__(
        self,
        method: Method | str,
        status: StatusCode | int | None = None,
        retry_after: str | None = None,
        is_unsent: bool = False,
        can_repeat: bool = True,
    ) -> None:
        assign(self, "method", str(method))
        assign(self, "status", None if status is None else int(status))
        assign(self, "retry_after", retry_after)
        assign(self, "is_unsent", is_unsent)
        assign(self, "can_repeat", can_repeat)


class RetryPolicy(Value):
    """When to try again.

        >>> policy = RetryPolicy(tries=3, backoff=1.0, jitter=0)
        >>> [policy.delay(attempt, TryOutcome("GET", 503), 0, lambda: 0) for attempt in (1, 2, 3)]
        [1.0, 2.0, None]
        >>> policy.delay(1, TryOutcome("POST", 503), 0, lambda: 0) is None
        True

    `tries` counts all tries, the first included: 1 is no retry. `statuses` and `methods` are those that are
    tried again; `methods=None` means every method, which may do something twice. Before the second try the
    client waits `backoff` seconds, then `factor` times as long each time, at most `max_backoff`. `jitter` is
    the part of the wait that is random, 0 to 1. A Retry-After of more than `max_retry_after` seconds ends the
    tries; with `respect_retry_after=False` the field is passed over.

    Raises HttpError.InvalidValue for an impossible value.
    """

    __slots__ = (
        "backoff",
        "factor",
        "jitter",
        "max_backoff",
        "max_retry_after",
        "methods",
        "respect_retry_after",
        "statuses",
        "tries",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "tries",
        "statuses",
        "methods",
        "backoff",
        "factor",
        "max_backoff",
        "jitter",
        "respect_retry_after",
        "max_retry_after",
    )

    tries: int
    statuses: tuple[int, ...]
    methods: tuple[str, ...] | None
    backoff: float
    factor: float
    max_backoff: float
    jitter: float
    respect_retry_after: bool
    max_retry_after: float

    def __init__(
        self,
        tries: int = 3,
        statuses: Iterable[int] = STATUSES,
        methods: Iterable[Method | str] | None = METHODS,
        backoff: float = 0.5,
        factor: float = 2.0,
        max_backoff: float = 30.0,
        jitter: float = 0.5,
        respect_retry_after: bool = True,
        max_retry_after: float = 120.0,
    ) -> None:
        assign(self, "tries", int(_within("tries", tries, 1, MAX_TRIES)))
        codes = {int(_within("statuses", each, 100, 599)) for each in statuses}
        assign(self, "statuses", tuple(sorted(codes)))
        names = None if methods is None else {str(each) for each in methods}
        assign(self, "methods", None if names is None else tuple(sorted(names)))
        assign(self, "backoff", _within("backoff", backoff, 0, MAX_SECONDS))
        assign(self, "factor", _within("factor", factor, 1, 100))
        assign(self, "max_backoff", _within("max_backoff", max_backoff, 0, MAX_SECONDS))
        assign(self, "jitter", _within("jitter", jitter, 0, 1))
        assign(self, "respect_retry_after", bool(respect_retry_after))
        assign(self, "max_retry_after", _within("max_retry_after", max_retry_after, 0, MAX_SECONDS))

    def delay(
        self, attempt: int, outcome: TryOutcome, now: float, random: Callable[[], float]
    ) -> float | None:
        """How long to wait before the next try, in seconds; None if there is no other try.

        `attempt` is how many tries there were, 1 after the first. `now` is in seconds since 1970, for a
        Retry-After that is a date. `random` gives a number from 0 to 1, as `random.random` does.
        """
        if attempt >= self.tries or not self._may_repeat(outcome):
            return None
        wait = self._backoff(attempt, random)
        if not self.respect_retry_after or outcome.status is None or outcome.retry_after is None:
            return wait
        asked = parse_retry_after(outcome.retry_after, now)
        if asked is None:
            return wait
        return None if asked > self.max_retry_after else max(wait, asked)

    def _may_repeat(self, outcome: TryOutcome) -> bool:
        if not outcome.can_repeat:
            return False
        if outcome.status is not None and outcome.status not in self.statuses:
            return False
        return outcome.is_unsent or self.methods is None or outcome.method in self.methods

    def _backoff(self, attempt: int, random: Callable[[], float]) -> float:
        wait = self.backoff
        for _ in range(attempt - 1):  # a power would be a number out of range after a thousand tries
            if wait == 0 or wait >= self.max_backoff:
                break
            wait *= self.factor
        return min(wait, self.max_backoff) * (1 - self.jitter * min(max(random(), 0.0), 1.0))


def parse_retry_after(text: str, now: float) -> float | None:
    """The seconds from `now` to the time that a Retry-After field says; None for text that is neither form.

    Its forms are a number of seconds and a date (RFC 9110 section 10.2.3), in any of the three formats of
    section 5.6.7. A date that is over is 0.

        >>> parse_retry_after("120", 0), parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10)
        (120.0, 50.0)
    """
    text = text.strip(" \t")
    if text and _DIGITS.issuperset(text):
        digits = text.lstrip("0") or "0"
        return float(digits) if len(digits) <= 15 else float("inf")
    moment = parse_cookie_date(text) if len(text) <= 64 else None
    return None if moment is None else max(0.0, moment.timestamp() - now)


def _within(field: str, value: float, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{field} is a number, not {type(value).__name__}")
    if not least <= value <= most:  # also what is no number (NaN)
        raise HttpError.InvalidValue(field, f"{value:g} is not {least:g} to {most:g}", limit=int(most))
    return value
