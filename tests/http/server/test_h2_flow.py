"""Exchanges over HTTP/2, served: bodies, ends, limits of time, and GOAWAY, over both forms and drivers."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netkit.http.connection.errors import ErrorCode, StreamFault
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.errors import HttpError
from netkit.http.message import Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h2 import flow as h2_flow
from netkit.http.server.h2.flow import OUTBOX_LIMIT
from netkit.http.server.response import StreamedResponse
from netkit.io import Event, Flow, beside
from netkit.websocket.server import ServerWebSocket, WebSocketHandler
from tests.http.connection.forms import (
    END_HEADERS,
    GET,
    GOAWAY,
    HEADERS,
    PREFACE,
    block,
    frame,
    frames,
    settings_frame,
)
from tests.http.server.h2_serving import DRIVERS, FORMS, PATIENCE, Served, Watched, form_of_h2, serving
from tests.waiting import until

# Each form is asked for by name, whichever netkit would choose.
pytestmark = pytest.mark.once

Serve = Callable[..., Served]

#: More than every window and buffer on the way: who sends it has to wait for who takes it.
MUCH = 12 << 20


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    with form_of_h2(request.param):
        yield request.param


@pytest.fixture(params=DRIVERS)
def serve(form: str, request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Start servers, of one form and driver; the end of the test looks that they end."""
    with ExitStack() as stack:

        def start(handler: Any, config: ServerConfig | None = None, **more: Any) -> Served:
            return stack.enter_context(serving(handler, config, driver=request.param, **more))

        yield start


def answer(exchange: Exchange) -> Flow[None]:
    """Says what was asked, after the whole body has come."""
    body = yield from exchange.read_all_flow()
    said = b"%b %b %b" % (exchange.head.method, exchange.head.target, body)
    exchange.begin(200, [(b"Content-Type", b"text/plain")], length=len(said))
    yield from exchange.send_flow(said, end=True)


def upper(exchange: Exchange) -> Flow[None]:
    """Sends back each piece as it comes."""
    exchange.begin(200)
    while piece := (yield from exchange.read_flow()):
        yield from exchange.send_flow(piece.upper())
    yield from exchange.end_flow([(b"x-octets", b"%d" % exchange.received)])


class Waiting:
    """A handler that waits until the test lets it go on, and notes how each call ended."""

    def __init__(self) -> None:
        self.go = Event()
        self.begun: list[int] = []
        self.ended: list[str] = []

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        self.begun.append(self.number(exchange))
        try:
            yield from self.go.wait()
            exchange.begin(200, length=4)
            yield from exchange.send_flow(b"done")
        except GeneratorExit:
            self.ended.append("closed")
            raise
        self.ended.append("returned")

    @staticmethod
    def number(exchange: Exchange) -> int:
        return int(exchange.head.target[1:] or b"0")


# Messages.


def test_a_request_is_answered(serve: Serve) -> None:
    served = serve(answer)
    got = served.peer().get("/a")
    assert (got.status, got.body) == (200, b"GET /a ")
    assert got.field(b"content-type") == b"text/plain"
    assert got.field(b"content-length") == b"7"
    assert (got.field(b"server") or b"").startswith(b"netkit/")
    assert (got.field(b"date") or b"").endswith(b" GMT")
    until(lambda: served.told.exchanges)
    exchange, error = served.told.exchanges[0]
    assert error is None
    assert (exchange.status, exchange.sent, exchange.version) == (200, 7, (2, 0))
    assert served.server.counts()["requests"] == 1


def test_over_tls(serve: Serve) -> None:
    served = serve(answer, tls=True)
    peer = served.peer()
    assert [peer.get(f"/{number}").body for number in range(3)] == [b"GET /0 ", b"GET /1 ", b"GET /2 "]
    assert served.told.exchanges[0][0].connection.tls is not None


