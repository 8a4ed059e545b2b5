"""One WebSocket of `netkit ws server`, with its counts and events, and the handler that makes them.

A `Mode` says what is done with a connection: echo, broadcast, a program. It gets a `Session` and no bare
WebSocket, so that every message is counted, shown and kept in time in one place.
"""

from __future__ import annotations

from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Literal, Protocol

from netkit._log import Log
from netkit.io import OPERATIONS_PER_TURN, PAUSE, ClosedError, DeadlineExceeded, before
from netkit.websocket.close import CloseCode
from netkit.websocket.connection import NORMAL_CODES
from netkit.websocket.errors import WebSocketError

if TYPE_CHECKING:
    from netkit.io import Event, Flow
    from netkit.websocket.server import ServerWebSocket

log = Log("netkit.websocket.server")

#: Characters of a message that -v shows.
SHOWN = 80


class Told(Protocol):
    """Who is told what happens on the connections: the events of --json."""

    def connected(self, session: Session) -> None:
        """A WebSocket is open."""

    def message(self, session: Session, direction: str, message: str | bytes) -> None:
        """A message was `received`, or `sent`."""

    def closed(self, session: Session, error: Exception | None) -> None:
        """A WebSocket is over; `error` is what went wrong."""


class Mode(Protocol):
    """What is done with a connection. `is_private`: it shows a client more than the client's own messages, so
    that not every page of the web may be that client."""

    is_private: bool

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection; when it returns, the connection is closed with 1000."""


class Counts:
    """What the server did with its WebSockets."""

    def __init__(self) -> None:
        self.websockets = 0
        self.received = 0
        self.sent = 0
        self.too_slow = 0
        self.cut_off = 0

    def rows(self) -> dict[str, int]:
        """The counts by the names that they are shown with."""
        return {
            "websockets": self.websockets,
            "messages_received": self.received,
            "messages_sent": self.sent,
            "too_slow": self.too_slow,
        }


class Session:
    """An open WebSocket. `number` counts those of the server from 1; `received` and `sent` count messages."""

    def __init__(
        self,
        ws: ServerWebSocket,
        number: int,
        counts: Counts,
        told: Told | None,
        idle_timeout: float | None,
    ) -> None:
        self.ws = ws
        self.number = number
        self.counts = counts
        self.received = 0
        self.sent = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        #: Whether the mode has decided to close.
        self.is_closing = False
        self.begun = monotonic()
        self._moved = self.begun
        self._told = told
        self._idle_timeout = idle_timeout

    def __str__(self) -> str:
        return f"WebSocket {self.number} from {self.ws.request.connection.peer or 'a local client'}"

    def receive_flow(self) -> Flow[str | bytes]:
        """Flow: the next message. Raises what `WebSocket.receive` does, and _Idle after too long without
        any."""
        if self.received % OPERATIONS_PER_TURN == 0:
            yield PAUSE  # a client that floods must not keep the others from their turn
        while True:
            until = None if self._idle_timeout is None else self._moved + self._idle_timeout
            try:
                message = yield from before(until, self.ws.receive_flow(), "waiting for a message")
            except DeadlineExceeded:
                assert self._idle_timeout is not None
                if monotonic() < self._moved + self._idle_timeout:
                    continue  # something was sent meanwhile
                yield from self.close_flow(CloseCode.GOING_AWAY, f"no message for {self._idle_timeout:g} s")
                raise
            break
        self.received += 1
        self.bytes_received += size_of(message)
        self.counts.received += 1
        self._note("received", message)
        return message

    def send_flow(self, message: str | bytes) -> Flow[None]:
        """Flow: send a message. Raises what `WebSocket.send` does."""
        yield from self.ws.send_flow(message)
        self.sent += 1
        self.bytes_sent += size_of(message)
        self.counts.sent += 1
        self._note("sent", message)

    def close_flow(self, code: int, reason: str = "") -> Flow[None]:
        """Flow: close with `code`, within the connection's `close_timeout`."""
        self.is_closing = True
        yield from self.ws.close_flow(code, reason)

    @property
    def closed_first(self) -> Literal["local", "peer"] | None:
        """Whose Close frame was the first; None if there was none."""
        if self.ws.closing.is_set:
            return "local"
        return None if self.ws.protocol.close_received is None else "peer"

    def _note(self, direction: str, message: str | bytes) -> None:
        self._moved = monotonic()
        if log.enabled:
            log.debug("%s: %s %s", self, direction, described(message))
        if self._told is not None:
            self._told.message(self, direction, message)


