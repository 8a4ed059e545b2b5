"""IPN: the number of a node of the bundle protocol (draft-johnson-dns-ipn-cla)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U64


class IPN(DnsRecord):
    """The number of a node: `node`, of 64 bits."""

    rdtype = DnsRecordType.IPN

    node: U64 = U64("The node's number")
