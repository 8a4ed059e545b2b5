"""What is odd about a zone that can be served all the same: `zone_findings`.

Servers differ in it: named loads no zone without NS records at its apex, nsd and knotd do (RFC 1034 section
4.2.1 wants them). A serial that does not rise (RFC 1982) is loaded by all, and kept from the secondaries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import DnsRecordType
from netkit.dns.serials import is_newer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.dns.name import Name
    from netkit.dns.zones.zone import Zone


class ZoneFinding(NamedTuple):
    """What is odd about the zone `zone` of `file`: a word for scripts, and a sentence."""

    file: str
    zone: Name
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


def zone_findings(file: str, zone: Zone, before: Zone | None) -> Iterator[ZoneFinding]:
    """What is odd about a zone that was read from `file`; `before` is the zone as it was served before."""
    origin, serial = zone.origin, zone.soa.serial
    if (origin, DnsRecordType.NS) not in zone.rrsets:
        words = f"{origin} has no NS records at its apex: others do not find it, and named would not load it"
        yield ZoneFinding(file, origin, "no-name-servers", words)
    if before is None:
        return
    old = before.soa.serial
    if serial == old:
        if zone.rrsets != before.rrsets:
            words = (
                f"{origin} has changed, but its serial ({serial}) has not: secondaries keep what they have"
            )
            yield ZoneFinding(file, origin, "serial-unchanged", words)
    elif not is_newer(serial, than=old):
        words = f"the serial of {origin} goes back from {old} to {serial}: secondaries keep what they have"
        yield ZoneFinding(file, origin, "serial-back", words)
