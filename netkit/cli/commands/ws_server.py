"""`netkit ws server` and `netkit serve ws`: a WebSocket server to test clients with."""

from __future__ import annotations

from typing import Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import WrongValue, argument, option
from netkit.cli.payload.bind import Bind
from netkit.cli.payload.faults import FaultOptions
from netkit.cli.payload.http.options import HttpProcess, HttpTlsOptions
from netkit.cli.payload.http.server import Place
from netkit.cli.payload.serving import drain as drain_option
from netkit.cli.payload.ws.events import WsView
from netkit.cli.payload.ws.options import AccessOptions, ModeOptions, WsLimits

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
    With --stdio it is you who talks: lines of standard input go to all clients, as fast as the slowest one
    reads, and their messages are written, behind where the server listens.

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
        $ netkit ws server --stdio :9001
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

    from netkit.cli.payload.ws.server import WsServing, sessions_of, warn_if_open, watchers

    if how.workers > 1:
        hint = "leave --workers out"
        if mode.broadcast:
            words = "clients of one process would not hear those of another"
            raise WrongValue(f"--broadcast with several --workers: {words}", hint)
        if mode.stdio:
            raise WrongValue("--stdio with several --workers: one process reads standard input", hint)
    how.check_beside(run, binds, tls, limits.max_conns, events=events)
    injected = faults.injected(run.env)
    with ExitStack() as stack:
        place = Place(run, "ws", binds, tls, how, stack)
        watching = watchers(run, access, how, events)
        if watching.logged.file is not None:
            stack.callback(watching.logged.file.close)
        sessions = sessions_of(run, mode, access, limits, watching.told)
        serving = WsServing(sessions, access, limits, place, watching, how, injected, drain)
        listening = place.listening("ws", access.path or "/")
        if (mode.exec_ or mode.exec_message) and not access.auth:
            warn_if_open(run, listening)
        place.serve(serving, listening, run.typed, watching.logged.file)
