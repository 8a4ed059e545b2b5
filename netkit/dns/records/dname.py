"""DNAME: another name for a whole tree (RFC 6672 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import DomainName


class DNAME(DnsRecord):
    """All names below `name` are aliases of the same names below `target`."""

    rdtype = DnsRecordType.DNAME

    target: DomainName = DomainName("Where the tree is", lowered=True)
