"""The forms in which `netkit dig +trace` shows a walk from the root.

Plain text is as in BIND's dig: for each server on the way the records that it gave, and a line with the
server, the time and the size. What dig does not say stands in lines that begin with a semicolon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.answered import Answered
from netkit.cli.commands.dig.grammar.styles import short_style
from netkit.cli.commands.dig.showing.view import message_lines, record_lines
from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.commands.dig.tracing.asking import Traced
from netkit.cli.commands.dig.tracing.rows import TraceRow, trace_row
from netkit.cli.commands.dig.tracing.words import asked_for, on_the_way
from netkit.cli.frame.view import View
from netkit.cli.payload.dns.history import history_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.tracing.trace import Hop

#: The sections whose records are shown: of them dig shows the first two.
_SHOWN = {"answer": True, "authority": True, "additional": False}


class TraceView(View[Traced]):
    """The hops as dig's lines, the answer's bare values, a table of the way, and an object."""

    schema = TraceRow

    def to_json(self, result: Traced) -> TraceRow:
        return trace_row(result)

    def label(self, result: Traced, text: str) -> str:  # noqa: ARG002
        return f"{result.query.name} {result.query.rdtype}"

    def plain(self, result: Traced) -> Iterable[Line]:
        if result.has_own_form:
            for each in _messages(result):
                yield from message_lines(each)
            return
        trace, comments = result.trace, result.shows("comments")
        blank = False
        for hop in on_the_way(result):
            if blank:
                yield ""
            if hop.depth and comments:
                yield f";; For the address of {hop.whose}:"
            yield from record_lines(result, _records(result, hop))
            yield from _hop_lines(hop, stats=result.shows("stats"), comments=comments)
            blank = comments or result.shows("stats")
        if comments:
            for finding in trace.findings:
                yield f";; WARNING: {finding.fault.value}: {finding.text}"
            if not trace.is_checked and trace.error is None:
                yield ";; Not all zones were asked what they say of themselves: the time was over."
        if result.query.flags.get("explain"):
            yield ";; HISTORY:"
            yield from history_lines(trace.history, ";; ")

    def is_block(self, result: Traced) -> bool:
        if result.has_own_form:
            return False  # entries of a list
        return result.shows("comments") or result.shows("stats") or bool(result.query.flags.get("explain"))

    def short(self, result: Traced) -> Iterable[Line]:
        style = short_style(result.query.flags)
        for record in asked_for(result):
            yield Wording(result).data(record, style)

    def table(self, result: Traced, env: Environment) -> Iterable[Any]:
        from netkit.cli.commands.dig.tracing.sheet import trace_sheet

        return trace_sheet(result, env)

    def row(self, result: Traced) -> Sequence[object]:
        trace = result.trace
        status = "-" if trace.reply is None else str(trace.reply.message.rcode)
        found = asked_for(result)
        if found:
            return status, ", ".join([record.rdata_text() for record in found])
        return status, f"({'no answer' if trace.outcome is None else trace.outcome.value})"

    def failure(self, result: Traced) -> Exception | None:
        return result.trace.error


def _messages(result: Traced) -> Iterable[Answered]:
    """The replies on the way, each as if it alone had been asked for."""
    hops = [(hop, hop.reply) for hop in on_the_way(result) if hop.reply is not None]
    end = max([hop.at + hop.elapsed for hop, _ in hops], default=0.0)
    for hop, reply in hops:
        made = Answered(result.query._replace(name=hop.question.name), reply, hop.history)
        made.came_at = result.ended_at - (end - hop.at - hop.elapsed)
        yield made


def _records(result: Traced, hop: Hop) -> list[DnsRecord]:
    """The records of a reply that are shown: with +nodnssec none of those that only DNSSEC needs."""
    if hop.reply is None:
        return []
    flags = result.query.flags
    shown: list[DnsRecord] = []
    for name, is_shown in _SHOWN.items():
        if flags.get(name, flags.get("all", True) and is_shown):
            shown += getattr(hop.reply.message, name)
    return shown


def _hop_lines(hop: Hop, *, stats: bool, comments: bool) -> Iterable[str]:
    """What dig says below the records, and what came of it in words."""
    if hop.reply is not None and stats:
        server = hop.reply.server
        name = server.ip if hop.server is None else str(hop.server)
        took = f"{hop.elapsed * 1000:.1f} ms"
        over = "" if hop.reply.transport == "udp" else f" over {hop.reply.transport.upper()}"
        yield f";; Received {hop.reply.size} bytes from {server.ip}#{server.port}({name}) in {took}{over}"
    if comments:
        who = "" if hop.reply is not None and stats else f"{hop.place} of {hop.zone}: "
        then = f"; {hop.then}" if hop.then else ""
        yield f";; {who}{hop.reason}{then}"


#: For netkit.cli.frame.views.
VIEWS = {Traced: TraceView()}
