"""One WebSocket of a server, in the loop or in a flow, with the client in the same thread.

Client and server take turns in one driver: the client sends a piece, and goes on when the server has
received it. So a test says exactly which octets come together, without threads and without waiting.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netkit.http.server.config import ServerConfig
from netkit.http.server.exchange import Exchange
from netkit.http.server.h1.flow import H1Serving
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.service import Service
from netkit.io import PAUSE, Event, Flow, all_of, run
from netkit.net.sockets import unread
from netkit.net.tcp import TcpStream
from netkit.websocket import ServerWebSocket, WebSocketConfig, WebSocketHandler
from netkit.websocket.loop import WsLoop, serve_messages_flow

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%b\r\n"
)

Answer = Callable[[ServerWebSocket, str | bytes], str | bytes | None]

QUIET = WebSocketConfig(ping_interval=None)


class Messages:
    """A handler of messages that is a function, and keeps what it was given."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.seen: list[str | bytes] = []

    def handle_message(self, ws: ServerWebSocket, message: str | bytes) -> str | bytes | None:
        self.seen.append(message)
        return self._answer(ws, message)


class Asking:
    """The same handler as a flow that asks for its messages."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        return serve_messages_flow(self._messages, ws)


class Outcome(NamedTuple):
    """What a client got behind the handshake, up to the end of the connection, and what the server says."""

    octets: bytes
    seen: list[str | bytes]
    note: str | None
    error: str | None


def exchange_frames(
    answer: Answer,
    pieces: Sequence[bytes],
    *,
    in_loop: bool,
    asking: bool = False,
    config: WebSocketConfig = QUIET,
    fields: bytes = b"",
    ends: bool = True,
    together: bool = False,
    stop_after: int | None = None,
) -> Outcome:
    """Serve one client, who sends these pieces, and reads all that comes.

    With `asking` the handler is a flow.
    With `ends` the client then sends no more. `together`: the first piece comes with the handshake.
    `stop_after`: the server stops after so many pieces.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    stream = TcpStream(ours)
    told: list[tuple[str | None, str | None]] = []

    class Notes:
        def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:
            told.append((exchange.note, None if error is None else type(error).__name__))

        def fault(self, connection: ConnectionFacts, error: Exception) -> None:
            raise AssertionError(f"{connection.number}: {error}")

    messages = Messages(answer)
    handler = WebSocketHandler(Asking(messages) if asking else messages, config=config)
    stop = Event()
    service = Service(handler, ServerConfig(), stop, Notes())
    got = bytearray()
    handshake = HANDSHAKE % fields

    def receive() -> bool:
        """Read what is there; whether that is the end."""
        try:
            data = theirs.recv(1 << 20)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        got.extend(data)
        return not data

    def client() -> Flow[None]:
        theirs.sendall(handshake + (pieces[0] if together else b""))
        while b"\r\n\r\n" not in got:
            receive()
            yield PAUSE
        for number, piece in enumerate(pieces[together:]):
            if number == stop_after:
                yield from stopping()
            left = memoryview(piece)
            while left and not stream.is_closed:
                try:
                    left = left[theirs.send(left) :]
                except BlockingIOError:
                    receive()
                except OSError:
                    break
                yield PAUSE
            while not stream.is_closed and unread(ours):
                yield PAUSE
            if in_loop and number == 0 and handler.loop is not None:
                entered.append(bool(handler.loop.places))
        if stop_after == len(pieces):
            yield from stopping()
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        while not receive():
            yield PAUSE
        theirs.close()

    def stopping() -> Flow[None]:
        stop.set()
        for ending in list(service._endings.values()):  # noqa: SLF001 - what the server does when it stops
            ending()
        yield PAUSE

    def server() -> Flow[None]:
        try:
            yield from H1Serving(service, stream, ConnectionFacts(1, "", "", None)).run_flow()
        finally:
            stream.close()

    entered: list[bool] = []
    available, WsLoop.available = WsLoop.available, in_loop
    try:
        run(handler.around_flow(all_of([server(), client()])))
    finally:
        WsLoop.available = available
        theirs.close()
    assert len(told) == 1
    head, _, octets = bytes(got).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return Outcome(octets, messages.seen, *told[0])
