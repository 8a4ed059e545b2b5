"""`netkit resolve`: the addresses that this system would connect to for a name, in order, and their
sources."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.cli.commands.resolve_view import Named, Resolved, ResolveView, Target
from netkit.cli.frame import inputs, options
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.groups import FamilyOptions, option_group
from netkit.cli.frame.options import ENDPOINT, Endpoint, File, Number, Value, WrongValue, option
from netkit.cli.payload.dns.history import explain as explain_history
from netkit.cli.payload.dns.tls import DnsTlsOptions, LazyDoh, parse_upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import click

    from netkit.cli.frame.inputs import Inputs
    from netkit.dns.host import FoundHost
    from netkit.dns.messages.message import Question
    from netkit.dns.policy.steps import Done, Step
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.resolver import Resolver
    from netkit.dns.system import HostSource, ResolvConf
    from netkit.io import Flow


class Server(Value["Upstream"]):
    """A name server: an address, with a port if it is not 53, or a URL that says how to ask."""

    name = "server"
    metavar = "SERVER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Upstream:
        try:
            return parse_upstream(str(value))
        except WrongValue as error:
            raise WrongValue(error.message, error.hint, param=param, ctx=ctx) from None


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
@option_group(only=FamilyOptions, how=DnsTlsOptions)
@option(
    "--server",
    "servers",
    type=Server(),
    multiple=True,
    help="Ask this name server instead of resolv.conf's; may be given several times. A URL says how: "
    "tcp://ADDRESS, tls://ADDRESS#NAME, https://HOST/dns-query.",
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
@option(
    "--explain",
    is_flag=True,
    help="Show on standard error what was asked of whom, over what, what came, and why again.",
)
def resolve(
    run: Run[Resolved | Named],
    targets: Inputs[Target],
    reverse: bool,
    only: FamilyOptions,
    how: DnsTlsOptions,
    servers: tuple[Upstream, ...],
    system: bool,
    hosts: str | None,
    resolv_conf: str | None,
    nsswitch: str | None,
    timeout: float,
    tries: int | None,
    explain: bool,
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
        $ netkit resolve --server tls://192.0.2.53 --explain www.example.com
    """
    if system and (reverse or servers or hosts or resolv_conf or nsswitch or tries or explain):
        raise WrongValue(
            "--system leaves the whole lookup to getaddrinfo(3)",
            "-x, --server, --hosts, --resolv-conf, --nsswitch, --tries and --explain do not go with it",
        )
    family = only.version
    if reverse:
        if family is not None:
            raise WrongValue(f"-x and -{family} exclude each other", "an address has a family already")
        targets = targets.of(targets.texts, parse_address)
    flow: Callable[[Target], Flow[Resolved | Named]]
    note = _Notes(run)
    if system:
        if how.proxy is not None or how.given:
            raise WrongValue("--proxy and the options of TLS are for name servers", "leave out --system")
        run.each(targets, _by_system(family or 0), timeout=timeout)
        return
    told = _Histories(run, is_shown=explain)
    doh = LazyDoh(how.tls(run.env), how.proxy)
    with _resolver(servers, hosts, resolv_conf, nsswitch, timeout, tries, how, doh, told) as resolver:
        flow = _names(resolver, note, told) if reverse else _addresses(resolver, family or 0, note, told)
        try:
            run.each(targets, flow, timeout=timeout)
        finally:
            doh.close()


def _addresses(
    resolver: Resolver, family: int, note: _Notes, told: _Histories
) -> Callable[[Target], Flow[Resolved | Named]]:
    def flow(target: Target) -> Flow[Resolved | Named]:
        begun = monotonic()
        with told.of(lambda: _questions(resolver, target.host)) as history:
            found = yield from resolver.find_host_flow(target.host, family)
        note.not_asked(found.not_asked, "--system asks everything that nsswitch.conf names")
        note.problems(found)
        return Resolved(target, found, monotonic() - begun, history)

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


