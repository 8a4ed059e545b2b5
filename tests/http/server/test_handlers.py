"""Handlers of every kind: where they run, what they wait for, and what ends them.

Blocking handlers in the server's thread and in threads of a pool, coroutines, bodies read as they come,
responses sent as they are made; under the blocking driver, asyncio and uvloop.
"""

from __future__ import annotations

import asyncio
import io
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from netkit.http import (
    HttpError,
    HttpServer,
    Response,
    ServerConfig,
    ServerRequest,
    StreamedResponse,
    text_response,
)
from netkit.http.server.handling.bridge import Bridge
from netkit.http.server.handling.handlers import AsyncHandler, InlineHandler, PoolHandler, flow_handler
from netkit.http.server.handling.threads import ThreadPool
from netkit.io import ClosedError, Flow, run
from netkit.net import TcpListener
from tests.http.gateway.served import (
    ASYNC,
    DRIVERS,
    PATIENCE,
    Gate,
    Told,
    answers,
    ended,
    request,
    rest_of,
    served,
)
from tests.waiting import until

CHUNKED = "Transfer-Encoding: chunked\r\n"

Answering = Callable[[ServerRequest], Any]


class Blocking:
    """A blocking handler made of a function."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer

    def handle(self, req: Any) -> Response:
        return self.answer(req)  # type: ignore[no-any-return]


class Awaited:
    """An async handler made of a coroutine function."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer

    async def handle_async(self, req: Any) -> Response:
        return await self.answer(req)  # type: ignore[no-any-return]


def name_of_thread(_: ServerRequest) -> Response:
    return text_response(200, threading.current_thread().name)


# Which handler is made of what


def test_each_kind_is_made_into_one_of_flows() -> None:
    class OfFlows:
        def handle_flow(self, exchange: object) -> Flow[None]:
            yield from ()

    handler = OfFlows()
    assert flow_handler(handler, ServerConfig()) is handler
    assert isinstance(flow_handler(Blocking(name_of_thread), ServerConfig()), PoolHandler)
    assert isinstance(flow_handler(Blocking(name_of_thread), ServerConfig(threads=0)), InlineHandler)
    assert isinstance(flow_handler(Awaited(name_of_thread), ServerConfig()), AsyncHandler)


def test_what_is_no_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="int has none"):
        HttpServer(3)


def test_a_handler_in_the_servers_thread_cannot_wait_for_a_body() -> None:
    with pytest.raises(ValueError, match="threads must not be 0"):
        HttpServer(Blocking(name_of_thread), ServerConfig(threads=0, stream_bodies=True))


def test_a_coroutine_needs_an_event_loop() -> None:
    listener = TcpListener.bind("127.0.0.1:0")
    with pytest.raises(RuntimeError, match=r"use HttpServer\.run_async"):
        HttpServer(Awaited(name_of_thread)).run([listener])
    assert listener.is_closed


# Threads


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_blocking_handler_runs_in_a_thread_of_its_own(driver: str) -> None:
    with served(Blocking(name_of_thread), driver) as site:
        assert site.get().body == b"netkit-http-1\n"
        handler = site.server.handler
        assert isinstance(handler, PoolHandler)
        threads = handler.pool.threads
    until(lambda: ended(threads), "the end of the threads")


def test_no_thread_is_made_for_a_handler_in_the_servers_own() -> None:
    with served(Blocking(name_of_thread), config=ServerConfig(threads=0)) as site:
        assert site.thread is not None
        assert site.get().body.decode().strip() == site.thread.name


