"""CDS: the DS record that a zone wants above it (RFC 7344 section 3.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.digest import Digest


class CDS(Digest):
    """What a zone wants as its DS record, by its digest; see `Digest`. `0 0 0 00` wants none (RFC 8078
    section 4).
    """

    rdtype = DnsRecordType.CDS
