"""A small HTTP server in threads, whose answers a test writes octet by octet, and which keeps what it got.

    def answer(request: Received, conn: Conn) -> bytes | None:
        return reply(b"hello")                    # None: the answer has sent what it wanted itself

    with Site(answer) as site:
        client.get(site.url("/a"))
    assert site.requests[0].target == "/a"

Each connection has a thread of its own, with a blocking socket. What an answer raises is raised again when
the site ends, except for what a client that hangs up leads to.

`Site(answer, http2=True)` speaks HTTP/2 over TLS, and with `clear` without it. An answer is the same octets
of HTTP/1.1, which the site translates; it must return them.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, Self

import trustme

from netkit.http.connection.events import Data, End, RequestReceived, Reset
from netkit.http.connection.h2 import H2ServerConnection, h2_server
from netkit.tls import Certificate, TlsConfig

#: How long a server waits for a client, in seconds. Only a test that fails waits so long.
PATIENCE = 20.0


#: More than the system keeps for a connection: who sends it waits until the other side reads.
MUCH = 16 << 20


class Received(NamedTuple):
    """One request as the server got it; names of fields are in lower case."""

    connection: int
    method: str
    target: str
    version: str
    fields: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]

    def field(self, name: str) -> str | None:
        """The one value of a field, None where there is none."""
        values = self.all(name)
        assert len(values) < 2, f"{name} more than once: {values}"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each == name]


Answer = Callable[["Received", "Conn"], "bytes | None"]


class Conn:
    """One connection, on the server's side."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.reader = sock.makefile("rb")
        self.wants_close = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def close(self) -> None:
        """No more: what was sent still arrives."""
        self.reader.close()
        self.sock.close()

    def say_goodbye(self) -> None:
        """TLS: say that no more comes (close_notify), without waiting for the same of the client."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.setblocking(False)
            try:
                self.sock.unwrap()
            except OSError:
                pass

    def reset(self) -> None:
        """Close so that the client sees a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def head(self) -> Received | None:
        """The next request without its body; None when the client has hung up."""
        line = self.reader.readline()
        if not line:
            return None
        method, target, version = line.decode("latin-1").split()
        return Received(self.number, method, target, version, self._fields(), b"", [])

    def body(self, request: Received) -> Received:
        """The request with its body."""
        length = request.field("content-length")
        trailers: list[tuple[str, str]] = []
        if request.field("transfer-encoding") == "chunked":
            assert length is None
            body = b""
            while size := int(self._line(), 16):
                body += self.reader.read(size)
                assert self._line() == b"\r\n"
            trailers = self._fields()
        else:
            body = self.reader.read(int(length or 0))
            if len(body) < int(length or 0):
                raise ConnectionError("the client has hung up inside of its body")
        return request._replace(body=body, trailers=trailers)

    def _line(self) -> bytes:
        line = self.reader.readline()
        if not line:
            raise ConnectionError("the client has hung up inside of its body")
        return line

    def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(":")
            fields.append((name.lower(), value.strip()))
        return fields

    def wait_for_end(self) -> bytes:
        """All that comes until the client hangs up."""
        try:
            return self.reader.read()
        except OSError:
            return b""


