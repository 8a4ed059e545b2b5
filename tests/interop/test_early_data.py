"""HTTP over early data with peers: nginx in front of a server that refuses what comes early; openssl."""

from __future__ import annotations

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from netkit.http import Client, ClientConfig, DialConfig, PoolConfig, Request, Response
from netkit.http.client.dial import HttpVersions
from tests.conftest import require_peer
from tests.http.server.serving import PATIENCE, Serving
from tests.interop.nginx import nginx
from tests.tls.conformance.ends import authority, client_config, identity, server_config
from tests.tls.test_early_data import CLIENTS, SERVERS
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from netkit.http.server.request import ServerRequest

pytestmark = pytest.mark.once

EACH_ANEW = ClientConfig(pool_config=PoolConfig(idle_timeout=0.0), timeout=PATIENCE)


class Origin:
    """Notes which requests are said to have come early; what must not happen twice is refused then."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []

    def handle(self, request: ServerRequest) -> Response:
        self.seen.append((request.path, request.early_data))
        if request.path == "/once" and request.early_data:
            return Response(425)
        return Response(200, body=b"early" if request.early_data else b"late")


def written(folder: Path) -> tuple[str, str, str]:
    """The certificate, its key and the root, in files."""
    shown = identity("localhost")
    files = {
        "cert.pem": "".join(each.to_pem() for each in shown.chain),
        "key.pem": shown.key.to_pem(),
        "ca.pem": authority().certificate.to_pem(),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    cert, key, ca = (str(folder / name) for name in files)
    return cert, key, ca


@pytest.mark.parametrize("backend", CLIENTS)
def test_nginx_before_a_server(tmp_path: Path, backend: str) -> None:
    """nginx forwards before the handshake is over, and says so; its answer of 425 is the origin's."""
    cert, key, _ = written(tmp_path)
    origin = Origin()
    with Serving(origin) as serving, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = (
            f"server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};"
            "  ssl_protocols TLSv1.3; ssl_early_data on; ssl_session_cache builtin;"
            f"  location / {{ proxy_pass http://127.0.0.1:{serving.at[1]};"
            "    proxy_set_header Early-Data $ssl_early_data; } }"
        )
        with nginx(tmp_path / "nginx", settings, [listener]):
            for versions in (HttpVersions.HTTP11, HttpVersions.HTTP2):
                dial = DialConfig(versions, client_config(backend), early_data=True)
                with Client(EACH_ANEW, dial=dial) as client:
                    url = f"https://localhost:{port}/once"
                    assert client.get(url).connection.early_data_accepted is None
                    origin.seen.clear()
                    # nginx says so only where the handshake is not over yet when it forwards: of a few, one.
                    for _ in range(100):
                        answer = client.get(url)
                        assert (answer.status, answer.body) == (200, b"late")
                        if ("/once", True) in origin.seen:
                            break
                        assert answer.connection.early_data_accepted is True
                    assert origin.seen[-2:] == [("/once", True), ("/once", False)]
                    posted = client.request(Request("POST", url))
                    assert (posted.body, posted.connection.early_data_accepted) == (b"late", None)
                    assert origin.seen[-1] == ("/once", False)


def records(sock: socket.socket) -> Iterator[bytes]:
    """The TLS records that come over a socket, to its end."""
    with sock.makefile("rb") as file:
        while head := file.read(5):
            yield head + file.read(int.from_bytes(head[3:], "big"))


@contextmanager
def holding_back(port: int, answered: Callable[[], bool], *held: bool) -> Iterator[int]:
    """A relay to a port that gives the server a client's hello and its first early data at once, and the rest
    when `answered()`: so a server that waits for the client's Finished never answers. `held` are the
    connections that come, and whether that is so with them."""

    def forward(one: socket.socket, other: socket.socket, held: bool) -> None:
        with suppress(OSError):  # who has all that it wants may be gone
            for record in records(one):
                other.sendall(record)
                if held and record[0] == 23:
                    until(answered, "a request that was handled before the client's Finished")
                    held = False
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:

        def relay() -> None:
            for is_held in held:
                client, _ = listener.accept()
                with client, socket.create_connection(("127.0.0.1", port)) as server:
                    there = pool.submit(forward, client, server, is_held)
                    forward(server, client, False)
                    there.result(PATIENCE)

        relayed = pool.submit(relay)
        yield listener.getsockname()[1]
        relayed.result(PATIENCE)


@pytest.mark.parametrize("half_rtt", [False, True])
@pytest.mark.parametrize("backend", SERVERS)
def test_openssl_sends(tmp_path: Path, backend: str, half_rtt: bool) -> None:
    """s_client keeps a session in a file, and sends a request early with it; the second time in vain.

    With half_rtt, what follows the early data reaches the server when that has answered.
    """
    _, _, ca = written(tmp_path)
    request = tmp_path / "request"
    request.write_bytes(b"GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    origin = Origin()
    config = server_config(backend, identity("localhost"), max_early_data=16_384, half_rtt=half_rtt)
    with ExitStack() as stack:
        port = first = stack.enter_context(Serving(origin, tls=config)).at[1]
        if half_rtt:
            relay = holding_back(first, lambda: ("/early", True) in origin.seen, True, False)
            port = stack.enter_context(relay)
        base = [
            require_peer("openssl"), "s_client", "-CAfile", ca,
            "-servername", "localhost", "-alpn", "http/1.1", "-ign_eof",
        ]  # fmt: skip

        def run(*more: str, said: bytes = b"", at: int = port) -> bytes:
            line = [*base, "-connect", f"127.0.0.1:{at}", *more]
            done = subprocess.run(line, input=said, capture_output=True, timeout=20, check=False)
            return done.stdout

        last = b"GET /late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        session = str(tmp_path / "session")
        assert b"HTTP/1.1 200" in run("-sess_out", session, said=last, at=first)
        told = run("-sess_in", session, "-early_data", str(request))
        assert b"Early data was accepted" in told
        assert b"\r\n\r\nearly" in told
        again = run("-sess_in", session, "-early_data", str(request), said=last)
        assert b"Early data was rejected" in again
    assert origin.seen == [("/late", False), ("/early", True), ("/late", False)]


@pytest.mark.parametrize("backend", SERVERS)
def test_gnutls_reads_the_answer_before_its_finished(tmp_path: Path, backend: str) -> None:
    """gnutls-cli connects for a session, and again with a request as early data."""
    _, _, ca = written(tmp_path)
    request = tmp_path / "request"
    request.write_bytes(b"GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    origin = Origin()
    config = server_config(backend, identity("localhost"), max_early_data=16_384, half_rtt=True)
    with (
        Serving(origin, tls=config) as serving,
        holding_back(serving.at[1], lambda: ("/early", True) in origin.seen, False, True) as port,
    ):
        line = [
            require_peer("gnutls-cli"), "--x509cafile", ca, "--alpn", "http/1.1", "--port", str(port),
            "--resume", "--waitresumption", "--earlydata", str(request), "localhost",
        ]  # fmt: skip
        done = subprocess.run(line, input=b"x", capture_output=True, timeout=20, check=False)
    assert done.stdout.count(b"\r\n\r\nearly") == 1, done.stderr
    assert origin.seen == [("/early", True)]
