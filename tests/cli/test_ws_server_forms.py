"""`netkit ws server` in its two forms, over both versions of HTTP, with workers, and while it is replaced.

An echo of which nothing is told message by message is served by the loop of `netkit.websocket.loop`, all else
by a flow for each connection. What a client sees is the same.
"""

from __future__ import annotations

import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from netkit.cli.payload.ws.modes import Broadcast, Echo, EchoSessions, sessions_in
from netkit.http import Client, DialConfig, HttpVersions
from netkit.tls import CertVerifyMode, TlsConfig
from netkit.websocket import WebSocketConfig, WebSocketHandler
from netkit.websocket.client import ClientWebSocket, connect
from netkit.websocket.loop import WsLoop
from tests.cli.helpers import Result
from tests.cli.test_serve_echo import Server
from tests.cli.test_ws_server import closing_of, counts_of, events, raw_websocket, serving, url_of
from tests.waiting import until
from tests.websocket.frames import CLOSE, CONT, FIN, TEXT, frame
from tests.websocket.serving import QUIET, WebServing

pytestmark = pytest.mark.once

#: What makes the server use the loop, and flows.
FORMS = {
    "loop": (),
    "flow": ("--idle-timeout", "60"),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return FORMS[request.param]


class TestWhichForm:
    def test_only_a_plain_echo_is_told_nothing(self) -> None:
        assert isinstance(sessions_in(Echo(), greeting="hi"), EchoSessions)
        assert not isinstance(sessions_in(Echo(), idle_timeout=1), EchoSessions)
        assert not isinstance(sessions_in(Broadcast()), EchoSessions)

    @pytest.mark.skipif(not WsLoop.available, reason="this system has no epoll")
    @pytest.mark.parametrize("over", ["tcp", "tls"])
    def test_the_loop_serves_it(self, over: str) -> None:
        """And over TLS, where it cannot, a flow does."""
        sessions = sessions_in(Echo(), greeting="hi")
        handler = WebSocketHandler(sessions, config=QUIET)
        with WebServing(handler, over=over) as served:
            scheme = "wss" if over == "tls" else "ws"
            with trusting_nobody() as client:
                with connect(f"{scheme}://127.0.0.1:{served.at[1]}/", client=client) as ws:
                    assert ws.receive(timeout=20) == "hi"
                    for message in "one", b"two", "three" * 1000:
                        ws.send(message)
                        assert ws.receive(timeout=20) == message
                loop = handler.loop
                assert loop is not None
                assert loop.handled == (3 if over == "tcp" else 0)
            until(lambda: not handler.open)
        counts = sessions.counts
        assert (counts.websockets, counts.received, counts.sent, counts.cut_off) == (1, 3, 4, 0)


@contextmanager
def trusting_nobody(versions: HttpVersions = HttpVersions.HTTP11) -> Iterator[Client]:
    with Client(
        dial=DialConfig(versions, tls=TlsConfig.client().with_verify_mode(CertVerifyMode.None_))
    ) as client:
        yield client


def received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := sock.recv(size - len(data))):
        data += more
    return data


