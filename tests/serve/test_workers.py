"""Worker processes: shared listeners, restarts, counts, and the end of parent or child."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from netkit.net import TcpStream
from netkit.serve.workers import share
from tests.cli.helpers import process_environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")

PROGRAM = """
import logging, os, signal
from netkit.io import Event, Flow, beside, run
from netkit.net import TcpListener
from netkit.lab.echo import Echoed, echo_stream
from netkit.serve.connections import serve
from netkit.serve.workers import Workers

logging.basicConfig(level=logging.WARNING, format="%(message)s")
listener = TcpListener.bind("127.0.0.1:0")
counts = Echoed()
stop, asked = Event(), Event()

def answer(stream) -> Flow[None]:
    yield from stream.write_all_flow(b"%d\\n" % os.getpid())
    yield from echo_stream(stream, counts=counts)

workers = Workers(
    2,
    lambda stop: serve(listener, answer, stop=stop, drain=5.0),
    lambda: {"connections": counts.messages, "bytes": counts.bytes},
)

def asking() -> Flow[None]:
    while True:
        yield from asked.wait()
        asked.clear()
        yield from workers.ask()
        print("counts", sorted(workers.counts().items()), workers.restarts, flush=True)

signal.signal(signal.SIGTERM, lambda *_: stop.set())
signal.signal(signal.SIGUSR1, lambda *_: asked.set())
print(listener.local_addr.port, flush=True)
run(beside(workers.supervise(stop), asking()))
print("ended", sorted(workers.counts().items()), workers.failed, flush=True)
"""


@contextmanager
def running(program: str = PROGRAM) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def worker_of(addr: str) -> int:
    """The worker that answers, after an echo."""
    with TcpStream.connect(addr, timeout=10) as stream:
        pid = int(stream.read_until(b"\n", timeout=10))
        stream.write_all(b"four")
        assert stream.read_exactly(4, timeout=10) == b"four"
    return pid


def test_counts_are_added_up() -> None:
    with running() as (process, addr):
        for _ in range(6):
            assert worker_of(addr) != process.pid
        process.send_signal(signal.SIGUSR1)
        assert line(process) == "counts [('bytes', 24), ('connections', 6)] 0"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "ended [('bytes', 24), ('connections', 6)] 0"
        assert process.wait(20) == 0


def test_a_worker_that_dies_is_replaced() -> None:
    with running() as (process, addr):
        killed = worker_of(addr)
        os.kill(killed, signal.SIGKILL)
        assert process.stderr is not None
        assert "starting another" in process.stderr.readline()
        assert worker_of(addr) != killed
        process.send_signal(signal.SIGTERM)
        assert line(process).startswith("ended")
        assert process.wait(20) == 0


def test_a_worker_that_fails_ends_all() -> None:
    """Another would meet the same; and a server whose workers end one after the other looks alive."""
    program = PROGRAM.replace(
        "listener.local_addr.port, flush", "listener.local_addr.port, workers.pids, flush"
    )
    program = program.replace(
        "def answer(stream)",
        "def answer(stream):\n    failing.set()\n    yield from Event().wait()\n\ndef other(stream)",
    )
    program = program.replace(
        "    lambda stop: serve(",
        "    lambda stop: beside(failed(), serve(",
    ).replace("drain=5.0),", "drain=5.0)),")
    program = program.replace(
        "workers = Workers(",
        "failing = Event()\ndef failed():\n    yield from failing.wait()\n"
        "    raise ValueError('of its own')\n\nworkers = Workers(",
    )
    with running(program) as (process, addr):
        with TcpStream.connect(addr.split()[0], timeout=10) as stream, suppress(ConnectionError):
            stream.read(timeout=20)
        assert process.wait(20) == 1
        assert process.stderr is not None
        last = process.stderr.read()
        assert re.search(r"ChildProcessError: .*worker \d+ ended with ValueError: of its own", last)
        assert "in failed" in last, "its own traceback"


def test_the_others_go_on_when_one_is_replaced() -> None:
    """A fork has its siblings' links to the parent too, and must not end them by giving them back."""
    program = PROGRAM.replace("    2,\n", "    4,\n").replace(
        "sorted(workers.counts().items())", "workers.pids"
    )
    with running(program) as (process, _):
        process.send_signal(signal.SIGUSR1)
        before = line(process)
        pids = json.loads(before.removeprefix("counts ").rpartition(" ")[0])
        assert len(pids) == 4
        os.kill(pids[0], signal.SIGKILL)
        assert process.stderr is not None
        assert "starting another" in process.stderr.readline()
        while True:  # until the fourth is there again
            process.send_signal(signal.SIGUSR1)
            now, _, restarts = line(process).removeprefix("counts ").rpartition(" ")
            if len(json.loads(now)) == 4:
                break
        assert restarts == "1"
        assert set(pids[1:]) < set(json.loads(now))
        process.send_signal(signal.SIGTERM)
        assert line(process).startswith("ended")
        assert process.wait(20) == 0


def test_a_worker_whose_parent_was_killed_ends() -> None:
    with running() as (process, addr):
        with TcpStream.connect(addr, timeout=10) as stream:
            stream.read_until(b"\n", timeout=10)
            process.kill()
            process.wait()
            assert stream.read(timeout=20) == b"", "ended in order"
        # Its standard output is closed when the last of them has gone.
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_ctrl_c_is_the_parents() -> None:
    with running() as (process, addr):
        worker = worker_of(addr)
        os.kill(worker, signal.SIGINT)
        assert worker_of(addr) != process.pid
        os.kill(worker, 0)  # alive
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert process.stdout is not None
        assert process.stdout.read() == "", "the workers have gone too"


def output_of(program: str) -> str:
    """What a program prints that ends well."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=process_environment(),
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HASTY = """
import signal
from netkit.io import Event, Flow, PAUSE, beside, run
from netkit.serve.workers import Workers

stop = Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
for _ in range(40):
    stop.clear()
    workers = Workers(2, lambda stop: stop.wait(), dict)

    def stopping() -> Flow[None]:
        while len(workers.pids) < 2:
            yield PAUSE
        stop.set()

    run(beside(workers.supervise(stop), stopping()))
    assert not workers.failed
print("ended")
"""


def test_a_worker_that_has_only_begun_hears_that_it_is_to_stop() -> None:
    """The signal comes while it still has its parent's handlers, which would swallow it."""
    assert output_of(HASTY) == "ended\n"


@pytest.mark.parametrize(
    ("most", "workers", "shares"), [(4, 2, [2, 2]), (5, 2, [3, 2]), (3, 3, [1, 1, 1]), (10, 4, [3, 3, 2, 2])]
)
def test_shares_are_all_together(most: int, workers: int, shares: list[int]) -> None:
    assert [share(most, place, workers) for place in range(workers)] == shares


def test_each_begins_with_its_place() -> None:
    program = """
from netkit.io import Event, Flow, beside, run
from netkit.serve.workers import Workers

places = []
stop = Event()
workers = Workers(3, lambda stop: stop.wait(), lambda: {"places": 10 ** places[0]}, places.append)

def asking() -> Flow[None]:
    while workers.counts().get("places") != 111:
        yield from workers.ask()
    stop.set()

run(beside(workers.supervise(stop), asking()))
print(workers.counts(), places)
"""
    assert output_of(program) == "{'places': 111} []\n"
