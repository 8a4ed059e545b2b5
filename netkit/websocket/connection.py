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

from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import OPERATIONS_PER_TURN, PAUSE, BusyError, Event, before, deadline_after
from netkit.io.aio import Turn, run_async, turn_is_due
from netkit.io.blocking import run
from netkit.io.errors import DeadlineExceeded
from netkit.websocket.close import CloseCode
from netkit.websocket.errors import WebSocketError
from netkit.websocket.keepalive import log
from netkit.websocket.protocol import State
from netkit.websocket.receiving import ReceivingConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Self

    from netkit.io import CancellationToken, Flow
    from netkit.websocket.masking import Octets

#: How a connection ends that nothing is wrong with (RFC 6455 section 7.4.1).
NORMAL_CODES = frozenset((CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS))


class WebSocket(ReceivingConnection):
    """An open connection. `connect` makes one, and so does a server's `accept_flow`.

    `latency` is the round-trip time of the last ping that was answered, in seconds. `on_event`, if set, is
    called with everything that comes: pings, pongs and the Close frame too. `on_octets`, if set, is called
    with the octets of frames as they are on the wire: "received" before anything is made of them, "sent"
    before they go.
    """

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
            place = self._place
            if place is None or timeout is not None or cancel is not None or not await place.hear_async():
                await run_async(self._message_flow(), deadline=deadline_after(timeout), cancel=cancel)
        return self._take_message()

    def receive_flow(self) -> Flow[str | bytes]:
        """Flow: the next message; errors as `receive`."""
        self._operations += 1
        if self._operations % OPERATIONS_PER_TURN == 0:
            yield PAUSE
        if not self._messages:
            yield from self._message_flow()
        return self._take_message()

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
        self._operations += 1
        if not self._send_now(message):
            yield from self._flush_flow()
        elif self._operations % OPERATIONS_PER_TURN == 0:
            yield PAUSE

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
            with self._lock:
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

    def settle_flow(self) -> Flow[None]:
        """Flow: after `begin_close`, see the closing handshake to its end, as a caller of `receive` would.

        Messages that still come are kept for `receive`. For a server whose handler does something else.
        """
        yield from self._pump_flow(lambda: self._is_over)
        yield from self._end_flow()

    def _closing_flow(self) -> Flow[None]:
        yield from self._flush_flow()
        yield from self._pump_flow(lambda: self._is_over)
        yield from self._end_flow()

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
