"""One exchange: requests and their bodies, responses and theirs, read whole or piece by piece."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.http import (
    AsyncClient,
    Client,
    ClientConfig,
    DialConfig,
    HttpError,
    ParseError,
    Request,
)
from netkit.http.bodies.codings import accept_encoding, encode
from netkit.http.connection.errors import IncompleteMessage
from tests.conftest import free_port
from tests.http.client.conftest import Form
from tests.http.client.serving import MUCH, Conn, Received, Site, always, in_turn, redirect, reply, trusting
from tests.waiting import until, waits


def echo(request: Received, conn: Conn) -> bytes:
    return reply(request.body, 200, ("X-Method", request.method), ("X-Target", request.target))


@pytest.fixture
def client(client_form: Form) -> Any:
    return client_form.client()


# Requests


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_get(client_form: Form, tls: bool) -> None:
    client = client_form.client(dial=DialConfig(tls=trusting()))
    with Site(always(reply(b"hello", 200, ("Content-Type", "text/plain"))), tls=tls) as site:
        response = client_form.get(client, site.url("/a?b#c"), {"X-Own": "1"})
        assert (response.status, response.body, response.reason) == (200, b"hello", "Said")
        assert response.headers.get_first("content-type") == "text/plain"
        assert response.body_text == "hello"
        assert str(response.url) == site.url("/a?b#c")
        assert (response.history, response.interim, len(response.trailers)) == ((), (), 0)
        assert response.connection.version == "1.1"
        assert response.connection.peer is not None
        assert response.connection.peer.port == site.port
        assert (response.connection.tls_version is not None) == tls
        assert len(response.connection.peer_chain) == (1 if tls else 0)
        (request,) = site.requests
        assert (request.method, request.target, request.version) == ("GET", "/a?b", "HTTP/1.1")
        assert request.all("host") == [site.endpoint]
        assert request.field("x-own") == "1"
        assert request.field("accept-encoding") == accept_encoding()
        assert request.field("content-length") is None
        assert request.field("transfer-encoding") is None


def test_the_short_forms(client_form: Form, client: Any) -> None:
    with Site(echo) as site:
        assert client_form.call(client.get, site.url("/1"), {"A": "b"}).body == b""
        assert client_form.call(client.head, site.url("/2")).headers.get_first("x-method") == "HEAD"
        assert client_form.call(client.post, site.url("/3"), b"x", {"A": "b"}).body == b"x"
        assert client_form.call(client.post, site.url("/4")).body == b""
        assert [each.field("content-length") for each in site.requests] == [None, None, "1", "0"]
        assert [each.field("a") for each in site.requests] == ["b", None, "b", None]


def test_a_head_has_no_body_whatever_its_fields_say(client_form: Form, client: Any) -> None:
    answers = in_turn(
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        reply(b"next"),
    )
    with Site(answers) as site:
        for _ in range(2):
            response = client_form.call(client.head, site.url())
            assert (response.status, response.body) == (200, b"")
        assert client_form.get(client, site.url()).body == b"next"
        assert site.connections == 1


class Sized:
    def __init__(self, pieces: list[bytes], length: int | None) -> None:
        self.length = length
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        yield from self._pieces


class OneWay(io.RawIOBase):
    """A file that only goes forward, as a pipe does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


def at(offset: int, data: bytes) -> io.BytesIO:
    file = io.BytesIO(data)
    file.seek(offset)
    return file


LARGE = os.urandom(300_000)


