"""TLSA: the certificate of a TLS server (RFC 6698 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.association_data import AssociationData


class TLSA(AssociationData):
    """The certificate that a TLS server at `name` has; see `AssociationData`."""

    rdtype = DnsRecordType.TLSA
