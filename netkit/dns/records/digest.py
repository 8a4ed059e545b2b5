"""What DS and the types of its form are made of: the digest of a key (RFC 4034 section 5.1)."""

from __future__ import annotations

from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex
from netkit.dns.records.codes import Algorithm
from netkit.dns.records.fields import U8, U16

#: The size of a digest in octets, by its type (RFC 4034, RFC 4509, RFC 5933, RFC 6605).
SIZES = {1: 20, 2: 32, 3: 32, 4: 48}


class Digest(DnsRecord):
    """The digest of a DNSKEY record: its `key_tag` and `algorithm`, and the `digest` by `digest_type`.

    Types 1, 2 and 4 are SHA-1, SHA-256 and SHA-384 (RFC 4034, RFC 4509, RFC 6605): the digest has their size.
    """

    key_tag: U16 = U16("The tag of the key")
    algorithm: Algorithm = Algorithm()
    digest_type: U8 = U8("1 is SHA-1, 2 is SHA-256, 4 is SHA-384")
    digest: Hex = Hex("The digest of the key", 1, crypto=True)

    def _check(self) -> None:
        size = SIZES.get(self.digest_type)
        if size is not None and len(self.digest) != size and any((self.key_tag, self.algorithm)):
            raise DnsError.InvalidValue("digest", self.digest, f"must be {size} octets", limit=size)
