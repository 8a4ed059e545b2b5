"""The HTTP server, fed with mutated streams of requests: what `test_servers` asks of every server, and more.

Every octet that comes back is read by h11: whatever the request was, each response is well-formed and whole,
and nothing follows one that says that the connection ends.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any

import h11
import pytest

from netkit.http.server.h1.flow import PREFACE
from tests.fuzz.test_servers import Server, fed, pytestmark, rest_of, talk  # noqa: F401  # the marks are ours too
from tests.http.mutation import REQUESTS, WHOLE_REQUESTS, mutated
from tests.http.server.serving import GET
from tests.http.server.site import started

#: What a stream is made of: good requests, and what a mutation makes of one.
GOOD = [
    GET,
    GET.replace(b"/ ", b"/trailers "),
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]


def stream(rng: Random) -> bytes:
    """Some requests, most of them mutated, and sometimes octets of no meaning."""
    pieces = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        match rng.randrange(6):
            case 0:
                pieces.append(rng.choice(GOOD))
            case 1:
                pieces.append(rng.choice(GOOD) * rng.randrange(1, 20))
            case 2:
                pieces.append(mutated(rng, REQUESTS))
            case _:
                pieces.append(mutated(rng, WHOLE_REQUESTS + GOOD))
    if rng.random() < 0.1:
        pieces.insert(rng.randrange(len(pieces) + 1), rng.randbytes(rng.choice((1, 10, 1000))))
    return b"".join(pieces)


def responses(octets: bytes, sent: bytes) -> list[int]:
    """The statuses of all responses in what came back until the server ended the connection."""
    found: list[int] = []
    while octets:
        head, _, rest = octets.partition(b"\r\n\r\n")
        method = b"GET"
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b": ")
            if name == b"x-method":
                method = value
        if b"\r\nx-method: " not in head and not rest and b"HEAD " in sent:
            method = b"HEAD"  # one that was refused, which the handler never saw
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(octets)
        reader.receive_data(b"")
        events: list[Any] = []
        while not events or not isinstance(events[-1], (h11.EndOfMessage, h11.ConnectionClosed)):
            events.append(reader.next_event())
            assert events[-1] is not h11.NEED_DATA, octets
        (final,) = [event for event in events if isinstance(event, h11.Response)]
        found.append(final.status_code)
        octets = reader.trailing_data[0]
        if (b"connection", b"close") in list(final.headers):
            assert octets == b"", "something follows the last response"
    return found


def feed(rng: Random, server: Server) -> None:
    """A batch of connections, and the question whether it is still there."""
    with ExitStack() as stack:
        for _ in range(40):
            sent = stream(rng)
            back = talk(rng, server.connect("tcp"), sent, stack)
            if sent.startswith(PREFACE) and back[3:5] == b"\x04\x00":
                continue  # a frame of SETTINGS: this is HTTP/2's, which has tests of its own
            try:
                statuses = responses(back, sent)
            except Exception as error:
                error.add_note(f"sent: {sent!r}\ncame back: {back!r}")
                raise
            assert not set(statuses) & {408, 503}, "nobody was late"
            assert 500 not in statuses or b"CONNECT" in sent.upper(), (sent, back)
    with server.connect("tcp") as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert responses(rest_of(sock), GET) == [200]


@contextmanager
def serving(**settings: Any) -> Iterator[Server]:
    with started(**settings) as process:
        yield Server(process, 1)


@pytest.mark.parametrize(
    "settings", [{}, {"http2": False, "max_unread": 0, "max_requests": 7}], ids=["usual", "strict"]
)
def test_requests(settings: dict[str, Any]) -> None:
    with serving(**settings) as server:
        fed(server, feed)
