"""The kinds of fields that records have: each is declared once, and knows its octets, its text and its JSON.

    class MX(DnsRecord):
        priority: U16 = U16("The lowest is tried first")
        exchange: DomainName = DomainName("The host", compressed=True, lowered=True)

RFC 1035 sections 3.2.1, 3.3 and 5.1 (numbers, names, strings, their text), RFC 3597 section 4 (which names
may be compressed), RFC 4034 section 6.2 with RFC 6840 section 5.1 (which names the canonical form lowers).
The other kinds are in `strings`, `binary` (hexadecimal, base64) and `codes` (types, bitmaps, times).

A field is a declaration and not a place: when the class is made, its fields are taken out of it and slots
take their place, so that reading a record's attribute costs nothing. Only mypy sees the descriptors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.value import checked_int

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Address, IPv6Address

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.style import Style
    from netkit.dns.text import TextReader, Token

#: A JSON Schema.
Schema = dict[str, Any]

#: What a record holds, and what its constructor takes for it.
T = TypeVar("T")
G = TypeVar("G")


class KeepAsOctets(Exception):
    """Raised by a read where the RDATA may be right, but no text would give the same octets again.

    The record becomes a `DnsRecord.Unknown`: a form that a later RFC defines, or an unusual way to write what
    has a usual one.
    """


if TYPE_CHECKING:

    class _Subscripted(Generic[T, G]):
        """`Field[int, int]` for mypy."""

else:

    class _Subscripted:
        """The same at run time, when what is in the brackets says nothing; `Generic` takes its time."""

        def __class_getitem__(cls, item: object) -> type:
            return cls


class Field(_Subscripted[T, G]):
    """A field: `T` is its value in a record, `G` what a constructor takes for it.

    `about` is a phrase for the field's JSON Schema. Every method that reads raises the error of its reader.
    """

    #: The letter of this kind in `DnsRecord.LAYOUT`; None if only Python can read it.
    layout: str | None = None
    #: Whether what a native decoder reads is not yet the value, but what `from_raw` takes.
    is_raw: ClassVar[bool] = False
    #: The JSON Schema of the value.
    schema: ClassVar[Schema] = {}
    #: Whether text may break the value anywhere, so that it comes on lines of its own (`netkit.dns.style`).
    is_long: ClassVar[bool] = False
    #: Whether the value is a digest, a signature or a key of DNSSEC, which says nothing to a reader.
    is_crypto: bool = False
    #: Whether a constructor may leave the field out; `default` stands for it then.
    optional: bool = False
    default: T

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: object) -> T: ...
        def __set__(self, instance: object, value: G) -> None: ...

    name: str
    #: Get and set the value in a record: the slot that took the field's place.
    get: Callable[[object], T]
    put: Callable[[object, T], None]

    def __init__(self, about: str = "") -> None:
        self.about = about

    def bind(self, name: str) -> None:
        """Learn the attribute's name, which is the field's name in errors."""
        self.name = name

    def check(self, value: G) -> T:
        """What the record holds for a constructor's argument. Raises DnsError.InvalidValue."""
        raise NotImplementedError

    def read(self, reader: WireReader) -> T:
        """The value in the RDATA."""
        raise NotImplementedError

    def from_raw(self, value: Any) -> T:
        """The value for what a native decoder has read and checked."""
        raise NotImplementedError

    def write(self, value: T, writer: WireWriter) -> None:
        """Write the value into the RDATA."""
        raise NotImplementedError

    def write_canonical(self, value: T, writer: WireWriter) -> None:
        """Write the value as the canonical form has it."""
        self.write(value, writer)

    def parse(self, reader: TextReader) -> T:
        """The value in a master file."""
        raise NotImplementedError

    def text(self, value: T) -> str:
        """The value as dig prints it; nothing for a field that is not there."""
        return str(value)

    def styled(self, value: T, style: Style) -> str:  # noqa: ARG002 - for those that override
        """The value as `style` has it."""
        return self.text(value)

    @property
    def key(self) -> str:
        """The field's name in JSON."""
        return self.name

    def json(self, value: T) -> object:
        """The value in JSON."""
        return str(value)

    def invalid(self, value: object, reason: str, limit: int | None = None) -> DnsError.InvalidValue:
        """The error for a constructor's argument that does not do."""
        return DnsError.InvalidValue(self.name, value, reason, limit=limit)


# -- numbers


