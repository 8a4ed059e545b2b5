"""`netkit serve echo` under load: idle connections beside busy ones, the end in the middle, a successor.

NETKIT_LOAD_SECONDS says how long the first takes: two, unless `make load` asks for ten minutes.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from netkit.net import TcpStream
from tests.cli.helpers import netkit_argv, process_environment
from tests.load.client import Load, allow_descriptors
from tests.waiting import when

SECONDS = float(os.environ.get("NETKIT_LOAD_SECONDS", "2"))

IDLE = 2000
BUSY = 64

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc"),
]


class Server:
    """A `netkit serve echo` process, and where it listens."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(
            netkit_argv("serve", "echo", "--plain", *args),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=process_environment(),
        )
        assert self.process.stdout is not None
        host, _, port = self.process.stdout.readline().split()[-1].rpartition(":")
        self.addr = (host, int(port))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> int:
        """What it has in memory, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))

    def end(self) -> str:
        """SIGTERM; what it says in the end. It must end in 0."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> str:
        _, said = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, said
        return said


@contextmanager
def serving(*args: str) -> Iterator[Server]:
    server = Server(*args)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def test_idle_connections_beside_busy_ones() -> None:
    allow_descriptors(IDLE + BUSY + 200)
    with serving("--tcp") as server, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(server.addr, timeout=20)) for _ in range(IDLE)]
        load = stack.enter_context(closing(Load(server.addr, BUSY)))
        load.run(min(5.0, SECONDS / 4))  # until everything has the size that it keeps
        descriptors, memory = server.descriptors(), server.memory()
        load.run(SECONDS)
        assert server.descriptors() == descriptors
        assert server.memory() <= memory * 1.05 + 1024, "KiB more than when the load began"
        assert load.echoed > 0
        for index, sock in enumerate(idle):
            sock.sendall(b"%d" % index)
            assert sock.recv(10) == b"%d" % index, "and the idle ones are alive"
        load.settle()
        server.process.send_signal(signal.SIGTERM)
        load.finish()
        assert "0 failed, 0 cut off" in server.ended()


@pytest.mark.parametrize("extra", [(), ("--workers", "2"), ("--delay", "1ms")])
def test_the_end_in_the_middle_of_load(extra: tuple[str, ...]) -> None:
    with serving("--tcp", *extra) as server, closing(Load(server.addr, BUSY)) as load:
        load.run(1.0)
        load.settle()
        server.process.send_signal(signal.SIGTERM)
        load.finish()
        for connection in load.connections.values():
            assert connection.received == connection.sent
        assert "0 failed, 0 cut off" in server.ended()


def test_the_end_while_everybody_goes_on_sending() -> None:
    """A connection that goes on is served for `--drain` seconds, then cut off; the summary says how many.

    What came back until then is what was sent: the client compares every byte.
    """
    with serving("--tcp", "--drain", "1") as server, closing(Load(server.addr, BUSY)) as load:
        load.run(0.5)
        before = load.echoed
        with (
            when(lambda: load.echoed > before, lambda: server.process.send_signal(signal.SIGTERM)),
            pytest.raises((AssertionError, ConnectionError), match=r"ended a connection|refused|reset"),
        ):
            load.run(30)
        load.close()  # those that the server has not closed yet
        cut_off = re.search(r"(\d+) cut off", server.ended())
        assert cut_off is not None
        assert 0 < int(cut_off[1]) <= BUSY


def test_connections_in_the_backlog_at_the_end() -> None:
    with serving("--tcp", "--max-conns", "1") as server:
        first = TcpStream.connect(server.addr, timeout=5)
        first.write_all(b"first")
        assert first.read_exactly(5, timeout=5) == b"first"
        waiting = [TcpStream.connect(server.addr, timeout=5) for _ in range(20)]
        for stream in waiting:
            stream.write_all(b"waiting")
        server.process.send_signal(signal.SIGTERM)
        assert first.read(timeout=10) == b""
        first.close()
        for stream in waiting:
            assert b"".join(stream) == b"waiting"
            stream.close()
        server.ended()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_successor_under_load(workers: str, tmp_path: Path) -> None:
    """Nobody is refused, and nobody is reset; what came back is what was sent."""
    control = str(tmp_path / "control")
    with (
        serving("--tcp", "--control", control, "--workers", workers) as first,
        closing(Load(first.addr, BUSY)) as load,
        ExitStack() as stack,
    ):
        load.run(0.5, replace=True)
        server = first
        for _ in range(3):
            successors: list[Server] = []
            starting = threading.Thread(
                target=lambda made=successors: made.append(
                    Server("--tcp", "--control", control, "--upgrade", "--workers", workers)
                )
            )
            starting.start()
            while starting.is_alive() or server.process.poll() is None:
                load.run(0.1, replace=True)
            starting.join()
            assert "0 failed, 0 cut off" in server.ended()
            (successor,) = successors
            stack.callback(successor.process.kill)
            assert successor.addr == first.addr
            server = successor
        load.run(0.5, replace=True)
        assert load.ended == 0, "the old servers served on until their clients had ended"
        load.settle()
        server.process.send_signal(signal.SIGTERM)
        load.finish()
        server.ended()
    assert not os.path.exists(control), "the last one has removed the control socket"
