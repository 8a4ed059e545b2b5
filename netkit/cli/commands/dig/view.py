"""The forms in which `netkit dig` shows a reply: an object, lines as in dig, bare values, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

from netkit.cli.commands.dig.answered import Answered, Referral
from netkit.cli.commands.dig.words import carried, name_text, rdata, steps
from netkit.cli.frame.cells import Column
from netkit.cli.frame.fields import Cases, Endpoint
from netkit.cli.frame.output import b64
from netkit.cli.frame.view import View
from netkit.cli.payload.dns_history import (
    QueryRow,
    TransportName,
    Unanswered,
    history_lines,
    history_rows,
    unanswered,
)
from netkit.cli.payload.talking import TlsRow
from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.policy.verdict import Meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.exits import Failure
    from netkit.dns.edns import Edns
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord

SECTIONS = ("answer", "authority", "additional")

#: The words in a row for an answer without records and without an error code.
NOTHING = {Meaning.REFERRAL: "a referral", Meaning.CUT: "truncated"}


# -- the objects of --json


def _cases() -> list[dict[str, Any]]:
    """The schemas of a record's `type` and `fields`, for each type, and for what netkit has no fields for."""
    from netkit.dns.records import DnsRecord, record_class
    from netkit.dns.records.variants import TYPES

    known = [(rdtype, record_class(rdtype, DnsClass.IN)) for rdtype in TYPES]
    cases: list[dict[str, Any]] = [
        {"properties": {"type": {"const": str(rdtype)}, "fields": cls.json_schema()}}
        for rdtype, cls in known
        if cls is not None
    ]
    return [*cases, {"properties": {"fields": DnsRecord.Unknown.json_schema()}}]


def _option_cases() -> list[dict[str, Any]]:
    """The same of an EDNS option's `option_code` and `fields`."""
    from netkit.dns.edns import EdnsOption
    from netkit.dns.edns.options import KNOWN

    known: list[dict[str, Any]] = [
        {"properties": {"option_code": {"const": code}, "fields": cls.json_schema()}}
        for code, cls in KNOWN.items()
    ]
    return [*known, {"properties": {"fields": EdnsOption.Unknown.json_schema()}}]


_NAME_UNICODE = Annotated[str | None, "The name with its IDNA labels in Unicode; null if it has none"]
QuestionRow = TypedDict(
    "QuestionRow", {"name": str, "name_unicode": _NAME_UNICODE, "class": str, "type": str}
)
RecordRow = TypedDict(
    "RecordRow",
    {
        "name": str,
        "name_unicode": _NAME_UNICODE,
        "ttl_s": Annotated[int, "Seconds it may be kept"],
        "class": str,
        "type": str,
        "rdata": Annotated[str, "As in a master file"],
        "fields": Annotated[dict[str, object], "The fields of the data, which depend on the type"],
    },
)
AnyRecord = Annotated[RecordRow, Cases("RecordCases", _cases)]


class EdnsOptionRow(TypedDict):
    """An EDNS option."""

    option_code: int
    name: Annotated[str, "The name as in dig: NSID, COOKIE, CLIENT-SUBNET, EDE; OPT=CODE for others"]
    text: Annotated[str, "The value as in dig"]
    fields: Annotated[
        dict[str, object], "The fields of the data, which depend on the option; data_b64 where it has none"
    ]


AnyOption = Annotated[EdnsOptionRow, Cases("OptionCases", _option_cases)]


class ExtendedErrorRow(TypedDict):
    """Why the answer is what it is (RFC 8914)."""

    info_code: int
    purpose: Annotated[str | None, "IANA's name of the code; null if it is not assigned"]
    extra_text: Annotated[str, "The server's own words"]


