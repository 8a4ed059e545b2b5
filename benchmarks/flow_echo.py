"""A `TcpStream` under asyncio, a timeout on every read, beside asyncio's own ways to read from a socket.

An echo server of each kind, 32 connections of 64-byte messages from the client of `benchmarks/echo.py`, one
core for the server. The aims: ahead of asyncio's streams with `asyncio.timeout` around each read, and twice
`loop.sock_recv` and `sock_sendall`, which have no timeout at all.

    python benchmarks/flow_echo.py [ROUNDS]
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from statistics import median

from echo import Subject, compile_load, measure, running

ROUNDS = 5

STREAMS = """
import asyncio
async def serve(reader, writer):
    while True:
        async with asyncio.timeout(30):
            data = await reader.read(65536)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
"""

SOCK = """
import asyncio, socket
async def serve(loop, sock):
    while data := await loop.sock_recv(sock, 65536):
        await loop.sock_sendall(sock, data)
    sock.close()
async def main():
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    tasks = set()
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tasks.add(asyncio.create_task(serve(loop, sock)))
"""

NETKIT = """
import asyncio
from netkit.net import TcpListener
async def serve(stream):
    while data := await stream.read_async(timeout=30):
        await stream.write_all_async(data, timeout=30)
    stream.close()
async def main():
    listener = await TcpListener.bind_async("127.0.0.1:0")
    print(listener.local_addr.port, flush=True)
    tasks = set()
    async for stream in listener.incoming_async():
        tasks.add(asyncio.create_task(serve(stream)))
"""


def command(program: str, _port: int) -> list[str]:
    """How a server is started."""
    return [sys.executable, "-c", program]


WAYS = {"asyncio streams, timeout": STREAMS, "loop.sock_*, no timeout": SOCK, "netkit, timeouts": NETKIT}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    loops = {"asyncio": "asyncio.run(main())"}
    if find_spec("uvloop"):
        loops["uvloop"] = "import uvloop; uvloop.run(main())"
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        load = compile_load(folder)
        for _ in range(rounds):
            for loop, start in loops.items():
                for way, program in WAYS.items():
                    subject = Subject(way, partial(command, program + start))
                    with running(subject) as port:
                        rates.setdefault((loop, way), []).append(measure(load, port, 64))
    print(f"echo of 64 bytes, messages a second, medians of {rounds} alternating rounds")
    for loop in loops:
        unit = median(rates[loop, "netkit, timeouts"])
        for way in WAYS:
            rate = median(rates[loop, way])
            print(f"{loop:<10}{way:<28}{rate:>10,.0f}   netkit is {unit / rate:4.2f} x")


if __name__ == "__main__":
    main()
