"""A server of HTTP/2 in a thread, whose behaviour a test scripts, over either form of the protocol object.

    with serving(form) as peer:                          # answers each request with its path
        client.get(f"{peer.url}/1")
        peer.answer = lambda request: None               # from now on, nothing is answered by itself
        ...
        peer.do(lambda: peer.requests[-1].respond(b"late"))

Everything of the server's happens in its own thread: `do` has a call made there, and waits for it. What the
client sent is recorded frame by frame, so that a test sees what reached the server, and when.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import trustme

from netkit.http import ClientConfig, DialConfig, HttpVersions
from netkit.http.connection.events import (
    Data,
    End,
    Event,
    FieldList,
    RequestHead,
    RequestReceived,
    Reset,
    Room,
)
from netkit.http.connection.limits import ConnectionLimits
from netkit.tls.config import TlsConfig
from netkit.tls.x509.certificate import Certificate
from tests.http.connection.forms import ACK, PREFACE, RST_STREAM, SETTINGS, Form, Frame
from tests.waiting import until

T = TypeVar("T")

#: A server that takes nearly everything at once, so that a test meets the limits that it is about.
ROOMY = ConnectionLimits(
    max_concurrent_streams=10_000,
    max_resets=100_000,
    max_empty_frames=100_000,
    max_pings=100_000,
    max_settings=100_000,
)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    return context


class Asked:
    """One request, as the server sees it."""

    def __init__(self, visit: Visit, stream: int, head: RequestHead, ended: bool) -> None:
        self.visit = visit
        self.stream = stream
        self.head = head
        self.path = head.target.decode()
        self.body = bytearray()
        self.held = 0  # octets that the server has not given credit for
        self.has_ended = ended
        self.reset: int | None = None
        self.has_answer = False

    def respond(
        self, body: bytes = b"", status: int = 200, *, end: bool = True, trailers: FieldList | None = None
    ) -> None:
        """The head of a response and some of its body; the rest goes as the client gives room."""
        self.begin(status)
        self.send(body, end=end, trailers=trailers)

    def begin(self, status: int = 200, fields: FieldList | None = None) -> None:
        self.has_answer = self.has_answer or status >= 200
        self.visit.conn.respond(self.stream, status, fields or [], end=False)
        self.visit.flush()

    def send(self, body: bytes, *, end: bool = False, trailers: FieldList | None = None) -> None:
        self.visit.queues.setdefault(self.stream, deque()).append((memoryview(body), end, trailers))
        self.visit.move()

    def give_up(self, code: int) -> None:
        self.visit.queues.pop(self.stream, None)
        self.visit.conn.reset(self.stream, code)
        self.visit.flush()

    def take(self) -> None:
        """Give credit for what was held."""
        if self.held:
            self.visit.conn.consumed(self.stream, self.held)
            self.held = 0
            self.visit.flush()


class Visit:
    """One connection."""

    def __init__(self, peer: Peer, number: int, sock: socket.socket) -> None:
        self.peer = peer
        self.number = number
        self.sock = sock
        self.conn = peer.form.fresh_server(peer.limits)
        self.out = bytearray()
        self.frames: list[Frame] = []
        self.asked: dict[int, Asked] = {}
        self.queues: dict[int, deque[tuple[memoryview, bool, FieldList | None]]] = {}
        self.is_reading = True
        self.is_gone = False  # the client has closed it
        self.is_closed = False
        self.ignored_acks = 0  # of SETTINGS that the protocol object knows nothing of
        self._preface = len(PREFACE)
        self._input = bytearray()
        self._shakes = isinstance(sock, ssl.SSLSocket)
        self._mask = 0

    # What a script says.

    def raw(self, octets: bytes) -> None:
        """Send octets of the test's own, after what the protocol object has to send."""
        if octets[3:4] == bytes((SETTINGS,)) and not octets[4] & ACK:
            self.ignored_acks += 1
        self.out += self.conn.take() + octets
        self.flush()

    def read(self, wanted: bool) -> None:
        self.is_reading = wanted
        self.flush()

    def close(self, *, reset: bool = False) -> None:
        """Close; with `reset` so that the client gets a reset."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._mask:
            self.peer.selector.unregister(self.sock)
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # What the loop does.

    def move(self) -> None:
        """Send of the queued bodies what goes."""
        for stream, queue in list(self.queues.items()):
            while queue:
                piece, end, trailers = queue[0]
                room = self.conn.room(stream)
                size = min(room, len(piece))
                if len(piece) and not size:
                    break
                is_last = size == len(piece)
                ends = end and is_last
                self.conn.send(stream, piece[:size], end=ends and trailers is None)
                if ends and trailers is not None:
                    self.conn.trailers(stream, trailers)
                if is_last:
                    queue.popleft()
                else:
                    queue[0] = (piece[size:], end, trailers)
            if not queue:
                del self.queues[stream]
        self.flush()

    def flush(self) -> None:
        if self.is_closed:
            return
        self.out += self.conn.take()
        try:
            while self.out and not self._shakes:
                with memoryview(self.out) as view:
                    sent = self.sock.send(view[:65536])
                del self.out[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.is_gone = True
            self.close()
            return
        mask = selectors.EVENT_READ if self.is_reading else 0
        mask |= selectors.EVENT_WRITE if self.out else 0
        if mask != self._mask:
            if not self._mask:
                self.peer.selector.register(self.sock, mask, self)
            elif mask:
                self.peer.selector.modify(self.sock, mask, self)
            else:
                self.peer.selector.unregister(self.sock)
            self._mask = mask

    def ready(self) -> None:
        try:
            if self._shakes:
                assert isinstance(self.sock, ssl.SSLSocket)
                self.sock.do_handshake()
                self._shakes = False
            while self.is_reading and not self.is_closed:
                octets = self.sock.recv(65536)
                if not octets:
                    self.is_gone = True
                    self.close()
                    return
                self.received(octets)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.is_gone = True
            self.close()
            return
        self.move()

    def received(self, octets: bytes) -> None:
        self._input += octets
        at = min(self._preface, len(self._input))
        self._preface -= at
        passed = bytearray(self._input[:at])
        while len(self._input) - at >= 9:
            end = at + 9 + int.from_bytes(self._input[at : at + 3], "big")
            if end > len(self._input):
                break
            frame = bytes(self._input[at:end])
            seen = Frame(frame[3], frame[4], int.from_bytes(frame[5:9], "big"), frame[9:])
            at = end
            self.frames.append(seen._replace(payload=seen.payload[:64]))
            if seen.kind == SETTINGS and seen.flags & ACK and self.ignored_acks and len(self.acks) > 1:
                self.ignored_acks -= 1
                continue
            passed += frame
        del self._input[:at]
        for event in self.conn.feed(passed):
            self.on(event)

    @property
    def acks(self) -> list[Frame]:
        return [each for each in self.frames if each.kind == SETTINGS and each.flags & ACK]

    def on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            asked = Asked(self, event.stream, event.head, event.end)
            self.asked[event.stream] = asked
            self.peer.requests.append(asked)
            self.peer.begun(asked)
            if event.end:
                self.peer.answer(asked)
        elif isinstance(event, Data):
            asked = self.asked[event.stream]
            asked.body += event.data
            asked.held += event.credit
            if self.peer.takes:
                asked.take()
            self.peer.came(asked, event.data)
        elif isinstance(event, End):
            self.asked[event.stream].has_ended = True
            if self.asked[event.stream].reset is None:
                self.peer.answer(self.asked[event.stream])
        elif isinstance(event, Reset):
            self.asked[event.stream].reset = event.code
            self.queues.pop(event.stream, None)
        elif isinstance(event, Room):
            pass  # `move` follows in any case

    def resets(self) -> dict[int, int]:
        """RST_STREAM that came: the code by the stream."""
        return {each.stream: each.code for each in self.frames if each.kind == RST_STREAM}


def by_path(asked: Asked) -> None:
    """The path as the body; "/octets/N" is N octets."""
    _, _, size = asked.path.rpartition("/octets/")
    asked.respond(bytes(int(size)) if asked.path.startswith("/octets/") else asked.path.encode())


class Peer:
    """The server. `answer` is called when a request is there as a whole, `begun` at its head."""

    def __init__(self, form: Form, limits: ConnectionLimits, tls: bool, buffer: int | None) -> None:
        self.form = form
        self.limits = limits
        self.requests: list[Asked] = []
        self.visits: list[Visit] = []
        self.answer: Callable[[Asked], None] = by_path
        self.begun: Callable[[Asked], None] = lambda _: None
        self.came: Callable[[Asked, bytes], None] = lambda _, __: None
        self.takes = True  # gives credit for bodies at once
        self.arrived: Callable[[Visit], None] = lambda _: None
        self.selector = selectors.DefaultSelector()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        if buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._calls: deque[Callable[[], None]] = deque()
        self._ended = False
        self.failure: BaseException | None = None
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self._ear, selectors.EVENT_READ, self._called)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    @property
    def visit(self) -> Visit:
        return self.visits[-1]

    def do(self, call: Callable[[], T]) -> T:
        """Have `call()` made in the server's thread; its result."""
        done = threading.Event()
        made: list[T] = []
        failed: list[BaseException] = []

        def make() -> None:
            try:
                made.append(call())
            except BaseException as error:
                failed.append(error)
            done.set()

        self._calls.append(make)
        self._bell.send(b"!")
        assert done.wait(30), f"the server's thread has ended: {self.failure!r}"
        if failed:
            raise failed[0]
        return made[0]

    def until_asked(self, count: int) -> list[Asked]:
        """The requests, as soon as there are so many."""
        until(lambda: len(self.requests) >= count, f"{count} requests at the server")
        return self.requests

    def until_reset(self, asked: Asked) -> int | None:
        until(lambda: asked.stream in asked.visit.resets(), "RST_STREAM at the server")
        return asked.visit.resets()[asked.stream]

    def _run(self) -> None:
        try:
            while not self._ended:
                for key, _ in self.selector.select():
                    if isinstance(key.data, Visit):
                        if not key.data.is_closed:
                            key.data.ready()
                    else:
                        key.data()
        except BaseException as error:
            self.failure = error
            raise

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        if self._tls:
            sock = server_context().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        visit = Visit(self, len(self.visits), sock)
        self.visits.append(visit)
        self.arrived(visit)
        visit.flush()

    def _called(self) -> None:
        self._ear.recv(4096)
        while self._calls:
            self._calls.popleft()()

    def close(self) -> None:
        def end() -> None:
            self._ended = True

        if self._thread.is_alive():
            self.do(end)
        self._thread.join(30)
        for visit in self.visits:
            visit.close()
        for each in (self._listener, self._bell, self._ear, self.selector):
            each.close()


@contextmanager
def serving(
    form: Form, limits: ConnectionLimits = ROOMY, *, tls: bool = False, buffer: int | None = None
) -> Iterator[Peer]:
    peer = Peer(form, limits, tls, buffer)
    try:
        yield peer
    finally:
        peer.close()
    assert peer.failure is None


def dial(**changes: object) -> DialConfig:
    """HTTP/2, with TLS or at once, and the certificates of these servers."""
    root = Certificate.from_pem_chain(authority().cert_pem.bytes())
    settings = {"versions": HttpVersions.HTTP2, "tls": TlsConfig.client().with_root_certs(root), **changes}
    return DialConfig(**settings)  # type: ignore[arg-type]  # each is of the type that its field has


def config(**changes: object) -> ClientConfig:
    settings = {"timeout": 30.0, "limits": ROOMY, **changes}
    return ClientConfig(**settings)  # type: ignore[arg-type]  # as above
