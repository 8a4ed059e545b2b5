"""The first query of a lookup, and the plain answers to it: what nearly all lookups are, without the machine.

A `Lookup` decides everything, and costs more than the rest of a lookup where there is nothing to decide: one
server over UDP, an answer with exactly the records that were asked for. So the first query is sent from here,
and such an answer is taken. With anything else (an alias, an error code, a truncated answer, silence, another
letter case, a refusal) a `Lookup` is started in the middle, by `Sent`: it gets the query as one that was sent
already, and what came of it. So there is no second policy here.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.constants import Opcode, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AD, CD, RD, TC, Message
from netkit.dns.messages.wire import WireWriter
from netkit.dns.policy.answer import Answer, Lookup
from netkit.dns.policy.form import PLAIN_FORM
from netkit.dns.policy.matching import has_copy
from netkit.dns.policy.steps import Sent
from netkit.dns.policy.upstream import Transport
from netkit.dns.transports.pump import log, log_query, log_reply, pump_flow, pump_several
from netkit.dns.transports.ready import ReadySet
from netkit.dns.transports.reply import Reply
from netkit.dns.transports.station import Ticket, note_deadline
from netkit.dns.transports.table import NAME_AT, Outstanding
from netkit.io import Event, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.dns.messages.header import Question
    from netkit.dns.policy.knowledge import Knowledge, Learnt
    from netkit.dns.policy.options import QueryOptions
    from netkit.dns.policy.steps import Done
    from netkit.dns.policy.upstream import Routes, Upstream
    from netkit.dns.transports.station import Station
    from netkit.dns.transports.table import Wakes
    from netkit.io import Flow

#: The bit that tells a lower-case letter from its capital, at every octet that is a letter. The length octets
#: of labels are at most 63, below all letters.
_CASE_BITS = bytes(0x20 if octet < 128 and chr(octet).isalpha() else 0 for octet in range(256))

_COUNTS = b"\x00\x01\x00\x00\x00\x00\x00"


class FirstQuery(Outstanding):
    """The first query of a lookup: with the question in the caller's letter case, and who may be asked."""

    __slots__ = ("asked", "learnt", "plain", "upstreams")

    asked: Question
    plain: bytes
    upstreams: Sequence[Upstream]
    learnt: Learnt


