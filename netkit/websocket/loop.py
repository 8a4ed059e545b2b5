"""WebSockets on many plain connections: one flow that serves all of them, while their messages are simple.

`serve_messages_flow` serves one connection over any stream, in a flow: each message costs a turn of the
driver. Here the sockets of all connections are in one epoll(7) set, and the flow waits for the descriptor of
this set. One turn of the driver then serves every connection that is ready: receive into one buffer, feed the
protocol object, call the handler, send all replies at once. This special code exists only because it is much
faster (DESIGN.md section 3; measured in `benchmarks/websocket.py`).

What is not simple goes back to the flow of the connection: a peer that does not take its replies, a Close
frame, an error, an end. So every rule for these cases stands once, in `connection`. The flow comes back when
all is sent. In the loop nothing waits, so a peer that takes nothing is not read from either.
"""

from __future__ import annotations

import select
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from netkit.io import ClosedError, Descriptor, Event, sleep_until
from netkit.net.sockets import SocketStream
from netkit.websocket.connection import NORMAL_CODES
from netkit.websocket.errors import WebSocketError
from netkit.websocket.frame import FIN, build_frame
from netkit.websocket.opcode import Opcode
from netkit.websocket.protocol import State

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from netkit.io import Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.masking import Octets
    from netkit.websocket.protocol import Event as WebSocketEvent
    from netkit.websocket.reader import Found
    from netkit.websocket.server import ServerWebSocket

#: How many connections are served before the driver's other work gets a turn.
BATCH = 64

#: How often a turn looks for connections that have become ready meanwhile: a turn of the driver costs more.
ROUNDS = 8

#: The most octets that are received at once.
RECEIVE_SIZE = 1 << 18

#: From a peer that has sent more messages than this at once, fewer octets are received at once from then on,
#: because all that came is answered before the other connections are.
MANY, FEWER = 4096, 1 << 14

#: How many octets of replies to what came in one piece are collected before they are sent.
MOST_OUTPUT = 1 << 17

#: From this many octets on, the parts of what is sent are not joined.
APART = 16384

#: The most parts of one sendmsg(2): systems take 1024.
MOST_PARTS = 512

#: How often, in seconds, the connections' times are looked at: an eighth of a time limit, within these.
SHORTEST_LOOK, LONGEST_LOOK = 0.005, 1.0

# A member of an enumeration costs four times as much where it is looked up.
_TEXT, _BINARY, _PONG = Opcode.Textual, Opcode.Binary, Opcode.Pong

_TEXT_FRAME, _BINARY_FRAME = int(FIN | Opcode.Textual), int(FIN | Opcode.Binary)


@runtime_checkable
class MessageHandler(Protocol):
    """Answers messages, one by one, in the server's own thread. It must not wait."""

    def handle_message(self, ws: ServerWebSocket, message: str | bytes) -> str | Octets | None:
        """The reply to a message; None for none.

        It may call `ws.begin_close`. Replies to what comes after that are not sent. What it raises closes the
        connection with 1011.
        """


def serve_messages_flow(
    handler: MessageHandler, ws: ServerWebSocket, loop: WsLoop | None = None
) -> Flow[None]:
    """Flow: answer the messages of one connection, in `loop` where that can be.

    Returns when the client has closed normally (1000, 1001, or no code). Raises what `WebSocket.receive`
    and `send` raise, and what the handler does.
    """
    place = None if loop is None else loop.place(ws)
    while True:
        if place is not None:
            yield from place.serve_flow()
        try:
            message = yield from ws.receive_flow()
        except WebSocketError.ConnectionClosed as error:
            if error.code in NORMAL_CODES:
                return
            raise
        reply = handler.handle_message(ws, message)
        if reply is not None and ws.protocol.close_sent is None:
            yield from ws.send_flow(reply)


