"""Find every line of a message's head that a strict parser would refuse, not only the first one.

This module continues where the parser stops. So the author of the message sees all faults at once, and
`diagnose` can judge the meaning of the other lines. It also reports the faults that a flag tolerated.
It reads each line with the parser's own functions, and once more for every flag that tolerates a fault in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.http.diagnose.findings import Span
from netkit.http.diagnose.report import Field
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import (
    FRAMING_FIELDS,
    TOKEN_OCTETS,
    Lenient,
    TransferEncoding,
    check_behind_coding,
    read_content_length,
    read_transfer_encoding,
)
from netkit.http.parser.lines import check_terminator, line_end, read_header_line, take_line
from netkit.http.parser.sections import unfolded
from netkit.http.parser.start_line import read_request_line, read_status_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from netkit.http.parser.lines import HeaderLine
    from netkit.http.parser.start_line import RequestLine, StatusLine

T = TypeVar("T")

#: Lines of one head that are looked at.
MAX_LINES = 10_000


class Stray(NamedTuple):
    """What is wrong with a line; the flag that lets it pass, which was tried; and whether that was given."""

    error: ParseError
    tolerance: str | None
    tolerated: bool


class StrayLines:
    """The lines from `start` to the empty line that ends the head, or to `end`.

    Args:
        octets: the input.
        start: where the message begins.
        end: where its head ends at the latest.
        is_request: or a response.
        lenient: what was to be tolerated.
        max_line: the longest header line that is read, in octets.
    """

    def __init__(
        self, octets: bytes, start: int, end: int, *, is_request: bool, lenient: Lenient, max_line: int
    ) -> None:
        self._octets = octets
        self._start = start
        self._end = end
        self._is_request = is_request
        self._lenient = lenient
        self._max_line = max_line
        self._fields: list[tuple[int, int, int, int]] = []
        self._length: int | None = None
        self._coding = TransferEncoding.ABSENT
        #: The start line, where it can be read with whatever tolerances.
        self.start_line: RequestLine | StatusLine | None = None
        #: Whether every line to the empty one could be read so.
        self.whole = False

    @property
    def fields(self) -> list[Field]:
        """The fields, also those that the parser would not take if another tolerance takes them."""
        return as_fields(self._octets, self._fields)

    def find(self) -> Iterator[Stray]:
        """What is wrong, line by line; after it the attributes are set."""
        octets, at = self._octets, self._start
        head = False  # whether there was a start line
        readable = True
        for _ in range(MAX_LINES):
            line_feed = octets.find(b"\n", at, self._end)
            if line_feed < 0:
                return
            if line_end(octets, at, line_feed) == at:
                yield from self._deviations(partial(check_terminator, at, line_feed))
                if head or not self._is_request:
                    self.whole = readable
                    return
            elif not head:
                head = True
                self.start_line = yield from self._start_line(at, line_feed)
                readable = self.start_line is not None
            elif line_feed - at > self._max_line + 1:
                yield Stray(
                    ParseError.HeaderTooLong(self._max_line, at + self._max_line, "max_header_line"),
                    None,
                    False,
                )
                readable = False
            else:
                readable = (yield from self._header_line(at, line_feed)) and readable
            at = line_feed + 1

    def _deviations(self, read: Callable[[Lenient], T]) -> Generator[Stray, None, T | None]:
        """What `read` refuses with one flag after another; what it returns at last, None if it never does."""
        flags = Lenient.NOTHING
        tried: Stray | None = None
        while True:
            try:
                value = read(flags)
            except ParseError as error:
                again = tried is not None and is_same(tried.error, error)
                if tried is not None and not again:
                    yield tried
                if again or error.tolerance is None:
                    yield Stray(error, None, False)
                    return None
                flag = Lenient.named([error.tolerance])
                tried = Stray(error, error.tolerance, bool(flag & self._lenient))
                flags |= flag
            else:
                if tried is not None:
                    yield tried
                return value

    def _start_line(self, at: int, line_feed: int) -> Generator[Stray, None, RequestLine | StatusLine | None]:
        octets = self._octets

        def read(flags: Lenient) -> RequestLine | StatusLine:
            if not self._is_request:
                return read_status_line(octets, at, line_feed, flags)
            if octets[at] not in TOKEN_OCTETS:
                raise ParseError.InvalidMethod(octets[at], at)
            return read_request_line(octets, at, line_feed, flags)

        return (yield from self._deviations(read))

    def _header_line(self, at: int, line_feed: int) -> Generator[Stray, None, bool]:
        """One line; returns whether it can be read."""
        octets, fields = self._octets, self._fields

        def read(flags: Lenient) -> HeaderLine:
            first = not fields
            fold = first or octets[fields[-1][0] : fields[-1][1]].lower() not in FRAMING_FIELDS
            return read_header_line(octets, at, line_feed, flags, first=first, fold=fold)

        line = yield from self._deviations(read)
        if line is None:
            return False
        take_line(fields, line)
        name = octets[line.name_start : line.name_end].lower()
        if name not in FRAMING_FIELDS:
            return True
        value = octets[line.value_start : line.value_end]
        judge = self._content_length if name == b"content-length" else self._transfer_encoding
        return (yield from self._deviations(lambda flags: judge(value, line, flags))) is not None

    def _content_length(self, value: bytes, line: HeaderLine, flags: Lenient) -> bool:
        repeats = bool(flags & Lenient.CONTENT_LENGTH)
        self._length = read_content_length(value, line.value_start, self._length, repeats=repeats)
        return True

    def _transfer_encoding(self, value: bytes, line: HeaderLine, flags: Lenient) -> bool:
        until_close = not self._is_request and bool(flags & Lenient.UNTIL_CLOSE)
        coding = read_transfer_encoding(value, line.value_start, self._coding, until_close=until_close)
        check_behind_coding(self._octets, line.value_end, flags, value, line.value_start)
        self._coding = coding
        return True


def is_same(one: ParseError, other: ParseError) -> bool:
    """Whether two errors are about the same thing at the same place."""
    return (one.kind, one.offset) == (other.kind, other.offset)


def as_fields(octets: bytes, lines: list[tuple[int, int, int, int]]) -> list[Field]:
    """Fields from where their names and values begin and end."""
    return [
        Field(
            octets[name:name_end],
            unfolded(octets[value:value_end]),
            Span(name, name_end - name),
            Span(value, value_end - value),
        )
        for name, name_end, value, value_end in lines
    ]


def trailer_fields(octets: bytes, start: int, end: int, lenient: Lenient) -> list[Field]:
    """The fields of a trailer section that was found to be right."""
    lines: list[tuple[int, int, int, int]] = []
    at = start
    while at < end:
        line_feed = octets.index(b"\n", at)
        if line_end(octets, at, line_feed) == at:
            break
        take_line(lines, read_header_line(octets, at, line_feed, lenient, first=not lines, fold=True))
        at = line_feed + 1
    return as_fields(octets, lines)
