r"""Reading and writing the presentation format: the words of a master file, and a cursor over them.

RFC 1035 section 5.1 (words, quoted strings, parentheses, comments, `\X` and `\DDD`), RFC 3597 section 5 (the
generic form of any data); times with units (`1h30m`), as BIND introduced and every server reads.

This module does for text what `wire` does for octets. `entries` splits a text into tokens, each with its
place. `TextReader` is a cursor over the tokens of one entry; a record type's `from_text` reads from it.
Every read takes the name of its field. Errors are ZoneFileError, with the place of the wrong token or, if
possible, of the wrong character. `quoted` and `generic` write the forms that the reader reads. `Name` reads
and writes names.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.name import Name, unescape
from netkit.dns.wire import MAX_STRING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

#: What begins data in the generic form.
GENERIC = "\\#"
#: The largest number of 32 bits.
_MAX_U32 = 0xFFFFFFFF


class Place(NamedTuple):
    """Where something is in a master file: line and column count from 1."""

    file: str
    line: int
    column: int

    def error(self, reason: str, hint: str | None = None) -> ZoneFileError:
        """An error that is to be found here."""
        return ZoneFileError(self.file, self.line, self.column, reason, hint=hint)

    def right(self, columns: int) -> Place:
        """The place so many columns further on."""
        return Place(self.file, self.line, self.column + columns)


class Token(NamedTuple):
    """A word or quoted string, its escapes as they are and its quotation marks taken off."""

    text: str
    quoted: bool
    place: Place
    #: Whether it is a word that ends in a quoted string: `alpn="h2,h3"`, which only SVCB has (RFC 9460).
    is_pair: bool = False

    @property
    def end(self) -> Place:
        """The place behind it."""
        return self.place.right(len(self.text) + 2 * self.quoted)

    def inside(self, index: int | None) -> Place:
        """The place of a character of its text; its own for None."""
        return self.place if index is None else self.place.right(index + self.quoted)

    @property
    def octets(self) -> bytes:
        """Its octets, escapes undone; characters beyond ASCII as UTF-8. Raises ZoneFileError."""
        text = self.text
        if "\\" not in text:
            return text.encode("utf-8", "surrogateescape")
        octets = bytearray()
        at = 0
        while (escape := text.find("\\", at)) >= 0:
            octets += text[at:escape].encode("utf-8", "surrogateescape")
            try:
                octet, at = unescape(text, escape)
            except DnsError.InvalidName as error:
                raise self.inside(error.offset).error(error.reason) from None
            octets.append(octet)
        return bytes(octets + text[at:].encode("utf-8", "surrogateescape"))

    def seconds(self, field: str, limit: int = _MAX_U32) -> int:
        """Its time in seconds, perhaps with units: `3600`, `1h`, `1w2d`. Raises ZoneFileError."""
        if not _time().fullmatch(self.text):
            raise self.place.error(
                f"{field}: {shown(self.text)} is not a time", hint="write seconds, or units: 1w2d3h4m5s"
            )
        total = 0
        for number, unit in re.findall(r"([0-9]+)([a-z]?)", self.text.lower()):
            total += int(number) * _UNITS[unit or "s"]
        if total > limit:
            raise self.place.error(f"{field}: {shown(self.text)} is more than {limit} seconds")
        return total


class Entry(NamedTuple):
    """A line, or what parentheses make one: its tokens, and whether it begins with a blank."""

    tokens: list[Token]
    blank: bool


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
        token = self.pair(field)
        if token.is_pair:
            raise token.inside(token.text.index("=") + 1).error(_QUOTE_INSIDE, hint=_QUOTE_HINT)
        return token

    def pair(self, field: str) -> Token:
        """The next token, which may be a word that ends in a quoted string: `key="value"`."""
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
        return self._number(field, _MAX_U32)

    def seconds(self, field: str, limit: int = _MAX_U32) -> int:
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


_QUOTE_INSIDE = "a quotation mark inside a word"
_QUOTE_HINT = 'write it as \\"'
_ORIGIN_HINT = "write $ORIGIN before it, or end the name with a dot"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


# Compiled when the first text is read: who only writes records needs no expression.


@cache
def _time() -> re.Pattern[str]:
    return re.compile(r"(?:[0-9]{1,18}[smhdw])*(?:[0-9]{1,18}[smhdw]?)", re.IGNORECASE)


@cache
def _piece() -> re.Pattern[str]:
    """What a master file is made of. The alternatives begin with different characters and repeat
    possessively, so that reading takes time in proportion to the text, whatever it is."""
    return re.compile(
        r"""
          (?P<space>   [ \t\r\f]++ )
        | (?P<newline> \n )
        | (?P<comment> ; [^\n]*+ )
        | (?P<open>    \( )
        | (?P<close>   \) )
        | (?P<quoted>  " (?: [^"\\\n] | \\ [^\n] )*+ " )
        | (?P<word>    (?: [^ \t\r\f\n;()"\\] | \\ [^\n] )++ )
        | (?P<other>   . )
        """,
        re.VERBOSE,
    )


def entries(text: str, file: str) -> Iterator[Entry]:
    """Cut a master file into entries. Raises ZoneFileError. RFC 1035 section 5.1."""
    tokens: list[Token] = []
    blank = False
    opened: list[Place] = []
    line, line_start = 1, 0
    joined = -1  # where a quoted string ended, which no word may follow at once
    for piece in _piece().finditer(text):
        kind, start = piece.lastgroup, piece.start()
        if kind == "word" or kind == "quoted":
            place = Place(file, line, start - line_start + 1)
            if start == joined and (kind == "quoted" or tokens[-1].quoted or tokens[-1].is_pair):
                before = tokens[-1]
                if kind == "quoted" and not before.quoted and before.text.find("=") == len(before.text) - 1:
                    joined = piece.end()
                    tokens[-1] = Token(before.text + piece.group()[1:-1], False, before.place, True)
                    continue
                raise place.error(_QUOTE_INSIDE, hint=_QUOTE_HINT)
            found = piece.group()
            tokens.append(Token(found[1:-1] if kind == "quoted" else found, kind == "quoted", place))
            joined = piece.end()
        elif kind == "space":
            blank = blank or (start == line_start and not opened)
        elif kind == "newline":
            line, line_start = line + 1, piece.end()
            if not opened:
                if tokens:
                    yield Entry(tokens, blank)
                tokens, blank = [], False
        elif kind == "open":
            opened.append(Place(file, line, start - line_start + 1))
        elif kind == "close":
            if not opened:
                raise Place(file, line, start - line_start + 1).error(
                    "a closing parenthesis without its opening"
                )
            opened.pop()
        elif kind == "other":
            _stray(piece.group(), Place(file, line, start - line_start + 1))
    if opened:
        raise opened[-1].error("a parenthesis that is never closed")
    if tokens:
        yield Entry(tokens, blank)


def _stray(char: str, place: Place) -> NoReturn:
    if char == '"':
        raise place.error("a quotation mark that is not closed on its line")
    raise place.error("a backslash at the end of a line")


def decoded(text: str | bytes) -> str:
    """A master file as text: octets that are not UTF-8 become lone surrogates, from which `Token.octets`
    makes the same octets again."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return text.removeprefix("\ufeff")


def shown(text: str) -> str:
    """A word as an error quotes it."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


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
