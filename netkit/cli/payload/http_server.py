"""The server that `netkit serve http` runs: the handler at some sockets, a redirect to it at others."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.faults import fault_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.cli.payload.bind import Sockets
    from netkit.cli.payload.http_options import HttpProcess, HttpTlsOptions
    from netkit.cli.payload.server_tls import CurrentTls
    from netkit.http.gateway import AsgiHandler
    from netkit.http.server.access_log import LogFile
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.handlers import AnyHandler
    from netkit.http.server.metrics import Metrics
    from netkit.http.server.server import HttpServer
    from netkit.http.server.service import Watcher
    from netkit.io import ByteStream, Flow
    from netkit.lab.faults import Faults
    from netkit.net.listening import StreamListener
    from netkit.serve.stop import Stop
    from netkit.tls.config import TlsConfig

#: What the socket of --redirect-http is called when sockets are handed over.
REDIRECT = "redirect"


class Serving:
    """The server of the main sockets, and the one that redirects to it."""

    def __init__(
        self,
        handler: AnyHandler,
        sockets: Sockets,
        current: CurrentTls,
        config: ServerConfig,
        watcher: Watcher | None,
        metrics: Metrics | None,
        how: HttpProcess,
        injected: Faults | None,
        drain: float,
        app: AsgiHandler | None = None,
    ) -> None:
        from netkit.http.server.handlers import flow_handler
        from netkit.http.server.server import HttpServer

        self._sockets = sockets
        self._current = current
        self._metrics = metrics
        self._how = how
        self._injected = injected
        self._drain = drain
        self._app = app
        wrap = None if injected is None else self._faulty
        shown = None
        if metrics is not None:
            from netkit.http.server.metrics import MetricsHandler

            assert how.metrics is not None
            shown = handler = MetricsHandler(
                flow_handler(handler, config), how.metrics, metrics, public=how.metrics_public
            )
        self.main: HttpServer = HttpServer(
            handler,
            config,
            tls=None if current.config is None else self._tls,
            watcher=watcher,
            wrap=wrap,
        )
        self._redirecting: HttpServer | None = None
        self._listeners = _listeners(sockets, "")
        self._redirects = _listeners(sockets, REDIRECT)
        if self._redirects:
            from netkit.http.server.redirect import HTTPS_PORT, HttpsRedirect
            from netkit.net.tcp import TcpListener

            ports = [each.local_addr.port for each in self._listeners if isinstance(each, TcpListener)]
            redirect = HttpsRedirect(ports[0] if ports else HTTPS_PORT)
            self._redirecting = HttpServer(redirect, config.replace(threads=0), watcher=watcher, wrap=wrap)
            self._redirecting.numbers = self.main.numbers
        if shown is not None:
            shown.served = [each.connections for each in self._servers]

    @property
    def _servers(self) -> list[HttpServer]:
        return [self.main] if self._redirecting is None else [self.main, self._redirecting]

    def _tls(self) -> TlsConfig:
        """The configuration for the next handshake: SIGHUP may have replaced it."""
        assert self._current.config is not None
        return self._current.config

    def _faulty(self, stream: ByteStream) -> ByteStream:
        from netkit.lab.faults import FaultyStream

        assert self._injected is not None
        return FaultyStream(stream, self._injected.session())

    def flow(self, stop: Stop) -> Flow[None]:
        """Flow: serve until `stop` is set, and then drain."""
        from netkit.io import all_of, beside

        flows = [self.main.serve(self._listeners, stop=stop, drain=self._drain)]
        if self._redirecting is not None:
            flows.append(self._redirecting.serve(self._redirects, stop=stop, drain=self._drain))

        def hurrying(app: AsgiHandler) -> Flow[None]:
            yield from stop.cutting.wait()
            app.hurry()

        def serving() -> Flow[None]:
            if self._app is None:
                yield from all_of(flows)
            else:
                yield from beside(all_of(flows), hurrying(self._app))

        if self._metrics is None:
            yield from serving()
        else:
            served = [each.connections for each in self._servers]
            yield from beside(serving(), self._metrics.publishing_flow(served, stop))

    def begin(self, place: int) -> None:
        """In a worker: its numbers, and its share of the limits."""
        from netkit.serve.workers import share

        workers = self._how.workers
        self._sockets.lend()
        numbers = count(place + 1, workers)
        for server in self._servers:
            server.numbers = numbers
            if server.config.max_connections is not None:
                server.max_connections = share(server.config.max_connections, place, workers)
        if self._injected is not None:
            self._injected.share(place, workers)
        if self._metrics is not None:
            self._metrics.begin(place)

    def counts(self) -> dict[str, int]:
        """The counts so far, of both servers."""
        total = self.main.counts()
        if self._redirecting is not None:
            for name, number in self._redirecting.counts().items():
                total[name] += number
        return {**total, **fault_counts(self._injected)}


def _listeners(sockets: Sockets, role: str) -> list[StreamListener[Any, Any]]:
    """The sockets for that purpose. Raises WrongValue for one that a service manager passed for datagrams."""
    from netkit.net.udp import UdpSocket

    found: list[StreamListener[Any, Any]] = []
    for each in sockets.served:
        if isinstance(each.socket, UdpSocket):
            raise WrongValue(
                f"{each.socket.local_addr} is a socket for datagrams",
                "HTTP is served at TCP and Unix-domain sockets",
            )
        if each.role == role:
            found.append(each.socket)
    return found


def reloading(tls: HttpTlsOptions, current: CurrentTls, log: LogFile | None) -> Callable[[], None] | None:
    """What SIGHUP does; None where there is nothing to read again."""
    certificate = tls.reload(current)
    if certificate is None and log is None:
        return None

    def reload() -> None:
        # The log first: that a certificate cannot be used must not keep lines in a file that was moved away.
        if log is not None:
            log.reopen()
        if certificate is not None:
            certificate()

    return reload
