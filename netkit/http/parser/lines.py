"""The lines of an HTTP/1.1 message, one at a time and octet by octet (RFC 9112 sections 2.2 and 5).

This is the careful way through a line: it finds the first octet that is wrong, and knows the tolerances.
`head` takes lines that are as they should be with one regular expression, and comes here with the rest;
`chunked` reads its trailers here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias

from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import TCHAR, Lenient

if TYPE_CHECKING:
    from collections.abc import Callable
    from re import Pattern

#: What a message is read from.
Buffer: TypeAlias = "bytes | bytearray | memoryview"

CR, LF, SP, HTAB, COLON = b"\r\n \t:"

# Quantifiers are possessive throughout: what does not match is not tried again in another way.
_NAME = re.compile(rb"[" + TCHAR + rb"]*+")
_SPACES = re.compile(rb"[ \t]*+")
#: field-vchar, whitespace and obs-text (RFC 9110 section 5.5); reason phrases have the same octets.
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+")
_LINE_FEED = re.compile(rb"\n")


class HeaderLine(NamedTuple):
    """Where the parts of a header line are; a line that continues another has no name."""

    name_start: int
    name_end: int
    value_start: int
    value_end: int


def octets(data: Buffer) -> Buffer:
    """The buffer as octets, without copying. Raises TypeError for what is no contiguous buffer."""
    if type(data) is bytes or type(data) is bytearray:
        return data
    return memoryview(data).cast("B")


def find_line_feed(buffer: Buffer, start: int, end: int) -> int:
    """Where the first LF from start to end is, or -1."""
    if isinstance(buffer, memoryview):
        found = _LINE_FEED.search(buffer, start, end)
        return -1 if found is None else found.start()
    return buffer.find(b"\n", start, end)


def skip(pattern: Pattern[bytes], buffer: Buffer, start: int, end: int) -> int:
    """Where the octets end that a pattern matches from start on; it matches none as well."""
    match = pattern.match(buffer, start, end)
    assert match is not None
    return match.end()


def refuse(error: Callable[[int | None, int], ParseError], buffer: Buffer, at: int, end: int) -> NoReturn:
    """Raise for the octet at `at` of a line that ends at `end`: a bare CR is called that everywhere."""
    if at >= end:
        raise error(None, at)
    if buffer[at] == CR:
        raise ParseError.BareCarriageReturn(at)
    raise error(buffer[at], at)


def line_end(buffer: Buffer, start: int, line_feed: int) -> int:
    """Where the content of a line ends that ends in the LF at line_feed: at its CR, if it has one."""
    return line_feed - 1 if line_feed > start and buffer[line_feed - 1] == CR else line_feed


def check_terminator(end: int, line_feed: int, lenient: Lenient) -> None:
    """Refuse LF without CR, unless that is tolerated."""
    if end == line_feed and not lenient & Lenient.BARE_LF:
        raise ParseError.BareLineFeed(line_feed)


def check_value(buffer: Buffer, start: int, end: int) -> None:
    """Refuse what no field value may have."""
    at = skip(_VALUE, buffer, start, end)
    if at < end:
        refuse(ParseError.InvalidHeaderValue, buffer, at, end)


def read_header_line(
    buffer: Buffer, start: int, line_feed: int, lenient: Lenient, *, first: bool, fold: bool
) -> HeaderLine:
    """One line of a header or trailer section that is not the empty one which ends it.

    Args:
        buffer: the message.
        start: where the line begins.
        line_feed: where its LF is.
        lenient: what is tolerated.
        first: whether there is no field before this line, which it could continue.
        fold: whether the field before it may be continued, where that is tolerated.

    Raises:
        ParseError: the first octet that is wrong, by its variant.
    """
    end = line_end(buffer, start, line_feed)
    if buffer[start] in (SP, HTAB):
        # RFC 9112 section 2.2: whitespace before the first field is another matter than a fold.
        if first:
            raise ParseError.InvalidHeaderName(buffer[start], start)
        if not fold or not lenient & Lenient.OBS_FOLD:
            raise ParseError.ObsoleteFold(start)
        name_end = start
        at = start
    else:
        name_end = at = skip(_NAME, buffer, start, end)
        if at < end and buffer[at] in (SP, HTAB):
            colon = skip(_SPACES, buffer, at, end)
            if colon == end or buffer[colon] != COLON:
                raise ParseError.InvalidHeaderName(buffer[at], at)
            if at == start or not lenient & Lenient.SPACE_BEFORE_COLON:
                raise ParseError.SpaceBeforeColon(at)
            at = colon
        if at == end:
            raise ParseError.MissingColon(at)
        if buffer[at] != COLON or at == start:
            refuse(ParseError.InvalidHeaderName, buffer, at, end)
        at += 1
    value_start = skip(_SPACES, buffer, at, end)
    check_value(buffer, value_start, end)
    check_terminator(end, line_feed, lenient)
    return HeaderLine(start, name_end, value_start, trimmed_end(buffer, value_start, end))


def take_line(fields: list[tuple[int, int, int, int]], line: HeaderLine) -> bool:
    """Add a line to the fields before it: one of its own, or, false then, what continues the last."""
    if line.name_end > line.name_start:
        fields.append(line)
        return True
    if line.value_end > line.value_start:
        name, name_end, value, value_end = fields[-1]
        fields[-1] = (name, name_end, line.value_start if value == value_end else value, line.value_end)
    return False


def trimmed_end(buffer: Buffer, start: int, end: int) -> int:
    """Where a value ends without the spaces and tabs behind it, no part of it (RFC 9112 section 5.1)."""
    while end > start and buffer[end - 1] in (SP, HTAB):
        end -= 1
    return end
