"""Writing a DNS message, and what is left out of one that is too large.

RFC 1035 section 4.1, RFC 2181 section 9 and RFC 9471 section 3.1 (truncation). Most messages fit, and are
written record by record; only one that does not is written again, record set by record set, as far as it
goes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from struct import Struct
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.header import AA, TC
from netkit.dns.records.base import DnsRecord
from netkit.dns.wire import MAX_MESSAGE, WireWriter, too_long

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from netkit.dns.message import Message
    from netkit.dns.name import Name

#: RFC 1035 section 4.2.1: the largest UDP message without EDNS, in octets.
MIN_MESSAGE = 512
_NO_HEADER = bytes(12)
# The octet before each string.
_LENGTHS = [bytes((length,)) for length in range(256)]
_ADDRESSES = (DnsRecordType.A, DnsRecordType.AAAA)


def write_message(message: Message, max_size: int | None, compress: bool) -> bytes:
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
    flags = message.flags
    if not (
        _write_all(writer, answer, room)
        and _write_all(writer, authority, room)
        and _write_all(writer, additional, room)
    ):
        if max_size is None:
            raise DnsError.InvalidValue(
                "message", sum(counts), f"records do not fit in {MAX_MESSAGE} octets", limit=MAX_MESSAGE
            )
        writer.rewind(mark)
        counts, cut = _write_some(writer, message, room)
        flags |= TC if cut else 0
    writer.write(opt)
    bits = flags | message.opcode << 11 | message.rcode & 0xF
    writer.set_header(message.id, bits, len(message.question), *counts[:2], counts[2] + (edns is not None))
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
        _write_record(writer, record)
        if len(writer.data) > room:
            return False
    return True


def _write_some(writer: WireWriter, message: Message, room: int) -> tuple[tuple[int, int, int], bool]:
    """Write whole record sets that fit; return how many records of each section, and whether TC is due."""
    answer = _write_sets(writer, message.answer, room)
    if answer < len(message.answer):
        return (answer, 0, 0), True
    authority = _write_sets(writer, message.authority, room)
    if authority < len(message.authority):
        return (answer, authority, 0), True
    required = _in_domain_servers(message)
    additional = 0
    cut = False
    for rrset in _rrsets(message.additional):
        if _write_sets(writer, rrset, room):
            additional += len(rrset)
        else:
            cut = cut or (rrset[0].rdtype in _ADDRESSES and rrset[0].name in required)
    return (answer, authority, additional), cut


def _in_domain_servers(message: Message) -> set[Name]:
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
            _write_record(writer, record)
            if len(writer.data) > room:
                writer.rewind(mark)
                return written
        written += len(rrset)
    return written


def _write_record(writer: WireWriter, record: DnsRecord) -> None:
    writer.name(record.name)
    cls = type(record)
    packer = _packers.get(cls, _UNMET)
    if packer is _UNMET:
        packer = _packers[cls] = _packer_of(cls)
    if packer is not None:
        writer.write(packer(record))
        return
    at = writer.record_fields(record.rdtype, record.rdclass, record.ttl)
    record.to_wire(writer)
    writer.set_length(at)


# What makes the octets behind the owner of a record, for each class that was met; None for most classes.
_packers: dict[type[DnsRecord], Callable[[DnsRecord], bytes] | None] = {}


def _unmet(record: DnsRecord) -> bytes:
    raise NotImplementedError


_UNMET = _unmet


def _packer_of(cls: type[DnsRecord]) -> Callable[[DnsRecord], bytes] | None:
    """What writes the records of a class of one field, of a kind that most records are of."""
    if cls.to_wire is not DnsRecord.to_wire or cls.LAYOUT not in ("4", "6", "S"):
        return None
    [field] = cls.FIELDS
    get, rdtype = field.get, int(cls.rdtype)
    if cls.LAYOUT == "4":
        pack = Struct("!HHIHI").pack
        return lambda record: pack(rdtype, record.rdclass, record.ttl, 4, int(get(record)))
    if cls.LAYOUT == "6":
        pack = Struct("!HHIH16s").pack
        return lambda record: pack(rdtype, record.rdclass, record.ttl, 16, get(record).packed)
    pack = Struct("!HHIH").pack

    def pack_strings(record: DnsRecord) -> bytes:
        rdata = b"".join([_LENGTHS[len(string)] + string for string in get(record)])
        if len(rdata) > 0xFFFF:
            raise too_long(len(rdata))
        return pack(rdtype, record.rdclass, record.ttl, len(rdata)) + rdata

    return pack_strings
