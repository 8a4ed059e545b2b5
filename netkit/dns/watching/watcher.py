"""`Watcher`: whom to ask next, when, what is new, and whether it is over; without a socket and a clock.

    watcher = Watcher(question, servers, until)
    match watcher.next(now):
        case AskNow(servers): round = watcher.heard([...], now)    # what each of them said
        case Sleep(until): ...                                     # call `next` again then
        case End.HOLDS: ...

Each server is asked when its own answer has come to its end (`pace`), and those whose time has come together.
A condition holds when it holds for the last answer of every server.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.comparing.comparison import Comparison, compare
from netkit.dns.comparing.difference import Difference, difference_of
from netkit.dns.watching.conditions import Sight, tells
from netkit.dns.watching.pace import TTL_PACE, Delay, Pace, next_delay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.dns.comparing.content import Content
    from netkit.dns.comparing.heard import Heard, Server
    from netkit.dns.messages.message import Question
    from netkit.dns.watching.conditions import Condition


class End(Enum):
    """Why a watch is over."""

    HOLDS = "holds"
    """The condition holds."""
    COUNT = "count"
    """It was asked as often as it may be."""


class AskNow(NamedTuple):
    """Ask these servers, side by side, and report all of what they say to `Watcher.heard`."""

    servers: tuple[Server, ...]


class Sleep(NamedTuple):
    """Ask nobody before the moment `until`, when the time of an answer of `server` has come to its end."""

    until: float
    server: Server
    delay: Delay


class NewsKind(Enum):
    """What is new in what a server says; the value is the word for it."""

    FIRST = "first"
    SAME = "same"
    CHANGED = "changed"
    SERIAL = "serial"
    """The zone has another serial, and the answer is the same."""
    FAILED = "failed"
    """It gave no answer, or none that tells something, and before it did."""
    STILL_FAILED = "still failed"
    BACK = "back"
    """It answers again, and says the same as before it failed."""

    def __str__(self) -> str:
        return self.value


class News(NamedTuple):
    """What a server said in a round. `difference` is what has changed since its last answer that told
    something; false where nothing has. `delay` says when it is asked again."""

    kind: NewsKind
    heard: Heard
    difference: Difference
    delay: Delay


class Round(NamedTuple):
    """Servers that were asked together: what is new, how all servers compare now, and whether it holds."""

    number: int
    news: tuple[News, ...]
    comparison: Comparison
    holds: bool


class _Watched:
    """What is known of one server."""

    __slots__ = ("delay", "due", "first", "last", "server", "told")

    def __init__(self, server: Server) -> None:
        self.server = server
        self.due: float | None = None  # None: at once
        self.delay: Delay | None = None
        self.last: Heard | None = None
        self.told: Content | None = None  # the last answer that told something
        self.first: Content | None = None


class Watcher:
    """See the module's docstring. `count` is how many rounds there are at the most.

    With one server that is several upstreams, the first of them to answer counts each time. `compares` says
    that it matters whether servers agree, and that they are asked for the serial of the zone as well; None:
    with more than one server. A server alone agrees if it answers.
    """

    def __init__(
        self,
        question: Question,
        servers: Iterable[Server],
        until: Condition | None = None,
        *,
        pace: Pace = TTL_PACE,
        count: int | None = None,
        compares: bool | None = None,
    ) -> None:
        self.question = question
        self.until = until
        self.rounds = 0
        self._pace = pace
        self._count = count
        self._watched = [_Watched(server) for server in servers]
        self.compares = len(self._watched) > 1 if compares is None else compares
        self._holds = False

    def next(self, now: float) -> AskNow | Sleep | End:
        """What to do at the moment `now`, in seconds of a clock that does not go back."""
        if self._holds:
            return End.HOLDS
        if self.rounds == self._count or not self._watched:
            return End.COUNT
        due = [each for each in self._watched if each.due is None or each.due <= now]
        if due:
            return AskNow(tuple([each.server for each in due]))
        if all(each.due == inf for each in self._watched):
            return End.COUNT
        soonest = min(self._watched, key=lambda each: each.due or 0.0)
        assert soonest.due is not None
        assert soonest.delay is not None
        return Sleep(soonest.due, soonest.server, soonest.delay)

    def heard(self, heard: Sequence[Heard], now: float) -> Round:
        """Report what servers said; `now` is after the last of the answers, and waiting begins then."""
        self.rounds += 1
        by_server = {each.server: each for each in heard}
        asked = [each for each in self._watched if each.server in by_server]
        news = [self._noted(each, by_server[each.server], now) for each in asked]
        comparison = compare(self.question, [each.last for each in self._watched if each.last is not None])
        self._holds = self.until is not None and self._holds_now(self.until, comparison)
        return Round(self.rounds, tuple(news), comparison, self._holds)

    def _noted(self, watched: _Watched, heard: Heard, now: float) -> News:
        content, told = heard.content, watched.told
        failed_before = watched.last is not None and not tells(watched.last.content)
        difference = Difference()
        if content is None or not tells(content):
            kind = NewsKind.STILL_FAILED if failed_before else NewsKind.FAILED
        elif told is None:
            kind = NewsKind.FIRST
        else:
            difference = difference_of(told, content)
            if difference.is_of_answer:
                kind = NewsKind.CHANGED
            elif failed_before:
                kind = NewsKind.BACK
            else:
                kind = NewsKind.SERIAL if difference else NewsKind.SAME
        if tells(content):
            watched.told = content
            watched.first = watched.first or content
        watched.last = heard
        watched.delay = next_delay(heard, self._pace)
        # Who has no address is not asked again: that another one is there now, only a look at the zone says.
        watched.due = now + watched.delay.seconds if watched.server.upstreams else inf
        return News(kind, heard, difference, watched.delay)

    def _holds_now(self, until: Condition, comparison: Comparison) -> bool:
        agree = comparison.agree if self.compares else None
        return all(
            until.holds(Sight(None if each.last is None else each.last.content, each.first, agree)) is True
            for each in self._watched
        )
