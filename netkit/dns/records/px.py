"""PX: an X.400 address and the mail domain beside it (RFC 2163 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class PX(DnsRecord):
    """A mapping between mail addresses: `map822` is the Internet's, `mapx400` that of X.400. The lowest
    `priority` counts (RFC 2163 calls it the preference).
    """

    rdtype = DnsRecordType.PX

    priority: U16 = U16("The lowest is tried first")
    map822: DomainName = DomainName("The domain of RFC 822", decompressed=True, lowered=True)
    mapx400: DomainName = DomainName("The domain made of X.400 attributes", decompressed=True, lowered=True)
