"""A response over HTTP/2: what has come of it, and what its own flow has still to do (RFC 9113 section 8.1).

The channel puts in what it receives, in whatever flow or thread pumps; the reply's own flow takes it out. So
whatever may raise, or call code of others, is done here by the flow that it concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.client.channel import Exchange, Reply
from netkit.io import Event as Signal

if TYPE_CHECKING:
    from netkit.errors import NetkitError
    from netkit.http.client.channel import Lease
    from netkit.http.client.h2_channel import H2Channel
    from netkit.http.connection.events import FieldList
    from netkit.io import Flow


class Writer:
    """Who sends over the stream of a reply while another flow receives: it waits for its own signal."""

    __slots__ = ("is_awaited", "reply", "signal")

    #: The flow that reads tells them.
    interims: list[tuple[int, FieldList]] | None = None

    def __init__(self, reply: H2Reply) -> None:
        self.reply = reply
        self.signal = Signal()
        self.is_awaited = False

    def tell_interims(self) -> None:
        """Nothing: see `interims`."""

    @property
    def exchange(self) -> Exchange:
        """The exchange of the reply."""
        return self.reply.exchange

    @property
    def error(self) -> NetkitError | None:
        """What the reply was cut off by."""
        return self.reply.error

    @property
    def is_sent(self) -> bool:
        """Whether no more is sent."""
        return self.reply.is_sent


class H2Reply(Reply):
    """A response over HTTP/2."""

    #: Whether a flow waits for something of this reply.
    is_awaited = False
    #: Credit that was given back before the application took the octets.
    early = 0
    #: Whether the request is an extended CONNECT: the stream is of octets, both ways, once it is accepted.
    is_tunnel = False
    #: Who sends over such a stream.
    writer: Writer | None = None
    #: 1xx responses that the flow of this reply has still to tell.
    interims: list[tuple[int, FieldList]] | None = None

    def __init__(self, channel: H2Channel, exchange: Exchange, stream: int) -> None:
        Reply.__init__(self, exchange)  # super() would cost as much again
        self._channel = channel
        self.stream = stream
        self.version = (2, 0)
        #: Set when something has come for this reply, or when its flow is to pump.
        self.signal = Signal()
        #: Whether the request has been sent whole.
        self.is_sent = exchange.body is None

    def next_flow(self) -> Flow[bytes]:
        """Flow: the next piece of the body; `b""` at its end."""
        if not self.pieces and not self.is_ended and self.error is None:
            yield from self._channel.wait_flow(self, self._has_piece, self.exchange.read_timeout)
        if self.pieces:
            data, credit = self.pieces.popleft()
            self.give_back(credit)
            return data
        if self.error is not None:
            raise self.error
        return b""

    def give_back(self, credit: int) -> None:
        """The application has taken octets of that credit."""
        if credit:
            self._channel.give_back(self, credit)

    def tell_interims(self) -> None:
        """Tell the 1xx responses that came: in the reply's own flow, because whoever is told may raise."""
        while self.interims:
            status, fields = self.interims.pop(0)
            if self.exchange.on_interim is not None:
                self.exchange.on_interim(status, fields)

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` octets of the body into `view`; 0 at its end.

        All that has come, because servers send small frames.
        """
        pieces = self.pieces
        if not pieces and not self.is_ended and self.error is None:
            yield from self._channel.wait_flow(self, self._has_piece, self.exchange.read_timeout)
        if not pieces and self.error is not None:
            raise self.error
        size = credit_of_all = 0
        room = len(view)
        while pieces and size < room:
            data, credit = pieces.popleft()
            if len(data) > room - size:
                pieces.appendleft((data[room - size :], 0))
                data = data[: room - size]
            view[size : size + len(data)] = data
            size += len(data)
            credit_of_all += credit
        self.give_back(credit_of_all)
        return size

    def _has_piece(self) -> bool:
        return bool(self.pieces) or self.is_ended or self.error is not None

    def close(self) -> None:
        """Give up what is left of the body: the server is told so (RST_STREAM)."""
        self._channel.abandon(self)
        self.release()

    def release(self) -> None:
        """The channel is no longer needed by this reply. Whoever pumps says so, or the reply's own flow."""
        if self._lease is None:
            return
        lease = self._channel.taken_lease(self)
        if lease is not None:
            lease.end()

    @property
    def is_over(self) -> bool:
        """Whether the reply needs the channel no more."""
        return self.error is not None or (self.is_ended and (self.is_sent or self.upgraded is None))

    def when_over(self, lease: Lease) -> None:
        """End `lease` once, when the reply needs the channel no more; now, if that is so already."""
        self._lease = lease
        if self.is_over:
            self.release()

    def take_lease(self) -> Lease | None:
        """The lease, once. For the channel, which holds its lock."""
        lease, self._lease = self._lease, None
        return lease
