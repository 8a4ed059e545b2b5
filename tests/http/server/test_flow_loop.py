"""Handlers that may wait, in the loop: the same octets as from a flow of their own, and their waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http import Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.loop import HttpLoop
from netkit.http.server.handling.handlers import received_request
from netkit.http.server.server import HttpServer
from netkit.io import PAUSE, Event, Flow
from netkit.net.tcp import TcpListener
from netkit.serve.connections import in_background
from tests.http.server.loop_forms import Mirror, Outcome, exchange_octets
from tests.http.server.test_forms_agree import ALL, CONFIG, SIMPLE
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(not HttpLoop.available, reason="this system has no epoll(7)")


class Whole:
    """Answers as Mirror, with a response as a whole."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        request = yield from received_request(exchange)
        yield from exchange.respond_flow(Mirror().handle(request))


class Waits(Whole):
    """The same, after waits of every kind."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        from netkit.io import race, sleep_until

        if exchange.head.method == b"POST":
            yield PAUSE
        event = Event()
        event.set()
        yield from event.wait()
        if "two" in exchange.request.query or exchange.head.method == b"HEAD":
            yield from race(sleep_until(0.0), Event().wait())
        yield from super().handle_flow(exchange)


class Steps:
    """Answers in steps, of a kind for each method and path."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        path = exchange.request.path
        if path == "/raise":
            raise KeyError("a secret")
        if path == "/none":
            return
        if path == "/close":
            exchange.close_after()
        if path == "/103":
            yield from exchange.interim_flow(103, [(b"link", b"</a>")])
        if path == "/empty":
            exchange.begin(200, end=True)
            yield from exchange.end_flow()
            return
        if path == "/204":
            exchange.begin(204, [(b"x-is", b"nothing")])
            yield from exchange.end_flow()
            return
        if path == "/host-field":
            exchange.begin(200, [(b"connection", b"x")], length=4)
        if path == "/dated":
            exchange.begin(200, [(b"Date", b"then"), (b"server", b"mine")], length=4)
        elif path == "/streamed":
            exchange.begin(200, [(b"x-is", b"in pieces")])
        else:
            exchange.begin(200, [(b"x-is", b"of a length")], length=4)
        if path == "/304":
            yield from exchange.flush_flow()
        if path == "/length":
            exchange.abort()
            return
        if path == "/large":
            yield from exchange.send_flow(b"more than is said")
        if exchange.request.query:
            yield from exchange.send_flow(b"12")
            yield from exchange.send_flow(b"34")
        else:
            yield from exchange.send_flow(bytearray(b"1234") if path == "/a" else b"1234")
        if path == "/204-again":
            exchange.begin(200)
        yield from exchange.end_flow()
        exchange.close_after() if path == "/p" else exchange.abort()


class Later:
    """Answers as Mirror, in a coroutine."""

    async def handle_async(self, request: Request) -> Response:
        return Mirror().handle(request)


KINDS: dict[str, tuple[Callable[[], object], ServerConfig]] = {
    "whole": (Whole, CONFIG),
    "waits": (Waits, CONFIG),
    "steps": (Steps, CONFIG),
    "threads": (Mirror, CONFIG.replace(threads=2)),
    "async": (Later, CONFIG),
}


def agreed(kind: str, *pieces: bytes) -> Outcome:
    """What both forms do with these pieces."""
    make, config = KINDS[kind]
    awaited = kind == "async"
    flow = exchange_octets(make(), pieces, in_loop=False, config=config, awaited=awaited)
    loop = exchange_octets(make(), pieces, in_loop=True, config=config, awaited=awaited)
    assert loop == flow
    return loop


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_alone_and_pipelined(kind: str, name: str) -> None:
    loop = agreed(kind, ALL[name])
    assert name not in SIMPLE or loop.by_loop <= 1
    if name == "get" and kind != "waits":
        assert loop.by_loop == 1
    before, after = SIMPLE["query"], SIMPLE["post"]
    agreed(kind, before + ALL[name] + after)
    agreed(kind, before + ALL[name][:10], ALL[name][10:] + after)


@pytest.mark.parametrize("kind", KINDS)
def test_many_pipelined(kind: str) -> None:
    loop = agreed(kind, *[SIMPLE["get"] * 100] * 2)
    assert loop.octets.count(b"HTTP/1.1 200 OK") == 200
    # A thread, or a coroutine, that is late on a busy machine is waited for by the flow, with all behind it.
    assert loop.by_loop == 200 or (kind in ("threads", "async") and loop.by_loop >= 1)


