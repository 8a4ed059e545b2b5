"""Responses that take their time, in whole or in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.inspector.call import OCTETS
from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.inspector.facts import facts_with_body_flow

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Time")

#: The shortest pause between two pieces, in seconds: what would be shorter is sent in larger pieces.
SHORTEST_PAUSE = 0.005
#: The most octets of a /drip.
MAX_DRIP = 10 << 20
#: In pieces of this many octets, a body without an end.
PIECE = 65_536


@GROUP.add(
    "/delay/{seconds}",
    "answers after so many seconds",
    methods=ANY_METHOD,
    finds="a limit of time that is missing, or of another phase",
    examples=("/delay/0.1",),
)
def delay(call: Call) -> Flow[None]:
    seconds = call.seconds("seconds", 0)
    shown = yield from facts_with_body_flow(call, "url", "args", "form", "data", "origin", "headers", "files")
    yield from call.wait_flow(seconds)
    yield from call.json_flow(shown)


@GROUP.add(
    "/drip",
    "the head after `delay` seconds, then `numbytes` octets spread over `duration`, with the status `code`",
    finds="a limit for the whole response that a slow body passes, or that a body which goes on does not",
    arguments={
        "numbytes": "10 without it",
        "duration": "seconds; 2 without it",
        "delay": "seconds; 0 without it",
        "code": "200 without it",
    },
    examples=("/drip?numbytes=5&duration=0.1",),
)
def drip(call: Call) -> Flow[None]:
    duration = call.seconds("duration", 2)
    size = call.number("numbytes", 10, MAX_DRIP)
    code = call.number("code", 200, 999, least=200)
    if size <= 0:
        yield from call.reply_flow(400, "number of bytes must be positive")
        return
    yield from call.wait_flow(call.seconds("delay", 0))
    call.begin(code, OCTETS, length=size)
    yield from call.exchange.flush_flow()
    pause = duration / size
    piece = (
        1
        if pause >= SHORTEST_PAUSE
        else min(size, PIECE, max(1, int(size * SHORTEST_PAUSE / (duration or SHORTEST_PAUSE))))
    )
    for at in range(0, size, piece):
        yield from call.send_flow(b"*" * min(piece, size - at))
        yield from call.wait_flow(pause * piece)
    yield from call.exchange.end_flow()


@GROUP.add(
    "/endless",
    "a body without an end; the server gives up after the limit of its settings, in the middle",
    finds="a client that has no limit for a body",
    arguments={"pause": "seconds between two pieces of 64 KiB; 0 without it"},
)
def endless(call: Call) -> Flow[None]:
    pause = call.seconds("pause", 0)
    call.begin(200, OCTETS)
    piece = b"endless " * (PIECE // 8)
    for _ in range(0, call.config.max_endless, PIECE):
        yield from call.send_flow(piece)
        if pause:
            yield from call.wait_flow(pause)
    call.exchange.abort()
