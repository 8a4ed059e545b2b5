"""The head of a response as an application gives it, made into what `Exchange.begin` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.http.connection.events import encode_lines
from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.http.connection.events import FieldList
    from netkit.http.server.exchange import Exchange
    from netkit.io import Flow
    from netkit.io.protocols import Buffer

#: Fields that are about the connection, not about the response (RFC 9110 section 7.6.1).
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

#: Of these, an application may send what does not change how the response is framed.
_FRAMING = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")


class ResponseHead:
    """A status and fields that can be sent.

    `length` is the Content-Length among the fields, None without one; `closes`: they say that the connection
    is to be closed. Raises ValueError for what cannot be sent: it is the application's mistake.
    """

    __slots__ = ("closes", "fields", "length", "status")

    def __init__(self, status: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        if not 200 <= status <= 999:
            raise ValueError(f"{status} is not the status of a final response")
        self.status = status
        self.length: int | None = None
        self.closes = False
        self.fields: FieldList = []
        for name, value in fields:
            lower = name.lower()
            if lower == b"content-length":
                if not value.isdigit() or len(value) > 18:
                    raise ValueError("Content-Length is no number of octets")
                if self.length not in (None, int(value)):
                    raise ValueError("Content-Length is there twice, and differs")
                self.length = int(value)
            elif lower == b"connection":
                self.closes = self.closes or b"close" in value.lower()
            elif lower not in _FRAMING:
                self.fields.append((name, value))
        checked_fields(self.fields)


def checked_fields(fields: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise ValueError for a field that cannot be sent."""
    try:
        encode_lines(fields)
    except HttpError.InvalidValue as error:
        # Of its own class it would be answered as a mistake of the client's.
        raise ValueError(f"the application's response: {error}") from error


def refuse_too_long(exchange: Exchange) -> None:
    """Raise HttpError.BodyTooLarge for a request that announces more than may come, before anybody works on
    it."""
    limit, length = exchange.max_body, exchange.length
    if limit is not None and length is not None and length > limit:
        exchange.refused = HttpError.BodyTooLarge(limit, length, fault="peer")
        raise exchange.refused


class Sender:
    """The response of an application on its way: its head goes with the first octets of its body.

    An application that announces a length has to keep to it.
    """

    __slots__ = ("_exchange", "_head", "_left")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._head: ResponseHead | None = None
        self._left: int | None = None

    @property
    def head(self) -> ResponseHead | None:
        """What the application said; it may change its mind until the response has begun."""
        return self._head

    @head.setter
    def head(self, head: ResponseHead) -> None:
        self._head = head
        # A response without a body announces the length that its body would have (RFC 9110 section 8.6).
        self._left = None if self.is_bodiless else head.length

    @property
    def has_begun(self) -> bool:
        """Whether the head is final."""
        return self._exchange.status is not None

    @property
    def left(self) -> int | None:
        """How many octets of the announced length are still to come; None where nothing was announced."""
        return self._left

    @property
    def is_bodiless(self) -> bool:
        """Whether the response has no body, whatever the application sends as one."""
        head = self._head
        return self._exchange.head.method == b"HEAD" or (head is not None and head.status in (204, 304))

    def begin(self, *, length: int | None = None) -> None:
        """Begin the response; `length` is that of its body, where the head does not say."""
        exchange, head = self._exchange, self._head
        if head is None:
            raise RuntimeError("the application sent a body before its status and fields")
        if head.closes:
            exchange.close_after()
        exchange.begin(head.status, head.fields, length=length if head.length is None else head.length)

    def send_flow(self, data: Buffer, *, end: bool = False) -> Flow[None]:
        """Flow: send octets of the body, with the head if they are the first.

        Raises RuntimeError for more octets than were announced, and at the end for fewer.
        """
        exchange = self._exchange
        if self._left is not None:
            if len(data) > self._left:
                raise RuntimeError("the application's body is longer than its Content-Length")
            self._left -= len(data)
            if end and self._left:
                raise RuntimeError("the application's body is shorter than its Content-Length")
        if exchange.status is None:
            # Nothing to HEAD says how long the body would be.
            self.begin(length=len(data) if end and (len(data) or not self.is_bodiless) else None)
        if exchange.is_ended:
            yield from exchange.flush_flow()
        elif end:
            yield from exchange.send_flow(data, end=True)
        elif len(data):
            yield from exchange.send_flow(data)
