"""The WebSocket scope of ASGI: handshakes that the application decides about, messages, endings.

Applications by the letter of the specification, and Starlette's routes, over HTTP/1.1 and over HTTP/2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket as StarletteSocket, WebSocketDisconnect

from netkit.http import HttpVersions
from netkit.http.gateway import AsgiHandler
from netkit.websocket import WebSocketConfig, WebSocketError
from netkit.websocket.client import ClientWebSocket, connect
from tests.http.server.serving import Serving
from tests.websocket.serving import ASKS, WebServing, client_of

Opened = Callable[..., ClientWebSocket]


@pytest.fixture(params=[HttpVersions.HTTP11, HttpVersions.HTTP2], ids=["h1", "h2"])
def dial(request: pytest.FixtureRequest) -> Opened:
    client = client_of(request.param)

    def dialled(served: Serving, path: str = "/chat?a=b", **more: Any) -> ClientWebSocket:
        return connect(f"ws://127.0.0.1:{served.at[1]}{path}", client=client, **more)

    return dialled


class App:
    """An application made of one function of `receive` and `send`, with what it was told."""

    def __init__(self, serve: Any) -> None:
        self.serve = serve
        self.scopes: list[dict[str, Any]] = []
        self.told: list[Any] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await self.serve(self, receive, send)


def serving(app: Any, **more: Any) -> Serving:
    return WebServing(AsgiHandler(app, lifespan="off", **more), form="async")


async def echo(app: App, receive: Any, send: Any) -> None:
    app.told.append(await receive())
    await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-more", b"1")]})
    while True:
        message = await receive()
        app.told.append(message)
        if message["type"] == "websocket.disconnect":
            return
        await send(message | {"type": "websocket.send"})


def test_echo(dial: Opened) -> None:
    app = App(echo)
    with serving(app) as served:
        config = WebSocketConfig(subprotocols=["a", "b"])
        with dial(served, config=config, headers={"X-Own": "2"}, origin="https://a.example") as ws:
            assert ws.subprotocol == "b"
            assert ws.response.headers.get("x-more") == ("1",)
            for message in ("grüß", b"\x00\xff", "", b""):
                ws.send(message)
                assert ws.receive() == message
            ws.close(4001, "bye")
        served.until_told()
        assert served.told.errors == []
        assert served.told.exchanges[0][0].note == "closed by the client with 4001: 'bye'"
    (scope,) = app.scopes
    assert (scope["type"], scope["scheme"]) == ("websocket", "ws")
    assert (scope["path"], scope["query_string"]) == ("/chat", b"a=b")
    assert scope["subprotocols"] == ["a", "b"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope
    assert (b"x-own", b"2") in scope["headers"]
    assert (b"origin", b"https://a.example") in scope["headers"]
    assert app.told[0] == {"type": "websocket.connect"}
    assert app.told[-1] == {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}


def test_an_application_closes(dial: Opened) -> None:
    async def closes(app: App, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4002, "reason": "why"})
        app.told.append(await receive())  # `websocket.connect`, which it has not asked for yet
        app.told.append(await receive())
        with pytest.raises(OSError, match="gone"):
            await send({"type": "websocket.send", "text": "x"})

    app = App(closes)
    with serving(app) as served:
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            dial(served).receive()
        assert (caught.value.code, caught.value.reason) == (4002, "why")
        served.until_told()
        assert served.told.errors == []
    assert app.told[1]["type"] == "websocket.disconnect"


def refuses_by_close(*, status: int) -> Any:
    async def refuses(app: App, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        if status == 403:
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
            await send({"type": "websocket.http.response.body", "body": b"here"})
        app.told.append(await receive())

    return refuses


@pytest.mark.parametrize(("status", "body"), [(403, b""), (404, b"not here"), (503, b"not here")])
def test_an_application_refuses(dial: Opened, status: int, body: bytes) -> None:
    app = App(refuses_by_close(status=status))
    with serving(app) as served:
        with pytest.raises(WebSocketError.HandshakeRefused) as caught:
            dial(served)
        assert caught.value.status == status
        assert caught.value.response is not None
        assert (caught.value.response.body or b"") == body
        served.until_told()
        assert served.told.errors == []
    assert app.told == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


@pytest.mark.parametrize("after", [False, True])
def test_an_application_that_fails(dial: Opened, after: bool) -> None:
    async def fails(app: App, receive: Any, send: Any) -> None:
        if after:
            await send({"type": "websocket.accept"})
        raise ZeroDivisionError

    with serving(App(fails)) as served:
        if after:
            with pytest.raises(WebSocketError.ConnectionClosed) as closed:
                dial(served).receive()
            assert closed.value.code == 1011
        else:
            with pytest.raises(WebSocketError.HandshakeRefused) as refused:
                dial(served)
            assert refused.value.status == 500
        served.until_told()
        assert [type(error) for error in served.told.errors] == [ZeroDivisionError]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"type": "websocket.send", "text": "x"}, RuntimeError),
        ({"type": "websocket.accept", "subprotocol": "other"}, ValueError),
        ({"type": "websocket.accept", "headers": [(b"a b", b"")]}, ValueError),
        ({"type": "http.response.start", "status": 200}, RuntimeError),
    ],
)
def test_messages_that_are_wrong(message: dict[str, Any], error: type[Exception]) -> None:
    async def wrong(app: App, receive: Any, send: Any) -> None:
        with pytest.raises(error):
            await send(message)
        await send({"type": "websocket.accept"})
        with pytest.raises(TypeError):
            await send({"type": "websocket.send"})
        with pytest.raises(TypeError):
            await send({"type": "websocket.send", "bytes": 5})
        with pytest.raises(ValueError, match="1006"):
            await send({"type": "websocket.close", "code": 1006})
        with pytest.raises(RuntimeError):
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "done"})

    with serving(App(wrong)) as served, connect(f"ws://127.0.0.1:{served.at[1]}/") as ws:
        assert list(ws) == ["done"]


def test_a_handshake_that_breaks_a_rule_does_not_reach_the_application() -> None:
    app = App(echo)
    with serving(app) as served, served.client() as client:
        reply = client.ask(f"GET / HTTP/1.1\r\n{ASKS.replace(': 13', ': 8')}\r\n".encode())
        assert (reply.status, reply.field(b"sec-websocket-version")) == (426, b"13")
    assert app.scopes == []


def test_the_server_stops(dial: Opened) -> None:
    app = App(echo)
    with serving(app) as served:
        ws = dial(served, config=WebSocketConfig(subprotocols=["b"]))
        served.stop.set()
        with pytest.raises(WebSocketError.ConnectionClosed) as caught:
            ws.receive()
        assert caught.value.code == 1001
    assert app.told[-1]["code"] == 1001


def test_a_client_that_goes_before_the_answer() -> None:
    came = asyncio.Event()

    async def waits(app: App, receive: Any, send: Any) -> None:
        await receive()
        app.told.append(await receive())
        came.set()

    app = App(waits)
    with serving(app) as served:
        with served.client() as client:
            client.send(f"GET / HTTP/1.1\r\n{ASKS}\r\n".encode())
            served.until_it_waits()
        served.until_told()
    assert app.told == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


# Starlette


async def chat(ws: StarletteSocket) -> None:
    await ws.accept(subprotocol="chat" if "chat" in ws.scope["subprotocols"] else None)
    await ws.send_json({"path": ws.url.path, "name": ws.query_params.get("name"), "cookie": ws.cookies})
    try:
        while True:
            await ws.send_text((await ws.receive_text()).upper())
    except WebSocketDisconnect as error:
        assert error.code == 1000


async def denied(ws: StarletteSocket) -> None:
    await ws.send_denial_response(PlainTextResponse("no", status_code=401))


async def page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("page")


def test_starlette(dial: Opened) -> None:
    app = Starlette(
        routes=[WebSocketRoute("/chat/{room}", chat), WebSocketRoute("/denied", denied), Route("/", page)]
    )
    with serving(app) as served:
        config = WebSocketConfig(subprotocols=["chat"])
        with dial(served, "/chat/1?name=x", config=config, headers={"Cookie": "a=b"}) as ws:
            assert ws.subprotocol == "chat"
            assert ws.receive() == '{"path":"/chat/1","name":"x","cookie":{"a":"b"}}'
            ws.send("hello")
            assert ws.receive() == "HELLO"
        for path, status, body in (("/denied", 401, b"no"), ("/nowhere", 403, b"")):
            with pytest.raises(WebSocketError.HandshakeRefused) as caught:
                dial(served, path)
            assert caught.value.status == status
            assert caught.value.response is not None
            assert (caught.value.response.body or b"") == body
        with served.client() as client:
            assert client.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == b"page"
        assert served.told.errors == []
