"""NSEC3PARAM: how the names of a zone are hashed (RFC 5155 section 4)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import SizedHex
from netkit.dns.records.fields import U8, U16


class NSEC3PARAM(DnsRecord):
    """The parameters of a zone's NSEC3 records: `algorithm`, `flags`, `iterations` and `salt`."""

    rdtype = DnsRecordType.NSEC3PARAM

    algorithm: U8 = U8("The hash: 1 is SHA-1")
    flags: U8 = U8("0")
    iterations: U16 = U16("How often names are hashed again")
    salt: SizedHex = SizedHex("The salt")
