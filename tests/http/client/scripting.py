"""Servers that follow a script: what they send on each connection, in which pieces, and how they leave.

    cut = answers(b"HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhell", end=CLOSE)
    scenario = Scenario("cut off", [cut], Outcome(errors=(IncompleteMessage,)))
    with serve(scenario) as service:
        ...                                          # a client asks service.url
        assert len(service.requests) == 1

A script is a function of a `Visitor`: one connection, on a blocking socket, in a thread of its own. A script
that sends without end stops when the client leaves, or fails when the client has taken more than `MOST`.
"""

from __future__ import annotations

import atexit
import json
import select
import shutil
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.waiting import until

#: How many octets a client may take of what has no end, in a message or a connection.
MOST = 64 << 20
#: A script waits so long for a client at most, in seconds. Only a test that fails waits so long.
PATIENCE = 20.0

CLOSE, RESET, WAIT, DROP = "close", "reset", "wait", "drop"
Script = Callable[["Visitor"], None]


class Received(NamedTuple):
    """One request, as a server saw it. Field names are in lower case; `stream` is 0 in HTTP/1.1."""

    listener: str
    connection: int
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    stream: int = 0

    def field(self, name: str) -> str | None:
        """The values of a field, joined as RFC 9110 section 5.3 has it; None where there is none."""
        found = [value for each, value in self.fields if each == name]
        return ", ".join(found) if found else None


class Ask(NamedTuple):
    """What the client asks first. `again` are the methods of further requests for "/", after that one."""

    method: str = "GET"
    path: str = "/"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    userinfo: str = ""
    auth: str | None = None
    """ "basic" or "digest", for the user "jo" with the password "p4w"."""
    auth_of: str = "client"
    """ "client", or "call": who has them."""
    cookies: bool = False
    again: tuple[str, ...] = ()
    settle: bool = False
    """The further requests begin when the server has ended the connection (`Service.settled`)."""
    settings: Mapping[str, Any] = {}
    """Arguments of ClientConfig."""
    timeout: float | None = None


class Outcome(NamedTuple):
    """What comes of it by the RFCs: a response, or an error.

    `errors` are the classes of which the error, or one of its causes, is one; `limit` is the name of the
    limit that its words or its fields name. `requests` and `connections` are how many the servers saw in all.
    `again` is what each further request gets. `check` looks at what was received. `or_else` is another
    outcome that is right, where that depends on who was faster, or the RFC leaves the choice.
    """

    status: int | None = None
    body: bytes | None = None
    errors: tuple[type[BaseException], ...] = ()
    limit: str | None = None
    requests: int | None = None
    connections: int | None = None
    again: tuple[Outcome, ...] = ()
    check: Callable[[Service], None] | None = None
    or_else: Outcome | None = None


class Scenario(NamedTuple):
    """A hostile or broken server, and what a client must make of it.

    `scripts` are those of the first connections in turn; the last is that of all the others. `other` is a
    second origin, at another port. `rule` says where the right outcome is written.
    """

    name: str
    scripts: Sequence[Script]
    outcome: Outcome
    rule: str = ""
    ask: Ask = Ask()
    other: Sequence[Script] = ()
    tls: bool = False
    other_tls: bool = False
    speaks_tls: bool = True
    """False: the URL says https, and the script is left to do without TLS."""
    version: str = "1.1"
    host: str = "127.0.0.1"


class TookTooMuch(AssertionError):
    """The client went on taking what has no end."""


