"""Ranges: the examples of RFC 9110 section 14, merging held against sets, and hostile fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from hypothesis import given, strategies as st

from netkit.http.fields.errors import (
    FieldError,
    FieldLimitExceeded,
    InvalidField,
    UnknownRangeUnit,
    UnsatisfiableRange,
)
from netkit.http.ranges import (
    ClosedRange,
    ContentRange,
    OpenRange,
    RangeSet,
    RangeSpec,
    ResolvedRange,
    SuffixRange,
    encode_content_range,
    encode_unsatisfiable,
    if_range_matches,
    multipart_end,
    multipart_head,
    multipart_length,
    multipart_type,
    parse_content_range,
    parse_range_header,
    resolve_and_merge,
    resolve_ranges,
)

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-999", [(500, 999)]),
        ("bytes=-500", [(9500, 9999)]),
        ("bytes=9500-", [(9500, 9999)]),
        ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 999), (4500, 5499), (9000, 9999)]),
        ("bytes=500-600,601-999", [(500, 999)]),
        ("bytes=500-700,601-999", [(500, 999)]),
        ("BYTES=0-499, 600-899, 1000-", [(0, 499), (600, 899), (1000, 9999)]),
        ("bytes=-99999", [(0, 9999)]),
        ("bytes=9000-99999999999999999999", [(9000, 9999)]),
        ("bytes=20000-, 5-6", [(5, 6)]),
        ("bytes=,, 5-6 ,", [(5, 6)]),
        ("bytes=100-, 0-5, 50-120", [(50, 9999), (0, 5)]),
        ("bytes=8-9, 0-1, 4-5", [(8, 9), (0, 1), (4, 5)]),
    ],
)
def test_of_ten_thousand_bytes(header: str, parts: list[tuple[int, int]]) -> None:
    assert resolve_and_merge(parse_range_header(header), 10_000) == parts


def test_a_range_is_cut_out() -> None:
    (part,) = resolve_ranges(parse_range_header(b"bytes=2-4"), 10)
    assert (part, part.length, b"0123456789"[part.slice]) == (ResolvedRange(2, 4), 3, b"234")


def test_close_parts_are_joined_on_demand() -> None:
    wanted = parse_range_header("bytes=0-9, 20-29, 31-39")
    assert resolve_and_merge(wanted, 100, gap=1) == [(0, 9), (20, 39)]
    assert resolve_and_merge(wanted, 100, gap=10) == [(0, 39)]


@pytest.mark.parametrize(
    ("header", "length"),
    [
        ("bytes=10-", 10),
        ("bytes=10-20, 11-", 10),
        ("bytes=-0", 10),
        ("bytes=-0", 0),
        ("bytes=-00, 0-0", 0),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
    ],
)
def test_not_satisfiable(header: str, length: int) -> None:
    with pytest.raises(UnsatisfiableRange) as caught:
        resolve_and_merge(parse_range_header(header), length)
    assert caught.value.content_range == encode_unsatisfiable(length) == f"bytes */{length}"


@pytest.mark.parametrize("header", ["bytes=-5", "bytes=-1, 0-", "bytes=0-0,-0,-1"])
def test_a_suffix_of_nothing_is_satisfiable(header: str) -> None:
    """RFC 9110 section 14.1.2; but there is no part to send."""
    assert resolve_ranges(parse_range_header(header), 0) == []
    assert resolve_and_merge(parse_range_header(header), 0) == []


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        ("bytes", 5),
        ("bytes=", 6),
        ("bytes=,", 7),
        ("bytes=5-2", 6),
        ("bytes=a-b", 6),
        ("bytes=1", 7),
        ("bytes=--1", 7),
        ("bytes=-", 7),
        ("bytes=1-2-3", 9),
        ("bytes=1 - 2", 7),
        ("bytes=+1-2", 6),
        ("bytes=1-2\0", 9),
        ("bytes=١-٢", 6),
        ("bytes =1-2", 5),
        ("=1-2", 0),
    ],
)
def test_what_is_no_range(header: str, offset: int) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_range_header(header)
    assert caught.value.offset == offset


def test_limits() -> None:
    with pytest.raises(UnknownRangeUnit, match="items"):
        parse_range_header("items=1-2")
    with pytest.raises(FieldLimitExceeded) as caught:
        parse_range_header("bytes=" + ",".join(["0-"] * 101))
    assert (caught.value.limit, caught.value.allowed) == ("max_ranges", 100)
    with pytest.raises(FieldLimitExceeded, match="max_digits"):
        parse_range_header("bytes=0-" + "9" * 5000)
    with pytest.raises(FieldLimitExceeded, match="max_length"):
        parse_range_header("bytes=" + "0" * 70_000)


def test_time_is_linear() -> None:
    header = "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(100_000, 0, -1))
    begun = monotonic()
    parts = resolve_and_merge(parse_range_header(header, max_ranges=10**6, max_length=10**8), 10**9)
    assert len(parts) == 100_000
    assert monotonic() - begun < 30


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("bytes 42-1233/1234", ContentRange(ResolvedRange(42, 1233), 1234)),
        ("bytes 42-1233/*", ContentRange(ResolvedRange(42, 1233), None)),
        ("bytes */1234", ContentRange(None, 1234)),
    ],
)
def test_content_range_both_ways(text: str, value: ContentRange) -> None:
    assert parse_content_range(text) == value
    assert str(value) == text


@pytest.mark.parametrize(
    "text",
    [
        "bytes 5-4/9",
        "bytes 0-9/9",
        "bytes */*",
        "bytes=0-4/9",
        "bytes 0-4",
        "bytes 0-4/9x",
        "bytes 0-/9",
        "",
        "bytes",
    ],
)
def test_what_is_no_content_range(text: str) -> None:
    with pytest.raises(InvalidField):
        parse_content_range(text)


def test_a_part_that_is_none_is_not_written() -> None:
    for part, length in ((ResolvedRange(5, 4), 9), (ResolvedRange(0, 9), 9), (ResolvedRange(-1, 4), 9)):
        with pytest.raises(InvalidField) as caught:
            encode_content_range(part, length)
        assert caught.value.fault == "caller"


def test_what_a_416_cannot_say() -> None:
    with pytest.raises(InvalidField):
        encode_unsatisfiable(-1)
    with pytest.raises(InvalidField):
        str(ContentRange(None, None))


def test_a_gap_is_not_negative() -> None:
    with pytest.raises(ValueError, match="gap"):
        resolve_and_merge(parse_range_header("bytes=0-5,3-8"), 20, gap=-10)


def test_another_unit_of_a_content_range() -> None:
    with pytest.raises(UnknownRangeUnit, match="cannot be placed") as caught:
        parse_content_range("items 0-1/2")
    assert caught.value.field == "Content-Range"


MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ('"xyzzy"', True),
        (' "xyzzy" ', True),
        ('W/"xyzzy"', False),
        ('"other"', False),
        ("xyzzy", False),
        ("Sun, 06 Nov 1994 08:49:37 GMT", True),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        ("Sun Nov  6 08:49:37 1994", True),
        ("Sun, 06 Nov 1994 08:49:38 GMT", False),
        ("", False),
        ('"', False),
    ],
)
def test_if_range(header: str, matches: bool) -> None:
    assert if_range_matches(header, etag='"xyzzy"', last_modified=MODIFIED) is matches


def test_weak_validators_do_not_match() -> None:
    assert not if_range_matches('W/"a"', etag='W/"a"')
    assert not if_range_matches('"a"', etag='W/"a"')
    assert not if_range_matches('"a"')
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert not if_range_matches(date, last_modified=MODIFIED, date=MODIFIED)
    assert if_range_matches(date, last_modified=MODIFIED, date=MODIFIED + timedelta(seconds=1))
    # In fields there are whole seconds only: 37 and 38, however close the moments are.
    late = MODIFIED + timedelta(seconds=0.9)
    assert if_range_matches(date, last_modified=late, date=MODIFIED + timedelta(seconds=1))
    assert not if_range_matches(date, last_modified=MODIFIED, date=late)


def test_the_length_of_a_multipart_body() -> None:
    parts = [ResolvedRange(0, 3), ResolvedRange(6, 9)]
    data = b"0123456789"
    body = b"".join(multipart_head(part, 10, "text/plain", "B") + data[part.slice] for part in parts)
    body += multipart_end("B")
    assert len(body) == multipart_length(parts, 10, "text/plain", "B")
    from email.parser import BytesParser

    message = BytesParser().parsebytes(b"Content-Type: multipart/byteranges; boundary=B\r\n" + body)
    carried = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    assert carried == [b"0123", b"6789"]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("text/plain; a=\u20ac", "B"),
        ("text/plain\r\nX: y", "B"),
        ("text/plain", "B\r\n"),
        ("text/plain", ""),
        ("text/plain", "B "),
        ("text/plain", "\u20ac"),
        ("text/plain", "B" * 71),
    ],
)
def test_what_no_part_can_carry_is_not_written(content_type: str, boundary: str) -> None:
    with pytest.raises(InvalidField) as caught:
        multipart_head(ResolvedRange(0, 1), 10, content_type, boundary)
    assert caught.value.fault == "caller"


def test_a_boundary_is_quoted_where_it_must_be() -> None:
    assert multipart_type("netkit-part") == "multipart/byteranges; boundary=netkit-part"
    assert multipart_type("a:b/c=d") == 'multipart/byteranges; boundary="a:b/c=d"'
    with pytest.raises(InvalidField):
        multipart_type('"')


SPEC: st.SearchStrategy[RangeSpec] = st.one_of(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: ClosedRange(min(pair), max(pair))),
    st.builds(OpenRange, st.integers(0, 40)),
    st.builds(SuffixRange, st.integers(0, 40)),
)
SET = st.lists(SPEC, min_size=1, max_size=8).map(lambda specs: RangeSet(tuple(specs)))


@given(SET)
def test_what_is_written_is_read(ranges: RangeSet) -> None:
    assert parse_range_header(str(ranges)) == ranges


@given(SET, st.integers(0, 30))
def test_merged_parts_hold_the_same_bytes_each_once(ranges: RangeSet, length: int) -> None:
    data = range(length)
    wanted = set()
    for spec in ranges.specs:
        if isinstance(spec, ClosedRange):
            wanted |= set(data[spec.first : spec.last + 1])
        elif isinstance(spec, OpenRange):
            wanted |= set(data[spec.first :])
        elif spec.length:
            wanted |= set(data[-spec.length :])
    if not length and any(isinstance(spec, SuffixRange) and spec.length for spec in ranges.specs):
        assert resolve_and_merge(ranges, length) == []
        return
    if not wanted:
        with pytest.raises(UnsatisfiableRange):
            resolve_and_merge(ranges, length)
        return
    sent = [position for part in resolve_and_merge(ranges, length) for position in data[part.slice]]
    assert sorted(sent) == sorted(wanted)


@given(st.text(alphabet="bytes=-,0129 \0*/", max_size=40).map(lambda text: f"bytes={text}"))
def test_nothing_but_documented_errors(header: str) -> None:
    for parse in (parse_range_header, parse_content_range):
        try:
            parse(header)
        except FieldError as error:
            assert 0 <= error.offset <= len(header)
