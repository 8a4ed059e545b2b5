"""Opening a WebSocket: over HTTP/2, TLS, Unix sockets and proxies; cookies, credentials and redirects."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from trustme import CA

from netkit.http import BasicAuth, Client, DialConfig, DigestAuth, HttpError, HttpVersions, Request
from netkit.http.cookies.jar import CookieJar
from netkit.http.server.exchange import Exchange
from netkit.http.types import Version
from netkit.io import CancellationToken, Flow
from netkit.io.errors import CancellationError
from netkit.proxy.url import Proxy
from netkit.tls import Certificate, TlsConfig
from netkit.websocket import WebSocketConfig, WebSocketError
from netkit.websocket.client import ClientWebSocket, connect, connect_async, http_url
from netkit.websocket.server import WebSocketHandler, accept_flow
from tests.http.client.serving import Site, always, reply, trusting
from tests.http.server.serving import Flows, Serving, authority, echo
from tests.waiting import until
from tests.websocket.serving import QUIET, FlowEcho, WebServing, client_of, clients, opened, serving
from tests.websocket.sockets import Beside


def trusted(authority: CA) -> TlsConfig:
    root = Certificate.from_pem(authority.cert_pem.bytes())
    return TlsConfig.client().with_root_certs([root])


def client_with(**dial: Any) -> Client:
    client = Client(dial=DialConfig(**dial))
    clients.append(client)
    return client


def local(served: Serving) -> dict[str, str]:
    """Where `localhost` is, whatever the system says of it."""
    return {f"localhost:{served.at[1]}": f"127.0.0.1:{served.at[1]}"}


def dial(url: str, form: str = "blocking", **more: Any) -> ClientWebSocket:
    if form == "blocking":
        return connect(url, **more)
    return asyncio.run(connect_async(url, **more))


def check(ws: ClientWebSocket) -> None:
    ws.send("hello")
    assert ws.receive() == "hello"
    ws.close()


def send_all(ws: ClientWebSocket, messages: list[bytes]) -> None:
    for message in messages:
        ws.send(message)


# Where it goes


def test_async_form() -> None:
    async def work(url: str) -> None:
        async with await connect_async(url) as ws:
            await ws.send_async("hello")
            assert await ws.receive_async() == "hello"

    with serving(FlowEcho()) as served:
        asyncio.run(work(f"ws://127.0.0.1:{served.at[1]}/"))


@pytest.mark.parametrize("versions", [HttpVersions.AUTO, HttpVersions.HTTP11, HttpVersions.HTTP2])
def test_tls(versions: HttpVersions) -> None:
    with serving(FlowEcho(), over="tls") as served:
        client = client_with(versions=versions, tls=trusted(authority()), connect_to=local(served))
        ws = connect(f"wss://localhost:{served.at[1]}/", client=client)
        assert ws.response.version is (Version.Http2 if versions is HttpVersions.HTTP2 else Version.Http11)
        check(ws)


def test_the_connection_of_http2_that_is_there_is_used() -> None:
    handler = WebSocketHandler(FlowEcho(), other=Flows(echo), config=QUIET)
    with WebServing(handler, over="tls") as served:
        at = served.at[1]
        client = client_with(tls=trusted(authority()), connect_to=local(served))
        assert client.get(f"https://localhost:{at}/x").body == b"GET /x "
        ws = connect(f"wss://localhost:{at}/", client=client)
        assert ws.response.version is Version.Http2
        assert client.connections == 1
        assert client.get(f"https://localhost:{at}/y").body == b"GET /y "
        check(ws)
        assert client.connections == client.idle_connections == 1


def test_a_server_of_http2_without_extended_connect() -> None:
    with Site(always(reply(b"x")), http2=True) as site:
        client = client_with(versions=HttpVersions.HTTP2, tls=trusting())
        assert client.get(site.url()).status == 200
        with pytest.raises(HttpError.InvalidRequest, match="extended CONNECT"):
            client.request(_upgrade(site.url(), "chat"))


def test_a_new_connection_of_http2_where_that_is_asked_for() -> None:
    with serving(FlowEcho(), over="tls") as served:
        client = client_with(tls=trusted(authority()), connect_to=local(served), http2_websockets=True)
        for _ in range(2):
            ws = connect(f"wss://localhost:{served.at[1]}/", client=client)
            assert ws.response.version is Version.Http2
            check(ws)
        assert client.connections == 1


def _upgrade(url: str, protocol: str) -> Any:
    return Request("GET", url, headers={"Upgrade": protocol})


def test_reading_and_sending_at_once_over_http2() -> None:
    data = bytes(range(256)) * 8000
    with serving(FlowEcho()) as served:
        ws = opened(served, HttpVersions.HTTP2, config=WebSocketConfig(ping_interval=None))
        with Beside(partial(send_all, ws, [data] * 5)):
            for _ in range(5):
                assert ws.receive() == data
        ws.close()


def test_other_requests_go_on_beside_one_that_nobody_reads() -> None:
    class Floods:
        def handle_socket_flow(self, ws: Any) -> Flow[None]:
            for _ in range(40):
                yield from ws.send_flow(b"x" * 100_000)

    handler = WebSocketHandler(Floods(), other=Flows(echo), config=QUIET)
    with WebServing(handler) as served:
        client = client_of(HttpVersions.HTTP2)
        url = f"127.0.0.1:{served.at[1]}/"
        ws = connect(f"ws://{url}", client=client)
        for _ in range(20):
            assert client.get(f"http://{url}").body == b"GET / "
        assert sum(len(message) for message in ws) == 4_000_000


def test_an_abort_over_http2_leaves_the_connection() -> None:
    with serving(FlowEcho()) as served:
        ws = opened(served, HttpVersions.HTTP2)
        ws.abort()
        with connect(f"ws://127.0.0.1:{served.at[1]}/", client=clients[0]) as again:
            again.send("x")
            assert again.receive() == "x"
        assert clients[0].connections == 1
        served.until_told(2)
        assert len(served.told.exchanges) == 2


def test_the_connection_of_http2_breaks() -> None:
    with serving(FlowEcho(), drain=0.0) as served:
        ws = opened(served, HttpVersions.HTTP2)
        served.stop.cut()
        with pytest.raises(WebSocketError.ConnectionClosed):
            ws.receive()
        with pytest.raises(WebSocketError.ConnectionClosed):
            ws.send("x")


def test_unix_socket(tmp_path: Path) -> None:
    with WebServing(WebSocketHandler(FlowEcho(), config=QUIET), over="unix", path=tmp_path) as served:
        check(connect("ws://a/", client=client_with(unix_socket=served.at)))


def test_a_proxy() -> None:
    def tunnel(sock: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += sock.recv(4096)
        heads.append(asked)
        target = asked.split()[1].decode()
        host, _, port = target.rpartition(":")
        with sock, socket.create_connection((host, int(port)), timeout=20) as other:
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pipe, args=(other, sock), daemon=True)
            back.start()
            pipe(sock, other)
            back.join(20)

    def pipe(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    heads: list[bytes] = []
    with (
        serving(FlowEcho()) as served,
        serving(FlowEcho(), over="tls") as secure,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        proxy = Proxy.parse(f"http://user:secret@127.0.0.1:{listener.getsockname()[1]}")
        client = client_with(proxy_for=lambda _: proxy, tls=trusted(authority()))

        def accept() -> None:
            tunnel(listener.accept()[0])

        with Beside(accept):
            check(connect(f"wss://localhost:{secure.at[1]}/", client=client))
        assert heads[0].startswith(b"CONNECT localhost:")
        assert b"Proxy-Authorization: Basic " in heads[0]
        # RFC 6455 section 4.1: also without TLS, a proxy is asked for a tunnel.
        with Beside(accept):
            check(connect(f"ws://127.0.0.1:{served.at[1]}/", client=client))
        assert heads[1].startswith(b"CONNECT 127.0.0.1:")


# Who asks


def test_cookies() -> None:
    def handle(exchange: Exchange) -> Flow[None]:
        cookies.append([value for name, value in exchange.head.fields if name.lower() == b"cookie"])
        ws = yield from accept_flow(exchange, config=QUIET, fields=[(b"set-cookie", b"a=1; Path=/")])
        yield from ws.close_flow()

    cookies: list[list[bytes]] = []
    with WebServing(handle) as served:
        client = Client(cookies=CookieJar())
        clients.append(client)
        for _ in range(2):
            with connect(f"ws://127.0.0.1:{served.at[1]}/", client=client) as ws:
                assert list(ws) == []
    assert cookies == [[], [b"a=1"]]


class Guarded:
    """Wants credentials, `challenge` says of which kind, and keeps those it got."""

    def __init__(self, challenge: bytes) -> None:
        self.challenge = challenge
        self.got: list[bytes] = []
        self.inner = WebSocketHandler(FlowEcho(), config=QUIET)

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        given = [value for name, value in exchange.head.fields if name.lower() == b"authorization"]
        self.got += given
        if given:
            yield from self.inner.handle_flow(exchange)
            return
        exchange.begin(401, [(b"www-authenticate", self.challenge)], length=3)
        yield from exchange.send_flow(b"no\n", end=True)


@pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.HTTP2], ids=["h1", "h2"])
def test_a_challenge_is_answered(versions: HttpVersions) -> None:
    basic = Guarded(b'Basic realm="x"')
    with WebServing(basic) as served:
        check(opened(served, versions, auth=BasicAuth("user", "secret")))
    assert basic.got == [b"Basic dXNlcjpzZWNyZXQ="]
    digest = Guarded(b'Digest realm="x", qop="auth", algorithm=SHA-256, nonce="n"')
    with WebServing(digest) as served:
        check(opened(served, versions, auth=DigestAuth("user", "secret")))
        assert len(digest.got) == 1
        assert digest.got[0].startswith(b"Digest ")
        method = b"GET" if versions is HttpVersions.HTTP11 else b"CONNECT"
        assert _is_right(digest.got[0].decode(), method.decode())


def _is_right(credentials: str, method: str) -> bool:
    """Whether the answer of a digest is that of RFC 7616 section 3.4.1."""
    import hashlib
    import re

    def h(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    given = dict(re.findall(r'(\w+)="?([^",]+)"?', credentials.partition(" ")[2]))
    first, second = h("user:x:secret"), h(f"{method}:{given['uri']}")
    right = h(f"{first}:n:{given['nc']}:{given['cnonce']}:auth:{second}")
    return bool(given["response"] == right)


def test_credentials_in_the_url() -> None:
    guarded = Guarded(b'Basic realm="x"')
    with WebServing(guarded) as served:
        check(connect(f"ws://user:secret@127.0.0.1:{served.at[1]}/"))
    assert guarded.got == [b"Basic dXNlcjpzZWNyZXQ="]


# Redirects


def test_redirects() -> None:
    seen: list[tuple[bytes, list[bytes]]] = []

    def noted(exchange: Exchange) -> None:
        names = (b"authorization", b"x-api-key", b"cookie")
        given = [value for name, value in exchange.head.fields if name.lower() in names]
        seen.append((exchange.head.target, given))

    class Target:
        inner = WebSocketHandler(FlowEcho(), config=QUIET)

        def handle_flow(self, exchange: Exchange) -> Flow[None]:
            noted(exchange)
            yield from self.inner.handle_flow(exchange)

    def moves(exchange: Exchange) -> Flow[None]:
        noted(exchange)
        to = b"/b" if exchange.head.target == b"/a" else b"http://127.0.0.1:%d/c" % elsewhere.at[1]
        exchange.begin(302, [(b"location", to)], length=0)
        yield from exchange.flush_flow()

    with WebServing(Target()) as elsewhere, WebServing(moves) as served:
        ws = connect(
            f"ws://127.0.0.1:{served.at[1]}/a",
            auth=BasicAuth("user", "secret"),
            headers={"Cookie": "a=b"},
            config=WebSocketConfig(subprotocols=["x"]),
        )
        assert ws.response.url.path == "/c"
        assert len(ws.response.history) == 2
        check(ws)
    given = [b"a=b", b"Basic dXNlcjpzZWNyZXQ="]
    assert seen == [(b"/a", given), (b"/b", given), (b"/c", [])]


# What is refused


@pytest.mark.parametrize("form", ["blocking", "async"])
@pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.HTTP2], ids=["h1", "h2"])
def test_a_refusal_is_told_whole(versions: HttpVersions, form: str) -> None:
    def refuses(exchange: Exchange) -> Flow[None]:
        exchange.begin(418, [(b"x-why", b"tea")], length=6)
        yield from exchange.send_flow(b"teapot", end=True)

    with WebServing(refuses) as served:
        client: Any = None if versions is HttpVersions.HTTP11 else client_of(versions)
        with pytest.raises(WebSocketError.HandshakeRefused) as caught:
            dial(f"ws://127.0.0.1:{served.at[1]}/", form if client is None else "blocking", client=client)
        response = caught.value.response
        assert response is not None
        assert (response.status, response.body) == (418, b"teapot")
        assert response.headers.get("x-why") == ("tea",)
        served.until_told()
        assert served.told.errors == []


def test_a_refusal_without_an_end_is_cut() -> None:
    def refuses(exchange: Exchange) -> Flow[None]:
        exchange.begin(500)
        while True:
            yield from exchange.send_flow(b"x" * 65536)

    with WebServing(refuses) as served:
        with pytest.raises(WebSocketError.HandshakeRefused) as caught:
            connect(f"ws://127.0.0.1:{served.at[1]}/")
        assert caught.value.status == 500
        assert caught.value.response is not None
        assert caught.value.response.body is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_a_rule(answer: bytes) -> None:
    with Site(always(answer)) as site:
        with pytest.raises((WebSocketError.InvalidHandshake, HttpError, ValueError)):
            connect(f"ws://{site.endpoint}/")
        until(lambda: site.open == 0)


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(TimeoutError):
            connect(url, timeout=0.05)
        token = CancellationToken()
        token.cancel()
        with pytest.raises(CancellationError):
            connect(url, cancel=token)


@pytest.mark.parametrize("url", ["ftp://a/", "//a/", "a", ""])
def test_no_url_of_a_websocket(url: str) -> None:
    with pytest.raises(WebSocketError.InvalidValue):
        http_url(url)


# TLS with two threads, and a flood


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("versions", [HttpVersions.HTTP11, HttpVersions.HTTP2], ids=["h1", "h2"])
def test_one_thread_receives_while_another_sends(over: str, versions: HttpVersions) -> None:
    with serving(FlowEcho(), over=over) as served:
        at = served.at[1]
        client = client_with(versions=versions, tls=trusted(authority()), connect_to=local(served))
        config = WebSocketConfig(ping_interval=None)
        ws = connect(f"{'wss' if over == 'tls' else 'ws'}://localhost:{at}/", client=client, config=config)
        messages = [bytes([number % 256]) * (number * 37 % 90_000) for number in range(300)]
        with Beside(partial(send_all, ws, messages)):
            assert [ws.receive() for _ in messages] == messages
        ws.close()
