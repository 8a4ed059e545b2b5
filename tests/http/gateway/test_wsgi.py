"""WSGI applications: the environment, how a response is made, and what is wrong with it (PEP 3333).

`wsgiref.validate` stands between the server and the application where nothing is wrong on purpose: it checks
both sides. Under the blocking driver, asyncio and uvloop.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest

from netkit.addr import SocketAddr
from netkit.http import Client, DialConfig, HttpVersions, ServerConfig
from netkit.http.connection.events import RequestHead
from netkit.http.gateway import WsgiHandler
from netkit.http.gateway.environ import request_environ
from netkit.http.gateway.wsgi import ErrorLog
from netkit.http.server.request import ConnectionFacts
from tests.http.gateway.served import DRIVERS, Gate, Told, answers, request, rest_of, served
from tests.waiting import until

CHUNKED = "Transfer-Encoding: chunked\r\n"

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def checked(app: App) -> WsgiHandler:
    """The application, with Python's own checks of both sides."""
    return WsgiHandler(validator(app))  # type: ignore[arg-type]


def responding(
    body: Iterable[bytes], status: str = "200 OK", headers: tuple[tuple[str, str], ...] = ()
) -> App:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return body

    return app


class Environs:
    """An application that keeps its environments."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environs.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]


# The environment


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_environment_of_a_request(driver: str) -> None:
    app = Environs()
    with served(checked(app), driver) as site, site.connect() as sock:
        port = sock.getsockname()[1]
        fields = (
            "X-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nX_B: no\r\nProxy: no\r\nContent-Type: a/b\r\n"
        )
        sock.sendall(request("/a%20b/%C3%A9?x=%20", method="POST", fields=fields, body=b"abc"))
        assert answers(rest_of(sock))[0].body == b"ok"
        server_port = site.port
    (environ,) = app.environs
    texts = {key: value for key, value in environ.items() if type(value) is str}
    assert texts == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa9",
        "QUERY_STRING": "x=%20",
        "REQUEST_URI": "/a%20b/%C3%A9?x=%20",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(server_port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": texts["SERVER_SOFTWARE"],
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REMOTE_PORT": str(port),
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "site.example",
        "HTTP_CONNECTION": "close",
        "HTTP_X_A": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.url_scheme": "http",
    }
    assert texts["SERVER_SOFTWARE"].startswith("netkit/")
    others = {key: environ[key] for key in environ if key not in texts and key.startswith("wsgi.")}
    assert others["wsgi.version"] == (1, 0)
    assert (others["wsgi.multithread"], others["wsgi.multiprocess"], others["wsgi.run_once"]) == (
        True,
        False,
        False,
    )
    assert others["wsgi.input_terminated"] is True


FACTS = ConnectionFacts(1, SocketAddr.parse("192.0.2.1:5"), SocketAddr.parse("[2001:db8::1]:80"), None)


def environ_of(
    target: bytes, authority: bytes = b"a.example", facts: ConnectionFacts = FACTS, **more: Any
) -> dict[str, Any]:
    head = RequestHead(b"GET", target, authority, b"http", more.pop("fields", ()))
    return request_environ(head, more.pop("version", (1, 1)), facts, io.BytesIO(), io.StringIO(), **more)


@pytest.mark.parametrize(
    ("target", "script_name", "split"),
    [
        (b"/app/x", "/app", ("/app", "/x")),
        (b"/app", "/app", ("/app", "")),
        (b"/application", "/app", ("", "/application")),
        (b"/other", "/app", ("", "/other")),
        (b"http://a.example/app/x?q", "/app", ("/app", "/x")),
        (b"*", "", ("", "*")),
        (b"/%ff", "", ("", "/\xff")),
    ],
)
def test_where_an_application_is_mounted(target: bytes, script_name: str, split: tuple[str, str]) -> None:
    environ = environ_of(target, script_name=script_name)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == split


@pytest.mark.parametrize(
    ("authority", "server"),
    [
        (b"a.example:8080", ("a.example", "8080")),
        (b"a.example", ("a.example", "80")),
        (b"[2001:db8::1]", ("[2001:db8::1]", "80")),
        (b"", ("localhost", "80")),
    ],
)
def test_over_a_unix_socket_the_server_is_who_was_asked(authority: bytes, server: tuple[str, str]) -> None:
    environ = environ_of(b"/", authority, ConnectionFacts(1, "", "/run/socket", None))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == server
    assert environ["REMOTE_ADDR"] == ""
    assert "REMOTE_PORT" not in environ


def test_the_server_of_ipv6_and_the_versions() -> None:
    assert environ_of(b"/")["SERVER_NAME"] == "2001:db8::1"
    assert environ_of(b"/", version=(1, 0))["SERVER_PROTOCOL"] == "HTTP/1.0"
    crumbs = [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    environ = environ_of(b"/", version=(2, 0), fields=crumbs)
    assert (environ["SERVER_PROTOCOL"], environ["HTTP_COOKIE"]) == ("HTTP/2", "a=1; b=2")


# The request's body


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_is_a_file(driver: str, chunked: bool) -> None:
    lines = b"one\ntwo\nthree\nfour\nlast"

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        parts: list[object] = [body.read(2), body.readline(), body.readline(2), body.readlines(3)]
        parts += list(body)
        parts += [body.read(1), body.readline(), body.readlines()]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr(parts).encode()]

    expected = [b"on", b"e\n", b"tw", [b"o\n", b"three\n"], b"four\n", b"last", b"", b"", []]
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(lines), lines) if chunked else lines
    with served(checked(app), driver) as site:
        answer = site.get(method="POST", fields=CHUNKED if chunked else "", body=body)
    assert answer.body == repr(expected).encode()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_a_large_body_both_ways(driver: str, size: int) -> None:
    octets = bytes(range(256)) * (size // 256)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter(lambda: environ["wsgi.input"].read(60_000), b"")

    with served(checked(app), driver) as site:
        assert site.get(method="POST", body=octets).body == octets


def test_100_is_sent_when_the_application_reads() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(3)]

    with served(checked(app)) as site, site.connect() as sock:
        sock.sendall(request(method="POST", fields="Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert answers(rest_of(sock))[0].body == b"abc"


def test_too_large_a_body_is_refused() -> None:
    app = Environs()
    reading = WsgiHandler(lambda environ, start_response: [environ["wsgi.input"].read()])
    with served(WsgiHandler(app), config=ServerConfig(max_body=5)) as site:
        assert site.get(method="POST", body=b"123456").status == 413
    assert app.environs == []
    with served(reading, config=ServerConfig(max_body=5)) as site:
        chunks = b"3\r\n123\r\n3\r\n456\r\n0\r\n\r\n"
        assert site.get(method="POST", fields=CHUNKED, body=chunks).status == 413


def test_a_framework_that_makes_500_of_every_error_does_not_hide_that_of_the_body() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = "200 OK"
        try:
            environ["wsgi.input"].read()
        except Exception:
            status = "500 Internal Server Error"
        start_response(status, [("Content-Type", "text/plain")])
        return [b""]

    chunks = b"3\r\n123\r\n%s\r\n456\r\n0\r\n\r\n"
    for second, status in ((b"3", 413), (b"x", 400)):
        with served(WsgiHandler(app), config=ServerConfig(max_body=5)) as site:
            assert site.get(method="POST", fields=CHUNKED, body=chunks % second).status == status


# The response


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_response_from_a_list_has_a_length(driver: str) -> None:
    with served(WsgiHandler(responding([b"one", b"", b"two"])), driver) as site:
        answer = site.get()
        assert (answer.body, answer.fields["content-length"]) == (b"onetwo", "6")
        assert site.get(version="1.0").body == b"onetwo"
    with served(WsgiHandler(responding([])), driver) as site:
        assert site.get().fields["content-length"] == "0"


@pytest.mark.parametrize("driver", DRIVERS)
def test_pieces_are_sent_as_they_are_made(driver: str) -> None:
    gate, closed = Gate(), []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield b"one"
            gate.wait()
            yield b""
            yield b"two"

        def close(self) -> None:
            closed.append(threading.current_thread().name)

    with served(checked(responding(Pieces())), driver) as site, site.connect() as sock:
        sock.sendall(request())
        got = b""
        while b"one" not in got:
            got += sock.recv(65536)
        gate.open()
        got += rest_of(sock)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in got
    assert got.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert closed == ["netkit-http-1"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_pieces_of_an_announced_length(driver: str) -> None:
    app = responding(iter([b"one", b"two"]), headers=(("Content-Length", "6"),))
    with served(WsgiHandler(app), driver) as site:
        octets = site.talk(request())
        assert octets.endswith(b"\r\nContent-Length: 6\r\nConnection: close\r\n\r\nonetwo")


@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_follows_the_head_for_head(driver: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"one"] if environ["PATH_INFO"] == "/list" else iter([b"one"])

    with served(checked(app), driver) as site:
        for target in ("/list", "/pieces"):
            octets = site.talk(request(target, method="HEAD"))
            assert b"\r\nContent-Length: 3\r\n" in octets
            assert octets.endswith(b"\r\n\r\n")
    with served(checked(responding([])), driver) as site:
        assert "content-length" not in site.get(method="HEAD").fields


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_nothing_follows_a_head_that_has_no_body(status: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, [])
        return []

    with served(checked(app)) as site:
        octets = site.talk(request())
        assert octets.startswith(b"HTTP/1.1 " + status.encode())
        assert octets.endswith(b"\r\n\r\n")
        assert b"ontent-" not in octets


def test_head_and_reason() -> None:
    with served(checked(responding([b"x"], "299 Fine Indeed", (("X-A", "\xe9"),)))) as site:
        octets = site.talk(request())
        assert octets.startswith(b"HTTP/1.1 299 ")
        assert b"\r\nX-A: \xe9\r\n" in octets


@pytest.mark.parametrize("driver", DRIVERS)
def test_write_sends_before_what_is_returned(driver: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one")
        write(b"two")
        return [b"three"]

    with served(checked(app), driver) as site:
        assert site.get().body == b"onetwothree"


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_error_may_replace_the_response_until_it_has_begun(driver: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            if environ["PATH_INFO"] == "/late":
                yield b"some"
            raise KeyError("secret")
        except KeyError:
            start_response("503 Busy", [("Content-Type", "text/plain")], sys.exc_info())
            yield b"busy"

    told = Told()
    with served(WsgiHandler(app), driver, watcher=told) as site:
        answer = site.get("/early")
        assert (answer.status, answer.body) == (503, b"busy")
        octets = site.talk(request("/late"))
        assert octets.endswith(b"\r\n\r\n4\r\nsome\r\n")
    assert [type(error) for error in told.errors] == [type(None), KeyError]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("length", [None, 1_000_000])
def test_a_wrapped_file(driver: str, method: str, length: int | None, tmp_path: Path) -> None:
    octets = bytes(range(250)) * 4_000
    (tmp_path / "file").write_bytes(b"head" + octets + b"tail"[: 0 if length is None else 4])
    opened: list[io.BufferedReader] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        file = (tmp_path / "file").open("rb")
        opened.append(file)
        file.seek(4)
        fields = [("Content-Type", "text/plain")]
        if length is not None:
            fields.append(("Content-Length", str(length)))
        start_response("200 OK", fields)
        return environ["wsgi.file_wrapper"](file, 8192)  # type: ignore[no-any-return]

    with served(WsgiHandler(app), driver) as site:
        answer = site.get(method=method)
        assert answer.fields["content-length"] == "1000000"
        assert answer.body == (octets if method == "GET" else b"")
        until(lambda: opened[0].closed)


def test_a_wrapped_file_of_another_kind() -> None:
    source = io.BytesIO(b"octets")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](source, 4)  # type: ignore[no-any-return]

    with served(WsgiHandler(app)) as site:
        assert site.talk(request()).endswith(b"4\r\nocte\r\n2\r\nts\r\n0\r\n\r\n")
        assert source.closed


def test_a_file_that_is_too_short(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"short")

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "6")])
        return environ["wsgi.file_wrapper"]((tmp_path / "file").open("rb"))  # type: ignore[no-any-return]

    with served(WsgiHandler(app)) as site:
        assert site.get().status == 500


# What is wrong


def failing(app: App) -> tuple[bytes, list[Exception | None]]:
    """What the client got of an application that fails, and what was told of it."""
    told = Told()
    with served(WsgiHandler(app), watcher=told) as site:
        octets = site.talk(request())
    return octets, told.errors


WRONG: list[tuple[str, str, list[tuple[Any, Any]], Iterable[bytes], type[Exception]]] = [
    ("a status without a number", "OK", [], [], ValueError),
    ("a status of four digits", "2000 OK", [], [], ValueError),
    ("1xx", "101 Switching Protocols", [], [], ValueError),
    ("a status of two lines", "200 OK\r\nA: b", [], [], ValueError),
    ("a header of two lines", "200 OK", [("A", "b\r\nC: d")], [], ValueError),
    ("a name that is none", "200 OK", [("A b", "c")], [], ValueError),
    ("a header that is octets", "200 OK", [(b"A", b"b")], [], TypeError),
    ("other characters", "200 OK", [("A", "\u20ac")], [], ValueError),
    ("a field of the connection", "200 OK", [("Connection", "close")], [], ValueError),
    ("another one", "200 OK", [("Transfer-Encoding", "chunked")], [], ValueError),
    ("no length", "200 OK", [("Content-Length", "x")], [], ValueError),
    ("too long", "200 OK", [("Content-Length", "1")], [b"xx"], RuntimeError),
    ("too short", "200 OK", [("Content-Length", "3")], [b"xx"], RuntimeError),
    ("text", "200 OK", [], ["text"], TypeError),  # type: ignore[list-item]
    ("text in pieces", "200 OK", [], iter(["text"]), TypeError),  # type: ignore[list-item]
    ("nothing", "200 OK", [], None, TypeError),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("_name", "status", "fields", "body", "expected"), WRONG)
def test_a_wrong_response_is_an_error_of_the_application(
    _name: str, status: str, fields: list[tuple[Any, Any]], body: Iterable[bytes], expected: type[Exception]
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, fields)
        return body

    octets, errors = failing(app)
    assert [type(error) for error in errors] == [expected]
    assert octets.startswith(b"HTTP/1.1 500 ")


def test_an_application_that_does_not_begin_its_response() -> None:
    octets, errors = failing(lambda environ, start_response: [b"x"])
    assert octets.startswith(b"HTTP/1.1 500 ")
    assert "without having called start_response" in str(errors[0])


def test_a_response_that_begins_twice() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    octets, errors = failing(app)
    assert octets.startswith(b"HTTP/1.1 500 ")
    assert "start_response was called before" in str(errors[0])


def test_an_exception_is_500_without_its_text() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise KeyError("secret")

    octets, errors = failing(app)
    assert octets.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in octets
    assert [type(error) for error in errors] == [KeyError]


@pytest.mark.parametrize("length", ["5", "20"])
def test_more_or_less_than_was_announced_is_an_error_when_it_is_too_late(length: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", length)])
        yield b"0123"
        yield b"456789"

    octets, errors = failing(app)
    assert octets.startswith(b"HTTP/1.1 200 ")
    assert len(octets.partition(b"\r\n\r\n")[2]) < int(length)
    assert [type(error) for error in errors] == [RuntimeError]


def test_the_body_is_closed_where_sending_fails() -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(65536)
        finally:
            closed.append(True)

    with served(WsgiHandler(responding(pieces()))) as site:
        with site.connect() as sock:
            sock.sendall(request())
            assert sock.recv(1)
        until(lambda: closed)


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_error_of_close_is_told(driver: str) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"whole"])

        def close(self) -> None:
            raise KeyError("close")

    told = Told()
    app = responding(Body(), headers=(("Content-Length", "5"),))
    with served(WsgiHandler(app), driver, watcher=told) as site:
        assert site.get().body == b"whole"
    assert [type(error) for error in told.errors] == [KeyError]


# Threads, the log, HTTP/2


@pytest.mark.parametrize("threads", [0, 1])
def test_an_application_has_at_least_one_thread(threads: int) -> None:
    app = Environs()
    with served(checked(app), config=ServerConfig(threads=threads)) as site:
        assert site.get().body == b"ok"
    assert app.environs[0]["wsgi.multithread"] is False


def test_what_an_application_writes_to_its_log(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        errors = environ["wsgi.errors"]
        errors.write("one\ntw")
        errors.writelines(["o\n", "three"])
        errors.flush()
        errors.write("four")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    with caplog.at_level(logging.WARNING), served(checked(app)) as site:
        assert site.get().status == 200
    assert [record.getMessage() for record in caplog.records] == ["one", "two", "three", "four"]
    assert {record.name for record in caplog.records} == {"netkit.http.gateway"}


def test_the_log_is_a_file_for_print() -> None:
    errors = ErrorLog()
    assert print("text", file=errors) is None
    assert errors.writable()


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_application_over_http2(driver: str) -> None:
    octets = bytes(range(256)) * 8000

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Protocol", environ["SERVER_PROTOCOL"])])
        return iter(lambda: environ["wsgi.input"].read(60_000), b"")

    dial = DialConfig(HttpVersions.HTTP2)
    with served(checked(app), driver) as site, Client(dial=dial) as client:
        for _ in range(2):
            response = client.post(f"http://127.0.0.1:{site.port}/", body=octets)
            assert response.body == octets
            assert response.headers.get("X-Protocol") == ("HTTP/2",)
