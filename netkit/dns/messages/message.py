"""DNS messages: `Message.from_wire` and `Message.to_wire`, `make_query` and `make_response`.

RFC 1035 section 4.1 (the format), RFC 4035 section 3.2 (AD and CD), RFC 6891 section 6 (OPT), RFC 9619 (one
question).

A message holds its OPT record as `edns`, not among the additional records. `rcode` is the whole response
code, although EDNS carries its high bits on the wire. Decoding splits the OPT record into these fields, and
encoding builds the record again.

A message that was decoded may hold its sections as a view of its octets
(`netkit.dns.messages.reading.Parts`), and make their records when they are first asked for. This cannot be
seen from outside: all was checked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.header import (
    AA,
    AD,
    CD,
    FLAG_MEANINGS,
    FLAG_NAMES,
    QR,
    RA,
    RD,
    TC,
    Header,
    Question,
    Z,
    checked_flags,
)
from netkit.dns.messages.lenient import Complaint, read_leniently, read_query
from netkit.dns.messages.reading import MadeParts, read_message, read_parts
from netkit.dns.messages.wire import WireReader
from netkit.dns.messages.writing import MIN_MESSAGE, write_message
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Self

    from netkit.dns.messages.reading import Parts
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord

__all__ = [
    "AA",
    "AD",
    "CD",
    "DEFAULT_EDNS",
    "FLAG_MEANINGS",
    "MIN_MESSAGE",
    "QR",
    "RA",
    "RD",
    "TC",
    "Complaint",
    "Header",
    "Message",
    "Question",
    "Z",
    "make_query",
    "make_response",
]


class Message(Value):
    """A DNS message: header fields, four sections, and `edns` if it had an OPT record.

    `id` has 16 bits. `flags` are any of QR AA TC RD RA Z AD CD (also available as properties). `rcode` has
    all twelve bits. `complaints` says what was wrong with octets that were read leniently; it is not encoded.
    Immutable: `replace` makes a changed copy.
    """

    __slots__ = ("_parts",)
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
        "complaints",
    )

    _parts: Parts

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
        complaints: Iterable[Complaint] = (),
    ) -> None:
        parts = MadeParts(
            checked_int("id", id, 0xFFFF),
            checked_flags(flags),
            Opcode(opcode),
            Rcode(rcode),
            tuple(question),
            tuple(answer),
            tuple(authority),
            tuple(additional),
            edns,
            tuple(complaints),
        )
        assign(self, "_parts", parts)

    @classmethod
    def from_wire(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        allow_trailing: bool = False,
        question_only: bool = False,
        lenient: bool = False,
    ) -> Self:
        """Decode a whole message.

        `allow_trailing` ignores octets after the last record. `question_only` stops after the question. This
        is enough to match a truncated answer, whose last record may be incomplete, to its query. `lenient`
        reads what can be read of a malformed message, and says in `complaints` what could not be
        (`netkit.dns.messages.lenient`); only a header and a question are needed.

        Raises DnsError.InvalidResponse with the field's path (`answer[2].rdata.exchange`) and the octet.
        """
        octets = data if type(data) is bytes else bytes(data)
        if lenient:
            parts = read_leniently(octets)
        elif allow_trailing or question_only:
            parts = read_parts(octets, question_only=question_only, allow_trailing=allow_trailing)
        else:
            parts = read_message(octets)
        message = _new(cls)
        _put_parts(message, parts)
        return message

    @classmethod
    def from_query(cls, data: bytes, understood: Container[int]) -> Self:
        """Decode a query as a server does that understands the options of the codes `understood`: what is in
        other options is not looked at (RFC 6891 section 6.1.2).

        Raises DnsError.InvalidResponse for whatever else is malformed.
        """
        message = _new(cls)
        _put_parts(message, read_query(data, understood))
        return message

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
        return write_message(self._parts, max_size, compress)

    @property
    def id(self) -> int:
        """The number that a response has from its query."""
        return self._parts.id

    @property
    def flags(self) -> int:
        """Those of QR AA TC RD RA Z AD CD that are set."""
        return self._parts.flags

    @property
    def opcode(self) -> Opcode:
        """The kind of message."""
        return self._parts.opcode

    @property
    def rcode(self) -> Rcode:
        """The response code, all twelve bits."""
        return self._parts.rcode

    @property
    def complaints(self) -> tuple[Complaint, ...]:
        """What was wrong with the octets, where they were read leniently."""
        return self._parts.complaints

    @property
    def question(self) -> tuple[Question, ...]:
        """The question section: one question, or none; a query of a client that is wrong may have more."""
        return self._parts.question

    @property
    def answer(self) -> tuple[DnsRecord, ...]:
        """The answer section."""
        return self._parts.answer

    @property
    def authority(self) -> tuple[DnsRecord, ...]:
        """The authority section."""
        return self._parts.authority

    @property
    def additional(self) -> tuple[DnsRecord, ...]:
        """The additional section, without OPT."""
        return self._parts.additional

    @property
    def edns(self) -> Edns | None:
        """What the OPT record says, if there was one."""
        return self._parts.edns

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
        return tuple([name for bit, name in FLAG_NAMES.items() if self.flags & bit])


# The slot is set by its own descriptor where a message is decoded: a constructor would check all again.
_new = object.__new__
_put_parts = vars(Message)["_parts"].__set__

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
