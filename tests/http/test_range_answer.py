"""The answer to a Range: its status, its parts, and headers that say what the body carries."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.http.fields.errors import InvalidField, UnsatisfiableRange
from netkit.http.range_answer import RangeAnswer, answer_range
from netkit.http.ranges import (
    ClosedRange,
    OpenRange,
    RangeSet,
    RangeSpec,
    SuffixRange,
    multipart_end,
    multipart_head,
    parse_content_range,
    parse_range_header,
)

pytestmark = pytest.mark.once


def answer(wanted: RangeSet | str | bytes | None, length: int, gap: int = 0) -> RangeAnswer:
    return answer_range(wanted, length, content_type="text/plain", boundary="B", gap=gap)


def test_one_part() -> None:
    found = answer("bytes=0-4, 3-6, 90-", 10)
    assert (found.status, found.parts, found.dropped) == (206, ((0, 6),), (OpenRange(90),))
    assert found.headers == (
        ("Content-Range", "bytes 0-6/10"),
        ("Content-Type", "text/plain"),
        ("Content-Length", "7"),
    )
    assert (found.is_multipart, found.error) == (False, None)


def test_several_parts_have_no_content_range_of_their_own() -> None:
    found = answer(parse_range_header("bytes=8-, 0-1"), 10)
    assert (found.status, found.parts, found.is_multipart) == (206, ((8, 9), (0, 1)), True)
    assert [name for name, _ in found.headers] == ["Content-Type", "Content-Length"]
    assert found.headers[0][1] == "multipart/byteranges; boundary=B"
    assert answer("bytes=8-, 0-1", 10, gap=6).parts == ((0, 9),)


@pytest.mark.parametrize("length", [0, 10])
def test_nothing_of_it_is_there(length: int) -> None:
    found = answer(b"bytes=10-, -0", length)
    assert (found.status, found.parts) == (416, ())
    assert found.dropped == (OpenRange(10), SuffixRange(0))
    assert found.headers == (("Content-Range", f"bytes */{length}"), ("Accept-Ranges", "bytes"))
    assert isinstance(found.error, UnsatisfiableRange)
    assert found.error.content_range == f"bytes */{length}"


@pytest.mark.parametrize("wanted", ["bytes=-5", "bytes=0-, -1", RangeSet((SuffixRange(1),))])
def test_a_suffix_of_an_empty_representation_is_answered_with_the_whole(wanted: RangeSet | str) -> None:
    found = answer(wanted, 0)
    assert (found.status, found.parts, found.dropped, found.error) == (200, (), (), None)
    assert dict(found.headers)["Content-Length"] == "0"
    assert "Content-Range" not in dict(found.headers)


@pytest.mark.parametrize(
    "wanted",
    [None, "items=0-1", "bytes=5-2", "bytes", b"bytes=\xff", "bytes=0-" + "9" * 30, "bytes=" + "0-0," * 200],
)
def test_a_range_that_does_not_count_is_answered_with_the_whole(wanted: str | bytes | None) -> None:
    found = answer(wanted, 10)
    assert (found.status, found.parts, found.dropped, found.error) == (200, ((0, 9),), (), None)
    assert found.headers == (
        ("Content-Type", "text/plain"),
        ("Content-Length", "10"),
        ("Accept-Ranges", "bytes"),
    )
    assert answer(wanted, 0).parts == ()


def test_what_the_caller_gives_is_checked() -> None:
    with pytest.raises(InvalidField) as caught:
        answer_range("bytes=0-0,5-5", 10, content_type="text/plain", boundary="a\n")
    assert caught.value.fault == "caller"
    with pytest.raises(ValueError, match="gap"):
        answer("bytes=0-0", 10, gap=-1)


SPECS = st.one_of(
    st.builds(lambda first, more: ClosedRange(first, first + more), st.integers(0, 40), st.integers(0, 9)),
    st.builds(OpenRange, st.integers(0, 40)),
    st.builds(SuffixRange, st.integers(0, 40)),
)


@given(st.lists(SPECS, min_size=1, max_size=6), st.integers(0, 30))
def test_the_headers_say_what_the_body_carries(specs: list[RangeSpec], length: int) -> None:
    """The body of each answer, written out, is as long as its Content-Length says."""
    data = bytes(range(length))
    found = answer(RangeSet(tuple(specs)), length)
    headers = dict(found.headers)
    if found.status == 416:
        assert "Content-Length" not in headers
        assert parse_content_range(headers["Content-Range"]) == (None, length)
        assert len(found.dropped) == len(specs)
        assert all(
            spec.length == 0 if isinstance(spec, SuffixRange) else spec.first >= length for spec in specs
        )
        return
    if found.status == 200:
        assert length == 0
        assert any(isinstance(spec, SuffixRange) and spec.length for spec in specs)
        assert (found.parts, headers["Content-Length"]) == ((), "0")
        return
    body = b"".join(data[part.slice] for part in found.parts)
    if found.is_multipart:
        pieces = [multipart_head(part, length, "text/plain", "B") + data[part.slice] for part in found.parts]
        body = b"".join(pieces) + multipart_end("B")
    else:
        assert parse_content_range(headers["Content-Range"]) == (found.parts[0], length)
    assert headers["Content-Length"] == str(len(body))
