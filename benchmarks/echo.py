"""`netkit serve echo` beside socat and Protocols of asyncio and uvloop: 64 connections, two sizes of message.

Every server has one core, the client (`load.c`, compiled here) another, where there are two; all are measured
in every round, one after the other, so that what slows the machine slows them all. The unit is asyncio's
Protocol; the aim is to be at least level with it, and with uvloop's.

    python benchmarks/echo.py [ROUNDS]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROUNDS = 5
CONNECTIONS = 64
SECONDS = 1.0
SIZES = {"64 bytes": 64, "64 KiB": 65536}

PROTOCOL = """
import asyncio
class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
"""

EPOLL = """
import select, socket
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
listener.setblocking(False)
print(listener.getsockname()[1], flush=True)
poller = select.epoll()
poller.register(listener, select.EPOLLIN)
connections = {}
while True:
    for fd, events in poller.poll():
        if fd == listener.fileno():
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections[sock.fileno()] = sock
            poller.register(sock, select.EPOLLIN)
        else:
            data = connections[fd].recv(65536)
            if data:
                connections[fd].sendall(data)
            else:
                poller.unregister(fd)
                connections.pop(fd).close()
"""


class Subject(NamedTuple):
    """A server: how it is started, and the port in the first line that it prints (None: `port` is it)."""

    name: str
    command: Callable[[int], list[str]]
    prints_port: bool = True


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        load = compile_load(folder)
        subjects = list(servers())
        rates: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for subject in subjects:
                for label, size in SIZES.items():
                    with running(subject) as port:
                        rates.setdefault((subject.name, label), []).append(measure(load, port, size))
    print(
        f"echo: {CONNECTIONS} connections, messages a second, medians of {rounds} alternating rounds, "
        f"one core for the server, Python {sys.version.split()[0]}"
    )
    print(f"{'':<22}" + "".join(f"{label:>12}{'':>8}" for label in SIZES))
    for subject in subjects:
        line = f"{subject.name:<22}"
        for label in SIZES:
            rate = median(rates[subject.name, label])
            line += f"{rate:>12,.0f} {rate / median(rates['asyncio Protocol', label]):5.2f} x"
        print(line)


def servers() -> Iterator[Subject]:
    """What is measured."""
    python = sys.executable
    yield Subject("asyncio Protocol", lambda _: [python, "-c", PROTOCOL + "asyncio.run(main())"])
    if find_spec("uvloop"):
        program = "import uvloop\n" + PROTOCOL + "uvloop.run(main())"
        yield Subject("uvloop Protocol", lambda _: [python, "-c", program])
    yield Subject("bare epoll loop", lambda _: [python, "-c", EPOLL])
    if socat := shutil.which("socat"):
        yield Subject(
            "socat (fork)",
            lambda port: [socat, f"TCP-LISTEN:{port},fork,reuseaddr,backlog=256", "PIPE"],
            prints_port=False,
        )
    yield Subject(
        "netkit serve echo",
        lambda _: [python, "-m", "netkit", "serve", "echo", "--tcp", "--short", "127.0.0.1:0"],
    )
    yield Subject(
        "netkit, a flow each",
        lambda _: [python, "-c", FLOWS],
    )


FLOWS = """
from functools import partial
from netkit.io import Event, run
from netkit.net import TcpListener
from netkit.lab.echo import Echoed, echo_stream
from netkit.serve.connections import serve
listener = TcpListener.bind("127.0.0.1:0")
print(listener.local_addr.port, flush=True)
run(serve(listener, partial(echo_stream, counts=Echoed()), stop=Event()))
"""


def compile_load(folder: str) -> str:
    """The client, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        sys.exit("benchmarks/echo.py: a C compiler is needed for its client (load.c)")
    made = str(Path(folder, "load"))
    subprocess.run([compiler, "-O2", "-o", made, str(Path(__file__).with_name("load.c"))], check=True)
    return made


@contextmanager
def running(subject: Subject) -> Iterator[int]:
    """The server on the first core, and its port."""
    port = free_port()
    with subprocess.Popen(
        subject.command(port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            on_core(process.pid, 0)
            if subject.prints_port:
                assert process.stdout is not None
                port = int(process.stdout.readline().strip().rpartition(":")[2])
            else:
                wait_for(port)
            yield port
        finally:
            process.kill()


def measure(load: str, port: int, size: int) -> float:
    """Messages a second."""
    with subprocess.Popen(
        [load, str(port), str(CONNECTIONS), str(size), str(SECONDS)], stdout=subprocess.PIPE, text=True
    ) as client:
        on_core(client.pid, 1)
        out, _ = client.communicate(timeout=60)
    if client.returncode:
        sys.exit("benchmarks/echo.py: the client failed")
    return float(out)


def on_core(pid: int, index: int) -> None:
    """Keep a process on one of this machine's cores."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[index % len(cores)]})


def free_port() -> int:
    """A port that is free now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def wait_for(port: int) -> None:
    """Until something listens there."""
    import socket
    from time import monotonic, sleep

    until = monotonic() + 10
    while monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            sleep(0.02)
    sys.exit(f"benchmarks/echo.py: nothing listens on port {port}")


if __name__ == "__main__":
    main()
