"""The protocol object beside those of websockets and wsproto: each reads what the other writes, and both
judge the same streams.

The peers are libraries, and no sockets are between them. Where a peer is more lenient than the RFC, or later,
the test says so by name.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate as TheirDeflate
from websockets.frames import Frame as TheirFrame, Opcode as TheirOpcode
from websockets.protocol import CLIENT, SERVER, Protocol
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event as WsprotoEvent, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.utilities import RemoteProtocolError

from netkit.websocket import DeflateConfig, DeflateParameters, Opcode, WebSocketError, WebSocketProtocol
from netkit.websocket.close import CloseReason
from tests.websocket.frames import CLOSE, CONT, FIN, PING, RSV1, TEXT, client, frame, pieces
from tests.websocket.test_reader import BAD, GOOD, NOT_UTF8, streams

#: A message, a ping, or a Close frame's code: what every library says of a stream.
Seen = list[tuple[int, object]]


class Websockets:
    """The sans-I/O protocol of websockets, with the messages put together as its connections do."""

    def __init__(self, *, is_client: bool = False, deflate: DeflateParameters | None = None) -> None:
        self.protocol = Protocol(CLIENT if is_client else SERVER, max_size=1 << 24)
        if deflate is not None:
            both = (
                deflate.server_no_context_takeover,
                deflate.client_no_context_takeover,
                deflate.server_max_window_bits,
                deflate.client_max_window_bits,
            )
            remote, local = (both[::2], both[1::2]) if is_client else (both[1::2], both[::2])
            self.protocol.extensions = [TheirDeflate(remote[0], local[0], remote[1], local[1])]

    def feed(self, stream: bytes) -> tuple[Seen, bool]:
        """What is in the stream, and whether it was refused."""
        self.protocol.receive_data(stream)
        seen: Seen = []
        message: list[bytes] = []
        kind = 0
        for event in self.protocol.events_received():
            assert isinstance(event, TheirFrame)
            opcode, data = int(event.opcode), bytes(event.data)
            if opcode == CLOSE:
                seen.append((CLOSE, int.from_bytes(data[:2], "big") if data else 1005))
            elif opcode >= CLOSE:
                seen.append((opcode, data))
            else:
                kind = opcode or kind
                message.append(data)
                if event.fin:
                    whole = b"".join(message)
                    message = []
                    try:
                        seen.append((kind, whole.decode() if kind == TEXT else whole))
                    except UnicodeDecodeError:
                        return seen, True
        return seen, self.protocol.parser_exc is not None

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)

    def take(self) -> bytes:
        return b"".join(self.protocol.data_to_send())


class Wsproto:
    """wsproto's connection."""

    def __init__(self, *, is_client: bool = False, deflate: DeflateParameters | None = None) -> None:
        kind = ConnectionType.CLIENT if is_client else ConnectionType.SERVER
        extensions = []
        if deflate is not None:
            extension = WsprotoDeflate(
                deflate.client_no_context_takeover,
                deflate.client_max_window_bits,
                deflate.server_no_context_takeover,
                deflate.server_max_window_bits,
            )
            extension._enabled = True  # noqa: SLF001 - only its own handshake enables it
            extensions.append(extension)
        #: The code that it would close with, where it has refused something.
        self.refusal = 1002
        self.connection = Connection(kind, extensions)  # type: ignore[arg-type]
        self.out = b""

    def feed(self, stream: bytes) -> tuple[Seen, bool]:
        self.connection.receive_data(stream)
        seen: Seen = []
        text: list[str] = []
        octets: list[bytes] = []
        try:
            for event in self.connection.events():
                if isinstance(event, TextMessage):
                    text.append(event.data)
                    if event.message_finished:
                        seen.append((TEXT, "".join(text)))
                        text = []
                elif isinstance(event, BytesMessage):
                    octets.append(bytes(event.data))
                    if event.message_finished:
                        seen.append((2, b"".join(octets)))
                        octets = []
                elif isinstance(event, CloseConnection):
                    if self.connection.state is ConnectionState.OPEN:
                        self.refusal = int(event.code)
                        return seen, True  # what it would answer to a stream that it refuses
                    seen.append((CLOSE, event.code))
                elif isinstance(event, Ping):
                    seen.append((PING, bytes(event.payload)))
                elif isinstance(event, Pong):
                    seen.append((0xA, bytes(event.payload)))
        except RemoteProtocolError:
            return seen, True
        return seen, False

    def send(self, message: str | bytes) -> None:
        event: WsprotoEvent
        event = TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
        self.out += self.connection.send(event)

    def take(self) -> bytes:
        out, self.out = self.out, b""
        return out


Peer = type[Websockets] | type[Wsproto]
PEERS: list[Peer] = [Websockets, Wsproto]


def ours(stream: bytes) -> tuple[Seen, bool]:
    protocol = WebSocketProtocol.server()
    return seen(protocol, stream), protocol.error is not None


def seen(protocol: WebSocketProtocol, stream: bytes) -> Seen:
    return [
        (opcode, payload.code if isinstance(payload, CloseReason) else payload)
        for opcode, payload in protocol.feed(stream)
    ]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", GOOD)
