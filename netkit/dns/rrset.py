"""`RRset`: the records of one name, type and class (RFC 2181 section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.value import Value, assign

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.dns.constants import DnsClass
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord


class RRset(Value):
    """The records of one name, type and class: at least one, without duplicates, all with the same TTL.

    If the records have different TTLs, all get the lowest TTL (RFC 2181 section 5.2). Only signatures keep
    theirs, which are those of the sets that they cover (RFC 4034 section 3). Iterable.
    """

    __slots__ = ("records",)
    __match_args__ = ("records",)

    records: tuple[DnsRecord, ...]

    def __init__(self, records: Iterable[DnsRecord]) -> None:
        given = list(records)
        if not given:
            raise DnsError.InvalidValue("records", given, "a record set has at least one record")
        # A dict keeps the order and drops duplicates.
        unique = dict.fromkeys(_of_one_ttl(given))
        assign(self, "records", tuple(unique))
        if len({(record.name, record.rdtype, record.rdclass) for record in unique}) > 1:
            raise DnsError.InvalidValue("records", given, "of different names, types or classes")

    @classmethod
    def of_distinct(cls, records: Iterable[DnsRecord]) -> RRset:
        """The same of records that are known to be distinct, and of one name, type and class."""
        given = tuple(records)
        if len(given) > 1:
            given = tuple(_of_one_ttl(given))
        made = cls.__new__(cls)
        assign(made, "records", given)
        return made

    @property
    def name(self) -> Name:
        """The owner."""
        return self.records[0].name

    @property
    def rdtype(self) -> DnsRecordType:
        """The type."""
        return self.records[0].rdtype

    @property
    def rdclass(self) -> DnsClass:
        """The class."""
        return self.records[0].rdclass

    @property
    def ttl(self) -> int:
        """The TTL, in seconds."""
        return self.records[0].ttl

    def __iter__(self) -> Iterator[DnsRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


def _of_one_ttl(records: Sequence[DnsRecord]) -> Sequence[DnsRecord]:
    """The records with the lowest TTL of them, except signatures."""
    if records[0].rdtype == DnsRecordType.RRSIG:
        return records
    ttl = min([record.ttl for record in records])
    return [record if record.ttl == ttl else record.replace(ttl=ttl) for record in records]