@pytest.mark.parametrize("driver", DRIVERS)
def test_more_requests_than_threads_wait_in_their_order(driver: str) -> None:
    gate, order = Gate(), []

    def answer(req: ServerRequest) -> Response:
        if req.path == "/0":
            gate.wait()
        order.append(req.path)
        return text_response(200, req.path)

    with served(Blocking(answer), driver, ServerConfig(threads=1)) as site:
        handler = site.server.handler
        assert isinstance(handler, PoolHandler)
        socks = []
        for number in range(4):
            sock = site.connect()
            sock.sendall(request(f"/{number}"))
            socks.append(sock)
            if number == 0:
                until(lambda: gate.waiting)
            else:
                until(partial(waiting, handler.pool, number))
        gate.open()
        for number, sock in enumerate(socks):
            with sock:
                assert answers(rest_of(sock))[0].body == f"/{number}\n".encode()
        assert order == ["/0", "/1", "/2", "/3"]
        assert len(handler.pool.threads) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_client_that_leaves_the_queue_costs_no_call(driver: str) -> None:
    gate, calls = Gate(), []

    def answer(req: ServerRequest) -> Response:
        calls.append(req.path)
        gate.wait()
        return text_response(200, "")

    with served(Blocking(answer), driver, ServerConfig(threads=1)) as site, site.connect() as first:
        handler = site.server.handler
        assert isinstance(handler, PoolHandler)
        first.sendall(request("/first"))
        until(lambda: gate.waiting)
        with site.connect() as second:
            second.sendall(request("/second"))
            until(lambda: handler.pool.places.waiting == 1)
            second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: handler.pool.places.waiting == 0)
        gate.open()
        assert answers(rest_of(first))[0].status == 200
        assert calls == ["/first"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_client_that_has_finished_sending_is_answered_in_its_turn(driver: str) -> None:
    gate = Gate()

    def answer(req: ServerRequest) -> Response:
        if req.path == "/first":
            gate.wait()
        return text_response(200, req.path)

    with served(Blocking(answer), driver, ServerConfig(threads=1)) as site, site.connect() as first:
        handler = site.server.handler
        assert isinstance(handler, PoolHandler)
        first.sendall(request("/first"))
        until(lambda: gate.waiting)
        with site.connect() as second:
            second.sendall(request("/second"))
            second.shutdown(socket.SHUT_WR)
            until(lambda: handler.pool.places.waiting == 1)
            gate.open()
            assert answers(rest_of(second))[0].body == b"/second\n"
        assert answers(rest_of(first))[0].status == 200


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_ends_waits_for_its_handlers(driver: str) -> None:
    gate = Gate()

    def answer(_: ServerRequest) -> Response:
        gate.wait()
        return text_response(200, "whole")

    with served(Blocking(answer), driver) as site, site.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: gate.waiting)
        site.stop.set()
        until(site.refuses, "the end of the listener")
        gate.open()
        answer_ = answers(rest_of(sock))[0]
        assert (answer_.body, answer_.fields["connection"]) == (b"whole\n", "close")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_handler_that_hangs_does_not_keep_the_server(driver: str, tmp_path: Path) -> None:
    gate = Gate()
    opened: list[io.BufferedReader] = []
    (tmp_path / "file").write_bytes(b"octets")

    def answer(_: ServerRequest) -> Response:
        gate.wait()
        opened.append((tmp_path / "file").open("rb"))
        return StreamedResponse(200, opened[0])

    with served(Blocking(answer), driver) as site, site.connect() as sock:
        sock.sendall(request())
        until(lambda: gate.waiting)
        site.stop.cut()
        assert site.thread is not None
        site.thread.join(PATIENCE)
        assert not site.thread.is_alive()
        assert rest_of(sock) == b""
        gate.open()
        until(lambda: opened and opened[0].closed, "the source of a response that nobody wants closed")


def test_a_handler_that_takes_too_long_keeps_its_thread() -> None:
    gate = Gate()

    def answer(_: ServerRequest) -> Response:
        gate.wait()
        return text_response(200, "late")

    with served(Blocking(answer), config=ServerConfig(threads=1, handler_timeout=0.01)) as site:
        assert site.get().status == 503
        handler = site.server.handler
        assert isinstance(handler, PoolHandler)
        assert handler.pool.places.free == 0
        gate.open()
        until(lambda: handler.pool.places.free == 1)
        assert site.get().status == 200


def test_a_pool_makes_no_more_threads_than_it_needs() -> None:
    pool = ThreadPool(8)
    calls: list[int] = []
    for number in range(3):
        assert pool.places.try_acquire()
        pool.start(partial(calls.append, number))
        until(lambda: pool.places.free == 8)
    assert calls == [0, 1, 2]
    assert len(pool.threads) == 1
    pool.close()
    until(lambda: ended(pool.threads))


def waiting(pool: ThreadPool, wanted: int) -> bool:
    return pool.places.waiting == wanted


