"""netkit's WebSocket against others': websockets, aiohttp, Node, hypercorn (RFC 8441), haproxy in front."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
import uvloop
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config as HypercornConfig

from netkit.http import Client, DialConfig, HttpVersions
from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketError
from netkit.websocket.client import connect, connect_async
from tests.conftest import free_port, require_peer
from tests.http.server.serving import client_tls
from tests.waiting import until_connected
from tests.websocket.serving import AsyncEcho, FlowEcho, serving

pytestmark = pytest.mark.once

PACKED = WebSocketConfig(deflate=DeflateConfig(min_size=0), subprotocols=["chat"])
MESSAGES: list[str | bytes] = ["", "grüß", b"", b"\x00\xff" * 50, "x" * 70_000, bytes(range(256)) * 1000]


# Their clients


@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_websockets_sync_client(over: str) -> None:
    with serving(FlowEcho(), config=PACKED, over=over) as served:
        url = f"{'wss' if over == 'tls' else 'ws'}://localhost:{served.at[1]}/"
        options: dict[str, Any] = {"ssl": client_tls()} if over == "tls" else {}
        with websockets.sync.client.connect(url, subprotocols=["chat"], proxy=None, **options) as ws:  # type: ignore[list-item]
            assert ws.subprotocol == "chat"
            for message in MESSAGES:
                ws.send(message)
                assert ws.recv() == message
            assert ws.ping().wait(10)
        served.until_told()
        assert served.told.exchanges[0][0].note == "closed by the client with 1000 NORMAL"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_websockets_asyncio_client(run: Callable[[Any], Any]) -> None:
    async def work(url: str) -> None:
        async with websockets.asyncio.client.connect(url, proxy=None) as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["a", "b", "c"])  # fragments
            assert await ws.recv() == "abc"

    with serving(AsyncEcho(), "async", config=PACKED) as served:
        run(work(f"ws://127.0.0.1:{served.at[1]}/"))


def test_websockets_client_is_told_that_the_server_stops() -> None:
    with (
        serving(FlowEcho()) as served,
        websockets.sync.client.connect(f"ws://127.0.0.1:{served.at[1]}/", proxy=None) as ws,
    ):
        served.stop.set()
        with pytest.raises(websockets.exceptions.ConnectionClosedOK) as caught:
            ws.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001


def test_aiohttp_client() -> None:
    async def work(url: str) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=12) as ws:
            for message in MESSAGES:
                if isinstance(message, str):
                    await ws.send_str(message)
                    assert await ws.receive_str() == message
                else:
                    await ws.send_bytes(message)
                    assert await ws.receive_bytes() == message
            await ws.close(code=4000)
            assert ws.close_code == 4000

    with serving(FlowEcho(), config=PACKED) as served:
        asyncio.run(work(f"http://127.0.0.1:{served.at[1]}/"))


NODE = """
const ws = new WebSocket(process.argv[2]);
ws.binaryType = "arraybuffer";
const long = "x".repeat(70000);
ws.onopen = () => { ws.send("grüß"); ws.send(new Uint8Array([0, 255])); ws.send(long); };
let got = [];
ws.onmessage = (event) => {
  got.push(event.data);
  if (got.length == 3) {
    const bytes = new Uint8Array(got[1]);
    const right = got[0] == "grüß" && bytes.length == 2 && bytes[1] == 255 && got[2] == long;
    ws.close(right ? 1000 : 4999, "done");
  }
};
ws.onclose = (event) => { console.log(event.code, event.reason, event.wasClean); process.exit(0); };
"""


def test_node_client(tmp_path: Path) -> None:
    node = require_peer("node")
    asked = subprocess.run(
        [node, "--experimental-websocket", "-e", "console.log(typeof WebSocket)"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.stdout.strip() != "function":
        pytest.skip("this Node has no WebSocket of its own")
    script = tmp_path / "client.js"
    script.write_text(NODE)
    with serving(FlowEcho(), config=PACKED) as served:
        command = [node, "--experimental-websocket", str(script), f"ws://127.0.0.1:{served.at[1]}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.stdout.strip() == "1000  true", done.stderr
        served.until_told()
        assert served.told.exchanges[0][0].note == "closed by the client with 1000 NORMAL: 'done'"


# Their servers


@contextmanager
def websockets_server() -> Iterator[str]:
    def echo(ws: websockets.sync.server.ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    with websockets.sync.server.serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()
        thread.join(10)


def test_websockets_server() -> None:
    with websockets_server() as url, connect(url, config=PACKED) as ws:
        assert ws.subprotocol == "chat"
        assert ws.protocol.deflate is not None
        for message in MESSAGES:
            ws.send(message)
            assert ws.receive() == message
        ws.send_fragment("a", end=False)
        ws.send_fragment("b", end=True)
        assert ws.receive() == "ab"
        assert ws.ping() > 0


@asynccontextmanager
async def aiohttp_server() -> AsyncIterator[str]:
    async def echo(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        ws = aiohttp.web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        return ws

    app = aiohttp.web.Application()
    app.router.add_get("/", echo)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"ws://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_aiohttp_server(run: Callable[[Any], Any]) -> None:
    async def work() -> None:
        async with aiohttp_server() as url, await connect_async(url, config=PACKED) as ws:
            assert ws.protocol.deflate is not None
            for message in MESSAGES:
                await ws.send_async(message)
                assert await ws.receive_async() == message
            with pytest.raises(WebSocketError.HandshakeRefused) as caught:
                await connect_async(f"{url}nowhere")
            assert caught.value.status == 404

    run(work())


@contextmanager
def hypercorn_server() -> Iterator[int]:
    """hypercorn, which takes WebSockets over HTTP/2."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await receive()
        await send({"type": "websocket.accept"})
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


def test_hypercorn_over_http2() -> None:
    with hypercorn_server() as port:
        client = Client(dial=DialConfig(versions=HttpVersions.HTTP2))
        for _ in range(2):
            with connect(f"ws://127.0.0.1:{port}/", client=client, config=PACKED) as ws:
                assert ws.response.status == 200
                for message in MESSAGES:
                    ws.send(message)
                    assert ws.receive() == message
        assert client.connections == 1
        client.close()


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
    with serving(FlowEcho(), config=PACKED) as served:
        text = HAPROXY.format(front=front, plain=plain, back=served.at[1], proto=proto)
        file = tmp_path / "haproxy.cfg"
        file.write_text(text.replace("    h2-workaround-bogus-websocket-clients\n", ""))
        process = subprocess.Popen([program, "-f", str(file), "-db"])
        try:
            until_connected(plain).close()
            client = Client(dial=DialConfig(versions=versions))
            port = front if versions is HttpVersions.HTTP2 else plain
            with connect(f"ws://127.0.0.1:{port}/", client=client, config=PACKED) as ws:
                for message in MESSAGES:
                    ws.send(message)
                    assert ws.receive() == message
            client.close()
            served.until_told()
            exchange = served.told.exchanges[0][0]
            assert exchange.version == ((2, 0) if proto else (1, 1))
            assert exchange.note == "closed by the client with 1000 NORMAL"
        finally:
            process.terminate()
            process.wait(10)