@pytest.mark.parametrize(
    ("make", "sent", "length"),
    [
        (lambda: b"octets", b"octets", 6),
        (lambda: bytearray(b"octets"), b"octets", 6),
        (lambda: memoryview(b"octets")[1:3], b"ct", 2),
        (lambda: b"", b"", 0),
        (lambda: LARGE, LARGE, len(LARGE)),
        (lambda: io.BytesIO(LARGE), LARGE, len(LARGE)),
        (lambda: at(2, b"octets"), b"tets", 4),
        (io.BytesIO, b"", 0),
        (lambda: OneWay(LARGE), LARGE, None),
        (lambda: iter([b"a", b"", b"b"]), b"ab", None),
        (lambda: (LARGE[n : n + 1000] for n in range(0, len(LARGE), 1000)), LARGE, None),
        (lambda: [b"one", b"two"], b"onetwo", None),
        (lambda: iter(()), b"", None),
        (lambda: Sized([b"one", b"two"], 6), b"onetwo", 6),
        (lambda: Sized([b"one", b"two"], None), b"onetwo", None),
    ],
)
def test_a_body_of_every_kind(
    client_form: Form, client: Any, make: Callable[[], Any], sent: bytes, length: int | None
) -> None:
    with Site(echo) as site:
        response = client_form.post(client, site.url(), make())
        assert response.body == sent
        (request,) = site.requests
        assert request.field("content-length") == (None if length is None else str(length))
        assert request.field("transfer-encoding") == ("chunked" if length is None else None)
        assert client_form.post(client, site.url(), b"again").body == b"again"
        assert site.connections == 1


def test_a_file_of_the_system(client_form: Form, client: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    with Site(echo) as site, path.open("rb") as file:
        assert client_form.post(client, site.url(), file).body == LARGE


def test_the_requests_own_body(client_form: Form, client: Any) -> None:
    with Site(echo) as site:
        request = Request("PUT", site.url(), body=b"own")
        assert client_form.call(client.request, request).body == b"own"
        with pytest.raises(HttpError.InvalidRequest, match="a body already"):
            client_form.call(client.request, request, body=b"another")


async def some() -> AsyncIterator[bytes]:
    yield b"one"
    await asyncio.sleep(0)
    yield b""
    yield b"two"


def test_an_async_iterator(client_form: Form, client: Any) -> None:
    with Site(echo) as site:
        if client_form.name == "asyncio":
            assert client_form.post(client, site.url(), some()).body == b"onetwo"
            return
        with pytest.raises(HttpError.InvalidRequest, match="async"):
            client_form.post(client, site.url(), some())
        assert site.connections == 0


def test_an_async_iterator_in_the_blocking_form_inside_of_a_loop() -> None:
    """It would never run: the loop waits for the call."""

    async def main() -> None:
        with Client() as client, pytest.raises(HttpError.InvalidRequest, match="async"):
            client.post(f"http://127.0.0.1:{free_port()}/", some())

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("text", TypeError, "encode"),
        (io.StringIO("text"), TypeError, "binary"),
        (7, TypeError, "int"),
        (["text"], TypeError, "str"),
    ],
)
def test_what_is_no_body(
    client_form: Form, client: Any, body: Any, kind: type[Exception], words: str
) -> None:
    with Site(echo) as site, pytest.raises(kind, match=words):
        client_form.post(client, site.url(), body)
    assert client.connections == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sized([b"12345"], 6), "less than the announced 6"),
        (lambda: Sized([b"12345", b"67"], 6), "more than the announced 6"),
        (lambda: Sized([], 6), "less than the announced 6"),
        (lambda: Sized([b"123456", b"7"], 6), "more than the announced 6"),
    ],
)
def test_a_body_of_another_length(
    client_form: Form, client: Any, make: Callable[[], Any], words: str
) -> None:
    with Site(echo, heads_only=True) as site:
        site.answer = lambda request, conn: conn.wait_for_end() and None
        with pytest.raises(HttpError.InvalidRequest, match=words) as caught:
            client_form.post(client, site.url(), make())
        assert caught.value.fault == "caller"
        assert client.connections == 0


def test_a_file_that_grows_meanwhile_goes_as_it_was(client_form: Form, client: Any, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 300_000)
    with path.open("rb") as file, Site(echo) as site:
        read = file.read

        class Growing:
            tell, seek = file.tell, file.seek

            def read(self, size: int = -1) -> bytes:
                with path.open("ab") as more:
                    more.write(b"y" * 1000)
                return read(size)

        assert client_form.post(client, site.url(), Growing()).body == b"x" * 300_000
        assert client_form.post(client, site.url(), b"again").body == b"again"
        assert site.connections == 1


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), TimeoutError("slow"), KeyError("x")])
def test_a_body_that_cannot_be_read(client_form: Form, client: Any, error: Exception) -> None:
    """The server waits for the rest and says nothing: the error does not wait for it."""

    def broken() -> Iterator[bytes]:
        yield b"one"
        raise error

    with Site(lambda request, conn: conn.wait_for_end() and None, heads_only=True) as site:
        begun = monotonic()
        with pytest.raises((HttpError.InvalidRequest, KeyError)) as caught:
            client_form.post(client, site.url(), broken())
        assert monotonic() - begun < 20
        if isinstance(error, OSError):
            assert caught.value.__cause__ is error
            assert "body" in str(caught.value)
        else:
            assert caught.value is error
        assert client.connections == 0
        until(lambda: site.connections == 1)


