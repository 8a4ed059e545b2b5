"""Requests in early data that are answered before the client's Finished, and those that are held until then.

The client is a session by hand: it sends its first flight, reads, and finishes its handshake when told to.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from netkit.http import Response
from netkit.http.connection.events import RequestHead
from netkit.http.connection.h2 import h2_client
from netkit.http.server.early import half_rtt
from netkit.http.server.early.requests import is_safe
from netkit.io import DeadlineExceeded, Event, Flow
from netkit.net import TcpStream
from netkit.tls.backends import prepare
from netkit.tls.errors import TlsError
from netkit.tls.sessions import MemorySessionStore
from tests.http.server.serving import PATIENCE, Flows, Serving
from tests.tls.conformance.ends import HOST, client_config, server_config
from tests.tls.test_half_rtt import SERVERS
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.server.exchange import Exchange
    from netkit.http.server.request import ServerRequest
    from netkit.tls.backend import ResumableSession, TlsSession
    from netkit.tls.config import TlsConfig

pytestmark = pytest.mark.once

ENDED = b"answered]"


class Notes:
    """Notes what comes, and whether it came early."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool, bytes]] = []

    def handle(self, request: ServerRequest) -> Response:
        self.seen.append((request.method, request.uri, request.early_data, request.body or b""))
        return Response(200, body=b"[" + request.uri.encode() + b" " + ENDED)

    @property
    def paths(self) -> list[str]:
        return sorted(uri for _, uri, _, _ in self.seen)


class Choosing(Notes):
    """Answers what is under /may early, and nothing else."""

    def answers_early(self, head: RequestHead) -> bool:
        return head.target.startswith(b"/may")


class Hand:
    """A client of one server that has been there before."""

    def __init__(self, served: Serving, backend: str, alpn: str) -> None:
        self.served = served
        self.alpn = alpn
        config = client_config(backend, session_store=MemorySessionStore(), alpn_protocols=(alpn,))
        self._prepared = prepare(config)
        self._sessions: list[ResumableSession] = []
        self.session: TlsSession
        self.tcp: TcpStream
        self.heard = b""
        self.h2: Any = None

    def _connect(self, resume: ResumableSession | None = None) -> None:
        self.tcp = TcpStream.connect(self.served.at, timeout=PATIENCE)
        self.session = self._prepared.session(HOST, resume)
        self.heard = b""
        self._is_done = False
        self.h2 = h2_client() if self.alpn == "h2" else None

    def _receive(self) -> bytes:
        data = self.tcp.read(timeout=PATIENCE)
        self.session.feed(data) if data else self.session.feed_eof()
        return data

    def visit(self) -> None:
        """Make a handshake, for a session."""
        self._connect()
        while not self.session.handshake():
            self.say()
            self._receive()
        self.say()
        while not self._sessions:
            self._receive()
            self.session.read(65536)
            self._sessions += self.session.take_sessions()
        self.session.close_notify()
        self.say()
        self.tcp.close()

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request in octets."""
        if self.h2 is None:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{length}\r\n".encode() + body
        stream = self.h2.request(RequestHead(method.encode(), path.encode(), b"a"), end=not body)
        if body:
            self.h2.send(stream, body, end=True)
        octets: bytes = self.h2.take()
        return octets

    def open(self) -> None:
        """Connect, to resume a session."""
        if not self._sessions:
            self.visit()
        self._connect(self._sessions.pop())

    def early(self, octets: bytes) -> bytes:
        """Send the first flight, with early data; the flight."""
        assert self.session.write_early_data(memoryview(octets)) == len(octets)
        flight = self.session.take_output()
        self.session.handshake()
        flight += self.session.take_output()
        self.tcp.write_all(flight, timeout=PATIENCE)
        return flight

    def begin(self, *requests: tuple[Any, ...]) -> bytes:
        """Connect, and send the first flight with these requests in it; the flight."""
        self.open()
        return self.early(b"".join(self.request(*each) for each in requests))

    def hear(self, answers: int) -> bytes:
        """What was sent so far, when it has so many answers in it; nothing is sent back for it."""
        while self.heard.count(ENDED) < answers:
            assert self._receive(), f"the connection has ended behind {self.heard!r}"
            self._is_done = self._is_done or self.session.handshake()
            while self._is_done and (got := self.session.read(65536)):
                self.heard += got
        return self.heard

    def shake_hands(self) -> None:
        """Read to the server's Finished, and keep the own one back."""
        while not self._is_done:
            self._receive()
            self._is_done = self.session.handshake()

    def say(self, data: bytes = b"") -> None:
        """Send, the end of the handshake before it if that is still to be sent."""
        if data:
            self.session.write(memoryview(data))
        if out := self.session.take_output():
            self.tcp.write_all(out, timeout=PATIENCE)

    def finish(self) -> None:
        """End the handshake."""
        self.say()

    def heard_to_the_end(self) -> bytes | None:
        """What follows: `b""` is a close_notify, None an end without one."""
        try:
            while (got := self.session.read(65536)) is None:
                self._receive()
        except (TlsError, OSError):
            return None
        return got


