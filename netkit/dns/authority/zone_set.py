"""The zones of a name server, and which of them answers for a name (RFC 1034 section 4.3.2, step 2)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.dns.name import Name
    from netkit.dns.zones.zone import Zone


class Zones:
    """The zones of a server; `find` selects one by the name in a question."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        # By the folded octets of their names: those of a name's parent are the same without the first label.
        self._zones: dict[DnsClass, dict[bytes, Zone]] = {}
        for zone in zones:
            self._zones.setdefault(zone.rdclass, {})[zone.origin.folded] = zone

    def __len__(self) -> int:
        return sum(map(len, self._zones.values()))

    def __iter__(self) -> Iterator[Zone]:
        return chain.from_iterable([zones.values() for zones in self._zones.values()])

    def find(self, name: Name, rdclass: DnsClass, rdtype: int = 0) -> Zone | None:
        """Return the closest zone that contains `name`, or None.

        For class ANY, return the first match in any class. For a DS record at the top of a zone, return the
        parent zone if this server has it, because the parent zone holds the DS (RFC 4035 section 3.1.4.1).
        """
        if rdclass == DnsClass.ANY:
            found = (self.find(name, each, rdtype) for each in self._zones)
            known = [zone for zone in found if zone is not None]
            return max(known, key=lambda zone: len(zone.origin.folded), default=None)
        zones = self._zones.get(rdclass)
        if zones is None:
            return None
        closest: Zone | None = None
        at = name.folded
        if rdtype == DnsRecordType.DS:
            closest = zones.get(at)
            if closest is not None and len(at) > 1:
                at = at[1 + at[0] :]
        while True:
            zone = zones.get(at)
            if zone is not None:
                return zone
            if len(at) == 1:
                return closest
            at = at[1 + at[0] :]
