"""CDNSKEY: the key that a zone wants the zone above to know (RFC 7344 section 3.2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.public_key import PublicKey


class CDNSKEY(PublicKey):
    """What the DS record above the zone should be made of; see `PublicKey`."""

    rdtype = DnsRecordType.CDNSKEY
