"""Carrying bytes between a stream and something local, both ways, with the half-closes right.

When the local side has no more to say, the stream's sending half is ended and receiving goes on until the
peer has finished: `printf 'x' | netkit tcp connect ...` prints all of the reply. When the peer finishes
first, what is still being sent goes on being sent (it may be reading), unless somebody types it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from netkit.io import Event, all_of, first_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io import ByteStream, Flow


class Source(Protocol):
    """Where the bytes to send come from."""

    def receive(self, size: int = 65536) -> Flow[bytes]:
        """Flow: the next bytes; `b""` at the end."""
        ...


class Pumped:
    """How much went each way, in bytes, and which side finished first (`"local"`, `"peer"` or None yet)."""

    __slots__ = ("finished_first", "received", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.finished_first: str | None = None


def pump(
    stream: ByteStream,
    source: Source,
    sink: Callable[[bytes], object],
    *,
    interactive: bool = False,
    on_sent: Callable[[bytes], object] | None = None,
    pumped: Pumped | None = None,
) -> Flow[Pumped]:
    """Flow: send what `source` gives, hand what the peer sends to `sink`, until both have finished.

    `interactive` ends it as soon as the peer has: nobody should have to type an end-of-file at a closed
    connection. A peer that does not take what is sent any more, but has sent its own to the end, is no
    error. `on_sent` sees what was sent; `pumped` may be handed in, to be read meanwhile.
    """
    done = pumped if pumped is not None else Pumped()
    peer_finished = Event()

    def sending() -> Flow[None]:
        while data := (yield from source.receive()):
            try:
                yield from stream.send_all(data)
            except ConnectionError:
                if peer_finished.is_set:
                    return
                raise
            done.sent += len(data)
            if on_sent is not None:
                on_sent(data)
        done.finished_first = done.finished_first or "local"
        yield from stream.finish()

    def receiving() -> Flow[None]:
        while data := (yield from stream.receive()):
            done.received += len(data)
            sink(data)
        done.finished_first = done.finished_first or "peer"
        peer_finished.set()

    def sending_until_nobody_cares() -> Flow[None]:
        if interactive:
            yield from first_of(sending_then_wait(), peer_finished.wait())
        else:
            yield from sending()

    def sending_then_wait() -> Flow[None]:
        yield from sending()
        yield from peer_finished.wait()

    yield from all_of([receiving(), sending_until_nobody_cares()])
    return done
