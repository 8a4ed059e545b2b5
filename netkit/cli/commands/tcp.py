"""`netkit tcp connect`: a TCP connection as a pair of pipes."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import click

from netkit.cli import options
from netkit.cli.command import Run, command
from netkit.cli.output import View, b64

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.addr import HostPort, IpAddr
    from netkit.cli.context import Environment
    from netkit.io import Flow
    from netkit.net.errors import Attempt
    from netkit.net.pump import Pumped, Source
    from netkit.net.tcp import TcpStream


class AttemptRow(TypedDict):
    """One address that was tried."""

    address: Annotated[str, "The address and port"]
    outcome: Annotated[str, "connected, abandoned, or what the system said"]
    started_s: Annotated[float, "When it was begun, in seconds since the command began to connect"]
    ended_s: Annotated[float | None, "When it ended; null while it was under way"]


class Connected(TypedDict):
    """The connection is there."""

    type: Literal["tcp.connect"]
    event: Literal["connected"]
    peer: Annotated[str, "The address that answered"]
    local: Annotated[str, "This end"]
    elapsed_s: Annotated[float, "How long connecting took, the look-up of the name included"]
    attempts: Annotated[list[AttemptRow], "Every address that was tried (RFC 8305)"]


class Data(TypedDict):
    """Bytes, as they came or went."""

    type: Literal["tcp.connect"]
    event: Literal["sent", "received"]
    data_b64: Annotated[str, "The bytes"]


class Closed(TypedDict):
    """Both directions have ended."""

    type: Literal["tcp.connect"]
    event: Literal["closed"]
    finished_first: Annotated[Literal["local", "peer"] | None, "Who had no more to send first"]
    sent: Annotated[int, "Bytes"]
    received: Annotated[int, "Bytes"]
    elapsed_s: Annotated[float, "How long the connection was open"]


class ConnectView(View[Any]):
    """Payload as it is; with --json, events."""

    type = "tcp.connect"
    schema = Connected | Data | Closed
    has_input = False


@command(
    "tcp connect",
    view=ConnectView(),
    usage="[OPTIONS] HOST:PORT",
    doing="tcp connect {}",
    modes=("json",),
    see_also=("netkit-serve-echo(1)", "nc(1)", "socat(1)"),
)
@click.argument("endpoint", metavar="HOST:PORT", type=options.Endpoint())
@options.timeout(10.0)
@options.family
@options.source
def connect(
    run: Run[Any], endpoint: HostPort, timeout: float, family: int | None, source: IpAddr | None
) -> None:
    """Connect to a TCP port; send standard input, write what comes back.

    The addresses of HOST are tried by Happy Eyeballs (RFC 8305); -v shows each. When standard input ends,
    the sending half is closed and everything the peer still sends is written before the command ends.
    When the peer closes first, what is piped in goes on being sent as long as the peer takes it; typed at
    a terminal, the session ends.

    Bytes pass unchanged in both directions: the terminal's own line editing applies while typing, and
    nothing is added to it. --timeout is for connecting.

    Examples:

        $ printf 'GET / HTTP/1.0\\r\\n\\r\\n' | netkit tcp connect localhost:8080
        $ netkit tcp connect -4 mail.example.com:smtp
        $ netkit tcp connect --json [::1]:7 < request.bin
    """
    from netkit.net.pump import Pumped, pump

    env = run.env
    begun = monotonic()
    stream = run.wait(_open(endpoint, family, source), timeout)
    elapsed = monotonic() - begun
    on_sent: Callable[[bytes], object] | None = None
    with stream:
        if run.json:
            run.write_object(_connected(stream, elapsed))
            on_sent = _event_writer(run, "sent")
            sink = _event_writer(run, "received")
        else:
            sink = _payload_writer(env)
        if env.stdout_tty and not env.quiet and not run.json:
            env.say(f"connected to {stream.peer_addr} in {elapsed * 1000:.1f} ms")
        done = Pumped()
        opened = monotonic()
        interactive = env.stdin_tty
        try:
            run.wait(pump(stream, _stdin(env), sink, interactive=interactive, on_sent=on_sent, pumped=done))
        finally:
            if run.json:
                run.write_object(_closed(done, monotonic() - opened))


def _open(endpoint: HostPort, family: int | None, source: IpAddr | None) -> Flow[TcpStream]:
    import socket

    from netkit.addr import SocketAddr
    from netkit.net.tcp import TcpStream

    only = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}.get(family or 0, 0)
    bound = SocketAddr.new(source, 0) if source is not None else None
    if bound is not None and not only:
        only = int(bound.family)
    return TcpStream.connect_flow(endpoint, family=only, source=bound)


def _stdin(env: Environment) -> Source:
    """Standard input as a flow reads it; a closed one is empty."""
    from netkit.io.files import FileSource, MemorySource

    if env.stdin is None:
        return MemorySource(b"")
    try:
        return FileSource(env.stdin.fileno())
    except (OSError, ValueError):
        return MemorySource(env.stdin.read())


def _payload_writer(env: Environment) -> Callable[[bytes], object]:
    def write(data: bytes) -> None:
        env.write_bytes(data)
        env.flush()

    return write


def _event_writer(run: Run[Any], event: Literal["sent", "received"]) -> Callable[[bytes], object]:
    def write(data: bytes) -> None:
        row: Data = {"type": "tcp.connect", "event": event, "data_b64": b64(data)}
        run.write_object(row)

    return write


def _connected(stream: TcpStream, elapsed: float) -> Connected:
    return {
        "type": "tcp.connect",
        "event": "connected",
        "peer": str(stream.peer_addr),
        "local": str(stream.local_addr),
        "elapsed_s": elapsed,
        "attempts": [_attempt(attempt) for attempt in stream.attempts],
    }


def _attempt(attempt: Attempt) -> AttemptRow:
    return {
        "address": str(attempt.addr),
        "outcome": attempt.outcome,
        "started_s": attempt.started_s,
        "ended_s": attempt.ended_s,
    }


def _closed(done: Pumped, elapsed: float) -> Closed:
    first: Any = done.finished_first
    return {
        "type": "tcp.connect",
        "event": "closed",
        "finished_first": first,
        "sent": done.sent,
        "received": done.received,
        "elapsed_s": elapsed,
    }
