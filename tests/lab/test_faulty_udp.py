"""Faults on purpose over UDP: datagrams lost, late, overtaken, damaged; and the limit of what is kept."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.io import PAUSE, BusyError, ClosedError, DeadlineExceeded, Event, Flow, Want, all_of, beside, run
from netkit.lab.echo import Echoed, echo_datagrams
from netkit.lab.faults import Faults
from netkit.lab.faulty_udp import HELD_OVERHEAD, FaultyUdpSocket
from netkit.net import UdpSocket
from tests.net.conftest import Drive
from tests.waiting import still_waits


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ends:
    """A client's socket, and where a server's faulty ones send to it from."""

    def __init__(self) -> None:
        self.client = UdpSocket.bind("127.0.0.1:0")
        self.addr = self.client.local_addr
        self.servers: list[UdpSocket] = []

    def server(self, faults: Faults, clock: Clock | None = None) -> FaultyUdpSocket:
        session = faults.datagrams(0) if clock is None else faults.datagrams(0, clock=clock)
        made = FaultyUdpSocket(UdpSocket.bind("127.0.0.1:0"), session)
        self.servers.append(made)
        return made

    def came(self, count: int) -> list[bytes]:
        """What arrived, when it is `count` datagrams; and there is no other."""
        found = [self.client.recv(timeout=20) for _ in range(count)]
        assert still_waits(self.client.receive_flow()), "there is nothing more"
        return found


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    for each in (made.client, *made.servers):
        each.close()


def delivered(server: FaultyUdpSocket, clock: Clock, ends: Ends) -> list[tuple[float, bytes]]:
    """Move the clock to each moment that `receive` waits for; what arrived at the client at each."""
    found: list[tuple[float, bytes]] = []
    flow, before = server.receive_flow(), server.held
    want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
    while True:
        found += [(clock.now, data) for data in ends.came(before - server.held)]
        before = server.held
        assert isinstance(want, Want)
        if want.until is None:
            flow.close()
            return found
        clock.now = want.until
        want = flow.send(False)


def test_which_are_lost_is_the_seed_s_choice(ends: Ends) -> None:
    def arriving(seed: int) -> list[bytes]:
        faults = Faults(drop=0.3, seed=seed)
        server = ends.server(faults)
        for number in range(100):
            assert server.send_to(b"%d" % number, ends.addr) == len(str(number))
        return ends.came(100 - faults.injected.dropped)

    assert arriving(1) == arriving(1) != arriving(2)
    assert 50 < len(arriving(1)) < 90


def test_one_bit_is_damaged(ends: Ends) -> None:
    faults = Faults(corrupt=0.5, seed=1)
    server = ends.server(faults)
    for _ in range(100):
        server.send_to(bytes(20), ends.addr)
    server.send_to(b"", ends.addr)
    bits = [sum(byte.bit_count() for byte in data) for data in ends.came(101)]
    assert set(bits) == {0, 1}
    assert sum(bits) == faults.injected.corrupted
    assert 30 < sum(bits) < 70


def test_late_ones_do_not_hold_up_those_behind(ends: Ends) -> None:
    clock, faults = Clock(), Faults(delay=(0.01, 0.5), seed=1)
    server = ends.server(faults, clock)
    again = faults.datagrams(0)
    expected = sorted((clock.now + again.delay(), b"%d" % number) for number in range(50))
    for number in range(50):
        server.send_to(b"%d" % number, ends.addr)
    assert server.held == 50
    assert ends.came(0) == []
    assert delivered(server, clock, ends) == expected
    assert [data for _, data in expected] != [b"%d" % number for number in range(50)]
    assert (server.held, faults.injected.delayed) == (0, 50)


def test_the_same_delay_keeps_the_order(ends: Ends) -> None:
    clock = Clock()
    server = ends.server(Faults(delay=0.1), clock)
    for number in range(20):
        server.send_to(b"%d" % number, ends.addr)
    assert [data for _, data in delivered(server, clock, ends)] == [b"%d" % number for number in range(20)]


def test_throttle_is_a_link_of_that_speed(ends: Ends) -> None:
    clock = Clock()
    server = ends.server(Faults(throttle=1000.0), clock)
    for _ in range(10):
        server.send_to(bytes(100), ends.addr)
    ends.came(1)  # the link was idle
    moments = [moment for moment, _ in delivered(server, clock, ends)]
    assert moments == pytest.approx([1000 + 0.1 * number for number in range(1, 10)])
    clock.now += 100
    server.send_to(bytes(100), ends.addr)
    ends.came(1)


def test_reset_after_means_nothing_here(ends: Ends) -> None:
    server = ends.server(Faults(reset_after=1))
    server.send_to(b"whole", ends.addr)
    assert ends.client.recv(timeout=5) == b"whole"


def test_what_is_kept_has_a_limit(ends: Ends, monkeypatch: pytest.MonkeyPatch, drive: Drive) -> None:
    monkeypatch.setattr("netkit.lab.faulty_udp.HELD_BYTES", 5 * (100 + HELD_OVERHEAD))
    faults = Faults(delay=(0.0, 0.01), seed=1)
    server = ends.server(faults)
    most = 0

    def sending() -> Flow[None]:
        nonlocal most
        for _ in range(30):
            yield from server.send_flow(bytes(100), ends.addr)
            most = max(most, server.held)
        yield from server.flush()

    for _ in range(2):  # the second time there is as much room as there was
        most = 0
        drive(sending(), timeout=30)
        assert most == 5
        ends.came(30)  # where there is no room, sending waits and loses nothing


def test_waiting_for_room_ends_with_the_deadline_and_the_socket(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, drive: Drive
) -> None:
    monkeypatch.setattr("netkit.lab.faulty_udp.HELD_BYTES", 300)
    server = ends.server(Faults(delay=60.0))
    server.send_to(bytes(10), ends.addr)
    with pytest.raises(DeadlineExceeded):
        drive(server.send_flow(bytes(10), ends.addr), timeout=0.02)

    def closing() -> Flow[None]:
        yield PAUSE
        yield PAUSE
        server.close()

    flows: list[Flow[Any]] = [server.send_flow(bytes(10), ends.addr), closing()]
    with pytest.raises(ClosedError):
        drive(all_of(flows), timeout=30)
    with pytest.raises(ClosedError):
        drive(server.flush(), timeout=30)


def test_a_server_that_echoes_under_each_driver(ends: Ends, drive: Drive) -> None:
    faults = Faults(delay=(0.0, 0.01), drop=0.2, corrupt=0.2, seed=3)
    server, stop = ends.server(faults), Event()
    asking = [b"%04d" % number for number in range(60)]
    got: list[bytes] = []
    plan = faults.datagrams(0)
    kept = sum(not plan.drops() for _ in asking)

    def client() -> Flow[None]:
        for data in asking:
            yield from ends.client.send_flow(data, server.local_addr)
        while len(got) < kept:
            data, _ = yield from ends.client.receive_flow()
            got.append(data)
        stop.set()

    flows: list[Flow[Any]] = [echo_datagrams(server, counts=Echoed(), stop=stop), client()]
    drive(all_of(flows), timeout=30)
    assert faults.injected.dropped == 60 - kept
    damaged = [data for data in got if data not in asking]
    # A flipped bit may make one number of another: those are not seen.
    assert 0 < len(damaged) <= faults.injected.corrupted


def test_one_that_is_sent_while_another_flow_receives_leaves_in_time(ends: Ends, drive: Drive) -> None:
    server = ends.server(Faults(delay=0.01))

    def receiving() -> Flow[None]:
        while True:
            yield from server.receive_flow()

    def client() -> Flow[bytes]:
        yield PAUSE  # the receiver waits already, and knows of no moment
        yield from server.send_flow(b"late", ends.addr)
        return (yield from ends.client.receive_flow())[0]

    assert drive(beside(client(), receiving()), timeout=30) == b"late"


def test_stopping_does_not_wait_for_what_is_late(ends: Ends, drive: Drive) -> None:
    server, stop = ends.server(Faults(delay=60.0)), Event()

    def client() -> Flow[None]:
        yield from ends.client.send_flow(b"x", server.local_addr)
        while not server.held:
            yield PAUSE
        stop.set()

    flows: list[Flow[Any]] = [echo_datagrams(server, counts=Echoed(), stop=stop), client()]
    drive(all_of(flows), timeout=30)
    assert server.held == 1


def test_a_flood_does_not_keep_the_driver_out(ends: Ends) -> None:
    """Where there is always one more datagram, a server that receives and answers must yield all the same."""
    server = ends.server(Faults(drop=1.0))
    turns = 0

    def flooded() -> Flow[None]:
        for _ in range(200):
            ends.client.send_to(b"x", server.local_addr)
            yield from server.send_flow(*(yield from server.receive_flow()))

    for _ in flooded():
        turns += 1
    assert turns >= 5


def test_what_the_system_refuses(ends: Ends) -> None:
    """An error of what is sent at once is raised; later there is nobody to tell, and it goes on."""
    nowhere = SocketAddr.parse("255.255.255.255:9")  # a broadcast, which was not allowed
    at_once, late = ends.server(Faults(corrupt=0.1, seed=1)), ends.server(Faults(delay=0.001))
    with pytest.raises(PermissionError):
        at_once.send_to(b"x", nowhere)
    with pytest.raises(OSError, match="too long") as caught:
        at_once.send_to(bytes(65536), ends.addr)
    assert caught.value.errno == errno.EMSGSIZE
    late.send_to(b"x", nowhere)
    late.send_to(b"y", ends.addr)
    run(late.flush())
    assert ends.client.recv(timeout=5) == b"y"


def test_connected_and_one_reader_at_a_time(ends: Ends) -> None:
    inner = UdpSocket.connected(ends.addr)
    with FaultyUdpSocket(inner, Faults(delay=0.001).datagrams()) as server:
        assert server.peer_addr == ends.addr
        server.send(b"late")
        run(server.flush())
        assert ends.client.recv(timeout=5) == b"late"
        first = server.receive_flow()
        first.send(None)  # type: ignore[arg-type]
        with pytest.raises(BusyError):
            server.recv(timeout=5)
        first.close()
    assert inner.is_closed
