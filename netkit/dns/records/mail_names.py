"""The obsolete types of RFC 1035 section 3.3 that are one name: MB MD MF MG MR."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class MB(DnsRecord):
    """A mailbox: `host` has it (RFC 1035 section 3.3.3)."""

    rdtype = DnsRecordType.MB

    host: DomainName = DomainName("The host that has the mailbox", compressed=True, lowered=True)


class MD(DnsRecord):
    """A host that delivers mail for the domain; MX took its place (RFC 1035 section 3.3.4)."""

    rdtype = DnsRecordType.MD

    host: DomainName = DomainName("The host that delivers mail", compressed=True, lowered=True)


class MF(DnsRecord):
    """A host that forwards mail for the domain; MX took its place (RFC 1035 section 3.3.5)."""

    rdtype = DnsRecordType.MF

    host: DomainName = DomainName("The host that forwards mail", compressed=True, lowered=True)


class MG(DnsRecord):
    """A member of the mail group `name`: the mailbox `member` (RFC 1035 section 3.3.6)."""

    rdtype = DnsRecordType.MG

    member: DomainName = DomainName("A mailbox of the group", compressed=True, lowered=True)


class MR(DnsRecord):
    """A mailbox that has a new name: `renamed` (RFC 1035 section 3.3.8)."""

    rdtype = DnsRecordType.MR

    renamed: DomainName = DomainName("The new name of the mailbox", compressed=True, lowered=True)
