"""RKEY: a key that encrypts records (draft-reid-dnsext-rkey-00)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.public_key import PublicKey


class RKEY(PublicKey):
    """A key that NAPTR records are encrypted for; see `PublicKey`."""

    rdtype = DnsRecordType.RKEY
