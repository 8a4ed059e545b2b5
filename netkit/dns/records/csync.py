"""CSYNC: what the zone above may copy from this one (RFC 7477 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.codes import TypeBitmap
from netkit.dns.records.fields import U16, U32


class CSYNC(DnsRecord):
    """The parent may copy the records of `types`, if the zone has at least the `serial` (`flags` 2) and
    without asking (`flags` 1).
    """

    rdtype = DnsRecordType.CSYNC

    serial: U32 = U32("The version of the zone")
    flags: U16 = U16("1: at once, 2: from this serial on")
    types: TypeBitmap = TypeBitmap("The types to copy")
