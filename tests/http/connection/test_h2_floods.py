"""Floods: each is stopped by the limit that has its name, in both forms, and the peer is told.

A flood costs its sender nothing and its receiver work. The CVE of each is at its case. A limit is a count in
a burst, so the same frames between requests, in any number, are no flood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
from hypothesis import given, strategies as st

from netkit.http.connection.errors import ConnectionFault, ErrorCode
from netkit.http.connection.events import Broken, Event, Interim, Reset, ResponseHead
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.connection.meter import Excess, Meter
from tests.http.connection.forms import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    OK,
    PING,
    POST,
    PRIORITY,
    SETTINGS,
    Form,
    ask,
    block,
    data,
    frame,
    headers,
    padded,
    reset,
    sent,
    settings_frame,
    window_update,
)

# Each form is asked for by name, whichever netkit would choose.
pytestmark = pytest.mark.once

#: Small limits, each another number, so that a test cannot take one for another.
LIMITS = ConnectionLimits(
    max_resets=20,
    max_settings=21,
    max_pings=22,
    max_empty_frames=23,
    max_continuations=4,
    max_interim=5,
    max_header_list=8192,
    max_header_count=50,
)


def rapid_reset() -> Iterator[bytes]:
    """CVE-2023-44487."""
    for stream in count(1, 2):
        yield headers(stream, GET, end=True) + reset(stream)


def made_you_reset() -> Iterator[bytes]:
    """CVE-2025-8671: the server resets the stream, because of a window that is too large."""
    for stream in count(1, 2):
        yield headers(stream, GET, end=True) + window_update(stream, 2**31 - 1)


def made_you_reset_by_a_late_frame() -> Iterator[bytes]:
    """CVE-2025-8671, by a frame after the end of the message."""
    for stream in count(1, 2):
        yield headers(stream, POST, end=True) + data(stream, b"x")


def made_you_reset_by_a_malformed_request() -> Iterator[bytes]:
    for stream in count(1, 2):
        yield headers(stream, [*GET, (b"connection", b"x")], end=True)


def too_many_streams() -> Iterator[bytes]:
    """Streams over the limit are refused, which is work too."""
    for stream in count(1, 2):
        yield headers(stream, GET, end=True)


def settings_flood() -> Iterator[bytes]:
    """CVE-2019-9515."""
    while True:
        yield settings_frame((3, 100))


def ping_flood() -> Iterator[bytes]:
    """CVE-2019-9512."""
    while True:
        yield frame(PING, 0, 0, bytes(8))


def pings_answered_that_nobody_sent() -> Iterator[bytes]:
    while True:
        yield frame(PING, ACK, 0, bytes(8))


def empty_data() -> Iterator[bytes]:
    """CVE-2019-9518."""
    yield headers(1, POST)
    while True:
        yield data(1)


def padding_only() -> Iterator[bytes]:
    yield headers(1, POST)
    while True:
        yield padded(1, b"", 200)


def empty_continuations() -> Iterator[bytes]:
    """CVE-2019-9518, in header blocks."""
    for stream in count(1, 2):
        yield frame(HEADERS, END_STREAM, stream) + frame(CONTINUATION, 0, stream)
        yield frame(CONTINUATION, END_HEADERS, stream, block(GET))


def priorities() -> Iterator[bytes]:
    """CVE-2019-9513."""
    while True:
        yield frame(PRIORITY, 0, 1, b"\0\0\0\3\x10")


def window_updates() -> Iterator[bytes]:
    """CVE-2019-9511: one octet at a time."""
    while True:
        yield window_update(0, 1)


def unknown_frames() -> Iterator[bytes]:
    while True:
        yield frame(0x42, 0, 0, b"x")


def continuations() -> Iterator[bytes]:
    """CVE-2024-27316: a header block without an end."""
    yield frame(HEADERS, END_STREAM, 1, block(GET))
    while True:
        yield frame(CONTINUATION, 0, 1, block([(b"x", b"y")]))


def a_large_header_block() -> Iterator[bytes]:
    yield frame(HEADERS, END_STREAM, 1, block(GET))
    while True:
        yield frame(CONTINUATION, 0, 1, block([(b"x", b"y" * 4000)]))


def compressed_bomb() -> Iterator[bytes]:
    """CVE-2016-6581: one field that was stored once, and is named a thousand times."""
    yield headers(1, [*GET, (b"a", b"v" * 3000)], end=True)
    yield frame(HEADERS, END_HEADERS | END_STREAM, 3, block(GET[:3]) + b"\xbe" * 1000)
    while True:
        yield b""


#: Each flood, and the limit that stops it.
FLOODS: list[tuple[Callable[[], Iterator[bytes]], str]] = [
    (rapid_reset, "max_resets"),
    (made_you_reset, "max_resets"),
    (made_you_reset_by_a_late_frame, "max_resets"),
    (made_you_reset_by_a_malformed_request, "max_resets"),
    (too_many_streams, "max_resets"),
    (settings_flood, "max_settings"),
    (ping_flood, "max_pings"),
    (pings_answered_that_nobody_sent, "max_pings"),
    (empty_data, "max_empty_frames"),
    (padding_only, "max_empty_frames"),
    (empty_continuations, "max_empty_frames"),
    (priorities, "max_empty_frames"),
    (window_updates, "max_empty_frames"),
    (unknown_frames, "max_empty_frames"),
    (continuations, "max_continuations"),
    (a_large_header_block, "max_header_list"),
    (compressed_bomb, "max_header_list"),
]


def check_stopped(event: Event, name: str, last: object) -> None:
    assert isinstance(event, Broken)
    assert isinstance(event.error, ConnectionFault)
    assert (event.error.limit_name, event.error.limit) == (name, getattr(LIMITS, name))
    assert (event.code, event.error.code) == (ErrorCode.ENHANCE_YOUR_CALM, ErrorCode.ENHANCE_YOUR_CALM)
    assert event.error.kind == "EnhanceYourCalm"
    assert f"{name} = " in str(event.error)
    assert (getattr(last, "kind", None), getattr(last, "code", None)) == (GOAWAY, ErrorCode.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize(("flood", "name"), FLOODS, ids=[flood.__name__ for flood, _ in FLOODS])
@pytest.mark.parametrize("at_once", [False, True], ids=["frame by frame", "at once"])
def test_a_flood_is_stopped(
    form: Form, flood: Callable[[], Iterator[bytes]], name: str, at_once: bool
) -> None:
    server = form.server(LIMITS)
    pieces = list(islice(flood(), 400))
    fed = 0
    for fed, piece in enumerate([b"".join(pieces)] if at_once else pieces):  # noqa: B007
        events = server.feed(piece)
        if server.is_closed:
            # What this side sends can be what went over the limit, which the next call says.
            events += server.feed(b"")
            break
    check_stopped(events[-1], name, sent(server)[-1])
    limit = getattr(LIMITS, name)
    if name == "max_header_list":
        assert at_once or fed <= 3
    else:
        # Heads pay back some of what comes between them, and streams under the limit are none too many.
        assert fed <= (limit + LIMITS.max_concurrent_streams if flood is too_many_streams else 2 * limit)
    assert server.feed(b"".join(pieces)) == []


def test_settings_that_are_acknowledged_without_end(form: Form) -> None:
    """The crate takes the first for a fault, python-hyper takes as many as there may be."""
    server = form.server(LIMITS)
    events = server.feed(frame(SETTINGS, ACK, 0) * 100)
    assert isinstance(events[-1], Broken)
    assert events[-1].code in (ErrorCode.PROTOCOL_ERROR, ErrorCode.ENHANCE_YOUR_CALM)


def test_a_server_that_sends_interim_responses_without_an_end(form: Form) -> None:
    client = form.client(LIMITS)
    ask(client)
    events = client.feed(headers(1, [(b":status", b"103")]) * 10)
    assert [type(event) for event in events] == [Interim] * 5 + [Broken]
    check_stopped(events[-1], "max_interim", sent(client)[-1])


def test_a_server_that_resets_what_it_is_asked(form: Form) -> None:
    client = form.client(LIMITS)
    events: list[Event] = []
    for _ in range(50):
        stream = ask(client)
        events += client.feed(reset(stream, 2))
        if client.is_closed:
            break
    assert [type(event) for event in events] == [Reset] * 20 + [Broken]
    check_stopped(events[-1], "max_resets", sent(client)[-1])


@pytest.mark.parametrize("code", [ErrorCode.REFUSED_STREAM, ErrorCode.NO_ERROR])
def test_a_server_that_takes_no_more_is_no_flood(form: Form, code: int) -> None:
    client = form.client(LIMITS)
    for _ in range(100):
        [event] = client.feed(reset(ask(client), code))
        assert isinstance(event, Reset)


def test_more_fields_than_the_limit_end_the_stream(form: Form) -> None:
    many = [(b"x-%d" % number, b"y") for number in range(51)]
    client = form.client(LIMITS)
    ask(client)
    [event] = client.feed(headers(1, OK + many, end=True))
    assert isinstance(event, Reset)
    assert isinstance(event.error, ConnectionFault)
    assert (event.error.limit_name, event.error.limit) == ("max_header_count", 50)
    stream = ask(client)
    events = client.feed(headers(stream, OK) + headers(stream, many, end=True))
    assert isinstance(events[-1], Reset)
    assert not client.is_closed
    server = form.server(LIMITS)
    assert server.feed(headers(1, GET + many, end=True)) == []
    assert server.feed(headers(3, GET + many[:50], end=True))


@pytest.mark.parametrize("size", [8000, 9000])
def test_the_size_of_a_header_list(form: Form, size: int) -> None:
    """RFC 9113 section 10.5.1: octets of names and values, and 32 for each field."""
    client = form.client(LIMITS)
    ask(client)
    fields = [(b"x-%02d" % number, b"y" * (size // 40 - 36)) for number in range(40)]
    [event] = client.feed(headers(1, OK + fields, end=True))
    if size < 8192:
        assert isinstance(event, ResponseHead)
    else:
        check_stopped(event, "max_header_list", sent(client)[-1])


# What looks like a flood, and is none.


@pytest.mark.slow
def test_requests_pay_back_what_came_between_them(form: Form) -> None:
    server = form.server(LIMITS)
    for stream in range(1, 801, 2):
        events = server.feed(
            frame(PING, 0, 0, bytes(8))
            + settings_frame()
            + window_update(0, 1)
            + headers(stream, GET, end=True)
        )
        assert not isinstance(events[-1], Broken)
        server.respond(stream, 200, [], end=True)
        server.take()
    assert not server.is_closed


def test_requests_that_are_answered_pay_back_those_that_are_reset(form: Form) -> None:
    server = form.server(LIMITS)
    for stream in range(1, 801, 4):
        server.feed(headers(stream, GET, end=True) + headers(stream + 2, GET, end=True) + reset(stream + 2))
        server.respond(stream, 200, [], end=True)
        server.take()
    assert not server.is_closed


def test_a_peer_that_receives_much_may_say_often_that_it_can_take_more(form: Form) -> None:
    server = form.server(LIMITS, (4, 2**20))
    server.feed(headers(1, GET, end=True))
    server.respond(1, 200, [], end=False)
    server.feed(window_update(0, 2**20))
    for _ in range(100):
        server.send(1, bytes(8192))
        assert len(sent(server, DATA)) == 1
        assert not any(isinstance(event, Broken) for event in server.feed(window_update(1, 1024) * 8))
        server.feed(window_update(0, 8192))
    assert not server.is_closed


def test_a_client_that_gives_up_its_own_requests_is_not_stopped(form: Form) -> None:
    client = form.client(LIMITS)
    for _ in range(200):
        client.reset(ask(client))
        client.take()
    assert not client.is_closed


def test_an_answered_ping_is_no_flood(form: Form) -> None:
    client = form.client(LIMITS)
    for _ in range(200):
        client.ping(b"01234567")
        client.take()
        assert len(client.feed(frame(PING, ACK, 0, b"01234567"))) == 1


# The meter by itself.

#: A frame of each kind, of a client: type, flags and payload.
KINDS = st.sampled_from(
    [
        *((DATA, flags, payload) for flags in (0, END_STREAM) for payload in (b"", b"x")),
        (DATA, 8, b"\0"),
        (DATA, 8, b"\1x\0"),
        *((HEADERS, END_HEADERS | flags, b"x") for flags in (0, END_STREAM)),
        (PRIORITY, 0, bytes(5)),
        *((3, 0, code.to_bytes(4, "big")) for code in (0, 7, 8)),
        *((SETTINGS, flags, b"") for flags in (0, ACK)),
        *((PING, flags, bytes(8)) for flags in (0, ACK)),
        (GOAWAY, 0, bytes(8)),
        (8, 0, bytes(4)),
        (CONTINUATION, 0, b"x" * 900),
        (0x42, 0, b"x"),
    ]
)


@pytest.mark.slow
@given(frames_=st.lists(KINDS, max_size=300), is_server=st.booleans())
def test_no_count_is_negative_and_none_is_exceeded_in_silence(
    frames_: list[tuple[int, int, bytes]], is_server: bool
) -> None:
    meter = Meter(LIMITS, is_server)
    try:
        for kind, flags, payload in frames_:
            meter.received(kind, flags, payload)
    except Excess as excess:
        assert excess.limit == getattr(LIMITS, excess.name)
    else:
        for name in ("resets", "settings", "pings", "empty_frames", "continuations"):
            assert 0 <= getattr(meter, f"_{name}") <= getattr(LIMITS, f"max_{name}")


#: Frames that both libraries take in any order; each costs, or pays back, another count.
WHATEVER = st.sampled_from(
    [
        frame(PING, 0, 0, bytes(8)),
        frame(PING, ACK, 0, bytes(8)),
        settings_frame((3, 100)),
        window_update(0, 1),
        frame(PRIORITY, 0, 1, b"\0\0\0\3\x10"),
        frame(0x42, 0, 0, b"x"),
        "request",
        "request and reset",
        "malformed request",
        "answer",
    ]
)


@pytest.mark.slow
@given(steps=st.lists(st.tuples(WHATEVER, st.integers(1, 30)), max_size=30))
def test_both_meters_stop_at_the_same_frame(
    forms: tuple[Form, Form], steps: list[tuple[bytes | str, int]]
) -> None:
    def stopped_by(form: Form) -> tuple[int, int, str | None] | None:
        server = form.server(LIMITS)
        last, open_ = -1, list[int]()
        for number, (step, times) in enumerate(steps):
            for time in range(times):
                if step == "answer":
                    if open_:
                        server.respond(open_.pop(), 204, [], end=True)
                        server.take()
                    continue
                octets = step if isinstance(step, bytes) else b""
                if not octets and len(open_) < LIMITS.max_concurrent_streams:
                    last += 2
                    fields = [*GET, (b"upgrade", b"x")] if step == "malformed request" else GET
                    octets = headers(last, fields, end=True)
                    if step == "request":
                        open_.append(last)
                    elif step == "request and reset":
                        octets += reset(last)
                for event in server.feed(octets):
                    if isinstance(event, Broken):
                        assert isinstance(event.error, ConnectionFault)
                        return number, time, event.error.limit_name
        return None

    pure, rust = forms
    assert stopped_by(pure) == stopped_by(rust)
