"""GPOS: where a host stands, as text (RFC 1712 section 3); LOC took its place."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.strings import CharacterString


class GPOS(DnsRecord):
    """The place of a host: `longitude` and `latitude` in degrees, `altitude` in metres, each as text."""

    rdtype = DnsRecordType.GPOS

    longitude: CharacterString = CharacterString("Degrees, as text")
    latitude: CharacterString = CharacterString("Degrees, as text")
    altitude: CharacterString = CharacterString("Metres, as text")
