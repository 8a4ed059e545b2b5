"""Faults of HTTP/2: streams that are refused or reset, a connection that takes no more (RFC 9113).

Over HTTP/1.1 they are answered with 501.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.inspector.endpoint import ANY_METHOD, Group

if TYPE_CHECKING:
    from netkit.http.inspector.call import Call
    from netkit.io import Flow

GROUP = Group("HTTP/2")

#: Error codes (RFC 9113 section 7).
REFUSED_STREAM = 0x7
CANCEL = 0x8
HTTP_1_1_REQUIRED = 0xD


@GROUP.add(
    "/goaway",
    "answers, and takes no further request on this connection (GOAWAY)",
    finds="the next request sent on this connection, or lost",
    only_http2=True,
)
def goaway(call: Call) -> Flow[None]:
    call.exchange.close_after()
    yield from call.json_flow({"goaway": True})


@GROUP.add(
    "/refused-stream",
    "RST_STREAM with REFUSED_STREAM: the request was not looked at",
    methods=ANY_METHOD,
    finds="a request that may be sent again (RFC 9113 section 8.7), and is not, or is without a limit",
    only_http2=True,
)
def refused_stream(call: Call) -> Flow[None]:
    call.exchange.abort(REFUSED_STREAM)
    yield from ()


@GROUP.add(
    "/http-1.1-required",
    "RST_STREAM with HTTP_1_1_REQUIRED",
    methods=ANY_METHOD,
    finds="a client that does not ask again over HTTP/1.1",
    only_http2=True,
)
def http11_required(call: Call) -> Flow[None]:
    call.exchange.abort(HTTP_1_1_REQUIRED)
    yield from ()


@GROUP.add(
    "/stream-reset",
    "a head and half of a body, then RST_STREAM with `code`",
    finds="a body cut off that is taken for whole; a connection given up for one stream",
    arguments={"code": "2 (INTERNAL_ERROR) without it"},
    only_http2=True,
)
def stream_reset(call: Call) -> Flow[None]:
    call.begin(200, "text/plain", length=20)
    yield from call.exchange.send_flow(b"0123456789")
    call.exchange.abort(call.number("code", 2, 0xFFFF_FFFF))
