"""Reading as much of a malformed reply as can be read, with complaints about the rest.

For looking at what a server sent (`netkit dig`): servers, zone transfers and tests read strictly. What is
wrong is said in the order in which it stands, and each time the message goes on in one way:

- no question in a response without an error: there is none. A query may have none.
- a count that is more than what is there, and a record that is cut, as in a reply that was truncated in the
  middle of one: the records before it.
- RDATA that its type does not allow: `DnsRecord.Unknown` with the octets as they are. Names in it may be
  compressed, and mean something only in this message.
- an OPT record that the root does not own, or in another section: it is taken. A second one is not.
- an option that is malformed: `EdnsOption.Unknown` with the octets that are there.
- octets after the last record: they are ignored.

A header or a question that cannot be read is an error as in strict reading, because then nothing says whose
reply it is. What is read strictly without a complaint is the same in both readings (a test holds that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.header import QR
from netkit.dns.messages.reading import COUNTS, MadeParts, read_message, read_parts, read_record
from netkit.dns.messages.wire import WireReader
from netkit.dns.records.base import DnsRecord
from netkit.dns.value import Value, assign

if TYPE_CHECKING:
    from collections.abc import Container

    from netkit.dns.messages.reading import Parts
    from netkit.dns.name import Name

#: The most complaints that are kept about one message; the last says that there were more.
MAX_COMPLAINTS = 64


class Complaint(Value):
    """What is wrong with an octet of a message that was read leniently.

    `offset` is the octet, `field` the path of the field (`answer[2].rdata.exchange`, or `message`), `reason`
    says why, in words of netkit's own.
    """

    __slots__ = ("field", "offset", "reason")
    __match_args__ = ("offset", "field", "reason")

    offset: int
    field: str
    reason: str

    def __init__(self, offset: int, field: str, reason: str) -> None:
        assign(self, "offset", offset)
        assign(self, "field", field)
        assign(self, "reason", reason)

    def __str__(self) -> str:
        return f"{self.field} at octet {self.offset}: {self.reason}"


def read_leniently(data: bytes) -> Parts:
    """Read what can be read of a message.

    Raises DnsError.InvalidResponse where there is no header, or its questions are not readable.
    """
    try:
        parts = read_message(data)
    except DnsError.InvalidResponse:
        return _Lenient(data).read()
    return with_complaints(parts, [])


def read_query(data: bytes, understood: Container[int]) -> Parts:
    """Read a message strictly, but for the data of options whose codes are not in `understood`.

    RFC 6891 section 6.1.2: who does not understand an option ignores it. So a server cannot say that one is
    malformed; it is `EdnsOption.Unknown` then. Raises DnsError.InvalidResponse.
    """
    try:
        return read_message(data)
    except DnsError.InvalidResponse:
        parts = _Lenient(data, understood).read()
        if parts.complaints:
            raise
        return parts


def with_complaints(parts: Parts, complaints: list[Complaint]) -> Parts:
    """The parts with complaints, and with the one about the question if it is due."""
    if not parts.question and parts.flags & QR and parts.rcode == Rcode.NOERROR:
        complaints.insert(0, Complaint(4, "question", "none in a response without an error"))
    if not complaints:
        return parts
    return MadeParts(
        parts.id,
        parts.flags,
        parts.opcode,
        parts.rcode,
        parts.question,
        parts.answer,
        parts.authority,
        parts.additional,
        parts.edns,
        tuple(complaints),
    )


class _Lenient:
    """One reading of a message; of options that are not `understood` nothing is said, if not of all."""

    def __init__(self, data: bytes, understood: Container[int] | None = None) -> None:
        self._data = data
        self._understood = understood
        self._reader = WireReader(data)
        self._complaints: list[Complaint] = []
        self._opt: tuple[Edns, int] | None = None

    def read(self) -> Parts:
        reader = self._reader
        head = read_parts(self._data, question_only=True)
        _, bits, qdcount, *counts = reader.header_fields()
        for _ in range(qdcount):
            reader.name("name")
            reader.take(4, "type")
        sections: dict[str, list[DnsRecord]] = {section: [] for section in COUNTS}
        for section, count in zip(COUNTS, counts, strict=True):
            if not self._records(section, count, sections[section]):
                break
        else:
            if reader.remaining:
                self._complain(reader.offset, "message", f"{reader.remaining} octets after the last record")
        edns, high = self._opt or (None, 0)
        parts = MadeParts(
            head.id,
            head.flags,
            head.opcode,
            Rcode(high << 4 | bits & 0xF),
            head.question,
            tuple(sections["answer"]),
            tuple(sections["authority"]),
            tuple(sections["additional"]),
            edns,
        )
        return with_complaints(parts, self._complaints)

    def _complain(self, offset: int, field: str, reason: str) -> None:
        if len(self._complaints) < MAX_COMPLAINTS - 1:
            self._complaints.append(Complaint(offset, field, reason))
        elif len(self._complaints) == MAX_COMPLAINTS - 1:
            self._complaints.append(Complaint(offset, "message", "more is wrong, which is not listed"))

    def _records(self, section: str, count: int, records: list[DnsRecord]) -> bool:
        """Add the records of a section as far as they go to `records`; whether that is to its end."""
        reader = self._reader
        for index in range(count):
            path = f"{section}[{index}]"
            if not reader.remaining:
                there = f"{index} of {count} records are there"
                field, offset = COUNTS[section]
                self._complain(offset, f"header.{field}", there)
                return False
            start = reader.offset
            try:
                name = reader.name("name")
                fields = reader.offset
                rdtype, rdclass, ttl, rdlength = reader.record_fields()
                octets = reader.take(rdlength, "rdata")
            except DnsError.InvalidResponse as error:
                self._complain(error.offset, f"{path}.{error.field}", error.reason)
                return False
            reader.offset -= rdlength
            if rdtype == DnsRecordType.OPT:
                self._read_opt(path, section, name, start, fields, (rdclass, ttl, rdlength))
            else:
                records.append(self._record(path, name, rdtype, rdclass, ttl, octets))
        return True

    def _record(self, path: str, name: Name, rdtype: int, rdclass: int, ttl: int, octets: bytes) -> DnsRecord:
        reader = self._reader
        after = reader.offset + len(octets)
        try:
            with reader.restrict_to(len(octets), "rdata"):
                return read_record(name, rdtype, rdclass, ttl, reader)
        except DnsError.InvalidResponse as error:
            self._complain(error.offset, f"{path}.{error.field}", error.reason)
            return DnsRecord.Unknown(
                name, 0 if ttl > MAX_TTL else ttl, DnsRecordType(rdtype), octets, DnsClass(rdclass)
            )
        finally:
            reader.offset = after

    def _read_opt(
        self, path: str, section: str, name: Name, start: int, fields: int, opt: tuple[int, int, int]
    ) -> None:
        reader = self._reader
        payload_size, ttl, rdlength = opt
        if not name.is_root:
            self._complain(start, f"{path}.name", "OPT is not owned by the root")
        if self._opt is not None:
            self._complain(fields, f"{path}.type", "a second OPT")
            reader.offset += rdlength
            return
        if section != "additional":
            self._complain(fields, f"{path}.type", f"OPT in the {section} section")
        options = self._options(f"{path}.rdata", reader.offset + rdlength)
        empty = Edns.from_wire(payload_size, ttl, WireReader(b""))
        self._opt = empty.replace(options=options), ttl >> 24

    def _options(self, path: str, end: int) -> list[EdnsOption]:
        """The options up to `end`; one that is malformed as its octets."""
        reader = self._reader
        options: list[EdnsOption] = []
        while reader.offset < end:
            start = reader.offset
            where = f"{path}.option[{len(options)}]"
            left = end - start
            if left < 4:
                self._complain(start, f"{where}.code", f"{left} octets where 4 begin an option")
                reader.offset = end
                break
            code, length = reader.u16("code"), reader.u16("length")
            if length > end - reader.offset:
                left = end - reader.offset
                self._complain(reader.offset, f"{where}.data", f"needs {length} octets; left: {left}")
                options.append(EdnsOption.Unknown(code, reader.take(left, "data")))
                break
            after = reader.offset + length
            reader.offset = start
            try:
                with reader.restrict_to(4 + length, "option"):
                    options.extend(Edns.from_wire(0, 0, reader).options)
            except DnsError.InvalidResponse as error:
                if self._understood is None or code in self._understood:
                    field = error.field.removeprefix("option.option[0].")
                    self._complain(error.offset, f"{where}.{field}", error.reason)
                options.append(EdnsOption.Unknown(code, self._data[start + 4 : after]))
            reader.offset = after
        return options
