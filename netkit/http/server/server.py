"""A server of HTTP: listeners, connections of every version, and one handler for all of them.

    class Notes:
        def handle(self, request: Request) -> Response:
            return Response(200, body=b"hello\\n")

    server = HttpServer(Notes())
    server.run([TcpListener.bind("127.0.0.1:8080")])

With `tls`, ALPN chooses between HTTP/2 and HTTP/1.1 (RFC 7301, RFC 9113 section 3.2). Without it, a client
may begin with HTTP/2's preface (section 3.3).
"""

from __future__ import annotations

from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit._log import Log
from netkit.http.server.config import DEFAULT_CONFIG, ServerConfig
from netkit.http.server.early.requests import chooser
from netkit.http.server.h1.flow import H1Serving
from netkit.http.server.h1.flow_loop import loop_for
from netkit.http.server.handling.handlers import LastingHandler, flow_handler
from netkit.http.server.request import ConnectionFacts
from netkit.http.server.service import Service
from netkit.io import ClosedError, Event, Semaphore, all_of, before, beside, run, run_async
from netkit.serve.connections import Served, serve
from netkit.serve.stop import Stop, finishing, leave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.http.server.h1.loop import HttpLoop
    from netkit.http.server.handling.handlers import AnyHandler
    from netkit.http.server.service import Watcher
    from netkit.io import ByteStream, CancellationToken, Flow
    from netkit.net.listening import StreamListener
    from netkit.tls.config import TlsConfig
    from netkit.tls.stream import TlsStream

log = Log("netkit.http.server")

#: How long a client may take for the TLS handshake, in seconds.
HANDSHAKE_TIMEOUT = 10.0


