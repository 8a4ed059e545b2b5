"""WebSockets on many plain connections: one flow that receives for all of them, while that is simple.

A connection over any stream can be served in a flow of its own, and then each message costs a turn of the
driver. Here the sockets of all connections are in one epoll(7) set, and the flow waits for the descriptor of
this set. One turn of the driver then serves every connection that is ready: receive into one buffer, feed the
protocol object, and have the message answered at once, or wake whoever waits for it (`place`). This special
code exists only because it is much faster (DESIGN.md section 3; measured in `benchmarks/websocket.py`).

What is not simple goes back to the flow of the connection: a peer that does not take its replies, a Close
frame, an error, an end. So every rule for these cases stands once, in `receiving` and `sending`. The flow
comes back when all is sent. In the loop nothing waits, so a peer that takes nothing is not read from either.
"""

from __future__ import annotations

import select
from functools import partial
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from netkit.io import ClosedError, Descriptor, Event, sleep_until
from netkit.net.sockets import SocketStream
from netkit.websocket.connection import NORMAL_CODES
from netkit.websocket.errors import WebSocketError
from netkit.websocket.opcode import Opcode
from netkit.websocket.place import Place

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import TypeAlias

    from netkit.io import Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.masking import Octets
    from netkit.websocket.protocol import Event as WebSocketEvent
    from netkit.websocket.reader import Found
    from netkit.websocket.server import ServerWebSocket

    Handle: TypeAlias = Callable[[ServerWebSocket, str | bytes], str | Octets | None]

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

#: How often, in seconds, the connections' times are looked at: an eighth of a time limit, within these.
SHORTEST_LOOK, LONGEST_LOOK = 0.005, 1.0

# A member of an enumeration costs four times as much where it is looked up.
_TEXT, _BINARY, _PONG = Opcode.Textual, Opcode.Binary, Opcode.Pong


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
    """Receives for every connection that has a `place`, while `turning` is driven.

    `handler` answers their messages; without one, whoever waits for the message of a connection is woken.
    """

    #: Whether this system has epoll.
    available = hasattr(select, "epoll")

    def __init__(self, handler: MessageHandler | None, config: WebSocketConfig) -> None:
        self._handle = None if handler is None else handler.handle_message
        self._config = config
        #: With fewer messages waiting than that, a connection has not to be asked whether it has too many.
        self._few = min(2, config.max_queue)
        #: The thread in which it turns, and the event loop there, once a coroutine has waited for a message.
        self.thread = 0
        self.events: asyncio.AbstractEventLoop | None = None
        self._epoll = select.epoll()
        self._descriptor = Descriptor(self._epoll.fileno(), close=self._epoll.close)
        self._occupied = Event()
        self._buffer = bytearray(RECEIVE_SIZE)
        self.places: dict[int, Place] = {}
        #: How many messages were answered here, or taken without an answer.
        self.handled = 0

    @property
    def answers(self) -> bool:
        """Whether messages are answered here."""
        return self._handle is not None

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
        self.thread = get_ident()
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
        places, buffer, handle = self.places, self._buffer, self._handle
        now, handled, few = monotonic(), 0, self._few
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
                place.end()
                continue
            ws._moved = now
            ws._asked = None
            try:
                message = place.read(buffer, size)
                if isinstance(message, list):
                    self._serve(place, message)
                    continue
                # The usual case: one message has come.
                ws._begun = None
                if ws.on_event is not None:
                    ws.on_event((_BINARY if type(message) is bytes else _TEXT, message))
                if handle is not None:
                    handled += 1
                    reply = handle(ws, message)
                    if reply is not None:
                        place.reply(reply)
                    continue
                ws._messages.append(message)
                heard = ws._heard
                if not heard.is_set:
                    heard.set()
                if place.told is not None:
                    place.told()
                if len(ws._messages) >= few or len(message) >= RECEIVE_SIZE:
                    place.hold_back()
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
        if handle is None:
            if events:
                ws._heard.set()
                if place.told is not None:
                    place.told()
                if not place.is_here:
                    return  # who was woken does the rest
        else:
            self._answer(place, handle)
        if not events and place.reader.is_plain:
            return  # a part of a message
        if (
            not place.push()
            or (handle is not None and messages)
            or protocol.error is not None
            or protocol.close_received is not None
        ):
            place.leave()
        elif messages:
            place.hold_back()

    def _answer(self, place: Place, handle: Handle) -> None:
        """Have the handler answer the messages of a connection, until it leaves."""
        ws, protocol, collected = place.ws, place.protocol, 0
        messages = ws._messages
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
