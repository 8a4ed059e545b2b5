"""The drivers under test, and descriptors to wait on."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from netkit.io import CancellationToken, Descriptor, Flow, blocking, run, run_async

#: Drives a flow to its end: drive(flow, timeout=None, cancel=None).
Drive = Callable[..., Any]


def _blocking(flow: Flow[Any], timeout: float | None = None, cancel: CancellationToken | None = None) -> Any:
    return run(flow, deadline=None if timeout is None else monotonic() + timeout, cancel=cancel)


def _under(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Drive:
    def drive(flow: Flow[Any], timeout: float | None = None, cancel: CancellationToken | None = None) -> Any:
        async def main() -> Any:
            deadline = None if timeout is None else monotonic() + timeout
            return await run_async(flow, deadline=deadline, cancel=cancel)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    return drive


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


LOOPS = {"asyncio": asyncio.SelectorEventLoop, "uvloop": _uvloop}


@pytest.fixture(params=["blocking", "epoll", "asyncio", "uvloop"])
def drive(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Each driver in turn; the blocking one with epoll from the first descriptor on, too."""
    if request.param == "epoll":
        if not hasattr(select, "epoll"):
            pytest.skip("no epoll on this system")
        monkeypatch.setattr(blocking, "MANY", 0)
    return _blocking if request.param in ("blocking", "epoll") else _under(LOOPS[request.param])


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """A runner of each event loop in turn."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner


class Pair:
    """Two connected sockets; `ours` has a descriptor that flows wait on, `theirs` plays the peer."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.descriptor = Descriptor(
            self.ours.fileno(),
            close=self.ours.close,
            shutdown=lambda: self.ours.shutdown(socket.SHUT_RDWR),
        )

    def receive(self, size: int = 100) -> Flow[bytes]:
        while True:
            try:
                return self.ours.recv(size)
            except BlockingIOError:
                yield self.descriptor.want_read

    def receive_late(self, size: int = 100) -> Flow[bytes]:
        """Wait before the first look."""
        yield self.descriptor.want_read
        return (yield from self.receive(size))

    def fill_up(self) -> int:
        """Send until the socket takes no more."""
        sent = 0
        while True:
            try:
                sent += self.ours.send(bytes(65536))
            except BlockingIOError:
                return sent

    def close(self) -> None:
        self.descriptor.close()
        self.theirs.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()
