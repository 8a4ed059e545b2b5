"""`Resolver`: looks names up, blocking or async, with the system's configuration or the caller's.

    Resolver().lookup_a("www.example.com")
    Resolver(nameservers=["192.0.2.53"], timeout=3, tries=2).query("example.com", DnsRecordType.MX)

It asks recursive servers (by default those of resolv.conf) as `netkit.dns.policy.answer.Lookup` decides,
and keeps each answer for its TTL. Host lookups also use the hosts file and the search list. One resolver
may be used from any thread and any event loop: each has its own sockets and connections, which are kept for
further questions until `close`, or until the resolver is collected. A question that is under way is not
asked a second time in the same event loop, or by a second blocking call; all who ask it get its answer.
"""

from __future__ import annotations

from copy import copy
from time import monotonic
from typing import TYPE_CHECKING

from netkit.addr import IpAddr, SocketAddr
from netkit.dns.cache import DEFAULT_CAPACITY, STALE_AFTER, Cache
from netkit.dns.constants import DNS_PORT, DnsClass
from netkit.dns.errors import DnsError
from netkit.dns.host import FoundHost, FoundNames, find_addresses_flow, find_names_flow
from netkit.dns.messages.message import Question
from netkit.dns.policy.knowledge import Knowledge
from netkit.dns.policy.plan import Plan, Planner
from netkit.dns.policy.upstream import Upstream
from netkit.dns.record_lookups import RecordLookups
from netkit.dns.system import Hosts, HostSource, load_sources
from netkit.dns.transports.lookups import Lookups
from netkit.dns.transports.many import Many
from netkit.dns.transports.places import Places
from netkit.dns.transports.station import Settings, Station
from netkit.io import Closing, SingleFlight, deadline_after, run, run_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from netkit.dns.name import Name
    from netkit.dns.policy.answer import Answer
    from netkit.dns.policy.options import QueryOptions
    from netkit.dns.policy.steps import Done
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.system import ResolvConf
    from netkit.dns.transports.https import HttpsExchange
    from netkit.dns.transports.streams import Connect
    from netkit.io import CancellationToken, Flow
    from netkit.net.resolve import NameResolver
    from netkit.tls.config import TlsConfig

    #: A server: `"192.0.2.53"`, `"192.0.2.53:5353"`, `"[2001:db8::53]:53"`, an address, a SocketAddr.
    Nameserver = str | IPv4Address | IPv6Address | SocketAddr
    #: A question: as it is, or its name and type.
    QuestionLike = Question | tuple[Name | str, int]

#: How many questions of `resolve_many` are outstanding at once.
CONCURRENCY = 100