def test_head_and_responses_without_a_body(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(int(exchange.head.target[1:]), length=5)
        yield from exchange.send_flow(b"hello", end=True)

    peer = serve(handler).peer()
    got = peer.get("/200", "HEAD")
    assert (got.status, got.body, got.field(b"content-length")) == (200, b"", b"5")
    got = peer.get("/204")
    assert (got.status, got.body, got.field(b"content-length")) == (204, b"", None)
    got = peer.get("/304")
    assert (got.status, got.body, got.field(b"content-length")) == (304, b"", b"5")


def test_an_empty_response_has_a_length(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(404, end=True)
        yield from exchange.flush_flow()

    got = serve(handler).peer().get()
    assert (got.status, got.body, got.field(b"content-length")) == (404, b"", b"0")


def test_fields_of_a_connection_are_left_out(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        fields = [(b"Keep-Alive", b"timeout=5"), (b"Server", b"mine"), (b"X", b"y")]
        exchange.begin(200, fields, end=True)
        yield from exchange.flush_flow()

    got = serve(handler).peer().get()
    assert got.field(b"keep-alive") is None
    assert (got.field(b"server"), got.field(b"x")) == (b"mine", b"y")


def test_a_field_that_the_connection_writes_is_refused(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200, [(b"Content-Length", b"7")], end=True)
        yield from exchange.flush_flow()

    served = serve(handler)
    assert served.peer().get().status == 500
    until(lambda: served.told.exchanges)
    assert isinstance(served.told.exchanges[0][1], HttpError.InvalidValue)


@pytest.mark.parametrize("threads", [0, 4])
def test_a_handler_that_blocks(serve: Serve, threads: int) -> None:
    class Echo:
        def handle(self, request: Request) -> Response:
            return Response(201, body=request.body)

    peer = serve(Echo(), ServerConfig(threads=threads)).peer()
    asked = [peer.ask("/", "POST", body=b"%d" % number) for number in range(20)]
    assert [(peer.reply(each).status, each.body) for each in asked] == [
        (201, b"%d" % number) for number in range(20)
    ]


def test_an_async_handler(form: str) -> None:
    class Echo:
        async def handle_async(self, request: Request) -> Response:
            return Response(200, body=request.body)

    with serving(Echo(), driver="async") as served:
        assert served.peer().get("/", "POST", body=b"async").body == b"async"


# Bodies.


def test_large_bodies_both_ways_at_once(serve: Serve) -> None:
    peer = serve(upper, ServerConfig(max_body=None)).peer()
    asked = peer.ask("/", "POST", end=False)
    peer.send_all(asked, b"x" * MUCH)
    peer.reply(asked)
    assert asked.body == b"X" * MUCH
    assert asked.trailers == [(b"x-octets", b"%d" % MUCH)]


def test_reading_beside_sending(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)

        def reading() -> Flow[None]:
            while (yield from exchange.read_flow()):
                pass

        def sending() -> Flow[None]:
            for _ in range(64):
                yield from exchange.send_flow(bytes(65_536))

        yield from beside(sending(), reading())
        yield from exchange.end_flow()

    peer = serve(handler, ServerConfig(max_body=None)).peer()
    asked = peer.ask("/", "POST", end=False)
    peer.send_all(asked, bytes(2 << 20))
    assert len(peer.reply(asked).body) == 64 * 65_536


def test_a_handler_that_does_not_read_holds_its_client_back(serve: Serve) -> None:
    go = Event()

    def handler(exchange: Exchange) -> Flow[None]:
        yield from go.wait()
        yield from answer(exchange)

    limits = ConnectionLimits(stream_window=100_000, connection_window=200_000)
    peer = serve(handler, ServerConfig(limits=limits)).peer()
    asked = peer.ask("/", "POST", end=False)
    peer.turn()
    assert peer.conn.room(asked.stream) <= 100_000
    peer.send(asked, bytes(peer.conn.room(asked.stream)))
    peer.turn()
    assert peer.conn.room(asked.stream) == 0
    assert Watched.made[0].most_pieces == 100_000
    go.set()
    peer.until(lambda: peer.conn.room(asked.stream))
    peer.send(asked, b"end", end=True)
    assert peer.reply(asked).body.endswith(b"\0end")


def test_a_client_that_takes_nothing_holds_its_handler_back(serve: Serve) -> None:
    pieces = []

    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        for number in range(64):
            yield from exchange.send_flow(bytes(65_536))
            pieces.append(number)
        yield from exchange.end_flow()

    served = serve(handler)
    peer = served.peer(ConnectionLimits(stream_window=200_000))
    peer.credits = False
    asked = peer.ask()
    peer.until(lambda: len(asked.body) == 200_000)
    peer.turn()
    assert len(pieces) == 200_000 // 65_536  # which are gone, and the next one in part
    peer.credit()
    assert len(peer.reply(asked).body) == 64 * 65_536


def test_a_stream_without_a_window_keeps_no_other_back(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        yield from exchange.send_flow(bytes(int(exchange.head.target[1:])), end=True)

    peer = serve(handler).peer(ConnectionLimits(stream_window=65_536, connection_window=1 << 20))
    peer.credits = False
    held = peer.ask("/100000")
    peer.until(lambda: len(held.body) == 65_536)
    assert len(peer.get("/10000").body) == 10_000
    peer.credit()
    assert len(peer.reply(held).body) == 100_000


def test_many_large_bodies_share_a_connection(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        yield from exchange.send_flow(bytes(1 << 20), end=True)

    peer = serve(handler).peer(ConnectionLimits(connection_window=1 << 24))
    asked = [peer.ask() for _ in range(20)]
    peer.until(lambda: all(each.is_over for each in asked))
    assert {len(each.body) for each in asked} == {1 << 20}
    assert Watched.made[0].most_queued < OUTBOX_LIMIT + 20 * 65_536
    # No stream waits for the end of another one.
    assert min(len(each.pieces) for each in asked) > 1


def test_trailers_of_the_request(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        body = yield from exchange.read_all_flow()
        exchange.begin(200)
        yield from exchange.send_flow(body)
        yield from exchange.end_flow(exchange.trailers)

    peer = serve(handler).peer()
    asked = peer.ask("/", "POST", body=b"x", end=False)
    peer.conn.trailers(asked.stream, [(b"sum", b"1")])
    peer.flush()
    peer.reply(asked)
    assert (asked.body, asked.trailers) == (b"x", [(b"sum", b"1")])


def test_a_streamed_response_with_trailers(serve: Serve) -> None:
    class Streams:
        def handle(self, request: Request) -> Response:
            return StreamedResponse(200, iter([b"one ", b"two"]), trailers=lambda: [(b"sum", b"2")])

    got = serve(Streams(), ServerConfig(threads=0)).peer().get()
    assert (got.body, got.trailers) == (b"one two", [(b"sum", b"2")])


def test_more_or_less_than_the_length_is_an_error_of_the_handler(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200, length=5)
        yield from exchange.send_flow(b"123")
        if exchange.head.target == b"/more":
            yield from exchange.send_flow(b"456")
        yield from exchange.end_flow()

    served = serve(handler)
    peer = served.peer()
    assert peer.get("/less").code == ErrorCode.INTERNAL_ERROR
    assert peer.get("/more").code == ErrorCode.INTERNAL_ERROR
    until(lambda: len(served.told.exchanges) == 2)
    assert all(isinstance(error, ValueError) for _, error in served.told.exchanges)


# 1xx, and responses before the end of the request.


def test_interim_responses(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        yield from exchange.interim_flow(103, [(b"link", b"</a>")])
        yield from answer(exchange)

    got = serve(handler).peer().get()
    assert got.interims == [(103, [(b"link", b"</a>")])]
    assert got.status == 200


def test_expect_is_answered_when_the_handler_reads(serve: Serve) -> None:
    peer = serve(answer).peer()
    asked = peer.ask("/", "POST", [(b"expect", b"100-continue")], end=False)
    peer.until(lambda: asked.interims)
    peer.send(asked, b"now", end=True)
    assert (peer.reply(asked).interims, asked.body) == ([(100, [])], b"POST / now")


def test_a_response_before_the_end_of_the_request(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(403, length=2)
        yield from exchange.send_flow(b"no", end=True)

    peer = serve(handler).peer()
    asked = peer.ask("/", "POST", [(b"expect", b"100-continue")], end=False)
    peer.until(lambda: asked.code is not None)
    assert (asked.status, asked.body, asked.interims) == (403, b"no", [])
    assert (asked.is_ended, asked.code) == (True, ErrorCode.NO_ERROR)
    assert peer.get().status == 403  # the connection goes on


def test_a_request_that_ends_after_its_response_is_not_reset(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200, length=2)
        yield from exchange.send_flow(b"ok", end=True)

    peer = serve(handler).peer()
    asked = peer.ask("/", "POST", end=False)
    peer.reply(asked)
    peer.send(asked, b"late", end=True)
    peer.turn()
    assert asked.code is None


def test_a_client_gets_no_room_for_much_after_its_response(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h2_flow, "UNWANTED_TIMEOUT", 1000.0)

    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200, length=2)
        yield from exchange.send_flow(b"ok", end=True)

    limits = ConnectionLimits(stream_window=1000)
    peer = serve(handler, ServerConfig(max_unread=1500, limits=limits)).peer()
    asked = peer.ask("/", "POST", end=False)
    peer.reply(asked)
    peer.turn()
    sent = 0
    while room := peer.conn.room(asked.stream):
        peer.send(asked, bytes(room))
        peer.turn()
        sent += room
    assert 1000 < sent <= 2500
    assert asked.code is None
    peer.sock.close()


def test_a_body_that_says_that_it_is_too_long(serve: Serve) -> None:
    served = serve(answer, ServerConfig(max_body=10))
    peer = served.peer()
    asked = peer.ask("/", "POST", end=False, length=11)
    peer.until(lambda: asked.code is not None)
    assert (asked.status, asked.code) == (413, ErrorCode.NO_ERROR)


def test_a_body_that_becomes_too_long(serve: Serve) -> None:
    served = serve(answer, ServerConfig(max_body=10))
    peer = served.peer()
    asked = peer.ask("/", "POST", end=False)
    peer.send(asked, bytes(6))
    peer.send(asked, bytes(6))
    peer.until(lambda: asked.code is not None)
    assert (asked.status, asked.code) == (413, ErrorCode.NO_ERROR)
    assert isinstance(served.told.exchanges[0][1], HttpError.BodyTooLarge)


# Failures.


def test_an_error_of_the_handler_is_500_without_its_text(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        raise KeyError("secret")
        yield

    served = serve(handler)
    got = served.peer().get()
    assert got.status == 500
    assert b"secret" not in got.body
    until(lambda: served.told.exchanges)
    assert isinstance(served.told.exchanges[0][1], KeyError)


def test_an_error_after_the_head_resets_the_stream(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        yield from exchange.send_flow(b"some")
        raise KeyError("secret")

    served = serve(handler)
    peer = served.peer()
    got = peer.get()
    assert (got.status, got.body, got.is_ended, got.code) == (200, b"some", False, ErrorCode.INTERNAL_ERROR)
    assert peer.get().status == 200


def test_abort(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        yield from exchange.send_flow(b"some")
        exchange.abort()

    assert serve(handler).peer().get().code == ErrorCode.INTERNAL_ERROR


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_handler_that_leaves_no_response(serve: Serve, has_begun: bool) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        if has_begun:
            exchange.begin(200)
        return
        yield

    got = serve(handler).peer().get()
    assert (got.status, got.code) == ((200, ErrorCode.INTERNAL_ERROR) if has_begun else (500, None))


def test_a_reset_closes_the_handler(serve: Serve) -> None:
    handler = Waiting()
    served = serve(handler)
    peer = served.peer()
    asked = peer.ask("/1")
    until(lambda: handler.begun)
    peer.conn.reset(asked.stream, ErrorCode.CANCEL)
    peer.flush()
    until(lambda: handler.ended)
    assert handler.ended == ["closed"]
    until(lambda: served.told.exchanges)
    exchange, error = served.told.exchanges[0]
    assert isinstance(error, StreamFault)
    assert (error.code, error.by_peer, exchange.failure) == (ErrorCode.CANCEL, True, error)
    assert served.told.faults == []
    handler.go.set()
    assert peer.get("/2").body == b"done"


def test_a_handler_that_waits_for_it_is_told_that_its_client_is_gone(serve: Serve) -> None:
    said: list[Exception | None] = []

    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        yield from exchange.send_flow(b"some")
        yield from exchange.gone_flow()
        said.append(exchange.failure)
        yield from exchange.send_flow(b"more")

    served = serve(handler)
    peer = served.peer()
    asked = peer.ask()
    peer.until(lambda: asked.body)
    peer.conn.reset(asked.stream)
    peer.flush()
    until(lambda: served.told.exchanges)
    assert isinstance(said[0], StreamFault)
    assert served.told.exchanges[0][1] is said[0]


def test_a_client_that_leaves_ends_its_handlers(serve: Serve) -> None:
    handler = Waiting()
    served = serve(handler)
    peer = served.peer()
    for number in range(5):
        peer.ask(f"/{number}")
    until(lambda: len(handler.begun) == 5)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()
    until(lambda: len(served.told.exchanges) == 5)
    assert handler.ended == ["closed"] * 5
    until(lambda: not served.server.connections.active)


def test_a_client_that_sends_no_more_gets_its_answers(serve: Serve) -> None:
    handler = Waiting()
    served = serve(handler)
    peer = served.peer()
    asked = [peer.ask(f"/{number}") for number in range(3)]
    peer.finish()
    until(lambda: len(handler.begun) == 3)
    handler.go.set()
    peer.until(lambda: all(each.is_over for each in asked))
    assert [each.body for each in asked] == [b"done"] * 3
    peer.at_end()


def test_a_body_that_is_cut_off_ends_its_handler(serve: Serve) -> None:
    served = serve(answer)
    peer = served.peer()
    asked = peer.ask("/", "POST", end=False)
    peer.send(asked, b"half")
    peer.finish()
    until(lambda: served.told.exchanges)
    assert served.told.exchanges[0][1] is not None
    peer.at_end()


def test_a_slow_handler_keeps_no_other_back(serve: Serve) -> None:
    handler = Waiting()

    def either(exchange: Exchange) -> Flow[None]:
        yield from (answer if exchange.head.target == b"/quick" else handler.handle_flow)(exchange)

    peer = serve(either).peer()
    slow = [peer.ask(f"/{number}") for number in range(40)]
    assert peer.get("/quick").status == 200
    assert not any(each.is_over for each in slow)
    handler.go.set()
    assert {peer.reply(each).body for each in slow} == {b"done"}


def test_a_handler_that_works_on_after_its_response(serve: Serve) -> None:
    go = Event()

    def handler(exchange: Exchange) -> Flow[None]:
        yield from answer(exchange)
        if exchange.head.target == b"/on":
            yield from go.wait()

    limits = ConnectionLimits(max_concurrent_streams=1)
    served = serve(handler, ServerConfig(limits=limits))
    peer = served.peer()
    assert peer.get("/on").status == 200
    next_one = peer.ask("/next")
    peer.turn()
    assert not next_one.is_over  # it would be one handler more than there may be
    go.set()
    assert peer.reply(next_one).status == 200


def test_clients_that_leave_after_the_tls_handshake(serve: Serve) -> None:
    """SETTINGS cannot be sent to them, at whatever moment they leave."""
    served = serve(answer, tls=True)
    for _ in range(4):
        sock = served.sock()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert served.peer().get().status == 200
    until(lambda: len(served.server.connections.active) == 1)


# Limits of time.


def test_a_body_that_does_not_come(serve: Serve) -> None:
    served = serve(answer, ServerConfig(body_timeout=0.05))
    peer = served.peer()
    asked = peer.ask("/", "POST", end=False)
    peer.until(lambda: asked.code is not None)
    assert (asked.status, asked.code) == (408, ErrorCode.NO_ERROR)


def test_a_window_that_never_opens(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        yield from exchange.send_flow(bytes(100_000), end=True)

    served = serve(handler, ServerConfig(write_timeout=0.05))
    peer = served.peer(ConnectionLimits(stream_window=1))
    peer.credits = False
    got = peer.get()
    assert (got.body, got.code) == (b"\0", ErrorCode.INTERNAL_ERROR)
    assert isinstance(served.told.exchanges[0][1], HttpError.Timeout)


def test_a_handler_that_takes_too_long(serve: Serve) -> None:
    handler = Waiting()
    served = serve(handler, ServerConfig(handler_timeout=0.05))
    assert served.peer().get("/1").status == 503
    assert handler.ended == ["closed"]


def test_a_client_that_never_reads(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        exchange.begin(200)
        while True:
            yield from exchange.send_flow(bytes(65_536))

    served = serve(handler, ServerConfig(write_timeout=0.1))
    limits = ConnectionLimits(stream_window=1 << 30, connection_window=1 << 30)
    peer = served.peer(limits, receive_buffer=4096)
    for _ in range(50):
        peer.ask()
    until(lambda: served.told.faults and not served.server.connections.active)
    assert Watched.made[0].most_queued < OUTBOX_LIMIT + 50 * 65_536
    assert len(served.told.exchanges) == 50
    assert {type(error) for _, error in served.told.exchanges} == {HttpError.Timeout}
    assert [type(error) for error in served.told.faults] == [HttpError.Timeout]


@pytest.mark.parametrize(
    "begun",
    [
        PREFACE[:24] + b"\0",
        PREFACE + settings_frame() + frame(HEADERS, 0, 1, block(GET)),
        PREFACE + settings_frame() + frame(HEADERS, END_HEADERS, 1, block(GET))[:-1],
    ],
    ids=["settings", "block", "frame"],
)
def test_a_head_that_does_not_end(serve: Serve, begun: bytes) -> None:
    served = serve(answer, ServerConfig(head_timeout=0.05))
    sock = served.sock()
    sock.sendall(begun)
    while sock.recv(65_536):
        pass
    assert [type(error) for error in served.told.faults] == [HttpError.Timeout]


def test_an_idle_connection(serve: Serve) -> None:
    served = serve(answer, ServerConfig(idle_timeout=0.2))
    peer = served.peer()
    peer.get()
    peer.at_end()
    assert [each.code for each in peer.goaways] == [0, 0]
    assert served.told.faults == []


def test_nothing_is_idle_while_a_handler_works(serve: Serve) -> None:
    handler = Waiting()
    served = serve(handler, ServerConfig(idle_timeout=0.3))
    peer = served.peer()
    asked = peer.ask("/1")
    until(lambda: handler.begun)
    other = served.peer()
    other.at_end()  # which is idle from about then on
    handler.go.set()
    assert peer.reply(asked).body == b"done"


# The end of a connection.


def test_stop_lets_what_is_under_way_go_on(serve: Serve) -> None:
    handler = Waiting()
    served = serve(handler)
    peer = served.peer()
    asked = [peer.ask(f"/{number}") for number in range(3)]
    until(lambda: len(handler.begun) == 3)
    served.stop.set()
    peer.until(lambda: len(peer.goaways) == 2)
    assert [each.last_stream for each in peer.goaways] == [2**31 - 1, asked[-1].stream]
    assert not any(each.is_over for each in asked)
    handler.go.set()
    peer.until(lambda: all(each.is_over for each in asked))
    assert {each.body for each in asked} == {b"done"}
    peer.at_end()


def test_a_request_that_crosses_the_first_goaway_is_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h2_flow, "LEAVE_TIMEOUT", PATIENCE)
    served = serve(answer)
    peer = served.peer()
    peer.get()
    served.stop.set()
    connection = Watched.made[0]
    until(lambda: connection.is_leaving)
    late = peer.ask("/late")  # the client has not read GOAWAY yet
    assert peer.reply(late).status == 200
    peer.at_end()
    assert [each.last_stream for each in peer.goaways] == [2**31 - 1, late.stream]


def test_a_client_that_does_not_answer_the_ping_is_not_waited_for(serve: Serve) -> None:
    served = serve(answer)
    sock = served.sock()
    sock.sendall(PREFACE + settings_frame())
    until(lambda: Watched.made and not Watched.made[0].conn.is_in_head)
    served.stop.set()
    came = b""
    while piece := sock.recv(65_536):
        came += piece
    goaways = [each for each in frames(came) if each.kind == GOAWAY]
    assert [each.number for each in goaways] == [2**31 - 1, 0]


def test_the_last_request_of_a_connection(serve: Serve) -> None:
    peer = serve(answer, ServerConfig(max_requests=3)).peer()
    assert [peer.get().status for _ in range(3)] == [200, 200, 200]
    peer.at_end()
    assert [each.last_stream for each in peer.goaways] == [2**31 - 1, 5]


def test_a_response_that_closes(serve: Serve) -> None:
    class Closes:
        def handle(self, request: Request) -> Response:
            return Response(200, headers={"Connection": "close"}, body=b"bye")

    peer = serve(Closes(), ServerConfig(threads=0)).peer()
    assert peer.get().body == b"bye"
    peer.at_end()


# CONNECT.


def echoing(exchange: Exchange) -> Flow[None]:
    stream = yield from exchange.upgrade_flow(200)
    while data := (yield from stream.read_flow()):
        yield from stream.write_all_flow(data.upper())
    yield from stream.finish()


@pytest.mark.parametrize("protocol", [None, b"websocket"])
def test_connect(serve: Serve, protocol: bytes | None) -> None:
    served = serve(echoing)
    peer = served.peer()
    peer.turn()  # SETTINGS, which say that it may ask so
    asked = peer.ask("/chat" if protocol else "a.example:443", "CONNECT", end=False, protocol=protocol)
    peer.until(lambda: asked.status)
    peer.send(asked, b"one ")
    peer.until(lambda: asked.body == b"ONE ")
    peer.send(asked, b"two ")
    peer.until(lambda: asked.body == b"ONE TWO ")
    peer.send_all(asked, b"x" * 3_000_000)
    peer.reply(asked)
    assert (asked.status, asked.body) == (200, b"ONE TWO " + b"X" * 3_000_000)
    until(lambda: served.told.exchanges)
    exchange, error = served.told.exchanges[0]
    assert (exchange.head.protocol, error, exchange.received) == (protocol, None, 3_000_008)
    assert exchange.sent == 3_000_008


def test_a_websocket(serve: Serve) -> None:
    """RFC 8441 section 5: the frames are those of RFC 6455, in DATA frames."""

    def echo(ws: ServerWebSocket) -> Flow[None]:
        yield from ws.send_flow((yield from ws.receive_flow()))
        yield from ws.close_flow()

    class Echo:
        def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
            yield from echo(ws)

    peer = serve(WebSocketHandler(Echo())).peer()
    peer.turn()
    version = [(b"sec-websocket-version", b"13")]
    asked = peer.ask("/chat", "CONNECT", version, end=False, protocol=b"websocket")
    peer.until(lambda: asked.status)
    mask = b"\1\2\3\4"
    peer.send(asked, b"\x81\x82" + mask + bytes((ord("h") ^ 1, ord("i") ^ 2)))
    peer.until(lambda: asked.body.startswith(b"\x81\x02hi\x88"))
    peer.send(asked, b"\x88\x82" + mask + bytes((0x03 ^ 1, 0xE8 ^ 2)), end=True)
    assert peer.reply(asked).status == 200


def test_what_a_handler_leaves_of_a_tunnel_is_ended(serve: Serve) -> None:
    def handler(exchange: Exchange) -> Flow[None]:
        stream = yield from exchange.upgrade_flow(200)
        yield from stream.write_all_flow(b"hello")

    peer = serve(handler).peer()
    asked = peer.ask("a.example:443", "CONNECT", end=False)
    peer.until(lambda: asked.code is not None)
    assert (asked.body, asked.is_ended, asked.code) == (b"hello", True, ErrorCode.NO_ERROR)


def test_a_reset_ends_a_tunnel(serve: Serve) -> None:
    served = serve(echoing)
    peer = served.peer()
    asked = peer.ask("a.example:443", "CONNECT", end=False)
    peer.until(lambda: asked.status)
    peer.conn.reset(asked.stream)
    peer.flush()
    until(lambda: served.told.exchanges)
    assert isinstance(served.told.exchanges[0][1], StreamFault)


def test_connect_is_refused_as_anything_else(serve: Serve) -> None:
    class Plain:
        def handle(self, request: Request) -> Response:
            assert request.body is None
            return Response(405)

    peer = serve(Plain(), ServerConfig(threads=0)).peer()
    asked = peer.ask("a.example:443", "CONNECT", end=False)
    peer.until(lambda: asked.code is not None)
    assert (asked.status, asked.code) == (405, ErrorCode.NO_ERROR)


def test_only_connect_is_upgraded(serve: Serve) -> None:
    served = serve(echoing)
    assert served.peer().get().status == 500
    until(lambda: served.told.exchanges)
    assert isinstance(served.told.exchanges[0][1], ValueError)


# Choosing the version.


@pytest.mark.parametrize("tls", [False, True], ids=["by prior knowledge", "by ALPN"])
def test_http2_can_be_refused(form: str, tls: bool) -> None:
    with serving(answer, ServerConfig(http2=False), tls=tls) as served:
        sock = served.sock()
        if isinstance(sock, ssl.SSLSocket):
            assert sock.selected_alpn_protocol() is None
        sock.sendall(PREFACE + settings_frame())
        assert sock.recv(65_536).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 505 "))


@pytest.mark.parametrize("tls", [False, True], ids=["by prior knowledge", "by ALPN"])
def test_http1_can_be_refused(form: str, tls: bool) -> None:
    with serving(answer, ServerConfig(http1=False), tls=tls) as served:
        assert served.peer().get().status == 200
        sock = served.sock()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        came = b""
        while piece := sock.recv(65_536):
            came += piece
        assert [each.code for each in frames(came) if each.kind == GOAWAY] == [ErrorCode.PROTOCOL_ERROR]
    with pytest.raises(HttpError.InvalidValue):
        ServerConfig(http1=False, http2=False)


def test_threads_of_handlers_end_with_their_streams(serve: Serve) -> None:
    """A blocking handler cannot be closed; its stream can."""
    go = threading.Event()

    class Blocks:
        def handle(self, request: Request) -> Response:
            go.wait(20)
            return Response(200)

    served = serve(Blocks(), ServerConfig(threads=2))
    peer = served.peer()
    asked = [peer.ask() for _ in range(6)]
    until(lambda: Watched.made and len(Watched.made[0].exchanges) == 6)
    for each in asked:
        peer.conn.reset(each.stream)
    peer.flush()
    until(lambda: len(served.told.exchanges) == 6)
    go.set()
    assert peer.get().status == 200
