"""A: a host's IPv4 address (RFC 1035 section 3.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.addr import Ipv4Addr
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.value import assign

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from typing import Self

    from netkit.dns.name import Name
    from netkit.dns.text import TextReader
    from netkit.dns.wire import WireReader, WireWriter


class A(DnsRecord):
    """A host's IPv4 address; `address` is an `Ipv4Addr`, made from text or an `ipaddress` object too."""

    __slots__ = ("address",)
    __match_args__ = ("name", "ttl", "address", "rdclass")
    rdtype = DnsRecordType.A

    address: Ipv4Addr

    def __init__(
        self, name: Name | str, ttl: int, address: IPv4Address | str, rdclass: int = DnsClass.IN
    ) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "address", address if isinstance(address, Ipv4Addr) else Ipv4Addr(address))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        return cls(name, ttl, Ipv4Addr(reader.take(4, "address")), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.address.packed)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.ipv4("address"), rdclass)

    def rdata_text(self) -> str:
        return str(self.address)
