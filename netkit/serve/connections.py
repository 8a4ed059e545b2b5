"""Serving connections: accept, run one flow for each, stop accepting when asked, let connections end.

`serve` is itself a flow, so that a server runs blocking in a thread or inside an event loop alike, and
several listeners (and UDP sockets beside them) go under one `all_of`. No error of accept(2) ends it: what is
about one connection is passed over; where no descriptor is left, or the error is unknown, accepting is tried
again after a pause. That is logged once, and counted in `Served`. The last descriptors are left to
what else the server opens, so that idle connections, however many, cannot end it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Protocol, TypeAlias, TypeVar

from netkit._log import Log
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    ByteStream,
    ClosedError,
    Event,
    Flow,
    Nursery,
    Semaphore,
    nursery,
    race,
    run,
    sleep_until,
)
from netkit.io.stream import QUIET
from netkit.serve.stop import cutting, finishing

log = Log("netkit.serve.connections")

S_co = TypeVar("S_co", bound=ByteStream, covariant=True)

#: Serves one connection to its end. Afterwards the stream is closed, also after an error.
Handler: TypeAlias = Callable[[Any], Flow[None]]

#: How long a pause ends a connection, in seconds, that gets its place after the server was told to end.
QUIET_IN_TURN = 0.1


class Listener(Protocol[S_co]):
    """A listener that accepts connections: `TcpListener`, `UnixListener`."""

    def accept_persistently_flow(
        self, failed: Callable[[OSError], object] | None = None
    ) -> Flow[tuple[S_co, object]]: ...
    def stop_accepting(self) -> None: ...
    def close(self) -> None: ...
    @property
    def is_closed(self) -> bool: ...


class Served:
    """What a server did: connections accepted, ended in an error, and cut off when draining ran out.

    `unaccepted` is how often accepting failed, `accept_error` what it failed with last; `on_unaccepted` is
    called each time.
    """

    __slots__ = (
        "accept_error",
        "accepted",
        "active",
        "cut_off",
        "failed",
        "on_unaccepted",
        "unaccepted",
    )

    def __init__(self) -> None:
        self.accepted = 0
        self.active: dict[
            ByteStream, ByteStream
        ] = {}  # the accepted stream, and the stream that its handler gets
        self.failed = 0
        self.cut_off = 0
        self.unaccepted = 0
        self.accept_error: OSError | None = None
        self.on_unaccepted: Callable[[OSError], object] | None = None

    def __repr__(self) -> str:
        return (
            f"<Served accepted={self.accepted} active={len(self.active)} "
            f"failed={self.failed} cut_off={self.cut_off}>"
        )


def serve(
    listener: Listener[S_co],
    handler: Handler,
    *,
    stop: Event,
    drain: float | None = None,
    wrap: Callable[[S_co], Flow[ByteStream]] | None = None,
    hurry: Callable[[Any, float], object] | None = None,
    max_connections: int | Semaphore | None = None,
    served: Served | None = None,
) -> Flow[Served]:
    """Flow: accept connections and serve each with `handler`, until `stop` is set. Returns the counts.

    After `stop`, the connections in the backlog are accepted, and the listener is closed. A connection that
    receives bytes without a pause is served further; an idle connection ends at once
    (`ByteStream.stop_reading`, or `hurry(stream, quiet)` instead). After `drain` seconds (None: no limit) the
    remaining connections are cut off, and counted as such. `stop` may be a `Stop`, which can also let every
    connection end by itself (`retire`), or cut off the remaining ones at once (`cut`). When a handler has
    ended, its connection is closed only after its peer has finished too, so that no sent data is lost; if the
    peer continues to send, the connection counts as cut off.

        `wrap` makes the stream that a handler gets, such as a TLS connection. At most `max_connections` are
    served at the same time; others wait in the backlog. A Semaphore instead of the number may be shared with
    other servers, and then limits all of them together; each of them accepts one more connection, which
    waits. The caller may pass `served`, to read the counts meanwhile.
    """
    done = served if served is not None else Served()
    ours: dict[ByteStream, ByteStream] = {}  # the connections of this listener
    room = Semaphore(max_connections) if isinstance(max_connections, int) else max_connections
    shared = room is max_connections
    idle, accepted_all, closed, over = Event(), Event(), Event(), Event()
    finish, cut = finishing(stop), cutting(stop)

    def accepting(crew: Nursery) -> Flow[None]:
        while True:
            # The driver makes its own descriptors at the first wait: do this before connections take all.
            if done.accepted % OPERATIONS_PER_TURN == 0:
                yield PAUSE
            if room is not None and not shared and not room.try_acquire():
                yield from race(room.acquire(), closed.wait())
            try:
                stream, _ = yield from listener.accept_persistently_flow(failed)
            except ClosedError:
                accepted_all.set()
                return
            if room is not None and shared and not room.try_acquire():
                # Only now: a place that a listener took in advance would be one that another lacks.
                try:
                    given = yield from race(room.acquire(), closed.wait())
                except BaseException:
                    stream.close()
                    raise
                if given.index == 1:
                    stream.close()  # the end came first
                    done.cut_off += 1
                    continue
            done.accepted += 1
            done.active[stream] = ours[stream] = stream
            crew.start(serving(stream), closing=stream)

    def failed(error: OSError) -> None:
        done.unaccepted += 1
        done.accept_error = error.with_traceback(None)  # which would keep the server's frames
        if done.on_unaccepted is not None:
            done.on_unaccepted(error)
        if stop.is_set:
            close_listener()  # no use: those in the backlog are lost

    def serving(stream: ByteStream) -> Flow[None]:
        outer: ByteStream = stream
        try:
            if wrap is not None:
                outer = yield from wrap(stream)  # type: ignore[arg-type]  # it is of this listener
                done.active[stream] = ours[stream] = outer
            if finish.is_set:
                # One that had to wait for its place has had its time to send, and others wait for the place.
                hurry_up(outer, QUIET if room is None else QUIET_IN_TURN)
            yield from handler(outer)
            if not outer.is_closed:
                yield from outer.flush()
            if stop.is_set and not outer.is_closed:
                yield from lingering(outer)
        except Exception as error:
            if isinstance(error, ClosedError):
                done.cut_off += 1
            else:
                done.failed += 1
            log.debug("%s: %s", stream, error)
        except BaseException:
            done.cut_off += 1  # the server itself was interrupted, or closed
            raise
        finally:
            outer.close()
            stream.close()
            done.active.pop(stream, None)
            ours.pop(stream, None)
            if room is not None:
                room.release()
            if not ours:
                idle.set()

    def hurry_up(stream: ByteStream, quiet: float = QUIET) -> None:
        try:
            if hurry is None:
                stream.stop_reading(quiet)
            else:
                hurry(stream, quiet)
        except OSError as error:
            log.debug("%s: %s", stream, error)  # it ended at this moment

    def lingering(stream: ByteStream) -> Flow[None]:
        try:
            if (yield from stream.lingering_close()):
                done.cut_off += 1
        except (ClosedError, ConnectionError) as error:
            log.debug("%s: %s", stream, error)  # it was served; only its peer did not finish

    def close_listener() -> None:
        listener.close()
        closed.set()

    def stopping() -> Flow[None]:
        yield from stop.wait()
        patience = [cut.wait()] if drain is None else [cut.wait(), sleep_until(monotonic() + drain)]
        listener.stop_accepting()
        yield from race(draining(), *patience)
        close_listener()
        for stream in list(ours.values()):
            stream.close()  # its handler gets ClosedError where it waits
        over.set()

    def draining() -> Flow[None]:
        yield from accepted_all.wait()
        close_listener()
        idle.clear()
        while ours:
            yield from idle.wait()

    def hurrying() -> Flow[None]:
        yield from race(finish.wait(), over.wait())
        for stream in list(ours.values()):
            hurry_up(stream)

    def body(crew: Nursery) -> Flow[None]:
        crew.start(stopping())
        crew.start(hurrying())
        return accepting(crew)

    try:
        yield from nursery(body)
    finally:
        listener.close()
        for stream in ours:  # accepted, but interrupted before its flow began
            done.active.pop(stream, None)
            done.cut_off += 1
    return done


@contextmanager
def in_background(flow_for: Callable[[Event], Flow[object]]) -> Iterator[None]:
    """Drive a server's flow in its own thread; the end of the block stops it.

        with in_background(server.serve):
            ...

    `flow_for` gets the event that stops the server.
    """
    stop = Event()
    thread = threading.Thread(target=run, args=[flow_for(stop)], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10.0)