class WsLoop:
    """Has `handler` answer the messages of every connection that has a `place`, while `turning` is driven."""

    #: Whether this system has epoll.
    available = hasattr(select, "epoll")

    def __init__(self, handler: MessageHandler, config: WebSocketConfig) -> None:
        self._handle = handler.handle_message
        self._config = config
        self._epoll = select.epoll()
        self._descriptor = Descriptor(self._epoll.fileno(), close=self._epoll.close)
        self._occupied = Event()
        self._buffer = bytearray(RECEIVE_SIZE)
        self._view = memoryview(self._buffer)
        self.places: dict[int, Place] = {}
        #: How many messages were answered here, or taken without an answer.
        self.handled = 0

    def place(self, ws: ServerWebSocket) -> Place | None:
        """The place of a connection; None for one over a stream that is no socket."""
        return Place(self, ws, ws.stream) if isinstance(ws.stream, SocketStream) else None

    def close(self) -> None:
        """End every connection that is here, and `turning`."""
        for place in list(self.places.values()):
            place.leave(ClosedError("stream"))
        self._descriptor.close()

    # The flows beside each other

    def turning(self) -> Flow[None]:
        """Flow: serve, until `close`."""
        want = self._descriptor.want_read
        while True:
            yield want
            self._turn()

    def looking(self) -> Flow[None]:
        """Flow: ask peers that are silent whether they are there, and send those back that do not answer, or
        whose message takes too long."""
        config = self._config
        pings = (config.ping_interval, config.ping_timeout) if config.ping_interval is not None else ()
        limits = [limit for limit in (*pings, config.message_timeout) if limit is not None]
        if not limits:
            return
        every = min(max(min(limits) / 8, SHORTEST_LOOK), LONGEST_LOOK)
        while True:
            if not self.places:  # a server that nobody uses does not wake up
                self._occupied.clear()
                yield from self._occupied.wait()
            yield from sleep_until(monotonic() + every)
            for place in list(self.places.values()):
                place.look()

    # One turn

    def _turn(self) -> None:
        poll, serve = self._epoll.poll, self._serve_ready
        for _ in range(ROUNDS):
            ready = poll(0, BATCH)
            if not ready:
                return
            serve(ready)

    def _serve_ready(self, ready: list[tuple[int, int]]) -> None:
        places, buffer, view, handle = self.places, self._buffer, self._view, self._handle
        now, handled = monotonic(), 0
        for fd, _ in ready:
            place = places.get(fd)
            if place is None:
                continue  # it left in this turn
            ws = place.ws
            try:
                size = place.recv_into(buffer)
            except BlockingIOError:
                continue  # a wake-up is only a hint
            except OSError as error:
                place.fail(error)
                continue
            if not size:
                place.leave()  # the flow finds the end itself
                continue
            ws._moved = now
            ws._asked = None
            try:
                found = place.read(view[:size])
                if len(found) != 1 or not place.reader.is_plain or ws.on_event is not None:
                    self._serve(place, found)
                    continue
                # The usual case: one message has come.
                handled += 1
                ws._begun = None
                reply = handle(ws, found[0][1])
                if reply is not None:
                    place.reply(reply)
            except Exception as error:  # of a handler: it ends this connection, not the others
                place.leave(error)
        self.handled += handled

    def _serve(self, place: Place, found: list[Found]) -> None:
        """Answer what came."""
        ws, protocol, handle = place.ws, place.protocol, self._handle
        if len(found) > MANY:
            place.recv_into = partial(place.sock.recv_into, nbytes=FEWER)
        if place.reader.is_plain:
            events = cast("list[WebSocketEvent]", found)
        else:
            with place.lock:
                events = protocol.decide(found)
        messages = ws._messages  # where the handler finds them waiting, as in a flow
        for event in events:
            opcode, payload = event
            if opcode is _TEXT or opcode is _BINARY:
                ws._begun = None
                messages.append(payload)  # type: ignore[arg-type]  # no CloseReason: that is of a Close
            elif opcode is _PONG:
                ws._ponged(payload)  # type: ignore[arg-type]  # octets
                ws._heard.set()
            if ws.on_event is not None:
                ws.on_event(event)
        collected = 0
        while messages:
            self.handled += 1
            reply = handle(ws, messages.popleft())
            if reply is not None and protocol.close_sent is None:
                with place.lock:
                    protocol.send(reply)
                collected += len(reply)
            if not place.is_here:
                break  # the handler has closed, or waited
            if collected >= MOST_OUTPUT:
                if not place.push():
                    break  # no more is answered before this is sent
                collected = 0
        if not events and place.reader.is_plain:
            return  # a part of a message
        if not place.push() or messages or protocol.error is not None or protocol.close_received is not None:
            place.leave()


