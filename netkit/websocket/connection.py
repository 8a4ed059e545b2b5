"""An open WebSocket: messages out and in, over any byte stream, blocking and awaited.

    with connect("wss://example.com/chat") as ws:
        ws.send("hello")
        print(ws.receive())

`WebSocketProtocol` makes every decision. What stands here waits, and there is no thread or task behind it:
whoever waits for a message receives for all others too (answers to pings go out by the way), and whoever
sends takes along what others have put into the outbox meanwhile (rules 8 and 9 of `netkit.io`). So in the
blocking form, pings of this side go out, and those of the peer are answered, while some call waits.

One flow, thread or task receives messages, and any number send. A message that was interrupted while it was
being sent is sent by the next call: a part of a frame never stands alone.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    BusyError,
    ClosedError,
    Event,
    Want,
    before,
    deadline_after,
    race,
)
from netkit.io.aio import Turn, run_async, turn_is_due
from netkit.io.blocking import run
from netkit.io.errors import DeadlineExceeded
from netkit.net.sockets import SocketStream
from netkit.websocket.close import CloseCode
from netkit.websocket.config import DEFAULT_CONFIG
from netkit.websocket.errors import WebSocketError
from netkit.websocket.opcode import Opcode
from netkit.websocket.protocol import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Literal, Self, TypeAlias

    from netkit.io import ByteStream, CancellationToken, Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.masking import Octets
    from netkit.websocket.protocol import Event as WebSocketEvent, WebSocketProtocol

    Direction: TypeAlias = Literal["sent", "received"]

log = Log("netkit.websocket")

# A member of an enumeration costs four times as much where it is looked up.
_TEXT, _BINARY, _PONG = Opcode.Textual, Opcode.Binary, Opcode.Pong

#: How a connection ends that nothing is wrong with (RFC 6455 section 7.4.1).
NORMAL_CODES = frozenset((CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS))

#: How long a client waits for the server to end a stream of HTTP/2 after both Close frames, in seconds.
PARTING = 0.25

#: Octets of messages that are kept while nobody takes them, at the least.
QUEUE_SIZE = 1 << 20


class WebSocket:
    """An open connection. `connect` makes one, and so does a server's `accept_flow`.

    `latency` is the round-trip time of the last ping that was answered, in seconds. `on_event`, if set, is
    called with everything that comes: pings, pongs and the Close frame too. `on_octets`, if set, is called
    with the octets of frames as they are on the wire: "received" before anything is made of them, "sent"
    before they go.
    """

    def __init__(
        self, stream: ByteStream, protocol: WebSocketProtocol, config: WebSocketConfig = DEFAULT_CONFIG
    ) -> None:
        self.stream = stream
        self.protocol = protocol
        self.config = config
        self.latency: float | None = None
        self.on_event: Callable[[WebSocketEvent], object] | None = None
        self.on_octets: Callable[[Direction, bytes], object] | None = None
        #: Set when this side has begun to close, before the peer has.
        self.closing = Event()
        # Guards the protocol object, and who receives and who sends; never held across a yield.
        self._lock = threading.Lock()
        self._messages: deque[str | bytes] = deque()
        self._full = False  # the pump waits until a message is taken
        self._receiving = False  # a caller waits for a message
        self._pumping = False  # some flow receives, for all
        self._heard = Event()  # the pump has taken something in, or has left
        self._wake = Event()  # has the pump look again: at the clock, the queue, the outbox
        self._sending = False
        self._sent = Event()  # who was sending has ended
        self._unsent: memoryview | None = None  # what the stream has not taken of what the protocol gave
        self._pings: deque[tuple[bytes, float, Event]] = deque()  # not answered yet, in order
        self._ping_number = 0
        self._moved = monotonic()  # when an octet came last
        self._asked: float | None = None  # when a ping went out because nothing came
        self._closing_until: float | None = None
        self._dropping = False  # messages are not wanted any more
        self._failure: Exception | None = None  # of the stream
        self._deaf: OSError | None = None  # the peer takes no more octets; what it has sent is still read
        self._farewell = False  # the end of the transport is seen to, or over
        self._want: Want | None = None  # what the pump waited for last
        self._recall: Callable[[], None] | None = None  # has the loop that serves it (`WsLoop`) leave it
        self._closed = Event()

    # What is known of it

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that both sides agreed on; None without one."""
        return self.protocol.subprotocol

    @property
    def state(self) -> State:
        """Whether messages can be sent (OPEN), the closing handshake is under way, or it is over."""
        return State.CLOSED if self._failure is not None or self._closed.is_set else self.protocol.state

    @property
    def close_code(self) -> int | None:
        """The code that the peer closed with; 1005 for none in its Close frame, 1006 without such a frame.
        None while the connection is open."""
        return None if self.state is State.OPEN else self.protocol.close_code

    @property
    def close_reason(self) -> str:
        """The peer's words for why it closed."""
        return self.protocol.close_reason

    @property
    def failure(self) -> Exception | None:
        """What the transport broke down with, or ClosedError if it was closed under the connection."""
        return self._failure or self._deaf

    @property
    def is_closed(self) -> bool:
        """Whether the connection is released."""
        return self._closed.is_set

    def __repr__(self) -> str:
        return f"<WebSocket {'client' if self.protocol.is_client else 'server'} {self.state.value}>"

    # Messages

    def receive(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> str | bytes:
        """The next message: `str` for a text, `bytes` for octets.

        `timeout` in seconds; with 0, what is there. Raises WebSocketError.ConnectionClosed when the peer has
        closed (with its code), the error that it broke a rule with, DeadlineExceeded, CancellationError, and
        BusyError while another caller receives.
        """
        if not self._messages:
            run(self._message_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self._take_message()

    async def receive_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> str | bytes:
        """The next message: `str` for a text, `bytes` for octets; errors as `receive`."""
        if not self._messages or turn_is_due():
            await run_async(self._message_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self._take_message()

    def receive_flow(self) -> Flow[str | bytes]:
        """Flow: the next message; errors as `receive`."""
        if not self._messages:
            yield from self._message_flow()
        return self._take_message()

    def _take_message(self) -> str | bytes:
        message = self._messages.popleft()
        if self._full:
            self._full = False
            self._wake.set()
        return message

    def send(
        self,
        message: str | Octets,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Send a message: a text, or octets. Returns when the system has it, or another call sends it.

        Raises WebSocketError.ConnectionClosed after a Close frame, WebSocketError.InvalidValue for a text
        that is none, DeadlineExceeded for a peer that takes nothing, CancellationError.
        """
        if not self._send_now(message):
            run(self._flush_flow(), deadline=deadline_after(timeout), cancel=cancel)

    async def send_async(
        self,
        message: str | Octets,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Send a message: a text, or octets; errors as `send`."""
        if not self._send_now(message):
            await run_async(self._flush_flow(), deadline=deadline_after(timeout), cancel=cancel)
        elif turn_is_due():
            await Turn()

    def send_flow(self, message: str | Octets) -> Flow[None]:
        """Flow: send a message; errors as `send`."""
        if not self._send_now(message):
            yield from self._flush_flow()

    def send_fragment(
        self,
        data: str | Octets,
        *,
        end: bool,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Send a part of a message in a frame of its own, `end` with the last; errors as `send`.

        Until the last part, no other message can be sent.
        """
        self._tell_fragment(data, end)
        run(self._flush_flow(), deadline=deadline_after(timeout), cancel=cancel)

    async def send_fragment_async(
        self,
        data: str | Octets,
        *,
        end: bool,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Send a part of a message in a frame of its own, `end` with the last; errors as `send`."""
        self._tell_fragment(data, end)
        await run_async(self._flush_flow(), deadline=deadline_after(timeout), cancel=cancel)

    def send_fragment_flow(self, data: str | Octets, *, end: bool) -> Flow[None]:
        """Flow: send a part of a message in a frame of its own, `end` with the last; errors as `send`."""
        self._tell_fragment(data, end)
        yield from self._flush_flow()

    def _tell_fragment(self, data: str | Octets, end: bool) -> None:
        with self._lock:
            self._check_sending()
            self.protocol.send_fragment(data, end=end)

    # Signs of life

    def ping(
        self,
        payload: bytes | None = None,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> float:
        """Send a ping, and return how long its answer took, in seconds.

        `payload` is up to 125 octets, None for some that no other ping has. Messages that come meanwhile are
        kept for `receive`. Raises as `receive` does.
        """
        return run(self.ping_flow(payload), deadline=deadline_after(timeout), cancel=cancel)

    async def ping_async(
        self,
        payload: bytes | None = None,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> float:
        """Send a ping, and return how long its answer took, in seconds; as `ping`."""
        return await run_async(self.ping_flow(payload), deadline=deadline_after(timeout), cancel=cancel)

    def ping_flow(self, payload: bytes | None = None) -> Flow[float]:
        """Flow: send a ping, and return how long its answer took, in seconds; as `ping`."""
        with self._lock:
            self._check_sending()
            if payload is None:
                self._ping_number += 1
                payload = b"%d" % self._ping_number
            self.protocol.ping(payload)
            ping = (bytes(payload), monotonic(), Event())
            self._pings.append(ping)
        answered = ping[2]
        try:
            yield from self._flush_flow()
            yield from self._pump_flow(lambda: answered.is_set or self._is_over)
        finally:
            if not answered.is_set and ping in self._pings:
                self._pings.remove(ping)
        if not answered.is_set:
            raise self._reason()
        assert self.latency is not None  # `_ponged` has set it
        return self.latency

    # The end

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Close with `code` and `reason`: both Close frames, then the transport, within `close_timeout`.

        Messages that still come are dropped. No effect on a connection that is closed, and no error if the
        peer does not play along. Raises WebSocketError.InvalidValue for a code or reason that cannot be sent.
        """
        run(self.close_flow(code, reason))

    async def close_async(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Close with `code` and `reason`; as `close`."""
        await run_async(self.close_flow(code, reason))

    def close_flow(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> Flow[None]:
        """Flow: close with `code` and `reason`; as `close`."""
        if self._closed.is_set:
            return
        self.begin_close(code, reason)
        self._dropping = True
        self._messages.clear()
        self._wake.set()
        try:
            yield from before(monotonic() + self.config.close_timeout, self._closing_flow())
        except (DeadlineExceeded, OSError, WebSocketError, BusyError) as error:
            log.debug("%r: closing: %s", self, error)
        finally:
            self.abort()

    def begin_close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Put a Close frame into the outbox, and send it if that goes at once; nothing waits.

        Who receives goes on receiving, until the peer has closed too, for `close_timeout` at the most.
        """
        with self._lock:
            is_first = self.protocol.state is State.OPEN
            self.protocol.close(code, reason)
        if self._closing_until is None:
            self._closing_until = monotonic() + self.config.close_timeout
        self._push()
        if is_first:
            self.closing.set()
        self._wake.set()  # for the pump, which waits no longer than that
        if self._recall is not None:
            self._recall()

    def settle_flow(self) -> Flow[None]:
        """Flow: after `begin_close`, see the closing handshake to its end, as a caller of `receive` would.

        Messages that still come are kept for `receive`. For a server whose handler does something else.
        """
        yield from self._pump_flow(lambda: self._is_over)
        yield from self._end_flow()

    def abort(self) -> None:
        """Release the connection at once, from any thread. Callers that wait get an error."""
        self._closed.set()
        self.stream.close()
        self._heard.set()
        self._sent.set()
        self._wake.set()

    def _closing_flow(self) -> Flow[None]:
        yield from self._flush_flow()
        yield from self._pump_flow(lambda: self._is_over)
        yield from self._end_flow()

    def _end_flow(self) -> Flow[None]:
        """Flow: after both Close frames, or an error: end the transport (RFC 6455 section 7.1.1)."""
        if self._farewell:
            yield from self._closed.wait()
            return
        self._farewell = True
        try:
            if self._failure is None:
                yield from before(monotonic() + self.config.close_timeout, self._part_flow())
        except (DeadlineExceeded, OSError, BusyError) as error:
            log.debug("%r: ending: %s", self, error)
        finally:
            self.abort()

    def _part_flow(self) -> Flow[None]:
        stream = self.stream
        yield from self._flush_flow()
        if self.protocol.is_client and self.protocol.error is None:
            # The server closes first: it keeps the port in TIME_WAIT then, and not the client. A stream of
            # HTTP/2 has no port, and there are servers that never end it: it is reset soon.
            if stream.is_multiplexed:
                yield from before(monotonic() + PARTING, self._last_flow())
            else:
                yield from self._last_flow()
            return
        yield from stream.finish()
        yield from stream.lingering_close()

    def _last_flow(self) -> Flow[None]:
        while data := (yield from self.stream.read_flow()):
            del data  # nothing may come behind a Close frame

    # Receiving

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
        try:
            yield from self._pump_flow(lambda: bool(self._messages) or self._is_over)
        finally:
            self._receiving = False
        if not self._messages:
            yield from self._end_flow()
            raise self._reason()

    def _reason(self) -> Exception:
        """Why there are no more messages."""
        protocol = self.protocol
        if protocol.error is not None:
            return protocol.error
        closed = WebSocketError.ConnectionClosed(protocol.close_code, protocol.close_reason)
        closed.__cause__ = self._failure or self._deaf
        return closed

    @property
    def _has_pump(self) -> bool:
        return self._pumping

    def _pump_flow(self, is_there: Callable[[], bool]) -> Flow[None]:
        """Flow: receive until `is_there`; one flow does, and the others wait until it has heard something."""
        while self._pumping:
            self._heard.clear()
            if is_there():
                return
            if self._has_pump:  # looked at after the clearing: a pump that leaves sets it
                yield Want(event=self._heard)
        # No call lies between the look and the taking, so no other thread either.
        self._pumping = True
        try:
            yield from self._receiving_flow(is_there)
        except (OSError, EOFError) as error:
            # Also ClosedError: the stream was closed by somebody else, or by `abort`.
            if not self._closed.is_set:
                self._failure = self._failure or error
        finally:
            self._pumping = False
            self._heard.set()

    def _receiving_flow(self, is_there: Callable[[], bool]) -> Flow[None]:
        stream, wake = self.stream, self._wake
        is_socket = isinstance(stream, SocketStream)
        turns = 0
        while not is_there():
            wake.clear()
            if self._messages and self._is_full():
                # A flow that waits for something else: the peer is held back until a message is taken.
                yield Want(event=wake, until=self._closing_until)
                self._moved = monotonic()
                self._alarm()
                continue
            data = stream.try_take()
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
                if not self._dropping:
                    self._messages.append(payload)  # type: ignore[arg-type]  # no CloseReason: that is of a Close
            elif opcode is _PONG:
                self._ponged(payload)  # type: ignore[arg-type]  # octets
            if self.on_event is not None:
                self.on_event(event)
        if protocol.has_output:
            self._push()
        if not self._heard.is_set:
            self._heard.set()

    def _ponged(self, payload: bytes) -> None:
        """The answer to a ping, and so to all that went before it (section 5.5.3)."""
        with self._lock:
            pings = self._pings
            if not any(each == payload for each, _, _ in pings):
                return
            now = monotonic()
            while pings:
                each, begun, answered = pings.popleft()
                self.latency = now - begun
                answered.set()
                if each == payload:
                    return

    def _alarm(self) -> float | None:
        """When to look at the clock again; sends a ping that is due. Raises where the peer is silent for too
        long."""
        config, now = self.config, monotonic()
        if self._closing_until is not None:
            if now >= self._closing_until:
                raise DeadlineExceeded("waiting for the peer's Close frame")
            return self._closing_until
        if config.ping_interval is None:
            return None
        if self._asked is not None:
            if config.ping_timeout is None:
                return None
            until = self._asked + config.ping_timeout
            if now >= until:
                self._silent()
            return until
        due = self._moved + config.ping_interval
        if now < due:
            return due
        with self._lock:
            if self.protocol.state is State.OPEN:
                self._ping_number += 1
                payload = b"%d" % self._ping_number
                self.protocol.ping(payload)
                self._pings.append((payload, now, Event()))
        self._asked = now
        self._push()
        return None if config.ping_timeout is None else now + config.ping_timeout

    def _silent(self) -> None:
        """The peer sends nothing, not even the answer to a ping."""
        self.begin_close(CloseCode.INTERNAL_ERROR, "no answer to a ping")
        self._failure = DeadlineExceeded("waiting for the answer to a ping")
        raise ClosedError(f"{self.config.ping_timeout:g} s without a sign of life")

    # Sending

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
        with self._lock:
            self._check_sending()
            self.protocol.send(message)
        return self._push()

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

    def _flush_flow(self) -> Flow[None]:
        """Flow: send what is in the outbox. Where somebody else does, wait only while there is much."""
        while self._has_output and self._failure is None:
            if self._take_sending():
                yield from self._sending_flow()
            elif not self.protocol.is_congested:
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
        if self._recall is not None:
            self._recall()
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

    # Python's protocols

    def __iter__(self) -> Iterator[str | bytes]:
        """The messages (blocking), until the peer closes normally (1000, 1001, or no code)."""
        return until_closed(self.receive)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages, until the peer closes normally (1000, 1001, or no code)."""
        while True:
            try:
                message = await self.receive_async()
            except WebSocketError.ConnectionClosed as error:
                if error.code in NORMAL_CODES:
                    return
                raise
            yield message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close normally; with 1011 after an error, and without waiting after an interruption."""
        if error is not None and not isinstance(error, Exception):
            self.abort()
        else:
            self.close(CloseCode.NORMAL if error is None else CloseCode.INTERNAL_ERROR)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close normally; with 1011 after an error, and without waiting after an interruption."""
        if error is not None and not isinstance(error, Exception):
            self.abort()
        else:
            await self.close_async(CloseCode.NORMAL if error is None else CloseCode.INTERNAL_ERROR)


def until_closed(receive: Callable[[], str | bytes]) -> Iterator[str | bytes]:
    """The messages that `receive` returns, until the peer closes normally (1000, 1001, or no code)."""
    while True:
        try:
            message = receive()
        except WebSocketError.ConnectionClosed as error:
            if error.code in NORMAL_CODES:
                return
            raise
        yield message
