"""Injected faults, to test clients: a server's answers come late, damaged, slowly or not at all.

    faults = Faults(delay=(0.05, 0.2), drop=0.1, seed=7)
    serve(listener, faulty(handler, faults), ...)            # each connection, in the order they come
    sock = FaultyUdpSocket(sock, faults.datagrams())         # a UDP socket (netkit.lab.faulty_udp)

`Faults` says which faults may happen and how often; a `FaultSession` decides when they happen, for one
connection or UDP socket. Its choices depend on the seed, the session's number and the sent data, never on the
clock. So the same seed, number and writes give the same faults, however fast either end is. Each kind of
fault has its own random numbers, so that adding another kind does not change the choices of the first.

Faults affect what a server sends, not what it receives. A *piece* is the data of one write:

- delay: each piece leaves so much later than it came, in order; how many come meanwhile changes nothing. A
  datagram waits by itself, others may overtake it.
- throttle: a token bucket for each connection, `BURST` seconds deep; over UDP, a link of that speed.
- corrupt: one bit is flipped in this share of pieces; in a longer piece, in this share of its `BLOCK`s.
- drop: this share of connections is reset before any answer; this share of datagrams is lost.
- reset_after: the connection is reset after this many bytes were sent, and have arrived if the peer receives
  them. A reset is TCP's RST (RFC 9293 section 3.10.5); a stream without resets is closed. UDP ignores it.

With TLS, a `FaultyStream` goes below the `TlsStream`: it damages ciphertext, and the peer should notice that.
"""

from __future__ import annotations

import errno
from collections import deque
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from netkit._log import Log
from netkit.errors import NetkitError
from netkit.io import ByteStream, Event, Want, beside
from netkit.io.stream import LINGER, QUIET, RECEIVE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from netkit.addr import SocketAddr
    from netkit.io import Flow

__all__ = ["FaultSession", "Faults", "FaultyStream", "Injected", "InjectedReset", "InvalidFaults", "faulty"]

log = Log("netkit.lab.faults")

#: The longest delay, in seconds.
MAX_DELAY = 3600.0
#: After it was idle, a throttled connection may send at once the bytes of this part of a second.
BURST = 0.05
#: When those are used up, it waits for the bytes of this part of a second before it sends again.
QUANTUM = 0.01
#: In a longer piece, each part of this size, in bytes, may be damaged: the size of a TLS record.
BLOCK = 16_384
#: How much a stream holds back at most, in bytes, while it waits for its moment.
HELD_BYTES = 4_194_304
#: How long a reset waits until the peer's system has the data that was sent before, in seconds.
RESET_PATIENCE = 1.0


class InvalidFaults(NetkitError, ValueError):
    """A fault that cannot be injected: `name` is the argument of `Faults`, `value` is its value."""

    layer = "netkit"
    fault = "caller"
    stage = "usage"

    def __init__(self, name: str, value: object, rule: str) -> None:
        super().__init__(name, value, rule)
        self.name = name
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}: it must be {self.rule}"


class InjectedReset(NetkitError, ConnectionResetError):
    """This side reset the connection because of its `Faults`, after it had sent `sent` bytes."""

    layer = "tcp"
    fault = "caller"
    stage = "local"

    def __init__(self, sent: int) -> None:
        super().__init__(errno.ECONNRESET, "reset on purpose")
        self.sent = sent

    def __str__(self) -> str:
        return f"reset on purpose after {self.sent} bytes"


class Injected:
    """The counts of faults so far: pieces and datagrams delayed and corrupted, connections and datagrams
    dropped, connections reset by `reset_after`."""

    __slots__ = ("corrupted", "delayed", "dropped", "reset")

    def __init__(self) -> None:
        self.delayed = 0
        self.dropped = 0
        self.reset = 0
        self.corrupted = 0

    def counts(self) -> dict[str, int]:
        """All counts by name."""
        return {name: getattr(self, name) for name in ("delayed", "dropped", "reset", "corrupted")}

    def __repr__(self) -> str:
        return f"<Injected {' '.join(f'{name}={value}' for name, value in self.counts().items())}>"


