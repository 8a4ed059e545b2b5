"""`netkit serve http`: files, endpoints to test clients with, or a Python application, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.messages import visible
from netkit.cli.frame.options import WrongValue, argument, exclude, option
from netkit.cli.payload.faults import FaultOptions
from netkit.cli.payload.http.events import HttpEvents, HttpView, Spoken
from netkit.cli.payload.http.options import (
    EarlyTlsOptions,
    FileOptions,
    HttpBind,
    HttpLimits,
    HttpProcess,
    WhatOptions,
    split_words,
)
from netkit.cli.payload.http.server import Logged, Place, Serving
from netkit.cli.payload.serving import drain as drain_option

if TYPE_CHECKING:
    from netkit.http.server.service import Watcher


@command("serve http", view=HttpView(), usage="[OPTIONS] [PATH] [BIND]...")
@argument("words", nargs=-1, metavar="[PATH] [BIND]...", type=HttpBind(), complete="file")
@option_group(what=WhatOptions, files=FileOptions, tls=EarlyTlsOptions, limits=HttpLimits, how=HttpProcess)
@drain_option
@option("--events", is_flag=True, help="With --json: an event for each exchange.")
@option_group(faults=FaultOptions)
def http(
    run: Run[Any],
    words: tuple[str, ...],
    what: WhatOptions,
    files: FileOptions,
    tls: EarlyTlsOptions,
    limits: HttpLimits,
    how: HttpProcess,
    drain: float,
    events: bool,
    faults: FaultOptions,
) -> None:
    """Serve a directory, a file, test endpoints, or a Python application, over HTTP/1.1 and HTTP/2.

    PATH is a directory or a file; the default is the current directory. BIND is ADDR:PORT or :PORT, or
    unix:PATH or @NAME for a Unix-domain socket; the default is a free port of 127.0.0.1. So only this machine
    can connect, unless you write another address. The first word is PATH if it is no BIND; a name with a
    colon in it is written as ./NAME. Each socket's URL is printed when the socket accepts connections.

    A directory is sent as its index file, or listed. Ranges, conditional requests and compression work as
    browsers and download managers expect. Names that begin with a dot are not served, and nothing outside
    PATH is, also not through symbolic links. With --upload, files can be uploaded with PUT or with the form
    of a listing.

    --inspect serves endpoints that show what a client sent, and that do what a server may do to a client:
    delay, redirect, compress, stream, break off. `/` lists them. --app serves an application written for ASGI
    or WSGI.

    Clients choose between HTTP/1.1 and HTTP/2: with --tls by ALPN, without it by prior knowledge.

    SIGTERM stops accepting. What a client has sent by then is answered, for as long as --drain allows; idle
    connections are closed. A second SIGTERM cuts off the rest; the exit code is 0. Ctrl-C ends at once;
    an ASGI application has 5 seconds for its shutdown then, and another Ctrl-C ends that.
    SIGHUP reads --cert and --key again and opens the file of --access-log anew; without them, it ends the
    server as SIGTERM does. SIGUSR1 prints the counters. -v shows each exchange; --json with --events has an
    event for each. --control and --upgrade replace a running server without losing a request, and a service
    manager may pass the sockets, as for `netkit serve echo`.

    Examples:

        $ netkit serve http
        $ netkit serve http netkit-demo 127.0.0.1:8000
        $ netkit serve http netkit-demo :8000 --auth ann:secret --upload
        $ netkit serve http netkit-demo/names.txt --short
        $ netkit serve http netkit-demo --ws /echo=echo
        $ netkit serve http --inspect
        $ netkit serve http --tls --redirect-http 127.0.0.1:9080 localhost:9444
        $ netkit serve http --access-log combined=access.log --metrics /metrics
        $ netkit serve http --throttle 100k/s --drop 5%
    """
    from contextlib import ExitStack

    from netkit.cli.payload.http.handlers import (
        handler_of,
        in_loop,
        warn_if_exhausted,
        warn_if_no_page,
        warn_if_open,
    )

    serves_files = not (what.inspect or what.app)
    path, binds = split_words(words, takes_path=serves_files)
    _check(run, binds, what, files, tls, limits, how, events)
    injected = faults.injected(run.env)
    handler = handler_of(what, files, path, how.workers)
    app = in_loop(handler)
    if what.threads is not None and app is not None:
        raise WrongValue(
            f"--threads is for a WSGI application, and {visible(what.app or '')} is one of ASGI",
            "leave --threads out: it runs in an event loop",
        )
    warn_if_exhausted(run, handler)
    warn_if_no_page(run, files, path)
    if what.ws:
        from netkit.cli.payload.ws.server import mounted
        from netkit.http.server.handling.handlers import flow_handler

        handler = mounted(run, what.ws, files.auth, flow_handler(handler, limits.config()))
    with ExitStack() as stack:
        place = Place(run, "http", binds, tls, how, stack)
        logged, watcher = _watchers(run, what, files, how, events)
        if logged.file is not None:
            stack.callback(logged.file.close)
        config = limits.config()
        if what.threads is not None:
            config = config.replace(threads=what.threads)
        server = Serving(handler, place, config, watcher, logged.metrics, how, injected, drain, app)
        listening = place.listening("http")
        warn_if_open(run, what, files, [at.local for at in listening if at.transport == "tcp"])
        if any(each.command for each in what.ws) and not files.auth:
            from netkit.cli.payload.ws.server import warn_if_open as warn_if_programs_are_open

            warn_if_programs_are_open(run, listening)
        typed = run.typed[len(words) - len(binds) :]
        started = None if app is None else app.started
        place.serve(server, listening, typed, logged.file, started=started)


def _check(
    run: Run[Any],
    binds: list[str],
    what: WhatOptions,
    files: FileOptions,
    tls: EarlyTlsOptions,
    limits: HttpLimits,
    how: HttpProcess,
    events: bool,
) -> None:
    """Refuse options that contradict each other. Raises WrongValue."""
    if what.inspect or what.app:
        other = "--inspect" if what.inspect else "--app"
        for name in files.fields:
            if getattr(files, name):
                exclude(other, True, files.spelled(name), True, f"{other} serves no files")
    if how.workers > 1 and any(each.mode == "broadcast" for each in what.ws):
        raise WrongValue(
            "--ws PATH=broadcast with several --workers: clients of one process would not hear those of "
            "another",
            "leave --workers out",
        )
    how.check_beside(run, binds, tls, limits.max_conns, events=events)


def _watchers(
    run: Run[Any], what: WhatOptions, files: FileOptions, how: HttpProcess, events: bool
) -> tuple[Logged, Watcher | None]:
    """What --access-log and --metrics ask for, and who is told of each exchange. Raises OSError."""
    from netkit.http.server.watchers import Watchers

    names_users = bool(files.auth or files.upload_auth)
    logged = Logged.of(run, how, names_users=names_users)
    told = HttpEvents(run, names_users=names_users) if events else None
    failures = None
    if what.app is not None:
        from netkit.cli.payload.http.handlers import AppFailures

        failures = AppFailures(run)
    return logged, Watchers.joined([logged.metrics, logged.lines, told, Spoken.wanted(run), failures])
