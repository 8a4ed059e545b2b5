"""ZONEMD: the digest of a whole zone (RFC 8976 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex
from netkit.dns.records.fields import U8, U32

#: The size of a digest in octets, by its algorithm (RFC 8976 section 2.2.3).
SIZES = {1: 48, 2: 64}


class ZONEMD(DnsRecord):
    """The digest of the zone with the version `serial`: by `scheme` (1 SIMPLE) and `hash_algorithm` (1
    SHA-384, 2 SHA-512), at least 12 octets (RFC 8976 section 2.2.4).
    """

    rdtype = DnsRecordType.ZONEMD

    serial: U32 = U32("The version of the zone")
    scheme: U8 = U8("1 is SIMPLE")
    hash_algorithm: U8 = U8("1 is SHA-384, 2 is SHA-512")
    digest: Hex = Hex("The digest of the zone", 12, crypto=True)

    def _check(self) -> None:
        size = SIZES.get(self.hash_algorithm)
        if self.scheme == 1 and size is not None and len(self.digest) != size:
            raise DnsError.InvalidValue("digest", self.digest, f"must be {size} octets", limit=size)
