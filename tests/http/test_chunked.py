"""The chunked decoder (RFC 9112 section 7.1), over both twins, in every way a body arrives."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from netkit.http.parser.chunked import ChunkProgress
from netkit.http.parser.errors import ParseError
from tests.conftest import Twin
from tests.http.feeding import BUFFERS, WAYS, body, events, options
from tests.http.message_vectors import BAD_BODIES, GOOD_BODIES, Bad, Body


def name(value: object) -> str | None:
    return value.name if isinstance(value, (Body, Bad)) else None


def decoder(twin: Twin, given: Mapping[str, Any]) -> Any:
    return twin.ChunkedDecoder(**options(given))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", GOOD_BODIES, ids=name)
def test_accepted(twin: Twin, case: Body, way: str) -> None:
    state, decoded, consumed, end, trailers = body(
        decoder(twin, case.options), case.data, WAYS[way](len(case.data))
    )
    assert (state, decoded) == ("done", case.decoded)
    assert [(name, value) for name, value, _ in trailers] == list(case.trailers)
    assert consumed == end
    assert case.data[end:] in (b"", b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", BAD_BODIES, ids=name)
def test_refused(twin: Twin, case: Bad, way: str) -> None:
    outcome = body(decoder(twin, case.options), case.message, WAYS[way](len(case.message)))
    assert outcome[:2] == ("refused", case.error)
    assert {"offset": case.offset, **case.fields}.items() <= outcome[2].items()


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_any_buffer(twin: Twin, make: Any) -> None:
    for case in GOOD_BODIES:
        data = case.data
        expected = body(decoder(twin, case.options), data)
        assert body(decoder(twin, case.options), data, make=make) == expected
        assert body(decoder(twin, case.options), data, list(range(len(data) + 1)), make) == expected
    for bad in BAD_BODIES:
        assert body(decoder(twin, bad.options), bad.message, make=make)[1] == bad.error


def test_data_comes_as_it_arrives(twin: Twin) -> None:
    chunked = twin.ChunkedDecoder()
    data = b"A\r\n0123456789\r\n0\r\n\r\n"
    assert not chunked.feed(data[:3])
    first = chunked.feed(data[:7])
    assert (first.data_start, first.data_len, first.remaining) == (3, 4, 6)
    assert first.data(data) == b"0123"
    assert not chunked.feed(data[:7])
    assert chunked.safe_to_discard == 7
    second = chunked.feed(data)
    assert (second.data_start, second.data_len, second.remaining) == (7, 6, 0)
    end = chunked.feed(data)
    assert (end.consumed, end.end) == (len(data), len(data))
    assert chunked.feed(data + b"more") == end


def test_a_buffer_that_is_emptied(twin: Twin) -> None:
    """With what was handed out discarded, the buffer never holds much more than one piece."""
    data = (
        b"head"
        + b"".join(b"%x;n=%d\r\n%s\r\n" % (n, n, b"x" * n) for n in range(1, 200))
        + b"0\r\nA: b\r\n\r\nrest"
    )
    chunked = twin.ChunkedDecoder(start=4)
    decoded, buffer, given = bytearray(), bytearray(), 0
    while True:
        buffer += data[given : given + 37]
        given += 37
        done = False
        for progress in events(chunked, buffer):
            if hasattr(progress, "consumed"):
                assert progress.consumed == len(data) - 8
                assert b"rest".startswith(buffer[progress.end :])
                done = True
            else:
                decoded += progress.data(buffer)
        if done:
            break
        count = chunked.safe_to_discard
        chunked.discard(count)
        del buffer[:count]
        assert len(buffer) < 100
    assert decoded == b"x" * sum(range(1, 200))
    assert [(field.name, field.value) for field in chunked.trailers] == [(b"A", b"b")]


def test_offsets_after_discarding(twin: Twin) -> None:
    chunked = twin.ChunkedDecoder()
    chunked.feed(b"3\r\nabc")
    chunked.discard(6)
    with pytest.raises(ParseError.InvalidChunkEnd) as caught:
        chunked.feed(b"\rX")
    assert (caught.value.offset, caught.value.octet) == (1, ord("X"))
    with pytest.raises(ValueError, match="from 0 to 0 octets may be discarded, not 1"):
        chunked.discard(1)
    with pytest.raises(ValueError, match="from 0 to 0 octets may be discarded, not -1"):
        chunked.discard(-1)
    chunked.reset()
    assert chunked.feed(b"0\r\n\r\n").end == 5
    chunked.discard(5)
    assert (chunked.feed(b"").consumed, chunked.feed(b"").end) == (5, 0)


def test_trailers_that_come_too_late(twin: Twin) -> None:
    """RFC 9110 section 6.5.1: what frames, routes, authenticates or describes is not to be merged."""
    chunked = twin.ChunkedDecoder()
    chunked.feed(b"0\r\nHost: a\r\nX-Sum: 1\r\nauthorization: x\r\nETag: y\r\n\r\n")
    assert [field.mergeable for field in chunked.trailers] == [False, True, False, True]
    assert repr(chunked.trailers[1]) == "Trailer(name=b'X-Sum', value=b'1', mergeable=True)"


def test_misuse(twin: Twin) -> None:
    chunked = twin.ChunkedDecoder()
    chunked.feed(b"5\r\nhel")
    with pytest.raises(ValueError, match="the buffer has shrunk from 6 to 2 octets"):
        chunked.feed(b"5\r")
    for wrong in ("5", None, 5, memoryview(b"5\r\nhello")[::2]):
        with pytest.raises(TypeError):
            chunked.feed(wrong)
    with pytest.raises(ValueError, match="start must not be negative"):
        chunked.reset(-1)
    with pytest.raises(ValueError, match="start must not be negative"):
        twin.ChunkedDecoder(start=-1)


@pytest.mark.parametrize(
    "setting",
    ["max_extension", "max_extensions_total", "max_header_line", "max_headers_total", "max_header_count"],
)
@pytest.mark.parametrize("value", [-1, 2**30 + 1, 2**70])
def test_limits_have_limits(twin: Twin, setting: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{setting} must be from 0 to 1073741824, not {value}"):
        twin.ChunkedDecoder(**{setting: value})


def test_the_limit_of_a_chunk(twin: Twin) -> None:
    for wrong in (-1, 2**63, 2**70):
        with pytest.raises(ValueError, match=f"max_chunk_size must be from 0 to {2**63 - 1}, not {wrong}"):
            twin.ChunkedDecoder(max_chunk_size=wrong)
    largest = twin.ChunkedDecoder(max_chunk_size=2**63 - 1)
    progress = largest.feed(b"7fffffffffffffff\r\nx")
    assert (progress.data_len, progress.remaining) == (1, 2**63 - 2)
    with pytest.raises(ParseError.ChunkSizeOverflow) as caught:
        twin.ChunkedDecoder(max_chunk_size=2**63 - 1).feed(b"ffffffffffffffff\r\n")
    assert caught.value.limit == 2**63 - 1


@pytest.mark.parametrize(
    "data", [b"", b"5", b"5\r\nhello", b"5\r\nhello\r\n", b"0\r\n", b"0\r\nA: b\r\n", b"0\r\n\r"]
)
def test_cut_off(twin: Twin, data: bytes) -> None:
    chunked = twin.ChunkedDecoder()
    body(chunked, data)
    with pytest.raises(ParseError.Incomplete) as caught:
        chunked.finish()
    assert caught.value.offset == len(data)
    whole = twin.ChunkedDecoder()
    assert whole.feed(b"0\r\n\r\n")
    whole.finish()


def test_shapes(twin: Twin) -> None:
    chunked = twin.ChunkedDecoder()
    more = chunked.feed(b"")
    assert isinstance(more, ChunkProgress.ChunkNeedMore)
    output = chunked.feed(b"1\r\nx\r\n0\r\n\r\n")
    assert repr(output) == "ChunkOutput(data_start=3, data_len=1, remaining=0)"
    end = chunked.feed(b"1\r\nx\r\n0\r\n\r\n")
    assert repr(end) == "ChunkEnd(consumed=11, end=11)"
    assert type(output)(3, 1, 0) == output
    assert type(end)(11, 11) == end
    assert len({output, type(output)(3, 1, 0)}) == 1
    assert type(output).__match_args__ == ("data_start", "data_len", "remaining")
    assert type(end).__match_args__ == ("consumed", "end")


@pytest.mark.parametrize("make", [bytes, bytearray])
@pytest.mark.parametrize(
    "data",
    [
        b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n",
        b"1;" + b"a" * 1000 + b"\r\nx\r\n0\r\n\r\n",
        b"ffff\r\n" + b"\n" * 0xFFFF + b"\r\n0\r\n\r\n",
        b"0\r\n" + (b"A: " + b"x" * 8000 + b"\r\n") * 8 + b"\r\n",
    ],
    ids=["short chunks", "an extension", "one chunk", "trailers"],
)
def test_cost_is_linear(twin: Twin, data: bytes, make: Any) -> None:
    """One byte at a time, no octet is looked at more than a few times, and data not at all."""
    chunked = twin.ChunkedDecoder()
    buffer = make(b"")
    outcome: Any = None
    for at in range(len(data)):
        buffer += data[at : at + 1]
        while outcome := chunked.feed(buffer):
            if hasattr(outcome, "consumed"):
                break
        if chunked.safe_to_discard > 100:
            buffer = buffer[100:]
            chunked.discard(100)
    assert outcome.consumed == len(data)
    assert 0 < chunked.looked_at <= 4 * len(data)
    if len(data) == 0xFFFF + 13:
        assert chunked.looked_at < 100


def test_pieces_leave_nothing_behind(twin: Twin) -> None:
    """A body of a hundred thousand chunks costs no memory but that of its octets."""
    buffer = b"1\r\na\r\n" * 1000
    decoder = twin.ChunkedDecoder()
    piece = [decoder.feed(buffer) for _ in range(500)][-1]
    piece.data(buffer)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            piece.data(buffer)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000
