"""Faults on purpose: what is chosen by a seed, and what a peer sees of it over TCP, Unix sockets and TLS."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.io import (
    PAUSE,
    ByteStream,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Event,
    Flow,
    Want,
    all_of,
    run,
)
from netkit.lab.echo import Echoed, echo_stream
from netkit.lab.faults import (
    BLOCK,
    BURST,
    HELD_BYTES,
    QUANTUM,
    Faults,
    FaultyStream,
    InjectedReset,
    InvalidFaults,
    faulty,
)
from netkit.net import TcpListener, TcpStream, UnixStream
from netkit.serve.connections import Served, serve
from tests.net.conftest import Drive
from tests.waiting import waits, when


class Clock:
    """A clock that goes when a flow waits for it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def stepped(flow: Flow[Any], clock: Clock) -> Any:
    """Drive a flow that waits for nothing but moments, by moving the clock to them."""
    while True:
        try:
            want = flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        except StopIteration as end:
            return end.value
        assert isinstance(want, Want)
        if want.until is not None:
            clock.now = max(clock.now, want.until)


class Wire(ByteStream):
    """A stream that takes as much at a time as `takes` says, over and over, and keeps it with its moment."""

    def __init__(self, clock: Callable[[], float] = monotonic, takes: tuple[int, ...] = (2**30,)) -> None:
        super().__init__()
        self.clock = clock
        self.takes = takes
        self.sends = 0
        self.data = bytearray()
        self.log: list[tuple[float, int]] = []
        self.finished = self.closed = False
        self.ended = Event()

    @property
    def gone(self) -> Event:
        return self.ended

    def _send(self, data: memoryview) -> Flow[int]:
        takes = self.takes[self.sends % len(self.takes)]
        self.sends += 1
        if not takes:
            yield PAUSE  # as where the socket's buffer is full
            takes = 1
        taken = data[:takes]
        self.data += taken
        self.log.append((self.clock(), len(taken)))
        return len(taken)

    def _finish(self) -> Flow[None]:
        self.finished = True
        return
        yield

    def close(self) -> None:
        self.closed = True

    @property
    def is_closed(self) -> bool:
        return self.closed


def connected() -> tuple[TcpStream, socket.socket]:
    """A server's stream, and the client's socket."""
    with TcpListener.bind("127.0.0.1:0") as listener:
        client = socket.create_connection(listener.local_addr.to_sockaddr()[:2])
        client.settimeout(20)
        return listener.accept(timeout=5)[0], client


def written(stream: FaultyStream, data: bytes) -> Flow[None]:
    """Flow: write it, and wait until it has left."""
    yield from stream.write_all_flow(data)
    yield from stream.flush()


def received(client: socket.socket) -> tuple[int, bool]:
    """How many bytes come, and whether a reset ends them."""
    size = 0
    try:
        while data := client.recv(65536):
            size += len(data)
    except ConnectionResetError:
        return size, True
    return size, False


def flipped_bits(sent: bytes, came: bytes | bytearray) -> list[int]:
    assert len(sent) == len(came)
    return [
        8 * at + bit
        for at, (one, other) in enumerate(zip(sent, came, strict=True))
        for bit in range(8)
        if (one ^ other) >> bit & 1
    ]


