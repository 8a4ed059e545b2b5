"""The kinds of fields that records have: each is declared once, and knows its octets, its text and its JSON.

    class MX(DnsRecord):
        priority: U16 = U16("The lowest is tried first")
        exchange: DomainName = DomainName("The host", compressed=True, lowered=True)

RFC 1035 sections 3.2.1, 3.3 and 5.1 (numbers, names, strings, their text), RFC 3597 section 4 (which names
may be compressed), RFC 4034 section 6.2 with RFC 6840 section 5.1 (which names the canonical form lowers).
The kinds with a form of their own are in `binary` (hexadecimal, base64) and `codes` (types, bitmaps, times).

A field is a declaration and not a place: when the class is made, its fields are taken out of it and slots
take their place, so that reading a record's attribute costs nothing. Only mypy sees the descriptors.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from netkit.addr import Ipv4Addr, Ipv6Addr
from netkit.dns.errors import DnsError
from netkit.dns.name import Name
from netkit.dns.value import checked_int
from netkit.dns.wire import MAX_STRING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Address, IPv6Address

    from netkit.dns.text import TextReader, Token
    from netkit.dns.wire import WireReader, WireWriter

#: A JSON Schema.
Schema = dict[str, Any]

#: What a record holds, and what its constructor takes for it.
T = TypeVar("T")
G = TypeVar("G")


class Field(Generic[T, G]):
    """A field: `T` is its value in a record, `G` what a constructor takes for it.

    `about` is a phrase for the field's JSON Schema. Every method that reads raises the error of its reader.
    """

    #: The letter of this kind in `DnsRecord.LAYOUT`; None if only Python can read it.
    layout: str | None = None
    #: Whether what a native decoder reads is not yet the value, but what `from_raw` takes.
    is_raw: ClassVar[bool] = False
    #: The JSON Schema of the value.
    schema: ClassVar[Schema] = {}
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
    limit: ClassVar[int]
    octets: ClassVar[int]
    schema: ClassVar[Schema] = {"type": "integer", "minimum": 0}

    def check(self, value: int) -> int:
        return checked_int(self.name, value, self.limit)

    def read(self, reader: WireReader) -> int:
        return int.from_bytes(reader.take(self.octets, self.name), "big")

    def write(self, value: int, writer: WireWriter) -> None:
        writer.write(value.to_bytes(self.octets, "big"))

    def parse(self, reader: TextReader) -> int:
        return number(reader.word(self.name), self.name, self.limit)

    def json(self, value: int) -> object:
        return int(value)


class U8(_Number):
    """A number of 8 bits. `names` are mnemonics that text may have for some, in capitals."""

    limit, octets, layout = 0xFF, 1, "B"

    def __init__(self, about: str = "", names: dict[str, int] | None = None) -> None:
        super().__init__(about)
        self.names = names

    def read(self, reader: WireReader) -> int:
        return reader.u8(self.name)

    def parse(self, reader: TextReader) -> int:
        if self.names is not None:
            token = reader.peek()
            if token is not None and not token.quoted and token.text.upper() in self.names:
                return self.names[reader.word(self.name).text.upper()]
        return reader.u8(self.name)


class U16(_Number):
    """A number of 16 bits."""

    limit, octets, layout = 0xFFFF, 2, "H"

    def read(self, reader: WireReader) -> int:
        return reader.u16(self.name)

    def write(self, value: int, writer: WireWriter) -> None:
        writer.u16(value)

    def parse(self, reader: TextReader) -> int:
        return reader.u16(self.name)


class U32(_Number):
    """A number of 32 bits."""

    limit, octets, layout = 0xFFFFFFFF, 4, "I"

    def read(self, reader: WireReader) -> int:
        return reader.u32(self.name)

    def write(self, value: int, writer: WireWriter) -> None:
        writer.u32(value)

    def parse(self, reader: TextReader) -> int:
        return reader.u32(self.name)


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
    if not (token.text.isascii() and token.text.isdigit()):
        raise token.place.error(f"{field}: {token.text!r} is not a number")
    if len(token.text) > 20 or int(token.text) > limit:
        raise token.place.error(f"{field}: {token.text!r} is more than {limit}")
    return int(token.text)


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

    def json(self, value: tuple[Name, ...]) -> object:
        return list(map(str, value))


# -- strings


def string_text(octets: bytes) -> str:
    r"""Octets as text for JSON: UTF-8, what is not as `\xNN`."""
    return octets.decode("utf-8", "backslashreplace")


def base64_text(octets: bytes) -> str:
    """Octets in base64, in one piece."""
    return b2a_base64(octets, newline=False).decode("ascii")


class CharacterString(Field[bytes, "bytes | str"]):
    """A string of at most 255 octets; a constructor takes text too, as UTF-8. `minimum` is its least size."""

    schema: ClassVar[Schema] = {"type": "string"}

    def __init__(self, about: str = "", minimum: int = 0) -> None:
        super().__init__(about)
        self.minimum = minimum
        self.layout = None if minimum else "s"

    def check(self, value: bytes | str) -> bytes:
        octets = value.encode("utf-8") if isinstance(value, str) else bytes(value)
        if len(octets) > MAX_STRING:
            raise self.invalid(octets, f"a string longer than {MAX_STRING} octets", MAX_STRING)
        if len(octets) < self.minimum:
            raise self.invalid(octets, "must not be empty")
        return octets

    def read(self, reader: WireReader) -> bytes:
        start = reader.offset
        octets = reader.character_string(self.name)
        if len(octets) < self.minimum:
            reader.fail(self.name, "must not be empty", start)
        return octets

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.character_string(value)

    def parse(self, reader: TextReader) -> bytes:
        octets = reader.character_string(self.name)
        if len(octets) < self.minimum:
            raise reader.place.error(f"{self.name}: must not be empty")
        return octets

    def text(self, value: bytes) -> str:
        from netkit.dns.text import quoted

        return quoted(value)

    def json(self, value: bytes) -> object:
        return string_text(value)


class OptionalString(Field["bytes | None", "bytes | str | None"]):
    """The same at the end of the RDATA, where it may not be there: None."""

    schema: ClassVar[Schema] = {"type": ["string", "null"]}
    optional, default = True, None

    def __init__(self, about: str = "", *, default: None = None) -> None:  # noqa: ARG002 - mypy reads it
        super().__init__(about)
        self._string = CharacterString()

    def bind(self, name: str) -> None:
        super().bind(name)
        self._string.bind(name)

    def check(self, value: bytes | str | None) -> bytes | None:
        return None if value is None else self._string.check(value)

    def read(self, reader: WireReader) -> bytes | None:
        return self._string.read(reader) if reader.remaining else None

    def write(self, value: bytes | None, writer: WireWriter) -> None:
        if value is not None:
            writer.character_string(value)

    def parse(self, reader: TextReader) -> bytes | None:
        return self._string.parse(reader) if reader.more else None

    def text(self, value: bytes | None) -> str:
        return "" if value is None else self._string.text(value)

    def json(self, value: bytes | None) -> object:
        return None if value is None else string_text(value)


class CharacterStrings(Field[tuple[bytes, ...], "Iterable[bytes | str]"]):
    """All that is left of the RDATA as strings, at least one."""

    layout = "S"
    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "string", "contentEncoding": "base64"}}

    def check(self, value: Iterable[bytes | str]) -> tuple[bytes, ...]:
        strings = tuple([each.encode() if isinstance(each, str) else bytes(each) for each in value])
        if not strings:
            raise self.invalid(strings, "needs at least one string")
        for each in strings:
            if len(each) > MAX_STRING:
                raise self.invalid(each, f"a string longer than {MAX_STRING} octets", MAX_STRING)
        return strings

    def read(self, reader: WireReader) -> tuple[bytes, ...]:
        strings = [reader.character_string(self.name)]
        while reader.remaining:
            strings.append(reader.character_string(self.name))
        return tuple(strings)

    def write(self, value: tuple[bytes, ...], writer: WireWriter) -> None:
        for each in value:
            writer.character_string(each)

    def parse(self, reader: TextReader) -> tuple[bytes, ...]:
        return tuple(reader.character_strings(self.name))

    def text(self, value: tuple[bytes, ...]) -> str:
        from netkit.dns.text import quoted

        return " ".join([quoted(each) for each in value])

    @property
    def key(self) -> str:
        return f"{self.name}_b64"

    def json(self, value: tuple[bytes, ...]) -> object:
        return [base64_text(each) for each in value]
