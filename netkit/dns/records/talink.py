"""TALINK: a link in a chain of old trust anchors (draft-ietf-dnsop-dnssec-trust-history-02)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class TALINK(DnsRecord):
    """The neighbours in a chain: `previous` and `following`, each `.` at its end."""

    rdtype = DnsRecordType.TALINK

    previous: DomainName = DomainName("The name before")
    following: DomainName = DomainName("The name after")
