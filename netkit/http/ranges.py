"""Range requests: read which parts a client asks for, and describe the parts that an answer carries.

RFC 9110 sections 14 (Range, Content-Range), 13.1.5 (If-Range), 15.3.7 (206) and 15.5.17 (416).

    >>> wanted = parse_range_header("bytes=0-499, 400-899, -100")
    >>> parts = resolve_and_merge(wanted, 10_000)
    >>> [encode_content_range(part, 10_000) for part in parts]
    ['bytes 0-899/10000', 'bytes 9900-9999/10000']

A Range that is malformed, or whose unit is not bytes, raises an error. A server then ignores the whole field
(section 14.2). It cannot leave out only one of several ranges, because the client would take the other parts
for the complete answer. Only `UnsatisfiableRange` gets an answer of its own, 416. A suffix of an
empty representation is satisfiable (section 14.1.2), and resolves to no part: the answer is 200. A malformed
Content-Range is the server's fault, and a client must not put such a part together with others (14.4).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from netkit.http.fields.errors import FieldLimitExceeded, InvalidField, UnknownRangeUnit, UnsatisfiableRange
from netkit.http.fields.syntax import MAX_LENGTH, Cursor, as_text, quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: The most ranges of one field: many small ones cost a server far more than they cost who asks (14.2).
MAX_RANGES = 100
#: The most digits of a position; 20 hold every 64-bit number.
MAX_DIGITS = 20

_DIGITS = re.compile(r"[0-9]++")
#: RFC 2046 section 5.1.1: up to 70 characters, the last of them no space.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_NO_VALUE = re.compile(r"[^\t \x21-\x7e\x80-\xff]")
_ENTITY_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\U0010ffff]*+"')
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class ClosedRange(NamedTuple):
    """`first-last`: from one position to another, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class OpenRange(NamedTuple):
    """`first-`: from a position to the end."""

    first: int

    def __str__(self) -> str:
        return f"{self.first}-"


class SuffixRange(NamedTuple):
    """`-length`: that many bytes at the end."""

    length: int

    def __str__(self) -> str:
        return f"-{self.length}"


RangeSpec: TypeAlias = ClosedRange | OpenRange | SuffixRange


class RangeSet(NamedTuple):
    """What a Range field asks for: `specs` in the order they are written, in `unit`, which is bytes."""

    specs: tuple[RangeSpec, ...]
    unit: str = "bytes"

    def __str__(self) -> str:
        return f"{self.unit}={', '.join(map(str, self.specs))}"


