"""WebSockets inside the HTTP server: every kind of handler, refused handshakes, the server's stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from netkit.http import HttpVersions
from netkit.http.server.exchange import Exchange
from netkit.io import Flow
from netkit.websocket import CloseCode, DeflateConfig, Opcode, WebSocketConfig, WebSocketError
from netkit.websocket.client import ClientWebSocket, connect
from netkit.websocket.handshake import accept_key
from netkit.websocket.protocol import State
from netkit.websocket.server import BridgedWebSocket, ServerWebSocket, WebSocketHandler, accept_flow
from tests.http.server.serving import Flows, Serving, echo
from tests.waiting import until
from tests.websocket.frames import CLOSE, FIN, TEXT, frame
from tests.websocket.serving import (
    ASKS,
    KEY,
    QUIET,
    AsyncEcho,
    FlowEcho,
    ThreadEcho,
    WebServing,
    client_of,
    opened,
    serving,
)
from tests.websocket.sockets import Beside

GOOD = "Origin: https://good.example\r\n"

#: A frame as a server sends it: not masked.
sent = partial(frame, key=None)


#: The handler, and the form of the server.
KINDS = [
    pytest.param((FlowEcho, "blocking"), id="flow"),
    pytest.param((FlowEcho, "async"), id="flow-asyncio"),
    pytest.param((ThreadEcho, "blocking"), id="thread"),
    pytest.param((ThreadEcho, "async"), id="thread-asyncio"),
    pytest.param((AsyncEcho, "async"), id="coroutine"),
]
BOTH = pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.HTTP2], ids=["h1", "h2"])


@pytest.fixture(params=KINDS)
def served(request: pytest.FixtureRequest) -> Iterator[Serving]:
    handler, form = request.param
    with serving(handler(), form) as made:
        yield made


# Messages


@BOTH
def test_echo(served: Serving, versions: HttpVersions) -> None:
    with opened(served, versions) as ws:
        for message in ("", "grüß", b"\x00\xff", b"x" * 300_000):
            with threads_sending(ws, message):
                assert ws.receive() == message
    served.until_told()
    exchange, error = served.told.exchanges[0]
    assert error is None
    assert exchange.note == "closed by the client with 1000 NORMAL"
    assert exchange.status == (101 if versions is HttpVersions.HTTP11 else 200)


def threads_sending(ws: ClientWebSocket, message: str | bytes) -> Any:
    return Beside(lambda: ws.send(message))


@BOTH
def test_many_connections(served: Serving, versions: HttpVersions) -> None:
    client = client_of(versions)
    sockets = [connect(f"ws://127.0.0.1:{served.at[1]}/", client=client) for _ in range(20)]
    for number, ws in enumerate(sockets):
        ws.send(str(number))
    assert [ws.receive() for ws in reversed(sockets)] == [str(n) for n in reversed(range(20))]
    for ws in sockets:
        ws.close()


# Handlers


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_a_handler_that_returns_closes_with_1000(form: str) -> None:
    class Greets:
        def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
            yield from ws.send_flow(ws.request.path + " " + ws.request.query)

    with serving(Greets(), form) as served, opened(served) as ws:
        assert list(ws) == ["/chat a=b"]
        assert ws.close_code == CloseCode.NORMAL
    assert served.told.exchanges[0][0].note == "closed by the server with 1000 NORMAL"


class Fails:
    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        yield from ws.receive_flow()
        raise ZeroDivisionError

    def handle_socket(self, ws: BridgedWebSocket) -> None:
        ws.receive()
        raise ZeroDivisionError

    async def handle_socket_async(self, ws: ServerWebSocket) -> None:
        await ws.receive_async()
        raise ZeroDivisionError


@BOTH
@pytest.mark.parametrize(
    ("kind", "form"),
    [("handle_socket_flow", "blocking"), ("handle_socket", "blocking"), ("handle_socket_async", "async")],
)
def test_a_handler_that_fails_closes_with_1011(kind: str, form: str, versions: HttpVersions) -> None:
    class OneOf:
        pass

    handler = OneOf()
    setattr(handler, kind, getattr(Fails(), kind))
    with serving(handler, form) as served:
        ws = opened(served, versions)
        ws.send("x")
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert caught.value.code == CloseCode.INTERNAL_ERROR
        served.until_told()
        assert [type(error) for error in served.told.errors] == [ZeroDivisionError]
        # The server goes on.
        with opened(served, versions):
            pass


def test_an_error_of_another_connection_is_one_of_the_handler() -> None:
    class Proxies:
        def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
            yield from ws.receive_flow()
            raise WebSocketError.ConnectionClosed(1006)

    with serving(Proxies()) as served:
        ws = opened(served)
        ws.send("x")
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert caught.value.code == CloseCode.INTERNAL_ERROR
        served.until_told()
        assert served.told.errors


def test_a_client_that_goes_without_a_word(served: Serving) -> None:
    ws = opened(served)
    ws.abort()
    served.until_told()
    assert served.told.errors == []
    assert served.told.exchanges[0][0].note == "the client went without closing"


def test_a_client_that_breaks_a_rule(served: Serving) -> None:
    with served.client() as client:
        assert client.ask(f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode()).status == 101
        client.send(sent(FIN | TEXT, b"x"))  # not masked
        came = client.received + client.at_end()
        assert (came[0], came[2:4]) == (FIN | CLOSE, b"\x03\xea")
    served.until_told()
    assert served.told.errors == []
    note = served.told.exchanges[0][0].note
    assert note is not None
    assert note.startswith("closed for a fault of the client: ")


def test_a_second_handler_waits_for_a_thread() -> None:
    with serving(ThreadEcho(), threads=1) as served, opened(served) as first:
        second = opened(served)
        second.send("x")
        first.send("y")
        assert first.receive() == "y"
        first.close()
        assert second.receive() == "x"
        second.close()


# Handshakes


def fields(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (line.partition(": ") for line in text.splitlines())]


@pytest.mark.parametrize(
    ("request_text", "status", "more"),
    [
        ("POST / HTTP/1.1\r\n" + ASKS + "Content-Length: 0\r\n", 405, (b"allow", b"GET")),
        ("GET / HTTP/1.1\r\n" + ASKS.replace(": 13", ": 8"), 426, (b"sec-websocket-version", b"13")),
        ("GET / HTTP/1.1\r\n" + ASKS.replace(KEY, "short"), 400, None),
        ("GET / HTTP/1.1\r\n" + ASKS + f"Sec-WebSocket-Key: {KEY}\r\n", 400, None),
        (
            "GET / HTTP/1.1\r\n" + ASKS + f"{GOOD}Sec-WebSocket-Protocol: a b\r\n",
            400,
            None,
        ),
        ("GET / HTTP/1.1\r\n" + ASKS + "Origin: http://evil.example\r\n", 403, None),
        ("GET / HTTP/1.1\r\n" + ASKS, 403, None),  # no Origin, and the list wants one
        ("GET / HTTP/1.1\r\nHost: a\r\n", 426, (b"upgrade", b"websocket")),
    ],
)
def test_refused(request_text: str, status: int, more: tuple[bytes, bytes] | None) -> None:
    with serving(FlowEcho(), origins=["https://good.example"]) as served, served.client() as client:
        reply = client.ask(f"{request_text}\r\n".encode())
        assert reply.status == status
        assert reply.body
        assert more is None or reply.field(more[0]) == more[1]
        # It was a response as any other: the connection goes on.
        if not reply.closes:
            text = f"GET / HTTP/1.1\r\n{ASKS}Origin: https://good.example\r\n\r\n"
            assert client.ask(text.encode()).status == 101
    assert served.told.errors == []


def test_what_is_agreed_on() -> None:
    config = QUIET.replace(subprotocols=("b", "a"), deflate=DeflateConfig())
    with serving(FlowEcho(), config=config) as served, served.client() as client:
        asked = (
            ASKS
            + "Sec-WebSocket-Protocol: a, c\r\nSec-WebSocket-Protocol: b\r\nOrigin: null\r\n"
            + "Sec-WebSocket-Extensions: x-unknown, permessage-deflate; client_max_window_bits\r\n"
        )
        reply = client.ask(f"GET / HTTP/1.1\r\n{asked}\r\n".encode())
        assert reply.field(b"sec-websocket-accept") == accept_key(KEY).encode()
        assert reply.field(b"sec-websocket-protocol") == b"b"
        extensions = reply.field(b"sec-websocket-extensions")
        assert extensions is not None
        assert extensions.startswith(b"permessage-deflate")
        client.send(frame(FIN | CLOSE, b""))
        assert client.at_end() == sent(FIN | CLOSE)


def test_octets_behind_the_handshake_are_read() -> None:
    with serving(FlowEcho()) as served, served.client() as client:
        asked = f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode()
        client.send(asked + frame(FIN | TEXT, b"hello") + frame(FIN | CLOSE, b""))
        assert client.response().status == 101
        assert client.at_end() == sent(FIN | TEXT, b"hello") + sent(FIN | CLOSE)


def test_other_requests_have_their_handler() -> None:
    with serving(FlowEcho(), other=Flows(echo)) as served, served.client() as client:
        assert client.ask(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").body == b"GET /x "
        assert client.ask(f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode()).status == 101


def test_a_handler_may_accept_by_itself() -> None:
    def handle(exchange: Exchange) -> Flow[None]:
        ws = yield from accept_flow(
            exchange, config=QUIET, origins=lambda origin: origin is None, fields=[(b"x-more", b"1")]
        )
        yield from ws.send_flow("hello")
        yield from ws.close_flow(4000, "bye")

    with WebServing(handle) as served:
        ws = opened(served)
        assert ws.response.headers.get("x-more") == ("1",)
        assert ws.receive() == "hello"
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert (caught.value.code, caught.value.reason) == (4000, "bye")
        with pytest.raises(WebSocketError.HandshakeRefused) as refused:
            opened(served, origin="https://evil.example")
        assert refused.value.status == 403


# The server stops


@BOTH
def test_stop_closes_with_1001(served: Serving, versions: HttpVersions) -> None:
    ws = opened(served, versions)
    ws.send("x")
    assert ws.receive() == "x"
    served.stop.set()
    with pytest.raises(WebSocketError.ConnectionClosed) as caught:
        ws.receive()
    assert caught.value.code == CloseCode.GOING_AWAY
    served.wait()
    assert served.server.counts()["cut_off"] == 0
    assert [(exchange.note, error) for exchange, error in served.told.exchanges] == [
        ("closed by the server with 1001 GOING_AWAY", None)
    ]


def test_a_connection_that_is_opened_while_the_server_stops() -> None:
    with serving(FlowEcho()) as served, served.client() as client, opened(served):
        client.send(b"GET / HT")
        until(lambda: len(served.server.connections.active) == 2)
        served.until_it_waits()
        served.stop.set()
        served.until_it_waits()
        client.send(f"TP/1.1\r\n{ASKS}\r\n".encode())
        assert client.response().status == 101
        assert (client.received or client.sock.recv(64)) == sent(FIN | CLOSE, b"\x03\xe9")
        client.received = b""
        client.send(frame(FIN | CLOSE, b"\x03\xe9"))
        assert client.is_ended()
    assert served.server.counts()["cut_off"] == 0


def test_a_client_that_does_not_answer_is_given_up_after_close_timeout(served: Serving) -> None:
    served.server.handler._config = QUIET.replace(close_timeout=0.2)  # type: ignore[attr-defined]  # noqa: SLF001
    with served.client() as client:
        client.ask(f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode())
        served.stop.set()
        assert (client.received + client.at_end())[:4] == sent(FIN | CLOSE, b"\x03\xe9")
    served.wait()
    assert served.told.exchanges[0][0].note == "closed, and the client did not answer"


def test_drain_cuts_the_rest() -> None:
    with serving(FlowEcho(), drain=0.2) as served, served.client() as client:
        client.ask(f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode())
        served.stop.set()
        served.wait()
        assert served.server.counts()["cut_off"] == 1


class Sleeps:
    """Never receives, and does not end by itself."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.end = threading.Event()
        self.cancelled = False

    async def handle_socket_async(self, ws: ServerWebSocket) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@BOTH
