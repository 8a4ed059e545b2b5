"""netkit's HTTP/1.1 without I/O and h11's: each is the client of the other, and both tell the same story."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from netkit.http.connection.events import (
    Data,
    End,
    Interim,
    RequestHead,
    RequestReceived,
    ResponseHead,
    Upgraded,
)
from netkit.http.connection.h1 import H1Client, H1Server

h11 = pytest.importorskip("h11")

Fields = list[tuple[bytes, bytes]]

#: Bodies in the pieces in which they are sent; None is a message without one.
BODIES: list[list[bytes] | None] = [None, [], [b"hello"], [b"a", b"b" * 70_000, b"c"]]
METHODS = [b"GET", b"HEAD", b"POST", b"DELETE"]
STATUSES = [200, 204, 304, 404]
TRAILERS: Fields = [(b"x-a", b"1"), (b"x-b", b"")]


def lower(fields: Any) -> Fields:
    """Fields with names in lower case, without those that netkit writes or that frame the message."""
    managed = (b"content-length", b"transfer-encoding", b"connection", b"host")
    found = [(bytes(name).lower(), bytes(value)) for name, value in fields]
    return [field for field in found if field[0] not in managed]


def h11_events(connection: Any, octets: bytes, size: int) -> Iterator[Any]:
    """Everything that h11 finds in octets that come in pieces of this size."""
    for at in range(0, len(octets), size):
        connection.receive_data(octets[at : at + size])
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            yield event
            if isinstance(event, h11.ConnectionClosed):
                return


def story_of_h11(events: Any) -> tuple[bytes, Fields]:
    body, trailers = b"", []
    for event in events:
        if isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            trailers = lower(event.headers)
    return body, trailers


def story_of_netkit(events: Any) -> tuple[bytes, Fields]:
    body = b"".join(event.data for event in events if isinstance(event, Data))
    return body, [field for event in events if isinstance(event, End) for field in lower(event.trailers)]


def fed(connection: H1Client | H1Server, octets: bytes, size: int) -> list[Any]:
    return [event for at in range(0, len(octets), size) for event in connection.feed(octets[at : at + size])]


def framed(body: list[bytes] | None, chunked: bool) -> Fields:
    """What h11 must be told of a body."""
    if body is None:
        return []
    if chunked:
        return [(b"Transfer-Encoding", b"chunked")]
    return [(b"Content-Length", b"%d" % sum(map(len, body)))]


def sent_by_h11(connection: Any, head: Any, body: list[bytes] | None, trailers: Fields) -> bytes:
    octets = connection.send(head)
    for piece in body or []:
        octets += connection.send(h11.Data(data=piece))
    return bytes(octets + connection.send(h11.EndOfMessage(headers=trailers)))


def send(connection: H1Client | H1Server, stream: int, body: list[bytes], trailers: Fields) -> None:
    if connection.room(stream):
        for piece in body:
            connection.send(stream, piece)
        connection.trailers(stream, trailers)


def exchanges() -> Iterator[tuple[bytes, int, list[bytes] | None, list[bytes] | None, bool]]:
    for method, status, asked, answer, chunked in product(METHODS, STATUSES, BODIES, BODIES, (True, False)):
        if asked is None or method == b"POST":
            yield method, status, asked, answer, chunked


@pytest.mark.parametrize("size", [7, 65536])
def test_the_client_of_h11(size: int) -> None:
    server = H1Server()
    client = h11.Connection(h11.CLIENT)
    count = 0
    for method, status, asked, answer, chunked in exchanges():
        if size == 7 and any(len(piece) > 1000 for body in (asked, answer) for piece in body or []):
            continue
        count += 1
        trailers = TRAILERS if chunked else []
        head = h11.Request(
            method=method, target="/x?y", headers=[("Host", "a"), ("X-C", "d"), *framed(asked, chunked)]
        )
        # h11 takes trailers only of a body that is chunked.
        octets = sent_by_h11(client, head, asked, trailers if asked is not None else [])
        found = fed(server, octets, size)
        request = found[0]
        assert isinstance(request, RequestReceived)
        assert (request.head.method, request.head.target, request.head.authority) == (method, b"/x?y", b"a")
        assert lower(request.head.fields) == [(b"x-c", b"d")]
        assert story_of_netkit(found) == (b"".join(asked or []), trailers if asked is not None else [])

        stream = request.stream
        server.respond(stream, 103, [(b"Link", b"</a>")], end=False)
        length = None if chunked or answer is None else sum(map(len, answer))
        server.respond(stream, status, [(b"X-C", b"d")], end=answer is None, length=length)
        send(server, stream, answer or [], trailers)
        found = list(h11_events(client, server.take(), size))
        assert isinstance(found[0], h11.InformationalResponse)
        assert (found[1].status_code, lower(found[1].headers)) == (status, [(b"x-c", b"d")])
        assert isinstance(found[-1], h11.EndOfMessage)
        has_body = answer is not None and method != b"HEAD" and status in (200, 404)
        expected = (b"".join(answer or []), trailers) if has_body else (b"", [])
        assert story_of_h11(found) == expected
        client.start_next_cycle()
    assert count > 100
    octets = client.send(
        h11.Request(method="GET", target="/", headers=[("Host", "a"), ("Connection", "close")])
    )
    octets += client.send(h11.EndOfMessage())
    (request,) = fed(server, octets, size)
    server.respond(request.stream, 200, [], end=True)
    assert isinstance(list(h11_events(client, server.take(), size))[-1], h11.EndOfMessage)
    assert server.is_closed
    assert client.our_state is client.their_state is h11.MUST_CLOSE


@pytest.mark.parametrize("size", [7, 65536])
def test_the_server_of_h11(size: int) -> None:
    server = h11.Connection(h11.SERVER)
    client = H1Client()
    count = 0
    for method, status, asked, answer, chunked in exchanges():
        if size == 7 and any(len(piece) > 1000 for body in (asked, answer) for piece in body or []):
            continue
        count += 1
        trailers = TRAILERS if chunked else []
        length = None if chunked or asked is None else sum(map(len, asked))
        head = RequestHead(method, b"/x?y", b"a", fields=[(b"X-C", b"d")])
        stream = client.request(head, end=asked is None, length=length)
        send(client, stream, asked or [], trailers)
        found = list(h11_events(server, client.take(), size))
        assert isinstance(found[0], h11.Request)
        assert (found[0].method, found[0].target, lower(found[0].headers)) == (
            method,
            b"/x?y",
            [(b"x-c", b"d")],
        )
        assert (b"host", b"a") in list(found[0].headers)
        assert isinstance(found[-1], h11.EndOfMessage)
        assert story_of_h11(found) == (b"".join(asked or []), trailers if asked is not None else [])

        octets = server.send(h11.InformationalResponse(status_code=103, headers=[("Link", "</a>")]))
        has_body = answer is not None and method != b"HEAD" and status in (200, 404)
        fields = [("X-C", "d"), *(framed(answer, chunked) if has_body else [("Content-Length", "0")])]
        if status == 204:
            fields = [("X-C", "d")]
        octets += sent_by_h11(
            server,
            h11.Response(status_code=status, headers=fields),
            answer if has_body else None,
            trailers if has_body else [],
        )
        events = fed(client, octets, size)
        assert isinstance(events[0], Interim)
        assert isinstance(events[1], ResponseHead)
        assert (events[1].status, lower(events[1].fields)) == (status, [(b"x-c", b"d")])
        expected = (b"".join(answer or []), trailers) if has_body else (b"", [])
        assert story_of_netkit(events) == expected
        assert client.can_request
        server.start_next_cycle()
    assert count > 100
    client.goaway()
    client.request(RequestHead(b"GET", b"/", b"a"), end=True)
    list(h11_events(server, client.take(), size))
    octets = server.send(h11.Response(status_code=200, headers=[]))
    octets += server.send(h11.Data(data=b"until the end")) + server.send(h11.EndOfMessage())
    events = fed(client, octets, size)
    assert story_of_netkit(events)[0] == b"until the end"
    assert client.in_flight == 0  # h11 has chunked it
    assert client.is_closed


def test_an_upgrade_both_ways() -> None:
    client, h11_server = H1Client(), h11.Connection(h11.SERVER)
    client.request(RequestHead(b"GET", b"/", b"a", protocol=b"websocket"), end=True)
    (request, _, *_) = h11_events(h11_server, client.take(), 100)
    assert (b"upgrade", b"websocket") in list(request.headers)
    answer = h11.InformationalResponse(
        status_code=101, headers=[("Upgrade", "websocket"), ("Connection", "Upgrade")]
    )
    (event,) = client.feed(h11_server.send(answer) + b"\x81\x00")
    assert isinstance(event, Upgraded)
    assert event.rest == b"\x81\x00"

    server, h11_client = H1Server(), h11.Connection(h11.CLIENT)
    head = h11.Request(
        method="GET",
        target="/",
        headers=[("Host", "a"), ("Upgrade", "websocket"), ("Connection", "upgrade")],
    )
    server.feed(sent_by_h11(h11_client, head, None, []))
    server.respond(1, 101, [(b"Upgrade", b"websocket")], end=False)
    (answer,) = h11_events(h11_client, server.take(), 100)
    assert isinstance(answer, h11.InformationalResponse)
    assert h11_client.their_state is h11.SWITCHED_PROTOCOL


def test_a_tunnel_both_ways() -> None:
    client, h11_server = H1Client(), h11.Connection(h11.SERVER)
    client.request(RequestHead(b"CONNECT", b"", b"b:443"), end=True)
    (request, *_) = h11_events(h11_server, client.take(), 100)
    assert (request.method, request.target) == (b"CONNECT", b"b:443")
    (event,) = client.feed(h11_server.send(h11.Response(status_code=200, headers=[])) + b"\x16\x03")
    assert isinstance(event, Upgraded)
    assert event.rest == b"\x16\x03"

    server, h11_client = H1Server(), h11.Connection(h11.CLIENT)
    head = h11.Request(method="CONNECT", target="b:443", headers=[("Host", "b:443")])
    (received,) = server.feed(sent_by_h11(h11_client, head, None, []))
    assert isinstance(received, RequestReceived)
    assert received.head.authority == b"b:443"
    server.respond(1, 200, [], end=True)
    assert isinstance(next(h11_events(h11_client, server.take(), 100)), h11.Response)
    assert h11_client.their_state is h11.SWITCHED_PROTOCOL