class Visitor:
    """One connection, as a script sees it. `number` counts the connections of its listener from 0."""

    def __init__(self, service: Service, listener: str, number: int, sock: socket.socket) -> None:
        self.service = service
        self.listener = listener
        self.number = number
        self.sock = sock
        self.buffer = b""
        self.sent = 0

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)
        self.sent += len(data)
        if self.sent > MOST:
            raise TookTooMuch(f"the client took {self.sent} octets of what has no end")

    def each_octet(self, data: bytes) -> None:
        """Send each octet in a segment of its own."""
        for value in data:
            self.send(bytes([value]))

    def more(self) -> bytes:
        """Some octets of the client's. Raises EOFError when it sends no more."""
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        return data

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.buffer += self.more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self.buffer += self.more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def head(self) -> Received:
        """Read and record the head of one request of HTTP/1.1, its body left where it is."""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = start.split(" ")
        pairs = (line.partition(":")[::2] for line in lines)
        fields = tuple((name.lower(), value.strip()) for name, value in pairs)
        return self.record(Received(self.listener, self.number, method, target, fields))

    def request(self) -> Received:
        """Read and record one whole request of HTTP/1.1."""
        received = self.head()
        if "chunked" in (received.field("transfer-encoding") or ""):
            body = b""
            while size := int(self.line().partition(b";")[0], 16):
                body += self.take(size)
                self.line()
            while self.line():
                pass
        else:
            body = self.take(int(received.field("content-length") or 0))
        self.service.requests[-1] = received = received._replace(body=body)
        return received

    def record(self, received: Received) -> Received:
        self.service.requests.append(received)
        return received

    def until_gone(self) -> None:
        """Read and forget until the client closes."""
        with suppress(EOFError):
            while True:
                self.more()

    def close(self) -> None:
        """An orderly end: FIN (after close_notify), and what the client still sends is read."""
        if isinstance(self.sock, ssl.SSLSocket):
            with suppress(ssl.SSLError, OSError):
                self.sock = self.sock.unwrap()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        self.service.settled.set()
        self.until_gone()

    def reset(self) -> None:
        """RST, whatever is in the buffers."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def drop(self) -> None:
        """FIN without close_notify."""
        self.sock.shutdown(socket.SHUT_WR)
        raw = socket.socket(fileno=self.sock.detach())
        raw.settimeout(PATIENCE)
        self.sock = raw
        self.until_gone()

    def leave(self, how: str) -> None:
        """`CLOSE`, `RESET`, `WAIT` for the client to close, or `DROP` (TLS without close_notify)."""
        {CLOSE: self.close, RESET: self.reset, WAIT: self.until_gone, DROP: self.drop}[how]()


class Service:
    """The listeners of one scenario, and what they received."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.requests: list[Received] = []
        #: Errors of scripts: the test fails with the first.
        self.errors: list[BaseException] = []
        self.connections: dict[str, int] = {}
        self.root = str(authority_file())
        #: Set when a script has ended a connection in good order: before that, `Ask.settle` asks no more.
        self.settled = threading.Event()
        self._open: set[Visitor] = set()
        self._lock = threading.Lock()
        self._ports: dict[str, int] = {}
        self._closing = False

    def origin(self, listener: str = "main", *, host: str | None = None) -> str:
        """`http://127.0.0.1:PORT` of a listener."""
        tls = self.scenario.tls if listener == "main" else self.scenario.other_tls
        where = self.scenario.host if host is None else host
        return f"http{'s' if tls else ''}://{where}:{self._ports[listener]}"

    @property
    def url(self) -> str:
        """What the client asks for first."""
        origin = self.origin()
        if self.scenario.ask.userinfo:
            origin = origin.replace("://", f"://{self.scenario.ask.userinfo}@")
        return origin + self.scenario.ask.path

    def port(self, listener: str = "main") -> int:
        return self._ports[listener]

    def at(self, listener: str) -> list[Received]:
        """What one listener received."""
        return [each for each in self.requests if each.listener == listener]

    @property
    def open_connections(self) -> int:
        """How many connections neither side has closed yet."""
        return len(self._open)

    def until_all_closed(self) -> None:
        """Wait until the client has closed every connection, or the script has."""
        until(lambda: not self._open, "the end of all connections")

    def until_settled(self) -> None:
        """Wait until a script has ended its connection in good order."""
        assert self.settled.wait(PATIENCE), "the server did not end the connection"

    def run(self, stack: ExitStack) -> None:
        """Listen, until the stack unwinds."""
        kinds = [("main", self.scenario.scripts, self.scenario.tls and self.scenario.speaks_tls)]
        if self.scenario.other:
            kinds.append(("other", self.scenario.other, self.scenario.other_tls))
        threads: list[threading.Thread] = []
        acceptors: list[threading.Thread] = []
        stack.callback(self._end, acceptors, threads)
        for name, scripts, tls in kinds:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self._ports[name] = listener.getsockname()[1]
            self.connections[name] = 0
            arguments = (name, listener, scripts, tls, threads)
            thread = threading.Thread(target=self._accept, args=arguments, daemon=True)
            thread.start()
            acceptors.append(thread)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)

    def _end(self, acceptors: list[threading.Thread], threads: list[threading.Thread]) -> None:
        """End what is still open; the scripts' threads end by that."""
        self._closing = True
        for acceptor in acceptors:
            acceptor.join(PATIENCE)
        with self._lock:
            still = list(self._open)
        for visitor in still:
            with suppress(OSError):
                visitor.sock.shutdown(socket.SHUT_RDWR)
        self._threads = threads

    def join(self) -> None:
        """Wait for all threads, then fail with the first error of a script."""
        for thread in self._threads:
            thread.join(PATIENCE)
        if self.errors:
            raise self.errors[0]

    def _accept(
        self,
        name: str,
        listener: socket.socket,
        scripts: Sequence[Script],
        tls: bool,
        threads: list[threading.Thread],
    ) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Small, so that what a client takes is seen soon.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            number = self.connections[name]
            self.connections[name] += 1
            visitor = Visitor(self, name, number, sock)
            with self._lock:
                self._open.add(visitor)
            script = scripts[min(number, len(scripts) - 1)]
            thread = threading.Thread(target=self._visit, args=(visitor, script, tls), daemon=True)
            threads.append(thread)
            thread.start()

    def _visit(self, visitor: Visitor, script: Script, tls: bool) -> None:
        try:
            if tls:
                versions = ["h2"] if self.scenario.version == "2" else ["http/1.1"]
                context = server_context(*versions)
                visitor.sock = context.wrap_socket(visitor.sock, server_side=True)
            script(visitor)
        except (EOFError, ConnectionError, ssl.SSLError):
            pass  # the client has left, which it may
        except BaseException as error:
            if not self._closing:
                self.errors.append(error)
        finally:
            visitor.sock.close()
            with self._lock:
                self._open.discard(visitor)


