"""DNS messages: `Message.from_wire` and `Message.to_wire`, `make_query` and `make_response`.

RFC 1035 section 4.1 (the format), RFC 2181 section 9 and RFC 9471 (truncation), RFC 4035 section 3.2 (AD and
CD), RFC 6891 section 6 (OPT), RFC 9619 (one question).

A message holds its OPT record as `edns`, not among the additional records. `rcode` is the whole response
code, although EDNS carries its high bits on the wire. Decoding splits the OPT record into these fields, and
encoding builds the record again.

Decoding accepts unusual messages that have only one possible meaning: no question; a TTL with the sign bit
set, which is read as 0 (RFC 2181 section 8). Decoding refuses messages with two possible meanings: octets
after the last record; a second OPT. The time for decoding is proportional to the message's length.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord, record_from_wire
from netkit.dns.value import Value, assign, checked_int
from netkit.dns.wire import MAX_MESSAGE, WireReader, WireWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

#: RFC 1035 section 4.1.1, RFC 4035 section 3.2: the bits of the header's second line.
QR = 0x8000
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
Z = 0x0040
AD = 0x0020
CD = 0x0010
_FLAGS = QR | AA | TC | RD | RA | Z | AD | CD
_FLAG_NAMES = {QR: "qr", AA: "aa", TC: "tc", RD: "rd", RA: "ra", AD: "ad", CD: "cd"}

#: The meaning of each flag of a response, by the flag's name. QR says only that the message is a response.
FLAG_MEANINGS = {
    "aa": "authoritative",
    "tc": "truncated",
    "rd": "recursion desired",
    "ra": "recursion available",
    "ad": "authentic data",
    "cd": "checking disabled",
}

#: RFC 1035 section 4.2.1: the largest UDP message without EDNS, in octets.
MIN_MESSAGE = 512
_HEADER_SIZE = 12
# The shortest question and the shortest record have the root as their name: one octet and the fixed fields.
_MIN_QUESTION = 5
_MIN_RECORD = 11


class Header(Value):
    """The first twelve octets of a message, unchanged; the response code has only its low four bits.

    `Header.from_wire(WireReader(data))` reads the header without decoding the rest of the message.
    """

    __slots__ = ("ancount", "arcount", "flags", "id", "nscount", "opcode", "qdcount", "rcode")
    __match_args__ = ("id", "flags", "opcode", "rcode", "qdcount", "ancount", "nscount", "arcount")

    id: int
    flags: int
    opcode: Opcode
    rcode: Rcode
    qdcount: int
    ancount: int
    nscount: int
    arcount: int

    def __init__(
        self,
        id: int,  # noqa: A002  # the field's own name
        flags: int = 0,
        opcode: int = Opcode.QUERY,
        rcode: int = Rcode.NOERROR,
        qdcount: int = 0,
        ancount: int = 0,
        nscount: int = 0,
        arcount: int = 0,
    ) -> None:
        assign(self, "id", checked_int("id", id, 0xFFFF))
        assign(self, "flags", _checked_flags(flags))
        assign(self, "opcode", Opcode(opcode))
        assign(self, "rcode", Rcode(checked_int("rcode", rcode, 0xF)))
        assign(self, "qdcount", checked_int("qdcount", qdcount, 0xFFFF))
        assign(self, "ancount", checked_int("ancount", ancount, 0xFFFF))
        assign(self, "nscount", checked_int("nscount", nscount, 0xFFFF))
        assign(self, "arcount", checked_int("arcount", arcount, 0xFFFF))

    @classmethod
    def from_wire(cls, reader: WireReader) -> Self:
        """Read a header at the position of `reader`. Raises DnsError.InvalidResponse."""
        number = reader.u16("header.id")
        bits = reader.u16("header.flags")
        counts = [reader.u16(f"header.{field}") for field in cls.__match_args__[4:]]
        return cls(number, bits & _FLAGS, bits >> 11 & 0xF, bits & 0xF, *counts)

    def to_wire(self, writer: WireWriter) -> None:
        """Write the twelve octets."""
        writer.u16(self.id)
        writer.u16(self.flags | self.opcode << 11 | self.rcode)
        for count in (self.qdcount, self.ancount, self.nscount, self.arcount):
            writer.u16(count)


class Question(Value):
    """A question: `name`, `rdtype` and `rdclass` (IN by default). RFC 1035 section 4.1.2."""

    __slots__ = ("name", "rdclass", "rdtype")
    __match_args__ = ("name", "rdtype", "rdclass")

    name: Name
    rdtype: DnsRecordType
    rdclass: DnsClass

    def __init__(self, name: Name | str, rdtype: int, rdclass: int = DnsClass.IN) -> None:
        assign(self, "name", Name.of(name))
        assign(self, "rdtype", DnsRecordType(rdtype))
        assign(self, "rdclass", DnsClass(rdclass))

    @classmethod
    def from_wire(cls, reader: WireReader) -> Self:
        """Read a question at the position of `reader`. Raises DnsError.InvalidResponse."""
        return cls(reader.name("name"), reader.u16("type"), reader.u16("class"))

    def to_wire(self, writer: WireWriter) -> None:
        """Write the question."""
        writer.name(self.name)
        writer.u16(self.rdtype)
        writer.u16(self.rdclass)

    def __str__(self) -> str:
        return f"{self.name}\t{self.rdclass}\t{self.rdtype}"


class Message(Value):
    """A DNS message: header fields, four sections, and `edns` if it had an OPT record.

    `id` has 16 bits. `flags` are any of QR AA TC RD RA Z AD CD (also available as properties). `rcode` has
    all twelve bits. Immutable: `replace` makes a changed copy.
    """

    __slots__ = ("additional", "answer", "authority", "edns", "flags", "id", "opcode", "question", "rcode")
    __match_args__ = (
        "id",
        "flags",
        "opcode",
        "rcode",
        "question",
        "answer",
        "authority",
        "additional",
        "edns",
    )

    id: int
    flags: int
    opcode: Opcode
    rcode: Rcode
    question: tuple[Question, ...]
    answer: tuple[DnsRecord, ...]
    authority: tuple[DnsRecord, ...]
    additional: tuple[DnsRecord, ...]
    edns: Edns | None

    def __init__(
        self,
        id: int,  # noqa: A002  # the field's own name
        flags: int = 0,
        opcode: int = Opcode.QUERY,
        rcode: int = Rcode.NOERROR,
        question: Iterable[Question] = (),
        answer: Iterable[DnsRecord] = (),
        authority: Iterable[DnsRecord] = (),
        additional: Iterable[DnsRecord] = (),
        edns: Edns | None = None,
    ) -> None:
        assign(self, "id", checked_int("id", id, 0xFFFF))
        assign(self, "flags", _checked_flags(flags))
        assign(self, "opcode", Opcode(opcode))
        assign(self, "rcode", Rcode(rcode))
        assign(self, "question", tuple(question))
        assign(self, "answer", tuple(answer))
        assign(self, "authority", tuple(authority))
        assign(self, "additional", tuple(additional))
        assign(self, "edns", edns)

    @classmethod
    def from_wire(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        allow_trailing: bool = False,
        question_only: bool = False,
    ) -> Self:
        """Decode a whole message.

        `allow_trailing` ignores octets after the last record. `question_only` stops after the question. This
        is enough to match a truncated answer, whose last record may be incomplete, to its query.

        Raises DnsError.InvalidResponse with the field's path (`answer[2].rdata.exchange`) and the octet.
        """
        reader = WireReader(data)
        header = Header.from_wire(reader)
        question = _read_questions(reader, header.qdcount)
        if question_only:
            return cls(header.id, header.flags, header.opcode, header.rcode, question)
        answer, _ = _read_records(reader, "answer", header.ancount, 6)
        authority, _ = _read_records(reader, "authority", header.nscount, 8)
        additional, opt = _read_records(reader, "additional", header.arcount, 10)
        if reader.remaining and not allow_trailing:
            reader.fail("message", f"{reader.remaining} octets after the last record")
        edns, extended_rcode = opt or (None, 0)
        rcode = extended_rcode << 4 | header.rcode
        return cls(
            header.id, header.flags, header.opcode, rcode, question, answer, authority, additional, edns
        )

    @classmethod
    def from_malformed(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read from a malformed message only what a response to it needs.

        The result has the header's id, flags and opcode; the question, if there is exactly one; and `edns`
        without options, from the first OPT record that can be found by the lengths of the records before it.
        A response to a query with EDNS has EDNS even if the query is malformed (RFC 6891 sections 6.1.1 and
        7), because FORMERR without EDNS would say that the server does not support EDNS.

        Raises DnsError.InvalidResponse if the message is shorter than a header.
        """
        reader = WireReader(data)
        header = Header.from_wire(reader)
        questions: list[Question] = []
        edns: Edns | None = None
        try:
            questions = [Question.from_wire(reader) for _ in range(header.qdcount)]
            for _ in range(header.ancount + header.nscount + header.arcount):
                reader.name("name")
                rdtype, rdclass, ttl, rdlength = reader.record_fields()
                if rdtype == DnsRecordType.OPT:
                    edns = Edns.from_wire(rdclass, ttl, WireReader(b""))
                    break
                reader.take(rdlength, "rdata")
        except DnsError.InvalidResponse:
            pass  # the rest cannot be read
        question = questions if len(questions) == header.qdcount == 1 else ()
        return cls(header.id, header.flags, header.opcode, header.rcode, question, edns=edns)

    def to_wire(self, max_size: int | None = None, *, compress: bool = True) -> bytes:
        """Encode the message in at most `max_size` octets (512 or more; without it, up to 65535).

        If the message is too large, whole record sets are left out, from the end; OPT stays. TC is set if a
        record of answer or authority is missing. TC is also set if a referral lacks the address of a server
        in the zone that it refers to (RFC 2181 section 9, RFC 9471 section 3.1). Other additional records may
        be left out without TC.

        Raises DnsError.InvalidValue for a message over 65535 octets, for a response code that needs EDNS in a
        message without EDNS, and for options that leave no room; DnsError.InvalidName for a relative name.
        """
        if self.rcode > 0xF and self.edns is None:
            raise DnsError.InvalidValue("rcode", self.rcode, "needs EDNS to be sent", limit=0xF)
        opt = WireWriter(compress=False)
        if self.edns is not None:
            self.edns.to_wire(opt, self.rcode)
        limit = MAX_MESSAGE if max_size is None else max(min(max_size, MAX_MESSAGE), MIN_MESSAGE)
        writer = WireWriter(compress)
        writer.write(bytes(_HEADER_SIZE))
        for question in self.question:
            question.to_wire(writer)
        room = limit - len(opt.data)
        if len(writer.data) > room:
            raise _too_long(len(writer.data) + len(opt.data), limit)

        answer = _write_records(writer, self.answer, room)
        cut = answer < len(self.answer)
        authority = 0 if cut else _write_records(writer, self.authority, room)
        cut = cut or authority < len(self.authority)
        additional = 0
        if not cut:
            additional, cut = self._write_additional(writer, room)
        everything = len(self.answer), len(self.authority), len(self.additional)
        if max_size is None and (answer, authority, additional) != everything:
            raise DnsError.InvalidValue(
                "message", sum(everything), f"records do not fit in {MAX_MESSAGE} octets", limit=MAX_MESSAGE
            )
        writer.write(bytes(opt.data))

        header = WireWriter()
        flags = self.flags | TC if cut else self.flags
        counts = len(self.question), answer, authority, additional + (self.edns is not None)
        Header(self.id, flags, self.opcode, self.rcode & 0xF, *counts).to_wire(header)
        writer.data[:_HEADER_SIZE] = header.data
        return bytes(writer.data)

    def _write_additional(self, writer: WireWriter, room: int) -> tuple[int, bool]:
        """Write the additional records that fit. Return their number, and whether a needed one is missing."""
        required = self._in_domain_servers()
        written = 0
        cut = False
        for rrset in _rrsets(self.additional):
            if _write_records(writer, rrset, room):
                written += len(rrset)
            else:
                cut = cut or (rrset[0].rdtype in _ADDRESSES and rrset[0].name in required)
        return written, cut

    def _in_domain_servers(self) -> set[Name]:
        """Return a referral's servers inside the delegated zone; clients need their addresses most."""
        if self.answer or self.authoritative:
            return set()
        return {
            record.nameserver
            for record in self.authority
            if isinstance(record, DnsRecord.NS) and record.nameserver.is_subdomain_of(record.name)
        }

    @property
    def header(self) -> Header:
        """The header of this message."""
        additional = len(self.additional) + (self.edns is not None)
        counts = len(self.question), len(self.answer), len(self.authority), additional
        return Header(self.id, self.flags, self.opcode, self.rcode & 0xF, *counts)

    @property
    def is_response(self) -> bool:
        """QR: whether this message is a response."""
        return bool(self.flags & QR)

    @property
    def authoritative(self) -> bool:
        """AA: whether the server is an authority for the name asked."""
        return bool(self.flags & AA)

    @property
    def truncated(self) -> bool:
        """TC: whether records are missing because the message was too large."""
        return bool(self.flags & TC)

    @property
    def recursion_desired(self) -> bool:
        """RD: whether the client wants the server to ask other servers."""
        return bool(self.flags & RD)

    @property
    def recursion_available(self) -> bool:
        """RA: whether the server can ask other servers."""
        return bool(self.flags & RA)

    @property
    def authentic_data(self) -> bool:
        """AD: whether the server vouches for the answer by DNSSEC (RFC 4035 section 3.2.3)."""
        return bool(self.flags & AD)

    @property
    def checking_disabled(self) -> bool:
        """CD: whether the server was asked not to check DNSSEC (RFC 4035 section 3.2.2)."""
        return bool(self.flags & CD)

    @property
    def flag_names(self) -> tuple[str, ...]:
        """The names of the set flags, with dig's spelling and order: `("qr", "rd", "ra")`."""
        return tuple([name for bit, name in _FLAG_NAMES.items() if self.flags & bit])


