"""What TLSA and SMIMEA are made of: a certificate, or its digest (RFC 6698 section 2.1)."""

from __future__ import annotations

from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex
from netkit.dns.records.fields import U8

#: The mnemonics of RFC 7218 section 2, which text may have.
USAGES = {"PKIX-TA": 0, "PKIX-EE": 1, "DANE-TA": 2, "DANE-EE": 3, "PRIVCERT": 255}
SELECTORS = {"CERT": 0, "SPKI": 1, "PRIVSEL": 255}
MATCHING = {"FULL": 0, "SHA2-256": 1, "SHA2-512": 2, "PRIVMATCH": 255}


class AssociationData(DnsRecord):
    """A certificate or key that is expected: by `usage` (0 to 3: an authority's or the server's own),
    `selector` (0 the whole certificate, 1 its key) and `matching_type` (0 all of it, 1 SHA-256, 2
    SHA-512).
    """

    usage: U8 = U8("0 and 2: an authority, 1 and 3: the end entity", USAGES)
    selector: U8 = U8("0: the certificate, 1: its public key", SELECTORS)
    matching_type: U8 = U8("0: all of it, 1: SHA-256, 2: SHA-512", MATCHING)
    data: Hex = Hex("The certificate, the key or the digest")
