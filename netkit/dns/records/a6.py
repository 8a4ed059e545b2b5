"""A6: a host's IPv6 address in parts (RFC 2874 section 3; RFC 6563 made it historic)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.addr import Ipv6Addr
from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord
from netkit.dns.records.fields import U8, Ipv6, KeepAsOctets, OptionalName
from netkit.dns.style import PLAIN

if TYPE_CHECKING:
    from typing import Self

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.name import Name
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader

_BITS = 128


class A6(DnsRecord):
    """The last bits of an address: all of `suffix` but the first `prefix_length` bits, which are zero.

    The A6 records at `prefix` have the bits before. It is None for a `prefix_length` of 0.
    """

    rdtype = DnsRecordType.A6

    prefix_length: U8 = U8("How many bits others have, 0 to 128")
    suffix: Ipv6 = Ipv6("The bits after them")
    prefix: OptionalName = OptionalName("The name with the bits before; null if there are none", default=None)

    def _check(self) -> None:
        if self.prefix_length > _BITS:
            raise DnsError.InvalidValue("prefix_length", self.prefix_length, "more than 128", limit=_BITS)
        if int(self.suffix) >> _BITS - self.prefix_length:
            raise DnsError.InvalidValue("suffix", str(self.suffix), "has bits before those that are its own")
        if (self.prefix is None) != (self.prefix_length == 0):
            raise DnsError.InvalidValue("prefix", self.prefix, "needed for a prefix length that is not 0")

    @classmethod
    def from_wire(cls, name: Name, ttl: int, rdclass: DnsClass, reader: WireReader) -> Self:
        length, _, prefix = cls.FIELDS
        bits: int = length.read(reader)
        if bits > _BITS:
            reader.fail("prefix_length", f"{bits}, more than 128", reader.offset - 1, _BITS)
        octets = reader.take((_BITS - bits + 7) // 8, "suffix")
        if int.from_bytes(octets, "big") >> _BITS - bits:
            raise KeepAsOctets  # RFC 2874 section 3.1.1: these are ignored, and so have no place in text
        address = Ipv6Addr(octets.rjust(16, b"\0"))
        return cls._made(name, ttl, rdclass, (bits, address, prefix.read(reader) if bits else None))

    def to_wire(self, writer: WireWriter) -> None:
        self._write(writer, lowered=False)

    def canonical_wire(self) -> bytes:
        from netkit.dns.messages.wire import WireWriter

        writer = WireWriter(compress=False)
        self._write(writer, lowered=True)
        return bytes(writer.data)

    def _write(self, writer: WireWriter, *, lowered: bool) -> None:
        writer.u8(self.prefix_length)
        writer.write(self.suffix.packed[self.prefix_length // 8 :])
        if self.prefix is not None:
            wire = self.prefix.to_wire()
            writer.write(wire.lower() if lowered else wire)

    @classmethod
    def from_text(cls, name: Name, ttl: int, rdclass: DnsClass, reader: TextReader) -> Self:
        length, suffix, prefix = cls.FIELDS
        bits: int = length.parse(reader)
        values: tuple[Any, ...] = (
            bits,
            suffix.parse(reader) if bits < _BITS else Ipv6Addr(0),
            prefix.parse(reader) if bits else None,
        )
        made = cls._made(name, ttl, rdclass, values)
        made._check()
        return made

    def rdata_text(self) -> str:
        return self.styled_text(PLAIN)

    def styled_text(self, style: Style) -> str:
        if style.generic:
            return super().styled_text(style)
        words = [str(self.prefix_length)]
        if self.prefix_length < _BITS:
            words.append(style.ipv6(self.suffix))
        if self.prefix is not None:
            words.append(str(self.prefix))
        return " ".join(words)
