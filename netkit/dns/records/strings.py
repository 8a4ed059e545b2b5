"""Fields of character strings (RFC 1035 sections 3.3 and 5.1): one, several, a word, all that is left."""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING

from netkit.dns.messages.wire import MAX_STRING
from netkit.dns.records.fields import Field

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.text import TextReader


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


class Word(CharacterString):
    """A string of ASCII letters, digits and hyphens, at least one, which text has without quotes."""

    def __init__(self, about: str = "") -> None:
        super().__init__(about, minimum=1)

    def check(self, value: bytes | str) -> bytes:
        octets = super().check(value)
        if octets.translate(None, _WORD):
            raise self.invalid(octets, _NO_WORD)
        return octets

    def read(self, reader: WireReader) -> bytes:
        start = reader.offset
        octets = super().read(reader)
        if octets.translate(None, _WORD):
            reader.fail(self.name, _NO_WORD, start + 1)
        return octets

    def parse(self, reader: TextReader) -> bytes:
        octets = super().parse(reader)
        if octets.translate(None, _WORD):
            raise reader.place.error(f"{self.name}: {_NO_WORD}")
        return octets

    def text(self, value: bytes) -> str:
        return value.decode("ascii")


_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
_NO_WORD = "must be letters, digits and hyphens"


class LongString(Field[bytes, "bytes | str"]):
    """All that is left of the RDATA, as one quoted string of any length; a constructor takes text too."""

    schema: ClassVar[Schema] = {"type": "string"}

    def __init__(self, about: str = "", minimum: int = 0) -> None:
        super().__init__(about)
        self.minimum = minimum
        self.layout = None if minimum else "r"

    def check(self, value: bytes | str) -> bytes:
        octets = value.encode("utf-8") if isinstance(value, str) else bytes(value)
        if len(octets) < self.minimum:
            raise self.invalid(octets, "must not be empty")
        return octets

    def read(self, reader: WireReader) -> bytes:
        if reader.remaining < self.minimum:
            reader.fail(self.name, "must not be empty")
        return reader.rest()

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.write(value)

    def parse(self, reader: TextReader) -> bytes:
        octets = reader.token(self.name).octets
        if len(octets) < self.minimum:
            raise reader.place.error(f"{self.name}: must not be empty")
        return octets

    def text(self, value: bytes) -> str:
        from netkit.dns.text import quoted

        return quoted(value)

    def json(self, value: bytes) -> object:
        return string_text(value)
