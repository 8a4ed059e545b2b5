"""Handlers that may wait, in the loop: the same octets as from a flow of their own, and their waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from netkit.http import Request, Response
from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.handlers import received_request
from netkit.http.server.loop import HttpLoop
from netkit.io import PAUSE, Event, Flow
from tests.http.server.loop_forms import Mirror, Outcome, exchange_octets
from tests.http.server.test_forms_agree import ALL, CONFIG, SIMPLE

pytestmark = pytest.mark.skipif(not HttpLoop.available, reason="this system has no epoll(7)")


class Whole:
    """Answers as Mirror, with a response as a whole."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        request = yield from received_request(exchange)
        yield from exchange.respond_flow(Mirror().handle(request))


class Waits(Whole):
    """The same, after waits of every kind."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        from netkit.io import race, sleep_until

        if exchange.head.method == b"POST":
            yield PAUSE
        event = Event()
        event.set()
        yield from event.wait()
        if "two" in exchange.request.query or exchange.head.method == b"HEAD":
            yield from race(sleep_until(0.0), Event().wait())
        yield from super().handle_flow(exchange)


class Steps:
    """Answers in steps, of a kind for each method and path."""

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        path = exchange.request.path
        if path == "/raise":
            raise KeyError("a secret")
        if path == "/none":
            return
        if path == "/close":
            exchange.close_after()
        if path == "/103":
            yield from exchange.interim_flow(103, [(b"link", b"</a>")])
        if path == "/empty":
            exchange.begin(200, end=True)
            yield from exchange.end_flow()
            return
        if path == "/204":
            exchange.begin(204, [(b"x-is", b"nothing")])
            yield from exchange.end_flow()
            return
        if path == "/host-field":
            exchange.begin(200, [(b"connection", b"x")], length=4)
        if path == "/dated":
            exchange.begin(200, [(b"Date", b"then"), (b"server", b"mine")], length=4)
        elif path == "/streamed":
            exchange.begin(200, [(b"x-is", b"in pieces")])
        else:
            exchange.begin(200, [(b"x-is", b"of a length")], length=4)
        if path == "/304":
            yield from exchange.flush_flow()
        if path == "/length":
            exchange.abort()
            return
        if path == "/large":
            yield from exchange.send_flow(b"more than is said")
        if exchange.request.query:
            yield from exchange.send_flow(b"12")
            yield from exchange.send_flow(b"34")
        else:
            yield from exchange.send_flow(bytearray(b"1234") if path == "/a" else b"1234")
        if path == "/204-again":
            exchange.begin(200)
        yield from exchange.end_flow()
        exchange.close_after() if path == "/p" else exchange.abort()


class Later:
    """Answers as Mirror, in a coroutine."""

    async def handle_async(self, request: Request) -> Response:
        return Mirror().handle(request)


KINDS: dict[str, tuple[Callable[[], object], ServerConfig]] = {
    "whole": (Whole, CONFIG),
    "waits": (Waits, CONFIG),
    "steps": (Steps, CONFIG),
    "threads": (Mirror, CONFIG.replace(threads=2)),
    "async": (Later, CONFIG),
}


def agreed(kind: str, *pieces: bytes) -> Outcome:
    """What both forms do with these pieces."""
    make, config = KINDS[kind]
    awaited = kind == "async"
    flow = exchange_octets(make(), pieces, in_loop=False, config=config, awaited=awaited)
    loop = exchange_octets(make(), pieces, in_loop=True, config=config, awaited=awaited)
    assert loop == flow
    return loop


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_alone_and_pipelined(kind: str, name: str) -> None:
    loop = agreed(kind, ALL[name])
    assert name not in SIMPLE or loop.by_loop <= 1
    if name == "get" and kind != "waits":
        assert loop.by_loop == 1
    before, after = SIMPLE["query"], SIMPLE["post"]
    agreed(kind, before + ALL[name] + after)
    agreed(kind, before + ALL[name][:10], ALL[name][10:] + after)


@pytest.mark.parametrize("kind", KINDS)
def test_many_pipelined(kind: str) -> None:
    loop = agreed(kind, *[SIMPLE["get"] * 100] * 2)
    assert loop.octets.count(b"HTTP/1.1 200 OK") == 200
    assert loop.by_loop == 200


@settings(max_examples=60)
@given(st.data())
def test_any_octets_in_any_cut(data: st.DataObject) -> None:
    """Requests of all kinds behind each other, some with an octet changed, cut anywhere."""
    kind = data.draw(st.sampled_from(["whole", "waits", "steps"]))
    names = st.sampled_from([*SIMPLE] * 2 + [*ALL])
    octets = bytearray(b"".join(ALL[name] for name in data.draw(st.lists(names, min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(0, 2)) if octets else 0):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(
            st.sampled_from(b"\r\n\t :\0aZ0/*,\xff")
        )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=4)))
    pieces = [bytes(octets[start:end]) for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    agreed(kind, *[piece for piece in pieces if piece])
