"""A world of name servers without sockets: zones at addresses, a script where a server misbehaves, and a
clock of its own, which only waiting moves.

    world = World(ROOT, {"127.0.0.1": [zone(...)]})
    walked = world.trace("www.example.test", "A")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from netkit.addr import IpAddr
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import TC, Message, Question, make_response
from netkit.dns.name import Name
from netkit.dns.policy.steps import Ask, Done, Wait
from netkit.dns.policy.upstream import Transport
from netkit.dns.records import DnsRecord
from netkit.dns.tracing.hints import Hints, HintServer
from netkit.dns.tracing.trace import Hop, Trace, TraceOptions
from netkit.dns.tracing.walk import Walk
from netkit.dns.transports.reply import Reply
from netkit.dns.zones.zone import Zone
from netkit.dns.zones.zonefile import parse_zone

#: What a server does with a query: a message, an error that its transport meets, or None for silence.
Script: TypeAlias = "Callable[[Message], Message | DnsError | None]"
#: How long a server takes for an answer, in seconds.
ROUND_TRIP = 0.01


def zone(origin: str, *records: str, ns: Iterable[str] = ()) -> Zone:
    """A zone with a SOA record, these name servers, and these records (names are relative to it)."""
    top = "" if origin == "." else f".{origin}"
    lines = [f"$ORIGIN {origin}", "$TTL 60", f"@ SOA ns{top or '.'} admin{top or '.'} 1 1 1 1 60"]
    lines += [f"@ NS {each}" for each in ns] or [f"@ NS ns.nowhere{top or '.'}"]
    return parse_zone("\n".join([*lines, *records, ""]), origin)


def authority(*zones: Zone) -> Script:
    """A server of these zones: the lowest one that the name is in answers."""

    def answer(query: Message) -> Message:
        question = query.question[0]
        own = [
            each
            for each in zones
            if question.name.is_subdomain_of(each.origin)
            and not (question.rdtype == DnsRecordType.DS and question.name == each.origin and len(zones) > 1)
        ]
        if not own:
            return make_response(query, rcode=Rcode.REFUSED)
        found = max(own, key=lambda each: len(each.origin.labels)).find(question.name, question.rdtype)
        return make_response(
            query,
            rcode=found.rcode,
            aa=found.authoritative,
            answer=found.answer,
            authority=found.authority,
            additional=found.additional,
        )

    return answer


def says(
    *answer: str,
    rcode: int = Rcode.NOERROR,
    aa: bool = True,
    ra: bool = False,
    authority: Iterable[str] = (),
    additional: Iterable[str] = (),
) -> Script:
    """A server that always says the same."""
    return lambda query: make_response(
        query,
        rcode=rcode,
        aa=aa,
        ra=ra,
        answer=[DnsRecord.parse(text) for text in answer],
        authority=[DnsRecord.parse(text) for text in authority],
        additional=[DnsRecord.parse(text) for text in additional],
    )


def silent(_: Message) -> None:
    """A server that is dead."""


def fails(make: Callable[[], DnsError]) -> Script:
    """A server that the network has an error for."""
    return lambda _: make()


def refused() -> DnsError:
    return DnsError.NetworkError("connection refused", 111)


def unreachable() -> DnsError:
    return DnsError.NetworkError("network is unreachable", 101)


class World:
    """Servers by address. A server that is not there is silent."""

    def __init__(
        self,
        servers: Mapping[str, Script | Iterable[Zone]],
        hints: Mapping[str, Iterable[str]] | None = None,
        truncated: Iterable[str] = (),
    ) -> None:
        self.servers = {
            address: given if callable(given) else authority(*given) for address, given in servers.items()
        }
        told = {"ns.root.": ["10.0.0.1"]} if hints is None else hints
        self.hints = Hints(
            tuple(
                HintServer(Name.parse(name), tuple(IpAddr.parse(each) for each in addresses))
                for name, addresses in told.items()
            )
        )
        self._truncated = set(truncated)  # the servers whose answers do not fit in a datagram
        self.asked: list[str] = []  # ADDRESS NAME TYPE
        self.now = 1000.0
        self.told: list[Hop] = []

    def trace(self, name: str, rdtype: str = "A", **how: Any) -> Trace:
        """Walk, and return where that ended."""
        options = TraceOptions(**{"hints": self.hints, "check": False, **how})
        question = Question(Name.parse(name), DnsRecordType.parse(rdtype))
        walk = Walk(question, options, self.now, lambda bits: 0x1234 & (1 << bits) - 1, self.told.append)
        while True:
            step = walk.next(self.now)
            if isinstance(step, Done):
                assert walk.trace is not None
                return walk.trace
            assert isinstance(step, Ask), "the walk asks one server at a time"
            self._play(walk, step)

    def _play(self, walk: Walk, ask: Ask) -> None:
        assert ask.upstream.addr is not None
        address = str(ask.upstream.addr.ip)
        self.asked.append(f"{address} {ask.question.name} {ask.question.rdtype}")
        came = self.servers.get(address, silent)(ask.message)
        if came is None:
            waiting = walk.next(self.now)
            assert isinstance(waiting, Wait)
            self.now = waiting.until
            return
        self.now += ROUND_TRIP
        if isinstance(came, DnsError):
            walk.heard(ask, came, self.now)
            return
        if address in self._truncated and ask.transport is Transport.UDP:
            came = came.replace(flags=came.flags | TC, answer=(), authority=(), additional=())
        reply = Reply(
            ask.message,
            came,
            server=ask.upstream.addr,
            transport=ask.transport.value,
            wire=came.to_wire(),
            elapsed_s=ROUND_TRIP,
        )
        walk.heard(ask, reply, self.now)


def way(walked: Trace) -> list[str]:
    """The hops of a walk as text: ZONE SERVER OUTCOME."""
    return [f"{hop.zone} {hop.server} {hop.outcome.value}" for hop in walked.hops]
