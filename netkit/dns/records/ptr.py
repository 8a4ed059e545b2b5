"""PTR: a pointer to another name (RFC 1035 section 3.3.12)."""

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


class PTR(DnsRecord):
    """A pointer from `name`, as a rule the reverse name of an address, to `domain`."""

    __slots__ = ("domain",)
    __match_args__ = ("name", "ttl", "domain", "rdclass")
    rdtype = DnsRecordType.PTR

    domain: Name

    def __init__(self, name: Name | str, ttl: int, domain: Name | str, rdclass: int = DnsClass.IN) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "domain", Name.of(domain))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        return cls(name, ttl, reader.name("domain"), rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.name(self.domain)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        return cls(name, ttl, reader.name("domain"), rdclass)

    def rdata_text(self) -> str:
        return str(self.domain)
