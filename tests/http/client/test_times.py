"""Times that run out, cancellation, and the errors of the layers below."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest

from netkit.http import (
    AsyncClient,
    Client,
    ClientConfig,
    DialConfig,
    HttpError,
    PoolConfig,
    Request,
)
from netkit.io import CancellationError, CancellationToken
from tests.conftest import free_port
from tests.http.client.conftest import Form
from tests.http.client.serving import MUCH, Conn, Received, Site, always, redirect, reply, trusting
from tests.waiting import turns, until, waits, when


@pytest.fixture
def client(client_form: Form) -> Any:
    return client_form.client()


# Times


def held_until(ended: threading.Event) -> Callable[[Received, Conn], None]:
    """A handler that does nothing until then."""

    def handler(request: Received, conn: Conn) -> None:
        ended.wait(20)

    return handler


def silent(request: Received, conn: Conn) -> None:
    conn.wait_for_end()


def head_then_silence(request: Received, conn: Conn) -> None:
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    conn.wait_for_end()


def half_a_head(request: Received, conn: Conn) -> None:
    conn.send(b"HTTP/1.1 200 OK\r\nContent-")
    conn.wait_for_end()


class Limit:
    """Around a call: it lasts at least so long, and ends long before any other limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.begun = monotonic()

    def __exit__(self, *_: object) -> None:
        assert self.seconds * 0.99 <= monotonic() - self.begun < self.seconds + 20


SHORT = 0.05


@pytest.mark.parametrize("by", ["timeout", "config", "read_timeout"])
@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (silent, "waiting for the answer"),
        (half_a_head, "waiting for the answer"),
        (head_then_silence, "receiving the body"),
    ],
)
def test_a_server_that_stops(client_form: Form, answer: Any, phase: str, by: str) -> None:
    config = ClientConfig()
    if by == "config":
        config = ClientConfig(timeout=SHORT)
    elif by == "read_timeout":
        config = ClientConfig(pool_config=PoolConfig(read_timeout=SHORT))
    client = client_form.client(config)
    with Site(answer) as site:
        with Limit(SHORT), pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, site.url(), timeout=SHORT if by == "timeout" else None)
        assert (caught.value.phase, caught.value.timeout) == (phase, SHORT)
        assert isinstance(caught.value, TimeoutError)
        assert client.connections == 0


@pytest.mark.slow
def test_a_read_timeout_is_for_each_wait(client_form: Form) -> None:
    """Whoever sends something in time is waited for, over and over."""
    client = client_form.client(ClientConfig(pool_config=PoolConfig(read_timeout=0.2)))
    turn = threading.Semaphore(0)

    def drip(request: Received, conn: Conn) -> None:
        for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi":
            conn.send(bytes([octet]))
            turn.acquire(timeout=0.01)

    with Site(drip) as site:
        assert client_form.get(client, site.url()).body == b"hi"