class HttpServer:
    """Answers requests with `handler`, over HTTP/1.1 and HTTP/2.

    `handler` has one of `handle` (blocking), `handle_async` or `handle_flow`. `tls` is the configuration for
    connections over TLS, or a function that returns the current one; its `alpn_protocols` are set here
    unless it has some. `watcher` is told of every exchange. `wrap` makes the stream that is served from an
    accepted one, before TLS: faults on purpose. `kernel_tls`: let the kernel encrypt where it can (kTLS, see
    `TlsStream.enable_ktls`), and send files by itself over HTTP/1.1; where it cannot, this process does.

    With `TlsConfig.half_rtt`, requests in early data are answered before the client has finished its
    handshake if they are safe, or as the handler's `answers_early(head)` says (`early.ChoosesEarly`).
    """

    def __init__(
        self,
        handler: AnyHandler,
        config: ServerConfig = DEFAULT_CONFIG,
        *,
        tls: TlsConfig | Callable[[], TlsConfig] | None = None,
        watcher: Watcher | None = None,
        wrap: Callable[[Any], ByteStream] | None = None,
        kernel_tls: bool = False,
    ) -> None:
        self.handler = flow_handler(handler, config)
        self.config = config
        self._tls = tls
        self._wrap = wrap
        self._kernel_tls = kernel_tls
        # The configuration as it was given, and with ALPN: one object, so that its context is found at once.
        self._offered: tuple[TlsConfig, TlsConfig] | None = None
        self.watcher = watcher
        self.numbers = count(1)
        self.max_connections = config.max_connections
        self.connections = Served()
        self._service = Service(self.handler, config, Event(), watcher, chooser(handler))
        #: What answers simple requests while the server runs, where there can be such a loop.
        self.loop: HttpLoop | None = None

    def counts(self) -> dict[str, int]:
        """The counts so far."""
        counts, connections = self._service.counts, self.connections
        return {
            "connections": connections.accepted,
            "active": len(connections.active),
            "requests": counts.requests,
            "received": counts.received,
            "sent": counts.sent,
            "failed": counts.failed,
            "faults": counts.faults,
            "cut_off": connections.cut_off,
        }

    def run(
        self,
        listeners: Sequence[StreamListener[Any, Any]],
        *,
        stop: Event | None = None,
        drain: float | None = 10.0,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Serve on `listeners`, which are closed at the end, until `stop` is set (in another thread).

        Connections then have `drain` seconds to end (None: no limit). `cancel` ends everything at once.
        Raises RuntimeError for an async handler, which needs `run_async`.
        """
        run(self.serve(listeners, stop=Stop() if stop is None else stop, drain=drain), cancel=cancel)

    async def run_async(
        self,
        listeners: Sequence[StreamListener[Any, Any]],
        *,
        stop: Event | None = None,
        drain: float | None = 10.0,
        cancel: CancellationToken | None = None,
    ) -> None:
        """Serve on `listeners`, which are closed at the end, until `stop` is set.

        Connections then have `drain` seconds to end (None: no limit). `cancel` ends everything at once.
        """
        flow = self.serve(listeners, stop=Stop() if stop is None else stop, drain=drain)
        await run_async(flow, cancel=cancel)

    def serve(
        self, listeners: Sequence[StreamListener[Any, Any]], *, stop: Event, drain: float | None = 10.0
    ) -> Flow[None]:
        """Flow: serve on `listeners` until `stop` is set; open connections then have `drain` seconds."""
        self._service.stop = finishing(stop)
        self._service.retiring = stop
        room: int | Semaphore | None = self.max_connections
        if self.max_connections is not None and len(listeners) > 1:
            room = Semaphore(self.max_connections)
        serving = [
            serve(
                each,
                self._connection_flow,
                stop=stop,
                drain=drain,
                hurry=leave,
                max_connections=room,
                served=self.connections,
            )
            for each in listeners
        ]
        try:
            flow: Flow[object] = beside(all_of(serving), self._service.stopping_flow())
            if self._tls is None and self._wrap is None:
                self.loop = loop = loop_for(self._service)
                if loop is not None:
                    flow = beside(flow, *loop.flows())
            if isinstance(self.handler, LastingHandler):
                flow = self.handler.around_flow(flow)
            yield from flow
        finally:
            if self.loop is not None:
                self.loop.close()
                self.loop = None
            for each in listeners:
                each.close()

    def _connection_flow(self, accepted: Any) -> Flow[None]:
        """Flow: serve one connection, over TLS or not, in the version that it speaks."""
        service, tls = self._service, None
        facts = ConnectionFacts(next(self.numbers), accepted.peer_addr, accepted.local_addr, None)
        stream: ByteStream = accepted if self._wrap is None else self._wrap(accepted)
        if self._tls is not None:
            from netkit.tls.stream import TlsStream

            config = self._with_alpn(self._tls if not callable(self._tls) else self._tls())
            until = _soon()
            try:
                tls = yield from before(until, TlsStream.accept_flow(stream, config), "TLS handshake")
                if self._kernel_tls and tls.is_confirmed:
                    _hand_to_kernel(tls)
            except Exception as error:
                service.fault(facts, error)
                if isinstance(error, ClosedError):
                    raise  # the server has cut it off
                # It is counted here: raised, it would be logged once more.
                self.connections.failed += 1
                stream.close()
                return
            facts.tls = tls
            facts.early_data = tls.take_early_data()
            if not tls.is_confirmed:
                from netkit.http.server.early.half_rtt import Unconfirmed

                facts.unconfirmed = Unconfirmed(tls, service.answers_early, until)
            stream = tls
        try:
            if facts.unconfirmed is None:
                yield from self._serving_flow(stream, facts)
                return
            problem = yield from facts.unconfirmed.serve_flow(self._serving_flow(stream, facts))
            if problem is not None:
                service.fault(facts, problem)
                self.connections.failed += 1
        finally:
            stream.close()

    def _serving_flow(self, stream: ByteStream, facts: ConnectionFacts) -> Flow[None]:
        """Flow: answer the requests of a connection to its end."""
        service, tls = self._service, facts.tls
        is_http2 = not self.config.http1 or (tls is not None and tls.alpn_protocol == "h2")
        if not is_http2:
            serving = H1Serving(service, stream, facts, loop=self.loop)
            yield from serving.run_flow()
            is_http2 = serving.is_http2
        if is_http2:
            from netkit.http.server.h2.flow import H2Serving

            yield from H2Serving(service, stream, facts).run_flow()

    def _with_alpn(self, given: TlsConfig) -> TlsConfig:
        """The configuration with the protocols that this server speaks, unless it names some itself."""
        if self._offered is None or self._offered[0] is not given:
            spoken = {"h2": self.config.http2, "http/1.1": self.config.http1}
            names = given.alpn_protocols or [name for name, is_spoken in spoken.items() if is_spoken]
            self._offered = given, given.with_alpn(names)
        return self._offered[1]


def _hand_to_kernel(tls: TlsStream) -> None:
    """Let the kernel encrypt, if it can; else the stream goes on as before. Raises `TlsError.IoError` where
    the kernel has failed half-way: then the stream is closed."""
    from netkit.tls.errors import TlsError

    try:
        tls.enable_ktls()
    except TlsError.CapabilityError as error:
        log.debug("the kernel does not encrypt: %s", error)


def _soon() -> float:
    return monotonic() + HANDSHAKE_TIMEOUT
