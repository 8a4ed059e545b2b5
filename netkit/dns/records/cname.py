"""CNAME: the name this one is an alias of (RFC 1035 section 3.3.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class CNAME(DnsRecord):
    """An alias: the records for `name` are at `canonical`."""

    rdtype = DnsRecordType.CNAME

    canonical: DomainName = DomainName("The name that this one is an alias of", compressed=True, lowered=True)
