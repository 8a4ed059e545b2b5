"""Faults on purpose: a server whose answers come late, damaged, slowly or not at all, to test clients with.

    faults = Faults(delay=(0.05, 0.2), drop=0.1, seed=7)
    serve(listener, faulty(handler, faults), ...)            # each connection, in the order they come
    sock = FaultyUdpSocket(sock, faults.datagrams())         # a UDP socket (netkit.lab.faulty_udp)

`Faults` says what may happen and how often; a `FaultSession` decides when it does, for one connection or
UDP socket. Its choices come from the seed, the session's number and what is sent, never from the clock:
the same seed, number and writes make the same faults however fast either end is. Each kind of fault has
random numbers of its own, so that asking for one more does not move the others.

What a server sends suffers, not what it receives. A *piece* is what is handed over in one write:

- delay: each piece leaves so much later than it came, in order; how many come meanwhile changes nothing. A
  datagram waits by itself, others may overtake it.
- throttle: a token bucket for each connection, `BURST` seconds deep; over UDP, a link of that speed.
- corrupt: one bit is flipped in this share of pieces, and of the `BLOCK`s that a longer piece has.
- drop: this share of connections is reset before anything is answered; this share of datagrams is lost.
- reset_after: the connection is reset once so many bytes were sent, and have arrived if the peer took
  them. A reset is TCP's RST (RFC 9293 section 3.10.5); a stream that has none is closed. UDP ignores it.

Under TLS a `FaultyStream` goes below the `TlsStream`: what it damages is ciphertext, which the peer is to
notice.
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
#: How much of a second's bytes a throttled connection may send at once after it was idle.
BURST = 0.05
#: How much of a second's bytes it waits for, once that is used up, before it sends again.
QUANTUM = 0.01
#: In a piece longer than this, in bytes, each part of this size may be damaged: a TLS record's size.
BLOCK = 16_384
#: How much a stream holds back at most, in bytes, while it waits for its moment.
HELD_BYTES = 4_194_304
#: How long a reset waits, in seconds, for what was sent before it to be taken by the peer's system.
RESET_PATIENCE = 1.0


class InvalidFaults(NetkitError, ValueError):
    """A fault that cannot be injected: `name` is the argument of `Faults`, `value` what was given for it."""

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
    """This side reset the connection, as its `Faults` say, after it had sent `sent` bytes."""

    layer = "tcp"
    fault = "caller"
    stage = "local"

    def __init__(self, sent: int) -> None:
        super().__init__(errno.ECONNRESET, "reset on purpose")
        self.sent = sent

    def __str__(self) -> str:
        return f"reset on purpose after {self.sent} bytes"


class Injected:
    """What was done so far: pieces and datagrams delayed and corrupted, connections and datagrams dropped,
    connections reset after so many bytes."""

    __slots__ = ("corrupted", "delayed", "dropped", "reset")

    def __init__(self) -> None:
        self.delayed = 0
        self.dropped = 0
        self.reset = 0
        self.corrupted = 0

    def counts(self) -> dict[str, int]:
        """All of it by name."""
        return {name: getattr(self, name) for name in ("delayed", "dropped", "reset", "corrupted")}

    def __repr__(self) -> str:
        return f"<Injected {' '.join(f'{name}={value}' for name, value in self.counts().items())}>"


class Faults:
    """Which faults to inject, and how often.

    Args:
        delay: seconds by which a piece is late; a pair for anything from the first to the second.
        drop: the share of connections (datagrams) that get no answer, from 0 to 1.
        reset_after: after how many bytes a connection is reset; 0 is before the first, None never.
        throttle: bytes a second, for each connection or socket; None for as fast as it goes.
        corrupt: the share of pieces (datagrams) in which a bit is flipped, from 0 to 1.
        seed: what the choices are made from, any whole number from 0; one is chosen where it is None.

    Raises InvalidFaults. Sessions may be taken from any thread; `injected` counts what they all did.
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
        """Number sessions as worker `place` (from 0) of so many, so that no two make the same choices."""
        self._connections = count(place, workers)
        self._sockets = count(place, workers)

    def session(self, number: int | None = None, *, clock: Callable[[], float] = monotonic) -> FaultSession:
        """The faults of a connection: the next one, or that of this number (from 0)."""
        number = next(self._connections) if number is None else number
        return FaultSession(self, f"connection {number}", clock)

    def datagrams(self, number: int | None = None, *, clock: Callable[[], float] = monotonic) -> FaultSession:
        """The faults of a UDP socket: the next one, or that of this number (from 0)."""
        number = next(self._sockets) if number is None else number
        return FaultSession(self, f"socket {number}", clock)

    def __str__(self) -> str:
        """What is injected, in words: `delay 50 ms to 200 ms, drop 10%`."""
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
    """When the faults of one connection or UDP socket happen: each call is one choice, in order.

    `clock` gives moments of `time.monotonic()`, in seconds.
    """

    __slots__ = ("_corruptions", "_delays", "_drops", "clock", "faults", "name")

    def __init__(self, faults: Faults, name: str, clock: Callable[[], float] = monotonic) -> None:
        self.faults = faults
        self.name = name
        self.clock = clock
        # A generator is 2.5 kB: only for what is asked for.
        self._delays = self._random("delay") if faults.delay[1] > 0 else None
        self._drops = self._random("drop") if faults.drop else None
        self._corruptions = self._random("corrupt") if faults.corrupt else None

    def _random(self, what: str) -> Random:
        from random import Random  # 5 ms, for those only who want faults

        # Of Random only `random` is used, and a text as seed: what both give is fixed for all time.
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
        """Which bit is flipped in the next `size` bytes, counted from the first byte's lowest; None: none."""
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
    """Another stream, of which what is sent shows the faults of `session`.

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
        self._flip: int | None = None  # the bit to flip in what is left of the block
        throttle = session.faults.throttle
        self._bucket = None if throttle is None else _Bucket(throttle, session.clock())
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
        # Nothing is decided twice: given up where it waits, it goes on from there at the next call.
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
        """Flow: reset the connection, when what was sent has arrived; ends in InjectedReset."""
        self._check_open()
        clock, pause = self._session.clock, 0.001
        patience = clock() + RESET_PATIENCE
        while self._sent and _in_flight(self._bottom) and clock() < patience:
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
        """Flow: sleep, but not through the closing of the stream."""
        clock = self._session.clock
        while clock() < moment:
            self._check_open()
            yield Want(event=self._gone, until=moment)
        self._check_open()

    # The rest is the stream's below.

    def stop_reading(self, quiet: float = QUIET) -> None:
        """Find the stream at its end as soon as the peer has sent nothing for `quiet` seconds."""
        self._inner.stop_reading(quiet)

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """Flow: after `finish`, read and drop what comes until the peer has finished too, and then close."""
        return self._inner.lingering_close(quiet)

    def close(self) -> None:
        """Release the stream at once, from any thread. Whoever waits on it gets ClosedError."""
        self._inner.close()

    @property
    def is_closed(self) -> bool:
        """Whether this stream, or the one below it, was closed."""
        return self._inner.is_closed

    @property
    def peer_addr(self) -> SocketAddr:
        """The other end, of a stream that has addresses. Raises OSError where the peer has gone."""
        return self._addressed().peer_addr

    @property
    def local_addr(self) -> SocketAddr:
        """This end, of a stream that has addresses."""
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
        """The stream that this one runs over; what is sent on it shows no faults."""
        return self._inner

    def __repr__(self) -> str:
        return f"<FaultyStream {self._session.name} over {self._inner!r}>"


def faulty(handler: Callable[[Any], Flow[None]], faults: Faults | None) -> Callable[[Any], Flow[None]]:
    """`handler`, given each stream with the faults of the next connection; for None, as it is."""
    if faults is None:
        return handler

    def handling(stream: Any) -> Flow[None]:
        faulted = FaultyStream(stream, faults.session())
        yield from handler(faulted)
        if not faulted.is_closed:
            yield from faulted.flush()

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
        """How many of `size` bytes may be sent now; 0 if it is too soon, until `moment`."""
        self.level = min(self._depth, self.level + (now - self._at) * self._rate)
        self._at = now
        wanted = min(size, self._quantum)
        if self.level < wanted - 1e-6:
            self.moment = now + (wanted - self.level) / self._rate
            if self.moment > now:  # else it is nearer than the clock can tell
                return 0
        return min(size, max(1, int(self.level)))


def flipped(data: memoryview, flip: int | None) -> memoryview:
    """`data`, with its bit `flip` turned over, in a copy; itself where that is None or beyond its end."""
    if flip is None or flip >= len(data) * 8:
        return data
    changed = bytearray(data)
    changed[flip >> 3] ^= 1 << (flip & 7)
    return memoryview(changed)


def _in_flight(stream: ByteStream) -> bool:
    """Whether some of what was sent over TCP is not acknowledged yet; False where nobody can tell."""
    if not isinstance(stream, Resettable):
        return False  # closing it loses nothing
    try:
        import fcntl
        from termios import TIOCOUTQ

        return any(fcntl.ioctl(stream.fileno(), TIOCOUTQ, bytes(4)))
    except (ImportError, OSError):
        return False
