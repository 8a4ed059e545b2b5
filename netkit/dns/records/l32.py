"""L32: the locator of a node in IPv4 (RFC 6742 section 2.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, Ipv4


class L32(DnsRecord):
    """A locator of 32 bits: `locator`, tried in order of `preference`, lowest first."""

    rdtype = DnsRecordType.L32

    preference: U16 = U16("The lowest is tried first")
    locator: Ipv4 = Ipv4("The locator")
