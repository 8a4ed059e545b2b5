"""Python's http.server with the common paths: plain and TLS, HTTP/1.1 and (on a port of its own) HTTP/1.0.

    python -m tests.interop.servers.origin --plain FD --tls FD --http10 FD --certificate FILE --key FILE

Each FD is a socket that listens already.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.interop.servers import contract


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # a head and its body in one segment

    def do_any(self) -> None:
        target = urlsplit(self.path)
        self.query = parse_qs(target.query)
        name, _, rest = target.path.lstrip("/").partition("/")
        body, trailers = self._body()
        handler = getattr(self, f"answer_{name.replace('-', '_')}", None)
        if name == "echo":
            self._echo(body, trailers)
        elif handler is None:
            self._send(b"no such path\n", 404)
        else:
            handler(rest)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """BaseHTTPRequestHandler looks for do_GET and the like."""
        if name.startswith("do_"):
            return self.do_any
        raise AttributeError(name)

    def _body(self) -> tuple[bytes, list[tuple[str, str]]]:
        """The body of the request and its trailers (RFC 9112 section 7.1)."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0))), []
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        trailers = []
        while line := self.rfile.readline().rstrip(b"\r\n"):
            field, _, value = line.decode("latin-1").partition(":")
            trailers.append((field.lower(), value.strip()))
        return b"".join(pieces), trailers

    def _head(self, status: int, *fields: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes, status: int = 200, *fields: tuple[str, str]) -> None:
        given = {name for name, _ in fields}
        length = () if status in (204, 304) else (("Content-Length", str(len(body))),)
        kind = () if "Content-Type" in given or not body else (("Content-Type", "text/plain"),)
        self._head(status, *kind, *length, *fields)
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def _echo(self, body: bytes, trailers: list[tuple[str, str]]) -> None:
        said = {
            "method": self.command,
            "target": self.path,
            "version": self.request_version,
            "fields": [[name.lower(), value] for name, value in self.headers.items()],
            "length": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "trailers": trailers,
        }
        self._send(json.dumps(said).encode(), 200, ("Content-Type", "application/json"))

    def answer_hello(self, _rest: str) -> None:
        self._send(contract.HELLO)

    def answer_bytes(self, rest: str) -> None:
        content = contract.octets(int(rest))
        etag = f'"{rest}"'
        fields = [("ETag", etag), ("Accept-Ranges", "bytes"), ("Content-Type", "application/octet-stream")]
        if self.headers.get("If-None-Match") == etag:
            return self._send(b"", 304, *fields)
        asked = self.headers.get("Range") if self.headers.get("If-Range", etag) == etag else None
        try:
            found = contract.byte_range(asked, len(content))
        except ValueError:
            return self._send(b"", 416, ("Content-Range", f"bytes */{len(content)}"))
        if found is None:
            return self._send(content, 200, *fields)
        begin, end = found
        fields.append(("Content-Range", f"bytes {begin}-{end}/{len(content)}"))
        return self._send(content[begin : end + 1], 206, *fields)

    def answer_gzip(self, _rest: str) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            packed = gzip.compress(contract.TEXT)
            self._send(packed, 200, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        else:
            self._send(contract.TEXT, 200, ("Vary", "Accept-Encoding"))

    def _chunks(self, body: bytes, *trailers: tuple[str, str]) -> None:
        """A body without a length, in at least two pieces; in HTTP/1.0 the connection's end ends it."""
        if self.protocol_version == "HTTP/1.0" or self.request_version == "HTTP/1.0":
            self.close_connection = True
            self._head(200, ("Connection", "close"))
            self.wfile.write(body)
            return
        announced = [("Trailer", ", ".join(name for name, _ in trailers))] if trailers else []
        self._head(200, ("Transfer-Encoding", "chunked"), *announced)
        if self.command == "HEAD":
            return
        step = max(1, min(len(body) // 2, 30_000))
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n")
        for name, value in trailers:
            self.wfile.write(f"{name}: {value}\r\n".encode())
        self.wfile.write(b"\r\n")

    def answer_chunked(self, rest: str) -> None:
        self._chunks(contract.octets(int(rest)))

    def answer_status(self, rest: str) -> None:
        self._send(f"{rest}\n".encode(), int(rest))

    def answer_redirect(self, rest: str) -> None:
        if int(rest) == 0:
            return self.answer_hello("")
        return self._send(b"", 302, ("Location", f"/redirect/{int(rest) - 1}"))

    def answer_trailers(self, _rest: str) -> None:
        self._chunks(contract.BODY, ("X-Checksum", contract.CHECKSUM))

    def answer_early_hints(self, _rest: str) -> None:
        if self.request_version != "HTTP/1.0":
            self.wfile.write(f"HTTP/1.1 103 Early Hints\r\nLink: {contract.HINT}\r\n\r\n".encode())
            self.wfile.flush()
        self._send(contract.HELLO)

    def answer_slow_head(self, _rest: str) -> None:
        seconds = float(self.query.get("after", ["30"])[0])
        # A client that leaves makes the socket readable.
        if not select.select([self.connection], [], [], seconds)[0]:
            self._send(contract.HELLO)
        else:
            self.close_connection = True

    def answer_sse(self, _rest: str) -> None:
        self.close_connection = True
        self._head(200, ("Content-Type", "text/event-stream"), ("Connection", "close"))
        for event in contract.EVENTS.splitlines(keepends=True):
            self.wfile.write(event)
            self.wfile.flush()

    def answer_auth(self, _rest: str) -> None:
        if self.headers.get("Authorization") == f"Basic {contract.CREDENTIALS}":
            self._send(b"hello jo\n")
        else:
            self._send(b"who are you?\n", 401, ("WWW-Authenticate", 'Basic realm="netkit"'))

    def answer_upgrade(self, _rest: str) -> None:
        """101, and then every octet comes back (RFC 9110 section 7.8)."""
        if self.headers.get("Upgrade") != "echo":
            return self._send(b"upgrade to echo\n", 426, ("Upgrade", "echo"), ("Connection", "Upgrade"))
        self.close_connection = True
        self._head(HTTPStatus.SWITCHING_PROTOCOLS, ("Upgrade", "echo"), ("Connection", "Upgrade"))
        self.wfile.flush()
        while data := self.rfile.read1(65536):  # type: ignore[attr-defined]  # a BufferedReader
            self.wfile.write(data)
            self.wfile.flush()
        return None

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, *args: object) -> None:
        """No log."""


class Handler10(Handler):
    protocol_version = "HTTP/1.0"


class Server(ThreadingHTTPServer):
    """On a socket that listens already; TLS begins in the connection's own thread."""

    daemon_threads = True

    def __init__(self, descriptor: int, handler: type[Handler], context: ssl.SSLContext | None) -> None:
        listener = socket.socket(fileno=descriptor)
        super().__init__(listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.context = context
        self.server_name, self.server_port = "localhost", 0

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        if self.context is None:
            super().finish_request(request, client_address)
            return
        try:
            secured = self.context.wrap_socket(request, server_side=True)
        except (OSError, ValueError):
            return
        with secured:
            super().finish_request(secured, client_address)  # type: ignore[arg-type]
            try:
                secured.unwrap()
            except (OSError, ValueError):
                pass

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no news."""


def main() -> None:
    parser = argparse.ArgumentParser()
    for kind in ("plain", "tls", "http10"):
        parser.add_argument(f"--{kind}", type=int)
    for kind in ("certificate", "key"):
        parser.add_argument(f"--{kind}")
    given = parser.parse_args()
    servers = [Server(given.plain, Handler, None), Server(given.http10, Handler10, None)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.certificate, given.key)
    context.set_alpn_protocols(["http/1.1"])
    servers.append(Server(given.tls, Handler, context))
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
