"""AMTRELAY: a relay for multicast over networks without it (RFC 8777 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U8
from netkit.dns.records.gateways import Gateway, kind_of
from netkit.dns.style import PLAIN, shaped_text
from netkit.dns.value import checked_int

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.name import Name
    from netkit.dns.text import TextReader

_RELAY = Gateway()
_RELAY.bind("relay")
_DISCOVERY = 0x80


class AMTRELAY(DnsRecord):
    """A relay that gateways may ask: `relay`, an address, a name, or None; lowest `precedence` first.

    `discovery_optional` is 1 if a gateway may skip the discovery messages, otherwise 0.
    """

    rdtype = DnsRecordType.AMTRELAY
    SHAPE = "precedence discovery_optional relay_type relay"

    precedence: U8 = U8("The lowest is tried first")
    discovery_optional: U8 = U8("1: discovery may be skipped")
    relay: Gateway = Gateway("An address or a name; null for none")

    def _check(self) -> None:
        checked_int("discovery_optional", self.discovery_optional, 1)

    @property
    def relay_type(self) -> int:
        """What the relay is: 0 none, 1 an IPv4 address, 2 an IPv6 address, 3 a name."""
        return kind_of(self.relay)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        precedence, kind = reader.u8("precedence"), reader.u8("relay")
        relay = _RELAY.read_as(kind & ~_DISCOVERY, reader)
        return cls._made(name, ttl, rdclass, (precedence, kind // _DISCOVERY, relay))

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(bytes((self.precedence, self.discovery_optional * _DISCOVERY | self.relay_type)))
        _RELAY.write(self.relay, writer)

    canonical_wire = DnsRecord.rdata_wire

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        precedence, optional = reader.u8("precedence"), reader.u8("discovery_optional")
        relay = _RELAY.parse_as(reader.u8("relay"), reader)
        made = cls._made(name, ttl, rdclass, (precedence, optional, relay))
        made._check()
        return made

    def rdata_text(self) -> str:
        return shaped_text(self, PLAIN)
