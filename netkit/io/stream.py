"""What every byte stream offers, over the three flows that a kind of stream must write.

`TcpStream`, `UnixStream` and `TlsStream` differ in how bytes arrive, leave and end; all else is here,
once: the buffer in front of them, one reader beside one writer, timeouts, blocking and async forms.

What is received goes into the stream's buffer and is taken out after the waiting has ended, outside the
flow. So a read that is cancelled, timed out or interrupted has lost nothing: the next read finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.io.aio import Turn, run_async, turn_is_due
from netkit.io.blocking import run
from netkit.io.closing import Closing, Timed
from netkit.io.errors import BrokenStreamError, BusyError, ClosedError, LimitExceeded, UnexpectedEof, phase
from netkit.io.flow import OPERATIONS_PER_TURN, PAUSE, Event, Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.io.protocols import Buffer
    from netkit.io.token import CancellationToken

#: The most that one receive call is asked for, in bytes.
RECEIVE_SIZE = 65536

#: The most that `read_until` looks through unless told otherwise, in bytes.
READ_UNTIL_LIMIT = 65536


#: How long a lingering close waits, in seconds, for a peer from which nothing comes.
LINGER = 1.0

#: How long a pause of the peer's ends a stream whose reading is to stop, in seconds. Longer than the pauses
#: that a transfer has in itself: a round trip, or a lost segment that is sent again.
QUIET = 1.0


#: What operations are doing when time runs out.
READING, WRITING = phase("reading"), phase("writing")


class ReadBuffer:
    """Received bytes that nobody has taken yet.

    One received piece that is taken whole is never copied; only what is taken in parts becomes a
    bytearray, whose front is dropped without moving the rest.

    Ctrl-C is delivered at calls: in `take` and `skip` no call follows the removal, so that bytes are either
    in the buffer or the caller's.
    """

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""

    def __len__(self) -> int:
        return len(self._data)

    def put(self, data: bytes) -> None:
        """Append `data`."""
        if not self._data:
            self._data = data
        elif isinstance(self._data, bytearray):
            self._data += data
        else:
            self._data = bytearray(self._data)
            self._data += data

    def take(self, size: int) -> bytes:
        """Remove and return up to `size` bytes."""
        data = self._data
        if len(data) <= size:
            taken = data if isinstance(data, bytes) else bytes(data)
            self._data = b""
            return taken
        if not isinstance(data, bytearray):
            data = self._data = bytearray(data)
        taken = bytes(memoryview(data)[:size])
        del data[:size]
        return taken

    def peek(self) -> memoryview:
        """All of it, to look into without taking it: for a parser.

        The view is for one step of a flow. Let go of it before the next `put`, `take` or `skip`, and never
        hold it across a yield: those raise BufferError while it lives. What is worth keeping is copied, once,
        as bytes.
        """
        return memoryview(self._data).toreadonly()

    def skip(self, size: int) -> None:
        """Remove the first `size` bytes. Raises ValueError where there are fewer."""
        data = self._data
        if size > len(data):
            raise ValueError(f"{size} bytes cannot be skipped: there are {len(data)}")
        if size == len(data):
            self._data = b""
            return
        if not isinstance(data, bytearray):
            data = self._data = bytearray(data)
        del data[:size]

    def find(self, separator: bytes, start: int = 0) -> int:
        """Where `separator` begins at or after `start`; -1 if it is not there."""
        return self._data.find(separator, start)


class ByteStream(Closing, Timed):
    """A connected stream of bytes: read, write, half-close, close.

    A subclass writes `_receive` (one piece into `self._buffer`, or `self._eof = True`), `_send`
    (some of the data; how much), `_finish` (say that no more will be sent), and `close`.

    Every method that can wait has a blocking form and an `_async` one with the same arguments, result
    and errors; both take `timeout` (seconds for the whole operation; without it the stream's own
    `read_timeout` or `write_timeout`) and `cancel` (a `CancellationToken`).
    """

    _what = "stream"

    def __init__(self) -> None:
        self._buffer = ReadBuffer()
        self._eof = False
        self._reading = False
        self._writing = False
        self._broken: BrokenStreamError | None = None

    # The three flows a kind of stream is made of.

    def _receive(self) -> Flow[None]:
        raise NotImplementedError

    def _send(self, data: memoryview) -> Flow[int]:
        raise NotImplementedError

    def _finish(self) -> Flow[None]:
        raise NotImplementedError

    def stop_reading(self, quiet: float = QUIET) -> None:
        """Find the stream at its end as soon as the peer has sent nothing for `quiet` seconds.

        This is how a server that is told to end lets a transfer under way come to its own end: what the peer
        sends without a longer pause is read, however much it is, and a stream on which nothing has come for
        so long ends at once. How long a peer may keep the server that way is for the server to say. Never
        waits; a reader that waits is woken.
        """
        raise NotImplementedError

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: after `finish`, read and drop what comes until the peer has finished too, and then close.

        Returns how many bytes were dropped, which the peer has sent for nothing; 0 as well where a kind of
        stream cannot tell them from its own protocol's. Closing with bytes unread resets the connection, and
        may destroy what was sent and not yet read at the other end (RFC 9112 section 9.6). Ends as well when
        nothing came for `quiet` seconds.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release the stream at once, from any thread. Whoever waits on it gets ClosedError."""
        raise NotImplementedError

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        raise NotImplementedError

    @property
    def gone(self) -> Event:
        """Set when the stream is closed, for a flow that waits for something else and must not outlast it."""
        raise NotImplementedError

    @property
    def below(self) -> ByteStream | None:
        """The stream that this one runs over, such as TCP below TLS; None at the bottom."""
        return None

    def try_send(self, data: bytes | memoryview) -> int:  # noqa: ARG002
        """Send as much of `data` as goes at once, without waiting and without a flow; how many bytes that
        was.

        0 as well where somebody else is sending, or where a kind of stream cannot tell what will go at once.
        """
        return 0

    # Looking into what was received, for parsers that are flows (after `fill`).

    def peek(self) -> memoryview:
        """What was received and nobody has taken; see `ReadBuffer.peek`. Never waits."""
        return self._buffer.peek()

    def skip(self, size: int) -> None:
        """Take the first `size` bytes of that, and drop them. Raises ValueError where there are fewer."""
        self._buffer.skip(size)

    # Flows for other flows to `yield from`.

    def fill(self, size: int = 1) -> Flow[bool]:
        """Flow: wait until `size` bytes are in the buffer. False if the stream ends before that."""
        if len(self._buffer) >= size:
            return True
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        self._reading = True
        turns = 0
        try:
            while len(self._buffer) < size and not self._eof:
                yield from self._receive()
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0:
                    yield PAUSE
        finally:
            self._reading = False
        return len(self._buffer) >= size

    def read_flow(self, size: int = RECEIVE_SIZE) -> Flow[bytes]:
        """Flow: up to `size` bytes, as soon as there are any; `b""` at the end of the stream."""
        yield from self.fill(1)
        return self._buffer.take(size)

    def read_exactly_flow(self, size: int) -> Flow[bytes]:
        """Flow: `size` bytes. Raises UnexpectedEof if the stream ends before; what came stays buffered."""
        yield from self._fill_exactly(size)
        return self._buffer.take(size)

    def read_until_flow(self, separator: bytes, limit: int = READ_UNTIL_LIMIT) -> Flow[bytes]:
        """Flow: everything up to and with `separator`; errors as `read_until`."""
        size = yield from self._fill_until(separator, limit)
        return self._buffer.take(size)

    def _send_what_is_left(self, view: memoryview, sent: int) -> Flow[None]:
        self._broken = None
        yield from self._send_rest(view, sent)

    def write_all_flow(self, data: Buffer) -> Flow[None]:
        """Flow: send all of `data`. Interrupted in the middle, it leaves the stream broken."""
        yield from self._send_rest(memoryview(data).cast("B"), 0)

    def _send_rest(self, view: memoryview, sent: int) -> Flow[None]:
        self._begin_writing()
        turns = 0
        try:
            total = len(view)
            while sent < total:
                sent += yield from self._send(view[sent:] if sent else view)
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0 and sent < total:
                    yield PAUSE
        except BaseException:
            if 0 < sent < total:
                self._broken = BrokenStreamError(sent, total)
            raise
        finally:
            self._writing = False

    def write_flow(self, data: Buffer) -> Flow[int]:
        """Flow: send what can be sent of `data` at once, at least one byte; how many bytes that was."""
        view = memoryview(data).cast("B")
        if not view:
            return 0
        self._begin_writing()
        try:
            return (yield from self._send(view))
        finally:
            self._writing = False

    def finish(self) -> Flow[None]:
        """Flow: say that no more will be sent; the other direction stays open."""
        self._begin_writing()
        try:
            yield from self._finish()
        finally:
            self._writing = False

    def _begin_writing(self) -> None:
        if self._writing:
            raise BusyError(f"{self._what}'s writing side")
        if self._broken is not None:
            raise self._broken
        self._writing = True

    def _fill_exactly(self, size: int) -> Flow[None]:
        if not (yield from self.fill(size)):
            raise UnexpectedEof(size, len(self._buffer))

    def _fill_until(self, separator: bytes, limit: int) -> Flow[int]:
        searched = 0
        while True:
            found = self._buffer.find(separator, searched)
            end = found + len(separator)
            if found >= 0 and end <= limit:
                return end
            have = len(self._buffer)
            if found >= 0 or have >= limit:
                raise LimitExceeded(f"{self._what}'s line", limit)
            searched = max(0, have - len(separator) + 1)
            if not (yield from self.fill(have + 1)):
                raise UnexpectedEof(None, have)

    # Blocking and async forms.

    def _take(self, size: int, *, exactly: bool = False) -> bytes:
        """Hand out what was waited for.

        Raises BusyError where another reader, who is one too many, took it since. To return nothing then, or
        less than was asked for, would tell the caller that the stream has ended.
        """
        have = len(self._buffer)
        if have < size if exactly else not (have or self._eof):
            raise BusyError(f"{self._what}'s reading side")
        return self._buffer.take(size)

    def read(
        self,
        size: int = RECEIVE_SIZE,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Up to `size` bytes, as soon as there are any; `b""` at the end of the stream."""
        with READING:
            run(self.fill(1), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size)

    async def read_async(
        self,
        size: int = RECEIVE_SIZE,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Up to `size` bytes, as soon as there are any; `b""` at the end of the stream."""
        with READING:
            await run_async(self.fill(1), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size)

    def read_exactly(
        self, size: int, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """Exactly `size` bytes. Raises UnexpectedEof if the stream ends before."""
        with READING:
            run(self._fill_exactly(size), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    async def read_exactly_async(
        self, size: int, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> bytes:
        """Exactly `size` bytes. Raises UnexpectedEof if the stream ends before."""
        with READING:
            await run_async(self._fill_exactly(size), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    def read_until(
        self,
        separator: bytes,
        *,
        limit: int = READ_UNTIL_LIMIT,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Everything up to and with `separator`.

        Raises UnexpectedEof if the stream ends before it comes, LimitExceeded if it does not come
        within `limit` bytes; either way nothing is lost from the buffer.
        """
        flow = self._fill_until(separator, limit)
        with READING:
            size = run(flow, deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    async def read_until_async(
        self,
        separator: bytes,
        *,
        limit: int = READ_UNTIL_LIMIT,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Everything up to and with `separator`; errors as `read_until`."""
        flow = self._fill_until(separator, limit)
        with READING:
            size = await run_async(flow, deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    def write(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send what can be sent of `data` at once, at least one byte; how many bytes that was."""
        with WRITING:
            return run(self.write_flow(data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def write_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send what can be sent of `data` at once, at least one byte; how many bytes that was."""
        with WRITING:
            return await run_async(
                self.write_flow(data), deadline=self._write_deadline(timeout), cancel=cancel
            )

    def write_all(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`. Interrupted after part of it was sent, it leaves the stream broken."""
        with WRITING:
            run(self.write_all_flow(data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def write_all_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`. Interrupted after part of it was sent, it leaves the stream broken."""
        flow = None
        if cancel is None and (timeout is None or timeout > 0) and type(data) is bytes:
            sent = self.try_send(data)
            if sent and sent == len(data):
                if turn_is_due():
                    await Turn()
                return
            if sent:
                view = memoryview(data)
                self._broken = BrokenStreamError(sent, len(view))  # unless the rest gets its turn
                flow = self._send_what_is_left(view, sent)
        with WRITING:
            await run_async(
                flow or self.write_all_flow(data), deadline=self._write_deadline(timeout), cancel=cancel
            )

    def __iter__(self) -> Iterator[bytes]:
        """The pieces as they arrive, to the end of the stream (blocking)."""
        while data := self.read():
            yield data

    def _check_open(self) -> None:
        if self.is_closed:
            raise ClosedError(self._what)
