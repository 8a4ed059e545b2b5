"""How the tests feed a connection, and in what form they compare what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from netkit.http.connection.events import Broken, Data, Event, Events, RequestHead, RequestReceived
from netkit.http.connection.h1 import H1Client, H1Server

#: The ways in which octets arrive: at which places they are cut.
WAYS = ("whole", "octet by octet", "in threes")


def pieces(data: bytes, way: str) -> list[bytes]:
    size = {"whole": len(data) or 1, "octet by octet": 1, "in threes": 3}[way]
    return [data[at : at + size] for at in range(0, len(data), size)]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The octets, cut at these places."""
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def get(target: bytes = b"/", **options: Any) -> RequestHead:
    return RequestHead(options.pop("method", b"GET"), target, b"a", b"http", **options)


def asked(head: RequestHead | None = None, *, end: bool = True, **options: Any) -> H1Client:
    """A client whose request was sent."""
    client = H1Client(**options)
    stream = client.request(head or get(), end=end)
    if not end:
        client.send(stream, b"x", end=True)
    client.take()
    return client


def fed(connection: H1Client | H1Server, data: bytes, way: str = "whole", *, eof: bool = False) -> list[Any]:
    """What came of feeding these octets, in a form that compares."""
    events: Events = []
    for piece in pieces(data, way):
        events += connection.feed(piece)
    if eof:
        events += connection.feed_eof()
    return described(events)


def described(events: Iterable[Event]) -> list[Any]:
    """Events with their fields, as tuples; pieces of a body that follow each other joined."""
    found: list[Any] = []
    for event in events:
        if isinstance(event, Data):
            assert event.data
            if found and found[-1][:2] == ("Data", event.stream):
                found[-1] = ("Data", event.stream, found[-1][2] + event.data)
            else:
                found.append(("Data", event.stream, event.data))
        elif isinstance(event, RequestReceived):
            head = event.head
            start = (head.method, head.target, head.authority, list(head.fields))
            found.append(("RequestReceived", event.stream, *start, event.end, event.version, event.length))
        elif isinstance(event, Broken):
            found.append(("Broken", event.stream, type(event.error).__name__, str(event.error), event.code))
        else:
            names = [name for cls in type(event).__mro__ for name in getattr(cls, "__slots__", ())]
            found.append((type(event).__name__, *(getattr(event, name) for name in sorted(names))))
    return found


def kinds(events: Iterable[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def answered(server: H1Server, data: bytes, way: str = "whole") -> tuple[list[Any], bytes]:
    """Feed a server, answer each request with its number, and take turns: the requests, and what was sent."""
    found: list[Any] = []
    sent = b""

    def handle(events: Events) -> None:
        nonlocal sent
        for event in events:
            found.append(event)
            if isinstance(event, (RequestReceived, Broken)):
                status = 200 if isinstance(event, RequestReceived) else 400
                number = b"%d" % event.stream
                server.respond(event.stream, status, [], end=False, length=len(number))
                if server.room(event.stream):
                    server.send(event.stream, number, end=True)
                sent += server.take()

    for piece in pieces(data, way):
        handle(server.feed(piece))
        while server.wants_turn:
            handle(server.feed(b""))
    return described(found), sent
