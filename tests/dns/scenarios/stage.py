"""A network of scripted servers for machines that resolve: no socket, a clock that jumps, seeded random bits.

    stage = Stage({"192.0.2.1": lambda asked: answer(asked, "www.example. 60 A 198.51.100.1")})
    done = stage.look_up("www.example.", "A")
    assert stage.told == ["192.0.2.1:53 udp"]

A script gets the query as `tests.dns.scripted.Asked` and gives what is sent: a Message, octets, a DnsError
(what the network says), several of them, or None for silence. `After(seconds, what)` sends one later.
Messages travel as octets, so they are matched and decoded as a pump does it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from netkit.dns.constants import DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message, Question
from netkit.dns.policy.answer import Lookup
from netkit.dns.policy.knowledge import Knowledge
from netkit.dns.policy.matching import Mismatch, match
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.resolution import Ask, Done, Resolution, Sent
from netkit.dns.policy.upstream import Routes, Upstream
from netkit.dns.transports.reply import Reply
from tests.dns.scripted import Asked

#: Seconds that a message takes to a server and back, where a script says nothing else.
ROUND_TRIP = 0.01


class After(NamedTuple):
    """Something that comes later: `seconds` after the query was sent."""

    seconds: float
    what: Message | bytes | DnsError


Script: TypeAlias = Callable[[Asked], Any]


class Stage:
    """Plays machines against scripts, one for each server. `now` is the time; `asks` is everything sent."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.scripts = {Upstream.parse(text): script for text, script in scripts.items()}
        self.upstreams = tuple(self.scripts)
        self.now = 1000.0
        self.random = random.Random(8).getrandbits
        self.knowledge = Knowledge()
        self.asks: list[Ask] = []
        self.ignored = 0

    @property
    def told(self) -> list[str]:
        """Whom was asked, over what, in order."""
        return [f"{ask.upstream.server} {ask.transport}" for ask in self.asks]

    @property
    def why(self) -> list[str]:
        """The reasons for the asks of the last play."""
        return [step.why.name for step in self.done.history]

    def ask(self, name: str, rdtype: str = "A", *, sent: Iterable[Sent] = (), **options: Any) -> Done:
        """Play one question to its first reply, whatever that says."""
        return self.play(self.resolution(name, rdtype, sent=tuple(sent), any_reply=True, **options))

    def settle(self, name: str, rdtype: str = "A", *, sent: Iterable[Sent] = (), **options: Any) -> Done:
        """Play one question to a reply that settles it."""
        return self.play(self.resolution(name, rdtype, sent=tuple(sent), **options))

    def resolution(
        self,
        name: str,
        rdtype: str = "A",
        *,
        sent: tuple[Sent, ...] = (),
        any_reply: bool = False,
        **options: Any,
    ) -> Resolution:
        return Resolution(
            question(name, rdtype),
            self.upstreams,
            QueryOptions(**options),
            self.now,
            self.random,
            self.knowledge,
            any_reply=any_reply,
            sent=sent,
        )

    def look_up(self, name: str, rdtype: str = "A", *, routes: Routes | None = None, **options: Any) -> Done:
        """Play a lookup to its records."""
        asked = question(name, rdtype)
        upstreams = self.upstreams if routes is None else routes
        how = QueryOptions(**options)
        return self.play(Lookup(asked, upstreams, how, self.now, self.random, self.knowledge))

    def play(self, machine: Resolution | Lookup) -> Done:
        """Run a machine to its end."""
        coming: list[tuple[float, int, Ask, Any]] = []
        order = count()
        while True:
            step = machine.next(self.now)
            if isinstance(step, Done):
                self.done = step
                return step
            if isinstance(step, Ask):
                self.asks.append(step)
                wire = step.message.to_wire()
                asked = Asked(Message.from_wire(wire), wire, step.transport.value != "udp")
                for each in _several(self.scripts[step.upstream](asked)):
                    after, what = each if isinstance(each, After) else (ROUND_TRIP, each)
                    heapq.heappush(coming, (self.now + after, next(order), step, what))
                continue
            assert step.until > self.now, "a machine must not wait for the past"
            if not coming or coming[0][0] > step.until:
                self.now = step.until
                continue
            self.now, _, ask, what = heapq.heappop(coming)
            if ask in machine.asks:
                self.deliver(machine, ask, what)

    def deliver(self, machine: Resolution | Lookup, ask: Ask, what: Message | bytes | DnsError) -> None:
        """Report to the machine what came, as a pump does."""
        if isinstance(what, DnsError):
            machine.heard(ask, what, self.now)
            return
        wire = what if isinstance(what, bytes) else what.to_wire()
        try:
            found = match(wire, ask.message, ask.question, ask.exact_case)
        except DnsError as error:
            machine.heard(ask, error, self.now)
            return
        if found is Mismatch.CASE:
            machine.miscased(ask)
        elif isinstance(found, Mismatch):
            self.ignored += 1
        else:
            machine.heard(ask, reply(ask, found, wire), self.now)


def reply(ask: Ask, message: Message, wire: bytes = b"") -> Reply:
    """A reply to an ask, as a transport makes it."""
    addr = ask.upstream.addr
    assert addr is not None
    return Reply(ask.message, message, server=addr, transport=ask.transport.value, wire=wire, elapsed_s=0.0)


def question(name: str, rdtype: str = "A") -> Question:
    return Question(name, DnsRecordType.parse(rdtype))


def _several(sent: Any) -> Iterable[Any]:
    if sent is None:
        return ()
    return sent if isinstance(sent, list) else [sent]