@settings(max_examples=60)
@given(st.data())
def test_any_octets_in_any_cut(data: st.DataObject) -> None:
    """Requests of all kinds behind each other, some with an octet changed, cut anywhere."""
    kind = data.draw(st.sampled_from(["whole", "waits", "steps"]))
    names = st.sampled_from([*SIMPLE] * 2 + [*ALL])
    octets = bytearray(b"".join(ALL[name] for name in data.draw(st.lists(names, min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(0, 2)) if octets else 0):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(
            st.sampled_from(b"\r\n\t :\0aZ0/*,\xff")
        )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=4)))
    pieces = [bytes(octets[start:end]) for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    agreed(kind, *[piece for piece in pieces if piece])


# The waits


class Server:
    """A server that runs, and clients of it."""

    def __init__(self, server: HttpServer, port: int, stack: ExitStack) -> None:
        self.server = server
        self._port = port
        self._stack = stack

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        return self._stack.enter_context(sock)

    def here(self) -> int:
        """How many connections are in the loop."""
        return 0 if self.server.loop is None else len(self.server.loop.places)


@contextmanager
def serving(handler: object, config: ServerConfig) -> Iterator[Server]:
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(handler, config)  # type: ignore[arg-type]  # of one of the kinds
    with in_background(lambda stop: server.serve([listener], stop=stop)), ExitStack() as stack:
        yield Server(server, listener.local_addr.port, stack)


def body(sock: socket.socket) -> bytes:
    """The body of the next response, of two octets."""
    got = b""
    while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < 2:
        data = sock.recv(1)
        assert data, got
        got += data
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    return got.partition(b"\r\n\r\n")[2]


class Gate:
    """Answers `ok`; with a query, only when its gate is open."""

    def __init__(self) -> None:
        self.gate = Event()
        self.ended: list[str] = []
        self.waits = 0

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        try:
            if exchange.request.query:
                self.waits += 1
                yield from self.gate.wait()
            yield from exchange.respond_flow(Response(200, body=b"ok"))
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise


WAIT, PLAIN = b"GET /?wait HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_who_waits_for_long_leaves_and_comes_back() -> None:
    """Also with requests behind it: the system is not asked about a busy connection again and again."""
    handler = Gate()
    with serving(handler, ServerConfig()) as server:
        sock, other = server.connect(), server.connect()
        other.sendall(PLAIN)
        assert body(other) == b"ok"
        sock.sendall(WAIT)
        until(lambda: server.here() == 1)
        sock.sendall(PLAIN + PLAIN)
        other.sendall(PLAIN)
        assert body(other) == b"ok"
        handler.gate.set()
        assert [body(sock) for _ in range(3)] == [b"ok"] * 3
        until(lambda: server.here() == 2)
        sock.sendall(PLAIN)
        assert body(sock) == b"ok"


def test_who_takes_the_stream_over_goes_on_with_it() -> None:
    """The loop does not wait for octets: the connection's own flow goes on with the handler."""

    class Raw:
        def handle_flow(self, exchange: Exchange) -> Flow[None]:
            stream = yield from exchange.take_over_flow()
            yield from stream.write_all_flow(b"first ")
            more = yield from stream.read_flow()
            yield from stream.write_all_flow(more + b" last")

    with serving(Raw(), ServerConfig()) as server:
        sock = server.connect()
        until(lambda: server.here() == 1)
        sock.sendall(PLAIN)
        assert sock.recv(100) == b"first "
        sock.sendall(b"then")
        got = b""
        while data := sock.recv(100):
            got += data
        assert got == b"then last"


def test_who_takes_too_long_in_the_loop() -> None:
    handler = Gate()
    with serving(handler, ServerConfig(handler_timeout=0.001)) as server:
        sock = server.connect()
        sock.sendall(WAIT)
        assert sock.recv(100).startswith(b"HTTP/1.1 503 ")
        assert handler.ended == ["GeneratorExit"]


def test_a_server_that_ends_ends_who_waits() -> None:
    """At once, with the handler where it waits."""
    handler = Gate()
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(handler)
    stopped = Event()
    thread = threading.Thread(
        target=server.run, args=([listener],), kwargs={"stop": stopped, "drain": 0.0}, daemon=True
    )
    thread.start()
    with socket.create_connection(("127.0.0.1", listener.local_addr.port), timeout=PATIENCE) as sock:
        sock.sendall(WAIT)
        until(lambda: handler.waits == 1)
        stopped.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert sock.recv(100) == b""


def test_calls_that_wait_have_a_thread_each() -> None:
    """Though a start wakes one thread at most: eight calls meet each other, again and again."""
    barrier = threading.Barrier(8)

    class Meeting:
        def handle(self, _request: Request) -> Response:
            barrier.wait(PATIENCE)
            return Response(200, body=b"ok")

    with serving(Meeting(), ServerConfig(threads=8)) as server:
        socks = [server.connect() for _ in range(8)]
        for _ in range(20):
            for sock in socks:
                sock.sendall(PLAIN)
            assert [body(sock) for sock in socks] == [b"ok"] * 8
        assert barrier.n_waiting == 0


def test_a_call_that_has_ended_is_told_while_another_runs() -> None:
    """The second call is taken by the same thread, and waits: the end of the first one is not kept back."""
    gate = threading.Event()

    class Slow:
        def handle(self, request: Request) -> Response:
            if "wait" in request.uri:
                assert gate.wait(PATIENCE)
            return Response(200, body=b"ok")

    with serving(Slow(), ServerConfig(threads=2)) as server:
        quick, slow = server.connect(), server.connect()
        for _ in range(20):
            slow.sendall(WAIT)
            for _ in range(5):
                quick.sendall(PLAIN)
                assert body(quick) == b"ok"
            gate.set()
            assert body(slow) == b"ok"
            gate.clear()
