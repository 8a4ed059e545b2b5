"""NS: a server of the zone (RFC 1035 section 3.3.11)."""

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


class NS(DnsRecord):
    """A name server of the zone that begins at `name`: the host `nameserver`."""

    __slots__ = ("nameserver",)
    __match_args__ = ("name", "ttl", "nameserver", "rdclass")
    rdtype = DnsRecordType.NS

    nameserver: Name

    def __init__(
        self, name: Name | str, ttl: int, nameserver: Name | str, rdclass: int = DnsClass.IN
    ) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "nameserver", Name.of(nameserver))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        return cls(name, ttl, reader.name("nameserver"), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.name(self.nameserver)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.name("nameserver"), rdclass)

    def rdata_text(self) -> str:
        return str(self.nameserver)
