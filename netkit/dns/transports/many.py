"""Many questions at once, a limited number of them outstanding: what `Resolver.resolve_many` gives.

The first queries go out without a flow for each of them: the cost of a question is its query, its answer and
little else. A question whose answer is not a plain one goes on in a flow of its own beside the others, as
`lookups` has it. Between two results nothing runs: what comes meanwhile waits in the sockets, and what has
come is taken before anything is given up as late.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.io import Event
from netkit.io.compose import Join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from netkit.dns.messages.message import Question
    from netkit.dns.policy.answer import Answer
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transports.lookups import FirstQuery, Lookups
    from netkit.dns.transports.station import Station
    from netkit.io import Flow
    from netkit.io.compose import Branch


class _Finished:
    """What the queries of one `Many` tell when they are over: itself once, and not which of them."""

    __slots__ = ("event", "over")

    def __init__(self) -> None:
        self.over: list[FirstQuery] = []
        self.event = Event()


class _Told:
    """Puts one query among the finished ones."""

    __slots__ = ("finished", "one")

    def __init__(self, finished: _Finished) -> None:
        self.finished = finished
        self.one: FirstQuery | None = None

    def set_soon(self) -> None:
        one, self.one = self.one, None
        if one is not None:
            self.finished.over.append(one)
            self.finished.event.set_soon()


class Many:
    """The questions of one call. Each `next_flow` waits for results; `close` gives up the rest.

    `here` gives the place where the first `next_flow` runs, which is the place of all of them.
    `lookups_for` says how to ask, which may be another way than that of `lookups` where `Lookups.first` has
    no query; `upstreams_for` says whom. `find` looks for an answer that is known already; `keep` is given
    what was found, and returns the result.
    """

    def __init__(
        self,
        questions: Iterator[Question],
        concurrency: int,
        lookups: Lookups,
        lookups_for: Callable[[Question], Lookups],
        here: Callable[[], Station],
        upstreams_for: Callable[[Question], Sequence[Upstream]],
        find: Callable[[Question], Answer | DnsError | None],
        keep: Callable[[Question, Answer | DnsError], Answer | DnsError],
    ) -> None:
        if concurrency < 1:
            raise DnsError.InvalidValue("concurrency", concurrency, "must be at least 1")
        self._questions = questions
        self._concurrency = concurrency
        self._lookups = lookups
        self._lookups_for = lookups_for
        self._here = here
        self._place: Station | None = None
        self._upstreams_for = upstreams_for
        self._find = find
        self._keep = keep
        self._finished = _Finished()
        self._out: set[FirstQuery] = set()
        self._same: dict[Question, int] = {}  # how often each question that is under way was asked
        self._join = Join()  # the flows of questions that are not plain
        self._is_over = False  # there are no more questions
        self.results: deque[tuple[Question, Answer | DnsError]] = deque()

    @property
    def _station(self) -> Station:
        if self._place is None:
            self._place = self._here()
        return self._place

    def next_flow(self) -> Flow[bool]:
        """Flow: until there is a result. False if there will be none."""
        try:
            while True:
                self._take()
                self._fill()
                if self.results:
                    return True
                if self._join.branches:
                    yield from self._wait_beside()
                elif self._out:
                    yield from self._station.udp.any_flow(self._finished.over, self._finished.event)
                else:
                    return False
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        """Take the answers of the queries that are over."""
        over = self._finished.over
        if not over:
            return
        taken = list(over)
        over.clear()
        for one in taken:
            self._out.discard(one)
            answer = self._lookups.plain_answer(one) if one.is_over else None
            if answer is not None:
                self._give(one.asked, answer)
            else:
                self._join.start(self._go_on(one))

    def _fill(self) -> None:
        """Send queries for further questions, as many as may be outstanding."""
        room = self._concurrency - len(self._out) - len(self._join.branches)
        while room > 0 and not self._is_over and len(self.results) < self._concurrency:
            question = next(self._questions, None)
            if question is None:
                self._is_over = True
                return
            if question in self._same:
                self._same[question] += 1
                continue
            known = self._find(question)
            if known is not None:
                self.results.append((question, known))
                continue
            self._same[question] = 1
            room -= 1
            lookups = self._lookups_for(question)
            upstreams = self._upstreams_for(question)
            told = _Told(self._finished)
            one = lookups.first(question, upstreams, self._station, told)
            if one is None or not self._is_sent(one, upstreams[0]):
                self._join.start(self._look_up(lookups, question, upstreams))
                continue
            told.one = one
            self._out.add(one)

    def _is_sent(self, one: FirstQuery, upstream: Upstream) -> bool:
        """Send a query at once, if that can be; otherwise it is over."""
        addr = upstream.addr
        assert addr is not None  # `Upstream` says so for UDP
        pool = self._station.udp
        try:
            blocked = pool.send(one, addr)
        except OSError:
            return False  # the flow gets the error once more
        if blocked is not None:
            pool.drop(one)
        return blocked is None

    def _give(self, question: Question, found: Answer | DnsError) -> None:
        found = self._keep(question, found)
        for _ in range(self._same.pop(question, 1)):
            self.results.append((question, found))

    def _look_up(self, lookups: Lookups, question: Question, upstreams: Sequence[Upstream]) -> Flow[None]:
        self._give(question, (yield from lookups.flow(question, upstreams, self._station)))

    def _go_on(self, one: FirstQuery) -> Flow[None]:
        if not one.is_over:
            one.event = Event()  # it is still waited for: see `Lookups.go_on_flow`
        try:
            self._give(one.asked, (yield from self._lookups.go_on_flow(one, self._station)))
        finally:
            self._station.udp.drop(one)

    def _wait_beside(self) -> Flow[None]:
        """Flow: until a query is over, or a flow has a result."""
        join, finished = self._join, self._finished
        pumping: Branch[None] | None = None
        try:
            if self._out:
                pumping = join.start(self._station.udp.any_flow(finished.over, finished.event))
            while not (self.results or finished.over):
                stepped = join.step()
                if stepped is None:
                    yield join.want
                    join.collect()
                elif stepped.outcome is not None:
                    stepped.outcome.unwrap()
        finally:
            if pumping is not None:
                join.close(pumping)
            join.pause()

    def close(self) -> None:
        """Give up what is outstanding."""
        self._is_over = True
        for one in self._out:
            self._station.udp.drop(one)
        self._out.clear()
        self._join.__exit__(None, None, None)
