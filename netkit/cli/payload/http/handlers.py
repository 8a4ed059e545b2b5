"""What `netkit serve http` answers with: a directory, one file, the inspecting endpoints, an application."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import netkit._version as version
from netkit.cli.frame.messages import visible
from netkit.cli.frame.options import WrongValue
from netkit.cli.payload.http.options import FileOptions, WhatOptions, split_path, wrong_value

if TYPE_CHECKING:
    from netkit.cli.frame.command import Run
    from netkit.http.gateway import AsgiHandler
    from netkit.http.server.exchange import Exchange
    from netkit.http.server.handling.handlers import AnyHandler
    from netkit.http.server.request import ConnectionFacts
    from netkit.io import Flow

#: Lines of a traceback of an application that are shown, from its end.
MOST_LINES = 60


class OneFile:
    """Serves one file of a directory, at `/` and at its name, and says 404 to everything else."""

    def __init__(self, files: Any, name: str) -> None:
        self._files = files
        self._name = os.fsencode(name)

    def handle_flow(self, exchange: Exchange) -> Flow[None]:
        """Flow: answer the request."""
        from netkit.http.files.target import Target
        from netkit.http.server.refusal import refusal

        target = Target.parse(exchange.head.target.partition(b"?")[0])
        if target is None or target.names not in ((), (self._name,)):
            yield from exchange.respond_flow(refusal(404))
            return
        yield from self._files.handle_flow(exchange)


def handler_of(what: WhatOptions, files: FileOptions, path: str | None, workers: int) -> AnyHandler:
    """The handler that the options ask for. Raises OSError, WrongValue, AppError."""
    if what.inspect:
        from netkit.http.errors import HttpError
        from netkit.http.inspector import Inspector, InspectorConfig

        try:
            return Inspector(InspectorConfig(allowed_hosts=what.host))
        except HttpError.InvalidValue as error:
            raise wrong_value(error) from error
    if what.app is not None:
        return _application(what.app, workers > 1)
    from netkit.http.files import FileHandler

    folder, name = split_path("." if path is None else path)
    if files.spa and name is not None:
        raise WrongValue(f"--spa is for a directory, and {visible(name)} is a file", "leave --spa out")
    config = files.config(folder, what.host, () if name is None else (name,))
    return FileHandler(config) if name is None else OneFile(FileHandler(config), name)


def _application(name: str, multiprocess: bool) -> AnyHandler:
    from netkit.http.gateway import AppError, app_handler, load_app

    try:
        app = load_app(name, folder=os.getcwd())
    except AppError:
        raise
    except (Exception, SystemExit) as error:  # a script that ends itself would end netkit without a word
        why = f"its module cannot be imported: {type(error).__name__}: {error}"
        raise AppError(name, why, hint="NETKIT_DEBUG=1 shows where") from error
    return app_handler(app, multiprocess=multiprocess, name=name)


def in_loop(handler: AnyHandler) -> AsgiHandler | None:
    """The handler, if only an event loop of asyncio can drive it: that of an ASGI application."""
    if "netkit.http.gateway.asgi" not in sys.modules:
        return None
    from netkit.http.gateway import AsgiHandler

    return handler if isinstance(handler, AsgiHandler) else None


def warn_if_exhausted(run: Run[Any], handler: AnyHandler) -> None:
    """Have it said, once, that all threads of a WSGI application are taken and requests wait."""
    if "netkit.http.gateway.wsgi" not in sys.modules:
        return
    from netkit.http.gateway import WsgiHandler

    def warn(threads: int) -> None:
        taken = "the only thread is" if threads == 1 else f"all {threads} threads are"
        run.env.warn(
            run.doing,
            f"{taken} taken by requests that go on, and others have waited for more than a second",
            "more --threads, or more --workers, serve more requests at once",
        )

    if isinstance(handler, WsgiHandler):
        handler.on_exhausted = warn


class AppFailures:
    """A Watcher that shows what an application raised, as a developer wants to see it."""

    def __init__(self, run: Run[Any]) -> None:
        self._run = run

    def exchange(self, exchange: Exchange, elapsed: float, error: Exception | None) -> None:  # noqa: ARG002
        """A request was answered, or was not."""
        from netkit.http.server.refusal import status_of

        if error is None or isinstance(error, (OSError, EOFError)) or status_of(error) != 500:
            return
        head = exchange.head
        what = f"{head.method.decode('latin-1')} {(head.target or head.authority).decode('latin-1')}"
        lines = _traceback(error)[-MOST_LINES:]
        self._run.env.warn(
            self._run.doing,
            f"{what}: the application raised {type(error).__name__}",
            details=[visible(line) for line in lines],
        )

    def fault(self, connection: ConnectionFacts, error: Exception) -> None:
        """That is not the application's."""


def _traceback(error: Exception) -> list[str]:
    """The lines of a traceback from where the application was called.

    Without a line of the application (it returned what the gateway refuses) there are only the words. What
    netkit's own code was doing says nothing to a developer.
    """
    from traceback import format_exception

    own = os.path.join(os.path.dirname(version.__file__), "")
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(own):
        trace = trace.tb_next
    return "".join(format_exception(type(error), error, trace, chain=trace is not None)).splitlines()


def warn_if_no_page(run: Run[Any], files: FileOptions, path: str | None) -> None:
    """Say so where --spa has no file to send; it may come later."""
    page = (files.index or ("index.html",))[0]
    if files.spa and not os.path.isfile(os.path.join(path or ".", page)):
        run.env.warn(
            run.doing,
            f"--spa sends {visible(page)}, and {visible(path or '.')} has no such file yet",
            "give the directory that has it, or another name with --index",
        )


def warn_if_open(run: Run[Any], what: WhatOptions, files: FileOptions, addrs: list[Any]) -> None:
    """Say so where other machines may do what only this one should."""
    reachable = [addr for addr in addrs if not addr.ip.is_loopback]
    if not reachable:
        return
    if what.inspect:
        run.env.warn(
            run.doing,
            f"other machines can reach {reachable[0]}, where clients may have the server wait and send much",
            "leave the address out to serve this machine only",
        )
    elif files.upload and not (files.auth or files.upload_auth):
        run.env.warn(
            run.doing,
            f"everybody who can reach {reachable[0]} may upload",
            "write --upload-auth, or leave the address out to serve this machine only",
        )
