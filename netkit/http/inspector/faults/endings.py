"""Connections that end too early, or with a reset; heads and bodies that come slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.inspector.faults.raw import OK, Ending, raw_flow

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Endings")

_BODY = b"0123456789" * 2
_HEAD = OK + b"Content-Length: 20\r\n\r\n"

#: How far a response comes before the end, and its octets so far.
_PLACES = {
    "request": b"",
    "head": OK + b"Content-",
    "body": _HEAD,
    "half": _HEAD + _BODY[:10],
    "end": _HEAD + _BODY,
}

_AFTER = {"after": "how far: `request` (no octet), `head` (within it), `body` (before it), `half`, `end`"}


def _place(call: Call) -> bytes:
    octets = _PLACES.get(call.argument("after", "half"))
    if octets is None:
        raise HttpError.InvalidValue("after", "none of " + ", ".join(_PLACES))
    return octets


@GROUP.add(
    "/close",
    "closes the connection that early",
    methods=ANY_METHOD,
    finds="a body cut off that is taken for whole; a request repeated that must not be",
    arguments=_AFTER,
    examples=tuple(f"/close?after={place}" for place in _PLACES),
    is_raw=True,
)
def close(call: Call) -> Flow[None]:
    yield from raw_flow(call, [_place(call)])


@GROUP.add(
    "/reset",
    "resets the connection that early (RST)",
    methods=ANY_METHOD,
    finds="an error of the connection that is not said, or that breaks the program",
    arguments=_AFTER,
    examples=tuple(f"/reset?after={place}" for place in ("request", "head", "half")),
    is_raw=True,
)
def reset(call: Call) -> Flow[None]:
    yield from raw_flow(call, [_place(call)], Ending.RESET)


@GROUP.add(
    "/slow-head",
    "a head whose octets come one by one, spread over `seconds`",
    finds="a limit of time that begins anew with each octet",
    arguments={"seconds": "1 without it"},
    examples=("/slow-head?seconds=0.1",),
    is_raw=True,
)
def slow_head(call: Call) -> Flow[None]:
    octets = OK + b"Content-Length: 2\r\n\r\n"
    pause = call.seconds("seconds", 1) / len(octets)
    yield from raw_flow(call, [*(bytes([each]) for each in octets), b"OK"], pause=pause)


@GROUP.add(
    "/slow-body",
    "a body whose octets come one by one, spread over `seconds`",
    finds="a limit of time that begins anew with each octet",
    arguments={"seconds": "1 without it", "size": "octets; 10 without it"},
    examples=("/slow-body?seconds=0.1",),
)
def slow_body(call: Call) -> Flow[None]:
    size = max(1, call.size(10))
    pause = call.seconds("seconds", 1) / size
    call.begin(200, "text/plain", length=size)
    yield from call.exchange.flush_flow()
    for _ in range(size):
        yield from call.wait_flow(pause)
        yield from call.send_flow(b"*")
    yield from call.exchange.end_flow()


@GROUP.add(
    "/silence",
    "no octet for `seconds`, then the end of the connection",
    finds="a limit of time that is missing",
    arguments={"seconds": "1 without it"},
    examples=("/silence?seconds=0.1",),
    is_raw=True,
)
def silence(call: Call) -> Flow[None]:
    yield from call.body_flow()
    yield from call.wait_flow(call.seconds("seconds", 1))
    yield from raw_flow(call, [b""])


@GROUP.add(
    "/stall",
    "a head and half of a body, then no octet for `seconds`, then the rest",
    finds="a limit for the wait for a body that is missing",
    arguments={"seconds": "1 without it"},
    examples=("/stall?seconds=0.1",),
)
def stall(call: Call) -> Flow[None]:
    call.begin(200, "text/plain", length=len(_BODY))
    yield from call.send_flow(_BODY[:10])
    yield from call.wait_flow(call.seconds("seconds", 1))
    yield from call.exchange.send_flow(_BODY[10:], end=True)


@GROUP.add(
    "/early-response",
    "answers before it reads the body, and closes",
    methods=ANY_METHOD,
    finds="a client that sees only that its body was not taken, and not why",
    arguments={"status": "413 without it"},
)
def early_response(call: Call) -> Flow[None]:
    call.exchange.close_after()
    yield from call.reply_flow(call.number("status", 413, 599, least=200), "this body is not wanted\n")
