"""The rules of netkit.io's essay, each by its number. (8 and 9 are kept, and tested, by TLS and HTTP/2.)"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import Any, Self

import pytest

from netkit.io import (
    PAUSE,
    BrokenStreamError,
    BusyError,
    ByteStream,
    CancellationError,
    CancellationToken,
    ClosedError,
    DeadlineExceeded,
    Descriptor,
    Event,
    Flow,
    Interrupted,
    LoopUnsupported,
    ReadBuffer,
    UnexpectedEof,
    Want,
    run,
    run_async,
    sleep_until,
)
from netkit.io.aio import _Watch
from netkit.io.bell import Bell
from netkit.io.flow import Waiter
from netkit.net import TcpListener, TcpStream, UdpSocket
from netkit.net.sockets import SocketStream
from tests.waiting import turns, waits, when

from .conftest import LOOPS, Drive, Pair


def connected() -> tuple[TcpStream, TcpStream]:
    with TcpListener.bind("127.0.0.1:0") as listener:
        ours = TcpStream.connect(listener.local_addr, timeout=5)
        theirs, _ = listener.accept(timeout=5)
    return ours, theirs


class TestRule1BytesBelongToTheBuffer:
    def test_an_interrupted_read_loses_nothing(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            theirs.write_all(b"12345")
            with pytest.raises(DeadlineExceeded):
                ours.read_exactly(10, timeout=0.02)
            theirs.write_all(b"67890")
            assert ours.read_exactly(10, timeout=5) == b"1234567890"

    @pytest.mark.parametrize("late", [False, True], ids=["before the flow ends", "after the flow ended"])
    def test_a_task_cancelled_as_its_bytes_arrive_loses_nothing(
        self, loop_runner: asyncio.Runner, late: bool
    ) -> None:
        async def main() -> bytes:
            ours, theirs = connected()
            with ours, theirs:
                reading = asyncio.create_task(ours.read_async())

                class Cancelling(ReadBuffer):
                    __slots__ = ()

                    def receive(self, *arguments: Any) -> int:
                        received = super().receive(*arguments)
                        if late:  # queued ahead of the task's own wake-up: the flow ends in between
                            asyncio.get_running_loop().call_soon(reading.cancel)
                        else:
                            reading.cancel()
                        return received

                ours._buffer = Cancelling()
                while ours._descriptor.reader is None:  # until it waits: its first turn may be another's
                    await asyncio.sleep(0)
                theirs.write_all(b"abc")
                with pytest.raises(asyncio.CancelledError):
                    await reading
                return await ours.read_async(timeout=5)

        assert loop_runner.run(main()) == b"abc"

    def test_eof_says_how_much_was_there_and_leaves_it(self) -> None:
        ours, theirs = connected()
        with ours:
            with theirs:
                theirs.write_all(b"abc")
            with pytest.raises(UnexpectedEof) as caught:
                ours.read_exactly(10, timeout=5)
            assert (caught.value.wanted, caught.value.had) == (10, 3)
            assert ours.read(timeout=5) == b"abc"

    def test_an_interrupted_partial_write_breaks_the_stream(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            token = CancellationToken()
            with when(waits, token.cancel), pytest.raises(CancellationError):
                ours.write_all(bytes(50_000_000), cancel=token)
            with pytest.raises(BrokenStreamError) as caught:
                ours.write_all(b"more", timeout=5)
            assert 0 < (caught.value.sent or 0) < (caught.value.total or 0) == 50_000_000
            assert theirs.read(timeout=5)  # and reading is not affected

    def test_an_interrupted_write_of_which_nothing_was_sent_does_not(self, pair: Pair) -> None:
        stream = SocketStream(pair.ours, pair.descriptor)
        left = pair.fill_up()
        with pytest.raises(DeadlineExceeded):
            stream.write_all(b"tail", timeout=0.01)
        while left:
            left -= len(pair.theirs.recv(65536))
        stream.write_all(b"tail", timeout=5)
        assert pair.theirs.recv(100) == b"tail"


class TestRule2RegistrationsLast:
    def test_unread_bytes_call_back_once_and_then_no_more(
        self, loop_runner: asyncio.Runner, pair: Pair
    ) -> None:
        async def main() -> tuple[int, bool]:
            pair.theirs.send(b"1")
            await run_async(pair.receive())
            pair.theirs.send(b"2")  # a first wait, so that the descriptor is registered
            reading = asyncio.create_task(run_async(pair.receive()))
            await reading
            with pytest.raises(DeadlineExceeded):
                await run_async(pair.receive(), deadline=monotonic() + 0.01)
            watch = pair.descriptor.watch
            assert isinstance(watch, _Watch)
            calls = 0
            original = watch._readable

            def counted() -> None:
                nonlocal calls
                calls += 1
                original()

            watch.loop.remove_reader(watch.fd)
            watch.loop.add_reader(watch.fd, counted)
            assert watch._reading
            pair.theirs.send(b"nobody waits for this")
            await turns(50)
            return calls, watch._reading

        assert loop_runner.run(main()) == (1, False)

    def test_a_second_wait_registers_nothing(self, pair: Pair) -> None:
        class Counting(asyncio.SelectorEventLoop):
            added = 0

            def add_reader(self, *args: object) -> None:
                self.added += 1
                super().add_reader(*args)  # type: ignore[arg-type]

        async def main() -> int:
            loop = asyncio.get_running_loop()
            for _ in range(20):
                loop.call_soon(pair.theirs.send, b"x")  # runs once this task waits
                await run_async(pair.receive(), deadline=monotonic() + 5)
            assert isinstance(loop, Counting)
            return loop.added

        with asyncio.Runner(loop_factory=Counting) as runner:
            assert runner.run(main()) == 1

    def test_write_interest_goes_with_its_writer(self, loop_runner: asyncio.Runner, pair: Pair) -> None:
        async def main() -> bool:
            def flow() -> Flow[None]:
                yield pair.descriptor.want_write

            await run_async(flow())
            watch = pair.descriptor.watch
            assert isinstance(watch, _Watch)
            return watch._writing

        assert loop_runner.run(main()) is False


class TestRule3OneReaderOneWriter:
    def test_a_second_reader_is_refused(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> None:
            ours, theirs = connected()
            with ours, theirs:
                first = asyncio.create_task(ours.read_async())
                while ours._descriptor.reader is None:
                    await asyncio.sleep(0)
                with pytest.raises(BusyError):
                    await ours.read_async()
                await ours.write_all_async(b"a writer beside it is fine")
                theirs.write_all(b"x")
                assert await first == b"x"

        loop_runner.run(main())

    def test_two_flows_on_one_descriptor(self, drive: Drive, pair: Pair) -> None:
        from netkit.io import all_of

        outcomes = []

        def second() -> Flow[bytes]:
            yield PAUSE
            try:
                return (yield from pair.receive())
            except BusyError as error:
                outcomes.append(error)
                pair.theirs.send(b"for the first")
                return b""

        results = drive(all_of([pair.receive(), second()]), timeout=5)
        assert [outcome.value for outcome in results] == [b"for the first", b""]
        assert len(outcomes) == 1

    def test_a_second_writer_is_refused(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> None:
            ours, theirs = connected()
            with ours, theirs:
                first = asyncio.create_task(ours.write_all_async(bytes(50_000_000)))
                while ours._descriptor.writer is None:
                    await asyncio.sleep(0)
                with pytest.raises(BusyError):
                    await ours.write_all_async(b"x")
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first

        loop_runner.run(main())

    def test_one_who_comes_in_between_is_found_out(self, loop_runner: asyncio.Runner) -> None:
        """Between the end of a reader's flow and its task's turn another task takes what it waited for."""

        class Robbed(ReadBuffer):
            __slots__ = ()

            def receive(self, *arguments: Any) -> int:
                received = super().receive(*arguments)
                asyncio.get_running_loop().call_soon(self.take, 100)
                return received

        class RobbedQueue(deque[Any]):
            def extend(self, items: Iterable[Any]) -> None:
                try:
                    super().extend(items)
                finally:
                    asyncio.get_running_loop().call_soon(self.rob)

            def __iadd__(self, items: Iterable[Any]) -> Self:
                self.extend(items)
                return self

            def rob(self) -> None:
                while self:
                    taken = self.popleft()[0]
                    if isinstance(taken, TcpStream):
                        taken.close()

        async def of_a_stream() -> None:
            ours, theirs = connected()
            with ours, theirs:
                for reading in (ours.read_async(), ours.read_exactly_async(3), ours.read_until_async(b"c")):
                    ours._buffer = Robbed()
                    task = asyncio.create_task(reading)
                    while ours._descriptor.reader is None:
                        await asyncio.sleep(0)
                    theirs.write_all(b"abc")
                    with pytest.raises(BusyError):
                        await task

        async def of_a_datagram() -> None:
            with UdpSocket.bind("127.0.0.1:0") as ours:
                ours._received = RobbedQueue()
                task = asyncio.create_task(ours.recv_from_async())
                while ours._descriptor.reader is None:
                    await asyncio.sleep(0)
                ours.send_to_nonblock(b"x", ours.local_addr)
                with pytest.raises(BusyError):
                    await task

        async def of_a_connection() -> None:
            with TcpListener.bind("127.0.0.1:0") as listener:
                listener._accepted = taken = RobbedQueue()
                task = asyncio.create_task(listener.accept_async())
                while listener._descriptor.reader is None:
                    await asyncio.sleep(0)
                with TcpStream.connect(listener.local_addr), pytest.raises(BusyError):
                    await task
                assert not taken

        for each in (of_a_stream, of_a_datagram, of_a_connection):
            loop_runner.run(each())


class TestRule4Closing:
    def test_from_another_thread_under_a_blocking_read(self) -> None:
        ours, theirs = connected()
        with theirs:
            with when(waits, ours.close), pytest.raises(ClosedError):
                ours.read(timeout=5)
            assert ours.as_raw_fd() == -1

    def test_from_another_thread_under_an_async_read(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> int:
            ours, theirs = connected()
            with theirs:
                with when(waits, ours.close), pytest.raises(ClosedError):
                    await ours.read_async(timeout=5)
                return ours.as_raw_fd()

        assert loop_runner.run(main()) == -1

    def test_a_number_used_again_gets_no_stale_events(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> None:
            for _ in range(50):
                ours, theirs = connected()
                with pytest.raises(DeadlineExceeded):
                    await ours.read_async(timeout=0.0005)
                theirs.write_all(b"unread")
                ours.close()
                theirs.close()
                again, peer = connected()  # very likely the same number
                with again, peer:
                    reading = asyncio.create_task(again.read_async(timeout=5))
                    await asyncio.sleep(0)
                    peer.write_all(b"fresh")
                    assert await reading == b"fresh"

        loop_runner.run(main())

    def test_a_closed_stream_refuses(self) -> None:
        ours, theirs = connected()
        ours.close()
        ours.close()
        theirs.close()
        with pytest.raises(ClosedError):
            ours.read()
        with pytest.raises(ClosedError):
            ours.write_all(b"x")

    @pytest.mark.parametrize("loop", ["none", "asyncio", "uvloop"])
    def test_in_the_instant_in_which_somebody_begins_to_wait(
        self, loop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A listener's close has no shutdown to wake who polls: the waiter itself must be found."""
        listener = TcpListener.bind("127.0.0.1:0")
        claim = Descriptor.claim

        def claim_and_be_closed(self: Descriptor, waiter: Waiter, **sides: bool) -> None:
            claim(self, waiter, **sides)
            if self is listener._descriptor:
                closing = threading.Thread(target=listener.close)
                closing.start()
                closing.join()

        monkeypatch.setattr(Descriptor, "claim", claim_and_be_closed)

        def accept() -> None:
            if loop == "none":
                listener.accept(timeout=5)
                return
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                runner.run(listener.accept_async(timeout=5))

        with pytest.raises(ClosedError):
            accept()
        assert listener.as_raw_fd() == -1

    def test_accept_under_close(self) -> None:
        listener = TcpListener.bind("127.0.0.1:0")
        with when(waits, listener.close), pytest.raises(ClosedError):
            listener.accept(timeout=5)


