"""`netkit dig --watch`: asks again when an answer has come to its end, and tells what has changed.

The library's `Watcher` decides when and whom; here it is told what happens as it happens, and how it ended.
"""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.commands.dig.answered import Shown
from netkit.cli.frame.options import WrongValue
from netkit.dns.errors import DnsError
from netkit.io import DeadlineExceeded, before

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from netkit.cli.commands.dig.asking import Asker
    from netkit.cli.commands.dig.comparing.asking import Comparer
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.grammar.watch_options import WatchOptions
    from netkit.cli.commands.dig.servers import Servers
    from netkit.cli.commands.dig.watching.rows import EndName
    from netkit.cli.frame.command import Run
    from netkit.dns.comparing.comparison import Comparison
    from netkit.dns.comparing.heard import Server as AskedServer
    from netkit.dns.errors import Asked, Said
    from netkit.dns.watching.conditions import Condition
    from netkit.dns.watching.watcher import Round, Sleep, Watcher
    from netkit.io import Flow


class Job(NamedTuple):
    """A query to watch, as it was written, and the condition to wait for."""

    text: str
    query: Query
    until: Condition | None

    @property
    def shown(self) -> Shown:
        """What says how records of the query are shown."""
        return Shown(self.query)


class NotYet(DnsError.Timeout):
    """The time is over, and the condition does not hold."""

    hint = "a longer --timeout waits longer; --interval asks authoritative servers more often"

    def __init__(self, until: str, timeout: float | None = None, **asked: Unpack[Said]) -> None:
        super().__init__(timeout, **asked)
        self.until = until

    @property
    def kind(self) -> str:
        return "Timeout"

    def __str__(self) -> str:
        after = "" if self.timeout is None else f" after {self.timeout:g} s"
        return f"{self._subject}: `{self.until}` does not hold{after}"


class Watched(Shown):
    """A watch that is over. `comparison` is what the servers said last; None if none was asked yet."""

    __slots__ = ("changes", "comparison", "elapsed_s", "end", "ended_at", "rounds", "timeout", "until")

    def __init__(
        self,
        job: Job,
        end: EndName,
        rounds: int,
        changes: int,
        elapsed_s: float,
        comparison: Comparison | None,
        timeout: float | None,
    ) -> None:
        super().__init__(job.query)
        self.until = job.until
        self.end = end
        self.rounds = rounds
        self.changes = changes
        self.elapsed_s = elapsed_s
        self.ended_at = datetime.now(UTC).replace(microsecond=0)
        self.comparison = comparison
        self.timeout = timeout

    @property
    def error(self) -> DnsError | None:
        """Why it counts as failed, if it does: without a condition, that is as for the last answer."""
        if self.until is not None:
            if self.end == "timeout" and self.timeout is not None:
                asked: Asked = {"name": self.query.name, "rdtype": self.query.rdtype}
                return NotYet(str(self.until), self.timeout, **asked)
            return None
        comparison = self.comparison
        if comparison is None:
            return DnsError.Timeout(self.timeout, name=self.query.name, rdtype=self.query.rdtype)
        if len(comparison.members) > 1:
            return comparison.error
        heard = comparison.members[0].heard
        return heard.error if heard.content is None else heard.content.verdict.error(heard.server.address)


class Watching:
    """Watches queries, each until its end.

    `comparer` says which servers are asked, where several are compared; else the first of @SERVER that
    answers counts each time. `tell` writes what each round brought.
    """

    def __init__(
        self,
        run: Run[Any],
        asker: Asker,
        servers: Servers,
        comparer: Comparer | None,
        how: WatchOptions,
        timeout: float | None,
        tell: Callable[[Job, Watcher, Round], object],
    ) -> None:
        self._run = run
        self._asker = asker
        self._servers = servers
        self._comparer = comparer
        self._how = how
        self._timeout = timeout
        self._tell = tell
        self._under_way: dict[int, _Watch] = {}

    def parse(self, parse: Callable[[str], Query], text: str) -> Job:
        """A query with its condition. Raises WrongValue."""
        from netkit.dns.watching.expression import ExpressionError, parse_condition

        query = parse(text)
        if self._how.until is None:
            return Job(query.text, query, None)
        several = self._comparer is not None
        try:
            until = parse_condition(self._how.until, query.question, several=several, has_serials=several)
        except ExpressionError as error:
            hint = "--compare asks several servers" if "agree is for" in error.reason else error.hint
            raise WrongValue(f"--until {error}", hint) from None
        return Job(query.text, query, until)

    def flow(self, job: Job) -> Flow[Watched]:
        """Flow: watch a query until it ends. Raises DnsError where there is nobody to ask, and NoServer."""
        watch = _Watch(job, self._timeout)
        key = id(watch)
        self._under_way[key] = watch
        try:
            yield from before(watch.until, self._flow(job, watch))
        except DeadlineExceeded:
            watch.end = "timeout"
        except Exception:
            del self._under_way[key]  # what Ctrl-C ends stays: there is something to tell of it
            raise
        del self._under_way[key]
        self._run.env.status(None)
        return watch.result()

    def interrupted(self) -> None:
        """Write the ends of the watches that Ctrl-C ended."""
        for watch in self._under_way.values():
            watch.end = "interrupted"
            self._run.result(watch.result(), watch.job.text)

    def _flow(self, job: Job, watch: _Watch) -> Flow[None]:
        from netkit.dns.watching.asking import watch_flow
        from netkit.dns.watching.pace import Pace
        from netkit.dns.watching.watcher import End, NewsKind, Watcher

        query, comparer = job.query, self._comparer
        if comparer is not None:
            party = yield from comparer.party(query)
            asked = [*party.servers, *(each.server for each in party.absent)]
            options = comparer.options(query)
        else:
            asked = [(yield from self._first_of(query))]
            options = self._asker.options(query, len(asked[0].upstreams), 0.0).replace(lenient=False)
        watcher = Watcher(
            query.question,
            asked,
            job.until,
            pace=Pace(self._how.interval),
            count=self._how.count,
            compares=comparer is not None,
        )

        def on_round(found: Round) -> None:
            watch.rounds = found.number
            watch.changes += sum(each.kind is NewsKind.CHANGED for each in found.news)
            watch.comparison = found.comparison
            self._tell(job, watcher, found)

        with self._asker.place(query.flags) as station:
            end = yield from watch_flow(
                watcher, options, station=station, on_round=on_round, on_sleep=self._on_sleep
            )
        watch.end = "holds" if end is End.HOLDS else "count"

    def _first_of(self, query: Query) -> Flow[AskedServer]:
        from netkit.dns.comparing.heard import Server

        return Server(tuple((yield from self._servers.upstreams(query.servers, query.flags))))

    def _on_sleep(self, sleep: Sleep) -> None:
        self._run.env.check_reader()
        seconds = max(sleep.until - monotonic(), 0.0)
        at = datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds).astimezone()
        self._run.env.status(f"asking again at {at:%H:%M:%S}, in {seconds:.0f} s: {sleep.delay.why}")


class _Watch:
    """A watch that is under way."""

    def __init__(self, job: Job, timeout: float | None) -> None:
        self.job = job
        self.begun = monotonic()
        self.timeout = timeout
        self.until = None if timeout is None else self.begun + timeout
        self.rounds = 0
        self.changes = 0
        self.comparison: Comparison | None = None
        self.end: EndName = "count"

    def result(self) -> Watched:
        """What there is to tell at its end."""
        elapsed = monotonic() - self.begun
        return Watched(self.job, self.end, self.rounds, self.changes, elapsed, self.comparison, self.timeout)
