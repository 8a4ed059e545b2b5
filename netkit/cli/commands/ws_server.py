"""`netkit ws server` and `netkit serve ws`: a WebSocket server to test clients with."""

from __future__ import annotations

from typing import Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import WrongValue, argument, option
from netkit.cli.payload.bind import ANYWHERE, Bind, Sockets, names_of
from netkit.cli.payload.faults import FaultOptions
from netkit.cli.payload.http_events import At, url_of
from netkit.cli.payload.http_options import HttpProcess, HttpTlsOptions
from netkit.cli.payload.http_server import REDIRECT, reloading
from netkit.cli.payload.server_tls import TLS_SUFFIX, CurrentTls
from netkit.cli.payload.serving import drain as drain_option, serve_until_told, warn_once
from netkit.cli.payload.ws_events import WsView
from netkit.cli.payload.ws_options import AccessOptions, ModeOptions, WsLimits

_BINDS = argument("binds", nargs=-1, metavar="[BIND]...", type=Bind(unix=True))
_GROUPS = option_group(
    mode=ModeOptions, access=AccessOptions, tls=HttpTlsOptions, limits=WsLimits, how=HttpProcess
)
_EVENTS = option(
    "--events", is_flag=True, help="With --json: an event for each connection, message and refused request."
)


@command("ws server", view=WsView(), see_also=("netkit-ws-client(1)", "netkit-serve-http(1)"))
@_BINDS
@_GROUPS
@drain_option
@_EVENTS
@option_group(faults=FaultOptions)
def server(
    run: Run[Any],
    binds: tuple[str, ...],
    mode: ModeOptions,
    access: AccessOptions,
    tls: HttpTlsOptions,
    limits: WsLimits,
    how: HttpProcess,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    """Serve WebSockets (RFC 6455), over HTTP/1.1 and HTTP/2: echo, broadcast, a program.

    BIND is ADDR:PORT or :PORT, or a path, unix:PATH or @NAME for a Unix-domain socket; the default is a free
    port of 127.0.0.1. Each socket's URL is printed when the socket accepts connections.

    Without another mode, each message is sent back. With --broadcast it is sent to all other clients: one
    that does not read has up to 1,000 messages waiting (4 MiB), and is closed with 1008 when there are more.

    With --exec, a program talks to each client, in lines. What it writes to standard error is shown here.
    When it ends, the connection is closed: with 1000 if its status is 0, with 1011 otherwise. When the client
    leaves, the program reads the end of its input, and is killed with the processes that it has started if it
    does not end by itself. With --exec-message, a program answers each message. The words are split as by a
    shell, but no shell runs them (if you need one, write sh -c '...'). A program finds the request in the
    environment variables of CGI (RFC 3875): REMOTE_ADDR, PATH_INFO, QUERY_STRING, HTTP_USER_AGENT.

    --replay sends each client what `netkit ws client --record` has received, with the same timing.

    Browsers let every page connect to every server. In the modes that show a client more than its own
    messages, pages of other origins are refused with 403, unless --origin names them.

    A request that asks for no WebSocket is answered with 426, or with the console of --page.

    SIGTERM stops accepting, and closes the connections with 1001; their clients have --drain seconds to
    answer. A second SIGTERM cuts off the rest; the exit code is 0. Ctrl-C ends at once. SIGHUP reads --cert
    and --key again and opens the file of --access-log anew; without them, it ends the server as SIGTERM does.
    SIGUSR1 prints the counters. -v shows each message; --json with --events has an event for each. --control
    and --upgrade replace a running server: its connections go on there, for as long as its --drain allows.

    Examples:

        $ netkit ws server
        $ netkit ws server --page 127.0.0.1:9001
        $ netkit ws server --broadcast --path /chat --greet welcome :9001
        $ netkit ws server --exec 'tail -n 5 -f netkit-demo/names.txt'
        $ netkit ws server --exec-message 'tr a-z A-Z'
        $ netkit ws server --replay captured.jsonl --speed 10
        $ netkit ws server --tls --write-ca mine.pem localhost:9443
        $ netkit ws server --json --events --max-message 64Ki
        $ netkit ws server --delay 20ms..80ms --drop 1%
    """
    _serve(run, binds, mode, access, tls, limits, how, drain, events, faults)


@command("serve ws", view=WsView(), see_also=("netkit-ws-server(1)", "netkit-ws-client(1)"))
@_BINDS
@_GROUPS
@drain_option
@_EVENTS
@option_group(faults=FaultOptions)
def serve_ws(
    run: Run[Any],
    binds: tuple[str, ...],
    mode: ModeOptions,
    access: AccessOptions,
    tls: HttpTlsOptions,
    limits: WsLimits,
    how: HttpProcess,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    """Serve WebSockets (RFC 6455): the same as `netkit ws server`.

    Examples:

        $ netkit serve ws 127.0.0.1:9001
        $ netkit serve ws --broadcast --short
    """
    _serve(run, binds, mode, access, tls, limits, how, drain, events, faults)


def _serve(
    run: Run[Any],
    binds: tuple[str, ...],
    mode: ModeOptions,
    access: AccessOptions,
    tls: HttpTlsOptions,
    limits: WsLimits,
    how: HttpProcess,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    from contextlib import ExitStack

    from netkit.cli.payload.ws_server import WsServing, sessions_of, watchers

    _check(run, binds, mode, tls, limits, how, events)
    injected = faults.injected(run.env)
    with ExitStack() as stack:
        sockets = Sockets.of(
            binds, tcp=True, udp=False, control=how.control, upgrade=how.upgrade, protocol="ws"
        )
        stack.callback(sockets.close)
        if tls.redirect_http is not None:
            sockets.listen_for(REDIRECT, tls.redirect_http)
        taken = sockets.taken
        names = names_of(binds[0] if binds else ANYWHERE)
        current = CurrentTls(tls.config(names, run.env) if taken is None else tls.successor(taken))
        watching = watchers(run, access, how, events)
        if watching.log is not None:
            stack.callback(watching.log.close)
        sessions = sessions_of(run, mode, access, limits, watching.told)
        serving = WsServing(sessions, access, limits, sockets, current, watching, how, injected, drain)
        serving.main.connections.on_unaccepted = warn_once(run)
        scheme = "ws" if current.config is None else "wss"
        listening = [
            At(
                each.transport,
                each.socket.local_addr,
                url_of(
                    each.transport,
                    each.socket.local_addr,
                    "http" if each.role else scheme,
                    access.path or "/",
                ),
            )
            for each in sockets.served
        ]
        typed = dict(zip(binds, run.typed, strict=True)) or {ANYWHERE: ANYWHERE}
        sources = [None if each.bind is None else typed.get(each.bind, each.bind) for each in sockets.served]
        run.input = sources[0] if len(set(sources)) == 1 else None
        serve_until_told(
            run,
            listening,
            serving.flow,
            serving.counts,
            workers=how.workers,
            begin=serving.begin,
            ready=sockets.ready,
            release=sockets.close,
            reload=reloading(tls, current, watching.log),
            handover=(
                sockets.handover("ws")
                if current.config is None
                else sockets.handover("ws" + TLS_SUFFIX, lambda: {TLS_SUFFIX: current.packed()})
            ),
            given=sources,
        )


def _check(
    run: Run[Any],
    binds: tuple[str, ...],
    mode: ModeOptions,
    tls: HttpTlsOptions,
    limits: WsLimits,
    how: HttpProcess,
    events: bool,
) -> None:
    """Refuse options that contradict each other. Raises WrongValue."""
    if mode.broadcast and how.workers > 1:
        raise WrongValue(
            "--broadcast with several --workers: clients of one process would not hear those of another",
            "leave --workers out",
        )
    if how.upgrade and (binds or tls.redirect_http is not None):
        option = "--redirect-http" if tls.redirect_http is not None else "BIND"
        raise WrongValue("--upgrade takes the sockets of the running server", f"leave {option} away")
    if limits.max_conns is not None and limits.max_conns < how.workers:
        raise WrongValue(
            f"--max-conns {limits.max_conns} is no connection for some of {how.workers} workers",
            f"write --max-conns {how.workers} or more, or fewer --workers",
        )
    if events and not run.json:
        raise WrongValue("--events without --json", "add --json, or use -v, which says it in words")
    if how.access_log is not None and how.access_log.path is None and run.env.quiet:
        raise WrongValue(
            "--access-log without a file writes to standard error, where -q leaves nothing",
            f"write --access-log {how.access_log.form}=FILE",
        )
