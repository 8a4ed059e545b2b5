"""`netkit serve tls`: a TLS server to test clients with, as right or as wrong as it is wanted."""

from __future__ import annotations

from functools import partial
from typing import Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import OptionGroup, flag, option_group
from netkit.cli.frame.options import WrongValue, argument, exclude
from netkit.cli.payload.bind import ANYWHERE, Bind, Sockets, names_of
from netkit.cli.payload.faults import FaultOptions, fault_counts
from netkit.cli.payload.serving import (
    StreamProcessOptions,
    drain as drain_option,
    serve_until_told,
    warn_once,
)
from netkit.cli.payload.tls.sites.handshakes import HandshakeLog, TlsServerView
from netkit.cli.payload.tls.sites.options import (
    CertificateFaultOptions,
    ConductOptions,
    MadeOptions,
    SiteTlsOptions,
)
from netkit.tls.throwaway.faults import CertificateFault


class WhatOptions(OptionGroup):
    """What is served."""

    section = "What is served"

    echo: bool = flag("--echo", help="Send back what comes, in place of the page.")
    badssl: bool = flag(
        "--badssl",
        help="Serve all faults at once, each under a name of its own below localhost (or --name).",
    )


@command(
    "serve tls",
    view=TlsServerView(),
    see_also=("netkit-tls-probe(1)", "netkit-serve-http(1)", "netkit-serve-echo(1)"),
)
@argument("binds", nargs=-1, metavar="[BIND]...", type=Bind(unix=True))
@option_group(
    what=WhatOptions,
    settings=SiteTlsOptions,
    made=MadeOptions,
    wrong=CertificateFaultOptions,
    conduct=ConductOptions,
    how=StreamProcessOptions,
)
@drain_option
@option_group(faults=FaultOptions)
def tls(
    run: Run[Any],
    binds: tuple[str, ...],
    what: WhatOptions,
    settings: SiteTlsOptions,
    made: MadeOptions,
    wrong: CertificateFaultOptions,
    conduct: ConductOptions,
    how: StreamProcessOptions,
    drain: float,
    faults: FaultOptions,
) -> None:
    """Serve TLS as right or as wrong as you like, and show each handshake.

    BIND is ADDR:PORT or :PORT, or a path, unix:PATH or @NAME for a Unix-domain socket; the default is a free
    port of 127.0.0.1. Each socket's address is printed when the socket accepts connections, and then a line
    for each handshake: who came, the name asked for, what was agreed on, or why it failed. With --json, each
    is an event.

    After the handshake, a page over HTTP/1.1 and HTTP/2 says what was agreed on: as text, or as JSON to a
    client that accepts application/json. With --echo, what comes is sent back.

    Without --cert, the certificate is made here by an authority that lives as long as the server; a client
    that is given the file of --write-ca trusts it. Each fault of the certificate is an option, and several go
    together. A certificate that no TLS library sends (--malformed-certificate) is put into the handshake of
    TLS 1.2; a client that does not mind it fails at the end of the handshake.

    --badssl is for a client's whole test: one server with every fault, each under a name of its own, such as
    expired.localhost. They are listed at the start; names below localhost are this machine's. Any alert has
    a name: alert-80.localhost.

    SIGTERM stops accepting; connections have --drain seconds to end. A second SIGTERM cuts off the rest; the
    exit code is 0. Ctrl-C ends at once. SIGHUP reads --cert and --key again; without them, it ends the server
    as SIGTERM does. SIGUSR1 prints the counters. --control and --upgrade replace a running server, whose
    authority goes on, so that another fault can be put in its place. A service manager may pass the sockets.

    Examples:

        $ netkit serve tls
        $ netkit serve tls --expired --write-ca ca.pem 127.0.0.1:8447
        $ netkit serve tls --badssl --write-ca bad.pem 127.0.0.1:8448
        $ netkit serve tls --name www.demo.test --missing-intermediate --tls1.2
        $ netkit serve tls --client-cert required --write-client client.pem
        $ netkit serve tls --cert netkit-demo/cert.pem --key netkit-demo/key.pem
        $ netkit serve tls --echo --no-alpn --json
    """
    from contextlib import ExitStack

    from netkit.cli.payload.tls.sites.making import Sites
    from netkit.http.server.tls_page import TlsPage
    from netkit.lab.tls_server import TlsServer, echo_early_flow, echo_flow

    _check(binds, what, settings, made, wrong, conduct, how)
    injected = faults.injected(run.env)
    sites = Sites(
        run.env,
        names_of(binds[0] if binds else ANYWHERE),
        settings,
        made,
        wrong,
        conduct,
        badssl=what.badssl,
        speaks_http=not what.echo,
    )
    with ExitStack() as stack:
        sockets = Sockets.of(
            binds, tcp=True, udp=False, control=how.control, upgrade=how.upgrade, protocol="tls"
        )
        stack.callback(sockets.close)
        sites.make(sockets.taken)
        typed = dict(zip(binds, run.typed, strict=True)) or {ANYWHERE: ANYWHERE}
        sources = [None if each.bind is None else typed[each.bind] for each in sockets.served]
        server = TlsServer(
            _listeners(sockets),
            sites,
            echo_flow if what.echo else TlsPage(sites.rows).talk_flow,
            early=echo_early_flow if settings.half_rtt else None,
            wrap=None if injected is None else _faulty(injected),
            on_handshake=HandshakeLog(run, sources),
            max_connections=how.max_conns,
        )
        server.connections.on_unaccepted = warn_once(run)
        run.input = sources[0] if len(set(sources)) == 1 else None

        serve_until_told(
            run,
            [*((each.transport, each.socket.local_addr) for each in sockets.served), *sites.rows],
            lambda stop: server.serve(stop, drain=drain),
            lambda: {**server.counts(), **fault_counts(injected)},
            workers=how.workers,
            begin=partial(how.begin, server, sockets, injected),
            ready=sockets.ready,
            release=sockets.close,
            reload=sites.reload(),
            handover=sockets.handover("tls", sites.packed),
            given=[*sources, *[None] * len(sites.rows)],
        )


