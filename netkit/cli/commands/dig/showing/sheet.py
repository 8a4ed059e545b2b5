"""A DNS answer on a terminal: facts in words, and a table for each section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.answered import Answered
from netkit.cli.commands.dig.grammar.styles import style_of
from netkit.cli.commands.dig.showing.words import Wording, carried, option_words
from netkit.cli.frame.messages import plural
from netkit.cli.payload.dns.history import TITLES, history_cells
from netkit.cli.render.tables import facts, mark, table, text
from netkit.dns.constants import RCODE_MEANINGS, DnsClass, Rcode
from netkit.dns.edns.opt import EDNS_FLAG_MEANINGS
from netkit.dns.lines import kind_words
from netkit.dns.messages.header import RECORD_SECTIONS, section_names
from netkit.dns.messages.message import FLAG_MEANINGS
from netkit.dns.policy.verdict import Meaning
from netkit.dns.style import GROUP, GROUP_IN_LINES, ttl_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Verdict
    from netkit.cli.frame.context import Environment
    from netkit.dns.edns import Edns
    from netkit.dns.messages.message import Message
    from netkit.dns.policy.steps import Step
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.style import Style


def reply_sheet(result: Answered, env: Environment) -> Iterable[Any]:
    """The renderables for one answer: facts in words, the sections with records, and where it came from."""
    for each in result.shown_before:
        yield from _one_sheet(each, env)
        yield text(" ")
    yield from _one_sheet(result, env)


def _one_sheet(result: Answered, env: Environment) -> Iterable[Any]:
    message = result.message
    for step, query in result.sent:
        if result.query.flags.get("qr"):
            yield facts(_query_facts(result, step, query, env))
            yield text(" ")
        before = result.reply_before(step)
        if before is not None and result.shows("comments"):
            yield facts(_facts(Answered(result.query, before), env))
            yield text(" ")
    if result.shows("comments"):
        yield facts(_facts(result, env))
    if result.shows("question") and not result.shows("comments"):
        for question in message.question:
            name = Wording.at_terminal(result, env).name(question.name)
            yield text(f"{name} {question.rdclass} {question.rdtype}", "bold")
    titles = section_names(message.opcode)
    for name in RECORD_SECTIONS:
        records = result.section(name)
        if records:
            yield _records(result, getattr(titles, name), records, env)
    if result.shows("stats") or result.query.flags.get("identify"):
        reply = result.reply
        name = "" if result.server_name is None else f" ({result.server_name})"
        how = f"{reply.transport.upper()} in {result.spent(reply.elapsed_s)} {result.unit}{_steps(result)}"
        yield text(f"{plural(reply.size, 'octet')} from {reply.server}{name} over {how}", "dim")
        words = [f"{title} {found}" if title == "PROXY" else found for title, found in carried(result)]
        if words:
            yield text("; ".join(words), "dim")
    if result.query.flags.get("explain"):
        # Without a search list all of them ask for the same, which stands above.
        end = 3 if result.before else 2
        cells = [(*row[:end], *row[3:]) for row in history_cells(result.history)]
        yield table((*TITLES[:end], *TITLES[3:]), cells, title="History", right=(0, 1, end + 4))


def _steps(result: Answered) -> str:
    made = result.reply.connection
    if made is None:
        return ""
    if made.is_reused:
        return ", a connection that was there"
    each = [f"{name} {result.spent(seconds)} {result.unit}" for name, seconds in result.steps]
    return f" ({', '.join(each)})"


def _records(result: Answered, title: str, records: Sequence[DnsRecord], env: Environment) -> Any:
    shown = result.query.flags
    style = style_of(shown)._replace(indent="  ")
    kept = [0, 1, 2, 3, 4]
    if not style.ttl:
        kept.remove(1)
    # The class is nearly always IN, so it is shown only if it is not, or on demand.
    if not shown.get("class", any(record.rdclass != DnsClass.IN for record in records)):
        kept.remove(2)
    titles = ("name", "TTL", "class", "type", "data")
    heads = []
    for record in records:
        owner = Wording.at_terminal(result, env).name(record.name)
        ttl = ttl_text(record.ttl) if style.ttl_units else str(record.ttl)
        cells = (owner, ttl, *kind_words(record.rdclass, record.rdtype, style), "")
        heads.append([cells[index] for index in kept])
    shown_titles = [titles[index] for index in kept]
    style = _fitted(style, [[*shown_titles[:-1], ""], *heads], env.width)
    rows = [
        [*head[:-1], Wording.at_terminal(result, env).data(record, style)]
        for head, record in zip(heads, records, strict=True)
    ]
    right = [kept.index(1)] if 1 in kept else []
    return table(shown_titles, rows, title=title.capitalize(), right=right)


#: What a table has around each cell and at its end, and what is around long data on a line of its own.
_BORDER, _EDGE, _AROUND = 3, 1, 4
_LEAST_GROUP = 16


def _fitted(style: Style, heads: Sequence[Sequence[str]], width: int) -> Style:
    """The style with groups of digits that fit beside the other cells, if no size was asked for."""
    if style.split is not None:
        return style
    taken = sum([max(map(len, column)) + _BORDER for column in zip(*heads, strict=True)]) + _EDGE
    room = (width - taken - _AROUND) // 4 * 4
    usual = GROUP_IN_LINES if style.multiline else GROUP
    return style._replace(split=min(usual, max(room, _LEAST_GROUP)))


def _facts(result: Answered, env: Environment) -> list[tuple[str, object]]:
    message, query = result.message, result.query
    found: list[tuple[str, object]] = []
    asked = result.reply.query
    title = section_names(asked.opcode).question
    if result.shows("question") and not asked.question:
        found.append((title, "none: only a header was sent"))
    elif result.shows("question"):
        name = Wording.at_terminal(result, env).name(query.name)
        plain = "" if name == str(query.name) else f" ({query.name})"
        found.append((title, f"{name} {query.rdclass} {query.rdtype}{plain}"))
    verdict, words = _status(result)
    found.append(("status", mark(verdict, words, env)))
    flags = [f"{flag} {FLAG_MEANINGS[flag]}" for flag in message.flag_names if flag in FLAG_MEANINGS]
    found.append(("flags", ", ".join(flags) or "none"))
    if message.edns is not None:
        found.append(("EDNS", _edns(message.edns)))
        for title, words in option_words(message.edns, result.reply.query):
            found.append((title, text(words, "yellow" if title == "EDE" else "")))
    found += [("note", text(note, "yellow")) for note in _notes(result)]
    return found


def _query_facts(
    result: Answered, step: Step | None, query: Message, env: Environment
) -> list[tuple[str, object]]:
    """A query as it was sent."""
    found: list[tuple[str, object]] = []
    for question in query.question:
        name = Wording.at_terminal(result, env).name(question.name)
        found.append(("query", f"{name} {question.rdclass} {question.rdtype}"))
    flags = " ".join(query.flag_names) or "none"
    size = plural(len(query.to_wire()), "octet")
    found.append(("sent", f"ID {query.id}, {query.opcode}, flags {flags}, {size}"))
    if step is not None:
        found.append(("to", f"{step.upstream} over {str(step.transport).upper()}: {step.why}"))
    if query.edns is not None:
        found.append(("EDNS", _edns(query.edns)))
        found += [(title, words or "asked for") for title, words in option_words(query.edns, query)]
    return found


def _status(result: Answered) -> tuple[Verdict, str]:
    rcode = result.message.rcode
    if rcode != Rcode.NOERROR:
        words = RCODE_MEANINGS.get(rcode)
        return "warn" if rcode == Rcode.NXDOMAIN else "bad", f"{rcode}: {words}" if words else str(rcode)
    if not result.is_lookup:
        return "good", "NOERROR"
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
    words = [f"version {edns.version}", f"takes {plural(edns.payload_size, 'octet')} over UDP"]
    words += [f"{EDNS_FLAG_MEANINGS[name]} ({name})" for name in edns.flag_names]
    words += [f"reserved flags 0x{edns.reserved:04x}"] * bool(edns.reserved)
    return ", ".join(words)


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
