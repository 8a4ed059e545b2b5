"""netkit's WebSocket server beside others: an echo of one message at a time on each of 32 connections.

Every server is a process on one core, the client (`ws_load.c`, compiled here) has the other. All kinds run in
every round, one after the other, so that what slows the machine slows them all. What counts is CPU of the
server's process for each message, and its ratio to that of netkit's loop.

    python benchmarks/websocket.py [KIND ...] [--rounds 5] [--seconds 2] [--connections 32] [--sizes 64,8192]

netkit_loop: a MessageHandler, served by WsLoop. netkit_messages: the same without the loop. netkit_flow: a
handler that is a flow, with `receive_flow` and `send_flow`. netkit_async: an async handler under uvloop,
with `receive_async` and `send_async`. netkit_threads: a blocking handler, and so a thread for each
connection; beside it stands websockets_threads. With `_pure`, the Python twin. None of them compresses. The
peers are those of the dependency group `bench` (`pip install --group bench`), and fastwebsockets in Rust,
which is built here where there is cargo; one that is missing is said to be.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from http_server import cpu_of, free_port, on_core, rounds, running

LINE = "CPU {spent:6.2f} us a message   {ratio:5.2f} x the first   {rate:8.0f}/s"

CARGO = """
[package]
name = "server"
version = "0.0.0"
edition = "2021"

[dependencies]
bytes = "1"
fastwebsockets = { version = "0.10", features = ["upgrade"] }
http-body-util = "0.1"
hyper = { version = "1", features = ["http1", "server"] }
hyper-util = { version = "0.1", features = ["tokio"] }
tokio = { version = "1", features = ["macros", "net", "rt"] }

[profile.release]
lto = true
codegen-units = 1
"""

RUST = """
use bytes::Bytes;
use fastwebsockets::{upgrade, FragmentCollector, OpCode, WebSocketError};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, Request, Response};
use hyper_util::rt::TokioIo;