class TestBothForms:
    """The same from outside: what is answered, how it is closed, and what is counted."""

    def test_messages(self, form: tuple[str, ...]) -> None:
        with serving("--greet", "welcome", *form) as server:
            with (
                connect(url_of(server)) as ws,
                connect(url_of(server), config=WebSocketConfig(deflate=None)) as bare,
            ):
                for each in ws, bare:
                    assert each.receive(timeout=20) == "welcome"
                    for message in "caf\u00e9", b"\0\xff", "", b"x" * 300_000:
                        each.send(message)
                        assert each.receive(timeout=20) == message
                    assert each.ping(timeout=20) >= 0
                ws.close(4000, "enough")
            until(lambda: counts_of(server)["active"] == 0)
            code, counts = server.end()
        names = ("websockets", "messages_received", "messages_sent", "cut_off", "failed", "too_slow")
        assert (code, [counts[name] for name in names]) == (0, [2, 8, 10, 0, 0, 0])

    def test_pieces_and_faults(self, form: tuple[str, ...]) -> None:
        with serving(*form) as server:
            with raw_websocket(server) as sock:
                sock.sendall(frame(TEXT, b"one ") + frame(FIN | CONT, b"two") + frame(FIN | TEXT, b"three"))
                assert received(sock, 16) == b"\x81\x07one two\x81\x05three"
                sock.sendall(frame(FIN | TEXT, b"four") + frame(FIN | 0x3, b""))
                assert received(sock, 10)[:6] == b"\x81\x04four"
                sock.settimeout(20)
            until(lambda: counts_of(server)["active"] == 0)
            with raw_websocket(server) as sock:
                sock.sendall(frame(FIN | TEXT, b"\xff"))
                assert received(sock, 4)[2:] == struct.pack("!H", 1007)
            with raw_websocket(server) as sock:
                sock.sendall(
                    frame(FIN | TEXT, b"last") + frame(FIN | CLOSE, struct.pack("!H", 4000) + b"why")
                )
                assert received(sock, 10) == b"\x81\x04last\x88\x02" + struct.pack("!H", 4000)
                assert sock.recv(1) == b""
            until(lambda: counts_of(server)["active"] == 0)
            counts = server.end()[1]
            assert (counts["messages_received"], counts["websockets"]) == (4, 3)

    def test_limits(self, form: tuple[str, ...]) -> None:
        with serving("--max-message", "1k", *form) as server:
            with connect(url_of(server)) as ws:
                ws.send("x" * 1000)
                assert ws.receive(timeout=20) == "x" * 1000
                ws.send("x" * 1001)
                assert closing_of(ws)[0] == 1009
            with connect(url_of(server)) as ws:
                ws.send("x" * 1000)
                assert ws.receive(timeout=20) == "x" * 1000

    def test_a_client_that_answers_no_ping(self, form: tuple[str, ...]) -> None:
        pings = ("--ping-interval", "100ms", "--ping-timeout", "100ms")
        with serving(*pings, *form) as server, raw_websocket(server) as sock:
            sock.sendall(frame(FIN | TEXT, b"x"))
            assert received(sock, 3) == b"\x81\x01x"
            assert received(sock, 1) == b"\x89", "the ping"
            until(lambda: counts_of(server)["active"] == 0)

    def test_a_client_that_takes_nothing(self, form: tuple[str, ...]) -> None:
        with (
            serving("--write-timeout", "200ms", *form) as server,
            raw_websocket(server, 4096) as deaf,
            connect(url_of(server)) as ws,
        ):
            deaf.settimeout(0.1)
            with suppress(TimeoutError, ConnectionError):  # it is not read from either, or is closed already
                while True:
                    deaf.sendall(frame(FIN | TEXT, b"x" * 60_000) * 16)
            ws.send("the others")
            assert ws.receive(timeout=20) == "the others"
            until(lambda: counts_of(server)["active"] == 1, "who takes nothing is cut off")

    def test_the_end(self, form: tuple[str, ...]) -> None:
        """Clients that are idle, and one that sends, get 1001; what was sent before is answered."""
        with serving(*form) as server, connect(url_of(server)) as idle, connect(url_of(server)) as busy:
            for number in range(50):
                busy.send(str(number))
            for number in range(50):
                assert busy.receive(timeout=20) == str(number)
            server.process.send_signal(signal.SIGTERM)
            assert (closing_of(idle), closing_of(busy)) == ((1001, ""), (1001, ""))
            out, _ = server.process.communicate(timeout=30)
            assert (server.process.returncode, b'"cut_off": 0' in out) == (0, True)

    def test_the_log(self, form: tuple[str, ...], tmp_path: Path) -> None:
        log = tmp_path / "log"
        with serving("--access-log", f"json={log}", *form) as server:
            connect(url_of(server)).close(4001, "x")
            until(lambda: "closed by the client with 4001" in log.read_text())


@pytest.mark.parametrize("over", ["clear", "tls"])
@pytest.mark.parametrize("beside", [False, True], ids=["ws server", "serve http"])
class TestHttp2:
    """RFC 8441, with the command's own client."""

    @contextmanager
    def at(
        self, tmp_path: Path, over: str, beside: bool, *args: str
    ) -> Iterator[tuple[Server, str, list[str]]]:
        """A server, the URL of its echo, and the options that a client needs."""
        (tmp_path / "file").write_text("a file")
        command, more = ("serve http", [str(tmp_path), "--ws", "/echo=echo"]) if beside else ("ws server", [])
        options = ["--http2-prior-knowledge"]
        if over == "tls":
            ca = str(tmp_path / "ca.pem")
            more += ["--tls", "--write-ca", ca, "localhost:0"]
            options = ["--http2", "--ca", ca]
        with serving(*more, *args, command=command) as server:
            port = server.addr.rpartition(":")[2]
            options += ["--resolve", f"localhost:{port}:127.0.0.1"]
            yield server, f"{'wss' if over == 'tls' else 'ws'}://localhost:{port}/echo", options

    def test_an_echo(self, netkit: Callable[..., Result], tmp_path: Path, over: str, beside: bool) -> None:
        with self.at(tmp_path, over, beside) as (server, url, options):
            done = netkit("ws", "client", *options, "--json", "--count", "2", url, "one", "x" * 100_000)
            assert done.exit_code == 0, done
            connected, *rows = done.json
            assert (connected["event"], connected["status"]) == ("connected", 200)
            got = [
                row["text"] for row in rows if row["event"] == "message" and row["direction"] == "received"
            ]
            assert got == ["one", "x" * 100_000]
            assert rows[-1]["close_code"] == 1000
            until(lambda: counts_of(server)["active"] == 0)
            assert server.end()[0] == 0

    def test_the_end(self, tmp_path: Path, over: str, beside: bool) -> None:
        with self.at(tmp_path, over, beside) as (server, url, _):
            with trusting_nobody(HttpVersions.HTTP2) as client:
                sockets = [connect(url.replace("localhost", "127.0.0.1"), client=client) for _ in range(3)]
                assert client.connections == 1, "all of them are streams of one connection"
                for ws in sockets:
                    ws.send("hello")
                    assert ws.receive(timeout=20) == "hello"
                server.process.send_signal(signal.SIGTERM)
                assert [closing_of(ws)[0] for ws in sockets] == [1001] * 3
            code, counts = server.end(None)
            assert (code, counts["cut_off"]) == (0, 0)


