"""CERT: a certificate, or a list of revoked ones (RFC 4398 section 2)."""

from __future__ import annotations

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64
from netkit.dns.records.codes import Algorithm
from netkit.dns.records.fields import U16

#: The mnemonics of RFC 4398 section 2.1.
TYPES = {
    "PKIX": 1,
    "SPKI": 2,
    "PGP": 3,
    "IPKIX": 4,
    "ISPKI": 5,
    "IPGP": 6,
    "ACPKIX": 7,
    "IACPKIX": 8,
    "URI": 253,
    "OID": 254,
}


class CERT(DnsRecord):
    """A certificate: `certificate`, in the form `format` (1 is X.509; RFC 4398 section 2.1).

    `key_tag` and `algorithm` are those of its key as a DNSKEY record would have them, or 0.
    """

    rdtype = DnsRecordType.CERT

    format: U16 = U16("The form: 1 is X.509, 3 is OpenPGP", TYPES, named=True)
    key_tag: U16 = U16("The tag of its key")
    algorithm: Algorithm = Algorithm(named=True)
    certificate: Base64 = Base64("The certificate")
