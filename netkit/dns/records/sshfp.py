"""SSHFP: the fingerprint of the key of an SSH server (RFC 4255 section 3.1)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex
from netkit.dns.records.fields import U8


class SSHFP(DnsRecord):
    """The fingerprint of a host's key: `algorithm` of the key (1 RSA, 2 DSA, 3 ECDSA, 4 Ed25519, 6 Ed448),
    `fingerprint_type` (1 SHA-1, 2 SHA-256), `fingerprint`.
    """

    rdtype = DnsRecordType.SSHFP

    algorithm: U8 = U8("1 RSA, 2 DSA, 3 ECDSA, 4 Ed25519, 6 Ed448")
    fingerprint_type: U8 = U8("1 is SHA-1, 2 is SHA-256")
    fingerprint: Hex = Hex("The fingerprint", 1)
