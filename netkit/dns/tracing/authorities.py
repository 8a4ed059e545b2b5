"""The authoritative servers of the zone that a name is in.

    found = find_authorities("www.example.com", ["192.0.2.53"])
    found.zone                                  # example.com.
    [(str(each.name), each.addresses) for each in found.servers]

The servers that are asked are recursive ones, or an authority of the zone itself: what they say of NS records
and addresses is taken. `netkit.dns.tracing.walk` asks nobody but the authorities, from the root, and
`netkit.dns.comparing` asks all of them the same.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.addr import IpAddr, SocketAddr
from netkit.dns.constants import DNS_PORT, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.exchange import DEFAULT_OPTIONS, QueryOptions, random_bits
from netkit.dns.messages.message import Question
from netkit.dns.name import Name
from netkit.dns.policy.answer import Lookup
from netkit.dns.policy.resolution import Resolution
from netkit.dns.policy.upstream import Upstream
from netkit.dns.records.base import DnsRecord
from netkit.dns.tracing.zone_of import MAX_ADDRESSES, MAX_QUESTIONS, ZoneTold, zone_told
from netkit.dns.transports.pump import pump_flow
from netkit.dns.transports.station import Settings, Station
from netkit.io import all_of, deadline_after, run, run_async

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.io import CancellationToken, Flow

#: How many questions are out at once, of those that do not depend on each other.
AT_ONCE = 32

R = TypeVar("R", DnsRecord.A, DnsRecord.AAAA)


class Authority(NamedTuple):
    """One name server of a zone; `error` says why it has no address."""

    name: Name
    addresses: tuple[IpAddr, ...]
    error: DnsError | None = None


class Authorities(NamedTuple):
    """The name servers of a zone, in the order of the answer.

    `is_delegation` says that the list is that of a referral, which the zone's parent keeps, and not the
    zone's own.
    """

    zone: Name
    servers: tuple[Authority, ...]
    is_delegation: bool = False

    def places(self, port: int = DNS_PORT, family: int | None = None) -> list[Place]:
        """Each address of each server, with the port to ask; `family` 4 or 6 leaves out the others."""
        return [
            Place(server.name, SocketAddr.new(address, port))
            for server in self.servers
            for address in server.addresses
            if family in (None, address.version)
        ]


class Place(NamedTuple):
    """One address of a name server."""

    name: Name
    addr: SocketAddr


def find_authorities(
    name: Name | str,
    servers: Iterable[UpstreamLike],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Authorities:
    """The authoritative servers of the zone that `name` is in, with their addresses.

    `servers` are asked. `timeout` is for all of it, in seconds. Raises DnsError if the zone is not found.
    """
    flow = find_authorities_flow(name, servers, options)
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def find_authorities_async(
    name: Name | str,
    servers: Iterable[UpstreamLike],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Authorities:
    """The authoritative servers of the zone that `name` is in; see `find_authorities`."""
    flow = find_authorities_flow(name, servers, options)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def find_authorities_flow(
    name: Name | str,
    servers: Iterable[UpstreamLike],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    station: Station | None = None,
) -> Flow[Authorities]:
    """Flow: as `find_authorities`. `station` has the sockets to use, and stays open."""
    upstreams = Upstream.several(servers)
    if station is not None:
        return (yield from _find(Name.of(name), upstreams, options, station))
    own = Station(Settings(options.source))
    try:
        return (yield from _find(Name.of(name), upstreams, options, own))
    finally:
        own.close()


def _find(
    name: Name, upstreams: Sequence[Upstream], options: QueryOptions, station: Station
) -> Flow[Authorities]:
    told = yield from _zone(name, upstreams, options, station)
    looked_up = all_of(
        (_authority(each, told, upstreams, options, station) for each in told.names), limit=AT_ONCE
    )
    servers = [outcome.unwrap() for outcome in (yield from looked_up)]
    return Authorities(told.zone, tuple(servers), told.is_referral)


def _zone(
    name: Name, upstreams: Sequence[Upstream], options: QueryOptions, station: Station
) -> Flow[ZoneTold]:
    """Flow: the zone that `name` is in. Raises DnsError."""
    at = name
    for _ in range(MAX_QUESTIONS):
        question = Question(at, DnsRecordType.NS)
        machine = Resolution(question, upstreams, options, monotonic(), random_bits)
        done = yield from pump_flow(machine, station)
        told = at if done.reply is None else zone_told(done.reply.message, at)
        if isinstance(told, ZoneTold):
            return told
        failed = done.error
        if failed is not None and not isinstance(failed, (DnsError.NotFound, DnsError.NoData)):
            failed.history = done.history
            raise failed
        if told == at:
            raise failed or DnsError.NoData(name=at, rdtype=DnsRecordType.NS)
        at = told
    raise DnsError.TryAgain("the zone that the name is in was not found", name=name)


def _authority(
    name: Name, told: ZoneTold, upstreams: Sequence[Upstream], options: QueryOptions, station: Station
) -> Flow[Authority]:
    """Flow: a name server with its addresses, which are asked for; else those that came with its name."""
    both = yield from all_of(
        [
            _addresses(name, DnsRecord.A, upstreams, options, station),
            _addresses(name, DnsRecord.AAAA, upstreams, options, station),
        ]
    )
    found: list[IpAddr] = []
    error: DnsError | None = None
    for outcome in both:
        of_family, failed = outcome.unwrap()
        found += of_family
        # That there is no address of one family says nothing if the other failed.
        if failed is not None and (error is None or isinstance(error, DnsError.NoData)):
            error = failed
    addresses = tuple(dict.fromkeys(found))[:MAX_ADDRESSES] or told.addresses.get(name, ())
    return Authority(name, addresses, None if addresses else error)


def _addresses(
    name: Name, kind: type[R], upstreams: Sequence[Upstream], options: QueryOptions, station: Station
) -> Flow[tuple[list[IpAddr], DnsError | None]]:
    machine = Lookup(Question(name, kind.rdtype), upstreams, options, monotonic(), random_bits)
    done = yield from pump_flow(machine, station)
    if done.answer is None:
        return [], done.error
    return [record.address for record in done.answer.records if isinstance(record, kind)], None
