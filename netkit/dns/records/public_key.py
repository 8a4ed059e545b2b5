"""What DNSKEY and the types of its form are made of: a public key (RFC 4034 section 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import WireReader
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64
from netkit.dns.records.codes import Algorithm, algorithm_text
from netkit.dns.records.fields import U8, U16

if TYPE_CHECKING:
    from netkit.dns.style import Style

_RSAMD5 = 1
_PRIVATEDNS = 253
#: RFC 2535 section 3.1.2: both bits say that there is no key.
NO_KEY = 0xC000


class PublicKey(DnsRecord):
    """A public key: `key`, for `algorithm`. `protocol` is 3 for DNSSEC.

    `flags` of a DNSKEY: 256 a zone's key, 1 a secure entry point, 128 revoked (RFC 4034 section 2.1.1, RFC
    5011 section 3).
    """

    flags: U16 = U16("256: a zone's key, 1: a secure entry point, 128: revoked")
    protocol: U8 = U8("3 is DNSSEC")
    algorithm: Algorithm = Algorithm()
    key: Base64 = Base64("The key, in the form of its algorithm", crypto=True)

    @property
    def key_tag(self) -> int:
        """The number by which DS and RRSIG records name the key (RFC 4034 appendix B)."""
        if self.algorithm == _RSAMD5:
            return int.from_bytes(self.key[-3:-1], "big")  # appendix B.1
        wire = self.rdata_wire()
        total = sum(wire[::2]) * 256 + sum(wire[1::2])
        return total + (total >> 16 & 0xFFFF) & 0xFFFF

    @property
    def omitted(self) -> str:
        return "" if self.flags & NO_KEY == NO_KEY else f"[key id = {self.key_tag}]"

    @property
    def remark(self) -> str:
        """What a reader wants to know of the key, as a comment."""
        return f"; alg = {self._algorithm_text} ; key id = {self.key_tag}"

    @property
    def _algorithm_text(self) -> str:
        if self.algorithm == _PRIVATEDNS:
            # RFC 4034 appendix A.1.1: the key begins with the name of the algorithm.
            try:
                return WireReader(self.key).whole_name("algorithm").to_text(omit_final_dot=True)
            except DnsError.InvalidResponse:
                pass
        return algorithm_text(self.algorithm)

    def styled_text(self, style: Style) -> str:
        text = super().styled_text(style)
        if style.generic or not style.has_comments or self.flags & NO_KEY == NO_KEY:
            return text
        return f"{text.removesuffix(' )')}{style.break_}{')' * style.multiline}{self.remark}"


class ZoneKey(PublicKey):
    """A key of DNSSEC (RFC 4034 section 2): `flags` say whether it signs the zone or the zone's keys."""

    @property
    def remark(self) -> str:
        revoked = "revoked " * bool(self.flags & _REVOKED)
        return f" ; {f'{revoked}KSK' if self.flags & _ENTRY_POINT else 'ZSK'}{super().remark}"


_ENTRY_POINT = 0x0001
_REVOKED = 0x0080
