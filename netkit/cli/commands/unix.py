"""`netkit unix connect` and `netkit unix listen`: a Unix-domain connection as a pair of pipes."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import click

from netkit.cli.frame import options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.options import FILE, Value, WrongValue, option
from netkit.cli.frame.view import View
from netkit.cli.payload import listening, talking
from netkit.cli.payload.listening import ListenView
from netkit.cli.payload.server_tls import server_tls
from netkit.cli.payload.serving import drain
from netkit.cli.payload.talking import Closed, Data, TlsRow

if TYPE_CHECKING:
    from netkit.cli.payload.talking import ClientTls
    from netkit.io import ByteStream, Flow
    from netkit.net.unix import UnixAddr, UnixStream


class PeerRow(TypedDict):
    """Who is at the other end, as the system knows it."""

    pid: Annotated[int | None, "The process"]
    uid: Annotated[int, "Its user"]
    gid: Annotated[int, "Its group"]


class Connected(TypedDict):
    """The connection is there."""

    type: Literal["unix.connect"]
    event: Literal["connected"]
    peer: Annotated[str, "The address: a path, or @ and an abstract name"]
    credentials: Annotated[PeerRow | None, "Who listens there; null where the system does not tell"]
    elapsed_s: Annotated[float, "How long connecting took, TLS included"]
    tls: Annotated[TlsRow | None, "What TLS agreed on"]


class ConnectView(View[Any]):
    """Payload as it is; with --json, events."""

    type = "unix.connect"
    schema = Connected | Data | Closed


class SocketPath(Value):
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


class FileMode(Value):
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
    usage="[OPTIONS] PATH",
    doing="unix connect {}",
    modes=("json",),
    see_also=("netkit-unix-listen(1)", "netkit-tcp-connect(1)", "unix(7)", "socat(1)"),
)
@click.argument("path", metavar="PATH", type=SocketPath())
@options.timeout(10.0)
@talking.client_tls
@talking.options
def connect(run: Run[Any], path: UnixAddr, timeout: float, **given: Any) -> None:
    """Connect to a Unix-domain socket; send standard input, write what comes back.

    PATH is a file, or @NAME in Linux's abstract namespace. All else is as in `netkit tcp connect`: when
    standard input ends, the sending half is closed and what the peer still sends is written. --timeout is
    for connecting: a listener whose backlog is full is asked again until then.

    Examples:

        $ printf 'GET / HTTP/1.0\\r\\n\\r\\n' | netkit unix connect /run/app.sock
        $ netkit unix connect --hexdump @name
    """
    from netkit.net.pump import Pumped

    env = run.env
    tls = talking.take_client_tls(given, None)
    with talking.Talk(run, **given, stays_open=tls is not None) as talk:
        begun = monotonic()
        unix, stream = run.wait(_open(path, tls), timeout)
        elapsed = monotonic() - begun
        with stream:
            words = f"connected to {path}{talking.tls_words(stream)}"
            talk.note(words)
            if run.json:
                run.write_object(
                    {
                        "event": "connected",
                        "peer": str(path),
                        "credentials": _credentials(unix),
                        "elapsed_s": elapsed,
                        "tls": talking.tls_row(stream),
                    }
                )
            elif env.stdout_tty and not env.quiet:
                env.say(f"{words} in {elapsed * 1000:.1f} ms")
            done = Pumped()
            opened = monotonic()
            try:
                run.wait(talk.over(stream, done))
            finally:
                if run.json:
                    run.write_object(talking.closed_row(done, monotonic() - opened))


def _open(path: UnixAddr, tls: ClientTls | None) -> Flow[tuple[UnixStream, ByteStream]]:
    """Flow: the connection, and the stream to talk over: the same, or TLS on top of it."""
    from netkit.net.unix import UnixStream

    unix = yield from UnixStream.connect_flow(path)
    return unix, unix if tls is None else (yield from tls.over(unix))


def _credentials(stream: UnixStream) -> PeerRow | None:
    try:
        pid, uid, gid = stream.peer_cred
    except OSError:
        return None
    return {"pid": pid, "uid": uid, "gid": gid}


@command(
    "unix listen",
    view=ListenView("unix.listen"),
    usage="[OPTIONS] PATH",
    doing="unix listen",
    modes=("json",),
    see_also=("netkit-unix-connect(1)", "netkit-tcp-listen(1)", "unix(7)", "socat(1)"),
)
@click.argument("path", metavar="PATH", type=SocketPath())
@listening.options
@option(
    "--mode", type=FileMode(), metavar="MODE", help="The file's permissions: who may write to it may connect."
)
@server_tls
@drain
@talking.options
def listen(run: Run[Any], path: UnixAddr, mode: int | None, **given: Any) -> None:
    """Wait for a connection to a Unix-domain socket; send standard input, write what comes.

    PATH is a file, which is made and, at the end, removed, or @NAME in Linux's abstract namespace. The
    file of a socket that nobody listens behind any more is replaced; one that is in use, or no socket,
    never. All else is as in `netkit tcp listen`. A command of --exec finds who connected in UNIXREMOTEPID,
    UNIXREMOTEEUID and UNIXREMOTEEGID.

    Examples:

        $ netkit unix listen /tmp/app.sock --mode 600 > received.bin
        $ netkit unix listen -k @name --exec cat
    """
    from netkit.net.unix import UnixListener

    if mode is not None and path.path is None:
        raise WrongValue(f"--mode is for a file, and {path} is none", "anybody may connect to it: use a path")
    talking_to = listening.Listening(run, given, admit=_anybody, environment=_environment)
    talking_to.serve(UnixListener.bind(path, mode=mode), "unix", ["localhost"])


def _anybody(_stream: Any) -> None:
    return None


def _environment(local: Any, peer: Any, stream: Any) -> dict[str, str]:  # noqa: ARG001
    """What a command is told of its connection, under the names of unixserver(1)."""
    found = {"PROTO": "UNIX", "UNIXLOCALPATH": str(local)}
    who = _credentials(stream)
    if who is not None:
        found["UNIXREMOTEEUID"] = str(who["uid"])
        found["UNIXREMOTEEGID"] = str(who["gid"])
        if who["pid"] is not None:
            found["UNIXREMOTEPID"] = str(who["pid"])
    return found
