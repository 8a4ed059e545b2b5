"""MINFO: who runs a mailing list (RFC 1035 section 3.3.7)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class MINFO(DnsRecord):
    """The mailboxes behind the mailing list `name`: `responsible`, and `errors` for its errors."""

    rdtype = DnsRecordType.MINFO

    responsible: DomainName = DomainName("The mailbox of who runs the list", compressed=True, lowered=True)
    errors: DomainName = DomainName("The mailbox for error messages", compressed=True, lowered=True)
