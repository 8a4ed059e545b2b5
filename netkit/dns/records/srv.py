"""SRV: where a service is (RFC 2782)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class SRV(DnsRecord):
    """A host and port that offer a service: `target` and `port`.

    Tried in order of `priority`, lowest first, and among equals at random in proportion to `weight`; all
    three numbers are 0 to 65535. A target of `.` says that the service is not offered.
    """

    rdtype = DnsRecordType.SRV

    priority: U16 = U16("The lowest is tried first")
    weight: U16 = U16("The share among hosts of the same priority")
    port: U16 = U16()
    # RFC 3597 section 4: never compressed when sent, but understood, as RFC 2052 had it compressed.
    target: DomainName = DomainName("The host", decompressed=True, lowered=True)