class Faults:
    """Which faults to inject, and how often.

    Args:
        delay: how late a piece is, in seconds; a pair means a random time between the two.
        drop: the share of connections (datagrams) that get no answer, from 0 to 1.
        reset_after: after how many bytes a connection is reset; 0: before the first byte, None: never.
        throttle: bytes a second, for each connection or socket; None: no limit.
        corrupt: the share of pieces (datagrams) in which a bit is flipped, from 0 to 1.
        seed: the seed of the random choices, any whole number from 0; None chooses one.

    Raises InvalidFaults. Sessions may be made in any thread; `injected` counts the faults of all sessions.
    """

    __slots__ = (
        "_connections",
        "_sockets",
        "corrupt",
        "delay",
        "drop",
        "injected",
        "reset_after",
        "seed",
        "throttle",
    )

    def __init__(
        self,
        *,
        delay: float | tuple[float, float] = 0.0,
        drop: float = 0.0,
        reset_after: int | None = None,
        throttle: float | None = None,
        corrupt: float = 0.0,
        seed: int | None = None,
    ) -> None:
        times = delay if isinstance(delay, tuple) else (delay, delay)
        pair: tuple[float, ...] = times
        if len(pair) != 2 or not 0 <= times[0] <= times[1] <= MAX_DELAY:
            rule = f"seconds from 0 to {MAX_DELAY:g}, or two of them, the shorter one first"
            raise InvalidFaults("delay", delay, rule)
        for name, share in (("drop", drop), ("corrupt", corrupt)):
            if not 0 <= share <= 1:
                raise InvalidFaults(name, share, "a share from 0 to 1")
        if reset_after is not None and reset_after < 0:
            raise InvalidFaults("reset_after", reset_after, "a number of bytes from 0 up")
        if throttle is not None and not 1 <= throttle < float("inf"):
            raise InvalidFaults("throttle", throttle, "bytes a second from 1 up")
        if seed is None:
            from secrets import randbits

            seed = randbits(32)
        elif seed < 0:
            raise InvalidFaults("seed", seed, "a whole number from 0 up")
        self.delay = times
        self.drop = drop
        self.reset_after = reset_after
        self.throttle = throttle
        self.corrupt = corrupt
        self.seed = seed
        self.injected = Injected()
        self._connections = count()
        self._sockets = count()

    def share(self, place: int, workers: int) -> None:
        """Number sessions as worker `place` (from 0) of `workers`, so that no two make the same choices."""
        self._connections = count(place, workers)
        self._sockets = count(place, workers)

    def session(self, number: int | None = None, *, clock: Callable[[], float] = monotonic) -> FaultSession:
        """The faults of a connection: the next one, or the one with this number (from 0)."""
        number = next(self._connections) if number is None else number
        return FaultSession(self, f"connection {number}", clock)

    def datagrams(self, number: int | None = None, *, clock: Callable[[], float] = monotonic) -> FaultSession:
        """The faults of a UDP socket: the next one, or the one with this number (from 0)."""
        number = next(self._sockets) if number is None else number
        return FaultSession(self, f"socket {number}", clock)

    def __str__(self) -> str:
        """The faults in words: `delay 50 ms to 200 ms, drop 10%`."""
        low, high = self.delay
        words = []
        if high:
            words.append(f"delay {low * 1000:g} ms" + ("" if low == high else f" to {high * 1000:g} ms"))
        if self.drop:
            words.append(f"drop {self.drop * 100:g}%")
        if self.reset_after is not None:
            words.append(f"reset after {self.reset_after:,} bytes")
        if self.throttle is not None:
            words.append(f"throttle to {self.throttle:,.10g} bytes/s")
        if self.corrupt:
            words.append(f"corrupt {self.corrupt * 100:g}%")
        return ", ".join(words) or "no faults"

    def __repr__(self) -> str:
        return f"<Faults {self}, seed={self.seed}>"


