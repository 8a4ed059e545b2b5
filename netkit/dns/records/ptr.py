"""PTR: a pointer to another name (RFC 1035 section 3.3.12)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class PTR(DnsRecord):
    """A pointer from `name`, as a rule the reverse name of an address, to `domain`."""

    rdtype = DnsRecordType.PTR

    domain: DomainName = DomainName("The name of the address", compressed=True, lowered=True)
