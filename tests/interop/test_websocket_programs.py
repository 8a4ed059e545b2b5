"""netkit's WebSocket and coder/websocket (Go), ws (Node), picows: each is the client of the other.

ws also over HTTP/2 of Node (RFC 8441). What happens at which path: tests/interop/websocket_peers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netkit.http import Client, DialConfig, HttpVersions, Version
from netkit.websocket import DeflateConfig, WebSocketConfig, WebSocketError
from netkit.websocket.client import ClientWebSocket, connect, connect_async
from tests.http.server.serving import Serving
from tests.interop.servers.websocket_messages import messages_of_peers
from tests.interop.websocket_peers import PEERS, Paths, Peer, PeerServer, Programs
from tests.websocket.serving import AsyncEcho, FlowEcho, ThreadEcho, serving
from tests.websocket.sockets import Form

pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.timeout(120)]

PACKED = WebSocketConfig(deflate=DeflateConfig(min_size=0), subprotocols=["chat"])
PLAIN = WebSocketConfig(subprotocols=["chat"])


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    return PEERS[request.param]


# Their servers


@pytest.fixture(params=["blocking", "async"])
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    form = Form(request.param)
    yield form
    form.close()


class Dialer:
    """Opens WebSockets to a server of a peer, over HTTP/1.1 or over one connection of HTTP/2."""

    def __init__(self, form: Form, served: PeerServer, versions: HttpVersions, *, compresses: bool) -> None:
        self._form = form
        self._served = served
        self.is_http2 = versions is HttpVersions.HTTP2
        self.compresses = compresses
        self.client = Client(dial=DialConfig(versions=versions))

    def __call__(self, path: str, config: WebSocketConfig = PACKED) -> ClientWebSocket:
        url = self._served.url(path, http2=self.is_http2)
        ws: ClientWebSocket
        if self._form.name == "async":
            ws = self._form.run(connect_async(url, config=config, client=self.client))
        else:
            ws = connect(url, config=config, client=self.client)
        assert ws.response.version is (Version.Http2 if self.is_http2 else Version.Http11)
        return ws


def check_server(form: Form, dial: Dialer, served: PeerServer) -> None:
    """Everything a client of netkit does with a server of a peer."""
    for query, config in (("", PACKED), ("?forgets", PACKED), ("?plain", PACKED), ("", PLAIN)):
        ws = dial(f"/fragments{query}", config)
        assert ws.subprotocol == "chat"
        agreed = ws.protocol.deflate
        assert (agreed is not None) == (dial.compresses and config is PACKED and query != "?plain")
        if agreed is not None:
            assert agreed.server_no_context_takeover == (query == "?forgets")
        assert form(ws.receive) == "piece piece piece "
        for message in messages_of_peers():
            form(ws.send, message)
            assert form(ws.receive) == message
        form(ws.send_fragment, "a", end=False)
        form(ws.send_fragment, "", end=False)
        form(ws.send_fragment, "b", end=True)
        assert form(ws.receive) == "ab"
        assert form(ws.ping, b"x" * 125) > 0
        form(ws.close, 4000, "done")
        assert served.closed() == (4000, "done")
        assert ws.close_code == 4000

    ws = dial("/pings")
    assert form(ws.receive) == "answered"
    form(ws.close, None)
    assert served.closed() == (1005, "")


def check_ends(form: Form, dial: Dialer) -> None:
    """The ends that a server of a peer makes."""
    ws = dial("/closes")
    with pytest.raises(WebSocketError.ConnectionClosed) as ended:
        form(ws.receive)
    assert (ended.value.code, ended.value.reason) == (4001, "enough")
    assert ws.is_closed

    with pytest.raises(WebSocketError.HandshakeRefused) as refused:
        dial("/nowhere")
    assert refused.value.status == 404


def check_breaks(form: Form, dial: Dialer, served: PeerServer) -> None:
    """A server of a peer breaks a rule, and is told so."""
    ws = dial("/breaks")
    with pytest.raises(WebSocketError.ReservedOpcode):
        form(ws.receive)
    assert served.closed()[0] == 1002


def test_server(websocket_programs: Programs, peer: Peer, form: Form) -> None:
    with peer.server(websocket_programs) as served:
        dial = Dialer(form, served, HttpVersions.HTTP11, compresses=peer.compresses)
        check_server(form, dial, served)
        check_breaks(form, dial, served)
        check_ends(form, dial)


def test_node_server_over_http2(websocket_programs: Programs, form: Form) -> None:
    with PEERS["ws"].server(websocket_programs) as served:
        dial = Dialer(form, served, HttpVersions.HTTP2, compresses=True)
        check_server(form, dial, served)
        check_breaks(form, dial, served)
        check_ends(form, dial)
        assert dial.client.connections == 1
        dial.client.close()


# Their clients


class MessageEcho:
    """Sends every message back, in the server's loop."""

    def handle_message(self, ws: Any, message: str | bytes) -> str | bytes:
        return message


NOTES = {
    "closed by the client with 4000: 'done'",
    "closed by the server with 4001: 'enough'",
}


def check_client(programs: Programs, peer: Peer, what: str, version: tuple[int, int]) -> None:
    handler = Paths(PACKED)
    with Serving(handler) as served:
        peer.client(programs, what, f"ws://127.0.0.1:{served.at[1]}")
        served.until_idle()
        exchanges = [exchange for exchange, _ in served.told.exchanges]
        assert {exchange.version for exchange in exchanges} == {version}
        notes = [exchange.note or "" for exchange in exchanges]
        assert set(notes) >= NOTES
        assert any(note.startswith("closed for a fault of the client") for note in notes)
        assert handler.subprotocols == {"chat"}


def test_client(websocket_programs: Programs, peer: Peer) -> None:
    check_client(websocket_programs, peer, "client", (1, 1))


def test_node_client_over_http2(websocket_programs: Programs) -> None:
    check_client(websocket_programs, PEERS["ws"], "h2", (2, 0))


@pytest.mark.parametrize(
    ("handler", "form"),
    [
        (MessageEcho, "blocking"),
        (MessageEcho, "async"),
        (FlowEcho, "async"),
        (ThreadEcho, "blocking"),
        (AsyncEcho, "async"),
    ],
)
def test_client_of_each_kind_of_handler(
    websocket_programs: Programs, peer: Peer, handler: type, form: str
) -> None:
    with serving(handler(), form, config=PACKED) as served:
        peer.client(websocket_programs, "echo", f"ws://127.0.0.1:{served.at[1]}")
        served.until_told()
        assert served.told.exchanges[0][0].note == "closed by the client with 1000 NORMAL"
