"""Receiving datagrams that have arrived together: `UdpSocket`, which drains its socket, beside the others.

Bursts of small datagrams are put into the socket's buffer, and only taking them out is timed: with
`recv_from` draining and with a drain of one (what a receive without draining costs), with asyncio's and
uvloop's DatagramProtocol, and with `loop.sock_recvfrom` under a timeout, in alternating rounds. The
unit is draining `recv_from_async` under the same loop.

    python benchmarks/udp_receive.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import uvloop

from netkit.net import UdpSocket, udp

ROUNDS = 7
BURSTS = 60
BURST = 100  # with its bookkeeping, well below the smallest receive buffer
PAYLOAD = bytes(64)

SENDER = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


class Subject(NamedTuple):
    """What is measured: the seconds that all bursts took, and the subject it is compared with."""

    name: str
    measure: Callable[[], float]
    unit: str


def burst(sockaddr: tuple[Any, ...]) -> None:
    for _ in range(BURST):
        SENDER.sendto(PAYLOAD, sockaddr)


def drained(size: int) -> UdpSocket:
    udp.DRAIN_DATAGRAMS = size
    return UdpSocket.bind("127.0.0.1:0")


def blocking(size: int) -> float:
    taken = 0.0
    with drained(size) as sock:
        for _ in range(BURSTS):
            burst(sock.local_addr.to_sockaddr())
            begun = perf_counter()
            for _ in range(BURST):
                sock.recv_from(timeout=5)
            taken += perf_counter() - begun
    return taken


async def flow(size: int) -> float:
    taken = 0.0
    with drained(size) as sock:
        for _ in range(BURSTS):
            burst(sock.local_addr.to_sockaddr())
            begun = perf_counter()
            for _ in range(BURST):
                await sock.recv_from_async(timeout=5)
            taken += perf_counter() - begun
    return taken


class Counting(asyncio.DatagramProtocol):
    """Ends `done` when a burst has been received."""

    def __init__(self) -> None:
        self.received = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        self.received += 1
        if self.received % BURST == 0:
            self.done.set_result(None)


async def protocol() -> float:
    loop = asyncio.get_running_loop()
    transport, counting = await loop.create_datagram_endpoint(Counting, local_addr=("127.0.0.1", 0))
    taken = 0.0
    for _ in range(BURSTS):
        burst(transport.get_extra_info("sockname"))
        begun = perf_counter()
        await counting.done
        taken += perf_counter() - begun
        counting.done = loop.create_future()
    transport.close()
    return taken


async def sock_recvfrom() -> float:
    loop = asyncio.get_running_loop()
    taken = 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        for _ in range(BURSTS):
            burst(sock.getsockname())
            begun = perf_counter()
            for _ in range(BURST):
                async with asyncio.timeout(5):
                    await loop.sock_recvfrom(sock, udp.MAX_DATAGRAM)
            taken += perf_counter() - begun
    return taken


def subjects() -> list[Subject]:
    drain = udp.DRAIN_DATAGRAMS
    found = [
        Subject("blocking, draining", lambda: blocking(drain), "blocking, draining"),
        Subject("blocking, one at a time", lambda: blocking(1), "blocking, draining"),
    ]
    for name, runner in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
        run: Callable[[Coroutine[Any, Any, float]], float] = runner
        unit = f"{name}, draining"
        found += [
            Subject(unit, lambda run=run: run(flow(drain)), unit),  # type: ignore[misc]
            Subject(f"{name}, one at a time", lambda run=run: run(flow(1)), unit),  # type: ignore[misc]
            Subject(f"{name}, DatagramProtocol", lambda run=run: run(protocol()), unit),  # type: ignore[misc]
        ]
    found.append(  # uvloop has none
        Subject("asyncio, sock_recvfrom", lambda: asyncio.run(sock_recvfrom()), "asyncio, draining")
    )
    return found


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    measured = subjects()
    rates: dict[str, list[float]] = {subject.name: [] for subject in measured}
    for _ in range(rounds):
        for subject in measured:
            rates[subject.name].append(BURSTS * BURST / subject.measure())
    print(f"datagrams of {len(PAYLOAD)} bytes, bursts of {BURST}: medians of {rounds} alternating rounds")
    for subject in measured:
        rate = median(rates[subject.name])
        print(f"{subject.name:<28} {rate / 1000:7.0f}k/s {rate / median(rates[subject.unit]):6.2f} x")


if __name__ == "__main__":
    main()
