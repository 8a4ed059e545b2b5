"""A server whose successor has taken the listeners: each connection gets one more response, or a moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netkit.http import HttpServer, Request, Response, ServerConfig, text_response
from netkit.http.server.h1.flow import RETIRED_IDLE
from netkit.net import TcpListener
from netkit.serve import Stop

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hello:
    def handle(self, request: Request) -> Response:
        return text_response(200, "hello")


@contextmanager
def serving(threads: int) -> Iterator[tuple[int, Stop, threading.Thread]]:
    listener, stop = TcpListener.bind("127.0.0.1:0"), Stop()
    server = HttpServer(Hello(), ServerConfig(threads=threads))
    thread = threading.Thread(target=server.run, args=[[listener]], kwargs={"stop": stop, "drain": 60.0})
    thread.start()
    try:
        yield listener.local_addr.port, stop, thread
    finally:
        stop.cut()
        thread.join(20)


def answer(sock: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"hello\n"):
        data = sock.recv(4096)
        assert data, received
        received += data
    return received


@pytest.mark.parametrize("threads", [0, 1], ids=["loop", "flow"])
class TestRetired:
    """Over plain HTTP/1.1: in the loop of simple requests, and in flows."""

    def test_the_next_response_is_the_last(self, threads: int) -> None:
        with (
            serving(threads) as (port, stop, thread),
            socket.create_connection(("127.0.0.1", port), timeout=20) as sock,
        ):
            for _ in range(2):
                sock.sendall(GET)
                assert b"connection: close" not in answer(sock).lower()
            stop.retire()
            sock.sendall(GET)
            assert b"connection: close" in answer(sock).lower()
            assert sock.recv(1) == b""
            sock.close()
            thread.join(20)
            assert not thread.is_alive(), "there is nothing left to do"

    def test_pipelined_requests_are_all_answered(self, threads: int) -> None:
        with (
            serving(threads) as (port, stop, _),
            socket.create_connection(("127.0.0.1", port), timeout=20) as sock,
        ):
            sock.sendall(GET)
            answer(sock)
            stop.retire()
            sock.sendall(GET * 5)
            received = b""
            while data := sock.recv(65536):
                received += data
            assert received.count(b"hello\n") == 5
            assert received.lower().count(b"connection: close") == 1

    def test_an_idle_connection_has_a_moment(self, threads: int) -> None:
        assert RETIRED_IDLE < 20, "the timeout of the socket"
        with (
            serving(threads) as (port, stop, thread),
            socket.create_connection(("127.0.0.1", port), timeout=20) as sock,
        ):
            sock.sendall(GET)
            answer(sock)
            stop.retire()
            assert sock.recv(1) == b""
            sock.close()
            thread.join(20)
            assert not thread.is_alive()
