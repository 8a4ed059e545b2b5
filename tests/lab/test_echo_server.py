"""The echo server and its loop: every kind of socket, peers that misbehave, and how it ends."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.io import ByteStream, Event, Flow, run
from netkit.lab.echo import Echoed, LoopGuard
from netkit.lab.echo_loop import EchoLoop
from netkit.lab.echo_server import EchoServer
from netkit.lab.faults import Faults
from netkit.net import Shutdown, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream
from netkit.serve.stop import Stop
from tests.accepting import failing_accept
from tests.io.conftest import Drive
from tests.waiting import still_waits, until, waits


def as_it_is(stream: ByteStream) -> Flow[ByteStream]:
    """A wrapping that changes nothing, but makes each connection a flow of its own."""
    return stream
    yield


@pytest.fixture(params=["loop", "flows"])
def wrap(request: pytest.FixtureRequest) -> Callable[[Any], Flow[ByteStream]] | None:
    """Both ways in which connections are served."""
    if request.param == "loop" and not EchoLoop.available:
        pytest.skip("no epoll on this system")
    return None if request.param == "loop" else as_it_is


class Running:
    """A server in a thread of its own, until `end`."""

    def __init__(self, server: EchoServer, drain: float | None = 5.0, stop: Event | None = None) -> None:
        self.server = server
        self.addrs = [each.local_addr for each in server.sockets]
        self.stop = stop or Event()
        self.thread = threading.Thread(target=run, args=[server.serve(self.stop, drain=drain)])
        self.thread.start()

    def end(self) -> dict[str, int]:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.server.counts()


@pytest.fixture
def start(wrap: Callable[[Any], Flow[ByteStream]] | None) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def starting(
            *sockets: Any, drain: float | None = 5.0, stop: Event | None = None, **options: Any
        ) -> Running:
            server = EchoServer(sockets or [TcpListener.bind("127.0.0.1:0")], wrap=wrap, **options)
            running = Running(server, drain, stop)
            stack.callback(running.end)
            return running

        yield starting


def test_every_kind_of_socket(start: Callable[..., Running], tmp_path: Path) -> None:
    path = str(tmp_path / "echo")
    running = start(TcpListener.bind("127.0.0.1:0"), UnixListener.bind(path), UdpSocket.bind("127.0.0.1:0"))
    with TcpStream.connect(running.addrs[0]) as tcp, UnixStream.connect(path) as unix:
        for stream in (tcp, unix):
            stream.write_all(b"hello")
            stream.shutdown(Shutdown.Write)
            assert b"".join(stream) == b"hello"
    with UdpSocket.connected(running.addrs[2]) as sock:
        sock.send(b"a datagram")
        assert sock.recv(timeout=5) == b"a datagram"
    counts = running.end()
    assert counts["connections"] == 2
    assert counts["datagrams"] == 1
    assert counts["bytes"] == 20
    assert not os.path.exists(path)


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 3_000_000])
def test_any_size_comes_back_whole(start: Callable[..., Running], size: int) -> None:
    running = start()
    data = os.urandom(size)
    with TcpStream.connect(running.addrs[0]) as stream:

        def send() -> None:
            stream.write_all(data)
            stream.shutdown(Shutdown.Write)

        sending = threading.Thread(target=send)
        sending.start()
        assert b"".join(stream) == data
        sending.join()


def test_a_peer_that_never_reads_costs_little_memory_and_then_its_connection(
    start: Callable[..., Running],
) -> None:
    running = start(stall_timeout=0.1)
    with TcpStream.connect(running.addrs[0]) as stream:
        stream.set_write_timeout(10)
        with pytest.raises(ConnectionError):
            stream.write_all(bytes(1 << 28))
    counts = running.end()
    assert counts["failed"] == 1
    assert counts["cut_off"] == 0


def test_an_idle_peer_is_let_go_where_that_is_asked_for(start: Callable[..., Running]) -> None:
    running = start(idle_timeout=0.1)
    with TcpStream.connect(running.addrs[0]) as stream:
        assert stream.read(timeout=10) == b""
    assert running.end()["failed"] == 1


class Empty(socket.socket):
    """A socket that has nothing, whatever epoll says: as where another has taken it meanwhile."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        raise BlockingIOError