class EdnsRow(TypedDict):
    """What the answer's OPT record says (RFC 6891)."""

    version: int
    payload_size: Annotated[int, "Octets that the server accepts over UDP"]
    dnssec_ok: bool
    options: list[AnyOption]
    extended_errors: list[ExtendedErrorRow]


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
            "question": {
                "name": str(query.name),
                "name_unicode": _unicode(query.name),
                "class": str(query.rdclass),
                "type": str(query.rdtype),
            },
            "server": str(reply.server),
            "server_name": result.server_name,
            "upstream": None if result.upstream is None else str(result.upstream),
            "transport": cast(TransportName, reply.transport),
            "tls": None
            if made is None or not made.tls_version
            else {"protocol": made.tls_version, "cipher": made.cipher or None, "alpn": made.alpn or None},
            "http_version": None if made is None else made.http_version or None,
            "reused": made is not None and made.is_reused,
            "proxy": None if result.proxy is None else str(result.proxy),
            "elapsed_s": reply.elapsed_s,
            "phases": _step_rows(result),
            "size": reply.size,
            "id": message.id,
            "opcode": str(message.opcode),
            "rcode": str(message.rcode),
            "flags": list(message.flag_names),
            "edns": None if message.edns is None else _edns_row(message.edns),
            "answer": [_record_row(record) for record in message.answer],
            "authority": [_record_row(record) for record in message.authority],
            "additional": [_record_row(record) for record in message.additional],
            "truncated": message.truncated,
            "fell_back": reply.fell_back,
            "ignored": reply.ignored,
            "complaints": [
                {"offset": each.offset, "field": each.field, "reason": each.reason}
                for each in message.complaints
            ],
            "wire_b64": b64(reply.wire) if message.complaints else None,
            "history": history_rows(result.history),
        }

    def failed_json(self, failure: Failure) -> Unanswered:
        return unanswered(failure)

    def plain(self, result: Answered) -> Iterable[Line]:
        comments = result.shows("comments")
        if comments:
            yield from _header_lines(result)
        if result.shows("question") and result.message.question:
            if comments:
                yield ";; QUESTION SECTION:"
            for question in result.message.question:
                name = name_text(result, question.name, "utf-8", at_terminal=False)
                yield f";{name}{str(question).removeprefix(str(question.name))}"
        for name in SECTIONS:
            records = result.section(name)
            signature = [record for record in records if record.rdtype == DnsRecordType.TSIG]
            if len(records) > len(signature) and comments:
                yield f";; {name.upper()} SECTION:"
            for record in records:
                if record in signature and comments:
                    yield ";; TSIG PSEUDOSECTION:"
                yield _record_line(result, record)
        if result.shows("stats"):
            reply = result.reply
            host, port = reply.server.ip, reply.server.port
            yield f";; Query time: {reply.elapsed_s * 1000:.1f} msec{_in_steps(result)}"
            yield f";; SERVER: {host}#{port}({result.server_name or host}) ({reply.transport.upper()})"
            yield from [f";; {title}: {words}" for title, words in carried(result)]
            yield f";; MSG SIZE  rcvd: {reply.size}"
        if result.query.flags.get("explain"):
            yield ";; HISTORY:"
            yield from history_lines(result.history, ";; ")

    def is_block(self, result: Answered) -> bool:
        # As dig has it: records alone say whose they are, and a script reads them line by line.
        shown = any(result.shows(part) for part in ("comments", "question", "stats"))
        return shown or bool(result.query.flags.get("explain"))

    def short(self, result: Answered) -> Iterable[Line]:
        for record in result.message.answer:
            yield rdata(result, record, "utf-8", at_terminal=False)

    def table(self, result: Answered, env: Environment) -> Iterable[Any]:
        from netkit.cli.commands.dig.sheet import reply_sheet

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
        if result.meaning is Meaning.REFERRAL:
            return Referral(name=query.name, rdtype=query.rdtype, server=server)
        return result.verdict.error(server)


def _header_lines(result: Answered) -> Iterable[str]:
    """What dig says above the sections."""
    message, reply = result.message, result.reply
    header = message.header
    if reply.fell_back:
        yield ";; Truncated, retrying in TCP mode."
    if reply.ignored:
        yield f";; Ignored, for not being the answer: {reply.ignored}"
    for complaint in message.complaints:
        yield f";; WARNING: malformed: {complaint}"
    yield f";; ->>HEADER<<- opcode: {message.opcode}, status: {message.rcode}, id: {message.id}"
    yield (
        f";; flags: {' '.join(message.flag_names)}; QUERY: {header.qdcount}, ANSWER: {header.ancount}, "
        f"AUTHORITY: {header.nscount}, ADDITIONAL: {header.arcount}"
    )
    if message.recursion_desired and not message.recursion_available:
        yield ";; WARNING: recursion requested but not available"
    if message.edns is not None:
        yield ";; OPT PSEUDOSECTION:"
        yield f"; {message.edns}"
        for each in message.edns.options:
            yield f"; {each}"


def _in_steps(result: Answered) -> str:
    """`: connect 0.1, tls 1.2, wait 0.3`; empty over UDP, which has no steps."""
    made = result.reply.connection
    if made is None:
        return ""
    if made.is_reused:
        return ", over a connection that was there"
    return f" ({', '.join([f'{name} {seconds * 1000:.1f}' for name, seconds in steps(result)])})"


def _step_rows(result: Answered) -> list[StepRow]:
    rows: list[StepRow] = []
    begun = 0.0
    for name, seconds in steps(result):
        rows.append({"phase": cast(Any, name), "started_s": begun, "ended_s": begun + seconds})
        begun += seconds
    return rows


def _unicode(name: Name) -> str | None:
    unicode = name.to_unicode()
    return None if unicode == str(name) else unicode


def _record_line(result: Answered, record: DnsRecord) -> str:
    cells: list[object] = [name_text(result, record.name, "utf-8", at_terminal=False)]
    flags = result.query.flags
    if flags.get("ttlid", True):
        cells.append(record.ttl)
    if flags.get("class", True):
        cells.append(record.rdclass)
    return "\t".join(map(str, [*cells, record.rdtype, rdata(result, record, "utf-8", at_terminal=False)]))


def _record_row(record: DnsRecord) -> RecordRow:
    return {
        "name": str(record.name),
        "name_unicode": _unicode(record.name),
        "ttl_s": record.ttl,
        "class": str(record.rdclass),
        "type": str(record.rdtype),
        "rdata": record.rdata_text(),
        "fields": record.json_fields(),
    }


def _edns_row(edns: Edns) -> EdnsRow:
    return {
        "version": edns.version,
        "payload_size": edns.payload_size,
        "dnssec_ok": edns.dnssec_ok,
        "options": [
            {
                "option_code": each.code,
                "name": str(each).partition(":")[0],
                "text": each.text(),
                "fields": each.json_fields(),
            }
            for each in edns.options
        ],
        "extended_errors": [
            {"info_code": each.info_code, "purpose": each.purpose, "extra_text": each.extra_text}
            for each in edns.extended_errors
        ],
    }
