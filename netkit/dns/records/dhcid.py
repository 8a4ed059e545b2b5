"""DHCID: whose a name is that DHCP manages (RFC 4701 section 3)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64


class DHCID(DnsRecord):
    """The digest that identifies the client a name was given to: `data`, opaque here."""

    rdtype = DnsRecordType.DHCID

    data: Base64 = Base64("Identifier type, digest type and digest")
