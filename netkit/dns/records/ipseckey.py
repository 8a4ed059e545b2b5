"""IPSECKEY: the key of an IPsec gateway (RFC 4025 section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.binary import Base64
from netkit.dns.records.fields import U8
from netkit.dns.records.gateways import Gateway, kind_of
from netkit.dns.style import PLAIN, shaped_text

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.name import Name
    from netkit.dns.text import TextReader

_GATEWAY = Gateway()
_GATEWAY.bind("gateway")


class IPSECKEY(DnsRecord):
    """A `key` for `algorithm` (1 DSA, 2 RSA, 3 ECDSA) of the `gateway`, lowest `precedence` first.

    The gateway is an address, a name, or None, which is the host itself.
    """

    rdtype = DnsRecordType.IPSECKEY
    SHAPE = "( precedence gateway_type algorithm gateway / key )"

    precedence: U8 = U8("The lowest is tried first")
    algorithm: U8 = U8("0: no key, 1: DSA, 2: RSA, 3: ECDSA")
    gateway: Gateway = Gateway("An address or a name; null for the host itself")
    key: Base64 = Base64("The key")

    @property
    def gateway_type(self) -> int:
        """What the gateway is: 0 none, 1 an IPv4 address, 2 an IPv6 address, 3 a name."""
        return kind_of(self.gateway)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        precedence, kind, algorithm = reader.u8("precedence"), reader.u8("gateway"), reader.u8("algorithm")
        values = (precedence, algorithm, _GATEWAY.read_as(kind, reader), reader.rest())
        return cls._made(name, ttl, rdclass, values)

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(bytes((self.precedence, self.gateway_type, self.algorithm)))
        _GATEWAY.write(self.gateway, writer)
        writer.write(self.key)

    canonical_wire = DnsRecord.rdata_wire

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        precedence, kind, algorithm = reader.u8("precedence"), reader.u8("gateway"), reader.u8("algorithm")
        values = (precedence, algorithm, _GATEWAY.parse_as(kind, reader), cls.FIELDS[3].parse(reader))
        return cls._made(name, ttl, rdclass, values)

    def rdata_text(self) -> str:
        return shaped_text(self, PLAIN)