class _Number(Field[int, int]):
    """A number. `names` are the mnemonics, in capitals, that text may have for some; with `named`, text that
    is written has them too."""

    limit: ClassVar[int]
    octets: ClassVar[int]
    schema: ClassVar[Schema] = {"type": "integer", "minimum": 0}

    def __init__(self, about: str = "", names: dict[str, int] | None = None, *, named: bool = False) -> None:
        super().__init__(about)
        self.names = names
        self._shown = {value: name for name, value in (names or {}).items()} if named else {}

    def check(self, value: int) -> int:
        return checked_int(self.name, value, self.limit)

    def read(self, reader: WireReader) -> int:
        return int.from_bytes(reader.take(self.octets, self.name), "big")

    def write(self, value: int, writer: WireWriter) -> None:
        writer.write(value.to_bytes(self.octets, "big"))

    def parse(self, reader: TextReader) -> int:
        token = reader.word(self.name)
        if self.names is not None and token.text.upper() in self.names:
            return self.names[token.text.upper()]
        return number(token, self.name, self.limit)

    def text(self, value: int) -> str:
        return self._shown.get(value) or str(value)

    def json(self, value: int) -> object:
        return int(value)


class U8(_Number):
    """A number of 8 bits."""

    limit, octets, layout = 0xFF, 1, "B"

    def read(self, reader: WireReader) -> int:
        return reader.u8(self.name)


class U16(_Number):
    """A number of 16 bits."""

    limit, octets, layout = 0xFFFF, 2, "H"

    def read(self, reader: WireReader) -> int:
        return reader.u16(self.name)

    def write(self, value: int, writer: WireWriter) -> None:
        writer.u16(value)


class U32(_Number):
    """A number of 32 bits."""

    limit, octets, layout = 0xFFFFFFFF, 4, "I"

    def read(self, reader: WireReader) -> int:
        return reader.u32(self.name)

    def write(self, value: int, writer: WireWriter) -> None:
        writer.u32(value)


class Seconds(U32):
    """A time of 32 bits in seconds; text may have units: `1h30m`."""

    def parse(self, reader: TextReader) -> int:
        return reader.seconds(self.name)


class U48(_Number):
    """A number of 48 bits."""

    limit, octets, layout = 0xFFFFFFFFFFFF, 6, "L"


class U64(_Number):
    """A number of 64 bits."""

    limit, octets, layout = 0xFFFFFFFFFFFFFFFF, 8, "Q"


def number(token: Token, field: str, limit: int) -> int:
    """A number of any size in text. Raises ZoneFileError."""
    text = token.text
    is_number = text.isascii() and text.isdigit()
    if is_number and len(text) <= _MAX_DIGITS:
        value = int(text)
        if value <= limit:
            return value
    from netkit.dns.text import shown

    reason = f"is more than {limit}" if is_number else "is not a number"
    raise token.place.error(f"{field}: {shown(text)} {reason}")


# Of the largest number of 64 bits.
_MAX_DIGITS = 20


# -- addresses and names


class Ipv4(Field[Ipv4Addr, "IPv4Address | str"]):
    """An IPv4 address; a constructor takes text or an `ipaddress` object too."""

    layout, is_raw = "4", True
    schema: ClassVar[Schema] = {"type": "string", "format": "ipv4"}

    def check(self, value: IPv4Address | str) -> Ipv4Addr:
        return value if isinstance(value, Ipv4Addr) else Ipv4Addr(value)

    def read(self, reader: WireReader) -> Ipv4Addr:
        return Ipv4Addr(reader.take(4, self.name))

    def from_raw(self, value: bytes) -> Ipv4Addr:
        return Ipv4Addr(value)

    def write(self, value: Ipv4Addr, writer: WireWriter) -> None:
        writer.write(value.packed)

    def parse(self, reader: TextReader) -> Ipv4Addr:
        return reader.ipv4(self.name)