class Lookups:
    """Looks questions up by the same options; what was learnt of the upstreams is in `knowledge`.

    `routes` says whom to ask for the names that aliases lead to, where that depends on the name. `tell` is
    told the end of each lookup, with its history; then all of them go through the machine.
    """

    __slots__ = ("_head", "_is_plain", "_knowledge", "_opt", "_options", "_routes", "_tell")

    def __init__(
        self,
        options: QueryOptions,
        knowledge: Knowledge,
        routes: Routes | None = None,
        tell: Callable[[Question, Done], None] | None = None,
    ) -> None:
        self._options = options
        self._tell = tell
        self._knowledge = knowledge
        self._routes = routes if routes is not None and routes.domains else None
        # Whether these options leave nothing to decide before the first query, and of a plain answer.
        self._is_plain = (
            options.randomize_case
            and not (options.tcp or options.cookies or options.hedge or options.trust_ad)
            and not options.refuse_private
            and options.form is PLAIN_FORM
            and not options.padding_block
            and options.tsig is None
            and options.within is None
            and tell is None
        )
        flags = (RD if options.rd else 0) | (AD if options.ad else 0) | (CD if options.cd else 0)
        opt = WireWriter(compress=False)
        if options.edns is not None:
            options.edns.to_wire(opt, 0)
        counts = _COUNTS + bytes([options.edns is not None])
        self._head = (flags | Opcode.QUERY << 11).to_bytes(2, "big") + counts
        self._opt = bytes(opt.data)

    def flow(
        self, question: Question, upstreams: Sequence[Upstream], station: Station
    ) -> Flow[Answer | DnsError]:
        """Flow: the answer to a question, or the error that says why there is none."""
        event = Event()
        one = self.first(question, upstreams, station, event)
        if one is None:
            now = monotonic()
            whom = self._routes or upstreams
            machine = Lookup(question, whom, self._options, now, station.random, self._knowledge)
            done = yield from pump_flow(machine, station)
            if self._tell is not None:
                self._tell(question, done)
            return _outcome(done, question)
        pool = station.udp
        addr = upstreams[0].addr
        assert addr is not None  # `Upstream` says so for UDP
        try:
            blocked = pool.begin(one, addr)
            if blocked is not None:
                yield from pool.blocked_flow(one, blocked)
            yield from pool.wait_flow(one, event, may_be_miscased=True)
            answer = self.plain_answer(one)
            if answer is not None:
                return answer
            return (yield from self.go_on_flow(one, station))
        except Interrupted as interrupted:
            note_deadline(interrupted, upstreams[0], question)
            raise
        finally:
            pool.drop(one)

    def first(
        self, question: Question, upstreams: Sequence[Upstream], station: Station, event: Wakes
    ) -> FirstQuery | None:
        """The first query, to be sent over UDP to the first upstream; None if a `Lookup` has to decide."""
        if not self._is_plain or not upstreams or not ReadySet.available:
            return None
        upstream = upstreams[0]
        now = monotonic()
        learnt = self._knowledge.of(upstream)
        if upstream.transport is not Transport.UDP or not learnt.is_plain(now):
            return None
        plain = question.name.to_wire()
        size = len(plain)
        chance = station.chance.take(size + 2)
        turned = int.from_bytes(plain.translate(_CASE_BITS), "big") & int.from_bytes(chance[2:], "big")
        name = (int.from_bytes(plain, "big") ^ turned).to_bytes(size, "big")
        asking = name + (question.rdtype << 16 | question.rdclass).to_bytes(4, "big")
        until = now + self._options.timeout
        one = FirstQuery(chance[:2] + self._head + asking + self._opt, asking, until, event)
        one.asked, one.plain, one.upstreams, one.learnt = question, plain, upstreams, learnt
        if log.enabled:
            log_query(upstream, Transport.UDP, question, int.from_bytes(one.id, "big"))
        return one

    def plain_answer(self, one: FirstQuery) -> Answer | None:
        """The answer, if what came is a plain one."""
        wire, plain = one.answer, one.plain
        if wire is None or wire[4:6] != b"\x00\x01":
            return None
        end = NAME_AT + len(plain)
        rest = wire[end:]
        # Where nothing is a capital, in the caller's name or in the records, no name in them can have another
        # letter case than the caller's.
        if (rest.lower() != rest or plain != one.asked.name.folded) and has_copy(
            rest, 0, one.question, plain
        ):
            return None
        answer = _plain_answer(one, wire[:NAME_AT] + plain + rest)
        if answer is not None:
            one.learnt.answered(Transport.UDP, one.answered_at - one.sent_at, one.answered_at)
            if log.enabled:
                log_reply(answer.replies[0], one.asked)
        return answer

    def go_on_flow(self, one: FirstQuery, station: Station) -> Flow[Answer | DnsError]:
        """Flow: let a `Lookup` decide what follows from the first query and what came of it.

        If nothing came yet, but a message in another letter case, its event is an `Event`.
        """
        question, upstream, query = one.asked, one.upstreams[0], Message.from_wire(one.wire)
        came = None
        if one.is_over:
            is_exact = not query.question[0].name.is_identical(question.name)
            came = station.heard(query, question, is_exact, upstream, Transport.UDP, one, one.sent_at)
            if log.enabled and isinstance(came, Reply):
                log_reply(came, question)
        until = one.until
        assert until is not None  # `first` has set it
        sent = Sent(upstream, Transport.UDP, query, one.sent_at, until, came)
        now, options = monotonic(), self._options
        whom = self._routes or one.upstreams
        machine = Lookup(question, whom, options, now, station.random, self._knowledge, sent=[sent])
        if came is not None:
            return _outcome((yield from pump_flow(machine, station)), question)
        # A message came in another letter case: the right one is waited for beside the next query.
        (ask,) = machine.asks
        ticket = Ticket(ask)
        event = one.event
        assert isinstance(event, Event)
        ticket.one, ticket.event, ticket.is_miscased = one, event, True
        machine.miscased(ask)
        done = yield from pump_several(machine, station, ticket, machine.next(monotonic()))
        return _outcome(done, question)


def _outcome(done: Done, question: Question) -> Answer | DnsError:
    if done.answer is not None:
        return done.answer
    return done.error or DnsError.TryAgain(name=question.name, rdtype=question.rdtype)


def _plain_answer(one: FirstQuery, wire: bytes) -> Answer | None:
    """The answer in `wire`, whose question is in the caller's letter case; None if it is not a plain one."""
    if wire[2] << 8 & TC or wire[3] & 0xF:
        return None
    try:
        message = Message.from_wire(wire)
    except DnsError.InvalidResponse:
        return None
    records = message.answer
    if not records or message.rcode != Rcode.NOERROR:
        return None
    question = one.asked
    name, rdtype, rdclass = question.name, question.rdtype, question.rdclass
    folded = name.folded
    for record in records:
        if record.rdtype != rdtype or record.rdclass != rdclass or record.name.folded != folded:
            return None
    server = one.upstreams[0].addr
    assert server is not None  # `Upstream` says so for UDP
    reply = Reply(
        one.wire,
        message,
        server=server,
        transport="udp",
        wire=wire,
        elapsed_s=one.answered_at - one.sent_at,
        ignored=one.ignored,
    )
    return Answer(question, records, (), (reply,))