@pytest.mark.skipif(not EchoLoop.available, reason="no epoll on this system")
def test_a_wake_up_without_data_sends_nothing_of_another_connection() -> None:
    loop = EchoLoop(counts=Echoed())
    with TcpListener.bind("127.0.0.1:0") as listener, ExitStack() as stack:
        clients, flows = [], []
        for kind in (socket.socket, Empty):
            clients.append(stack.enter_context(TcpStream.connect(listener.local_addr)))
            accepted = listener.accept()[0].into_socket()
            served = stack.enter_context(TcpStream(kind(fileno=accepted.detach())))
            flows.append(loop.connection(served))
            next(flows[-1])
        for client in clients:
            client.write_all(b"of one alone")
        turning = loop.turning()
        next(turning)
        for _ in range(100):
            turning.send(True)
        assert clients[0].read(timeout=5) == b"of one alone"
        assert still_waits(clients[1].read_flow()), "nothing has come"
        for flow in (turning, *flows):
            flow.close()
    loop.close()


def test_a_peer_that_resets(start: Callable[..., Running]) -> None:
    running = start()
    for _ in range(20):
        sock = socket.create_connection(running.addrs[0].to_sockaddr())
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    with TcpStream.connect(running.addrs[0]) as stream:
        stream.write_all(b"still there")
        assert stream.read_exactly(11, timeout=5) == b"still there"
    counts = running.end()
    assert counts["connections"] == 21
    assert counts["active"] == 0