# Errors


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyError("secret"), 500),
        (HttpError.InvalidRequest("secret", fault="peer"), 400),
        (HttpError.InvalidRequest("secret", fault="local"), 500),
        (SystemExit("secret"), 500),
    ],
)
@pytest.mark.parametrize("kind", ["pool", "async"])
def test_an_error_of_a_handler_tells_the_client_its_status_alone(
    driver: str, error: BaseException, status: int, kind: str
) -> None:
    def answer(_: ServerRequest) -> Response:
        raise error

    async def answer_async(_: ServerRequest) -> Response:
        raise error

    if kind == "async" and driver == "blocking":
        return
    told = Told()
    handler = Blocking(answer) if kind == "pool" else Awaited(answer_async)
    with served(handler, driver, watcher=told) as site:
        answer_ = site.get()
        assert answer_.status == status
        assert b"secret" not in answer_.body
    assert len(told.errors) == 1
    assert told.errors[0] is error or getattr(told.errors[0], "__cause__", None) is error


def test_a_handler_that_cancels_itself_is_an_error_of_its_own() -> None:
    async def answer(_: ServerRequest) -> Response:
        raise asyncio.CancelledError

    with served(Awaited(answer), "asyncio") as site:
        assert site.get().status == 500


# Bodies of requests, as they come


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_body_is_read_in_parts(driver: str) -> None:
    def answer(req: ServerRequest) -> Response:
        stream = req.stream
        assert stream is not None
        assert req.body is None
        parts = [stream.read(3), stream.read(4), stream.read(), stream.read(1)]
        assert stream.is_over
        return text_response(200, f"{parts} {stream.length} {stream.trailers}")

    body = b"3\r\nabc\r\n5\r\ndefgh\r\n2\r\nij\r\n0\r\nt: 1\r\n\r\n"
    with served(Blocking(answer), driver, ServerConfig(stream_bodies=True)) as site:
        assert site.get(method="POST", fields=CHUNKED, body=body).body == (
            b"[b'abc', b'defg', b'hij', b''] None [(b't', b'1')]\n"
        )
        assert site.get(method="POST", body=b"abcdefghij").body == b"[b'abc', b'defg', b'hij', b''] 10 []\n"
        assert site.get().body == b"[b'', b'', b'', b''] 0 []\n"


@pytest.mark.parametrize("driver", ASYNC)
def test_a_body_is_awaited_in_parts(driver: str) -> None:
    async def answer(req: ServerRequest) -> Response:
        stream = req.stream
        assert stream is not None
        parts = [await stream.read_async(3), await stream.read_async(4)]
        parts += [piece async for piece in stream]
        return text_response(200, f"{parts}")

    with served(Awaited(answer), driver, ServerConfig(stream_bodies=True)) as site:
        assert site.get(method="POST", body=b"abcdefghij").body == b"[b'abc', b'defg', b'hij']\n"


@pytest.mark.parametrize("driver", DRIVERS)
def test_pieces_come_while_the_client_still_sends(driver: str) -> None:
    pieces: list[bytes] = []

    def answer(req: ServerRequest) -> Response:
        assert req.stream is not None
        for piece in req.stream:
            pieces.append(piece)  # noqa: PERF402 - the test looks at it meanwhile
        return text_response(200, "")

    with served(Blocking(answer), driver, ServerConfig(stream_bodies=True)) as site, site.connect() as sock:
        sock.sendall(request(method="POST", fields=CHUNKED))
        for piece in (b"one", b"two"):
            sock.sendall(b"3\r\n" + piece + b"\r\n")
            until(partial(ends_with, pieces, piece))
        sock.sendall(b"0\r\n\r\n")
        assert answers(rest_of(sock))[0].status == 200


def ends_with(pieces: list[bytes], piece: bytes) -> bool:
    return pieces[-1:] == [piece]


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_is_taken_that_the_handler_does_not_ask_for(driver: str) -> None:
    """The client is held back: it sends as much as the system keeps, and the server takes two receives."""
    gate = Gate()

    def answer(req: ServerRequest) -> Response:
        assert req.stream is not None
        req.stream.read(10)
        gate.wait()
        return text_response(200, "")

    size = 64 << 20
    config = ServerConfig(stream_bodies=True, max_body=None)
    with served(Blocking(answer), driver, config) as site, site.connect() as sock:
        sock.sendall(request(method="POST", fields=f"Content-Length: {size}\r\n"))
        sending = threading.Thread(target=send_until_closed, args=(sock, size))
        sending.start()
        until(lambda: gate.waiting)
        gate.open()
        rest_of(sock)
        sending.join(PATIENCE)
    assert site.counts["received"] <= 2 * 65536


def send_until_closed(sock: socket.socket, size: int) -> None:
    try:
        for _ in range(size >> 16):
            sock.sendall(bytes(65536))
    except OSError:
        pass


