"""UDP sockets: receiving drains, nothing is lost or out of order; options, broadcast, multicast."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.io import (
    BusyError,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Flow,
    all_of,
)
from netkit.net import ListenError, UdpSocket, udp as module
from tests.cli.helpers import process_environment
from tests.conftest import free_port, require_peer
from tests.io.conftest import Drive
from tests.net.conftest import same_socket
from tests.waiting import turns, waits, when

Call = Callable[..., Any]


@pytest.fixture
def receiver() -> Iterator[UdpSocket]:
    with UdpSocket.bind("127.0.0.1:0") as sock:
        yield sock


@pytest.fixture
def sender(receiver: UdpSocket) -> Iterator[UdpSocket]:
    with UdpSocket.connected(receiver.local_addr) as sock:
        yield sock


class TestReceiving:
    def test_what_has_arrived_is_taken_off_at_one_wake_up(
        self, receiver: UdpSocket, sender: UdpSocket, drive: Drive
    ) -> None:
        for number in range(20):
            sender.send(b"%d" % number)
        first, _ = drive(receiver.receive_flow(), timeout=5)
        with same_socket(receiver) as sock, pytest.raises(BlockingIOError):
            sock.recv(100, socket.MSG_DONTWAIT)
        rest = [receiver.recv(timeout=5) for _ in range(19)]
        assert [first, *rest] == [b"%d" % number for number in range(20)]

    def test_no_more_than_the_limits_is_kept(
        self, receiver: UdpSocket, sender: UdpSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(20):
            sender.send(b"%d" % number)
        monkeypatch.setattr(module, "DRAIN_DATAGRAMS", 3)
        assert receiver.peek(timeout=5) == b"0"
        with same_socket(receiver) as sock:
            assert sock.recv(100, socket.MSG_PEEK) == b"3", "the first that is still the system's"
        monkeypatch.setattr(module, "DRAIN_BYTES", 2)
        assert [receiver.recv(timeout=5) for _ in range(20)] == [b"%d" % number for number in range(20)]

    def test_a_flood_leaves_others_their_turn(
        self, receiver: UdpSocket, sender: UdpSocket, drive: Drive
    ) -> None:
        """A flow that receives without end, beside one that wants a few turns."""
        seen: list[bytes] = []

        def receiving() -> Flow[None]:
            while not seen:
                sender.send_nonblock(b"x")
                yield from receiver.receive_flow()

        def other() -> Flow[None]:
            sock = UdpSocket.bind("127.0.0.1:0")
            with sock, UdpSocket.connected(sock.local_addr) as peer:
                peer.send(b"for the other")
                data, _ = yield from sock.receive_flow()
                seen.append(data)

        drive(all_of([receiving(), other()]), timeout=20)
        assert seen == [b"for the other"]

    def test_an_error_takes_no_datagram_with_it(self) -> None:
        """Whichever the system reports first."""
        with UdpSocket.bind("127.0.0.1:0") as peer, UdpSocket.connected(peer.local_addr) as sock:
            peer.send_to(b"before", sock.local_addr)
            peer.close()
            sock.send(b"to nobody")
            found: list[object] = []
            for _ in range(2):
                try:
                    found.append(sock.recv(timeout=5))
                except ConnectionRefusedError:
                    found.append("refused")
            assert set(found) == {b"before", "refused"}
            with pytest.raises(DeadlineExceeded):
                sock.recv(timeout=0.01)

    def test_an_error_outlives_a_task_that_is_cancelled_as_it_comes(
        self, loop_runner: asyncio.Runner
    ) -> None:
        """In the same turn of the loop: the flow has ended, and the task that awaits it is cancelled."""

        async def main(number: int) -> None:
            with UdpSocket.connected(SocketAddr.new("127.0.0.1", free_port())) as sock:
                receiving = asyncio.create_task(sock.recv_async(timeout=5))
                await turns()
                sock.send(b"to nobody")
                await turns(number)  # in one of them the flow has ended, and the task has not run
                receiving.cancel()
                with pytest.raises((asyncio.CancelledError, ConnectionRefusedError)) as first:
                    await receiving
                if first.type is asyncio.CancelledError:
                    with pytest.raises(ConnectionRefusedError):
                        await sock.recv_async(timeout=5)

        for number in range(5):
            loop_runner.run(main(number))

    def test_no_more_sources_are_remembered_than_that(
        self, receiver: UdpSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "REMEMBERED_PEERS", 2)
        with ExitStack() as stack:
            others = [stack.enter_context(UdpSocket.connected(receiver.local_addr)) for _ in range(3)]
            heard = []
            for place in (0, 0, 1, 2, 0):
                others[place].send(b"from another")
                data, peer = receiver.recv_from(timeout=5)
                assert (data, peer) == (b"from another", others[place].local_addr)
                heard.append(peer)
        assert heard[1] is heard[0], "remembered"
        assert heard[4] is not heard[0], "forgotten, as there were more than two"

    def test_interrupted_it_has_lost_nothing(self, receiver: UdpSocket, sender: UdpSocket) -> None:
        with pytest.raises(DeadlineExceeded, match="waiting for a datagram"):
            receiver.recv(timeout=0.01)
        token = CancellationToken()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            receiver.recv(cancel=token)
        sender.send(b"there")
        assert receiver.recv(timeout=5) == b"there"

    def test_one_reader_at_a_time(self, receiver: UdpSocket, drive: Drive) -> None:
        def second() -> Flow[None]:
            yield from receiver.receive_flow()

        with pytest.raises(BusyError):
            drive(all_of([receiver.receive_flow(), second()]), timeout=5)

    @pytest.mark.parametrize("size", [0, 1, 1472, 1473, 65_507])
    def test_every_size(self, receiver: UdpSocket, sender: UdpSocket, size: int) -> None:
        data = os.urandom(size)
        assert sender.send(data) == size
        assert receiver.recv(timeout=5) == data

    def test_one_that_is_too_large_is_refused_whole(self, sender: UdpSocket) -> None:
        with pytest.raises(OSError, match="too long"):
            sender.send(bytes(70_000))

    def test_closed_under_a_reader(self, receiver: UdpSocket) -> None:
        with when(waits, receiver.close), pytest.raises(ClosedError):
            receiver.recv(timeout=20)
        with pytest.raises(ClosedError):
            receiver.recv_nonblock()


class TestPeekAndNotWaiting:
    def test_peek_takes_nothing(self, receiver: UdpSocket, sender: UdpSocket, call: Call) -> None:
        sender.send(b"first")
        sender.send(b"second")
        assert call(receiver.peek, timeout=5) == b"first"
        assert call(receiver.peek_from, timeout=5) == (b"first", sender.local_addr)
        assert call(receiver.recv, timeout=5) == b"first"
        assert call(receiver.recv_from, timeout=5) == (b"second", sender.local_addr)

    def test_recv_nonblock(self, receiver: UdpSocket, sender: UdpSocket) -> None:
        assert receiver.recv_nonblock() is None
        assert receiver.recv_from_nonblock() is None
        sender.send(b"")
        receiver.peek(timeout=5)
        assert receiver.recv_nonblock() == b"", "an empty datagram is one"

    def test_send_nonblock(self, receiver: UdpSocket, sender: UdpSocket) -> None:
        assert sender.send_nonblock(b"to the peer") == 11
        assert receiver.recv(timeout=5) == b"to the peer"
        with UdpSocket.bind("127.0.0.1:0") as sock:
            assert sock.send_to_nonblock(b"to an address", receiver.local_addr) == 13
        assert receiver.recv(timeout=5) == b"to an address"

    def test_send_nonblock_without_room(self) -> None:
        """A Unix-domain datagram socket, whose queue can be filled."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with other, UdpSocket(one) as sock:
            while sock.send_nonblock(b"x") is not None:
                pass
            assert other.recv(10) == b"x"
            assert sock.send_nonblock(b"y") == 1


