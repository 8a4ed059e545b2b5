"""ATMA: an address in an ATM network (ATM Forum af-saa-0069.000, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex
from netkit.dns.records.fields import U8, KeepAsOctets
from netkit.dns.text import shown

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader
    from netkit.dns.name import Name
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader

_AESA, _E164 = 0, 1


class ATMA(DnsRecord):
    """The ATM address of a host: `address`, by `format` 0 octets of an end system address, 1 ASCII digits.

    Text has hexadecimal digits for the first and `+` with decimal ones for the second, dots between them.
    """

    rdtype = DnsRecordType.ATMA

    format: U8 = U8("0: an ATM end system address, 1: digits by E.164")
    address: Hex = Hex("The address, at least one octet", 1)

    def _check(self) -> None:
        if self.format == _E164 and not self.address.isdigit():
            raise DnsError.InvalidValue("address", self.address, "must be decimal digits")

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        made = super().from_wire(name, ttl, rdclass, reader)
        if made.format > _E164:
            raise KeepAsOctets
        return made

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        token = reader.word("address")
        digits = token.text.replace(".", "")
        if digits.startswith("+"):
            return cls(name, ttl, _E164, digits[1:].encode("ascii", "replace"), rdclass=rdclass)
        try:
            return cls(name, ttl, _AESA, bytes.fromhex(digits), rdclass=rdclass)
        except ValueError:
            raise token.place.error(f"address: {shown(token.text)} is not an ATM address") from None

    def styled_text(self, style: Style) -> str:
        return super().styled_text(style) if style.generic else self.rdata_text()

    def rdata_text(self) -> str:
        return "+" + self.address.decode("ascii") if self.format == _E164 else self.address.hex()