class TestRule5NobodyFreezesTheLoop:
    def test_a_flooded_reader_lets_others_run(self, loop_runner: asyncio.Runner) -> None:
        async def main() -> int:
            ours, theirs = connected()
            stop = threading.Event()

            def flood() -> None:
                block = bytes(1 << 20)
                try:
                    while not stop.is_set():
                        theirs.write_all(block, timeout=5)
                except (OSError, DeadlineExceeded):
                    pass

            flooding = threading.Thread(target=flood)
            flooding.start()
            ticks = 0
            over = False

            async def tick() -> None:
                nonlocal ticks
                while not over:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            try:
                for _ in range(640):
                    await ours.read_async(4096)
            finally:
                over = True
                stop.set()
                ours.close()
                await ticking
                flooding.join()
                theirs.close()
            return ticks

        # 640 reads that mostly find bytes at once: the loop had its turn at least once in 32 of them.
        assert loop_runner.run(main()) >= 640 // 32 - 1

    def test_a_loop_inside_one_operation_can_be_cancelled(self, drive: Drive) -> None:
        pauses = 0

        def flow() -> Flow[None]:
            nonlocal pauses
            while True:
                yield PAUSE
                pauses += 1

        token = CancellationToken()
        with when(lambda: pauses > 10, token.cancel), pytest.raises(CancellationError):
            drive(flow(), timeout=5, cancel=token)

    def test_a_large_read_from_a_flood_pauses(self) -> None:
        class Fountain(ByteStream):
            def _receive(self) -> Flow[None]:
                self._buffer.put(b"x")
                return
                yield

        assert sum(1 for want in Fountain().fill(320) if want is PAUSE) == 10

    def test_a_socket_that_always_has_more_pauses_too(self, pair: Pair) -> None:
        class Endless:
            def recv(self, size: int, flags: int) -> bytes:
                return b"x"

        stream = SocketStream(pair.ours, pair.descriptor)
        stream._sock = Endless()  # type: ignore[assignment]
        assert sum(1 for want in stream.fill(320) if want is PAUSE) == 9  # the last piece needs no pause


