"""Master files: `parse_zone`, which makes a `Zone` of text, and `parse_record`, for a single line.

RFC 1035 section 5 (the format), RFC 2308 section 4 (`$TTL`), RFC 3597 section 5 (the generic form of any type
and class); times with units (`1h30m`), as BIND introduced and every server reads.

    $ORIGIN example.com.            what relative names are completed with
    $TTL 1h                         for records that do not say; else they take the last one said
    $INCLUDE file [origin]          only if parse_zone is given an `opener`
    @  IN  SOA  ns1 hostmaster (    parentheses continue a line
        2024010101 1d 2h 4w 5m )
    www  300  IN  A  192.0.2.1      TTL and class in either order, each may be missing
         AAAA  2001:db8::1          a line that begins with a blank is about the same owner

The text is first cut into tokens (`_entries`), each with its place; then every line that is a record is read
by the type's own `from_text` from a cursor over its tokens (`RdataTokens`). Errors are ZoneFileError, at the
token that is wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from netkit.addr import AddrParseError, Ipv4Addr, Ipv6Addr
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError, ZoneFileError
from netkit.dns.name import Name, unescape
from netkit.dns.records.base import MAX_TTL, DnsRecord, record_class, record_from_wire
from netkit.dns.wire import MAX_STRING, WireReader
from netkit.dns.zone import Zone, ZoneBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: What `$INCLUDE` asks for a file, by its name as written: the file's content.
    Opener = Callable[[str], str | bytes]

#: How deep files may include one another.
MAX_INCLUDES = 16

_T = TypeVar("_T")


def parse_zone(
    text: str | bytes,
    origin: Name | str | None = None,
    *,
    file: str = "<zone>",
    ttl: int | None = None,
    opener: Opener | None = None,
) -> Zone:
    """The zone that a master file describes.

    `origin` is the zone's name; without it, it is what the SOA record belongs to, and names are relative
    to `$ORIGIN` only. `file` is what errors call the text. `ttl`, in seconds, is for records before any
    TTL is said. `opener` turns the name in an `$INCLUDE` into text; without one there are no includes.
    Bytes are read as UTF-8; what is not UTF-8 is kept as it is in strings.

    Raises ZoneFileError, also for what makes no zone: not one SOA at its top, a record outside, a CNAME
    beside other data, two classes.
    """
    origin = Name.of(origin) if origin is not None else None
    reader = _Reader(origin, ttl, opener)
    records = list(reader.read(_decoded(text), file))
    apex = origin or next((placed.record.name for placed in records if _is_soa(placed.record)), None)
    if apex is None:
        raise reader.at_end("no SOA record: a zone has one, for its own name")
    builder = ZoneBuilder(apex)
    for record, place in records:
        try:
            builder.add(record)
        except DnsError.InvalidValue as error:
            raise place.error(error.reason, hint=error.hint) from None
    try:
        return builder.finish()
    except DnsError.InvalidValue as error:
        raise reader.at_end(error.reason) from None


def parse_record(text: str, *, origin: Name | str | None = None, ttl: int | None = None) -> DnsRecord:
    """The record that one line (or several, in parentheses) of a master file describes.

    Relative names are completed with `origin`, by default the root; `ttl`, in seconds, is for a line
    without one. Raises ZoneFileError.
    """
    reader = _Reader(Name.root if origin is None else Name.of(origin), ttl, None)
    records = list(reader.read(text, "<record>"))
    if not records:
        raise reader.at_end("no record is there")
    if len(records) > 1:
        raise records[1].place.error("a second record")
    return records[0].record


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

    @property
    def end(self) -> Place:
        """The place behind it."""
        return self.place.right(len(self.text) + 2 * self.quoted)

    def inside(self, index: int | None) -> Place:
        """The place of a character of its text; its own for None."""
        return self.place if index is None else self.place.right(index + self.quoted)


class Placed(NamedTuple):
    """A record, and where it begins in its file."""

    record: DnsRecord
    place: Place


class RdataTokens:
    """A cursor over the tokens of one entry: what a record type's `from_text` reads.

    Every method takes the name of the field it is for, and raises ZoneFileError at the token that is not
    what the field needs, or behind the last one if there is no more.
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
        return self._number(field, 0xFFFFFFFF)

    def seconds(self, field: str) -> int:
        """A time of 32 bits in seconds, perhaps with units: `3600`, `1h`, `1w2d`."""
        token = self.word(field)
        return _seconds(token, field, 0xFFFFFFFF)

    def name(self, field: str) -> Name:
        """A domain name, completed with the origin if it is relative."""
        return parse_name(self.word(field), self._origin, field)

    def ipv4(self, field: str) -> Ipv4Addr:
        """An IPv4 address."""
        return self._address(field, Ipv4Addr.parse)

    def ipv6(self, field: str) -> Ipv6Addr:
        """An IPv6 address."""
        return self._address(field, Ipv6Addr.parse)

    def character_strings(self, field: str) -> list[bytes]:
        """All that is left, at least one token, each a string of at most 255 octets."""
        strings = [self._character_string(field)]
        while self.more:
            strings.append(self._character_string(field))
        return strings

    def hexadecimal(self, field: str) -> bytes:
        """All that is left, as hexadecimal digits that may be cut into words anywhere."""
        digits = ""
        while self.more:
            token = self.word(field)
            for index, char in enumerate(token.text):
                if char not in "0123456789abcdefABCDEF":
                    raise token.inside(index).error(f"{field}: {_shown(char)} is not a hexadecimal digit")
            digits += token.text
        if len(digits) % 2:
            raise self._tokens[-1].end.error(f"{field}: an odd number of hexadecimal digits")
        return bytes.fromhex(digits)

    def _number(self, field: str, limit: int) -> int:
        token = self.word(field)
        if not (token.text.isascii() and token.text.isdigit()):
            raise token.place.error(f"{field}: {_shown(token.text)} is not a number")
        if len(token.text) > 10 or int(token.text) > limit:
            raise token.place.error(f"{field}: {_shown(token.text)} is more than {limit}")
        return int(token.text)

    def _address(self, field: str, parse: Callable[[str], _T]) -> _T:
        token = self.word(field)
        try:
            return parse(token.text)
        except AddrParseError as error:
            raise token.inside(error.offset).error(f"{field}: {_shown(token.text)}: {error.reason}") from None

    def _character_string(self, field: str) -> bytes:
        token = self.token(field)
        octets = _octets(token)
        if len(octets) > MAX_STRING:
            raise token.place.error(f"{field}: a string of {len(octets)} octets, longer than {MAX_STRING}")
        return octets


