"""Going on with another protocol: Upgrade, its stream, and who may not have it (RFC 9110 section 7.8)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netkit.http import Client, DialConfig, HttpError, HttpVersions, Request

pytestmark = pytest.mark.once


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends `answer` to the head of one request, then echoes; its URL, and the heads it got."""
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = sock.recv(4096)
                    if not piece:
                        break
                    head += piece
                if not head:
                    continue
                heads.append(head)
                sock.sendall(answer)
                while data := sock.recv(4096):
                    sock.sendall(data.upper())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", heads
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        assert not thread.is_alive()


SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: upper\r\n\r\n"


def test_what_comes_behind_the_head_is_the_first_of_the_stream() -> None:
    with answering(SWITCHED + b"early") as (url, heads), Client() as client:
        with client.stream(Request("GET", url, headers={"Upgrade": "upper", "Connection": "x"})) as response:
            assert response.status == 101
            stream = response.stream
            assert stream is not None
            assert stream.read_exactly(5) == b"early"
            stream.write_all(b"hello")
            assert stream.read_exactly(5) == b"HELLO"
            assert client.connections == 0, "the connection is not the pool's any more"
        assert stream.is_closed
    assert b"Connection: Upgrade\r\nUpgrade: upper\r\n" in heads[0]
    assert heads[0].lower().count(b"connection:") == 1


def test_a_server_need_not_upgrade() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno") as (url, _),
        Client() as client,
        client.stream(Request("GET", url, headers={"Upgrade": "upper"})) as response,
    ):
        assert response.stream is None
        assert response.read_to_end(10) == b"no"


def test_a_body_read_whole_has_no_other_protocol_behind_it() -> None:
    with answering(SWITCHED) as (url, _), Client() as client:
        assert client.request(Request("GET", url, headers={"Upgrade": "upper"})).status == 101
        assert client.connections == 0


def test_no_upgrade_goes_to_another_origin() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (other, heads):
        moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
        with answering(moved % other.encode()) as (url, first), Client() as client:
            client.request(Request("GET", url, headers={"Upgrade": "upper"}))
    assert b"Upgrade: upper" in first[0]
    assert b"pgrade" not in heads[0]


def test_http2_has_no_upgrade() -> None:
    with (
        answering(b"") as (url, _),
        Client(dial=DialConfig(HttpVersions.HTTP2)) as client,
        pytest.raises(HttpError.InvalidRequest, match="no Upgrade"),
    ):
        client.request(Request("GET", url, headers={"Upgrade": "upper"}))
