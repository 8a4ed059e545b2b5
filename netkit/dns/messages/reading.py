"""Reading a DNS message: strictly, all of it in one pass, or not at all.

RFC 1035 section 4.1, RFC 2181 section 8 (TTL), RFC 6891 section 6.1.1 (OPT).

`read_message` has a Rust twin. This one makes the records as it reads them. The twin makes a view, which says
where each record is, and makes records when a section is first asked for; where a message is not valid, or
has more than 64 KiB, the twin hands it to this one, so that errors have one source. Both give `Parts`.

Accepted is what has only one possible meaning: no question; a TTL with the sign bit set, which is read as 0.
Refused is what has two: octets after the last record; a second OPT. The time is proportional to the message's
length. `netkit.dns.messages.lenient` reads what is refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from netkit import _twins
from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.header import FLAGS
from netkit.dns.messages.layout import compiled
from netkit.dns.messages.making import (
    OPCODES,
    RCODES,
    edns as make_edns,
    maker_of,
    question as make_question,
)
from netkit.dns.messages.wire import WireReader
from netkit.dns.records.base import record_class, record_from_wire

if TYPE_CHECKING:
    from netkit.dns.messages.header import Question
    from netkit.dns.messages.layout import Layout
    from netkit.dns.messages.lenient import Complaint
    from netkit.dns.messages.making import Maker
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord

#: The shortest question and the shortest record have the root as their name: one octet and the fixed fields.
MIN_QUESTION = 5
MIN_RECORD = 11
#: The count of each section of records in the header: its name, and where it is.
COUNTS = {"answer": ("ancount", 6), "authority": ("nscount", 8), "additional": ("arcount", 10)}


class Parts(Protocol):
    """A message that was read. All is immutable, so that it does not matter when it is made."""

    @property
    def id(self) -> int:
        """The number of the message."""

    @property
    def flags(self) -> int:
        """The bits of the header that are flags."""

    @property
    def opcode(self) -> Opcode:
        """The kind of message."""

    @property
    def rcode(self) -> Rcode:
        """The response code, with the bits that were in OPT."""

    @property
    def question(self) -> tuple[Question, ...]:
        """The question section."""

    @property
    def answer(self) -> tuple[DnsRecord, ...]:
        """The answer section."""

    @property
    def authority(self) -> tuple[DnsRecord, ...]:
        """The authority section."""

    @property
    def additional(self) -> tuple[DnsRecord, ...]:
        """The additional section, without OPT."""

    @property
    def edns(self) -> Edns | None:
        """What the OPT record says."""

    @property
    def complaints(self) -> tuple[Complaint, ...]:
        """What was wrong, where a message was read leniently."""


class MadeParts:
    """Parts that are made already: as this twin reads them, and of a message that a program makes."""

    __slots__ = (
        "additional",
        "answer",
        "authority",
        "complaints",
        "edns",
        "flags",
        "id",
        "opcode",
        "question",
        "rcode",
    )

    def __init__(
        self,
        id: int,  # noqa: A002  # the field's own name
        flags: int,
        opcode: Opcode,
        rcode: Rcode,
        question: tuple[Question, ...],
        answer: tuple[DnsRecord, ...] = (),
        authority: tuple[DnsRecord, ...] = (),
        additional: tuple[DnsRecord, ...] = (),
        edns: Edns | None = None,
        complaints: tuple[Complaint, ...] = (),
    ) -> None:
        self.id = id
        self.flags = flags
        self.opcode = opcode
        self.rcode = rcode
        self.question = question
        self.answer = answer
        self.authority = authority
        self.additional = additional
        self.edns = edns
        self.complaints = complaints


def _read_message(data: bytes) -> Parts:
    """Read a whole message. Raises DnsError.InvalidResponse with the field's path and the octet."""
    return read_parts(data)


def read_parts(data: bytes, *, question_only: bool = False, allow_trailing: bool = False) -> Parts:
    """The same, or only a part of it; see `Message.from_wire`."""
    reader = WireReader(data)
    number, bits, qdcount, ancount, nscount, arcount = reader.header_fields()
    question = _read_questions(reader, qdcount)
    head = number, bits & FLAGS, OPCODES[bits >> 11 & 0xF]
    if question_only:
        return MadeParts(*head, RCODES[bits & 0xF], question)
    answer = authority = additional = _NONE
    if ancount:
        answer, _ = _read_records(reader, "answer", ancount)
    if nscount:
        authority, _ = _read_records(reader, "authority", nscount)
    edns, rcode = None, RCODES[bits & 0xF]
    if arcount:
        additional, opt = _read_records(reader, "additional", arcount)
        if opt is not None:
            edns, high = opt
            if high:
                rcode = Rcode(high << 4 | rcode)
    if reader.remaining and not allow_trailing:
        reader.fail("message", f"{reader.remaining} octets after the last record")
    return MadeParts(*head, rcode, question, answer, authority, additional, edns)