def parse_name(token: Token, origin: Name | None, field: str) -> Name:
    """The name a token spells, completed with `origin` if it is relative. Raises ZoneFileError."""
    try:
        if token.text == "@" and origin is None:
            raise token.place.error(f"{field}: @ stands for the origin, and there is none", hint=_ORIGIN_HINT)
        name = Name.parse(token.text, relative=True)
        if name.is_absolute:
            return name
        if origin is None:
            raise token.place.error(
                f"{field}: {_shown(token.text)} is relative, and there is no origin", hint=_ORIGIN_HINT
            )
        return Name.parse(token.text, origin)
    except DnsError.InvalidName as error:
        raise token.inside(error.offset).error(
            f"{field}: {_shown(token.text)}: {error.reason}", hint=error.hint
        ) from None


_ORIGIN_HINT = "write $ORIGIN before it, or end the name with a dot"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIME = re.compile(r"(?:[0-9]{1,18}[smhdw])*(?:[0-9]{1,18}[smhdw]?)", re.IGNORECASE)


def _seconds(token: Token, field: str, limit: int) -> int:
    if not _TIME.fullmatch(token.text):
        raise token.place.error(
            f"{field}: {_shown(token.text)} is not a time", hint="write seconds, or units: 1w2d3h4m5s"
        )
    total = 0
    for number, unit in re.findall(r"([0-9]+)([a-z]?)", token.text.lower()):
        total += int(number) * _UNITS[unit or "s"]
    if total > limit:
        raise token.place.error(f"{field}: {_shown(token.text)} is more than {limit} seconds")
    return total