def test_a_generator_is_closed_when_no_more_of_it_is_wanted(client_form: Form, client: Any) -> None:
    ended = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(65536)
        finally:
            ended.append(True)

    def refuse(request: Received, conn: Conn) -> bytes:
        return reply(b"too much", 413, ("Connection", "close"))

    with Site(refuse, heads_only=True) as site:
        response = client_form.post(client, site.url(), endless())
        assert (response.status, response.body) == (413, b"too much")
        assert ended
        assert client.connections == 0


@pytest.mark.parametrize("kind", ["octets", "chunked"])
def test_a_refusal_while_the_body_goes(client_form: Form, client: Any, kind: str) -> None:
    """The server closes at once, with octets unread: the client sees a reset, and the answer before it."""
    body: Any = bytes(MUCH) if kind == "octets" else (bytes(65536) for _ in range(MUCH // 65536))

    def refuse(request: Received, conn: Conn) -> None:
        conn.send(reply(b"too much", 413, ("Connection", "close")))
        conn.close()

    with Site(refuse, heads_only=True) as site:
        response = client_form.post(client, site.url(), body)
        assert (response.status, response.body) == (413, b"too much")
        assert client.connections == 0


def test_an_answer_of_success_while_the_body_goes_lets_it_go_on(client_form: Form, client: Any) -> None:
    received = []

    def early(request: Received, conn: Conn) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        received.append(conn.body(request).body)
        conn.send(b"3\r\ntwo\r\n0\r\n\r\n")

    with Site(early, heads_only=True) as site:
        assert client_form.post(client, site.url(), bytes(1 << 20)).body == b"onetwo"
        assert received == [bytes(1 << 20)]


def test_a_server_that_leaves_while_the_body_goes(client_form: Form, client: Any) -> None:
    def leave(request: Received, conn: Conn) -> None:
        conn.reader.read(100_000)
        conn.reset()

    with Site(leave, heads_only=True) as site:
        with pytest.raises(HttpError.ConnectionError) as caught:
            client_form.post(client, site.url(), bytes(MUCH))
        assert caught.value.fault in ("network", "peer")
        assert "meanwhile" not in str(caught.value)  # that would be this side's doing
        assert site.connections == 1
        assert client.connections == 0


# Expect: 100-continue


def expecting(least: int = 0, **more: Any) -> ClientConfig:
    return ClientConfig(expect_continue=least, **more)


def test_a_body_waits_for_100(client_form: Form) -> None:
    order = []

    def answer(request: Received, conn: Conn) -> bytes:
        assert request.field("expect") == "100-continue"
        conn.sock.setblocking(False)
        try:
            order.append(conn.sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            order.append(b"nothing yet")
        conn.sock.setblocking(True)
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return reply(conn.body(request).body)

    client = client_form.client(expecting())
    with Site(answer, heads_only=True) as site:
        for body in (b"small", LARGE, iter([b"a", b"b"])):
            whole = b"ab" if not isinstance(body, bytes) else body
            response = client_form.post(client, site.url(), body)
            assert response.body == whole
            assert [status for status, _ in response.interim] == [100]
        assert order == [b"nothing yet"] * 3
        assert site.connections == 1


def test_a_body_that_nobody_expects(client_form: Form) -> None:
    client = client_form.client(expecting(7))
    with Site(echo) as site:
        client_form.post(client, site.url(), b"small")
        client_form.get(client, site.url())
    # RFC 9110 section 10.1.1: not without content.
    nothing = client_form.client(expecting(0))
    with Site(echo) as other:
        client_form.post(nothing, other.url(), b"")
        client_form.get(nothing, other.url())
    assert [each.field("expect") for each in site.requests + other.requests] == [None] * 4


@pytest.mark.slow
def test_silence_about_100_is_taken_for_it(client_form: Form) -> None:
    client = client_form.client(expecting())
    with Site(lambda request, conn: reply(conn.body(request).body), heads_only=True) as site:
        assert client_form.post(client, site.url(), b"x").body == b"x"


@pytest.mark.parametrize("make", [lambda: b"body", lambda: iter([b"bo", b"dy"])], ids=["octets", "iterator"])
def test_417_is_asked_again_without_the_expectation(client_form: Form, make: Callable[[], Any]) -> None:
    """RFC 9110 section 10.1.1. The body has not begun, so that one which goes once is no matter."""

    def answer(request: Received, conn: Conn) -> bytes:
        if request.field("expect"):
            return reply(b"no", 417, ("Connection", "close"))
        return reply(conn.body(request).body)

    client = client_form.client(expecting())
    with Site(answer, heads_only=True) as site:
        response = client_form.post(client, site.url(), make())
        assert (response.status, response.body) == (200, b"body")
        assert [each.field("expect") for each in site.requests] == ["100-continue", None]


def test_417_again_and_again_is_the_answer(client_form: Form) -> None:
    client = client_form.client(expecting())
    with Site(always(reply(b"no", 417, ("Connection", "close"))), heads_only=True) as site:
        assert client_form.post(client, site.url(), b"body").status == 417
        assert len(site.requests) == 2


def test_a_final_answer_instead_of_100(client_form: Form) -> None:
    """The body is never sent, and no next request takes its place on that connection."""
    client = client_form.client(expecting())
    rest = []

    def answer(request: Received, conn: Conn) -> None:
        conn.send(reply(b"no", 403))
        rest.append(conn.wait_for_end())

    with Site(answer, heads_only=True) as site:
        assert client_form.post(client, site.url(), b"body").status == 403
        until(lambda: rest)
        assert rest == [b""]
        assert client.connections == 0


# Responses


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

BODIES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    (CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello", True),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", False),
    (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello", False),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b"", True),
    (b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", b"", True),
]  # fmt: skip


@pytest.mark.parametrize("by_octet", [False, True], ids=["whole", "by octet"])
@pytest.mark.parametrize(("octets", "body", "lasts"), BODIES)
def test_how_a_body_ends(
    client_form: Form, client: Any, octets: bytes, body: bytes, lasts: bool, by_octet: bool
) -> None:
    def answer(request: Received, conn: Conn) -> None:
        conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [octets[n : n + 1] for n in range(len(octets))] if by_octet else [octets]:
            conn.send(piece)
        if not lasts:
            conn.close()

    with Site(answer) as site:
        response = client_form.get(client, site.url())
        assert response.body == body
        assert (client.connections, client.idle_connections) == ((1, 1) if lasts else (0, 0))


def test_trailers(client_form: Form, client: Any) -> None:
    octets = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n"
    )
    with Site(always(octets)) as site:
        response = client_form.get(client, site.url())
        assert list(response.trailers.fields) == [("X-Sum", "7"), ("X-Sum", "8")]
        with client_form.stream(client, site.url()) as stream:
            assert client_form.call(stream.read_to_end, 100) == b"hi"
            assert stream.trailers.get_all("x-sum") == ("7", "8")
        assert site.connections == 1


def test_interim_responses_are_kept(client_form: Form, client: Any) -> None:
    octets = (
        b"HTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + reply(b"done")
    )
    answers = in_turn(octets, redirect("/next"), octets)
    with Site(answers) as site:
        for _ in range(2):  # the second is through a redirect
            response = client_form.get(client, site.url())
            assert [status for status, _ in response.interim] == [102, 103]
            assert response.interim[1][1].get_first("link") == "</a.css>; rel=preload"
            assert response.body == b"done"
        with client_form.stream(client, site.url()) as stream:
            assert [status for status, _ in stream.interim] == [102, 103]


def test_interim_responses_stay_with_their_answer(client_form: Form, client: Any) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </%d>\r\n\r\n"
    with Site(in_turn(hints % 1 + redirect("/next"), hints % 2 + reply(b"done"))) as site:
        response = client_form.get(client, site.url())
        assert [fields.get_first("link") for _, fields in response.interim] == ["</2>"]
        assert [fields.get_first("link") for _, fields in response.history[0].interim] == ["</1>"]


def coded(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.compress(data)
    if coding == "deflate":
        return zlib.compress(data)
    if coding == "br":
        brotli = pytest.importorskip("brotli")
        return bytes(brotli.compress(data))
    if coding == "zstd":
        return encode("zstd", data)
    return data


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_codings_are_undone(client_form: Form, client: Any, coding: str) -> None:
    if coding not in accept_encoding():
        pytest.skip(f"no library for {coding}")
    data = b"hello " * 2000  # taken below in more parts than calls may be nested
    octets = coded(coding, data)
    with Site(
        always(reply(octets, 200, ("Content-Encoding", coding), ("Content-Type", "text/plain")))
    ) as site:
        response = client_form.get(client, site.url())
        assert response.body == data
        assert response.is_decoded
        assert response.body_text == data.decode()
        assert response.headers.get_first("content-encoding") == coding
        with client_form.stream(client, site.url()) as stream:
            assert b"".join(client_form.pieces(stream)) == data
        with client_form.stream(client, site.url()) as stream:
            buffer = bytearray(7)
            taken = b""
            while size := client_form.call(stream.read_into, buffer):
                taken += buffer[:size]
            assert taken == data
        assert client.idle_connections == 1

        raw = client_form.client(ClientConfig(decode=False))
        response = client_form.get(raw, site.url())
        assert (response.body, response.is_decoded) == (octets, False)
        assert site.requests[-1].field("accept-encoding") is None
        with client_form.stream(raw, site.url()) as stream:
            assert client_form.call(stream.read_to_end, 10_000) == octets


def test_a_coding_that_does_not_fit(client_form: Form, client: Any) -> None:
    with Site(always(reply(b"not gzip", 200, ("Content-Encoding", "gzip")))) as site:
        with pytest.raises(HttpError.BodyEncoding):
            client_form.get(client, site.url())
        with client_form.stream(client, site.url()) as stream, pytest.raises(HttpError.BodyEncoding):
            client_form.call(stream.read)
        assert client.connections == client.idle_connections


def test_max_body(client_form: Form) -> None:
    client = client_form.client(ClientConfig(max_body=1000))
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n%b\r\n1\r\nx\r\n0\r\n\r\n" % bytes(1000)
    )
    bomb = reply(gzip.compress(bytes(1001)), 200, ("Content-Encoding", "gzip"))
    for octets, size in ((reply(bytes(1001)), 1001), (chunked, None), (bomb, None)):
        with Site(always(octets)) as site:
            with pytest.raises(HttpError.BodyTooLarge) as caught:
                client_form.get(client, site.url())
            assert (caught.value.limit, caught.value.size) == (1000, size)
            assert client.connections == client.idle_connections
            # A stream has no limit of its own.
            with client_form.stream(client, site.url()) as stream:
                assert len(client_form.call(stream.read_to_end, 5000)) == 1001
    with Site(always(reply(bytes(1000)))) as site:
        assert client_form.get(client, site.url()).body == bytes(1000)


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", IncompleteMessage),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", IncompleteMessage),
        (b"HTTP/1.1 200 OK\r\nContent-Le", ParseError.Incomplete),
        (b"", HttpError.ConnectionError),
        (b"SSH-2.0-OpenSSH_9\r\n", ParseError),
    ],
)
def test_a_response_that_is_cut_off(
    client_form: Form, client: Any, octets: bytes, kind: type[Exception]
) -> None:
    def answer(request: Received, conn: Conn) -> None:
        conn.send(octets)
        conn.close()

    with Site(answer) as site:
        with pytest.raises(kind):
            client_form.get(client, site.url())
        assert client.connections == 0


