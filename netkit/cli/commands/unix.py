"""`netkit unix connect` and `netkit unix listen`: a Unix-domain connection as a pair of pipes."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from netkit.cli.frame import options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import option_group
from netkit.cli.frame.options import FILE, Value, WrongValue, argument, option
from netkit.cli.frame.view import View
from netkit.cli.payload.listening import Listening, ListenOptions, ListenView
from netkit.cli.payload.serving import drain as drain_option
from netkit.cli.payload.talking import Closed, Data, Talk, TalkOptions
from netkit.cli.payload.tls.client import ClientTlsOptions
from netkit.cli.payload.tls.early import early_bytes
from netkit.cli.payload.tls.rows import TlsRow, tls_row
from netkit.cli.payload.tls.server import ServerTlsOptions

if TYPE_CHECKING:
    import click

    from netkit.cli.payload.tls.client import ClientTls
    from netkit.io import ByteStream, Flow
    from netkit.net.unix import UnixAddr, UnixStream


class PeerRow(TypedDict):
    """The peer's process and user, as the system reports them."""

    pid: Annotated[int | None, "The process"]
    uid: Annotated[int, "Its user"]
    gid: Annotated[int, "Its group"]


class Connected(TypedDict):
    """The connection is made."""

    event: Literal["connected"]
    peer: Annotated[str, "The address: a path, or @ and an abstract name"]
    credentials: Annotated[PeerRow | None, "The process that listens; null if the system does not report it"]
    elapsed_s: Annotated[float, "How long connecting took, TLS included"]
    tls: Annotated[TlsRow | None, "The result of the TLS handshake"]


class ConnectView(View[Any]):
    """Payload as it is; with --json, events."""

    schema = Connected | Data | Closed


class SocketPath(Value["UnixAddr"]):
    """A Unix-domain socket's address: a path, or `@` and an abstract name."""

    name = "path"
    form = "write a path, as in /run/app.sock, or @NAME for an abstract name (Linux); ./@NAME is a file"
    complete = FILE

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UnixAddr:
        from netkit.net.errors import UnixError
        from netkit.net.unix import UnixAddr

        try:
            return UnixAddr.parse(value)
        except UnixError as error:
            self.wrong(str(error), param, ctx, error.hint)


class FileMode(Value[int]):
    """Permissions in octal."""

    name = "mode"
    form = "write permissions in octal, as in 600 or 0660"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            found = int(str(value), 8)
        except ValueError:
            found = -1
        if not 0 <= found <= 0o777:
            self.wrong(f"{value!r} is not a file's mode", param, ctx)
        return found


@command(
    "unix connect",
    view=ConnectView(),
    modes=("json",),
    see_also=("netkit-unix-listen(1)", "netkit-tcp-connect(1)", "unix(7)", "socat(1)"),
)
@argument("path", metavar="PATH", type=SocketPath())
@options.timeout(10.0)
@option_group(tls=ClientTlsOptions, talk=TalkOptions)
def connect(run: Run[Any], path: UnixAddr, timeout: float, tls: ClientTlsOptions, talk: TalkOptions) -> None:
    """Connect to a Unix-domain socket; send standard input, write the data that comes back.

    PATH is a file, or @NAME in Linux's abstract namespace. The rest is as in `netkit tcp connect`: when
    standard input ends, the command closes the sending half, and writes what the peer still sends. --timeout
    covers connecting: if the listener's backlog is full, the command tries again until then.

    Examples:

        $ printf 'hello\\n' | netkit unix connect netkit-demo/echo.sock
        $ netkit unix connect --hexdump netkit-demo/echo.sock
    """
    client = tls.client(None, run.env)
    with Talk(run, talk, stays_open=client is not None) as talking:
        connect = partial(_open, path, client)
        early = early_bytes(run, talking, client, connect, timeout)
        begun = monotonic()
        unix, stream = run.wait(connect(early), timeout)
        elapsed = monotonic() - begun
        with stream:
            event: Connected = {
                "event": "connected",
                "peer": str(path),
                "credentials": _credentials(unix),
                "elapsed_s": elapsed,
                "tls": tls_row(stream),
            }
            talking.connected(stream, path, elapsed, event)
            talking.to_the_end(stream)


def _open(path: UnixAddr, tls: ClientTls | None, early: bytes = b"") -> Flow[tuple[UnixStream, ByteStream]]:
    """Flow: the connection, and the stream to talk over: the same, or TLS on top of it, with early data."""
    from netkit.net.unix import UnixStream

    unix = yield from UnixStream.connect_flow(path)
    return unix, unix if tls is None else (yield from tls.over(unix, early))


def _credentials(stream: UnixStream) -> PeerRow | None:
    try:
        pid, uid, gid = stream.peer_cred
    except OSError:
        return None
    return {"pid": pid, "uid": uid, "gid": gid}


@command(
    "unix listen",
    view=ListenView(),
    modes=("json",),
    see_also=("netkit-unix-connect(1)", "netkit-tcp-listen(1)", "unix(7)", "socat(1)"),
)
@argument("path", metavar="PATH", type=SocketPath())
@option_group(listen=ListenOptions)
@option(
    "--mode", type=FileMode(), help="The file's permissions: users who may write to the file may connect."
)
@option_group(tls=ServerTlsOptions)
@drain_option
@option_group(talk=TalkOptions)
def listen(
    run: Run[Any],
    path: UnixAddr,
    listen: ListenOptions,
    mode: int | None,
    tls: ServerTlsOptions,
    drain: float,
    talk: TalkOptions,
) -> None:
    """Wait for a connection to a Unix-domain socket; send standard input, write the data that comes.

    PATH is a file, which the command creates and removes at the end, or @NAME in Linux's abstract namespace.
    If the file exists, it is replaced only if it is a socket on which no process listens any more. The rest
    is as in `netkit tcp listen`. A command of --exec finds the peer's process and user in UNIXREMOTEPID,
    UNIXREMOTEEUID and UNIXREMOTEEGID.

    Examples:

        $ netkit unix listen ./app.sock --mode 600 > received.bin
        $ netkit unix listen -k @name --exec cat
    """
    from netkit.net.unix import UnixListener

    if mode is not None and path.path is None:
        raise WrongValue(
            f"--mode is for a file, and {path} is not a file",
            "any user may connect to an abstract name; use a path",
        )
    listening = Listening(run, listen, tls, talk, drain=drain, admit=_anybody, environment=_environment)
    listening.serve(UnixListener.bind(path, mode=mode), "unix", ["localhost"])


def _anybody(_stream: Any) -> None:
    return None


def _environment(local: Any, peer: Any, stream: Any) -> dict[str, str]:  # noqa: ARG001
    """The environment variables of a command, with the names of unixserver(1)."""
    found = {"PROTO": "UNIX", "UNIXLOCALPATH": str(local)}
    who = _credentials(stream)
    if who is not None:
        found["UNIXREMOTEEUID"] = str(who["uid"])
        found["UNIXREMOTEEGID"] = str(who["gid"])
        if who["pid"] is not None:
            found["UNIXREMOTEPID"] = str(who["pid"])
    return found
