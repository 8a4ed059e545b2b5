"""`netkit dig --compare SERVER...|auth`: asks the same of all of the servers.

`auth` stands for all authoritative servers of the zone that the name is in. They are found by way of @SERVER,
or of resolv.conf's servers, and each of their addresses is asked.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from netkit.cli.commands.dig.answered import Shown
from netkit.cli.commands.dig.grammar.watch_options import COMPARE_FORM
from netkit.cli.commands.dig.servers import NoServer, parse_server
from netkit.cli.frame.options import WrongValue
from netkit.dns.errors import DnsError
from netkit.io import phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from netkit.cli.commands.dig.asking import Asker
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.grammar.watch_options import Wanted
    from netkit.cli.commands.dig.servers import Servers
    from netkit.dns.comparing.comparison import Comparison
    from netkit.dns.comparing.heard import Heard, Server as AskedServer
    from netkit.dns.exchange import QueryOptions
    from netkit.dns.tracing.authorities import Authorities
    from netkit.io import Flow

#: Why there is nothing to compare.
_ONE = "only one server is given, with one address"
_MORE = "name a second server behind a comma, or write --compare auth for all authoritative ones"


class Compared(Shown):
    """What several servers said to a query. `zone` is that of the authoritative servers, where they were
    asked; `elapsed_s` is how long it all took, finding the servers included."""

    __slots__ = ("comparison", "elapsed_s", "zone")

    def __init__(self, query: Query, comparison: Comparison, zone: str | None, elapsed_s: float) -> None:
        super().__init__(query)
        self.comparison = comparison
        self.zone = zone
        self.elapsed_s = elapsed_s


class Party(NamedTuple):
    """Who is asked: `servers`, and servers of the zone without an address, of which that is known already.

    `zone` is the zone of the authoritative servers.
    """

    servers: tuple[AskedServer, ...]
    absent: tuple[Heard, ...] = ()
    zone: str | None = None


class Comparer:
    """Asks the same of several servers, in `timeout` seconds for all of it."""

    def __init__(
        self,
        asker: Asker,
        servers: Servers,
        wanted: Iterable[Wanted],
        family: int | None,
        timeout: float | None = None,
    ) -> None:
        self._asker = asker
        self._servers = servers
        given = tuple(wanted)
        self._auth = any(each.auth for each in given)
        self._named = tuple([server for each in given for server in each.servers])
        self._family = family
        self._timeout = timeout

    def parse(self, parse: Callable[[str], Query], text: str) -> Query:
        """A query. Raises WrongValue, also if there are not several servers to compare."""
        query = parse(text)
        given = (*query.servers, *self._named)
        if not self._auth and len(given) < 2 and not any(isinstance(each.host, str) for each in given):
            raise WrongValue(f"--compare: {_ONE}", COMPARE_FORM)
        return query

    def ask(self, query: Query) -> Flow[Compared]:
        """Flow: what they say to a query. Raises DnsError if the servers are not found, and NoServer."""
        begun = monotonic()
        from netkit.dns.comparing.asking import hear_all_flow
        from netkit.dns.comparing.comparison import compare

        party = yield from self.party(query)
        options = self.options(query)
        if self._timeout is not None:
            # A silent server is given up before the time is over: there are still the others to show.
            left = self._timeout - (monotonic() - begun)
            options = options.replace(within=max(left * 0.9, 0.001))
        with (
            self._asker.place(query.flags) as station,
            phase(f"comparing the answers to {query.name} {query.rdtype}", "resolve"),
        ):
            heard = yield from hear_all_flow(query.question, party.servers, options, station=station)
        comparison = compare(query.question, [*heard, *party.absent])
        return Compared(query, comparison, party.zone, monotonic() - begun)

    def options(self, query: Query) -> QueryOptions:
        """How each of them is asked. What is malformed is no answer to compare."""
        return self._asker.options(query, 1, 0.0).replace(lenient=False)

    def party(self, query: Query) -> Flow[Party]:
        """Flow: who is asked. Raises DnsError if the authoritative servers are not found, and NoServer."""
        from netkit.dns.comparing.heard import Heard, Server as AskedServer
        from netkit.dns.name import Name

        found: list[AskedServer] = []
        absent: list[Heard] = []
        zone = None
        if self._auth:
            authorities = yield from self._authorities(query)
            zone = str(authorities.zone)
            for authority in authorities.servers:
                if not authority.addresses:
                    error = authority.error or DnsError.HostNotFound(name=authority.name)
                    server = AskedServer((), authority.name, authorities.zone)
                    absent.append(Heard(server, query.question, error=error))
            # A server of several names is asked once.
            names: dict[str, Name] = {}
            for place in authorities.places(family=query.flags.get("family", self._family)):
                names.setdefault(str(place.addr.ip), place.name)
            for address, name in names.items():
                upstreams = yield from self._servers.upstreams([parse_server(address)], query.flags)
                found += [AskedServer((each,), name, authorities.zone) for each in upstreams]
        # Without `auth`, @SERVER is one of those to compare; with it, who knows the authoritative servers.
        for given in (*(() if self._auth else query.servers), *self._named):
            upstreams = yield from self._servers.upstreams([given], query.flags)
            host = Name.parse(given.host) if isinstance(given.host, str) else None
            found += [AskedServer((each,), host) for each in upstreams]
        known: dict[object, AskedServer] = {}
        for each in found:
            known.setdefault(each.upstreams, each)
        if not self._auth and len(known) < 2:
            raise NoServer(f"there is nothing to compare: {_ONE}", _MORE)
        return Party(tuple(known.values()), tuple(absent), zone)

    def _authorities(self, query: Query) -> Flow[Authorities]:
        from netkit.dns.tracing.authorities import find_authorities_flow

        upstreams = yield from self._servers.upstreams(query.servers, query.flags)
        options = self._asker.options(query, len(upstreams), 0.0).replace(lenient=False)
        with (
            self._asker.place(query.flags) as station,
            phase(f"finding the authoritative servers of {query.name}", "resolve"),
        ):
            return (yield from find_authorities_flow(query.name, upstreams, options, station=station))
