"""What the client and the server of HTTP/1.1 share: the two halves, and whether the connection lasts.

RFC 9112 section 9.3 (persistence), 9.6 (closing). `h1` says how the protocol objects are used.

The state is four facts: a message is coming (`_receiving`), a message is going (`_sending`), nothing follows
those under way (`_closing`), and the connection ended inside a message (`_broken`). A role adds what it knows
of its own, and says in `_turn` what follows when one half has finished its message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.errors import ConnectionFault, ErrorCode
from netkit.http.connection.events import UNLIMITED, Broken
from netkit.http.connection.h1_halves import Incoming, Outgoing
from netkit.http.parser.errors import ParseError
from netkit.http.parser.framing import Framing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import Events
    from netkit.http.connection.limits import ConnectionLimits
    from netkit.http.errors import HttpError
    from netkit.http.parser.framing import Lenient
    from netkit.http.parser.head import HttpParser
    from netkit.http.parser.lines import Buffer


class H1Connection:
    """One connection of HTTP/1.1, of either role."""

    __slots__ = (
        "_broken",
        "_closing",
        "_handed_over",
        "_incoming",
        "_limits",
        "_outgoing",
        "_receiving",
        "_sending",
        "_stream",
    )

    def __init__(self, parser: HttpParser, limits: ConnectionLimits, lenient: Lenient) -> None:
        self._limits = limits
        self._incoming = Incoming(parser, limits, lenient)
        self._outgoing = Outgoing()
        self._stream = 0
        self._receiving = False  # a message is expected, or on its way
        self._sending = False  # a message is on its way out
        self._closing = False  # after the messages under way, nothing follows
        self._broken = False
        self._handed_over = False  # what comes is another protocol's

    # Sending

    @property
    def has_output(self) -> bool:
        """Whether `take` has something."""
        return self._outgoing.has_output

    def take(self) -> bytes:
        """The octets to send, in order, each once; `b""` where there is nothing."""
        return self._outgoing.take()

    def room(self, stream: int) -> int:
        """How many octets of body may be sent now: HTTP/1.1 has no limit. 0 where no body is under way."""
        if stream == self._stream and self._sending and self._outgoing.framing is not None:
            return UNLIMITED
        return 0

    def send(self, stream: int, data: Buffer, *, end: bool = False) -> None:
        """Send octets of the body; `end` with the last of them.

        On a message that is over, no octets may be sent, and its end said again: a head that leaves no room
        for a body (HEAD, 204, a length of 0) is the end already, and a caller need not know.
        Raises ValueError if no body is under way, or if the octets do not fit the announced length.
        """
        if not len(data) and self._is_over(stream):
            return
        self._check(stream)
        self._outgoing.send(data, end=end)
        self._look_at_end()

    def trailers(self, stream: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        """End the message with these fields. A body that is not chunked ends without them.

        Raises ValueError if no body is under way, HttpError.InvalidValue for a field that cannot be sent.
        """
        if not fields and self._is_over(stream):
            return
        self._check(stream)
        self._outgoing.trailers(fields)
        self._look_at_end()

    def fits(self, stream: int, size: int, *, end: bool = False) -> None:
        """Raise ValueError if so many more octets of a body with a known length do not fit that length."""
        if not self._is_over(stream):
            self._check(stream)
        self._outgoing.fits(size, end=end)

    def is_sized(self, stream: int) -> bool:
        """Whether a body with a known length is under way to the peer, which may be sent past `take`."""
        return stream == self._stream and self._sending and self._outgoing.framing is Framing.LENGTH

    def sent(self, stream: int, size: int) -> None:
        """So many octets of a body with a known length were sent past `take`. With the last, it is over.

        Raises ValueError for more than are left of it, or while `take` still has something.
        """
        self._check(stream)
        self._outgoing.passed(size)
        self._look_at_end()

    def _look_at_end(self) -> None:
        if self._outgoing.framing is None:
            self._sending = False
            self._turn()

    def _is_over(self, stream: int) -> bool:
        """Whether the message of ours on this stream was sent whole."""
        return 0 < stream <= self._stream and not (self._sending and stream == self._stream)

    def _check(self, stream: int) -> None:
        if stream != self._stream or not self._sending:
            raise ValueError(f"no message to the peer is under way on stream {stream}")

    # Receiving

    def consumed(self, stream: int, credit: int) -> None:
        """HTTP/1.1 has no flow control of its own: reading no further is what holds the peer back."""

    @property
    def direct(self) -> int:
        """How many octets of the body a caller may receive past `feed`; 0 where they must be fed."""
        return self._incoming.direct if self._receiving else 0

    def received(self, size: int) -> Events:
        """So many octets of the body were received past `feed`. Raises ValueError for more than `direct`."""
        events: Events = []
        if self._broken:
            return events
        if self._incoming.received(size, self._stream, events):
            self._receiving = False
            self._turn()
        return events

    def rest(self) -> bytes:
        """After an upgrade: what was fed, and is not HTTP any more; each octet once."""
        return self._incoming.rest() if self._handed_over else b""

    # The end

    def reset(self, stream: int, code: int = ErrorCode.CANCEL) -> None:  # noqa: ARG002
        """Give up the message under way. HTTP/1.1 can only close the connection for that."""
        if stream == self._stream and (self._sending or self._receiving):
            self._give_up()

    @property
    def in_flight(self) -> int:
        """1 while a message is under way, else 0."""
        return int(self._sending or self._receiving)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can come of the connection."""
        return self._broken or (self._closing and not self._sending and not self._receiving)

    @property
    def is_broken(self) -> bool:
        """Whether the connection ended inside a message."""
        return self._broken

    def _turn(self) -> None:
        """A half has finished its message."""
        raise NotImplementedError

    def _give_up(self) -> None:
        """Nothing more is sent or received."""
        self._broken = True
        self._sending = self._receiving = False
        self._incoming.forget()

    def _broken_by(self, error: ParseError | HttpError) -> Broken:
        """The event that says what ended the connection."""
        if isinstance(error, ParseError):
            return Broken(self._incoming.explained(error), None, self._stream)
        return Broken(error, error.code if isinstance(error, ConnectionFault) else None, self._stream)
