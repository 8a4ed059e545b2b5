"""Many questions over one connection, TCP or TLS: sent one after the other, answered in any order (RFC 7766).

Two octets of length stand before each message (RFC 1035 section 4.2.2). Questions are sent as they come,
without waiting for earlier answers, and answers are told apart by their IDs and questions. `Waiting` says who
receives. What the system does not take at once waits in an outbox, in order.

A connection ends when the server closes it, or breaks, or sends what cannot be its answer for too long. Its
questions then fail with `was_lost`: `streams` decides whether they are asked again.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.transports.table import Table
from netkit.dns.transports.waiting import Waiting
from netkit.errors import NetkitError
from netkit.io import OPERATIONS_PER_TURN, Event
from netkit.net.errors import ConnectError

if TYPE_CHECKING:
    from netkit.dns.transports.chance import Chance
    from netkit.dns.transports.reply import Connection
    from netkit.dns.transports.table import Outstanding
    from netkit.io import ByteStream, Want

#: How many messages that answer nothing a connection may bring before it is given up.
MAX_FOREIGN = 1000

#: After so many seconds without a question a connection is not used again, unless the server said how long
#: it keeps idle connections (RFC 7766 section 6.2.3: a few seconds; RFC 7828).
IDLE_SECONDS = 10.0

#: How many octets of messages may wait to be sent: about ten thousand questions.
OUTBOX_LIMIT = 1 << 20

_LENGTH = 2


class StreamChannel(Waiting):
    """A connection to one server, and its questions.

    `connection` says how it was made, and `begun_at` is when making it began, in seconds of
    `time.monotonic()`. `answered` counts its answers. `is_lost` says that it has ended.
    """

    __slots__ = (
        "_chance", "_outbox", "_received", "_stream", "_table", "_used_at", "_wake", "_why_lost", "answered",
        "begun_at", "connection", "idle_seconds", "is_lost",
    )  # fmt: skip

    def __init__(
        self,
        stream: ByteStream,
        chance: Chance,
        connection: Connection | None = None,
        begun_at: float = 0.0,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._chance = chance
        self._table = Table(None)
        self._outbox = bytearray()
        self._received = bytearray()
        self._wake = Event()  # makes the pump wait for room to send, too
        self._used_at = monotonic()
        self.idle_seconds = IDLE_SECONDS
        self.connection = connection
        self.begun_at = begun_at
        self.answered = 0
        self.is_lost = False
        self._why_lost: tuple[OSError | NetkitError | None, str] | None = None

    @property
    def outstanding(self) -> int:
        """How many questions are outstanding."""
        return len(self._table)

    def is_usable(self) -> bool:
        """Whether it may take a question: it has not ended, and has not been idle for too long."""
        if self.is_lost:
            return False
        if not len(self._table):
            if monotonic() - self._used_at >= self.idle_seconds:
                self.close()
            elif not self._is_pumped:
                self._take(fresh=True)  # the server may have closed it meanwhile
        return not self.is_lost

    def keep(self, seconds: float) -> None:
        """The server keeps an idle connection for so long (RFC 7828 section 3.2.2); 0: close it now."""
        self.idle_seconds = seconds
        if not seconds and not len(self._table):
            self.close()

    def send(self, one: Outstanding) -> None:
        """Send a question, at once or as soon as there is room. Raises DnsError.TryAgain if too many wait.

        If the connection has ended, so has the question. Several may have waited for it to be made, and it
        may have ended while the first of them was sent.
        """
        if self._why_lost is not None:
            self.finish(one, None, lost(*self._why_lost))
            return
        now = monotonic()
        if len(self._outbox) > OUTBOX_LIMIT:
            raise DnsError.TryAgain("the server takes no more questions for now")
        self._table.add(one, self._chance.pair)
        one.sent_at = now
        self._moments.add(one)
        self._outbox += len(one.wire).to_bytes(_LENGTH, "big") + one.wire
        self._push()
        if self._outbox and not self.is_lost and self._is_pumped:
            self._wake.set_soon()

    # Receiving and sending, for `Waiting`.

    def _want(self, until: float | None) -> Want:
        self._wake.clear()
        return self._stream.want(write=bool(self._outbox), event=self._wake, until=until)

    def _step(self) -> bool:
        self._push()
        return self._take(fresh=False)

    def _forget(self, one: Outstanding) -> None:
        self._table.drop(one)

    def _push(self) -> None:
        """Send what goes at once."""
        if self.is_lost:
            return
        outbox, stream = self._outbox, self._stream
        try:
            while outbox:
                with memoryview(outbox) as view:
                    sent = stream.offer(view)
                if not sent:
                    break
                del outbox[:sent]
            if not outbox and stream.unsent:
                stream.offer(b"")
        except (OSError, NetkitError) as error:
            # The server may have answered before it closed: reading goes on, to the end of what it sent.
            outbox.clear()
            if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
                self._lose(error)

    def _take(self, *, fresh: bool) -> bool:
        """Take in what is there, without waiting. Returns whether there may be more."""
        if self.is_lost:
            return False
        try:
            for _ in range(OPERATIONS_PER_TURN):
                if not self._stream.try_fill(fresh=fresh):
                    return False
                data = self._stream.try_take()
                if not data:
                    self._lose(None)
                    return False
                self._received += data
                self._read_messages()
                fresh = False
        except (OSError, NetkitError) as error:
            self._lose(error)
            return False
        return True

    def _read_messages(self) -> None:
        received = self._received
        at = 0
        while len(received) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(received[at : at + _LENGTH], "big")
            if end > len(received):
                break
            wire = bytes(received[at + _LENGTH : end])
            at = end
            one = self._table.hear(wire, None)
            if one is not None:
                self.answered += 1
                self._used_at = monotonic()
                self.finish(one, wire)
        del received[:at]
        if self._table.foreign > MAX_FOREIGN:
            self._lose(None, f"more than {MAX_FOREIGN} messages came that answer nothing")
        elif not self.idle_seconds and not len(self._table):
            self.close()

    def _lose(self, error: OSError | NetkitError | None, reason: str = "") -> None:
        """The connection has ended: so have its questions."""
        if self.is_lost:
            return
        self.is_lost = True
        self._why_lost = error, reason
        self._stream.close()
        for one in self._table:
            self._table.drop(one)
            self.finish(one, None, lost(error, reason))

    def close(self) -> None:
        """End the connection, and fail its questions."""
        self._lose(None, "the connection was closed")

    def interrupt(self) -> None:
        """Close the stream from another thread: whoever pumps gets to know."""
        self._stream.close()


def lost(error: OSError | NetkitError | None, reason: str = "") -> DnsError:
    """The error of a question whose connection has ended, or was not made.

    `error` is the system's, or that of a layer below.
    """
    if error is None:
        return DnsError.NetworkError(reason or "the server closed the connection without an answer")
    if isinstance(error, EOFError):  # TLS without close_notify, which is an end like any other here
        made = DnsError.NetworkError("the server closed the connection without an answer")
    elif isinstance(error, ConnectError):
        reason = error.attempts[-1].outcome if error.attempts else str(error)
        made = DnsError.NetworkError(reason, error.errno)
    elif isinstance(error, OSError):
        made = DnsError.NetworkError.from_os_error(error)
    else:
        made = DnsError.NetworkError.from_layer(error)
    made.__cause__ = error
    return made