def test_both_take_what_is_right(peer: Peer, name: str) -> None:
    stream, _ = GOOD[name]
    if peer is Websockets and name == "5.5.1 a Close frame inside a message":
        # It refuses what section 5.4 allows: "Control frames MAY be injected in the middle".
        assert peer().feed(stream) == ([], True)
        return
    assert peer().feed(stream) == ours(stream)


#: Streams that a peer takes though it should not, or refuses in a later frame.
LENIENT: dict[Peer, set[str]] = {
    Websockets: {
        "5.2 16 bits for 125",
        "5.2 16 bits for 0",
        "5.2 64 bits for 0",
        "5.5 64 bits of length in a control frame",
        # It waits for the rest of a frame before it says so.
        "5.2 64 bits for 65535",
        "5.2 the highest bit of 64",
        "5.2 all bits of 64",
    },
    Wsproto: {
        # It has no limit of its own, and waits for the rest.
        "5.2 2**63 - 1, which is a length",
    },
}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", BAD)
def test_both_refuse_what_is_wrong(peer: Peer, name: str) -> None:
    stream, before, _, _ = BAD[name]
    found, is_refused = peer().feed(stream)
    if name in LENIENT[peer]:
        return
    assert is_refused
    assert found == before


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", NOT_UTF8)
def test_both_refuse_wrong_text(peer: Peer, name: str) -> None:
    text, _ = NOT_UTF8[name]
    assert peer().feed(frame(FIN | TEXT, text)) == ([], True)


@given(streams())
@settings(max_examples=150)
def test_the_same_verdict_on_any_stream(stream: bytes) -> None:
    """What one of the peers takes and the other does not is not decided here; what both say, netkit says."""
    theirs = [peer().feed(stream) for peer in PEERS]
    if theirs[0] == theirs[1]:
        found, is_refused = ours(stream)
        if is_refused and not theirs[0][1]:
            # A frame that is not complete yet, of which the wrong octet is there.
            assert found == theirs[0][0]
        else:
            assert (found, is_refused) == theirs[0]


messages = st.lists(
    st.text(max_size=300)
    | st.binary(max_size=300)
    | st.text("ab", min_size=126, max_size=2000)
    | st.integers(65530, 65540).map(lambda size: (bytes(range(256)) * 257)[:size]),
    max_size=5,
)
agreed = st.none() | st.builds(
    DeflateParameters, st.booleans(), st.booleans(), st.integers(9, 15), st.integers(9, 15)
)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("is_client", [True, False])
@given(messages=messages, deflate=agreed, size=st.integers(1, 5000))
@settings(max_examples=12)
def test_each_reads_what_the_other_writes(
    peer: Peer,
    is_client: bool,
    messages: list[str | bytes],
    deflate: DeflateParameters | None,
    size: int,
) -> None:
    """In both roles, with and without compression and with every window but that of 8 bits."""
    config = DeflateConfig(min_size=0)
    here = (
        client(deflate=deflate, config=config)
        if is_client
        else WebSocketProtocol.server(deflate=deflate, config=config)
    )
    there = peer(is_client=not is_client, deflate=deflate)
    expected = [(TEXT if isinstance(message, str) else 2, message) for message in messages]
    for message in messages:
        here.send(message)
        there.send(message)
    assert there.feed(here.take()) == (expected, False)
    found = [event for chunk in pieces(there.take(), size) for event in here.feed(chunk)]
    assert found == expected
    assert here.error is None


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_takes_compressed_fragments(peer: Peer) -> None:
    deflate = DeflateParameters()
    here, there = client(deflate=deflate), peer(deflate=deflate)
    for part in ("Hello " * 50, "", "again " * 20):
        here.send_fragment(part, end=part.startswith("again"))
    here.send("Hello " * 50)
    text = "Hello " * 50 + "again " * 20
    assert there.feed(here.take()) == ([(TEXT, text), (TEXT, "Hello " * 50)], False)


def test_the_closing_handshake_with_websockets() -> None:
    here, there = client(), Websockets()
    here.close(4000, "done")
    there.protocol.receive_data(here.take())
    (event,) = there.protocol.events_received()
    assert isinstance(event, TheirFrame)
    assert event.opcode is TheirOpcode.CLOSE
    assert here.feed(there.take()) == [(Opcode.Close, CloseReason(4000, "done"))]
    assert here.awaits_disconnect
    assert there.protocol.close_rcvd is not None
    assert (there.protocol.close_rcvd.code, there.protocol.close_rcvd.reason) == (4000, "done")


def test_what_websockets_says_of_our_error() -> None:
    """The Close frame of a failed connection is one that a peer can read."""
    here, there = WebSocketProtocol.server(), Websockets(is_client=True)
    here.feed(frame(FIN | RSV1 | TEXT, b"a"))
    assert isinstance(here.error, WebSocketError.ReservedBitsSet)
    there.protocol.receive_data(here.take())
    received = there.protocol.close_rcvd
    assert received is not None
    assert (received.code, received.reason) == (1002, "reserved bits set (RSV1) at octet 0")
    assert not isinstance(there.protocol.parser_exc, ProtocolError | PayloadTooBig)
    assert here.feed(frame(CONT)) == []
