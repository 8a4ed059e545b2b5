"""NSAP: a host's address in the OSI network (RFC 1706 section 5)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import PrefixedHex


class NSAP(DnsRecord):
    """The NSAP address of a host: `address`, up to 20 octets of RFC 1706, at least one."""

    rdtype = DnsRecordType.NSAP

    address: PrefixedHex = PrefixedHex("The address", 1)
