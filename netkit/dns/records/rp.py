"""RP: who is responsible for a name (RFC 1183 section 2.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class RP(DnsRecord):
    """The person responsible for `name`: the mailbox `mailbox` (the first label before the @), and the TXT
    records at `text`. Either is `.` if there is none.
    """

    rdtype = DnsRecordType.RP

    mailbox: DomainName = DomainName("The mailbox of who is responsible", decompressed=True, lowered=True)
    text: DomainName = DomainName("The name whose TXT records say more", decompressed=True, lowered=True)
