"""Asks the queries of `netkit dig`, with the settings that all of them share.

All queries of one invocation share sockets and connections (a `Station`): of a thousand names that are asked
for over TLS, only the first waits for a handshake.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, EMFILE, ENETUNREACH
from time import monotonic
from typing import TYPE_CHECKING, Any

from netkit.cli.commands.dig.answered import Answered
from netkit.cli.payload.dns_history import explain
from netkit.cli.payload.dns_tls import LazyDoh
from netkit.dns.constants import DnsRecordType
from netkit.dns.edns import DEFAULT_PAYLOAD_SIZE, Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions, ask_and_tell, random_bits
from netkit.dns.transports.station import Settings, Station
from netkit.io import phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netkit.addr import SocketAddr
    from netkit.cli.commands.dig.grammar import Query
    from netkit.cli.commands.dig.servers import Servers
    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.dns_tls import DnsTlsOptions
    from netkit.dns.tsig.keys import TsigKey
    from netkit.io import Flow

#: dig's own defaults: seconds to wait for one answer, and how often each server is asked.
TIME = 5.0
TRIES = 3

#: The hints for the system's errors.
_HINTS = {
    ENETUNREACH: "there is no route: is the network up, also for this family (-4, -6)?",
    EADDRNOTAVAIL: "-b takes an address that this machine has",
    EMFILE: "raise the limit with `ulimit -n`, or lower --concurrency",
}


class Asker:
    """Sends queries; `close` ends the connections they were sent over."""

    def __init__(
        self,
        env: Environment,
        servers: Servers,
        source: SocketAddr | None,
        timeout: float | None,
        how: DnsTlsOptions,
        tsig: TsigKey | None = None,
    ) -> None:
        self._tsig = tsig
        self._env = env
        self._servers = servers
        self._source = source
        self._timeout = timeout
        self._how = how
        self._stations: dict[str | None, tuple[Station, LazyDoh]] = {}  # by the file of +tls-ca

    def ask(self, query: Query) -> Flow[Answered]:
        """Flow: the reply to one query. Raises DnsError, NoServer, OSError and UnusableFile."""
        begun = monotonic()
        flags = query.flags
        upstreams = yield from self._servers.upstreams(query.servers, flags)
        how = self._options(query, len(upstreams), monotonic() - begun)
        ca = flags.get("tls-ca")
        station = self._station(ca if isinstance(ca, str) else None)
        if any(upstream.transport.is_encrypted for upstream in upstreams):
            # What takes time to import is not part of the time that the server takes.
            import netkit.tls.stream  # noqa: F401
        with phase(f"waiting for an answer to {query.name} {query.rdtype}", "resolve"):
            done = yield from ask_and_tell(query.question, upstreams, how, station=station)
        if done.reply is not None:
            return Answered(query, done.reply, done.history, self._how.proxy)
        error = done.error or DnsError.TryAgain(name=query.name, rdtype=query.rdtype)
        error.history = done.history
        if flags.get("explain") and self._env.mode != "json":
            explain(done.history, self._env)
        if isinstance(error, DnsError.Truncated) and isinstance(error.__cause__, DnsError):
            # The error over TCP decides what to do. The user must also learn why TCP was tried.
            over_tcp = error.__cause__
            over_tcp.hint = f"over UDP the answer was truncated at {error.size} octets; +ignore accepts that"
            over_tcp.history = done.history
            raise over_tcp from None
        if isinstance(error, DnsError.NetworkError):
            error.hint = error.hint or _HINTS.get(error.errno or 0)
        raise error

    def close(self) -> None:
        """Close all sockets and connections."""
        for station, doh in self._stations.values():
            station.close()
            doh.close()

    def _station(self, ca: str | None) -> Station:
        """The sockets and connections of queries with the same certificates to trust."""
        found = self._stations.get(ca)
        if found is None:
            tls = self._how.tls(self._env, ca)
            doh = LazyDoh(tls, self._how.proxy, self._source)
            settings = Settings(self._source, tls, doh.exchange, connect=self._how.connect())
            found = self._stations[ca] = Station(settings), doh
        return found[0]

    def _options(self, query: Query, servers: int, spent: float) -> QueryOptions:
        flags = query.flags
        tries = flags.get("tries", TRIES)
        time = flags.get("time", TIME)
        if self._timeout is not None and "time" not in flags:
            # A little less than its share: then each server gets its turn, and the error names the silent
            # one.
            time = min(time, max((self._timeout - spent) * 0.96 / (servers * tries), 0.001))
        return QueryOptions(
            timeout=time,
            tries=tries,
            # As in BIND's dig: an answer to ANY is larger than servers like to send over UDP.
            tcp=flags.get("tcp", query.rdtype == DnsRecordType.ANY),
            ignore_truncation=flags.get("ignore", False),
            rd=flags.get("recurse", True),
            ad=flags.get("ad", True),
            cd=flags.get("cd", False),
            edns=_edns(flags),
            randomize_case=False,  # send the name as it was typed
            source=self._source,
            lenient=True,  # show what there is
            tsig=self._tsig,
        )


def _edns(flags: Mapping[str, Any]) -> Edns | None:
    version = flags.get("edns", True)
    if version is False:
        return None
    sent: list[EdnsOption] = [EdnsOption.Nsid()] if flags.get("nsid") else []
    if flags.get("subnet"):
        sent.append(flags["subnet"])
    cookie = flags.get("cookie")
    if cookie:
        sent.append(EdnsOption.Cookie(random_bits(64).to_bytes(8, "big")) if cookie is True else cookie)
    sent += flags.get("ednsopt") or ()
    return Edns(
        flags.get("bufsize", DEFAULT_PAYLOAD_SIZE),
        0 if version is True else version,
        flags.get("dnssec", False),
        options=sent,
    )