# Streams


def test_a_stream_is_read_in_every_way(client_form: Form, client: Any) -> None:
    data = os.urandom(200_000)
    with Site(always(reply(data))) as site:
        with client_form.stream(client, site.url()) as stream:
            assert (stream.status, stream.length, stream.is_decoded) == (200, len(data), False)
            assert client.idle_connections == 0
            taken = client_form.call(stream.read, 10)
            assert taken == data[:10]
            buffer = bytearray(5)
            size = client_form.call(stream.read_into, buffer)
            assert buffer[:size] == data[10 : 10 + size]
            assert size
            assert client_form.call(stream.read_into, bytearray()) == 0  # no room is not the end
            rest = client_form.call(stream.read_to_end, len(data))
            assert taken + buffer[:size] + rest == data
            assert client_form.call(stream.read) == b""
            assert client_form.call(stream.read_into, buffer) == 0
            assert client_form.call(stream.read_to_end, 10) == b""
            assert client.idle_connections == 1
        with client_form.stream(client, site.url()) as stream:
            assert b"".join(client_form.pieces(stream)) == data
        with client_form.stream(client, site.url()) as stream:
            buffer, taken = bytearray(1 << 18), b""
            while size := client_form.call(stream.read_into, memoryview(buffer)):
                taken += buffer[:size]
            assert taken == data
        assert site.connections == 1