def _octets(token: Token) -> bytes:
    """The octets of a character string, its escapes undone; characters beyond ASCII as UTF-8."""
    text = token.text
    if "\\" not in text:
        return text.encode("utf-8", "surrogateescape")
    octets = bytearray()
    at = 0
    while (escape := text.find("\\", at)) >= 0:
        octets += text[at:escape].encode("utf-8", "surrogateescape")
        try:
            octet, at = unescape(text, escape)
        except DnsError.InvalidName as error:
            raise token.inside(error.offset).error(error.reason) from None
        octets.append(octet)
    return bytes(octets + text[at:].encode("utf-8", "surrogateescape"))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        # Octets that are not UTF-8 become lone surrogates, from which _octets makes the same octets again.
        text = text.decode("utf-8", "surrogateescape")
    return text.removeprefix("\ufeff")


def _is_soa(record: DnsRecord) -> bool:
    return record.rdtype == DnsRecordType.SOA


# What a master file is made of. The alternatives begin with different characters and repeat possessively,
# so that reading takes time in proportion to the text, whatever it is.
_PIECE = re.compile(
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


class _Entry(NamedTuple):
    """A line, or what parentheses make one: its tokens, and whether it begins with a blank."""

    tokens: list[Token]
    blank: bool


def _entries(text: str, file: str) -> Iterator[_Entry]:
    """Cut a master file into entries. RFC 1035 section 5.1."""
    tokens: list[Token] = []
    blank = False
    opened: list[Place] = []
    line, line_start = 1, 0
    joined = -1  # where a quoted string ended, which no word may follow at once
    for piece in _PIECE.finditer(text):
        kind, start = piece.lastgroup, piece.start()
        if kind == "word" or kind == "quoted":
            place = Place(file, line, start - line_start + 1)
            if start == joined and (kind == "quoted" or tokens[-1].quoted):
                raise place.error("a quotation mark inside a word", hint='write it as \\"')
            found = piece.group()
            tokens.append(Token(found[1:-1] if kind == "quoted" else found, kind == "quoted", place))
            joined = piece.end()
        elif kind == "space":
            blank = blank or (start == line_start and not opened)
        elif kind == "newline":
            line, line_start = line + 1, piece.end()
            if not opened:
                if tokens:
                    yield _Entry(tokens, blank)
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
        yield _Entry(tokens, blank)


def _stray(char: str, place: Place) -> NoReturn:
    if char == '"':
        raise place.error("a quotation mark that is not closed on its line")
    raise place.error("a backslash at the end of a line")


class _Source:
    """A file being read: its entries, and what is to be put back when it ends."""

    __slots__ = ("entries", "file", "origin", "owner")

    def __init__(self, text: str, file: str, origin: Name | None, owner: Name | None) -> None:
        self.entries = _entries(text, file)
        self.file = file
        self.origin = origin
        self.owner = owner


class _Reader:
    """What a master file's reader remembers from line to line, and the files it is in the middle of."""

    def __init__(self, origin: Name | None, ttl: int | None, opener: Opener | None) -> None:
        self._origin = origin
        self._owner: Name | None = None
        self._default_ttl: int | None = None  # from $TTL
        self._last_ttl = ttl
        self._class = DnsClass.IN
        self._opener = opener
        self._sources: list[_Source] = []
        self._end = Place("", 1, 1)

    def read(self, text: str, file: str) -> Iterator[Placed]:
        """The records of a file and of those it includes, in their order."""
        self._end = Place(file, text.count("\n") + 1, len(text) - text.rfind("\n"))
        self._sources = [_Source(text, file, self._origin, None)]
        while self._sources:
            source = self._sources[-1]
            entry = next(source.entries, None)
            if entry is None:
                # RFC 1035 section 5.1: an included file changes nothing in the one that includes it.
                self._origin, self._owner = source.origin, source.owner
                self._sources.pop()
            elif not entry.blank and entry.tokens[0].text.startswith("$") and not entry.tokens[0].quoted:
                self._directive(RdataTokens(entry.tokens, self._origin))
            else:
                yield self._record(entry)

    def at_end(self, reason: str) -> ZoneFileError:
        """An error about what is not in the file."""
        return self._end.error(reason)

    def _directive(self, tokens: RdataTokens) -> None:
        token = tokens.word("directive")
        match token.text.upper():
            case "$ORIGIN":
                self._origin = tokens.name("origin")
            case "$TTL":
                self._default_ttl = _seconds(tokens.word("TTL"), "TTL", MAX_TTL)
            case "$INCLUDE":
                self._include(tokens)
            case _:
                raise token.place.error(
                    f"unknown directive {_shown(token.text)}",
                    hint="there are $ORIGIN, $TTL and $INCLUDE; a name that begins so is written \\$",
                )
        _nothing_left(tokens, token.text)

    def _include(self, tokens: RdataTokens) -> None:
        file = tokens.token("file name")
        origin = tokens.name("origin") if tokens.more else self._origin
        _nothing_left(tokens, "$INCLUDE")
        if self._opener is None:
            raise file.place.error("$INCLUDE is not allowed here")
        if len(self._sources) > MAX_INCLUDES:
            raise file.place.error(f"files include one another more than {MAX_INCLUDES} deep")
        name = _octets(file).decode("utf-8", "surrogateescape")
        try:
            text = _decoded(self._opener(name))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise file.place.error(f"{_shown(name)} cannot be read: {reason}") from error
        self._sources.append(_Source(text, name, self._origin, self._owner))
        self._origin = origin

    def _record(self, entry: _Entry) -> Placed:
        tokens = RdataTokens(entry.tokens, self._origin)
        if entry.blank:
            owner = self._owner
            if owner is None:
                raise entry.tokens[0].place.error("no owner: the first record cannot begin with a blank")
        else:
            owner = self._owner = tokens.name("owner")
        ttl, rdtype = self._prefix(tokens)
        record = _rdata(owner, ttl, self._class, rdtype, tokens)
        _nothing_left(tokens, f"the {rdtype} record")
        return Placed(record, entry.tokens[0].place)

    def _prefix(self, tokens: RdataTokens) -> tuple[int, DnsRecordType]:
        """TTL and class, in either order and each if it is there, then the type."""
        ttl: int | None = None
        rdclass: DnsClass | None = None
        while True:
            token = tokens.word("type")
            word = token.text.upper()
            if ttl is None and word[0] in "0123456789":
                ttl = self._last_ttl = _seconds(token, "TTL", MAX_TTL)
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
            f"{error.field} {_shown(token.text)}: {error.reason}", hint=error.hint
        ) from None


