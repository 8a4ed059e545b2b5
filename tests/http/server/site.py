"""A server in a process of its own, whose memory and descriptors can be looked at.

    python -m tests.http.server.site '{"max_body": null}'

It says where it listens on a line, and serves until its input ends.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.server import HttpServer
from netkit.io import Flow
from netkit.net import TcpListener
from netkit.serve.stop import Stop
from tests.http.server.serving import Client, Flows, connected
from tests.waiting import until

ROOT = Path(__file__).parents[3]

#: More than any client takes.
LARGE = 1 << 28


def answer(exchange: Exchange) -> Flow[None]:
    """`/large` is a large response, `/read` reads the body, `/trailers` has some; all else is a short one."""
    target = exchange.head.target.partition(b"?")[0]
    if target == b"/large":
        exchange.begin(200, length=LARGE)
        piece = bytes(65536)
        for _ in range(LARGE // len(piece)):
            yield from exchange.send_flow(piece)
        yield from exchange.end_flow()
    elif target == b"/trailers":
        exchange.begin(200, [(b"x-method", exchange.head.method)])
        yield from exchange.send_flow(b"chunk")
        yield from exchange.end_flow([(b"x-end", b"1")])
    else:
        size = 0
        if target != b"/unread":
            while piece := (yield from exchange.read_flow()):
                size += len(piece)
        body = b"%d\n" % size
        exchange.begin(200, [(b"x-method", exchange.head.method)], length=len(body))
        yield from exchange.send_flow(body, end=True)


class Site:
    """The process, and how to talk to it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline().rpartition(b":")[2])

    def client(self, *, receive_buffer: int | None = None) -> Client:
        return Client(connected(("127.0.0.1", self.port), receive_buffer))

    @property
    def memory(self) -> int:
        """What it has in memory, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def until_closed(self, descriptors: int) -> None:
        """Until it has no more descriptors than that."""
        until(lambda: self.descriptors <= descriptors, f"{descriptors} descriptors instead of many")


@contextmanager
def started(**settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which must still be there at the end."""
    argv = [sys.executable, "-m", "tests.http.server.site", json.dumps(settings)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            yield process
            assert process.poll() is None, "the server has ended"
        finally:
            process.kill()


@contextmanager
def site(**settings: Any) -> Iterator[Site]:
    with started(**settings) as process:
        yield Site(process)


def main() -> None:
    stop = Stop()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def wait_for_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    config = ServerConfig().replace(**json.loads(sys.argv[1]))
    listener = TcpListener.bind("127.0.0.1:0")
    print(f"tcp {listener.local_addr}", flush=True)
    HttpServer(Flows(answer), config).run([listener], stop=stop)


if __name__ == "__main__":
    main()