class Place:
    """One connection in the loop. While it is there, it is the `watch` of the stream's descriptor, so that
    closing the stream takes it out."""

    __slots__ = (
        "_error",
        "_is_blocked",
        "_left",
        "_loop",
        "_stream",
        "fd",
        "is_bare",
        "is_here",
        "lock",
        "protocol",
        "read",
        "reader",
        "recv_into",
        "send",
        "sock",
        "ws",
    )

    def __init__(self, loop: WsLoop, ws: ServerWebSocket, stream: SocketStream) -> None:
        self._loop = loop
        self._stream = stream
        self._left = Event()
        self._error: Exception | None = None
        self._is_blocked = False  # it left because the peer took nothing
        self.ws = ws
        self.protocol = ws.protocol
        # `WebSocketProtocol.feed`, of which the loop does the usual part itself.
        self.reader = ws.protocol._reader
        self.read = self.reader.feed
        #: Whether a message is sent as it is, in a frame.
        self.is_bare = ws.protocol.deflate is None
        self.lock = ws._lock
        self.fd = stream.fileno()
        self.is_here = False

    def serve_flow(self) -> Flow[None]:
        """Flow: have the loop answer what is simple, until there is something else to do.

        Raises what the handler raised.
        """
        ws = self.ws
        while self._enter():
            try:
                yield from self._left.wait()
            finally:
                self.leave()
            if self._error is not None:
                raise self._error
            if not self._is_blocked or ws._is_over or ws.protocol.state is not State.OPEN:
                return
            yield from ws._flush_flow()

    def _enter(self) -> bool:
        """Go into the loop. False where something is left to do, or somebody else receives."""
        ws, stream = self.ws, self._stream
        # No call lies between the look and the taking, so no other thread either.
        if ws._receiving or ws._pumping:
            return False
        ws._receiving = ws._pumping = True
        if (
            ws._messages
            or ws._has_output
            or ws._is_over
            or ws.protocol.state is not State.OPEN
            or ws.on_octets is not None
            or stream._buffer
            or stream._eof
            or stream._quiet is not None
            or stream.is_closed
        ):
            ws._receiving = ws._pumping = False
            ws._heard.set()
            return False
        self.sock: socket.socket = stream.lend(self)
        loop = self._loop
        self.recv_into, self.send = self.sock.recv_into, self.sock.send
        if not self.is_bare:
            self.recv_into = partial(self.recv_into, nbytes=ws.protocol.feed_size)
        self._error = None
        self._is_blocked = False
        self._left.clear()
        loop._epoll.register(self.fd, select.EPOLLIN)
        loop.places[self.fd] = self
        self.is_here = True
        ws._recall = self.leave
        if not loop._occupied.is_set:
            loop._occupied.set()
        return True

    def reply(self, reply: str | Octets) -> None:
        """Send the reply to the only message that has come."""
        ws, protocol = self.ws, self.protocol
        kind = type(reply)
        if self.is_bare and len(reply) < APART and (kind is bytes or kind is str):
            try:
                frame = build_frame(_BINARY_FRAME if kind is bytes else _TEXT_FRAME, reply)
            except UnicodeEncodeError:
                frame = b""  # the protocol says what is wrong
            # No call lies between the look and the taking, so no other thread either: that costs a tenth of
            # what the lock does.
            if (
                frame
                and not ws._sending
                and ws._unsent is None
                and not protocol._out
                and protocol._fragment < 0
                and protocol.close_sent is None
            ):
                ws._sending = True
                try:
                    sent = self.send(frame)
                except BlockingIOError:
                    sent = 0
                except OSError as error:
                    ws._sending = False
                    ws._cannot_send(error)
                    self.leave()
                    return
                if sent < len(frame):
                    ws._unsent = memoryview(frame)[sent:]
                ws._sending = False
                if sent < len(frame) or (protocol._out and not self.push()):
                    self.leave()
                return
        if protocol.close_sent is None:
            with self.lock:
                protocol.send(reply)
            if not self.push():
                self.leave()

    def fail(self, error: OSError) -> None:
        """Nothing more is received; the flow says why."""
        self.ws._failure = self.ws._failure or error
        self.leave()

    def push(self) -> bool:
        """Send what goes at once. Whether nothing is left to be sent."""
        ws = self.ws
        try:
            with self.lock:  # nothing waits below
                if ws._sending or ws._unsent is not None:
                    return False
                ws._sent.set()  # who waits until another has sent looks again
                parts = self.protocol.take_parts(holding=ws._is_holding)
                if len(parts) < 2:
                    return not parts or self._send(parts[0])
                if sum(map(len, parts)) < APART:
                    return self._send(b"".join(parts))
                return self._send_parts(parts)
        except OSError as error:
            ws._cannot_send(error)
            return False

    def _send(self, data: bytes) -> bool:
        try:
            sent = self.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.ws._unsent = memoryview(data)[sent:]
        return sent == len(data)

    def _send_parts(self, parts: list[bytes]) -> bool:
        """Send large messages without joining them with their headers. Raises OSError."""
        at = 0
        while at < len(parts):
            try:
                sent = self.sock.sendmsg(parts[at : at + MOST_PARTS])
            except BlockingIOError:
                sent = 0
            last = min(at + MOST_PARTS, len(parts))
            while at < last and sent >= len(parts[at]):
                sent -= len(parts[at])
                at += 1
            if at < last:
                rest = memoryview(parts[at])[sent:]
                self.ws._unsent = (
                    rest if at + 1 == len(parts) else memoryview(b"".join([rest, *parts[at + 1 :]]))
                )
                return False
        return True

    def look(self) -> None:
        """Send a ping if it is time for one; a peer that has not answered the last one sends it all back."""
        ws = self.ws
        if ws._begun is None and self.reader.in_message:
            ws._begun = monotonic()  # at the latest
        try:
            ws._alarm()
        except OSError as error:
            self.fail(error)
        else:
            if ws._has_output or ws._is_over:
                self.leave()

    def leave(self, error: Exception | None = None) -> None:
        """Send the connection back to its flow, which raises the error."""
        if error is not None:
            self._error = error
        if not self.is_here:
            return
        self.is_here = False
        ws, loop = self.ws, self._loop
        self._is_blocked = ws._unsent is not None
        ws._recall = None
        loop.places.pop(self.fd, None)
        loop._epoll.unregister(self.fd)
        self._stream.take_back()
        ws._receiving = ws._pumping = False
        ws._heard.set()
        self._left.set()

    def forget(self, close: Callable[[], None]) -> None:
        """Called when the stream is closed."""
        self.leave()
        close()
