"""A server of the tests, blocking and async, and a client of octets that trusts nobody: h11 reads for it.

    with Serving(handler) as served, served.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200

The server runs in a thread of its own, over loopback, TLS or a Unix-domain socket. Every response is read
with h11, so that one that is not well-formed fails the test that provoked it.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import h11
import trustme

from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.server import HttpServer
from netkit.io import Flow
from netkit.net import TcpListener, UnixListener
from netkit.serve.stop import Stop
from netkit.tls import Certificate, PrivateKey, TlsConfig
from tests.waiting import until, waits

#: How long a client waits for the server, in seconds. Only a test that fails waits so long.
PATIENCE = 20.0

#: More than the buffers of both systems take: who sends it waits for the other side.
MUCH = 16 << 20

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Flows:
    """A handler made of one function that is a flow."""

    def __init__(self, function: Callable[[Exchange], Flow[None]]) -> None:
        self.handle_flow = function


class Told:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[Exchange, Exception | None]] = []
        self.faults: list[Exception] = []

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
        assert elapsed >= 0
        self.exchanges.append((exchange, error))

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        assert connection.number > 0
        self.faults.append(error)

    @property
    def errors(self) -> list[Exception]:
        return [error for _, error in self.exchanges if error is not None]


class Reply(NamedTuple):
    """A response as h11 read it; names of fields are in lower case."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes
    trailers: list[tuple[bytes, bytes]]
    interim: list[tuple[int, list[tuple[bytes, bytes]]]]
    #: Whether the server says that nothing follows.
    closes: bool

    def field(self, name: bytes) -> bytes | None:
        """The one value of a field, None where there is none."""
        values = [value for each, value in self.fields if each == name]
        assert len(values) < 2, f"{name!r} more than once: {values}"
        return values[0] if values else None


class Client:
    """A connection to a server."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        #: What came and was not read.
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def send_until_refused(self, data: bytes) -> bool:
        """Send; False where the server has ended the connection meanwhile."""
        try:
            self.sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            return False
        return True

    def stuff(self, data: bytes, served: Serving, most: int = MUCH * 4) -> int:
        """Send again and again until nobody takes any more; how many octets were taken, `most` at least."""
        self.sock.setblocking(False)
        sent = 0
        while sent < most:
            try:
                sent += self.sock.send(data)
            except BlockingIOError:
                # Nothing goes, the server sleeps, and then still nothing goes: it takes no more.
                served.until_it_waits()
                if not select.select([], [self.sock], [], 0)[1]:
                    break
        self.sock.settimeout(PATIENCE)
        return sent

    def finish(self) -> None:
        """No more is sent. Not over TLS, where Python's module has no half of a connection to close."""
        assert not isinstance(self.sock, ssl.SSLSocket)
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def response(self, method: str = "GET") -> Reply:
        """The next response, to a request with this method."""
        reader = h11.Connection(h11.CLIENT)
        target = "a:1" if method == "CONNECT" else "/"
        headers = [("Host", "a"), ("Connection", "Upgrade"), ("Upgrade", "x")]
        reader.send(h11.Request(method=method, target=target, headers=headers))
        reader.send(h11.EndOfMessage())
        interim: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        final: Any = None
        body = b""
        reader.receive_data(self.received) if self.received else None
        self.received = b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                data = self.sock.recv(65536)
                reader.receive_data(data)
            elif isinstance(event, h11.InformationalResponse):
                interim.append((event.status_code, _plain(event.headers)))
                if event.status_code == 101:
                    self.received = reader.trailing_data[0]
                    return Reply(101, _plain(event.headers), b"", [], interim[:-1], False)
            elif isinstance(event, h11.Response):
                final = event
                if method == "CONNECT" and event.status_code < 300:
                    self.received = reader.trailing_data[0]
                    return Reply(event.status_code, _plain(event.headers), b"", [], interim, False)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(f"{event!r} instead of a response")
        self.received = reader.trailing_data[0]
        fields = _plain(final.headers)
        closes = any(each == (b"connection", b"close") for each in fields)
        return Reply(final.status_code, fields, body, _plain(event.headers), interim, closes)

    def ask(self, *pieces: bytes, method: str = "GET") -> Reply:
        self.send(*pieces)
        return self.response(method)

    def at_end(self) -> bytes:
        """All that comes until the server has finished; a reset is an error."""
        pieces = [self.received]
        self.received = b""
        while piece := self.sock.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)

    def is_ended(self) -> bool:
        """Wait until the server has ended the connection, with everything read. False: something came."""
        return self.at_end() == b""


