"""What DNSKEY and the types of its form are made of: a public key (RFC 4034 section 2.1)."""

from __future__ import annotations

from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64
from netkit.dns.records.codes import Algorithm
from netkit.dns.records.fields import U8, U16

_RSAMD5 = 1


class PublicKey(DnsRecord):
    """A public key: `key`, for `algorithm`. `protocol` is 3 for DNSSEC.

    `flags` of a DNSKEY: 256 a zone's key, 1 a secure entry point, 128 revoked (RFC 4034 section 2.1.1, RFC
    5011 section 3).
    """

    flags: U16 = U16("256: a zone's key, 1: a secure entry point, 128: revoked")
    protocol: U8 = U8("3 is DNSSEC")
    algorithm: Algorithm = Algorithm()
    key: Base64 = Base64("The key, in the form of its algorithm")

    @property
    def key_tag(self) -> int:
        """The number by which DS and RRSIG records name the key (RFC 4034 appendix B)."""
        if self.algorithm == _RSAMD5:
            return int.from_bytes(self.key[-3:-1], "big")  # appendix B.1
        wire = self.rdata_wire()
        total = sum(wire[::2]) * 256 + sum(wire[1::2])
        return total + (total >> 16 & 0xFFFF) & 0xFFFF
