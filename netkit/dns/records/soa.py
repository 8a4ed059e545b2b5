"""SOA: the start of a zone of authority (RFC 1035 section 3.3.13)."""

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

_NUMBERS = ("serial", "refresh", "retry", "expire", "minimum")


class SOA(DnsRecord):
    """The start of a zone: its primary server, its version, and the times for its copies.

    `mname` is the primary server, `rname` the mailbox of who runs it (the first label before the @).
    `serial` is the version of the zone; `refresh`, `retry` and `expire` say in seconds when a secondary
    asks again, asks again after a failure, and gives up; `minimum` is how long, in seconds, "there is no
    such thing" may be remembered (RFC 2308 section 4). All five are numbers of 32 bits.
    """

    __slots__ = ("expire", "minimum", "mname", "refresh", "retry", "rname", "serial")
    __match_args__ = (
        "name",
        "ttl",
        "mname",
        "rname",
        "serial",
        "refresh",
        "retry",
        "expire",
        "minimum",
        "rdclass",
    )
    rdtype = DnsRecordType.SOA

    mname: Name
    rname: Name
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int

    def __init__(
        self,
        name: Name | str,
        ttl: int,
        mname: Name | str,
        rname: Name | str,
        serial: int,
        refresh: int,
        retry: int,
        expire: int,
        minimum: int,
        rdclass: int = DnsClass.IN,
    ) -> None:
        super().__init__(name, ttl, rdclass)
        assign(self, "mname", Name.of(mname))
        assign(self, "rname", Name.of(rname))
        for field, value in zip(_NUMBERS, (serial, refresh, retry, expire, minimum), strict=True):
            assign(self, field, checked_int(field, value, 0xFFFFFFFF))

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        mname, rname = reader.name("mname"), reader.name("rname")
        serial, refresh, retry, expire, minimum = [reader.u32(field) for field in _NUMBERS]
        return cls(name, ttl, mname, rname, serial, refresh, retry, expire, minimum, rdclass)

    def to_wire(self, writer: WireWriter) -> None:
        writer.name(self.mname)
        writer.name(self.rname)
        for field in _NUMBERS:
            writer.u32(getattr(self, field))

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        mname, rname, serial = reader.name("mname"), reader.name("rname"), reader.u32("serial")
        refresh, retry, expire, minimum = [reader.seconds(field) for field in _NUMBERS[1:]]
        return cls(name, ttl, mname, rname, serial, refresh, retry, expire, minimum, rdclass)

    def rdata_text(self) -> str:
        numbers = " ".join([str(getattr(self, field)) for field in _NUMBERS])
        return f"{self.mname} {self.rname} {numbers}"
