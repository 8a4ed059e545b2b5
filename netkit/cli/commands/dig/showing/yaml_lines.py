"""A message in the YAML of BIND's dig (`+yaml`): an entry of a list, for each message.

Where dig's own output is no YAML (quotes in the text of an extended error, a colon in that of an option), the
text here is quoted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from json import dumps
from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import SocketAddr
from netkit.cli.commands.dig.showing.words import Wording, option_words
from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import EdnsOption
from netkit.dns.messages.header import QR, RA, RD, RECORD_SECTIONS, SECTIONS, Z, section_names
from netkit.dns.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.cli.commands.dig.answered import Answered, Shown
    from netkit.cli.frame.exits import Failure
    from netkit.dns.edns import Edns
    from netkit.dns.messages.message import Message
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply

_STYLE = Style(quotable=True)
#: The one section whose count has a shorter title in dig's YAML.
_SHORTENED = {"PREREQUISITE": "PREREQ"}


class Between(NamedTuple):
    """Between whom messages went: the server, the transport, and the address of -b, which may be None."""

    server: SocketAddr
    transport: str
    source: SocketAddr | None


def yaml_lines(result: Answered) -> Iterable[str]:
    """The entry of an answer, after those of its queries with +qr."""
    reply, history = result.reply, result.sent
    began = result.came_at - reply.elapsed_s
    last = history[-1][0]
    for step, query in history:
        at = began if step is None or last is None else began + step.at - last.at
        if result.query.flags.get("qr"):
            server = reply.server if step is None else step.upstream.addr or reply.server
            over = reply.transport if step is None else str(step.transport)
            between = Between(server, over, result.source)
            yield from entry_lines(result, query, query, len(query.to_wire()), between, (at,))
        before = result.reply_before(step)
        if before is not None:
            yield from _reply(result, before, at)
    yield from _reply(result, reply, began)


def error_lines(failure: Failure) -> Iterable[str]:
    """The entry of a query without an answer."""
    yield "- type: DIG_ERROR"
    yield "  message: |"
    for line in failure.message.splitlines():
        yield f"    {line}"


def _reply(result: Answered, reply: Reply, at: float) -> Iterable[str]:
    moments = (at, at + reply.elapsed_s)
    between = Between(reply.server, reply.transport, result.source)
    return entry_lines(result, reply.message, reply.query, reply.size, between, moments)


def entry_lines(
    shown: Shown, message: Message, asked: Message, size: int, between: Between, moments: tuple[float, ...]
) -> Iterable[str]:
    """The entry of a message of `size` octets: of the query `asked`, or of an answer to it.

    `moments` are when the query was sent and when the answer came, in seconds since 1970.
    """
    server = between.server
    is_answer = bool(message.flags & QR)
    yield "- type: MESSAGE"
    yield "  message:"
    recursive = message.flags & RD and (message.flags & RA or not is_answer)
    yield f"    type: {'RECURSIVE' if recursive else 'AUTH'}_{'RESPONSE' if is_answer else 'QUERY'}"
    for name, moment in zip(("query_time", "response_time"), moments, strict=False):
        yield f"    {name}: !!timestamp {_timestamp(moment)}"
    yield f"    message_size: {size}b"
    yield f"    socket_family: {'INET6' if server.ip.version == 6 else 'INET'}"
    yield f"    socket_protocol: {'UDP' if between.transport == 'udp' else 'TCP'}"
    yield f'    response_address: "{server.ip}"'
    yield f"    response_port: {server.port}"
    # BIND's dig has the address of -b here, and without it none, though the kernel has chosen one.
    source = between.source or SocketAddr.parse("[::]:0" if server.ip.version == 6 else "0.0.0.0:0")
    yield f'    query_address: "{source.ip}"'
    yield f"    query_port: {source.port}"
    yield f"    {'response' if is_answer else 'query'}_message_data:"
    for line in _message(shown, message, asked):
        yield f"      {line}"


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _message(shown: Shown, message: Message, asked: Message) -> Iterable[str]:
    header = message.header
    yield f"opcode: {message.opcode}"
    yield f"status: {message.rcode}"
    yield f"id: {message.id}"
    yield " ".join(["flags:", *message.flag_names])
    if message.flags & Z:
        yield "MBZ: 0x4"
    titles = {
        name: title.upper() for name, title in zip(SECTIONS, section_names(message.opcode), strict=True)
    }
    counts = (header.qdcount, header.ancount, header.nscount, header.arcount)
    for title, count in zip(titles.values(), counts, strict=True):
        yield f"{_SHORTENED.get(title, title)}: {count}"
    if message.edns is not None and shown.shows("comments"):
        yield "OPT_PSEUDOSECTION:"
        yield "  EDNS:"
        for line in _edns(message.edns, asked):
            yield f"    {line}"
    if message.question and shown.shows("question"):
        yield f"{titles['question']}_SECTION:"
        for question in message.question:
            name = Wording(shown).name(question.name)
            yield f"  - {_quoted(f'{name} {question.rdclass} {question.rdtype}')}"
    for section in RECORD_SECTIONS:
        records = shown.section_of(message, section)
        signature = [record for record in records if record.rdtype == DnsRecordType.TSIG]
        named = {
            f"{titles[section]}_SECTION": [each for each in records if each not in signature],
            "TSIG_PSEUDOSECTION": signature,
        }
        for title, part in named.items():
            if part:
                yield f"{title}:"
                yield from [f"  - {_quoted(_record(shown, record))}" for record in part]


def _edns(edns: Edns, asked: Message) -> Iterable[str]:
    yield f"version: {edns.version}"
    yield " ".join(["flags:", *edns.flag_names])
    if edns.reserved:
        yield f"MBZ: 0x{edns.reserved:04x}"
    yield f"udp: {edns.payload_size}"
    for option, (title, text) in zip(edns.options, option_words(edns, asked), strict=True):
        if isinstance(option, EdnsOption.ExtendedError):
            yield "EDE:"
            purpose = f" ({option.purpose})" if option.purpose else ""
            yield f"  INFO-CODE: {option.info_code}{purpose}"
            if option.extra_text:
                # A string of JSON is one of YAML too.
                text = dumps(option.extra_text, ensure_ascii=not option.extra_text.isprintable())
                yield f"  EXTRA-TEXT: {text}"
        else:
            yield f"{title}: {_plain(text)}".rstrip()


def _plain(text: str) -> str:
    """A text as a plain scalar, in quotes where it would not be one."""
    is_odd = ": " in text or " #" in text or text.endswith(":") or text[:1] in _INDICATORS
    return _quoted(text) if text and is_odd else text


#: What a plain scalar may not begin with (YAML 1.2 section 7.3.3).
_INDICATORS = "-?:,[]{}#&*!|>'\"%@`"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _record(shown: Shown, record: DnsRecord) -> str:
    owner = Wording(shown).name(record.name)
    data = Wording(shown).data(record, _STYLE)
    return f"{owner} {record.ttl} {record.rdclass} {record.rdtype} {data}"