class Ipv6(Field[Ipv6Addr, "IPv6Address | str"]):
    """An IPv6 address without a zone; a constructor takes text or an `ipaddress` object too."""

    layout, is_raw = "6", True
    schema: ClassVar[Schema] = {"type": "string", "format": "ipv6"}

    def check(self, value: IPv6Address | str) -> Ipv6Addr:
        address = value if isinstance(value, Ipv6Addr) else Ipv6Addr(value)
        if address.scope_id is not None:
            raise self.invalid(str(address), "a record's address has no zone")
        return address

    def read(self, reader: WireReader) -> Ipv6Addr:
        return Ipv6Addr(reader.take(16, self.name))

    def from_raw(self, value: bytes) -> Ipv6Addr:
        return Ipv6Addr(value)

    def write(self, value: Ipv6Addr, writer: WireWriter) -> None:
        writer.write(value.packed)

    def parse(self, reader: TextReader) -> Ipv6Addr:
        address = reader.ipv6(self.name)
        if address.scope_id is not None:
            raise reader.place.error(f"{self.name}: a record's address has no zone")
        return address

    def text(self, value: Ipv6Addr) -> str:
        return ipv6_text(value)

    def styled(self, value: Ipv6Addr, style: Style) -> str:
        return style.ipv6(value, expandable=True)


def ipv6_text(address: Ipv6Addr) -> str:
    """An address as dig writes it: those that RFC 4291 section 2.5.5.1 deprecates with an IPv4 address."""
    value = int(address)
    return f"::{Ipv4Addr(value)}" if 0x10000 <= value <= 0xFFFFFFFF else str(address)


class DomainName(Field[Name, "Name | str"]):
    """A domain name; a constructor takes text too.

    `compressed` names are written with pointers, which only the types of RFC 1035 may have, and read with
    them. `decompressed` ones are only read with them. Any other is refused if it has one. `lowered` says that
    the canonical form has the name in lower case.
    """

    schema: ClassVar[Schema] = {"type": "string"}

    def __init__(
        self, about: str = "", *, compressed: bool = False, decompressed: bool = False, lowered: bool = False
    ) -> None:
        super().__init__(about)
        self.compressed = compressed
        self.decompressed = compressed or decompressed
        self.lowered = lowered
        self.layout = "n" if self.decompressed else "N"

    def check(self, value: Name | str) -> Name:
        return value if isinstance(value, Name) else Name.parse(value)

    def read(self, reader: WireReader) -> Name:
        return reader.name(self.name) if self.decompressed else reader.whole_name(self.name)

    def write(self, value: Name, writer: WireWriter) -> None:
        writer.name(value, self.compressed)

    def write_canonical(self, value: Name, writer: WireWriter) -> None:
        wire = value.to_wire()
        writer.write(wire.lower() if self.lowered else wire)

    def parse(self, reader: TextReader) -> Name:
        return reader.name(self.name)


class DomainNames(Field[tuple[Name, ...], "Iterable[Name | str]"]):
    """All that is left of the RDATA as domain names, none compressed. May be left out."""

    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "string"}}
    optional, default = True, ()

    def __init__(self, about: str = "", *, default: tuple[()] = ()) -> None:  # noqa: ARG002 - for mypy
        super().__init__(about)

    def check(self, value: Iterable[Name | str]) -> tuple[Name, ...]:
        return tuple([Name.of(each) for each in value])

    def read(self, reader: WireReader) -> tuple[Name, ...]:
        names = []
        while reader.remaining:
            names.append(reader.whole_name(self.name))
        return tuple(names)

    def write(self, value: tuple[Name, ...], writer: WireWriter) -> None:
        for name in value:
            writer.name(name, compress=False)

    def parse(self, reader: TextReader) -> tuple[Name, ...]:
        names = []
        while reader.more:
            names.append(reader.name(self.name))
        return tuple(names)

    def text(self, value: tuple[Name, ...]) -> str:
        return " ".join(map(str, value))

    def styled(self, value: tuple[Name, ...], style: Style) -> str:
        return style.break_.join(map(str, value))

    def json(self, value: tuple[Name, ...]) -> object:
        return list(map(str, value))


class OptionalName(Field["Name | None", "Name | str | None"]):
    """A domain name that may be left out: None. Never compressed; whether it is there, other fields say."""

    schema: ClassVar[Schema] = {"type": ["string", "null"]}
    optional, default = True, None

    def __init__(self, about: str = "", *, default: None = None) -> None:  # noqa: ARG002 - for mypy
        super().__init__(about)

    def check(self, value: Name | str | None) -> Name | None:
        return None if value is None else Name.of(value)

    def read(self, reader: WireReader) -> Name | None:
        return reader.whole_name(self.name)

    def write(self, value: Name | None, writer: WireWriter) -> None:
        if value is not None:
            writer.name(value, compress=False)

    def parse(self, reader: TextReader) -> Name | None:
        return reader.name(self.name)

    def json(self, value: Name | None) -> object:
        return None if value is None else str(value)
