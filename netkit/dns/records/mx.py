"""MX: where mail for a domain goes (RFC 1035 section 3.3.9)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class MX(DnsRecord):
    """A host that takes mail for `name`: `exchange`, tried in order of `priority` (0 to 65535), lowest first.

    RFC 1035 calls `priority` the preference. An exchange of `.` says that there is no mail (RFC 7505).
    """

    rdtype = DnsRecordType.MX

    priority: U16 = U16("The lowest is tried first")
    exchange: DomainName = DomainName("The host that takes the mail", compressed=True, lowered=True)
