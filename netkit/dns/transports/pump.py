"""The pump: runs a machine that resolves (`Resolution`, `Lookup`) over the transports, as a flow.

The machine says what to ask of whom, and how long to wait; the pump asks, and reports what came. Nearly
always one ask is out, and the pump is a loop around it. Where several are out (a second server because the
first is late, a question once more in another letter case), each is a branch of its own.

Everything here is about waiting; a bulk engine with its own sockets can take its place.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

from netkit._log import Log
from netkit.dns.policy.steps import Ask, Done, Wait
from netkit.dns.transports.reply import Reply
from netkit.dns.transports.station import Ticket
from netkit.io import PAUSE, sleep_until
from netkit.io.compose import Join

if TYPE_CHECKING:
    from netkit.dns.errors import DnsError
    from netkit.dns.messages.message import Question
    from netkit.dns.policy.upstream import Transport, Upstream
    from netkit.dns.transports.station import Station
    from netkit.io import Flow
    from netkit.io.compose import Branch


log = Log("netkit.dns")


class Machine(Protocol):
    """What a pump drives: `Resolution` and `Lookup`."""

    def next(self, now: float) -> Ask | Wait | Done:
        """What to do now."""

    def heard(self, ask: Ask, what: Reply | DnsError, now: float) -> None:
        """Report a reply or a failure."""

    def miscased(self, ask: Ask) -> None:
        """Report an answer in another letter case."""

    def unsigned(self, ask: Ask, refusal: DnsError) -> None:
        """Report an answer that is not signed as it must be."""


def pump_flow(machine: Machine, station: Station) -> Flow[Done]:
    """Flow: drive the machine to its end."""
    step = machine.next(monotonic())
    while type(step) is Ask:
        ask = step
        ticket = _ticket(ask)
        step = machine.next(ticket.begun)
        if type(step) is not Wait or step.until < ask.until:
            return (yield from pump_several(machine, station, ticket, step))
        is_over = yield from station.go_flow(ticket)
        now = monotonic()
        if not is_over:
            _doubt(machine, ticket)
            return (yield from pump_several(machine, station, ticket, machine.next(now)))
        _report(machine, ticket, now)
        step = machine.next(now)
    assert isinstance(step, Done)  # nothing is out, so there is nothing to wait for
    return step


def pump_several(machine: Machine, station: Station, first: Ticket, step: Ask | Wait | Done) -> Flow[Done]:
    """Flow: drive a machine on that has more than one ask out, or that wants to be called before the first
    ask's time is up."""

    out: set[Ticket] = set()

    def go(ticket: Ticket) -> Flow[None]:
        out.add(ticket)
        try:
            while not (yield from station.go_flow(ticket)):
                _doubt(machine, ticket)
                yield PAUSE  # what the machine wants to ask now is asked before the next wait
            _report(machine, ticket, monotonic())
        finally:
            out.discard(ticket)
            station.drop(ticket)

    with Join() as join:
        join.start(go(first))
        alarm: Branch[None] | None = None
        until = 0.0
        while type(step) is not Done:
            if type(step) is Ask:
                join.start(go(_ticket(step)))
            else:
                assert isinstance(step, Wait)
                # At the end of an ask's time its transport says more than that: what else has come.
                if (alarm is None or alarm.outcome is not None or until != step.until) and all(
                    step.until < ticket.ask.until for ticket in out
                ):
                    if alarm is not None:
                        join.close(alarm)
                    until = step.until
                    alarm = join.start(sleep_until(until))
                stepped = join.step()
                if stepped is None:
                    yield join.want
                    join.collect()
                elif stepped.outcome is not None:
                    stepped.outcome.unwrap()
            step = machine.next(monotonic())
        return step


def _ticket(ask: Ask) -> Ticket:
    if log.enabled:
        log_query(ask.upstream, ask.transport, ask.question, ask.message.id)
    return Ticket(ask)


def _doubt(machine: Machine, ticket: Ticket) -> None:
    """Tell the machine that a message came that is the answer but for its signature, or its letter case."""
    if ticket.one is not None and ticket.one.refusal is not None:
        log.debug("%s: %s", ticket.ask.upstream.server, ticket.one.refusal)
        machine.unsigned(ticket.ask, ticket.one.refusal)
    else:
        machine.miscased(ticket.ask)


def _report(machine: Machine, ticket: Ticket, now: float) -> None:
    """Tell the machine what became of an ask; where nothing came in time, it knows by itself."""
    ask, came = ticket.ask, ticket.came
    if came is None:
        return
    if not isinstance(came, Reply):
        came.name, came.rdtype = ask.question.name, ask.question.rdtype
        came.server = came.server or ask.upstream.server
        log.debug("%s: %s", ask.upstream.server, came)
    elif log.enabled:
        log_reply(came, ask.question)
    machine.heard(ask, came, now)


def log_query(upstream: Upstream, transport: Transport, question: Question, number: int) -> None:
    """Log that a query is sent."""
    log.debug(
        "%s: asking over %s: %s %s (id %d)",
        upstream.server, str(transport).upper(), question.name, question.rdtype, number,
    )  # fmt: skip


def log_reply(reply: Reply, question: Question) -> None:
    """Log that an answer came."""
    log.debug(
        "%s: %s over %s: %s %s, %d octets in %.1f ms",
        reply.server, reply.message.rcode, reply.transport.upper(), question.name, question.rdtype,
        reply.size, reply.elapsed_s * 1000,
    )  # fmt: skip
