"""Asks several servers the same, and compares what they say: blocking and async.

All servers are asked side by side, so the slowest one decides how long it takes. A server whose answer is
authoritative and does not show the zone's SOA record is asked for that as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.comparing.comparison import Comparison, compare
from netkit.dns.comparing.content import soa_in
from netkit.dns.comparing.heard import Heard, Server
from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.exchange import DEFAULT_OPTIONS, QueryOptions, ask_and_tell
from netkit.dns.messages.message import Question
from netkit.dns.records.base import DnsRecord
from netkit.io import all_of, deadline_after, run, run_async

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.dns.name import Name
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.transports.station import Station
    from netkit.io import CancellationToken, Flow

#: How many names are asked for the SOA record of a zone: the name, and those above it while it is an alias.
MAX_ZONE_QUERIES = 8
#: How many servers are asked at the same time.
CONCURRENCY = 64


def hear_flow(
    question: Question,
    server: Server,
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    station: Station | None = None,
    serials: bool = True,
) -> Flow[Heard]:
    """Flow: what one server says. A failure to get an answer is in `Heard.error`, and is not raised.

    A server that is said to have the zone is asked without recursion: what it would find elsewhere is not
    meant. With `serials` an authoritative one is also asked for the SOA record of its zone.
    """
    if not server.upstreams:
        return Heard(server, question, error=DnsError.HostNotFound(name=server.name))
    if server.zone is not None:
        options = options.replace(rd=False)
    done = yield from ask_and_tell(question, server.upstreams, options, station=station)
    if done.reply is None:
        error = done.error or DnsError.TryAgain(name=question.name, rdtype=question.rdtype)
        return Heard(server, question, error=error, history=done.history)
    message = done.reply.message
    soa = None
    if serials and message.authoritative and soa_in(message, question.name) is None:
        soa = yield from _soa_flow(question, server, options, station)
    return Heard(server, question, done.reply, None, soa, done.history)


def _soa_flow(
    question: Question, server: Server, options: QueryOptions, station: Station | None
) -> Flow[DnsRecord.SOA | None]:
    """Flow: the SOA record of the zone that a name is in, as the server has it; None if it does not say."""
    name: Name = question.name if server.zone is None else server.zone
    for _ in range(MAX_ZONE_QUERIES):
        asked = Question(name, DnsRecordType.SOA, question.rdclass)
        done = yield from ask_and_tell(asked, server.upstreams, options, station=station)
        if done.reply is None:
            return None
        found = soa_in(done.reply.message, name)
        if found is not None:
            return found
        # No zone begins at an alias (RFC 1034 section 3.6.2), so its zone is that of the name above.
        if name.is_root or not any(
            record.name == name and isinstance(record, DnsRecord.CNAME)
            for record in done.reply.message.answer
        ):
            return None
        name = name.parent
    return None


def hear_all_flow(
    question: Question,
    servers: Sequence[Server],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    station: Station | None = None,
    serials: bool = True,
) -> Flow[list[Heard]]:
    """Flow: what each of several servers says, in their order; all are asked side by side."""
    flows = (hear_flow(question, server, options, station=station, serials=serials) for server in servers)
    outcomes = yield from all_of(flows, limit=CONCURRENCY)
    return [outcome.unwrap() for outcome in outcomes]


def compare_flow(
    question: Question,
    servers: Iterable[Server | UpstreamLike],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    station: Station | None = None,
) -> Flow[Comparison]:
    """Flow: ask all servers the same, and compare what they say.

    `station` has the sockets and connections to use, and stays open. Raises no DnsError: `Comparison.error`
    has it.
    """
    whom = [each if isinstance(each, Server) else Server.of(each) for each in servers]
    heard = yield from hear_all_flow(question, whom, options, station=station)
    return compare(question, heard)


def compare_servers(
    question: Question,
    servers: Iterable[Server | UpstreamLike],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Comparison:
    """Ask all servers the same, and compare what they say; `timeout` seconds for all of it."""
    return run(compare_flow(question, servers, options), deadline=deadline_after(timeout), cancel=cancel)


async def compare_servers_async(
    question: Question,
    servers: Iterable[Server | UpstreamLike],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> Comparison:
    """Ask all servers the same, and compare what they say; `timeout` seconds for all of it."""
    flow = compare_flow(question, servers, options)
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)
