"""An echo server: RFC 862 on any number of TCP, Unix-domain and UDP sockets, with all that ends it well.

Plain connections are served by an `EchoLoop` where the system has one. Those that are wrapped (in TLS, or in
faults) or that a platform without epoll serves are a flow each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from netkit.io import ByteStream, Event, Flow, all_of, beside
from netkit.lab.echo import Echoed, echo_datagrams, echo_stream
from netkit.lab.echo_loop import EchoLoop
from netkit.net.listening import StreamListener
from netkit.net.udp import UdpSocket
from netkit.serve.connections import Served, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.lab.faults import Faults

#: What is listened on.
ServerSocket = StreamListener[Any, Any] | UdpSocket

#: How long a peer may leave its echo untaken, in seconds.
STALL_TIMEOUT = 60.0


class EchoServer:
    """Echoes on `sockets`, which it closes at the end.

        server = EchoServer([TcpListener.bind("127.0.0.1:7007")])
        run(server.serve(stop))          # or await run_async(server.serve(stop))

    `wrap` makes of an accepted stream the one to be echoed on, such as a TLS connection. A connection is
    ended on which nothing comes for `idle_timeout` seconds (None: it may be idle for ever), or whose peer
    has not taken its echo for `stall_timeout`; while it does not, nothing more is read from it.
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
    ) -> None:
        self.sockets = list(sockets)
        self._wrap = wrap
        self._faults = faults
        self._idle_timeout = idle_timeout
        self._stall_timeout = stall_timeout
        self._max_connections = max_connections
        self.connections = Served()
        self.streams, self.datagrams = Echoed(), Echoed()

    def counts(self) -> dict[str, int]:
        """What it has done so far."""
        counts = {
            "connections": self.connections.accepted,
            "active": len(self.connections.active),
            "datagrams": self.datagrams.messages,
            "bytes": self.streams.bytes + self.datagrams.bytes,
            "failed": self.connections.failed,
            "cut_off": self.connections.cut_off,
        }
        return counts if self._faults is None else {**counts, **self._faults.injected.counts()}

    def serve(self, stop: Event, *, drain: float | None = None) -> Flow[None]:
        """Flow: echo until `stop` is set; connections under way then have `drain` seconds to end."""
        listeners = [each for each in self.sockets if isinstance(each, StreamListener)]
        datagrams = [
            echo_datagrams(self._faulty(each), counts=self.datagrams, stop=stop)
            for each in self.sockets
            if isinstance(each, UdpSocket)
        ]
        try:
            if listeners and self._wrap is None and self._faults is None and EchoLoop.available:
                loop = EchoLoop(
                    counts=self.streams, idle_timeout=self._idle_timeout, stall_timeout=self._stall_timeout
                )
                serving = [
                    self._serve(each, loop.connection, stop, drain, loop.stop_reading) for each in listeners
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
                serving = [self._serve(each, handler, stop, drain, None) for each in listeners]
                yield from _all([*serving, *datagrams])
        finally:
            self.close()

    def close(self) -> None:
        """Release the sockets, from any thread."""
        for each in self.sockets:
            each.close()

    def _serve(
        self,
        listener: StreamListener[Any, Any],
        handler: Callable[[Any], Flow[None]],
        stop: Event,
        drain: float | None,
        hurry: Callable[[Any], object] | None,
    ) -> Flow[Served]:
        return serve(
            listener,
            handler,
            stop=stop,
            drain=drain,
            wrap=None if self._wrap is None and self._faults is None else self._wrapped,
            hurry=hurry,
            max_connections=self._max_connections,
            served=self.connections,
        )

    def _wrapped(self, stream: ByteStream) -> Flow[ByteStream]:
        if self._faults is not None:
            from netkit.lab.faults import FaultyStream

            stream = FaultyStream(stream, self._faults.session())
        return stream if self._wrap is None else (yield from self._wrap(stream))

    def _faulty(self, sock: UdpSocket) -> UdpSocket:
        if self._faults is None:
            return sock
        from netkit.lab.faulty_udp import FaultyUdpSocket

        return FaultyUdpSocket(sock, self._faults.datagrams())


def _all(flows: list[Flow[Any]]) -> Flow[None]:
    yield from all_of(flows)
