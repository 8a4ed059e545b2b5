"""Reads a master file entry by entry: its directives, and the fields before the data of each record.

RFC 1035 section 5 (the format), RFC 2308 section 4 (`$TTL`), RFC 3597 section 5 (any type and class).

    $ORIGIN example.com.            the name that completes relative names
    $TTL 1h                         the TTL of records without one
    $INCLUDE file [origin]          allowed only if the reader is handed an `include`
    $GENERATE 1-9 h$ A 192.0.2.$    lines made of a template (`netkit.dns.zones.generate`)
    @  IN  SOA  ns1 hostmaster (    parentheses continue a line
        2024010101 1d 2h 4w 5m )
    www  300  IN  A  192.0.2.1      TTL and class in either order; both are optional
         AAAA  2001:db8::1          a line that begins with a blank has the same owner as the line before

Without `$TTL`, a record has the last TTL that was written (RFC 1035 section 5.1). If none was written before
the SOA record, its minimum is the TTL from there on, as in BIND: files of the time before RFC 2308 mean that.

`netkit.dns.tokens` splits the text into entries and tokens; this module interprets the entries one after
another. It does not know record types: the data stays in the line's `TextReader`, and the records
(`netkit.dns.records`, one layer above this module) read it from there. It opens no file: `include` does, and
is given the name, which is relative to the file that includes it. Errors are ZoneFileError, with the place
of the wrong token.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.dns.constants import MAX_TTL, DnsClass, DnsRecordType
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.text import TextReader
from netkit.dns.tokens import Entry, Place, Source, Token, decoded, is_class, next_entry, shown
from netkit.dns.zones.generate import MAX_GENERATED, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netkit.dns.name import Name

    #: A function that `$INCLUDE` calls with the path of a file; it returns the file's content, or raises
    #: OSError. The path is as written if that is absolute, and else begins with the including file's folder.
    Include = Callable[[str], str | bytes]

#: The largest depth of nested includes.
MAX_DEPTH = 16
#: The most files that a zone may include, one more than once counted each time.
MAX_INCLUDES = 1000

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


class _Opened:
    """A file that is being read: how far, and the values to restore when it ends."""

    __slots__ = ("at", "named_at", "origin", "owner", "source")

    def __init__(
        self, source: Source, named_at: Place | None, origin: Name | None, owner: Name | None
    ) -> None:
        self.source = source
        self.at = 0
        self.named_at = named_at
        self.origin = origin
        self.owner = owner


class MasterReader:
    """The state of reading a master file: values kept from line to line, and the open files.

    `origin`, `owner`, `rdclass`, `default_ttl` (of `$TTL`) and `last_ttl` are what the next line may leave
    out. `source` and `at` are the text that is read and the offset of the next line in it; None at the end.
    Who reads lines of it himself says so with `took`.
    """

    def __init__(
        self,
        origin: Name | None,
        ttl: int | None,
        include: Include | None = None,
        max_generated: int = MAX_GENERATED,
    ) -> None:
        self.origin = origin
        self.owner: Name | None = None
        self.rdclass = DnsClass.IN
        self.default_ttl: int | None = None
        self.last_ttl = ttl
        self._include = include
        self._opened: list[_Opened] = []
        self._included = 0
        self._made: Iterator[Source] | None = None
        self._generated = 0
        self._max_generated = max_generated
        self._end: Place | None = None

    def open(self, text: str | bytes, file: str) -> None:
        """Begin to read a file."""
        source = Source(decoded(text), file)
        self._end = Place(source, len(source.text))
        self._opened = [_Opened(source, None, self.origin, None)]

    def read(self, text: str | bytes, file: str) -> Iterator[Line]:
        """Yield the lines with records, in order, from a file and the files that it includes."""
        self.open(text, file)
        while (line := self.next_line()) is not None:
            yield line

    @property
    def source(self) -> Source | None:
        """The text that is read."""
        return self._opened[-1].source if self._opened else None

    @property
    def at(self) -> int:
        """The offset of the next line in it."""
        return self._opened[-1].at

    @property
    def is_making(self) -> bool:
        """Whether the next line may be one that `$GENERATE` makes, and not the one at the offset."""
        return self._made is not None

    def took(self, at: int, owner: Name | None, last_ttl: int | None) -> None:
        """Go on at this offset, behind lines with records that ended with these values."""
        self._opened[-1].at = at
        self.owner, self.last_ttl = owner, last_ttl

    def next_line(self) -> Line | None:
        """The next line with a record, or None at the end."""
        while True:
            if self._made is not None:
                made = next(self._made, None)
                if made is not None:
                    return self._made_line(made)
                self._made = None
            if not self._opened:
                return None
            current = self._opened[-1]
            entry = next_entry(current.source, current.at)
            if entry is None:
                # RFC 1035 section 5.1: an included file does not change the state of the outer file.
                self.origin, self.owner = current.origin, current.owner
                self._opened.pop()
                continue
            current.at = entry.end
            first = entry.tokens[0]
            if entry.blank or first.quoted or not first.text.startswith("$"):
                return self._line(entry)
            self._directive(TextReader(entry.tokens, self.origin))

    def at_end(self, reason: str) -> ZoneFileError:
        """Return an error about something missing in the file."""
        assert self._end is not None
        return self._end.error(reason)

    def _directive(self, reader: TextReader) -> None:
        token = reader.word("directive")
        match token.text.upper():
            case "$ORIGIN":
                self.origin = reader.name("origin")
            case "$TTL":
                self.default_ttl = reader.seconds("TTL", MAX_TTL)
            case "$INCLUDE":
                self._include_file(reader)
            case "$GENERATE":
                self._generate(Template(reader))
            case _:
                raise token.place.error(
                    f"unknown directive {shown(token.text)}",
                    hint="there are $ORIGIN, $TTL, $INCLUDE and $GENERATE; "
                    "a name that begins so is written \\$",
                )
        reader.finish(token.text)

    def _include_file(self, reader: TextReader) -> None:
        token = reader.token("file name")
        origin = reader.name("origin") if reader.more else self.origin
        reader.finish("$INCLUDE")
        if self._include is None:
            raise token.place.error("$INCLUDE is not allowed here")
        current = self._opened[-1]
        written = token.octets.decode("utf-8", "surrogateescape")
        path = posixpath.join(posixpath.dirname(current.source.file), written)
        self._check_includes(token, written, path)
        try:
            text = decoded(self._include(path))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise token.place.error(f"{shown(written)} cannot be read: {reason}") from error
        except ValueError as error:  # what the system takes for no path, such as one with a NUL
            raise token.place.error(f"{shown(written)} cannot be read: {error}") from error
        source = Source(text, path, (f"included at {token.place}", *current.source.via))
        self._opened.append(_Opened(source, token.place, self.origin, self.owner))
        self.origin = origin

    def _check_includes(self, token: Token, written: str, path: str) -> None:
        """Refuse a loop, and what is too deep or too much."""
        if not path.isprintable():
            raise token.place.error(f"{shown(written)} is not a printable name of a file")
        same = posixpath.normpath(path)
        for each in self._opened:
            if posixpath.normpath(each.source.file) == same:
                since = "the zone's own file" if each.named_at is None else f"included at {each.named_at}"
                raise token.place.error(f"{shown(written)} is being read already: it is {since}")
        if len(self._opened) > MAX_DEPTH:
            raise token.place.error(f"files include one another more than {MAX_DEPTH} deep")
        self._included += 1
        if self._included > MAX_INCLUDES:
            raise token.place.error(f"more than {MAX_INCLUDES} files are included")

    def _generate(self, template: Template) -> None:
        self._generated += len(template)
        if self._generated > self._max_generated:
            raise template.place.error(
                f"{self._generated} records made by $GENERATE, of which {self._max_generated} are allowed"
            )
        self._made = template.lines()

    def _made_line(self, source: Source) -> Line:
        entry = next_entry(source, 0)
        if entry is None or entry.blank or entry.end < len(source.text):
            raise Place(source, 0).error("$GENERATE made no record")
        owner = self.owner
        line = self._line(entry)
        self.owner = owner  # what follows was not written behind this line
        return line

    def _line(self, entry: Entry) -> Line:
        reader = TextReader(entry.tokens, self.origin)
        if entry.blank:
            owner = self.owner
            if owner is None:
                raise entry.tokens[0].place.error("no owner: the first record cannot begin with a blank")
        else:
            owner = self.owner = reader.name("owner")
        ttl, rdtype = self._prefix(reader)
        return Line(owner, rdtype, self.rdclass, ttl, reader, entry.tokens[0].place)

    def _prefix(self, reader: TextReader) -> tuple[int, DnsRecordType]:
        """Read TTL and class, both optional and in either order, then the type."""
        ttl: int | None = None
        rdclass: DnsClass | None = None
        while True:
            token = reader.word("type")
            if ttl is None and token.text[0] in "0123456789":
                ttl = self.last_ttl = token.seconds("TTL", MAX_TTL)
            elif rdclass is None and is_class(token.text):
                rdclass = _parsed(token, DnsClass.parse)
            else:
                break
        if rdclass is not None:
            self.rdclass = rdclass
        rdtype = _parsed(token, DnsRecordType.parse)
        if ttl is None:
            # RFC 2308 section 4; without $TTL, the last TTL said (RFC 1035 section 5.1).
            ttl = self.last_ttl if self.default_ttl is None else self.default_ttl
        if ttl is None:
            if rdtype != DnsRecordType.SOA:
                raise token.place.error(
                    "no TTL, here or before", hint="write $TTL 3600 at the top of the file"
                )
            ttl = self.default_ttl = min(reader.soa_minimum(), MAX_TTL)
        return ttl, rdtype


def _parsed(token: Token, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(token.text)
    except DnsError.InvalidValue as error:
        raise token.place.error(
            f"{error.field} {shown(token.text)}: {error.reason}", hint=error.hint
        ) from None
