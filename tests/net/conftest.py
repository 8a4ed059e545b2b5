"""The drivers that the flows of the sockets are tried under, and the descriptors that are open."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.io.conftest import LOOPS, Drive, drive, loop_runner

#: Calls one of the two forms of a method: call(stream.read, 5, timeout=1).
Call = Callable[..., Any]


@pytest.fixture(params=["blocking", "asyncio", "uvloop"])
def call(request: pytest.FixtureRequest) -> Iterator[Call]:
    """Each form of a method in turn: the blocking one, and the `_async` one under each loop."""
    if request.param == "blocking":
        yield lambda method, *arguments, **named: method(*arguments, **named)
        return
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:

        def call_async(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            async_form = getattr(method.__self__, f"{method.__name__}_async")  # type: ignore[attr-defined]

            async def main() -> Any:
                return await async_form(*arguments, **named)

            return runner.run(main())

        yield call_async


def open_fds() -> dict[int, str]:
    """Every descriptor of this process, and what it is open on."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that the listing itself used
    return found


@contextmanager
def same_socket(owner: Any) -> Iterator[socket.socket]:
    """The socket of a stream or a listener, by a descriptor of its own: to look at it beside its owner."""
    with socket.socket(fileno=os.dup(owner.fileno())) as sock:
        yield sock


def open_before() -> dict[int, str]:
    """What is open before something is done, for `opened_since`; with what stays once it was made."""
    from netkit.io.bell import thread_bell

    thread_bell()  # the thread's own, made at its first wait
    asyncio.new_event_loop().close()
    LOOPS["uvloop"]().close()  # libuv's own, made with its first loop
    return open_fds()


@pytest.fixture
def no_leak() -> Iterator[None]:
    """No descriptor is open after the test that was not before. Put it before what makes loops."""
    before = open_before()
    yield
    if opened_since(before):
        gc.collect()  # which is slow, and what only waits for it is no leak
    assert not opened_since(before)


def opened_since(before: dict[int, str]) -> dict[int, str]:
    """What is open and was not."""
    return {fd: what for fd, what in open_fds().items() if before.get(fd) != what}


__all__ = ["Call", "Drive", "call", "drive", "loop_runner", "no_leak", "open_fds", "same_socket"]
