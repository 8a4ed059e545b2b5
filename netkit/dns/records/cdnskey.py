"""CDNSKEY: the key that a zone wants the zone above to know (RFC 7344 section 3.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.public_key import ZoneKey


class CDNSKEY(ZoneKey):
    """What the DS record above the zone should be made of; see `ZoneKey`."""

    rdtype = DnsRecordType.CDNSKEY
