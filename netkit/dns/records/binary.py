"""Fields of octets that text has in hexadecimal, base64 or base32 (RFC 4648 sections 4, 7 and 8).

Text of more than 56 digits is in groups of 56, where dig breaks it; a master file may break it anywhere.
"""

from __future__ import annotations

from binascii import Error as NotBase64, a2b_base64
from typing import TYPE_CHECKING

from netkit.dns.records.fields import Field
from netkit.dns.records.strings import base64_text
from netkit.dns.text import shown

if TYPE_CHECKING:
    from typing import ClassVar

    from netkit.dns.messages.wire import WireReader, WireWriter
    from netkit.dns.records.fields import Schema
    from netkit.dns.style import Style
    from netkit.dns.text import Place, TextReader

_GROUP = 56
_SCHEMA: Schema = {"type": "string", "contentEncoding": "base64"}


class Octets(Field[bytes, bytes]):
    """All that is left of the RDATA; `minimum` is its least size in octets. `crypto` says that it is a
    digest, a signature or a key of DNSSEC."""

    schema: ClassVar[Schema] = _SCHEMA

    def __init__(self, about: str = "", minimum: int = 0, *, crypto: bool = False) -> None:
        super().__init__(about)
        self.minimum = minimum
        self.is_crypto = crypto
        self.layout = {0: "r", 1: "R"}.get(minimum)

    def check(self, value: bytes) -> bytes:
        octets = bytes(value)
        if len(octets) < self.minimum:
            raise self.invalid(octets, f"shorter than {self.minimum} octets", self.minimum)
        return octets

    def read(self, reader: WireReader) -> bytes:
        if self.minimum:
            start = reader.offset
            reader.take(self.minimum, self.name)
            reader.offset = start
        return reader.rest()

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.write(value)

    def parse(self, reader: TextReader) -> bytes:
        octets = self.digits(reader)
        if len(octets) < self.minimum:
            raise reader.place.error(f"{self.name}: shorter than {self.minimum} octets")
        return octets

    def digits(self, reader: TextReader) -> bytes:
        """All words that are left, as octets."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        return f"{self.name}_b64"

    def json(self, value: bytes) -> object:
        return base64_text(value)


class Hex(Octets):
    """All that is left of the RDATA, in hexadecimal."""

    is_long = True

    def digits(self, reader: TextReader) -> bytes:
        return reader.hexadecimal(self.name)

    def text(self, value: bytes) -> str:
        return grouped(value.hex().upper())

    def styled(self, value: bytes, style: Style) -> str:
        return style.grouped(value.hex().upper())


class PrefixedHex(Octets):
    """All that is left of the RDATA; text is `0x` and hexadecimal digits, perhaps with dots between them."""

    def digits(self, reader: TextReader) -> bytes:
        token = reader.word(self.name)
        try:
            if token.text[:2].lower() != "0x":
                raise ValueError
            return bytes.fromhex(token.text[2:].replace(".", ""))
        except ValueError:
            raise token.place.error(
                f"{self.name}: {shown(token.text)} is not octets in hexadecimal", hint="write 0x47.0005.80"
            ) from None

    def text(self, value: bytes) -> str:
        return "0x" + value.hex()


class Base64(Octets):
    """All that is left of the RDATA, in base64."""

    is_long = True

    def digits(self, reader: TextReader) -> bytes:
        return base64_digits(reader, self.name)

    def text(self, value: bytes) -> str:
        return grouped(base64_text(value))

    def styled(self, value: bytes, style: Style) -> str:
        return style.grouped(base64_text(value))


class Base64Word(Octets):
    """All that is left of the RDATA, in one word of base64; `-` stands for nothing, where that is allowed."""

    def digits(self, reader: TextReader) -> bytes:
        token = reader.word(self.name)
        return b"" if token.text == "-" else base64_octets(token.text, self.name, token.place)

    def text(self, value: bytes) -> str:
        return base64_text(value) or "-"


class SizedHex(Field[bytes, bytes]):
    """At most 255 octets behind their number; text is one word in hexadecimal, or `-` if there are none."""

    layout: str | None = "s"
    schema: ClassVar[Schema] = _SCHEMA

    def check(self, value: bytes) -> bytes:
        octets = bytes(value)
        if len(octets) > 0xFF:
            raise self.invalid(octets, "longer than 255 octets", 0xFF)
        return octets

    def read(self, reader: WireReader) -> bytes:
        return reader.character_string(self.name)

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.character_string(value)

    def parse(self, reader: TextReader) -> bytes:
        token = reader.word(self.name)
        try:
            return self.check(b"" if token.text == "-" else self.decoded(token.text))
        except ValueError:
            raise token.place.error(f"{self.name}: {shown(token.text)} is not {self.written}") from None

    #: How the text is written, for errors.
    written = "up to 255 octets in hexadecimal"

    def decoded(self, text: str) -> bytes:
        """The octets of a word. Raises ValueError."""
        return bytes.fromhex(text)

    def text(self, value: bytes) -> str:
        return value.hex().upper() or "-"

    @property
    def key(self) -> str:
        return f"{self.name}_b64"

    def json(self, value: bytes) -> object:
        return base64_text(value)


class SizedBase32Hex(SizedHex):
    """1 to 255 octets behind their number; text is one word in base32 with the extended hex alphabet, without
    padding (RFC 5155 section 3.3)."""

    layout = "x"
    written = "up to 255 octets in base32hex"

    def check(self, value: bytes) -> bytes:
        if not value:
            raise self.invalid(value, "must not be empty")
        return super().check(value)

    def read(self, reader: WireReader) -> bytes:
        start = reader.offset
        octets = super().read(reader)
        if not octets:
            reader.fail(self.name, "must not be empty", start)
        return octets

    def decoded(self, text: str) -> bytes:
        from base64 import b32hexdecode

        octets = b32hexdecode(text.upper() + "=" * (-len(text) % 8))
        if self.text(octets) != text.upper():
            raise ValueError("bits are left over")
        return octets

    def text(self, value: bytes) -> str:
        from base64 import b32hexencode

        return b32hexencode(value).decode("ascii").rstrip("=")


class FixedHex(Field[bytes, bytes]):
    """A fixed number of octets; text is their hexadecimal digits, by octet or in groups, with a separator."""

    schema: ClassVar[Schema] = {"type": "string"}

    def __init__(self, about: str = "", *, size: int, separator: str, group: int = 1) -> None:
        super().__init__(about)
        self.size = size
        self.separator = separator
        self.group = group

    def check(self, value: bytes) -> bytes:
        octets = bytes(value)
        if len(octets) != self.size:
            raise self.invalid(octets, f"must be {self.size} octets", self.size)
        return octets

    def read(self, reader: WireReader) -> bytes:
        return reader.take(self.size, self.name)

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.write(value)

    def parse(self, reader: TextReader) -> bytes:
        token = reader.word(self.name)
        digits, width = token.text.split(self.separator), 2 * self.group
        try:
            if len(digits) * self.group == self.size and all(
                0 < len(each) <= width and (self.group > 1 or len(each) == width) and each.isalnum()
                for each in digits
            ):
                return bytes.fromhex("".join([each.rjust(width, "0") for each in digits]))
        except ValueError:
            pass
        raise token.place.error(
            f"{self.name}: {shown(token.text)} is not {self.size} octets in hexadecimal",
            hint=f"write it as {self.text(bytes(range(1, self.size + 1)))}",
        )

    def text(self, value: bytes) -> str:
        step = self.group
        return self.separator.join([value[at : at + step].hex() for at in range(0, self.size, step)])

    def json(self, value: bytes) -> object:
        return self.text(value)


class SizedBase64(Field[bytes, bytes]):
    """Octets behind their number of 16 bits; text is that number and, if it is not 0, base64 (RFC 2930, RFC
    8945)."""

    schema: ClassVar[Schema] = _SCHEMA

    def check(self, value: bytes) -> bytes:
        octets = bytes(value)
        if len(octets) > 0xFFFF:
            raise self.invalid(octets, "longer than 65535 octets", 0xFFFF)
        return octets

    def read(self, reader: WireReader) -> bytes:
        return reader.take(reader.u16(self.name), self.name)

    def write(self, value: bytes, writer: WireWriter) -> None:
        writer.u16(len(value))
        writer.write(value)

    def parse(self, reader: TextReader) -> bytes:
        size = reader.u16(self.name)
        place = reader.place
        text = ""
        while len(text) < (size + 2) // 3 * 4:
            text += reader.word(self.name).text
        octets = base64_octets(text, self.name, place)
        if len(octets) != size:
            raise place.error(f"{self.name}: {len(octets)} octets, not {size}")
        return octets

    def text(self, value: bytes) -> str:
        return f"{len(value)} {grouped(base64_text(value))}".rstrip()

    def styled(self, value: bytes, style: Style) -> str:
        if not (style.multiline and value):
            return f"{len(value)} {style.grouped(base64_text(value))}".rstrip()
        return f"{len(value)} ({style.break_}{style.grouped(base64_text(value))} )"

    @property
    def key(self) -> str:
        return f"{self.name}_b64"

    def json(self, value: bytes) -> object:
        return base64_text(value)


def base64_octets(text: str, field: str, place: Place) -> bytes:
    """The octets of base64. Raises ZoneFileError at `place`."""
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True) if text else b""
    except (NotBase64, UnicodeEncodeError):
        raise place.error(f"{field}: {shown(text)} is not base64") from None


def base64_digits(reader: TextReader, field: str) -> bytes:
    """All that is left, as base64 that may be cut into words anywhere."""
    place = reader.place
    words: list[str] = []
    while reader.more:
        token = reader.word(field)
        if not words:
            place = token.place
        words.append(token.text)
    return base64_octets("".join(words), field, place)


def grouped(digits: str) -> str:
    """Digits in groups, where dig breaks them."""
    if len(digits) <= _GROUP:
        return digits
    return " ".join([digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)])