class Site:
    """A server at a free port. `requests` are those that came; `connections` counts the accepted ones."""

    def __init__(
        self,
        answer: Answer,
        *,
        tls: bool = False,
        http2: bool = False,
        heads_only: bool = False,
        host: str = "127.0.0.1",
        clear: bool = False,
    ) -> None:
        self.answer = answer
        self._host = host
        self._http2 = http2
        self.requests: list[Received] = []
        self.connections = 0
        self.open = 0
        self.failures: list[BaseException] = []
        self._heads_only = heads_only
        self._guard = threading.Lock()
        self._tls = server_context(("h2",) if http2 else ()) if (tls or http2) and not clear else None
        self._listener = self._listen()
        self._threads: list[threading.Thread] = []
        self._conns: set[Conn] = set()
        self._ended = False

    def _listen(self) -> socket.socket:
        return socket.create_server((self._host, 0))

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def scheme(self) -> str:
        return "http" if self._tls is None else "https"

    def url(self, path: str = "/", host: str = "", userinfo: str = "") -> str:
        return f"{self.scheme}://{userinfo}{host or self._host}:{self.port}{path}"

    @property
    def endpoint(self) -> str:
        return f"{self._host}:{self.port}"

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(PATIENCE)
        self._listener.close()
        with self._guard:
            for conn in self._conns:
                try:
                    conn.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "an answer does not end"
        if kind is None and self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(PATIENCE)
        conn: Conn | None = None
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            conn = Conn(sock, number)
            with self._guard:
                self._conns.add(conn)
                self.open += 1
            if self._http2:
                self._talk_http2(conn)
            else:
                self._talk(conn)
        except OSError:
            pass  # the client has hung up
        except BaseException as error:
            if not self._ended:
                self.failures.append(error)
        finally:
            with self._guard:
                if conn is not None:
                    self._conns.discard(conn)
                    self.open -= 1
            if conn is not None:
                conn.reader.close()
            sock.close()

    def _talk(self, conn: Conn) -> None:
        while conn.sock.fileno() >= 0 and (request := conn.head()) is not None:
            if not self._heads_only:
                request = conn.body(request)
            with self._guard:
                self.requests.append(request)
            octets = self.answer(request, conn)
            if octets is not None:
                if request.method == "HEAD":
                    octets = octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                conn.send(octets)
                if b"\r\nconnection: close\r\n" in octets.partition(b"\r\n\r\n")[0].lower() + b"\r\n":
                    conn.say_goodbye()
                    return

    def _talk_http2(self, conn: Conn) -> None:
        http2 = h2_server()
        streams: dict[int, Received] = {}
        unsent: dict[int, bytes] = {}
        while True:
            conn.send(http2.take())
            octets = conn.sock.recv(65536)
            if not octets or http2.is_closed:
                return
            for event in http2.feed(octets):
                ended = 0
                match event:
                    case RequestReceived(stream=stream, head=head):
                        fields = [(b"host", head.authority), *head.all_fields()]
                        streams[stream] = Received(
                            conn.number,
                            head.method.decode(),
                            head.target.decode(),
                            "HTTP/2",
                            [(name.decode(), value.decode("latin-1")) for name, value in fields],
                            b"",
                            [],
                        )
                        ended = stream if event.end else 0
                    case Data(stream=stream, data=data):
                        streams[stream] = streams[stream]._replace(body=streams[stream].body + data)
                        http2.consumed(stream, event.credit)
                    case End(stream=stream, trailers=trailers):
                        texts = [(name.decode(), value.decode("latin-1")) for name, value in trailers]
                        streams[stream] = streams[stream]._replace(trailers=texts)
                        ended = stream
                    case Reset(stream=stream):
                        unsent.pop(stream, None)
                if ended:
                    with self._guard:
                        self.requests.append(streams[ended])
                    request = streams.pop(ended)
                    said = self.answer(request, conn)
                    assert said is not None, "an answer in HTTP/2 returns its octets"
                    body = self._begin_http2(http2, ended, said)
                    unsent[ended] = b"" if request.method == "HEAD" else body
            for stream, body in list(unsent.items()):
                room = min(http2.room(stream), len(body))
                if room or not body:
                    http2.send(stream, body[:room], end=room == len(body))
                    unsent[stream] = body[room:]
                if room == len(body):
                    del unsent[stream]

    @staticmethod
    def _begin_http2(http2: H2ServerConnection, stream: int, octets: bytes) -> bytes:
        """Send the heads in `octets`; the body is returned."""
        while True:
            head, _, octets = octets.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            status = int(first.split(b" ")[1])
            pairs = [tuple(line.split(b": ", 1)) for line in lines]
            fields = [(name.lower(), value) for name, value in pairs if name.lower() != b"connection"]
            http2.respond(stream, status, fields, end=False)
            if status >= 200:
                return octets


def reply(
    body: bytes = b"", status: int | str = 200, *fields: tuple[str, str], version: str = "HTTP/1.1"
) -> bytes:
    """A response with its length."""
    phrase = f"{status} Said" if isinstance(status, int) else status
    lines = [f"{version} {phrase}", *(f"{name}: {value}" for name, value in fields)]
    if not any(name.lower() == "content-length" for name, _ in fields) and str(status)[:3] != "204":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def always(octets: bytes) -> Answer:
    """The same to everything."""
    return lambda request, conn: octets


def in_turn(*answers: bytes | Answer) -> Answer:
    """One answer after the other, whatever the connection; the last one again and again."""
    left = list(answers)
    guard = threading.Lock()

    def answer(request: Received, conn: Conn) -> bytes | None:
        with guard:
            each = left.pop(0) if len(left) > 1 else left[0]
        return each if isinstance(each, bytes) else each(request, conn)

    return answer


def redirect(location: str, status: int = 302, *fields: tuple[str, str]) -> bytes:
    return reply(b"moved", status, ("Location", location), *fields)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_context(alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1", "a.example", "b.example").configure_cert(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@cache
def trusting() -> TlsConfig:
    """The settings of a client that trusts these servers."""
    root = Certificate.from_pem(authority().cert_pem.bytes())
    return TlsConfig.client().with_root_certs([root])
