"""MX: where mail for a domain goes (RFC 1035 section 3.3.9)."""

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


class MX(DnsRecord):
    """A host that takes mail for `name`: `exchange`, tried in order of `priority` (0 to 65535), lowest first.

    RFC 1035 calls `priority` the preference. An exchange of `.` says that there is no mail (RFC 7505).
    """

    __slots__ = ("exchange", "priority")
    __match_args__ = ("name", "ttl", "priority", "exchange", "rdclass")
    rdtype = DnsRecordType.MX

    priority: int
    exchange: Name

    def __init__(
        self, name: Name | str, ttl: int, priority: int, exchange: Name | str, rdclass: int = DnsClass.IN
    ) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "priority", checked_int("priority", priority, 0xFFFF))
        assign(self, "exchange", Name.of(exchange))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        return cls(name, ttl, reader.u16("priority"), reader.name("exchange"), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.u16(self.priority)
        writer.name(self.exchange)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.u16("priority"), reader.name("exchange"), rdclass)

    def rdata_text(self) -> str:
        return f"{self.priority} {self.exchange}"