class TestRule6Interruptions:
    def test_are_thrown_in_at_the_yield(self, drive: Drive) -> None:
        cleaned: list[type[BaseException]] = []

        def flow() -> Flow[None]:
            try:
                yield from Event().wait()
            except BaseException as error:
                cleaned.append(type(error))
                raise

        with pytest.raises(DeadlineExceeded):
            drive(flow(), timeout=0.01)
        assert cleaned == [Interrupted]

    def test_a_flow_may_not_wait_again(self, drive: Drive) -> None:
        def flow() -> Flow[None]:
            try:
                yield from Event().wait()
            except Interrupted:
                yield from Event().wait()

        with pytest.raises(DeadlineExceeded) as caught:
            drive(flow(), timeout=0.01)
        assert "waited again" in str(caught.value.__context__)

    def test_swallowing_it_does_not_make_it_a_result(self, drive: Drive) -> None:
        def flow() -> Flow[int]:
            try:
                yield from Event().wait()
            except Interrupted:
                pass
            return 1

        with pytest.raises(DeadlineExceeded):
            drive(flow(), timeout=0.01)

    def test_ctrl_c_in_a_blocking_wait(self, pair: Pair) -> None:
        seen: list[type[BaseException]] = []

        def flow() -> Flow[None]:
            try:
                yield pair.descriptor.want_read
            except KeyboardInterrupt as error:
                seen.append(type(error))
                raise

        def interrupt() -> None:
            while pair.descriptor.reader is None:
                os.sched_yield()
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            run(flow(), deadline=monotonic() + 30)
        assert seen == [KeyboardInterrupt]
        assert pair.descriptor.reader is None

    def test_ctrl_c_as_the_wait_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, theirs = connected()
        claim = Descriptor.claim

        def claim_and_be_interrupted(self: Descriptor, waiter: Waiter, **sides: bool) -> None:
            claim(self, waiter, **sides)
            raise KeyboardInterrupt

        with ours, theirs:
            with monkeypatch.context() as patched:
                patched.setattr(Descriptor, "claim", claim_and_be_interrupted)
                with pytest.raises(KeyboardInterrupt):
                    ours.read(timeout=5)
            with pytest.raises(DeadlineExceeded):  # and not: in use by another
                ours.read(timeout=0.01)

    @pytest.mark.parametrize("late", [False, True], ids=["before the flow ends", "after the flow ended"])
    def test_what_a_flow_made_is_closed_if_its_task_was_cancelled_as_it_ended(
        self, loop_runner: asyncio.Runner, late: bool
    ) -> None:
        async def main() -> None:
            ours, theirs = connected()
            tasks: list[asyncio.Task[TcpStream]] = []

            def making() -> Flow[TcpStream]:
                yield Want(until=monotonic())
                if late:
                    asyncio.get_running_loop().call_soon(tasks[0].cancel)
                else:
                    tasks[0].cancel()
                return ours

            with theirs:
                tasks.append(asyncio.create_task(run_async(making())))
                with pytest.raises(asyncio.CancelledError):
                    await tasks[0]
                assert ours.is_closed

        loop_runner.run(main())

    def test_a_cancelled_task(self, loop_runner: asyncio.Runner, pair: Pair) -> None:
        seen: list[type[BaseException]] = []

        def flow() -> Flow[None]:
            try:
                yield pair.descriptor.want_read
            except asyncio.CancelledError as error:
                seen.append(type(error))
                raise

        async def main() -> None:
            task = asyncio.create_task(run_async(flow()))
            while pair.descriptor.reader is None:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        loop_runner.run(main())
        assert seen == [asyncio.CancelledError]
        assert pair.descriptor.reader is None