def test_the_limit_of_read_to_end(client_form: Form, client: Any) -> None:
    with Site(always(reply(bytes(100_000)))) as site:
        with client_form.stream(client, site.url()) as stream:
            with pytest.raises(HttpError.BodyTooLarge) as caught:
                client_form.call(stream.read_to_end, 99_999)
            assert caught.value.limit == 99_999
        assert client.connections == client.idle_connections


def test_a_server_is_held_back(client_form: Form, client: Any) -> None:
    """It sends no further than the buffers of the system go, until somebody reads."""
    sent = []

    def answer(request: Received, conn: Conn) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MUCH)
        conn.send(bytes(MUCH))
        sent.append(True)

    with Site(answer) as site:
        with client_form.stream(client, site.url()) as stream:
            client_form.call(stream.read, 10)
            (thread,) = [each for each in site._threads if each.is_alive()]  # noqa: SLF001
            until(lambda: waits_to_send(thread))
            assert not sent
            assert len(client_form.call(stream.read_to_end, MUCH)) == MUCH - 10
        until(lambda: sent)


def waits_to_send(thread: threading.Thread) -> bool:
    """Whether the thread sleeps in the system."""
    if waits(thread):
        return True
    try:
        where = Path(f"/proc/self/task/{thread.native_id}/wchan").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return "wait" in where


