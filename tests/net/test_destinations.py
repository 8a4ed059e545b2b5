"""UDP sockets that tell where a datagram was sent to, and send from an address that the caller chooses."""

from __future__ import annotations

import asyncio
import pickle
import socket
import sys
from collections.abc import Iterator

import pytest

from netkit.addr import SocketAddr
from netkit.net import UdpMessage, UdpSocket, pktinfo
from tests.io.conftest import Drive
from tests.net.conftest import same_socket

pytestmark = [
    pytest.mark.once,  # none of this uses a twin
    pytest.mark.skipif(sys.platform != "linux", reason="IP_PKTINFO, and every 127.x.x.x, are Linux's"),
]

WILDCARDS = ["0.0.0.0:0", "[::]:0"]
IP_PKTINFO = 8


def at(ip: str, sock: UdpSocket) -> SocketAddr:
    return SocketAddr.new(ip, sock.local_addr.port)


@pytest.fixture(params=WILDCARDS)
def server(request: pytest.FixtureRequest) -> Iterator[UdpSocket]:
    with UdpSocket.bind(request.param, destinations=True) as sock:
        yield sock


class TestDestination:
    def test_the_address_that_was_asked(self, server: UdpSocket) -> None:
        """Where the socket takes both families, an IPv4 address is told as one."""
        with UdpSocket.bind("127.0.0.1:0") as client:
            for ip in ("127.0.0.1", "127.0.0.2"):
                client.send_to(b"x", at(ip, server))
                here = at(ip, server)
                assert server.recv_msg(timeout=5) == UdpMessage(b"x", client.local_addr, here, here)

    def test_async(self, server: UdpSocket) -> None:
        asyncio.run(self._answer(server))

    async def _answer(self, server: UdpSocket) -> None:
        with UdpSocket.bind("127.0.0.1:0") as client:
            await client.send_to_async(b"x", at("127.0.0.2", server))
            message = await server.recv_msg_async(timeout=5)
            assert message.destination == at("127.0.0.2", server)
            await server.send_to_async(b"y", message.peer, source=message.reply_source)
            assert await client.recv_from_async(timeout=5) == (b"y", at("127.0.0.2", server))

    def test_flow(self, server: UdpSocket, drive: Drive) -> None:
        with UdpSocket.bind("127.0.0.1:0") as client:
            client.send_to(b"x", at("127.0.0.2", server))
            message = drive(server.receive_msg_flow(), timeout=5)
            assert message.destination == at("127.0.0.2", server)
            drive(server.send_flow(b"y", message.peer, message.reply_source), timeout=5)
            assert client.recv_from(timeout=5) == (b"y", at("127.0.0.2", server))

    def test_without_waiting(self, server: UdpSocket) -> None:
        assert server.recv_msg_nonblock() is None
        with UdpSocket.bind("127.0.0.1:0") as client:
            client.send_to(b"x", at("127.0.0.2", server))
            assert server.peek_from(timeout=5) == (b"x", client.local_addr)
            message = server.recv_msg_nonblock()
            assert message is not None
            assert message.destination == at("127.0.0.2", server)
            assert server.send_to_nonblock(b"y", message.peer, source=message.reply_source) == 1
            assert client.recv_from(timeout=5) == (b"y", at("127.0.0.2", server))

    def test_without_the_source_the_system_chooses(self, server: UdpSocket) -> None:
        with UdpSocket.bind("127.0.0.1:0") as client:
            server.send_to(b"y", client.local_addr)
            assert client.recv_from(timeout=5) == (b"y", at("127.0.0.1", server))

    def test_ipv6(self) -> None:
        with UdpSocket.bind("[::]:0", destinations=True) as server, UdpSocket.bind("[::1]:0") as client:
            client.send_to(b"x", at("::1", server))
            assert server.recv_msg(timeout=5).destination == at("::1", server)

    def test_a_group_is_no_source(self) -> None:
        with (
            UdpSocket.bind("0.0.0.0:0", destinations=True) as server,
            UdpSocket.bind("127.0.0.1:0") as client,
        ):
            server.join_multicast_v4("239.255.77.1", "127.0.0.1")
            client.set_multicast_interface_v4("127.0.0.1")
            client.send_to(b"x", at("239.255.77.1", server))
            message = server.recv_msg(timeout=5)
            assert message.destination == at("239.255.77.1", server)
            assert message.reply_source == at("127.0.0.1", server)

    def test_an_ipv6_group_leaves_the_source_to_the_system(self) -> None:
        packed = socket.inet_pton(socket.AF_INET6, "ff02::1") + (3).to_bytes(4, sys.byteorder)
        found = pktinfo.addresses([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed)], 7007)
        assert found == (SocketAddr.new_v6("ff02::1", 7007, scope_id=3), None)

    def test_an_address_that_is_not_this_machines(self, server: UdpSocket) -> None:
        with pytest.raises(OSError, match=r"[Ii]nvalid|unreachable"):
            server.send_to(b"x", SocketAddr.parse("127.0.0.1:9"), source=SocketAddr.parse("192.0.2.77:1"))

    def test_more_sources_than_are_remembered(
        self, server: UdpSocket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("netkit.net.udp.REMEMBERED_PEERS", 2)
        with UdpSocket.bind("127.0.0.1:0") as client:
            for ip in [f"127.0.0.{number}" for number in range(1, 8)] * 2:
                client.send_to(b"x", at(ip, server))
                assert server.recv_msg(timeout=5).destination == at(ip, server)


class TestWhoPays:
    def test_a_socket_of_one_address_knows_it(self) -> None:
        with UdpSocket.bind("127.0.0.1:0", destinations=True) as server:
            with same_socket(server) as sock:
                assert sock.getsockopt(socket.IPPROTO_IP, IP_PKTINFO) == 0
            with UdpSocket.bind("127.0.0.1:0") as client:
                client.send_to(b"x", server.local_addr)
                message = server.recv_msg(timeout=5)
                assert message == (b"x", client.local_addr, server.local_addr, None)

    @pytest.mark.parametrize("bind", WILDCARDS)
    def test_nobody_who_did_not_ask(self, bind: str) -> None:
        with UdpSocket.bind(bind) as server, UdpSocket.bind("127.0.0.1:0") as client:
            with same_socket(server) as sock:
                assert sock.getsockopt(socket.IPPROTO_IP, IP_PKTINFO) == 0
            client.send_to(b"x", at("127.0.0.1", server))
            assert server.recv_msg(timeout=5) == (b"x", client.local_addr, None, None)

    def test_what_was_kept_before_is_not_lost(self) -> None:
        with UdpSocket.bind("0.0.0.0:0") as server, UdpSocket.bind("127.0.0.1:0") as client:
            client.send_to(b"1", at("127.0.0.2", server))
            assert server.peek(timeout=5) == b"1"
            server.tell_destinations()
            client.send_to(b"2", at("127.0.0.2", server))
            told = [server.recv_msg(timeout=5)[::2] for _ in range(2)]
            assert told == [(b"1", None), (b"2", at("127.0.0.2", server))]

    def test_a_system_that_tells_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pktinfo, "_IP_PKTINFO", None)
        with (
            UdpSocket.bind("0.0.0.0:0", destinations=True) as server,
            UdpSocket.bind("127.0.0.1:0") as client,
        ):
            client.send_to(b"x", at("127.0.0.2", server))
            assert server.recv_msg(timeout=5) == (b"x", client.local_addr, None, None)
            server.send_to(b"y", client.local_addr, source=at("127.0.0.2", server))
            assert client.recv_from(timeout=5) == (b"y", at("127.0.0.1", server))


def test_a_message_pickles() -> None:
    here = SocketAddr.parse("127.0.0.1:7")
    message = UdpMessage(b"x", here, here, None)
    assert pickle.loads(pickle.dumps(message)) == message
