"""An echo server: RFC 862 on any number of TCP, Unix-domain and UDP sockets, with a clean shutdown.

An `EchoLoop` serves plain connections, if the system has epoll. Connections that are wrapped (in TLS, or in
faults), and all connections on other systems, have a flow each.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Protocol

from netkit._log import Log
from netkit.io import ByteStream, ClosedError, Event, Flow, Semaphore, all_of, beside
from netkit.lab.echo import Echoed, LoopGuard, echo_datagrams, echo_stream
from netkit.lab.echo_loop import EchoLoop
from netkit.net.listening import StreamListener
from netkit.net.udp import UdpSocket
from netkit.serve.connections import Served, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.addr import SocketAddr
    from netkit.lab.faults import Faults

#: A socket that the server can listen on.
ServerSocket = StreamListener[Any, Any] | UdpSocket

#: How long a peer may refuse to receive its echo, in seconds.
STALL_TIMEOUT = 60.0


log = Log("netkit.lab.echo")


class Connection:
    """One connection of a server, to be told of: `number` from 1, where it came from and to, over what.

    `place` is that of its listener among the server's sockets, `stream` what is echoed on; `bytes` were sent
    back in `elapsed` seconds, and `error` ended it where it did not end well.
    """

    __slots__ = ("_begun", "_echoed", "elapsed", "error", "local", "number", "peer", "place", "stream")

    def __init__(self, number: int, place: int, stream: Any) -> None:
        self.number = number
        self.place = place
        self.stream: ByteStream = stream
        self.local, self.peer = stream.local_addr, stream.peer_addr
        self.elapsed = 0.0
        self.error: BaseException | None = None
        self._begun = monotonic()
        self._echoed = Echoed()

    @property
    def bytes(self) -> int:
        """How many bytes were sent back."""
        return self._echoed.bytes

    def _ended(self, error: BaseException | None) -> None:
        self.elapsed, self.error = monotonic() - self._begun, error


class Watcher(Protocol):
    """Who is told what an `EchoServer` does."""

    def connection(self, what: Literal["connected", "closed", "failed"], connection: Connection) -> None:
        """It was taken, is over, or failed before there was anything to be echoed (its TLS handshake)."""

    def datagram(self, place: int, peer: SocketAddr, size: int) -> None:
        """A datagram was sent back, by the socket at this place."""


class EchoServer:
    """Echoes on `sockets`, which it closes at the end.

        server = EchoServer([TcpListener.bind("127.0.0.1:7007")])
        run(server.serve(stop))          # or await run_async(server.serve(stop))

    `wrap` makes the stream to echo on from an accepted stream, such as a TLS connection. A connection is
    ended if nothing comes for `idle_timeout` seconds (None: no limit), or if its peer does not receive its
    echo for `stall_timeout` seconds; meanwhile no more is read from it. No more than `max_connections` are
    served at once, over all sockets; it may be changed before `serve`.

    `watcher` is told of each connection and datagram. `numbers` are those of the connections: a server of
    several processes gives each of them others.
    """

    def __init__(
        self,
        sockets: Sequence[ServerSocket],
        *,
        wrap: Callable[[Any], Flow[ByteStream]] | None = None,
        faults: Faults | None = None,
        idle_timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
        max_connections: int | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.sockets = list(sockets)
        self._wrap = wrap
        self._faults = faults
        self._idle_timeout = idle_timeout
        self._stall_timeout = stall_timeout
        self.max_connections = max_connections
        self._watcher = watcher
        self.numbers = count(1)
        self.connections = Served()
        self.streams, self.datagrams = Echoed(), Echoed()
        udp = [each for each in self.sockets if isinstance(each, UdpSocket)]
        self.loops = LoopGuard([each.local_addr for each in udp])

    def counts(self) -> dict[str, int]:
        """The counts so far."""
        counts = {
            "connections": self.connections.accepted,
            "active": len(self.connections.active),
            "datagrams": self.datagrams.messages,
            "loops_refused": self.loops.refused,
            "bytes": self.streams.bytes + self.datagrams.bytes,
            "failed": self.connections.failed,
            "cut_off": self.connections.cut_off,
        }
        return counts if self._faults is None else {**counts, **self._faults.injected.counts()}

    def serve(self, stop: Event, *, drain: float | None = None) -> Flow[None]:
        """Flow: echo until `stop` is set; open connections then have `drain` seconds to end."""
        places = list(enumerate(self.sockets))
        listeners = [(place, each) for place, each in places if isinstance(each, StreamListener)]
        room: int | Semaphore | None = self.max_connections
        if self.max_connections is not None and len(listeners) > 1:
            room = Semaphore(self.max_connections)
        datagrams = [
            self._serve_datagrams(place, each, stop, drain)
            for place, each in places
            if isinstance(each, UdpSocket)
        ]
        try:
            if listeners and self._wrap is None and self._faults is None and EchoLoop.available:
                loop = EchoLoop(
                    counts=self.streams, idle_timeout=self._idle_timeout, stall_timeout=self._stall_timeout
                )
                serving = [
                    self._serve(*each, loop.connection, stop, drain, room, loop.stop_reading)
                    for each in listeners
                ]
                try:
                    yield from beside(_all([*serving, *datagrams]), loop.turning())
                finally:
                    loop.close()
            else:
                handler = partial(
                    echo_stream,
                    counts=self.streams,
                    idle_timeout=self._idle_timeout,
                    stall_timeout=self._stall_timeout,
                )
                serving = [self._serve(*each, handler, stop, drain, room, None) for each in listeners]
                yield from _all([*serving, *datagrams])
        finally:
            self.close()

    def close(self) -> None:
        """Release the sockets, from any thread."""
        for each in self.sockets:
            each.close()

    def _serve(
        self,
        place: int,
        listener: StreamListener[Any, Any],
        handler: Callable[..., Flow[None]],
        stop: Event,
        drain: float | None,
        room: int | Semaphore | None,
        hurry: Callable[[Any, float], object] | None,
    ) -> Flow[Served]:
        wrap: Callable[[Any], Flow[ByteStream]] | None
        wrap = None if self._wrap is None and self._faults is None else self._wrapped
        if self._watcher is not None or log.enabled:
            wrap, handler = self._watched(place, handler)
        return serve(
            listener,
            handler,
            stop=stop,
            drain=drain,
            wrap=wrap,
            hurry=hurry,
            max_connections=room,
            served=self.connections,
        )

    def _wrapped(self, stream: ByteStream) -> Flow[ByteStream]:
        if self._faults is not None:
            from netkit.lab.faults import FaultyStream

            stream = FaultyStream(stream, self._faults.session())
        return stream if self._wrap is None else (yield from self._wrap(stream))

    def _watched(
        self, place: int, handler: Callable[..., Flow[None]]
    ) -> tuple[Callable[[Any], Flow[ByteStream]], Callable[[Any], Flow[None]]]:
        """The wrapping, and `handler`, of connections whose beginnings and ends are told."""
        wrapped: dict[ByteStream, Connection] = {}

        def wrapping(stream: ByteStream) -> Flow[ByteStream]:
            connection = Connection(next(self.numbers), place, stream)
            try:
                connection.stream = yield from self._wrapped(stream)
            except Exception as error:
                connection._ended(error)
                self._tell("failed", connection)
                raise
            wrapped[connection.stream] = connection
            self._tell("connected", connection)
            return connection.stream

        def handling(stream: ByteStream) -> Flow[None]:
            connection = wrapped.pop(stream)
            try:
                yield from handler(stream, connection._echoed)
            except BaseException as error:
                connection._ended(error if isinstance(error, Exception) else ClosedError("stream"))
                raise
            else:
                connection._ended(None)
            finally:
                self._tell("closed", connection)

        return wrapping, handling

    def _tell(self, what: Literal["connected", "closed", "failed"], connection: Connection) -> None:
        if what == "connected":
            log.debug("connection %d from %s to %s", connection.number, connection.peer, connection.local)
        else:
            why = "" if connection.error is None else f"; {connection.error}"
            log.debug("connection %d %s after %.3f s: %d bytes echoed%s", connection.number, what,
                      connection.elapsed, connection.bytes, why)  # fmt: skip
        if self._watcher is not None:
            self._watcher.connection(what, connection)

    def _datagram_told(self, place: int) -> Callable[[SocketAddr, int], None] | None:
        if self._watcher is None and not log.enabled:
            return None

        def tell(peer: SocketAddr, size: int) -> None:
            log.debug("a datagram from %s: %d bytes echoed", peer, size)
            if self._watcher is not None:
                self._watcher.datagram(place, peer, size)

        return tell

    def _serve_datagrams(self, place: int, sock: UdpSocket, stop: Event, drain: float | None) -> Flow[None]:
        on_echo = self._datagram_told(place)
        if self._faults is None:
            yield from echo_datagrams(
                sock, counts=self.datagrams, stop=stop, loops=self.loops, on_echo=on_echo
            )
            return
        from netkit.lab.faulty_udp import FaultyUdpSocket

        faulty = FaultyUdpSocket(sock, self._faults.datagrams())
        yield from echo_datagrams(faulty, counts=self.datagrams, stop=stop, loops=self.loops, on_echo=on_echo)
        yield from faulty.drain(stop, drain)


def _all(flows: list[Flow[Any]]) -> Flow[None]:
    yield from all_of(flows)