#: The default EDNS of a query: 1232 octets, no options.
DEFAULT_EDNS = Edns()


def make_query(
    name: Name | str,
    rdtype: int,
    *,
    id: int,  # noqa: A002  # the field's own name
    rdclass: int = DnsClass.IN,
    rd: bool = True,
    ad: bool = False,
    cd: bool = False,
    edns: Edns | None = DEFAULT_EDNS,
) -> Message:
    """Make a query for `name` and `rdtype` with the given id. The caller must choose a random id (RFC 5452).

    `rd` asks for recursion. `ad` asks whether the answer is authentic. `cd` asks the server not to check
    DNSSEC. `edns` is None for a query without EDNS.

    Raises DnsError.InvalidName, DnsError.InvalidValue.
    """
    flags = (RD if rd else 0) | (AD if ad else 0) | (CD if cd else 0)
    return Message(id, flags, question=[Question(name, rdtype, rdclass)], edns=edns)


def make_response(
    query: Message,
    *,
    rcode: int = Rcode.NOERROR,
    aa: bool = False,
    ra: bool = False,
    ad: bool = False,
    answer: Iterable[DnsRecord] = (),
    authority: Iterable[DnsRecord] = (),
    additional: Iterable[DnsRecord] = (),
    edns: Edns | None = None,
) -> Message:
    """Make the response to `query`: with the query's id, opcode, question, RD and CD, and the given sections.

    If the query has several questions, the response has none, because a message may have only one question
    (RFC 9619), and hundreds of questions may not fit in the size that the client accepts.

    `edns` is the server's EDNS. Without `edns`, a query with EDNS is answered with the defaults. A query
    without EDNS is always answered without EDNS, even if `edns` is given (RFC 6891 section 6.1.1).
    """
    flags = QR | query.flags & (RD | CD) | (AA if aa else 0) | (RA if ra else 0) | (AD if ad else 0)
    own = None
    if query.edns is not None:
        own = edns or Edns(dnssec_ok=query.edns.dnssec_ok)
    question = query.question if len(query.question) == 1 else ()
    return Message(query.id, flags, query.opcode, rcode, question, answer, authority, additional, own)


