"""The server that `netkit serve dns` runs: one responder, at sockets for UDP, TCP, TLS and HTTPS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.bind import ANYWHERE, Sockets, names_of
from netkit.cli.payload.events import finding_row
from netkit.cli.payload.faults import fault_counts
from netkit.cli.payload.serving import Reread, StreamProcessOptions, serve_until_told, warn_once
from netkit.cli.payload.tls.server import TLS_SUFFIX, CurrentTls, handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import ExitStack

    from netkit.addr import SocketAddr
    from netkit.cli.frame.command import Run
    from netkit.cli.payload.dns.options import DnsTlsOptions, ZoneOptions
    from netkit.cli.payload.serving import Reload
    from netkit.dns.authority.faults import DnsFaults
    from netkit.dns.authority.responder import Responder
    from netkit.dns.zones.findings import ZoneFinding
    from netkit.dns.zones.zone_files import ZoneFiles
    from netkit.io import ByteStream, Flow
    from netkit.lab.faults import Faults
    from netkit.serve.stop import Stop
    from netkit.tls.config import TlsConfig

#: What the sockets for them are called, where it is said and where sockets are handed over.
TLS, HTTPS = "tls", "https"


class Place:
    """The sockets of a name server, and the certificate that it shows at some of them."""

    def __init__(
        self,
        run: Run[Any],
        binds: Sequence[str],
        tls: DnsTlsOptions,
        how: StreamProcessOptions,
        stack: ExitStack,
    ) -> None:
        """Listen, or take over (--upgrade); `stack` closes the sockets. Raises what binding raises."""
        self._tls = tls
        self.sockets = sockets = Sockets.of(
            binds, tcp=True, udp=True, control=how.control, upgrade=how.upgrade, protocol="dns"
        )
        stack.callback(sockets.close)
        taken = sockets.taken
        for bind in binds or (ANYWHERE,) if taken is None else ():
            for role, port in ((TLS, tls.tls_port), (HTTPS, tls.https_port)):
                if port is not None:
                    sockets.listen_for(role, f"{bind.rpartition(':')[0]}:{port}")
        names = names_of(binds[0] if binds else ANYWHERE)
        self.current = CurrentTls(
            tls.config(names, run.env) if taken is None else tls.successor(taken, run.env)
        )

    def of(self, transport: str, role: str = "") -> list[Any]:
        """The sockets of a transport, for one purpose."""
        return [
            each.socket
            for each in self.sockets.served
            if each.role == role and (each.transport == "udp") == (transport == "udp")
        ]

    @property
    def listening(self) -> list[tuple[str, object]]:
        """Each socket, with what is spoken there."""
        return [(each.role or each.transport, each.socket.local_addr) for each in self.sockets.served]


class Serving:
    """The responder's servers: for datagrams and streams, and for HTTPS."""

    def __init__(
        self,
        place: Place,
        responder: Responder,
        how: StreamProcessOptions,
        injected: Faults | None,
        script: DnsFaults | None,
        https_path: str | None,
        drain: float,
    ) -> None:
        from netkit.dns.authority.server import DnsServer

        self._place = place
        self._responder = responder
        self._how = how
        self._injected = injected
        self._script = script
        self._drain = drain
        self._offered: tuple[TlsConfig, TlsConfig] | None = None
        self.dns = DnsServer(
            place.of("udp"),
            place.of("tcp"),
            responder,
            tls=place.of("tcp", TLS),
            accept=self._accept_flow,
            max_connections=how.max_conns,
        )
        self._https = None
        self._secure = place.of("tcp", HTTPS)
        if self._secure:
            from netkit.dns.authority.over_https import DEFAULT_PATH
            from netkit.doh_server import DOH_CONFIG, DohHandler
            from netkit.http.server.server import HttpServer

            self._https = HttpServer(
                DohHandler(responder, https_path or DEFAULT_PATH, script),
                DOH_CONFIG.replace(max_connections=how.max_conns),
                tls=self._config,
                wrap=None if injected is None else self._faulty,
            )

    def _config(self) -> TlsConfig:
        """The configuration for the next handshake: SIGHUP may have replaced it."""
        config = self._place.current.config
        assert config is not None
        return config

    def _accept_flow(self, stream: ByteStream) -> Flow[ByteStream]:
        config = self._config()
        from netkit.dns.transports.streams import DOT

        if self._offered is None or self._offered[0] is not config:
            self._offered = config, config.with_alpn([DOT])
        return (yield from handshake(stream, config=self._offered[1]))

    def _faulty(self, stream: ByteStream) -> ByteStream:
        from netkit.lab.faults import FaultyStream

        assert self._injected is not None
        return FaultyStream(stream, self._injected.session())

    def flow(self, stop: Stop) -> Flow[None]:
        """Flow: serve until `stop` is set, and then drain."""
        from netkit.io import all_of

        flows: list[Flow[object]] = [
            self.dns.serve(stop, drain=self._drain, faults=self._injected, script=self._script)
        ]
        if self._https is not None:
            flows.append(self._https.serve(self._secure, stop=stop, drain=self._drain))
        yield from all_of(flows)

    def begin(self, place: int) -> None:
        """In a worker: its share of the limits."""
        from itertools import count

        from netkit.serve.workers import share

        workers = self._how.workers
        self._place.sockets.lend()
        if place:
            self.dns.notifier = None  # the first one tells
        responder = self._responder
        responder.max_transfers = max(1, share(responder.max_transfers, place, workers))
        if self._how.max_conns is not None:
            self.dns.max_connections = share(self._how.max_conns, place, workers)
        if self._https is not None:
            self._https.numbers = count(place + 1, workers)
            self._https.max_connections = self.dns.max_connections
        if self._injected is not None:
            self._injected.share(place, workers)

    def counts(self) -> dict[str, int]:
        """The counts so far."""
        served = [self.dns.tcp, *([] if self._https is None else [self._https.connections])]
        script = {} if self._script is None else self._script.injected
        return {
            "queries": self._responder.queries,
            "responses": self._responder.responses,
            "connections": sum(each.accepted for each in served),
            "failed": sum(each.failed for each in served),
            "cut_off": sum(each.cut_off for each in served),
            **fault_counts(self._injected),
            **{f"fault_{kind.replace('-', '_')}": number for kind, number in script.items()},
        }

    def serve(self, run: Run[Any], binds: Sequence[str], reload: Reload, tell: Callable[[], object]) -> None:
        """Run until it is told to end. `reload` reads the files of zones and keys again; `tell` says what is
        odd about the zones at the start, when it was said where the server listens."""
        place, sockets, current = self._place, self._place.sockets, self._place.current
        self.dns.tcp.on_unaccepted = warn_once(run)
        if self._https is not None:
            self._https.connections.on_unaccepted = self.dns.tcp.on_unaccepted
        typed = dict(zip(binds, run.typed, strict=True)) or {ANYWHERE: ANYWHERE}
        sources = [None if each.bind is None else typed.get(each.bind) for each in sockets.served]
        run.input = sources[0] if len(set(sources)) == 1 else None

        def ready() -> None:
            tell()
            sockets.ready()

        serve_until_told(
            run,
            place.listening,
            self.flow,
            self.counts,
            workers=self._how.workers,
            begin=self.begin,
            ready=ready,
            release=sockets.close,
            reload=reload,
            reload_aside=True,
            handover=(
                sockets.handover("dns")
                if current.config is None
                else sockets.handover("dns" + TLS_SUFFIX, lambda: {TLS_SUFFIX: current.packed()})
            ),
            given=sources,
        )


