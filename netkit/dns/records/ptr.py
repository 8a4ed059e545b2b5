"""PTR: a pointer to another name (RFC 1035 section 3.3.12)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class PTR(DnsRecord):
    """A pointer to `domain`; under in-addr.arpa and ip6.arpa, the name of the host with that address."""

    rdtype = DnsRecordType.PTR

    domain: DomainName = DomainName("The name of the address", compressed=True, lowered=True)