_NONE: tuple[DnsRecord, ...] = ()


def _check_count(reader: WireReader, field: str, offset: int, count: int, least: int) -> None:
    # This check comes before any reading, so that a false count costs no time.
    if count * least > reader.remaining:
        reader.fail(
            f"header.{field}",
            f"{count} cannot fit in the {reader.remaining} octets that are left",
            offset,
            reader.remaining // least,
        )


def _read_questions(reader: WireReader, count: int) -> tuple[Question, ...]:
    _check_count(reader, "qdcount", 4, count, MIN_QUESTION)
    questions: list[Question] = []
    try:
        while len(questions) < count:
            name = reader.name("name")
            questions.append(make_question(name, *reader.question_fields()))
    except DnsError.InvalidResponse as error:
        error.field = f"question[{len(questions)}].{error.field}"
        raise
    return tuple(questions)


#: The OPT record of a message, and the high bits of the response code that were in it.
_Opt: TypeAlias = "tuple[Edns, int]"


def _read_records(reader: WireReader, section: str, count: int) -> tuple[tuple[DnsRecord, ...], _Opt | None]:
    """Read the records of a section; return the OPT record separately."""
    _check_count(reader, *COUNTS[section], count, MIN_RECORD)
    records: list[DnsRecord] = []
    opt: _Opt | None = None
    shapes, internet = _shapes, DnsClass.IN
    try:
        while len(records) + (opt is not None) < count:
            start = reader.offset
            name = reader.name("name")
            fields = reader.offset
            rdtype, rdclass, ttl, rdlength = reader.record_fields()
            if rdtype in shapes and rdclass == 1 and ttl <= MAX_TTL:
                layout, make = shapes[rdtype]
                begin = reader.offset
                values = reader.values(layout, rdlength)
                if values is not None:
                    made = make(name, ttl, internet, values)
                    if made is not None:
                        records.append(made)
                        continue
                    reader.offset = begin
            elif rdtype == 41:
                # RFC 6891 section 6.1.1: at most one, in the additional section, owned by the root.
                if section != "additional":
                    reader.fail("type", f"OPT in the {section} section", fields)
                if opt is not None:
                    reader.fail("type", "a second OPT", fields)
                if not name.is_root:
                    reader.fail("name", "OPT is not owned by the root", start)
                if not rdlength:
                    opt = make_edns(rdclass, ttl), ttl >> 24
                    continue
                with reader.restrict_to(rdlength, "rdata"):
                    opt = Edns.from_wire(rdclass, ttl, reader), ttl >> 24
                continue
            with reader.restrict_to(rdlength, "rdata"):
                record = read_record(name, rdtype, rdclass, ttl, reader)
            records.append(record)
    except DnsError.InvalidResponse as error:
        error.field = f"{section}[{len(records) + (opt is not None)}].{error.field}"
        raise
    return tuple(records), opt


def read_record(name: Name, rdtype: int, rdclass: int, ttl: int, reader: WireReader) -> DnsRecord:
    """The record whose RDATA is what `reader` is restricted to, in the way that every type can be read.

    Raises DnsError.InvalidResponse.
    """
    if rdclass == DnsClass.IN and rdtype not in _shapes:
        _meet(rdtype)
    return record_from_wire(
        name, DnsRecordType(rdtype), DnsClass(rdclass), 0 if ttl > MAX_TTL else ttl, reader
    )


# How records in class IN are read and made, by their type: only types that letters describe.
_shapes: dict[int, tuple[Layout, Maker]] = {}


def _meet(rdtype: int) -> None:
    """Note how records of a type are read and made, if letters describe it."""
    cls = record_class(rdtype, DnsClass.IN)
    if cls is not None and cls.LAYOUT is not None:
        _shapes[rdtype] = compiled(cls.LAYOUT), maker_of(cls)


# What the twin has no letters for; `reader` is over the whole message. Both raise DnsError.InvalidResponse.


def record_at(
    reader: WireReader, start: int, end: int, name: Name, rdtype: int, rdclass: int, ttl: int
) -> DnsRecord:
    """The record whose RDATA is from `start` to `end`."""
    reader.offset = start
    with reader.restrict_to(end - start, "rdata"):
        return read_record(name, rdtype, rdclass, ttl, reader)


def opt_at(reader: WireReader, start: int, end: int, payload_size: int, ttl: int) -> Edns:
    """The EDNS of an OPT record whose options are from `start` to `end`."""
    reader.offset = start
    with reader.restrict_to(end - start, "rdata"):
        return Edns.from_wire(payload_size, ttl, reader)


read_message = _twins.choose("read_message", _read_message)
