"""NS: a server of the zone (RFC 1035 section 3.3.11)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class NS(DnsRecord):
    """A name server of the zone that begins at `name`: the host `nameserver`."""

    rdtype = DnsRecordType.NS

    nameserver: DomainName = DomainName("A server of the zone", compressed=True, lowered=True)
