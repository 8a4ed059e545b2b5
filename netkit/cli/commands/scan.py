"""`netkit tcp scan`: which ports of which hosts accept connections."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias, TypedDict

from netkit.cli.frame import inputs
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.fields import Address
from netkit.cli.frame.groups import SourceOptions, option_group
from netkit.cli.frame.messages import plural
from netkit.cli.frame.options import HOST, Number, Rate, Seconds, WrongValue, option, services
from netkit.cli.frame.output import b64
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from netkit.addr import HostPort, SocketAddr
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.inputs import Inputs
    from netkit.io import Flow
    from netkit.measure.scan import PortResult

#: The largest network that may be given as one HOST, in addresses.
MOST_ADDRESSES = 65_536

State = Literal["open", "closed", "filtered", "unreachable"]


class PortRow(TypedDict):
    """One port of one host."""

    event: Literal["scanned"]
    address: Annotated[Address, "The host's address"]
    port: Annotated[int, "The port"]
    state: Annotated[State, "The result of connecting; filtered: no answer in time"]
    service: Annotated[
        str | None, "This system's name for the port; the program that listens there may be another"
    ]
    elapsed_s: Annotated[float, "How long it took until the state was known"]
    banner: Annotated[str | None, "With --banners: what the server sent by itself, if it is text"]
    banner_b64: Annotated[str | None, "The same, byte for byte"]
    reason: Annotated[str | None, "The system's error, if the port is not open"]


class EndedRow(TypedDict):
    """All ports together, at the end."""

    event: Literal["ended"]
    ports: Annotated[int, "Ports tried"]
    open: Annotated[int, "Open"]
    closed: Annotated[int, "Closed"]
    filtered: Annotated[int, "Without an answer"]
    unreachable: Annotated[int, "Out of reach"]
    elapsed_s: Annotated[float, "How long the scan took"]


class Scanned(NamedTuple):
    """What became of a port, and the host as it was given."""

    result: PortResult
    host: str

    @property
    def told(self) -> str | None:
        """What it says by itself, or why it is not open."""
        return _first_line(self.result.banner) or self.result.reason


class ScanView(View[Scanned]):
    """One line for each port."""

    schema = PortRow | EndedRow
    columns = (
        Column("host", 16),
        Column("port", 5),
        Column("state", 11),
        Column("service", 12),
        Column("ms", 8),
        Column("reason", 18),
        Column("banner", 40),
    )

    def to_json(self, result: Scanned) -> PortRow:
        found = result.result
        banner = found.banner
        return {
            "event": "scanned",
            "address": str(found.addr.ip),
            "port": found.addr.port,
            "state": found.state.value,
            "service": _service(found.addr.port),
            "elapsed_s": found.time,
            "banner": None if banner is None else _text(banner),
            "banner_b64": None if banner is None else b64(banner),
            "reason": found.reason,
        }

    def label(self, result: Scanned, text: str) -> None:  # noqa: ARG002
        return None  # plain lines begin with the host, and a table has the address where that is a network

    def plain(self, result: Scanned) -> Iterable[Line]:
        found = result.result
        port, ms = found.addr.port, f"{found.time * 1000:.3f}"
        yield result.host, found.addr.ip, port, found.state.value, _service(port), ms, result.told

    def short(self, result: Scanned) -> Iterable[Line]:
        yield str(result.result.addr)

    def row(self, result: Scanned) -> Sequence[object]:
        found = result.result
        host = found.addr.ip if "/" in result.host else result.host
        port, ms = found.addr.port, f"{found.time * 1000:.1f}"
        return host, port, found.state.value, _service(port), ms, found.reason, _first_line(found.banner)


def _service(port: int) -> str | None:
    from netkit.measure.scan import service_name

    return service_name(port)


def _text(banner: bytes) -> str | None:
    try:
        return banner.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _first_line(banner: bytes | None) -> str | None:
    if banner is None:
        return None
    return banner.decode("utf-8", "backslashreplace").strip().partition("\n")[0].rstrip()


Host: TypeAlias = "HostPort | IPv4Network | IPv6Network"


def parse_host(text: str) -> Host:
    """The host or the network that `text` names. Raises WrongValue and AddrParseError."""
    from ipaddress import ip_network

    from netkit.addr import HostPort

    if "/" in text:
        try:
            network = ip_network(text, strict=False)
        except ValueError as error:
            raise WrongValue(str(error), "write a network as 192.0.2.0/28") from None
        if network.num_addresses > MOST_ADDRESSES:
            raise WrongValue(f"{text} has more than {MOST_ADDRESSES:,} addresses", "scan a part of it")
        return network
    endpoint = HostPort.parse(text, 0)
    if endpoint.port:
        raise WrongValue(f"{text} names a port", "write the host alone; PORTS come last")
    return endpoint


@command(
    "tcp scan",
    view=ScanView(),
    see_also=("netkit-tcp-ping(1)", "nmap(1)", "nc(1)"),
)
@inputs.many(
    "HOST",
    parse=parse_host,
    complete=HOST,
    words=services,
    together=True,
    then="PORTS",
    help="Also scan the hosts in this file, one a line; - is standard input.",
)
@option("--all", "show_all", is_flag=True, help="Also show the ports that are not open.")
@option("--banners", is_flag=True, help="Read what servers at open ports send by themselves.")
@option("--banner-timeout", type=Seconds(), default=2.0, help="How long to wait for a banner.")
@option(
    "--timeout",
    type=Seconds(),
    default=3.0,
    help="Call a port filtered if it does not answer in this time.",
)
@option("--concurrency", type=Number(1, 10_000), default=100, help="How many ports to try at the same time.")
@option("--rate", type=Rate(), help="Begin attempts no faster than this: 50/s, 600/m.")
@option_group(source=SourceOptions)
def scan(
    run: Run[Scanned],
    targets: Inputs[Host],
    show_all: bool,
    banners: bool,
    banner_timeout: float,
    timeout: float,
    concurrency: int,
    rate: float | None,
    source: SourceOptions,
) -> Exit:
    """Find the TCP ports that accept connections.

    HOST is a name, an address, or a network such as 192.0.2.0/28; PORTS are ports, ranges and services,
    separated by commas: 22,80,8000-8100,https. A range may be written without its end (8000-), and - is every
    port. A name is looked up once, and its first address is scanned.

    The command connects to each port and closes the connection again. A port is open if that works, closed if
    the connection is refused, filtered if no answer comes in time. Only open ports are shown unless --all is
    given; the count of the others is on standard error. The service is this system's name for the port; the
    program that listens there may be another.

    The exit code is 0 if a port is open and 1 if none is; 3 if no host could be looked up, and 9 if only some
    could.

    Scan only systems that are yours, or that you were asked to scan.

    Examples:

        $ netkit tcp scan localhost 7000-8500
        $ netkit tcp scan --banners --all 192.0.2.1 192.0.2.2 22,25,80,https
        $ netkit tcp scan --json --rate 50/s -f hosts.txt 443
        $ netkit tcp scan --short 127.0.0.1 8000-
        $ netkit tcp scan - 22,80 < hosts.txt
    """
    from netkit.io import Outcome, Want, all_of, beside
    from netkit.measure.scan import PortState, scan_order, scan_port

    words = targets.texts or ("",)
    names, ports = words[:-1], _read_ports(words, targets.how.file is not None)
    if not names and targets.how.file is None:
        raise WrongValue("there is no host", "netkit tcp scan HOST... PORTS")
    family, bound = source.resolve()
    begun = monotonic()
    targets = targets.of(names, parse_host)
    found = run.all_inputs(targets)
    looked_up = run.wait(
        all_of((_look_up(host, family) for _, host in found), limit=concurrency, return_errors=True)
    )
    hosts: dict[Any, tuple[str, SocketAddr]] = {}
    unresolved: list[tuple[str, Exception]] = []
    for (name, _), outcome in zip(found, looked_up, strict=True):
        if outcome.error is not None:
            unresolved.append((name, outcome.error))
        else:
            for addr in outcome.unwrap():
                hosts.setdefault(addr.ip, (name, addr))
    tally = dict.fromkeys(PortState, 0)
    total = len(hosts) * len(ports)

    def show(_: int, outcome: Outcome[PortResult]) -> None:
        found = outcome.unwrap()
        tally[found.state] += 1
        if show_all or found.state is PortState.OPEN:
            host = hosts[found.addr.ip][0]
            run.result(Scanned(found, host), host)

    def progress() -> Flow[None]:
        while run.env.shows_status:
            done = sum(tally.values())
            run.env.status(f"{done:,} of {total:,} ports, {tally[PortState.OPEN]:,} open")
            yield Want(until=monotonic() + 0.1)

    scanning = all_of(
        (
            scan_port(addr, timeout=timeout, source=bound, banner=banner_timeout if banners else None)
            for addr in scan_order([addr for _, addr in hosts.values()], ports)
        ),
        limit=concurrency,
        pace=rate,
        on_result=show,
    )

    def summarise() -> None:
        run.env.status(None)
        _summarise(run, {state.value: count for state, count in tally.items()}, monotonic() - begun)

    if hosts:
        run.start_many()  # a line for each port
        if not banners:
            run.columns = run.columns[:-1]
        try:
            run.wait(beside(scanning, progress()))
        except KeyboardInterrupt:
            summarise()
            raise
        summarise()
    for name, why in unresolved:
        run.failed(why, name)
    codes: set[Exit] = set()
    if hosts:
        codes.add(Exit.OK if tally[PortState.OPEN] else Exit.NO)
    if not hosts or run.failures:
        codes.add(run.exit_code)
    return codes.pop() if len(codes) == 1 else Exit.MIXED


def _read_ports(words: Sequence[str], hosts_elsewhere: bool) -> list[int]:
    """The ports, which come last. Raises WrongValue, with the line that was meant where nc's was typed."""
    from netkit.measure.scan import PortsError, parse_ports

    *hosts, last = words
    try:
        ports = parse_ports(last)
    except PortsError as error:
        if hosts or hosts_elsewhere or not error.is_name:
            raise WrongValue(str(error), error.hint) from None
        host, colon, port = last.rpartition(":")
        meant = f"{host} {port}" if colon and port.isdigit() and ":" not in host else f"{last} 22,80,443"
        raise WrongValue("PORTS are missing", f"netkit tcp scan {meant}") from None
    numbers = [word for word in hosts if word.replace("-", "").replace(",", "").isdigit()]
    if numbers:
        names = " ".join(word for word in hosts if word not in numbers)
        meant = ",".join([*numbers, last])
        hint = f"netkit tcp scan {names} {meant}" if names else f"write {meant}"
        raise WrongValue("several ports are one word", hint)
    return ports


def _look_up(host: Host, family: int) -> Flow[list[SocketAddr]]:
    """Flow: the address of a host, or all addresses of a network."""
    from netkit.addr import HostPort, SocketAddr
    from netkit.net.resolve import resolve_flow

    if not isinstance(host, HostPort):
        addresses = list(host.hosts()) or [host.network_address]
        return [SocketAddr.new(str(address), 0) for address in addresses]
    return (yield from resolve_flow(host, family=family))[:1]


def _summarise(run: Run[Any], tally: dict[str, int], elapsed: float) -> None:
    total = sum(tally.values())
    if run.json:
        run.write_object({"event": "ended", "ports": total, **tally, "elapsed_s": elapsed})
    words = ", ".join(f"{count:,} {state}" for state, count in tally.items() if count)
    run.env.say(f"{plural(total, 'port')} in {elapsed:.1f} s: {words or 'none'}")
