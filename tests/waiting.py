"""How a test waits: for a state, never for a time.

    until(path.exists)                       # returns as soon as the file is there, fails if it never comes
    with when(waits, token.cancel):          # calls token.cancel() as soon as the main thread waits
        stream.read(cancel=token)

A test that sleeps "long enough" is slow on a fast machine and fails on a busy one. What a sleep stands for
is a state that can be looked at: a line on a pipe, a file, a connection in a server's list. Where the state
is "that call waits now", `waits` tells it: Linux says in which of its functions a thread sleeps.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from netkit.io import Flow

#: How long a state may take to come, in seconds. Only a test that fails waits so long.
PATIENCE = 30.0

#: How long to wait between two looks, in seconds.
_BETWEEN_LOOKS = 0.001


def until(condition: Callable[[], object], what: str = "the state that the test waits for") -> None:
    """Return as soon as `condition()` is true; fail after `PATIENCE` seconds, with `what` in the message."""
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        sleep(_BETWEEN_LOOKS)


async def until_async(
    condition: Callable[[], object], what: str = "the state that the test waits for"
) -> None:
    """`until`, while everything else in the event loop goes on."""
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        await asyncio.sleep(_BETWEEN_LOOKS)


def until_connected(port: int, process: subprocess.Popen[bytes] | None = None) -> socket.socket:
    """A connection to 127.0.0.1 and `port`, as soon as something listens there; fails if `process` ends."""
    made: list[socket.socket] = []

    def connected() -> bool:
        assert process is None or process.poll() is None, f"{process.args!r} has ended"
        try:
            made.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        except ConnectionRefusedError:
            return False
        return True

    until(connected, f"somebody who listens at port {port}")
    return made[0]


@contextmanager
def when(condition: Callable[[], object], then: Callable[[], object]) -> Iterator[None]:
    """In a thread beside the block, call `then()` once, as soon as `condition()` is true.

    The end of the block waits for that call. An error of `condition` or `then` is raised there, and the test
    fails if the block ended although the condition never held. An error of the block goes first, with a note
    if the condition never held.
    """
    # Also in the calling thread, where a condition that this system cannot tell skips the test.
    condition()
    ended = threading.Event()
    called: list[bool] = []
    errors: list[BaseException] = []

    def watch() -> None:
        try:
            while True:
                last = (
                    ended.is_set()
                )  # one more look after the end of the block: the state may have come with it
                if condition():
                    break
                if last:
                    return
                sleep(_BETWEEN_LOOKS)
            called.append(True)
            then()
        except BaseException as error:
            errors.append(error)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()

    def end() -> None:
        ended.set()
        watcher.join(PATIENCE)

    try:
        yield
    except BaseException as error:
        end()
        if not called:
            error.add_note("the state that when() waits for never came")
        raise
    end()
    if errors:
        raise errors[0]
    assert called, "the block ended before the state came"


def still_waits(flow: Flow[object]) -> bool:
    """Whether a new `flow` waits, and waits on when it is woken: what it waits for is not there. Ends it."""
    try:
        flow.send(None)  # type: ignore[arg-type]  # a generator's first send is None
        for _ in range(2):  # a first wait may be a turn for others
            flow.send(True)
    except StopIteration:
        return False
    finally:
        flow.close()
    return True


async def turns(count: int = 3) -> None:
    """Let everything else in the event loop run, `count` times: a task made before waits after three."""
    for _ in range(count):
        await asyncio.sleep(0)


def waits(thread: threading.Thread | None = None) -> bool:
    """Whether `thread` (None: the main one) sleeps in the system's poll, select or epoll.

    Skips the test on a system that does not tell.
    """
    if not os.path.exists("/proc/self/wchan"):
        pytest.skip("this system does not tell where a thread sleeps")
    native_id = (thread or threading.main_thread()).native_id
    try:
        # "poll_schedule_timeout", "do_select", "ep_poll", "do_epoll_wait"; "0" for a thread that runs.
        where = Path(f"/proc/self/task/{native_id}/wchan").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False  # not started yet, or ended
    return "poll" in where or "select" in where
