"""`ZoneBuilder`: makes a zone of records, and refuses what no zone may have.

RFC 1034 section 3.6.2 (CNAME); RFC 2181 section 5 (sets); RFC 6672 section 2.4 (DNAME); RFC 6895 section 3.1.
"""

from __future__ import annotations

from typing import TypeAlias

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import MAX_MESSAGE, WireWriter
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.dns.rrset import RRset
from netkit.dns.zones.zone import Zone

_T = DnsRecordType
# RFC 4034 section 3: what may stand beside a CNAME (RRSIG, NSEC, and KEY, SIG, NXT of RFC 2535).
_BESIDE_CNAME = frozenset((_T.CNAME, _T.RRSIG, _T.NSEC, _T.KEY, _T.SIG, _T.NXT))

# Types of few octets that any name may have, if it has no alias.
_SIMPLE = frozenset((_T.A, _T.NS, _T.PTR, _T.MX, _T.AAAA, _T.SRV))


class ZoneBuilder:
    """Builds a zone from records, and refuses records that are not allowed in it.

    Both methods raise DnsError.InvalidValue.
    """

    def __init__(self, origin: Name | str) -> None:
        self._origin = Name.of(origin)
        self._soa: DnsRecord.SOA | None = None
        self._names: dict[Name, _Sets] = {}
        self._class: DnsClass | None = None
        # Most records have the owner of the record before.
        self._last_name: Name | None = None
        self._last_sets: _Sets = {}

    def add(self, record: DnsRecord) -> None:
        """Add one record. Adding the same record again has no effect (RFC 2181 section 5)."""
        name, rdtype = record.name, record.rdtype
        sets = self._last_sets if name is self._last_name else self._sets_of(record, name)
        if record.rdclass is not self._class:
            self._check_class(record)
        before = sets.get(rdtype)
        if before is None:
            if sets or rdtype not in _SIMPLE:
                self._check_new(record, rdtype, sets)
            if rdtype not in _SIMPLE:
                self._check_size(record)
            if not sets:
                self._names[name] = sets
            sets[rdtype] = record
        elif isinstance(before, dict):
            self._add_another(record, before)
        else:
            both = {_data_of(before): before}
            self._add_another(record, both)
            if len(both) > 1:
                sets[rdtype] = both
        self._last_name, self._last_sets = name, sets

    def finish(self) -> Zone:
        """Return the zone of all added records."""
        if self._soa is None:
            raise DnsError.InvalidValue("zone", str(self._origin), f"no SOA record for {self._origin}")
        rrsets = {
            (name, rdtype): RRset.of_distinct((found,) if isinstance(found, DnsRecord) else found.values())
            for name, sets in self._names.items()
            for rdtype, found in sets.items()
        }
        return Zone(self._origin, self._soa, rrsets)

    def _sets_of(self, record: DnsRecord, name: Name) -> _Sets:
        sets = self._names.get(name)
        if sets is not None:
            return sets
        if not name.is_subdomain_of(self._origin):
            raise self._misfit(record, f"{name} is not in the zone {self._origin}")
        return {}

    def _add_another(self, record: DnsRecord, before: dict[_Data, DnsRecord]) -> None:
        """Add a record beside others of its name and type."""
        data = _data_of(record)
        if data in before:
            return
        if record.rdtype == _T.SOA:
            raise self._misfit(record, "a second SOA record: a zone has one")
        if record.rdtype in (_T.CNAME, _T.DNAME):
            raise self._misfit(record, f"a second {record.rdtype} record for {record.name}: a name has one")
        self._check_size(record)
        before[data] = record

    def _check_class(self, record: DnsRecord) -> None:
        if self._class is not None and record.rdclass != self._class:
            raise self._misfit(record, f"class {record.rdclass} in a zone of class {self._class}")
        self._class = record.rdclass

    def _check_new(self, record: DnsRecord, rdtype: DnsRecordType, sets: _Sets) -> None:
        """Refuse the first record of a type at a name that must not have it."""
        if rdtype == _T.OPT or 128 <= rdtype <= 255 or rdtype == 0:
            # RFC 6895 section 3.1: these are for questions and messages, never data.
            raise self._misfit(record, f"{rdtype} records do not belong in a zone")
        if rdtype == _T.SOA:
            if record.name != self._origin:
                raise self._misfit(record, f"an SOA record for {record.name} in the zone {self._origin}")
            assert isinstance(record, DnsRecord.SOA)
            self._soa = record
        if not sets:
            return
        if rdtype == _T.CNAME:
            if not sets.keys() <= _BESIDE_CNAME:
                raise self._misfit(record, f"{record.name} has other records: a CNAME stands alone")
        elif _T.CNAME in sets and rdtype not in _BESIDE_CNAME:
            raise self._misfit(record, f"{record.name} has a CNAME record: nothing can stand beside it")

    def _check_size(self, record: DnsRecord) -> None:
        """Refuse a record that is too large for a response with a header and a question for its name."""
        writer = WireWriter()
        record.to_wire(writer)
        rdlength = len(writer.data)
        if rdlength < MAX_MESSAGE // 2:
            return
        name = len(record.name.to_wire())
        rest = 12 + (name + 4) + (min(name, 2) + 10)  # the record's own name is a pointer to the question's
        if rest + rdlength > MAX_MESSAGE:
            raise self._misfit(
                record, f"{rdlength:,} octets of data: no message of {MAX_MESSAGE:,} octets can carry them"
            )

    @staticmethod
    def _misfit(record: DnsRecord, reason: str) -> DnsError.InvalidValue:
        return DnsError.InvalidValue("record", str(record), reason)


# What a record says without its name and TTL: equal for what is there twice.
_Data: TypeAlias = tuple[object, ...]
# The records at a name: of each type the only one, or all by what they say.
_Sets: TypeAlias = "dict[DnsRecordType, DnsRecord | dict[_Data, DnsRecord]]"


def _data_of(record: DnsRecord) -> _Data:
    if isinstance(record, DnsRecord.Unknown):
        return DnsRecord.Unknown, record.rdata
    cls = type(record)
    return cls, *[field.get(record) for field in cls.FIELDS]