def test_a_coroutine_that_does_not_receive_takes_part_in_the_closing(versions: HttpVersions) -> None:
    handler = Sleeps()
    with serving(handler, "async") as served:
        ws = opened(served, versions)
        handler.begun.wait(10)
        served.stop.set()
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert caught.value.code == CloseCode.GOING_AWAY
        served.wait()
    assert handler.cancelled


def test_a_thread_that_does_not_receive_takes_part_in_the_closing() -> None:
    class Waits(Sleeps):
        def handle_socket(self, ws: BridgedWebSocket) -> None:
            self.begun.set()
            self.end.wait(20)

    handler = Waits()
    del Sleeps.handle_socket_async  # of the base, which would be chosen by its name otherwise
    with serving(handler) as served:
        ws = opened(served)
        handler.begun.wait(10)
        served.stop.set()
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert caught.value.code == CloseCode.GOING_AWAY
        handler.end.set()


# Signs of life


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_asks_whether_the_client_is_there(kind: tuple[type[FlowEcho], str]) -> None:
    config = WebSocketConfig(ping_interval=0.05, ping_timeout=0.05)
    with serving(kind[0](), kind[1], config) as served, served.client() as client:
        client.ask(f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode())
        came = client.received + client.at_end()
        assert came[:1] == bytes([FIN | Opcode.Ping])
        assert sent(FIN | CLOSE, b"\x03\xf3no answer to a ping") in came


def test_the_connections_are_known(served: Serving) -> None:
    handler = served.server.handler
    assert isinstance(handler, WebSocketHandler)
    with opened(served):
        until(lambda: len(handler.open) == 1)
        (ws,) = handler.open
        assert ws.state is State.OPEN
    until(lambda: not handler.open)
