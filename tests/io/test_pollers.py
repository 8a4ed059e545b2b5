"""epoll behind poll's interface: what fires, what does not, and numbers that are reused."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netkit.io import Flow, all_of, blocking, run
from netkit.io.pollers import MANY, READ, WRITE, Epoll
from tests.io.conftest import Pair
from tests.net.conftest import open_before, opened_since

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll on this system")


@pytest.fixture
def poller() -> Iterator[Epoll]:
    made = Epoll()
    yield made
    made.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with ExitStack() as stack:
        one, other = socket.socketpair()
        yield stack.enter_context(one), stack.enter_context(other)


def test_what_fired_is_silent_until_it_is_registered_again(
    poller: Epoll, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    theirs.send(b"x")
    poller.register(ours.fileno(), READ)
    assert poller.poll(1000) == [(ours.fileno(), READ)]
    assert poller.poll(0) == []
    poller.unregister(ours.fileno())  # nothing to do, and no error
    poller.register(ours.fileno(), READ | WRITE)
    assert poller.poll(1000) == [(ours.fileno(), READ | WRITE)]


def test_what_is_unregistered_does_not_fire(poller: Epoll, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    poller.register(ours.fileno(), READ)
    poller.unregister(ours.fileno())
    theirs.send(b"x")
    assert poller.poll(0) == []


def test_a_number_that_is_another_connection_by_now(poller: Epoll) -> None:
    """Also where the old one is kept open elsewhere, for which epoll would go on reporting the number."""
    first, first_peer = socket.socketpair()
    number = first.fileno()
    kept = os.dup(number)
    first_peer.send(b"x")
    poller.register(number, READ)
    assert poller.poll(1000) == [(number, READ)]
    second, second_peer = socket.socketpair()
    os.dup2(second.fileno(), number)  # as if closed, and given to the next connection
    try:
        poller.register(number, READ)
        assert poller.poll(0) == [], "the old connection's byte is not this one's"
        second_peer.send(b"y")
        assert poller.poll(1000) == [(number, READ)]
    finally:
        os.close(kept)
        for sock in (first, first_peer, second, second_peer):
            sock.close()


def test_a_regular_file_is_always_ready(poller: Epoll, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        poller.register(file.fileno(), WRITE)
        assert poller.poll(None) == [(file.fileno(), WRITE)]
        poller.unregister(file.fileno())
        assert poller.poll(0) == []


def test_many_descriptors_are_epolls_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Epoll] = []

    class Counted(Epoll):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(blocking, "Epoll", Counted)
    before = open_before()
    pairs = [Pair() for _ in range(MANY + 2)]

    def answering(pair: Pair, next_pair: Pair | None) -> Flow[bytes]:
        data = yield from pair.receive()
        if next_pair is not None:
            next_pair.theirs.send(data)
        return data

    flows = [answering(pair, after) for pair, after in zip(pairs, [*pairs[1:], None], strict=True)]
    pairs[0].theirs.send(b"handed on")
    outcomes = run(all_of(reversed(flows)))  # so that each waits before its predecessor sends
    assert [outcome.value for outcome in outcomes] == [b"handed on"] * len(pairs)
    assert len(made) == 1
    for pair in pairs:
        pair.close()
    assert not opened_since(before)
