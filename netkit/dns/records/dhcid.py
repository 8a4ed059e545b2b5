"""DHCID: whose a name is that DHCP manages (RFC 4701 section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64

if TYPE_CHECKING:
    from netkit.dns.style import Style


class DHCID(DnsRecord):
    """The digest that identifies the client a name was given to: `data`, opaque here."""

    rdtype = DnsRecordType.DHCID

    data: Base64 = Base64("Identifier type, digest type and digest")

    def styled_text(self, style: Style) -> str:
        text = super().styled_text(style)
        if style.generic or not style.multiline or len(self.data) < _HEAD:
            return text
        kind = int.from_bytes(self.data[:2], "big")
        return f"{text} ; {kind} {self.data[2]} {len(self.data) - _HEAD}"


# The octets of the identifier type and of the digest type (RFC 4701 section 3.1).
_HEAD = 3
