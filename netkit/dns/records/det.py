"""HHIT and BRID: what identifies an unmanned aircraft (RFC 9886)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64


class HHIT(DnsRecord):
    """A hierarchical host identity tag and its certificate: `data`, in CBOR (RFC 9886 section 5.1)."""

    rdtype = DnsRecordType.HHIT

    data: Base64 = Base64("CBOR")


class BRID(DnsRecord):
    """What an aircraft broadcasts of itself: `data`, in CBOR (RFC 9886 section 5.2)."""

    rdtype = DnsRecordType.BRID

    data: Base64 = Base64("CBOR")
