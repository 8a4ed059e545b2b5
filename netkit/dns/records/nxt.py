"""NXT: the next name of a zone, and the types of this one, before NSEC (RFC 2535 section 5)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.codes import FlatBitmap
from netkit.dns.records.fields import DomainName


class NXT(DnsRecord):
    """No name of the zone is between `name` and `next`; `name` has records of `types`, all below 128."""

    rdtype = DnsRecordType.NXT

    next: DomainName = DomainName("The next name in canonical order", decompressed=True, lowered=True)
    types: FlatBitmap = FlatBitmap("The types that the name has")
