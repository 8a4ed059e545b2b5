"""LP: the name whose locators are those of this one (RFC 6742 section 2.4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class LP(DnsRecord):
    """A pointer to L32 and L64 records: those of `target`, tried in order of `preference`, lowest first."""

    rdtype = DnsRecordType.LP

    preference: U16 = U16("The lowest is tried first")
    target: DomainName = DomainName("The name that has the locators")
