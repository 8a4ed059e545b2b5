"""L64: the locator of a node in IPv6 (RFC 6742 section 2.3)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import FixedHex
from netkit.dns.records.fields import U16


class L64(DnsRecord):
    """A locator of 64 bits: `locator`, tried in order of `preference`, lowest first."""

    rdtype = DnsRecordType.L64

    preference: U16 = U16("The lowest is tried first")
    locator: FixedHex = FixedHex("The locator", size=8, separator=":", group=2)
