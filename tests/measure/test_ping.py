"""Round trips: the schedule, what counts, what does not, and what the numbers come to."""

from __future__ import annotations

import statistics
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from time import monotonic

import pytest

from netkit.addr import SocketAddr
from netkit.io import DeadlineExceeded, Event, Flow, UnexpectedEof
from netkit.lab.echo import Echoed, echo_datagrams, echo_stream
from netkit.measure import ping as module
from netkit.measure.ping import EchoMismatch, PingStatistics, Reply, ping_connect, ping_datagrams, ping_stream
from netkit.net import TcpListener, TcpStream, UdpSocket, UnixStream
from netkit.serve.connections import in_background, serve
from tests.conftest import free_port
from tests.io.conftest import Drive


class Run:
    """The arguments of a run that every flow takes, and what it told."""

    def __init__(self, count: int = 5, interval: float = 0.001, timeout: float = 5.0) -> None:
        self.statistics = PingStatistics()
        self.replies: list[Reply] = []
        self.asked = {
            "count": count,
            "interval": interval,
            "timeout": timeout,
            "statistics": self.statistics,
            "on_reply": self.replies.append,
        }


@pytest.fixture
def echo() -> Iterator[SocketAddr]:
    listener = TcpListener.bind("127.0.0.1:0")
    addr = listener.local_addr
    with in_background(lambda stop: serve(listener, partial(echo_stream, counts=Echoed()), stop=stop)):
        yield addr


@pytest.fixture
def udp_echo() -> Iterator[SocketAddr]:
    with (
        UdpSocket.bind("127.0.0.1:0") as sock,
        in_background(lambda stop: echo_datagrams(sock, counts=Echoed(), stop=stop)),
    ):
        yield sock.local_addr


class Peer:
    """A UDP peer that does with each probe what a test says: `answer(number, data)` is what it sends back."""

    def __init__(self, answer: Callable[[int, bytes], list[bytes]]) -> None:
        self.sock = UdpSocket.bind("127.0.0.1:0")
        self.addr = self.sock.local_addr
        self.answer = answer
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        seen = 0
        try:
            while True:
                data, peer = self.sock.recv_from()
                for back in self.answer(seen, data):
                    self.sock.send_to(back, peer)
                seen += 1
        except OSError:
            return  # closed

    def close(self) -> None:
        self.sock.close()
        self.thread.join(10)


class TestConnecting:
    def test_each_is_a_connection(self, echo: SocketAddr, drive: Drive) -> None:
        run = Run()
        drive(ping_connect(lambda: TcpStream.connect_flow(echo), **run.asked), timeout=30)  # type: ignore[arg-type]
        assert sorted(reply.number for reply in run.replies) == [0, 1, 2, 3, 4]
        assert all(reply.time is not None and 0 < reply.time < 30 for reply in run.replies)
        assert (run.statistics.sent, run.statistics.received, run.statistics.loss) == (5, 5, 0.0)

    def test_nobody_there(self, drive: Drive) -> None:
        run = Run(count=2)
        nobody = SocketAddr.parse(f"127.0.0.1:{free_port()}")
        drive(ping_connect(lambda: TcpStream.connect_flow(nobody), **run.asked), timeout=30)  # type: ignore[arg-type]
        assert [type(reply.error).__name__ for reply in run.replies] == ["Refused", "Refused"]
        assert run.statistics.loss == 1.0

    def test_no_answer_in_time_holds_up_nothing(self, drive: Drive) -> None:
        run = Run(count=3, interval=0.01, timeout=0.1)
        begun = monotonic()
        drive(ping_connect(lambda: Event().wait(), **run.asked), timeout=30)  # type: ignore[arg-type,return-value]
        assert [type(reply.error) for reply in run.replies] == [DeadlineExceeded] * 3
        assert monotonic() - begun < 10, "side by side"

    def test_the_callers_deadline_is_no_reply(self, drive: Drive) -> None:
        run = Run(count=1, timeout=60)
        with pytest.raises(DeadlineExceeded):
            drive(ping_connect(lambda: Event().wait(), **run.asked), timeout=0.05)  # type: ignore[arg-type,return-value]
        assert run.replies == []


