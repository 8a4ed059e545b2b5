"""The forms in which `netkit dig` shows a reply: an object, lines as in dig, bare values, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

from netkit.cli.commands.dig.answered import Answered, Referral
from netkit.cli.commands.dig.grammar.styles import short_style, style_of
from netkit.cli.commands.dig.showing.answer_lines import answer_lines, shown_record
from netkit.cli.commands.dig.showing.rows import (
    AnyRecord,
    EdnsRow,
    QueryMessageRow,
    QuestionRow,
    edns_row,
    query_message_row,
    question_row,
    record_row,
)
from netkit.cli.commands.dig.showing.words import Wording
from netkit.cli.frame.cells import Column
from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.output import b64
from netkit.cli.frame.view import View
from netkit.cli.payload.dns.history import (
    QueryRow,
    TransportName,
    Unanswered,
    history_rows,
    unanswered,
)
from netkit.cli.payload.tls.rows import TlsRow, dns_tls_row
from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.policy.verdict import Meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.commands.dig.answered import Shown
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure
    from netkit.dns.records.base import DnsRecord

#: The words in a row for an answer without records and without an error code.
NOTHING = {Meaning.REFERRAL: "a referral", Meaning.CUT: "truncated"}


# -- the objects of --json


class ComplaintRow(TypedDict):
    """Something that is wrong with an answer."""

    offset: Annotated[int, "The octet"]
    field: Annotated[str, "The path of the field, such as answer[2].rdata.exchange"]
    reason: str


class StepRow(TypedDict):
    """A step on the way to the answer."""

    phase: Annotated[
        Literal["connect", "proxy", "tls", "wait"],
        "connect, proxy and tls are absent if the connection was there; wait is from the query to its answer",
    ]
    started_s: Annotated[float, "When it began, in seconds since the query that was answered began"]
    ended_s: float


class SearchedRow(TypedDict):
    """A name that was tried before the one that is answered, and does not exist."""

    name: str
    rcode: str


class DigRow(TypedDict):
    """A server's answer to one question."""

    question: QuestionRow
    server: Annotated[Endpoint, "Who answered"]
    server_name: Annotated[
        str | None, "The name (or address) that its certificate was checked against; null without TLS"
    ]
    upstream: Annotated[str | None, "The server as it may be given to @ and --server"]
    transport: Annotated[TransportName, "The transport of the answer"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]
    http_version: Annotated[str | None, "The version of HTTP; null if it was not over HTTPS"]
    reused: Annotated[bool, "Whether an earlier query used the connection"]
    proxy: Annotated[str | None, "The proxy, without its password"]
    query_message: Annotated[QueryMessageRow, "The query that was answered"]
    elapsed_s: Annotated[
        float, "From sending the query (over TCP, TLS and HTTPS: from connecting) to receiving the answer"
    ]
    phases: list[StepRow]
    size: Annotated[int, "Octets of the answer"]
    id: int
    opcode: str
    rcode: Annotated[str, "NOERROR, NXDOMAIN, ..."]
    flags: Annotated[list[str], "Those set of qr, aa, tc, rd, ra, ad, cd"]
    edns: Annotated[EdnsRow | None, "null if the answer has no EDNS"]
    answer: list[AnyRecord]
    authority: list[AnyRecord]
    additional: list[AnyRecord]
    truncated: Annotated[bool, "Whether this answer is truncated"]
    fell_back: Annotated[
        bool, "Whether the query was repeated over TCP because the answer over UDP was truncated"
    ]
    ignored: Annotated[int, "The number of received messages that were not the answer"]
    complaints: Annotated[
        list[ComplaintRow], "What is wrong with the answer; it is shown as far as it could be read"
    ]
    wire_b64: Annotated[str | None, "The octets of an answer that something is wrong with; else null"]
    searched: Annotated[list[SearchedRow], "With +search, the names that were tried before this one"]
    history: Annotated[list[QueryRow], "Every query that was sent, also without +explain"]


# -- how it is shown


