"""`netkit serve echo`, `netkit tcp echo` and `netkit udp echo`: servers to test against."""

from __future__ import annotations

from functools import partial
from typing import Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import field, option_group
from netkit.cli.frame.options import Seconds, WrongValue, argument, option
from netkit.cli.payload.bind import ANYWHERE, Bind, Sockets, is_unix, names_of
from netkit.cli.payload.events import EchoView, Events, events as events_option
from netkit.cli.payload.faults import FaultOptions
from netkit.cli.payload.serving import (
    StreamProcessOptions,
    drain as drain_option,
    serve_until_told,
    warn_once,
)
from netkit.cli.payload.tls.server import TLS_SUFFIX, CurrentTls, ServerTlsOptions

_BINDS = argument("binds", nargs=-1, metavar="[BIND]...", type=Bind(unix=True))


class EchoOptions(StreamProcessOptions):
    """How an echo server serves, and how it replaces another one."""

    idle_timeout: float | None = field(
        "--idle-timeout", type=Seconds(), help="End a connection if no data comes for this long."
    )
    stall_timeout: float = field(
        "--stall-timeout",
        type=Seconds(),
        default=60.0,
        help="End a connection if the peer does not receive its echo for this long.",
    )


@command("serve echo", view=EchoView())
@_BINDS
@option("--tcp", is_flag=True, help="TCP only (without --tcp and --udp: both).")
@option("--udp", is_flag=True, help="UDP only.")
@option_group(tls=ServerTlsOptions, how=EchoOptions)
@drain_option
@events_option
@option_group(faults=FaultOptions)
def echo(
    run: Run[Any],
    binds: tuple[str, ...],
    tcp: bool,
    udp: bool,
    tls: ServerTlsOptions,
    how: EchoOptions,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    """Send back all received data (RFC 862), over TCP, UDP, Unix-domain sockets and TLS.

    BIND is ADDR:PORT or :PORT, or the path of a Unix-domain socket (with a slash in it, or unix:PATH), or
    @NAME for an abstract one. The default is a free port of 127.0.0.1. Each socket's address is printed when
    the socket accepts connections, so that a script can read the port from it. With --tls, connections over
    TCP and Unix-domain sockets are TLS.

    If a service manager starts the server and passes sockets (systemd's socket activation), it serves these
    sockets, without BIND. It tells the manager when it is ready, and that it is alive.

    SIGTERM stops accepting. A connection continues for as long as --drain allows if bytes come without a
    pause of a second, or if its peer has not received its whole echo; other connections are closed at once. A
    second SIGTERM cuts off the remaining connections. The counters say how many connections were cut off; the
    exit code is 0. Ctrl-C ends at once. SIGHUP reads --cert and --key again; without them, it ends the server
    as SIGTERM does. SIGUSR1 prints the counters. -v shows each peer, how much was sent back, and how the
    connection ended; --json with --events has an event for each connection and datagram.

    To replace a running server without refusing any connection, start it with --control PATH, and its
    successor with --upgrade --control PATH. The successor gets the sockets and says that it is ready; then
    the old server stops accepting. The old server's connections continue until they end by themselves, for as
    long as its --drain allows. A server with TLS also passes its certificate and key; --cert gives the
    successor another certificate. A server with TLS cannot replace one without TLS.

    Examples:

        $ netkit serve echo 127.0.0.1:9007
        $ netkit serve echo --udp :9007 --json
        $ netkit serve echo --tcp --short > address.txt &
        $ netkit serve echo --tls --write-ca mine.pem localhost:9443
        $ netkit serve echo --delay 20ms..80ms --drop 1% 127.0.0.1:9007
        $ netkit serve echo --control ./echo.control :9007
        $ netkit serve echo --control ./echo.control --upgrade
    """
    both = tcp == udp
    _echo(run, binds, tcp or both, udp or both, how, drain, events, faults, tls)


@command("tcp echo", view=EchoView())
@_BINDS
@option_group(tls=ServerTlsOptions, how=EchoOptions)
@drain_option
@events_option
@option_group(faults=FaultOptions)
def tcp_echo(
    run: Run[Any],
    binds: tuple[str, ...],
    tls: ServerTlsOptions,
    how: EchoOptions,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    """Send back all data received over TCP (RFC 862): short for `netkit serve echo --tcp`.

    Examples:

        $ netkit tcp echo 127.0.0.1:9007
        $ netkit tcp echo --tls --short
    """
    _echo(run, binds, True, False, how, drain, events, faults, tls)


@command("udp echo", view=EchoView())
@_BINDS
@option_group(how=EchoOptions)
@drain_option
@events_option
@option_group(faults=FaultOptions)
def udp_echo(
    run: Run[Any],
    binds: tuple[str, ...],
    how: EchoOptions,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    """Send back every received datagram (RFC 862): short for `netkit serve echo --udp`.

    Examples:

        $ netkit udp echo 127.0.0.1:9007
        $ netkit udp echo --drop 5% --delay 10ms..50ms :9007
    """
    _echo(run, binds, False, True, how, drain, events, faults, ServerTlsOptions.none())


def _echo(
    run: Run[Any],
    binds: tuple[str, ...],
    over_tcp: bool,
    over_udp: bool,
    how: EchoOptions,
    drain: float,
    events: bool,
    faults: FaultOptions,
    tls: ServerTlsOptions,
) -> None:
    from contextlib import ExitStack

    from netkit.lab.echo_server import EchoServer

    streams = over_tcp or any(map(is_unix, binds))
    if tls.tls and not streams:
        raise WrongValue("--tls does not work with UDP alone", "leave out --udp or --tls")
    if faults.reset_after is not None and not streams:
        raise WrongValue(
            "--reset-after does not work with UDP alone", "datagrams have no connection to reset; use --drop"
        )
    if how.upgrade and binds:
        raise WrongValue("--upgrade takes the sockets of the running server", "leave BIND away")
    injected = faults.injected(run.env)

    with ExitStack() as stack:
        sockets = Sockets.of(
            binds, tcp=over_tcp, udp=over_udp, control=how.control, upgrade=how.upgrade, protocol="echo"
        )
        stack.callback(sockets.close)
        names = names_of(binds[0] if binds else ANYWHERE)
        taken = sockets.taken
        current = CurrentTls(tls.config(names, run.env) if taken is None else tls.successor(taken, run.env))
        typed = dict(zip(binds, run.typed, strict=True)) or {ANYWHERE: ANYWHERE}
        sources = [None if each.bind is None else typed[each.bind] for each in sockets.served]
        server = EchoServer(
            [each.socket for each in sockets.served],
            wrap=None if current.config is None else current.accept_flow,
            faults=injected,
            idle_timeout=how.idle_timeout,
            stall_timeout=how.stall_timeout,
            max_connections=how.max_conns,
            watcher=Events.wanted(run, events, sources),
        )
        server.connections.on_unaccepted = warn_once(run)
        run.input = sources[0] if len(set(sources)) == 1 else None
        serve_until_told(
            run,
            [(each.transport, each.socket.local_addr) for each in sockets.served],
            lambda stop: server.serve(stop, drain=drain),
            server.counts,
            workers=how.workers,
            begin=partial(how.begin, server, sockets, injected),
            ready=sockets.ready,
            release=sockets.close,
            reload=tls.reload(current, run.env),
            handover=(
                sockets.handover("echo")
                if current.config is None
                else sockets.handover("echo" + TLS_SUFFIX, lambda: {TLS_SUFFIX: current.packed()})
            ),
            given=sources,
        )
