"""Both forms through the same conversations, made at random: the same events, rooms and counts.

A server sends whole responses on three streams, in any order among them, with window updates, SETTINGS, pings
and GOAWAY in between; the client sends, gives credit and gives up as it likes.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http.connection.events import Data, RequestHead
from netkit.http.connection.h2 import H2ClientConnection
from tests.http.connection.forms import (
    OK,
    PING,
    Form,
    data,
    frame,
    goaway,
    headers,
    padded,
    reset,
    settings_frame,
    window_update,
)
from tests.http.connection.test_h2_pieces import shown

# Each form is asked for by name, whichever netkit would choose.
pytestmark = pytest.mark.once

STREAMS = (1, 3, 5)


def response(chance: Random, stream: int) -> list[bytes]:
    """The frames of one response, or of a part of one and a reset."""
    pieces = [
        data(stream, b"x" * chance.randrange(9000)),
        data(stream),
        padded(stream, b"ab", 7),
        window_update(stream, chance.randrange(1, 60_000)),
    ]
    ends = [
        data(stream, b"e", end=True),
        data(stream, end=True),
        headers(stream, [(b"t", b"v")], end=True),
        reset(stream, chance.choice([0, 2, 7, 8])),
        window_update(stream, 9),
    ]
    return [
        *[headers(stream, [(b":status", b"103")])] * chance.randrange(3),
        headers(stream, OK),
        *chance.choices(pieces, k=chance.randrange(6)),
        chance.choice(ends),
    ]


def conversation(chance: Random) -> list[bytes]:
    """What a server sends: the frames of each stream, and of the connection, in order."""
    of_connection = [
        window_update(0, chance.randrange(1, 90_000)),
        settings_frame((4, chance.randrange(100_000))),
        settings_frame((5, chance.randrange(16_384, 40_000))),
        settings_frame((3, chance.randrange(200))),
        frame(PING, 0, 0, bytes(8)),
    ]
    queues = [response(chance, stream) for stream in STREAMS]
    queues.append(chance.choices(of_connection, k=chance.randrange(5)))
    if chance.random() < 0.3:
        queues.append([goaway(chance.choice([1, 3, 5, 2**31 - 1]), chance.choice([0, 11]))])
    found = []
    while waiting := [queue for queue in queues if queue]:
        found.append(chance.choice(waiting).pop(0))
    return found


def act(chance: Random, client: H2ClientConnection) -> list[object]:
    """What the application does between two frames, and what came of it."""
    done: list[object] = []
    for stream in STREAMS:
        what, size, end = chance.random(), chance.randrange(30_000), chance.random() < 0.2
        if what < 0.1:
            client.reset(stream)
        elif what < 0.3:
            size = min(size, client.room(stream))
            done.append(size)
            try:
                client.send(stream, bytes(size), end=end)
            except ValueError as error:
                done.append(str(error))
    if chance.random() < 0.5:
        client.take()
    return done


def outcome(form: Form, seed: int) -> list[object]:
    """Everything that can be seen of a client in the conversation of that number."""
    chance = Random(seed)
    client = form.client()
    for _ in STREAMS:
        head = RequestHead(chance.choice([b"GET", b"POST", b"HEAD"]), b"/", b"a.example")
        client.request(head, end=chance.random() < 0.5)
    client.take()
    seen: list[object] = []
    for octets in conversation(chance):
        events = client.feed(octets)
        seen.append([shown(event) for event in events])
        for event in events:
            if isinstance(event, Data) and chance.random() < 0.8:
                client.consumed(event.stream, event.credit)
        seen += act(chance, client)
        seen += [[client.room(stream) for stream in STREAMS], client.in_flight, client.is_closed]
    return [*seen, [shown(event) for event in client.feed_eof()], client.is_closed]


@pytest.mark.slow
@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_the_forms_agree(forms: tuple[Form, Form], seed: int) -> None:
    pure, rust = forms
    assert outcome(pure, seed) == outcome(rust, seed)
