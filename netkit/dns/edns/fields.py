"""The kinds of fields that only options of EDNS have; the others are those of records.

Their values have no form in a master file: `parse` is not theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.records.fields import Field
from netkit.dns.value import checked_int

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema


class Octets(Field[bytes, bytes]):
    """`size` octets, or all that are left. May be left out with a default."""

    schema: ClassVar[Schema] = {"type": "string", "contentEncoding": "base64"}

    def __init__(self, about: str = "", *, size: int | None = None, default: bytes | None = None) -> None:
        super().__init__(about)
        self.size = size
        if default is not None:
            self.optional, self.default = True, default

    def check(self, value: bytes) -> bytes:
        octets = bytes(value)
        if self.size is not None and len(octets) != self.size:
            raise self.invalid(octets, f"must have {self.size} octets", self.size)
        return octets

    def read(self, reader: WireReader) -> bytes:
        return reader.rest() if self.size is None else reader.take(self.size, self.name)

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.write(value)

    def text(self, value: bytes) -> str:
        return hex_and_ascii(value)

    @property
    def key(self) -> str:
        return f"{self.name}_b64"

    def json(self, value: bytes) -> object:
        from netkit.dns.records.strings import base64_text

        return base64_text(value)


class OptionalNumber(Field["int | None", "int | None"]):
    """A number of `octets` octets; None where the option is empty, or ends before it."""

    schema: ClassVar[Schema] = {"type": ["integer", "null"], "minimum": 0}

    def __init__(self, about: str = "", *, octets: int, default: None = None) -> None:
        super().__init__(about)
        self.octets = octets
        self.optional, self.default = True, default

    def check(self, value: int | None) -> int | None:
        return None if value is None else checked_int(self.name, value, (1 << 8 * self.octets) - 1)

    def read(self, reader: WireReader) -> int | None:
        return int.from_bytes(reader.take(self.octets, self.name), "big") if reader.remaining else None

    def write(self, value: int | None, writer: WireWriter) -> None:
        if value is not None:
            writer.write(value.to_bytes(self.octets, "big"))

    def text(self, value: int | None) -> str:
        return "" if value is None else str(value)

    def json(self, value: int | None) -> object:
        return value


class Tenths(Field["float | None", "float | None"]):
    """A time of 16 bits in seconds, in steps of 0.1; None where it is not there."""

    schema: ClassVar[Schema] = {"type": ["number", "null"], "minimum": 0}

    def __init__(self, about: str = "", *, default: None = None) -> None:
        super().__init__(about)
        self.optional, self.default = True, default

    def check(self, value: float | None) -> float | None:
        return None if value is None else checked_int(self.name, round(value * 10), 0xFFFF) / 10

    def read(self, reader: WireReader) -> float | None:
        return reader.u16(self.name) / 10 if reader.remaining else None

    def write(self, value: float | None, writer: WireWriter) -> None:
        if value is not None:
            writer.u16(round(value * 10))

    def text(self, value: float | None) -> str:
        return "" if value is None else f"{value:.1f} secs"

    @property
    def key(self) -> str:
        return f"{self.name}_s"

    def json(self, value: float | None) -> object:
        return value


class Zeros(Field[int, int]):
    """A number of octets without meaning: zeros are sent, and what is received is ignored."""

    schema: ClassVar[Schema] = {"type": "integer", "minimum": 0}

    def check(self, value: int) -> int:
        return checked_int(self.name, value, 0xFFFF)

    def read(self, reader: WireReader) -> int:
        return len(reader.rest())

    def write(self, value: int, writer: WireWriter) -> None:
        writer.write(bytes(value))

    def json(self, value: int) -> object:
        return value


class Numbers(Field[tuple[int, ...], "Iterable[int]"]):
    """All that is left as numbers of `octets` octets, at least `minimum` of them."""

    schema: ClassVar[Schema] = {"type": "array", "items": {"type": "integer", "minimum": 0}}

    def __init__(self, about: str = "", *, octets: int, minimum: int = 0) -> None:
        super().__init__(about)
        self.octets = octets
        self.minimum = minimum

    def check(self, value: Iterable[int]) -> tuple[int, ...]:
        numbers = tuple([checked_int(self.name, each, (1 << 8 * self.octets) - 1) for each in value])
        if len(numbers) < self.minimum:
            raise self.invalid(numbers, "must not be empty", self.minimum)
        return numbers

    def read(self, reader: WireReader) -> tuple[int, ...]:
        numbers: list[int] = []
        while reader.remaining or len(numbers) < self.minimum:
            numbers.append(int.from_bytes(reader.take(self.octets, self.name), "big"))
        return tuple(numbers)

    def write(self, value: tuple[int, ...], writer: WireWriter) -> None:
        for each in value:
            writer.write(each.to_bytes(self.octets, "big"))

    def text(self, value: tuple[int, ...]) -> str:
        return ", ".join(map(str, value))

    def json(self, value: tuple[int, ...]) -> object:
        return list(value)


def hex_and_ascii(data: bytes) -> str:
    """Octets as dig prints them: `6e 73 31 ("ns1")`."""
    if not data:
        return ""
    shown = "".join([chr(octet) if 0x20 <= octet < 0x7F else "." for octet in data])
    return f'{data.hex(" ")} ("{shown}")'


def printable(text: str) -> str:
    """Escape the unprintable characters of a peer's text, so that it cannot control a terminal."""
    return "".join([char if char.isprintable() else ascii(char)[1:-1] for char in text])


def duration(seconds: int) -> str:
    """A time in words, as dig says it: `1 hour 30 minutes`."""
    words: list[str] = []
    left = seconds
    for unit, size in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count or (unit == "second" and not words):
            words.append(f"{count} {unit}{'s' * (count != 1)}")
    return " ".join(words)