def _names(resolver: Resolver, note: _Notes, told: _Histories) -> Callable[[Target], Flow[Resolved | Named]]:
    def flow(target: Target) -> Flow[Resolved | Named]:
        begun = monotonic()
        with told.of(lambda: _questions(resolver, target.host)) as history:
            found = yield from resolver.find_names_flow(target.host)
        note.not_asked(found.not_asked)
        return Named(target, found, monotonic() - begun, history)

    return flow


def _questions(resolver: Resolver, host: str) -> list[Question]:
    """What may be asked for a host, or for an address, in order."""
    from netkit.addr import AddrParseError
    from netkit.dns.constants import DnsRecordType
    from netkit.dns.errors import DnsError
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name

    try:
        return [Question(Name.reverse(host), DnsRecordType.PTR)]
    except AddrParseError:
        pass
    try:
        names = resolver.candidates(host)
    except DnsError.InvalidName:
        return []
    return [Question(name, rdtype) for name in names for rdtype in (DnsRecordType.A, DnsRecordType.AAAA)]


class _Histories:
    """The histories of lookups, by their questions, until the row that they belong to is made."""

    def __init__(self, run: Run[Any], *, is_shown: bool) -> None:
        self._run = run
        self._is_shown = is_shown and not run.json
        self.is_wanted = is_shown or run.json
        self._told: dict[Question, Done] = {}

    def tell(self, question: Question, done: Done) -> None:
        """Keep what a resolver tells."""
        self._told[question] = done

    @contextmanager
    def of(self, questions: Callable[[], list[Question]]) -> Iterator[list[Step]]:
        """What is asked for one input meanwhile; the list is filled at the end. An error gets it too."""
        from netkit.dns.errors import DnsError

        history: list[Step] = []
        try:
            yield history
        except DnsError as error:
            self._take(questions(), history)
            error.history = tuple(history)
            raise
        else:
            self._take(questions(), history)

    def _take(self, questions: list[Question], history: list[Step]) -> None:
        for question in questions if self.is_wanted else ():
            done = self._told.pop(question, None)
            history += () if done is None else done.history
        if self._is_shown:
            if history:
                explain_history(history, self._run.env)
            else:
                self._run.env.say("no name server was asked")


def _resolver(
    servers: tuple[Upstream, ...],
    hosts: str | None,
    resolv_conf: str | None,
    nsswitch: str | None,
    timeout: float,
    tries: int | None,
    how: DnsTlsOptions,
    doh: LazyDoh,
    told: _Histories,
) -> Resolver:
    """The resolver that the system's files describe, or the files given instead.

    Raises OSError, UnusableFile, and WrongValue for a proxy through which nobody can be asked.
    """
    from netkit.dns.policy.upstream import Transport, Upstream
    from netkit.dns.resolver import Resolver
    from netkit.dns.system import Hosts, ResolvConf, parse_sources, text_of

    conf: ResolvConf = ResolvConf.load() if resolv_conf is None else ResolvConf.parse(text_of(resolv_conf))
    sources: tuple[HostSource, ...] | None = None if nsswitch is None else parse_sources(text_of(nsswitch))
    asked = servers or tuple([Upstream(server) for server in conf.servers])
    used = {server.transport for server in asked}
    if how.proxy is not None and Transport.UDP in used and not conf.use_vc:
        raise WrongValue(
            "UDP does not go through a proxy", "name a server over TCP, TLS or HTTPS: --server tcp://ADDRESS"
        )
    if how.given and not any(each.is_encrypted for each in used):
        given = how.given[0]
        raise WrongValue(f"{given} is for TLS", "name a server over TLS: --server tls://ADDRESS#NAME")
    times = tries or conf.attempts
    # A little less than its share: then the error names the silent servers, and not just the timeout.
    share = timeout * 0.96 / (len(asked) * times)
    return Resolver(
        nameservers=asked,
        timeout=min(conf.timeout, share),
        tries=times,
        hosts=None if hosts is None else Hosts.parse(text_of(hosts)),
        sources=sources,
        resolv_conf=conf,
        tls=doh.tls,
        https=doh.exchange,
        connect=how.connect(),
        tell=told.tell if told.is_wanted else None,
    )


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
