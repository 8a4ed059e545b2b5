"""Fields with the numbers of the DNS in them: a type, a set of types, a DNSSEC algorithm, a time.

RFC 4034 sections 3.1.5 and 3.2 (times), 4.1.2 (sets of types), appendix A.1 (algorithms).

A set of types has one form on the wire only: windows in rising order, without zero octets at the end. RFC
4034 section 4.1.2 demands it, so anything else is refused, and a record written again has the octets it had.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.records.fields import U8, U32, Field, KeepAsOctets, number
from netkit.dns.text import shown
from netkit.dns.value import checked_int

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.text import TextReader, Token

#: The mnemonics of DNSSEC algorithms that text may have for their numbers (IANA, "DNS Security Algorithm
ALGORITHMS = {
    "RSAMD5": 1,
    "DH": 2,
    "DSA": 3,
    "ECC": 4,
    "RSASHA1": 5,
    "DSA-NSEC3-SHA1": 6,
    "NSEC3DSA": 6,
    "RSASHA1-NSEC3-SHA1": 7,
    "NSEC3RSASHA1": 7,
    "RSASHA256": 8,
    "RSASHA512": 10,
    "ECC-GOST": 12,
    "ECCGOST": 12,
    "ECDSAP256SHA256": 13,
    "ECDSAP384SHA384": 14,
    "ED25519": 15,
    "ED448": 16,
    "SM2SM3": 17,
    "ECC-GOST12": 23,
    "INDIRECT": 252,
    "PRIVATEDNS": 253,
    "PRIVATEOID": 254,
}


_ALGORITHM_TEXTS = {number: name for name, number in ALGORITHMS.items()}


def algorithm_text(number: int) -> str:
    """The mnemonic of a DNSSEC algorithm, or its number."""
    return _ALGORITHM_TEXTS.get(number) or str(number)


class Algorithm(U8):
    """A DNSSEC algorithm; text may have its mnemonic."""

    def __init__(self, about: str = "The algorithm's number", *, named: bool = False) -> None:
        super().__init__(about, ALGORITHMS, named=named)


class TypeCode(Field[DnsRecordType, "int | str"]):
    """A record type; a constructor takes its number or mnemonic."""

    layout, is_raw = "H", True
    schema: ClassVar[Schema] = {"type": "string"}

    def check(self, value: int | str) -> DnsRecordType:
        return DnsRecordType.parse(value) if isinstance(value, str) else DnsRecordType(value)

    def read(self, reader: WireReader) -> DnsRecordType:
        return DnsRecordType(reader.u16(self.name))

    def from_raw(self, value: int) -> DnsRecordType:
        return DnsRecordType(value)

    def write(self, value: DnsRecordType, writer: WireWriter) -> None:
        writer.u16(value)

    def parse(self, reader: TextReader) -> DnsRecordType:
        return type_of(reader.word(self.name), self.name)


class ClassCode(Field[DnsClass, int]):
    """A class, for the declaration of `DnsRecord.rdclass`, which alone may be left out and given by name."""

    def __init__(self, *, default: DnsClass, kw_only: bool) -> None:
        raise NotImplementedError  # mypy alone reads the declaration


class TypeBitmap(Field[tuple[DnsRecordType, ...], "Iterable[int | str]"]):
    """A set of types, in the order of their numbers; a constructor takes numbers or mnemonics in any order.

    `empty` says whether the set may be empty.
    """

    is_raw = True
    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "string"}}

    def __init__(self, about: str = "", *, empty: bool = True) -> None:
        super().__init__(about)
        self.empty = empty
        self.layout = "t" if empty else None

    def check(self, value: Iterable[int | str]) -> tuple[DnsRecordType, ...]:
        types = {
            DnsRecordType.parse(each) if isinstance(each, str) else DnsRecordType(each) for each in value
        }
        if not types and not self.empty:
            raise self.invalid((), "needs at least one type")
        return tuple(sorted(types))

    def from_raw(self, value: bytes) -> tuple[DnsRecordType, ...]:
        return _common_types(value) if len(value) <= _COMMON_SIZE else types_of(value)

    def read(self, reader: WireReader) -> tuple[DnsRecordType, ...]:
        if not reader.remaining and not self.empty:
            reader.fail(self.name, "needs at least one type")
        types = []
        previous = -1
        while reader.remaining:
            start = reader.offset
            window = reader.u8(self.name)
            if window <= previous:
                reader.fail(self.name, f"window {window} after window {previous}", start)
            previous = window
            size = reader.u8(self.name)
            if not 1 <= size <= 32:
                reader.fail(self.name, f"a window of {size} octets, not 1 to 32", start + 1, 32)
            octets = reader.take(size, self.name)
            if not octets[-1]:
                reader.fail(self.name, "a window with a zero octet at its end", reader.offset - 1)
            types += bits(octets, window << 8)
        return tuple(types)

    def write(self, value: tuple[DnsRecordType, ...], writer: WireWriter) -> None:
        windows: dict[int, list[int]] = {}
        for each in value:
            windows.setdefault(each >> 8, []).append(each & 0xFF)
        for window, lows in windows.items():
            octets = bitmap(lows)
            writer.write(bytes((window, len(octets))) + octets)

    def parse(self, reader: TextReader) -> tuple[DnsRecordType, ...]:
        types = set()
        while reader.more:
            types.add(type_of(reader.word(self.name), self.name))
        if not types and not self.empty:
            raise reader.place.error(f"{self.name}: needs at least one type")
        return tuple(sorted(types))

    def text(self, value: tuple[DnsRecordType, ...]) -> str:
        return " ".join(map(str, value))

    def json(self, value: tuple[DnsRecordType, ...]) -> object:
        return list(map(str, value))


class FlatBitmap(Field[tuple[DnsRecordType, ...], "Iterable[int | str]"]):
    """A set of types below 128 as NXT has it (RFC 2535 section 5.2): one bit for each, without zero octets at
    the end. Bit 0 says that the rest has another form, which nothing defines."""

    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "string"}}

    def check(self, value: Iterable[int | str]) -> tuple[DnsRecordType, ...]:
        types = {
            DnsRecordType.parse(each) if isinstance(each, str) else DnsRecordType(each) for each in value
        }
        for each in types:
            if not 1 <= each <= _MAX_NXT:
                raise self.invalid(each, f"must be a type from 1 to {_MAX_NXT}", _MAX_NXT)
        return tuple(sorted(types))

    def read(self, reader: WireReader) -> tuple[DnsRecordType, ...]:
        start = reader.offset
        octets = reader.rest()
        if octets and octets[0] & 0x80:
            raise KeepAsOctets
        if len(octets) > _MAX_NXT // 8 + 1:
            reader.fail(self.name, f"a set of {len(octets)} octets, more than 16", start, 16)
        if octets and not octets[-1]:
            reader.fail(self.name, "a set with a zero octet at its end", reader.offset - 1)
        return tuple(bits(octets))

    def write(self, value: tuple[DnsRecordType, ...], writer: WireWriter) -> None:
        writer.write(bitmap(value))

    def parse(self, reader: TextReader) -> tuple[DnsRecordType, ...]:
        types = set()
        while reader.more:
            token = reader.word(self.name)
            rdtype = type_of(token, self.name)
            if not 1 <= rdtype <= _MAX_NXT:
                raise token.place.error(
                    f"{self.name}: {shown(token.text)} is not a type from 1 to {_MAX_NXT}"
                )
            types.add(rdtype)
        return tuple(sorted(types))

    def text(self, value: tuple[DnsRecordType, ...]) -> str:
        return " ".join(map(str, value))

    def json(self, value: tuple[DnsRecordType, ...]) -> object:
        return list(map(str, value))


_MAX_NXT = 127


class Ports(Field[tuple[int, ...], "Iterable[int]"]):
    """A set of ports as WKS has it: one bit for each. Text may have the names of a few services.

    A set with zero octets at its end, which RFC 1035 allows, stays as its octets.
    """

    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "integer"}}

    def check(self, value: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted({checked_int(self.name, each, 0xFFFF) for each in value}))

    def read(self, reader: WireReader) -> tuple[int, ...]:
        start = reader.offset
        octets = reader.rest()
        if len(octets) > _MAX_PORTS:
            reader.fail(self.name, f"a set of {len(octets)} octets, more than 8192", start, _MAX_PORTS)
        if octets and not octets[-1]:
            raise KeepAsOctets
        return tuple(numbers(octets))

    def write(self, value: tuple[int, ...], writer: WireWriter) -> None:
        writer.write(bitmap(value))

    def parse(self, reader: TextReader) -> tuple[int, ...]:
        ports = set()
        while reader.more:
            token = reader.word(self.name)
            known = SERVICES.get(token.text.upper())
            ports.add(number(token, self.name, 0xFFFF) if known is None else known)
        return tuple(sorted(ports))

    def text(self, value: tuple[int, ...]) -> str:
        return " ".join(map(str, value))

    def json(self, value: tuple[int, ...]) -> object:
        return list(value)


_MAX_PORTS = 0x10000 // 8

#: Services of RFC 1010 that text may name.
SERVICES = {
    "ECHO": 7,
    "DISCARD": 9,
    "DAYTIME": 13,
    "FTP-DATA": 20,
    "FTP": 21,
    "TELNET": 23,
    "SMTP": 25,
    "TIME": 37,
    "DOMAIN": 53,
    "TFTP": 69,
    "FINGER": 79,
    "HTTP": 80,
    "POP3": 110,
    "NNTP": 119,
    "NTP": 123,
}


def numbers(octets: bytes) -> list[int]:
    """The numbers of the bits that are set, counted from the highest of the first octet."""
    return [
        8 * index + bit
        for index, octet in enumerate(octets)
        if octet
        for bit in range(8)
        if octet & 0x80 >> bit
    ]


def bitmap(values: Iterable[int]) -> bytes:
    """The inverse of `numbers`, for numbers in their order."""
    octets = bytearray()
    for each in values:
        octets.extend(bytes((each >> 3) + 1 - len(octets)))
        octets[each >> 3] |= 0x80 >> (each & 7)
    return bytes(octets)


def types_of(octets: bytes) -> tuple[DnsRecordType, ...]:
    """The types in the windows of a bitmap that is valid (RFC 4034 section 4.1.2)."""
    types = []
    at = 0
    while at < len(octets):
        after = at + 2 + octets[at + 1]
        types += bits(octets[at + 2 : after], octets[at] << 8)
        at = after
    return tuple(types)


# The names of a zone have mostly the same few sets of types. No set that is large is kept.
_COMMON_SIZE = 34
_common_types = lru_cache(256)(types_of)


def bits(octets: bytes, base: int = 0) -> list[DnsRecordType]:
    """The types whose bits are set, the first bit being that of `base`."""
    return [DnsRecordType(base + each) for each in numbers(octets)]


def type_of(token: Token, field: str) -> DnsRecordType:
    """The type that a word names. Raises ZoneFileError."""
    try:
        return DnsRecordType.parse(token.text)
    except DnsError.InvalidValue as error:
        raise token.place.error(f"{field}: {shown(token.text)}: {error.reason}", hint=error.hint) from None


class Time(U32):
    """A moment in seconds since 1970, of 32 bits; text is `YYYYMMDDHHMMSS` in UTC, or a number of seconds.

    The bits come round in 2106, and RFC 4034 section 3.1.5 compares them by serial number arithmetic. Text
    and JSON take them as a moment before that.
    """

    schema: ClassVar[Schema] = {"type": "string", "format": "date-time"}

    def parse(self, reader: TextReader) -> int:
        token = reader.word(self.name)
        if len(token.text) != 14:
            return number(token, self.name, self.limit)
        from datetime import UTC, datetime

        try:
            if not (token.text.isascii() and token.text.isdigit()):
                raise ValueError
            year, month, day, hour, minute, second = [int(token.text[at:end]) for at, end in _PARTS]
            moment = int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
            if not 0 <= moment <= self.limit:
                raise ValueError
        except ValueError:
            raise token.place.error(
                f"{self.name}: {shown(token.text)} is not a moment from 1970 to 2106",
                hint="write YYYYMMDDHHMMSS in UTC",
            ) from None
        return moment

    def text(self, value: int) -> str:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(value, UTC).strftime("%Y%m%d%H%M%S")

    def json(self, value: int) -> object:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Year, month, day, hour, minute and second in YYYYMMDDHHMMSS.
_PARTS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