def _plain(fields: Any) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in fields]


class Serving:
    """A server that runs. `form` is `blocking` or `async`, `over` is `tcp`, `tls` or `unix`."""

    def __init__(
        self,
        handler: Any,
        config: ServerConfig | None = None,
        *,
        form: str = "blocking",
        over: str = "tcp",
        path: Path | None = None,
        drain: float | None = PATIENCE,
        tls: TlsConfig | Callable[[], TlsConfig] | None = None,
    ) -> None:
        self.told = Told()
        if not hasattr(handler, "handle_flow") and not hasattr(handler, "handle"):
            handler = Flows(handler)
        if tls is None and over == "tls":
            tls = server_tls()
        self.server = HttpServer(handler, config or ServerConfig(), tls=tls, watcher=self.told)
        self.stop = Stop()
        self.over = over
        self.form = form
        self._drain = drain
        self._listener: Any
        if over == "unix":
            assert path is not None
            self.at: Any = str(path / f"http{next(_numbers)}")
            self._listener = UnixListener.bind(self.at)
        else:
            self._listener = TcpListener.bind("127.0.0.1:0")
            self.at = ("127.0.0.1", self._listener.local_addr.port)
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            if self.form == "async":
                asyncio.run(self.server.run_async([self._listener], stop=self.stop, drain=self._drain))
            else:
                self.server.run([self._listener], stop=self.stop, drain=self._drain)
        except BaseException as error:
            self._errors.append(error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        if error is not None:
            self.stop.cut()
        self.wait()
        if kind is None and self._errors:
            raise self._errors[0]

    def wait(self) -> None:
        """Until the server has ended."""
        self._thread.join(PATIENCE * 2)
        assert not self._thread.is_alive(), "the server does not end"

    def client(self, *, receive_buffer: int | None = None) -> Client:
        sock = connected(self.at, receive_buffer)
        if self.over == "tls":
            sock = client_tls().wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
        return Client(sock)

    def until_it_waits(self) -> None:
        """Until the server sleeps in the system's poll."""
        until(lambda: waits(self._thread), "a server that waits")

    def until_idle(self) -> None:
        """Until every connection has ended."""
        until(lambda: not self.server.connections.active, "a server without connections")

    def until_told(self, count: int = 1) -> None:
        """Until so many exchanges are over."""
        until(lambda: len(self.told.exchanges) >= count, f"{count} exchanges")


_numbers = count()


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_tls() -> TlsConfig:
    issued = authority().issue_cert("localhost")
    chain = [Certificate.from_pem(each.bytes()) for each in issued.cert_chain_pems]
    return TlsConfig.server().with_identity(chain, PrivateKey.from_pem(issued.private_key_pem.bytes()))


@cache
def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def connected(at: Any, receive_buffer: int | None = None) -> socket.socket:
    """A connection to a server at a path, or at an address and a port."""
    sock = socket.socket(socket.AF_UNIX if isinstance(at, str) else socket.AF_INET)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE)
    sock.connect(at)
    if not isinstance(at, str):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


# Handlers of many tests.


def echo(exchange: Exchange) -> Flow[None]:
    """Answers with the method, the target and the body of the request."""
    body = yield from exchange.read_all_flow()
    data = b"%b %b %b" % (exchange.head.method, exchange.head.target, body)
    exchange.begin(200, [(b"content-type", b"text/plain")], length=len(data))
    yield from exchange.send_flow(data, end=True)


def no_body(exchange: Exchange) -> Flow[None]:
    """Answers 204 without reading."""
    exchange.begin(204, end=True)
    yield from exchange.flush_flow()
