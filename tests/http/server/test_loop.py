"""The loop of the HTTP server on real connections: times, a stop, clients that take nothing, turns."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from netkit.http import HttpError, Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.flow_loop import FlowLoop
from netkit.http.server.h1.loop import HttpLoop
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.server import HttpServer
from netkit.io import Event
from netkit.net.tcp import TcpListener
from netkit.serve.connections import in_background
from tests.http.server.loop_forms import INLINE, Notes
from tests.waiting import PATIENCE, until, until_async

pytestmark = pytest.mark.skipif(not HttpLoop.available, reason="this system has no epoll(7)")

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Function:
    """A handler that is a function."""

    def __init__(self, function: Callable[[Request], Response]) -> None:
        self.handle = function


def hello(_request: Request) -> Response:
    return Response(200, body=b"hello")


class Running:
    """A server that runs, its loop, and where it listens."""

    def __init__(self, server: HttpServer, port: int) -> None:
        self.server = server
        self.port = port

    @property
    def loop(self) -> HttpLoop:
        assert self.server.loop is not None
        return self.server.loop

    def connect(self) -> closing[socket.socket]:
        return closing(socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE))

    def until_here(self, count: int) -> None:
        """So many connections are idle in the loop."""
        until(lambda: self.server.loop is not None and len(self.loop.places) == count)


@contextmanager
def serving(
    function: Callable[[Request], Response] = hello,
    config: ServerConfig = INLINE,
    watcher: Notes | None = None,
) -> Iterator[Running]:
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(Function(function), config, watcher=watcher)
    with in_background(lambda stop: server.serve([listener], stop=stop)):
        yield Running(server, listener.local_addr.port)


def received(sock: socket.socket, end: bytes | None = None) -> bytes:
    """All that comes up to `end`, or to the end of the connection."""
    data = b""
    while end is None or end not in data:
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return data


def test_half_a_head_is_not_waited_for() -> None:
    """Also behind a request, where the first octet of the head came with that one."""
    with serving(config=INLINE.replace(head_timeout=0.05)) as running:
        for octets, status in ((b"GET / HT", b"408"), (GET + b"GET / HT", b"200")):
            with running.connect() as sock:
                running.until_here(1)
                sock.sendall(octets)
                got = received(sock)
                assert got.startswith(b"HTTP/1.1 " + status)
                assert got.count(b"HTTP/1.1 408 ") == 1
                assert b"Connection: close" in got


def test_an_idle_connection_ends() -> None:
    with (
        serving(config=INLINE.replace(idle_timeout=0.05)) as running,
        running.connect() as fresh,
        running.connect() as used,
    ):
        used.sendall(GET)
        assert received(used).endswith(b"hello")
        assert received(fresh) == b""


def test_a_server_without_time_limits() -> None:
    with (
        serving(config=INLINE.replace(idle_timeout=None, head_timeout=None)) as running,
        running.connect() as sock,
    ):
        running.until_here(1)
        sock.sendall(GET[:10])
        until(lambda: any(place.rest for place in running.loop.places.values()))
        sock.sendall(GET[10:])
        assert received(sock, b"hello").endswith(b"hello")


def test_a_stop_ends_idle_connections_and_answers_what_has_begun() -> None:
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(Function(hello), INLINE)
    stop = Event()
    with in_background(lambda _: server.serve([listener], stop=stop, drain=None)):
        running = Running(server, listener.local_addr.port)
        with running.connect() as idle, running.connect() as half, running.connect() as used:
            used.sendall(GET)
            assert received(used, b"hello").endswith(b"hello")
            half.sendall(GET[:10])
            running.until_here(3)
            until(lambda: any(place.rest for place in running.loop.places.values()))
            stop.set()
            assert received(idle) == received(used) == b""
            half.sendall(GET[10:])
            got = received(half)
            assert got.startswith(b"HTTP/1.1 200 ")
            assert b"Connection: close" in got
    assert server.counts()["cut_off"] == 0


def test_a_stop_out_of_a_handler() -> None:
    """The response that is written after the stop says that it is the last one."""
    stop = Event()

    def stopping(request: Request) -> Response:
        if request.uri == "/stop":
            stop.set()
        return hello(request)

    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(Function(stopping), INLINE)
    with (
        in_background(lambda _: server.serve([listener], stop=stop)),
        Running(server, listener.local_addr.port).connect() as sock,
    ):
        sock.sendall(GET + GET.replace(b"/ ", b"/stop "))
        got = received(sock)
        assert got.count(b"HTTP/1.1 200 ") == 2
        assert got.count(b"Connection: close") == 1


def test_a_connection_that_is_cut_off() -> None:
    """After the time to drain, also one that is in the loop."""
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(Function(hello), INLINE)
    stop = Event()
    with in_background(lambda _: server.serve([listener], stop=stop, drain=0.0)):
        running = Running(server, listener.local_addr.port)
        with running.connect() as sock:
            running.until_here(1)
            stop.set()
            assert received(sock) == b""
    assert server.counts()["active"] == 0


def test_a_client_that_reads_late() -> None:
    """What it does not take at once is sent when it does, and the requests behind are answered then."""
    body = bytes(range(256)) * 200
    with serving(lambda _: Response(200, body=body)) as running, closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", running.port))
        sock.sendall(GET * 200)
        until(lambda: running.server.counts()["requests"] and not running.loop.places)
        assert running.server.counts()["requests"] < 200
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.shutdown(socket.SHUT_WR)
        assert received(sock).count(body) == 200


class Told(Notes):
    """A watcher that keeps errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception | None] = []

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        super().exchange(exchange, elapsed, error)
        self.errors.append(error)
        assert exchange.failure is error

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        raise AssertionError(error)


