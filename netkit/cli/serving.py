"""What every `serve` command does around its servers: say where they listen, stop as it is told, say what
they did.

SIGTERM stops accepting and drains: what is under way has `--drain` seconds, and the command ends in 0. A
second one, and Ctrl-C, end it at once. Where it listens is the result: one line (or JSON event) a socket,
written when connections are taken, so that a script can wait for it and read the port from it.
"""

from __future__ import annotations

import signal
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from netkit.cli.exits import Terminated
from netkit.cli.options import Seconds, option
from netkit.cli.output import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import FrameType

    from netkit.addr import SocketAddr
    from netkit.cli.command import Run
    from netkit.cli.context import Environment
    from netkit.cli.output import Line
    from netkit.io import Event, Flow


class Listening(TypedDict):
    """A socket that takes connections or datagrams from now on."""

    type: Annotated[str, "The command's own, such as serve.echo"]
    event: Literal["listening"]
    transport: Annotated[Literal["tcp", "udp"], "What is listened for"]
    address: Annotated[str, "Where, with the port that the system chose if 0 was asked for"]


class Ended(TypedDict):
    """The server has ended."""

    type: Annotated[str, "The command's own, such as serve.echo"]
    event: Literal["ended"]
    elapsed_s: Annotated[float, "How long it served"]
    counts: Annotated[dict[str, int], "What it did"]


class ServeView(View["tuple[str, SocketAddr]"]):
    """Where a server listens: a line a socket."""

    schema = Listening | Ended
    has_input = False

    def __init__(self, type: str) -> None:  # noqa: A002  # the field's own name
        self.type = type  # type: ignore[misc]  # of the instance: one class serves every server

    def to_json(self, result: tuple[str, SocketAddr]) -> Mapping[str, Any]:
        transport, addr = result
        return {"type": self.type, "event": "listening", "transport": transport, "address": str(addr)}

    def plain(self, result: tuple[str, SocketAddr]) -> Iterable[Line]:
        yield ("listening", *map(str, result))

    def short(self, result: tuple[str, SocketAddr]) -> Iterable[Line]:
        yield str(result[1])

    def table(self, result: tuple[str, SocketAddr], env: Environment) -> Iterable[Any]:  # noqa: ARG002
        yield f"listening on {result[1]} ({result[0].upper()})"


drain = option(
    "--drain",
    type=Seconds(),
    metavar="SECONDS",
    default=10.0,
    show_default="10",
    help="On SIGTERM, give what is under way this long to end.",
)


def serve_until_told(
    run: Run[Any],
    listening: Sequence[tuple[str, SocketAddr]],
    flow_for: Callable[[Event], Flow[Any]],
    counts: Callable[[], Mapping[str, int]],
) -> None:
    """Say where, run `flow_for(stop)` until it ends or SIGTERM sets `stop`, and say what was done."""
    from netkit.io import Event

    stop = Event()
    begun = monotonic()

    def on_sigterm(_signum: int, _frame: FrameType | None) -> None:
        if stop.is_set:
            raise Terminated
        stop.set()

    previous = signal.signal(signal.SIGTERM, on_sigterm)
    try:
        for each in listening:
            run.result(each)
        run.wait(flow_for(stop))
    finally:
        signal.signal(signal.SIGTERM, previous)
        elapsed = monotonic() - begun
        done = dict(counts())
        if run.json:
            run.write_object({"event": "ended", "elapsed_s": elapsed, "counts": done})
        elif not run.env.quiet:
            words = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in done.items())
            run.env.say(f"served for {elapsed:.1f} s: {words}")
