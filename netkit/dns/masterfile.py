"""Reads a master file line by line: its directives, and the fields before the data of each record.

RFC 1035 section 5 (the format), RFC 2308 section 4 (`$TTL`), RFC 3597 section 5 (any type and class).

    $ORIGIN example.com.            the name that completes relative names
    $TTL 1h                         the TTL of records without one; without $TTL, the last TTL in the file
    $INCLUDE file [origin]          allowed only if the reader has an `opener`
    @  IN  SOA  ns1 hostmaster (    parentheses continue a line
        2024010101 1d 2h 4w 5m )
    www  300  IN  A  192.0.2.1      TTL and class in either order; both are optional
         AAAA  2001:db8::1          a line that begins with a blank has the same owner as the line before

`netkit.dns.text` splits the text into entries and tokens; this module interprets the entries one after
another. It does not know record types: the data stays in the line's `TextReader`, and the records
(`netkit.dns.records`, one layer above this module) read it from there. Errors are ZoneFileError, with the
place of the wrong token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.text import Entry, Place, TextReader, Token, decoded, entries, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.dns.name import Name

    #: A function that `$INCLUDE` calls with a file's name as written; it returns the file's content.
    Opener = Callable[[str], str | bytes]

#: The largest depth of nested includes.
MAX_INCLUDES = 16

_T = TypeVar("_T")


class Line(NamedTuple):
    """A line with a record. `reader` has already read the fields before the data; `place` is the beginning of
    the line."""

    owner: Name
    rdtype: DnsRecordType
    rdclass: DnsClass
    ttl: int
    reader: TextReader
    place: Place


class _Source:
    """A file that is being read: its entries, and the values to restore when the file ends."""

    __slots__ = ("entries", "file", "origin", "owner")

    def __init__(self, text: str, file: str, origin: Name | None, owner: Name | None) -> None:
        self.entries = entries(text, file)
        self.file = file
        self.origin = origin
        self.owner = owner


class MasterReader:
    """The state of reading a master file: values kept from line to line, and the open files."""

    def __init__(self, origin: Name | None, ttl: int | None, opener: Opener | None = None) -> None:
        self._origin = origin
        self._owner: Name | None = None
        self._default_ttl: int | None = None  # from $TTL
        self._last_ttl = ttl
        self._class = DnsClass.IN
        self._opener = opener
        self._sources: list[_Source] = []
        self._end = Place("", 1, 1)

    def read(self, text: str, file: str) -> Iterator[Line]:
        """Yield the lines with records, in order, from a file and the files that it includes."""
        self._end = Place(file, text.count("\n") + 1, len(text) - text.rfind("\n"))
        self._sources = [_Source(text, file, self._origin, None)]
        while self._sources:
            source = self._sources[-1]
            entry = next(source.entries, None)
            if entry is None:
                # RFC 1035 section 5.1: an included file does not change the state of the outer file.
                self._origin, self._owner = source.origin, source.owner
                self._sources.pop()
            elif not entry.blank and entry.tokens[0].text.startswith("$") and not entry.tokens[0].quoted:
                self._directive(TextReader(entry.tokens, self._origin))
            else:
                yield self._line(entry)

    def at_end(self, reason: str) -> ZoneFileError:
        """Return an error about something missing in the file."""
        return self._end.error(reason)

    def _directive(self, reader: TextReader) -> None:
        token = reader.word("directive")
        match token.text.upper():
            case "$ORIGIN":
                self._origin = reader.name("origin")
            case "$TTL":
                self._default_ttl = reader.seconds("TTL", MAX_TTL)
            case "$INCLUDE":
                self._include(reader)
            case _:
                raise token.place.error(
                    f"unknown directive {shown(token.text)}",
                    hint="there are $ORIGIN, $TTL and $INCLUDE; a name that begins so is written \\$",
                )
        reader.finish(token.text)

    def _include(self, reader: TextReader) -> None:
        file = reader.token("file name")
        origin = reader.name("origin") if reader.more else self._origin
        reader.finish("$INCLUDE")
        if self._opener is None:
            raise file.place.error("$INCLUDE is not allowed here")
        if len(self._sources) > MAX_INCLUDES:
            raise file.place.error(f"files include one another more than {MAX_INCLUDES} deep")
        name = file.octets.decode("utf-8", "surrogateescape")
        try:
            text = decoded(self._opener(name))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise file.place.error(f"{shown(name)} cannot be read: {reason}") from error
        self._sources.append(_Source(text, name, self._origin, self._owner))
        self._origin = origin

    def _line(self, entry: Entry) -> Line:
        reader = TextReader(entry.tokens, self._origin)
        if entry.blank:
            owner = self._owner
            if owner is None:
                raise entry.tokens[0].place.error("no owner: the first record cannot begin with a blank")
        else:
            owner = self._owner = reader.name("owner")
        ttl, rdtype = self._prefix(reader)
        return Line(owner, rdtype, self._class, ttl, reader, entry.tokens[0].place)

    def _prefix(self, reader: TextReader) -> tuple[int, DnsRecordType]:
        """Read TTL and class, both optional and in either order, then the type."""
        ttl: int | None = None
        rdclass: DnsClass | None = None
        while True:
            token = reader.word("type")
            word = token.text.upper()
            if ttl is None and word[0] in "0123456789":
                ttl = self._last_ttl = token.seconds("TTL", MAX_TTL)
            elif rdclass is None and (word in _CLASSES or word.startswith("CLASS")):
                rdclass = _parsed(token, DnsClass.parse)
            else:
                break
        if rdclass is not None:
            self._class = rdclass
        rdtype = _parsed(token, DnsRecordType.parse)
        if ttl is None:
            # RFC 2308 section 4; without $TTL, the last TTL said (RFC 1035 section 5.1).
            ttl = self._last_ttl if self._default_ttl is None else self._default_ttl
        if ttl is None:
            raise token.place.error("no TTL, here or before", hint="write $TTL 3600 at the top of the file")
        return ttl, rdtype


# ANY would be a type here; NONE is the class of some records in updates (RFC 2136 section 2.4).
_CLASSES = ("IN", "CH", "HS", "NONE")


def _parsed(token: Token, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(token.text)
    except DnsError.InvalidValue as error:
        raise token.place.error(
            f"{error.field} {shown(token.text)}: {error.reason}", hint=error.hint
        ) from None
