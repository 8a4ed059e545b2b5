"""A walk from the root on a terminal: the way as a table, the answer, and what is wrong on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.commands.dig.tracing.words import asked_for, on_the_way
from netkit.cli.frame.messages import plural
from netkit.cli.payload.dns.history import TITLES, history_cells
from netkit.cli.render.tables import mark, table, text
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.trace import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.tracing.asking import Traced
    from netkit.cli.frame.cells import Verdict
    from netkit.cli.frame.context import Environment
    from netkit.dns.tracing.trace import Hop

_SEVERITIES: dict[str, Verdict] = {"error": "bad", "warning": "warn", "note": "none"}


def trace_sheet(result: Traced, env: Environment) -> Iterable[Any]:
    """The renderables for a walk."""
    trace, query = result.trace, result.query
    name = Wording.at_terminal(result, env).name(query.name)
    rows = [_row(result, hop, env) for hop in on_the_way(result)]
    title = f"{name} {query.rdtype} from the root"
    yield table(("#", "zone", "server", "time", "what came"), rows, title=title, right=(0, 3))
    records = [*trace.aliases, *asked_for(result)]
    if records and trace.error is None:
        cells = [
            (
                Wording.at_terminal(result, env).name(record.name),
                record.ttl,
                record.rdtype,
                Wording.at_terminal(result, env).data(record),
            )
            for record in records
        ]
        yield table(("name", "TTL", "type", "data"), cells, title="Answer", right=(1,))
    for finding in trace.findings:
        yield mark(_SEVERITIES[finding.fault.severity], f"{finding.fault.value}: {finding.text}", env)
    if result.shows("stats"):
        yield text(_summary(result), "dim")
    if query.flags.get("explain"):
        yield table(TITLES, history_cells(trace.history), title="History", right=(0, 1, 7))


def _row(result: Traced, hop: Hop, env: Environment) -> Sequence[object]:
    zone = Wording.at_terminal(result, env).name(hop.zone)
    # A search for the address of a name server is indented under the zone that needs it.
    indented = f"{'  ' * hop.depth}{zone}"
    verdict = _verdict(hop)
    if verdict == "good" and hop.outcome is Outcome.REFERRAL:
        what: object = text(hop.reason)
    else:
        then = f"; {hop.then}" if not hop.outcome.is_of_use and hop.then else ""
        what = mark(verdict, f"{hop.reason}{then}", env)
    took = "-" if hop.upstream is None else f"{hop.elapsed * 1000:.1f} ms"
    server = str(hop.server) if hop.upstream is None else hop.place
    return hop.number, indented, server, took, what


def _verdict(hop: Hop) -> Verdict:
    if not hop.outcome.is_of_use or hop.outcome in (Outcome.LOOP, Outcome.ERROR):
        return "bad"
    if hop.outcome in (Outcome.NO_NAME, Outcome.NO_DATA) and hop.purpose is Purpose.NAME:
        return "warn"
    return "good"


def _summary(result: Traced) -> str:
    trace = result.trace
    checks = sum(hop.purpose is Purpose.CHECK for hop in trace.hops)
    what = f"; {plural(checks, 'check')} of what the zones say of themselves" if checks else ""
    unfinished = "" if trace.is_checked or trace.error is not None else ", and no time for the others"
    return (
        f"{plural(len(trace.history), 'query', 'queries')} in {trace.elapsed * 1000:.1f} ms{what}{unfinished}"
    )
