"""Exchanges over HTTP/2: bodies both ways, many requests over one connection, and streams that are left."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from netkit.http import (
    AsyncClient,
    ClientConfig,
    DialConfig,
    HttpError,
    HttpVersions,
    PoolConfig,
    Request,
)
from netkit.io import CancellationError, CancellationToken
from tests.http.client.conftest import Form
from tests.http.client.serving import PATIENCE, Conn, Received, Site, always, redirect, reply, trusting
from tests.waiting import until

LARGE = os.urandom(1_200_000)  # more than the window of a stream


def echo(request: Received, conn: Conn) -> bytes:
    return reply(request.body, 200, ("X-Method", request.method))


@pytest.fixture(params=["tls", "clear"])
def site(request: pytest.FixtureRequest, client_form: Form) -> Iterator[Site]:
    with Site(echo, http2=True, clear=request.param == "clear") as site:
        yield site


def connecting(form: Form, **more: Any) -> Any:
    return form.client(ClientConfig(**more), dial=DialConfig(HttpVersions.HTTP2, trusting()))


def test_a_request(client_form: Form, site: Site) -> None:
    client = connecting(client_form)
    for n in range(3):
        response = client_form.get(
            client, site.url(f"/{n}?q"), {"X-Own": "1", "Connection": "x", "Host": "h.example"}
        )
        assert (response.status, response.body, response.reason) == (200, b"", "")
        assert response.connection.reused is (n > 0)
    request = site.requests[-1]
    assert (request.method, request.target) == ("GET", "/2?q")
    assert request.all("host") == ["h.example"]
    assert request.field("x-own") == "1"
    assert request.field("connection") is None
    assert (site.connections, client.connections, client.idle_connections) == (1, 1, 1)
    assert client_form.call(client.head, site.url()).headers.get_first("x-method") == "HEAD"


@pytest.mark.parametrize(
    "make",
    [
        lambda: LARGE,
        lambda: io.BytesIO(LARGE),
        lambda: (LARGE[n : n + 9999] for n in range(0, len(LARGE), 9999)),
    ],
    ids=["octets", "file", "generator"],
)
def test_large_bodies_both_ways(client_form: Form, site: Site, make: Callable[[], Any]) -> None:
    client = connecting(client_form)
    for _ in range(2):
        assert client_form.post(client, site.url(), make()).body == LARGE
        until(lambda: client.idle_connections == 1)
    assert site.connections == 1


def test_an_async_iterator(client_form: Form, site: Site) -> None:
    async def some() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        yield b"two"

    client = connecting(client_form)
    if client_form.name == "asyncio":
        assert client_form.post(client, site.url(), some()).body == b"onetwo"
    else:
        with pytest.raises(HttpError.InvalidRequest, match="async"):
            client_form.post(client, site.url(), some())


def test_a_body_that_fails_ends_its_stream_alone(client_form: Form, site: Site) -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise OSError(5, "Input/output error")

    client = connecting(client_form)
    client_form.get(client, site.url())
    with pytest.raises(HttpError.InvalidRequest, match="body"):
        client_form.post(client, site.url(), broken())
    assert client_form.get(client, site.url()).status == 200
    assert site.connections == 1


def test_interim_responses_and_codings(client_form: Form, site: Site) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    site.answer = always(hints + reply(gzip.compress(b"hello"), 200, ("Content-Encoding", "gzip")))
    response = client_form.get(connecting(client_form), site.url())
    assert response.body == b"hello"
    assert [(status, fields.get_first("link")) for status, fields in response.interim] == [(103, "</a>")]


def test_streams(client_form: Form, site: Site) -> None:
    client = connecting(client_form)
    site.answer = always(reply(LARGE))
    with client_form.stream(client, site.url()) as stream:
        assert b"".join(client_form.pieces(stream)) == LARGE
    with client_form.stream(client, site.url()) as stream:  # left in the middle: the connection stays
        assert client_form.call(stream.read, 10) == LARGE[:10]
    with client_form.stream(client, site.url()) as stream:
        buffer, taken = bytearray(100_000), b""
        while size := client_form.call(stream.read_into, buffer):
            taken += buffer[:size]
        assert taken == LARGE
    assert (site.connections, client.connections) == (1, 1)
    until(lambda: client.idle_connections == 1)


def test_many_at_once_share_a_connection(client_form: Form, site: Site) -> None:
    client = connecting(client_form)
    requests = [Request("GET", site.url(f"/{n}")) for n in range(30)]
    futures = [client_form.start(client.request, request) for request in requests]
    for future in futures:
        assert future.result(PATIENCE).status == 200
    assert site.connections == 1
    assert sorted(int(each.target[1:]) for each in site.requests) == list(range(30))


@pytest.mark.slow
def test_two_origins_and_one_connection(client_form: Form, site: Site) -> None:
    """Those who wait for another origin get their turn, and then share what is made for the first of them."""
    client = connecting(client_form, pool_config=PoolConfig(max_connections=1))
    with Site(echo, http2=True, clear=site.scheme == "http") as other:
        for _ in range(4):
            futures = [
                client_form.start(client.request, Request("GET", each.url(f"/{n}")))
                for n in range(5)
                for each in (site, other)
            ]
            for future in futures:
                assert future.result(PATIENCE).status == 200
        assert client.connections == 1
        assert len(site.requests) == len(other.requests) == 20


def test_cancelled_in_the_middle(client_form: Form, site: Site) -> None:
    """One stream ends, the connection stays for the others."""
    client = connecting(client_form)
    site.answer = always(reply(LARGE))
    token = CancellationToken()
    with client_form.stream(client, site.url(), cancel=token) as stream:
        client_form.call(stream.read, 10)
        token.cancel()
        with pytest.raises(CancellationError):
            client_form.call(stream.read_to_end, len(LARGE), cancel=token)
    assert client_form.get(client, site.url()).body == LARGE
    assert site.connections == 1


def test_a_cancelled_task_hands_the_pump_on() -> None:
    """Of two that wait for one connection, the one that receives for both leaves."""

    async def main() -> None:
        async with AsyncClient(dial=DialConfig(HttpVersions.HTTP2, trusting())) as client:
            await client.get_async(served.url())
            for leaves in (0, 1):
                left = threading.Event()

                def answer(_: object, __: object, left: threading.Event = left) -> bytes:
                    assert left.wait(PATIENCE)  # neither has its answer before one has left
                    return reply(LARGE * 8)

                served.answer = answer
                tasks = [asyncio.create_task(client.get_async(served.url())) for _ in range(2)]
                for _ in range(5):
                    await asyncio.sleep(0)
                tasks[leaves].cancel()
                left.set()
                done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
                assert isinstance(done[leaves], asyncio.CancelledError)
                assert done[1 - leaves].body == LARGE * 8  # type: ignore[union-attr]
            assert served.connections == 1

    with Site(echo, http2=True) as served:
        asyncio.run(main())


def test_redirects_and_max_body(client_form: Form, site: Site) -> None:
    client = connecting(client_form, max_body=10)
    site.answer = always(redirect("/again"))
    with pytest.raises(HttpError.InvalidResponse, match="redirects"):
        client_form.get(client, site.url())
    site.answer = always(reply(LARGE))
    with pytest.raises(HttpError.BodyTooLarge):
        client_form.get(client, site.url())
    site.answer = echo
    assert client_form.post(client, site.url(), b"x").body == b"x"
    assert site.connections == 1


def test_upgrade_is_not_of_http2(client_form: Form, site: Site) -> None:
    client = connecting(client_form)
    with pytest.raises(HttpError.InvalidRequest, match="Upgrade"):
        client_form.get(client, site.url(), {"Upgrade": "chat"})
    assert client_form.get(client, site.url()).status == 200
    assert site.connections == 1


def test_a_connection_that_was_closed_while_idle(client_form: Form) -> None:
    client = connecting(client_form)
    with Site(echo, http2=True) as site:
        client_form.get(client, site.url())
        for conn in list(site._conns):  # noqa: SLF001
            conn.sock.shutdown(2)
        until(lambda: site.open == 0)
        assert client_form.post(client, site.url(), b"x").body == b"x"
        assert site.connections == 2
