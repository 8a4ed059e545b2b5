"""Bodies that come piece by piece as they should (chunks, trailers, events), and interim responses.

RFC 9112 section 7.1 (chunks), RFC 9110 section 6.5 (trailers), 10.1.1 (Expect), 15.2 (1xx), RFC 8297 (103);
HTML Standard, "Server-sent events".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.http.inspector.endpoint import ANY_METHOD, Group
from netkit.http.inspector.faults.raw import OK, raw_fault

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("Streams and interim responses")

#: What is sent in chunks.
TEXT = b"Chunks may be of any size, and what is in them is one body. " * 10
#: Lines of sizes as RFC 9112 section 7.1 allows them, each for a chunk of so many octets.
_ODD_SIZES = (
    (b"1", 1),
    (b"002", 2),
    (b"A", 10),
    (b"a", 10),
    (b"0000000000f", 15),
    (b"10;name", 16),
    (b"11;name=value", 17),
    (b'12;name="a;b\\"c"', 18),
    (b"13;name=value;other=value", 19),
    (b"14;a;b=c;d", 20),
)


def _odd_chunks() -> bytes:
    octets = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    at, turn = 0, 0
    while at < len(TEXT):
        line, size = _ODD_SIZES[turn % len(_ODD_SIZES)]
        data = TEXT[at : at + size]
        octets += (line if len(data) == size else b"%x" % len(data)) + b"\r\n" + data + b"\r\n"
        at += size
        turn += 1
    return octets + b"000;last=yes\r\n\r\n"


raw_fault(
    GROUP,
    "/chunked",
    "chunks of odd sizes, with leading zeros and extensions, all of them right",
    "a client that knows only the chunks of its own server",
    _odd_chunks(),
)


@GROUP.add(
    "/trailers",
    "a body with fields behind it: X-Checksum, and Server-Timing",
    finds="trailers that are lost, or merged into the fields",
    arguments={"count": "so many more fields X-Trailer-N; 0 without it"},
)
def trailers(call: Call) -> Flow[None]:
    from hashlib import sha256

    count = call.count(0)
    call.begin(200, "text/plain", [("Trailer", "X-Checksum, Server-Timing")])
    yield from call.send_flow(TEXT)
    fields = [(b"x-checksum", sha256(TEXT).hexdigest().encode()), (b"server-timing", b"all;dur=1")]
    fields += [(b"x-trailer-%d" % number, b"value") for number in range(count)]
    yield from call.exchange.end_flow(fields)


@GROUP.add(
    "/sse",
    "`count` events, one each `pause` seconds; goes on behind Last-Event-ID",
    finds="lines of events that are joined wrongly; a client that does not go on where it stopped",
    arguments={
        "count": "5 without it",
        "pause": "0.1 without it",
        "retry": "milliseconds that the client is told to wait",
        "line": "`lf`, `cr` or `crlf`: how lines end",
    },
    examples=("/sse?count=2&pause=0.01",),
)
def sse(call: Call) -> Flow[None]:
    ends = {"lf": "\n", "cr": "\r", "crlf": "\r\n"}
    end = ends.get(call.argument("line", "lf"))
    if end is None:
        raise HttpError.InvalidValue("line", "none of " + ", ".join(ends))
    pause, count = call.seconds("pause", 0.1), call.count(5)
    last = call.headers.get_first("Last-Event-ID") or ""
    first = int(last) + 1 if last.isdigit() and len(last) < 10 else 0
    call.begin(200, "text/event-stream", [("Cache-Control", "no-store")])
    head = [": a comment"]
    if call.has("retry"):
        head.append(f"retry: {call.number('retry', 1000, 60_000)}")
    yield from call.send_flow((end.join(head) + end + end).encode())
    for number in range(first, first + count):
        lines = [f"id: {number}", "event: count", f"data: {number}", "data: and a second line"]
        yield from call.send_flow((end.join(lines) + end + end).encode())
        yield from call.wait_flow(pause)
    yield from call.exchange.end_flow()


@GROUP.add(
    "/early-hints",
    "103 with two fields Link, then the response",
    methods=ANY_METHOD,
    finds="an interim response taken for the final one",
)
def early_hints(call: Call) -> Flow[None]:
    links = [
        (b"link", b"</style.css>; rel=preload; as=style"),
        (b"link", b"</app.js>; rel=preload; as=script"),
    ]
    yield from call.exchange.interim_flow(103, links)
    yield from call.json_flow({"early_hints": True})


@GROUP.add(
    "/interim",
    "`count` interim responses with that `status`, then the response",
    methods=ANY_METHOD,
    finds="a client that counts on one interim response, or on one it knows",
    arguments={"count": "2 without it", "status": "100, or 102 to 199; 102 without it"},
    examples=("/interim", "/interim?status=199&count=3"),
)
def interim(call: Call) -> Flow[None]:
    status = call.number("status", 102, 999)
    if not 100 <= status < 200 or status == 101:
        raise HttpError.InvalidValue("status", "not 100, nor 102 to 199")
    count = call.count(2)
    for _ in range(count):
        yield from call.exchange.interim_flow(status)
    yield from call.json_flow({"interim": count, "status": status})


@GROUP.add(
    "/continue",
    "417 to a request that expects 100 (Continue), with the body unread; without Expect, /anything",
    methods=ANY_METHOD,
    finds="a body that is sent although it was refused",
)
def refuse_expectation(call: Call) -> Flow[None]:
    if call.headers.contains("Expect"):
        yield from call.reply_flow(417, "this server takes no expectation\n")
        return
    body = yield from call.body_flow()
    yield from call.json_flow({"expected": False, "size": len(body)})


@GROUP.add(
    "/continue-late",
    "sends 100 (Continue) only after `seconds`",
    methods=ANY_METHOD,
    finds="a client that waits for 100 for ever, or not at all",
    arguments={"seconds": "1 without it"},
    examples=("/continue-late?seconds=0.1",),
)
def continue_late(call: Call) -> Flow[None]:
    yield from call.wait_flow(call.seconds("seconds", 1))
    body = yield from call.body_flow()
    yield from call.json_flow({"size": len(body)})