class DigView(View[Answered]):
    """The reply as a table for each section, as dig's lines, as bare rdata, and as an object."""

    schema = DigRow
    failed_schema = Unanswered
    columns = (Column("query", 36), Column("status", 9), Column("answer", 120))

    def to_json(self, result: Answered) -> DigRow:
        reply, message, query = result.reply, result.message, result.query
        made = reply.connection
        return {
            "question": question_row(query),
            "server": str(reply.server),
            "server_name": result.server_name,
            "upstream": None if result.upstream is None else str(result.upstream),
            "transport": cast(TransportName, reply.transport),
            "tls": dns_tls_row(made),
            "http_version": None if made is None else made.http_version or None,
            "reused": made is not None and made.is_reused,
            "proxy": None if result.proxy is None else str(result.proxy),
            "query_message": query_message_row(reply),
            "elapsed_s": reply.elapsed_s,
            "phases": _step_rows(result),
            "size": reply.size,
            "id": message.id,
            "opcode": str(message.opcode),
            "rcode": str(message.rcode),
            "flags": list(message.flag_names),
            "edns": None if message.edns is None else edns_row(message.edns),
            "answer": [record_row(record) for record in message.answer],
            "authority": [record_row(record) for record in message.authority],
            "additional": [record_row(record) for record in message.additional],
            "truncated": message.truncated,
            "fell_back": reply.fell_back,
            "ignored": reply.ignored,
            "complaints": [
                {"offset": each.offset, "field": each.field, "reason": each.reason}
                for each in message.complaints
            ],
            "wire_b64": b64(reply.wire) if message.complaints else None,
            "searched": [
                {"name": str(each.query.name), "rcode": str(each.message.rcode)} for each in result.before
            ],
            "history": history_rows(result.history),
        }

    def failed_json(self, failure: Failure) -> Unanswered:
        return unanswered(failure)

    def plain(self, result: Answered) -> Iterable[Line]:
        if result.has_own_form:
            for each in (*result.shown_before, result):
                yield from message_lines(each)
            return
        for each in result.shown_before:
            yield from answer_lines(each)
            yield ""
        yield from answer_lines(result)

    def is_block(self, result: Answered) -> bool:
        if result.has_own_form:
            return False  # an entry of a list
        # As dig has it: records alone say whose they are, and a script reads them line by line.
        shown = any(result.shows(part) for part in ("comments", "question", "stats"))
        return shown or any(result.query.flags.get(flag) for flag in ("explain", "identify"))

    def short(self, result: Answered) -> Iterable[Line]:
        flags, reply = result.query.flags, result.reply
        style = short_style(flags)
        source = ""
        if flags.get("identify"):
            source = f" from server {reply.server.ip} in {reply.elapsed_s * 1000:.0f} ms."
        for record in result.message.answer:
            yield Wording(result).data(record, style) + source

    def table(self, result: Answered, env: Environment) -> Iterable[Any]:
        from netkit.cli.commands.dig.showing.sheet import reply_sheet

        return reply_sheet(result, env)

    def label(self, result: Answered, text: str) -> str:  # noqa: ARG002
        return f"{result.query.name} {result.query.rdtype}"

    def row(self, result: Answered) -> Sequence[object]:
        message = result.message
        if message.answer:
            return message.rcode, ", ".join([record.rdata_text() for record in message.answer])
        if message.rcode != Rcode.NOERROR:
            return message.rcode, None
        return message.rcode, f"({NOTHING.get(result.meaning, 'no data')})"

    def failure(self, result: Answered) -> Exception | None:
        query, server = result.query, result.reply.server
        # A truncated answer may be cut anywhere, and that it is truncated is told already.
        if result.message.complaints and not result.message.truncated:
            first = result.message.complaints[0]
            error = DnsError.InvalidResponse(first.field, first.offset, first.reason)
            error.name, error.rdtype, error.server = query.name, query.rdtype, server
            return error
        if not result.is_lookup and result.message.rcode == Rcode.NOERROR:
            return None
        if result.meaning is Meaning.REFERRAL:
            return Referral(name=query.name, rdtype=query.rdtype, server=server)
        return result.verdict.error(server, over_udp=result.reply.transport == "udp")


def _step_rows(result: Answered) -> list[StepRow]:
    rows: list[StepRow] = []
    begun = 0.0
    for name, seconds in result.steps:
        rows.append({"phase": cast(Any, name), "started_s": begun, "ended_s": begun + seconds})
        begun += seconds
    return rows


def message_lines(result: Answered) -> Iterable[str]:
    """The messages in the form that the flags ask for."""
    if result.query.flags.get("json"):
        from netkit.cli.commands.dig.showing.rfc8427 import json_lines

        return json_lines(result)
    from netkit.cli.commands.dig.showing.yaml_lines import yaml_lines

    return yaml_lines(result)


def record_lines(result: Shown, records: Iterable[DnsRecord]) -> Iterable[str]:
    """Records as dig shows them, as the flags of the query say; each is several lines with +multiline."""
    style = style_of(result.query.flags)
    for record in records:
        yield from shown_record(result, record, style).split("\n")
