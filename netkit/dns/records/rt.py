"""RT: a host that relays to one without a connection of its own (RFC 1183 section 3.3)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class RT(DnsRecord):
    """A host that forwards to `name`: `host`, tried in order of `priority`, lowest first (RFC 1183 calls it
    the preference).
    """

    rdtype = DnsRecordType.RT

    priority: U16 = U16("The lowest is tried first")
    host: DomainName = DomainName("The intermediate host", decompressed=True, lowered=True)
