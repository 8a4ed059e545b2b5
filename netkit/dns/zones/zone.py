"""`Zone`: the records of a zone, to find in them what it answers.

A `ZoneBuilder` makes it (`netkit.dns.zones.builder`). What a zone answers, and the rules of that, are in
`netkit.dns.zones.answers`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.zones.answers import Absence, ZoneAnswer, find
from netkit.dns.zones.denial import denial_of
from netkit.dns.zones.tree import Tree

if TYPE_CHECKING:
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.rrset import RRset

_T = DnsRecordType


class Zone:
    """The records of a zone: `origin` (its name), `rdclass`, `soa`, `rrsets` by (name, type); `tree` has
    its names.

    `parse_zone` or a `ZoneBuilder` makes it. Do not change it; several threads may read it.
    """

    def __init__(
        self, origin: Name, soa: DnsRecord.SOA, rrsets: dict[tuple[Name, DnsRecordType], RRset]
    ) -> None:
        self.origin = origin
        self.rdclass = soa.rdclass
        self.soa = soa
        self.rrsets = rrsets
        self.tree = Tree(origin, rrsets)

    def find(self, name: Name, rdtype: int, *, dnssec: bool = False) -> ZoneAnswer:
        """Return this zone's answer to a question for `name` and `rdtype` (ANY: all types).

        `dnssec` is DO: a client that wants the signatures and proofs of a signed zone (RFC 4035 section 3.1).
        Aliases are followed inside the zone, at most MAX_CNAMES of them. RFC 1034 section 4.3.2.
        """
        return find(self.tree, name, rdtype, self.absence(dnssec=dnssec))

    def absence(self, *, dnssec: bool) -> Absence:
        """Return what says that something is not in this zone, for a client that wants proofs or does not."""
        return self._signed_absence if dnssec else self._absence

    @cached_property
    def _absence(self) -> Absence:
        return Absence.of(self.tree, self.soa, None)

    @cached_property
    def _signed_absence(self) -> Absence:
        return Absence.of(self.tree, self.soa, denial_of(self.tree))

    def to_text(self) -> str:
        """The zone as a master file that `parse_zone` reads: the SOA first, then in canonical order."""
        ordered = sorted(self.rrsets, key=lambda key: (key[0], key[1] != _T.SOA, key[1]))
        return "".join([f"{record}\n" for key in ordered for record in self.rrsets[key]])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Zone):
            return NotImplemented
        return self.origin == other.origin and self.rrsets == other.rrsets

    __hash__ = None  # type: ignore[assignment]  # it holds a dictionary

    def __repr__(self) -> str:
        return f"<Zone {self.origin} {self.rdclass}, {len(self.rrsets)} record sets>"
