"""What is between two versions of a zone: found, put together, and applied (RFC 1995).

    step = Difference.between(old, new)
    step.apply(old) == new
    condensed([first, second])          # one step in place of several (RFC 1995 section 5)

A difference is exact: what it deletes is there, what it adds is not. Where that does not hold, the zone is
not the one that the difference is of, and `apply` raises TransferError.Unfit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.transfers.errors import TransferError
from netkit.dns.transfers.reader import Part
from netkit.dns.zones.builder import ZoneBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.dns.name import Name
    from netkit.dns.records.soa import SOA
    from netkit.dns.rrset import RRset
    from netkit.dns.transfers.reader import Sent
    from netkit.dns.zones.zone import Zone

# What is the same in equal records, for tables: name and type, TTL, and the octets of the data. Names in
# data are compared in one letter case where the type's canonical form says so.
_Key: TypeAlias = "tuple[Name, DnsRecordType, int, bytes]"
_SetKey: TypeAlias = "tuple[Name, DnsRecordType]"


class Difference(NamedTuple):
    """The step from one version of a zone to a newer one: `deleted` and `added` are without the SOAs."""

    old_soa: SOA
    deleted: tuple[DnsRecord, ...]
    new_soa: SOA
    added: tuple[DnsRecord, ...]

    @classmethod
    def between(cls, old: Zone, new: Zone) -> Difference:
        """The difference between two versions of a zone, whatever their serials are."""
        deleted: list[DnsRecord] = []
        added: list[DnsRecord] = []
        for key, before in old.rrsets.items():
            if key[1] == DnsRecordType.SOA:
                continue
            now = new.rrsets.get(key)
            if now is None:
                deleted += before.records
            elif now.records != before.records:
                gone, come = _between_sets(before, now)
                deleted += gone
                added += come
        for key, now in new.rrsets.items():
            if key not in old.rrsets and key[1] != DnsRecordType.SOA:
                added += now.records
        return cls(old.soa, tuple(deleted), new.soa, tuple(added))

    @property
    def size(self) -> int:
        """How many records it takes to tell it, with its two SOAs."""
        return len(self.deleted) + len(self.added) + 2

    def records(self) -> Iterable[DnsRecord]:
        """Its records in the order of RFC 1995 section 4."""
        yield self.old_soa
        yield from self.deleted
        yield self.new_soa
        yield from self.added

    def apply(self, zone: Zone) -> Zone:
        """The version of the zone that it leads to. Raises TransferError.Unfit."""
        return apply_differences(zone, [self])


def differences_of(sent: Iterable[Sent]) -> list[Difference]:
    """The differences that the records of an IXFR are; `sent` is the whole transfer."""
    found: list[Difference] = []
    deleted: list[DnsRecord] = []
    added: list[DnsRecord] = []
    old: SOA | None = None
    new: SOA | None = None
    for part, record in sent:
        if part in (Part.OLD_SOA, Part.LAST) and old is not None and new is not None:
            found.append(Difference(old, tuple(deleted), new, tuple(added)))
            deleted, added, new = [], [], None
        if part is Part.OLD_SOA and isinstance(record, DnsRecord.SOA):
            old = record
        elif part is Part.NEW_SOA and isinstance(record, DnsRecord.SOA):
            new = record
        elif part is Part.DELETED:
            deleted.append(record)
        elif part is Part.ADDED:
            added.append(record)
    return found


def condensed(steps: Sequence[Difference]) -> Difference:
    """One difference in place of several that follow each other, without what comes and goes again.

    Raises DnsError.InvalidValue for none, and for some that do not follow each other.
    """
    if not steps:
        raise DnsError.InvalidValue("steps", steps, "no difference is there")
    deleted: dict[_Key, DnsRecord] = {}
    added: dict[_Key, DnsRecord] = {}
    serial = steps[0].old_soa.serial
    for step in steps:
        if step.old_soa.serial != serial:
            raise DnsError.InvalidValue("steps", step.old_soa.serial, f"does not follow serial {serial}")
        serial = step.new_soa.serial
        for record in step.deleted:
            if added.pop(key := _key(record), None) is None:
                deleted[key] = record
        for record in step.added:
            if deleted.pop(key := _key(record), None) is None:
                added[key] = record
    return Difference(steps[0].old_soa, tuple(deleted.values()), steps[-1].new_soa, tuple(added.values()))


def apply_differences(zone: Zone, steps: Sequence[Difference]) -> Zone:
    """The version of a zone that differences lead to, which follow each other from the zone's own.

    The zone itself does not change. Raises TransferError.Unfit where a difference is of another version or of
    another zone, deletes what is not there, adds what is there, or leads to something that is no zone.
    """
    changed: dict[_SetKey, dict[bytes, DnsRecord]] = {}
    soa = zone.soa
    for step in steps:
        if step.old_soa.serial != soa.serial or step.old_soa.name != zone.origin:
            raise _unfit(zone, f"a difference from serial {step.old_soa.serial}, where it is at {soa.serial}")
        soa = step.new_soa
        # RFC 1995 section 4: what is deleted goes first. The TTL is not what tells records apart.
        for record in step.deleted:
            if _set_of(zone, changed, record).pop(record.canonical_wire(), None) is None:
                raise _unfit(zone, f"it deletes what is not there: {record}")
        for record in step.added:
            records = _set_of(zone, changed, record)
            if (data := record.canonical_wire()) in records:
                raise _unfit(zone, f"it adds what is there: {record}")
            records[data] = record
    return _rebuilt(zone, soa, changed)


def _set_of(
    zone: Zone, changed: dict[_SetKey, dict[bytes, DnsRecord]], record: DnsRecord
) -> dict[bytes, DnsRecord]:
    """The records of a name and type as far as they are changed, by their data."""
    key = record.name, record.rdtype
    found = changed.get(key)
    if found is None:
        before = zone.rrsets.get(key)
        found = {} if before is None else {each.canonical_wire(): each for each in before}
        changed[key] = found
    return found


def _rebuilt(zone: Zone, soa: SOA, changed: dict[_SetKey, dict[bytes, DnsRecord]]) -> Zone:
    builder = ZoneBuilder(zone.origin)
    try:
        builder.add(soa)
        for key, rrset in zone.rrsets.items():
            if key[1] == DnsRecordType.SOA:
                continue
            records = changed.pop(key, None)
            for record in rrset if records is None else records.values():
                builder.add(record)
        for records in changed.values():
            for record in records.values():
                builder.add(record)
        return builder.finish()
    except DnsError.InvalidValue as error:
        raise _unfit(zone, f"what it leads to is no zone: {error.reason}") from error


def _between_sets(before: RRset, now: RRset) -> tuple[list[DnsRecord], list[DnsRecord]]:
    """What goes, and what comes, between two sets of one name and type."""
    old = {_key(record): record for record in before}
    new = {_key(record): record for record in now}
    return (
        [record for key, record in old.items() if key not in new],
        [record for key, record in new.items() if key not in old],
    )


def _key(record: DnsRecord) -> _Key:
    return record.name, record.rdtype, record.ttl, record.canonical_wire()


def _unfit(zone: Zone, reason: str) -> TransferError.Unfit:
    return TransferError.Unfit(reason, name=zone.origin, rdtype=DnsRecordType.IXFR)
