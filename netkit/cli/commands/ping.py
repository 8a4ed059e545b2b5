"""`netkit tcp ping` and `netkit udp ping`: measure the time of round trips."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.frame import inputs, options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Failure, explain
from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.groups import OptionGroup, SourceOptions, field, option_group
from netkit.cli.frame.messages import plural, visible
from netkit.cli.frame.options import Number, Seconds, WrongValue, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import HostPort, SocketAddr
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.io import Flow
    from netkit.measure.ping import PingStatistics, Reply


class ProbeRow(TypedDict):
    """The result of one probe."""

    event: Annotated[
        Literal["reply", "timeout", "refused", "failed", "late", "duplicate"],
        "late: a reply to a probe that was already reported as timed out",
    ]
    sequence: Annotated[int, "The probe's number, from 0"]
    elapsed_s: Annotated[float | None, "The round trip; null without a reply"]
    in_order: Annotated[bool, "false if the reply to a later probe came earlier"]
    reason: Annotated[str | None, "Why there was no reply"]


class EndedRow(TypedDict):
    """All probes together, at the end."""

    event: Literal["ended"]
    peer: Annotated[Endpoint | None, "Where the probes went"]
    sent: Annotated[int, "Probes sent"]
    received: Annotated[int, "Probes with a reply in time"]
    lost: Annotated[int, "Probes without a reply in time, because of a timeout or an error"]
    loss: Annotated[float, "The share of lost probes, from 0 to 1"]
    duplicates: Annotated[int, "Further replies to a probe that already had one"]
    late: Annotated[int, "Replies that came after the timeout"]
    reordered: Annotated[int, "Replies that came after the reply to a later probe"]
    min_s: Annotated[float | None, "The shortest round trip"]
    median_s: Annotated[float | None, "Half of the round trips took no longer"]
    mean_s: Annotated[float | None, "The mean"]
    p95_s: Annotated[float | None, "95 % of the round trips took no longer"]
    p99_s: Annotated[float | None, "99 % of the round trips took no longer"]
    max_s: Annotated[float | None, "The longest"]
    jitter_s: Annotated[float | None, "How much successive round trips differ (RFC 3550 section 6.4.1)"]
    elapsed_s: Annotated[float, "From the first probe to the end"]


class Pinged(NamedTuple):
    """A finished run of probes."""

    address: SocketAddr | None
    statistics: PingStatistics
    elapsed: float
    failure: Failure | None
    """Why there was no reply at all, or why it ended before its time."""
    input: str | None = None
    """Which of several it was."""


class PingView(View[Pinged]):
    """One line for each probe, and the statistics."""

    schema = ProbeRow | EndedRow

    def to_json(self, result: Pinged) -> EndedRow:
        found = result.statistics
        return {
            "event": "ended",
            "peer": None if result.address is None else str(result.address),
            "sent": found.sent,
            "received": found.received,
            "lost": found.failed,
            "loss": found.loss,
            "duplicates": found.duplicates,
            "late": found.late,
            "reordered": found.reordered,
            "min_s": found.min,
            "median_s": found.median,
            "mean_s": found.mean,
            "p95_s": found.percentile(95),
            "p99_s": found.percentile(99),
            "max_s": found.max,
            "jitter_s": found.jitter,
            "elapsed_s": result.elapsed,
        }

    def plain(self, result: Pinged) -> Iterable[Line]:
        row = self.to_json(result)
        for name in ("sent", "received", "lost", "loss", "duplicates", "late", "reordered"):
            yield "statistics", name, row[name]
        for name in ("min", "median", "mean", "p95", "p99", "max", "jitter"):
            yield "statistics", f"{name}_ms", _ms(row[f"{name}_s"])  # type: ignore[literal-required]

    def short(self, result: Pinged) -> Iterable[Line]:  # noqa: ARG002  # the replies were shown already
        return ()

    def table(self, result: Pinged, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        from netkit.cli.render import facts, text

        found = result.statistics
        whom = "nobody" if result.address is None else str(result.address)
        odd = (("duplicate", found.duplicates), ("late", found.late), ("reordered", found.reordered))
        counts = f"{found.sent:,} sent, {found.received:,} received, {found.loss:.1%} lost" + "".join(
            f", {count:,} {name}" for name, count in odd if count
        )
        rows: list[tuple[str, str]] = [("probes", counts)]
        if found.received:
            spread = " / ".join(_ms(value) for value in (found.min, found.median, found.mean, found.max))
            tail = " / ".join(_ms(found.percentile(percent)) for percent in (95, 99))
            rows.append(("min/median/mean/max", f"{spread} ms"))
            rows.append(("p95/p99", f"{tail} ms"))
            rows.append(("jitter", "-" if found.jitter is None else f"{_ms(found.jitter)} ms"))
        if result.input is not None:
            yield text(" ")
            whom = result.input if whom == result.input else f"{result.input} ({whom})"
        yield facts(rows, title=f"{whom}, {result.elapsed:.1f} s")

    def failure(self, result: Pinged) -> Exception | Failure | None:
        return result.failure


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3f}"


class PingOptions(OptionGroup):
    """How many probes, how often, and how long to wait for each."""

    count: int | None = field("-c", "--count", type=Number(1), help="Stop after this many probes.")
    interval: float = field(
        "-i",
        "--interval",
        type=Seconds(),
        default=1.0,
        help="Send a probe after each interval, even if earlier ones have no reply yet.",
    )
    timeout: float = field("--timeout", type=Seconds(), default=2.0, help="How long to wait for each reply.")


#: The default size of an echo in bytes, the same as that of ping(8).
SIZE = 56

_SIZE = option(
    "--size",
    type=Number(20, 65_507),
    metavar="BYTES",
    show_default=str(SIZE),
    help="Send this many bytes in each probe.",
)


@command(
    "tcp ping",
    view=PingView(),
    see_also=("netkit-tcp-scan(1)", "netkit-serve-echo(1)", "ping(8)"),
)
@inputs.many("HOST:PORT", parse=options.Endpoint(), together=True)
@option(
    "--echo", is_flag=True, help="Send probes over one connection to an echo server, and compare the replies."
)
@_SIZE
@option_group(how=PingOptions, source=SourceOptions)
def tcp(
    run: Run[Pinged],
    targets: Inputs[HostPort],
    echo: bool,
    size: int | None,
    how: PingOptions,
    source: SourceOptions,
) -> None:
    """Measure repeatedly how long connecting to a TCP port takes.

    Each probe opens a connection and closes it at once. So it measures one round trip of the network, and not
    the server's program. With --echo, a probe is a message over one connection to an echo server (such as
    `netkit serve echo`), and every byte of the reply is compared.

    Without -c the command continues until Ctrl-C, which prints the statistics. The exit code is 0 if there
    was a reply; otherwise the error decides it: 4 if the connection was refused, 7 after a timeout.

    Several targets are probed side by side; each line says which it is of, and each target has statistics
    of its own at the end.

    The name is looked up once. Of several addresses the first one is taken that can be connected to.
    Jitter is that of RFC 3550; percentiles are exact for the first 100,000 replies, and those of a random
    sample of as many after that. --short prints the bare times in milliseconds.

    Examples:

        $ netkit tcp ping -c 5 example.com:443
        $ netkit tcp ping --echo -c 20 -i 0.1 127.0.0.1:7007
        $ netkit tcp ping -c 10 www.example.com:443 192.0.2.1:443
        $ netkit tcp ping --json -c 9 localhost:7007 | tail -n 1 | jq .median_s
    """
    if size is not None and not echo:
        raise WrongValue(
            "--size is for --echo: a probe that only connects carries no data", "add --echo, or leave it out"
        )
    _ping(run, targets, "echo" if echo else "connect", size or SIZE, how, source)


@command(
    "udp ping",
    view=PingView(),
    see_also=("netkit-udp-echo(1)", "ping(8)"),
)
@inputs.many("HOST:PORT", parse=options.Endpoint(proto="udp"), together=True)
@_SIZE
@option_group(how=PingOptions, source=SourceOptions)
def udp(
    run: Run[Pinged], targets: Inputs[HostPort], size: int | None, how: PingOptions, source: SourceOptions
) -> None:
    """Measure repeatedly how long a datagram to an echo server and back takes.

    Each datagram carries a number and a mark of this run, and the whole reply is compared with it. The
    command counts replies that are lost, late, duplicated or out of order.

    Without -c it goes on until Ctrl-C, which ends it with the statistics. The exit code is 0 if there was
    a reply; else that of what went wrong: 4 where nobody receives there, 7 where time ran out. Several
    targets are asked side by side, and each has statistics of its own.

    Examples:

        $ netkit udp ping -c 5 127.0.0.1:7007
        $ netkit udp ping -i 0.01 --size 1400 echo.example.com:7
    """
    _ping(run, targets, "datagrams", size or SIZE, how, source)


#: The longest time between the first probes of two targets: at the same moment, each would wait for all.
_APART = 0.01


def _ping(
    run: Run[Pinged],
    targets: Inputs[HostPort],
    what: Literal["connect", "echo", "datagrams"],
    size: int,
    how: PingOptions,
    source: SourceOptions,
) -> None:
    from netkit.io import all_of

    found = run.all_inputs(targets)
    if not run.many:
        run.input = found[0][0]
    apart = min(_APART, how.interval / max(1, len(found)))
    width = max((len(text) for text, _ in found), default=0)
    told = _Told(run)
    pinged = [
        _Target(run, told, text if run.many else None, endpoint, width, index * apart)
        for index, (text, endpoint) in enumerate(found)
    ]
    try:
        # With a limit no target waits for the start of the others.
        flows = (target.flow(what, size, how, *source.resolve()) for target in pinged)
        run.wait(all_of(flows, limit=max(1, len(pinged))))
    except KeyboardInterrupt:
        told.statistics(pinged)
        raise
    told.statistics(pinged)
    run.summary()


def _address(endpoint: HostPort, family: int, bound: SocketAddr | None, *, connect: bool) -> Flow[SocketAddr]:
    """Flow: the address to ping; if there are several, the first that accepts a connection, if any does."""
    from netkit.net.errors import ConnectError
    from netkit.net.resolve import resolve_flow
    from netkit.net.tcp import TcpStream

    found = yield from resolve_flow(endpoint, family=family)
    if connect and len(found) > 1:
        try:
            stream = yield from TcpStream.connect_flow(endpoint, family=family, source=bound)
        except ConnectError:
            return found[0]
        with stream:
            return stream.peer_addr
    return found[0]


class _Target:
    """One target: its probes, and what came of them. `text` is which of several it is."""

    def __init__(
        self, run: Run[Pinged], told: _Told, text: str | None, endpoint: HostPort, width: int, begins: float
    ) -> None:
        from netkit.measure.ping import PingStatistics

        self.statistics = PingStatistics()
        self.address: SocketAddr | None = None
        self.failure: Failure | None = None
        self._run = run
        self._told = told
        self._text = text
        self._endpoint = endpoint
        self._width = width
        self._begun = monotonic() + begins
        self._elapsed: float | None = None
        self._broken = False

    def flow(
        self,
        what: Literal["connect", "echo", "datagrams"],
        size: int,
        how: PingOptions,
        family: int,
        bound: SocketAddr | None,
    ) -> Flow[None]:
        """Flow: all probes. Raises no Exception."""
        from netkit.io import before, sleep_until

        try:
            connect = what != "datagrams"
            self.address = yield from before(
                monotonic() + max(how.timeout, 5.0),
                _address(self._endpoint, family, bound, connect=connect),
            )
            yield from sleep_until(self._begun)
            self._begun = monotonic()
            yield from self._probes(what, size, how, self.address, bound)
        except Exception as error:
            self.failure = explain(error)
            self._broken = True
        self._elapsed = monotonic() - self._begun
        if self._broken and self.failure is not None and not self.statistics.sent:
            self._run.failed(self.failure, self._text)

    def _probes(
        self, what: str, size: int, how: PingOptions, addr: SocketAddr, bound: SocketAddr | None
    ) -> Flow[None]:
        from netkit.io import before
        from netkit.measure.ping import ping_connect, ping_datagrams, ping_stream
        from netkit.net.tcp import TcpStream
        from netkit.net.udp import UdpSocket

        asked: dict[str, Any] = {
            "count": how.count,
            "interval": how.interval,
            "timeout": how.timeout,
            "statistics": self.statistics,
            "on_reply": self._reply,
        }
        if what == "connect":
            yield from ping_connect(lambda: TcpStream.connect_flow(addr, source=bound), **asked)
        elif what == "echo":
            connecting = TcpStream.connect_flow(addr, source=bound)
            stream = yield from before(monotonic() + how.timeout, connecting, f"connecting to {addr}")
            with stream:
                yield from ping_stream(stream, size=size, **asked)
        else:
            with UdpSocket.connected(addr, source=bound) as sock:
                yield from ping_datagrams(sock, size=size, **asked)

    def write_statistics(self) -> None:
        """Write what the probes came to, if there were any."""
        if self.statistics.sent:
            elapsed = monotonic() - self._begun if self._elapsed is None else self._elapsed
            why = self.failure if self._broken or not self.statistics.received else None
            self._run.result(Pinged(self.address, self.statistics, elapsed, why, self._text), self._text)

    def _reply(self, reply: Reply) -> None:
        run, env = self._run, self._run.env
        outcome = reply.note or "reply"
        reason = failure = None
        if reply.error is not None:
            failure = explain(reply.error)
            if failure.kind == "Refused" and str(self.address) not in failure.message:
                failure = failure._replace(message=f"{self.address}: {failure.message}")
            self.failure = failure
            outcome = "lost" if failure.outcome == "timeout" else "failed"
            reason = failure.message
        if run.json:
            in_order = outcome != "reordered"
            run.write_object(
                {
                    "event": failure.outcome if failure is not None else outcome if in_order else "reply",
                    "sequence": reply.number,
                    "elapsed_s": reply.time,
                    "in_order": in_order,
                    "reason": reason,
                },
                self._text,
            )
        elif env.mode == "short":
            if outcome in ("reply", "reordered"):
                env.write_lines([_ms(reply.time)])
        elif env.mode == "plain":
            line = f"{outcome}\t{reply.number}\t{_ms(reply.time)}\t{reason or '-'}"
            env.write_lines([line if self._text is None else f"{visible(self._text)}\t{line}"])
        else:
            words = f"{_ms(reply.time)} ms" if reply.time is not None else reason or ""
            note = "" if outcome == "reply" else f"  {outcome}"
            whose = "" if self._text is None else f"{visible(self._text):<{self._width}}  "
            env.write_lines([f"{whose}{reply.number:>5}  {words}{note}"])
        self._told.show(self)


class _Told:
    """What the reader sees of all targets: the line of progress, and the statistics at the end."""

    def __init__(self, run: Run[Pinged]) -> None:
        self._run = run
        self._targets: dict[_Target, None] = {}

    def show(self, target: _Target) -> None:
        """Keep the line of progress current after a reply of `target`."""
        env = self._run.env
        self._targets[target] = None
        if env.mode == "table" or not env.writes_to_terminal:
            env.status(self._line())

    def _line(self) -> str:
        found = [target.statistics for target in self._targets]
        sent, received = sum(each.sent for each in found), sum(each.received for each in found)
        failed = sum(each.failed for each in found)
        loss = failed / (received + failed) if received + failed else 0.0
        counts = f"{sent:,} sent, {received:,} received, {loss:.1%} lost"
        if self._run.many:
            return f"{plural(len(found), 'target')}: {counts}"
        (target,) = self._targets
        shortest, longest = target.statistics.min, target.statistics.max
        spread = "" if shortest is None else f"  min {_ms(shortest)}  max {_ms(longest)} ms"
        return f"{target.address}: {counts}{spread}"

    def statistics(self, targets: list[_Target]) -> None:
        """Write the statistics of each target, in the order of the inputs."""
        self._run.env.status(None)
        for target in targets:
            target.write_statistics()
