"""`netkit tcp ping` and `netkit udp ping`: how long a round trip takes, again and again."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.frame import options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Failure, explain
from netkit.cli.frame.fields import Endpoint
from netkit.cli.frame.groups import OptionGroup, SourceOptions, field, option_group
from netkit.cli.frame.options import Number, Seconds, WrongValue, argument, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import HostPort, SocketAddr
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.io import Flow
    from netkit.measure.ping import PingStatistics, Reply


class ProbeRow(TypedDict):
    """What became of one probe."""

    event: Annotated[
        Literal["reply", "timeout", "refused", "failed", "late", "duplicate"],
        "late: a reply after its time, to a probe whose timeout was told before",
    ]
    sequence: Annotated[int, "The probe's number, from 0"]
    elapsed_s: Annotated[float | None, "The round trip; null where there was none"]
    in_order: Annotated[bool, "false where the reply to a later probe came before"]
    reason: Annotated[str | None, "Why there was no reply"]


class EndedRow(TypedDict):
    """All probes together, at the end."""

    event: Literal["ended"]
    peer: Annotated[Endpoint | None, "Whom it went to"]
    sent: Annotated[int, "Probes sent"]
    received: Annotated[int, "Those with a reply in time"]
    lost: Annotated[int, "Those without, whether time ran out or an error came"]
    loss: Annotated[float, "Their share, from 0 to 1"]
    duplicates: Annotated[int, "Replies to a probe that had its reply"]
    late: Annotated[int, "Replies after their time"]
    reordered: Annotated[int, "Replies that came after one to a later probe"]
    min_s: Annotated[float | None, "The shortest round trip"]
    median_s: Annotated[float | None, "Half took no longer"]
    mean_s: Annotated[float | None, "The mean"]
    p95_s: Annotated[float | None, "95 % took no longer"]
    p99_s: Annotated[float | None, "99 % took no longer"]
    max_s: Annotated[float | None, "The longest"]
    jitter_s: Annotated[float | None, "How much successive ones differ (RFC 3550 section 6.4.1)"]
    elapsed_s: Annotated[float, "From the first probe to the end"]


class Pinged(NamedTuple):
    """A run of probes, when it is over."""

    address: SocketAddr | None
    statistics: PingStatistics
    elapsed: float
    failure: Failure | None
    """Why there was no reply at all."""


class PingView(View[Pinged]):
    """A line a probe, and what they come to."""

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

    def short(self, result: Pinged) -> Iterable[Line]:  # noqa: ARG002  # the replies were all
        return ()

    def table(self, result: Pinged, env: Environment) -> Iterable[Any]:  # noqa: ARG002
        from netkit.cli.render import facts

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
        yield facts(rows, title=f"{whom}, {result.elapsed:.1f} s")

    def failure(self, result: Pinged) -> Exception | Failure | None:
        return result.failure


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3f}"


class PingOptions(OptionGroup):
    """How many probes, how often, and how long to wait for each."""

    count: int | None = field("-c", "--count", type=Number(1), help="Stop after so many probes.")
    interval: float = field(
        "-i",
        "--interval",
        type=Seconds(),
        default=1.0,
        help="Send one every so often, whatever becomes of those before.",
    )
    timeout: float = field("--timeout", type=Seconds(), default=2.0, help="Give up each probe after so long.")


#: How many bytes an echo carries where nobody says, as with ping(8).
SIZE = 56

_SIZE = option(
    "--size",
    type=Number(20, 65_507),
    metavar="BYTES",
    show_default=str(SIZE),
    help="Send echoes of so many bytes.",
)


@command(
    "tcp ping",
    view=PingView(),
    see_also=("netkit-tcp-scan(1)", "netkit-serve-echo(1)", "ping(8)"),
)
@argument("endpoint", metavar="HOST:PORT", type=options.Endpoint())
@option("--echo", is_flag=True, help="Send echoes over one connection to an echo server, and compare them.")
@_SIZE
@option_group(how=PingOptions, source=SourceOptions)
def tcp(
    run: Run[Pinged],
    endpoint: HostPort,
    echo: bool,
    size: int | None,
    how: PingOptions,
    source: SourceOptions,
) -> None:
    """Measure how long connecting to a TCP port takes, again and again.

    Each probe is a connection that is closed as soon as it is there: one round trip of the network, and
    nothing of the server's program. With --echo it is a message over one connection to an echo server
    (such as `netkit serve echo`), whose every byte is compared.

    Without -c it goes on until Ctrl-C, which ends it with the statistics. The exit code is 0 if there was
    a reply; else that of what went wrong: 4 where the connection was refused, 7 where time ran out.

    The name is looked up once. Of several addresses the first one is taken that can be connected to.
    Jitter is that of RFC 3550; percentiles are exact for the first 100,000 replies, and those of a random
    sample of as many after that. --short prints the bare times in milliseconds.

    Examples:

        $ netkit tcp ping -c 5 example.com:443
        $ netkit tcp ping --echo -i 0.1 127.0.0.1:7007
        $ netkit tcp ping --json -c 10 [::1]:22 | tail -n 1 | jq .median_s
    """
    if size is not None and not echo:
        raise WrongValue("--size is for --echo: a connection carries nothing", "add --echo, or leave it out")
    _ping(run, endpoint, "echo" if echo else "connect", size or SIZE, how, source)


@command(
    "udp ping",
    view=PingView(),
    see_also=("netkit-udp-echo(1)", "ping(8)"),
)
@argument("endpoint", metavar="HOST:PORT", type=options.Endpoint(proto="udp"))
@_SIZE
@option_group(how=PingOptions, source=SourceOptions)
def udp(
    run: Run[Pinged], endpoint: HostPort, size: int | None, how: PingOptions, source: SourceOptions
) -> None:
    """Measure how long a datagram to an echo server and back takes, again and again.

    Each datagram carries a number and a mark of this run, and all of it is compared when it comes back.
    What is lost, late, duplicated or out of order is counted.

    Without -c it goes on until Ctrl-C, which ends it with the statistics. The exit code is 0 if there was
    a reply; else that of what went wrong: 4 where nobody receives there, 7 where time ran out.

    Examples:

        $ netkit udp ping -c 5 127.0.0.1:7007
        $ netkit udp ping -i 0.01 --size 1400 echo.example.com:7
    """
    _ping(run, endpoint, "datagrams", size or SIZE, how, source)


def _ping(
    run: Run[Pinged],
    endpoint: HostPort,
    what: Literal["connect", "echo", "datagrams"],
    size: int,
    how: PingOptions,
    source: SourceOptions,
) -> None:
    from netkit.io import DeadlineExceeded
    from netkit.measure.ping import PingStatistics, ping_connect, ping_datagrams, ping_stream
    from netkit.net.tcp import TcpStream
    from netkit.net.udp import UdpSocket

    family, bound = source.resolve()
    found = PingStatistics()
    shown = _Shown(run, found)
    asked = {
        "count": how.count,
        "interval": how.interval,
        "timeout": how.timeout,
        "statistics": found,
        "on_reply": shown.reply,
    }
    begun = monotonic()
    try:
        shown.address = run.wait(
            _address(endpoint, family, bound, connect=what != "datagrams"), max(how.timeout, 5.0)
        )
        begun = monotonic()
        addr = shown.address
        if what == "connect":
            run.wait(ping_connect(lambda: TcpStream.connect_flow(addr, source=bound), **asked))  # type: ignore[arg-type]
        elif what == "echo":
            with TcpStream.connect(addr, source=bound, timeout=how.timeout) as stream:
                run.wait(ping_stream(stream, size=size, **asked))  # type: ignore[arg-type]
        else:
            with UdpSocket.connected(addr, source=bound) as sock:
                run.wait(ping_datagrams(sock, size=size, **asked))  # type: ignore[arg-type]
    except DeadlineExceeded as error:
        if not found.sent:
            raise
        shown.failure = explain(error)
    finally:
        run.env.status(None)
        if found.sent:
            why = shown.failure if not found.received else None
            run.result(Pinged(shown.address, found, monotonic() - begun, why))


def _address(endpoint: HostPort, family: int, bound: SocketAddr | None, *, connect: bool) -> Flow[SocketAddr]:
    """Flow: the address to ping: of several, the first that can be connected to, if any can."""
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


class _Shown:
    """Shows replies as they come; remembers why there is none."""

    def __init__(self, run: Run[Pinged], statistics: PingStatistics) -> None:
        self._run = run
        self._statistics = statistics
        self.address: SocketAddr | None = None
        self.failure: Failure | None = None

    def reply(self, reply: Reply) -> None:
        run, env = self._run, self._run.env
        outcome = reply.note or "reply"
        reason = failure = None
        if reply.error is not None:
            failure = self.failure = explain(reply.error)
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
                }
            )
        elif env.mode == "short":
            if outcome in ("reply", "reordered"):
                env.write_lines([_ms(reply.time)])
        elif env.mode == "plain":
            env.write_lines([f"{outcome}\t{reply.number}\t{_ms(reply.time)}\t{reason or '-'}"])
        else:
            words = f"{_ms(reply.time)} ms" if reply.time is not None else reason or ""
            note = "" if outcome == "reply" else f"  {outcome}"
            env.write_lines([f"{reply.number:>5}  {words}{note}"])
            env.status(self._line())

    def _line(self) -> str:
        found = self._statistics
        spread = "" if found.min is None else f"  min {_ms(found.min)}  max {_ms(found.max)} ms"
        return (
            f"{self.address}: {found.sent:,} sent, {found.received:,} received, {found.loss:.1%} lost{spread}"
        )
