"""One question to a list of servers, over sockets: the pump of `Resolution` and `Lookup`.

Every decision (whom to ask, over what, when again, when to stop) is in `netkit.dns.resolution` and
`netkit.dns.answer`. Here each `Ask` becomes a flow of a transport, and what comes of it is reported.
"""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from netkit._log import Log
from netkit.dns.answer import Answer, Lookup
from netkit.dns.errors import DnsError
from netkit.dns.options import DEFAULT_OPTIONS, QueryOptions
from netkit.dns.resolution import Ask, Done, Resolution, Wait
from netkit.dns.transports.reply import Ignored
from netkit.dns.transports.tcp import exchange_tcp
from netkit.dns.transports.udp import exchange_udp
from netkit.dns.upstream import Transport, Upstream
from netkit.io import phase, sleep_until
from netkit.io.compose import Join

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import SocketAddr
    from netkit.dns.knowledge import Knowledge
    from netkit.dns.message import Question
    from netkit.dns.transports.reply import Reply
    from netkit.dns.upstream import Routes
    from netkit.io import Flow
    from netkit.io.compose import Branch

__all__ = [
    "DEFAULT_OPTIONS",
    "QueryOptions",
    "ask",
    "ask_and_tell",
    "pump",
    "random_bits",
    "resolve_question",
]

log = Log("netkit.dns")

_system_random = random.SystemRandom()


def random_bits(count: int) -> int:
    """Return unpredictable bits, for IDs and letter case (RFC 5452 section 4.3)."""
    return _system_random.getrandbits(count)


class Machine(Protocol):
    """What a pump drives: a `Resolution` or a `Lookup`."""

    def next(self, now: float) -> Ask | Wait | Done:
        """What to do now."""

    def heard(self, ask: Ask, what: Reply | DnsError, now: float) -> None:
        """Report a reply or a failure."""

    def miscased(self, ask: Ask) -> None:
        """Report an answer in another letter case."""


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
) -> Flow[Done]:
    """Flow: as `ask`, but returns the end with its history, also where it is an error."""
    upstreams = [Upstream.of(server) for server in servers]
    machine = Resolution(question, upstreams, options, monotonic(), random_bits, knowledge, any_reply=True)
    return (yield from pump(machine, options))


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
    """Flow: run a machine over sockets to its end."""
    with Join() as join:
        asks: dict[Branch[Reply], Ask] = {}
        timer: Branch[None] | None = None
        while True:
            step = machine.next(monotonic())
            if isinstance(step, Done):
                return step
            if isinstance(step, Ask):
                branch = join.start(_carry(step, machine, options))
                asks[branch] = step
                if branch.outcome is not None:
                    _report(machine, asks.pop(branch), branch)
                continue
            if timer is not None and timer.outcome is not None:
                timer = None
            if timer is None and all(step.until < each.until for each in asks.values()):
                timer = join.start(sleep_until(step.until))
            # Not every wake-up is news: a transport that gave up says more of it than that time is up.
            while (stepped := join.step()) is None:
                yield join.want
                join.collect()
            if stepped in asks and stepped.outcome is not None:
                _report(machine, asks.pop(stepped), stepped)


def _report(machine: Machine, asked: Ask, branch: Branch[Reply]) -> None:
    """Report what came of an ask. Raises an error that is not about the question."""
    outcome = branch.outcome
    assert outcome is not None
    if outcome.error is None:
        assert outcome.value is not None
        machine.heard(asked, outcome.value, monotonic())
        return
    if not isinstance(outcome.error, DnsError):
        raise outcome.error
    log.debug("%s: %s", asked.upstream, outcome.error)
    machine.heard(asked, outcome.error, monotonic())


def _carry(asked: Ask, machine: Machine, options: QueryOptions) -> Flow[Reply]:
    """Flow: send one query and wait for its reply."""
    server, transport, question = asked.upstream.addr, asked.transport, asked.question
    if server is None or transport.is_encrypted:
        reason = f"there is no way to ask over {transport}"
        raise DnsError.NetworkError(reason)
    log.debug(
        "%s: asking over %s: %s %s (id %d)",
        server, transport, question.name, question.rdtype, asked.message.id,
    )  # fmt: skip
    exchange = exchange_tcp if transport is Transport.TCP else exchange_udp
    with phase(f"asking {server} for {question.name} {question.rdtype}", "resolve"):
        reply = yield from exchange(
            asked.message,
            server,
            until=asked.until,
            source=options.source,
            exact_case=asked.exact_case,
            ignored=Ignored(lambda: machine.miscased(asked)),
            question=question,
        )
    log.debug(
        "%s: %s over %s: %s %s, %d octets in %.1f ms",
        server, reply.message.rcode, transport, question.name, question.rdtype,
        reply.size, reply.elapsed_s * 1000,
    )  # fmt: skip
    return reply