_ADDRESSES = (DnsRecordType.A, DnsRecordType.AAAA)


def _checked_flags(flags: int) -> int:
    if flags & ~_FLAGS:
        raise DnsError.InvalidValue(
            "flags", hex(flags), f"only bits of 0x{_FLAGS:04x} are flags", limit=_FLAGS
        )
    return flags


def _too_long(size: int, limit: int) -> DnsError.InvalidValue:
    return DnsError.InvalidValue(
        "message", size, f"octets of question and OPT alone, more than {limit}", limit=limit
    )


def _check_count(reader: WireReader, section: str, count: int, offset: int, least: int) -> None:
    # This check comes before any reading, so that a false count costs no time.
    if count * least > reader.remaining:
        reader.fail(
            f"header.{section}",
            f"{count} cannot fit in the {reader.remaining} octets that are left",
            offset,
            reader.remaining // least,
        )


def _read_questions(reader: WireReader, count: int) -> list[Question]:
    _check_count(reader, "qdcount", count, 4, _MIN_QUESTION)
    questions: list[Question] = []
    try:
        while len(questions) < count:
            questions.append(Question.from_wire(reader))
    except DnsError.InvalidResponse as error:
        error.field = f"question[{len(questions)}].{error.field}"
        raise
    return questions


# The OPT record of a message, and the high bits of the response code that were in it.
_Opt = tuple[Edns, int]
_COUNTS = {"answer": "ancount", "authority": "nscount", "additional": "arcount"}