class FaultSession:
    """Decides when the faults of one connection or UDP socket happen: each call is one choice, in order.

    `clock` gives moments of `time.monotonic()`, in seconds.
    """

    __slots__ = ("_corruptions", "_delays", "_drops", "clock", "faults", "name")

    def __init__(self, faults: Faults, name: str, clock: Callable[[], float] = monotonic) -> None:
        self.faults = faults
        self.name = name
        self.clock = clock
        # A generator takes 2.5 kB, so make one only for faults that are wanted.
        self._delays = self._random("delay") if faults.delay[1] > 0 else None
        self._drops = self._random("drop") if faults.drop else None
        self._corruptions = self._random("corrupt") if faults.corrupt else None

    def _random(self, what: str) -> Random:
        from random import Random  # the import takes 5 ms: only if faults are wanted

        # Use only `random` of Random, and a text as seed: Python guarantees that these results never change.
        return Random(f"netkit {self.faults.seed} {self.name} {what}")

    def delay(self) -> float:
        """How late the next piece is, in seconds."""
        if self._delays is None:
            return 0.0
        low, high = self.faults.delay
        return low + (high - low) * self._delays.random()

    def drops(self) -> bool:
        """Whether this connection, or the next datagram, is dropped."""
        return self._drops is not None and self._drops.random() < self.faults.drop

    def flip(self, size: int) -> int | None:
        """The bit to flip in the next `size` bytes, counted from the lowest of the first byte; None for no
        bit."""
        if self._corruptions is None or self._corruptions.random() >= self.faults.corrupt:
            return None
        return int(self._corruptions.random() * size * 8) if size else None


@runtime_checkable
class Resettable(Protocol):
    """A stream over a socket that can be reset: TCP."""

    def reset(self) -> None: ...
    def fileno(self) -> int: ...


@runtime_checkable
class Addressed(Protocol):
    """A stream whose ends have addresses."""

    @property
    def peer_addr(self) -> SocketAddr: ...
    @property
    def local_addr(self) -> SocketAddr: ...


