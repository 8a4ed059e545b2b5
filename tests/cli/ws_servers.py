"""WebSocket servers for the tests of `netkit ws client`: netkit's own, and peers that a test plays.

    with ws_server() as server:
        netkit("ws", "client", "--count", "1", server.url("/echo"), "hello")

The path says what a connection does: /echo, /greet (speaks first), /close/4001/bye, /drop, /silent,
/fragments. /refuse answers with 403.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import create_server, socket
from urllib.parse import unquote

from netkit.http.server.exchange import Exchange
from netkit.http.server.response import text_response
from netkit.http.server.server import HttpServer
from netkit.io import Flow
from netkit.net.tcp import TcpListener
from netkit.net.unix import UnixListener
from netkit.serve.stop import Stop
from netkit.tls.config import TlsConfig
from netkit.websocket import WebSocketConfig, WebSocketError, WebSocketHandler, WebSocketProtocol, accept_key
from netkit.websocket.deflate_offer import DeflateConfig
from netkit.websocket.server import ServerWebSocket
from tests.cli.helpers import address_of

#: How long anything may take, in seconds; only a test that fails waits so long.
PATIENCE = 20.0


class Handler:
    """Does what the path says. `opened`, `heard`: what clients have asked for, and what they have sent."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing has been asked yet."""
        self.headers: list[dict[str, str]] = []
        self.heard: list[str | bytes] = []
        self.closes: list[tuple[int, str]] = []
        self.drops = 0

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        self.headers.append({name.lower(): value for name, value in ws.request.headers.fields})
        words = unquote(ws.request.path[1:]).split("/")
        try:
            yield from self._serve(ws, words)
        except WebSocketError.ConnectionClosed as error:
            self.closes.append((error.code, error.reason))

    def _serve(self, ws: ServerWebSocket, words: list[str]) -> Flow[None]:
        name = words[0]
        if name == "greet":
            yield from ws.send_flow("welcome")
        if name == "fragments":
            for number, piece in enumerate(("one ", "two ", "three")):
                yield from ws.send_fragment_flow(piece, end=number == 2)
        if name == "ping":
            yield from ws.ping_flow(b"are you there")
            yield from ws.send_flow("you are")
        if name == "send":
            for text in words[1:]:
                yield from ws.send_flow(bytes.fromhex(text[2:]) if text.startswith("0x") else text)
        if name == "evil":
            yield from ws.send_flow("\x1b]0;title\x07red\x9b31m\nline two\u202e")
        if name == "close":
            yield from ws.close_flow(int(words[1]) if words[1] else None, "/".join(words[2:]))
            return
        if name == "drop":
            ws.abort()
            return
        if name == "flaky":
            self.drops += 1
            if self.drops <= 2:
                ws.abort()
                return
            yield from ws.send_flow("at last")
        while True:
            message = yield from ws.receive_flow()
            self.heard.append(message)
            if name != "silent":
                yield from ws.send_flow(message)


class Refusal:
    """The answer to what asks for no WebSocket, and to /refuse."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        yield from exchange.respond_flow(text_response(200, "no WebSocket here\n"))


class Front:
    """Refuses /refuse, redirects /moved, and hands others on."""

    def __init__(self, handler: WebSocketHandler) -> None:
        self._handler = handler

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        path = exchange.request.path
        if path == "/refuse":
            refusal = text_response(403, "members only\n\x1b[31mred\n")
            yield from exchange.respond_flow(refusal)
        elif path == "/moved":
            moved = text_response(302, "").replace(headers=[("Location", "/echo")])
            yield from exchange.respond_flow(moved)
        elif path == "/secret" and exchange.request.headers.get_first("Authorization") != "Basic dTpw":
            refusal = text_response(401, "who?\n").replace(
                headers=[("WWW-Authenticate", 'Basic realm="x"'), ("Content-Length", "5")]
            )
            yield from exchange.respond_flow(refusal)
        else:
            yield from self._handler.handle_flow(exchange)


class Server:
    """A server that runs: where it is, and what it has heard."""

    def __init__(self, address: str, handler: Handler, scheme: str) -> None:
        self.address = address
        self.handler = handler
        self._scheme = scheme

    def url(self, path: str = "/echo") -> str:
        return f"{self._scheme}://{self.address}{path}"


@contextmanager
def ws_server(
    tls: TlsConfig | None = None,
    *,
    compress: bool = True,
    subprotocols: tuple[str, ...] = (),
    unix: str | None = None,
) -> Iterator[Server]:
    """netkit's WebSocketHandler in a thread."""
    handler, stop = Handler(), Stop()
    config = WebSocketConfig(deflate=DeflateConfig() if compress else None, subprotocols=subprotocols)
    listener = TcpListener.bind("127.0.0.1:0") if unix is None else UnixListener.bind(unix)
    server = HttpServer(Front(WebSocketHandler(handler, other=Refusal(), config=config)), tls=tls)
    thread = threading.Thread(target=server.run, args=([listener],), kwargs={"stop": stop, "drain": 0.1})
    address = str(listener.local_addr)
    thread.start()
    try:
        yield Server(address, handler, "ws" if tls is None else "wss")
    finally:
        stop.set()
        thread.join(PATIENCE)


class Peer:
    """A client's connection, behind the handshake: octets in and out."""

    def __init__(self, sock: socket) -> None:
        self.sock = sock
        self.protocol = WebSocketProtocol.server()

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def heard(self) -> bytes:
        """The next octets; empty at the end."""
        try:
            return self.sock.recv(65536)
        except ConnectionError:
            return b""

    def drain(self) -> bytes:
        """All octets to the end."""
        return b"".join(iter(self.heard, b""))


def read_head(sock: socket) -> bytes:
    """A request's head."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            return head
        head += data
    return head


def accepting(head: bytes) -> bytes:
    """The answer that opens a WebSocket."""
    key = next(
        line.partition(b":")[2].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() + b"\r\n\r\n"
    )


@contextmanager
def played(*serves: Callable[[Peer], object], answer: bytes | None = None) -> Iterator[str]:
    """A server whose connections are played, one by each of `serves`; its URL. `answer` replaces the 101."""
    with create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            for serve in serves:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                sock.settimeout(PATIENCE)
                with sock:
                    head = read_head(sock)
                    sock.sendall(accepting(head) if answer is None else answer)
                    serve(Peer(sock))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"ws://{address_of(listener)}/"
    thread.join(PATIENCE)
