"""Serving: connections side by side, stopping, draining, running out of descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from netkit.addr import SocketAddr
from netkit.io import CancellationError, CancellationToken, Event, Flow, all_of, run, run_async
from netkit.lab.echo import Echoed, echo_datagrams, echo_stream
from netkit.net import Shutdown, TcpListener, TcpStream, UdpSocket, listening
from netkit.serve.connections import Served, serve
from tests.accepting import failing_accept
from tests.waiting import until, waits, when

if TYPE_CHECKING:
    from collections.abc import Iterator


class Running:
    """An echo server in a thread of its own."""

    def __init__(self, drain: float | None = 5.0, idle_timeout: float | None = None) -> None:
        self.listener = TcpListener.bind("127.0.0.1:0")
        self.udp = UdpSocket.bind("127.0.0.1:0")
        self.addr, self.udp_addr = self.listener.local_addr, self.udp.local_addr
        self.stop, self.counts, self.served = Event(), Echoed(), Served()
        flows: list[Flow[object]] = [
            serve(
                self.listener,
                partial(echo_stream, counts=self.counts, idle_timeout=idle_timeout),
                stop=self.stop,
                drain=drain,
                served=self.served,
            ),
            echo_datagrams(self.udp, counts=self.counts, stop=self.stop),
        ]
        self.thread = threading.Thread(target=run, args=[all_of(flows)])
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.udp.close()


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running()
    yield running
    running.end()


def test_many_connections_side_by_side(server: Running) -> None:
    clients = [TcpStream.connect(server.addr) for _ in range(50)]
    for index, client in enumerate(clients):
        client.write_all(b"%d" % index * 1000)
    for index, client in enumerate(clients):
        client.shutdown(Shutdown.Write)
        assert b"".join(client) == b"%d" % index * 1000
        client.close()
    assert server.served.accepted == 50


def test_datagrams(server: Running) -> None:
    with UdpSocket.connected(server.udp_addr) as sock:
        for size in (0, 1, 1472, 9000):
            sock.send(bytes(size))
            assert sock.recv(timeout=5) == bytes(size)


def test_stopping_sends_back_everything_that_had_arrived() -> None:
    running = Running()
    clients = [TcpStream.connect(running.addr) for _ in range(20)]
    for client in clients:
        client.write_all(b"x" * 10_000)
        assert client.read_exactly(1, timeout=5) == b"x"  # it is being served
    running.stop.set()
    for client in clients:
        assert len(b"".join(client)) == 9_999
        client.close()
    running.end()
    assert running.served.cut_off == 0
    with pytest.raises(ConnectionRefusedError):
        TcpStream.connect(running.addr)


def test_a_peer_that_never_reads_is_cut_off_when_draining_runs_out() -> None:
    running = Running(drain=0.05)
    token = CancellationToken()
    with TcpStream.connect(running.addr) as client:
        # Both wait for room to write: nothing moves any more.
        stuck = when(lambda: waits() and waits(running.thread), token.cancel)
        with stuck, pytest.raises(CancellationError):
            client.write_all(bytes(50_000_000), cancel=token)
        running.end()
        assert running.served.cut_off == 1


def test_an_idle_peer_is_let_go() -> None:
    running = Running(idle_timeout=0.02)
    with TcpStream.connect(running.addr) as client:
        assert client.read(timeout=5) == b""
    running.end()
    assert running.served.failed == 1


def test_the_same_flow_under_asyncio() -> None:
    async def main() -> bytes:
        stop = Event()
        listener = await TcpListener.bind_async("127.0.0.1:0")
        addr = listener.local_addr
        serving = asyncio.create_task(
            run_async(serve(listener, partial(echo_stream, counts=Echoed()), stop=stop))
        )
        async with await TcpStream.connect_async(addr) as client:
            await client.write_all_async(b"hello")
            data = await client.read_exactly_async(5, timeout=5)
        stop.set()
        await serving
        return data

    assert asyncio.run(main()) == b"hello"


#: What accept(2) may say of one connection, and of the process, the listener, or whatever else.
OF_A_CONNECTION = [errno.EPERM, errno.EOPNOTSUPP, errno.ETIMEDOUT, errno.ECONNABORTED, errno.EHOSTUNREACH]
OF_ALL = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINVAL, errno.EACCES, errno.EIO]


class TestErrorsOfAccepting:
    @pytest.mark.parametrize("code", OF_A_CONNECTION, ids=errno.errorcode.get)
    def test_what_is_about_one_connection_is_passed_over(
        self, code: int, server: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = failing_accept(monkeypatch, [code] * 3)
        assert echoed(server.addr) == b"patience"
        assert not left
        assert server.served.unaccepted == 0

    @pytest.mark.parametrize("code", OF_ALL, ids=errno.errorcode.get)
    def test_anything_else_is_tried_again_and_said_once(
        self,
        code: int,
        server: Running,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(listening, "ACCEPT_PAUSE", 0.001)
        seen: list[OSError] = []
        server.served.on_unaccepted = seen.append
        with caplog.at_level("WARNING", "netkit"):
            left = failing_accept(monkeypatch, [code] * 5)
            assert echoed(server.addr) == b"patience"
        assert not left
        assert server.served.unaccepted == len(seen) == 5
        assert server.served.accept_error is not None
        assert server.served.accept_error.errno == code
        said = [record.getMessage() for record in caplog.records]
        assert said == [f"cannot accept a connection: {os.strerror(code)}; trying again every 0.001 s"]
        assert echoed(server.addr) == b"patience"

    def test_one_that_does_not_end_ends_with_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where it is about one connection after the other: the server does not spin for ever."""
        monkeypatch.setattr(listening, "ACCEPT_PAUSE", 0.001)
        for code in (errno.EINVAL, errno.EPERM):
            failing_accept(monkeypatch, [], last=code)  # first: a server that waits already would not see it
            running = Running()
            served = running.served
            until(lambda served=served: served.unaccepted > 3)  # type: ignore[misc]
            running.end()
            monkeypatch.undo()


def echoed(addr: SocketAddr) -> bytes:
    with TcpStream.connect(addr, timeout=5) as client:
        client.write_all(b"patience")
        return client.read_exactly(8, timeout=20)


def test_a_signal_handler_may_stop_it() -> None:
    stop = Event()
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: stop.set())
    try:
        listener = TcpListener.bind("127.0.0.1:0")
        with when(waits, lambda: os.kill(os.getpid(), signal.SIGUSR1)):
            run(serve(listener, partial(echo_stream, counts=Echoed()), stop=stop))
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert listener.is_closed
