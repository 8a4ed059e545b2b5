"""DNSKEY: a key of a zone (RFC 4034 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.public_key import ZoneKey


class DNSKEY(ZoneKey):
    """A key that the zone's signatures are verified with; see `ZoneKey`."""

    rdtype = DnsRecordType.DNSKEY
