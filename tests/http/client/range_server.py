"""A server of one file, in threads, that keeps the rules for ranges, or breaks one of them when told to.

with RangeServer(data) as server:
    server.cut = lambda number, first: 1000      # every response ends after 1000 octets of its body
    download(client, server.url, path)
    assert server.asked[1]["range"] == "bytes=1000-"
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Fields = dict[str, str]


class RangeServer:
    """Serves `data` at every path. What it does is in its attributes, which may change at any time."""

    def __init__(self, data: bytes, *, context: ssl.SSLContext | None = None) -> None:
        self.data = data
        self.etag: str | None = self.tag_of(data)
        self.modified: str | None = None
        self.date: str | None = "Thu, 02 Jul 2026 10:00:00 GMT"
        #: Whether it does ranges, and says so; whether it looks at If-Range.
        self.ranges = True
        self.accept_ranges: str | None = "bytes"
        self.if_range = True
        #: More fields of each response to a request for the file.
        self.fields: Fields = {}
        #: Instead of a Content-Length: "chunked", or "close".
        self.framing = "length"
        #: After how many octets of the body the connection ends, by the number of the request and the first
        #: octet asked for; None is never.
        self.cut: Callable[[int, int], int | None] = lambda number, first: None
        #: Called with the number of a request, and its fields, before it is answered.
        self.before: Callable[[int, Fields], None] = lambda number, fields: None
        #: Called with the number of a request when so many octets of its body have been sent.
        self.at: tuple[int, Callable[[int], None]] | None = None
        #: A whole answer in place of the right one, by the number and fields of the request.
        self.instead: Callable[[int, Fields], bytes | None] = lambda number, fields: None
        #: What a 206 says of its place, in place of the right one.
        self.content_range: Callable[[int, int, int], str | None] = lambda first, last, total: (
            f"bytes {first}-{last}/{total}"
        )
        #: The ETag of a 206, where it differs.
        self.part_etag: str | None = "same"
        self.asked: list[Fields] = []
        self.connections = 0
        self._guard = threading.Lock()
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://localhost:{self._listener.getsockname()[1]}/folder/file.bin"

    @staticmethod
    def tag_of(data: bytes) -> str:
        """The strong entity tag of that content."""
        return f'"{hashlib.sha1(data).hexdigest()[:12]}"'

    def change(self, data: bytes) -> None:
        """There is another file from now on."""
        with self._guard:
            self.data, self.etag = data, self.tag_of(data)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for sock in self._open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with self._guard:
            self.connections += 1
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            with self._guard:
                self._open.add(sock)
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    data = sock.recv(65536)
                    if not data:
                        return
                    pending += data
                head, _, pending = pending.partition(b"\r\n\r\n")
                if not self._answer(sock, head):
                    return
        except OSError:
            pass
        finally:
            with self._guard:
                self._open.discard(sock)
            sock.close()

    def _answer(self, sock: socket.socket, head: bytes) -> bool:
        """Answer one request. False if the connection is to end."""
        lines = head.decode("latin-1").split("\r\n")
        method = lines[0].split(" ")[0]
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        fields["target"] = lines[0].split(" ")[1]
        with self._guard:
            number = len(self.asked)
            self.asked.append(fields)
        self.before(number, fields)
        raw = self.instead(number, fields)
        if raw is not None:
            sock.sendall(raw)
            return False
        with self._guard:
            data, etag = self.data, self.etag
        total = len(data)
        status, first, last = self._range(fields, etag, total)
        reply = {"Date": self.date, "Accept-Ranges": self.accept_ranges, "Last-Modified": self.modified}
        reply["ETag"] = etag if status != 206 or self.part_etag == "same" else self.part_etag
        reply.update(self.fields)
        if status == 416:
            reply["Content-Range"] = f"bytes */{total}"
            body = b""
        else:
            body = data[first : last + 1]
            if status == 206:
                reply["Content-Range"] = self.content_range(first, last, total)
        framing = "length" if status == 416 else self.framing
        if framing == "length":
            reply["Content-Length"] = str(len(body))
        elif framing == "chunked":
            reply["Transfer-Encoding"] = "chunked"
        else:
            reply["Connection"] = "close"
        text = "".join(f"{name}: {value}\r\n" for name, value in reply.items() if value is not None)
        sock.sendall(f"HTTP/1.1 {status} X\r\n{text}\r\n".encode("latin-1"))
        if method == "HEAD":
            return True
        return self._body(sock, body, number, first, framing)

    def _body(self, sock: socket.socket, body: bytes, number: int, first: int, framing: str) -> bool:
        cut = self.cut(number, first)
        whole = cut is None or cut > len(body)
        view = memoryview(body if whole else body[:cut])
        if self.at is not None:
            size, call = self.at
            sock.sendall(view[:size])
            call(number)
            view = view[size:]
        if framing == "chunked":
            for start in range(0, len(view), 1000):
                piece = view[start : start + 1000]
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)))
            if whole:
                sock.sendall(b"0\r\n\r\n")
        else:
            sock.sendall(view)
        return whole and framing != "close"

    def _range(self, fields: Fields, etag: str | None, total: int) -> tuple[int, int, int]:
        """The status, and the first and last octet of the answer."""
        whole = 200, 0, total - 1
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", fields.get("range", ""))
        if found is None or not self.ranges:
            return whole
        wanted = fields.get("if-range")
        if wanted is not None and self.if_range and wanted not in (etag, self.modified):
            return whole
        first = int(found[1])
        if first >= total:
            return 416, 0, -1
        return 206, first, min(int(found[2] or total), total - 1)
