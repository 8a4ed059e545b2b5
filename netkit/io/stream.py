"""The base of every byte stream; each kind of stream adds three flows.

`TcpStream`, `UnixStream` and `TlsStream` differ in how they receive, send and finish. The rest is here, once:
the read buffer, one reader beside one writer, timeouts, blocking and async forms.

Received bytes go into the stream's buffer. They are taken out after the wait has ended, outside the flow. So
a read that is cancelled, times out or is interrupted loses nothing: the next read finds the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.io.aio import Turn, run_async, turn_is_due
from netkit.io.blocking import run, without_waiting
from netkit.io.closing import Closing, Timed
from netkit.io.errors import BrokenStreamError, BusyError, ClosedError, LimitExceeded, UnexpectedEof, phase
from netkit.io.flow import OPERATIONS_PER_TURN, PAUSE, Event, Flow, Want

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Self

    from netkit.io.protocols import Buffer
    from netkit.io.token import CancellationToken

#: The size of one receive call, in bytes.
RECEIVE_SIZE = 65536

#: The default limit of `read_until`, in bytes.
READ_UNTIL_LIMIT = 65536

#: The most that `read_to_end` reads unless told otherwise, in bytes.
READ_TO_END_LIMIT = 16_777_216

#: How long a lingering close waits for a silent peer, in seconds.
LINGER = 1.0

#: How long a pause of the peer's ends a stream whose reading is to stop, in seconds. Longer than the pauses
#: that a transfer has in itself: a round trip, or a lost segment that is sent again.
QUIET = 1.0


#: The words for operations in DeadlineExceeded.
READING, WRITING = phase("reading"), phase("writing")


class ReadBuffer:
    """Received bytes that no caller has taken yet.

    A received piece that is taken whole is never copied. Only a piece that is taken in parts becomes a
    bytearray, because its front can be dropped without moving the rest.

    Python runs the handlers of signals, such as that of Ctrl-C, after calls. In `take` and `skip` no call
    follows the removal, and in `receive` none lies between the system's and the storing: so bytes are always
    the system's, the buffer's, or the caller's.
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

    def receive(self, recv: Callable[[int, int], bytes], size: tuple[int], flags: tuple[int]) -> int:
        """Append what `recv(size, flags)` returns, a function of C; how many bytes that was.

        `map` makes the call while its result is unpacked into where it stays. A call of Python's own would be
        followed by the handlers of signals, and what one of them raises would take the bytes along.
        """
        data = self._data
        if not data:
            (self._data,) = map(recv, size, flags)
            return len(self._data)
        if not isinstance(data, bytearray):
            self._data = bytearray(data)
        (piece,) = map(recv, size, flags)
        self._data += piece
        return len(piece)

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

    def take_into(self, view: memoryview) -> int:
        """Move up to `len(view)` bytes into `view`; how many that were."""
        size = min(len(self._data), len(view))
        view[:size] = memoryview(self._data)[:size]
        self.skip(size)
        return size

    def peek(self) -> memoryview:
        """A view of all bytes in the buffer, for a parser; it takes none of them.

        The view is for one step of a flow. Release it before the next `put`, `take` or `skip`, which raise
        BufferError while the view exists, and never hold it across a yield. Copy the parts to keep, once, as
        bytes.
        """
        return memoryview(self._data).toreadonly()

    def skip(self, size: int) -> None:
        """Remove the first `size` bytes. Raises ValueError if there are fewer."""
        data = self._data
        if size > len(data):
            raise ValueError(f"{size} bytes cannot be skipped: there are {len(data)}")
        if size == len(data):
            self._data = b""
            return
        if not isinstance(data, bytearray):
            data = self._data = bytearray(data)
        del data[:size]

    def put_back(self, data: bytes) -> None:
        """Put `data` before all other bytes: it was taken, and belongs to whoever reads next."""
        rest = self._data
        self._data = data
        if rest:
            self.put(bytes(rest))

    def find(self, separator: bytes, start: int = 0) -> int:
        """The offset of the first `separator` at or after `start`; -1 if there is none."""
        return self._data.find(separator, start)