def test_http2_is_left_out_where_a_server_has_none(netkit: Callable[..., Result], tmp_path: Path) -> None:
    ca = str(tmp_path / "ca.pem")
    with serving("--no-http2", "--tls", "--write-ca", ca, "localhost:0") as server:
        port = server.addr.rpartition(":")[2]
        options = ["--ca", ca, "--resolve", f"localhost:{port}:127.0.0.1", "--json", "--count", "1"]
        done = netkit("ws", "client", "--http2", *options, f"wss://localhost:{port}/", "a")
        assert (done.exit_code, done.json[0]["status"]) == (0, 101)
    with serving("--no-http2") as server:
        done = netkit("ws", "client", "--http2-prior-knowledge", url_of(server), "a")
        assert done.exit_code == 6
        assert f"netkit: opening {url_of(server)}: the server does not speak HTTP/2" in done.stderr


def test_the_handshake_with_v_names_the_protocol(netkit: Callable[..., Result]) -> None:
    with serving() as server:
        done = netkit("ws", "client", "-v", "--count", "1", url_of(server), "a")
        assert "> Connection: Upgrade\n> Upgrade: websocket\n>\n" in done.stderr
        done = netkit("ws", "client", "-v", "--http2-prior-knowledge", "--count", "1", url_of(server), "a")
        assert "> CONNECT / HTTP/2\n" in done.stderr
        assert "> :protocol: websocket\n>\n" in done.stderr


def echoes(ws: ClientWebSocket, message: str) -> None:
    ws.send(message)
    assert ws.receive(timeout=20) == message


class TestWorkers:
    def test_connections_are_spread_and_all_get_1001(self) -> None:
        with serving("--workers", "2", "--events") as server, ExitStack() as stack:
            workers: set[int] = set()
            sockets: list[ClientWebSocket] = []

            def both() -> bool:
                sockets.append(stack.enter_context(connect(url_of(server))))
                workers.add(next(events(server, "connected"))["connection"] % 2)
                return len(workers) == 2 and len(sockets) >= 8

            until(both, "both workers have a connection: a worker's numbers are odd or even")
            for number, ws in enumerate(sockets):
                echoes(ws, str(number))
            server.process.send_signal(signal.SIGTERM)
            assert [closing_of(ws)[0] for ws in sockets] == [1001] * len(sockets)
            out, _ = server.process.communicate(timeout=30)
            assert server.process.returncode == 0
            assert f'"websockets": {len(sockets)}, "messages_received": {len(sockets)}' in out.decode()
            assert '"cut_off": 0' in out.decode()

    def test_a_successor_loses_no_message(self, tmp_path: Path) -> None:
        """Clients that come and go, and one that stays, while another server takes over."""
        control = ("--control", str(tmp_path / "control"), "--workers", "2")
        failures: list[BaseException] = []
        greeted: list[set[str | bytes]] = [set() for _ in range(4)]
        is_over = threading.Event()

        def comes_and_goes(url: str, seen: set[str | bytes]) -> None:
            try:
                while not is_over.is_set():
                    with connect(url) as ws:
                        seen.add(ws.receive(timeout=20))
                        for number in range(20):
                            echoes(ws, str(number))
            except BaseException as error:
                failures.append(error)

        def stays(url: str) -> None:
            try:
                with connect(url) as ws:
                    seen = ws.receive(timeout=20)
                    while not is_over.is_set():
                        echoes(ws, "still there")
                    assert seen == "old"
            except BaseException as error:
                failures.append(error)

        with serving(*control, "--greet", "old") as old:
            url = url_of(old)
            threads = [threading.Thread(target=comes_and_goes, args=(url, seen)) for seen in greeted]
            threads.append(threading.Thread(target=stays, args=(url,)))
            try:
                for thread in threads:
                    thread.start()
                until(lambda: failures or (all(greeted) and counts_of(old)["active"] >= 1))
                with serving(*control, "--upgrade", "--greet", "new") as new:
                    until(lambda: failures or all("new" in seen for seen in greeted))
                    is_over.set()
                    for thread in threads:
                        thread.join(30)
                    assert failures == []
                    code, counts = old.end(None)
                    assert (code, counts["cut_off"], counts["failed"]) == (0, 0, 0)
                    assert counts["messages_received"] + counts["websockets"] == counts["messages_sent"]
                    code, counts = new.end()
                    assert (code, counts["cut_off"], counts["failed"]) == (0, 0, 0)
                    assert counts["messages_received"] + counts["websockets"] == counts["messages_sent"]
            finally:
                is_over.set()
                for thread in threads:
                    thread.join(30)
