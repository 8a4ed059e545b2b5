"""The body of a request that a handler reads while it comes (`ServerConfig.stream_bodies`).

Nothing is taken from the connection that the handler does not ask for, so a slow handler holds its client
back. A body that is not read to its end is dropped or ends the connection, by `ServerConfig.max_unread`.
"""

from __future__ import annotations

from functools import partial
from io import RawIOBase
from typing import TYPE_CHECKING

from netkit.http.errors import HttpError
from netkit.io import ReadBuffer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from netkit.http.connection.events import FieldList
    from netkit.http.server.exchange import Exchange
    from netkit.http.server.handling.bridge import Bridge
    from netkit.io import Flow

#: Read to the end: more than any body has.
_ALL = 2**62


class RequestStream:
    """The octets of a request's body, blocking for a handler in a thread, awaited for a coroutine.

    Every method raises HttpError.BodyTooLarge for more than `ServerConfig.max_body`, HttpError.Timeout for a
    client that is too slow, IncompleteMessage or an OSError for one that goes away, and ParseError for one
    that breaks the rules. Left to itself, each becomes the response that it calls for.
    """

    __slots__ = ("_bridge", "_buffer", "_exchange", "_is_over")

    def __init__(self, exchange: Exchange, bridge: Bridge) -> None:
        self._exchange = exchange
        self._bridge = bridge
        self._buffer = ReadBuffer()
        self._is_over = not exchange.has_body

    @property
    def length(self) -> int | None:
        """How many octets the whole body has; None if only its end will tell."""
        return self._exchange.length if self._exchange.has_body else 0

    @property
    def is_over(self) -> bool:
        """Whether everything has come; some of it may not have been read yet."""
        return self._is_over

    @property
    def trailers(self) -> FieldList:
        """The fields that followed the body; empty before its end."""
        return self._exchange.trailers

    def read(self, size: int = -1) -> bytes:
        """The next `size` octets, fewer only at the end of the body; all that is left with -1."""
        wanted = _ALL if size < 0 else size
        if self._lacks(wanted):
            self._bridge.delegate(partial(self._fill_flow, wanted))
        return self._buffer.take(wanted)

    async def read_async(self, size: int = -1) -> bytes:
        """The next `size` octets, fewer only at the end of the body; all that is left with -1."""
        wanted = _ALL if size < 0 else size
        if self._lacks(wanted):
            await self._bridge.delegate_async(partial(self._fill_flow, wanted))
        return self._buffer.take(wanted)

    def read_all(self, limit: int) -> bytes:
        """All that is left. Raises HttpError.BodyTooLarge for more than `limit` octets."""
        if self._lacks(limit + 1):
            self._bridge.delegate(partial(self._fill_flow, limit + 1))
        return self._all_within(limit)

    async def read_all_async(self, limit: int) -> bytes:
        """All that is left. Raises HttpError.BodyTooLarge for more than `limit` octets."""
        if self._lacks(limit + 1):
            await self._bridge.delegate_async(partial(self._fill_flow, limit + 1))
        return self._all_within(limit)

    def read_piece(self) -> bytes:
        """The next octets as they came, at least one; `b""` at the end."""
        if self._lacks(1):
            self._bridge.delegate(partial(self._fill_flow, 1))
        return self._buffer.take(_ALL)

    async def read_piece_async(self) -> bytes:
        """The next octets as they came, at least one; `b""` at the end."""
        if self._lacks(1):
            await self._bridge.delegate_async(partial(self._fill_flow, 1))
        return self._buffer.take(_ALL)

    def read_piece_flow(self) -> Flow[bytes]:
        """Flow: the next octets as they came, at least one; `b""` at the end."""
        if self._lacks(1):
            yield from self._fill_flow(1)
        return self._buffer.take(_ALL)

    def __iter__(self) -> Iterator[bytes]:
        """The body as it comes, piece by piece."""
        while piece := self.read_piece():
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes, piece by piece."""
        while piece := await self.read_piece_async():
            yield piece

    def read_into(self, view: memoryview) -> int:
        """Read up to `len(view)` octets into `view`; how many, at least one, 0 at the end."""
        if len(view) and self._lacks(1):
            self._bridge.delegate(partial(self._fill_flow, 1))
        return self._buffer.take_into(view)

    def _lacks(self, size: int) -> bool:
        return not self._is_over and len(self._buffer) < size

    def _fill_flow(self, size: int) -> Flow[None]:
        """Flow: put pieces into the buffer until it holds `size` octets, or the body is over."""
        buffer, exchange = self._buffer, self._exchange
        while len(buffer) < size:
            piece = yield from exchange.read_flow()
            if not piece:
                self._is_over = True
                return
            buffer.put(piece)
        if exchange.length is not None and exchange.received >= exchange.length:
            # Its end is there with its last octet: whoever reads by pieces need not ask once more.
            self._is_over = not (yield from exchange.read_flow())

    def _all_within(self, limit: int) -> bytes:
        if len(self._buffer) > limit:
            raise HttpError.BodyTooLarge(limit, fault="peer")
        return self._buffer.take(limit)


class BodyFile(RawIOBase):
    """A body as a file for reading, for `io.BufferedReader`."""

    def __init__(self, stream: RequestStream) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader's is one
        """Read into `buffer`; 0 at the end."""
        return self._stream.read_into(memoryview(buffer).cast("B"))
