"""`UdpSocket.answer_flow`: what comes is answered where it came from, from where it was asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from netkit.addr import SocketAddr
from netkit.io import PAUSE, ClosedError, Event, Flow, all_of, race
from netkit.net import UdpSocket
from netkit.net.udp import DRAIN_DATAGRAMS
from tests.net.conftest import Drive

pytestmark = pytest.mark.once


@pytest.fixture
def client() -> Iterator[UdpSocket]:
    with UdpSocket.bind("127.0.0.1:0") as sock:
        yield sock


def shout(data: bytes, _peer: object) -> bytes | None:
    return None if data == b"quiet" else data.upper()


def answered(
    drive: Drive, server: UdpSocket, client: UdpSocket, count: int
) -> list[tuple[bytes, SocketAddr]]:
    """The next `count` datagrams of `client` while `server` answers."""

    found: list[tuple[bytes, SocketAddr]] = []

    def receiving() -> Flow[None]:
        while len(found) < count:
            datagram = yield from client.receive_flow()
            found.append(datagram)

    done = drive(race(receiving(), server.answer_flow(shout)), timeout=10)
    assert done.index == 0
    return found


def test_a_burst_in_its_order(drive: Drive, client: UdpSocket) -> None:
    with UdpSocket.bind("127.0.0.1:0") as server:
        pieces = [b"piece %d" % number for number in range(DRAIN_DATAGRAMS + 10)]
        for piece in [b"quiet", *pieces]:
            client.send_to(piece, server.local_addr)
        found = answered(drive, server, client, len(pieces))
        assert found == [(piece.upper(), server.local_addr) for piece in pieces]


@pytest.mark.skipif(sys.platform != "linux", reason="IP_PKTINFO, and every 127.x.x.x, are Linux's")
@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0"])
def test_from_the_address_that_was_asked(drive: Drive, client: UdpSocket, bind: str) -> None:
    with UdpSocket.bind(bind, destinations=True) as server:
        asked = [SocketAddr.new(ip, server.local_addr.port) for ip in ("127.0.0.1", "127.0.0.2")]
        for addr in asked:
            client.send_to(b"x", addr)
        assert answered(drive, server, client, 2) == [(b"X", addr) for addr in asked]


def test_a_client_that_is_gone_keeps_nobody_waiting(drive: Drive, client: UdpSocket) -> None:
    """Its system's ICMP error, and an answer that no datagram can carry, are of one client."""
    with UdpSocket.bind("127.0.0.1:0") as server:
        with UdpSocket.bind("127.0.0.1:0") as gone:
            gone.send_to(b"x", server.local_addr)
        client.send_to(b"y", server.local_addr)
        client.send_to(b"z", server.local_addr)

        def long(data: bytes, _peer: object) -> bytes:
            return bytes(70_000) if data == b"y" else data

        done = drive(race(client.receive_flow(), server.answer_flow(long)), timeout=10)
        assert done.value == (b"z", server.local_addr)


def test_other_work_goes_on_in_a_flood(drive: Drive, client: UdpSocket) -> None:
    with UdpSocket.bind("127.0.0.1:0") as server:
        turns, enough = [0], Event()

        def again(data: bytes, _peer: object) -> bytes:
            client.send_to(data, server.local_addr)  # there is always another one
            return data

        def other() -> Flow[None]:
            while turns[0] < 20:
                turns[0] += 1
                yield PAUSE
            enough.set()

        client.send_to(b"x", server.local_addr)
        drive(race(all_of([server.answer_flow(again), other()]), enough.wait()), timeout=10)
        assert turns == [20]


def test_closed(drive: Drive) -> None:
    server = UdpSocket.bind("127.0.0.1:0")

    def closing() -> Flow[None]:
        yield PAUSE
        server.close()

    with pytest.raises(ClosedError):
        drive(all_of([server.answer_flow(shout), closing()]), timeout=5)


def test_who_asks(drive: Drive, client: UdpSocket) -> None:
    with UdpSocket.bind("127.0.0.1:0") as server:

        def name(_data: bytes, peer: object) -> bytes:
            return str(server.peer_of(peer)).encode()

        client.send_to(b"x", server.local_addr)
        done = drive(race(client.receive_flow(), server.answer_flow(name)), timeout=10)
        assert done.value == (str(client.local_addr).encode(), server.local_addr)
