"""Floods and clients that take nothing, against the real server over a socket: each ends, others are served.

The limits themselves are tested with the protocol objects (test_h2_floods.py). Here it is how much the server
holds meanwhile, that another client gets its answer while the flood goes on, and how the connection ends.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
from hpack import Encoder

from netkit.http.connection.errors import ConnectionFault, ErrorCode
from netkit.http.connection.limits import DEFAULT_LIMITS
from netkit.http.errors import HttpError
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h2 import flow as h2_flow
from netkit.http.server.h2.flow import DEAF_LIMIT, OUTBOX_LIMIT
from netkit.io import Event, Flow
from tests.http.connection.forms import (
    CONTINUATION,
    END_HEADERS,
    GET,
    GOAWAY,
    HEADERS,
    PING,
    POST,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    Frame,
    block,
    data,
    frame,
    headers,
    reset,
    settings_frame,
    window_update,
)
from tests.http.server.h2_serving import DRIVERS, FORMS, PATIENCE, Served, Watched, form_of_h2, serving
from tests.waiting import until

pytestmark = pytest.mark.once

#: How many frames of a flood are sent, if the server does not end it.
FLOOD = 20_000

#: How many octets of a flood are sent at once.
PIECE = 32_768


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    with form_of_h2(request.param):
        yield request.param


class Handler:
    """Answers at once; `/wait` never, and `/large` with more than any window."""

    def __init__(self) -> None:
        self.most = self.running = 0

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if exchange.head.target == b"/wait":
                yield from Event().wait()
            exchange.begin(200)
            pieces = 1000 if exchange.head.target == b"/large" else 1
            for _ in range(pieces):
                yield from exchange.send_flow(bytes(65_536))
            yield from exchange.end_flow()
        finally:
            self.running -= 1


def path(target: bytes, method: bytes = b"GET") -> list[tuple[bytes, bytes]]:
    return [(b":method", method), GET[1], (b":path", target), GET[3]]


def rapid_reset() -> Iterator[bytes]:
    """CVE-2023-44487."""
    for stream in count(1, 2):
        yield headers(stream, path(b"/wait"), end=True) + reset(stream)


def made_you_reset() -> Iterator[bytes]:
    """CVE-2025-8671."""
    for stream in count(1, 2):
        yield headers(stream, path(b"/wait"), end=True) + window_update(stream, 2**31 - 1)


def made_you_reset_by_length() -> Iterator[bytes]:
    """CVE-2025-8671, by a body that is longer than was said."""
    for stream in count(1, 2):
        fields = [*path(b"/wait", b"POST"), (b"content-length", b"0")]
        yield headers(stream, fields) + data(stream, b"x")


def settings_flood() -> Iterator[bytes]:
    while True:
        yield settings_frame((3, 100))


def ping_flood() -> Iterator[bytes]:
    while True:
        yield frame(PING, 0, 0, bytes(8))


def empty_data_flood() -> Iterator[bytes]:
    yield headers(1, POST)
    while True:
        yield data(1)


def priority_flood() -> Iterator[bytes]:
    while True:
        yield frame(PRIORITY, 0, 1, bytes(4) + b"\1")


def window_flood() -> Iterator[bytes]:
    while True:
        yield window_update(0, 1)


def continuation_flood() -> Iterator[bytes]:
    """CVE-2024-27316."""
    yield frame(HEADERS, 0, 1, block(GET))
    while True:
        yield frame(CONTINUATION, 0, 1, block([(b"a", b"b" * 100)]))


def hpack_bomb() -> Iterator[bytes]:
    """One field of 4,000 octets in the table, and then a thousand references of one octet each."""
    encoder = Encoder()
    first = encoder.encode([*GET, (b"bomb", b"x" * 4000)], huffman=False)
    yield frame(HEADERS, END_HEADERS | 1, 1, first)
    for stream in count(3, 2):
        # The field is the newest of the table: index 62, which one octet says (RFC 7541 section 6.1).
        yield frame(HEADERS, END_HEADERS | 1, stream, encoder.encode(GET, huffman=False) + b"\xbe" * 1000)


def too_many_streams() -> Iterator[bytes]:
    for stream in count(1, 2):
        yield headers(stream, path(b"/wait"), end=True)


FLOODS = [
    (rapid_reset, ErrorCode.ENHANCE_YOUR_CALM, "max_resets"),
    (made_you_reset, ErrorCode.ENHANCE_YOUR_CALM, "max_resets"),
    (made_you_reset_by_length, ErrorCode.ENHANCE_YOUR_CALM, "max_resets"),
    (settings_flood, ErrorCode.ENHANCE_YOUR_CALM, "max_settings"),
    (ping_flood, ErrorCode.ENHANCE_YOUR_CALM, "max_pings"),
    (empty_data_flood, ErrorCode.ENHANCE_YOUR_CALM, "max_empty_frames"),
    (priority_flood, ErrorCode.ENHANCE_YOUR_CALM, "max_empty_frames"),
    (window_flood, ErrorCode.ENHANCE_YOUR_CALM, "max_empty_frames"),
    (continuation_flood, ErrorCode.ENHANCE_YOUR_CALM, "max_continuations"),
    (hpack_bomb, ErrorCode.ENHANCE_YOUR_CALM, "max_header_list"),
    (too_many_streams, ErrorCode.ENHANCE_YOUR_CALM, "max_resets"),
]


class Flooding:
    """A client that sends frames and reads only when it must, so that its own side never waits for long."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.came = b""
        self.has_ended = False
        sock.sendall(PREFACE + settings_frame())

    def flood(self, frames: Iterator[bytes], between: Callable[[], object]) -> None:
        """Send until the server ends the connection; `between` is called once, in the middle of it."""
        pieces = iter(lambda: b"".join(islice(frames, 200)), b"")
        for at, piece in enumerate(islice(pieces, FLOOD // 200)):
            try:
                self.sock.sendall(piece)
            except ConnectionError:
                return
            if at == 1:
                between()

    def rest(self) -> list[Frame]:
        """Whole frames that the server has sent, until it has closed."""
        try:
            while piece := self.sock.recv(65_536):
                self.came += piece
        except ConnectionError:
            pass
        return whole(self.came)


def whole(octets: bytes) -> list[Frame]:
    found = []
    while len(octets) >= 9 and len(octets) >= (end := 9 + int.from_bytes(octets[:3], "big")):
        found.append(Frame(octets[3], octets[4], int.from_bytes(octets[5:9], "big"), octets[9:end]))
        octets = octets[end:]
    return found


def is_served(served: Served) -> None:
    """Another client gets its answer."""
    peer = served.peer()
    assert len(peer.get("/").body) == 65_536
    peer.sock.close()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("flood", "code", "limit"), FLOODS, ids=[each[0].__name__ for each in FLOODS])
def test_floods(
    form: str,
    driver: str,
    flood: Callable[[], Iterator[bytes]],
    code: ErrorCode,
    limit: str,
) -> None:
    handler = Handler()
    with serving(handler, driver=driver) as served:
        client = Flooding(served.sock())
        client.flood(flood(), lambda: is_served(served))
        ends = [each.code for each in client.rest() if each.kind == GOAWAY]
        until(lambda: served.told.faults and not served.server.connections.active)
        faults = [each for each in served.told.faults if isinstance(each, ConnectionFault)]
    assert [(each.code, each.limit_name) for each in faults if each.limit_name] == [(code, limit)]
    assert ends in ([code], [])  # it may be lost where the client was still sending
    most = DEFAULT_LIMITS.max_concurrent_streams
    assert handler.running == 0
    assert handler.most <= most + 1  # and the other client's
    assert Watched.made[0].most_exchanges <= most
    assert Watched.made[0].most_queued < DEAF_LIMIT


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_thousand_streams_and_nothing_read(form: str, driver: str) -> None:
    """Requests whose answers nobody reads: at some point nothing more is received, and then it ends."""
    handler = Handler()
    with serving(handler, ServerConfig(write_timeout=0.3), driver=driver) as served:
        sock = served.sock(receive_buffer=4096)
        sock.sendall(PREFACE + settings_frame((4, 2**31 - 1)) + window_update(0, 2**31 - 65_536))
        # In turns, because so many at once are refused: each answer is 64 KiB.
        stream = 1
        try:
            for _ in range(20):
                many = b"".join(headers(each, GET, end=True) for each in range(stream, stream + 100, 2))
                stream += 100
                sock.sendall(many)
        except ConnectionError:
            pass
        is_served(served)
        until(lambda: not served.server.connections.active)
        assert isinstance(served.told.faults[-1], (HttpError.Timeout, ConnectionFault))
    assert Watched.made[0].most_queued < DEAF_LIMIT + 100 * 65_536
    assert handler.running == 0


def test_heads_that_nobody_reads(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses without a body wait for no window: the server stops to read instead."""

    def handler(exchange: Exchange) -> Flow[None]:
        # Another value each time: one that comes again is an octet (RFC 7541).
        fields = [(b"x-%d" % number, random.randbytes(500).hex().encode()) for number in range(20)]
        exchange.begin(204, fields, end=True)
        yield from exchange.flush_flow()

    monkeypatch.setattr(h2_flow, "OUTBOX_LIMIT", 32_768)
    monkeypatch.setattr(h2_flow, "DEAF_LIMIT", 65_536)
    with serving(handler, ServerConfig(write_timeout=0.3)) as served:
        sock = served.sock(receive_buffer=4096)
        sock.sendall(PREFACE + settings_frame())
        fields = [*GET, (b"filling", bytes(8000).replace(b"\0", b"x"))]
        sent = 0
        try:
            while sent < 100_000:
                sock.sendall(headers(2 * sent + 1, fields, end=True))
                sent += 1
        except ConnectionError:
            pass  # the server read no more, and has ended the connection
        until(lambda: served.told.faults and not served.server.connections.active)
    assert sent < 100_000
    assert Watched.made[0].most_queued < 65_536 + 100 * 25_000


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_window_of_nothing_for_ever(form: str, driver: str) -> None:
    handler = Handler()
    with serving(handler, ServerConfig(write_timeout=0.2), driver=driver) as served:
        sock = served.sock()
        sock.sendall(PREFACE + settings_frame((4, 0)))
        sock.sendall(b"".join(headers(stream, path(b"/large"), end=True) for stream in range(1, 200, 2)))
        until(lambda: handler.running == 100)
        is_served(served)
        until(lambda: not handler.running)
        came = b""
        while sum(each.kind == RST_STREAM for each in whole(came)) < 100:
            came += sock.recv(65_536)
        assert {each.code for each in whole(came) if each.kind == RST_STREAM} == {ErrorCode.INTERNAL_ERROR}
    assert Watched.made[0].most_queued < OUTBOX_LIMIT


@pytest.mark.parametrize("driver", DRIVERS)
def test_bodies_that_nobody_takes(form: str, driver: str) -> None:
    """A client sends as much as the windows let it, on every stream: no more than the connection's window."""
    with serving(Handler(), driver=driver) as served:
        peer = served.peer()
        asked = [peer.ask("/wait", "POST", end=False) for _ in range(50)]
        peer.turn()
        for each in asked:
            while room := min(peer.conn.room(each.stream), 16_384):
                peer.send(each, bytes(room))
        peer.turn()
        assert Watched.made[0].most_pieces == DEFAULT_LIMITS.connection_window
        is_served(served)
