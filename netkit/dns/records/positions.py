"""The fields of LOC: an angle, a height, a size (RFC 1876 sections 2 and 3).

Numbers are whole, so that nothing is lost: angles in thousandths of a second of arc, lengths in centimetres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.records.fields import Field, KeepAsOctets
from netkit.dns.text import shown
from netkit.dns.value import checked_int

if TYPE_CHECKING:
    from typing import ClassVar

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.text import TextReader, Token

_DEGREE, _MINUTE, _SECOND = 3_600_000, 60_000, 1000
#: What stands for the equator and the prime meridian.
_MIDDLE = 1 << 31
#: RFC 1876 section 2: heights count from 100 km below the spheroid.
_BASE = 10_000_000
_MAX_ALTITUDE = 0xFFFFFFFF - _BASE


class Angle(Field[int, int]):
    """Degrees from a circle, in thousandths of a second of arc: `limit` degrees at most, to either side.

    `positive` and `negative` are the letters of the sides.
    """

    schema: ClassVar[Schema] = {"type": "integer"}

    def __init__(self, about: str = "", *, limit: int, positive: str, negative: str) -> None:
        super().__init__(about)
        self.limit = limit * _DEGREE
        self.letters = {positive: 1, negative: -1}

    def check(self, value: int) -> int:
        if abs(value) > self.limit:
            raise self.invalid(value, f"must be from -{self.limit} to {self.limit}", self.limit)
        return value

    def read(self, reader: WireReader) -> int:
        value = reader.u32(self.name) - _MIDDLE
        if abs(value) > self.limit:
            reader.fail(
                self.name, f"more than {self.limit // _DEGREE} degrees", reader.offset - 4, self.limit
            )
        return value

    def write(self, value: int, writer: WireWriter) -> None:
        writer.u32(value + _MIDDLE)

    def parse(self, reader: TextReader) -> int:
        total = 0
        first = token = reader.word(self.name)
        for unit, most in ((_DEGREE, self.limit // _DEGREE), (_MINUTE, 59), (_SECOND, 59)):
            whole, fraction = _decimal(token, self.name, 3 if unit == _SECOND else 0)
            if whole > most:
                raise token.place.error(f"{self.name}: {shown(token.text)} is more than {most}")
            total += whole * unit + fraction
            token = reader.word(self.name)
            if token.text.upper() in self.letters:
                break
        sign = self.letters.get(token.text.upper())
        if sign is None:
            raise token.place.error(f"{self.name}: {shown(token.text)} is not {' or '.join(self.letters)}")
        if total > self.limit:
            raise first.place.error(f"{self.name}: more than {self.limit // _DEGREE} degrees")
        return sign * total

    def text(self, value: int) -> str:
        positive, negative = self.letters
        rest, thousandths = divmod(abs(value), _SECOND)
        rest, seconds = divmod(rest, 60)
        degrees, minutes = divmod(rest, 60)
        letter = negative if value < 0 else positive
        return f"{degrees} {minutes} {seconds}.{thousandths:03d} {letter}"

    def json(self, value: int) -> object:
        return int(value)


class Altitude(Field[int, int]):
    """A height in centimetres, from -100 km on."""

    schema: ClassVar[Schema] = {"type": "integer"}

    def check(self, value: int) -> int:
        if not -_BASE <= value <= _MAX_ALTITUDE:
            raise self.invalid(value, f"must be from -{_BASE} to {_MAX_ALTITUDE}", _MAX_ALTITUDE)
        return value

    def read(self, reader: WireReader) -> int:
        return reader.u32(self.name) - _BASE

    def write(self, value: int, writer: WireWriter) -> None:
        writer.u32(value + _BASE)

    def parse(self, reader: TextReader) -> int:
        token = reader.word(self.name)
        is_below = token.text.startswith("-")
        plain = token.with_text(token.text.lstrip("-") if is_below else token.text)
        value = _metres(plain, self.name) * (-1 if is_below else 1)
        if token.text.startswith("--") or not -_BASE <= value <= _MAX_ALTITUDE:
            raise token.place.error(f"{self.name}: {shown(token.text)} is not a height that LOC can hold")
        return value

    def text(self, value: int) -> str:
        metres, centimetres = divmod(abs(value), 100)
        return f"{'-' if value < 0 else ''}{metres}.{centimetres:02d}m"

    def json(self, value: int) -> object:
        return int(value)


class Size(Field[int, int]):
    """A length in centimetres: one digit and up to nine zeros. Text may leave it out, for `default`, and may
    have more digits: only the first counts.

    A zero that the RDATA writes with an exponent stays as its octets.
    """

    schema: ClassVar[Schema] = {"type": "integer", "minimum": 0}
    optional = True

    def __init__(self, about: str = "", *, default: int) -> None:
        super().__init__(about)
        self.default = default

    def check(self, value: int) -> int:
        checked_int(self.name, value, 9 * 10**9)
        if _first_digit(value) != value:
            raise self.invalid(value, "must be one digit and zeros")
        return value

    def read(self, reader: WireReader) -> int:
        octet = reader.u8(self.name)
        digit, exponent = octet >> 4, octet & 0xF
        if digit > 9 or exponent > 9:
            reader.fail(self.name, f"0x{octet:02x} is not two digits", reader.offset - 1)
        if octet and not digit:
            raise KeepAsOctets
        return int(digit * 10**exponent)

    def write(self, value: int, writer: WireWriter) -> None:
        digits = str(value)
        writer.u8(int(digits[0]) << 4 | len(digits) - 1)

    def parse(self, reader: TextReader) -> int:
        if not reader.more:
            return self.default
        token = reader.word(self.name)
        value = _metres(token, self.name)
        if value > 9 * 10**9:
            raise token.place.error(f"{self.name}: {shown(token.text)} is more than 90000000m")
        return _first_digit(value)

    def text(self, value: int) -> str:
        return f"0.{value:02d}m" if value < 100 else f"{value // 100}m"

    def json(self, value: int) -> object:
        return int(value)


def _first_digit(value: int) -> int:
    digits = str(value)
    return int(digits[0]) * int(10 ** (len(digits) - 1))


def _metres(token: Token, field: str) -> int:
    whole, fraction = _decimal(token.with_text(token.text.removesuffix("m")), field, 2)
    return whole * 100 + fraction


def _decimal(token: Token, field: str, places: int) -> tuple[int, int]:
    """A number with at most so many places behind its point, as its two parts."""
    whole, point, fraction = token.text.partition(".")
    digits = whole + fraction
    if (
        not (whole and digits.isascii() and digits.isdigit())
        or len(whole) > 10
        or bool(point) != bool(fraction)
    ):
        raise token.place.error(f"{field}: {shown(token.text)} is not a number")
    if len(fraction) > places:
        raise token.place.error(f"{field}: {shown(token.text)} has more than {places} places")
    return int(whole), int(fraction.ljust(places, "0") or 0)
