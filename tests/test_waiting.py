"""The tests wait for states: what `tests.waiting` does, and that no test waits for a time."""

from __future__ import annotations

import select
import socket
import threading

import pytest

from netkit.io import PAUSE, Event, Flow
from netkit.net import UdpSocket
from tests import waiting
from tests.waiting import still_waits, until, waits, when


class TestUntil:
    def test_returns_as_soon_as_the_condition_holds(self) -> None:
        looks = iter([False, False, True])
        until(lambda: next(looks))
        assert list(looks) == []

    def test_fails_with_what_did_not_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "PATIENCE", 0.0)
        with pytest.raises(AssertionError, match="not within 0 s: the file"):
            until(lambda: False, "the file")


class TestWhen:
    def test_calls_once_the_condition_holds(self) -> None:
        state: list[str] = []
        done = threading.Event()
        with when(lambda: "ready" in state, done.set):
            assert not done.is_set()
            state.append("ready")
            assert done.wait(30)

    def test_the_blocks_end_waits_for_the_call(self) -> None:
        called: list[bool] = []
        state: list[bool] = []
        with when(lambda: state, lambda: called.append(True)):
            state.append(True)
        assert called == [True]

    def test_a_state_that_never_came_is_a_failure(self) -> None:
        called: list[bool] = []
        with (
            pytest.raises(AssertionError, match="before the state came"),
            when(lambda: False, lambda: called.append(True)),
        ):
            pass
        assert called == []

    def test_an_error_of_the_block_is_the_error(self) -> None:
        with pytest.raises(KeyError), when(lambda: False, lambda: None):
            raise KeyError

    def test_an_error_of_the_call_is_raised(self) -> None:
        def fail() -> None:
            raise ValueError("from the thread")

        with pytest.raises(ValueError, match="from the thread"), when(lambda: True, fail):
            pass


class TestStillWaits:
    def test_nothing_there(self) -> None:
        assert still_waits(Event().wait())

    def test_something_there(self) -> None:
        with UdpSocket.bind("127.0.0.1:0") as sock:
            sock.send_to(b"x", sock.local_addr)
            assert not still_waits(sock.receive_flow())

    def test_a_turn_for_others_is_no_wait(self) -> None:
        def pausing() -> Flow[None]:
            yield PAUSE

        assert not still_waits(pausing())


class TestWaits:
    @pytest.mark.parametrize("how", ["select", "poll", "epoll"])
    def test_a_thread_that_sleeps_in_a_poll_waits(self, how: str) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:

            def sleep_on_it() -> None:
                if how == "select":
                    select.select([ours], [], [])
                elif how == "poll":
                    poll = select.poll()
                    poll.register(ours, select.POLLIN)
                    poll.poll()
                else:
                    with select.epoll() as epoll:
                        epoll.register(ours, select.EPOLLIN)
                        epoll.poll()

            thread = threading.Thread(target=sleep_on_it)
            assert not waits(thread), "it has not begun"
            thread.start()
            until(lambda: waits(thread))
            theirs.send(b"x")
            thread.join()
            assert not waits(thread), "it has ended"

    def test_a_thread_that_sleeps_on_a_lock_does_not(self) -> None:
        lock, started = threading.Lock(), threading.Event()
        with lock:

            def acquire() -> None:
                started.set()
                lock.acquire()

            thread = threading.Thread(target=acquire)
            thread.start()
            assert started.wait(30)
            assert not waits(thread)
        thread.join()

    def test_who_looks_does_not_wait(self) -> None:
        assert not waits()