class ByteStream(Closing, Timed):
    """A connected stream of bytes: read, write, half-close, close.

    A subclass implements `_receive` (put one piece into `self._buffer`, or set `self._eof = True`), `_send`
    (send some of the data, and return how much), `_finish` (tell the peer that no more will be sent), and
    `close`.

    Every method that can wait has a blocking form and an `_async` one with the same arguments, result
    and errors; both take `timeout` (seconds for the whole operation; without it the stream's own
    `read_timeout` or `write_timeout`) and `cancel` (a `CancellationToken`). With a timeout of 0, what can be
    had at once is; else DeadlineExceeded.
    """

    _what = "stream"

    #: Whether it shares a connection with others, which goes on when this one ends.
    is_multiplexed = False

    def __init__(self) -> None:
        self._buffer = ReadBuffer()
        self._eof = False
        self._reading = False
        self._writing = False
        self._broken: BrokenStreamError | None = None
        self._uncertain = False  # while a call sends: interrupted then, it is not known how much has gone

    # The three flows that each kind of stream implements.

    def _receive(self) -> Flow[None]:
        raise NotImplementedError

    def _send(self, data: memoryview) -> Flow[int]:
        raise NotImplementedError

    def _finish(self) -> Flow[None]:
        raise NotImplementedError

    def stop_reading(self, quiet: float = QUIET) -> None:
        """Treat the stream as ended as soon as the peer has sent nothing for `quiet` seconds.

        A server that is stopping uses this to let a transfer finish: the data that the peer sends without a
        longer pause is still read, however much it is, and a stream that has been silent for that long ends
        at once. The server itself must limit the total time. This never waits; it wakes a reader that waits.
        """
        raise NotImplementedError

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: after `finish`, read and drop all bytes until the peer has finished too, and then close.

        Returns the number of dropped bytes, which the peer has sent in vain; it is also 0 if this kind of
        stream cannot distinguish them from those of its own protocol. Closing with unread bytes resets the
        connection. That may destroy bytes that were sent and that the peer has not read yet (RFC 9112 section
        9.6). The flow also ends if nothing comes for `quiet` seconds.
        """
        raise NotImplementedError

    def flush(self) -> Flow[None]:
        """Flow: wait until the system has everything that was written.

        Most kinds of stream hand it over as it is written; one that holds it back for a while overrides this.
        """
        if self.below is not None:
            yield from self.below.flush()

    def close(self) -> None:
        """Release the stream at once, from any thread. Calls that wait on it raise ClosedError."""
        raise NotImplementedError

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        raise NotImplementedError

    @property
    def gone(self) -> Event:
        """Set when the stream is closed: for a flow that waits for something else, but must end then too."""
        raise NotImplementedError

    @property
    def below(self) -> ByteStream | None:
        """The stream that this one runs over, such as TCP below TLS; None at the bottom."""
        return None

    def try_send(self, data: bytes | memoryview) -> int:  # noqa: ARG002
        """Send as much of `data` as goes at once, without waiting and without a flow.

        Returns the number of bytes sent. It is also 0 if another writer is sending, or if this kind of stream
        cannot know what goes at once.
        """
        return 0

    # For protocols that read and write at once, such as HTTP/2: steps that never wait, and what to wait for.

    def try_fill(self, *, fresh: bool = False) -> bool:  # noqa: ARG002
        """Receive what is there, without waiting. True if bytes are in the buffer, or the stream has ended.

        After a receive that took all there was, the next call may say False without asking the system; with
        `fresh` it asks. Raises what `fill` raises.
        """
        if self._buffer or self._eof:
            return True
        flow = self.fill(1)
        try:
            without_waiting(flow, flow.send(None))  # type: ignore[arg-type]  # a generator's first send is None
        except StopIteration:
            return True
        finally:
            flow.close()
        return False

    def try_take(self, size: int = RECEIVE_SIZE) -> bytes | None:
        """Take what is there, up to `size` bytes, without waiting; `b""` at the end of the stream.

        None if nothing is there. As `try_fill`, after which the bytes are taken out of the buffer.
        """
        return self._buffer.take(size) if self.try_fill() else None

    def try_read_into(self, view: memoryview) -> int | None:  # noqa: ARG002
        """Receive up to `len(view)` bytes into `view`, without waiting and without a flow; 0 at the end.

        None if nothing is there, or if this kind of stream cannot know: `read_into_flow` goes on from there.
        Raises what it raises.
        """
        return None

    def offer(self, data: bytes | memoryview) -> int:
        """Take as much of `data` as there is room for, without waiting. Returns the number of bytes taken.

        They are sent in order. A kind of stream that changes what it sends may keep some of it for a while:
        `unsent` says how much, and a further `offer`, if only of `b""`, sends more of it.
        """
        return self.try_send(data) if data else 0

    @property
    def unsent(self) -> int:
        """How many bytes were taken by `offer` and not sent yet, in the form in which they are sent."""
        return 0

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for: that `try_fill` finds something, with `write` that `offer` has room; or `event`.

        `until` is a moment of `time.monotonic()`, in seconds.
        """
        raise NotImplementedError

    def ready_flow(self, event: Event, until: float | None = None) -> Flow[None]:
        """Flow: until `try_fill` finds something, `event` is set, or `until` has come; it may end earlier.

        For who takes by `try_take`. What `want` cannot say of some kind of stream, this can.
        """
        yield self.want(event=event, until=until)

    def read_into_flow(self, view: memoryview) -> Flow[int]:
        """Flow: up to `len(view)` bytes into `view`, as soon as there are any; 0 at the end of the stream.

        Large bodies so need no object for each piece. If the flow is interrupted, nothing is lost.
        """
        yield from self.fill(1)
        return self._buffer.take_into(view)

    # Looking into received bytes, for parsers that are flows (after `fill`).

    def peek(self) -> memoryview:
        """A view of the received bytes that no caller has taken; see `ReadBuffer.peek`. Never waits."""
        return self._buffer.peek()

    def skip(self, size: int) -> None:
        """Drop the first `size` received bytes. Raises ValueError if there are fewer."""
        self._buffer.skip(size)

    def put_back(self, data: bytes) -> None:
        """Give back bytes that were taken last, for whoever reads next: a protocol that ends where another
        begins (an upgrade) has often read too far."""
        if data:
            self._buffer.put_back(data)

    # Flows for other flows to `yield from`.

    def fill(self, size: int = 1) -> Flow[bool]:
        """Flow: wait until `size` bytes are in the buffer. False if the stream ends before that."""
        if self._reading:
            raise BusyError(f"{self._what}'s reading side")
        if len(self._buffer) >= size:
            return True
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
        """Flow: `size` bytes. Raises UnexpectedEof if the stream ends before; received bytes stay
        buffered."""
        yield from self._fill_exactly(size)
        return self._buffer.take(size)

    def read_until_flow(self, separator: bytes, limit: int = READ_UNTIL_LIMIT) -> Flow[bytes]:
        """Flow: all bytes up to `separator` and including it; errors as `read_until`."""
        size = yield from self._fill_until(separator, limit)
        return self._buffer.take(size)

    def read_to_end_flow(self, limit: int = READ_TO_END_LIMIT) -> Flow[bytes]:
        """Flow: everything up to the end of the stream; errors as `read_to_end`."""
        size = yield from self._fill_to_end(limit)
        return self._buffer.take(size)

    def write_all_flow(self, data: Buffer) -> Flow[None]:
        """Flow: send all of `data`. If it is interrupted in the middle, the stream is broken."""
        self._begin_writing()
        try:
            yield from self._send_rest(memoryview(data).cast("B"), 0)
        finally:
            self._writing = False

    def _send_rest(self, view: memoryview, sent: int) -> Flow[None]:
        """Flow: send what of `view` follows the first `sent` bytes. For who holds the writing side."""
        turns = 0
        total = len(view)
        try:
            while sent < total:
                sent += yield from self._send(view[sent:] if sent else view)
                turns += 1
                if turns % OPERATIONS_PER_TURN == 0 and sent < total:
                    yield PAUSE
        except BaseException:
            self._note_break(sent, view)
            raise

    def _note_break(self, sent: int, data: Buffer) -> None:
        """A write of `data`, of which `sent` bytes have gone, ends here."""
        total = memoryview(data).nbytes
        if 0 < sent < total and self._broken is None:
            self._broken = BrokenStreamError(sent, total)

    def write_flow(self, data: Buffer) -> Flow[int]:
        """Flow: send as much of `data` as goes at once, at least one byte. Returns the number of bytes."""
        view = memoryview(data).cast("B")
        self._begin_writing()
        try:
            return (yield from self._send(view)) if view else 0
        finally:
            self._writing = False

    def finish(self) -> Flow[None]:
        """Flow: tell the peer that no more will be sent; the other direction stays open."""
        self._begin_writing()
        try:
            yield from self._finish()
        finally:
            self._writing = False

    def _begin_writing(self) -> None:
        """Take the writing side. No call lies between the look and the taking, so no other thread either."""
        if self._writing:
            raise BusyError(f"{self._what}'s writing side")
        if self._broken is not None:
            raise self._broken
        if self._uncertain:
            raise BrokenStreamError(None, None)
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

    def _fill_to_end(self, limit: int) -> Flow[int]:
        if (yield from self.fill(limit + 1)):
            raise LimitExceeded(f"all that came over the {self._what}", limit)
        return len(self._buffer)

    # Blocking and async forms.

    def _is_ready(self) -> bool:
        """Whether there are bytes to take, or the end is known: then no flow has to be driven for them.

        A kind of stream that has received bytes in another form looks into them here, without waiting.
        """
        return not self._reading and len(self._buffer._data) > 0

    def _take(self, size: int, *, exactly: bool = False) -> bytes:
        """Take the bytes that the flow waited for.

        Raises BusyError if a second reader took them meanwhile. If this returned no bytes, or too few, the
        caller would believe that the stream has ended.
        """
        buffer = self._buffer
        have = len(buffer._data)
        if have < size if exactly else not (have or self._eof):
            raise BusyError(f"{self._what}'s reading side")
        return buffer.take(size)

    def read(
        self,
        size: int = RECEIVE_SIZE,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Up to `size` bytes, as soon as there are any; `b""` at the end of the stream."""
        if cancel is not None or not self._is_ready():
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
        """All bytes up to `separator` and including it.

        Raises UnexpectedEof if the stream ends before `separator`, LimitExceeded if it does not come within
        `limit` bytes. In both cases the received bytes stay in the buffer.
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
        """All bytes up to `separator` and including it; errors as `read_until`."""
        flow = self._fill_until(separator, limit)
        with READING:
            size = await run_async(flow, deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    def read_to_end(
        self,
        limit: int = READ_TO_END_LIMIT,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Everything up to the end of the stream.

        Raises LimitExceeded if that is more than `limit` bytes; whatever is raised, nothing is lost from the
        buffer.
        """
        with READING:
            size = run(self._fill_to_end(limit), deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    async def read_to_end_async(
        self,
        limit: int = READ_TO_END_LIMIT,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> bytes:
        """Everything up to the end of the stream; errors as `read_to_end`."""
        flow = self._fill_to_end(limit)
        with READING:
            size = await run_async(flow, deadline=self._read_deadline(timeout), cancel=cancel)
        return self._take(size, exactly=True)

    def read_nonblock(self, size: int = RECEIVE_SIZE) -> bytes | None:
        """Up to `size` bytes of what is there; `b""` at its end, None where nothing is there yet.

        Never waits.
        """
        flow = self.fill(1)
        try:
            without_waiting(flow, flow.send(None))  # type: ignore[arg-type]  # a generator's first send is None
            there = False
        except StopIteration:
            there = True
        finally:
            flow.close()
        return self._take(size) if there else None

    def write(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send as much of `data` as goes at once, at least one byte. Returns the number of bytes sent."""
        with WRITING:
            return run(self.write_flow(data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def write_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> int:
        """Send as much of `data` as goes at once, at least one byte. Returns the number of bytes sent."""
        with WRITING:
            return await run_async(
                self.write_flow(data), deadline=self._write_deadline(timeout), cancel=cancel
            )

    def write_all(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`. If it is interrupted after a part was sent, the stream is broken."""
        with WRITING:
            run(self.write_all_flow(data), deadline=self._write_deadline(timeout), cancel=cancel)

    async def write_all_async(
        self, data: Buffer, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> None:
        """Send all of `data`. If it is interrupted after a part was sent, the stream is broken."""
        sent = 0
        try:
            if cancel is None and type(data) is bytes:
                sent = self.try_send(data)
                if sent and sent == len(data):
                    if turn_is_due():
                        await Turn()
                    return
            with WRITING:
                if not sent:
                    flow = self.write_all_flow(data)
                    await run_async(flow, deadline=self._write_deadline(timeout), cancel=cancel)
                    return
                self._begin_writing()  # here: the flow may have to wait for its first turn
                try:
                    flow = self._send_rest(memoryview(data), sent)
                    await run_async(flow, deadline=self._write_deadline(timeout))
                finally:
                    self._writing = False
        except BaseException:
            self._note_break(sent, data)
            raise

    def __iter__(self) -> Iterator[bytes]:
        """The pieces as they arrive, to the end of the stream (blocking)."""
        while data := self.read():
            yield data

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces as they arrive, to the end of the stream, for `async for`."""
        return _Pieces(self)

    def _check_open(self) -> None:
        if self.is_closed:
            raise ClosedError(self._what)


class _Pieces:
    """A stream's pieces for `async for`. It keeps nothing itself: a loop that is left loses nothing."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self._stream.read_async()
        if not data:
            raise StopAsyncIteration
        return data
