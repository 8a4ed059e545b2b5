"""The receiving half of an open WebSocket: one caller receives, for all that wait.

There is no thread or task behind a connection. Of those who wait (for a message, the answer to a ping, the
peer's Close frame), one is the pump: it receives, answers pings and sends what is left in the outbox, until
it has what it waits for; then the next one takes over. The others wait for what the pump hears.

Messages that nobody has asked for yet are kept, up to `max_queue` of them and QUEUE_SIZE octets. Then the
pump reads no more, and TCP holds the peer back.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import OPERATIONS_PER_TURN, PAUSE, BusyError, Want, race
from netkit.net.sockets import SocketStream
from netkit.websocket.config import DEFAULT_CONFIG
from netkit.websocket.keepalive import TimedConnection
from netkit.websocket.opcode import Opcode

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io import ByteStream, Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.protocol import Event as WebSocketEvent, WebSocketProtocol

# A member of an enumeration costs four times as much where it is looked up.
_TEXT, _BINARY, _PONG = Opcode.Textual, Opcode.Binary, Opcode.Pong

#: Octets of messages that are kept while nobody takes them, at the least.
QUEUE_SIZE = 1 << 20


class ReceivingConnection(TimedConnection):
    """What receives messages, and hands them on."""

    def __init__(
        self, stream: ByteStream, protocol: WebSocketProtocol, config: WebSocketConfig = DEFAULT_CONFIG
    ) -> None:
        super().__init__(stream, protocol, config)
        #: If set, is called with everything that comes: pings, pongs and the Close frame too.
        self.on_event: Callable[[WebSocketEvent], object] | None = None
        self._full = False  # the pump waits until a message is taken
        self._receiving = False  # a caller waits for a message
        self._operations = 0  # messages that flows have received and sent, so that others get their turn
        self._pumping = False  # some flow receives, for all
        self._want: Want | None = None  # what the pump waited for last
        self._hearing = Want(event=self._heard)  # what everybody else waits for

    def _take_message(self) -> str | bytes:
        try:
            message = self._messages.popleft()
        except IndexError:
            # Another thread has begun to close meanwhile, and dropped it.
            raise self._reason() from None
        if self._full:
            self._full = False
            self._wake.set()
        return message

    @property
    def _is_over(self) -> bool:
        """Whether no more messages come."""
        protocol = self.protocol
        return (
            self._failure is not None
            or self._closed.is_set
            or protocol.error is not None
            or protocol.is_ended
            or protocol.close_received is not None
        )

    def _message_flow(self) -> Flow[None]:
        """Flow: until there is a message. Raises what there is instead of one."""
        if self._messages:
            yield PAUSE
            return
        if self._receiving:
            raise BusyError("WebSocket's receiving side")
        self._receiving = True
        place, heard = self._place, self._heard
        try:
            while place is not None and place.is_here:
                heard.clear()
                if self._messages:
                    return
                if place.is_here:  # looked at after the clearing, as in `_pump_flow`
                    yield self._hearing
            yield from self._pump_flow(lambda: bool(self._messages) or self._is_over)
        finally:
            self._receiving = False
        if not self._messages:
            yield from self._end_flow()
            raise self._reason()

    @property
    def _has_pump(self) -> bool:
        return self._pumping

    def _pump_flow(self, is_there: Callable[[], bool]) -> Flow[None]:
        """Flow: receive until `is_there`; one flow does, and the others wait until it has heard something."""
        while self._pumping or (self._place is not None and self._place.enter()):
            self._heard.clear()
            if is_there():
                return
            if self._has_pump:  # looked at after the clearing: a pump that leaves sets it
                yield self._hearing
        # No call lies between the look and the taking, so no other thread either.
        self._pumping = True
        if self._begun is not None:
            self._begun += monotonic() - self._paused  # the peer was held back
        try:
            yield from self._receiving_flow(is_there)
        except (OSError, EOFError) as error:
            # Also ClosedError: the stream was closed by somebody else, or by `abort`.
            if not self._closed.is_set:
                self._failure = self._failure or error
        finally:
            if self._begun is not None:
                self._paused = monotonic()
            self._pumping = False
            self._heard.set()

    def _receiving_flow(self, is_there: Callable[[], bool]) -> Flow[None]:
        stream, wake = self.stream, self._wake
        is_socket, most = isinstance(stream, SocketStream), self.protocol.feed_size
        turns = 0
        while not is_there():
            wake.clear()
            if self._messages and self._is_full():
                # A flow that waits for something else: the peer is held back until a message is taken.
                yield Want(event=wake, until=self._closing_until)
                now = monotonic()
                if self._begun is not None:
                    self._begun = min(self._begun + now - self._moved, now)
                self._moved = now
                self._alarm()
                continue
            data = stream.try_take(most)
            if data is not None:
                self._take_in(data)
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
                continue
            if self._has_output and self._take_sending():
                # The peer takes none of our answers now: send and receive, whichever goes.
                yield from race(self._sending_flow(), stream.fill(1))
                continue
            if not is_socket:
                yield from stream.ready_flow(wake, self._alarm())
                continue
            # Until a ping is due, one object says what is waited for, and until when: it may end too early.
            want, is_calm = self._want, self._asked is None and self._closing_until is None
            if want is None or not is_calm or (want.until is not None and monotonic() >= want.until):
                want = stream.want(event=wake, until=self._alarm())
                is_calm = self._asked is None and self._closing_until is None
                self._want = want if is_calm else None
            yield want

    def _is_full(self) -> bool:
        """Whether so much is kept that no more is read; whoever takes a message then wakes the pump."""
        messages = self._messages
        self._full = not self._dropping
        full = len(messages) >= self.config.max_queue or sum(map(len, list(messages))) >= QUEUE_SIZE
        self._full = full and not self._dropping
        return self._full and bool(messages)

    def _take_in(self, data: bytes) -> None:
        """What the next octets mean; `b""` is the end of the stream."""
        protocol = self.protocol
        if not data:
            with self._lock:
                protocol.feed_eof()
            self._heard.set()
            return
        self._moved = monotonic()
        self._asked = None
        if self.on_octets is not None:
            self.on_octets("received", data)
        for event in protocol.feed(data, self._lock):
            opcode, payload = event
            if opcode is _TEXT or opcode is _BINARY:
                self._begun = None
                if not self._dropping:
                    self._messages.append(payload)  # type: ignore[arg-type]  # no CloseReason: that is of a Close
            elif opcode is _PONG:
                self._ponged(payload)  # type: ignore[arg-type]  # octets
            if self.on_event is not None:
                self.on_event(event)
        if self._begun is None and protocol.in_message:
            self._begun = self._moved
            self._want = None
        if protocol.has_output:
            self._push()
        if not self._heard.is_set:
            self._heard.set()
