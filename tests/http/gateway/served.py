"""A server in a thread, under each driver, and a client that writes octets.

    with served(handler, "asyncio") as site:
        answer = site.get("/hello")
        assert (answer.status, answer.body) == (200, b"hello")

Responses are read by Python's http.client, which nobody here wrote. What the server raises is raised again at
the end of the block.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from typing import Any, NamedTuple, cast

import pytest

from netkit.http import HttpServer, ServerConfig
from netkit.http.server.service import Watcher
from netkit.io import Event
from netkit.net import TcpListener
from netkit.serve.stop import Stop

#: How long a client waits, in seconds. Only a test that fails waits so long.
PATIENCE = 20.0

ASYNC = ("asyncio", "uvloop")
DRIVERS = ("blocking", *ASYNC)


class Answer(NamedTuple):
    """A response. `broken`: its body ended early."""

    status: int
    fields: dict[str, str]
    body: bytes
    broken: bool = False


class _Octets:
    """What HTTPResponse takes for a socket."""

    def __init__(self, octets: bytes) -> None:
        self.file = BytesIO(octets)
        self.file.close = lambda: None  # type: ignore[method-assign]  # several responses are in it

    def makefile(self, _mode: str) -> BytesIO:
        return self.file


def answers(octets: bytes, methods: Sequence[str] = ("GET",)) -> list[Answer]:
    """The responses in `octets` to requests of those methods."""
    source = _Octets(octets)
    found = []
    for method in methods:
        response = HTTPResponse(cast(socket.socket, source), method=method)
        response.begin()
        broken = False
        try:
            body = response.read()
        except IncompleteRead as error:
            body, broken = error.partial, True
        fields = {name.lower(): value for name, value in response.getheaders()}
        found.append(Answer(response.status, fields, body, broken))
    return found


def request(
    target: str = "/", *, method: str = "GET", fields: str = "", body: bytes = b"", version: str = "1.1"
) -> bytes:
    """A request, after which the server closes. `fields` are lines."""
    lines = f"{method} {target} HTTP/{version}\r\nHost: site.example\r\n{fields}"
    if "Connection:" not in fields:
        lines += "Connection: close\r\n"
    if body and "Transfer-Encoding" not in fields:
        lines += f"Content-Length: {len(body)}\r\n"
    return lines.encode("latin-1") + b"\r\n" + body


class Site:
    """A server that runs."""

    def __init__(self, server: HttpServer, port: int, stop: Stop) -> None:
        self.server = server
        self.port = port
        self.stop = stop
        self.thread: threading.Thread | None = None

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def refuses(self) -> bool:
        """Whether nobody listens any more."""
        try:
            self.connect().close()
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False

    def talk(self, octets: bytes) -> bytes:
        """Everything that the server sends until it closes."""
        with self.connect() as sock:
            sock.sendall(octets)
            return rest_of(sock)

    def ask(self, octets: bytes, method: str = "GET") -> Answer:
        """The response to one request."""
        return answers(self.talk(octets), [method])[0]

    def get(self, target: str = "/", **more: Any) -> Answer:
        """The response to a request made by `request`."""
        return self.ask(request(target, **more), more.get("method", "GET"))

    @property
    def counts(self) -> dict[str, int]:
        return self.server.counts()


def rest_of(sock: socket.socket) -> bytes:
    """What comes until the other side has finished, or broken off."""
    pieces = []
    try:
        while piece := sock.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


class Told:
    """A watcher that keeps the errors of exchanges."""

    def __init__(self) -> None:
        self.errors: list[Exception | None] = []
        self.faults: list[Exception] = []

    def exchange(self, exchange: object, elapsed: float, error: Exception | None) -> None:
        self.errors.append(error)

    def fault(self, connection: object, error: Exception) -> None:
        self.faults.append(error)


@contextmanager
def served(
    handler: Any,
    driver: str = "blocking",
    config: ServerConfig | None = None,
    *,
    watcher: Watcher | None = None,
    drain: float | None = 10.0,
    tls: Any = None,
) -> Iterator[Site]:
    """A server of `handler` while the block runs."""
    listener = TcpListener.bind("127.0.0.1:0")
    stop = Stop()
    server = HttpServer(handler, config or ServerConfig(), watcher=watcher, tls=tls)
    site = Site(server, listener.local_addr.port, stop)
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            if driver == "blocking":
                server.run([listener], stop=stop, drain=drain)
            else:
                runner(driver)(server.run_async([listener], stop=stop, drain=drain))
        except BaseException as error:
            errors.append(error)

    site.thread = threading.Thread(target=serve, daemon=True)
    site.thread.start()
    try:
        yield site
    finally:
        stop.set()
        site.thread.join(PATIENCE)
        alive = site.thread.is_alive()
    if errors:
        raise errors[0]
    assert not alive, "the server did not end"


def runner(driver: str) -> Callable[[Any], object]:
    """What runs a coroutine in a new event loop."""
    if driver == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")
    return cast("Callable[[Any], object]", uvloop.run)


class Gate:
    """A place where handlers wait until it is opened; `waiting` counts those that came."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.waiting = 0

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        self.waiting += 1
        assert self._open.wait(PATIENCE)


def ended(threads: Sequence[threading.Thread]) -> bool:
    return not any(thread.is_alive() for thread in threads)


__all__ = ["ASYNC", "DRIVERS", "PATIENCE", "Answer", "Event", "Gate", "Site", "Told", "answers", "served"]
