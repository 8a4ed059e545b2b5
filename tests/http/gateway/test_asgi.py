"""ASGI 3 applications: the scope, what is received and sent, and what is wrong with it.

Each rule is one of the ASGI specification's, or of what applications have come to expect of a server: what is
served is what the tests of other servers describe. Under asyncio and uvloop, over HTTP/1.1 and HTTP/2.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from netkit.http import Client, DialConfig, HttpVersions, Request, ServerConfig
from netkit.http.gateway import AsgiHandler, LifespanError
from netkit.http.gateway.errors import ClientGone
from netkit.io import run_async
from tests.http.gateway.served import ASYNC, Told, answers, request, rest_of, served
from tests.waiting import turns, until

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
CHUNKED = "Transfer-Encoding: chunked\r\n"


def start(status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(octets: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": octets, "more_body": more}


def handler(app: App, **options: Any) -> AsgiHandler:
    return AsgiHandler(app, **{"lifespan": "off", **options})


def sending(*messages: dict[str, Any]) -> AsgiHandler:
    """An application that sends these."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return handler(app)


async def read(receive: Any) -> bytes:
    """The whole body of a request."""
    pieces = []
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    octets = await read(receive)
    await send(start())
    await send(body(octets))


class Scopes:
    """An application that keeps its scopes."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send(start(204))
        await send(body())


# The scope


@pytest.mark.parametrize("driver", ASYNC)
def test_the_scope_of_a_request(driver: str) -> None:
    app = Scopes()
    with served(handler(app), driver) as site, site.connect() as sock:
        port = sock.getsockname()[1]
        sock.sendall(b"GET /a%20b/%C3%A9?x=%20&y HTTP/1.1\r\nHost: Site.example\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 204 ")
        server_port = site.port
    (scope,) = app.scopes
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b/é",
        "raw_path": b"/a%20b/%C3%A9",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [(b"host", b"Site.example"), (b"x-a", b"1"), (b"x-a", b"2")],
        "client": ["127.0.0.1", port],
        "server": ["127.0.0.1", server_port],
        "extensions": {
            "http.response.pathsend": {},
            "http.response.trailers": {},
            "http.response.early_hint": {},
        },
    }


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/", "/", b"/", b""),
        ("/?", "/", b"/", b""),
        ("/a?b?c", "/a", b"/a", b"b?c"),
        ("/%2F%3f", "//?", b"/%2F%3f", b""),
        ("/%ff", "/\ufffd", b"/%ff", b""),
        ("http://site.example/x?y", "/x", b"/x", b"y"),
        ("http://site.example", "/", b"/", b""),
    ],
)
def test_the_path_of_a_target(target: str, path: str, raw_path: bytes, query: bytes) -> None:
    app = Scopes()
    with served(handler(app), "asyncio") as site:
        assert site.get(target).status == 204
    (scope,) = app.scopes
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_a_root_path_comes_before_the_path() -> None:
    app = Scopes()
    with served(handler(app, root_path="/app/é/"), "asyncio") as site:
        site.get("/a%20b")
    (scope,) = app.scopes
    assert scope["root_path"] == "/app/é"
    assert scope["path"] == "/app/é/a b"
    assert scope["raw_path"] == "/app/é".encode() + b"/a%20b"


def test_an_old_client_has_its_version() -> None:
    app = Scopes()
    with served(handler(app), "asyncio") as site:
        site.talk(b"GET / HTTP/1.0\r\n\r\n")
    (scope,) = app.scopes
    assert scope["http_version"] == "1.0"
    assert scope["headers"] == []
    assert "http.response.early_hint" not in scope["extensions"]


def test_options_of_the_whole_server() -> None:
    app = Scopes()
    with served(handler(app), "asyncio") as site:
        site.get("*", method="OPTIONS")
    assert (app.scopes[0]["method"], app.scopes[0]["path"]) == ("OPTIONS", "*")


@pytest.mark.parametrize("driver", ASYNC)
def test_the_scope_over_http2(driver: str) -> None:
    app = Scopes()
    with served(handler(app), driver) as site, http2_client() as client:
        fields = [("Cookie", "a=1"), ("Cookie", "b=2"), ("X-A", "1")]
        assert client.get(f"http://127.0.0.1:{site.port}/a?b", headers=fields).status == 204
    (scope,) = app.scopes
    assert scope["http_version"] == "2"
    assert scope["headers"][0] == (b"host", b"127.0.0.1:%d" % site.port)
    assert (b"cookie", b"a=1; b=2") in scope["headers"]
    assert (b"x-a", b"1") in scope["headers"]


def http2_client() -> Client:
    """A client that speaks HTTP/2 without TLS."""
    return Client(dial=DialConfig(HttpVersions.HTTP2))


@pytest.mark.slow
def test_the_scope_over_tls() -> None:
    from netkit.tls import TlsConfig
    from netkit.tls.config import CertVerifyMode
    from netkit.tls.throwaway import ThrowawayAuthority
    from netkit.tls.throwaway.faults import Wanted

    authority = ThrowawayAuthority()
    certificate, key = authority.issue(["localhost"])
    roots = (authority.certificate,)
    tls = TlsConfig.server().with_identity([certificate], key)
    tls = tls.replace(verify_mode=CertVerifyMode.Full, root_certs=roots)
    app = Scopes()
    alice = authority.present(Wanted(("alice",), is_client=True))
    shown = TlsConfig.client().with_root_certs(roots).with_identity(alice.chain, alice.key)
    with served(handler(app), "asyncio", tls=tls) as site, Client(dial=DialConfig(tls=shown)) as client:
        assert client.get(f"https://localhost:{site.port}/").status == 204
    (scope,) = app.scopes
    assert scope["scheme"] == "https"
    assert scope["extensions"]["tls"]["tls_version"] in (0x0303, 0x0304)
    assert scope["extensions"]["tls"]["client_cert_chain"][0] == alice.chain[0].to_pem()
    assert scope["extensions"]["tls"]["client_cert_name"] == "CN=alice"


# What is received


@pytest.mark.parametrize("driver", ASYNC)
def test_a_body_is_received_as_it_comes(driver: str) -> None:
    got: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        got.append(await receive())
        while got[-1]["more_body"]:
            got.append(await receive())
        await send(start(204))
        await send(body())

    with served(handler(app), driver) as site, site.connect() as sock:
        sock.sendall(request(method="POST", fields=CHUNKED))
        sock.sendall(b"3\r\none\r\n")
        until(lambda: len(got) == 1)
        sock.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
        assert answers(rest_of(sock))[0].status == 204
    assert [message["type"] for message in got] == ["http.request"] * 3
    assert [message["body"] for message in got] == [b"one", b"two", b""]
    assert [message["more_body"] for message in got] == [True, True, False]


@pytest.mark.parametrize("driver", ASYNC)
def test_a_body_of_a_known_length_ends_with_its_last_octet(driver: str) -> None:
    got: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        got.append(await receive())
        await send(start(204))
        await send(body())

    with served(handler(app), driver) as site:
        site.get(method="POST", body=b"octets")
        site.get()
    assert got == [
        {"type": "http.request", "body": b"octets", "more_body": False},
        {"type": "http.request", "body": b"", "more_body": False},
    ]


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
def test_a_large_body_comes_whole(driver: str, size: int) -> None:
    octets = bytes(range(256)) * (size // 256 + 1)
    with served(handler(echo), driver) as site:
        assert site.get(method="POST", body=octets).body == octets


def test_100_is_sent_when_the_application_reads() -> None:
    with served(handler(echo), "asyncio") as site, site.connect() as sock:
        sock.sendall(request(method="POST", fields="Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert answers(rest_of(sock))[0].body == b"abc"


def test_100_is_not_sent_when_the_application_does_not_read() -> None:
    with served(sending(start(204), body()), "asyncio") as site, site.connect() as sock:
        sock.sendall(request(method="POST", fields="Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert rest_of(sock).startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize("driver", ASYNC)
def test_after_the_response_comes_the_disconnect(driver: str) -> None:
    got: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        waiting = asyncio.ensure_future(receive())
        await turns(10)
        assert not waiting.done()
        await send(start())
        await send(body(b"x"))
        got.append(await waiting)
        got.append(await receive())

    with served(handler(app), driver) as site:
        assert site.get().body == b"x"
        until(lambda: len(got) == 2)
    assert got == [{"type": "http.disconnect"}] * 2


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("ending", [b"", b"x" * 10], ids=["after the body", "inside the body"])
def test_a_client_that_goes_away_is_told(driver: str, ending: bytes) -> None:
    got: list[Any] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            got.append(message["body"])
        got.append(message["type"])
        try:
            await send(start())
        except OSError as error:
            got.append(type(error))

    with served(handler(app), driver) as site:
        with site.connect() as sock:
            sock.sendall(request(method="POST", fields=f"Content-Length: {3 + len(ending)}\r\n") + b"abc")
            until(lambda: got)
        until(lambda: len(got) == 3)
    assert got == [b"abc", "http.disconnect", ClientGone]


@pytest.mark.parametrize("driver", ASYNC)
def test_sending_to_a_client_that_has_gone_is_an_oserror(driver: str) -> None:
    errors: list[BaseException] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await send(start())
            while True:
                await send(body(bytes(65536), more=True))
        except OSError as error:
            errors.append(error)
            raise

    with served(handler(app), driver) as site:
        with site.connect() as sock:
            sock.sendall(request())
            assert sock.recv(10)
        until(lambda: errors)
    assert isinstance(errors[0], ClientGone)


@pytest.mark.parametrize("driver", ASYNC)
def test_a_client_that_takes_nothing_holds_the_application_back(driver: str) -> None:
    sent: list[int] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start())
        for _ in range(1024 if scope["path"] == "/" else 0):
            await send(body(bytes(65536), more=True))
            sent.append(65536)
        await send(body())

    with served(handler(app), driver) as site, site.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request())
        assert sock.recv(1)
        before = -1
        while before != len(sent):  # until the system keeps no more
            before = len(sent)
            assert site.get("/other").status == 200  # others are served meanwhile
        assert len(sent) < 1024
        assert len(rest_of(sock)) > 64 << 20


def test_too_large_a_body_is_refused_before_the_application_sees_it() -> None:
    app = Scopes()
    with served(handler(app), "asyncio", ServerConfig(max_body=5)) as site:
        assert site.get(method="POST", body=b"123456").status == 413
    assert app.scopes == []


@pytest.mark.parametrize("driver", ASYNC)
def test_a_body_that_turns_out_too_large_is_refused(driver: str) -> None:
    ended: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        ended.append(message["type"])

    told = Told()
    with served(handler(app), driver, ServerConfig(max_body=5), watcher=told) as site:
        chunks = b"3\r\n123\r\n3\r\n456\r\n0\r\n\r\n"
        assert site.get(method="POST", fields=CHUNKED, body=chunks).status == 413
        until(lambda: ended)


def test_a_body_that_is_not_http_is_refused() -> None:
    with served(handler(echo), "asyncio") as site:
        assert site.get(method="POST", fields=CHUNKED, body=b"zz\r\n").status == 400


# What is sent


@pytest.mark.parametrize("driver", ASYNC)
def test_a_response_without_a_length_is_chunked(driver: str) -> None:
    app = sending(start(), body(b"one", True), body(b"", True), body(b"two", True), body(b""))
    with served(app, driver) as site:
        octets = site.talk(request())
        assert b"\r\nTransfer-Encoding: chunked\r\n" in octets
        assert octets.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        old = site.get(version="1.0")
        assert (old.body, "transfer-encoding" in old.fields) == (b"onetwo", False)
        head = site.get(method="HEAD")
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("driver", ASYNC)
def test_a_response_of_one_piece_has_a_length(driver: str) -> None:
    with served(sending(start(), body(b"one")), driver) as site:
        assert site.get().fields["content-length"] == "3"
    with served(sending(start(), body()), driver) as site:
        assert site.get().fields["content-length"] == "0"


def test_a_length_that_is_announced_counts() -> None:
    app = sending(start(200, (b"Content-Length", b"6")), body(b"one", True), body(b"two"))
    with served(app, "asyncio") as site:
        answer = site.get()
        assert (answer.body, answer.fields["content-length"]) == (b"onetwo", "6")
        head = site.get(method="HEAD")
        assert (head.body, head.fields["content-length"]) == (b"", "6")


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_that_leaves_with_the_last_octet_has_the_response(driver: str, version: str) -> None:
    """The application says the end in a message of its own, and the client knows it from the length."""
    states: list[str] = []
    gone: list[asyncio.Event] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        gone.append(asyncio.Event())
        await send(start(200, (b"Content-Length", b"3")))
        await send(body(b"one", True))
        await gone[-1].wait()
        states.append("sending")
        await send(body(b"", True))
        await send(body())
        states.append("sent")

    told = Told()
    with served(handler(app), driver, watcher=told) as site:
        dial = DialConfig(HttpVersions.HTTP2 if version == "2" else HttpVersions.HTTP11)
        with Client(dial=dial) as client:
            assert client.get(f"http://127.0.0.1:{site.port}/").body == b"one"
        until(lambda: site.counts["active"] == 0)
        gone[0].set()
        site.get("/")  # a turn of the loop
        gone[1].set()
        site.get("/")
        until(lambda: states.count("sent") >= 2)
        gone[2].set()
    assert told.errors == [None] * 3


def test_more_than_the_length_after_its_last_octet_is_an_error() -> None:
    errors: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start(200, (b"Content-Length", b"3")))
        await send(body(b"one", True))
        try:
            await send(body(b"more"))
        except RuntimeError as error:
            errors.append(str(error))

    with served(handler(app), "asyncio") as site:
        assert site.get().body == b"one"
        until(lambda: errors)
    assert "the octets of the Content-Length have been sent" in errors[0]


def test_what_frames_a_response_is_for_the_server() -> None:
    fields = [(b"Transfer-Encoding", b"chunked"), (b"Keep-Alive", b"x"), (b"X-A", b"1"), (b"Date", b"now")]
    with served(sending(start(200, *fields), body(b"one")), "asyncio") as site:
        answer = site.get()
        assert (answer.body, answer.fields["x-a"], answer.fields["date"]) == (b"one", "1", "now")
        assert "transfer-encoding" not in answer.fields
        assert "keep-alive" not in answer.fields


def test_an_application_may_close_the_connection() -> None:
    app = sending(start(200, (b"connection", b"close")), body(b"one"))
    with served(app, "asyncio") as site:
        octets = site.talk(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in octets


def test_pipelined_requests_are_answered_in_order() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/1":
            await turns(20)
        await echo_path(scope, receive, send)

    async def echo_path(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start())
        await send(body(scope["raw_path"]))

    with served(handler(app), "asyncio") as site:
        asked = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in (1, 2))
        found = answers(site.talk(asked + request("/3")), ["GET"] * 3)
    assert [answer.body for answer in found] == [b"/1", b"/2", b"/3"]


def test_an_upgrade_that_nobody_offers_is_answered_as_a_request() -> None:
    fields = "Connection: Upgrade, close\r\nUpgrade: chat\r\n"
    app = Scopes()
    with served(handler(app), "asyncio") as site:
        assert site.get(fields=fields).status == 204
    assert app.scopes[0]["type"] == "http"


@pytest.mark.parametrize("driver", ASYNC)
def test_the_head_goes_out_while_the_body_lets_wait(driver: str) -> None:
    gate = asyncio.Event()
    loops = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await turns()
        await send(start(200, (b"X-Early", b"1")))
        await gate.wait()
        await send(body(b"late"))

    with served(handler(app), driver) as site, site.connect() as sock:
        sock.sendall(request())
        head = sock.recv(65536)
        assert b"X-Early: 1\r\n" in head
        assert head.endswith(b"\r\n\r\n")
        loops[0].call_soon_threadsafe(gate.set)
        assert rest_of(sock) == b"4\r\nlate\r\n0\r\n\r\n"


@pytest.mark.parametrize("driver", ASYNC)
def test_two_tasks_may_send_at_a_time(driver: str) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start())
        await asyncio.gather(*(send(body(bytes([number]) * 400_000, True)) for number in range(8)))
        await send(body())

    with served(handler(app), driver) as site:
        octets = site.get().body
    assert len(octets) == 3_200_000
    assert [octets[at] for at in range(0, len(octets), 400_000)] == list(range(8))
    assert octets == b"".join(bytes([number]) * 400_000 for number in range(8))


# What is wrong


WRONG: list[tuple[str, list[dict[str, Any]], type[Exception]]] = [
    ("no start", [body(b"x")], RuntimeError),
    ("two starts", [start(), start()], RuntimeError),
    ("after the end", [start(204), body(), body()], RuntimeError),
    ("an unknown message", [{"type": "http.response.nothing"}], RuntimeError),
    ("trailers not announced", [start(), {"type": "http.response.trailers", "headers": []}], RuntimeError),
    ("too long", [start(200, (b"content-length", b"2")), body(b"xxx")], RuntimeError),
    ("too short", [start(200, (b"content-length", b"2")), body(b"x")], RuntimeError),
    ("no number", [start(200, (b"content-length", b"two"))], ValueError),
    ("two lengths", [start(200, (b"content-length", b"2"), (b"content-length", b"3"))], ValueError),
    ("1xx", [start(103)], ValueError),
    ("no status", [{"type": "http.response.start"}], KeyError),
    ("a status that is text", [start("200")], TypeError),  # type: ignore[arg-type]
    ("text for a header", [start(200, ("a", "b"))], TypeError),  # type: ignore[arg-type]
    ("a line in a header", [start(200, (b"a", b"b\r\nc: d"))], ValueError),
    ("a name that is none", [start(200, (b"a b", b"c"))], ValueError),
    ("text for a body", [start(), body("text")], TypeError),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(
    ("messages", "expected"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG]
)
def test_a_wrong_message_is_an_error_of_the_application(
    messages: list[dict[str, Any]], expected: type[Exception]
) -> None:
    raised: list[Exception] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send(message)
        except Exception as error:
            raised.append(error)
            raise

    told = Told()
    with served(handler(app), "asyncio", watcher=told) as site:
        octets = site.talk(request())
    assert len(raised) == 1
    assert isinstance(raised[0], expected)
    assert told.errors == raised
    if len(messages) == 3:
        assert octets.startswith(b"HTTP/1.1 204 ")
    else:
        assert octets.startswith(b"HTTP/1.1 500 ")
        assert b"text" not in octets.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "without a response"),
        ([start()], "without a response"),
        ([start(), body(b"x", True)], "before its response was complete"),
    ],
)
def test_an_application_that_returns_too_early(
    driver: str, messages: list[dict[str, Any]], words: str
) -> None:
    told = Told()
    with served(sending(*messages), driver, watcher=told) as site:
        octets = site.talk(request())
    assert words in str(told.errors[0])
    if len(messages) < 2:
        assert octets.startswith(b"HTTP/1.1 500 ")
    else:
        assert octets.endswith(b"\r\n\r\n1\r\nx\r\n")


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("turn", [0, 5])
def test_an_exception_before_the_response_is_500(driver: str, turn: int) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await turns(turn)
        raise KeyError("secret")

    told = Told()
    with served(handler(app), driver, watcher=told) as site:
        answer = site.get()
        assert (answer.status, b"secret" in answer.body) == (500, False)
    assert [type(error) for error in told.errors] == [KeyError]


@pytest.mark.parametrize("driver", ASYNC)
def test_an_exception_inside_the_response_breaks_it_off(driver: str) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start())
        await send(body(b"some", True))
        raise KeyError("secret")

    with served(handler(app), driver) as site:
        octets = site.talk(request())
        assert octets.endswith(b"\r\n\r\n4\r\nsome\r\n")


def test_an_exception_after_the_response_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start(204))
        await send(body())
        await turns()
        raise KeyError("after")

    with caplog.at_level(logging.WARNING), served(handler(app), "asyncio") as site:
        assert site.get("/path").status == 204
        until(lambda: caplog.records)
    assert caplog.records[0].getMessage() == "GET /path: the application failed"
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("turn", [0, 5])
def test_an_application_that_ends_itself_does_not_end_the_server(
    driver: str, error: type[BaseException], turn: int
) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await turns(turn)
        raise error

    with served(handler(app), driver) as site:
        assert site.get().status == 500
        assert site.get().status == 500


# After the response


@pytest.mark.parametrize("driver", ASYNC)
def test_the_connection_goes_on_while_the_application_still_works(driver: str) -> None:
    done: list[str] = []
    gate: list[asyncio.Event] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start())
        await send(body(scope["raw_path"]))
        if scope["path"] == "/first":
            gate.append(asyncio.Event())
            await gate[0].wait()
        else:
            gate[0].set()
        done.append(scope["path"])

    app_handler = handler(app)
    with served(app_handler, driver) as site:
        found = answers(
            site.talk(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n" + request("/second")), ["GET", "GET"]
        )
        assert [answer.body for answer in found] == [b"/first", b"/second"]
        until(lambda: app_handler.background == 0)
    assert done == ["/second", "/first"]


def test_a_server_that_ends_waits_for_what_the_application_still_does() -> None:
    done: list[bool] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send(start(204))
        await send(body())
        for _ in range(20):
            await asyncio.sleep(0)
        done.append(True)

    with served(handler(app), "asyncio") as site:
        assert site.get().status == 204
    assert done == [True]


def test_a_server_in_a_hurry_cancels_what_the_application_still_does() -> None:
    events: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            events.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send(start())
        await send(body(b"x"))
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")

    app_handler = AsgiHandler(app)
    with served(app_handler, "asyncio") as site:
        assert site.get().body == b"x"
        assert app_handler.started.is_set
        app_handler.hurry()
    assert events == ["cancelled", "shutdown"]


@pytest.mark.parametrize("driver", ASYNC)
def test_a_server_that_is_cut_off_ends_with_its_applications(
    driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netkit.http.gateway import asgi

    monkeypatch.setattr(asgi, "BACKGROUND_TIMEOUT", 0.0)
    states: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        states.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            states.append("cancelled")

    with served(handler(app), driver) as site, site.connect() as sock:
        sock.sendall(request())
        until(lambda: states)
        site.stop.cut()
        assert rest_of(sock) == b""
        until(lambda: states == ["begun", "cancelled"])


# Extensions


@pytest.mark.parametrize("driver", ASYNC)
def test_trailers_follow_the_body(driver: str) -> None:
    app = sending(
        start(trailers=True),
        body(b"x", True),
        body(b"y"),
        {"type": "http.response.trailers", "headers": [(b"a", b"1")], "more_trailers": True},
        {"type": "http.response.trailers", "headers": [(b"b", b"2")]},
    )
    with served(app, driver) as site:
        octets = site.talk(request())
        assert octets.endswith(b"1\r\nx\r\n1\r\ny\r\n0\r\na: 1\r\nb: 2\r\n\r\n")


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("length", [None, b"3000000"])
def test_a_path_is_sent(driver: str, length: bytes | None, tmp_path: Path) -> None:
    octets = bytes(range(250)) * 12_000
    (tmp_path / "file").write_bytes(octets)
    fields = [(b"content-length", length)] if length is not None else []
    app = sending(start(200, *fields), {"type": "http.response.pathsend", "path": str(tmp_path / "file")})
    with served(app, driver) as site:
        answer = site.get()
        assert (answer.body == octets, answer.fields["content-length"]) == (True, "3000000")
        assert site.get(method="HEAD").fields["content-length"] == "3000000"


def test_a_path_that_is_not_there_is_the_applications_error(tmp_path: Path) -> None:
    told = Told()
    app = sending(start(), {"type": "http.response.pathsend", "path": str(tmp_path / "file")})
    with served(app, "asyncio", watcher=told) as site:
        assert site.get().status == 500
    assert [type(error) for error in told.errors] == [FileNotFoundError]


@pytest.mark.parametrize("driver", ASYNC)
def test_hints_come_before_the_response(driver: str) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]}
    with served(sending(hint, start(204), body()), driver) as site:
        octets = site.talk(request())
        assert octets.startswith(
            b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>\r\n\r\nHTTP/1.1 204 "
        )


# HTTP/2


@pytest.mark.parametrize("driver", ASYNC)
def test_bodies_both_ways_over_http2(driver: str) -> None:
    octets = bytes(range(256)) * 8000
    with served(handler(echo), driver) as site, http2_client() as client:
        for _ in range(3):
            response = client.post(f"http://127.0.0.1:{site.port}/", body=octets)
            assert response.body == octets
            assert response.connection.version == "2"


@pytest.mark.parametrize("driver", ASYNC)
def test_a_stream_that_is_given_up_is_a_client_that_has_gone(driver: str) -> None:
    got: list[Any] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        await send(body(b"first", True))
        got.append((await receive())["type"])
        try:
            await send(body(b"second"))
        except OSError as error:
            got.append(type(error))

    with served(handler(app), driver) as site, http2_client() as client:
        with client.stream(Request("GET", f"http://127.0.0.1:{site.port}/")) as response:
            assert next(iter(response)) == b"first"
        until(lambda: len(got) == 2)
    assert got == ["http.disconnect", ClientGone]


# The lifespan


def lifespan_app(*answering: Any, then: App = echo) -> tuple[App, list[str]]:
    """An application that answers the messages of the lifespan with these (an exception is raised)."""
    said: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await then(scope, receive, send)
            return
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        for each in answering:
            said.append((await receive())["type"])
            if isinstance(each, Exception):
                raise each
            await send(each if isinstance(each, dict) else {"type": each})

    return app, said


COMPLETE = ("lifespan.startup.complete", "lifespan.shutdown.complete")


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_an_application_is_told_of_beginning_and_end(driver: str, mode: str) -> None:
    app, said = lifespan_app(*COMPLETE)
    with served(AsgiHandler(app, lifespan=mode), driver) as site:
        assert site.get(method="POST", body=b"x").body == b"x"
        assert said == ["lifespan.startup"]
    assert said == ["lifespan.startup", "lifespan.shutdown"]


def test_the_lifespan_is_not_told_where_it_is_off() -> None:
    app, said = lifespan_app(*COMPLETE)
    with served(AsgiHandler(app, lifespan="off"), "asyncio") as site:
        assert site.get(method="POST", body=b"x").body == b"x"
    assert said == []


@pytest.mark.parametrize("failing", [KeyError("what"), None], ids=["raises", "returns"])
def test_an_application_need_not_know_the_lifespan(failing: Exception | None) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await echo(scope, receive, send)
        elif failing is not None:
            raise failing

    with served(AsgiHandler(app), "asyncio") as site:
        assert site.get(method="POST", body=b"x").body == b"x"
    words = "it returned at once" if failing is None else "KeyError: 'what'"
    with (
        pytest.raises(LifespanError, match=words),
        served(AsgiHandler(app, lifespan="on"), "asyncio") as site,
    ):
        until(site.refuses)


@pytest.mark.parametrize("driver", ASYNC)
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_startup_that_fails_keeps_the_server_from_starting(driver: str, mode: str) -> None:
    app, _ = lifespan_app({"type": "lifespan.startup.failed", "message": "no database"})
    with (
        pytest.raises(LifespanError, match="the application's startup failed: no database"),
        served(AsgiHandler(app, lifespan=mode), driver) as site,
    ):
        until(site.refuses)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"type": "lifespan.shutdown.failed", "message": "not saved"}, "not saved"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_a_shutdown_that_fails_is_said(answer: Any, words: str) -> None:
    app, _ = lifespan_app(COMPLETE[0], answer)
    with (
        pytest.raises(LifespanError, match=f"the application's shutdown failed: {words}"),
        served(AsgiHandler(app), "asyncio") as site,
    ):
        assert site.get(method="POST", body=b"x").body == b"x"


def test_a_shutdown_that_takes_too_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from netkit.http.gateway import lifespan

    monkeypatch.setattr(lifespan, "SHUTDOWN_TIMEOUT", 0.0)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": COMPLETE[0]})
        await receive()
        await asyncio.Event().wait()

    with pytest.raises(LifespanError, match="more than 0 seconds"), served(AsgiHandler(app), "asyncio"):
        pass


def test_a_lifespan_that_is_cancelled_may_say_that_its_shutdown_failed() -> None:
    """As Starlette's does. Python would show what is raised then, a page of it after each Ctrl-C."""
    from netkit.http.gateway.lifespan import Lifespan

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": COMPLETE[0]})
        try:
            await receive()
        except asyncio.CancelledError:
            await send({"type": "lifespan.shutdown.failed", "message": "Traceback"})
            raise

    async def main() -> list[asyncio.Task[Any]]:
        lifespan = Lifespan(app, asyncio.get_running_loop())
        await run_async(lifespan.startup_flow(required=True))
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return list(tasks)

    (task,) = asyncio.run(main())
    assert task.cancelled()


def test_a_wrong_message_of_the_lifespan_is_an_error() -> None:
    app, _ = lifespan_app("lifespan.shutdown.complete")
    with (
        pytest.raises(LifespanError, match="was sent during the startup"),
        served(AsgiHandler(app, lifespan="on"), "asyncio") as site,
    ):
        until(site.refuses)


def test_each_request_gets_a_copy_of_the_state() -> None:
    states: list[Any] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"].update(shared=[], number=0)
            await send({"type": COMPLETE[0]})
            await receive()
            states.append(scope["state"])
            await send({"type": COMPLETE[1]})
            return
        scope["state"]["number"] += 1
        scope["state"]["shared"].append(scope["path"])
        await send(start(204))
        await send(body())

    with served(AsgiHandler(app), "asyncio") as site:
        site.get("/1")
        site.get("/2")
    assert states == [{"shared": ["/1", "/2"], "number": 0}]


def test_an_application_of_asgi_needs_an_event_loop() -> None:
    with (
        pytest.raises(RuntimeError, match=r"an ASGI application needs an event loop.*run_async"),
        served(handler(echo), "blocking") as site,
    ):
        until(site.refuses)
