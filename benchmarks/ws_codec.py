"""WebSocket without sockets: netkit's protocol object beside those of websockets, wsproto and aiohttp.

What is measured is a message received (octets in, `str` or `bytes` out, control frames and UTF-8 checked)
and one sent (octets to send out), on a server, whose frames come masked and go unmasked, and on a client,
where it is the other way round. Messages above 256 KiB come in pieces of that size, as a socket gives them;
"32 x 64" are 32 messages of 64 octets in one buffer. websockets masks with its extension in C, and is given
the decoding of text that its connections do; aiohttp has a reader in Cython, which is measured alone, since
its writer needs a transport.

Every round measures all of them, one after another, so that what slows the machine slows them all; the
figures are medians of rounds in messages for a second of processor time, the ratios medians of the ratios in
each round.

    python benchmarks/ws_codec.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from statistics import median
from time import process_time
from timeit import Timer
from typing import Any, NamedTuple, cast

from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from websockets.protocol import CLIENT, SERVER, Protocol
from websockets.speedups import apply_mask as their_mask
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from netkit import _twins
from netkit.websocket import WebSocketProtocol, apply_mask, build_frame, random_mask_key

ROUNDS = 7
#: How long one measurement takes, about.
SECONDS = 0.02
#: What one read of a socket gives at most.
PIECE = 1 << 18

SIZES = {"64 B": 64, "32 x 64 B": 64, "1 KiB": 1 << 10, "64 KiB": 1 << 16, "1 MiB": 1 << 20}

Message = str | bytes
Receive = Callable[[list[bytes], int], object]
Send = Callable[[Message], object]


class Subject(NamedTuple):
    name: str
    receive: Receive
    send: Send | None


def netkit(is_client: bool) -> Subject:
    def protocol() -> WebSocketProtocol:
        return WebSocketProtocol.client(random_mask_key) if is_client else WebSocketProtocol.server()

    receiver, sender = protocol(), protocol()

    def receive(chunks: list[bytes], _count: int) -> object:
        found: object = None
        for chunk in chunks:
            for _, payload in receiver.feed(chunk):
                found = payload
        return found

    def send(message: Message) -> object:
        sender.send(message)
        return sender.take_parts()

    return Subject("netkit", receive, send)


def websockets(is_client: bool) -> Subject:
    side = CLIENT if is_client else SERVER
    receiver, sender = Protocol(side, max_size=1 << 24), Protocol(side, max_size=1 << 24)

    def receive(chunks: list[bytes], _count: int) -> object:
        found: object = None
        for chunk in chunks:
            receiver.receive_data(chunk)
            for event in receiver.events_received():
                found = event.data.decode() if event.opcode == 1 else event.data  # type: ignore[union-attr]
        return found

    def send(message: Message) -> object:
        if isinstance(message, str):
            sender.send_text(message.encode())
        else:
            sender.send_binary(message)
        return sender.data_to_send()

    return Subject("websockets", receive, send)


def wsproto(is_client: bool) -> Subject:
    kind = ConnectionType.CLIENT if is_client else ConnectionType.SERVER
    receiver, sender = Connection(kind), Connection(kind)

    def receive(chunks: list[bytes], _count: int) -> object:
        parts: list[Any] = []
        found: object = None
        for chunk in chunks:
            receiver.receive_data(chunk)
            for event in receiver.events():
                assert isinstance(event, TextMessage | BytesMessage)
                parts.append(event.data)
                if event.message_finished:
                    found = parts[0] if len(parts) == 1 else type(parts[0])().join(parts)
                    parts = []
        return found

    def send(message: Message) -> object:
        if isinstance(message, str):
            return sender.send(TextMessage(data=message))
        return sender.send(BytesMessage(data=message))

    return Subject("wsproto", receive, send)


class Transportless:
    """What aiohttp's queue asks of a connection."""

    _reading_paused = False

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


LOOP = asyncio.new_event_loop()


