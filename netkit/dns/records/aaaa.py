"""AAAA: a host's IPv6 address (RFC 3596 section 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.value import assign

if TYPE_CHECKING:
    from ipaddress import IPv6Address
    from typing import Self

    from netkit.dns.name import Name
    from netkit.dns.text import TextReader
    from netkit.dns.wire import WireReader, WireWriter


class AAAA(DnsRecord):
    """A host's IPv6 address; `address` is an `Ipv6Addr`, made from text or an `ipaddress` object too.

    A zone (`%eth0`) has no place in a record: DnsError.InvalidValue.
    """

    __slots__ = ("address",)
    __match_args__ = ("name", "ttl", "address", "rdclass")
    rdtype = DnsRecordType.AAAA

    address: Ipv6Addr

    def __init__(
        self, name: Name | str, ttl: int, address: IPv6Address | str, rdclass: int = DnsClass.IN
    ) -> None:
        super().__init__(name, ttl, rdclass)
        address = address if isinstance(address, Ipv6Addr) else Ipv6Addr(address)
        if address.scope_id is not None:
            raise DnsError.InvalidValue("address", str(address), "a record's address has no zone")
        assign(self, "address", address)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        return cls(name, ttl, Ipv6Addr(reader.take(16, "address")), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.write(self.address.packed)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.ipv6("address"), rdclass)

    def rdata_text(self) -> str:
        number = int(self.address)
        if 0x10000 <= number <= 0xFFFFFFFF:
            # dig still writes the IPv4-compatible addresses, which RFC 4291 section 2.5.5.1 deprecates, so.
            return f"::{Ipv4Addr(number)}"
        return str(self.address)
