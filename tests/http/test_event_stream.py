"""Server-sent events: the examples of the HTML Standard, in pieces of any size, and what is over a limit."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http import HttpError
from netkit.http.bodies.event_stream import EventStreamParser, ServerEvent

pytestmark = pytest.mark.once

STREAMS: list[tuple[bytes, list[ServerEvent]]] = [
    # The examples of the Standard.
    (
        (
            b"data: This is the first message.\n\n"
            b"data: This is the second message, it\ndata: has two lines.\n\n"
            b"data: This is the third message.\n\n"
        ),
        [
            ServerEvent("This is the first message."),
            ServerEvent("This is the second message, it\nhas two lines."),
            ServerEvent("This is the third message."),
        ],
    ),
    (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        [ServerEvent("73857293", "add"), ServerEvent("2153", "remove"), ServerEvent("113411", "add")],
    ),
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [ServerEvent("YHOO\n+2\n10")]),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [ServerEvent("first event", id="1"), ServerEvent("second event"), ServerEvent(" third event")],
    ),
    (b"data\n\ndata\ndata\n\ndata:", [ServerEvent(""), ServerEvent("\n")]),
    (b"data:test\n\ndata: test\n\n", [ServerEvent("test"), ServerEvent("test")]),
    # Ends of lines.
    (b"data: a\rdata: b\r\ndata: c\n\r\n", [ServerEvent("a\nb\nc")]),
    (b"data: a\r\rdata: b\r\n\r\n", [ServerEvent("a"), ServerEvent("b")]),
    (b"data: a\n\rdata: b\n\n", [ServerEvent("a"), ServerEvent("b")]),
    ("data: a\u2028b\x0b\x0c\x85c\n\n".encode(), [ServerEvent("a\u2028b\x0b\x0c\x85c")]),
    # Characters.
    (b"\xef\xbb\xbfdata: a\n\n", [ServerEvent("a")]),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [ServerEvent("a")]),
    (b"data: \xe2\x82\xac\n\n", [ServerEvent("€")]),
    (b"data: \xe2\x82\ndata: \xff\n\n", [ServerEvent("\ufffd\n\ufffd")]),
    (b"data: \x00\x1b\n\n", [ServerEvent("\x00\x1b")]),
    # Names of fields.
    (b"Data: a\n data: b\ndata : c\nunknown: d\n\n", []),
    (b"data:a:b\n\n", [ServerEvent("a:b")]),
    (b"event: x\n\ndata: a\n\n", [ServerEvent("a")]),
    (b"event: x\nevent: y\ndata: a\n\n", [ServerEvent("a", "y")]),
    (b"event:\ndata: a\n\n", [ServerEvent("a")]),
    # Ids.
    (b"id: 1\n\ndata: a\n\nid: 2\nid\ndata: b\n\n", [ServerEvent("a", id="1"), ServerEvent("b")]),
    (b"id: 1\nid: x\0y\ndata: a\n\n", [ServerEvent("a", id="1")]),
    # Times.
    (b"retry: 2500\ndata: a\n\ndata: b\n\n", [ServerEvent("a", retry=2.5), ServerEvent("b")]),
    (b"retry: -1\nretry: 1.5\nretry: 1s\nretry:\ndata: a\n\n", [ServerEvent("a")]),
    (b"retry: \xd9\xa1\ndata: a\n\n", [ServerEvent("a")]),
    (b"retry:" + b"9" * 5_000 + b"\ndata: a\n\n", [ServerEvent("a", retry=3_600.0)]),
    (b"retry: 99999999\ndata: a\n\n", [ServerEvent("a", retry=3_600.0)]),
    # Ends.
    (b"data: a\n\ndata: b\n", [ServerEvent("a")]),
    (b"data: a\n\ndata: b", [ServerEvent("a")]),
    (b"", []),
    (b"\n\r\r\n\n", []),
]


@pytest.mark.parametrize(("octets", "events"), STREAMS)
@pytest.mark.parametrize("step", [None, 1, 2, 3, 7])
def test_streams_in_pieces_of_any_size(octets: bytes, events: list[ServerEvent], step: int | None) -> None:
    parser = EventStreamParser()
    step = step or len(octets) or 1
    found = [event for at in range(0, len(octets), step) for event in parser.feed(octets[at : at + step])]
    assert found == events
    assert parser.is_between_events is (
        not octets.endswith((b"data: b\n", b"data: b", b"data:")) and octets != b"\xef\xbb\xbf"
    )


def test_an_event_does_not_wait_for_what_follows_it() -> None:
    parser = EventStreamParser()
    assert parser.feed(b"data: a\r\n\r") == [ServerEvent("a")]
    assert parser.feed(b"\ndata: b\r\r") == [ServerEvent("b")]
    assert parser.feed(memoryview(b"data: c\n")) == []
    assert parser.feed(b"\n") == [ServerEvent("c")]


def test_what_a_reconnect_needs() -> None:
    parser = EventStreamParser("41")
    assert parser.feed(b"data: a\n\n") == [ServerEvent("a", id="41")]
    parser.feed("id: 42é\nretry: 100\n\n".encode())  # without data there is no event, and it counts
    assert (parser.last_event_id, parser.retry) == ("42é", 0.1)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"data: " + b"a" * 95, "max_line = 100"),
        (b"data: " + b"a" * 95 + b"\n", "max_line = 100"),
        (b":" * 101, "max_line = 100"),
        ((b"data:" + b"a" * 50 + b"\n") * 10, "max_event = 500"),
        (b"data\n" * 101, "max_event = 500"),
    ],
)
@pytest.mark.parametrize("step", [1, 1_000])
def test_limits(octets: bytes, words: str, step: int) -> None:
    parser = EventStreamParser(max_line=100, max_event=500)

    def feed() -> None:
        for at in range(0, len(octets), step):
            assert parser.feed(octets[at : at + step]) == []

    for function in (feed, parser.finish, feed):
        with pytest.raises(HttpError.InvalidResponse, match=words):
            function()
    # An event before it is not lost.
    parser = EventStreamParser(max_line=100, max_event=500)
    assert parser.feed(b"data: a\n\n" + octets) == [ServerEvent("a")]
    for function in (parser.finish, feed):
        with pytest.raises(HttpError.InvalidResponse, match=words):
            function()


def test_what_is_just_within_the_limits() -> None:
    parser = EventStreamParser(max_line=100, max_event=500)
    event = (b"data:" + b"a" * 94 + b"\n") * 5
    assert len(parser.feed((event + b"\n" + b":" * 100 + b"\n") * 3)) == 3
    assert EventStreamParser(max_retry=1).feed(b"retry: 5000\ndata\n\n") == [ServerEvent("", retry=1)]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([b"data", b":", b" ", b"a", b"\n", b"\r", b"\xef\xbb\xbf", b"id", b"\xff"])))
def test_pieces_do_not_matter(parts: list[bytes]) -> None:
    whole = EventStreamParser().feed(b"".join(parts))
    parser = EventStreamParser()
    assert [event for part in parts for event in parser.feed(part)] == whole


def test_long_streams_take_no_long_time() -> None:
    begun = process_time()
    parser = EventStreamParser()
    for _ in range(20_000):
        parser.feed(b"0123456789")  # one line, in small pieces
    parser = EventStreamParser()
    parser.feed(b"\n" * 100_000)
    parser.feed(b":" + b"\r\n:" * 30_000)
    assert process_time() - begun < 4