class TestOptions:
    def test_what_was_set(self, receiver: UdpSocket) -> None:
        assert not receiver.broadcast
        receiver.set_broadcast(True)
        assert receiver.broadcast
        receiver.set_ttl(7)
        assert receiver.ttl == 7
        for name in ("send_buffer_size", "recv_buffer_size"):
            getattr(receiver, f"set_{name}")(30_000)
            assert 30_000 <= getattr(receiver, name) <= 60_000

    def test_a_closed_socket_has_no_options(self, receiver: UdpSocket) -> None:
        receiver.close()
        with pytest.raises(ClosedError):
            receiver.set_broadcast(True)

    def test_an_address_for_several(self) -> None:
        with UdpSocket.bind("127.0.0.1:0", reuse_addr=True) as first:
            with pytest.raises(ListenError):
                UdpSocket.bind(first.local_addr)
            UdpSocket.bind(first.local_addr, reuse_addr=True).close()
        with UdpSocket.bind("127.0.0.1:0", reuse_port=True) as first:
            UdpSocket.bind(first.local_addr, reuse_port=True).close()

    def test_an_ipv4_peer_of_a_socket_for_both_is_ipv4(self) -> None:
        with UdpSocket.bind("[::]:0") as both, UdpSocket.bind("127.0.0.1:0") as client:
            client.send_to(b"x", SocketAddr.new_v4("127.0.0.1", both.local_addr.port))
            _, peer = both.recv_from(timeout=5)
            assert peer == client.local_addr
            both.send_to(b"back", peer)
            assert client.recv(timeout=5) == b"back"
            assert both.send_to_nonblock(b"again", peer) == 5
            assert client.recv(timeout=5) == b"again"
            both.connect(peer)
            both.send(b"connected")
            assert client.recv(timeout=5) == b"connected"

    def test_only_v6(self) -> None:
        with UdpSocket.bind("[::]:0", only_v6=True) as six:
            UdpSocket.bind(f"0.0.0.0:{six.local_addr.port}").close()
        with UdpSocket.bind("[::]:0") as both, pytest.raises(ListenError):
            UdpSocket.bind(f"0.0.0.0:{both.local_addr.port}")

    def test_an_inherited_one_stays_as_it_was(self) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        with UdpSocket(sock, inherited=True) as made:
            with pytest.raises(DeadlineExceeded):
                made.recv(timeout=0.01)
            made.send_to(b"x", made.local_addr)
            assert made.recv(timeout=5) == b"x"
            assert os.get_blocking(made.as_raw_fd())