def _check(
    binds: tuple[str, ...],
    what: WhatOptions,
    settings: SiteTlsOptions,
    made: MadeOptions,
    wrong: CertificateFaultOptions,
    conduct: ConductOptions,
    how: StreamProcessOptions,
) -> None:
    """Refuse options that contradict each other. Raises WrongValue."""
    if how.upgrade and binds:
        raise WrongValue("--upgrade takes the sockets of the running server", "leave BIND away")
    if not what.echo:
        settings.only_with("--echo", "half_rtt")
    for option in (*made.given, *(f"--{fault.value}" for fault in wrong.chosen)):
        exclude("--cert", settings.cert, option, True, "it is about a certificate that is made here")
    for fault in wrong.chosen:
        exclude("--badssl", what.badssl, f"--{fault.value}", True, "--badssl has all of them")
    if CertificateFault.SelfSigned in wrong.chosen:
        for name in ("staple", "write_crl", "intermediates"):
            exclude("--self-signed", True, made.spelled(name), getattr(made, name), "it has no other issuer")
    if CertificateFault.WeakKey in wrong.chosen:
        exclude("--weak-key", True, "--key-type", made.asks_for_strong_key, "its key is RSA of 1024 bits")
    if what.badssl:
        exclude("--badssl", True, "--cert", settings.cert, "its certificates are made here")
        exclude("--badssl", True, "--write-crl", made.write_crl, "no site has another list than another")
        for name in conduct.fields:
            exclude("--badssl", True, conduct.spelled(name), getattr(conduct, name) not in (None, False))


def _faulty(injected: Any) -> Any:
    from netkit.lab.faults import FaultyStream

    return lambda stream: FaultyStream(stream, injected.session())


def _listeners(sockets: Sockets) -> list[Any]:
    """The sockets. Raises WrongValue for one that a service manager passed for datagrams."""
    from netkit.net.udp import UdpSocket

    for each in sockets.served:
        if isinstance(each.socket, UdpSocket):
            raise WrongValue(
                f"{each.socket.local_addr} is a socket for datagrams",
                "TLS is served at TCP and Unix-domain sockets",
            )
    return [each.socket for each in sockets.served]
