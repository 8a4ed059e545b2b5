"""CNAME: the name this one is an alias of (RFC 1035 section 3.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.dns.value import assign

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.text import TextReader
    from netkit.dns.wire import WireReader, WireWriter


class CNAME(DnsRecord):
    """An alias: the records for `name` are at `canonical`."""

    __slots__ = ("canonical",)
    __match_args__ = ("name", "ttl", "canonical", "rdclass")
    rdtype = DnsRecordType.CNAME

    canonical: Name

    def __init__(self, name: Name | str, ttl: int, canonical: Name | str, rdclass: int = DnsClass.IN) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "canonical", Name.of(canonical))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        return cls(name, ttl, reader.name("canonical"), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.name(self.canonical)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.name("canonical"), rdclass)

    def rdata_text(self) -> str:
        return str(self.canonical)