@pytest.mark.parametrize("driver", DRIVERS)
def test_too_much_is_answered_with_413(driver: str) -> None:
    def answer(req: ServerRequest) -> Response:
        assert req.stream is not None
        if req.path == "/limit":
            req.stream.read_all(5)
        return text_response(200, str(len(req.stream.read_all(1000))))

    with served(Blocking(answer), driver, ServerConfig(stream_bodies=True, max_body=8)) as site:
        chunks = b"5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n"
        assert site.get(method="POST", fields=CHUNKED, body=chunks).status == 413
        assert site.get(method="POST", body=b"123456789").status == 413
        assert site.get(method="POST", body=b"12345678").body == b"8\n"


def test_a_handlers_own_limit_is_its_own_error() -> None:
    def answer(req: ServerRequest) -> Response:
        assert req.stream is not None
        with pytest.raises(HttpError.BodyTooLarge, match="limit of 5 octets"):
            req.stream.read_all(5)
        return text_response(200, str(len(req.stream.read())))

    with served(Blocking(answer), config=ServerConfig(stream_bodies=True)) as site:
        assert site.get(method="POST", body=b"123456").body == b"6\n"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_client_that_goes_away_inside_its_body_is_told_to_the_handler(driver: str) -> None:
    errors: list[Exception] = []

    def answer(req: ServerRequest) -> Response:
        assert req.stream is not None
        try:
            req.stream.read()
        except Exception as error:
            errors.append(error)
            raise
        return text_response(200, "")

    with served(Blocking(answer), driver, ServerConfig(stream_bodies=True)) as site:
        with site.connect() as sock:
            sock.sendall(request(method="POST", fields="Content-Length: 100\r\n", body=b"")[:-2] + b"\r\nabc")
        until(lambda: errors)
    assert "before" in str(errors[0]) or isinstance(errors[0], OSError | EOFError)


@pytest.mark.parametrize("driver", ASYNC)
def test_a_coroutine_that_would_block_the_loop_is_stopped(driver: str) -> None:
    errors: list[str] = []

    async def answer(req: ServerRequest) -> Response:
        assert req.stream is not None
        try:
            req.stream.read()
        except RuntimeError as error:
            errors.append(str(error))
        return text_response(200, "")

    with served(Awaited(answer), driver, ServerConfig(stream_bodies=True)) as site:
        site.get(method="POST", body=b"x")
    assert errors == ["this would block the event loop: use the form that is awaited"]


@pytest.mark.parametrize("driver", ASYNC)
def test_a_read_that_is_cancelled_loses_nothing(driver: str) -> None:
    async def answer(req: ServerRequest) -> Response:
        stream = req.stream
        assert stream is not None
        reading = asyncio.ensure_future(stream.read_async(4))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        return text_response(200, (await stream.read_async()).decode())

    with served(Awaited(answer), driver, ServerConfig(stream_bodies=True)) as site:
        assert site.get(method="POST", body=b"abcdef").body == b"abcdef\n"