class Resolver(RecordLookups, Closing):
    """A stub resolver with a cache.

    `nameservers` and `search` replace the values of resolv.conf(5). `hosts` replaces the hosts file.
    `sources` replaces the `hosts` line of nsswitch.conf(5). `timeout` is how many seconds to wait for one
    answer; `tries` is how often each server is asked. `options` sets these two and all other details of
    asking. `domains` names other servers for the names of some domains ("split DNS"). `resolv_conf` is in
    place of the system's file: its content, or the path of another one. A file is read again when it changes.
    `cache_size` 0 turns the cache off. For `serve_stale` seconds after its TTL an answer is given where no
    server gives another within 1.8 seconds (RFC 8767).

    A server may be text as `Upstream.parse` reads it, such as `"tls://192.0.2.53#dns.example"`. `tls` are
    settings for TLS. `https` makes requests over HTTPS, for servers over it: a `netkit.doh.DohClient`, which
    the caller closes. `bootstrap` finds the addresses of servers that are given by name; None asks the
    system. `connect` makes connections of TCP and TLS, such as what `netkit.dns.transports.proxied.through`
    returns; then nothing is asked over UDP. `tell` is told the end of each lookup: what was asked of whom,
    and why again (`Done.history`). It must not raise and must not wait.

    The lookups (see `RecordLookups`) return plain values (addresses, text, tuples); `query` returns records;
    `resolve` returns the whole `Answer`. Each has an `_async` form and accepts `cancel`. All raise DnsError:
    NotFound if the name does not exist, NoData if the name has no such records, Timeout, and the other
    variants.
    """

    def __init__(
        self,
        nameservers: Iterable[UpstreamLike] | None = None,
        *,
        search: Iterable[Name | str] | None = None,
        timeout: float | None = None,
        tries: int | None = None,
        options: QueryOptions | None = None,
        hosts: Hosts | None = None,
        sources: Iterable[HostSource] | None = None,
        resolv_conf: ResolvConf | str | None = None,
        domains: Mapping[str, Iterable[UpstreamLike]] | None = None,
        cache_size: int = DEFAULT_CAPACITY,
        clock: Callable[[], float] = monotonic,
        serve_stale: float = 0,
        tls: TlsConfig | None = None,
        https: HttpsExchange | None = None,
        bootstrap: NameResolver | None = None,
        connect: Connect | None = None,
        tell: Callable[[Question, Done], None] | None = None,
    ) -> None:
        self._planner = Planner(
            nameservers,
            domains or {},
            search=search,
            timeout=timeout,
            tries=tries,
            options=options,
            resolv_conf=resolv_conf,
            clock=clock,
        )
        plan = self._planner.current
        self._hosts = hosts
        self._sources = None if sources is None else tuple(sources)
        self._cache = Cache(cache_size, clock, stale=serve_stale)
        self._turn = 0
        self._knowledge = Knowledge()
        self._tell = tell
        self._in_force = plan, self._looking_up(plan)
        self._under_way: SingleFlight[tuple[bytes, object], Answer | DnsError] = SingleFlight()
        settings = Settings(plan.options.source, tls, https, bootstrap, connect=connect)
        self._places = Places(lambda: Station(settings))

    def _now_in_force(self) -> tuple[Plan, Lookups]:
        """Whom to ask and how, at this moment."""
        in_force = self._in_force
        plan = self._planner.current
        if plan is not in_force[0]:
            self._cache.clear()  # in another network, other servers may say something else of the same names
            in_force = self._in_force = plan, self._looking_up(plan)
        return in_force

    def _looking_up(self, plan: Plan) -> Lookups:
        return Lookups(plan.options, self._knowledge, plan.routes, self._tell)

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """Who is asked, in this order, where `domains` does not say otherwise."""
        return self._now_in_force()[0].routes.upstreams

    @property
    def options(self) -> QueryOptions:
        """How they are asked."""
        return self._now_in_force()[0].options

    # Flows.

    def resolve_flow(self, name: Name | str, rdtype: int, rdclass: int = DnsClass.IN) -> Flow[Answer]:
        """Flow: the answer to one question, from the cache or from the servers."""
        question = Question(name, rdtype, rdclass)
        kept = self._find(question)
        if kept is not None:
            return kept
        here, company = self._places.here_and_company()
        key = question.key, company
        found = yield from self._under_way.do(key, lambda: self._ask_flow(question, here))
        if isinstance(found, DnsError):
            error = copy(found)  # others may get it too, and Python writes a traceback into it
            error.__cause__ = found.__cause__
            raise error
        return found

    def _ask_flow(self, question: Question, here: Station) -> Flow[Answer | DnsError]:
        """Flow: ask the servers, and keep the answer."""
        kept = self._known(question)
        if kept is not None:  # another call has asked since this one looked
            return kept
        plan, lookups = self._now_in_force()
        lookups = self._in_time(plan, lookups, question)
        found = yield from lookups.flow(question, self._servers(plan, question), here)
        return self._keep(plan, question, found)

    def _in_time(self, plan: Plan, lookups: Lookups, question: Question) -> Lookups:
        """How to ask a question: for a short time only, if there is a stale answer to give."""
        if not self._cache.has_stale(question):
            return lookups
        within = min(plan.options.within or STALE_AFTER, STALE_AFTER)
        return Lookups(plan.options.replace(within=within), self._knowledge, plan.routes, self._tell)

    def _find(self, question: Question) -> Answer | None:
        """What the cache has; raises the error of a negative answer."""
        routes = self._now_in_force()[0].routes
        return self._cache.find(question, routes.domain_of(question.name) if routes.domains else None)

    def _many(self, questions: Iterable[QuestionLike], concurrency: int) -> Many:
        """The state of `resolve_many`."""
        each = (given if isinstance(given, Question) else Question(*given) for given in questions)
        plan, lookups = self._now_in_force()

        def lookups_for(question: Question) -> Lookups:
            return self._in_time(plan, lookups, question)

        def servers(question: Question) -> Sequence[Upstream]:
            return self._servers(plan, question)

        def keep(question: Question, found: Answer | DnsError) -> Answer | DnsError:
            return self._keep(plan, question, found)

        return Many(each, concurrency, lookups, lookups_for, self._places.here, servers, self._known, keep)

    def _known(self, question: Question) -> Answer | DnsError | None:
        """What the cache has for a question."""
        try:
            return self._find(question)
        except DnsError as error:
            return error

    def _keep(self, plan: Plan, question: Question, found: Answer | DnsError) -> Answer | DnsError:
        """Keep what was found as long as it says; where it is a failure, a stale answer may be better."""
        if plan is not self._now_in_force()[0]:
            return found  # it is from another network, whose answers were forgotten meanwhile
        if not isinstance(found, DnsError):
            self._cache.keep(question, found, found.ttl)
        elif isinstance(found, (DnsError.NotFound, DnsError.NoData)):
            is_theirs = self._is_theirs(question, found)
            self._cache.keep(question, found, found.negative_ttl or 0, also_below=is_theirs)
        else:
            return self._cache.find_stale(question) or found
        return found

    def _is_theirs(self, question: Question, found: DnsError) -> bool:
        """Whether the servers of a question's name are also those of the name that they say does not exist.

        It may be another one, to which an alias led; and "split DNS" may have other servers for that.
        """
        domain_of = self._now_in_force()[0].routes.domain_of
        return found.absent is None or domain_of(found.absent) == domain_of(question.name)

    def host_flow(self, host: str, family: int = 0) -> Flow[list[IpAddr]]:
        """Flow: the addresses of `host`, in the order to try them (RFC 6724); see `find_host_flow`."""
        found = yield from self.find_host_flow(host, family)
        return [each.address for each in found.addresses]

    def find_host_flow(self, host: str, family: int = 0) -> Flow[FoundHost]:
        """Flow: find the addresses of `host`, with details of the search.

        If `host` is an address, the result is this address. Otherwise the flow asks the hosts file and the
        name servers, in the order of nsswitch.conf(5). It asks for A and AAAA at the same time, for each name
        of the search list in turn. `family` 4 or 6 selects one address family. Raises DnsError.HostNotFound,
        or the error of a source that failed.
        """
        return find_addresses_flow(self, host, family)

    def find_names_flow(self, address: IPv4Address | IPv6Address | str) -> Flow[FoundNames]:
        """Flow: find the names of an address in the hosts file or PTR records, with details of the search."""
        return find_names_flow(self, address)

    def reverse_flow(self, address: IPv4Address | IPv6Address | str) -> Flow[list[str]]:
        """Flow: find the names of an address in the hosts file or in PTR records."""
        found = yield from self.find_names_flow(address)
        return [each.name for each in found.names]

    def name_resolver(self, host: str, port: int, family: int = 0) -> Flow[list[SocketAddr]]:
        """Flow: find the socket addresses of a host; `TcpStream.connect(resolver=...)` calls this method."""
        version = {0: 0, 2: 4}.get(int(family), 6)
        addresses = yield from self.host_flow(host or "localhost", version)
        return [SocketAddr.new(address, port) for address in addresses]

    def _servers(self, plan: Plan, question: Question) -> Sequence[Upstream]:
        """Whom to ask a question, in this order; with `rotate`, another one is the first each time."""
        servers = plan.routes.for_name(question.name)
        if not plan.conf.rotate or len(servers) < 2:
            return servers
        self._turn += 1
        first = self._turn % len(servers)
        return (*servers[first:], *servers[:first])

    @property
    def nameservers(self) -> tuple[SocketAddr, ...]:
        """The addresses of the servers, of those that are known."""
        return tuple([each.addr for each in self.upstreams if each.addr is not None])

    @property
    def hosts(self) -> Hosts:
        """The hosts file, read when it is first needed."""
        if self._hosts is None:
            self._hosts = Hosts.load()
        return self._hosts

    @property
    def sources(self) -> tuple[HostSource, ...]:
        """Where hosts are looked up, in order: nsswitch.conf(5), read when it is first needed."""
        if self._sources is None:
            self._sources = load_sources()
        return self._sources

    @property
    def no_aaaa(self) -> bool:
        """Whether resolv.conf(5) says that hosts are not asked for IPv6 addresses."""
        return self._now_in_force()[0].conf.no_aaaa

    def candidates(self, host: str) -> list[Name]:
        """The names to ask for `host`, in order: the search list applied. Raises DnsError.InvalidName."""
        return self._now_in_force()[0].conf.candidates(host)

    # Hosts.

    def find_host(
        self,
        host: str,
        family: int = 0,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> FoundHost:
        """The addresses of a host with their circumstances. `timeout` seconds for all of it."""
        return run(self.find_host_flow(host, family), deadline=deadline_after(timeout), cancel=cancel)

    async def find_host_async(
        self,
        host: str,
        family: int = 0,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> FoundHost:
        """The addresses of a host with their circumstances. `timeout` seconds for all of it."""
        return await run_async(
            self.find_host_flow(host, family), deadline=deadline_after(timeout), cancel=cancel
        )

    def find_names(
        self,
        address: IPv4Address | IPv6Address | str,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> FoundNames:
        """The names of an address with their circumstances. `timeout` seconds for all of it."""
        return run(self.find_names_flow(address), deadline=deadline_after(timeout), cancel=cancel)

    async def find_names_async(
        self,
        address: IPv4Address | IPv6Address | str,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> FoundNames:
        """The names of an address with their circumstances. `timeout` seconds for all of it."""
        return await run_async(self.find_names_flow(address), deadline=deadline_after(timeout), cancel=cancel)

    # Records.

    def resolve(
        self,
        name: Name | str,
        rdtype: int,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Answer:
        """The whole answer: records, aliases, the servers' messages. `timeout` seconds for all of it."""
        return run(self.resolve_flow(name, rdtype), deadline=deadline_after(timeout), cancel=cancel)

    async def resolve_async(
        self,
        name: Name | str,
        rdtype: int,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> Answer:
        """The whole answer: records, aliases, the servers' messages. `timeout` seconds for all of it."""
        return await run_async(
            self.resolve_flow(name, rdtype), deadline=deadline_after(timeout), cancel=cancel
        )

    def resolve_many(
        self,
        questions: Iterable[QuestionLike],
        *,
        concurrency: int = CONCURRENCY,
        cancel: CancellationToken | None = None,
    ) -> Iterator[tuple[Question, Answer | DnsError]]:
        """The answers to many questions, each a Question or a (name, type), in the order in which they come.

        `concurrency` is how many are outstanding at once; no more of `questions` are taken than that, so it
        may be an endless iterator. An error is given, not raised. A question that is asked again while it is
        outstanding is sent once. This is much faster than a lookup for each.
        """
        many = self._many(questions, concurrency)
        try:
            while run(many.next_flow(), cancel=cancel):
                while many.results:
                    yield many.results.popleft()
        finally:
            many.close()

    async def resolve_many_async(
        self,
        questions: Iterable[QuestionLike],
        *,
        concurrency: int = CONCURRENCY,
        cancel: CancellationToken | None = None,
    ) -> AsyncIterator[tuple[Question, Answer | DnsError]]:
        """The answers to many questions, for `async for`; see `resolve_many`."""
        many = self._many(questions, concurrency)
        try:
            while await run_async(many.next_flow(), cancel=cancel):
                while many.results:
                    yield many.results.popleft()
        finally:
            many.close()

    def discover_flow(self, upstream: Upstream) -> Flow[list[Upstream]]:
        """Flow: the encrypted servers that a plain one names as its own; see `discover`."""
        from netkit.dns.policy.discovery import QUESTION, designated

        found = yield from self._now_in_force()[1].flow(QUESTION, [upstream], self._places.here())
        if isinstance(found, DnsError):
            if isinstance(found, (DnsError.NotFound, DnsError.NoData)):
                return []
            raise found
        return designated(found.records, found.replies[-1].message.additional, upstream)

    def discover(
        self,
        upstream: UpstreamLike,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> list[Upstream]:
        """The servers over TLS and HTTPS that a plain server names as its own, best first (RFC 9462).

        Connections to them are refused unless their certificate is valid for the address of `upstream`. Empty
        if it names none. Raises DnsError.
        """
        flow = self.discover_flow(Upstream.of(upstream))
        return run(flow, deadline=deadline_after(timeout), cancel=cancel)

    async def discover_async(
        self,
        upstream: UpstreamLike,
        *,
        timeout: float | None = None,
        cancel: CancellationToken | None = None,
    ) -> list[Upstream]:
        """The servers over TLS and HTTPS that a plain server names as its own; see `discover`."""
        flow = self.discover_flow(Upstream.of(upstream))
        return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)

    def cache_clear(self) -> None:
        """Forget every answer kept."""
        self._cache.clear()

    @property
    def outstanding(self) -> int:
        """How many queries have been sent whose answers are still waited for."""
        return sum([station.outstanding for station in self._places])

    def close(self) -> None:
        """Close all sockets and connections. Lookups that are under way fail, and so do those that follow,
        unless the answer is in the cache. Any thread may call this."""
        self._places.close()

    def __repr__(self) -> str:
        return f"<Resolver {', '.join(map(str, self.upstreams))}>"


def nameserver_addr(server: Nameserver) -> SocketAddr:
    """The socket address of a name server, port 53 unless it says otherwise. Raises AddrParseError."""
    from netkit.addr import HostPort

    if isinstance(server, SocketAddr):
        return server
    if isinstance(server, str):
        found = HostPort.parse(server, DNS_PORT, "udp").socket_addr
        if found is None:
            raise DnsError.InvalidValue("nameserver", server, "must be an address, such as 192.0.2.53")
        return found
    return SocketAddr.new(server, DNS_PORT)
