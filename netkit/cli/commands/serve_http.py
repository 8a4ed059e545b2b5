"""`netkit serve http`: files, endpoints to test clients with, or a Python application, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.messages import visible
from netkit.cli.frame.options import WrongValue, argument, exclude, option
from netkit.cli.payload.bind import ANYWHERE, Sockets, names_of
from netkit.cli.payload.faults import FaultOptions
from netkit.cli.payload.http_events import At, HttpEvents, HttpView, Spoken, url_of
from netkit.cli.payload.http_options import (
    FileOptions,
    HttpBind,
    HttpLimits,
    HttpProcess,
    HttpTlsOptions,
    WhatOptions,
    split_words,
)
from netkit.cli.payload.http_server import REDIRECT, Serving, reloading
from netkit.cli.payload.server_tls import TLS_SUFFIX, CurrentTls
from netkit.cli.payload.serving import drain as drain_option, serve_until_told, warn_once

if TYPE_CHECKING:
    from netkit.http.server.access_log import LogFile
    from netkit.http.server.metrics import Metrics
    from netkit.http.server.service import Watcher


@command("serve http", view=HttpView(), usage="[OPTIONS] [PATH] [BIND]...")
@argument("words", nargs=-1, metavar="[PATH] [BIND]...", type=HttpBind(), complete="file")
@option_group(what=WhatOptions, files=FileOptions, tls=HttpTlsOptions, limits=HttpLimits, how=HttpProcess)
@drain_option
@option("--events", is_flag=True, help="With --json: an event for each exchange.")
@option_group(faults=FaultOptions)
def http(
    run: Run[Any],
    words: tuple[str, ...],
    what: WhatOptions,
    files: FileOptions,
    tls: HttpTlsOptions,
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

    from netkit.cli.payload.http_handlers import (
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
        from netkit.cli.payload.ws_server import mounted
        from netkit.http.server.handlers import flow_handler

        handler = mounted(run, what.ws, files.auth, flow_handler(handler, limits.config()))
    with ExitStack() as stack:
        sockets = Sockets.of(
            binds, tcp=True, udp=False, control=how.control, upgrade=how.upgrade, protocol="http"
        )
        stack.callback(sockets.close)
        if tls.redirect_http is not None:
            sockets.listen_for(REDIRECT, tls.redirect_http)
        taken = sockets.taken
        names = names_of(binds[0] if binds else ANYWHERE)
        current = CurrentTls(tls.config(names, run.env) if taken is None else tls.successor(taken))
        log, watcher, metrics = _watchers(run, what, files, how, events)
        if log is not None:
            stack.callback(log.close)
        config = limits.config()
        if what.threads is not None:
            config = config.replace(threads=what.threads)
        server = Serving(handler, sockets, current, config, watcher, metrics, how, injected, drain, app)
        server.main.connections.on_unaccepted = warn_once(run)
        scheme = "http" if current.config is None else "https"
        listening = [
            At(
                each.transport,
                each.socket.local_addr,
                url_of(each.transport, each.socket.local_addr, "http" if each.role else scheme),
            )
            for each in sockets.served
        ]
        warn_if_open(run, what, files, [at.local for at in listening if at.transport == "tcp"])
        typed = dict(zip(binds, run.typed[len(words) - len(binds) :], strict=True)) or {ANYWHERE: ANYWHERE}
        sources = [None if each.bind is None else typed.get(each.bind, each.bind) for each in sockets.served]
        run.input = sources[0] if len(set(sources)) == 1 else None
        serve_until_told(
            run,
            listening,
            server.flow,
            server.counts,
            workers=how.workers,
            begin=server.begin,
            ready=sockets.ready,
            release=sockets.close,
            reload=reloading(tls, current, log),
            handover=(
                sockets.handover("http")
                if current.config is None
                else sockets.handover("http" + TLS_SUFFIX, lambda: {TLS_SUFFIX: current.packed()})
            ),
            given=sources,
            started=None if app is None else app.started,
        )


def _check(
    run: Run[Any],
    binds: list[str],
    what: WhatOptions,
    files: FileOptions,
    tls: HttpTlsOptions,
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
    if how.upgrade and (binds or tls.redirect_http is not None):
        option = "--redirect-http" if tls.redirect_http is not None else "BIND"
        raise WrongValue("--upgrade takes the sockets of the running server", f"leave {option} away")
    if limits.max_conns is not None and limits.max_conns < how.workers:
        raise WrongValue(
            f"--max-conns {limits.max_conns} is no connection for some of {how.workers} workers",
            f"write --max-conns {how.workers} or more, or fewer --workers",
        )
    if how.workers > 1 and any(each.mode == "broadcast" for each in what.ws):
        raise WrongValue(
            "--ws PATH=broadcast with several --workers: clients of one process would not hear those of "
            "another",
            "leave --workers out",
        )
    if events and not run.json:
        raise WrongValue("--events without --json", "add --json, or use -v, which says it in words")
    if how.access_log is not None and how.access_log.path is None and run.env.quiet:
        raise WrongValue(
            "--access-log without a file writes to standard error, where -q leaves nothing",
            f"write --access-log {how.access_log.form}=FILE",
        )


def _watchers(
    run: Run[Any], what: WhatOptions, files: FileOptions, how: HttpProcess, events: bool
) -> tuple[LogFile | None, Watcher | None, Metrics | None]:
    """The file of the access log, who is told of each exchange, and the counts. Raises OSError."""
    from netkit.http.server.watchers import Watchers

    log, access, metrics = None, None, None
    names_users = bool(files.auth or files.upload_auth)
    if how.access_log is not None:
        from netkit.http.server.access_log import FORMS, AccessLog, LogFile

        form, path = how.access_log
        if path is not None:
            log = LogFile(path)
        access = AccessLog(run.env.say if log is None else log.write, FORMS[form], names_users=names_users)
    if how.metrics is not None:
        from netkit.http.server.metrics import Metrics

        metrics = Metrics(how.workers)
    told = HttpEvents(run, names_users=names_users) if events else None
    failures = None
    if what.app is not None:
        from netkit.cli.payload.http_handlers import AppFailures

        failures = AppFailures(run)
    return log, Watchers.joined([metrics, access, told, Spoken.wanted(run), failures]), metrics
