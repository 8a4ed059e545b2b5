"""A DNS answer on a terminal: facts in words, and a table for each section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.words import carried, name_text, rdata, steps
from netkit.cli.frame.messages import plural
from netkit.cli.payload.dns_history import TITLES, history_cells
from netkit.cli.render.tables import facts, mark, table, text
from netkit.dns.constants import RCODE_MEANINGS, DnsClass, Rcode
from netkit.dns.messages.message import FLAG_MEANINGS
from netkit.dns.policy.verdict import Meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.answered import Answered
    from netkit.cli.frame.cells import Verdict
    from netkit.cli.frame.context import Environment
    from netkit.dns.edns import Edns
    from netkit.dns.records.base import DnsRecord


def reply_sheet(result: Answered, env: Environment) -> Iterable[Any]:
    """The renderables for one answer: facts in words, the sections with records, and where it came from."""
    message = result.message
    if result.shows("comments"):
        yield facts(_facts(result, env))
    if result.shows("question") and not result.shows("comments"):
        for question in message.question:
            name = name_text(result, question.name, env.encoding, at_terminal=True)
            yield text(f"{name} {question.rdclass} {question.rdtype}", "bold")
    for name in ("answer", "authority", "additional"):
        records = result.section(name)
        if records:
            yield _records(result, name, records, env)
    if result.shows("stats"):
        reply = result.reply
        name = "" if result.server_name is None else f" ({result.server_name})"
        how = f"{reply.transport.upper()} in {reply.elapsed_s * 1000:.1f} ms{_steps(result)}"
        yield text(f"{plural(reply.size, 'octet')} from {reply.server}{name} over {how}", "dim")
        words = [f"{title} {found}" if title == "PROXY" else found for title, found in carried(result)]
        if words:
            yield text("; ".join(words), "dim")
    if result.query.flags.get("explain"):
        # All of them ask for the same, which stands above.
        cells = [(*row[:2], *row[3:]) for row in history_cells(result.history)]
        yield table((*TITLES[:2], *TITLES[3:]), cells, title="History", right=(0, 1, 6))


def _steps(result: Answered) -> str:
    made = result.reply.connection
    if made is None:
        return ""
    if made.is_reused:
        return ", a connection that was there"
    return f" ({', '.join([f'{name} {seconds * 1000:.1f} ms' for name, seconds in steps(result)])})"


def _records(result: Answered, name: str, records: Sequence[DnsRecord], env: Environment) -> Any:
    shown = result.query.flags
    kept = [0, 1, 2, 3, 4]
    if not shown.get("ttlid", True):
        kept.remove(1)
    # The class is nearly always IN, so it is shown only if it is not, or on demand.
    if not shown.get("class", any(record.rdclass != DnsClass.IN for record in records)):
        kept.remove(2)
    titles = ("name", "TTL", "class", "type", "data")
    rows = []
    for record in records:
        owner = name_text(result, record.name, env.encoding, at_terminal=True)
        data = rdata(result, record, env.encoding, at_terminal=True)
        cells = (owner, record.ttl, record.rdclass, record.rdtype, data)
        rows.append([cells[index] for index in kept])
    right = [kept.index(1)] if 1 in kept else []
    return table([titles[index] for index in kept], rows, title=name.capitalize(), right=right)


def _facts(result: Answered, env: Environment) -> list[tuple[str, object]]:
    message, query = result.message, result.query
    found: list[tuple[str, object]] = []
    if result.shows("question"):
        name = name_text(result, query.name, env.encoding, at_terminal=True)
        plain = "" if name == str(query.name) else f" ({query.name})"
        found.append(("question", f"{name} {query.rdclass} {query.rdtype}{plain}"))
    verdict, words = _status(result)
    found.append(("status", mark(verdict, words, env)))
    flags = [f"{flag} {FLAG_MEANINGS[flag]}" for flag in message.flag_names if flag in FLAG_MEANINGS]
    found.append(("flags", ", ".join(flags) or "none"))
    if message.edns is not None:
        found.append(("EDNS", _edns(message.edns)))
        for option in message.edns.options:
            title, _, words = str(option).partition(": ")
            found.append((title, text(words, "yellow" if title == "EDE" else "")))
    found += [("note", text(note, "yellow")) for note in _notes(result)]
    return found


def _status(result: Answered) -> tuple[Verdict, str]:
    rcode = result.message.rcode
    if rcode != Rcode.NOERROR:
        words = RCODE_MEANINGS.get(rcode)
        return "warn" if rcode == Rcode.NXDOMAIN else "bad", f"{rcode}: {words}" if words else str(rcode)
    match result.meaning:
        case Meaning.ANSWER | Meaning.ALIAS:
            return "good", f"NOERROR: {plural(len(result.message.answer), 'record')}"
        case Meaning.REFERRAL:
            return "warn", "NOERROR: a referral; the servers below know more"
        case Meaning.LOOP:
            return "bad", "NOERROR: an alias that leads back to itself"
        case Meaning.CUT:
            return "warn", "NOERROR: truncated, without any record of the question"
    return "warn", f"NOERROR: the name exists, without records of type {result.query.rdtype}"


def _edns(edns: Edns) -> str:
    do = ", with DNSSEC records (do)" if edns.dnssec_ok else ""
    return f"version {edns.version}, takes {plural(edns.payload_size, 'octet')} over UDP{do}"


def _notes(result: Answered) -> Iterable[str]:
    message, reply = result.message, result.reply
    if reply.fell_back:
        yield "over UDP the answer was truncated: asked again over TCP"
    elif message.truncated:
        yield "the answer is truncated: there is more than is shown"
    for complaint in message.complaints:
        yield f"malformed: {complaint}"
    if message.recursion_desired and not (message.recursion_available or message.authoritative):
        yield "recursion was requested, and this server does not offer it"
    if reply.ignored:
        yield f"{plural(reply.ignored, 'message')} that were not the answer came too, and were ignored"
    asked_of_edns = reply.query.edns is None and result.query.flags.get("edns") is not False
    if asked_of_edns:
        yield "the server does not accept EDNS: asked again without it"