class ResolvedRange(NamedTuple):
    """A part of a representation: `first` and `last` are positions in bytes, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1

    @property
    def slice(self) -> slice:
        """The part as Python cuts it: `data[part.slice]`."""
        return slice(self.first, self.last + 1)


class ContentRange(NamedTuple):
    """What a Content-Range says: the part enclosed (None: with 416, none), and the length of the whole
    (None: not known when it was sent)."""

    range: ResolvedRange | None
    complete_length: int | None

    def __str__(self) -> str:
        if self.range is None:
            if self.complete_length is None:
                raise InvalidField("Content-Range", "neither a part nor a length", fault="caller")
            return encode_unsatisfiable(self.complete_length)
        return encode_content_range(self.range, self.complete_length)


def parse_range_header(
    header: str | bytes, *, max_ranges: int = MAX_RANGES, max_length: int = MAX_LENGTH
) -> RangeSet:
    """The ranges that a Range field asks for.

    Args:
        header: the field's value, such as `bytes=0-499, -100`. The unit's case does not matter.
        max_ranges: the most ranges, empty members of the list included.
        max_length: the longest value, in characters.

    Raises UnknownRangeUnit where the unit is not bytes; InvalidField with the offset where the grammar is
    broken or a range ends before it starts (RFC 9110 section 14.1.1); FieldLimitExceeded over a limit.
    """
    cursor = Cursor(header, "Range", max_length)
    cursor.skip()
    unit = cursor.token("a range unit")
    if not cursor.take("="):
        cursor.expected("'='")
    if unit.lower() != "bytes":
        raise UnknownRangeUnit(unit)
    specs: list[RangeSpec] = []
    try:
        while cursor.next_member(max_ranges):
            specs.append(_spec(cursor))
    except FieldLimitExceeded as error:
        if error.limit == "max_members":
            raise FieldLimitExceeded("Range", "max_ranges", max_ranges, error.offset) from None
        raise
    if not specs:
        cursor.expected("a range")
    return RangeSet(tuple(specs))


def resolve_ranges(ranges: RangeSet, total_length: int) -> list[ResolvedRange]:
    """The parts of a representation of `total_length` bytes, one for each range that has any, in order.

    A range that starts past the end is dropped, one that ends past it is cut (RFC 9110 section 14.1.2).
    The list is empty where the representation is, and a suffix range asks for its end: that is satisfiable,
    but no Content-Range can say that nothing is enclosed, so the Range is ignored and the answer is 200.
    Raises UnsatisfiableRange where no range is satisfiable.
    """
    if not any(is_satisfiable(spec, total_length) for spec in ranges.specs):
        raise UnsatisfiableRange(total_length)
    return [part for part in (resolve_range(spec, total_length) for spec in ranges.specs) if part is not None]


def is_satisfiable(spec: RangeSpec, total_length: int) -> bool:
    """Whether one range can be satisfied by a representation of `total_length` bytes.

    RFC 9110 section 14.1.2: a suffix can unless it is of length 0, also where the representation is empty;
    any other range can if its first position is in the representation.
    """
    return spec.length > 0 if isinstance(spec, SuffixRange) else spec.first < total_length


def resolve_range(spec: RangeSpec, total_length: int) -> ResolvedRange | None:
    """The part that one range is of a representation of `total_length` bytes; None where it has none."""
    if isinstance(spec, SuffixRange):
        first, last = max(0, total_length - spec.length), total_length - 1
    elif isinstance(spec, OpenRange):
        first, last = spec.first, total_length - 1
    else:
        first, last = spec.first, min(spec.last, total_length - 1)
    return ResolvedRange(first, last) if first <= last else None


def resolve_and_merge(ranges: RangeSet, total_length: int, *, gap: int = 0) -> list[ResolvedRange]:
    """The parts to send: as `resolve_ranges`, with those that overlap or touch made one.

    RFC 9110 section 15.3.7.2: parts closer than the overhead of a part of its own (some 80 bytes) may be
    joined too, which `gap` does (in bytes between them); the order is that of the request, a joined part
    standing where the first of its ranges did. Empty where `resolve_ranges` is. Raises UnsatisfiableRange;
    ValueError for a negative gap.
    """
    if gap < 0:
        raise ValueError("gap must not be negative")
    parts = resolve_ranges(ranges, total_length)
    joined: list[tuple[int, ResolvedRange]] = []
    for order, part in sorted(enumerate(parts), key=lambda each: each[1]):
        if joined and part.first <= joined[-1][1].last + 1 + gap:
            earlier, before = joined[-1]
            last = max(before.last, part.last)
            joined[-1] = (min(earlier, order), ResolvedRange(before.first, last))
        else:
            joined.append((order, part))
    return [part for _, part in sorted(joined)]


def encode_content_range(part: ResolvedRange, total_length: int | None) -> str:
    """The Content-Range of a part; without a total length (None), that is not known yet.

    Raises InvalidField for a part that is not in a representation of that length.
    """
    if not 0 <= part.first <= part.last or (total_length is not None and part.last >= total_length):
        reason = f"{part.first}-{part.last} is no part of {total_length} bytes"
        raise InvalidField("Content-Range", reason, fault="caller")
    return f"bytes {part.first}-{part.last}/{'*' if total_length is None else total_length}"


def encode_unsatisfiable(total_length: int) -> str:
    """The Content-Range of a 416: how long the representation is (RFC 9110 section 15.5.17).

    Raises InvalidField for a length that none has.
    """
    if total_length < 0:
        raise InvalidField("Content-Range", f"no representation has {total_length} bytes", fault="caller")
    return f"bytes */{total_length}"


def parse_content_range(header: str | bytes, *, max_length: int = MAX_LENGTH) -> ContentRange:
    """What a Content-Range says is enclosed (RFC 9110 section 14.4).

    Raises InvalidField where the grammar is broken, the part ends before it starts or past the whole; and
    UnknownRangeUnit, FieldLimitExceeded.
    """
    cursor = Cursor(header, "Content-Range", max_length)
    cursor.skip()
    unit = cursor.token("a range unit")
    if not cursor.take(" "):
        cursor.expected("a space")
    if unit.lower() != "bytes":
        raise UnknownRangeUnit(unit, "Content-Range")
    part: ResolvedRange | None = None
    begun = cursor.at
    if not cursor.take("*"):
        first = _position(cursor)
        if not cursor.take("-"):
            cursor.expected("'-'")
        part = ResolvedRange(first, _position(cursor))
        if part.last < part.first:
            cursor.fail("the part ends before it starts", begun)
    if not cursor.take("/"):
        cursor.expected("'/'")
    total: int | None = None
    if part is None or not cursor.take("*"):
        total = _position(cursor)
    cursor.skip()
    if cursor.at != cursor.end:
        cursor.expected("the end")
    if part is not None and total is not None and part.last >= total:
        cursor.fail("the part ends past the end of the whole", begun)
    return ContentRange(part, total)


def if_range_matches(
    header: str | bytes,
    *,
    etag: str | None = None,
    last_modified: datetime | None = None,
    date: datetime | None = None,
) -> bool:
    """Whether the Range beside this If-Range is to be looked at (RFC 9110 section 13.1.5).

    Args:
        header: the If-Range field's value: an entity tag, or a date.
        etag: the representation's entity tag as it would be sent, quotes and W/ included.
        last_modified: when it was last modified (aware).
        date: the Date of the answer; a representation modified within the second before it has no strong
            date (section 8.8.2.2), so a date matches then only if this is None, the caller vouching for it.

    A weak tag never matches, a date only exactly. A value that is neither is False: the whole is sent.
    """
    text = as_text(header).strip(" \t")
    if _ENTITY_TAG.fullmatch(text):
        return text == etag
    if last_modified is None:
        return False
    # Both as their fields say them: in whole seconds.
    if date is not None and date.replace(microsecond=0) <= last_modified.replace(microsecond=0):
        return False
    return text in _http_dates(last_modified)


def multipart_head(part: ResolvedRange, total_length: int | None, content_type: str, boundary: str) -> bytes:
    """What stands before a part's bytes in a multipart/byteranges body (RFC 9110 section 14.6).

    Raises InvalidField for a content type that no field can carry, a boundary that is none (RFC 2046
    section 5.1.1), and a part that is not in the representation.
    """
    if found := _NO_VALUE.search(content_type):
        reason = f"{found[0]!r} cannot stand in a field"
        raise InvalidField("Content-Type", reason, found.start(), fault="caller")
    content_range = encode_content_range(part, total_length)
    return (
        f"\r\n--{_checked(boundary)}\r\n"
        f"Content-Type: {content_type}\r\nContent-Range: {content_range}\r\n\r\n"
    ).encode("latin-1")


def multipart_end(boundary: str) -> bytes:
    """What stands after the last part's bytes. Raises InvalidField for a boundary that is none."""
    return f"\r\n--{_checked(boundary)}--\r\n".encode("latin-1")