# Responses, as they are made


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_blocking_source_is_iterated_in_the_thread(driver: str) -> None:
    gate = Gate()
    names = []

    def pieces() -> Iterator[bytes]:
        names.append(threading.current_thread().name)
        yield b"first"
        gate.wait()
        names.append(threading.current_thread().name)
        yield b"second"

    def answer(_: ServerRequest) -> Response:
        return StreamedResponse(200, pieces(), trailers=lambda: [(b"n", b"2")])

    with served(Blocking(answer), driver) as site, site.connect() as sock:
        sock.sendall(request())
        got = b""
        while b"first" not in got:
            got += sock.recv(65536)
        gate.open()
        got += rest_of(sock)
        assert got.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\nn: 2\r\n\r\n")
    assert names == ["netkit-http-1"] * 2


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_generator_is_closed_when_its_client_goes_away(driver: str) -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(65536)
        finally:
            closed.append(threading.current_thread().name)

    with served(Blocking(lambda _: StreamedResponse(200, pieces())), driver) as site:
        with site.connect() as sock:
            sock.sendall(request())
            assert sock.recv(100)
        until(lambda: closed)
    assert closed == ["netkit-http-1"]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_source_is_closed_when_its_response_is_over(driver: str, method: str) -> None:
    source = io.BytesIO(b"octets")
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"octets"
        finally:
            closed.append(True)

    started = pieces()
    next(started)  # one that never began has nothing to close
    with served(
        Blocking(lambda req: StreamedResponse(200, source if req.path == "/file" else started)), driver
    ) as site:
        file = site.get("/file", method=method)
        assert file.fields["content-length"] == "6"
        assert file.body == (b"octets" if method == "GET" else b"")
        until(lambda: source.closed)
        assert site.get("/pieces", method=method).status == 200
        until(lambda: closed)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_source_that_fails_breaks_its_response_off(driver: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise KeyError("secret")

    told = Told()
    with served(Blocking(lambda _: StreamedResponse(200, pieces())), driver, watcher=told) as site:
        octets = site.talk(request())
        assert b"some" in octets
        assert b"0\r\n\r\n" not in octets
        assert b"secret" not in octets
    assert [type(error) for error in told.errors] == [KeyError]


def test_an_async_source_is_for_async_handlers() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    told = Told()
    with served(Blocking(lambda _: StreamedResponse(200, pieces())), watcher=told) as site:
        assert site.get().status == 500
    assert [type(error) for error in told.errors] == [TypeError]


def test_a_handler_that_returns_no_response_is_an_error() -> None:
    with served(Blocking(lambda _: None)) as site:
        assert site.get().status == 500


# Coroutines and their clients


@pytest.mark.parametrize("driver", ASYNC)
def test_a_coroutine_is_cancelled_when_its_client_goes_away(driver: str) -> None:
    states: list[str] = []

    async def answer(_: ServerRequest) -> Response:
        states.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            states.append("cancelled")
        raise AssertionError

    told = Told()
    with served(Awaited(answer), driver, watcher=told) as site:
        with site.connect() as sock:
            sock.sendall(request())
            until(lambda: states)
        until(lambda: "cancelled" in states)
        until(lambda: told.errors)
    assert str(told.errors[0]) == "the client has gone"


@pytest.mark.parametrize("driver", ASYNC)
def test_an_async_source_ends_when_its_client_goes_away(driver: str) -> None:
    states: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            states.append("closed")

    async def answer(_: ServerRequest) -> Response:
        return StreamedResponse(200, pieces())

    with served(Awaited(answer), driver) as site:
        with site.connect() as sock:
            sock.sendall(request())
            got = b""
            while b"first" not in got:
                got += sock.recv(65536)
        until(lambda: states)


@pytest.mark.parametrize("driver", ASYNC)
def test_an_async_source_that_is_sent_is_closed_too(driver: str) -> None:
    """A client that takes nothing and goes away: the generator stands at its `yield`."""
    states: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            states.append("closed")

    async def answer(_: ServerRequest) -> Response:
        return StreamedResponse(200, pieces())

    with served(Awaited(answer), driver) as site:
        with site.connect() as sock:
            sock.sendall(request())
            assert sock.recv(1)
        until(lambda: states)


@pytest.mark.parametrize("driver", ASYNC)
def test_a_server_that_is_cut_off_cancels_its_coroutines(driver: str) -> None:
    states: list[str] = []

    async def answer(_: ServerRequest) -> Response:
        states.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            states.append("cancelled")
        raise AssertionError

    with served(Awaited(answer), driver) as site, site.connect() as sock:
        sock.sendall(request())
        until(lambda: states)
        site.stop.cut()
        assert rest_of(sock) == b""
        until(lambda: states == ["begun", "cancelled"])


# The bridge by itself


def nothing() -> Flow[None]:
    yield from ()


def test_asking_in_the_thread_of_the_flow_is_refused() -> None:
    with pytest.raises(RuntimeError, match="block the event loop"):
        Bridge().delegate(nothing)


def test_whoever_asks_too_late_is_told() -> None:
    bridge = Bridge()
    assert bridge.leave() is False
    errors = []

    def ask() -> None:
        try:
            bridge.delegate(nothing)
        except ClosedError as error:
            errors.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(PATIENCE)
    assert errors == ["the connection of the request is closed"]
    assert bridge.finish() is False


def test_the_first_error_of_what_was_posted_comes_at_the_end() -> None:
    bridge = Bridge()
    done = []

    def fails(number: int) -> Flow[None]:
        done.append(number)
        raise KeyError(number)
        yield

    bridge.post(lambda: fails(1))
    bridge.post(lambda: fails(2))
    bridge.finish()
    with pytest.raises(KeyError, match="1"):
        run(bridge.attend_flow())
    assert done == [1, 2]