class TestFaults:
    @pytest.mark.parametrize(
        ("arguments", "name", "rule"),
        [
            ({"delay": -1.0}, "delay", "seconds from 0 to 3600"),
            ({"delay": (0.2, 0.1)}, "delay", "the shorter one first"),
            ({"delay": float("nan")}, "delay", "seconds"),
            ({"delay": 3601.0}, "delay", "seconds from 0 to 3600"),
            ({"delay": (1.0,)}, "delay", "two of them"),
            ({"drop": 1.01}, "drop", "a share from 0 to 1"),
            ({"drop": -0.1}, "drop", "a share from 0 to 1"),
            ({"corrupt": float("nan")}, "corrupt", "a share from 0 to 1"),
            ({"reset_after": -1}, "reset_after", "a number of bytes from 0 up"),
            ({"throttle": 0.5}, "throttle", "bytes a second from 1 up"),
            ({"throttle": float("inf")}, "throttle", "bytes a second from 1 up"),
            ({"seed": -1}, "seed", "a whole number from 0 up"),
        ],
    )
    def test_what_cannot_be(self, arguments: dict[str, Any], name: str, rule: str) -> None:
        with pytest.raises(InvalidFaults) as caught:
            Faults(**arguments)
        assert isinstance(caught.value, ValueError)
        assert caught.value.name == name
        assert rule in str(caught.value)
        assert str(caught.value).startswith(f"{name}=")

    def test_a_seed_is_chosen_where_none_is_given(self) -> None:
        assert len({Faults(drop=0.5).seed for _ in range(20)}) > 10

    def test_in_words(self) -> None:
        assert str(Faults()) == "no faults"
        everything = Faults(
            delay=(0.05, 0.2), drop=0.025, reset_after=64000, throttle=10000, corrupt=0.001, seed=7
        )
        assert str(everything) == (
            "delay 50 ms to 200 ms, drop 2.5%, reset after 64,000 bytes, throttle to 10,000 bytes/s, "
            "corrupt 0.1%"
        )
        assert repr(everything).endswith("seed=7>")
        assert str(Faults(delay=1.5)) == "delay 1500 ms"

    def test_what_a_seed_chooses_stays_the_same_for_ever(self) -> None:
        """A seed that somebody noted must mean the same in the next release, on any machine."""
        session = Faults(delay=(0.0, 1.0), drop=0.5, corrupt=0.5, seed=7).session(3)
        assert [round(session.delay(), 4) for _ in range(3)] == [0.8723, 0.4982, 0.2351]
        assert [n for n in range(8) if session.drops()] == [2, 3, 6]
        assert [session.flip(100) for _ in range(6)] == [None, None, 773, None, None, 338]

    def test_sessions_are_numbered_as_they_come(self) -> None:
        faults = Faults(delay=(0.0, 1.0), seed=1)
        assert [faults.session().delay() for _ in range(3)] == [faults.session(n).delay() for n in range(3)]
        assert faults.datagrams().delay() == faults.datagrams(0).delay() != faults.session(0).delay()

    def test_one_kind_of_fault_does_not_move_another(self) -> None:
        alone = Faults(delay=(0.0, 1.0), seed=9).session(0)
        beside = Faults(delay=(0.0, 1.0), drop=0.5, corrupt=0.5, throttle=100, seed=9).session(0)
        for _ in range(20):
            assert alone.delay() == beside.delay()
            beside.drops()
            beside.flip(50)

    def test_shares_are_kept(self) -> None:
        faults = Faults(delay=(0.1, 0.3), drop=0.2, corrupt=0.3, seed=4)
        assert 0.18 < sum(faults.session(n).drops() for n in range(4000)) / 4000 < 0.22
        session = faults.session(0)
        flips = [session.flip(10) for _ in range(8000)]
        bits = [flip for flip in flips if flip is not None]
        assert 0.28 < len(bits) / 8000 < 0.32
        assert set(bits) == set(range(80))
        delays = [session.delay() for _ in range(4000)]
        assert 0.1 <= min(delays) < 0.11 and 0.29 < max(delays) <= 0.3
        assert 0.195 < sum(delays) / 4000 < 0.205

    def test_nothing_asked_for_is_nothing_done(self) -> None:
        session = Faults().session()
        assert (session.delay(), session.drops(), session.flip(10)) == (0.0, False, None)
        assert Faults(corrupt=1.0, seed=1).session().flip(0) is None
        handler: Callable[[Any], Flow[None]] = lambda stream: stream.finish()  # noqa: E731
        assert faulty(handler, None) is handler


