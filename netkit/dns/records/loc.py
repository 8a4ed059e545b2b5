"""LOC: where something is on Earth (RFC 1876)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import KeepAsOctets
from netkit.dns.records.positions import Altitude, Angle, Size

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.name import Name

_ORDER = (3, 4, 5, 0, 1, 2)  # of the fields in the RDATA


class LOC(DnsRecord):
    """A place: `latitude` (north is positive) and `longitude` (east is) in thousandths of a second of arc,
    `altitude` in centimetres over the spheroid of WGS 84.

    `size` is the diameter of a sphere around it, `horizontal` and `vertical` how exact the place is, in
    centimetres; each is one digit and zeros. Their defaults are those of RFC 1876 section 3.
    """

    rdtype = DnsRecordType.LOC

    latitude: Angle = Angle(
        "In thousandths of a second of arc, north is positive", limit=90, positive="N", negative="S"
    )
    longitude: Angle = Angle(
        "In thousandths of a second of arc, east is positive", limit=180, positive="E", negative="W"
    )
    altitude: Altitude = Altitude("In centimetres")
    size: Size = Size("The diameter of a sphere around it, in centimetres", default=100)
    horizontal: Size = Size("The error of latitude and longitude, in centimetres", default=1_000_000)
    vertical: Size = Size("The error of the altitude, in centimetres", default=1000)

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        if reader.u8("version"):
            raise KeepAsOctets  # RFC 1876 section 2: no version but 0 is defined
        read = {index: cls.FIELDS[index].read(reader) for index in _ORDER}
        return cls._made(name, ttl, rdclass, [read[index] for index in range(len(_ORDER))])

    def to_wire(self, writer: WireWriter) -> None:
        writer.u8(0)
        for index in _ORDER:
            field = type(self).FIELDS[index]
            field.write(field.get(self), writer)

    canonical_wire = DnsRecord.rdata_wire
