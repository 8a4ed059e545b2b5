"""SRV: where a service is (RFC 2782)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.dns.value import assign, checked_int

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.text import TextReader
    from netkit.dns.wire import WireReader, WireWriter


class SRV(DnsRecord):
    """A host and port that offer a service: `target` and `port`.

    Tried in order of `priority`, lowest first, and among equals at random in proportion to `weight`; all
    three numbers are 0 to 65535. A target of `.` says that the service is not offered.
    """

    __slots__ = ("port", "priority", "target", "weight")
    __match_args__ = ("name", "ttl", "priority", "weight", "port", "target", "rdclass")
    rdtype = DnsRecordType.SRV

    priority: int
    weight: int
    port: int
    target: Name

    def __init__(
        self,
        name: Name | str,
        ttl: int,
        priority: int,
        weight: int,
        port: int,
        target: Name | str,
        rdclass: int = DnsClass.IN,
    ) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "priority", checked_int("priority", priority, 0xFFFF))
        assign(self, "weight", checked_int("weight", weight, 0xFFFF))
        assign(self, "port", checked_int("port", port, 0xFFFF))
        assign(self, "target", Name.of(target))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        priority, weight, port = reader.u16("priority"), reader.u16("weight"), reader.u16("port")
        # RFC 3597 section 4: never compressed when sent, but understood, as RFC 2052 had it compressed.
        return cls(name, ttl, priority, weight, port, reader.name("target"), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.u16(self.priority)
        writer.u16(self.weight)
        writer.u16(self.port)
        writer.name(self.target, compress=False)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        priority, weight, port = reader.u16("priority"), reader.u16("weight"), reader.u16("port")
        return cls(name, ttl, priority, weight, port, reader.name("target"), rdclass)

    def rdata_text(self) -> str:
        return f"{self.priority} {self.weight} {self.port} {self.target}"
