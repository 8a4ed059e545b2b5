"""The tests wait for states: what `tests.waiting` does, and that no test waits for a time."""

from __future__ import annotations

import re
import select
import socket
import threading
from pathlib import Path

import pytest

from netkit.io import PAUSE, Event, Flow
from netkit.net import UdpSocket
from tests import waiting
from tests.waiting import still_waits, until, waits, when

pytestmark = pytest.mark.once

TESTS = Path(__file__).parent

#: What lets time pass, in Python or in the text of a program that a test starts. `asyncio.sleep(0)` is a turn
#: for others, not a time.
LETS_TIME_PASS = re.compile(r"\b(?<!def )(?:Timer|sleep|call_later|call_at)\((?!0\))|\.(?:wait|join)\(0*\.\d")

#: Where time itself is what a test is about: the file, how often, and why.
ABOUT_TIME = {
    "cli/test_serve_app.py": (1, "an application that is not ready before a file is there"),
    "http/gateway/starlette_app.py": (1, "events that come now and then, without an end"),
    "waiting.py": (3, "the pause between two looks at a state"),
    "http/client/test_h2_channel.py": (1, "a thread that goes on, unless a lock holds it up"),
    "io/test_drivers.py": (1, "a loop whose timers come too early"),
}


def test_no_test_waits_for_a_time() -> None:
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if LETS_TIME_PASS.search(line) and path != Path(__file__):
                found.setdefault(str(path.relative_to(TESTS)), []).append(f"{number}: {line.strip()}")
    assert {
        name: lines for name, lines in found.items() if len(lines) != ABOUT_TIME.get(name, (0, ""))[0]
    } == {}
    assert ABOUT_TIME.keys() == found.keys(), "each exception is there still"


@pytest.mark.parametrize(
    "line",
    [
        "threading.Timer(0.02, token.cancel).start()",
        "Timer(1, f)",
        "time.sleep(0.1)",
        "sleep(duration)",
        "await asyncio.sleep(0.0005)",
        "loop.call_later(0.01, stop)",
        "threading.Event().wait(0.05)",
        "thread.join(.5)",
    ],
)
def test_what_lets_time_pass(line: str) -> None:
    assert LETS_TIME_PASS.search(line)


@pytest.mark.parametrize("line", ["await asyncio.sleep(0)", "thread.join(20)", "sleep_until(moment)"])
def test_what_does_not(line: str) -> None:
    assert not LETS_TIME_PASS.search(line)


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
        with pytest.raises(KeyError) as caught, when(lambda: False, lambda: None):
            raise KeyError
        assert caught.value.__notes__ == ["the state that when() waits for never came"]

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
