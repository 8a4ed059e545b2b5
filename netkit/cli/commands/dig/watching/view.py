"""The forms in which `netkit dig --watch` shows what each answer brought, and the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.comparing.words import behind_words, difference_lines, summary
from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.commands.dig.watching.asking import Watched
from netkit.cli.commands.dig.watching.rows import (
    WatchedRow,
    WatchEndedRow,
    event_name,
    watched_row,
)
from netkit.cli.frame.cells import cell_text
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.messages import plural, visible
from netkit.cli.frame.output import rfc3339
from netkit.cli.frame.view import View
from netkit.dns.comparing.comparison import failure_words
from netkit.dns.watching.watcher import NewsKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from netkit.cli.commands.dig.watching.asking import Job
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure
    from netkit.dns.comparing.difference import Difference
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.watching.watcher import News, Round, Watcher

#: Kinds that are shown to people only with --verbose: they bring nothing new.
_OLD = frozenset((NewsKind.SAME, NewsKind.STILL_FAILED))


class WatchedView(View[Watched]):
    """The end of a watch. What came before it, `RoundWriter` has written."""

    schema = WatchedRow | WatchEndedRow

    def to_json(self, result: Watched) -> WatchEndedRow:
        return {
            "event": "ended",
            "end": result.end,
            "until": None if result.until is None else str(result.until),
            "ended_at": rfc3339(result.ended_at),
            "rounds": result.rounds,
            "changes": result.changes,
            "elapsed_s": result.elapsed_s,
        }

    def label(self, result: Watched, text: str) -> str:  # noqa: ARG002
        return f"{result.query.name} {result.query.rdtype}"

    def plain(self, result: Watched) -> Iterable[Line]:
        yield (
            rfc3339(result.ended_at),
            "ended",
            result.end,
            f"rounds={result.rounds}",
            f"changes={result.changes}",
        )

    def short(self, result: Watched) -> Iterable[Line]:  # noqa: ARG002 - the records were shown already
        return ()

    def row(self, result: Watched) -> Sequence[object]:
        return result.end, end_words(result)

    def table(self, result: Watched, env: Environment) -> Iterable[Any]:
        from netkit.cli.render.tables import mark

        words = end_words(result)
        if result.until is None or result.end == "interrupted":
            yield mark("none", words, env)
        else:
            yield mark("good" if result.end == "holds" else "bad", words, env)

    def failure(self, result: Watched) -> Exception | Failure | None:
        return None if result.end == "interrupted" else result.error

    def exit_code(self, result: Watched) -> Exit:
        if result.end == "interrupted":
            return Exit.INTERRUPTED
        if result.until is not None:
            return Exit.OK if result.end == "holds" else Exit.NO
        several = result.comparison is not None and len(result.comparison.members) > 1
        return Exit.NO if several and result.comparison and not result.comparison.agree else Exit.OK


def end_words(result: Watched) -> str:
    """How a watch ended."""
    asked = f"asked {plural(result.rounds, 'time')} in {result.elapsed_s:.0f} s"
    changed = f"{plural(result.changes, 'change')}"
    until = result.until
    if result.end == "holds":
        return f"`{until}` holds: {asked}, {changed}"
    if until is not None:
        return f"`{until}` does not hold: {asked}, {changed}"
    return f"{asked}, {changed}"


class RoundWriter:
    """Writes what each round brought, in the form that is wanted."""

    def __init__(self, run: Run[Any], clock: Callable[[], datetime] | None = None) -> None:
        self._run = run
        self._clock = clock or (lambda: datetime.now(UTC))
        self._summaries: dict[int, str] = {}

    def write(self, job: Job, watcher: Watcher, found: Round) -> None:
        """Write the news of a round."""
        env, moment = self._run.env, self._clock()
        if env.mode == "json":
            for news in found.news:
                several, is_until = watcher.compares, job.until is not None
                row = watched_row(news, found, moment, several=several, is_until=is_until)
                self._run.write_object(row, job.text)
            return
        if env.mode == "short":
            for news in found.news:
                if news.kind in (NewsKind.FIRST, NewsKind.CHANGED) and news.heard.content is not None:
                    records = news.heard.content.verdict.records
                    env.write_lines([visible(_data(job, each)) for each in records])
            return
        lines = self._plain if env.mode == "plain" else self._table
        env.write_lines(list(lines(job, watcher, found, moment)))

    def _shown(self, found: Round) -> list[News]:
        return [each for each in found.news if each.kind not in _OLD or self._run.env.verbosity > 0]

    def _plain(self, job: Job, watcher: Watcher, found: Round, moment: datetime) -> Iterator[str]:
        label, at = f"{job.query.name} {job.query.rdtype}", rfc3339(moment.replace(microsecond=0))

        def line(*cells: object) -> str:
            return "\t".join([visible(cell_text(cell)) for cell in (label, at, *cells)])

        for news in self._shown(found):
            heard = news.heard
            content, where = heard.content, _where(news)
            rcode = None if content is None else content.rcode
            serial = None if content is None else content.serial
            yield line(event_name(news), where, rcode, serial, failure_words(heard))
            if news.kind is NewsKind.FIRST and content is not None:
                for record in content.records.values():
                    yield line("record", where, record.name, record.ttl, record.rdtype, _data(job, record))
            for what, *cells in difference_lines(job.shown, news.difference):
                yield line("differ", where, what, *cells)
        if watcher.compares and self._is_new(watcher, found):
            comparison = found.comparison
            yield line("agree" if comparison.agree else "disagree", summary(comparison))

    def _table(self, job: Job, watcher: Watcher, found: Round, moment: datetime) -> Iterator[str]:
        at = f"{moment.astimezone():%H:%M:%S}"
        label = f"{job.query.name} {job.query.rdtype}  " if self._run.many else ""
        for news in self._shown(found):
            heard = news.heard
            words = f"{at}  {label}{_who(news)}: {event_name(news)}"
            reason = failure_words(heard)
            content = heard.content
            if reason is not None:
                words = f"{words}: {reason}"
            elif content is not None:
                words = f"{words}: {content.rcode}"
                words += "" if content.serial is None else f", serial {content.serial}"
            yield visible(words)
            if news.kind is NewsKind.FIRST and content is not None:
                for record in content.records.values():
                    yield visible(f"{'':8}    {_record(job, record)}")
            yield from [visible(f"{'':8}  {each}") for each in _changes(job, news.difference)]
        if watcher.compares and self._is_new(watcher, found):
            yield visible(f"{at}  {label}{summary(found.comparison)}")
            if len({each.serial for each in found.comparison.serials}) > 1:
                for each in found.comparison.serials:
                    who = ", ".join([str(member.server.name or member.server) for member in each.members])
                    yield visible(f"{'':8}    serial {each.serial} ({behind_words(each)}): {who}")

    def _is_new(self, watcher: Watcher, found: Round) -> bool:
        """Whether servers agree in another way than after the round before."""
        words = summary(found.comparison)
        is_new = self._summaries.get(id(watcher)) != words
        self._summaries[id(watcher)] = words
        return is_new


def _who(news: News) -> str:
    name, where = news.heard.server.name, _where(news)
    return where if name is None else f"{name} ({where})" if where else str(name)


def _where(news: News) -> str:
    reply = news.heard.reply
    server = news.heard.server
    if len(server.upstreams) == 1 or reply is None:
        return server.address
    return str(reply.server)


def _data(job: Job, record: DnsRecord) -> str:
    return Wording(job.shown).data(record)


def _record(job: Job, record: DnsRecord) -> str:
    name = Wording(job.shown).name(record.name)
    return f"{name} {record.ttl} {record.rdtype} {_data(job, record)}"


def _changes(job: Job, found: Difference) -> Iterator[str]:
    """What has changed, with - for what was and + for what is."""
    if found.zones is not None:
        yield f"  the zone was {found.zones[0]}, and is {found.zones[1]}"
    if found.serials is not None:
        yield f"  serial {found.serials[0]} -> {found.serials[1]}"
    if found.rcodes is not None:
        yield f"  {found.rcodes[0]} -> {found.rcodes[1]}"
    for flag, is_set in found.flags:
        yield f"  flag {flag} {'on' if is_set else 'off'}"
    for record in found.only_first:
        yield f"- {_record(job, record)}"
    for record in found.only_second:
        yield f"+ {_record(job, record)}"
    for ttl in found.ttls:
        yield f"  TTL of {ttl.name} {ttl.rdtype}: {ttl.first} -> {ttl.second}"


#: For netkit.cli.frame.views.
VIEWS = {Watched: WatchedView()}
