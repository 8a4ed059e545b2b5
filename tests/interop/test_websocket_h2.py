"""netkit's WebSocket over HTTP/2 (RFC 8441): hypercorn's server, and haproxy between HTTP/1.1 and HTTP/2.

Node's HTTP/2 is in test_websocket_programs.py, Chromium's in test_browser.py.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config as HypercornConfig

from netkit.http import Client, DialConfig, HttpVersions
from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketError
from netkit.websocket.client import ClientWebSocket, connect, connect_async
from tests.conftest import free_port, require_peer
from tests.http.server.serving import Serving
from tests.interop.servers.websocket_messages import messages_of_peers
from tests.interop.websocket_peers import Paths
from tests.waiting import until_connected
from tests.websocket.sockets import Form

pytestmark = pytest.mark.once

PACKED = WebSocketConfig(deflate=DeflateConfig(min_size=0), subprotocols=["chat"])
MESSAGES = messages_of_peers()


@contextmanager
def hypercorn_server() -> Iterator[int]:
    """hypercorn, which takes WebSockets over HTTP/2.

    It never closes or refuses one here: hypercorn 0.18 breaks down where DATA comes for a stream that it has
    ended itself, and a client sends some then: the answer to a Close frame, the end of a refused handshake.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        while (message := await receive())["type"] == "websocket.receive":
            await send(message | {"type": "websocket.send"})

    port = free_port()
    config = HypercornConfig()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    config.websocket_max_message_size = 1 << 24
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(
            hypercorn_serve(app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
        ),
        daemon=True,
    )
    thread.start()
    try:
        until_connected(port).close()
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


@pytest.mark.parametrize("form", ["blocking", "async"])
def test_hypercorn_over_http2(form: str) -> None:
    with hypercorn_server() as port, closing(Form(form)) as run:
        base = f"ws://127.0.0.1:{port}"
        with Client(dial=DialConfig(versions=HttpVersions.HTTP2)) as client:
            for _ in range(2):
                ws = dial(run, base, client, "/echo")
                assert (ws.response.status, ws.subprotocol) == (200, "chat")
                assert ws.protocol.deflate is not None
                for message in MESSAGES:
                    run(ws.send, message)
                    assert run(ws.receive) == message
                assert run(ws.ping) > 0
                run(ws.close, 4000, "done")
                assert ws.close_code == 4000
            assert client.connections == 1


def dial(form: Form, base: str, client: Client, path: str) -> ClientWebSocket:
    """A WebSocket that one of the forms has opened."""
    if form.name == "blocking":
        return connect(base + path, client=client, config=PACKED)
    ws: ClientWebSocket = form.run(connect_async(base + path, client=client, config=PACKED))
    return ws


# Between


HAPROXY = """
global
    h2-workaround-bogus-websocket-clients
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 30s
frontend front
    bind 127.0.0.1:{front} proto h2
    bind 127.0.0.1:{plain}
    default_backend back
backend back
    server one 127.0.0.1:{back} {proto}
"""


@pytest.mark.parametrize("proto", ["", "proto h2"], ids=["to-h1", "to-h2"])
@pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.HTTP2], ids=["h1", "h2"])
def test_haproxy_between(tmp_path: Path, proto: str, versions: HttpVersions) -> None:
    program = require_peer("haproxy")
    front, plain = free_port(), free_port()
    with Serving(Paths(PACKED)) as served:
        text = HAPROXY.format(front=front, plain=plain, back=served.at[1], proto=proto)
        file = tmp_path / "haproxy.cfg"
        file.write_text(text.replace("    h2-workaround-bogus-websocket-clients\n", ""))
        process = subprocess.Popen([program, "-f", str(file), "-db"])
        try:
            until_connected(plain).close()
            port = front if versions is HttpVersions.HTTP2 else plain
            with Client(dial=DialConfig(versions=versions)) as client:
                dialed = partial(dial, Form("blocking"), f"ws://127.0.0.1:{port}", client)
                with dialed("/echo") as ws:
                    for message in MESSAGES:
                        ws.send(message)
                        assert ws.receive() == message
                    assert ws.ping() > 0
                with dialed("/closes") as ws, pytest.raises(WebSocketError.ConnectionClosed) as closed:
                    ws.receive()
                assert (closed.value.code, closed.value.reason) == (4001, "enough")
                with dialed("/pings") as ws:
                    assert ws.receive() == "answered"
                with pytest.raises(WebSocketError.HandshakeRefused) as refused:
                    dialed("/nowhere")
                assert refused.value.status == 404
            served.until_told(4)
            exchange = served.told.exchanges[0][0]
            assert exchange.version == ((2, 0) if proto else (1, 1))
            assert exchange.note == "closed by the client with 1000 NORMAL"
        finally:
            process.terminate()
            process.wait(10)
