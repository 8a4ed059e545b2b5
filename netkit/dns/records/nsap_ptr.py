"""NSAP-PTR: the name of an NSAP address (RFC 1348; RFC 1706 section 6 has PTR in its place)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class NSAP_PTR(DnsRecord):  # noqa: N801 - the type is called so
    """A pointer to `domain`, the name of an NSAP address."""

    rdtype = DnsRecordType.NSAP_PTR

    domain: DomainName = DomainName("The name of the address")
