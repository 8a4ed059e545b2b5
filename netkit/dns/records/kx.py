"""KX: a host that exchanges keys for another (RFC 2230 section 3.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class KX(DnsRecord):
    """A host that negotiates keys for `name`: `exchanger`, in order of `priority`, lowest first (RFC 2230
    calls it the preference).
    """

    rdtype = DnsRecordType.KX

    priority: U16 = U16("The lowest is tried first")
    exchanger: DomainName = DomainName("The host", decompressed=True, lowered=True)
