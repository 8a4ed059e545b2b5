"""NSEC3: the next hashed name of a zone, and the types of this one (RFC 5155 section 3)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import SizedBase32Hex, SizedHex
from netkit.dns.records.codes import TypeBitmap
from netkit.dns.records.fields import U8, U16


class NSEC3(DnsRecord):
    """No name hashes to a value between that of `name` and `next`; `name` has records of `types` and no
    others.

    `flags` 1 is Opt-Out. `algorithm` (1 is SHA-1), `iterations` and `salt` say how names are hashed. `next`
    is the hash itself, in octets.
    """

    rdtype = DnsRecordType.NSEC3
    SHAPE = "algorithm flags iterations salt ( / next / types )"

    algorithm: U8 = U8("The hash: 1 is SHA-1")
    flags: U8 = U8("1 is Opt-Out")
    iterations: U16 = U16("How often names are hashed again")
    salt: SizedHex = SizedHex("The salt")
    next: SizedBase32Hex = SizedBase32Hex("The next hash")
    types: TypeBitmap = TypeBitmap("The types that the name has")
