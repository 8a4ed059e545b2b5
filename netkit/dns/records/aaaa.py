"""AAAA: a host's IPv6 address (RFC 3596 section 2.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import Ipv6


class AAAA(DnsRecord):
    """A host's IPv6 address; `address` is an `Ipv6Addr`, made from text or an `ipaddress` object too.

    A zone (`%eth0`) has no place in a record: DnsError.InvalidValue.
    """

    rdtype = DnsRecordType.AAAA

    address: Ipv6 = Ipv6()
