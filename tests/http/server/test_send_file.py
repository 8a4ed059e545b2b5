"""Files that the system sends (sendfile(2)), and those that are read: the client gets the same."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from netkit.http.server.config import DEFAULT_CONFIG, ServerConfig
from netkit.http.server.exchange import Exchange, plain_file
from netkit.http.server.h1.exchange import SYSTEM_SENDS_FROM
from netkit.http.server.response import StreamedResponse
from netkit.http.server.server import HttpServer
from netkit.io import ClosedError, Flow
from netkit.net.sockets import SocketStream
from netkit.net.tcp import TcpListener, TcpStream
from netkit.serve.connections import in_background
from tests.waiting import PATIENCE, until

SIZE = 6 << 20
CONTENT = bytes(range(256)) * (SIZE // 256)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield opened


class Sends:
    """Sends a part of a file, framed by its length unless told otherwise."""

    def __init__(self, file: BinaryIO, start: int, size: int, length: int | None) -> None:
        self.file = file
        self.start = start
        self.size = size
        self.length = length

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        exchange.begin(200, length=self.length)
        yield from exchange.send_file_flow(self.file, self.start, self.size)
        yield from exchange.end_flow()


@pytest.fixture
def by_system(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many octets the system sent each time."""
    sent: list[int] = []
    original = SocketStream.try_send_file

    def counting(self: SocketStream, file: int, start: int, size: int) -> int | None:
        done = original(self, file, start, size)
        sent.append(done or 0)
        return done

    monkeypatch.setattr(SocketStream, "try_send_file", counting)
    return sent


GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def asked(handler: object, octets: bytes = GET, config: ServerConfig = DEFAULT_CONFIG) -> bytes:
    """All that a client gets from this handler."""
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(handler, config)  # type: ignore[arg-type]
    got = b""
    with (
        in_background(lambda stop: server.serve([listener], stop=stop)),
        closing(socket.create_connection(("127.0.0.1", listener.local_addr.port), PATIENCE)) as sock,
    ):
        sock.sendall(octets)
        while piece := sock.recv(1 << 20):
            got += piece
    return got


@pytest.mark.skipif(sys.platform != "linux", reason="sendfile(2) is used on Linux")
@pytest.mark.parametrize(("start", "size"), [(0, SIZE), (5, SIZE - 5), (100, SYSTEM_SENDS_FROM)])
def test_by_the_system(file: BinaryIO, by_system: list[int], start: int, size: int) -> None:
    got = asked(Sends(file, start, size, size))
    assert got.partition(b"\r\n\r\n")[2] == CONTENT[start : start + size]
    assert sum(by_system) == size


def test_a_small_part_goes_with_its_head(file: BinaryIO, by_system: list[int]) -> None:
    got = asked(Sends(file, 7, 1000, 1000))
    assert got.endswith(b"\r\n\r\n" + CONTENT[7:1007])
    assert not by_system


def test_chunks_are_written_here(file: BinaryIO, by_system: list[int]) -> None:
    got = asked(Sends(file, 0, SIZE, None))
    assert b"Transfer-Encoding: chunked" in got
    assert len(got) > SIZE
    assert not by_system


def test_the_head_alone(file: BinaryIO, by_system: list[int]) -> None:
    got = asked(Sends(file, 0, SIZE, SIZE), GET.replace(b"GET", b"HEAD"))
    assert got.endswith(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % SIZE in got
    assert not by_system


def test_a_file_that_became_shorter(file: BinaryIO) -> None:
    """The client sees that the response is not whole; what the file still has is sent."""
    got = asked(Sends(file, 1, SIZE, SIZE))
    assert got.partition(b"\r\n\r\n")[2] == CONTENT[1:]


def test_more_than_was_announced(file: BinaryIO, by_system: list[int]) -> None:
    got = asked(Sends(file, 0, SIZE, SIZE - 1))
    assert len(got.partition(b"\r\n\r\n")[2]) == 0
    assert not by_system


def test_a_streamed_response_of_a_file(tmp_path: Path, by_system: list[int]) -> None:
    """From the file's position on, and the file is closed."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    opened: list[BinaryIO] = []

    class Handler:
        def handle(self, _request: object) -> StreamedResponse:
            file = path.open("rb")
            file.read(10)
            opened.append(file)
            return StreamedResponse(200, file)

    for config in (ServerConfig(threads=0), ServerConfig()):
        got = asked(Handler(), config=config)
        assert got.partition(b"\r\n\r\n")[2] == CONTENT[10:]
        assert opened.pop().closed


def test_which_files_the_system_sends(tmp_path: Path, file: BinaryIO) -> None:
    """Those whose octets are the file's own."""
    import gzip

    assert plain_file(file) == file.fileno()
    with (tmp_path / "file").open("rb", buffering=0) as raw:
        assert plain_file(raw) == raw.fileno()
    with gzip.open(tmp_path / "z", "wb") as packed:
        assert plain_file(packed) is None
    with (tmp_path / "file").open("r+b") as both:
        assert plain_file(both) is None
    with open("/dev/null", "rb") as device:
        assert plain_file(device) is None
    assert plain_file(io.BytesIO(b"x")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="sendfile(2) is used on Linux")
def test_a_stream_says_what_it_cannot_send(file: BinaryIO) -> None:
    """And at the end of a file, that there is nothing more."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    stream = TcpStream(ours)
    with theirs, stream:
        assert stream.try_send_file(file.fileno(), SIZE, 10) == 0
        assert stream.try_send_file(file.fileno(), SIZE - 4, 10) == 4
        assert theirs.recv(100) == CONTENT[-4:]
        with socket.socket() as other, pytest.raises(io.UnsupportedOperation):
            stream.try_send_file(other.fileno(), 0, 10)
        stream.write_all(b"on")
        assert theirs.recv(100) == b"on"
        while stream.try_send_file(file.fileno(), 0, SIZE) is not None:
            pass
        assert theirs.recv(4) == CONTENT[:4]
    with pytest.raises(ClosedError):
        stream.try_send_file(file.fileno(), 0, 10)


def test_a_client_that_takes_nothing_of_a_file(file: BinaryIO) -> None:
    """It is not waited for without end."""
    listener = TcpListener.bind("127.0.0.1:0")
    server = HttpServer(Sends(file, 0, SIZE, SIZE), ServerConfig(write_timeout=0.05))
    with (
        in_background(lambda stop: server.serve([listener], stop=stop)),
        closing(socket.socket()) as sock,
    ):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", listener.local_addr.port))
        sock.sendall(GET * 20)
        until(lambda: server.counts()["failed"])
        until(lambda: not server.connections.active)
    assert server.counts()["failed"] == 1