def _rdata(owner: Name, ttl: int, rdclass: DnsClass, rdtype: DnsRecordType, tokens: RdataTokens) -> DnsRecord:
    generic = tokens.peek()
    if generic is not None and generic.text == "\\#" and not generic.quoted:
        return _generic_rdata(owner, ttl, rdclass, rdtype, tokens)
    cls = record_class(rdtype, rdclass)
    if cls is None:
        raise (generic.place if generic else tokens.place).error(
            f"the data of {rdtype} in class {rdclass} can be written in the generic form only",
            hint="write \\# LENGTH HEX (RFC 3597)",
        )
    try:
        return cls.from_text(owner, ttl, rdclass, tokens)
    except DnsError.InvalidValue as error:
        raise tokens.place.error(f"{error.field}: {error.reason}") from None


def _generic_rdata(
    owner: Name, ttl: int, rdclass: DnsClass, rdtype: DnsRecordType, tokens: RdataTokens
) -> DnsRecord:
    r"""`\# 4 0A000001`: the octets of any type, RFC 3597 section 5."""
    tokens.token("\\#")
    length = tokens.u16("length")
    place = tokens.place
    octets = tokens.hexadecimal("data")
    if len(octets) != length:
        raise place.error(f"length {length} is not that of the data, {len(octets)}")
    reader = WireReader(octets, compression=False)
    try:
        with reader.restrict_to(length, "data"):
            return record_from_wire(owner, rdtype, rdclass, ttl, reader)
    except DnsError.InvalidResponse as error:
        raise place.error(
            f"not the data of {rdtype}: {error.field} at octet {error.offset}: {error.reason}"
        ) from None


def _nothing_left(tokens: RdataTokens, what: str) -> None:
    token = tokens.peek()
    if token is not None:
        raise token.place.error(f"{_shown(token.text)} is left over after {what}")