def reloading(
    run: Run[Any], responder: Responder, files: ZoneFiles, what: ZoneOptions, tls: DnsTlsOptions, place: Place
) -> Reload:
    """What SIGHUP does: certificates, keys and zones are read again, and take effect together.

    Raises for a certificate or a file of keys before anything has changed. A zone that cannot be used stays
    as it was, beside the new ones.
    """
    certificate = tls.reload(place.current, run.env)

    def reload() -> Reread:
        from netkit.dns.authority.zone_set import Zones
        from netkit.serve.lasting import lasting

        keys = what.keys()
        if certificate is not None:
            certificate()
        with lasting():
            reading = files.read_again()
            responder.keys, responder.zones = keys, Zones(reading.zones)
        return Reread(reading.problems, partial(tell_findings, run, reading.findings))

    return reload


def tell_findings(run: Run[Any], findings: Iterable[ZoneFinding]) -> None:
    """Say what is odd about zones, and with --json as events too."""
    for each in findings:
        run.env.warn(run.doing, str(each))
        if run.json:
            run.write_object(finding_row(each))


def check(binds: Sequence[str], how: StreamProcessOptions, script: DnsFaults | None) -> None:
    """Refuse options that contradict each other. Raises WrongValue."""
    if how.upgrade and binds:
        raise WrongValue("--upgrade takes the sockets of the running server", "leave BIND away")
    if how.workers > 1 and script is not None and any(each.count for each in script.faults):
        raise WrongValue("--fault with count, and several --workers: each of them counts for itself")


def check_sources(script: DnsFaults | None, addrs: Iterable[SocketAddr]) -> None:
    """Refuse a fault that nothing would come of: no answer of a server at `addrs` can come from its address.

    Raises WrongValue.
    """
    from netkit.addr import IpAddr, SocketAddr
    from netkit.net.errors import ListenError
    from netkit.net.udp import UdpSocket

    versions = {addr.ip.version for addr in addrs}
    for fault in () if script is None else script.faults:
        if not isinstance(fault.value, IpAddr):
            continue
        if fault.value.version not in versions:
            raise WrongValue(f"--fault {fault}: no socket of the server is of IPv{fault.value.version}")
        try:
            UdpSocket.bind_addr(SocketAddr.new(fault.value, 0)).close()
        except ListenError:
            raise WrongValue(
                f"--fault {fault}: {fault.value} is no address of this machine", "all of 127.0.0.0/8 are"
            ) from None