class TestRule7CancelTakesNoLock:
    def test_in_a_signal_handler_under_a_wait_on_the_same_token(self, pair: Pair) -> None:
        token = CancellationToken()
        previous = signal.signal(signal.SIGUSR1, lambda number, frame: token.cancel("signal"))
        try:
            killing = when(waits, lambda: os.kill(os.getpid(), signal.SIGUSR1))
            with killing, pytest.raises(CancellationError, match="signal"):
                run(pair.receive(), deadline=monotonic() + 5, cancel=token)
        finally:
            signal.signal(signal.SIGUSR1, previous)

    def test_while_it_waits_signals_ring_the_bell(self) -> None:
        """A signal that comes after Python's last look for one and before the poll interrupts nothing."""
        places: list[int] = []

        def flow() -> Flow[None]:
            yield PAUSE
            places.append(signal.set_wakeup_fd(-1))
            signal.set_wakeup_fd(places[0])

        run(flow())
        assert places[0] != -1
        assert signal.set_wakeup_fd(-1) == -1  # taken away after it

    def test_a_place_that_is_taken_is_left_alone(self, pair: Pair) -> None:
        signal.set_wakeup_fd(pair.ours.fileno())
        try:
            run(sleep_until(monotonic() + 0.001))
        finally:
            assert signal.set_wakeup_fd(-1) == pair.ours.fileno()

    def test_signals_of_another_process_at_any_moment(self) -> None:
        """Many times a child sends one while this process goes in and out of its wait."""
        stop = [Event()]
        previous = signal.signal(signal.SIGUSR1, lambda number, frame: stop[0].set())
        delays, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(tell)
            while told := os.read(delays, 1):
                until = monotonic() + told[0] * 2e-6
                while monotonic() < until:
                    pass
                os.kill(os.getppid(), signal.SIGUSR1)
            os._exit(0)
        try:
            for delay in range(200):
                stop[0] = Event()
                os.write(tell, bytes([delay]))
                run(stop[0].wait(), deadline=monotonic() + 5)
        finally:
            os.close(tell)
            os.close(delays)
            os.waitpid(child, 0)
            signal.signal(signal.SIGUSR1, previous)

    def test_one_token_many_threads(self) -> None:
        token = CancellationToken()
        ended: list[int] = []

        def wait(index: int) -> None:
            made = Pair()
            try:
                run(made.receive(), deadline=monotonic() + 5, cancel=token)
            except CancellationError:
                ended.append(index)
            finally:
                made.close()

        threads = [threading.Thread(target=wait, args=[index]) for index in range(8)]
        for thread in threads:
            thread.start()
        token.cancel()
        for thread in threads:
            thread.join(5)
        assert sorted(ended) == list(range(8))

    def test_one_token_in_a_loop_and_a_thread(self, loop_runner: asyncio.Runner) -> None:
        token = CancellationToken()

        async def main() -> None:
            made = [Pair(), Pair()]
            waiting = [asyncio.create_task(run_async(each.receive(), cancel=token)) for each in made]
            threads: list[threading.Thread] = []

            def block() -> None:
                threads.append(threading.current_thread())
                run(Event().wait(), cancel=token)

            with when(lambda: threads and waits(threads[0]) and waits(), token.cancel):
                results = await asyncio.gather(*waiting, asyncio.to_thread(block), return_exceptions=True)
            assert [type(result) for result in results] == [CancellationError] * 3
            for each in made:
                each.close()

        loop_runner.run(main())

    def test_a_token_holds_nothing_of_what_has_ended(self, loop_runner: asyncio.Runner, pair: Pair) -> None:
        token = CancellationToken()

        async def main() -> None:
            for _ in range(10):
                with pytest.raises(DeadlineExceeded):
                    await run_async(pair.receive(), deadline=monotonic() + 0.001, cancel=token)

        loop_runner.run(main())
        assert token._loops == {}


