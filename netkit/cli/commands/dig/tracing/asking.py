"""`netkit dig +trace`: a walk from the root, by the flags of a query."""

from __future__ import annotations

from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING

from netkit.cli.commands.dig.answered import Shown
from netkit.cli.commands.dig.asking import edns_of
from netkit.cli.commands.dig.servers import transport_of
from netkit.cli.frame import options
from netkit.cli.frame.messages import visible
from netkit.cli.frame.options import WrongValue
from netkit.dns.constants import DnsRecordType

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.cli.commands.dig.asking import Asker
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.servers import Servers
    from netkit.cli.frame.context import Environment
    from netkit.dns.tracing.hints import Hints
    from netkit.dns.tracing.trace import Hop, Trace, TraceOptions
    from netkit.io import Flow

#: Flags that make another question of a query, or several; and those that show messages as they are.
_OTHER_QUESTIONS, _MESSAGES = ("search", "showsearch", "domain"), ("yaml", "json")
#: The largest hints file, in octets: IANA's has 3,000.
MAX_HINTS = 1_000_000
#: What is left of --timeout for what is behind the walk: this share, and at most so many seconds. Then the
#: walk ends by itself, and shows how far it came.
_MARGIN, _MOST_MARGIN = 0.1, 0.25
#: How long a walk goes on without a word about it on the terminal, in seconds.
_QUIET = 0.3


class Traced(Shown):
    """A walk from the root, to show as the flags of its query say."""

    __slots__ = ("ended_at", "trace")

    def __init__(self, query: Query, trace: Trace) -> None:
        super().__init__(query)
        self.trace = trace
        #: When the walk ended, in seconds since 1970.
        self.ended_at = time()


class Tracer:
    """Walks from the root, over the sockets and connections of `asker`.

    `root_hints` is the path of a hints file, in place of IANA's root servers. `port` is that of all servers
    which the file gives none. Raises OSError, ZoneFileError.
    """

    def __init__(
        self,
        env: Environment,
        asker: Asker,
        servers: Servers,
        timeout: float | None,
        port: int | None,
        family: int | None,
        root_hints: str | None,
    ) -> None:
        self._env = env
        self._asker = asker
        self._servers = servers
        self._timeout = timeout
        self._port = port
        self._family = family
        self._root_hints = None if root_hints is None else read_hints(root_hints)
        self._hops: list[Hop] = []  # of the walk that is under way

    def wants(self, query: Query) -> bool:
        """Whether a query is for a walk: with +trace, or with a hints file to begin with."""
        return bool(query.flags.get("trace", self._root_hints is not None))

    def parse(self, parse: Callable[[str], Query], text: str) -> Query:
        """A query. Raises WrongValue, also if it is for a walk, or for all servers of a zone, and has flags
        that are for the answer of one server."""
        query = parse(text)
        walks = self.wants(query)
        if walks:
            self._check(query)
            # What takes time to import is not part of the time that the walk has.
            import netkit.dns.tracing.tracer  # noqa: F401
        if walks or query.flags.get("nssearch"):
            this = "+trace" if walks else "+nssearch"
            for flag in (*_OTHER_QUESTIONS, *(("nssearch",) if walks else _MESSAGES)):
                options.exclude(this, True, f"+{flag}", query.flags.get(flag))
            if query.rdtype in (DnsRecordType.AXFR, DnsRecordType.IXFR):
                options.exclude(this, True, str(query.rdtype), True)
        return query

    def flow(self, query: Query) -> Flow[Traced]:
        """Flow: the walk of a query. Raises NoServer, and OSError of looking up the name of a server."""
        from netkit.dns.tracing.tracer import trace_flow

        begun = monotonic()
        self._hops = []
        options = yield from self._options(query, begun)
        tell = partial(self._tell_after, begun + _QUIET)
        try:
            # Flags about the connection to one server are not for those of a walk.
            kept = {name: query.flags[name] for name in ("source",) if name in query.flags}
            with self._asker.place(kept) as station:
                trace = yield from trace_flow(query.question, options, tell=tell, station=station)
        finally:
            self._env.status(None)
        self._hops = []
        return Traced(query, trace)

    def interrupted(self) -> None:
        """Ctrl-C came: say how far the walk has come."""
        self._env.interrupted()
        self._env.say(*[_told(hop) for hop in self._hops if not hop.is_check])

    def _check(self, query: Query) -> None:
        encrypted = [server.transport for server in query.servers if server.transport] + [
            transport_of(query.flags)
        ]
        if any(each.is_encrypted for each in encrypted):
            raise WrongValue(
                "+trace asks authoritative servers, over UDP and TCP, not over TLS or HTTPS",
                "leave +trace out to ask one server over TLS or HTTPS",
            )
        options.exclude("+trace", True, "a key (-y, -k)", self._asker.key_of(query.flags))
        if self._root_hints is not None and query.servers:
            raise WrongValue(
                "--root-hints and @SERVER both say where the walk begins", "leave one of the two out"
            )

    def _tell_after(self, moment: float, hop: Hop) -> None:
        """Show on a terminal how far the walk has come, if it takes long: a dead server is waited for."""
        self._hops.append(hop)
        if monotonic() >= moment:
            self._env.status(_told(hop))

    def _options(self, query: Query, begun: float) -> Flow[TraceOptions]:
        from netkit.dns.constants import DNS_PORT
        from netkit.dns.tracing.hints import ROOT_HINTS
        from netkit.dns.tracing.trace import DEFAULT_QUERY, WITHIN, TraceOptions

        flags = query.flags
        edns = edns_of(flags)
        if edns is not None and "dnssec" not in flags:
            edns = edns.replace(dnssec_ok=True)  # as in dig: a walk asks for DNSSEC records
        start = () if not query.servers else (yield from self._servers.upstreams(query.servers, flags))
        within = (
            WITHIN if self._timeout is None else self._timeout - min(self._timeout * _MARGIN, _MOST_MARGIN)
        )
        within -= monotonic() - begun
        how = DEFAULT_QUERY.replace(
            timeout=flags.get("time", DEFAULT_QUERY.timeout),
            tries=flags.get("tries", DEFAULT_QUERY.tries),
            tcp=flags.get("tcp", False),
            ignore_truncation=flags.get("ignore", False),
            ad=flags.get("ad", False),
            cd=flags.get("cd", False),
            edns=edns,
            source=self._asker.source_of(flags),
        )
        return TraceOptions(
            self._root_hints or ROOT_HINTS,
            tuple(start),
            flags.get("port", self._port) or DNS_PORT,
            flags.get("family", self._family),
            max(within, 0.001),
            how,
        )


def _told(hop: Hop) -> str:
    return visible(f"{hop.number}. {hop.zone} {hop.place}: {hop.reason}; {hop.then}")


def read_hints(path: str) -> Hints:
    """The hints in a file. Raises OSError, ZoneFileError."""
    from netkit.dns.errors import ZoneFileError
    from netkit.dns.tracing.hints import parse_hints

    with open(path, "rb") as file:
        text = file.read(MAX_HINTS + 1)
    if len(text) > MAX_HINTS:
        raise ZoneFileError(path, 1, 1, f"longer than {MAX_HINTS:,} octets: is it a hints file?")
    return parse_hints(text, file=path)