class TestBroadcast:
    def test_to_everybody_on_loopback(self) -> None:
        with UdpSocket.bind("0.0.0.0:0") as receiver, UdpSocket.bind("127.0.0.1:0") as sender:
            everybody = SocketAddr.parse(f"127.255.255.255:{receiver.local_addr.port}")
            with pytest.raises(PermissionError):
                sender.send_to(b"not allowed", everybody)
            sender.set_broadcast(True)
            sender.send_to(b"to everybody", everybody)
            assert receiver.recv(timeout=5) == b"to everybody"


MULTICAST = """
import socket, sys
from netkit.addr import SocketAddr
from netkit.io import DeadlineExceeded
from netkit.net import UdpSocket

interface = socket.if_nametoindex("netkit0")

def four(group):
    receiver = UdpSocket.bind("0.0.0.0:0")
    receiver.join_multicast_v4(group, "127.0.0.1")
    sender = UdpSocket.bind("127.0.0.1:0")
    sender.set_multicast_interface_v4("127.0.0.1")
    sender.set_multicast_ttl_v4(0)
    sender.set_multicast_loop_v4(True)
    return receiver, sender, SocketAddr.parse(f"{group}:{receiver.local_addr.port}"), (
        lambda: receiver.leave_multicast_v4(group, "127.0.0.1"))

def six(group):
    receiver = UdpSocket.bind("[::]:0", only_v6=True)
    receiver.join_multicast_v6(group, interface)
    sender = UdpSocket.bind("[::]:0")
    sender.set_multicast_interface_v6(interface)
    sender.set_multicast_hops_v6(1)
    sender.set_multicast_loop_v6(True)
    return receiver, sender, SocketAddr.parse(f"[{group}]:{receiver.local_addr.port}"), (
        lambda: receiver.leave_multicast_v6(group, interface))

for kind, group in ((four, "239.255.77.1"), (six, "ff02::4e4b")):
    receiver, sender, where, leave = kind(group)
    with receiver, sender:
        sender.send_to(b"to the group", where)
        assert receiver.recv(timeout=10) == b"to the group"
        leave()
        sender.send_to(b"to those who are left", where)
        try:
            receiver.recv(timeout=0.1)
        except DeadlineExceeded:
            print("left", group)
"""


class TestMulticast:
    def test_a_group(self) -> None:
        """In a network namespace of its own: IPv4 on loopback, IPv6 on a pair of interfaces."""
        unshare, ip = require_peer("unshare"), require_peer("ip")
        setup = f"""set -e
            {ip} link set lo up multicast on
            {ip} route add 224.0.0.0/4 dev lo
            {ip} link add netkit0 type veth peer name netkit1
            {ip} link set netkit0 up
            {ip} link set netkit1 up
            {ip} addr add 2001:db8::1/64 dev netkit0 nodad
            exec "$0" -c "$1"
        """
        done = subprocess.run(
            [unshare, "--user", "--map-root-user", "--net", "sh", "-c", setup, sys.executable, MULTICAST]
            if os.geteuid()
            else [unshare, "--net", "sh", "-c", setup, sys.executable, MULTICAST],
            capture_output=True,
            text=True,
            timeout=50,
            env=process_environment(),
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == ["left 239.255.77.1", "left ff02::4e4b"]

    def test_an_address_that_is_no_group(self, receiver: UdpSocket) -> None:
        with pytest.raises(ValueError, match="not a multicast group"):
            receiver.join_multicast_v4("192.0.2.1")
        with pytest.raises(ValueError, match="not a multicast group"):
            receiver.join_multicast_v6("2001:db8::1")

    def test_leaving_a_group_that_was_not_joined(self, receiver: UdpSocket) -> None:
        with pytest.raises(OSError, match="assign requested address"):
            receiver.leave_multicast_v4("239.255.77.1", "127.0.0.1")