class TestRule10WhoMayUseWhat:
    def test_one_reader_thread_beside_one_writer_thread(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            total = 3_000_000
            got = bytearray()

            def read_all() -> None:
                while len(got) < total:
                    got.extend(ours.read(timeout=5))

            def echo() -> None:
                left = total
                while left:
                    data = theirs.read(timeout=5)
                    theirs.write_all(data, timeout=5)
                    left -= len(data)

            threads = [threading.Thread(target=read_all), threading.Thread(target=echo)]
            for thread in threads:
                thread.start()
            sent = os.urandom(total)
            ours.write_all(sent, timeout=5)
            for thread in threads:
                thread.join(10)
            assert bytes(got) == sent

    def test_a_stream_used_in_a_second_loop_that_runs_is_refused(self) -> None:
        ours, theirs = connected()
        with ours, theirs:
            refused: list[Exception] = []

            async def wait_briefly() -> None:
                with pytest.raises(DeadlineExceeded):
                    await ours.read_async(timeout=0.01)

            async def main() -> None:
                await wait_briefly()

                def elsewhere() -> None:
                    try:
                        asyncio.run(ours.read_async(timeout=1))
                    except BusyError as error:
                        refused.append(error)

                await asyncio.to_thread(elsewhere)

            asyncio.run(main())
            assert len(refused) == 1
            asyncio.run(wait_briefly())  # the first loop is gone: a later one may have it


class TestRule11InheritedDescriptors:
    def test_o_nonblock_is_not_set_on_them(self) -> None:
        left, right = socket.socketpair()
        with TcpStreamLike(left) as stream, right:
            with pytest.raises(DeadlineExceeded):
                stream.read(timeout=0.01)
            right.sendall(b"x")
            assert stream.read(timeout=5) == b"x"
            assert not fcntl.fcntl(left.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK


class TcpStreamLike(TcpStream):
    """A stream over a socket that another process is supposed to share."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, inherited=True)


class TestRule12LoopsThatCannotWatch:
    def test_say_what_to_do_instead(self, pair: Pair) -> None:
        class Proactor(asyncio.SelectorEventLoop):
            def add_reader(self, *args: object) -> None:
                raise NotImplementedError

        async def main() -> None:
            await run_async(pair.receive())

        loop = Proactor()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            with pytest.raises(LoopUnsupported, match="cannot watch") as caught:
                runner.run(main())
            assert "selector" in (caught.value.hint or "")


def test_no_descriptor_is_left_behind(loop_runner: asyncio.Runner) -> None:
    def count() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    async def main() -> None:
        for _ in range(20):
            token = CancellationToken()
            ours, theirs = connected()
            with pytest.raises(DeadlineExceeded):
                await ours.read_async(timeout=0.001, cancel=token)
            ours.close()
            theirs.close()

            def wait_in_vain() -> None:
                with pytest.raises(DeadlineExceeded):
                    run(Event().wait(), deadline=monotonic() + 0.001)

            thread = threading.Thread(target=wait_in_vain)
            thread.start()
            thread.join()

    loop_runner.run(main())
    start = count()
    loop_runner.run(main())
    assert count() <= start


def test_the_ends_of_a_bell_close_themselves() -> None:
    """They may be collected before it; "unclosed" is no word for what nobody was to close."""
    bell = Bell()
    gc.collect()  # so that nothing of an earlier test is closed in between
    before = len(os.listdir("/proc/self/fd"))
    bell._theirs = bell._ours
    assert len(os.listdir("/proc/self/fd")) == before - 1
    # One that was interrupted while it was made is collected as well, without a word.
    end = type(bell._ours)
    unmade = end.__new__(end)
    del unmade
