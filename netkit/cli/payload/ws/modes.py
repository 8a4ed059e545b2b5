"""What `netkit ws server` does with its connections: echo, broadcast, and the replay of a recording.

An echo of which nothing is told message by message is served by the loop of `netkit.websocket.loop`, which is
several times as fast. Everything else has a flow for each connection.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from netkit.cli.payload.ws.session import Sessions, log
from netkit.cli.ws.sending import Listed
from netkit.io import Event, beside
from netkit.websocket.close import CloseCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.payload.ws.session import Mode, Session, Told
    from netkit.cli.ws.sending import Outgoing
    from netkit.io import Flow
    from netkit.websocket.server import ServerWebSocket

#: Messages that are kept for a client of a broadcast that does not read, and octets of them in all.
MAX_WAITING = 1_000
MAX_WAITING_SIZE = 4 << 20


class Echo:
    """Sends every message back."""

    is_private = False

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection."""
        while True:
            message = yield from session.receive_flow()
            yield from session.send_flow(message)


class EchoSessions(Sessions):
    """Sends every message back, message by message: a `MessageHandler`.

    Its `Session`s see no messages, so nobody may want to hear of them. A message counts as sent when it was
    given to the connection, even if the client then does not take it.
    """

    def handle_message(self, ws: ServerWebSocket, message: str | bytes) -> str | bytes:
        """The reply to a message."""
        del ws
        counts = self.counts
        counts.received += 1
        counts.sent += 1
        return message

    def around_messages_flow(self, ws: ServerWebSocket, serving: Flow[None]) -> Flow[None]:
        """Flow: greet, run `serving`, and count how it ended."""
        return self._whole_flow(self._session(ws), serving)


def sessions_in(
    mode: Mode,
    *,
    greeting: str | None = None,
    idle_timeout: float | None = None,
    told: Told | None = None,
) -> Sessions:
    """What serves connections in `mode`, in the fastest way."""
    is_plain = isinstance(mode, Echo) and idle_timeout is None and told is None and not log.enabled
    kind = EchoSessions if is_plain else Sessions
    return kind(mode, greeting=greeting, idle_timeout=idle_timeout, told=told)


class _Member:
    """A connection of a broadcast, and what is still to be sent to it."""

    def __init__(self) -> None:
        self.waiting: deque[str | bytes] = deque()
        self.size = 0
        self.changed = Event()
        self.slow = Event()

    def put(self, message: str | bytes) -> None:
        """Keep a message for it; it counts as slow if too many wait already."""
        if self.slow.is_set:
            return
        size = len(message)
        if self.waiting and (len(self.waiting) >= MAX_WAITING or self.size + size > MAX_WAITING_SIZE):
            self.waiting.clear()
            self.slow.set()
        else:
            self.waiting.append(message)
            self.size += size
            self.changed.set()


class _TooSlow(Exception):
    """A client does not read what is broadcast."""


class Broadcast:
    """Sends every message to all other connections.

    A client that does not read has up to MAX_WAITING messages waiting, of MAX_WAITING_SIZE characters and
    octets in all, and at least one. With more, it is closed with 1008. The others do not wait for it.
    """

    is_private = True

    def __init__(self) -> None:
        self._members: dict[_Member, None] = {}

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection."""
        member = _Member()
        self._members[member] = None
        try:
            yield from beside(
                self._receiving_flow(session, member),
                self._sending_flow(session, member),
                self._judging_flow(member),
            )
        except _TooSlow:
            session.counts.too_slow += 1
            yield from session.close_flow(CloseCode.POLICY_VIOLATION, "too slow for the messages of others")
        finally:
            self._members.pop(member, None)

    def _receiving_flow(self, session: Session, member: _Member) -> Flow[None]:
        while True:
            message = yield from session.receive_flow()
            for other in self._members:
                if other is not member:
                    other.put(message)

    @staticmethod
    def _sending_flow(session: Session, member: _Member) -> Flow[None]:
        while True:
            while member.waiting:
                message = member.waiting.popleft()
                member.size -= len(message)
                yield from session.send_flow(message)
            member.changed.clear()
            if not member.waiting:
                yield from member.changed.wait()

    @staticmethod
    def _judging_flow(member: _Member) -> Flow[None]:
        yield from member.slow.wait()
        raise _TooSlow


class Replay:
    """Sends what a recording of `netkit ws client` has as received, at the times that it has.

    Each client gets it from the beginning. What clients send is not looked at. After the last message, or
    with the Close frame of the recording, the connection is closed.
    """

    is_private = True

    def __init__(self, items: Sequence[Outgoing], speed: float) -> None:
        """`speed`: so many times as fast; 0 is without waiting."""
        self._items = items
        self._speed = speed

    def talk_flow(self, session: Session) -> Flow[None]:
        """Flow: serve one connection."""
        yield from beside(self._playing_flow(session), self._ignoring_flow(session))

    def _playing_flow(self, session: Session) -> Flow[None]:
        listed = Listed(self._items, self._speed)
        while (item := (yield from listed.next_flow())) is not None:
            if item.kind == "close":
                yield from session.ws.close_flow(item.code, item.reason)
                return
            if item.kind == "ping":
                assert isinstance(item.payload, bytes)
                yield from session.ws.ping_flow(item.payload)
            else:
                yield from session.send_flow(item.payload)

    @staticmethod
    def _ignoring_flow(session: Session) -> Flow[None]:
        while True:
            yield from session.receive_flow()