async fn echo(ws: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(ws.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, ws) = upgrade::upgrade(&mut request)?;
    tokio::task::spawn_local(echo(ws));
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::args().nth(1).unwrap();
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    let serving = async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::task::spawn_local(async move {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                let _ = served.with_upgrades().await;
            });
        }
    };
    tokio::task::LocalSet::new().run_until(serving).await;
}
"""


# netkit


def netkit_loop(port: int) -> None:
    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener
    from netkit.websocket import ServerWebSocket, WebSocketConfig, WebSocketHandler

    class Echo:
        def handle_message(self, _ws: ServerWebSocket, message: str | bytes) -> str | bytes:
            return message

    server = HttpServer(WebSocketHandler(Echo(), config=WebSocketConfig()))
    server.run([TcpListener.bind(f"127.0.0.1:{port}")])


def netkit_messages(port: int) -> None:
    from netkit.websocket.loop import WsLoop

    WsLoop.available = False
    netkit_loop(port)


def netkit_flow(port: int) -> None:
    from netkit.http.server.server import HttpServer
    from netkit.io import Flow
    from netkit.net.tcp import TcpListener
    from netkit.websocket import ServerWebSocket, WebSocketConfig, WebSocketHandler

    class Echo:
        def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
            while True:
                message = yield from ws.receive_flow()
                yield from ws.send_flow(message)

    server = HttpServer(WebSocketHandler(Echo(), config=WebSocketConfig()))
    server.run([TcpListener.bind(f"127.0.0.1:{port}")])


def netkit_async(port: int) -> None:
    import uvloop

    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener
    from netkit.websocket import ServerWebSocket, WebSocketConfig, WebSocketHandler

    class Echo:
        async def handle_socket_async(self, ws: ServerWebSocket) -> None:
            async for message in ws:
                await ws.send_async(message)

    server = HttpServer(WebSocketHandler(Echo(), config=WebSocketConfig()))
    uvloop.run(server.run_async([TcpListener.bind(f"127.0.0.1:{port}")]))


def netkit_threads(port: int) -> None:
    from netkit.http.server.server import HttpServer
    from netkit.net.tcp import TcpListener
    from netkit.websocket import WebSocketConfig, WebSocketHandler
    from netkit.websocket.server import BridgedWebSocket

    class Echo:
        def handle_socket(self, ws: BridgedWebSocket) -> None:
            for message in ws:
                ws.send(message)

    server = HttpServer(WebSocketHandler(Echo(), config=WebSocketConfig()))
    server.run([TcpListener.bind(f"127.0.0.1:{port}")])


# The peers


def picows(port: int) -> None:
    import uvloop
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    class Echo(WSListener):  # type: ignore[misc, unused-ignore]  # not where picows is installed
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), b"")
                transport.disconnect()
            else:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())

    async def main() -> None:
        await (await ws_create_server(lambda _: Echo(), "127.0.0.1", port)).serve_forever()

    uvloop.run(main())


def websockets(port: int) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async def main() -> None:
        async with serve(echo, "127.0.0.1", port, compression=None) as server:
            await server.serve_forever()

    asyncio.run(main())


def websockets_threads(port: int) -> None:
    from websockets.sync.server import ServerConnection, serve

    def echo(ws: ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    with serve(echo, "127.0.0.1", port, compression=None) as server:
        server.serve_forever()


def aiohttp(port: int) -> None:
    import uvloop
    from aiohttp import WSMsgType, web

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
        return ws

    uvloop.install()
    application = web.Application()
    application.router.add_get("/", echo)
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


def fastwebsockets(port: int) -> None:
    program = os.environ["RUST_SERVER"]
    os.execv(program, [program, str(port)])


KINDS: dict[str, Callable[[int], None]] = {
    each.__name__: each
    for each in (
        netkit_loop,
        netkit_messages,
        netkit_flow,
        netkit_async,
        netkit_threads,
        fastwebsockets,
        picows,
        aiohttp,
        websockets,
        websockets_threads,
    )
}


def measure(kind: str, load: str, size: int, seconds: int, connections: int) -> tuple[float, float]:
    """Messages a second, and microseconds of CPU for each, without the handshakes."""
    port = free_port()
    name, pure = kind.removesuffix("_pure"), kind.endswith("_pure")
    with running([sys.executable, "-W", "ignore", __file__, "--serve", name, str(port)], port, pure) as group:
        arguments = [str(port), str(connections), str(size), str(seconds)]
        client = subprocess.Popen([*on_core(0), load, *arguments], stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        with client:
            if client.stdout.readline() != "connected\n":
                raise RuntimeError("the client could not connect")
            before = cpu_of(group)
            messages, _, rate = client.stdout.readline().partition(" ")
            spent = cpu_of(group) - before
        if not rate:
            raise RuntimeError("the client got another answer than its message")
    return float(rate), spent / int(messages) * 1e6


@contextmanager
def programs(kinds: list[str]) -> Iterator[str]:
    """The client and the server in Rust, built; the client's path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = Path(__file__).with_name("ws_load.c")
        subprocess.run(["cc", "-O2", "-o", folder / "ws_load", source], check=True)
        os.environ.setdefault("RUST_SERVER", str(folder / "target/release/server"))
        if (
            "fastwebsockets" in kinds
            and shutil.which("cargo")
            and not Path(os.environ["RUST_SERVER"]).exists()
        ):
            (folder / "src").mkdir()
            (folder / "Cargo.toml").write_text(CARGO)
            (folder / "src/main.rs").write_text(RUST)
            subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=folder, check=False)
        yield str(folder / "ws_load")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    kinds = ["netkit_loop", "netkit_loop_pure", *list(KINDS)[1:]]
    parser.add_argument("kinds", nargs="*", default=kinds)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--sizes", default="64,8192")
    options = parser.parse_args()
    with programs(options.kinds) as load:
        for size in map(int, options.sizes.split(",")):
            print(f"{size} octets, {options.connections} connections")
            once = partial(
                measure, load=load, size=size, seconds=options.seconds, connections=options.connections
            )
            rounds(options.kinds, options.rounds, once, LINE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        KINDS[sys.argv[2]](int(sys.argv[3]))
    else:
        main()
