"""An answer as BIND's dig writes it: records in its columns, and comments around them.

What a script takes from dig's output is the same here: lines of records, section titles, the blank line that
ends a section, `status:`, `flags:`. Comments have more in them than dig's have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.commands.dig.answered import Answered, Shown
from netkit.cli.commands.dig.grammar.styles import style_of
from netkit.cli.commands.dig.showing.words import Wording, carried, option_words
from netkit.cli.payload.dns.history import history_lines
from netkit.dns.constants import DnsRecordType
from netkit.dns.lines import question_line, record_line
from netkit.dns.messages.header import RECORD_SECTIONS, Z, section_names
from netkit.dns.policy.steps import Why

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.dns.messages.message import Message
    from netkit.dns.policy.steps import Step
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.style import Style
    from netkit.dns.transports.reply import Reply

#: What dig says of a query that is sent once more, by why it is.
_AGAIN = {
    Why.TRUNCATED: ";; Truncated, retrying in TCP mode.",
    Why.COOKIE: ";; BADCOOKIE, retrying.",
    Why.COOKIE_TCP: ";; BADCOOKIE, retrying in TCP mode.",
    Why.VERSION: ";; BADVERS, retrying with EDNS version {version}.",
}


def answer_lines(result: Answered) -> Iterable[str]:
    """The lines of an answer, with the queries and the answers before it that flags ask for."""
    reply, comments = result.reply, result.shows("comments")
    groups: list[list[str]] = []
    for step, query in result.sent:
        if comments and step is not None and step.why in _AGAIN:
            version = 0 if query.edns is None else query.edns.version
            groups.append([_AGAIN[step.why].format(version=version)])
        if result.query.flags.get("qr"):
            groups += _query_groups(result, query)
        before = result.reply_before(step)
        if before is not None:
            groups += _answer_groups(result, before)
            if result.shows("stats"):
                groups.append(list(_stats(Answered(result.query, before, result.history, result.proxy))))
    groups += _answer_groups(result, reply)
    if result.shows("stats"):
        groups.append(list(_stats(result)))
    elif result.query.flags.get("identify"):
        name, took = result.server_name or reply.server.ip, reply.elapsed_s * 1000
        peer = f"{reply.server.ip}#{reply.server.port}"
        groups.append([f";; Received {reply.size} bytes from {peer}({name}) in {took:.0f} ms"])
    if result.query.flags.get("explain"):
        groups.append([";; HISTORY:", *history_lines(result.history, ";; ")])
    return _together(groups, blank=comments)


def lost_query_lines(query: Query, history: Sequence[Step]) -> Iterable[str]:
    """The queries of a history that led to no answer, as they were sent."""
    shown = Shown(query)
    groups = [group for step in history for group in _query_groups(shown, step.query)]
    return _together(groups, blank=shown.shows("comments"))


def query_lines(shown: Shown, query: Message) -> Iterable[str]:
    """The lines of a query as it was sent."""
    return _together(_query_groups(shown, query), blank=shown.shows("comments"))


def _query_groups(shown: Shown, query: Message) -> list[list[str]]:
    groups: list[list[str]] = []
    comments = shown.shows("comments")
    if comments:
        groups.append([";; Sending:", *_header_lines(query)])
    groups += _parts(shown, query, query)
    if shown.shows("stats"):
        groups.append([f";; QUERY SIZE: {len(query.to_wire())}"])
    return groups


def message_lines(shown: Shown, message: Message, asked: Message) -> Iterable[str]:
    """The lines of one message of an answer to `asked`, which may be of many."""
    return _together(_message_groups(shown, message, asked), blank=shown.shows("comments"))


def _answer_groups(shown: Shown, reply: Reply) -> list[list[str]]:
    return _message_groups(shown, reply.message, reply.query, _remarks(reply))


def _message_groups(
    shown: Shown, message: Message, asked: Message, remarks: Iterable[str] = ()
) -> list[list[str]]:
    groups: list[list[str]] = []
    if shown.shows("comments"):
        header = [*remarks, ";; Got answer:", *_header_lines(message)]
        if message.recursion_desired and not message.recursion_available:
            header.append(";; WARNING: recursion requested but not available")
        groups.append(header)
    return groups + _parts(shown, message, asked)


def _together(groups: Iterable[Sequence[str]], *, blank: bool) -> Iterable[str]:
    """The lines of groups, a blank line between two of them if comments are there."""
    first = True
    for group in groups:
        if not group:
            continue
        if blank and not first:
            yield ""
        first = False
        for line in group:
            yield from line.split("\n")


def _parts(shown: Shown, message: Message, asked: Message) -> list[list[str]]:
    """The parts of a message below its header: EDNS with the question, and each section."""
    comments = shown.shows("comments")
    style = style_of(shown.query.flags)
    titles = section_names(message.opcode)
    groups: list[list[str]] = []
    upper = list(_edns_lines(message, asked)) if comments else []
    if shown.shows("question") and message.question:
        if comments:
            upper.append(f";; {titles.question.upper()} SECTION:")
        for question in message.question:
            name = Wording(shown).name(question.name)
            upper.append(f";{question_line(question, style, owner=name)}")
    groups.append(upper)
    for name in RECORD_SECTIONS:
        records = shown.section_of(message, name)
        signature = [record for record in records if record.rdtype == DnsRecordType.TSIG]
        for words, part in (
            (
                f"{getattr(titles, name).upper()} SECTION:",
                [record for record in records if record not in signature],
            ),
            ("TSIG PSEUDOSECTION:", signature),
        ):
            if part:
                lines = [shown_record(shown, record, style) for record in part]
                groups.append([f";; {words}", *lines] if comments else lines)
    return groups


def _remarks(reply: Reply) -> Iterable[str]:
    if reply.ignored:
        yield f";; Ignored, for not being the answer: {reply.ignored}"
    for complaint in reply.message.complaints:
        yield f";; WARNING: malformed: {complaint}"


def _header_lines(message: Message) -> Iterable[str]:
    header = message.header
    yield f";; ->>HEADER<<- opcode: {message.opcode}, status: {message.rcode}, id: {message.id}"
    flags = " ".join(["", *message.flag_names])
    reserved = "; MBZ: 0x4" if message.flags & Z else ""
    yield (
        f";; flags:{flags}{reserved}; QUERY: {header.qdcount}, ANSWER: {header.ancount}, "
        f"AUTHORITY: {header.nscount}, ADDITIONAL: {header.arcount}"
    )


def _edns_lines(message: Message, asked: Message) -> Iterable[str]:
    if message.edns is None:
        return
    yield ";; OPT PSEUDOSECTION:"
    yield f"; {message.edns}"
    for title, text in option_words(message.edns, asked):
        yield f"; {title}: {text}".rstrip()


def _stats(result: Answered) -> Iterable[str]:
    reply = result.reply
    host, port = reply.server.ip, reply.server.port
    yield f";; Query time: {result.spent(reply.elapsed_s)} {result.unit}ec{_in_steps(result)}"
    yield f";; SERVER: {host}#{port}({result.server_name or host}) ({reply.transport.upper()})"
    yield from [f";; {title}: {words}" for title, words in carried(result)]
    yield f";; MSG SIZE  rcvd: {reply.size}"


def _in_steps(result: Answered) -> str:
    """`: connect 0.1, tls 1.2, wait 0.3`; empty over UDP, which has no steps."""
    made = result.reply.connection
    if made is None:
        return ""
    if made.is_reused:
        return ", over a connection that was there"
    return f" ({', '.join([f'{name} {result.spent(seconds)}' for name, seconds in result.steps])})"


def shown_record(shown: Shown, record: DnsRecord, style: Style) -> str:
    """A record as dig prints it, with names in Unicode where that is wanted."""
    wording = Wording(shown)
    return record_line(record, style, owner=wording.name(record.name), rdata=wording.data(record, style))
