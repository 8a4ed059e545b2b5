"""No test leaves a process behind.

On Linux the suite adopts the processes that its own children leave behind (PR_SET_CHILD_SUBREAPER, prctl(2)).
So in the end it sees every process that a test has started and not ended, such as socat's for each client.
pytest puts the name of a test into the environment of what it starts, so that the message can name the test.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until

_PR_SET_CHILD_SUBREAPER = 36


def children() -> list[int]:
    """The processes whose parent this one is, those that have ended taken away."""
    found = []
    for file in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, file.read_text().split()):
            try:
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    found.append(pid)
            except ChildProcessError:
                pass  # a Popen has waited for it meanwhile
    return found


def described(pid: int) -> str:
    """A process's command line, and the test that started it."""
    process = Path("/proc") / str(pid)
    words = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    variables = process.joinpath("environ").read_bytes().decode(errors="replace").split("\0")
    tests = [each.partition("=")[2] for each in variables if each.startswith("PYTEST_CURRENT_TEST=")]
    return f"{words.strip()} (of {', '.join(tests) or 'no test'})"


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Ends what is left, and fails with its names."""
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        yield
        return
    before = children()
    yield
    try:
        until(lambda: not set(children()) - set(before), "the end of all that was started")
    except AssertionError:
        left = set(children()) - set(before)
        names = [described(pid) for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        pytest.fail("processes are left: " + "; ".join(names), pytrace=False)