@pytest.mark.parametrize("by", ["timeout", "write_timeout"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_that_takes_nothing(client_form: Form, by: str, chunked: bool) -> None:
    config = ClientConfig(timeout=SHORT)
    if by == "write_timeout":
        config = ClientConfig(pool_config=PoolConfig(write_timeout=SHORT))
    client = client_form.client(config)
    ended = threading.Event()
    with Site(held_until(ended), heads_only=True) as site:
        body: Any = (bytes(65536) for _ in range(MUCH // 65536)) if chunked else bytes(MUCH)
        with Limit(SHORT), pytest.raises(HttpError.Timeout) as caught:
            client_form.post(client, site.url(), body)
        ended.set()
        assert (caught.value.phase, caught.value.timeout) == ("sending the request", SHORT)
        assert client.connections == 0


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a listener whose backlog is full: connecting to it takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("by", ["timeout", "config", "connect_timeout"])
def test_a_connection_that_takes_too_long(client_form: Form, full: int, by: str) -> None:
    config = ClientConfig(timeout=SHORT if by == "config" else None)
    dial = DialConfig(connect_timeout=SHORT if by == "connect_timeout" else None)
    client = client_form.client(config, dial=dial)
    with Limit(SHORT), pytest.raises(HttpError.Timeout) as caught:
        client_form.get(client, f"http://127.0.0.1:{full}/", timeout=SHORT if by == "timeout" else None)
    assert (caught.value.phase, caught.value.timeout) == ("connecting", SHORT)
    assert client.connections == 0


@pytest.mark.parametrize("by", ["timeout", "connect_timeout"])
def test_a_handshake_that_takes_too_long(client_form: Form, by: str) -> None:
    dial = DialConfig(tls=trusting(), connect_timeout=SHORT if by == "connect_timeout" else None)
    client = client_form.client(dial=dial)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with Limit(SHORT), pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, url, timeout=SHORT if by == "timeout" else None)
        assert "TLS handshake" in str(caught.value.phase)
        assert caught.value.timeout == SHORT
        assert client.connections == 0


def test_a_turn_that_never_comes(client_form: Form) -> None:
    client = client_form.client(ClientConfig(pool_config=PoolConfig(max_connections=1)))
    with Site(head_then_silence) as site, client_form.stream(client, site.url()):
        with Limit(SHORT), pytest.raises(HttpError.Timeout) as caught:
            client_form.get(client, site.url(), timeout=SHORT)
        assert caught.value.phase == "waiting for a free connection"
        assert client.connections == 1


def test_the_whole_time_is_for_redirects_too(client_form: Form) -> None:
    client = client_form.client(ClientConfig(timeout=0.1, max_redirects=1_000_000))
    with Site(always(redirect("/again"))) as site, Limit(0.1), pytest.raises(HttpError.Timeout):
        client_form.get(client, site.url())
    assert client.connections == 0


def test_the_time_of_one_read(client_form: Form, client: Any) -> None:
    with Site(head_then_silence) as site, client_form.stream(client, site.url()) as stream:
        assert client_form.call(stream.read) == b"hello"
        with Limit(SHORT), pytest.raises(HttpError.Timeout) as caught:
            client_form.call(stream.read, timeout=SHORT)
        assert (caught.value.phase, caught.value.timeout) == ("receiving the body", SHORT)
        assert client.connections == 0


def test_the_time_of_a_stream_goes_on(client_form: Form, client: Any) -> None:
    with Site(head_then_silence) as site, Limit(SHORT):
        stream = client_form.call(client.stream, Request("GET", site.url()), timeout=SHORT)
        with pytest.raises(HttpError.Timeout):
            client_form.call(stream.read_to_end, 100)
        assert client.connections == 0


# Cancellation


@pytest.mark.parametrize("answer", [silent, head_then_silence])
def test_a_token(client_form: Form, client: Any, answer: Any) -> None:
    with Site(answer) as site:
        token = CancellationToken()
        with when(lambda: site.requests, token.cancel), pytest.raises(CancellationError):
            client_form.get(client, site.url(), cancel=token)
        assert client.connections == 0
        with pytest.raises(CancellationError):
            client_form.get(client, site.url(), cancel=token)
        assert client.connections == 0


def test_a_token_while_connecting_and_while_sending(client_form: Form, client: Any, full: int) -> None:
    token = CancellationToken()
    started = client_form.start(client.request, Request("GET", f"http://127.0.0.1:{full}/"), cancel=token)
    until(lambda: client.connections == 1)
    token.cancel()
    with pytest.raises(CancellationError):
        started.result(10)
    assert client.connections == 0

    token, ended = CancellationToken(), threading.Event()
    with Site(held_until(ended), heads_only=True) as site:
        with when(lambda: site.requests, token.cancel), pytest.raises(CancellationError):
            client_form.post(client, site.url(), bytes(MUCH), cancel=token)
        ended.set()
        assert client.connections == 0


@pytest.mark.parametrize("answer", [silent, head_then_silence])
def test_a_task_that_is_cancelled(answer: Any) -> None:
    async def main() -> None:
        client = AsyncClient()
        with Site(answer) as site:
            task = asyncio.create_task(client.get_async(site.url()))
            while not site.requests:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client.connections == 0
            async with client.stream_async(
                Request("GET", site.url(), headers={"A": "b"}), timeout=SHORT
            ) as stream:
                task = asyncio.create_task(stream.read_to_end_async(100))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert client.connections == 0

    if answer is silent:
        with pytest.raises(HttpError.Timeout):
            asyncio.run(main())
    else:
        asyncio.run(main())


def test_a_task_whose_body_is_an_async_iterator_is_cancelled(no_descriptor_is_left: None) -> None:
    begun, ended = [], []

    async def stuck() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            begun.append(True)
            await asyncio.Event().wait()
            yield b"two"
        finally:
            ended.append(True)

    async def main() -> None:
        async with AsyncClient() as client:
            with Site(silent, heads_only=True) as site:
                task = asyncio.create_task(client.post_async(site.url(), stuck()))
                while not begun:
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert client.connections == 0
                await turns()
                assert ended

    asyncio.run(main())


def test_an_interrupt_is_not_swallowed(no_descriptor_is_left: None) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Client() as client, Site(silent) as site:
            with when(lambda: site.requests and waits(), interrupt), pytest.raises(KeyboardInterrupt):
                client.get(site.url())
            assert client.connections == 0
        with Client() as client, Site(head_then_silence) as site:
            stream = client.stream(Request("GET", site.url()))
            with when(waits, interrupt), pytest.raises(KeyboardInterrupt):
                stream.read_to_end(100)
            assert client.connections == 0
    finally:
        signal.signal(signal.SIGINT, before)


# Errors of the layers below


def test_nobody_there(client_form: Form, client: Any) -> None:
    with pytest.raises(HttpError.ConnectionError) as caught:
        client_form.get(client, f"http://127.0.0.1:{free_port()}/")
    assert isinstance(caught.value, ConnectionError)
    assert (caught.value.kind, caught.value.stage) == ("Refused", "connect")
    assert caught.value.__cause__ is not None
    assert client.connections == 0


def test_a_name_that_is_not(client_form: Form, client: Any) -> None:
    with pytest.raises(HttpError.DnsResolution) as caught:
        client_form.get(client, "http://nobody.invalid/", timeout=10)
    assert (caught.value.host, caught.value.stage) == ("nobody.invalid", "resolve")
    assert client.connections == 0


def test_a_certificate_of_somebody_else(client_form: Form) -> None:
    client = client_form.client(dial=DialConfig(tls=trusting(), connect_to={"c.example:443": "PORT"}))
    with Site(always(reply(b"x")), tls=True) as site:
        client = client_form.client(
            dial=DialConfig(tls=trusting(), connect_to={"c.example:443": site.endpoint})
        )
        with pytest.raises(HttpError.TlsError) as caught:
            client_form.get(client, "https://c.example/")
        assert caught.value.stage == "tls"
        assert client.connections == 0
        assert not site.requests


@pytest.mark.parametrize(
    "url",
    ["/a", "ftp://a.example/", "http:///", "http://a b/", "http://127.0.0.1:0/", "nonsense"],
)
def test_what_is_no_url(client_form: Form, client: Any, url: str) -> None:
    with pytest.raises(HttpError.InvalidUri):
        client_form.get(client, url)
    assert client.connections == 0


PHASES = ["queue", "dns", "connect", "tls", "send", "wait", "receive"]


def test_phases(client_form: Form) -> None:
    events: list[Any] = []
    client = client_form.client(dial=DialConfig(tls=trusting()), trace=events.append)
    with Site(always(reply(b"x")), tls=True) as site:
        response = client_form.get(client, site.url(host="localhost"))
        assert [name for name, _, _ in response.timing.phases()] == PHASES
        names = [event.name for event in events]
        assert names == ["dns", "connect", "tls", "connected", "request", "response", "end"]
        response = client_form.get(client, site.url(host="localhost"))
        assert [name for name, _, _ in response.timing.phases()] == ["send", "wait", "receive"]
        assert response.connection.reused
        moments = [moment for _, begin, end in response.timing.phases() for moment in (begin, end)]
        assert moments == sorted(moments)
        assert 0 <= response.timing.first_byte <= response.timing.total


def test_an_upgrade_to_a_tunnel(client_form: Form, client: Any) -> None:
    """CONNECT: the stream is the caller's, with what was read too far; the pool does not count it."""
    octets = b"HTTP/1.1 200 OK\r\n\r\nhello"

    def answer(request: Received, conn: Conn) -> None:
        assert (request.method, request.target) == ("CONNECT", site.endpoint)
        conn.send(octets)
        conn.send(conn.reader.readline())

    with Site(answer) as site:
        with client_form.stream(client, Request("CONNECT", site.url())) as response:
            assert response.status == 200
            assert client_form.call(response.read) == b""
            assert client.connections == 0
            tunnel = response.stream
            assert tunnel is not None
            assert client_form.call(tunnel.read_exactly, 5) == b"hello"
            client_form.call(tunnel.write_all, b"line\n")
            assert client_form.call(tunnel.read_exactly, 5) == b"line\n"
        # A whole response has no use for the stream, and ends it.
        response = client_form.call(client.request, Request("CONNECT", site.url()))
        assert (response.status, response.body) == (200, b"")
        until(lambda: site.open == 0)
