"""The times of an open WebSocket: keepalive pings, messages under way, the closing handshake, the end.

Nothing here has a clock of its own. Who receives asks `_alarm` when to look again, and that sends the ping
that is due: so a connection that nobody waits on sends none. Every octet that comes counts as a sign of life,
not only a pong (RFC 6455 section 5.5.2 leaves that open): a peer that is busy sending is not asked.

Section 7.1.1: the server ends the transport first, because who does keeps the port in TIME_WAIT; a client
waits for it, and gives up after `close_timeout`.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.io import BusyError, ClosedError, Event, Want, before
from netkit.io.errors import DeadlineExceeded
from netkit.websocket.close import CloseCode
from netkit.websocket.config import DEFAULT_CONFIG
from netkit.websocket.protocol import State
from netkit.websocket.sending import SendingConnection

if TYPE_CHECKING:
    from netkit.io import ByteStream, Flow
    from netkit.websocket.config import WebSocketConfig
    from netkit.websocket.protocol import WebSocketProtocol

log = Log("netkit.websocket")

#: How long a client waits for the server to end a stream of HTTP/2 after both Close frames, in seconds.
PARTING = 0.25


class TimedConnection(SendingConnection):
    """What keeps a connection alive, and what ends it."""

    def __init__(
        self, stream: ByteStream, protocol: WebSocketProtocol, config: WebSocketConfig = DEFAULT_CONFIG
    ) -> None:
        super().__init__(stream, protocol, config)
        #: The round-trip time of the last ping that was answered, in seconds.
        self.latency: float | None = None
        #: Set when this side has begun to close, before the peer has.
        self.closing = Event()
        self._heard = Event()  # the pump has taken something in, or has left
        self._pings: deque[tuple[bytes, float, Event]] = deque()  # not answered yet, in order
        self._ping_number = 0
        self._moved = monotonic()  # when an octet came last
        self._asked: float | None = None  # when a ping went out because nothing came
        self._kept: tuple[bytes, float, Event] | None = None  # the last ping that went out for that
        self._begun: float | None = None  # since when a message is under way
        self._paused = 0.0  # when the pump left, with a message under way
        self._closing_until: float | None = None
        self._farewell = False  # the end of the transport is seen to, or over
        self._parting_until: float | None = None  # how long that may take

    # Signs of life

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
        """When to look at the clock again; sends a ping that is due, and gives up a message that takes too
        long. Raises where the peer is silent for too long."""
        until, begun, limit = self._alive_until(), self._begun, self.config.message_timeout
        if begun is None or limit is None or self._closing_until is not None:
            return until
        if monotonic() >= begun + limit:
            with self._lock:
                self.protocol.fail_slow(limit)
            self._push()
        return begun + limit if until is None else min(until, begun + limit)

    def _alive_until(self) -> float | None:
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
                kept, self._kept = self._kept, (payload, now, Event())
                if kept is not None and kept in self._pings:  # of a peer that sends, and never answers
                    self._pings.remove(kept)
                self._pings.append(self._kept)
        self._asked = now
        self._push()
        return None if config.ping_timeout is None else now + config.ping_timeout

    def _silent(self) -> None:
        """The peer sends nothing, not even the answer to a ping."""
        self.begin_close(CloseCode.INTERNAL_ERROR, "no answer to a ping")
        self._failure = DeadlineExceeded("waiting for the answer to a ping")
        raise ClosedError(f"{self.config.ping_timeout:g} s without a sign of life")

    # The end

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
        if self._place is not None:
            self._place.leave()

    def abort(self) -> None:
        """Release the connection at once, from any thread. Callers that wait get an error."""
        self._closed.set()
        self.stream.close()
        self._heard.set()
        self._sent.set()
        self._wake.set()

    def _end_flow(self) -> Flow[None]:
        """Flow: after both Close frames, or an error: end the transport (RFC 6455 section 7.1.1).

        If it is interrupted, as by the timeout of a `receive`, what was not sent yet is not lost: the next
        caller sees to the end, within the same `close_timeout`.
        """
        while self._farewell:
            self._heard.clear()
            if self._closed.is_set:
                return
            if self._has_farewell:  # looked at after the clearing
                yield Want(event=self._heard)
        self._farewell = True
        if self._parting_until is None:
            self._parting_until = monotonic() + self.config.close_timeout
        try:
            if self._failure is None:
                yield from before(self._parting_until, self._part_flow())
        except (DeadlineExceeded, OSError, BusyError) as error:
            log.debug("%r: ending: %s", self, error)
        except BaseException:
            if self.stream.is_closed:
                self.abort()
            self._farewell = False
            self._heard.set()
            raise
        self.abort()

    @property
    def _has_farewell(self) -> bool:
        return self._farewell

    def _part_flow(self) -> Flow[None]:
        stream = self.stream
        yield from self._flush_flow(wholly=True)
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
