"""HTTP/2 in pieces, and with octets changed: the events do not depend on the cuts, and nothing raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http.connection.events import Broken, Event, RequestReceived, Reset
from netkit.http.connection.h2 import H2ClientConnection, H2ServerConnection
from tests.http.connection.forms import (
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    POST,
    Form,
    ask,
    block,
    data,
    frame,
    goaway,
    headers,
    padded,
    reset,
    sent,
    settings_frame,
    window_update,
)

# Each form is asked for by name, whichever netkit would choose.
pytestmark = pytest.mark.once

#: What a server receives: heads, bodies, padding, trailers, a reset, a ping, updates, CONTINUATION, GOAWAY.
DIALOGUE = (
    headers(1, GET, end=True)
    + headers(3, [*POST, (b"content-length", b"10")])
    + frame(PING, 0, 0, b"01234567")
    + data(3, b"hello")
    + frame(HEADERS, END_STREAM, 5, block(GET)[:9])
    + frame(9, END_HEADERS, 5, block(GET)[9:])
    + padded(3, b"world", 9)
    + window_update(0, 7)
    + window_update(3, 9)
    + headers(3, [(b"x-sum", b"1")], end=True)
    + headers(7, POST)
    + data(7)
    + settings_frame((4, 70_000))
    + data(7, end=True)
    + headers(9, POST)
    + reset(9, 8)
    + headers(11, [*POST, (b"content-length", b"3")])
    + data(11, b"four")
    + goaway(0, 0, b"bye")
)


def received_in(form: Form, pieces: list[bytes]) -> tuple[list[str], bytes]:
    """The events, and what is sent, after these pieces."""
    server = form.server()
    events: list[str] = []
    for piece in pieces:
        events += [shown(event) for event in server.feed(piece)]
    return events, server.take()


def shown(event: Event) -> str:
    """An event as text that compares: errors by their type and code."""
    if isinstance(event, Broken | Reset):
        return f"{type(event).__name__} {event.stream} {event.code} {type(event.error).__name__}"
    if isinstance(event, RequestReceived):
        head = event.head
        return f"RequestReceived {event.stream} {head.method!r} {head.fields} {event.end} {event.length}"
    return repr(event)


def test_octet_by_octet_is_the_whole(form: Form) -> None:
    whole = received_in(form, [DIALOGUE])
    assert received_in(form, [bytes((octet,)) for octet in DIALOGUE]) == whole
    assert [text.split(" ")[0].partition("(")[0] for text in whole[0]] == [
        *("RequestReceived", "RequestReceived", "Data", "RequestReceived", "Data", "Room", "Room", "End"),
        *("RequestReceived", "Room", "End", "RequestReceived", "Reset", "RequestReceived", "Reset", "GoAway"),
    ]


def test_the_forms_say_the_same(forms: tuple[Form, Form]) -> None:
    pure, rust = forms
    assert received_in(pure, [DIALOGUE])[0] == received_in(rust, [DIALOGUE])[0]


@pytest.mark.slow
@given(cuts=st.lists(st.integers(1, 60), max_size=40))
def test_pieces_are_the_whole(forms: tuple[Form, Form], cuts: list[int]) -> None:
    pieces, rest = [], DIALOGUE
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    for form in forms:
        assert received_in(form, [*pieces, rest]) == received_in(form, [DIALOGUE])


@pytest.mark.slow
@settings(max_examples=150)
@given(
    at=st.integers(0, len(DIALOGUE) - 1),
    value=st.integers(0, 255),
    to=st.sampled_from(["change", "insert", "cut"]),
)
def test_a_changed_octet_never_raises(forms: tuple[Form, Form], at: int, value: int, to: str) -> None:
    """Whatever comes, it is an event; and after `Broken` there is GOAWAY to send, and nothing more to say."""
    inserted = b"" if to == "cut" else bytes((value,))
    octets = DIALOGUE[:at] + inserted + DIALOGUE[at + (to != "insert") :]
    for form in forms:
        server = form.server()
        check_outcome(server, server.feed(octets))
        client = form.client()
        ask(client)
        check_outcome(client, client.feed(octets))


@pytest.mark.slow
@settings(max_examples=150)
@given(octets=st.binary(max_size=200))
def test_any_octets_never_raise(forms: tuple[Form, Form], octets: bytes) -> None:
    for form in forms:
        for connection in (form.server(), form.client(), form.fresh_server(), form.fresh_client()):
            check_outcome(connection, connection.feed(octets))


def check_outcome(connection: H2ClientConnection | H2ServerConnection, events: list[Event]) -> None:
    assert not any(isinstance(event, Broken) for event in events[:-1])
    if not events or not isinstance(events[-1], Broken):
        connection.feed_eof()
        connection.take()
        return
    assert connection.is_closed
    [*_, last] = sent(connection)
    assert (last.kind, last.code) == (GOAWAY, events[-1].code)
    assert connection.feed(b"more") == connection.feed_eof() == []
    assert connection.take() == b""
