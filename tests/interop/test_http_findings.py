"""What `diagnose` says that other parsers do is what they do: llhttp, h11 and nginx are asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from netkit.http.diagnose.findings import KNOWN
from tests.http.finding_examples import EXAMPLES, Example
from tests.http.peers import by_h11, by_llhttp
from tests.interop.nginx import nginx as running_nginx

#: Those whose example is read with a limit of its own, which is no other parser's.
LIMITS = {example.code for example in EXAMPLES if any(name.startswith("max_") for name in example.options)}

ByNginx = Callable[[bytes], str]


def upstream(listener: socket.socket) -> None:
    """Answer 200 to whatever nginx lets through, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.settimeout(10)
            data = b""
            while b"\r\n\r\n" not in data and (piece := connection.recv(65536)):
                data += piece
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


@pytest.fixture(scope="module")
def by_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByNginx]:
    """nginx as a proxy that reads a request whole before it passes it on."""
    with (
        socket.create_server(("127.0.0.1", 0)) as behind,
        socket.create_server(("127.0.0.1", 0)) as front,
    ):
        worker = threading.Thread(target=upstream, args=[behind])
        worker.start()
        proxy = f"proxy_pass http://127.0.0.1:{behind.getsockname()[1]};"
        http = f"server {{ listen 127.0.0.1:{front.getsockname()[1]}; location / {{ {proxy} }} }}\n"
        address = front.getsockname()

        def ask(octets: bytes) -> str:
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(octets)
                answer = b""
                while b"\r\n" not in answer and (piece := connection.recv(65536)):
                    answer = (answer + piece).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
                return "accepts" if b" 200 " in answer else "refuses"

        try:
            with running_nginx(tmp_path_factory.mktemp("nginx") / "home", http, [front]):
                yield ask
        finally:
            behind.shutdown(socket.SHUT_RDWR)
            worker.join(20)


def test_nothing_is_said_of_limits() -> None:
    """Each has its own."""
    assert not LIMITS & set(KNOWN)


@pytest.mark.parametrize(
    "example", [example for example in EXAMPLES if example.code in KNOWN], ids=lambda example: example.code
)
def test_elsewhere(example: Example, by_nginx: ByNginx) -> None:
    known = dict(KNOWN[example.code].elsewhere)
    asked = {"llhttp": by_llhttp(example.octets, example.kind), "h11": by_h11(example.octets, example.kind)}
    found = {name: "refuses" if verdict.what == "refuses" else "accepts" for name, verdict in asked.items()}
    if "nginx" in known:
        found["nginx"] = by_nginx(example.octets)
    assert known == found


def test_no_code_is_unheard_of() -> None:
    assert set(KNOWN) <= {example.code for example in EXAMPLES}
