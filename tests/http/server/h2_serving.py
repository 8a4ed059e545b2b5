"""A server of HTTP/2 for tests, in both forms of the protocol and under both drivers, and a client to ask it.

The client is python-hyper's, without a thread: it receives when a test waits for something, and never before.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import pytest
import trustme

from netkit.http.connection import h2_pure
from netkit.http.connection.events import (
    Broken,
    Data,
    End,
    Event,
    FieldList,
    GoAway,
    Interim,
    PingAnswered,
    RequestHead,
    Reset,
    ResponseHead,
)
from netkit.http.connection.limits import ConnectionLimits
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h2 import flow as h2_flow
from netkit.http.server.h2.flow import H2Serving
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.server import HttpServer
from netkit.io import Flow
from netkit.net import TcpListener
from netkit.serve.stop import Stop
from netkit.tls import Certificate, PrivateKey, TlsConfig
from tests.conftest import KINDS
from tests.http.connection.forms import require_form

#: Only a test that fails waits so long, in seconds.
PATIENCE = 20.0

FORMS = [{"python": "pure"}.get(kind, kind) for kind in KINDS]
DRIVERS = ("blocking", "async")


class Asked:
    """One request of the client, and what came for it."""

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.status = 0
        self.fields: FieldList = []
        self.pieces: list[bytes] = []
        self.trailers: FieldList = []
        self.interims: list[tuple[int, FieldList]] = []
        self.is_ended = False
        self.code: int | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def is_over(self) -> bool:
        return self.is_ended or self.code is not None

    def field(self, name: bytes) -> bytes | None:
        values = [value for each, value in self.fields if each == name]
        assert len(values) < 2
        return values[0] if values else None


class Peer:
    """A client on one connection. `credits`: it gives the server room for what it has received."""

    def __init__(self, sock: socket.socket, limits: ConnectionLimits | None = None) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.conn = h2_pure.client(limits or ConnectionLimits())
        self.asked: dict[int, Asked] = {}
        self.credits = True
        self.uncredited: list[tuple[int, int]] = []
        self.goaways: list[GoAway] = []
        self.pongs = 0
        self.broken: Broken | None = None
        self.has_ended = self.has_finished = False
        self.flush()

    def flush(self) -> None:
        if not self.has_finished:
            self.sock.sendall(self.conn.take())

    def finish(self) -> None:
        """Send no more."""
        self.has_finished = True
        self.sock.shutdown(socket.SHUT_WR)

    def ask(
        self,
        target: str = "/",
        method: str = "GET",
        fields: Sequence[tuple[bytes, bytes]] = (),
        body: bytes | None = None,
        *,
        end: bool = True,
        length: int | None = None,
        protocol: bytes | None = None,
    ) -> Asked:
        """Begin a request; with `body`, as much as the windows allow is sent. Not `end`: more is to come."""
        path = b"" if method == "CONNECT" and protocol is None else target.encode()
        authority = target.encode() if not path else b"a.example"
        head = RequestHead(method.encode(), path, authority, b"http", fields, protocol=protocol)
        stream = self.conn.request(head, end=end and body is None, length=length)
        asked = self.asked[stream] = Asked(stream)
        if body is not None:
            self.conn.send(stream, body, end=end)
        self.flush()
        return asked

    def send(self, asked: Asked, data: bytes, *, end: bool = False) -> None:
        self.conn.send(asked.stream, data, end=end)
        self.flush()

    def send_all(self, asked: Asked, data: bytes) -> None:
        """Send a body that is larger than the windows, and end it."""
        view = memoryview(data)
        while view:
            self.until(lambda: self.conn.room(asked.stream) or asked.is_over)
            room = min(self.conn.room(asked.stream), len(view), 65_536)
            if not room:
                return
            self.conn.send(asked.stream, view[:room], end=room == len(view))
            self.flush()
            view = view[room:]

    def until(self, condition: Callable[[], object]) -> None:
        """Receive until the condition holds."""
        while not condition():
            assert not self.has_ended, "the server has closed"
            self.step()

    def step(self) -> None:
        """Receive once, and answer."""
        data = self.sock.recv(262_144)
        if not data:
            self.has_ended = True
        for event in self.conn.feed(data) if data else self.conn.feed_eof():
            self.take(event)
        if not self.has_ended:
            self.flush()

    def take(self, event: Event) -> None:
        asked = self.asked.get(event.stream, Asked(0))
        match event:
            case ResponseHead(status=status, fields=fields, end=end):
                asked.status, asked.fields, asked.is_ended = status, fields, end
            case Data(data=data, credit=credit):
                asked.pieces.append(data)
                if self.credits:
                    self.conn.consumed(event.stream, credit)
                else:
                    self.uncredited.append((event.stream, credit))
            case End(trailers=trailers):
                asked.trailers, asked.is_ended = trailers, True
            case Interim(status=status, fields=fields):
                asked.interims.append((status, fields))
            case Reset(code=code):
                asked.code = -1 if code is None else int(code)
            case GoAway():
                self.goaways.append(event)
            case PingAnswered():
                self.pongs += 1
            case Broken():
                self.broken = event

    def credit(self) -> None:
        """Give room for everything that has come."""
        self.credits = True
        for stream, credit in self.uncredited:
            self.conn.consumed(stream, credit)
        self.flush()

    def reply(self, asked: Asked) -> Asked:
        """The same, once its response is over."""
        self.until(lambda: asked.is_over)
        return asked

    def get(self, target: str = "/", method: str = "GET", **more: Any) -> Asked:
        return self.reply(self.ask(target, method, **more))

    def turn(self) -> None:
        """Until the server has read all that was sent, and has answered a ping after it."""
        before = self.pongs
        self.conn.ping(b"a turn..")
        self.flush()
        self.until(lambda: self.pongs > before)

    def at_end(self) -> None:
        """Until the server has closed; a reset is an error."""
        while not self.has_ended:
            self.step()


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


class Flows:
    """A handler made of one function that is a flow."""

    def __init__(self, function: Callable[[Exchange], Flow[None]]) -> None:
        self.handle_flow = function


class Watched(H2Serving):
    """A connection that notes the most it ever held."""

    made: ClassVar[list[Watched]] = []

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.most_queued = self.most_exchanges = self.most_pieces = 0
        self.made.append(self)

    def _look(self) -> None:
        self.most_queued = max(self.most_queued, self.queued)
        self.most_exchanges = max(self.most_exchanges, len(self.exchanges))
        held = sum(len(data) for each in self.exchanges.values() for data, _ in each.pieces)
        self.most_pieces = max(self.most_pieces, held)

    def _feed(self, data: bytes, *, is_later: bool = True) -> None:
        super()._feed(data, is_later=is_later)
        self._look()

    def push(self) -> bool:
        self._look()
        return super().push()


class Served:
    """A server that runs in a thread of its own."""

    def __init__(self, handler: Any, config: ServerConfig, driver: str, *, tls: bool) -> None:
        self.told = Told()
        self.server = HttpServer(handler, config, tls=server_tls() if tls else None, watcher=self.told)
        self.stop = Stop()
        self._listener = TcpListener.bind("127.0.0.1:0")
        self.port = self._listener.local_addr.port
        self.tls = tls
        self._driver = driver
        self._errors: list[BaseException] = []
        self._socks: list[socket.socket] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            if self._driver == "async":
                asyncio.run(self.server.run_async([self._listener], stop=self.stop, drain=PATIENCE))
            else:
                self.server.run([self._listener], stop=self.stop, drain=PATIENCE)
        except BaseException as error:
            self._errors.append(error)

    def sock(self, *, receive_buffer: int | None = None) -> socket.socket:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl.create_default_context()
            AUTHORITY.configure_trust(context)
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname="localhost")
        self._socks.append(sock)
        return sock

    def peer(self, limits: ConnectionLimits | None = None, **more: Any) -> Peer:
        return Peer(self.sock(**more), limits)

    def end(self, *, in_peace: bool = True) -> None:
        for sock in self._socks:
            sock.close()
        (self.stop.set if in_peace else self.stop.cut)()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the server does not end"
        if in_peace and self._errors:
            raise self._errors[0]


AUTHORITY = trustme.CA()


def server_tls() -> TlsConfig:
    issued = AUTHORITY.issue_cert("localhost")
    chain = [Certificate.from_pem(each.bytes()) for each in issued.cert_chain_pems]
    return TlsConfig.server().with_identity(chain, PrivateKey.from_pem(issued.private_key_pem.bytes()))


@contextmanager
def form_of_h2(form: str) -> Iterator[None]:
    """HTTP/2 in this form meanwhile, with connections that note what they hold, and short farewells."""
    require_form(form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h2_flow, "h2_server", import_module(f"netkit.http.connection.h2_{form}").server)
        patch.setattr(h2_flow, "H2Serving", Watched)
        patch.setattr(h2_flow, "LINGER", 0.2)
        patch.setattr(h2_flow, "UNWANTED_TIMEOUT", 0.05)
        patch.setattr(h2_flow, "LEAVE_TIMEOUT", 0.1)
        Watched.made.clear()
        yield


@contextmanager
def serving(
    handler: Any, config: ServerConfig | None = None, *, driver: str = "blocking", tls: bool = False
) -> Iterator[Served]:
    if callable(handler) and not isinstance(handler, type):
        handler = Flows(handler)
    served = Served(handler, config or ServerConfig(), driver, tls=tls)
    try:
        yield served
    except BaseException:
        served.end(in_peace=False)
        raise
    served.end()
