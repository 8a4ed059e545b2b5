"""ISDN: a telephone number (RFC 1183 section 3.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.strings import CharacterString, OptionalString


class ISDN(DnsRecord):
    """The ISDN number of a host: `address`, and `subaddress`, which is None if it is not there."""

    rdtype = DnsRecordType.ISDN

    address: CharacterString = CharacterString("The number, and the number to dial in directly")
    subaddress: OptionalString = OptionalString("Hexadecimal digits", default=None)
