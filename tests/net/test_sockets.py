"""TcpStream, TcpListener and UdpSocket, in blocking and async form."""

from __future__ import annotations

import asyncio
import socket

import pytest

from netkit.addr import SocketAddr
from netkit.io import AsyncRead, AsyncWrite, DeadlineExceeded, LimitExceeded, Read, UnexpectedEof, Write
from netkit.net import ListenError, Shutdown, TcpListener, TcpStream, UdpSocket
from tests.conftest import free_port
from tests.waiting import waits, when


def connected() -> tuple[TcpStream, TcpStream]:
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        theirs, _ = listener.accept(timeout=5)
    return ours, theirs


class TestTcpStream:
    def test_is_what_the_protocols_ask_for(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            for protocol in (Read, Write, AsyncRead, AsyncWrite):
                assert isinstance(ours, protocol)

    def test_both_ends_know_each_other(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            assert ours.peer_addr == theirs.local_addr
            assert theirs.peer_addr == ours.local_addr

    def test_half_close(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            ours.write_all(b"question")
            ours.shutdown(Shutdown.Write)
            assert theirs.read() == b"question"
            assert theirs.read() == b""
            theirs.write_all(b"answer")
            assert ours.read_exactly(6, timeout=5) == b"answer"

    def test_read_until(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            theirs.write_all(b"one\r\ntwo\r")
            assert ours.read_until(b"\r\n", timeout=5) == b"one\r\n"
            theirs.write_all(b"\nthree")
            theirs.shutdown(Shutdown.Write)
            assert ours.read_until(b"\r\n", timeout=5) == b"two\r\n"
            with pytest.raises(UnexpectedEof):
                ours.read_until(b"\r\n", timeout=5)
            assert ours.read() == b"three"

    def test_read_until_has_a_limit(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            theirs.write_all(b"x" * 20)
            with pytest.raises(LimitExceeded):
                ours.read_until(b"\n", limit=10, timeout=5)
            assert ours.read_exactly(20, timeout=5) == b"x" * 20

    def test_taking_less_than_arrived(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            theirs.write_all(b"abcdef")
            theirs.shutdown(Shutdown.Write)
            pieces = []
            while piece := ours.read(4, timeout=5):
                pieces.append(piece)
            assert b"".join(pieces) == b"abcdef"
            assert max(map(len, pieces)) <= 4

    def test_its_own_timeouts(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            ours.set_read_timeout(0.01)
            with pytest.raises(DeadlineExceeded, match="while reading"):
                ours.read()
            ours.set_write_timeout(0.05)
            with pytest.raises(DeadlineExceeded, match="while writing"):
                ours.write_all(bytes(50_000_000))

    def test_options(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            sock = socket.socket(fileno=socket.dup(ours.as_raw_fd()))
            with sock:
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                ours.set_nodelay(False)
                assert not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                ours.set_keepalive(True)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                ours.set_ttl(9)
                assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 9

    def test_linger_zero_resets(self) -> None:
        ours, theirs = connected()
        with theirs:
            ours.set_linger(0)
            ours.close()
            with pytest.raises(ConnectionResetError):
                theirs.read(timeout=5)

    def test_iterating_over_what_comes(self) -> None:
        ours, theirs = connected()
        with ours:
            with theirs:
                theirs.write_all(b"all of it")
            assert b"".join(ours) == b"all of it"

    def test_async_form(self) -> None:
        async def main() -> bytes:
            async with await TcpListener.bind_async("127.0.0.1:0") as listener:

                async def echo() -> None:
                    stream, _ = await listener.accept_async(timeout=5)
                    async with stream:
                        while data := await stream.read_async(timeout=5):
                            await stream.write_all_async(data)

                serving = asyncio.create_task(echo())
                async with await TcpStream.connect_async(listener.local_addr, timeout=5) as stream:
                    await stream.write_all_async(b"line\nrest")
                    line = await stream.read_until_async(b"\n", timeout=5)
                    rest = await stream.read_exactly_async(4, timeout=5)
                    stream.shutdown(Shutdown.Write)
                    assert await stream.read_async(timeout=5) == b""
                await serving
                return line + rest

        assert asyncio.run(main()) == b"line\nrest"


class TestTcpListener:
    def test_port_in_use_says_so(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener, pytest.raises(ListenError) as caught:
            TcpListener.bind(listener.local_addr)
        assert str(caught.value) == f"cannot listen on {caught.value.addr}: address already in use"
        assert caught.value.hint

    def test_reuseport_shares_an_address(self) -> None:
        with (
            TcpListener.bind_reuseport("127.0.0.1:0") as first,
            TcpListener.bind_addr_reuseport(first.local_addr) as second,
        ):
            assert first.local_addr == second.local_addr

    def test_colon_port_is_every_address_of_both_families(self) -> None:
        with TcpListener.bind(":0") as listener:
            port = listener.local_addr.port
            for host in ("127.0.0.1", "::1"):
                if host == "::1" and not socket.has_dualstack_ipv6():
                    continue
                TcpStream.connect((host, port), timeout=5).close()
                listener.accept(timeout=5)[0].close()

    def test_accept_timeout(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener, pytest.raises(DeadlineExceeded, match="connection"):
            listener.accept(timeout=0.01)

    def test_incoming(self) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener:
            clients = [TcpStream.connect(listener.local_addr) for _ in range(3)]
            incoming = listener.incoming()
            served = [next(incoming) for _ in range(3)]
            assert [stream.peer_addr for stream in served] == [client.local_addr for client in clients]
            for stream in (*clients, *served):
                stream.close()

    def test_incoming_async(self) -> None:
        async def main() -> int:
            count = 0
            async with await TcpListener.bind_async("127.0.0.1:0") as listener:
                clients = [await TcpStream.connect_async(listener.local_addr) for _ in range(3)]
                async for stream in listener.incoming_async():
                    stream.close()
                    count += 1
                    if count == 3:
                        break
                for client in clients:
                    client.close()
            return count

        assert asyncio.run(main()) == 3


class TestUdpSocket:
    def test_to_and_fro(self) -> None:
        with UdpSocket.bind("127.0.0.1:0") as one, UdpSocket.bind("127.0.0.1:0") as two:
            assert one.send_to(b"ping", two.local_addr) == 4
            data, peer = two.recv_from(timeout=5)
            assert (data, peer) == (b"ping", one.local_addr)
            two.send_to(b"pong", peer)
            assert one.recv(timeout=5) == b"pong"

    def test_connected_hears_its_peer_only(self) -> None:
        with (
            UdpSocket.bind("127.0.0.1:0") as peer,
            UdpSocket.bind("127.0.0.1:0") as stranger,
            UdpSocket.connected(peer.local_addr) as sock,
        ):
            assert sock.peer_addr == peer.local_addr
            stranger.send_to(b"spoofed", sock.local_addr)
            sock.send(b"hello")
            data, back = peer.recv_from(timeout=5)
            peer.send_to(data.upper(), back)
            assert sock.recv(timeout=5) == b"HELLO"

    def test_nobody_there_is_said_to_a_connected_socket(self) -> None:
        with UdpSocket.connected(SocketAddr.new("127.0.0.1", free_port())) as sock:
            sock.send(b"x")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(timeout=5)

    def test_timeout_then_nothing_lost(self) -> None:
        with UdpSocket.bind("127.0.0.1:0") as one, UdpSocket.bind("127.0.0.1:0") as two:
            with pytest.raises(DeadlineExceeded, match="datagram"):
                two.recv_from(timeout=0.01)
            one.send_to(b"late", two.local_addr)
            assert two.recv(timeout=5) == b"late"

    def test_an_empty_datagram_is_one(self) -> None:
        with UdpSocket.bind("127.0.0.1:0") as one, UdpSocket.bind("127.0.0.1:0") as two:
            one.send_to(b"", two.local_addr)
            assert two.recv(timeout=5) == b""

    def test_async_form(self) -> None:
        async def main() -> bytes:
            async with await UdpSocket.bind_async("127.0.0.1:0") as one, UdpSocket.bind("127.0.0.1:0") as two:
                receiving = asyncio.create_task(two.recv_from_async(timeout=5))
                await one.send_to_async(b"over the loop", two.local_addr)
                data, peer = await receiving
                assert peer == one.local_addr
                return data

        assert asyncio.run(main()) == b"over the loop"

    def test_close_under_a_receive(self) -> None:
        sock = UdpSocket.bind(SocketAddr.parse("127.0.0.1:0"))
        with when(waits, sock.close), pytest.raises(OSError, match="is closed"):
            sock.recv(timeout=5)
