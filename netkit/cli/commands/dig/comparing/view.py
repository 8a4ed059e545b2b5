"""The forms in which `netkit dig --compare` shows what several servers said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.comparing.asking import Compared
from netkit.cli.commands.dig.comparing.rows import ComparedRow, compared_row
from netkit.cli.commands.dig.comparing.words import (
    behind_words,
    difference_lines,
    flags_that_count,
    record_cells,
    summary,
)
from netkit.cli.commands.dig.showing.rows import question_row
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.view import View
from netkit.cli.payload.dns.history import history_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure
    from netkit.dns.comparing.comparison import Member


class ComparedView(View[Compared]):
    """Serials, servers, and how the groups differ."""

    schema = ComparedRow

    def to_json(self, result: Compared) -> ComparedRow:
        zone, elapsed = result.zone, result.elapsed_s
        return compared_row(result.comparison, question_row(result.query), zone, elapsed)

    def label(self, result: Compared, text: str) -> str:  # noqa: ARG002
        return f"{result.query.name} {result.query.rdtype}"

    def plain(self, result: Compared) -> Iterable[Line]:
        comparison = result.comparison
        verdict = "agree" if comparison.agree else "differ"
        yield "compare", verdict, f"servers={len(comparison.members)}", f"groups={len(comparison.groups)}"
        for serial in comparison.serials:
            yield "serial", serial.zone, serial.serial, behind_words(serial), _addresses(serial.members)
        for member in comparison.members:
            yield "server", *_server_cells(member), member.reason
        for number, group in enumerate(comparison.groups, start=1):
            if number == 1:
                for record in group.content.records.values():
                    yield "record", number, *record_cells(result, record)
            else:
                for cells in difference_lines(result, group.difference):
                    yield "differ", number, *cells
        if result.query.flags.get("explain"):
            for member in comparison.members:
                yield f";; HISTORY of {member.server}:"
                yield from history_lines(member.heard.history, ";; ")

    def short(self, result: Compared) -> Iterable[Line]:
        for member in result.comparison.dissenting:
            yield member.server.address or str(member.server.name)

    def row(self, result: Compared) -> Sequence[object]:
        comparison = result.comparison
        return "agree" if comparison.agree else "differ", summary(comparison)

    def table(self, result: Compared, env: Environment) -> Iterable[Any]:
        from netkit.cli.commands.dig.comparing.sheet import compared_sheet

        return compared_sheet(result, env)

    def failure(self, result: Compared) -> Exception | Failure | None:
        return result.comparison.error

    def exit_code(self, result: Compared) -> Exit:
        return Exit.OK if result.comparison.agree else Exit.NO


def _addresses(members: Iterable[Member]) -> str:
    return ",".join([each.server.address for each in members])


def _server_cells(member: Member) -> Iterator[object]:
    """The cells of a server's line: address, name, standing, group, rcode, flags, serial, milliseconds."""
    server, content, reply = member.server, member.heard.content, member.heard.reply
    yield server.address or None
    yield server.name
    yield str(member.standing).replace(" ", "-")
    yield None if member.group is None else member.group + 1
    yield None if content is None else content.rcode
    yield None if content is None else flags_that_count(member)
    yield None if content is None else content.serial
    yield None if reply is None else f"{reply.elapsed_s * 1000:.1f}"


#: For netkit.cli.frame.views.
VIEWS = {Compared: ComparedView()}
