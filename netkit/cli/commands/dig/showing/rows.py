"""The objects of JSON in what several views of `netkit dig` write: questions, records, EDNS and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from netkit.cli.frame.fields import Cases
from netkit.dns.constants import DnsClass

if TYPE_CHECKING:
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.dns.edns import Edns
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply


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
    """What an OPT record says (RFC 6891)."""

    version: int
    payload_size: Annotated[int, "Octets that its sender accepts over UDP"]
    dnssec_ok: bool
    flags: Annotated[list[str], "Those set of do, co"]
    reserved: Annotated[int, "The other bits of its flags, which must be zero"]
    options: list[AnyOption]
    extended_errors: list[ExtendedErrorRow]


class QueryMessageRow(TypedDict):
    """A query as it was sent."""

    id: int
    opcode: str
    flags: Annotated[list[str], "Those set of aa, tc, rd, ra, ad, cd"]
    size: Annotated[int, "Its octets"]
    edns: Annotated[EdnsRow | None, "null without EDNS"]


def _unicode(name: Name) -> str | None:
    unicode = name.to_unicode()
    return None if unicode == str(name) else unicode


def question_row(query: Query) -> QuestionRow:
    """A question as an object of JSON."""
    return {
        "name": str(query.name),
        "name_unicode": _unicode(query.name),
        "class": str(query.rdclass),
        "type": str(query.rdtype),
    }


def record_row(record: DnsRecord) -> RecordRow:
    """A record as an object of JSON."""
    return {
        "name": str(record.name),
        "name_unicode": _unicode(record.name),
        "ttl_s": record.ttl,
        "class": str(record.rdclass),
        "type": str(record.rdtype),
        "rdata": record.rdata_text(),
        "fields": record.json_fields(),
    }


def query_message_row(reply: Reply) -> QueryMessageRow:
    """The query of a reply as an object of JSON."""
    query = reply.query
    return {
        "id": query.id,
        "opcode": str(query.opcode),
        "flags": list(query.flag_names),
        "size": reply.query_size,
        "edns": None if query.edns is None else edns_row(query.edns),
    }


def edns_row(edns: Edns) -> EdnsRow:
    """An OPT record as an object of JSON."""
    return {
        "version": edns.version,
        "payload_size": edns.payload_size,
        "dnssec_ok": edns.dnssec_ok,
        "flags": list(edns.flag_names),
        "reserved": edns.reserved,
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