@contextmanager
def serve(scenario: Scenario) -> Iterator[Service]:
    """A scenario's servers, until the end of the block, which fails if a script did."""
    service = Service(scenario)
    with ExitStack() as stack:
        service.run(stack)
        yield service
    service.join()


# Scripts


Answer = bytes | Callable[[Visitor, Received], bytes]


def answers(*responses: Answer, end: str = WAIT, whole: bool = True, octets: bool = False) -> Script:
    """One response to each request, the last to all further ones if `end` is WAIT; then leave as `end` says.

    `whole`: the request's body is read before the response is sent. `octets`: each octet by itself.
    """

    def script(visitor: Visitor) -> None:
        left = list(responses)
        while left:
            received = visitor.request() if whole else visitor.head()
            response = left[0] if len(left) == 1 and end == WAIT else left.pop(0)
            data = response if isinstance(response, bytes) else response(visitor, received)
            (visitor.each_octet if octets else visitor.send)(data)
        visitor.leave(end)

    return script


def endless(begin: bytes, pieces: Callable[[], Iterable[bytes]]) -> Script:
    """A response that begins, and goes on with `pieces()` over and over, until the client leaves."""

    def script(visitor: Visitor) -> None:
        visitor.request()
        visitor.send(begin)
        while True:
            for piece in pieces():
                visitor.send(piece)
            # A client that has left with FIN is noticed at the next reading, not at the next sending.
            if select.select([visitor.sock], [], [], 0)[0]:
                visitor.more()

    return script


def repeated(piece: bytes) -> Callable[[], Iterable[bytes]]:
    """`piece` over and over, in sends of some 64 KiB."""
    return lambda: (piece * max(1, 65536 // len(piece)),)


def response(
    status: int = 200, body: bytes = b"hello\n", *fields: tuple[str, str], reason: str = "Any"
) -> bytes:
    """A well-formed response of HTTP/1.1 with a Content-Length."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode("latin-1") + body


def seen_fields(visitor: Visitor, received: Received) -> bytes:
    """A response whose body is the request as JSON."""
    said = {"method": received.method, "target": received.target, "fields": dict(received.fields)}
    return response(200, json.dumps(said).encode())


# Certificates


@cache
def authority_file() -> Path:
    """The root certificate of the servers with TLS, as a PEM file; beside it is the server's."""
    from netkit.tls.throwaway import ThrowawayAuthority

    authority = ThrowawayAuthority()
    names = ["localhost", "127.0.0.1", "::1", "example.com", "*.example.com", "example.org", "*.example.org"]
    certificate, key = authority.issue(names)
    folder = Path(tempfile.mkdtemp(prefix="netkit-hostile-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "server.pem").write_text(certificate.to_pem() + key.to_pem())
    (folder / "root.pem").write_text(authority.certificate.to_pem())
    return folder / "root.pem"


@cache
def server_context(*versions: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority_file().with_name("server.pem"))
    context.set_alpn_protocols(list(versions))
    return context
