"""DNS messages as JSON by RFC 8427; `netkit.dns.messages.from_json` reads them.

    message_to_json(message)            an object with ID, QNAME, answerRRs, ...
    pair_to_json(query, response)       both, as queryMessage and responseMessage (section 3)

Section 2.1 (messages), 2.2 and 2.3 (records), 2.4 (octets), 2.5 (when, comments), 2.6 (names). All members
are optional there. Here a message has those of its header, its questions and its records, each record with
its data in octets (`RDATAHEX`) and, if its type is known, as text (`rdataMX`), which has base64 in one piece.

A name is text as a master file has it. One with an octet that needs an escape is in octets too, as section
2.6 has them: `"NAME*"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.header import AA, AD, CD, QR, RA, RD, TC, Z
from netkit.dns.messages.wire import WireReader, WireWriter
from netkit.dns.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import TypeAlias

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.message import Message, Question
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord

    #: An object of JSON.
    Object: TypeAlias = dict[str, Any]

#: The members that are one bit of the header.
FLAGS = {"QR": QR, "AA": AA, "TC": TC, "RD": RD, "RA": RA, "AD": AD, "CD": CD}
COUNTS = {
    "QDCOUNT": "questionRRs",
    "ANCOUNT": "answerRRs",
    "NSCOUNT": "authorityRRs",
    "ARCOUNT": "additionalRRs",
}

_STYLE = Style(split=0)


def message_to_json(
    message: Message, *, wire: bytes | None = None, at: datetime | None = None, comment: str | None = None
) -> Object:
    """The object for a message. `wire` are the octets it was read from, `at` is when it was sent or came
    (with a time zone), `comment` is any text."""
    found: Object = {}
    if at is not None:
        found["dateString"] = at.isoformat(timespec="milliseconds")
        found["dateSeconds"] = round(at.timestamp(), 6)
    if comment is not None:
        found["comment"] = comment
    header = message.header
    found |= {"ID": message.id, "QR": int(message.is_response), "Opcode": int(message.opcode)}
    found |= {name: int(bool(message.flags & bit)) for name, bit in FLAGS.items() if name != "QR"}
    found |= {"RCODE": header.rcode & 0xF, "QDCOUNT": header.qdcount, "ANCOUNT": header.ancount}
    found |= {"NSCOUNT": header.nscount, "ARCOUNT": header.arcount}
    if message.question:
        found |= _question(message.question[0])
    if len(message.question) > 1:
        found["questionRRs"] = [_asked(each) for each in message.question]
    found["answerRRs"] = [record_to_json(each) for each in message.answer]
    found["authorityRRs"] = [record_to_json(each) for each in message.authority]
    found["additionalRRs"] = _additional(message)
    if wire is None and message.flags & Z:
        wire = message.to_wire()  # no member has this bit
    if wire is not None:
        found["messageOctetsHEX"] = _hex(wire)
    return found


def pair_to_json(query: Object, response: Object) -> Object:
    """The object for a query and its response, each an object of `message_to_json` (section 3)."""
    return {"queryMessage": query, "responseMessage": response}


def record_to_json(record: DnsRecord) -> Object:
    """The object for a record (sections 2.2 and 2.3)."""
    from netkit.dns.text import GENERIC

    octets = record.rdata_wire()
    found = _head(record.name, record.rdtype, record.rdclass, record.ttl)
    text = record.styled_text(_STYLE)
    if not text.startswith(GENERIC):
        found[f"rdata{record.rdtype}"] = text
    return found | {"RDLENGTH": len(octets), "RDATAHEX": _hex(octets)}


def _head(name: Name, rdtype: DnsRecordType, rdclass: DnsClass, ttl: int) -> Object:
    return {
        **_name("NAME", name),
        "TYPE": int(rdtype),
        "TYPEname": str(rdtype),
        "CLASS": int(rdclass),
        "CLASSname": str(rdclass),
        "TTL": ttl,
    }


def _name(key: str, name: Name) -> Object:
    text = str(name)
    return {key: text, f"{key}*": _hex(name.to_wire())} if "\\" in text else {key: text}


def _question(question: Question) -> Object:
    return {
        **_name("QNAME", question.name),
        "QTYPE": int(question.rdtype),
        "QTYPEname": str(question.rdtype),
        "QCLASS": int(question.rdclass),
        "QCLASSname": str(question.rdclass),
    }


def _asked(question: Question) -> Object:
    """A question as section 2.2 has it: a record without TTL and data."""
    head = _head(question.name, question.rdtype, question.rdclass, 0)
    del head["TTL"]
    return head


def _additional(message: Message) -> list[Object]:
    """The additional records, with OPT before what authenticates the message."""
    records = [record_to_json(each) for each in message.additional]
    if message.edns is None:
        return records
    writer = WireWriter(compress=False)
    message.edns.to_wire(writer, message.rcode)
    reader = WireReader(bytes(writer.data))
    reader.name("name")
    _, size, ttl, _ = reader.record_fields()
    octets = reader.rest()
    # CLASS and TTL have other meanings in OPT (RFC 6891 section 6.1.3), and so the class has no name.
    opt: Object = {"NAME": ".", "TYPE": int(DnsRecordType.OPT), "TYPEname": "OPT", "CLASS": size, "TTL": ttl}
    opt |= {"RDLENGTH": len(octets), "RDATAHEX": _hex(octets)}
    last = [each for each in message.additional if each.rdtype == DnsRecordType.TSIG]
    at = len(records) - len(last)
    return [*records[:at], opt, *records[at:]]


def _hex(octets: bytes) -> str:
    return octets.hex().upper()


# -- the schema


def _schema_of(properties: Object, required: Sequence[str] = ()) -> Object:
    return {"type": "object", "properties": properties, "required": list(required)}


def _number_schema(limit: int) -> Object:
    return {"type": "integer", "minimum": 0, "maximum": limit}


def _members(names: Iterable[str], schema: Object) -> Object:
    return dict.fromkeys(names, schema)


_HEX: Object = {"type": "string", "pattern": "^([0-9A-F]{2})*$"}
_STRING: Object = {"type": "string", "pattern": "^[\\x00-\\x7f]*$"}
_RECORD = _schema_of(
    {
        **_members(("NAME", "TYPEname", "CLASSname"), _STRING),
        **_members(("NAME*", "RDATAHEX"), _HEX),
        **_members(("TYPE", "CLASS", "RDLENGTH"), _number_schema(0xFFFF)),
        "TTL": _number_schema(0xFFFFFFFF),
    },
    ("NAME", "TYPE", "TYPEname", "CLASS"),
) | {"patternProperties": {"^rdata[A-Z0-9-]+$": _STRING}, "additionalProperties": False}
_MESSAGE = _schema_of(
    {
        **_members(FLAGS, _number_schema(1)),
        **_members(("Opcode", "RCODE"), _number_schema(0xF)),
        **_members(("ID", *COUNTS, "QTYPE", "QCLASS"), _number_schema(0xFFFF)),
        **_members(("QNAME", "QTYPEname", "QCLASSname"), _STRING),
        **_members(COUNTS.values(), {"type": "array", "items": {"$ref": "#/$defs/record"}}),
        **_members(("QNAME*", "messageOctetsHEX"), _HEX),
        "comment": {"type": "string"},
        "dateString": {"type": "string", "format": "date-time"},
        "dateSeconds": {"type": "number"},
    },
    ("ID", *FLAGS, "Opcode", "RCODE", *COUNTS, "answerRRs", "authorityRRs", "additionalRRs"),
) | {"additionalProperties": False}

#: The JSON Schema of what `message_to_json` and `pair_to_json` make; the format itself demands no member.
SCHEMA: Object = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"record": _RECORD, "message": _MESSAGE},
    "oneOf": [
        {"$ref": "#/$defs/message"},
        _schema_of(
            _members(("queryMessage", "responseMessage"), {"$ref": "#/$defs/message"}),
            ("queryMessage", "responseMessage"),
        )
        | {"additionalProperties": False},
    ],
}
