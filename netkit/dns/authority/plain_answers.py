"""Responses to the most ordinary queries over UDP, made in few steps: no message and no name is made.

A query of one question, with at most an OPT record without options, for data in class IN that a zone has at
that very name, or that it does not have. The response is the octets of `answering.reply`: `get` gives None
where more is to be thought of (aliases, cuts, wildcards, signed zones for who wants proofs, hosts whose
addresses go with them, letter case that is not the zone's, what does not fit), and for all that is malformed.

In such a response, all names but those of the SOA record are the name in the question. How the SOA record is
compressed depends on the question only by the length of its name, as long as the two share no more than the
name of the zone: so it is written once for each length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.authority.answering import MAX_UDP_PAYLOAD
from netkit.dns.authority.ready_answers import end_of_name
from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.messages.header import AA, CD, QR, RD
from netkit.dns.messages.wire import WireReader, WireWriter
from netkit.dns.messages.writing import MIN_MESSAGE, write_behind_owner, write_record
from netkit.dns.name import MAX_NAME
from netkit.dns.zones.answers import NAMES_HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.records.base import DnsRecord
    from netkit.dns.zones.zone import Zone

_HEADER = 12
#: The type and the class after a name.
_FIELDS = 4
_IN = DnsClass.IN.to_bytes(2, "big")
#: The owner of a record that has the name in the question (RFC 1035 section 4.1.4).
_OF_QUESTION = (0xC000 | _HEADER).to_bytes(2, "big")
#: The types from which on there are none of data, and those below that are not found by name and type alone.
_FIRST_META = 128
_NOT_PLAIN = NAMES_HOSTS | {DnsRecordType.DS, DnsRecordType.OPT}
#: The OPT record of a response, by the octet of the query's that has DO (RFC 6891 section 6.1.3).
_OPT = b"\0\0\x29" + MAX_UDP_PAYLOAD.to_bytes(2, "big") + b"\0\0%c\0\0\0"
_OPTS = {flag: _OPT % flag for flag in (0, 0x80)}
_NO_RECORD, _ONE_RECORD = b"\0\0", b"\0\1"


class PlainAnswers:
    """What some zones answer. They must not change: other zones need another object."""

    __slots__ = ("_zones",)

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = {zone.origin.folded: _PlainZone(zone) for zone in zones if zone.rdclass == DnsClass.IN}

    def get(self, query: bytes) -> bytes | None:
        """The response to a query; None if it is not for this object to say."""
        end = end_of_name(query)
        name = query[_HEADER:end]
        after = end + _FIELDS
        if not 1 < len(name) <= MAX_NAME or query[end + 2 : after] != _IN:
            return None
        opt, limit, dnssec = b"", MIN_MESSAGE, False
        if query[11]:
            # RFC 6891 section 6.1.3: version 0. `end_of_name` has seen that the record is whole.
            if query[after + 6]:
                return None
            dnssec = query[after + 7] >= 0x80
            opt = _OPTS[0x80 if dnssec else 0]
            size = query[after + 3] << 8 | query[after + 4]
            limit = min(max(size, MIN_MESSAGE), MAX_UDP_PAYLOAD)
        rdtype = query[end] << 8 | query[end + 1]
        if rdtype in _NOT_PLAIN or rdtype >= _FIRST_META:
            return None
        folded, zones, at = name.lower(), self._zones, 0
        while (zone := zones.get(folded[at:])) is None:
            if not folded[at]:
                return None
            at += 1 + folded[at]
        found = zone.find(name, folded, rdtype, dnssec)
        if found is None:
            return None
        rcode, counts, records = found
        flags = QR | AA | (query[2] << 8 | query[3]) & (RD | CD) | rcode
        made = b"%b%c%c\0\1%b\0%c%b%b%b" % (
            query[:2],
            flags >> 8,
            flags & 0xFF,
            counts,
            query[11],
            query[_HEADER:after],
            records,
            opt,
        )
        return made if len(made) <= limit else None


class _PlainZone:
    """A zone, and how its SOA record is written for names of each length."""

    __slots__ = ("_absences", "_origin", "_shared", "_tree", "_zone")

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._tree = zone.tree
        soa = zone.soa
        self._origin = origin = soa.name.to_wire()
        #: What the names in the SOA record have in common with some names under the zone's: a pointer would
        #: be to that, and not to the zone's.
        self._shared = tuple(
            [shared for each in (soa.mname, soa.rname) if (shared := _under(each.to_wire(), origin))]
        )
        self._absences: dict[int, bytes] = {}

    def find(self, name: bytes, folded: bytes, rdtype: int, dnssec: bool) -> tuple[int, bytes, bytes] | None:
        """The response code, the counts of answer and authority, and their octets; None if not plain."""
        if dnssec and self._zone.absence(dnssec=True).denial is not None:
            return None
        tree = self._tree
        node = tree.node(folded)
        if node is None:
            closest = tree.closest(folded)
            if closest is None or closest.stop is not None or tree.node(b"\1*" + closest.folded) is not None:
                return None
            rcode = Rcode.NXDOMAIN
        elif node.above is not None or node.is_cut:
            return None
        elif (records := node.sets.get(rdtype)) is not None:
            written = _written(name, records)
            return None if written is None else (0, len(records).to_bytes(2, "big") + _NO_RECORD, written)
        elif DnsRecordType.CNAME in node.sets:
            return None
        else:
            rcode = Rcode.NOERROR
        if not name.endswith(self._origin) or name.endswith(self._shared):
            return None
        absence = self._absences.get(len(name))
        if absence is None:
            absence = self._absences[len(name)] = self._written_absence(name)
        return rcode, _NO_RECORD + _ONE_RECORD, absence

    def _written_absence(self, name: bytes) -> bytes:
        writer = WireWriter()
        writer.write(bytes(_HEADER))
        writer.name(WireReader(name).name("name"))
        writer.write(bytes(_FIELDS))
        mark = writer.mark()
        [soa] = self._zone.absence(dnssec=False).soa
        write_record(writer, soa)
        return bytes(writer.data[mark:])


def _under(name: bytes, origin: bytes) -> bytes:
    """The part of a name that is one label longer than `origin`; empty if the name is not under that."""
    at = 0
    while name[at]:
        after = at + 1 + name[at]
        if name[after:] == origin:
            return name[at:]
        at = after
    return b""


def _written(name: bytes, records: tuple[DnsRecord, ...]) -> bytes | None:
    """The octets of records whose owner is written as in the question; None if their data has names."""
    layout = records[0].LAYOUT
    if layout is None or "n" in layout or "N" in layout:
        return None
    writer = WireWriter()
    for record in records:
        if record.name.to_wire() != name:
            return None
        writer.write(_OF_QUESTION)
        write_behind_owner(writer, record)
    return bytes(writer.data)