def test_a_stream_that_is_left_in_the_middle(client_form: Form, client: Any) -> None:
    """Much of the body is left: the connection ends. If little is there already, it is kept."""

    def much(request: Received, conn: Conn) -> None:
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MUCH)
        conn.send(bytes(MUCH))

    with Site(much) as site:
        with client_form.stream(client, site.url()) as stream:
            client_form.call(stream.read, 10)
        assert client.connections == 0
        until(lambda: site.open == 0)

    with Site(always(reply(bytes(1000)))) as site:
        with client_form.stream(client, site.url()) as stream:
            client_form.call(stream.read, 10)
        assert (client.connections, client.idle_connections) == (1, 1)
        client_form.get(client, site.url())
        assert site.connections == 1


def test_a_closed_stream_does_not_say_that_its_body_is_over(client_form: Form, client: Any) -> None:
    with Site(always(reply(bytes(1000)))) as site:
        with client_form.stream(client, site.url()) as stream:
            client_form.call(stream.read, 10)
        with pytest.raises(HttpError, match="closed"):
            client_form.call(stream.read)
        stream.close()  # once more does nothing
        with client_form.stream(client, site.url()) as stream:
            client_form.call(stream.read_to_end, 1000)
        assert client_form.call(stream.read) == b""
        assert client.connections == 1


def test_async_with_and_await() -> None:
    async def main() -> None:
        async with AsyncClient() as client:
            with Site(always(reply(bytes(70_000)))) as site:
                async with client.stream_async(Request("GET", site.url())) as stream:
                    assert sum([len(piece) async for piece in stream]) == 70_000
                stream = await client.stream_async(Request("GET", site.url()))
                async with stream:
                    assert len(await stream.read_async(10)) == 10
            assert client.connections in (0, 1)
        assert client.connections == 0

    asyncio.run(main())


def test_with_closes_the_client(client_form: Form) -> None:
    with Site(always(reply(b"x"))) as site, Client() as client:
        client.get(site.url())
        assert client.connections == 1
        client.close()
        assert client.connections == 0
        with pytest.raises(HttpError.ConnectionError, match="closed"):
            client.get(site.url())
