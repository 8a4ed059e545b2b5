"""Serving connections: accept, one flow for each, stop accepting when asked, let those under way end.

`serve` is itself a flow, so that a server runs blocking in a thread or inside an event loop alike, and
several listeners (and UDP sockets beside them) go under one `all_of`. Running out of descriptors does not
end it: the connection waits in the backlog, and accepting is tried again after a pause that is logged.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeAlias

from netkit._log import Log
from netkit.io import ClosedError, Event, Flow, Outcome, Spawner, Want, all_of, run, sleep_until
from netkit.net.tcp import TcpListener, TcpStream

log = Log("netkit.net.serve")

#: Serves one connection to its end; the stream is closed after it, however it ends.
Handler: TypeAlias = Callable[[TcpStream], Flow[None]]

#: How long accepting pauses, in seconds, when no descriptor is left.
NO_DESCRIPTOR_PAUSE = 0.1

_NO_DESCRIPTOR = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Served:
    """What a server did: connections accepted, ended in an error, and cut off when draining ran out."""

    __slots__ = ("accepted", "active", "cut_off", "failed")

    def __init__(self) -> None:
        self.accepted = 0
        self.active: set[TcpStream] = set()
        self.failed = 0
        self.cut_off = 0

    def __repr__(self) -> str:
        return (
            f"<Served accepted={self.accepted} active={len(self.active)} "
            f"failed={self.failed} cut_off={self.cut_off}>"
        )


def serve(
    listener: TcpListener,
    handler: Handler,
    *,
    stop: Event,
    drain: float | None = None,
    hurry: Callable[[TcpStream], object] | None = None,
    served: Served | None = None,
) -> Flow[Served]:
    """Flow: accept connections and serve each with `handler`, until `stop` is set; what was done.

    Then the listener is closed, and the connections under way have `drain` seconds to end (None: as
    long as they take); those that have not are cut off. `hurry` is called with each stream when draining
    begins, to make its handler come to an end. `served` may be handed in, to be read meanwhile.
    """
    done = served if served is not None else Served()
    crew: Spawner[None] = Spawner()
    idle = Event()

    def accepting() -> Flow[None]:
        while True:
            try:
                yield from listener.accept_flow()
            except ClosedError:
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    raise
                log.warning("cannot accept a connection: %s; trying again", error.strerror)
                yield from sleep_until(monotonic() + NO_DESCRIPTOR_PAUSE)
                continue
            stream, _ = listener.take_accepted()
            done.accepted += 1
            done.active.add(stream)
            crew.add(serving(stream))

    def serving(stream: TcpStream) -> Flow[None]:
        try:
            yield from handler(stream)
        except Exception as error:
            if isinstance(error, ClosedError):
                done.cut_off += 1
            else:
                done.failed += 1
            log.debug("%s: %s", stream, error)
        finally:
            stream.close()
            done.active.discard(stream)
            if not done.active:
                idle.set()

    def stopping() -> Flow[None]:
        yield from stop.wait()
        listener.close()
        idle.clear()
        until = None if drain is None else monotonic() + drain
        if hurry is not None:
            for stream in list(done.active):
                try:
                    hurry(stream)
                except OSError as error:
                    log.debug("%s: %s", stream, error)  # it ended in this instant
        while done.active and (until is None or monotonic() < until):
            yield Want(event=idle, until=until)
        for stream in list(done.active):
            stream.close()  # its handler gets ClosedError where it waits

    try:
        crew.add(accepting())
        crew.add(stopping())
        yield from all_of(crew, on_result=_raise_if_failed)
    finally:
        listener.close()
        for stream in list(done.active):
            stream.close()
    return done


@contextmanager
def in_background(flow_for: Callable[[Event], Flow[object]]) -> Iterator[None]:
    """Drive a server's flow in a thread of its own; at the end of the block it is told to stop.

        with in_background(server.serve):
            ...

    `flow_for` is given the event that stops it.
    """
    stop = Event()
    thread = threading.Thread(target=run, args=[flow_for(stop)], daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10.0)


def _raise_if_failed(_index: int, outcome: Outcome[None]) -> None:
    outcome.unwrap()
