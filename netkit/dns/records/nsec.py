"""NSEC: the next name of a zone, and the types of this one (RFC 4034 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.codes import TypeBitmap
from netkit.dns.records.fields import DomainName


class NSEC(DnsRecord):
    """No name of the zone is between `name` and `next`; `name` has records of `types` and no others."""

    rdtype = DnsRecordType.NSEC

    next: DomainName = DomainName("The next name in canonical order")
    types: TypeBitmap = TypeBitmap("The types that the name has")
