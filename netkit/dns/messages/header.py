"""The first parts of a DNS message: the header with its flags, and the question.

RFC 1035 sections 4.1.1 and 4.1.2, RFC 4035 section 3.2 (AD and CD). A header has only the low four bits of
the response code; EDNS has the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.messages.wire import WireReader, WireWriter

#: RFC 1035 section 4.1.1, RFC 4035 section 3.2: the bits of the header's second line.
QR = 0x8000
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
Z = 0x0040
AD = 0x0020
CD = 0x0010
#: The bits of the second line that are flags; the others are the opcode and the response code.
FLAGS = QR | AA | TC | RD | RA | Z | AD | CD
#: The name of each flag in dig's output, in its order.
FLAG_NAMES = {QR: "qr", AA: "aa", TC: "tc", RD: "rd", RA: "ra", AD: "ad", CD: "cd"}

#: The meaning of each flag of a response, by the flag's name. QR says only that the message is a response.
FLAG_MEANINGS = {
    "aa": "authoritative",
    "tc": "truncated",
    "rd": "recursion desired",
    "ra": "recursion available",
    "ad": "authentic data",
    "cd": "checking disabled",
}


class Sections(NamedTuple):
    """The names of a message's four sections."""

    question: str
    answer: str
    authority: str
    additional: str


#: The sections as `Message` has them: that of questions, and three of records.
SECTIONS = Sections("question", "answer", "authority", "additional")
RECORD_SECTIONS = SECTIONS[1:]

_OF_UPDATE = Sections("zone", "prerequisite", "update", "additional")


def section_names(opcode: int) -> Sections:
    """What the sections are called in a message of this opcode: those of UPDATE have names of their own
    (RFC 2136 section 2)."""
    return _OF_UPDATE if opcode == Opcode.UPDATE else SECTIONS


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
        assign(self, "flags", checked_flags(flags))
        assign(self, "opcode", Opcode(opcode))
        assign(self, "rcode", Rcode(checked_int("rcode", rcode, 0xF)))
        assign(self, "qdcount", checked_int("qdcount", qdcount, 0xFFFF))
        assign(self, "ancount", checked_int("ancount", ancount, 0xFFFF))
        assign(self, "nscount", checked_int("nscount", nscount, 0xFFFF))
        assign(self, "arcount", checked_int("arcount", arcount, 0xFFFF))

    @classmethod
    def from_wire(cls, reader: WireReader) -> Self:
        """Read a header at the position of `reader`. Raises DnsError.InvalidResponse."""
        number, bits, *counts = reader.header_fields()
        return cls(number, bits & FLAGS, bits >> 11 & 0xF, bits & 0xF, *counts)

    def to_wire(self, writer: WireWriter) -> None:
        """Write the twelve octets."""
        bits = self.flags | self.opcode << 11 | self.rcode
        writer.header_fields(self.id, bits, self.qdcount, self.ancount, self.nscount, self.arcount)


class Question(Value):
    """A question: `name`, `rdtype` and `rdclass` (IN by default). RFC 1035 section 4.1.2."""

    __slots__ = ("_key", "name", "rdclass", "rdtype")
    __match_args__ = ("name", "rdtype", "rdclass")

    name: Name
    rdtype: DnsRecordType
    rdclass: DnsClass
    _key: bytes

    def __init__(self, name: Name | str, rdtype: int, rdclass: int = DnsClass.IN) -> None:
        _put_name(self, Name.of(name))
        _put_rdtype(self, rdtype if type(rdtype) is DnsRecordType else DnsRecordType(rdtype))
        _put_rdclass(self, rdclass if type(rdclass) is DnsClass else DnsClass(rdclass))

    @classmethod
    def from_wire(cls, reader: WireReader) -> Self:
        """Read a question at the position of `reader`. Raises DnsError.InvalidResponse."""
        return cls(reader.name("name"), reader.u16("type"), reader.u16("class"))

    def to_wire(self, writer: WireWriter) -> None:
        """Write the question."""
        writer.name(self.name)
        writer.question_fields(self.rdtype, self.rdclass)

    @property
    def key(self) -> bytes:
        """What equal questions have in common, for tables of many: octets are hashed once, and in C."""
        try:
            return self._key
        except AttributeError:  # the first time
            key = self.name.folded + (self.rdtype << 16 | self.rdclass).to_bytes(4, "big")
            _put_key(self, key)
            return key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Question:
            return NotImplemented
        return self.rdtype == other.rdtype and self.rdclass == other.rdclass and self.name == other.name

    def __str__(self) -> str:
        return f"{self.name}\t{self.rdclass}\t{self.rdtype}"


# The slots are set by their own descriptors: a lookup makes a question.
_put_name, _put_rdtype, _put_rdclass, _put_key = (
    vars(Question)[slot].__set__ for slot in ("name", "rdtype", "rdclass", "_key")
)


def checked_flags(flags: int) -> int:
    """Return `flags` if they are flags; otherwise raise DnsError.InvalidValue."""
    if flags & ~FLAGS:
        raise DnsError.InvalidValue("flags", hex(flags), f"only bits of 0x{FLAGS:04x} are flags", limit=FLAGS)
    return flags
