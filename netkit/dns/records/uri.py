"""URI: a URI for a service (RFC 7553 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16
from netkit.dns.records.strings import LongString


class URI(DnsRecord):
    """The URI of a service: `target`, in order of `priority`, lowest first, and among equals by `weight`."""

    rdtype = DnsRecordType.URI

    priority: U16 = U16("The lowest is tried first")
    weight: U16 = U16("The share among URIs of the same priority")
    target: LongString = LongString("The URI", 1)
