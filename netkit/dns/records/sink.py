"""SINK: data of any kind (draft-eastlake-kitchen-sink-02)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64
from netkit.dns.records.fields import U8


class SINK(DnsRecord):
    """Data with numbers that say what it is: `meaning`, `coding` and `subcoding`."""

    rdtype = DnsRecordType.SINK

    meaning: U8 = U8()
    coding: U8 = U8()
    subcoding: U8 = U8()
    data: Base64 = Base64()
