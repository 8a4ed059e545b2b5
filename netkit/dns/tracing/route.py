"""`Route`: the decisions of a walk from the root: whom to ask next, and why. No socket, no clock.

`Route.moves` is a generator: it yields each `Attempt` and is sent what `Came` of it. So the walk reads from
top to bottom, and a walk within it (for the address of a name server) is a call. `netkit.dns.tracing.walk`
turns attempts into queries with times; a test answers them by hand.

The walk asks the servers of a zone one after another until one gives an answer of use (RFC 1034 section
5.3.3): a referral to a zone further down, where it goes on; an alias, whose target it asks for from the
lowest zone above it that it knows; an answer or a denial, where it ends. Zones only get longer, aliases and
nested walks are counted, and so are all queries together: a walk ends whatever servers say.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Question
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord
from netkit.dns.tracing import words
from netkit.dns.tracing.ends import (
    addresses_of,
    elapsed_of,
    error_of,
    failed_outcome,
    ns_records,
    server_text,
    unusable,
)
from netkit.dns.tracing.errors import is_intercepted
from netkit.dns.tracing.moves import Asking, Attempt, End, Over
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.reading import read_reply
from netkit.dns.tracing.servers import Server, ZoneServers
from netkit.dns.tracing.trace import MAX_ALIASES, MAX_DEPTH, MAX_GLUELESS, Hop, Purpose
from netkit.dns.tracing.zone_of import addresses_told

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.addr import IpAddr
    from netkit.dns.messages.message import Message
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.tracing.moves import Moves
    from netkit.dns.tracing.reading import Delegation
    from netkit.dns.tracing.trace import TraceOptions

#: Errors that say that this machine has no way to any address of the family.
_NO_FAMILY = frozenset((ENETUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT))
#: How many servers show that the others will do the same.
_ENOUGH = 3
#: Of how many of the root servers that come without an address one is looked for.
_MAX_ROOT_ADDRESSES = 3


class Route:
    """The walk for `question`; see the module's docstring.

    `hops` grows as it goes on; `tell` is called with each when it is complete. `end` is where the walk for
    the question ended. `path` are the zones that it went through.
    """

    def __init__(
        self, question: Question, options: TraceOptions, tell: Callable[[Hop], None] | None = None
    ) -> None:
        self.question = question
        self.options = options
        self.hops: list[Hop] = []
        self.path: list[ZoneServers] = []
        self.end: End | None = None
        self.no_route: dict[int, int] = {}  # the families without a route, and the hop that showed it
        self.aliased: dict[Name, int] = {}  # name servers whose name is an alias, and the hop that showed it
        self._silent: dict[int, int] = {}  # how many servers of a family were silent; -1: one has answered
        self._tell = tell
        self._zones: dict[Name, ZoneServers] = {}
        self._looked_for: dict[Name, None] = {}  # name servers whose address is being looked for
        self._told = 0
        self._asks = 0

    def moves(self) -> Moves[None]:
        """The walk from the root to its end."""
        root = yield from self._root()
        if root is None:
            return
        self._zones[Name.root] = root
        self.end = yield from self.follow(Asking(self.question))

    # The root.

    def _root(self) -> Moves[ZoneServers | None]:
        """The servers of the root: those of the hints, or those that another server names."""
        options = self.options
        if not options.start:
            addresses = {server.name: server.addresses for server in options.hints.servers}
            return ZoneServers(Name.root, addresses, addresses, options)
        question = Question(Name.root, DnsRecordType.NS, self.question.rdclass)
        asking = Asking(question, Purpose.ROOT)
        hop = None
        for upstream in options.start:
            hop, came = yield from self._ask(upstream, None, Name.root, asking, recurses=True)
            names = [] if came is None else [each for each in ns_records(came.answer) if each.name.is_root]
            if came is None or not names:
                if came is not None:
                    hop.outcome, hop.reason = words.no_root(came)
                hop.then = words.NEXT_SERVER if upstream is not options.start[-1] else words.NO_SERVER
                continue
            hop.outcome, hop.reason = Outcome.REFERRAL, words.root_servers(len(names))
            hop.then = words.goes_on(Name.root)
            told = addresses_told(came)
            servers = [each.nameserver for each in names]
            root = ZoneServers(
                Name.root,
                servers,
                {each: told[each] for each in servers if each in told},
                options,
                None,
                hop.number,
            )
            for name in root.nameless[:_MAX_ROOT_ADDRESSES]:
                found = yield from self._root_address(upstream, name)
                if root.add(name, found):
                    root.nameless.remove(name)
            return root
        error = None if hop is None else hop.error
        if error is None:
            error = DnsError.TryAgain(
                "the server to begin with does not name the servers of the root",
                name=self.question.name,
                rdtype=self.question.rdtype,
                server=None if hop is None or hop.upstream is None else hop.upstream.server,
            )
        self.end = End(None, hop, error)
        return None

    def _root_address(self, upstream: Upstream, name: Name) -> Moves[list[IpAddr]]:
        """The addresses of a root server, of the server that named it."""
        for rdtype in self._address_types():
            asking = Asking(Question(name, rdtype), Purpose.ADDRESS, name, 1)
            hop, came = yield from self._ask(upstream, None, Name.root, asking, recurses=True)
            records = [] if came is None else [each for each in came.answer if each.name == name]
            found = addresses_of(records)
            if came is not None:
                hop.outcome = Outcome.ANSWER if found else Outcome.NO_DATA
                hop.reason = words.addresses(found)
            if found:
                return found
        return []

    # From zone to zone.

    def follow(self, asking: Asking) -> Moves[End]:
        """Find the answer to a question, along aliases."""
        question = asking.question
        names = {question.name}
        aliases: list[DnsRecord] = []
        while True:
            end = yield from self._descend(asking)
            reading, hop = end.reading, end.hop
            if reading is None or hop is None:
                return end._replace(aliases=tuple(aliases))
            aliases += reading.aliases
            if reading.outcome is not Outcome.ALIAS:
                return End(reading, hop, error_of(question, reading, hop), tuple(aliases))
            looped = reading.name in names
            if looped or sum(isinstance(each, DnsRecord.CNAME) for each in aliases) > MAX_ALIASES:
                reason = (
                    f"an alias leads back to {reading.name}"
                    if looped
                    else f"more than {MAX_ALIASES} aliases in a row"
                )
                hop.then = words.END
                error = DnsError.AliasLoop(
                    reason, name=question.name, rdtype=question.rdtype, server=server_text(hop)
                )
                return End(reading, hop, error, tuple(aliases))
            names.add(reading.name)
            asking = asking._replace(question=Question(reading.name, question.rdtype, question.rdclass))

    def _descend(self, asking: Asking) -> Moves[End]:
        """Go from the lowest zone that is known above the name to the one that has the answer."""
        servers = self._closest(asking.question)
        while True:
            if asking.purpose is Purpose.NAME and servers not in self.path:
                self.path.append(servers)
            end = yield from self._ask_zone(servers, asking)
            if end.reading is None or end.reading.outcome is not Outcome.REFERRAL:
                return end
            assert end.reading.delegation is not None
            assert end.hop is not None
            servers = self._learn(end.reading.delegation, end.hop)

    def _closest(self, question: Question) -> ZoneServers:
        """The lowest known zone that the name is in. DS records are those of the zone above."""
        for name in question.name.ancestors():
            if name in self._zones and not (question.rdtype == DnsRecordType.DS and name == question.name):
                return self._zones[name]
        return self._zones[Name.root]

    def _learn(self, delegation: Delegation, hop: Hop) -> ZoneServers:
        known = self._zones.get(delegation.zone)
        if known is None:
            known = self._zones[delegation.zone] = ZoneServers(
                delegation.zone, delegation.names, delegation.glue, self.options, delegation, hop.number
            )
        return known

    # The servers of one zone.

    def _ask_zone(self, servers: ZoneServers, asking: Asking) -> Moves[End]:
        """Ask the servers of a zone, one after another, until one gives an answer of use."""
        asked: set[Server] = set()
        again: set[Server] = set()
        hops: list[Hop] = []
        sought: set[Name] = set()
        turn = 1
        while True:
            waiting = [
                each for each in servers.in_order() if each not in asked and each.family not in self.no_route
            ]
            server = waiting[0] if waiting else None
            name = next((each for each in servers.nameless if each not in sought), None)
            if server is None and name is not None and turn == 1 and len(sought) < MAX_GLUELESS:
                sought.add(name)
                hop = yield from self._find_address(servers, name, asking)
                hops += [] if hop is None else [hop]
                continue
            if server is None:
                if turn == self.options.query.tries or not again:
                    break
                turn += 1
                asked -= again
                again.clear()
                if hops:
                    hops[-1].then = words.NEXT_TURN
                continue
            asked.add(server)
            others = len(waiting) - 1 + len(servers.nameless)
            hop, message = yield from self._ask(
                server.upstream, server.name, servers.zone, asking, turn=turn, others=others
            )
            hops.append(hop)
            if message is not None:
                hop.reading = read_reply(message, asking.question, servers.zone)
                hop.outcome = hop.reading.outcome
                hop.reason = words.reason(hop, hop.reading, message)
                if hop.outcome.is_of_use:
                    servers.answered(server)
                    self._silent[server.family] = -1
                    hop.then = words.then(hop.reading)
                    return End(hop.reading, hop, None)
            servers.failed(server)
            hop.then = words.NEXT_SERVER
            if hop.outcome.may_pass:
                again.add(server)
            self._note_route(hop, server)
            if servers.zone.is_root and is_intercepted(hops, _ENOUGH):
                break
        if hops:
            hops[-1].then = words.NO_SERVER
        return End(None, hops[-1] if hops else None, unusable(servers, asking.question, hops))

    def _note_route(self, hop: Hop, server: Server) -> None:
        """Learn that no address of the family can be reached: the network says so, or some servers in a row
        are silent while those of the other family answer."""
        error, family = hop.error, server.family
        if hop.outcome is not Outcome.TIMEOUT:
            self._silent[family] = -1 if hop.reply is not None else self._silent.get(family, 0)
        elif self._silent.get(family, 0) >= 0:
            self._silent[family] = self._silent.get(family, 0) + 1
        others_answer = any(count < 0 for other, count in self._silent.items() if other != family)
        told = isinstance(error, DnsError.NetworkError) and error.errno in _NO_FAMILY
        if family and (told or (self._silent.get(family, 0) >= _ENOUGH and others_answer)):
            self.no_route.setdefault(family, hop.number)
            hop.then = words.no_family(family)

    def _find_address(self, servers: ZoneServers, name: Name, asking: Asking) -> Moves[Hop | None]:
        """Look for the address of a name server that came without; the hop that says why there is none."""
        delegation = servers.cut.delegation
        if delegation is not None and delegation.needs_glue(name):
            family = self.options.family
            left_out = family is not None and name in delegation.glue
            return self._nowhere(servers, name, asking, words.left_out(family) if left_out else words.NO_GLUE)
        if name in self._looked_for:
            return self._nowhere(servers, name, asking, words.IN_A_CIRCLE)
        if asking.depth >= MAX_DEPTH:
            return self._nowhere(servers, name, asking, words.TOO_DEEP)
        self._looked_for[name] = None
        error: DnsError | None = None
        try:
            for rdtype in self._address_types():
                question = Question(name, rdtype, self.question.rdclass)
                end = yield from self.follow(Asking(question, Purpose.ADDRESS, name, asking.depth + 1))
                found = [] if end.reading is None else addresses_of(end.reading.records)
                if end.aliases and end.hop is not None:
                    self.aliased.setdefault(name, end.hop.number)
                if found and servers.add(name, found):
                    if end.hop is not None:
                        end.hop.then = words.goes_on(servers.zone)
                    servers.nameless.remove(name)
                    return None
                error = error or end.error
        finally:
            del self._looked_for[name]
        if name in servers.nameless:
            servers.nameless.remove(name)
        return self._nowhere(servers, name, asking, words.no_address(error), error)

    def _nowhere(
        self, servers: ZoneServers, name: Name, asking: Asking, reason: str, error: DnsError | None = None
    ) -> Hop:
        hop = self._hop(servers.zone, name, None, asking, Outcome.NO_ADDRESS)
        hop.reason, hop.then, hop.error = reason, words.NEXT_SERVER, error
        return hop

    def _address_types(self) -> tuple[DnsRecordType, ...]:
        both = {4: DnsRecordType.A, 6: DnsRecordType.AAAA}
        family = self.options.family
        return (both[family],) if family else tuple(both.values())

    # One server.

    def ask(self, server: Server, zone: Name, asking: Asking) -> Moves[Hop]:
        """Ask one server, once, and read what it says as that of a server of `zone`."""
        hop, message = yield from self._ask(server.upstream, server.name, zone, asking)
        if message is not None:
            hop.reading = read_reply(message, asking.question, zone)
            hop.outcome = hop.reading.outcome
            hop.reason = words.reason(hop, hop.reading, message)
        return hop

    def _ask(
        self,
        upstream: Upstream,
        server: Name | None,
        zone: Name,
        asking: Asking,
        *,
        recurses: bool = False,
        turn: int = 1,
        others: int = 0,
    ) -> Moves[tuple[Hop, Message | None]]:
        """Ask one server; the message, or None if none came. Raises Over."""
        self.tell_complete()
        if self._asks >= self.options.max_asks:
            question = self.question
            raise Over(
                DnsError.TryAgain(
                    f"the walk took more than {self.options.max_asks} queries",
                    name=question.name,
                    rdtype=question.rdtype,
                )
            )
        came = yield Attempt(upstream, asking.question, recurses, others)
        done = came.done
        self._asks += max(len(done.history), 1)
        error = done.error if done.reply is None else None
        hop = self._hop(zone, server, upstream, asking, failed_outcome(error))
        hop.turn, hop.at, hop.elapsed = turn, came.at, elapsed_of(came)
        hop.history, hop.reply, hop.error = done.history, done.reply, error
        if isinstance(error, DnsError.Timeout):
            error.timeout = round(came.elapsed, 2)  # of this server, not of the walk
        if error is not None:
            hop.reason = words.failure(error)
        return hop, None if done.reply is None else done.reply.message

    def _hop(
        self, zone: Name, server: Name | None, upstream: Upstream | None, asking: Asking, outcome: Outcome
    ) -> Hop:
        hop = Hop(
            len(self.hops) + 1,
            zone,
            server,
            upstream,
            asking.question,
            asking.purpose,
            outcome,
            whose=asking.whose,
            depth=asking.depth,
        )
        self.hops.append(hop)
        return hop

    def tell_complete(self) -> None:
        """Tell of the hops whose meaning is known by now: all, as the next one is about to begin."""
        if self._tell is not None:
            for hop in self.hops[self._told :]:
                self._tell(hop)
        self._told = len(self.hops)
