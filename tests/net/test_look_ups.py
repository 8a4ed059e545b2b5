"""getaddrinfo(3) in threads: no crowd of them, whatever was given up; one question asked once at a time."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from netkit.io import DeadlineExceeded, Flow, all_of, run
from netkit.net import ResolveError, look_ups, resolve_flow
from netkit.net.look_ups import MOST_THREADS
from tests.io.conftest import Drive
from tests.waiting import until


class Names:
    """A system's resolver: names that begin with "silent" are answered when `answer` is called."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answered = threading.Event()

    def __call__(self, host: Any, port: int, family: int, kind: int) -> list[Any]:
        name = host if isinstance(host, str) else host.decode()
        self.asked.append(name)
        if name.startswith("silent"):
            assert self._answered.wait(60)
        if name.endswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, kind, 6, "", ("192.0.2.1", port))]

    def answer(self) -> None:
        self._answered.set()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    monkeypatch.setattr(look_ups, "look_ups", look_ups.LookUps())
    monkeypatch.setattr(look_ups, "IDLE", 0.001)
    yield made
    made.answer()
    until(lambda: not threads())


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "netkit-look-up"]


def answering(names: Names) -> Flow[Any]:
    """Flow: begun after those before it in an `all_of`, it has all of them answered."""
    names.answer()
    return
    yield


class GivenUp(Exception):
    pass


def given_up(names: Names, drive: Drive, *hosts: str, asked: int = MOST_THREADS) -> None:
    """Ask for each, side by side, and give up as soon as all wait and the system was asked so often."""

    def giving_up() -> Flow[Any]:
        until(lambda: len(names.asked) == asked)
        raise GivenUp
        yield

    flows: list[Flow[Any]] = [resolve_flow((host, 80)) for host in hosts]
    with pytest.raises(GivenUp):
        drive(all_of([*flows, giving_up()]), timeout=20)


def addresses(drive: Drive, host: str) -> list[str]:
    return [str(addr) for addr in drive(resolve_flow((host, 80)), timeout=20)]


def test_they_are_no_crowd(names: Names, drive: Drive) -> None:
    for round_ in range(5):
        given_up(names, drive, *(f"silent-{round_}-{number}.test" for number in range(MOST_THREADS)))
    assert len(threads()) == MOST_THREADS
    names.answer()
    assert addresses(drive, "other.test") == ["192.0.2.1:80"]
    # What was given up before it had a thread was never asked.
    assert len(names.asked) == MOST_THREADS + 1


def test_those_that_nobody_waits_for_leave_room_for_others(names: Names, drive: Drive) -> None:
    given_up(
        names, drive, *(f"silent-{number}.test" for number in range(MOST_THREADS - 1)), asked=MOST_THREADS - 1
    )
    assert addresses(drive, "other.test") == ["192.0.2.1:80"]
    assert addresses(drive, "another.test") == ["192.0.2.1:80"]
    assert len(threads()) <= MOST_THREADS


def test_with_every_thread_busy_a_deadline_still_holds(names: Names, drive: Drive) -> None:
    given_up(names, drive, *(f"silent-{number}.test" for number in range(MOST_THREADS)))
    begun = monotonic()
    with pytest.raises(DeadlineExceeded, match=r"resolving other\.test"):
        drive(resolve_flow(("other.test", 80)), timeout=0.01)
    assert monotonic() - begun < 10


def test_the_same_name_again_and_again_is_asked_once(names: Names, drive: Drive) -> None:
    for _ in range(10):
        given_up(names, drive, "silent.test", asked=1)
    assert names.asked == ["silent.test"]

    both = resolve_flow(("silent.test", 80)), resolve_flow(("silent.test", 80))
    one, other, _ = (outcome.unwrap() for outcome in drive(all_of([*both, answering(names)]), timeout=20))
    assert one == other
    assert one is not other
    assert names.asked == ["silent.test"]
    assert addresses(drive, "silent.test") == ["192.0.2.1:80"]  # nothing is kept
    assert names.asked == ["silent.test"] * 2


def test_who_shares_a_failure_has_an_error_of_their_own(names: Names, drive: Drive) -> None:
    def failing() -> Flow[ResolveError]:
        try:
            yield from resolve_flow(("silent-unknown", 80))
        except ResolveError as error:
            return error
        raise AssertionError

    flows: list[Flow[Any]] = [failing(), failing(), answering(names)]
    one, other, _ = (outcome.unwrap() for outcome in drive(all_of(flows), timeout=20))
    assert names.asked == ["silent-unknown"]
    assert str(one) == str(other) == "cannot resolve silent-unknown: Name or service not known"
    assert one is not other


def test_threads_are_used_again(names: Names, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_ups, "IDLE", 60.0)
    seen: set[int | None] = set()
    real: Callable[..., list[Any]] = socket.getaddrinfo

    def noting(*arguments: Any) -> list[Any]:
        seen.add(threading.current_thread().ident)
        return real(*arguments)

    monkeypatch.setattr(socket, "getaddrinfo", noting)
    for number in range(20):
        addresses(drive, f"name-{number}.test")
        until(lambda: look_ups.look_ups.idle)
    assert len(seen) == 1
    monkeypatch.setattr(look_ups, "IDLE", 0.0)
    addresses(drive, "last.test")  # after which it finds nothing more to do


def test_no_thread_to_be_had(names: Names, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OSError, match="no thread can be started"):
            run(resolve_flow(("name.test", 80)))
    assert addresses(drive, "name.test") == ["192.0.2.1:80"]


def test_in_a_child_after_fork(names: Names) -> None:
    """Which has none of the threads, and perhaps a lock that one of them held."""
    run(resolve_flow(("name.test", 80)))
    child = os.fork()
    if child == 0:
        try:
            run(resolve_flow(("name.test", 80)), deadline=monotonic() + 20)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
