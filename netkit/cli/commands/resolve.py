"""`netkit resolve`: the addresses that this system would connect to for a name, in order, and their
sources."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict, cast

from netkit.cli.frame import inputs, options
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.fields import Address
from netkit.cli.frame.groups import FamilyOptions, option_group
from netkit.cli.frame.options import ENDPOINT, Endpoint, File, Number, Value, WrongValue, option
from netkit.cli.frame.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import click

    from netkit.addr import SocketAddr
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.dns.host import FoundHost, FoundNames
    from netkit.dns.resolver import Resolver
    from netkit.dns.system import HostSource, ResolvConf
    from netkit.io import Flow

UNREACHABLE = "unreachable"
#: The least width of a terminal for the column of the family, which the address shows as well.
WIDE = 100


class AddressRow(TypedDict):
    """One address, in the order to try them."""

    address: Address
    family: Annotated[Literal[4, 6], "IPv4 or IPv6"]
    source: Annotated[
        Literal["literal", "hosts", "dns", "system"],
        "Where it was found: written as an address, in the hosts file, by name servers, or by getaddrinfo(3)",
    ]
    name: Annotated[
        str, "The name under which it was found: with the search list applied and aliases followed"
    ]
    ttl_s: Annotated[int | None, "Seconds it may be kept; null if the source does not say"]
    reached_from: Annotated[
        Address | None, "The local address that a connection would have; null if there is no route"
    ]


class ResolveRow(TypedDict):
    """The addresses of a name."""

    host: str
    port: Annotated[int | None, "null if none was given"]
    addresses: Annotated[list[AddressRow], "Best first (RFC 6724)"]
    aliases: Annotated[list[str], "The names that are aliases of another name (CNAME), in order"]
    problems: Annotated[list[str], "Why the addresses of one family are not known"]
    not_asked: Annotated[list[str], "Sources of nsswitch.conf that netkit does not know"]
    elapsed_s: float


class NameRow(TypedDict):
    """One name of an address."""

    name: str
    source: Annotated[Literal["hosts", "dns"], "From the hosts file, or from name servers (PTR)"]
    ttl_s: Annotated[int | None, "Seconds it may be kept; null if the source does not say"]


class ReverseRow(TypedDict):
    """The names of an address (-x)."""

    address: Address
    names: Annotated[list[NameRow], "The canonical one first"]
    not_asked: Annotated[list[str], "Sources of nsswitch.conf that netkit does not know"]
    elapsed_s: float


class Target(NamedTuple):
    """A name with or without a port, as it was given; with -x, an address."""

    host: str
    port: int | None


class Resolved(NamedTuple):
    """The addresses of a target."""

    target: Target
    found: FoundHost
    elapsed_s: float

    @property
    def text(self) -> str:
        """The target in one form, whatever the form it was given in."""
        host, port = self.target
        if port is None:
            return host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def aliases(self) -> list[str]:
        """The names from the one that was asked for to the one that has the addresses."""
        names = (alias.name.to_text(True) for answer in self.found.answers for alias in answer.aliases)
        return list(dict.fromkeys(names))

    def rows(self) -> Iterable[tuple[object, ...]]:
        """A row for every address."""
        for order, each in enumerate(self.found.addresses, 1):
            yield (
                order,
                each.address,
                self.target.port,
                f"IPv{each.address.version}",
                each.source,
                each.name,
                each.ttl,
                UNREACHABLE if each.reached_from is None else each.reached_from,
            )

    def to_json(self) -> ResolveRow:
        found = self.found
        return {
            "host": found.host,
            "port": self.target.port,
            "addresses": [
                {
                    "address": str(each.address),
                    "family": 4 if each.address.version == 4 else 6,
                    "source": cast(Any, each.source),
                    "name": each.name,
                    "ttl_s": each.ttl,
                    "reached_from": None if each.reached_from is None else str(each.reached_from),
                }
                for each in found.addresses
            ],
            "aliases": self.aliases,
            "problems": [str(problem) for problem in found.problems],
            "not_asked": list(found.not_asked),
            "elapsed_s": self.elapsed_s,
        }


class Named(NamedTuple):
    """The names of an address (-x)."""

    target: Target
    found: FoundNames
    elapsed_s: float

    @property
    def text(self) -> str:
        """The address in one form, whatever the form it was given in."""
        return str(self.found.address)

    def rows(self) -> Iterable[tuple[object, ...]]:
        """A row for every name."""
        for order, each in enumerate(self.found.names, 1):
            yield order, each.name, each.source, each.ttl

    def to_json(self) -> ReverseRow:
        return {
            "address": self.text,
            "names": [
                {"name": each.name, "source": cast(Any, each.source), "ttl_s": each.ttl}
                for each in self.found.names
            ],
            "not_asked": list(self.found.not_asked),
            "elapsed_s": self.elapsed_s,
        }


class ResolveView(View["Resolved | Named"]):
    """A row for every address, or for every name."""

    schema = ResolveRow | ReverseRow
    columns = (Column("input", 28), Column("source", 7), Column("addresses, or names", 80))

    def to_json(self, result: Resolved | Named) -> ResolveRow | ReverseRow:
        return result.to_json()

    def label(self, result: Resolved | Named, text: str) -> str:  # noqa: ARG002
        return result.text

    def rows(self, result: Resolved | Named) -> Iterable[Sequence[object]]:
        return result.rows()

    def short(self, result: Resolved | Named) -> Iterable[Line]:
        if isinstance(result, Named):
            return [each.name for each in result.found.names]
        return [str(each.address) for each in result.found.addresses]

    def row(self, result: Resolved | Named) -> Sequence[object]:
        if isinstance(result, Named):
            source = result.found.names[0].source
        else:
            source = result.found.addresses[0].source
        return source, ", ".join(map(str, self.short(result)))

    def table(self, result: Resolved | Named, env: Environment) -> Iterable[Any]:
        from netkit.addr import SocketAddr
        from netkit.cli.render import table, text

        rows: list[tuple[object, ...]] = list(result.rows())
        if isinstance(result, Named):
            yield table(("#", "name", "source", "TTL"), rows, right=(0, 3))
            return
        titles = ["#", "address", "family", "source", "name", "TTL", "reached from"]
        cells: list[list[Any]] = []
        for order, address, port, family, source, name, ttl, reached_from in rows:
            endpoint = address if port is None else SocketAddr.new(cast(Any, address), cast(Any, port))
            last = text(UNREACHABLE, "red") if reached_from is UNREACHABLE else reached_from
            cells.append([order, endpoint, family, source, name, ttl, last])
        if env.width < WIDE:  # the address shows its family too, and needs the room
            for line in (titles, *cells):
                del line[2]
        yield table(titles, cells, right=(0, len(titles) - 2))
        if result.aliases:
            arrow = " → " if env.encoding.startswith("utf") else " -> "
            yield text(f"aliases: {arrow.join([*result.aliases, result.found.addresses[0].name])}", "dim")


class Server(Value["SocketAddr"]):
    """A name server: an address, with a port if it is not 53."""

    name = "server"
    metavar = "ADDR"
    form = "write an address, as in 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SocketAddr:
        from netkit.dns.resolver import nameserver_addr

        try:
            return nameserver_addr(value)
        except ValueError as error:
            reason = getattr(error, "reason", error)
            self.wrong(f"{value!r} is not the address of a name server: {reason}", param, ctx)


_SERVICE = Endpoint(0)


def parse_target(text: str) -> Target:
    """A name, with a port or without; an address; a URL. Raises AddrParseError."""
    found = _SERVICE.parse(text)
    host = str(found.host)
    return Target(host, found.port or None)


def parse_address(text: str) -> Target:
    """An address, for -x. Raises AddrParseError."""
    from netkit.addr import IpAddr

    return Target(str(IpAddr.parse(text)), None)


@command(
    "resolve",
    view=ResolveView(),
    usage="[OPTIONS] NAME[:PORT]... | -x ADDRESS...",
    doing="resolving {}",
    lookup=True,
    see_also=("netkit-dig(1)", "getent(1)", "gai.conf(5)", "nsswitch.conf(5)", "resolv.conf(5)"),
)
@inputs.many("NAME[:PORT]", parse=parse_target, complete=ENDPOINT)
@option("-x", "reverse", is_flag=True, help="Take the inputs as addresses, and find their names.")
@option_group(only=FamilyOptions)
@option(
    "--server",
    "servers",
    type=Server(),
    multiple=True,
    help="Ask this name server instead of resolv.conf's; may be given several times.",
)
@option("--system", is_flag=True, help="Ask getaddrinfo(3) instead, and keep its order.")
@option("--hosts", type=File(), help="Read this hosts file instead of the system's.")
@option("--resolv-conf", type=File(), help="Read this resolv.conf.")
@option("--nsswitch", type=File(), help="Read this nsswitch.conf.")
@options.timeout(10.0)
@option(
    "--tries",
    type=Number(1, 100),
    show_default="resolv.conf's attempts, 2",
    help="How often to ask each name server.",
)
def resolve(
    run: Run[Resolved | Named],
    targets: Inputs[Target],
    reverse: bool,
    only: FamilyOptions,
    servers: tuple[SocketAddr, ...],
    system: bool,
    hosts: str | None,
    resolv_conf: str | None,
    nsswitch: str | None,
    timeout: float,
    tries: int | None,
) -> None:
    """Show the addresses that this system would connect to for a name, in the order to try them.

    The command asks the sources in the order of nsswitch.conf: the hosts file, then DNS with the search list
    of resolv.conf, A and AAAA at the same time. It does not ask sources that netkit does not know (mdns,
    resolve, myhostname), and says so; --system asks all of them, through getaddrinfo(3).

    Addresses are ordered by RFC 6724, with the source address that this machine would use for each. The table
    shows this source address, or "unreachable" for an address without a route. No connection is made. To see
    the whole answer of a name server, use `netkit dig`.

    Plain lines: input, order, address, port, family, source, name, TTL, reached from; with -x: input,
    order, name, source, TTL. --timeout is divided among servers and tries, so that each gets its turn.

    Examples:

        $ netkit resolve www.example.com:443
        $ netkit resolve --short -4 db
        $ netkit resolve -x 192.0.2.1
        $ netkit resolve --server 192.0.2.53 -f names.txt --json
    """
    if system and (reverse or servers or hosts or resolv_conf or nsswitch or tries):
        raise WrongValue(
            "--system leaves the whole lookup to getaddrinfo(3)",
            "-x, --server, --hosts, --resolv-conf, --nsswitch and --tries do not go with it",
        )
    family = only.version
    if reverse:
        if family is not None:
            raise WrongValue(f"-x and -{family} exclude each other", "an address has a family already")
        targets = targets.of(targets.texts, parse_address)
    flow: Callable[[Target], Flow[Resolved | Named]]
    note = _Notes(run)
    if system:
        flow = _by_system(family or 0)
    else:
        resolver = _resolver(servers, hosts, resolv_conf, nsswitch, timeout, tries)
        flow = _names(resolver, note) if reverse else _addresses(resolver, family or 0, note)
    run.each(targets, flow, timeout=timeout)


def _addresses(resolver: Resolver, family: int, note: _Notes) -> Callable[[Target], Flow[Resolved | Named]]:
    def flow(target: Target) -> Flow[Resolved | Named]:
        begun = monotonic()
        found = yield from resolver.find_host_flow(target.host, family)
        note.not_asked(found.not_asked, "--system asks everything that nsswitch.conf names")
        note.problems(found)
        return Resolved(target, found, monotonic() - begun)

    return flow


def _by_system(family: int) -> Callable[[Target], Flow[Resolved | Named]]:
    from netkit.dns.host import find_addresses_by_system_flow
    from netkit.io import phase

    def flow(target: Target) -> Flow[Resolved | Named]:
        begun = monotonic()
        with phase("waiting for getaddrinfo(3)", "resolve"):
            found = yield from find_addresses_by_system_flow(target.host, family)
        return Resolved(target, found, monotonic() - begun)

    return flow


def _names(resolver: Resolver, note: _Notes) -> Callable[[Target], Flow[Resolved | Named]]:
    def flow(target: Target) -> Flow[Resolved | Named]:
        begun = monotonic()
        found = yield from resolver.find_names_flow(target.host)
        note.not_asked(found.not_asked)
        return Named(target, found, monotonic() - begun)

    return flow


def _resolver(
    servers: tuple[SocketAddr, ...],
    hosts: str | None,
    resolv_conf: str | None,
    nsswitch: str | None,
    timeout: float,
    tries: int | None,
) -> Resolver:
    """The resolver that the system's files describe, or the files given instead. Raises OSError."""
    from netkit.dns.resolver import Resolver
    from netkit.dns.system import Hosts, ResolvConf, parse_sources

    conf: ResolvConf = ResolvConf.load() if resolv_conf is None else ResolvConf.parse(_read(resolv_conf))
    sources: tuple[HostSource, ...] | None = None if nsswitch is None else parse_sources(_read(nsswitch))
    asked = servers or conf.servers
    times = tries or conf.attempts
    # A little less than its share: then the error names the silent servers, and not just the timeout.
    share = timeout * 0.96 / (len(asked) * times)
    return Resolver(
        nameservers=asked,
        timeout=min(conf.timeout, share),
        tries=times,
        hosts=None if hosts is None else Hosts.parse(_read(hosts)),
        sources=sources,
        resolv_conf=conf,
    )


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class _Notes:
    """Warnings on standard error about sources that were not asked, or failed; each source once."""

    def __init__(self, run: Run[Any]) -> None:
        self._run = run
        self._said: set[str] = set()

    def not_asked(self, sources: Sequence[str], hint: str | None = None) -> None:
        new = [source for source in sources if source not in self._said]
        if new:
            self._said.update(new)
            self._run.env.warn(None, f"not asked, though nsswitch.conf names it: {', '.join(new)}", hint)

    def problems(self, found: FoundHost) -> None:
        # With --json the row itself contains them.
        for problem in () if self._run.json else found.problems:
            self._run.env.warn(None, f"there may be more addresses: {problem}")