def test_a_client_that_never_reads() -> None:
    told = Told()
    config = INLINE.replace(write_timeout=0.05)
    with serving(lambda _: Response(200, body=bytes(60_000)), config, told) as running:
        with closing(socket.socket()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            sock.connect(("127.0.0.1", running.port))
            sock.sendall(GET * 300)
            until(lambda: any(told.errors))
            until(lambda: not running.server.connections.active)
        counts = running.server.counts()
    assert isinstance(told.errors[-1], HttpError.Timeout)
    assert counts["failed"] == 1
    assert counts["requests"] == len(told.errors) < 300


class Failing(Notes):
    """A watcher with a fault of its own."""

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        super().exchange(exchange, elapsed, error)
        raise KeyError(exchange.head.target)


def test_a_fault_on_one_connection_is_not_the_end_of_the_others() -> None:
    with serving(watcher=Failing()) as running:
        for _ in range(2):
            with running.connect() as sock:
                running.until_here(1)
                sock.sendall(GET)
                assert received(sock).endswith(b"hello")


def test_a_client_that_is_gone() -> None:
    """A reset ends the connection, and the server serves on."""
    with serving() as running:
        with running.connect() as sock:
            running.until_here(1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        until(lambda: not running.server.connections.active)
        with running.connect() as sock:
            sock.sendall(GET)
            assert received(sock, b"hello").endswith(b"hello")


def test_many_requests_of_one_connection_leave_others_their_turn() -> None:
    """Both connections have sent all before the server begins: the second one does not come last."""
    order: list[str] = []

    def noting(request: Request) -> Response:
        order.append(request.uri)
        return hello(request)

    listener = TcpListener.bind("127.0.0.1:0")
    port = listener.local_addr.port
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as first:
        first.sendall(GET * 500)
        with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as second:
            second.sendall(GET.replace(b"/ ", b"/second "))
            server = HttpServer(Function(noting), INLINE)
            with in_background(lambda stop: server.serve([listener], stop=stop)):
                assert received(second, b"hello").endswith(b"hello")
                second.close()
                first.shutdown(socket.SHUT_WR)
                assert received(first).count(b"hello") == 500
    assert order.index("/second") < 250


def test_under_asyncio() -> None:
    """Also a connection that was the flow's in between, which the event loop has watched then."""

    async def main() -> None:
        listener = TcpListener.bind("127.0.0.1:0")
        server = HttpServer(Function(hello), INLINE)
        stop = Event()
        task = asyncio.create_task(server.run_async([listener], stop=stop))
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.local_addr.port)
        await until_async(lambda: server.loop is not None and server.loop.places)
        assert server.loop is not None
        for turn in range(3):
            writer.write(GET)
            await reader.readuntil(b"hello")
            assert server.loop.answered == turn + 1
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            await until_async(lambda: server.loop is not None and not server.loop.places)
            writer.write(b"0\r\n\r\n")
            await reader.readuntil(b"hello")
            await until_async(lambda: server.loop is not None and server.loop.places)
        stop.set()
        assert await reader.read() == b""
        writer.close()
        await task

    asyncio.run(main())


def test_the_date_is_that_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made once a second."""
    seconds = [784_111_777.0]
    monkeypatch.setattr("netkit.http.server.exchange.time", lambda: seconds[0])
    with serving() as running, running.connect() as sock:
        dates = []
        for _ in range(2):
            sock.sendall(GET)
            dates += re.findall(rb"date: (.*)\r\n", received(sock, b"hello"))
            seconds[0] += 1
    assert dates == [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT"]


@pytest.mark.parametrize("threads", [0, 2])
def test_which_handlers_the_loop_calls(threads: int) -> None:
    """Only those that never wait; others would hold up every connection."""
    called_in: list[int] = []

    def noting(request: Request) -> Response:
        called_in.append(threading.get_ident())
        return hello(request)

    with serving(noting, ServerConfig(threads=threads)) as running, running.connect() as sock:
        sock.sendall(GET)
        assert received(sock, b"hello").endswith(b"hello")
        assert type(running.server.loop) is (FlowLoop if threads else HttpLoop)
