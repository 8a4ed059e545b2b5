r"""Reading and writing the presentation format: a cursor over the words of a master file.

RFC 1035 section 5.1 (names, strings), RFC 3597 section 5 (the generic form of any data); times with units
(`1h30m`), as BIND introduced and every server reads.

This module does for text what `wire` does for octets. `netkit.dns.tokens` splits a text into tokens, each
with its place. `TextReader` is a cursor over the tokens of one entry; a record type's `from_text` reads from
it. Every read takes the name of its field. Errors are ZoneFileError, with the place of the wrong token or, if
possible, of the wrong character. `quoted` and `generic` write the forms that the reader reads. `Name` reads
and writes names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.messages.wire import MAX_STRING
from netkit.dns.name import Name
from netkit.dns.tokens import (
    MAX_U32,
    QUOTE_HINT,
    QUOTE_INSIDE,
    Place,
    Token,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GENERIC", "Place", "TextReader", "Token", "generic", "quoted", "shown"]

_T = TypeVar("_T")

#: What begins data in the generic form.
GENERIC = "\\#"


class TextReader:
    """A cursor over the tokens of one entry, which has at least one token.

    `origin` completes relative names. Every method takes the name of its field. It raises ZoneFileError at
    the token that does not fit the field, or after the last token if there is no more.
    """

    __slots__ = ("_at", "_origin", "_tokens")

    def __init__(self, tokens: list[Token], origin: Name | None) -> None:
        self._tokens = tokens
        self._origin = origin
        self._at = 0

    @property
    def more(self) -> bool:
        """Whether any token is left."""
        return self._at < len(self._tokens)

    @property
    def place(self) -> Place:
        """Where the token read last is, or the first one."""
        return self._tokens[max(self._at - 1, 0)].place

    def peek(self) -> Token | None:
        """The token to be read next, or None."""
        return self._tokens[self._at] if self.more else None

    def token(self, field: str) -> Token:
        """The next token, quoted or not."""
        token = self._next(field)
        if token.is_pair:
            raise token.place.right(token.text.index("=") + 1).error(QUOTE_INSIDE, hint=QUOTE_HINT)
        return token

    def pair(self, field: str) -> Token:
        """The next token, which must not be quoted, but may be a word that ends so: `key="value"`."""
        token = self._next(field)
        if token.quoted:
            raise token.place.error(f"{field}: only the value of a parameter may be quoted")
        return token

    def _next(self, field: str) -> Token:
        if not self.more:
            raise self._tokens[-1].end.error(f"{field} is missing")
        self._at += 1
        return self._tokens[self._at - 1]

    def word(self, field: str) -> Token:
        """The next token, which must not be quoted."""
        token = self.token(field)
        if token.quoted:
            raise token.place.error(f"{field} must not be quoted")
        return token

    def u8(self, field: str) -> int:
        """A number of 8 bits."""
        return self._number(field, 0xFF)

    def u16(self, field: str) -> int:
        """A number of 16 bits."""
        return self._number(field, 0xFFFF)

    def u32(self, field: str) -> int:
        """A number of 32 bits."""
        return self._number(field, MAX_U32)

    def seconds(self, field: str, limit: int = MAX_U32) -> int:
        """A time in seconds, perhaps with units, as `Token.seconds`."""
        return self.word(field).seconds(field, limit)

    def name(self, field: str) -> Name:
        """A domain name, completed with the origin if it is relative."""
        token, origin = self.word(field), self._origin
        try:
            if token.text == "@" and origin is None:
                raise token.place.error(
                    f"{field}: @ stands for the origin, and there is none", hint=_ORIGIN_HINT
                )
            name = Name.parse(token.text, relative=True)
            if name.is_absolute:
                return name
            if origin is None:
                raise token.place.error(
                    f"{field}: {shown(token.text)} is relative, and there is no origin", hint=_ORIGIN_HINT
                )
            return Name.parse(token.text, origin)
        except DnsError.InvalidName as error:
            raise token.inside(error.offset).error(
                f"{field}: {shown(token.text)}: {error.reason}", hint=error.hint
            ) from None

    def ipv4(self, field: str) -> Ipv4Addr:
        """An IPv4 address."""
        return self._address(field, Ipv4Addr.parse)

    def ipv6(self, field: str) -> Ipv6Addr:
        """An IPv6 address."""
        return self._address(field, Ipv6Addr.parse)

    def character_string(self, field: str) -> bytes:
        """A string of at most 255 octets, quoted or not."""
        token = self.token(field)
        octets = token.octets
        if len(octets) > MAX_STRING:
            raise token.place.error(f"{field}: a string of {len(octets)} octets, longer than {MAX_STRING}")
        return octets

    def character_strings(self, field: str) -> list[bytes]:
        """All that is left, at least one token, each a string of at most 255 octets."""
        strings = [self.character_string(field)]
        while self.more:
            strings.append(self.character_string(field))
        return strings

    def hexadecimal(self, field: str) -> bytes:
        """All that is left, as hexadecimal digits that may be cut into words anywhere."""
        digits = ""
        while self.more:
            token = self.word(field)
            for index, char in enumerate(token.text):
                if char not in "0123456789abcdefABCDEF":
                    raise token.inside(index).error(f"{field}: {shown(char)} is not a hexadecimal digit")
            digits += token.text
        if len(digits) % 2:
            raise self._tokens[-1].end.error(f"{field}: an odd number of hexadecimal digits")
        return bytes.fromhex(digits)

    @property
    def is_generic(self) -> bool:
        r"""Whether data in the generic form comes next: `\# 4 0A000001`."""
        token = self.peek()
        return token is not None and token.text == GENERIC and not token.quoted

    def generic(self) -> tuple[bytes, Place]:
        """All that is left, as data in the generic form (RFC 3597 section 5), and where it begins."""
        self.token(GENERIC)
        length = self.u16("length")
        place = self.place
        octets = self.hexadecimal("data")
        if len(octets) != length:
            raise place.error(f"length {length} is not that of the data, {len(octets)}")
        return octets, place

    def soa_minimum(self) -> int:
        """The last field of an SOA record's data, all of which is left and stays so; 0 if it is no such data,
        which the record says better."""
        try:
            if self.is_generic:
                return int.from_bytes(TextReader(self._tokens[self._at :], None).generic()[0][-4:], "big")
            return self._tokens[-1].seconds("minimum")
        except ZoneFileError:
            return 0

    def finish(self, what: str) -> None:
        """Make sure that nothing is left over after `what`."""
        token = self.peek()
        if token is not None:
            raise token.place.error(f"{shown(token.text)} is left over after {what}")

    def _number(self, field: str, limit: int) -> int:
        token = self.word(field)
        if not (token.text.isascii() and token.text.isdigit()):
            raise token.place.error(f"{field}: {shown(token.text)} is not a number")
        if len(token.text) > 10 or int(token.text) > limit:
            raise token.place.error(f"{field}: {shown(token.text)} is more than {limit}")
        return int(token.text)

    def _address(self, field: str, parse: Callable[[str], _T]) -> _T:
        token = self.word(field)
        try:
            return parse(token.text)
        except AddrParseError as error:
            raise token.inside(error.offset).error(f"{field}: {shown(token.text)}: {error.reason}") from None


_ORIGIN_HINT = "write $ORIGIN before it, or end the name with a dot"


def quoted(octets: bytes) -> str:
    """A character string as a master file has it: in quotes, with what is not printable ASCII as `\\DDD`."""
    return '"' + "".join([_QUOTED[octet] for octet in octets]) + '"'


_QUOTED = [chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}" for octet in range(256)]
_QUOTED[ord('"')] = '\\"'
_QUOTED[ord("\\")] = "\\\\"


def generic(octets: bytes) -> str:
    r"""Data in the form that every type has: `\# 4 C0000201` (RFC 3597 section 5)."""
    digits = octets.hex().upper()
    # In groups of 28 octets, where dig breaks them.
    groups = [digits[at : at + 56] for at in range(0, len(digits), 56)]
    return " ".join([GENERIC, str(len(octets)), *groups])
