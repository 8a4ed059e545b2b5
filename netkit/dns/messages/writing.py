"""Writing a DNS message, and what is left out of one that is too large.

RFC 1035 section 4.1, RFC 2181 section 9 and RFC 9471 section 3.1 (truncation). Most messages fit, and are
written record by record; only one that does not is written again, record set by record set, as far as it
goes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.header import AA, TC
from netkit.dns.messages.wire import MAX_MESSAGE, WireWriter
from netkit.dns.messages.wire_writer import too_long
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from netkit.dns.messages.reading import Parts
    from netkit.dns.name import Name
    from netkit.dns.records.fields import Field

#: RFC 1035 section 4.2.1: the largest UDP message without EDNS, in octets.
MIN_MESSAGE = 512
_NO_HEADER = bytes(12)
# The octet before each string.
_LENGTHS = [bytes((length,)) for length in range(256)]
_ADDRESSES = (DnsRecordType.A, DnsRecordType.AAAA)


def write_message(message: Parts, max_size: int | None, compress: bool) -> bytes:
    """The octets of a message; see `Message.to_wire`."""
    edns = message.edns
    opt = b""
    if edns is not None:
        opt = _opt(edns, message.rcode)
    elif message.rcode > 0xF:
        raise DnsError.InvalidValue("rcode", message.rcode, "needs EDNS to be sent", limit=0xF)
    limit = MAX_MESSAGE if max_size is None else max(min(max_size, MAX_MESSAGE), MIN_MESSAGE)
    room = limit - len(opt)
    writer = WireWriter(compress)
    writer.write(_NO_HEADER)
    for question in message.question:
        question.to_wire(writer)
    mark = writer.mark()
    if mark > room:
        raise _too_long(mark + len(opt), limit)

    answer, authority, additional = message.answer, message.authority, message.additional
    counts = len(answer), len(authority), len(additional)
    signed = b""
    if additional and additional[-1].rdtype == DnsRecordType.TSIG:
        # RFC 8945 section 5.1: nothing is behind it, and no name in it is compressed.
        signed = _signature(additional[-1])
        room -= len(signed)
        additional = additional[:-1]
    flags = message.flags
    if not _write_all(writer, answer + authority + additional, room):
        if max_size is None:
            raise DnsError.InvalidValue(
                "message", sum(counts), f"records do not fit in {MAX_MESSAGE} octets", limit=MAX_MESSAGE
            )
        writer.rewind(mark)
        counts, cut = _write_some(writer, message, additional, room)
        counts = *counts[:2], counts[2] + bool(signed)
        flags |= TC if cut else 0
    writer.write(opt)
    writer.write(signed)
    bits = flags | message.opcode << 11 | message.rcode & 0xF
    writer.set_header(message.id, bits, len(message.question), *counts[:2], counts[2] + (edns is not None))
    return bytes(writer.data)


def _signature(record: DnsRecord) -> bytes:
    """A TSIG record, as the last of its message."""
    writer = WireWriter(compress=False)
    write_record(writer, record)
    return bytes(writer.data)


def _opt(edns: Edns, rcode: int) -> bytes:
    """The OPT record. Raises DnsError.InvalidValue if the options do not fit it."""
    if edns.options:
        writer = WireWriter(compress=False)
        edns.to_wire(writer, rcode)
        return bytes(writer.data)
    return _bare_opt(edns.payload_size, edns.version, edns.dnssec_ok, edns.flags, rcode >> 4 << 4)


@lru_cache(64)
def _bare_opt(payload_size: int, version: int, dnssec_ok: bool, flags: int, rcode: int) -> bytes:
    """An OPT record without options: a program sends mostly the same one."""
    writer = WireWriter(compress=False)
    Edns(payload_size, version, dnssec_ok, flags).to_wire(writer, rcode)
    return bytes(writer.data)


def _too_long(size: int, limit: int) -> DnsError.InvalidValue:
    return DnsError.InvalidValue(
        "message", size, f"octets of question and OPT alone, more than {limit}", limit=limit
    )


def _write_all(writer: WireWriter, records: Iterable[DnsRecord], room: int) -> bool:
    """Write records as long as the message fits in `room` octets; whether all did."""
    for record in records:
        write_record(writer, record)
        if len(writer.data) > room:
            return False
    return True


def _write_some(
    writer: WireWriter, message: Parts, records: tuple[DnsRecord, ...], room: int
) -> tuple[tuple[int, int, int], bool]:
    """Write whole record sets that fit; return how many records of each section, and whether TC is due.

    `records` are the additional records.
    """
    answer = _write_sets(writer, message.answer, room)
    if answer < len(message.answer):
        return (answer, 0, 0), True
    authority = _write_sets(writer, message.authority, room)
    if authority < len(message.authority):
        return (answer, authority, 0), True
    required = _in_domain_servers(message)
    additional = 0
    cut = False
    for rrset in _rrsets(records):
        if _write_sets(writer, rrset, room):
            additional += len(rrset)
        else:
            cut = cut or (rrset[0].rdtype in _ADDRESSES and rrset[0].name in required)
    return (answer, authority, additional), cut


def _in_domain_servers(message: Parts) -> set[Name]:
    """Return a referral's servers inside the delegated zone; clients need their addresses most."""
    if message.answer or message.flags & AA:
        return set()
    return {
        record.nameserver
        for record in message.authority
        if isinstance(record, DnsRecord.NS) and record.nameserver.is_subdomain_of(record.name)
    }


