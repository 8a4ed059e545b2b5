"""Both twins agree about mutated messages: results, errors, every field of them, and offsets.

`make fuzz-twins` runs these with a million examples; `NETKIT_EXAMPLES` says how many.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from netkit.http.parser.framing import Lenient
from tests.conftest import Twin
from tests.http.feeding import body, head, received
from tests.http.mutation import BODIES, REQUESTS, RESPONSES, edited, edits

EXAMPLES = int(os.environ.get("NETKIT_EXAMPLES", "300"))

many = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)

tolerances = st.just(0) | st.integers(0, 4095)
cuts = st.none() | st.lists(st.integers(0, 300), max_size=6)
#: Limits so low that the messages reach them.
limits = st.fixed_dictionaries(
    {},
    optional={
        "max_request_line": st.integers(0, 60),
        "max_header_line": st.integers(0, 60),
        "max_headers_total": st.integers(0, 120),
        "max_header_count": st.integers(0, 4),
    },
)
chunk_limits = st.fixed_dictionaries(
    {},
    optional={
        "max_chunk_size": st.integers(0, 20) | st.integers(0, 2**63 - 1),
        "max_extension": st.integers(0, 10),
        "max_extensions_total": st.integers(0, 20),
        "max_header_line": st.integers(0, 20),
        "max_headers_total": st.integers(0, 30),
        "max_header_count": st.integers(0, 3),
    },
)


def ends(cut: list[int] | None, size: int) -> list[int]:
    return sorted({min(place, size) for place in cut or []} | {size})


def same(twins: tuple[Twin, Twin], feed: Any, make: Any, data: bytes, cut: list[int] | None) -> None:
    """One outcome, whichever twin it is and however the message arrives."""
    python, rust = twins
    expected = feed(make(python), data)
    assert feed(make(rust), data) == expected
    assert feed(make(rust), data, make=bytearray) == expected
    pieces = feed(make(python), data, ends(cut, len(data)))
    assert pieces == expected
    assert feed(make(rust), data, ends(cut, len(data))) == expected
    assert feed(make(rust), data, ends(cut, len(data)), bytearray) == expected


@many
@given(data=st.sampled_from(REQUESTS), edits=edits, flags=tolerances, limits=limits, cut=cuts)
def test_requests(
    twins: tuple[Twin, Twin],
    data: bytes,
    edits: list[tuple[int, int, int, int]],
    flags: int,
    limits: dict[str, int],
    cut: list[int] | None,
) -> None:
    def make(twin: Twin) -> Any:
        return twin.HttpParser.request(lenient=Lenient(flags), **limits)

    same(twins, head, make, edited(data, edits), cut)


@many
@given(
    data=st.sampled_from(RESPONSES),
    edits=edits,
    flags=tolerances,
    limits=limits,
    cut=cuts,
    method=st.sampled_from([None, "GET", b"HEAD", "CONNECT"]),
)
def test_responses(
    twins: tuple[Twin, Twin],
    data: bytes,
    edits: list[tuple[int, int, int, int]],
    flags: int,
    limits: dict[str, int],
    cut: list[int] | None,
    method: Any,
) -> None:
    def make(twin: Twin) -> Any:
        return twin.HttpParser.response(request_method=method, lenient=Lenient(flags), **limits)

    same(twins, head, make, edited(data, edits), cut)


@many
@given(
    messages=st.lists(st.tuples(st.sampled_from(RESPONSES), edits), min_size=2, max_size=4),
    flags=tolerances,
    make=st.sampled_from([bytes, bytearray]),
)
def test_a_parser_that_is_used_again(
    twins: tuple[Twin, Twin],
    messages: list[tuple[bytes, list[tuple[int, int, int, int]]]],
    flags: int,
    make: Any,
) -> None:
    """What the Rust twin keeps of one message never shows in the next."""
    python, rust = twins
    parser = rust.HttpParser.response(lenient=Lenient(flags))
    for data, changes in messages:
        changed = edited(data, changes)
        parser.reset()
        fresh = python.HttpParser.response(lenient=Lenient(flags))
        assert head(parser, changed, make=make) == head(fresh, changed)
        for size in (0, len(changed) // 2):  # a buffer that is not the one that was fed
            assert received(parser, changed[:size]) == received(fresh, changed[:size])


@many
@given(data=st.sampled_from(BODIES), edits=edits, flags=tolerances, limits=chunk_limits, cut=cuts)
def test_bodies(
    twins: tuple[Twin, Twin],
    data: bytes,
    edits: list[tuple[int, int, int, int]],
    flags: int,
    limits: dict[str, int],
    cut: list[int] | None,
) -> None:
    def make(twin: Twin) -> Any:
        return twin.ChunkedDecoder(lenient=Lenient(flags), **limits)

    same(twins, body, make, edited(data, edits), cut)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=200), cut=cuts)
def test_anything(twins: tuple[Twin, Twin], data: bytes, cut: list[int] | None) -> None:
    same(twins, head, lambda twin: twin.HttpParser.request(), data, cut)
    same(twins, head, lambda twin: twin.HttpParser.response(), b"HTTP/1.1 " + data, cut)
    same(twins, head, lambda twin: twin.HttpParser.request(), b"GET / HTTP/1.1\r\n" + data, cut)
    same(twins, body, lambda twin: twin.ChunkedDecoder(), b"5" + data, cut)
