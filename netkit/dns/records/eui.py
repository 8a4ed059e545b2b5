"""EUI48 and EUI64: the hardware address of an interface (RFC 7043 sections 3 and 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import FixedHex


class EUI48(DnsRecord):
    """An address of 48 bits: `address`, six octets."""

    rdtype = DnsRecordType.EUI48

    address: FixedHex = FixedHex("Six octets", size=6, separator="-")


class EUI64(DnsRecord):
    """An address of 64 bits: `address`, eight octets."""

    rdtype = DnsRecordType.EUI64

    address: FixedHex = FixedHex("Eight octets", size=8, separator="-")
