"""What the versions of HTTP have in common for a client: an exchange, its reply, the channel.

A channel is a connection with its protocol object. `exchange_flow` sends one request and returns the reply
as soon as its head is there; the body is then taken from the reply, piece by piece, and the peer is held back
until it is.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.errors import NetkitError
    from netkit.http.bodies.body import Body
    from netkit.http.client.facts import ConnectionInfo, Phase, Timing
    from netkit.http.connection.events import FieldList, RequestHead
    from netkit.io import Event, Flow
    from netkit.io.stream import ByteStream


#: Replaced as a whole, never changed.
_NO_FIELDS: FieldList = []


class Exchange:
    """One request on its way, with its limits of time.

    `read_timeout` and `write_timeout` limit each wait for the peer, in seconds. `on_interim` gets the 1xx
    responses. `was_sent`: some of the request may have reached the peer. `was_early`: it went as early data,
    or was to. `has_answer`: some of a response has come. `expects_continue`: how long to wait for 100
    (Continue) before the body, in seconds; None is not at all.
    """

    __slots__ = (
        "body",
        "expects_continue",
        "has_answer",
        "head",
        "on_interim",
        "read_timeout",
        "timing",
        "upgrade_head",
        "was_early",
        "was_sent",
        "write_timeout",
    )

    def __init__(
        self,
        head: RequestHead,
        body: Body | None,
        timing: Timing,
        on_interim: Callable[[int, FieldList], None] | None = None,
    ) -> None:
        self.head = head
        self.body = body
        self.timing = timing
        self.on_interim = on_interim
        self.was_sent = self.was_early = self.has_answer = False
        self.read_timeout: float | None = None
        self.write_timeout: float | None = None
        self.expects_continue: float | None = None
        #: What `head` is over HTTP/1.1, while it is an extended CONNECT.
        self.upgrade_head: RequestHead | None = None


class ContinueWatch:
    """While a request waits for 100 (Continue) before its body: whether that has come (`is_seen`).

    The 1xx responses are told on to whoever is told them otherwise.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.is_seen = False
        self._exchange = exchange
        self._tell = exchange.on_interim

    def _note(self, status: int, fields: FieldList) -> None:
        self.is_seen = self.is_seen or status == 100
        if self._tell is not None:
            self._tell(status, fields)

    def __enter__(self) -> Self:
        self._exchange.on_interim = self._note
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.on_interim = self._tell


class Reply:
    """A response on its way: its head, then the pieces of its body.

    `next_flow` takes the next piece. When the body is over, or given up, the channel is free for others.
    """

    # With slots it costs two thirds.
    __slots__ = (
        "_lease",
        "error",
        "exchange",
        "fields",
        "has_head",
        "is_ended",
        "is_upgraded",
        "length",
        "may_be_coded",
        "pieces",
        "reason",
        "status",
        "trailers",
        "upgraded",
        "version",
    )

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.status = 0
        self.version = (1, 1)
        self.reason = b""
        self.length: int | None = None
        self.has_head = self.is_ended = self.is_upgraded = False
        #: Whether there may be a content coding: False where a look at the head as a whole found none.
        self.may_be_coded = True
        self.error: NetkitError | None = None
        self.fields = self.trailers = _NO_FIELDS
        #: After an upgrade: the stream, which is the caller's.
        self.upgraded: ByteStream | None = None
        self._lease: Lease | None = None
        #: Received and not taken yet: the octets of each piece, and its credit.
        self.pieces: deque[tuple[bytes, int]] = deque()

    def next_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; `b""` at its end. Raises what broke the body off."""
        raise NotImplementedError

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` octets of the body into `view`; 0 at its end."""
        raise NotImplementedError

    def give_back(self, credit: int) -> None:
        """The application has taken a piece of that credit."""

    def close(self) -> None:
        """Give up what is left of the body. Never waits."""
        raise NotImplementedError

    def when_over(self, lease: Lease) -> None:
        """End `lease` once, when the reply needs the channel no more; now, if that is so already."""
        self._lease = lease
        if self.is_ended or self.error is not None:
            self.release()

    def release(self) -> None:
        """The channel is no longer needed by this reply."""
        lease = self._lease
        if lease is not None:
            self._lease = None
            lease.end()

    def _finish(self) -> None:
        """The body is over."""
        self.is_ended = True
        self.exchange.timing.ended = monotonic()
        if self._lease is not None:
            self.release()

    def _fail(self, error: NetkitError) -> None:
        """The body, or the response, is cut off by `error`."""
        self.error = error
        self.release()

    def _read_timeout(self) -> HttpError:
        exchange = self.exchange
        return timed_out(exchange.read_timeout, exchange.timing.phase)


class Lease(Protocol):
    """The right to use a channel, for one request."""

    def end(self) -> None:
        """Give the channel back."""


class Channel(Protocol):
    """A connection that requests go over."""

    info: ConnectionInfo
    #: When it was used last, a moment of `time.monotonic()`.
    idle_since: float

    @property
    def info_again(self) -> ConnectionInfo:
        """What is known of the connection, for the exchanges after the first."""

    def exchange_flow(self, exchange: Exchange) -> Flow[Reply]:
        """Flow: send the request, and return its reply when the head is there."""

    def is_alive(self) -> bool:
        """Look, without waiting, at what has come while it was idle. Whether it can take a request now."""

    @property
    def is_http2(self) -> bool:
        """Whether many requests may be under way at once."""

    @property
    def settled(self) -> Event:
        """Set when it is known how many requests may be under way at once."""

    @property
    def has_room(self) -> bool:
        """Whether one more request may begin."""

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""

    @property
    def is_usable(self) -> bool:
        """Whether it may be kept for another request."""

    def retire(self) -> None:
        """The pool has taken it out: close it as soon as no request is under way."""

    def close(self) -> None:
        """End the connection at once."""


class NoRoom(Exception):
    """Another request was quicker to take the room of a channel that many share: look for one again."""


def timed_out(timeout: float | None, phase: Phase) -> HttpError:
    """The error for a wait that was too long."""
    from netkit.http.client.facts import DOING

    return HttpError.Timeout(timeout, DOING[phase])
