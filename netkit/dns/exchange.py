"""One question to a list of servers, over sockets of its own.

Every decision (whom to ask, over what, when again, when to stop) is in `netkit.dns.policy.resolution` and
`netkit.dns.policy.answer`; `netkit.dns.transports` sends and receives. A `Resolver` keeps its sockets and
connections from one question to the next; what is here closes them.
"""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.policy.answer import Answer, Lookup
from netkit.dns.policy.options import DEFAULT_OPTIONS, QueryOptions
from netkit.dns.policy.resolution import Resolution
from netkit.dns.policy.steps import Why
from netkit.dns.policy.upstream import Upstream
from netkit.dns.transports.pump import pump_flow
from netkit.dns.transports.station import Settings, Station

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.messages.message import Question
    from netkit.dns.policy.knowledge import Knowledge
    from netkit.dns.policy.steps import Done, Step
    from netkit.dns.policy.upstream import Routes
    from netkit.dns.transports.pump import Machine
    from netkit.dns.transports.reply import Reply
    from netkit.io import Flow

__all__ = [
    "DEFAULT_OPTIONS",
    "QueryOptions",
    "ask",
    "ask_and_tell",
    "pump",
    "random_bits",
    "resolve_question",
    "search_and_tell",
]

_system_random = random.SystemRandom()


def random_bits(count: int) -> int:
    """Return unpredictable bits, for IDs and letter case (RFC 5452 section 4.3)."""
    return _system_random.getrandbits(count)


def ask(
    question: Question,
    servers: Iterable[SocketAddr | Upstream],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    knowledge: Knowledge | None = None,
) -> Flow[Reply]:
    """Flow: return the first answer to `question` from one of `servers`, whatever the answer says.

    `knowledge` is what was learnt of the servers before. If no server answers at all, the flow raises the
    most informative DnsError: InvalidResponse before NetworkError before Timeout.
    """
    done = yield from ask_and_tell(question, servers, options, knowledge=knowledge)
    if done.reply is None:
        raise done.error or DnsError.TryAgain(name=question.name, rdtype=question.rdtype)
    return done.reply


def ask_and_tell(
    question: Question,
    servers: Iterable[SocketAddr | Upstream],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    knowledge: Knowledge | None = None,
    station: Station | None = None,
) -> Flow[Done]:
    """Flow: as `ask`, but returns the end with its history, also where it is an error.

    `station` has the sockets and connections to use, and stays open; it belongs to one thread.
    """
    ends = yield from search_and_tell([question], servers, options, knowledge=knowledge, station=station)
    return ends[0]


def search_and_tell(
    questions: Sequence[Question],
    servers: Iterable[SocketAddr | Upstream],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    knowledge: Knowledge | None = None,
    station: Station | None = None,
) -> Flow[list[Done]]:
    """Flow: ask one question after the other, such as those of a search list, while the answer is NXDOMAIN.

    Returns the end of each question that was asked, as `ask_and_tell` does. The history of each has the steps
    of those before it too.
    """
    upstreams = Upstream.several(servers)
    began = monotonic()
    history: list[Step] = []
    ends: list[Done] = []
    for question in questions:
        machine = Resolution(
            question,
            upstreams,
            options,
            monotonic(),
            random_bits,
            knowledge,
            any_reply=True,
            why=Why.SEARCH if ends else Why.FIRST,
            first_number=len(history) + 1,
            began=began,
        )
        done = yield from (pump(machine, options) if station is None else pump_flow(machine, station))
        history += done.history
        done.history = tuple(history)
        ends.append(done)
        if done.reply is None or done.reply.message.rcode != Rcode.NXDOMAIN:
            break
    return ends


def resolve_question(
    question: Question,
    servers: Routes | Iterable[SocketAddr | Upstream],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    knowledge: Knowledge | None = None,
) -> Flow[Answer]:
    """Flow: find the records that answer `question`, and follow aliases.

    Raises DnsError, as `Lookup` says.
    """
    machine = Lookup(question, servers, options, monotonic(), random_bits, knowledge)
    done = yield from pump(machine, options)
    if done.answer is None:
        raise done.error or DnsError.TryAgain(name=question.name, rdtype=question.rdtype)
    return done.answer


def pump(machine: Machine, options: QueryOptions) -> Flow[Done]:
    """Flow: run a machine to its end over sockets that are closed then."""
    station = Station(Settings(options.source))
    try:
        return (yield from pump_flow(machine, station))
    finally:
        station.close()
