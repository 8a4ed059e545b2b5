"""netkit's WebSocket against others' in Python, and the client that Node has itself: websockets, aiohttp."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import aiohttp
import aiohttp.web
import pytest
import uvloop
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from websockets.frames import Close

from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketError
from netkit.websocket.client import connect, connect_async
from tests.conftest import free_port, require_peer
from tests.http.server.serving import Serving, client_tls
from tests.interop.servers.websocket_messages import (
    RESERVED_OF_CLIENT,
    RESERVED_OF_SERVER,
    messages_of_peers,
)
from tests.interop.websocket_peers import Paths
from tests.websocket.serving import AsyncEcho, FlowEcho, serving

pytestmark = pytest.mark.once

PACKED = WebSocketConfig(deflate=DeflateConfig(min_size=0), subprotocols=["chat"])
MESSAGES = messages_of_peers()


# Their clients


@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_websockets_sync_client(over: str) -> None:
    with serving(FlowEcho(), config=PACKED, over=over) as served:
        url = f"{'wss' if over == 'tls' else 'ws'}://localhost:{served.at[1]}/"
        options: dict[str, Any] = {"subprotocols": ["chat"], "max_size": None}
        if over == "tls":
            options["ssl"] = client_tls()
        with websockets.sync.client.connect(url, proxy=None, **options) as ws:
            assert ws.subprotocol == "chat"
            for message in MESSAGES:
                ws.send(message)
                assert ws.recv() == message
            assert ws.ping().wait(10)
        served.until_told()
        assert served.told.exchanges[0][0].note == "closed by the client with 1000 NORMAL"


def test_websockets_sync_client_and_the_ends() -> None:
    with Serving(Paths(PACKED)) as served:
        url = f"ws://127.0.0.1:{served.at[1]}"
        with (
            websockets.sync.client.connect(f"{url}/closes", proxy=None) as ws,
            pytest.raises(websockets.exceptions.ConnectionClosedError) as closed,
        ):
            ws.recv()
        assert closed.value.rcvd == Close(4001, "enough")
        with websockets.sync.client.connect(f"{url}/echo", proxy=None) as ws:
            ws.socket.sendall(RESERVED_OF_CLIENT)
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as closed:
                ws.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1002
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            websockets.sync.client.connect(f"{url}/nowhere", proxy=None)
        assert refused.value.response.status_code == 404


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_websockets_asyncio_client(run: Callable[[Any], Any]) -> None:
    async def work(url: str) -> None:
        async with websockets.asyncio.client.connect(url, proxy=None, max_size=None) as ws:
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
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{url}pings") as ws:
                assert await ws.receive_str() == "answered"
            async with session.ws_connect(f"{url}fragments", compress=15) as ws:
                assert await ws.receive_str() == "piece piece piece "
            async with session.ws_connect(f"{url}closes") as ws:
                end = await ws.receive()
                assert (end.type, end.data, end.extra) == (aiohttp.WSMsgType.CLOSE, 4001, "enough")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{url}nowhere")
            assert refused.value.status == 404

    with Serving(Paths(PACKED)) as served:
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


#: How a server's connections ended: the Close frames that it received.
Ends = SimpleQueue[Close | None]


@contextmanager
def websockets_server() -> Iterator[tuple[str, Ends]]:
    ends = Ends()

    def echo(ws: websockets.sync.server.ServerConnection) -> None:
        match ws.request.path if ws.request else "":
            case "/closes":
                ws.close(4001, "enough")
            case "/breaks":
                ws.socket.sendall(RESERVED_OF_SERVER)
            case "/pings":
                assert ws.ping().wait(10)
                ws.send("answered")
        try:
            while True:
                ws.send(ws.recv())
        except websockets.exceptions.ConnectionClosed as error:
            ends.put(error.rcvd)

    with websockets.sync.server.serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/", ends
        server.shutdown()
        thread.join(10)


def test_websockets_server() -> None:
    with websockets_server() as (url, ends), connect(url, config=PACKED) as ws:
        assert ws.subprotocol == "chat"
        assert ws.protocol.deflate is not None
        for message in MESSAGES:
            ws.send(message)
            assert ws.receive() == message
        ws.send_fragment("a", end=False)
        ws.send_fragment("b", end=True)
        assert ws.receive() == "ab"
        assert ws.ping() > 0
        ws.close(4000, "done")
        assert ends.get(timeout=10) == Close(4000, "done")


def test_websockets_server_and_the_ends() -> None:
    with websockets_server() as (url, ends):
        with (
            connect(f"{url}closes", config=PACKED) as ws,
            pytest.raises(WebSocketError.ConnectionClosed) as closed,
        ):
            ws.receive()
        assert (closed.value.code, closed.value.reason) == (4001, "enough")
        with connect(f"{url}breaks", config=PACKED) as ws, pytest.raises(WebSocketError.ReservedOpcode):
            ws.receive()
        assert ends.get(timeout=10) == Close(4001, "")
        told = ends.get(timeout=10)
        assert told is not None
        assert told.code == 1002
        with connect(f"{url}pings", config=PACKED) as ws:
            assert ws.receive() == "answered"


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