class TestEchoesOverTcp:
    @pytest.mark.parametrize("size", [20, 56, 65_507])
    def test_every_byte_comes_back(self, echo: SocketAddr, drive: Drive, size: int) -> None:
        run = Run(count=3)
        with TcpStream.connect(echo) as stream:
            drive(ping_stream(stream, size=size, **run.asked), timeout=30)  # type: ignore[arg-type]
        assert [reply.number for reply in run.replies] == [0, 1, 2]
        assert run.statistics.received == 3

    def test_something_else_comes_back(self, drive: Drive) -> None:
        def shouting(stream: TcpStream) -> Iterator[None]:
            data = yield from stream.read_flow()  # type: ignore[misc]
            yield from stream.write_all_flow(data[:21] + b"!" + data[22:])  # type: ignore[misc]

        listener = TcpListener.bind("127.0.0.1:0")
        addr = listener.local_addr
        run = Run()
        with (
            in_background(lambda stop: serve(listener, shouting, stop=stop)),  # type: ignore[arg-type]
            TcpStream.connect(addr) as stream,
            pytest.raises(EchoMismatch, match=r"probe 0 .*octet 21") as caught,
        ):
            drive(ping_stream(stream, size=56, **run.asked), timeout=30)  # type: ignore[arg-type]
        assert (caught.value.number, caught.value.offset) == (0, 21)

    def test_what_came_before_the_end_is_read_though_nothing_can_be_sent(self, drive: Drive) -> None:
        stream, peer = UnixStream.pair()
        with stream:
            peer.write_all(b"220 mail.example ESMTP, and more of the kind")
            peer.close()
            with pytest.raises(EchoMismatch, match="probe 0 "):
                drive(ping_stream(stream, **Run().asked), timeout=30)  # type: ignore[arg-type]

    def test_nothing_came_before_the_end(self, drive: Drive) -> None:
        stream, peer = UnixStream.pair()
        peer.close()
        with stream, pytest.raises((BrokenPipeError, UnexpectedEof)):
            drive(ping_stream(stream, **Run().asked), timeout=30)  # type: ignore[arg-type]

    def test_the_server_hangs_up(self, drive: Drive) -> None:
        def leaving(stream: TcpStream) -> Iterator[None]:
            yield from stream.fill()  # type: ignore[misc]

        listener = TcpListener.bind("127.0.0.1:0")
        addr = listener.local_addr
        with (
            in_background(lambda stop: serve(listener, leaving, stop=stop)),  # type: ignore[arg-type]
            TcpStream.connect(addr) as stream,
            pytest.raises((UnexpectedEof, ConnectionError)),
        ):
            drive(ping_stream(stream, **Run().asked), timeout=30)  # type: ignore[arg-type]

    def test_probes_under_way_at_the_end_have_failed(self, drive: Drive) -> None:
        stream, peer = UnixStream.pair()
        run = Run(count=3, interval=0.01)
        with (
            stream,
            in_background(lambda _stop: _after_two(peer)),
            pytest.raises((UnexpectedEof, ConnectionError)),
        ):
            drive(ping_stream(stream, size=20, **run.asked), timeout=30)  # type: ignore[arg-type]
        assert run.statistics.received == 0
        assert run.statistics.failed == run.statistics.sent == len(run.replies) >= 2
        assert all(reply.error is not None for reply in run.replies)


def _after_two(peer: UnixStream) -> Flow[None]:
    yield from peer.read_exactly_flow(40)
    peer.close()