def size_of(message: str | bytes) -> int:
    """Octets of a message; of a text, in UTF-8."""
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode())


def described(message: str | bytes) -> str:
    """A message for people: its kind, its size, and how a text begins.

    >>> described("hello"), described(bytes(3))
    ("text of 5 characters: 'hello'", 'binary of 3 octets')
    """
    if isinstance(message, bytes):
        return f"binary of {len(message):,} octets"
    cut = "..." if len(message) > SHOWN else ""
    return f"text of {len(message):,} characters: {message[:SHOWN]!a}{cut}"


class Sessions:
    """Serves WebSockets in one mode: a handler for `WebSocketHandler`."""

    def __init__(
        self,
        mode: Mode,
        *,
        greeting: str | None = None,
        idle_timeout: float | None = None,
        told: Told | None = None,
    ) -> None:
        self.counts = Counts()
        #: The numbers of the connections; of a worker, every so manieth.
        self.numbers = count(1)
        #: Set when the server closes its connections; None before it serves.
        self.stop: Event | None = None
        #: What is done with each connection.
        self.mode = mode
        self._greeting = greeting
        self._idle_timeout = idle_timeout
        self._told = told

    @property
    def is_private(self) -> bool:
        """Whether a client sees more than its own messages."""
        return self.mode.is_private

    def handle_socket_flow(self, ws: ServerWebSocket) -> Flow[None]:
        """Flow: serve one connection to its end. Raises what did not end well."""
        session = self._session(ws)
        yield from self._whole_flow(session, self.mode.talk_flow(session))

    def _session(self, ws: ServerWebSocket) -> Session:
        return Session(ws, next(self.numbers), self.counts, self._told, self._idle_timeout)

    def _whole_flow(self, session: Session, talking: Flow[None]) -> Flow[None]:
        """Flow: greet, talk, close, with the counts and events of that."""
        ws = session.ws
        self.counts.websockets += 1
        if log.enabled:
            words = [f"{session}: open"]
            if ws.subprotocol is not None:
                words.append(f"subprotocol {ws.subprotocol}")
            if ws.protocol.deflate is not None:
                words.append("compressed")
            log.debug("%s", ", ".join(words))
        if self._told is not None:
            self._told.connected(session)
        error: Exception | None = None
        try:
            if self._greeting is not None:
                yield from session.send_flow(self._greeting)
            yield from talking
            yield from ws.close_flow()
        except WebSocketError.ConnectionClosed as closed:
            if closed.code not in NORMAL_CODES:
                error = closed
                raise
        except DeadlineExceeded as late:
            if not session.is_closing:  # otherwise it was closed for that
                error = late
                raise
        except Exception as other:
            error = other
            raise
        finally:
            self._ended(session, error)

    def _ended(self, session: Session, error: Exception | None) -> None:
        was_cut = error is not None and isinstance(
            error.__cause__, ClosedError
        )  # the server counts it itself
        unanswered = session.ws.protocol.close_received is None
        if self.stop is not None and self.stop.is_set and unanswered and not was_cut:
            self.counts.cut_off += 1
        if log.enabled:
            how = str(error) if error is not None else f"closed with {session.ws.close_code}"
            log.debug("%s: %s; %d received, %d sent", session, how, session.received, session.sent)
        if self._told is not None:
            self._told.closed(session, error)