def multipart_type(boundary: str) -> str:
    """The Content-Type of a multipart/byteranges body. Raises InvalidField for a boundary that is none."""
    return f"multipart/byteranges; boundary={quote(_checked(boundary), 'Content-Type')}"


def multipart_length(
    parts: Sequence[ResolvedRange], total_length: int | None, content_type: str, boundary: str
) -> int:
    """The Content-Length of a multipart/byteranges body of these parts, in bytes."""
    heads = (len(multipart_head(part, total_length, content_type, boundary)) + part.length for part in parts)
    return sum(heads) + len(multipart_end(boundary))


def _checked(boundary: str) -> str:
    if not _BOUNDARY.fullmatch(boundary):
        reason = f"{boundary[:80]!r} is no boundary: 1 to 70 letters, digits and '()+_,-./:=?"
        raise InvalidField("Content-Type", reason, fault="caller")
    return boundary


def _spec(cursor: Cursor) -> RangeSpec:
    begun = cursor.at
    if cursor.take("-"):
        return SuffixRange(_position(cursor))
    first = _position(cursor)
    if not cursor.take("-"):
        cursor.expected("'-'")
    if not "0" <= cursor.here <= "9":
        return OpenRange(first)
    last = _position(cursor)
    if last < first:
        cursor.fail(f"the range {first}-{last} ends before it starts", begun)
    return ClosedRange(first, last)


def _position(cursor: Cursor) -> int:
    begun = cursor.at
    found = cursor.match(_DIGITS)
    if found is None:
        cursor.expected("a number")
    if len(found[0]) > MAX_DIGITS:
        raise FieldLimitExceeded(cursor.field, "max_digits", MAX_DIGITS, begun)
    return int(found[0])


def _http_dates(moment: datetime) -> tuple[str, str, str]:
    """A moment in the three forms that a date may have (RFC 9110 section 5.6.7)."""
    from datetime import UTC

    at = moment.astimezone(UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    time = f"{at.hour:02}:{at.minute:02}:{at.second:02}"
    return (
        f"{day[:3]}, {at.day:02} {month} {at.year:04} {time} GMT",
        f"{day}, {at.day:02}-{month}-{at.year % 100:02} {time} GMT",
        f"{day[:3]} {month} {at.day:2} {time} {at.year:04}",
    )