def _read_records(
    reader: WireReader, section: str, count: int, offset: int
) -> tuple[list[DnsRecord], _Opt | None]:
    """Read the records of a section, whose count is at `offset`; return the OPT record separately."""
    _check_count(reader, _COUNTS[section], count, offset, _MIN_RECORD)
    records: list[DnsRecord] = []
    opt: _Opt | None = None
    try:
        while len(records) + (opt is not None) < count:
            start = reader.offset
            name = reader.name("name")
            fields = reader.offset
            rdtype, rdclass, ttl, rdlength = reader.record_fields()
            if rdtype == DnsRecordType.OPT:
                # RFC 6891 section 6.1.1: at most one, in the additional section, owned by the root.
                if section != "additional":
                    reader.fail("type", f"OPT in the {section} section", fields)
                if opt is not None:
                    reader.fail("type", "a second OPT", fields)
                if not name.is_root:
                    reader.fail("name", "OPT is not owned by the root", start)
                with reader.restrict_to(rdlength, "rdata"):
                    opt = Edns.from_wire(rdclass, ttl, reader), ttl >> 24
                continue
            if ttl > MAX_TTL:
                ttl = 0
            with reader.restrict_to(rdlength, "rdata"):
                record = record_from_wire(name, DnsRecordType(rdtype), DnsClass(rdclass), ttl, reader)
            records.append(record)
    except DnsError.InvalidResponse as error:
        error.field = f"{section}[{len(records) + (opt is not None)}].{error.field}"
        raise
    return records, opt


def _rrsets(records: Iterable[DnsRecord]) -> Iterator[list[DnsRecord]]:
    """Group neighbouring records of one name, type and class."""
    for _, run in groupby(records, lambda record: (record.name, record.rdtype, record.rdclass)):
        yield list(run)


def _write_records(writer: WireWriter, records: Iterable[DnsRecord], room: int) -> int:
    """Write record sets while the message fits in `room` octets; return the number of records written."""
    written = 0
    for rrset in _rrsets(records):
        mark = writer.mark()
        for record in rrset:
            _write_record(writer, record)
            if len(writer.data) > room:
                writer.rewind(mark)
                return written
        written += len(rrset)
    return written


def _write_record(writer: WireWriter, record: DnsRecord) -> None:
    writer.name(record.name)
    writer.u16(record.rdtype)
    writer.u16(record.rdclass)
    writer.u32(record.ttl)
    with writer.length_prefix():
        record.to_wire(writer)