def _rrsets(records: Iterable[DnsRecord]) -> Iterator[list[DnsRecord]]:
    """Group neighbouring records of one name, type and class."""
    for _, run in groupby(records, lambda record: (record.name, record.rdtype, record.rdclass)):
        yield list(run)


def _write_sets(writer: WireWriter, records: Iterable[DnsRecord], room: int) -> int:
    """Write record sets while the message fits in `room` octets; return the number of records written."""
    written = 0
    for rrset in _rrsets(records):
        mark = writer.mark()
        for record in rrset:
            write_record(writer, record)
            if len(writer.data) > room:
                writer.rewind(mark)
                return written
        written += len(rrset)
    return written


def write_record(writer: WireWriter, record: DnsRecord) -> None:
    """Write a record: its owner, type, class and TTL, and its data behind their length."""
    writer.name(record.name)
    write_behind_owner(writer, record)


def write_behind_owner(writer: WireWriter, record: DnsRecord) -> None:
    """Write a record without its owner, which the caller has written."""
    cls = type(record)
    write = _writers.get(cls)
    if write is None:
        write = _writers[cls] = _writer_of(cls)
    write(writer, record)


#: Writes what is behind the owner of a record.
_Write: TypeAlias = "Callable[[WireWriter, DnsRecord], None]"

# How records are written, for each class that was met.
_writers: dict[type[DnsRecord], _Write] = {}


def _writer_of(cls: type[DnsRecord]) -> _Write:
    """How records of a class are written: by the class, or in fewer steps where letters describe it."""
    if cls.to_wire is not DnsRecord.to_wire or cls.LAYOUT is None:
        return _write_by_class
    rdtype = int(cls.rdtype)
    if cls.LAYOUT in _SINGLE:
        return _SINGLE[cls.LAYOUT](rdtype, cls.FIELDS[0].get)
    # Numbers one after the other are written at once.
    steps: list[tuple[Callable[..., bytes] | None, list[Field[Any, Any]]]] = []
    for is_number, run in groupby(cls.FIELDS, lambda field: field.layout in tuple("BHIQ")):
        fields = list(run)
        letters = "".join([field.layout or "" for field in fields])
        steps.append((Struct("!" + letters).pack if is_number else None, fields))

    def write(writer: WireWriter, record: DnsRecord) -> None:
        at = writer.record_fields(rdtype, record.rdclass, record.ttl)
        for pack, fields in steps:
            if pack is not None:
                writer.write(pack(*[field.get(record) for field in fields]))
                continue
            for field in fields:
                field.write(field.get(record), writer)
        writer.set_length(at)

    return write


def _write_by_class(writer: WireWriter, record: DnsRecord) -> None:
    at = writer.record_fields(record.rdtype, record.rdclass, record.ttl)
    record.to_wire(writer)
    writer.set_length(at)


def _ipv4_writer(rdtype: int, get: Callable[[object], Any]) -> _Write:
    pack = Struct("!HHIHI").pack
    return lambda writer, record: writer.write(pack(rdtype, record.rdclass, record.ttl, 4, int(get(record))))


def _ipv6_writer(rdtype: int, get: Callable[[object], Any]) -> _Write:
    pack = Struct("!HHIH16s").pack
    return lambda writer, record: writer.write(
        pack(rdtype, record.rdclass, record.ttl, 16, get(record).packed)
    )


def _strings_writer(rdtype: int, get: Callable[[object], Any]) -> _Write:
    pack = Struct("!HHIH").pack

    def write(writer: WireWriter, record: DnsRecord) -> None:
        rdata = b"".join([_LENGTHS[len(string)] + string for string in get(record)])
        if len(rdata) > 0xFFFF:
            raise too_long(len(rdata))
        writer.write(pack(rdtype, record.rdclass, record.ttl, len(rdata)) + rdata)

    return write


# What most records of an answer have: one field of one of these letters.
_SINGLE = {"4": _ipv4_writer, "6": _ipv6_writer, "S": _strings_writer}