class TestDatagrams:
    def test_there_and_back(self, udp_echo: SocketAddr, drive: Drive) -> None:
        run = Run()
        with UdpSocket.connected(udp_echo) as sock:
            drive(ping_datagrams(sock, **run.asked), timeout=30)  # type: ignore[arg-type]
        assert run.statistics.received == 5

    def test_nobody_receives_there(self, drive: Drive) -> None:
        run = Run(count=2, interval=0.02)
        with UdpSocket.connected(SocketAddr.parse(f"127.0.0.1:{free_port()}")) as sock:
            drive(ping_datagrams(sock, **run.asked), timeout=30)  # type: ignore[arg-type]
        assert [type(reply.error) for reply in run.replies] == [ConnectionRefusedError] * 2

    def run_against(self, answer: Callable[[int, bytes], list[bytes]], run: Run) -> PingStatistics:
        from netkit.io import run as drive

        peer = Peer(answer)
        try:
            with UdpSocket.connected(peer.addr) as sock:
                drive(ping_datagrams(sock, **run.asked))  # type: ignore[arg-type]
        finally:
            peer.close()
        return run.statistics

    def test_loss(self) -> None:
        run = Run(count=4, interval=0.005, timeout=0.5)
        found = self.run_against(lambda number, data: [] if number % 2 else [data], run)
        assert (found.sent, found.received, found.failed, found.loss) == (4, 2, 2, 0.5)

    def test_the_callers_deadline_is_no_reply(self, drive: Drive) -> None:
        run = Run(count=1, timeout=60)
        with (
            UdpSocket.bind("127.0.0.1:0") as silent,
            UdpSocket.connected(silent.local_addr) as sock,
            pytest.raises(DeadlineExceeded),
        ):
            drive(ping_datagrams(sock, **run.asked), timeout=0.05)  # type: ignore[arg-type]
        assert run.replies == []

    def test_faster_than_it_can_be_what_comes_back_is_read(self, udp_echo: SocketAddr, drive: Drive) -> None:
        run = Run(count=3000, interval=1e-6, timeout=0.2)
        at_first: list[int] = []
        run.asked["on_reply"] = lambda _: at_first.append(run.statistics.sent)
        with UdpSocket.connected(udp_echo) as sock:
            drive(ping_datagrams(sock, size=20, **run.asked), timeout=60)  # type: ignore[arg-type]
        assert run.statistics.received
        assert at_first[0] < 3000, "not only after the last was sent"

    def test_duplicates(self) -> None:
        run = Run(count=3, interval=0.02)
        found = self.run_against(lambda _, data: [data, data], run)
        assert found.received == 3
        assert found.duplicates >= 2, "that of the last probe may come after the end"

    def test_late_ones_are_lost_and_said_to_be_late(self) -> None:
        held: list[bytes] = []

        def late(number: int, data: bytes) -> list[bytes]:
            held.append(data)
            return [] if number < 2 else [held[0], data]

        found = self.run_against(late, Run(count=3, interval=0.6, timeout=0.5))
        assert (found.received, found.failed, found.late) == (1, 2, 1)

    def test_out_of_order(self) -> None:
        held: list[bytes] = []

        def reversed_pairs(number: int, data: bytes) -> list[bytes]:
            held.append(data)
            return [] if number % 2 == 0 else [held.pop(), held.pop()]

        found = self.run_against(reversed_pairs, Run(count=4))
        assert (found.received, found.reordered) == (4, 2)

    @pytest.mark.parametrize(
        "other",
        [b"", b"nkpg", struct.pack("!4s8sQ", b"nkpg", bytes(8), 0), b"x" * 100],
        ids=["empty", "short", "another run's", "anything"],
    )
    def test_what_is_not_of_this_run_is_ignored(self, other: bytes) -> None:
        found = self.run_against(lambda _, data: [other, data], Run(count=2))
        assert (found.received, found.duplicates, found.late) == (2, 0, 0)

    def test_a_number_that_was_never_sent_is_ignored(self) -> None:
        def forged(_: int, data: bytes) -> list[bytes]:
            return [data[:12] + struct.pack("!Q", 2**63) + data[20:], data]

        assert self.run_against(forged, Run(count=2)).received == 2

    def test_one_changed_bit(self) -> None:
        run = Run(count=1)
        run.asked["size"] = 56
        with pytest.raises(EchoMismatch):
            self.run_against(lambda _, data: [data[:-1] + bytes([data[-1] ^ 1])], run)


class TestStatistics:
    def test_what_they_come_to(self) -> None:
        found = PingStatistics()
        for number, time in enumerate([0.010, 0.012, 0.011, 0.050]):
            found.add(Reply(number, time))
        assert (found.min, found.max) == (0.010, 0.050)
        assert found.median == pytest.approx(0.0115), "of four the mean of the middle two"
        assert found.mean == pytest.approx(0.02075)
        assert (found.percentile(95), found.percentile(100), found.percentile(0)) == (0.050, 0.050, 0.010)

    @pytest.mark.parametrize("count", range(1, 12))
    def test_the_median_is_that_of_statistics(self, count: int) -> None:
        times = [(7 * number % 11 + 1) / 1000 for number in range(count)]
        found = PingStatistics()
        for number, time in enumerate(times):
            found.add(Reply(number, time))
        assert found.median == pytest.approx(statistics.median(times))

    def test_jitter_is_rfc_3550s(self) -> None:
        found = PingStatistics()
        jitter = 0.0
        times = [0.010, 0.020, 0.015, 0.015]
        for number, time in enumerate(times):
            found.add(Reply(number, time))
        for index, (one, other) in enumerate(pairwise(times)):
            difference = abs(other - one)
            jitter = difference / 16 if index == 0 else jitter + (difference - jitter) / 16
        assert found.jitter == pytest.approx(jitter)

    def test_nothing_yet(self) -> None:
        found = PingStatistics()
        assert (found.min, found.median, found.mean, found.jitter, found.loss) == (
            None,
            None,
            None,
            None,
            0.0,
        )

    def test_memory_has_an_end_and_percentiles_stay_near(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "SAMPLES", 1000)
        found = PingStatistics()
        for number in range(20_000):
            found.add(Reply(number, (number * 7919 % 20_000) / 20_000))
        assert len({found.percentile(at / 100) for at in range(10_001)}) == 1000, "of 20,000 times"
        assert found.percentile(50) == pytest.approx(0.5, abs=0.06)
        assert (found.min, found.max) == (0.0, 19_999 / 20_000)


def test_sizes_that_cannot_be(udp_echo: SocketAddr) -> None:
    from netkit.io import run as drive

    with UdpSocket.connected(udp_echo) as sock, pytest.raises(ValueError, match="20 to 65507"):
        drive(ping_datagrams(sock, size=19, **Run().asked))  # type: ignore[arg-type]
