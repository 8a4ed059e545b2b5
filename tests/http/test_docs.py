"""docs/http-types.md, docs/http-client.md and docs/http-server.md: their examples, run."""

from __future__ import annotations

import doctest
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


class Handler(BaseHTTPRequestHandler):
    """What the examples of the client's page ask for."""

    protocol_version = "HTTP/1.1"
    released = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.answer(302, b"", Location="/hello")
        elif self.path == "/large":
            self.answer(200, b"x" * 1_000_000)
        elif self.path == "/upper":
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "upper")
            self.end_headers()
            self.wfile.write(self.rfile.read(5).upper())
            self.close_connection = True
        elif self.path == "/slow":
            self.released.wait(30)
            self.close_connection = True
        else:
            self.answer(200 if self.path == "/hello" else 404, b"hello\n")

    def do_PUT(self) -> None:
        if self.headers["Transfer-Encoding"] == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, self.command.encode() + b" " + body)

    do_POST = do_PUT  # noqa: N815 - the name is the base class's

    def answer(self, status: int, body: bytes, **fields: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def base() -> Iterator[str]:
    """The URL of the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.released.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_of_the_types() -> None:
    failed, tried = doctest.testfile(
        str(DOCS / "http-types.md"), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert tried > 25
    assert failed == 0


def test_the_page_of_the_client(base: str) -> None:
    failed, tried = doctest.testfile(
        str(DOCS / "http-client.md"),
        module_relative=False,
        optionflags=doctest.ELLIPSIS,
        globs={"base": base},
    )
    assert tried > 15
    assert failed == 0


def test_the_page_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello, world\n")
    failed, tried = doctest.testfile(
        str(DOCS / "http-server.md"),
        module_relative=False,
        optionflags=doctest.ELLIPSIS,
        globs={"folder": str(tmp_path)},
    )
    assert tried > 20
    assert failed == 0