class TestStream:
    @given(
        writes=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20),
        takes=st.lists(st.integers(0, 50), min_size=1, max_size=5),
        rate=st.sampled_from([None, 1.0, 300.0, 1e6]),
        give_up=st.booleans(),
    )
    def test_the_clock_and_the_peer_change_nothing(
        self, writes: list[bytes], takes: list[int], rate: float | None, give_up: bool
    ) -> None:
        """The same writes are damaged in the same bits, however they are taken, delayed and interrupted."""
        clock = Clock()
        prompt, fitful = Wire(clock), Wire(clock, tuple(takes))
        plain = FaultyStream(prompt, Faults(corrupt=0.5, seed=5).session(0, clock=clock))
        for data in writes:
            stepped(plain.write_all_flow(data), clock)
        faults = Faults(corrupt=0.5, delay=(0.0, 2.0), throttle=rate, seed=5)
        stream = FaultyStream(fitful, faults.session(0, clock=clock))
        for data in writes:
            rest = memoryview(data)
            while rest:
                if give_up:
                    # As TlsStream does that only offers: what would wait is given up, and tried again.
                    flow = stream.write_flow(rest)
                    try:
                        flow.send(None)  # type: ignore[arg-type]
                    except StopIteration as end:
                        rest = rest[end.value :]
                        continue
                    flow.close()
                rest = rest[stepped(stream.write_flow(rest), clock) :]
        stepped(stream.flush(), clock)
        assert fitful.data == prompt.data
        assert faults.injected.corrupted == len(flipped_bits(b"".join(writes), fitful.data))

    def test_one_bit_in_a_share_of_pieces(self) -> None:
        faults = Faults(corrupt=0.1, seed=2)
        wire = Wire()
        stream = FaultyStream(wire, faults.session())
        for _ in range(2000):
            run(stream.write_all_flow(bytes(20)))
        damaged = [bit // 160 for bit in flipped_bits(bytes(40_000), wire.data)]
        assert len(damaged) == len(set(damaged)) == faults.injected.corrupted
        assert 160 < len(damaged) < 240

    def test_a_long_piece_is_damaged_in_each_of_its_blocks(self) -> None:
        wire = Wire(takes=(1000, 70_000, 3))
        stream = FaultyStream(wire, Faults(corrupt=1.0, seed=2).session())
        data = b"\xa5" * (2 * BLOCK + 10)
        run(stream.write_all_flow(data))
        assert [bit // 8 // BLOCK for bit in flipped_bits(data, wire.data)] == [0, 1, 2]

    def test_each_piece_is_late(self) -> None:
        clock = Clock()
        wire = Wire(clock)
        faults = Faults(delay=(0.05, 0.2), seed=3)
        stream = FaultyStream(wire, faults.session(0, clock=clock))
        again, expected = faults.session(0), []
        moment = began = clock.now
        for _ in range(10):
            stepped(stream.write_all_flow(b"x" * 100_000), clock)
            moment = max(moment, began + again.delay())
            expected.append((moment, 100_000))
        assert clock.now == began, "writing waits for nothing"
        stepped(stream.finish(), clock)
        assert wire.log == expected
        assert wire.finished
        assert faults.injected.delayed == 10

    def test_many_pieces_through_a_delay_take_no_longer_than_one(self) -> None:
        clock = Clock()
        wire = Wire(clock)
        stream = FaultyStream(wire, Faults(delay=0.05).session(clock=clock))
        began = clock.now
        for _ in range(30):
            stepped(stream.write_all_flow(bytes(100_000)), clock)
        stepped(stream.flush(), clock)
        assert len(wire.data) == 3_000_000
        assert clock.now - began == pytest.approx(0.05)

    def test_no_more_is_kept_than_there_is_room_for(self) -> None:
        clock = Clock()
        wire = Wire(clock)
        stream = FaultyStream(wire, Faults(delay=0.05).session(clock=clock))
        began = clock.now
        stepped(stream.write_all_flow(bytes(2 * HELD_BYTES)), clock)
        assert len(wire.data) == HELD_BYTES
        assert clock.now - began == pytest.approx(0.05)
        stepped(stream.flush(), clock)
        assert len(wire.data) == 2 * HELD_BYTES
        assert clock.now - began == pytest.approx(0.1)

    def test_the_end_is_read_after_what_is_kept_has_left(self) -> None:
        ours, client = connected()
        with client, FaultyStream(ours, Faults(delay=0.02).session()) as stream:
            run(stream.write_all_flow(b"late"))
            client.shutdown(socket.SHUT_WR)
            assert stream.read(timeout=20) == b""
            client.settimeout(0)
            assert client.recv(10) == b"late"

    @pytest.mark.parametrize("rate", [1.0, 7.5, 1000.0, 123_456.0, 1e7])
    def test_throttle_is_a_rate_with_small_bursts(self, rate: float) -> None:
        clock = Clock()
        wire = Wire(clock)
        stream = FaultyStream(wire, Faults(throttle=rate).session(clock=clock))
        began, size = clock.now, max(20, int(rate))
        stepped(stream.write_all_flow(bytes(size)), clock)
        depth, quantum = max(1.0, rate * BURST), max(1.0, rate * QUANTUM)
        assert len(wire.data) == size
        # Over any stretch of time no more than what was saved up and what came along.
        sent = 0.0
        for index, (moment, taken) in enumerate(wire.log):
            sent += taken
            assert sent <= depth + (moment - began) * rate + 1, f"send {index}"
            if index:
                assert taken <= quantum + 1
        # And, where nothing else holds it up, no less.
        lasted = clock.now - began
        assert (size - depth) / rate - 1e-6 <= lasted <= (size - depth + quantum) / rate + 1e-6
        # What was not used is saved up, for a burst and not more.
        clock.now += 1000
        before = len(wire.log)
        stepped(stream.write_all_flow(bytes(int(depth) + 10)), clock)
        assert wire.log[before][1] == max(1, int(depth))

    def test_a_moment_nearer_than_the_clock_can_tell(self) -> None:
        """A machine that is up for a year has a clock of a few nanoseconds, and a fast link is faster."""
        clock = Clock()
        clock.now = 4e7
        wire, rate = Wire(clock), 5e8
        stream = FaultyStream(wire, Faults(throttle=rate).session(clock=clock))
        stepped(stream.write_all_flow(bytes(int(rate * BURST))), clock)
        assert (clock.now, clock.now + 1 / rate) == (4e7, 4e7), (
            "all of the burst at once, and no moment for more"
        )
        stepped(stream.write_all_flow(b"x"), clock)
        assert len(wire.data) == int(rate * BURST) + 1

    def test_late_wakings_are_made_up_for(self) -> None:
        """A timer that comes late, within the burst, costs no throughput."""
        clock = Clock()
        wire = Wire(clock)
        stream = FaultyStream(wire, Faults(throttle=10_000.0).session(clock=clock))
        began = clock.now
        flow = stream.write_all_flow(bytes(10_000))
        for want in flow:
            if isinstance(want, Want) and want.until is not None:
                clock.now = want.until + 0.02
        assert len(wire.data) == 10_000
        assert 0.95 - 1e-6 <= clock.now - began <= 1.0

    def test_reset_after_counts_bytes_of_all_pieces(self) -> None:
        wire = Wire()
        faults = Faults(reset_after=250, seed=1)
        stream = FaultyStream(wire, faults.session())
        run(stream.write_all_flow(bytes(100)))
        run(stream.write_all_flow(bytes(100)))
        with pytest.raises(InjectedReset) as caught:
            run(stream.write_all_flow(bytes(100)))
        assert isinstance(caught.value, ConnectionResetError)
        assert (caught.value.sent, len(wire.data), wire.closed) == (250, 250, True)
        assert str(caught.value) == "reset on purpose after 250 bytes"
        assert faults.injected.counts() == {"delayed": 0, "dropped": 0, "reset": 1, "corrupted": 0}
        with pytest.raises(ClosedError):
            run(stream.write_all_flow(b"x"))

    def test_reset_after_nothing_and_drop_come_before_the_end_is_said(self) -> None:
        for faults in (Faults(reset_after=0), Faults(drop=1.0)):
            wire = Wire()
            with pytest.raises(InjectedReset):
                run(FaultyStream(wire, faults.session()).finish())
            assert wire.closed and not wire.finished

    def test_which_connections_are_dropped(self) -> None:
        def dropped(seed: int) -> list[int]:
            faults, found = Faults(drop=0.3, seed=seed), []
            for number in range(50):
                try:
                    run(FaultyStream(Wire(), faults.session()).write_all_flow(b"answer"))
                except InjectedReset:
                    found.append(number)
            assert faults.injected.dropped == len(found)
            return found

        assert dropped(1) == dropped(1) != dropped(2)
        assert 5 < len(dropped(1)) < 25

    def test_receiving_is_untouched(self) -> None:
        ours, client = connected()
        everything = Faults(delay=5.0, drop=1.0, corrupt=1.0, throttle=1.0, reset_after=0)
        with client, FaultyStream(ours, everything.session()) as stream:
            client.sendall(b"a question")
            assert stream.read_exactly(10, timeout=5) == b"a question"
            client.shutdown(socket.SHUT_WR)
            assert stream.read(timeout=5) == b""

    def test_what_it_tells_of_the_stream_below(self) -> None:
        ours, client = connected()
        with client, FaultyStream(ours, Faults().session(4)) as stream:
            assert (stream.peer_addr, stream.local_addr) == (ours.peer_addr, ours.local_addr)
            assert stream.below is ours
            assert repr(stream).startswith("<FaultyStream connection 4 over <TcpStream")
            ours.close()
            assert stream.is_closed


class TestWithoutWaiting:
    """`offer`, `try_take` and `want`, as protocols use them that read and write at once."""

    @pytest.mark.parametrize(
        "faults",
        [
            {},
            {"delay": (0.0, 0.003)},
            {"throttle": 500_000},
            {"delay": (0.001, 0.002), "throttle": 1_000_000},
        ],
        ids=str,
    )
    def test_an_echo_in_steps(self, faults: dict[str, Any], drive: Drive) -> None:
        data = os.urandom(40_000)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        turns = 0

        def echoing(stream: FaultyStream) -> Flow[None]:
            nonlocal turns
            kept, is_over = b"", False
            while kept or not is_over:
                turns += 1
                kept = kept[stream.offer(kept) :] if kept else kept
                piece = None if is_over else stream.try_take()
                if piece is None:
                    yield stream.want(write=bool(kept))
                elif piece:
                    kept += piece
                else:
                    is_over = True
            yield from stream.finish()

        def asking(stream: UnixStream) -> Flow[bytes]:
            yield from stream.write_all_flow(data[:1])
            first = yield from stream.read_flow(1)  # only what has left of itself can come here
            yield from stream.write_all_flow(data[1:])
            yield from stream.finish()
            return first + (yield from stream.read_to_end_flow())

        faulty_one = FaultyStream(UnixStream(theirs), Faults(seed=1, **faults).session())
        with faulty_one, UnixStream(ours) as asker:
            both: list[Flow[Any]] = [asking(asker), echoing(faulty_one)]
            received = drive(all_of(both))[0].value
        assert received == data
        assert turns < 2000, "it does not spin"

    def test_a_reset(self, drive: Drive) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        with ours, FaultyStream(UnixStream(theirs), Faults(reset_after=3).session()) as stream:
            with pytest.raises(InjectedReset):
                stream.offer(b"hello")
            assert ours.recv(10) == b"hel"


class TestOverTcp:
    def test_reset_after_so_many_bytes(self, drive: Drive) -> None:
        ours, client = connected()
        with client:
            stream = FaultyStream(ours, Faults(reset_after=1000).session())
            with pytest.raises(InjectedReset):
                drive(stream.write_all_flow(bytes(5000)))
            assert received(client) == (1000, True)
            assert ours.is_closed

    def test_a_reset_waits_for_what_was_sent_to_arrive(self, drive: Drive) -> None:
        """More than the socket buffers hold: RST must not overtake it while the peer reads."""
        ours, client = connected()
        size = 20_000_000
        found: list[tuple[int, bool]] = []
        reader = threading.Thread(target=lambda: found.append(received(client)))
        with client:
            stream = FaultyStream(ours, Faults(reset_after=size).session())
            reader.start()
            with pytest.raises(InjectedReset):
                drive(stream.write_all_flow(bytes(size + 1)), timeout=60)
            reader.join(20)
        assert found == [(size, True)]

    def test_a_peer_that_does_not_read_delays_a_reset_for_a_while_only(
        self, drive: Drive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("netkit.lab.faults.RESET_PATIENCE", 0.05)
        ours, client = connected()
        with client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # More than the peer's system takes, so that the byte behind it stays unacknowledged.
            filled = os.write(ours.fileno(), bytes(500_000))
            stream = FaultyStream(ours, Faults(reset_after=1).session())
            with pytest.raises(InjectedReset):
                drive(stream.write_all_flow(b"x"), timeout=20)
            size, was_reset = received(client)
            assert was_reset and size < filled

    def test_drop(self, drive: Drive) -> None:
        ours, client = connected()
        with client:
            client.sendall(b"a question")
            stream = FaultyStream(ours, Faults(drop=1.0).session())
            with pytest.raises(InjectedReset):
                drive(echo_stream(stream, counts=Echoed()))
            assert received(client) == (0, True)

    def test_a_reset_it_is_although_somebody_reads_the_stream(self, drive: Drive) -> None:
        """Closing under a reader shuts down first, which a peer would see as an end, not as a reset."""
        ours, client = connected()
        stream = FaultyStream(ours, Faults(drop=1.0).session())
        reading: list[BaseException] = []

        def reader() -> Flow[None]:
            try:
                yield from stream.read_flow()
            except ClosedError as error:
                reading.append(error)

        def sender() -> Flow[None]:
            yield PAUSE
            with pytest.raises(InjectedReset):
                yield from stream.write_all_flow(b"answer")

        with client:
            drive(all_of([reader(), sender()]), timeout=20)
            assert received(client) == (0, True)
        assert len(reading) == 1

    def test_a_reset_it_is_although_another_thread_reads(self) -> None:
        ours, client = connected()
        stream = FaultyStream(ours, Faults(drop=1.0).session())
        reading: list[BaseException] = []
        begun = threading.Event()

        def telling() -> Flow[None]:
            yield PAUSE
            yield PAUSE  # by now the reader beside it waits
            begun.set()

        def read() -> None:
            try:
                run(all_of([stream.fill(), telling()]), deadline=monotonic() + 20)
            except ClosedError as error:
                reading.append(error)

        thread = threading.Thread(target=read)
        with client:
            thread.start()
            assert begun.wait(20)
            with pytest.raises(InjectedReset):
                stream.write_all(b"answer")
            assert received(client) == (0, True)
            thread.join(20)
        assert len(reading) == 1

    def test_everything_arrives_late_and_slowly_but_whole(self, drive: Drive) -> None:
        data = bytes(range(256)) * 40
        stop, served = Event(), Served()
        faults = Faults(delay=(0.0, 0.002), throttle=500_000.0, seed=1)
        listener = TcpListener.bind("127.0.0.1:0")
        addr = listener.local_addr

        def client() -> Flow[bytes]:
            stream = yield from TcpStream.connect_flow(addr)
            with stream:
                yield from stream.write_all_flow(data)
                return (yield from stream.read_exactly_flow(len(data)))

        def clients() -> Flow[list[bytes]]:
            outcomes = yield from all_of([client() for _ in range(5)])
            stop.set()
            return [outcome.unwrap() for outcome in outcomes]

        def handler(stream: Any) -> Flow[None]:
            return echo_stream(stream, counts=Echoed())

        flows: list[Flow[Any]] = [
            clients(),
            serve(listener, faulty(handler, faults), stop=stop, served=served),
        ]
        assert drive(all_of(flows), timeout=60)[0].unwrap() == [data] * 5
        assert served.accepted == 5
        assert faults.injected.delayed >= 5


@pytest.mark.usefixtures("no_leak")
def test_no_descriptor_is_left(drive: Drive) -> None:
    for faults in (Faults(drop=1.0), Faults(reset_after=3), Faults(delay=60.0), Faults(throttle=1.0)):
        ours, client = connected()
        stream = FaultyStream(ours, faults.session())
        with client, stream, pytest.raises((InjectedReset, DeadlineExceeded)):
            drive(written(stream, bytes(5000)), timeout=0.05)


class TestCutShort:
    """Nothing outlasts a deadline, a cancellation, the closing of the stream or a server's stop."""

    def test_by_a_deadline(self, drive: Drive) -> None:
        ours, client = connected()
        for faults in (Faults(delay=60.0), Faults(throttle=1.0)):
            stream = FaultyStream(ours, faults.session())
            began = monotonic()
            with pytest.raises(DeadlineExceeded):
                drive(written(stream, b"xy" if faults.throttle else b"x"), timeout=0.02)
            assert monotonic() - began < 30
        stream.close()
        client.close()

    def test_by_cancellation(self, drive: Drive) -> None:
        ours, client = connected()
        token = CancellationToken()
        with (
            client,
            FaultyStream(ours, Faults(delay=60.0).session()) as stream,
            when(waits, token.cancel),
            pytest.raises(CancellationError),
        ):
            drive(written(stream, b"x"), timeout=30, cancel=token)

    @pytest.mark.parametrize("which", ["outer", "inner"])
    def test_by_closing_it_from_another_thread(self, drive: Drive, which: str) -> None:
        ours, client = connected()
        stream = FaultyStream(ours, Faults(delay=60.0).session())
        with client:
            with when(waits, (stream if which == "outer" else ours).close), pytest.raises(ClosedError):
                drive(written(stream, b"x"), timeout=30)
            assert received(client) == (0, False)

    def test_by_a_server_that_stops(self, drive: Drive) -> None:
        stop, served = Event(), Served()
        listener = TcpListener.bind("127.0.0.1:0")
        addr = listener.local_addr
        asked = Event()

        def handler(stream: ByteStream) -> Flow[None]:
            data = yield from stream.read_flow()
            asked.set()
            yield from stream.write_all_flow(data)

        def client() -> Flow[None]:
            stream = yield from TcpStream.connect_flow(addr)
            with stream:
                yield from stream.write_all_flow(b"x")
                yield from asked.wait()
                stop.set()
                assert not (yield from stream.read_flow())

        serving = serve(listener, faulty(handler, Faults(delay=60.0)), stop=stop, drain=0.02, served=served)
        flows: list[Flow[Any]] = [serving, client()]
        drive(all_of(flows), timeout=30)
        assert served.cut_off == 1


class TestOverUnix:
    def test_no_reset_there_but_closed_it_is(self, drive: Drive) -> None:
        one, other = UnixStream.pair()
        with other:
            stream = FaultyStream(one, Faults(reset_after=3).session())
            with pytest.raises(InjectedReset):
                drive(stream.write_all_flow(b"answer"))
            assert one.is_closed
            assert other.read_exactly(3, timeout=5) == b"ans"
            assert other.read(timeout=5) == b""

    def test_delayed_and_damaged(self, drive: Drive) -> None:
        one, other = UnixStream.pair()
        with other, FaultyStream(one, Faults(delay=0.001, corrupt=1.0, seed=1).session()) as stream:
            drive(written(stream, bytes(100)))
            assert len(flipped_bits(bytes(100), other.read_exactly(100, timeout=5))) == 1


def test_workers_share_the_sessions() -> None:
    """Each takes its own, and no other's, of those that one server alone would number."""
    names = []
    for place in range(2):
        faults = Faults(drop=0.5, seed=3)
        faults.share(place, 2)
        names += [faults.session().name for _ in range(2)] + [faults.datagrams().name]
    assert names == ["connection 0", "connection 2", "socket 0", "connection 1", "connection 3", "socket 1"]
