"""`netkit dig +nssearch`: the SOA record of a zone, as each of its authoritative servers has it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.cli.commands.dig.comparing.asking import Compared, Comparer
from netkit.cli.commands.dig.grammar.watch_options import Wanted
from netkit.io import phase

if TYPE_CHECKING:
    from netkit.cli.commands.dig.asking import Asker
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.cli.commands.dig.servers import Servers
    from netkit.io import Flow


class SearchedServers(Compared):
    """What the authoritative servers of a zone say of its SOA record."""

    __slots__ = ()


class NsSearcher:
    """Finds the authoritative servers of a name's zone, and asks each of their addresses."""

    def __init__(self, asker: Asker, servers: Servers, family: int | None) -> None:
        self._asker = asker
        self._comparer = Comparer(asker, servers, [Wanted(auth=True, servers=())], family)

    def flow(self, query: Query) -> Flow[SearchedServers]:
        """Flow: what they say. Raises DnsError if the servers are not found, and NoServer."""
        from netkit.dns.comparing.asking import hear_all_flow
        from netkit.dns.comparing.comparison import compare
        from netkit.dns.constants import DnsRecordType
        from netkit.dns.name import Name

        begun = monotonic()
        party = yield from self._comparer.party(query)
        zone = query.name if party.zone is None else Name.parse(party.zone)
        asked = query._replace(name=zone, rdtype=DnsRecordType.SOA)
        options = self._comparer.options(query)
        with (
            self._asker.place(query.flags) as station,
            phase(f"asking the servers of {zone} for its SOA record", "resolve"),
        ):
            heard = yield from hear_all_flow(
                asked.question, party.servers, options, station=station, serials=False
            )
        comparison = compare(asked.question, [*heard, *party.absent])
        return SearchedServers(asked, comparison, party.zone, monotonic() - begun)
