"""A: a host's IPv4 address (RFC 1035 section 3.4.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import Ipv4


class A(DnsRecord):
    """A host's IPv4 address; `address` is an `Ipv4Addr`, made from text or an `ipaddress` object too."""

    rdtype = DnsRecordType.A

    address: Ipv4 = Ipv4()
