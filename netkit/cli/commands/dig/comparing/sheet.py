"""A comparison on a terminal: what came of it in words, serials, servers, and how their answers differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.comparing.words import (
    behind_words,
    difference_lines,
    flags_that_count,
    summary,
)
from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.payload.dns.history import TITLES, history_cells
from netkit.cli.render.tables import facts, mark, table, text
from netkit.dns.comparing.comparison import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.cli.commands.dig.comparing.asking import Compared
    from netkit.cli.frame.cells import Verdict
    from netkit.cli.frame.context import Environment
    from netkit.dns.comparing.comparison import Member
    from netkit.dns.records.base import DnsRecord

_VERDICTS: dict[Standing, Verdict] = {
    Standing.LAME: "bad",
    Standing.FAILED: "bad",
    Standing.NOT_ASKED: "none",
}


def compared_sheet(result: Compared, env: Environment) -> Iterable[Any]:
    """The renderables of a comparison."""
    comparison, query = result.comparison, result.query
    name = Wording.at_terminal(result, env).name(query.name)
    found: list[tuple[str, object]] = [("question", f"{name} {query.rdclass} {query.rdtype}")]
    if result.zone is not None:
        found.append(("servers of", result.zone))
    found.append(("result", mark("good" if comparison.agree else "bad", summary(comparison), env)))
    yield facts(found)
    zones = {each.zone for each in comparison.serials}
    for zone in dict.fromkeys([each.zone for each in comparison.serials]):
        versions = [
            (
                each.serial,
                mark("good" if each.behind == 0 else "bad", behind_words(each), env),
                "\n".join([str(member.server.name or member.server.address) for member in each.members]),
            )
            for each in comparison.serials
            if each.zone == zone
        ]
        title = f"Serials of {zone}" if result.zone is None or len(zones) > 1 else "Serials"
        yield table(("serial", "state", "servers"), versions, title=title, right=(0,))
    rows = [_server_row(member, env) for member in comparison.members]
    yield table(("server", "answer", "flags", "group", "ms"), rows, title="Servers", right=(3, 4))
    if comparison.groups:
        records = comparison.groups[0].content.records.values()
        if records:
            cells = [_record_cells(result, record, env) for record in records]
            several = len(comparison.groups) > 1
            title = "Answer of group 1" if several else "Answer"
            yield table(("name", "TTL", "type", "data"), cells, title=title, right=(1,))
    lines = [
        (str(number), *cells)
        for number, group in enumerate(comparison.groups[1:], start=2)
        for cells in _differences(result, group.difference)
    ]
    if lines:
        titles = ("group", "what", "in group 1", "in this group")
        yield table(titles, lines, title="Differences", right=(0,))
    if query.flags.get("explain"):
        for member in comparison.members:
            cells = [(*row[:2], *row[3:]) for row in history_cells(member.heard.history)]
            yield table(
                (*TITLES[:2], *TITLES[3:]), cells, title=f"History of {_who(member)}", right=(0, 1, 6)
            )
    yield text(f"{len(comparison.members)} servers in {result.elapsed_s * 1000:.1f} ms", "dim")


def _who(member: Member) -> str:
    server = member.server
    return f"{server.name} ({server.address or 'no address'})" if server.name is not None else server.address


def _server_row(member: Member, env: Environment) -> Sequence[object]:
    content, reply = member.heard.content, member.heard.reply
    if member.standing is Standing.ANSWERED and content is not None:
        verdict: Verdict = "good" if member.group == 0 else "warn"
        words = f"{content.rcode}, a referral" if content.is_referral else str(content.rcode)
        serial = "" if content.serial is None else f", serial {content.serial}"
        answer = mark(verdict, f"{words}{serial}", env)
    else:
        answer = mark(_VERDICTS[member.standing], f"{member.standing}: {member.reason}", env)
    return (
        "\n".join([str(each) for each in (member.server.name, member.server.address) if each]),
        answer,
        flags_that_count(member),
        None if member.group is None else member.group + 1,
        None if reply is None else f"{reply.elapsed_s * 1000:.1f}",
    )


def _record_cells(result: Compared, record: DnsRecord, env: Environment) -> Sequence[object]:
    owner = Wording.at_terminal(result, env).name(record.name)
    return owner, record.ttl, record.rdtype, Wording.at_terminal(result, env).data(record)


def _differences(result: Compared, found: Any) -> Iterator[tuple[str, str, str]]:
    """What differs, and how it is in both."""
    for what, *cells in difference_lines(result, found):
        shown = ["yes" if cell is True else "no" if cell is False else str(cell) for cell in cells]
        match what:
            case "missing":
                yield f"{shown[0]} {shown[3]}", shown[4], ""
            case "extra":
                yield f"{shown[0]} {shown[3]}", "", shown[4]
            case "ttl":
                yield f"TTL of {shown[0]} {shown[1]}", shown[2], shown[3]
            case "serial":
                yield "serial", shown[0], f"{shown[1]} ({shown[2]})"
            case "flag":
                yield f"flag {shown[0]}", shown[1], shown[2]
            case _:
                yield str(what), shown[0], shown[1]
