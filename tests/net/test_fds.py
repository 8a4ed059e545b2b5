"""send_fds and recv_fds: that descriptors arrive, and that in every other case none stays open."""

from __future__ import annotations

import array
import asyncio
import errno
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from netkit.io import (
    BrokenStreamError,
    BusyError,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Flow,
)
from netkit.net.errors import FdPassingError
from netkit.net.fds import SCM_MAX_FD
from netkit.net.unix import UnixListener, UnixStream
from tests.net.conftest import Call, Drive, open_fds
from tests.waiting import turns, waits, when

pytestmark = pytest.mark.usefixtures("no_leak")


class Pair:
    """`ours` is under test; `theirs` is a plain socket, that may send what it should not."""

    def __init__(self) -> None:
        one, self.theirs = socket.socketpair()
        one.setblocking(False)
        self.ours = UnixStream(one)

    def send(self, fds: list[int], data: bytes = b"x") -> None:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        self.theirs.sendmsg([data], [rights])

    def receive(self) -> tuple[bytes, list[int]]:
        data, fds, _, _ = socket.recv_fds(self.theirs, 100, 300)
        return data, fds


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.ours.close()
    made.theirs.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def is_same(one: int, other: int) -> bool:
    return os.path.sameopenfile(one, other)


class TestTheyArrive:
    def test_both_ways(self, pipe: tuple[int, int], call: Call) -> None:
        ours, theirs = UnixStream.pair()
        with ours, theirs:
            call(ours.send_fds, pipe, b"both ends", timeout=5)
            data, fds = call(theirs.recv_fds, timeout=5)
            assert data == b"both ends"
            assert [is_same(*ends) for ends in zip(fds, pipe, strict=True)] == [True, True]
            assert not set(fds) & set(pipe)
            assert not any(os.get_inheritable(fd) for fd in fds)
            os.write(fds[1], b"through the pipe")
            assert os.read(pipe[0], 100) == b"through the pipe"
            close(fds)

    def test_what_has_a_fileno_can_be_sent(self, pair: Pair, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        with UnixListener.bind("app.sock") as listener, open("file", "wb") as file:
            pair.ours.send_fds([listener, file], b"x")
            _, fds = pair.receive()
            assert is_same(fds[0], listener.fileno()) and is_same(fds[1], file.fileno())
            close(fds)

    def test_as_many_as_one_message_takes(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        call(pair.ours.send_fds, [pipe[0]] * SCM_MAX_FD, b"x")
        data, fds = pair.receive()
        assert (data, len(fds)) == (b"x", SCM_MAX_FD)
        close(fds)
        pair.send([pipe[0]] * SCM_MAX_FD)
        data, fds = call(pair.ours.recv_fds, timeout=5)
        assert (data, len(fds)) == (b"x", SCM_MAX_FD)
        close(fds)

    def test_none(self, pair: Pair, call: Call) -> None:
        call(pair.ours.send_fds, [], b"only bytes")
        assert pair.receive() == (b"only bytes", [])
        pair.theirs.sendall(b"more")
        assert call(pair.ours.recv_fds, timeout=5) == (b"more", [])
        pair.theirs.close()
        assert call(pair.ours.recv_fds, timeout=5) == (b"", [])

    def test_they_go_with_the_first_byte_of_much_data(self, pipe: tuple[int, int], call: Call) -> None:
        ours, theirs = UnixStream.pair()
        data = os.urandom(3_000_000)
        received = []

        def drain() -> None:
            first, fds = theirs.recv_fds(10, timeout=10)
            received.append((first + theirs.read_exactly(len(data) - 10, timeout=10), len(fds)))
            close(fds)

        with ours, theirs:
            thread = threading.Thread(target=drain)
            thread.start()
            call(ours.send_fds, pipe, data, timeout=10)
            thread.join(10)
        assert received == [(data, 2)]

    def test_two_messages_are_not_mixed(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        pair.send([pipe[0]], b"one")
        pair.send([pipe[1], pipe[1]], b"two")
        for text, count in ((b"one", 1), (b"two", 2)):
            data, fds = call(pair.ours.recv_fds, timeout=5)
            assert (data, len(fds)) == (text, count)
            close(fds)

    def test_fewer_bytes_than_came(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        pair.send([pipe[0]], b"message")
        data, fds = call(pair.ours.recv_fds, 3, timeout=5)
        assert (data, len(fds)) == (b"mes", 1)
        close(fds)
        assert call(pair.ours.recv_fds, timeout=5) == (b"sage", [])

    def test_as_a_flow(self, pair: Pair, pipe: tuple[int, int], drive: Drive) -> None:
        ours, theirs = UnixStream.pair()

        def hand_over() -> Flow[int]:
            yield from ours.send_fds_flow(pipe, b"x")
            _, fds = yield from theirs.recv_fds_flow(max_fds=2)
            close(fds)
            return len(fds)

        with ours, theirs:
            assert drive(hand_over(), timeout=5) == 2

    def test_an_inherited_stream(self, pipe: tuple[int, int], call: Call) -> None:
        one, other = socket.socketpair()
        with UnixStream(one, inherited=True) as ours, UnixStream(other, inherited=True) as theirs:
            with pytest.raises(DeadlineExceeded):
                call(theirs.recv_fds, timeout=0.01)
            call(ours.send_fds, pipe, b"x")
            _, fds = call(theirs.recv_fds, timeout=5)
            close(fds)
            with pytest.raises(DeadlineExceeded):
                call(ours.send_fds, pipe, bytes(50_000_000), timeout=0.05)
            assert os.get_blocking(one.fileno()) and os.get_blocking(other.fileno())


class TestOrdinaryReads:
    def test_a_stream_that_expects_none_refuses_them(
        self, pair: Pair, pipe: tuple[int, int], call: Call
    ) -> None:
        before = open_fds()
        pair.send([pipe[0]], b"with a descriptor")
        with pytest.raises(FdPassingError.NotExpected) as caught:
            call(pair.ours.read, timeout=5)
        assert caught.value.fault == "peer" and caught.value.hint
        assert open_fds().keys() <= before.keys() | open_fds().keys() - {pipe[0]}
        assert pair.ours.waiting_fds == 0
        assert call(pair.ours.read, timeout=5) == b"with a descriptor"

    def test_one_that_expects_them_keeps_them(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        pair.ours.expect_fds()
        pair.theirs.sendall(b"HELLO\n")
        pair.send([pipe[1]], b"LISTENER\n")
        assert call(pair.ours.read_until, b"\n", timeout=5) == b"HELLO\n"
        assert call(pair.ours.read_until, b"\n", timeout=5) == b"LISTENER\n"
        assert pair.ours.waiting_fds == 1
        # Their bytes are gone: they come alone, and at once.
        data, fds = call(pair.ours.recv_fds, timeout=5)
        assert (data, len(fds)) == (b"", 1)
        assert is_same(fds[0], pipe[1])
        close(fds)

    def test_what_is_still_buffered_comes_with_them(
        self, pair: Pair, pipe: tuple[int, int], call: Call
    ) -> None:
        pair.ours.expect_fds()
        pair.theirs.sendall(b"HELLO\nA")
        assert call(pair.ours.read_until, b"\n", timeout=5) == b"HELLO\n"
        pair.send([pipe[1]], b"B")
        assert call(pair.ours.recv_fds, timeout=5) == (b"A", [])
        data, fds = call(pair.ours.recv_fds, timeout=5)
        assert (data, len(fds)) == (b"B", 1)
        close(fds)

    def test_those_that_nobody_takes_are_closed_with_the_stream(
        self, pair: Pair, pipe: tuple[int, int], call: Call
    ) -> None:
        pair.ours.expect_fds()
        for text in (b"one", b"two"):
            pair.send([*pipe], text)
            assert call(pair.ours.read, timeout=5) == text
        assert pair.ours.waiting_fds == 4

    def test_those_of_a_stream_that_is_forgotten_are_closed(self, pair: Pair, pipe: tuple[int, int]) -> None:
        pair.ours.expect_fds()
        pair.send([*pipe])
        pair.ours.read(timeout=5)
        pair.ours.into_socket().close()

    def test_they_cannot_pile_up(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        pair.ours.expect_fds(3)
        pair.send([*pipe], b"one")
        assert call(pair.ours.read, timeout=5) == b"one"
        pair.send([*pipe], b"two")
        with pytest.raises(FdPassingError.TooMany) as caught:
            call(pair.ours.read, timeout=5)
        assert (caught.value.count, caught.value.limit) == (4, 3)
        assert pair.ours.waiting_fds == 2
        assert call(pair.ours.read, timeout=5) == b"two"

    def test_none_is_lost_to_a_credentials_message(self, pair: Pair, pipe: tuple[int, int]) -> None:
        """A socket on which somebody asked for credentials (SO_PASSCRED) has a part more in each message."""
        if not hasattr(socket, "SO_PASSCRED"):
            pytest.skip("no SO_PASSCRED here")
        sock = socket.socket(fileno=os.dup(pair.ours.fileno()))
        with sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        pair.theirs.sendall(b"plain")
        assert pair.ours.read(timeout=5) == b"plain"
        pair.send([pipe[0]] * SCM_MAX_FD)
        data, fds = pair.ours.recv_fds(timeout=5)
        assert (data, len(fds)) == (b"x", SCM_MAX_FD)
        close(fds)


class TestHostile:
    def test_more_than_allowed(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        pair.send([pipe[0]] * 5, b"five")
        with pytest.raises(FdPassingError.TooMany) as caught:
            call(pair.ours.recv_fds, 100, 4, timeout=5)
        assert (caught.value.count, caught.value.limit, caught.value.fault) == (5, 4, "peer")
        assert isinstance(caught.value, OSError)
        assert call(pair.ours.recv_fds, timeout=5) == (b"five", [])  # the bytes are not lost

    def test_one_too_many_for_an_odd_limit(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        """Where the room for three is rounded up to that of four, a fourth must not slip in."""
        pair.send([pipe[0]] * 4)
        with pytest.raises(FdPassingError.TooMany):
            call(pair.ours.recv_fds, 100, 3, timeout=5)

    def test_no_place_left_in_this_process(self, pair: Pair, pipe: tuple[int, int]) -> None:
        pair.ours.expect_fds()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        pair.send([pipe[0]] * 10, b"ten")
        highest = max(open_fds())
        spare = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
            while True:  # leave exactly three places
                try:
                    spare.append(os.dup(pipe[0]))
                except OSError:
                    break
            for _ in range(3):
                os.close(spare.pop())
            # Without a driver, which would want a descriptor for its bell: the data is there.
            with pytest.raises(FdPassingError.DescriptorsLost) as caught:
                pair.ours.fill(1).send(None)  # type: ignore[arg-type]
            assert (caught.value.count, caught.value.errno) == (3, errno.EMFILE)
        finally:
            close(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert pair.ours.waiting_fds == 0
        assert pair.ours.read(timeout=5) == b"ten"

    def test_a_timeout_takes_nothing(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        with pytest.raises(DeadlineExceeded):
            call(pair.ours.recv_fds, timeout=0.01)
        token = CancellationToken()
        token.cancel()
        with pytest.raises(CancellationError):
            call(pair.ours.recv_fds, cancel=token)
        pair.send([*pipe])
        _, fds = call(pair.ours.recv_fds, timeout=5)
        assert len(fds) == 2
        close(fds)

    def test_a_task_cancelled_as_they_arrive(
        self, pair: Pair, pipe: tuple[int, int], loop_runner: asyncio.Runner
    ) -> None:
        """The flow has ended and the task has not run yet: what it received is the stream's."""

        async def main() -> None:
            task = asyncio.create_task(pair.ours.recv_fds_async())
            await turns()
            pair.send([*pipe])
            while not pair.ours.waiting_fds:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        loop_runner.run(main())
        assert pair.ours.waiting_fds == 2
        data, fds = pair.ours.recv_fds(timeout=5)
        assert (data, len(fds)) == (b"x", 2)
        close(fds)

    def test_interrupted_between_arriving_and_being_kept(self, pair: Pair, pipe: tuple[int, int]) -> None:
        """As by Ctrl-C: the message is in the stream whole, for the next read or for close."""
        for then in ("read", "close"):
            queue = pair.ours._fds
            pair.ours.expect_fds()
            pair.send([*pipe])

            class Interrupting(type(queue)):  # type: ignore[misc]
                __slots__ = ()

                def _keep(self, *arguments):
                    super()._keep(*arguments)
                    raise KeyboardInterrupt

            queue.__class__ = Interrupting
            with pytest.raises(KeyboardInterrupt):
                pair.ours.read(timeout=5)
            queue.__class__ = Interrupting.__base__
            if then == "read":
                data, fds = pair.ours.recv_fds(timeout=5)
                assert (data, len(fds)) == (b"x", 2)
                close(fds)
            else:
                pair.ours.close()

    # An interruption that falls into a destructor is only printed.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.slow
    def test_interrupted_by_a_signal_without_end(self, pair: Pair, pipe: tuple[int, int]) -> None:
        """A real one, again and again, at whatever moment it comes."""

        class Interrupted(Exception):
            pass

        armed = False

        def interrupt(number: int, frame: object) -> None:
            if armed:  # another thread's turn to take the signal may come when all is over
                raise Interrupted

        pair.ours.expect_fds()
        timer = signal.getitimer(signal.ITIMER_REAL)  # the test's own timeout may be by it
        before = signal.signal(signal.SIGALRM, interrupt)
        interrupted = 0
        try:
            for turn in range(200):
                pair.send([pipe[0]])
                try:
                    armed = True
                    signal.setitimer(signal.ITIMER_REAL, 0.000005 + turn % 50 * 0.000001)
                    try:
                        pair.ours.read(timeout=5)
                    finally:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                        armed = False
                except Interrupted:
                    armed = False
                    interrupted += 1
                while True:  # so that nothing piles up, however often it is interrupted
                    try:
                        close(pair.ours.recv_fds(timeout=0.0005)[1])
                    except DeadlineExceeded:
                        break
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *timer)
        assert interrupted

    def test_closed_under_a_read(self, pair: Pair, call: Call) -> None:
        with when(waits, pair.ours.close), pytest.raises(ClosedError):
            call(pair.ours.recv_fds, timeout=5)

    def test_a_second_reader(self, pair: Pair) -> None:
        first = pair.ours.fill_fds()
        next(first)
        with pytest.raises(BusyError):
            pair.ours.recv_fds(timeout=5)
        first.close()


class TestSendingGoesWrong:
    @pytest.mark.parametrize("data", [b"", bytearray(), memoryview(b"")])
    def test_no_data(self, pair: Pair, pipe: tuple[int, int], call: Call, data) -> None:
        with pytest.raises(FdPassingError.EmptyData) as caught:
            call(pair.ours.send_fds, pipe, data)
        assert isinstance(caught.value, ValueError)

    def test_too_many(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        with pytest.raises(FdPassingError.TooMany) as caught:
            call(pair.ours.send_fds, [pipe[0]] * (SCM_MAX_FD + 1), b"x")
        assert (caught.value.count, caught.value.limit) == (SCM_MAX_FD + 1, SCM_MAX_FD)
        assert caught.value.fault == "caller"

    @pytest.mark.parametrize("fd", [-1, 999_999])
    def test_one_that_is_not_open(self, pair: Pair, pipe: tuple[int, int], call: Call, fd: int) -> None:
        with pytest.raises(FdPassingError.BadDescriptor) as caught:
            call(pair.ours.send_fds, [pipe[0], fd], b"x")
        assert caught.value.fd == fd
        call(pair.ours.write_all, b"still whole")
        assert pair.receive() == (b"still whole", [])

    def test_interrupted_in_the_middle_of_the_data(
        self, pair: Pair, pipe: tuple[int, int], call: Call
    ) -> None:
        token = CancellationToken()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            call(pair.ours.send_fds, pipe, bytes(50_000_000), cancel=token)
        del token  # the error that the stream keeps refers to this frame, and the token has a descriptor
        with pytest.raises(BrokenStreamError):
            call(pair.ours.send_fds, pipe, b"x")
        _, fds = pair.receive()
        assert len(fds) == 2
        close(fds)

    def test_what_was_not_sent_is_not_sent_with_the_next(
        self, pair: Pair, pipe: tuple[int, int], call: Call
    ) -> None:
        while True:
            try:
                os.write(pair.ours.fileno(), bytes(65536))
            except BlockingIOError:
                break
        with pytest.raises(DeadlineExceeded):
            call(pair.ours.send_fds, pipe, b"x", timeout=0.01)
        pair.theirs.setblocking(False)
        while True:
            try:
                pair.theirs.recv(1 << 20)
            except BlockingIOError:
                break
        call(pair.ours.write_all, b"plain", timeout=5)
        assert pair.receive() == (b"plain", [])

    def test_a_receiver_that_has_gone(self, pair: Pair, pipe: tuple[int, int], call: Call) -> None:
        pair.theirs.close()
        with pytest.raises(BrokenPipeError):
            call(pair.ours.send_fds, pipe, b"x")

    def test_those_in_flight_are_closed_by_the_system(self, pair: Pair, call: Call) -> None:
        """A pipe's writing end that was sent and never received goes with the receiver."""
        reading, writing = os.pipe()
        call(pair.ours.send_fds, [writing], b"x")
        os.close(writing)
        pair.theirs.close()
        assert os.read(reading, 1) == b""
        os.close(reading)

    def test_the_refusal_of_too_many_in_flight(
        self, pair: Pair, pipe: tuple[int, int], call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(sock: socket.socket, *arguments: object) -> int:
            raise OSError(errno.ETOOMANYREFS, "Too many references")

        monkeypatch.setattr(socket.socket, "sendmsg", full)
        with pytest.raises(FdPassingError.InFlight):
            call(pair.ours.send_fds, pipe, b"x")
