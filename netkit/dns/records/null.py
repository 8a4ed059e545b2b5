"""NULL: anything (RFC 1035 section 3.3.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Hex

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.name import Name
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader


class NULL(DnsRecord):
    """At most 65535 octets of anything: `data`. Text has the generic form of RFC 3597 only."""

    rdtype = DnsRecordType.NULL

    data: Hex = Hex("Anything")

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        del name, ttl, rdclass
        following = reader.peek()
        raise (following.place if following else reader.place).error(
            "the data of NULL can be written in the generic form only",
            hint="write \\# LENGTH HEX (RFC 3597)",
        )

    def rdata_text(self) -> str:
        return self.generic_text()

    def styled_text(self, style: Style) -> str:
        return style.generic_text(self.rdata_wire())