def aiohttp(_is_client: bool) -> Subject:
    queue = WebSocketDataQueue(cast(Any, Transportless()), 1 << 24, loop=LOOP)
    reader = WebSocketReader(queue, 1 << 24, compress=False, decode_text=True)

    def receive(chunks: list[bytes], count: int) -> object:
        found: object = None
        for chunk in chunks:
            reader.feed_data(chunk)
        for _ in range(count):
            try:
                queue.read().send(None)  # a coroutine that need not wait ends at once
            except StopIteration as done:
                found = done.value.data
        return found

    return Subject("aiohttp", receive, None)


SUBJECTS = [netkit, websockets, wsproto, aiohttp]


def rate(times: list[float], count: int) -> str:
    return f"{count / median(times):12,.0f}"


def compare(title: str, calls: Mapping[str, Callable[[], object]], count: int, rounds: int) -> None:
    """Measure each call in alternating rounds: messages a second, and how netkit compares."""
    timers = {name: Timer(call, timer=process_time) for name, call in calls.items()}
    numbers = {name: max(1, int(SECONDS / (timer.timeit(3) / 3))) for name, timer in timers.items()}
    times: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer.timeit(numbers[name]) / numbers[name])
    line = f"{title:<34}{rate(times['netkit'], count)}"
    for name in ("websockets", "wsproto", "aiohttp"):
        if name in times:
            ratio = median(b / a for a, b in zip(times["netkit"], times[name], strict=True))
            line += f"{rate(times[name], count)} {ratio:6.1f}x"
        else:
            line += " " * 20
    print(line)


def masking(rounds: int) -> None:
    print("\nmasking, in calls a second                  netkit  websockets' C")
    for size in (64, 1 << 10, 1 << 16, 1 << 20):
        data, key = Random(1).randbytes(size), b"\x37\xfa\x21\x3d"
        ours, theirs = (
            Timer(partial(apply_mask, data, key), timer=process_time),
            Timer(partial(their_mask, data, key), timer=process_time),
        )
        number = max(1, int(SECONDS / (ours.timeit(10) / 10)))
        times = [(ours.timeit(number), theirs.timeit(number)) for _ in range(rounds)]
        ratio = median(b / a for a, b in times)
        print(
            f"  {size:>9} octets {number / median(a for a, _ in times):24,.0f}"
            f"{number / median(b for _, b in times):15,.0f} {ratio:6.2f}x"
        )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(f"WebSocket codecs, messages a second of CPU: medians of {rounds} alternating rounds.")
    print(f"netkit's twins are in {_twins.implementation}; Python {sys.version.split()[0]}.")
    print("A ratio is netkit's rate by that of the peer.\n")
    print(f"{'':<34}{'netkit':>12}{'websockets':>12}{'':8}{'wsproto':>12}{'':8}{'aiohttp':>12}")
    for is_client in (False, True):
        subjects = [make(is_client) for make in SUBJECTS]
        role = "client" if is_client else "server"
        for name, size in SIZES.items():
            count = 32 if name.startswith("32") else 1
            text, octets = "".join(Random(1).choices("abcdefgh ", k=size)), Random(1).randbytes(size)
            for kind, message in (("text", text), ("binary", octets)):
                first = 0x81 if kind == "text" else 0x82
                stream = build_frame(first, message, None if is_client else random_mask_key()) * count
                chunks = [stream[at : at + PIECE] for at in range(0, len(stream), PIECE)]
                for subject in subjects:
                    assert subject.receive(chunks, count) == message, subject.name
                calls = {each.name: partial(each.receive, chunks, count) for each in subjects}
                compare(f"{role} receives {name} {kind}", calls, count, rounds)
                if count == 1:
                    sends = {each.name: partial(each.send, message) for each in subjects if each.send}
                    compare(f"{role} sends {name} {kind}", sends, 1, rounds)
    masking(rounds)


if __name__ == "__main__":
    main()