@contextmanager
def visiting(handler: Any, tls: TlsConfig, backend: str, alpn: str) -> Iterator[Hand]:
    """A client of a server with this handler."""
    with Serving(handler, tls=tls) as served:
        hand = Hand(served, backend, alpn)
        try:
            yield hand
        finally:
            hand.tcp.close()


@pytest.fixture(params=SERVERS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def tls(backend: str) -> TlsConfig:
    return server_config(backend, max_early_data=16_384, half_rtt=True)


@pytest.fixture(params=["http/1.1", "h2"])
def alpn(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def hand(notes: Notes, tls: TlsConfig, backend: str, alpn: str) -> Iterator[Hand]:
    with visiting(notes, tls, backend, alpn) as hand:
        yield hand


def test_what_is_safe_is_answered_at_once(hand: Hand, notes: Notes) -> None:
    hand.begin(("GET", "/a"), ("OPTIONS", "/b"))
    hand.hear(2)
    assert sorted(notes.seen) == [("GET", "/a", True, b""), ("OPTIONS", "/b", True, b"")]
    hand.finish()
    hand.say(hand.request("POST", "/c", b"late"))
    hand.hear(3)
    assert notes.seen[2:] == [("POST", "/c", False, b"late")]
    assert hand.served.told.faults == []


def test_what_is_not_is_held(hand: Hand, notes: Notes) -> None:
    hand.begin(("GET", "/a"), ("POST", "/b", b"early"), ("GET", "/c"))
    at_once = ["/a", "/c"] if hand.alpn == "h2" else ["/a"]  # HTTP/1.1 answers in order
    hand.hear(len(at_once))
    hand.served.until_it_waits()
    assert notes.paths == at_once
    hand.finish()
    hand.hear(3)
    assert sorted(notes.seen) == [
        ("GET", "/a", True, b""),
        ("GET", "/c", True, b""),
        ("POST", "/b", True, b"early"),
    ]


def test_torn_between_early_and_late(hand: Hand, notes: Notes) -> None:
    """What has come early in part is completed by what comes later, and is early all the same."""
    hand.open()
    second = hand.request("GET", "/b") if hand.h2 is None else b""
    octets = hand.request("GET", "/a") + (second or hand.request("GET", "/b"))
    hand.early(octets[:-4])
    hand.hear(1)
    assert notes.seen == [("GET", "/a", True, b"")]
    hand.finish()
    hand.say(octets[-4:])
    hand.hear(2)
    assert notes.seen[1:] == [("GET", "/b", True, b"")]


def test_early_data_in_pieces(hand: Hand, notes: Notes) -> None:
    """All pieces are early, and a request in any of them is answered at once."""
    hand.open()
    octets = hand.request("GET", "/a") + hand.request("GET", "/b")
    pieces = []
    for piece in (octets[:-4], octets[-4:]):
        assert hand.session.write_early_data(memoryview(piece)) == len(piece)
        pieces.append(hand.session.take_output())
    hand.session.handshake()
    assert hand.session.take_output() == b""
    hand.tcp.write_all(pieces[0], timeout=PATIENCE)
    hand.hear(1)
    hand.tcp.write_all(pieces[1], timeout=PATIENCE)
    hand.hear(2)
    assert notes.seen == [("GET", "/a", True, b""), ("GET", "/b", True, b"")]


def test_the_handler_chooses(tls: TlsConfig, backend: str, alpn: str) -> None:
    notes = Choosing()
    with visiting(notes, tls, backend, alpn) as hand:
        hand.begin(("POST", "/may", b"body"), ("GET", "/not"))
        hand.hear(1)
        hand.served.until_it_waits()
        assert notes.seen == [("POST", "/may", True, b"body")]
        hand.finish()
        hand.hear(2)
        assert notes.seen[1:] == [("GET", "/not", True, b"")]


@pytest.mark.parametrize("cut", [2, 6])
def test_a_body_that_comes_early_and_late(tls: TlsConfig, backend: str, alpn: str, cut: int) -> None:
    notes = Choosing()
    with visiting(notes, tls, backend, alpn) as hand:
        hand.open()
        octets = hand.request("POST", "/may", b"a body")
        hand.early(octets[:-cut])
        hand.served.until_it_waits()
        assert hand.session.version is None
        hand.shake_hands()
        hand.finish()
        hand.say(octets[-cut:])
        hand.hear(1)
        assert notes.seen == [("POST", "/may", True, b"a body")]


def test_the_same_flight_again(hand: Hand, notes: Notes) -> None:
    """Once it is answered, and not again, whoever sends it."""
    flight = hand.begin(("GET", "/a"))
    hand.hear(1)
    with TcpStream.connect(hand.served.at, timeout=PATIENCE) as tcp:
        tcp.write_all(flight, timeout=PATIENCE)
        tcp.shutdown()
        tcp.read_to_end(timeout=PATIENCE)
    until(lambda: len(hand.served.told.faults) == 1, "a handshake that failed")
    assert notes.paths == ["/a"]


def test_a_client_that_goes_away(hand: Hand, notes: Notes) -> None:
    """What is held is never handled, nor told as a request."""
    hand.begin(("GET", "/a"), ("POST", "/b", b"x"))
    hand.hear(1)
    hand.tcp.shutdown()
    assert hand.heard_to_the_end() is None
    hand.served.until_idle()
    (fault,) = hand.served.told.faults
    assert isinstance(fault, TlsError)
    assert (notes.paths, len(hand.served.told.exchanges)) == (["/a"], 1)
    assert (
        hand.served.server.counts() | {"faults": 1, "failed": 0, "requests": 1} == hand.served.server.counts()
    )


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Event:
    """An event that stands for the end of the client's time."""
    event = Event()
    monkeypatch.setattr(half_rtt, "sleep_until", lambda _moment: event.wait())
    return event


@pytest.mark.parametrize("more", [(), (("POST", "/b", b"x"),)], ids=["idle", "held"])
def test_a_client_that_never_finishes(hand: Hand, notes: Notes, late: Event, more: Any) -> None:
    hand.begin(("GET", "/a"), *more)
    hand.hear(1)
    hand.served.until_it_waits()
    late.set()
    assert hand.heard_to_the_end() is None
    hand.served.until_idle()
    (fault,) = hand.served.told.faults
    assert isinstance(fault, DeadlineExceeded)
    assert (notes.paths, len(hand.served.told.exchanges)) == (["/a"], 1)


def test_a_finished_that_nobody_has_read_yet(tls: TlsConfig, backend: str, alpn: str, late: Event) -> None:
    """A handler takes its time: the client is not to blame, if its Finished has come."""
    go_on = Event()

    def slow(exchange: Exchange) -> Flow[None]:
        if exchange.head.target == b"/slow":
            yield from go_on.wait()
        exchange.begin(200, end=False, length=len(ENDED))
        yield from exchange.send_flow(ENDED, end=True)

    with visiting(Flows(slow), tls, backend, alpn) as hand:
        hand.begin(("GET", "/slow"))
        hand.shake_hands()
        hand.finish()
        hand.served.until_it_waits()
        late.set()
        hand.served.until_it_waits()
        go_on.set()
        hand.hear(1)
        hand.say(hand.request("GET", "/"))
        hand.hear(2)
        assert hand.served.told.faults == []


def test_the_last_answer(notes: Notes, tls: TlsConfig, backend: str) -> None:
    """The connection ends when the client has finished, so that it gets tickets, and a close_notify."""
    with visiting(notes, tls, backend, "http/1.1") as hand:
        hand.open()
        hand.early(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        hand.hear(1)
        hand.finish()
        assert hand.heard_to_the_end() == b""
        assert hand.session.take_sessions()
        assert hand.served.told.faults == []


def test_another_protocol_is_held(tls: TlsConfig, backend: str) -> None:
    """Who hands the connection over waits for the client, also where the handler let the request through."""

    class Takes:
        def answers_early(self, _head: RequestHead) -> bool:
            return True

        def handle_flow(self, exchange: Exchange) -> Flow[None]:
            stream = yield from exchange.upgrade_flow(101, [(b"upgrade", b"x")])
            confirmed.append(exchange.connection.tls.is_confirmed)  # type: ignore[union-attr]
            yield from stream.write_all_flow((yield from stream.read_exactly_flow(4)) + ENDED)
            yield from stream.finish()

    confirmed: list[bool] = []
    with visiting(Takes(), tls, backend, "http/1.1") as hand:
        hand.open()
        hand.early(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nab")
        hand.shake_hands()
        hand.finish()
        hand.say(b"cd")
        assert hand.hear(1).endswith(b"abcd" + ENDED)
        assert confirmed == [True]


@pytest.mark.parametrize(
    ("method", "fields", "safe"),
    [
        (b"GET", [], True),
        (b"HEAD", [(b"accept", b"*/*")], True),
        (b"OPTIONS", [], True),
        (b"POST", [], False),
        (b"get", [], False),
        (b"CONNECT", [], False),
        (b"GET", [(b"Upgrade", b"websocket")], False),
    ],
)
def test_what_is_safe(method: bytes, fields: list[tuple[bytes, bytes]], safe: bool) -> None:
    assert is_safe(RequestHead(method, b"/", b"a", fields=fields)) is safe
