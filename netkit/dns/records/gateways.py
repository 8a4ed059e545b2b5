"""The field of a gateway or relay: nothing, an address or a name (RFC 4025 section 2.5, RFC 8777 section 4).

A number in the RDATA says which; here the value itself does. For a number above 3, which nothing defines,
the record stays as its octets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.name import Name
from netkit.dns.records.fields import Field, Ipv6, KeepAsOctets, ipv6_text

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import ClassVar, TypeAlias

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader

    Place: TypeAlias = Ipv4Addr | Ipv6Addr | Name | None

NOTHING, IPV4, IPV6, NAME = range(4)


class Gateway(Field["Place", "Place | IPv4Address | IPv6Address | str"]):
    """A gateway: None, an address or a name. A constructor takes text: `.` is None, what is an address is
    one, and any other is a name.

    `read_as` and `parse_as` take the number that says which, as it is in another place.
    """

    schema: ClassVar[Schema] = {"type": ["string", "null"]}

    def check(self, value: Place | IPv4Address | IPv6Address | str) -> Place:
        if value is None or isinstance(value, Ipv4Addr | Name):
            return value
        if value == ".":
            return None
        text = str(value)
        try:
            return Ipv4Addr(text)
        except AddrParseError:
            pass
        address = Ipv6()
        address.bind(self.name)
        try:
            return address.check(text)
        except AddrParseError:
            return Name.parse(text)

    def read_as(self, kind: int, reader: WireReader) -> Place:
        """The value in the RDATA, by its number."""
        if kind > NAME:
            raise KeepAsOctets
        if kind == NAME:
            return reader.whole_name(self.name)
        if kind == IPV4:
            return Ipv4Addr(reader.take(4, self.name))
        return Ipv6Addr(reader.take(16, self.name)) if kind == IPV6 else None

    def write(self, value: Place, writer: WireWriter) -> None:
        if isinstance(value, Name):
            writer.name(value, compress=False)
        elif value is not None:
            writer.write(value.packed)

    def parse_as(self, kind: int, reader: TextReader) -> Place:
        """The value in a master file, by its number."""
        if kind == NAME:
            return reader.name(self.name)
        if kind == IPV4:
            return reader.ipv4(self.name)
        if kind == IPV6:
            address = Ipv6()
            address.bind(self.name)
            return address.parse(reader)
        token = reader.word(self.name)
        if kind != NOTHING:
            raise token.place.error(f"{self.name}: type {kind} is not 0 to 3", hint="write \\# LENGTH HEX")
        if token.text != ".":
            raise token.place.error(f"{self.name}: must be . for the type 0")
        return None

    def text(self, value: Place) -> str:
        if value is None:
            return "."
        return ipv6_text(value) if isinstance(value, Ipv6Addr) else str(value)

    def styled(self, value: Place, style: Style) -> str:
        return style.ipv6(value) if isinstance(value, Ipv6Addr) else self.text(value)

    def json(self, value: Place) -> object:
        return None if value is None else self.text(value)


def kind_of(value: Place) -> int:
    """The number that says what a gateway is."""
    if isinstance(value, Name):
        return NAME
    if isinstance(value, Ipv4Addr):
        return IPV4
    return NOTHING if value is None else IPV6
