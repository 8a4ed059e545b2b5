"""NID: the identifier of a node (RFC 6742 section 2.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import FixedHex
from netkit.dns.records.fields import U16


class NID(DnsRecord):
    """A node's identifier: `node` of 64 bits, tried in order of `preference`, lowest first."""

    rdtype = DnsRecordType.NID

    preference: U16 = U16("The lowest is tried first")
    node: FixedHex = FixedHex("The identifier", size=8, separator=":", group=2)
