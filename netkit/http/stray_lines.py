"""Every line of a message's head that a parser which tolerates nothing would refuse, not only the first.

It goes on where the parser stops, so that whoever wrote the message sees all of it in one go; and it says
what was tolerated where that was asked for. Each line is judged by the functions that the parser uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.findings import Span
from netkit.http.framing import (
    TOKEN_OCTETS,
    Lenient,
    TransferEncoding,
    read_content_length,
    read_transfer_encoding,
)
from netkit.http.lines import check_terminator, line_end, read_header_line
from netkit.http.parse_errors import ParseError
from netkit.http.sections import unfolded
from netkit.http.start_line import read_request_line, read_status_line

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Lines of one head that are looked at.
MAX_LINES = 10_000


def stray_lines(octets: bytes, start: int, end: int, is_request: bool) -> Iterator[ParseError]:
    """The first error of each line from `start` to the empty line that ends the head, or to `end`."""
    at = start
    framing = _FramingFields()
    head = False  # whether the start line was read
    first = True  # whether no field was
    for _ in range(MAX_LINES):
        line_feed = octets.find(b"\n", at, end)
        if line_feed < 0:
            return
        content_end = line_end(octets, at, line_feed)
        try:
            if content_end == at:
                check_terminator(at, line_feed, Lenient.NOTHING)
            elif not head:
                if is_request and octets[at] not in TOKEN_OCTETS:
                    raise ParseError.InvalidMethod(octets[at], at)
                read = read_request_line if is_request else read_status_line
                read(octets, at, line_feed, Lenient.NOTHING)
            else:
                line = read_header_line(octets, at, line_feed, Lenient.NOTHING, first=first, fold=True)
                name = octets[line.name_start : line.name_end].lower()
                framing.take(name, octets[line.value_start : line.value_end], line.value_start)
        except ParseError as error:
            yield error
        if content_end > at:
            first = first and not head
            head = True
        elif head or not is_request:
            return
        at = line_feed + 1


class _FramingFields:
    """Content-Length and Transfer-Encoding, each judged beside those before it."""

    def __init__(self) -> None:
        self._length: int | None = None
        self._coding = TransferEncoding.ABSENT

    def take(self, name: bytes, value: bytes, offset: int) -> None:
        """Raises ParseError for a field that a parser refuses."""
        if name == b"content-length":
            length = read_content_length(value, offset)
            if self._length is not None:
                raise ParseError.ConflictingContentLength(self._length, length, offset)
            self._length = length
        elif name == b"transfer-encoding":
            self._coding = read_transfer_encoding(value, offset, self._coding)


def trailer_fields(
    octets: bytes, start: int, end: int, lenient: Lenient
) -> list[tuple[bytes, bytes, Span, Span]]:
    """The fields of a trailer section that was found to be right: names, values, and where they are."""
    spans: list[tuple[int, int, int, int]] = []
    at = start
    while at < end:
        line_feed = octets.index(b"\n", at)
        if line_end(octets, at, line_feed) == at:
            break
        line = read_header_line(octets, at, line_feed, lenient, first=not spans, fold=True)
        if line.name_end > at:
            spans.append(line)
        elif line.value_end > line.value_start:
            name, name_end, value, value_end = spans[-1]
            spans[-1] = (name, name_end, line.value_start if value == value_end else value, line.value_end)
        at = line_feed + 1
    return [
        (
            octets[name:name_end],
            unfolded(octets[value:value_end]),
            Span(name, name_end - name),
            Span(value, value_end - value),
        )
        for name, name_end, value, value_end in spans
    ]
