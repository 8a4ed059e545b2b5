"""Files over TLS whose records the kernel makes (kTLS): who sends them, and that the client gets the same.

No kernel here has the protocol: a socket of the tests does its part, sendfile(2) included.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.exchange import SYSTEM_SENDS_FROM
from netkit.http.server.server import HttpServer
from netkit.net import TcpListener, TcpStream
from netkit.serve.connections import in_background
from netkit.tls.kernel import link
from netkit.tls.stream import TlsStream
from tests.tls.conformance.ends import HOST, client_config, server_config
from tests.tls.test_kernel_tls import KernelSocket, needs_rustls
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from netkit.io import Flow

pytestmark = [pytest.mark.once, needs_rustls]

CONTENT = os.urandom(SYSTEM_SENDS_FROM + 100_000)


class Sends:
    def __init__(self, path: Path) -> None:
        self.path = path

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        exchange.begin(200, length=len(CONTENT))
        with self.path.open("rb") as file:
            yield from exchange.send_file_flow(file, 0, len(CONTENT))
        yield from exchange.end_flow()


@pytest.fixture
def by_kernel(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many octets each call of sendfile(2) sent, over sockets that encrypt."""
    sent: list[int] = []
    sockets: dict[int, KernelSocket] = {}
    making, sending = KernelSocket.__init__, os.sendfile

    def made(self: KernelSocket, *arguments: Any, **named: Any) -> None:
        making(self, *arguments, **named)
        sockets[self.fileno()] = self

    def sendfile(out: int, file: int, start: int, size: int) -> int:
        if out not in sockets:
            return sending(out, file, start, size)
        sent.append(sockets[out].send(os.pread(file, min(size, 16_384), start)))
        return sent[-1]

    monkeypatch.setattr(KernelSocket, "__init__", made)
    monkeypatch.setattr(os, "sendfile", sendfile)
    return sent


def fetched(path: Path, *, kernel_tls: bool, backend: str = "rustls") -> bytes:
    """The body of two responses over one connection, the first of them with a pipelined request behind."""

    def wrap(accepted: TcpStream) -> TcpStream:
        sock = KernelSocket(fileno=os.dup(accepted.get_socket().fileno()))
        sock.setblocking(False)
        return TcpStream(sock)

    server = HttpServer(Sends(path), tls=server_config(backend), wrap=wrap, kernel_tls=kernel_tls)
    with (
        TcpListener.bind("127.0.0.1:0") as listener,
        in_background(lambda stop: server.serve([listener], stop=stop, drain=PATIENCE)),
    ):
        tcp = TcpStream.connect(listener.local_addr, timeout=PATIENCE)
        config = client_config(backend, alpn_protocols=("http/1.1",))
        with TlsStream.connect(tcp, HOST, config, timeout=PATIENCE) as tls:
            tls.write_all(
                b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                timeout=PATIENCE,
            )
            return tls.read_to_end(timeout=PATIENCE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def is_right(answers: bytes) -> bool:
    return answers.count(b"HTTP/1.1 200 ") == 2 and answers.count(b"\r\n\r\n" + CONTENT) == 2


def test_the_kernel_sends(path: Path, by_kernel: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "why_not", lambda _version, _cipher: None)
    assert is_right(fetched(path, kernel_tls=True))
    assert sum(by_kernel) == 2 * len(CONTENT)


def test_a_kernel_that_cannot(path: Path, by_kernel: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "why_not", lambda _version, _cipher: "it has no protocol tls")
    assert is_right(fetched(path, kernel_tls=True))
    assert by_kernel == []


def test_who_does_not_ask_or_gives_no_keys(path: Path, by_kernel: list[int]) -> None:
    assert is_right(fetched(path, kernel_tls=False))
    assert is_right(fetched(path, kernel_tls=True, backend="ssl"))
    assert by_kernel == []
