"""Ways to read: with no time at all, without waiting, to the end, piece by piece; over every stream."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from netkit.io import BusyError, ByteStream, DeadlineExceeded, LimitExceeded, run, run_async
from netkit.lab.faults import Faults, FaultyStream
from netkit.net import TcpListener, TcpStream, UdpSocket, UnixStream
from netkit.net.sockets import SocketStream
from netkit.tls import CertVerifyMode, TlsConfig, TlsStream
from tests.net.conftest import Call
from tests.tls.pki import issue
from tests.waiting import until

Pair = tuple[ByteStream, ByteStream]


def tcp() -> tuple[TcpStream, TcpStream]:
    with TcpListener.bind("127.0.0.1:0") as listener:
        return TcpStream.connect(listener.local_addr, timeout=5), listener.accept(timeout=5)[0]


def tls() -> Pair:
    issued = issue("localhost")
    server = TlsConfig.server().with_identity(issued.certificate, issued.private_key)
    client = TlsConfig.client().with_verify_mode(CertVerifyMode.None_)
    ours, theirs = tcp()
    with ThreadPoolExecutor(1) as beside:
        accepted = beside.submit(TlsStream.accept, theirs, server, timeout=5)
        return TlsStream.connect(ours, None, client, timeout=5), accepted.result(5)


def faulty() -> Pair:
    ours, theirs = tcp()
    return FaultyStream(ours, Faults().session()), theirs


KINDS: dict[str, Callable[[], Pair]] = {"tcp": tcp, "unix": UnixStream.pair, "tls": tls, "faulty": faulty}


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    ours, theirs = KINDS[request.param]()
    with ours, theirs:
        yield ours, theirs


def there(stream: ByteStream, size: int) -> None:
    """Wait until so much is in the stream's buffer, or in that of the system."""
    if isinstance(stream, TlsStream):
        run(stream.fill(size))
    else:
        bottom = stream.below or stream
        assert isinstance(bottom, SocketStream)
        fd = bottom.as_raw_fd()
        until(lambda: int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder) == size)


class TestNoTime:
    def test_what_is_there_is_read(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        theirs.write_all(b"hello\nworld")
        there(ours, 11)
        assert call(ours.read, 3, timeout=0) == b"hel"
        assert call(ours.read_until, b"\n", timeout=0) == b"lo\n"
        assert call(ours.read_exactly, 4, timeout=0) == b"worl"
        assert call(ours.read, timeout=-1) == b"d"

    def test_what_is_not_there_is_not_waited_for(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        for _ in range(2):
            with pytest.raises(DeadlineExceeded, match="while reading"):
                call(ours.read, timeout=0)
        theirs.write_all(b"half")
        there(ours, 4)
        with pytest.raises(DeadlineExceeded):
            call(ours.read_exactly, 8, timeout=0)
        assert call(ours.read, timeout=0) == b"half"

    def test_after_all_had_been_read(self, pair: Pair, call: Call) -> None:
        """The stream expects nothing more then, and would wait before it looks."""
        ours, theirs = pair
        for data in (b"first", b"second"):
            theirs.write_all(data)
            until(lambda: ours.read_nonblock(0) is not None)
            assert call(ours.read, timeout=0) == data

    def test_the_end(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        run(theirs.finish())
        assert ours.read(timeout=5) == b""
        assert call(ours.read, timeout=0) == b""
        assert call(ours.read_to_end, timeout=0) == b""

    def test_the_default_of_the_stream(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        ours.set_read_timeout(0)
        with pytest.raises(DeadlineExceeded):
            call(ours.read)
        theirs.write_all(b"hello")
        there(ours, 5)
        assert call(ours.read) == b"hello"

    def test_what_can_be_sent_is_sent(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        call(ours.write_all, b"hello", timeout=0)
        assert theirs.read_exactly(5, timeout=5) == b"hello"
        assert call(ours.write, b"again", timeout=0) == 5

    def test_connections_and_datagrams(self, call: Call) -> None:
        with TcpListener.bind("127.0.0.1:0") as listener:
            with pytest.raises(DeadlineExceeded):
                call(listener.accept, timeout=0)
            with TcpStream.connect(listener.local_addr, timeout=5):
                call(listener.accept, timeout=0)[0].close()
        with UdpSocket.bind("127.0.0.1:0") as ours, UdpSocket.connected(ours.local_addr) as theirs:
            with pytest.raises(DeadlineExceeded):
                call(ours.recv, timeout=0)
            for number in range(100):  # over loopback a datagram is there when it has been sent
                theirs.send(b"%d" % number)
                assert call(ours.recv, timeout=0) == b"%d" % number


class TestWithoutWaiting:
    def test_it_has_what_is_there(self, pair: Pair) -> None:
        ours, theirs = pair
        assert ours.read_nonblock() is None
        theirs.write_all(b"hello")
        there(ours, 5)
        assert ours.read_nonblock(2) == b"he"
        assert ours.read_nonblock() == b"llo"
        assert ours.read_nonblock() is None
        run(theirs.finish())
        assert ours.read(timeout=5) == b""
        assert ours.read_nonblock() == b""

    def test_it_is_a_reader_like_any_other(self, pair: Pair) -> None:
        ours, _ = pair
        first = ours.fill(1)
        next(first)
        with pytest.raises(BusyError):
            ours.read_nonblock()
        first.close()
        assert ours.read_nonblock() is None


class TestToTheEnd:
    def test_all_of_it(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        data = bytes(range(256)) * 4000

        def sending() -> None:
            theirs.write_all(data, timeout=20)
            run(theirs.finish())

        with ThreadPoolExecutor(1) as beside:
            sent = beside.submit(sending)
            assert ours.read(10, timeout=5) == data[:10]
            assert call(ours.read_to_end, timeout=20) == data[10:]
            sent.result()

    def test_more_than_the_limit(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        theirs.write_all(b"0123456789")
        with pytest.raises(LimitExceeded, match="limit of 9 bytes") as caught:
            call(ours.read_to_end, 9, timeout=5)
        assert caught.value.limit == 9
        run(theirs.finish())
        assert call(ours.read_to_end, 10, timeout=5) == b"0123456789"  # nothing was lost

    def test_interrupted_it_has_lost_nothing(self, pair: Pair, call: Call) -> None:
        ours, theirs = pair
        theirs.write_all(b"half")
        there(ours, 4)
        with pytest.raises(DeadlineExceeded):
            call(ours.read_to_end, timeout=0)
        theirs.write_all(b" and half")
        run(theirs.finish())
        assert call(ours.read_to_end, timeout=5) == b"half and half"

    def test_for_flows(self, pair: Pair) -> None:
        ours, theirs = pair
        theirs.write_all(b"all")
        run(theirs.finish())
        assert run(ours.read_to_end_flow()) == b"all"


class TestPieces:
    def test_async_for(self, pair: Pair, loop_runner: asyncio.Runner) -> None:
        ours, theirs = pair

        async def main() -> list[bytes]:
            pieces = []
            await theirs.write_all_async(b"one")
            async for piece in ours:
                pieces.append(piece)
                if piece == b"one":
                    await theirs.write_all_async(b"two")
                elif piece == b"two":
                    break
            await theirs.write_all_async(b"three")
            await run_async(theirs.finish())
            return pieces + [piece async for piece in ours]

        assert loop_runner.run(main()) == [b"one", b"two", b"three"]
