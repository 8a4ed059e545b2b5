"""Requests that come as early data (RFC 8470): which are marked, however they are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from netkit.http import Response
from netkit.http.connection.events import Event, RequestHead, ResponseHead
from netkit.http.connection.h2 import h2_client
from netkit.http.gateway.wsgi import WsgiHandler
from netkit.http.server.request import ServerRequest
from netkit.net import TcpStream
from netkit.tls.backends import prepare
from netkit.tls.config import TlsConfig
from netkit.tls.sessions import MemorySessionStore
from netkit.tls.stream import TlsStream
from tests.http.server.serving import PATIENCE, Serving
from tests.tls.conformance.ends import HOST, client_config, server_config
from tests.tls.test_early_data import CLIENTS, SERVERS
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.once


class Notes:
    """Notes what comes, and answers with whether it came early."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool, bytes]] = []

    def handle(self, request: ServerRequest) -> Response:
        body = request.body or b""
        self.seen.append((request.method, request.uri, request.early_data, body))
        return Response(200, body=b"early" if request.early_data else b"late")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> TlsConfig:
    return server_config(request.param, max_early_data=16_384)


class Place:
    """A server that takes early data, and a client of octets that has been there before."""

    def __init__(self, served: Serving, notes: Notes, alpn: str) -> None:
        self.served = served
        self.seen = notes.seen
        self.client = client_config(CLIENTS[0], session_store=MemorySessionStore(), alpn_protocols=(alpn,))

    def connect(self, early: bytes) -> TlsStream:
        tcp = TcpStream.connect(self.served.at, timeout=PATIENCE)
        return TlsStream.connect(tcp, HOST, self.client, early_data=early, timeout=PATIENCE)

    def visit(self) -> None:
        """Be there once, for a session."""
        with self.connect(b"") as tls:
            tls.write_all(b"GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            tls.read_to_end(timeout=PATIENCE)
        assert self.seen == [("GET", "/first", False, b"")]
        self.seen.clear()


@pytest.fixture
def place(server: TlsConfig) -> Iterator[Place]:
    notes = Notes()
    with Serving(notes, tls=server) as served:
        yield Place(served, notes, "http/1.1")


def line(path: str, more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode()


LAST = line("/last", "Connection: close\r\n")


@pytest.mark.parametrize(
    ("early", "late", "expected"),
    [
        (line("/a"), LAST, [True, False]),
        (line("/a") + line("/b"), LAST, [True, True, False]),
        (line("/a")[:20], line("/a")[20:] + line("/b") + LAST, [True, False, False]),
        (line("/a") + line("/b")[:5], line("/b")[5:] + LAST, [True, True, False]),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab", b"cd" + LAST, [True, False]),
        (
            b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab",
            b"cd\r\n0\r\n\r\n" + LAST,
            [True, False],
        ),
        (line("/a", "Early-Data: 1\r\n"), LAST, [True, False]),
        (b"\r\n", line("/a") + LAST, [True, False]),  # any octet of it
    ],
    ids=["whole", "two", "torn head", "torn second head", "torn body", "torn chunk", "said", "blank"],
)
def test_http11(place: Place, early: bytes, late: bytes, expected: list[bool]) -> None:
    place.visit()
    with place.connect(early) as tls:
        assert tls.early_data_accepted is True
        tls.write_all(late, timeout=PATIENCE)
        answers = tls.read_to_end(timeout=PATIENCE)
    assert [each[2] for each in place.seen] == expected
    assert answers.count(b"HTTP/1.1 200") == len(expected)
    assert all(body == b"abcd" for method, _, _, body in place.seen if method == "POST")


def test_settings_that_a_resolver_has_chosen(server: TlsConfig) -> None:
    """They take early data, though those of the server itself say nothing of it."""
    notes = Notes()
    chosen = server.with_alpn(["http/1.1"])
    with Serving(notes, tls=TlsConfig.server().replace(resolver=lambda _: chosen)) as served:
        place = Place(served, notes, "http/1.1")
        place.visit()
        with place.connect(LAST) as tls:
            tls.read_to_end(timeout=PATIENCE)
    assert [each[2] for each in notes.seen] == [True]


def test_a_recorded_flight_reaches_no_handler(place: Place) -> None:
    """Who has only the first flight cannot end the handshake: the request is not answered, nor a replay."""
    place.visit()
    prepared = prepare(place.client)
    store = place.client.session_store
    assert store is not None
    session = prepared.session(HOST, store.take(prepared, HOST))
    assert session.write_early_data(memoryview(LAST)) == len(LAST)
    session.handshake()
    flight = session.take_output()
    for _ in range(2):
        with TcpStream.connect(place.served.at, timeout=PATIENCE) as tcp:
            tcp.write_all(flight, timeout=PATIENCE)
            tcp.shutdown()
            tcp.read_to_end(timeout=PATIENCE)
    until(lambda: len(place.served.told.faults) == 2, "two handshakes that failed")
    assert place.seen == []


def test_the_field_is_there_once(server: TlsConfig) -> None:
    """What an application behind a gateway gets: the field itself."""
    fields: list[list[bytes]] = []

    class Fields:
        def handle(self, request: ServerRequest) -> Response:
            fields.append(
                [value for name, value in request.headers.to_items() if name.lower() == b"early-data"]
            )
            return Response(200)

    with Serving(Fields(), tls=server) as served:
        place = Place(served, Notes(), "http/1.1")
        for early in (b"", line("/a"), line("/a", "early-data: 1\r\n")):
            with place.connect(early) as tls:
                tls.write_all(LAST, timeout=PATIENCE)
                tls.read_to_end(timeout=PATIENCE)
    assert fields == [[], [b"1"], [], [b"1"], []]


def test_an_application_gets_the_field(server: TlsConfig) -> None:
    seen: list[object] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ.get("HTTP_EARLY_DATA"))
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with Serving(WsgiHandler(app), tls=server) as served:
        place = Place(served, Notes(), "http/1.1")
        for early, late in ((b"", LAST), (LAST, b"")):
            with place.connect(early) as tls:
                tls.write_all(late, timeout=PATIENCE)
                tls.read_to_end(timeout=PATIENCE)
    assert seen == [None, "1"]


def test_http2(server: TlsConfig) -> None:
    """One stream comes early whole, one is torn in its head, and one comes later."""
    notes = Notes()
    with Serving(notes, tls=server) as served:
        place = Place(served, notes, "h2")
        for is_early in (False, True):
            conn = h2_client()
            for path in (b"/a", b"/b"):
                conn.request(RequestHead(b"GET", path, b"a"), end=True)
            octets = conn.take()
            cut = len(octets) - 5
            with place.connect(octets[:cut] if is_early else b"") as tls:
                assert tls.early_data_accepted is (True if is_early else None)
                tls.write_all(octets[cut:] if is_early else octets, timeout=PATIENCE)
                conn.request(RequestHead(b"GET", b"/c", b"a"), end=True)
                answers: list[Event] = []
                while sum(isinstance(each, ResponseHead) for each in answers) < 3:
                    tls.write_all(conn.take(), timeout=PATIENCE)
                    answers += conn.feed(tls.read(timeout=PATIENCE))
    assert sorted(notes.seen) == sorted(
        [("GET", path, False, b"") for path in ("/a", "/b", "/c", "/c")]
        + [("GET", path, True, b"") for path in ("/a", "/b")]
    )


def test_a_request_for_the_test_of_a_handler() -> None:
    assert not ServerRequest("GET", "/").early_data
    assert ServerRequest("GET", "/", headers={"Early-Data": "1"}).early_data
