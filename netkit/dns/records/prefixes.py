"""The field of APL: address prefixes (RFC 3123 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.records.fields import Field, KeepAsOctets
from netkit.dns.style import PLAIN
from netkit.dns.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader, Token

#: IANA's numbers of address families, and the size of an address in octets.
IPV4, IPV6 = 1, 2
_SIZES = {IPV4: 4, IPV6: 16}
_NEGATED = 0x80
# RFC 3123 sets no limit; this is how many the RDATA has room for.
MAX_PREFIXES = 0xFFFF // 4


class AddressPrefix(NamedTuple):
    """An address and the number of its bits that count; `negated` takes it out of the prefixes before it."""

    address: Ipv4Addr | Ipv6Addr
    length: int
    negated: bool = False

    def __str__(self) -> str:
        return self.styled(PLAIN)

    def styled(self, style: Style) -> str:
        """The prefix as `style` has it: `1:192.0.2.0/24`."""
        family, text = IPV4, str(self.address)
        if isinstance(self.address, Ipv6Addr):
            family, text = IPV6, style.ipv6(self.address)
        return f"{'!' if self.negated else ''}{family}:{text}/{self.length}"

    @classmethod
    def of(cls, text: str) -> AddressPrefix:
        """The prefix that text is: `1:192.0.2.0/24`, `!2:2001:db8::/32`. Raises ValueError."""
        family, _, rest = text.removeprefix("!").partition(":")
        address, slash, digits = rest.partition("/")
        kind = {str(IPV4): Ipv4Addr, str(IPV6): Ipv6Addr}.get(family)
        if kind is None or not slash or not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
            raise ValueError("not FAMILY:ADDRESS/LENGTH")
        made = kind(address)
        if (isinstance(made, Ipv6Addr) and made.scope_id is not None) or int(digits) > made.max_prefixlen:
            raise ValueError(f"not a prefix of at most {made.max_prefixlen} bits")
        return cls(made, int(digits), text.startswith("!"))


class Prefixes(Field[tuple[AddressPrefix, ...], "Iterable[AddressPrefix | str]"]):
    """All that is left of the RDATA as address prefixes; a constructor takes text for each."""

    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "string"}}

    def check(self, value: Iterable[AddressPrefix | str]) -> tuple[AddressPrefix, ...]:
        made = []
        for each in value:
            try:
                made.append(AddressPrefix.of(str(each)))
            except AddrParseError:
                raise
            except ValueError as error:
                raise self.invalid(each, str(error)) from None
        if len(made) > MAX_PREFIXES:
            raise self.invalid(len(made), "more than fit in a record", MAX_PREFIXES)
        return tuple(made)

    def read(self, reader: WireReader) -> tuple[AddressPrefix, ...]:
        prefixes = []
        while reader.remaining:
            start = reader.offset
            family, length, size = reader.u16(self.name), reader.u8(self.name), reader.u8(self.name)
            octets = reader.take(size & ~_NEGATED, self.name)
            most = _SIZES.get(family)
            if most is None:
                raise KeepAsOctets  # the form of its text is not known
            if length > 8 * most:
                reader.fail(self.name, f"a prefix of {length} bits", start + 2, 8 * most)
            if len(octets) > most:
                reader.fail(self.name, f"an address of {len(octets)} octets", start + 3, most)
            if octets and not octets[-1]:
                # RFC 3123 section 4: never with zero octets at the end.
                reader.fail(self.name, "an address with a zero octet at its end", reader.offset - 1)
            whole = octets.ljust(most, b"\0")
            address = Ipv4Addr(whole) if family == IPV4 else Ipv6Addr(whole)
            prefixes.append(AddressPrefix(address, length, bool(size & _NEGATED)))
        return tuple(prefixes)

    def write(self, value: tuple[AddressPrefix, ...], writer: WireWriter) -> None:
        for each in value:
            octets = each.address.packed.rstrip(b"\0")
            writer.u16(IPV4 if isinstance(each.address, Ipv4Addr) else IPV6)
            writer.u8(each.length)
            writer.u8(len(octets) | (_NEGATED if each.negated else 0))
            writer.write(octets)

    def parse(self, reader: TextReader) -> tuple[AddressPrefix, ...]:
        prefixes = []
        while reader.more:
            prefixes.append(self._prefix(reader.word(self.name)))
        return tuple(prefixes)

    def _prefix(self, token: Token) -> AddressPrefix:
        try:
            return AddressPrefix.of(token.text)
        except AddrParseError as error:
            reason = error.reason
        except ValueError as error:
            reason = str(error)
        raise token.place.error(
            f"{self.name}: {shown(token.text)}: {reason}", hint="write 1:192.0.2.0/24, or 2: for IPv6"
        )

    def text(self, value: tuple[AddressPrefix, ...]) -> str:
        return " ".join(map(str, value))

    def styled(self, value: tuple[AddressPrefix, ...], style: Style) -> str:
        return " ".join([each.styled(style) for each in value])

    def json(self, value: tuple[AddressPrefix, ...]) -> object:
        return list(map(str, value))
