"""Copying bytes between a stream and a local side, in both directions, with correct half-closes.

`AtEnd` chooses what happens when the local side has no more data. By default the stream's sending half is
closed, and receiving continues until the peer has finished, so that `printf 'x' | netkit tcp connect ...`
prints the whole reply. If the peer finishes first, sending continues (the peer may still read), unless a
person types the input.

The local side is a `Source` and a `Sink`: standard input and a function that writes, or another stream for
both, such as the stream to a command.
"""

from __future__ import annotations

import sys
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netkit.io import PAUSE, DeadlineExceeded, Event, Want, all_of
from netkit.io.stream import QUIET
from netkit.net.tcp import TcpStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io import Buffer, ByteStream, Flow


#: How long to wait for the peer to receive the sent bytes, in seconds, if the system does not report this.
LINGER = 1.0

#: How long lies between two looks whether the peer has taken what was sent, in seconds.
BETWEEN_LOOKS = 0.05


class Source(Protocol):
    """Where the bytes to send come from."""

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        """Flow: the next bytes; `b""` at the end."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Where the received bytes go, if writing may have to wait; otherwise a function is enough."""

    def write_all_flow(self, data: Buffer) -> Flow[None]:
        """Flow: take `data`. A ConnectionError says that the sink takes no more: the rest is dropped."""
        ...

    def finish(self) -> Flow[None]:
        """Flow: tell the sink that no more will come."""
        ...


class AtEnd(Enum):
    """What happens when the local side has no more to send."""

    #: Tell the peer (a half-close), and continue to receive.
    HALF_CLOSE = "half-close"
    #: Do nothing: the peer may continue, and it ends the conversation.
    KEEP = "keep"
    #: Tell the peer, and end as soon as the sent bytes have arrived.
    CLOSE = "close"


class Pumped:
    """Bytes sent and received, and which side finished first (`"local"`, `"peer"`, or None so far)."""

    __slots__ = ("finished_first", "received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.finished_first: str | None = None


class _Over(Exception):
    """The conversation has ended: raised in one branch to end the others."""


def pump(
    stream: ByteStream,
    source: Source | None,
    sink: Sink | Callable[[bytes], object],
    *,
    at_end: AtEnd = AtEnd.HALF_CLOSE,
    interactive: bool = False,
    idle_timeout: float | None = None,
    ending: Event | None = None,
    on_sent: Callable[[bytes], object] | None = None,
    pumped: Pumped | None = None,
) -> Flow[Pumped]:
    """Flow: send the bytes of `source`, pass received bytes to `sink`, until both sides have finished.

    Without a `source` nothing is sent, and the peer ends the conversation. `interactive` ends it as soon as
    the peer has finished, so that a person need not type an end-of-file for a closed connection.
    `idle_timeout` is the longest time without any data in either direction, in seconds. After `ending` is
    set, the conversation ends as soon as there was no data in either direction for `QUIET` seconds, and no
    data waits to be sent. If the peer has sent all its data and then refuses more of ours, that is not an
    error. If the peer resets the connection, the data that it sent before is delivered before the error.
    `on_sent` is called with sent data. The caller may pass `pumped`, to read the counts meanwhile.

    Raises DeadlineExceeded after `idle_timeout`, and the errors of the streams.
    """
    done = pumped if pumped is not None else Pumped()
    peer_finished = Event()
    refused: ConnectionError | None = None
    unsent = False
    active = monotonic()

    def sending() -> Flow[None]:
        nonlocal active, refused, unsent
        if source is None:
            return
        while data := (yield from source.read_flow()):
            try:
                left = memoryview(data)
                unsent = True
                while left:
                    left = left[(yield from stream.write_flow(left)) :]
                    active = monotonic()  # a slow peer is not idle
            except ConnectionError as error:
                # Data that the peer sent before, such as the reason, may still wait to be received.
                refused = error
                return
            finally:
                unsent = False
            done.sent += len(data)
            if on_sent is not None:
                on_sent(data)
        done.finished_first = done.finished_first or "local"
        if at_end is not AtEnd.KEEP or peer_finished.is_set:
            try:
                yield from stream.finish()
            except ConnectionError as error:
                refused = error  # the reason may wait to be received, as above
                return
        if at_end is AtEnd.CLOSE:
            yield from _taken(stream, peer_finished)
            raise _Over

    def receiving() -> Flow[None]:
        nonlocal active
        flowing = sink if isinstance(sink, Sink) else None
        wanted = True
        while data := (yield from stream.read_flow()):
            active = monotonic()
            done.received += len(data)
            if flowing is None:
                sink(data)  # type: ignore[operator]  # a function, where it is not a Sink
            elif wanted:
                wanted = yield from _delivered(flowing, data)
        done.finished_first = done.finished_first or "peer"
        peer_finished.set()
        if flowing is not None:
            yield from flowing.finish()
        if refused is not None and not isinstance(refused, BrokenPipeError):
            raise refused  # not for a broken pipe, which the system reports if the peer had finished first
        if interactive or source is None:
            raise _Over

    def both() -> Flow[None]:
        yield from all_of([receiving(), sending()])
        raise _Over

    def watching() -> Flow[None]:
        assert idle_timeout is not None
        while (until := active + idle_timeout) > monotonic():
            yield Want(until=until)
        raise DeadlineExceeded(f"waiting for data: nothing was sent or received for {idle_timeout:g} s")

    def closing() -> Flow[None]:
        assert ending is not None
        yield from ending.wait()
        while (until := active + QUIET) > monotonic() or unsent:
            yield Want(until=max(until, monotonic() + BETWEEN_LOOKS))
        yield from stream.finish()
        raise _Over

    branches = [both()]
    if idle_timeout is not None:
        branches.append(watching())
    if ending is not None:
        branches.append(closing())
    try:
        yield from all_of(branches)
    except _Over:
        pass
    return done


def _taken(stream: ByteStream, peer_finished: Event) -> Flow[None]:
    """Flow: wait until the peer's system has all sent bytes and the end, or until the peer has finished.

    Closing a TCP connection with unread bytes resets it (RFC 9293 section 3.10.4; RFC 2525 section 2.17), and
    a reset destroys bytes that are still on their way. So receiving continues meanwhile.
    """
    delay = 0.001
    until = monotonic() + LINGER
    yield PAUSE
    while not peer_finished.is_set and (left := _unacknowledged(stream)) != 0:
        if left is None and monotonic() >= until:
            return
        yield Want(event=peer_finished, until=monotonic() + delay)
        delay = min(delay * 2, 0.05)


def _unacknowledged(stream: ByteStream) -> int | None:
    """How many sent bytes the peer's system has not acknowledged; None if our system does not report this."""
    while (below := stream.below) is not None:  # TLS on top of it
        stream = below
    if not isinstance(stream, TcpStream):
        return 0  # bytes sent over a Unix-domain socket are with the peer at once
    if sys.platform != "linux":
        return None
    from fcntl import ioctl
    from termios import TIOCOUTQ

    return int.from_bytes(ioctl(stream.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)


def _delivered(sink: Sink, data: bytes) -> Flow[bool]:
    try:
        yield from sink.write_all_flow(data)
    except ConnectionError:
        return False
    return True
