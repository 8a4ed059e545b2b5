"""The inspecting endpoints, served on the loopback interface for all tests of this folder."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from netkit.http import Client, ClientConfig, DialConfig, HttpServer, HttpVersions, ServerConfig
from netkit.http.inspector import Inspector, InspectorConfig
from netkit.net.tcp import TcpListener
from netkit.net.unix import UnixListener
from netkit.serve.stop import Stop
from tests.conftest import require_peer

#: Small limits, so that what has no end ends soon.
CONFIG = InspectorConfig(max_delay=5, max_endless=4 << 20)

#: How long a test waits for an answer, in seconds. Only a test that fails waits so long.
PATIENCE = 20.0


class Curl(NamedTuple):
    """What curl made of a URL: its exit status, the status of the response, and its body."""

    code: int
    status: int
    body: bytes
    error: str


class Served:
    """A server of the endpoints."""

    def __init__(self, port: int, server: HttpServer) -> None:
        self.port = port
        self.server = server

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def curl(self, path: str, *options: str, then: str | None = None) -> Curl:
        """What curl makes of a path, and of another on the same connection."""
        urls = [self.url(each) for each in (path, then) if each is not None]
        argv = [require_peer("curl"), "-q", "-sS", "-m", str(PATIENCE), *options, *urls]
        argv += ["-w", "%{stderr}status=%{http_code}"]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=2 * PATIENCE)
        error, _, status = done.stderr.decode("utf-8", "replace").rpartition("status=")
        return Curl(done.returncode, int(status), done.stdout, error)


@contextmanager
def serving(
    config: InspectorConfig = CONFIG,
    settings: ServerConfig | None = None,
    listener: UnixListener | None = None,
) -> Iterator[Served]:
    tcp = TcpListener.bind("127.0.0.1:0")
    port = tcp.local_addr.port
    listeners = [tcp] if listener is None else [tcp, listener]
    server = HttpServer(Inspector(config), ServerConfig() if settings is None else settings)
    stop = Stop()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            server.run(listeners, stop=stop, drain=0)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Served(port, server)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not errors, errors


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with serving() as found:
        yield found


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(ClientConfig(timeout=PATIENCE)) as made:
        yield made


@pytest.fixture
def client_2() -> Iterator[Client]:
    """A client that speaks HTTP/2, without TLS."""
    with Client(ClientConfig(timeout=PATIENCE), dial=DialConfig(versions=HttpVersions.HTTP2)) as made:
        yield made
