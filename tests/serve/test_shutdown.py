"""Graceful shutdown: token, guards, draining, and the signals that begin it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from time import monotonic

import pytest

from netkit.io import CancellationError, DeadlineExceeded, Event, Want, run
from netkit.net import TcpListener
from netkit.serve.shutdown import GracefulShutdown, shutdown_signals
from tests.io.conftest import LOOPS
from tests.waiting import waits, when


class TestGracefulShutdown:
    def test_initiate_cancels_the_token_once(self) -> None:
        shutdown = GracefulShutdown()
        assert not shutdown.is_initiated
        shutdown.initiate(signal.SIGTERM)
        shutdown.initiate("again")
        assert shutdown.is_initiated
        with pytest.raises(CancellationError, match="SIGTERM"):
            shutdown.token.check()

    def test_an_accept_loop_ends(self) -> None:
        shutdown = GracefulShutdown()
        with (
            TcpListener.bind("127.0.0.1:0") as listener,
            when(waits, shutdown.initiate),
            pytest.raises(CancellationError),
        ):
            listener.accept(cancel=shutdown.token)

    def test_guards_are_counted_and_let_go_in_three_ways(self) -> None:
        shutdown = GracefulShutdown()
        with shutdown.track():
            other = shutdown.track()
            third = shutdown.track()
            assert shutdown.active == 3
        assert shutdown.active == 2
        other.release()
        other.release()
        assert shutdown.active == 1
        del third
        gc.collect()
        assert shutdown.active == 0

    def test_nothing_under_way_is_drained_at_once(self) -> None:
        assert GracefulShutdown().shutdown(timeout=0)

    def test_too_little_time_is_an_answer(self) -> None:
        shutdown = GracefulShutdown()
        guard = shutdown.track()
        assert not shutdown.wait_drained(timeout=0.01)
        assert not shutdown.wait_drained(timeout=0)
        guard.release()
        assert shutdown.wait_drained(timeout=0.01)

    def test_the_last_one_wakes_who_waits(self) -> None:
        shutdown = GracefulShutdown()
        guards = [shutdown.track() for _ in range(100)]

        def release() -> None:
            for guard in guards:
                guard.release()

        begun = monotonic()
        with when(waits, release):
            assert shutdown.shutdown(timeout=30)
        assert monotonic() - begun < 10, "woken, not timed out"

    def test_waiting_can_be_cancelled(self) -> None:
        from netkit.io import CancellationToken

        shutdown, token = GracefulShutdown(), CancellationToken()
        guard = shutdown.track()
        with when(waits, token.cancel), pytest.raises(CancellationError):
            shutdown.wait_drained(cancel=token)
        guard.release()

    @pytest.mark.parametrize("other", ["wait_drained", "wait_drained_flow"])
    def test_two_who_wait_do_not_take_the_wake_up_from_each_other(
        self, other: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One has seen a guard and is about to wait, the last goes, the other lowers the flag."""
        shutdown = GracefulShutdown()
        guard = shutdown.track()
        one = shutdown.wait_drained_flow()
        clear = Event.clear
        begun: list[bool] = []
        wanted: list[object] = []

        def clear_at_a_bad_time(self: Event) -> None:
            if not begun:
                begun.append(True)
                wanted.append(next(one))  # which clears as well
                guard.release()
            clear(self)

        with monkeypatch.context() as patched:
            patched.setattr(Event, "clear", clear_at_a_bad_time)
            if other == "wait_drained":
                assert shutdown.wait_drained(30)
            else:
                run(shutdown.wait_drained_flow())
        (want,) = wanted
        assert isinstance(want, Want)
        assert want.event is not None
        assert want.event.is_set, "who is about to wait for it finds it set"

    def test_guards_from_many_threads(self) -> None:
        shutdown = GracefulShutdown()

        def churn() -> None:
            for _ in range(500):
                with shutdown.track():
                    pass

        threads = [threading.Thread(target=churn) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert shutdown.active == 0
        assert shutdown.wait_drained(timeout=0)

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_under_a_loop(self, loop: str) -> None:
        async def main() -> bool:
            shutdown = GracefulShutdown()
            guard = shutdown.track()
            assert not await shutdown.wait_drained_async(0.01)
            asyncio.get_running_loop().call_soon(guard.release)  # runs once this task waits
            return await shutdown.shutdown_async(30)

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            assert runner.run(main())


class TestSignals:
    def test_blocking(self) -> None:
        with shutdown_signals(signal.SIGUSR1, signal.SIGUSR2, force=False) as signals:
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGUSR2)
            assert [next(signals), next(signals)] == [signal.SIGUSR1, signal.SIGUSR2]
            with when(waits, lambda: os.kill(os.getpid(), signal.SIGUSR2)):
                assert signals.wait(timeout=30) is signal.SIGUSR2
            with pytest.raises(DeadlineExceeded):
                signals.wait(timeout=0.01)
        with pytest.raises(StopIteration):
            next(signals)

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_as_an_async_iterator(self, loop: str) -> None:
        async def main() -> signal.Signals:
            with shutdown_signals(signal.SIGUSR1) as signals:
                async for number in signals:
                    return number
            raise AssertionError

        before = signal.getsignal(signal.SIGUSR1)
        with (
            asyncio.Runner(loop_factory=LOOPS[loop]) as runner,
            when(waits, lambda: os.kill(os.getpid(), signal.SIGUSR1)),
        ):
            assert runner.run(main()) is signal.SIGUSR1
        assert signal.getsignal(signal.SIGUSR1) is before

    def test_the_handlers_of_before_are_back(self) -> None:
        seen: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
        try:
            with shutdown_signals(signal.SIGUSR1):
                os.kill(os.getpid(), signal.SIGUSR1)
                assert seen == []
            os.kill(os.getpid(), signal.SIGUSR1)
            assert seen == [signal.SIGUSR1]
        finally:
            signal.signal(signal.SIGUSR1, before)

    def test_the_first_initiates_and_the_second_forces(self) -> None:
        program = """
import os, signal
from netkit.serve.shutdown import GracefulShutdown, shutdown_signals
shutdown = GracefulShutdown()
guard = shutdown.track()
with shutdown_signals(then=shutdown.initiate):
    os.kill(os.getpid(), signal.SIGTERM)
    print(shutdown.is_initiated, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    shutdown.wait_drained(30)
    print("drained")
"""
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
        )
        assert done.stdout == "True\n"
        assert done.returncode == -signal.SIGTERM

    def test_not_outside_the_main_thread(self) -> None:
        raised: list[BaseException] = []

        def take() -> None:
            try:
                shutdown_signals()
            except ValueError as error:
                raised.append(error)

        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
        assert len(raised) == 1
