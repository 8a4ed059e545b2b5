"""The sending half of an open WebSocket: one outbox, and one caller at a time who empties it.

A message is put into the protocol object's outbox under a lock, and then sent by whoever holds the sending.
Nobody waits for that: who finds another sending leaves the message there, and waits only while the outbox is
congested (rules 8 and 9 of `netkit.io`). What the stream did not take stays in `_unsent`, so that a call that
was interrupted leaves no part of a frame alone: the next call, or the one that receives, sends the rest.

A peer that refuses octets may have said why before: then nothing more is sent, but what came is still read.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import OPERATIONS_PER_TURN, PAUSE, ClosedError, Event, Want, before
from netkit.websocket.config import DEFAULT_CONFIG
from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, Protocol, TypeAlias

    from netkit.io import ByteStream, Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.masking import Octets
    from netkit.websocket.protocol import WebSocketProtocol

    Direction: TypeAlias = Literal["sent", "received"]

    class LoopPlace(Protocol):
        """The place of a connection in a loop that receives for many; see `netkit.websocket.place`."""

        #: Whether the loop receives now, and so is the connection's pump.
        is_here: bool

        def enter(self) -> bool:
            """Have the loop receive. False where something else is to be done first."""

        def leave(self) -> None:
            """The loop receives no more: whoever waits for a message does."""

        async def hear_async(self) -> bool:
            """Whether a message has come, where the loop receives; False where a flow is to wait for it."""


class SendingConnection:
    """What every part of a connection shares, and what sends."""

    def __init__(
        self, stream: ByteStream, protocol: WebSocketProtocol, config: WebSocketConfig = DEFAULT_CONFIG
    ) -> None:
        self.stream = stream
        self.protocol = protocol
        self.config = config
        #: If set, is called with the octets of frames as they are on the wire.
        self.on_octets: Callable[[Direction, bytes], object] | None = None
        # Guards the protocol object, and who receives and who sends; never held across a yield.
        self._lock = threading.Lock()
        self._messages: deque[str | bytes] = deque()  # received, and not taken yet
        self._dropping = False  # messages are not wanted any more
        self._wake = Event()  # has the pump look again: at the clock, the queue, the outbox
        self._sending = False
        self._sent = Event()  # who was sending has ended
        self._unsent: memoryview | None = None  # what the stream has not taken of what the protocol gave
        self._failure: Exception | None = None  # of the stream
        self._deaf: OSError | None = None  # the peer takes no more octets; what it has sent is still read
        self._place: LoopPlace | None = None  # in the loop of a server (`WsLoop`)
        self._closed = Event()

    def _reason(self) -> Exception:
        """Why there are no more messages."""
        protocol = self.protocol
        if protocol.error is not None:
            return protocol.error
        closed = WebSocketError.ConnectionClosed(protocol.close_code, protocol.close_reason)
        closed.__cause__ = self._failure or self._deaf
        return closed

    @property
    def _has_output(self) -> bool:
        if self._deaf is not None:
            return False
        if self._unsent is not None or self.stream.unsent > 0:
            return True
        return self.protocol.output_size > 0 if self._is_holding else self.protocol.has_output

    @property
    def _is_holding(self) -> bool:
        """Whether a Close frame that is an answer waits until the messages before it are taken, so that they
        can be answered too."""
        return bool(self._messages) and not self._dropping

    def _check_sending(self) -> None:
        """Raise if nothing can be sent any more. The caller holds the lock."""
        if self._closed.is_set or self._failure is not None or self._deaf is not None:
            raise self._reason()

    def _send_now(self, message: str | Octets) -> bool:
        """Put a message into the outbox, and send what goes at once. Whether nothing is left to be sent."""
        if self.on_octets is None and self._unsent is None and self._take_sending():
            try:
                sent = self._send_past_outbox(message)
            finally:
                self._leave_sending()
            if sent is not None:
                return sent and (not self.protocol.has_output or self._push())
        with self._lock:
            self._check_sending()
            self.protocol.send(message)
        return self._push()

    def _send_past_outbox(self, message: str | Octets) -> bool | None:
        """Send a message at once, for who alone sends. Whether nothing of it is left; None if it was not sent
        at all, because it is not simple."""
        if self._closed.is_set or self._failure is not None or self._deaf is not None:
            return None
        frame = self.protocol.frame_past_outbox(message)
        if frame is None or self._unsent is not None:
            return None
        try:
            taken = self.stream.offer(frame)
        except OSError as error:
            self._cannot_send(error)
            return True  # who receives is told
        if taken < len(frame):
            self._unsent = memoryview(frame)[taken:]
            return False
        return self.stream.unsent == 0

    def _take_sending(self) -> bool:
        """Become the one who sends, if nobody is."""
        # No call lies between the look and the taking, so no other thread either.
        if self._sending:
            return False
        self._sending = True
        return True

    def _leave_sending(self) -> None:
        self._sending = False
        if not self._sent.is_set:
            self._sent.set()

    def _push(self) -> bool:
        """Send what goes at once. Whether nothing is left; False also where somebody else is sending."""
        while self._take_sending():
            try:
                if not self._offer():
                    return False
            except OSError as error:
                self._cannot_send(error)
                return True  # who receives is told
            finally:
                self._leave_sending()
            if not self.protocol.has_output or not self._has_output:  # nobody has left more to us meanwhile
                return True
        return False

    def _cannot_send(self, error: OSError) -> None:
        """The stream has refused octets. A peer that has gone may have said why: that is still read."""
        if isinstance(error, ConnectionError) and not isinstance(error, ClosedError):
            self._deaf = self._deaf or error
            self._unsent = None
            with self._lock:
                self.protocol.take()
        else:
            self._failure = self._failure or error
        self._wake.set()

    def _offer(self) -> bool:
        """Give the stream what it takes without waiting. Whether nothing is left. For who sends."""
        stream = self.stream
        while True:
            if self._unsent is None:
                with self._lock:
                    data = self.protocol.take(holding=self._is_holding)
                if not data:
                    return stream.unsent == 0
                if self.on_octets is not None:
                    self.on_octets("sent", data)
                taken = stream.offer(data)
                if taken < len(data):
                    self._unsent = memoryview(data)[taken:]
                    return False
                if not self.protocol.has_output:
                    return stream.unsent == 0
            else:
                taken = stream.offer(self._unsent)
                if taken < len(self._unsent):
                    self._unsent = self._unsent[taken:]
                    return False
                self._unsent = None

    def _flush_flow(self, *, wholly: bool = False) -> Flow[None]:
        """Flow: send what is in the outbox. Where somebody else does, wait only while there is much, or, with
        `wholly`, until nothing is left."""
        while self._has_output and self._failure is None:
            if self._take_sending():
                yield from self._sending_flow()
            elif not wholly and not self.protocol.is_congested:
                return
            else:
                self._sent.clear()
                if self._sending:
                    yield Want(event=self._sent)
        if self._failure is not None or self._deaf is not None:
            raise self._reason()

    def _sending_flow(self) -> Flow[None]:
        """Flow: send until nothing is left. For who has taken the sending; it is given up at the end."""
        stream, timeout = self.stream, self.config.write_timeout
        if self._place is not None:
            self._place.leave()
        turns = 0
        try:
            while not self._offer():
                until = None if timeout is None else monotonic() + timeout
                if self._unsent is None or stream.unsent:
                    yield from before(until, stream.flush(), "sending a message")
                else:
                    taken = yield from before(until, stream.write_flow(self._unsent), "sending a message")
                    self._unsent = self._unsent[taken:] if taken < len(self._unsent) else None
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        except OSError as error:
            self._cannot_send(error)
        finally:
            self._leave_sending()
            if self._has_output:
                self._wake.set()  # interrupted: the pump, if there is one, sends the rest
