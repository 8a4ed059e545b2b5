"""The versions of a server's zones: what a zone was before, as differences (RFC 1995 section 5).

A journal is kept as zones are replaced, in memory. It begins with the server, and again where a zone's serial
does not rise: what a secondary has by that serial is then not known. Older steps are dropped where there are
too many, or where together they are larger than the zone: to send that whole is shorter then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import Question
from netkit.dns.messages.series import Blocks
from netkit.dns.serials import is_newer
from netkit.dns.transfers.differences import Difference, condensed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.dns.constants import DnsClass
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.zones.zone import Zone

log = Log("netkit.dns.authority")

#: How many versions of a zone are kept besides the one that is served.
MAX_VERSIONS = 100

#: A zone of fewer records has still so many in its journal: small zones change often, and cost little.
LEAST_RECORDS = 1000

#: Differences of so few records are sent although the whole zone is shorter: it is one message all the same.
FEW_RECORDS = 100


class Journal:
    """The differences that lead to `zone` from its earlier versions. It does not change.

    `whole` has the records of the zone as messages carry them, for all transfers of it.
    """

    __slots__ = ("_made", "_steps", "size", "whole", "zone")

    def __init__(self, zone: Zone, steps: Iterable[Difference] = ()) -> None:
        self.zone = zone
        #: How many records the zone has.
        self.size = sum(map(len, zone.rrsets.values()))
        kept: list[Difference] = []
        room = max(self.size, LEAST_RECORDS)
        for step in reversed(list(steps)[-MAX_VERSIONS:]):
            room -= step.size
            if room < 0:
                break
            kept.append(step)
        self._steps = kept[::-1]
        self.whole = Blocks(Question(zone.origin, DnsRecordType.AXFR, zone.rdclass), in_order(zone))
        self._made: dict[int, Difference] = {}  # what was asked for, by where it begins

    @property
    def serials(self) -> list[int]:
        """The serials of the versions from which there are differences, the oldest first."""
        return [step.old_soa.serial for step in self._steps]

    def since(self, serial: int) -> Difference | None:
        """All that changed since the version `serial`, in one step; None where the version is not known, or
        the whole zone is shorter and the step is not small."""
        for index, step in enumerate(self._steps):
            if step.old_soa.serial == serial:
                found = self._made.get(index)
                if found is None:
                    found = self._made[index] = condensed(self._steps[index:])
                return found if found.size < max(self.size, FEW_RECORDS) else None
        return None

    def to(self, zone: Zone) -> Journal:
        """The journal when `zone` is served from now on."""
        if zone is self.zone:
            return self
        old, new = self.zone.soa.serial, zone.soa.serial
        if old == new and zone.rrsets == self.zone.rrsets:
            return Journal(zone, self._steps)
        if not is_newer(new, than=old):
            log.debug("%s: serial %s after %s: earlier versions are forgotten", zone.origin, new, old)
            return Journal(zone)
        return Journal(zone, [*self._steps, Difference.between(self.zone, zone)])


def in_order(zone: Zone) -> Iterator[DnsRecord]:
    """The records of a zone in the order of RFC 5936 section 2.2."""
    yield zone.soa
    for (_, rdtype), rrset in zone.rrsets.items():
        if rdtype != DnsRecordType.SOA:
            yield from rrset
    yield zone.soa


class Journals:
    """The journals of all zones of a server. It does not change."""

    __slots__ = ("_journals",)

    def __init__(self, journals: Iterable[Journal] = ()) -> None:
        self._journals: dict[tuple[Name, DnsClass], Journal] = {
            (each.zone.origin, each.zone.rdclass): each for each in journals
        }

    def of(self, name: Name, rdclass: DnsClass) -> Journal | None:
        """The journal of the zone by just this name; None if there is none."""
        return self._journals.get((name, rdclass))

    def to(self, zones: Iterable[Zone]) -> Journals:
        """The journals when these zones are served from now on."""
        made = []
        for zone in zones:
            before = self._journals.get((zone.origin, zone.rdclass))
            made.append(Journal(zone) if before is None else before.to(zone))
        return Journals(made)

    def newer(self, before: Journals) -> list[Zone]:
        """The zones that are newer than they were in `before`, or were not there."""
        found = []
        for key, journal in self._journals.items():
            old = before._journals.get(key)
            if old is None or is_newer(journal.zone.soa.serial, than=old.zone.soa.serial):
                found.append(journal.zone)
        return found
