"""docs/websocket.md: its examples, run."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from netkit.http.server.exchange import Exchange
from netkit.io import Flow
from netkit.websocket.server import ServerWebSocket, WebSocketHandler
from tests.websocket.serving import QUIET, WebServing

PAGE = Path(__file__).parents[2] / "docs" / "websocket.md"

pytestmark = pytest.mark.once


class Handler:
    """An echo, and what else the page asks for."""

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        path = ws.request.path
        if path == "/count":
            for number in (1, 2, 3):
                yield from ws.send_flow(str(number))
        elif path == "/broken":
            yield from ws.close_flow(4000, "no more")
        else:
            while True:
                message = yield from ws.receive_flow()
                yield from ws.send_flow(message)


class Site:
    inner = WebSocketHandler(Handler(), config=QUIET)

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        names = {name.lower() for name, _ in exchange.head.fields}
        if exchange.head.target == b"/nowhere":
            exchange.begin(404, [(b"content-type", b"text/plain")], length=9)
            yield from exchange.send_flow(b"not here\n", end=True)
        elif exchange.head.target == b"/guarded" and b"authorization" not in names:
            exchange.begin(401, [(b"www-authenticate", b'Basic realm="x"')], length=0)
            yield from exchange.flush_flow()
        else:
            yield from self.inner.handle_flow(exchange)


def test_the_page() -> None:
    with WebServing(Site()) as served:
        failed, tried = doctest.testfile(
            str(PAGE),
            module_relative=False,
            optionflags=doctest.ELLIPSIS,
            globs={"base": f"ws://127.0.0.1:{served.at[1]}"},
        )
    assert tried > 10
    assert failed == 0
