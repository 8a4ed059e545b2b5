"""Small HTTP servers for the tests of `netkit http fetch`: Python's own, and one that sends what it is told.

with http_server() as server:
    netkit("http", "fetch", server.url("/json"))
    assert server.requests[0].path == "/json"
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote

from tests.cli.helpers import address_of

#: A file to download: 100,000 octets that are all different places.
CONTENT = b"".join(b"%07d\n" % number for number in range(12500))
ETAG = '"v1"'


class Received(NamedTuple):
    """A request, as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """A running server: where it is, and what it got."""

    def __init__(self, address: str, scheme: str = "http") -> None:
        self.address = address
        self.scheme = scheme
        self.reset()

    def reset(self) -> None:
        """Nothing has been asked, and /file is as it was."""
        self.requests: list[Received] = []
        #: What /file is; after how many octets of each answer about it the connection ends, the last for all.
        self.content, self.etag = CONTENT, ETAG
        self.cuts: list[int | None] = [None]

    def url(self, path: str = "/") -> str:
        return f"{self.scheme}://{self.address}{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "test", ""

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self) -> None:
        body = self._body()
        made: Any = self.server
        made.log.requests.append(Received(self.command, self.path, dict(self.headers.items()), body))
        path = self.path.partition("?")[0]
        name = path.strip("/").split("/")[0] or "root"
        getattr(self, f"page_{name}", self.page_missing)(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815 - http.server's names

    def reply(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for key, value in fields.items():
            self.send_header(key.replace("_", "-"), value)
        if "Content_Length" not in fields:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def page_root(self, _: bytes) -> None:
        self.reply(200, b"hello\n", Content_Type="text/plain")

    def page_json(self, _: bytes) -> None:
        self.reply(200, b'{"a":[1,2.50],"b":"x"}', Content_Type="application/json")

    def page_echo(self, body: bytes) -> None:
        made = {"method": self.command, "path": self.path, "headers": dict(self.headers.items())}
        self.reply(
            200, json.dumps({**made, "body": body.decode("latin-1")}).encode(), Content_Type="text/x-echo"
        )

    def page_missing(self, _: bytes) -> None:
        self.reply(404, b"nothing here\n", Content_Type="text/plain")

    def page_binary(self, _: bytes) -> None:
        self.reply(200, b"\x89PNG\r\n\0\0" * 4, Content_Type="image/png")

    def page_evil(self, _: bytes) -> None:
        self.reply(200, b"a\x1b[31mb\x07\n", Content_Type="text/plain", X_Evil="\x9b31m\x1b]0;title")

    def page_gzip(self, _: bytes) -> None:
        self.reply(200, gzip.compress(b"squeezed\n"), Content_Type="text/plain", Content_Encoding="gzip")

    def page_go(self, _: bytes) -> None:
        self.reply(302, Location="/json", Set_Cookie="seen=1; Path=/")

    def page_to(self, _: bytes) -> None:
        self.reply(302, Location=unquote(self.path.removeprefix("/to/")))

    def page_loop(self, _: bytes) -> None:
        self.reply(302, Location="/loop")

    def page_private(self, _: bytes) -> None:
        if self.headers.get("Authorization") != "Basic dTpwdw==":
            self.reply(401, b"who are you?\n", WWW_Authenticate='Basic realm="x"')
        else:
            self.reply(200, b"come in\n")

    def page_links(self, _: bytes) -> None:
        number = int(self.path.partition("page=")[2] or 1)
        more = {"Link": f'</links?page={number + 1}>; rel="next", </links>; rel=first'} if number < 3 else {}
        self.reply(200, f"page {number}\n".encode(), **more)

    def page_file(self, _: bytes) -> None:
        asked = self.headers.get("Range")
        made: Any = self.server
        log: Server = made.log
        content, etag = log.content, log.etag
        cut = log.cuts.pop(0) if len(log.cuts) > 1 else log.cuts[0]
        fields = {"ETag": etag, "Accept_Ranges": "bytes", "Content_Type": "application/octet-stream"}
        if self.path.startswith("/file/named"):
            fields["Content_Disposition"] = 'attachment; filename="../../given.bin"'
        begin = 0
        if asked is not None and self.headers.get("If-Range", etag) == etag:
            begin = int(asked.removeprefix("bytes=").partition("-")[0])
            if begin >= len(content):
                self.reply(416, Content_Range=f"bytes */{len(content)}", **fields)
                return
            fields["Content_Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        body = content[begin:]
        fields["Content_Length"] = str(len(body))
        self.reply(206 if "Content_Range" in fields else 200, body[:cut], **fields)
        self.close_connection = cut is not None

    def page_stream(self, _: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in (1, 2):
            piece = b"data: %d\n\n" % number
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\nX-Sum: 3\r\n\r\n")


@contextmanager
def http_server(*, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Python's HTTP server, on loopback, with the pages of this module."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.daemon_threads = True
    if tls is not None:
        made.socket = tls.wrap_socket(made.socket, server_side=True)
    server = Server(address_of(made.socket), "http" if tls is None else "https")
    made.log = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


@contextmanager
def raw_server(answer: bytes | Callable[[socket.socket], None]) -> Iterator[Server]:
    """A server that reads a head, sends `answer` (or calls it with the socket), and closes, each time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(address_of(listener))

        def serve() -> None:
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                with conn:
                    head = b""
                    while b"\r\n\r\n" not in head and (data := conn.recv(65536)):
                        head += data
                    if not head:
                        continue
                    method, path, _ = head.decode("latin-1").split(" ", 2)
                    server.requests.append(Received(method, path, {}, head))
                    try:
                        if callable(answer):
                            answer(conn)
                        else:
                            conn.sendall(answer)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()
