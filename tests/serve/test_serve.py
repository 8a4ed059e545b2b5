"""Serving: connections side by side, stopping, draining, running out of descriptors."""

from __future__ import annotations

import asyncio
import errno
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from netkit.addr import SocketAddr
from netkit.io import CancellationError, CancellationToken, Event, Flow, all_of, run, run_async
from netkit.lab.echo import Echoed, echo_datagrams, echo_stream
from netkit.net import Shutdown, TcpListener, TcpStream, UdpSocket
from netkit.serve.connections import Served, serve
from tests.waiting import waits, when

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


def test_out_of_descriptors_is_survived() -> None:
    class Short(TcpListener):
        failures = 2

        def accept_flow(self) -> Flow[tuple[TcpStream, SocketAddr]]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return (yield from super().accept_flow())

    stop = Event()
    listener = Short.bind(SocketAddr.parse("127.0.0.1:0"))
    thread = threading.Thread(
        target=run, args=[serve(listener, partial(echo_stream, counts=Echoed()), stop=stop)]
    )
    with TcpStream.connect(listener.local_addr) as client:
        thread.start()
        client.write_all(b"patience")
        assert client.read_exactly(8, timeout=5) == b"patience"
        client.close()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_signal_handler_may_stop_it() -> None:
    import os
    import signal

    stop = Event()
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: stop.set())
    try:
        listener = TcpListener.bind("127.0.0.1:0")
        with when(waits, lambda: os.kill(os.getpid(), signal.SIGUSR1)):
            run(serve(listener, partial(echo_stream, counts=Echoed()), stop=stop))
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert listener.is_closed
