"""A server of WebSockets for tests, and what a client asks it with.

with serving(FlowEcho()) as served, opened(served) as ws:
    ws.send("hello")
    assert ws.receive() == "hello"
"""

from __future__ import annotations

from typing import Any

from netkit.http import Client, DialConfig, HttpVersions
from netkit.io import Flow
from netkit.websocket import WebSocketConfig
from netkit.websocket.client import ClientWebSocket, connect
from netkit.websocket.server import BridgedWebSocket, ServerWebSocket, WebSocketHandler
from tests.http.server.serving import Serving

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
#: The fields of a handshake.
ASKS = (
    "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
)
QUIET = WebSocketConfig(ping_interval=None)


class FlowEcho:
    """Sends every message back, in a flow."""

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        while True:
            message = yield from ws.receive_flow()
            yield from ws.send_flow(message)


class ThreadEcho:
    """Sends every message back, in a thread."""

    def handle_socket(self, ws: BridgedWebSocket) -> None:
        for message in ws:
            ws.send(message)


class AsyncEcho:
    """Sends every message back, in a coroutine."""

    async def handle_socket_async(self, ws: ServerWebSocket) -> None:
        async for message in ws:
            await ws.send_async(message)


class WebServing(Serving):
    """A server that ends without waiting for the connections that its clients keep."""

    def __exit__(self, *ending: Any) -> None:  # noqa: PYI036 - as the base
        close_clients()
        super().__exit__(*ending)

    def wait(self) -> None:
        close_clients()
        super().wait()


#: Clients that end when a server does.
clients: list[Client] = []


def close_clients() -> None:
    while clients:
        clients.pop().close()


def client_of(versions: HttpVersions) -> Client:
    """A client of that version, that ends with its server."""
    client = Client(dial=DialConfig(versions=versions))
    clients.append(client)
    return client


def serving(
    handler: Any,
    form: str = "blocking",
    config: WebSocketConfig = QUIET,
    drain: float | None = 20.0,
    over: str = "tcp",
    **more: Any,
) -> Serving:
    """A server with that handler of WebSockets."""
    return WebServing(WebSocketHandler(handler, config=config, **more), form=form, drain=drain, over=over)


def opened(served: Serving, versions: HttpVersions = HttpVersions.HTTP11, **more: Any) -> ClientWebSocket:
    """A WebSocket to that server."""
    url = f"ws://127.0.0.1:{served.at[1]}/chat?a=b"
    if versions is HttpVersions.HTTP11:
        return connect(url, **more)
    return connect(url, client=client_of(versions), **more)
