r"""Cutting a master file into entries and words, each of which knows its place.

RFC 1035 section 5.1 (words, quoted strings, parentheses, comments, `\X` and `\DDD`), RFC 9460 section 2.1 (a
word that ends in a quoted string: `alpn="h2,h3"`).

A place is a text and an offset in it; its line and column are counted when somebody asks for them, which is
when there is an error. A text knows how it came to be read: it is a file, or one that `$INCLUDE` names, or
what `$GENERATE` makes. An error says that, and is where a person can do something about it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.name import unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The largest number of 32 bits.
MAX_U32 = 0xFFFFFFFF


class Source:
    """A text that is read: a file. `via` says for errors how it came to be read, the nearest reason first."""

    __slots__ = ("_octets", "file", "text", "via")

    def __init__(self, text: str, file: str, via: tuple[str, ...] = ()) -> None:
        self.text = text
        self.file = file
        self.via = via
        self._octets: bytes | None = None

    @property
    def octets(self) -> bytes:
        """The text in ASCII, an octet a character; one beyond ASCII is a `?`."""
        if self._octets is None:
            self._octets = self.text.encode("ascii", "replace")
        return self._octets

    def locate(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset, both from 1."""
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)


class MadeSource(Source):
    """A line made of the template of a `$GENERATE`: its places are those of the template's parts.

    `parts` are the offset in the line behind each part, and the part's place.
    """

    __slots__ = ("_parts",)

    def __init__(self, text: str, file: str, via: tuple[str, ...], parts: list[tuple[int, Place]]) -> None:
        super().__init__(text, file, via)
        self._parts = parts

    def locate(self, offset: int) -> tuple[int, int]:
        place = next((place for end, place in self._parts if offset <= end), self._parts[-1][1])
        return place.line, place.column


class Place:
    """Where something is in a master file: line and column count from 1."""

    __slots__ = ("offset", "source")

    def __init__(self, source: Source, offset: int) -> None:
        self.source = source
        self.offset = offset

    @property
    def file(self) -> str:
        """The file's name."""
        return self.source.file

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.source.locate(self.offset)[0]

    @property
    def column(self) -> int:
        """The column, from 1."""
        return self.source.locate(self.offset)[1]

    def error(self, reason: str, hint: str | None = None) -> ZoneFileError:
        """An error that is to be found here."""
        line, column = self.source.locate(self.offset)
        return ZoneFileError(self.file, line, column, reason, self.source.via, hint=hint)

    def right(self, columns: int) -> Place:
        """The place so many columns further on."""
        return Place(self.source, self.offset + columns)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Token:
    """A word or quoted string, its escapes as they are and its quotation marks taken off.

    `is_pair` is for a word that ends in a quoted string: `alpn="h2,h3"`, which only SVCB and HTTPS have.
    """

    __slots__ = ("is_pair", "offset", "quoted", "source", "text")

    def __init__(self, text: str, quoted: bool, source: Source, offset: int, is_pair: bool = False) -> None:
        self.text = text
        self.quoted = quoted
        self.is_pair = is_pair
        self.source = source
        self.offset = offset

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.source, self.offset)

    @property
    def end(self) -> Place:
        """The place behind it."""
        return Place(self.source, self.offset + len(self.text) + 2 * (self.quoted or self.is_pair))

    def inside(self, index: int | None) -> Place:
        """The place of a character of its text; its own for None."""
        if index is None:
            return self.place
        mark = self.quoted or (self.is_pair and index > self.text.index("="))  # the quotation mark
        return Place(self.source, self.offset + index + mark)

    def part(self, start: int) -> Token:
        """What it is from a character of its text on."""
        return Token(self.text[start:], False, self.source, self.inside(start).offset)

    def with_text(self, text: str) -> Token:
        """Another text in its place."""
        return Token(text, self.quoted, self.source, self.offset)

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

    def seconds(self, field: str, limit: int = MAX_U32) -> int:
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
    """A line, or what parentheses make one: its tokens, whether it begins with a blank, the offset behind."""

    tokens: list[Token]
    blank: bool
    end: int


def entries(text: str, file: str) -> Iterator[Entry]:
    """Cut a master file into entries. Raises ZoneFileError. RFC 1035 section 5.1."""
    source, at = Source(text, file), 0
    while (entry := next_entry(source, at)) is not None:
        yield entry
        at = entry.end


def next_entry(source: Source, start: int) -> Entry | None:
    """The entry that begins at an offset, or behind it; None at the end. Raises ZoneFileError.

    `start` must be where a line begins.
    """
    tokens: list[Token] = []
    blank = False
    opened: list[int] = []
    line_start = start
    joined = -1  # where a quoted string ended, which no word may follow at once
    for piece in _piece().finditer(source.text, start):
        kind, at = piece.lastgroup, piece.start()
        if kind == "word" or kind == "quoted":
            found = piece.group()
            if at == joined and (kind == "quoted" or tokens[-1].quoted or tokens[-1].is_pair):
                tokens[-1] = _paired(tokens[-1], found, Place(source, at))
            elif kind == "quoted":
                tokens.append(Token(found[1:-1], True, source, at))
            else:
                tokens.append(Token(found, False, source, at))
            joined = piece.end()
        elif kind == "space":
            blank = blank or (at == line_start and not opened)
        elif kind == "newline":
            line_start = piece.end()
            if not opened:
                if tokens:
                    return Entry(tokens, blank, line_start)
                blank = False
        elif kind == "open":
            opened.append(at)
        elif kind == "close":
            if not opened:
                raise Place(source, at).error("a closing parenthesis without its opening")
            opened.pop()
        elif kind == "other":
            _stray(piece.group(), Place(source, at))
    if opened:
        raise Place(source, opened[-1]).error("a parenthesis that is never closed")
    return Entry(tokens, blank, len(source.text)) if tokens else None


def _paired(before: Token, found: str, place: Place) -> Token:
    """The word `key=` with the quoted string right behind it. Raises ZoneFileError if it is anything else."""
    is_value = found.startswith('"') and not before.quoted and not before.is_pair
    if not is_value or before.text.find("=") != len(before.text) - 1:
        raise place.error(QUOTE_INSIDE, hint=QUOTE_HINT)
    return Token(before.text + found[1:-1], False, before.source, before.offset, is_pair=True)


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


def is_class(word: str) -> bool:
    """Whether a word before the type is a class, or should be one."""
    # ANY would be a type here; NONE is the class of some records in updates (RFC 2136 section 2.4).
    word = word.upper()
    return word in ("IN", "CH", "HS", "NONE") or word.startswith("CLASS")


def shown(text: str) -> str:
    """A word as an error quotes it."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


QUOTE_INSIDE = "a quotation mark inside a word"
QUOTE_HINT = 'write it as \\"'

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
