"""AFSDB: a server of the AFS or DCE file system (RFC 1183 section 1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U16, DomainName


class AFSDB(DnsRecord):
    """A server of a cell: `host`, by `subtype` 1 for an AFS volume location server, 2 for a DCE one."""

    rdtype = DnsRecordType.AFSDB

    subtype: U16 = U16("1 for AFS, 2 for DCE")
    host: DomainName = DomainName("The server", decompressed=True, lowered=True)
