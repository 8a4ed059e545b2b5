"""The server that `netkit serve http` runs: the handler at some sockets, a redirect to it at others."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.bind import ANYWHERE, Sockets, names_of
from netkit.cli.payload.faults import fault_counts
from netkit.cli.payload.http.events import At, url_of
from netkit.cli.payload.serving import serve_until_told, warn_once
from netkit.cli.payload.tls.server import TLS_SUFFIX, CurrentTls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack
    from typing import Self

    from netkit.cli.frame.command import Run
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.http.options import HttpProcess, HttpTlsOptions
    from netkit.http.gateway import AsgiHandler
    from netkit.http.server.access_log import AccessLog, LogFile
    from netkit.http.server.config import ServerConfig
    from netkit.http.server.handling.handlers import AnyHandler
    from netkit.http.server.metrics import Metrics
    from netkit.http.server.server import HttpServer
    from netkit.http.server.service import Watcher
    from netkit.io import ByteStream, Event, Flow
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
        place: Place,
        config: ServerConfig,
        watcher: Watcher | None,
        metrics: Metrics | None,
        how: HttpProcess,
        injected: Faults | None,
        drain: float,
        app: AsgiHandler | None = None,
    ) -> None:
        from netkit.http.server.handling.handlers import flow_handler
        from netkit.http.server.server import HttpServer

        self._sockets = sockets = place.sockets
        self._current = current = place.current
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


class Logged(NamedTuple):
    """What --access-log and --metrics ask for: the file of the log, who writes it, the counts."""

    file: LogFile | None
    lines: AccessLog | None
    metrics: Metrics | None

    @classmethod
    def of(cls, run: Run[Any], how: HttpProcess, *, names_users: bool) -> Self:
        """Those that the options ask for. Raises OSError for a log that cannot be written."""
        file, lines, metrics = None, None, None
        if how.access_log is not None:
            from netkit.http.server.access_log import FORMS, AccessLog, LogFile

            form, path = how.access_log
            if path is not None:
                file = LogFile(path)
            write = run.env.say if file is None else file.write
            lines = AccessLog(write, FORMS[form], names_users=names_users)
        if how.metrics is not None:
            from netkit.http.server.metrics import Metrics

            metrics = Metrics(how.workers)
        return cls(file, lines, metrics)


class Place:
    """The sockets of a server, and the certificate that it shows there."""

    def __init__(
        self,
        run: Run[Any],
        protocol: str,
        binds: Sequence[str],
        tls: HttpTlsOptions,
        how: HttpProcess,
        stack: ExitStack,
    ) -> None:
        """Listen, or take over (--upgrade); `stack` closes the sockets. Raises what binding raises."""
        self._run = run
        self._protocol = protocol
        self._binds = binds
        self._tls = tls
        self._how = how
        self.sockets = sockets = Sockets.of(
            binds, tcp=True, udp=False, control=how.control, upgrade=how.upgrade, protocol=protocol
        )
        stack.callback(sockets.close)
        if tls.redirect_http is not None:
            sockets.listen_for(REDIRECT, tls.redirect_http)
        taken = sockets.taken
        names = names_of(binds[0] if binds else ANYWHERE)
        self.current = CurrentTls(
            tls.config(names, run.env) if taken is None else tls.successor(taken, run.env)
        )

    def listening(self, scheme: str, path: str = "/") -> list[At]:
        """Where the server listens, with URLs of `scheme` (http, ws) or its form over TLS."""
        over_tls = scheme if self.current.config is None else f"{scheme}s"
        return [
            At(
                each.transport,
                each.socket.local_addr,
                url_of(each.transport, each.socket.local_addr, "http" if each.role else over_tls, path),
            )
            for each in self.sockets.served
        ]

    def serve(
        self,
        server: Serving,
        listening: Sequence[At],
        typed: Sequence[str],
        log: LogFile | None,
        *,
        started: Event | None = None,
    ) -> None:
        """Run `server` until it is told to end. `typed` are the BINDs as they were written."""
        run, sockets, current = self._run, self.sockets, self.current
        server.main.connections.on_unaccepted = warn_once(run)
        inputs = dict(zip(self._binds, typed, strict=True)) or {ANYWHERE: ANYWHERE}
        sources = [None if each.bind is None else inputs.get(each.bind, each.bind) for each in sockets.served]
        run.input = sources[0] if len(set(sources)) == 1 else None
        serve_until_told(
            run,
            listening,
            server.flow,
            server.counts,
            workers=self._how.workers,
            begin=server.begin,
            ready=sockets.ready,
            release=sockets.close,
            reload=_reloading(self._tls, current, log, run.env),
            handover=(
                sockets.handover(self._protocol)
                if current.config is None
                else sockets.handover(self._protocol + TLS_SUFFIX, lambda: {TLS_SUFFIX: current.packed()})
            ),
            given=sources,
            started=started,
        )


def _reloading(
    tls: HttpTlsOptions, current: CurrentTls, log: LogFile | None, env: Environment
) -> Callable[[], None] | None:
    """What SIGHUP does; None where there is nothing to read again."""
    certificate = tls.reload(current, env)
    if certificate is None and log is None:
        return None

    def reload() -> None:
        # The log first: that a certificate cannot be used must not keep lines in a file that was moved away.
        if log is not None:
            log.reopen()
        if certificate is not None:
            certificate()

    return reload