def test_descriptors_are_given_back(start: Callable[..., Running]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    running = start()
    for _ in range(50):
        with TcpStream.connect(running.addrs[0]) as stream:
            stream.write_all(b"x")
            stream.shutdown(Shutdown.Write)
            assert b"".join(stream) == b"x"
    running.end()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_transfer_under_way_goes_on_to_its_end(start: Callable[..., Running]) -> None:
    running = start()
    streams = [TcpStream.connect(running.addrs[0]) for _ in range(10)]
    for stream in streams:
        stream.write_all(b"x" * 30_000)
        assert stream.read_exactly(30_000, timeout=5) == b"x" * 30_000
    running.stop.set()
    for _ in range(20):
        for stream in streams:
            stream.write_all(b"y" * 10_000)
            assert stream.read_exactly(10_000, timeout=5) == b"y" * 10_000
    for stream in streams:
        stream.shutdown(Shutdown.Write)
        assert stream.read(timeout=5) == b""
        stream.close()
    counts = running.end()
    assert (counts["failed"], counts["cut_off"], counts["bytes"]) == (0, 0, 10 * 230_000)


def test_who_pauses_is_let_go_in_order(start: Callable[..., Running]) -> None:
    running = start(drain=None)
    with TcpStream.connect(running.addrs[0]) as silent, TcpStream.connect(running.addrs[0]) as stream:
        stream.write_all(b"x")
        assert stream.read_exactly(1, timeout=5) == b"x"
        running.stop.set()
        assert (stream.read(timeout=5), silent.read(timeout=5)) == (b"", b"")
    counts = running.end()
    assert (counts["failed"], counts["cut_off"]) == (0, 0)


def test_who_goes_on_when_draining_runs_out_is_cut_off(start: Callable[..., Running]) -> None:
    running = start(drain=0.3)
    with TcpStream.connect(running.addrs[0]) as stream:
        stream.set_read_timeout(5)
        stream.write_all(b"x")
        running.stop.set()
        try:
            while stream.read_exactly(1):
                stream.write_all(b"x")
        except (ConnectionError, EOFError):
            pass  # only being cut off ends this
    assert running.end()["cut_off"] == 1


def test_a_server_that_retires_serves_on_who_is_connected(start: Callable[..., Running]) -> None:
    stop = Stop()
    running = start(drain=None, stop=stop)
    with TcpStream.connect(running.addrs[0]) as stream:
        stop.retire()
        until(lambda: running.server.sockets[0].is_closed)
        with pytest.raises(ConnectionRefusedError):
            TcpStream.connect(running.addrs[0])
        stream.write_all(b"x")
        assert stream.read_exactly(1, timeout=5) == b"x"
        assert still_waits(stream.read_flow()), "it is not closed for being idle"
        stop.set()
        assert stream.read(timeout=5) == b"", "but then it is"
    counts = running.end()
    assert (counts["failed"], counts["cut_off"]) == (0, 0)


def test_cutting_waits_for_nobody(start: Callable[..., Running]) -> None:
    stop = Stop()
    running = start(drain=None, stop=stop)
    with TcpStream.connect(running.addrs[0]) as stream:
        stream.write_all(b"x")
        assert stream.read_exactly(1, timeout=5) == b"x"
        stop.retire()
        stop.cut()
        running.thread.join(20)
        assert not running.thread.is_alive()
        assert running.server.counts()["cut_off"] == 1


def test_who_does_not_take_the_rest_is_cut_off(start: Callable[..., Running]) -> None:
    running = start(drain=0.1)
    sock = socket.create_connection(running.addrs[0].to_sockaddr())
    sock.setblocking(False)

    def nothing_moves() -> bool:
        if select.select([], [sock], [], 0)[1]:
            sock.send(bytes(1 << 20))
            return False
        return waits(running.thread)

    until(nothing_moves)
    assert running.end()["cut_off"] == 1
    sock.close()


def test_no_more_connections_at_once_than_allowed(start: Callable[..., Running]) -> None:
    running = start(max_connections=2)
    streams = [TcpStream.connect(running.addrs[0]) for _ in range(4)]
    for stream in streams:
        stream.write_all(b"x")
    for stream in streams[:2]:
        assert stream.read_exactly(1, timeout=5) == b"x"
    assert len(running.server.connections.active) == 2
    for stream in streams[:2]:
        stream.close()
    for stream in streams[2:]:
        assert stream.read_exactly(1, timeout=5) == b"x"
        stream.close()


def test_the_limit_holds_over_all_sockets(start: Callable[..., Running]) -> None:
    running = start(TcpListener.bind("127.0.0.1:0"), TcpListener.bind("127.0.0.1:0"), max_connections=1)
    with TcpStream.connect(running.addrs[0]) as one:
        one.write_all(b"x")
        assert one.read_exactly(1, timeout=5) == b"x"
        with TcpStream.connect(running.addrs[1]) as other:
            other.write_all(b"x")
            until(lambda: waits(running.thread))
            assert still_waits(other.read_flow())
            assert len(running.server.connections.active) == 1
            one.close()
            assert other.read_exactly(1, timeout=5) == b"x"


def test_what_is_late_when_it_stops_still_leaves() -> None:
    faults = Faults(delay=0.1, seed=1)
    server = EchoServer([TcpListener.bind("127.0.0.1:0"), UdpSocket.bind("127.0.0.1:0")], faults=faults)
    running = Running(server)
    with TcpStream.connect(running.addrs[0]) as stream, UdpSocket.connected(running.addrs[1]) as sock:
        sock.send(b"late")
        stream.write_all(b"late")
        until(lambda: faults.injected.delayed == 2)
        running.stop.set()
        assert stream.read_exactly(4, timeout=5) == b"late"
        assert sock.recv(timeout=5) == b"late"
    assert running.end()["cut_off"] == 0


class TestLoops:
    """A datagram whose answer would be answered again, without end, is dropped and counted."""

    @pytest.mark.parametrize("faults", [None, Faults(delay=0.001, seed=1)], ids=["", "late"])
    def test_the_server_itself_and_its_other_sockets(self, faults: Faults | None) -> None:
        one, other = UdpSocket.bind("127.0.0.1:0"), UdpSocket.bind("127.0.0.1:0")
        for sock in (one, other):
            for to in (one, other):
                sock.send_to(b"loop", to.local_addr)
        self._serve(EchoServer([one, other], faults=faults), refused=4)

    @pytest.mark.skipif(sys.platform != "linux", reason="every 127.x.x.x is Linux's")
    @pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0"])
    def test_another_address_of_a_server_on_a_wildcard(self, bind: str) -> None:
        sock = UdpSocket.bind(bind)
        port = sock.local_addr.port
        for source in ("127.0.0.1", "127.0.0.2"):
            sock.send_to(b"loop", SocketAddr.new("127.0.0.1", port), source=SocketAddr.new(source, port))
        self._serve(EchoServer([sock]), refused=2)

    def test_another_service_that_answers_anything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with UdpSocket.bind("127.0.0.1:0") as service:
            monkeypatch.setattr("netkit.lab.echo.ANSWERING_PORTS", {service.local_addr.port})
            sock = UdpSocket.bind("127.0.0.1:0")
            service.send_to(b"loop", sock.local_addr)
            self._serve(EchoServer([sock]), refused=1)
            assert service.recv_nonblock() is None

    def test_the_same_port_of_another_host_is_a_peer(self) -> None:
        guard = LoopGuard([SocketAddr.parse("0.0.0.0:7007"), SocketAddr.parse("[::1]:7008")])
        assert not guard.refuses(SocketAddr.parse("192.0.2.77:7007"))
        assert not guard.refuses(SocketAddr.parse("127.0.0.1:7008"))
        assert guard.refuses(SocketAddr.parse("[::1]:7008"))
        assert [guard.refuses(SocketAddr.new("192.0.2.77", port)) for port in (7, 13, 17, 19)] == [True] * 4
        assert guard.refused == 5

    def _serve(self, server: EchoServer, refused: int) -> None:
        """Serve what has come, and somebody else; nothing was sent for what is refused."""
        running = Running(server)
        with UdpSocket.connected(SocketAddr.new("127.0.0.1", running.addrs[0].port)) as client:
            client.send(b"hello")
            assert client.recv(timeout=5) == b"hello"
            until(lambda: server.loops.refused == refused)
            counts = running.end()
        assert (counts["datagrams"], counts["loops_refused"]) == (1, refused)


def test_out_of_descriptors(start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    """accept(2) says EMFILE: it is counted, and tried again; nobody is lost."""
    running = start(TcpListener.bind("127.0.0.1:0"))
    failing_accept(monkeypatch, [errno.EMFILE] * 2)
    with TcpStream.connect(running.addrs[0]) as stream:
        stream.write_all(b"patience")
        assert stream.read_exactly(8, timeout=5) == b"patience"
    assert running.server.connections.unaccepted == 2


def test_with_faults() -> None:
    running = Running(EchoServer([TcpListener.bind("127.0.0.1:0")], faults=Faults(reset_after=10, seed=1)))
    with TcpStream.connect(running.addrs[0]) as stream:
        stream.write_all(bytes(100))
        with pytest.raises(ConnectionResetError):
            stream.read_exactly(100, timeout=5)
    assert running.end()["reset"] == 1


def test_under_every_driver(drive: Drive) -> None:
    server = EchoServer([TcpListener.bind("127.0.0.1:0")])
    addr, stop, replies = server.sockets[0].local_addr, Event(), []

    def client() -> None:
        with TcpStream.connect(addr) as stream:
            stream.write_all(b"any driver")
            replies.append(stream.read_exactly(10, timeout=5))
        stop.set()

    thread = threading.Thread(target=client)
    thread.start()
    begun = monotonic()
    drive(server.serve(stop, drain=15.0), timeout=20)
    thread.join()
    assert replies == [b"any driver"]
    assert monotonic() - begun < 15
