"""SMIMEA: the certificate of who writes mail (RFC 8162 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.association_data import AssociationData


class SMIMEA(AssociationData):
    """The certificate of the mailbox that `name` stands for; see `AssociationData`."""

    rdtype = DnsRecordType.SMIMEA
