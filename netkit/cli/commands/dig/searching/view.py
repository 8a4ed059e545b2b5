"""The forms in which `netkit dig +nssearch` shows the SOA records of a zone's servers.

Plain text is as in BIND's dig, a line for each server with an answer; the others, and what differs, stand in
lines that begin with a semicolon. JSON is that of `--compare`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.comparing.view import ComparedView
from netkit.cli.commands.dig.comparing.words import behind_words, summary
from netkit.cli.commands.dig.searching.asking import SearchedServers
from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.payload.dns.history import history_lines
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.comparing.asking import Compared
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.dns.comparing.comparison import Member


class SearchView(ComparedView):
    """SOA records side by side, and how they differ."""

    def plain(self, result: Compared) -> Iterable[Line]:
        comparison = result.comparison
        for member in comparison.members:
            soa, reply = soa_of(member), member.heard.reply
            if soa is None or reply is None:
                who = member.server if member.server.address else member.server.name
                yield f";; {who}: {member.standing}: {member.reason}"
                continue
            text = Wording(result).data(soa)
            yield f"SOA {text} from server {reply.server.ip} in {reply.elapsed_s * 1000:.1f} ms."
        if not comparison.agree:
            for serial in comparison.serials:
                servers = ", ".join([str(member.server) for member in serial.members])
                yield f";; WARNING: serial {serial.serial} ({behind_words(serial)}): {servers}"
            yield f";; {summary(comparison)}"
        if result.query.flags.get("explain"):
            for member in comparison.members:
                yield f";; HISTORY of {member.server}:"
                yield from history_lines(member.heard.history, ";; ")

    def is_block(self, result: Compared) -> bool:  # noqa: ARG002
        return True

    def short(self, result: Compared) -> Iterable[Line]:
        for member in result.comparison.members:
            soa = soa_of(member)
            yield f"{member.server.address or member.server.name} {'-' if soa is None else soa.serial}"

    def table(self, result: Compared, env: Environment) -> Iterable[Any]:
        from netkit.cli.frame.messages import plural
        from netkit.cli.render.tables import facts, mark, table, text

        comparison = result.comparison
        behind = {
            member.server: behind_words(serial) for serial in comparison.serials for member in serial.members
        }
        good = {serial.behind == 0: None for serial in comparison.serials}
        rows: list[Sequence[object]] = []
        for member in comparison.members:
            soa, reply = soa_of(member), member.heard.reply
            took = None if reply is None else f"{reply.elapsed_s * 1000:.1f} ms"
            if soa is None:
                said: object = mark("bad", f"{member.standing}: {member.reason}", env)
            else:
                words = behind.get(member.server, "answered")
                said = mark("good" if words == "newest" or len(good) == 1 else "bad", words, env)
            rows.append((member.server.name, member.server.address or None, soa and soa.serial, took, said))
        yield facts(
            [
                ("zone", result.zone or str(result.query.name)),
                ("result", mark("good" if comparison.agree else "bad", summary(comparison), env)),
            ]
        )
        yield table(("name server", "address", "serial", "time", "state"), rows, right=(2, 3))
        if comparison.groups:
            soas = {soa.rdata_text(): soa for member in comparison.members if (soa := soa_of(member))}
            for soa in soas.values():
                yield text(f"SOA {Wording.at_terminal(result, env).data(soa)}", "dim")
        servers = plural(len(comparison.members), "server")
        yield text(f"{servers} in {result.elapsed_s * 1000:.1f} ms", "dim")


def soa_of(member: Member) -> DnsRecord.SOA | None:
    """The SOA record in a server's authoritative answer."""
    reply = member.heard.reply
    if reply is None or not reply.message.authoritative:
        return None
    return next((each for each in reply.message.answer if isinstance(each, DnsRecord.SOA)), None)


#: For netkit.cli.frame.views.
VIEWS = {SearchedServers: SearchView()}
