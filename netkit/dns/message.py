"""DNS messages: `Message.from_wire` and `Message.to_wire`, `make_query` and `make_response`.

RFC 1035 section 4.1 (the format), RFC 2181 section 9 and RFC 9471 (truncation), RFC 4035 section 3.2 (AD and
CD), RFC 6891 section 6 (OPT), RFC 9619 (one question).

A message holds its OPT record as `edns`, not among the additional records, and the whole response code, of
which EDNS carries the high bits, as `rcode`: decoding takes the record apart, encoding puts it together.

Decoding accepts what is unusual and can only be meant one way (no question, a set TTL sign bit, which is
read as 0: RFC 2181 section 8) and refuses what could be read two ways (octets after the last record, a
second OPT). It takes time in proportion to the message's length.
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

#: What each flag of a response says, by its name. QR says only that it is a response.
FLAG_MEANINGS = {
    "aa": "authoritative",
    "tc": "truncated",
    "rd": "recursion desired",
    "ra": "recursion available",
    "ad": "authentic data",
    "cd": "checking disabled",
}

#: RFC 1035 section 4.2.1: what a message without EDNS must fit in over UDP.
MIN_MESSAGE = 512
_HEADER_SIZE = 12
# The shortest question and record are about the root: its octet, and the fixed fields.
_MIN_QUESTION = 5
_MIN_RECORD = 11


class Header(Value):
    """The first twelve octets of a message, as they are: the response code's low four bits, the counts.

    `Header.from_wire(WireReader(data))` looks at a message without decoding the rest.
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
        """The header that begins where `reader` stands. Raises DnsError.InvalidResponse."""
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
    """What is asked: `name`, `rdtype` and `rdclass` (IN unless said otherwise). RFC 1035 section 4.1.2."""

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
        """The question that begins where `reader` stands. Raises DnsError.InvalidResponse."""
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

    `id` is 16 bits, `flags` any of QR AA TC RD RA Z AD CD (also as properties), `rcode` the whole twelve
    bits. Immutable: `replace` makes a changed one.
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

        `allow_trailing` ignores octets after the last record. `question_only` stops after the question:
        enough to tell what a truncated answer is to, whose records may be cut in the middle.

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
        """What a response to a message needs that `from_wire` refuses, as far as it can be read.

        The header's id, flags and opcode; the question, where there is one and only one; `edns` of the first
        OPT record that the lengths of the records before it lead to, without its options. A response to a
        query with EDNS has EDNS too, whatever is wrong with the query (RFC 6891 sections 6.1.1 and 7):
        FORMERR without it says that the server does not know EDNS.

        Raises DnsError.InvalidResponse for less than a header.
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
            pass  # no more of it can be read
        question = questions if len(questions) == header.qdcount == 1 else ()
        return cls(header.id, header.flags, header.opcode, header.rcode, question, edns=edns)

    def to_wire(self, max_size: int | None = None, *, compress: bool = True) -> bytes:
        """Encode the message, in at most `max_size` octets (512 or more; without it, as many as it takes).

        What does not fit is left out in whole record sets, from the end; OPT stays. TC is set if anything
        is missing from answer or authority, or a referral's addresses of servers in the zone it refers to
        (RFC 2181 section 9, RFC 9471 section 3.1); other additional records go silently.

        Raises DnsError.InvalidValue for a message over 65535 octets, a response code that needs EDNS
        without it, or options that leave no room; DnsError.InvalidName for a relative name.
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
        """Write what fits of the additional records: how many, and whether one is missing that counts."""
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
        """In a referral, the servers in the zone it refers to: who needs their address most."""
        if self.answer or self.authoritative:
            return set()
        return {
            record.nameserver
            for record in self.authority
            if isinstance(record, DnsRecord.NS) and record.nameserver.is_subdomain_of(record.name)
        }

    @property
    def header(self) -> Header:
        """The header this message has, whole."""
        additional = len(self.additional) + (self.edns is not None)
        counts = len(self.question), len(self.answer), len(self.authority), additional
        return Header(self.id, self.flags, self.opcode, self.rcode & 0xF, *counts)

    @property
    def is_response(self) -> bool:
        """QR: whether this answers a query."""
        return bool(self.flags & QR)

    @property
    def authoritative(self) -> bool:
        """AA: whether the server is an authority for the name asked."""
        return bool(self.flags & AA)

    @property
    def truncated(self) -> bool:
        """TC: whether something is missing for lack of room."""
        return bool(self.flags & TC)

    @property
    def recursion_desired(self) -> bool:
        """RD: whether the server was asked to ask others."""
        return bool(self.flags & RD)

    @property
    def recursion_available(self) -> bool:
        """RA: whether the server would ask others."""
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
        """The flags that are set, named and ordered as dig has them: `("qr", "rd", "ra")`."""
        return tuple([name for bit, name in _FLAG_NAMES.items() if self.flags & bit])


#: What a query says of EDNS unless told otherwise: 1232 octets, no option.
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
    """A query for `name` and `rdtype` with the given id, which the caller draws at random (RFC 5452).

    `rd` asks for recursion, `ad` to be told whether the answer is authentic, `cd` not to check it. `edns`
    is None for a query without EDNS.

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
    """The response to `query`: its id, opcode, question, RD and CD, and the sections given.

    Of a query with several questions none is repeated: no message may have more than one (RFC 9619), and
    hundreds of them may not fit in what the client takes.

    `edns` is what the server says of itself; without it a query with EDNS is answered with the defaults,
    and a query without EDNS is answered without, whatever is given (RFC 6891 section 6.1.1).
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
    # Before anything is read: a count that lies costs nothing.
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
    """The records of a section whose count stands at `offset`, and its OPT apart from them."""
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
    """Records in runs of one name, type and class."""
    for _, run in groupby(records, lambda record: (record.name, record.rdtype, record.rdclass)):
        yield list(run)


def _write_records(writer: WireWriter, records: Iterable[DnsRecord], room: int) -> int:
    """Write record sets while the message stays within `room` octets: how many records that were."""
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