class FaultyStream(ByteStream):
    """A stream over another one; data sent on it gets the faults of `session`.

    The stream below belongs to this one. Where it is closed, by whomever, a delay ends in ClosedError.
    A reset raises InjectedReset on this side, and leaves the stream closed.

    With a delay, what is written is kept, and leaves when its moment has come while somebody reads from this
    stream (as a server does between two answers), writes more, or is in `finish` or `flush`; the end of the
    stream is not read before it has left. `HELD_BYTES` are kept at most; then writing waits for room. What is
    kept when the stream is closed is lost: `finish` or `flush` first.
    """

    _what = "faulty stream"

    def __init__(self, inner: ByteStream, session: FaultSession) -> None:
        super().__init__()
        self._inner = inner
        self._session = session
        self._dropped = session.drops()
        self._sent = 0  # of all pieces
        self._left = 0  # of the piece that is being sent
        self._held: deque[tuple[float, memoryview]] = deque()  # with the moments at which they leave
        self._held_bytes = 0
        self._head_sent = 0  # of the first of them
        self._is_sending = False  # what is held, in some flow
        self._queued, self._moved = Event(), Event()
        self._block_left = 0
        self._flip: int | None = None  # the bit to flip in the rest of the block
        throttle = session.faults.throttle
        self._bucket = None if throttle is None else _Bucket(throttle, session.clock())
        self._patience: float | None = None  # until when a reset waits
        self._bottom = inner
        while (below := self._bottom.below) is not None:
            self._bottom = below
        self._gone = inner.gone

    # The flows of a ByteStream.

    def _receive(self) -> Flow[None]:
        reading = self._inner.read_flow(RECEIVE_SIZE)
        data = yield from (beside(reading, self._leaving()) if self._delays else reading)
        if data:
            self._buffer.put(data)
        else:
            yield from self.flush()
            self._eof = True

    @property
    def _delays(self) -> bool:
        return self._session.faults.delay[1] > 0

    def _send(self, data: memoryview) -> Flow[int]:
        if self._is_over:
            yield from self._reset()
        if not self._delays:
            return (yield from self._send_now(data))
        self._check_open()
        data = data[:HELD_BYTES]
        yield from self._drained_to(HELD_BYTES - len(data))
        session = self._session
        delay = session.delay()
        session.faults.injected.delayed += delay > 0
        due = session.clock() + delay
        if self._held:
            due = max(due, self._held[-1][0])
        self._held.append((due, memoryview(bytes(data))))
        self._held_bytes += len(data)
        self._queued.set()
        return len(data)

    def flush(self) -> Flow[None]:
        """Flow: wait until everything that was kept has left."""
        yield from self._drained_to(0)

    def _drained_to(self, size: int) -> Flow[None]:
        """Flow: wait until no more than `size` bytes are kept."""
        while self._held_bytes > size:
            if self._is_sending:
                # The reader of this stream sends them, perhaps in another thread: an event may be missed.
                self._check_open()
                self._moved.clear()
                yield Want(event=self._moved, until=self._session.clock() + QUANTUM)
            else:
                yield from self._send_first()

    def _leaving(self) -> Flow[None]:
        """Flow: send what is kept, each piece at its moment; for ever."""
        while True:
            if self._is_sending:
                self._moved.clear()
                yield Want(event=self._moved, until=self._session.clock() + QUANTUM)
            elif self._held:
                yield from self._send_first()
            else:
                self._queued.clear()
                if not self._held:  # not queued by another thread meanwhile
                    yield Want(event=self._queued)

    def _send_first(self) -> Flow[None]:
        """Flow: wait for the moment of the first piece that is kept, and send it; to be given up anywhere."""
        self._is_sending = True
        try:
            due, data = self._held[0]
            yield from self._wait_until(due)
            while self._head_sent < len(data):
                self._head_sent += yield from self._send_now(data[self._head_sent :])
            self._held.popleft()
            self._held_bytes -= len(data)
            self._head_sent = 0
        finally:
            self._is_sending = False
            self._moved.set()

    def _send_now(self, data: memoryview) -> Flow[int]:
        # No choice is made twice: if this is interrupted while it waits, the next call continues from there.
        faults, injected = self._session.faults, self._session.faults.injected
        if self._is_over:
            yield from self._reset()
        if not self._left:
            self._left = len(data)
        size = min(len(data), self._left)
        if faults.corrupt:
            if not self._block_left:
                self._block_left = min(BLOCK, self._left)
                self._flip = self._session.flip(self._block_left)
            size = min(size, self._block_left)
        if faults.reset_after is not None:
            size = min(size, faults.reset_after - self._sent)
        if self._bucket is not None:
            while not (allowed := self._bucket.allows(size, self._session.clock())):
                yield from self._wait_until(self._bucket.moment)
            size = allowed
        flip = self._flip
        sent = yield from self._inner.write_flow(flipped(data[:size], flip))
        self._sent += sent
        self._left -= sent
        if self._bucket is not None:
            self._bucket.level -= sent
        if faults.corrupt:
            self._block_left -= sent
            if flip is not None:
                self._flip = flip - sent * 8 if flip >= sent * 8 else None
                injected.corrupted += self._flip is None
        if self._is_over:
            yield from self._reset()
        return sent

    def _finish(self) -> Flow[None]:
        yield from self.flush()
        if self._is_over:
            yield from self._reset()
        yield from self._inner.finish()

    @property
    def _is_over(self) -> bool:
        limit = self._session.faults.reset_after
        return self._dropped or (limit is not None and self._sent >= limit)

    def _reset(self) -> Flow[None]:
        """Flow: reset the connection when the sent data has arrived; always raises InjectedReset."""
        self._check_open()
        clock, pause = self._session.clock, 0.001
        if self._patience is None:
            self._patience = clock() + RESET_PATIENCE  # also of the next call, if this one is given up
        while self._sent and _in_flight(self._bottom) and clock() < self._patience:
            yield from self._wait_until(clock() + pause)
            pause = min(2 * pause, 0.05)
        injected = self._session.faults.injected
        if self._dropped:
            injected.dropped += 1
        else:
            injected.reset += 1
        log.debug("%s (%s) is reset after %d bytes", self._session.name, self._bottom, self._sent)
        if isinstance(self._bottom, Resettable):
            self._bottom.reset()
        self.close()
        raise InjectedReset(self._sent)

    def _wait_until(self, moment: float) -> Flow[None]:
        """Flow: sleep until `moment`, or until the stream is closed."""
        clock = self._session.clock
        while clock() < moment:
            self._check_open()
            yield Want(event=self._gone, until=moment)
        self._check_open()

    # For protocols that read and write at once.

    def try_send(self, data: bytes | memoryview) -> int:
        """Send what goes of `data` without waiting; 0 also where a fault makes it wait."""
        if self._writing or self._broken is not None or self._uncertain:
            return 0
        flow = self.write_flow(data)
        try:
            next(flow)
        except StopIteration as done:
            sent: int = done.value
            return sent
        finally:
            flow.close()
        return 0

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """What to wait for; the wait ends earlier where something that is kept can leave (`try_fill` sends
        it), or a throttle lets more pass."""
        moments = [] if self._is_sending or not self._held else [self._held[0][0]]
        if self._bucket is not None and (write or moments):
            moments.append(self._bucket.moment)
        if moments:
            due = max(moments)
            if due > self._session.clock():
                until = due if until is None else min(until, due)
                if self._eof:
                    return Want(event=event, until=until)  # the end of the stream stays readable
                write = False
            else:
                write = True
        return self._inner.want(write=write, event=event, until=until)

    # The rest is passed to the stream below.

    def stop_reading(self, quiet: float = QUIET) -> None:
        """Treat the stream as ended as soon as the peer has sent nothing for `quiet` seconds."""
        self._inner.stop_reading(quiet)

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: after `finish`, read and drop all bytes until the peer has finished too, and then close."""
        return self._inner.lingering_close(quiet)

    def close(self) -> None:
        """Release the stream at once, from any thread. Calls that wait on it raise ClosedError."""
        self._inner.close()

    @property
    def is_closed(self) -> bool:
        """Whether this stream, or the one below it, was closed."""
        return self._inner.is_closed

    @property
    def peer_addr(self) -> SocketAddr:
        """The other end, if the stream has addresses. Raises OSError if the peer is gone."""
        return self._addressed().peer_addr

    @property
    def local_addr(self) -> SocketAddr:
        """This end, if the stream has addresses."""
        return self._addressed().local_addr

    def _addressed(self) -> Addressed:
        if not isinstance(self._bottom, Addressed):
            raise OSError(errno.ENOTSOCK, f"{self._bottom!r} has no addresses")
        return self._bottom

    @property
    def gone(self) -> Event:
        """Set when the stream is closed."""
        return self._gone

    @property
    def below(self) -> ByteStream:
        """The stream that this one runs over; data sent directly on it gets no faults."""
        return self._inner

    def __repr__(self) -> str:
        return f"<FaultyStream {self._session.name} over {self._inner!r}>"


def faulty(handler: Callable[[Any], Flow[None]], faults: Faults | None) -> Callable[[Any], Flow[None]]:
    """A handler like `handler`, but each stream gets the faults of the next connection; None: no faults."""
    if faults is None:
        return handler

    def handling(stream: Any) -> Flow[None]:
        faulted = FaultyStream(stream, faults.session())
        yield from handler(faulted)
        if not faulted.is_closed:
            yield from faulted.flush()  # `serve` only knows of the stream below

    return handling


class _Bucket:
    """A token bucket: `level` bytes may be sent, and `rate` more each second, for `BURST` seconds at most."""

    __slots__ = ("_at", "_depth", "_quantum", "_rate", "level", "moment")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._depth = max(1.0, rate * BURST)
        self._quantum = max(1.0, rate * QUANTUM)
        self._at = now
        self.level = self._depth
        self.moment = now

    def allows(self, size: int, now: float) -> int:
        """How many of `size` bytes may be sent now; 0 if it is too early, and `moment` is the time to wait
        for."""
        self.level = min(self._depth, self.level + (now - self._at) * self._rate)
        self._at = now
        wanted = min(size, self._quantum)
        if self.level < wanted - 1e-6:
            self.moment = now + (wanted - self.level) / self._rate
            if self.moment > now:  # otherwise the wait is shorter than the clock's resolution
                return 0
        return min(size, max(1, int(self.level)))


def flipped(data: memoryview, flip: int | None) -> memoryview:
    """A copy of `data` with the bit `flip` inverted; `data` itself if `flip` is None or beyond the end."""
    if flip is None or flip >= len(data) * 8:
        return data
    changed = bytearray(data)
    changed[flip >> 3] ^= 1 << (flip & 7)
    return memoryview(changed)


def _in_flight(stream: ByteStream) -> bool:
    """Whether some data sent over TCP is not acknowledged yet; False if the system does not report it."""
    if not isinstance(stream, Resettable):
        return False  # closing it loses nothing
    try:
        import fcntl
        from termios import TIOCOUTQ

        return any(fcntl.ioctl(stream.fileno(), TIOCOUTQ, bytes(4)))
    except (ImportError, OSError):
        return False
