"""`Resolution`: one question to a list of upstreams, as a state machine without socket, clock or random
source.

    resolution = Resolution(question, upstreams, options, now, random)
    while not isinstance(step := resolution.next(now()), Done):
        if isinstance(step, Ask): ...      # send step.message to step.upstream over step.transport
        else: ...                          # wait for a message or until step.until

What comes is reported by `heard`, `miscased`, `unsigned` and `expired`. The rules, each with its reason in
the history:

- Each upstream in turn, for `tries` rounds (RFC 1035 section 7.2). One that failed lately is asked last. One
  that refuses is not asked again; SERVFAIL and silence are tried again in the next round.
- A truncated answer over UDP: the same upstream over TCP (RFC 7766 section 5).
- A question that came back in another letter case: once more in plain case; this is remembered.
- FORMERR or NOTIMP to EDNS: without EDNS; this is remembered. BADVERS: EDNS version 0 (RFC 6891 sections
  6.1.3 and 7). Silence never means that EDNS is to blame (DNS Flag Day 2019).
- BADCOOKIE: with the server's cookie, then over TCP. An answer without the cookie that this server gives:
  over TCP. An answer with another client's cookie: without cookies (RFC 7873 section 5.3).
- With a key of TSIG, an answer that is not signed with it: over TCP, while the signed one is awaited.
- With `hedge`, a second upstream is asked while the first is later than its round-trip time explains.

Each reason applies once to each upstream, so the number of asks is limited. No ask lasts longer than the
deadline over all. `netkit.dns.policy.answer.Lookup` follows aliases, with one `Resolution` for each name.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.policy.knowledge import Knowledge
from netkit.dns.policy.manner import NEVER, Manner
from netkit.dns.policy.steps import Ask, Done, Sent, Step, Wait, Why
from netkit.dns.policy.upstream import Transport
from netkit.dns.policy.verdict import judge
from netkit.dns.tsig.errors import TsigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.dns.messages.message import Message, Question
    from netkit.dns.policy.manner import Random
    from netkit.dns.policy.options import QueryOptions
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.policy.verdict import Verdict
    from netkit.dns.transports.reply import Reply

__all__ = ["Ask", "Done", "Resolution", "Sent", "Step", "Wait", "Why"]

#: How many upstreams are asked at the same time, at most.
MAX_AT_ONCE = 2


class _Intent(NamedTuple):
    """An ask that is to be made next."""

    manner: Manner
    why: Why
    because: int | None


class _Pending(NamedTuple):
    """An ask that is out."""

    ask: Ask
    manner: Manner
    step: Step
    at: float


class Resolution:
    """Ask one question until there is a reply that settles it; see the module's docstring.

    `now` is the moment of the start, in seconds of a clock that only runs forward; `random` gives random
    bits. `knowledge` is kept between questions by the caller. With `any_reply`, the first reply ends it,
    whatever it says: what `dig` shows. `deadline` is a moment; it replaces the limit in `options`. `why`,
    `first_number` and `began` are for a `Lookup`, of which this is a part.

    `sent` starts in the middle: these queries were sent by another engine, such as one for bulk lookups, and
    this machine goes on from there. Their upstreams have had their turn of the first round. Those with a
    reply or failure are dealt with at once; the others are in `asks`, with numbers by which to report them.
    """

    def __init__(
        self,
        question: Question,
        upstreams: Iterable[Upstream],
        options: QueryOptions,
        now: float,
        random: Random,
        knowledge: Knowledge | None = None,
        *,
        any_reply: bool = False,
        deadline: float | None = None,
        why: Why = Why.FIRST,
        first_number: int = 1,
        began: float | None = None,
        sent: Sequence[Sent] = (),
    ) -> None:
        self.question = question
        self.options = options
        self.history: list[Step] = []
        self._random = random
        self._any_reply = any_reply
        self._started = now if began is None else began
        self._number = first_number
        if options.within is not None and deadline is None:
            deadline = now + options.within
        self._deadline = deadline
        knowledge = Knowledge() if knowledge is None else knowledge
        manners = [Manner(each, knowledge.of(each), options, now) for each in dict.fromkeys(upstreams)]
        if len(manners) > 1:
            manners.sort(key=lambda manner: manner.learnt.is_paused(now))  # who failed lately comes last
        self._manners = manners
        self._turns = deque(manners)  # whose turn comes in this round
        self._again: set[Manner] = set()  # who is worth asking in the next round
        self._round = 1
        self._queue: deque[_Intent] = deque()
        self._open: dict[int, _Pending] = {}
        self._replies: list[tuple[Reply, Verdict]] = []  # that settled nothing
        self._errors: list[DnsError] = []
        self._done: Done | None = None
        if not manners:
            reason = "no name server is configured"
            self._finish(error=DnsError.TryAgain(reason, name=question.name, rdtype=question.rdtype))
        elif sent:
            self._take_over(sent, now)
        else:
            self._advance(why, now)

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The asks that are out. Of others nothing needs to be heard any more."""
        return () if self._done else tuple([pending.ask for pending in self._open.values()])

    def next(self, now: float) -> Ask | Wait | Done:
        """What to do now: send a query, wait, or take the result. Call again until it is not an Ask."""
        if self._done is None:
            for pending in [each for each in self._open.values() if each.ask.until <= now]:
                self.expired(pending.ask, now)
            self._hedge(now)
        if self._done is not None:
            return self._done
        if self._queue:
            return self._emit(self._queue.popleft(), now)
        moments = [pending.ask.until for pending in self._open.values()]
        hedge_at = self._hedge_at(now)
        return Wait(min(moments) if hedge_at is None else min(hedge_at, *moments))

    def heard(self, ask: Ask, what: Reply | DnsError, now: float) -> None:
        """Report the reply to `ask`, or why there is none: NetworkError, InvalidResponse, Truncated.

        The reply's message is as `netkit.dns.policy.matching.match` gives it. Truncated means that the
        message was cut so that nothing but its header could be read. What comes for an ask that is not out
        is ignored.
        """
        pending = self._open.pop(ask.number, None)
        if pending is None or self._done is not None:
            return
        pending.step.came = what
        pending.step.elapsed = now - pending.at
        if not isinstance(what, DnsError):
            self._replied(pending, what, now)
        elif isinstance(what, DnsError.Truncated) and ask.transport is Transport.UDP:
            pending.manner.learnt.answered(ask.transport, now - pending.at, now)
            self._cut(pending, what, now)
        else:
            if isinstance(what, DnsError.Truncated) and isinstance(what.__cause__, DnsError.InvalidResponse):
                what = what.__cause__  # a connection has room for all of a message
            self._failed(pending, what, now)

    def miscased(self, ask: Ask) -> None:
        """Report a message that is the answer to `ask` in all but its letter case. The ask stays out.

        Anybody could send such a message who guessed the rest, so the right answer is still awaited. But the
        server may be one that does not keep letter case; asking it in plain case costs one query and no time.
        """
        pending = self._open.get(ask.number)
        if pending is None or self._done is not None or not ask.exact_case:
            return
        again = pending.manner.miscased()
        if again is not None:
            self._ask_again(pending, again)

    def unsigned(self, ask: Ask, refusal: DnsError) -> None:
        """Report a message that would be the answer to `ask`, but is not signed as it must be: `refusal` says
        why. The ask stays out.

        Anybody could send such a message who guessed the rest, so the right answer is still awaited. But it
        may come from the server, which does not accept the query's signature: over TCP that is certain.
        """
        pending = self._open.get(ask.number)
        if pending is None or self._done is not None:
            return
        pending.step.came = self._about(refusal, ask)  # unless something better comes
        again = pending.manner.unsigned(ask)
        if again is not None:
            self._ask_again(pending, again)

    def expired(self, ask: Ask, now: float) -> None:
        """Report that no answer to `ask` came in time; `next` does this too for asks whose time is up."""
        pending = self._open.pop(ask.number, None)
        if pending is None or self._done is not None:
            return
        elapsed = now - pending.at
        came = pending.step.came
        error = (
            came if isinstance(came, DnsError) else self._about(DnsError.Timeout(round(elapsed, 3), 1), ask)
        )
        pending.step.came = error
        pending.step.elapsed = elapsed
        self._failed(pending, error, now)

    # Turns.

    def _advance(self, why: Why, now: float, because: int | None = None) -> None:
        """Ask the next upstream; if there is none and nothing is out, this is the end."""
        out_of_time = self._deadline is not None and now >= self._deadline
        busy = bool(self._open or self._queue)
        if not self._turns and not busy and self._round < self.options.tries and self._again:
            self._turns.extend(each for each in self._manners if each in self._again)
            self._again.clear()
            self._round += 1
            why = Why.ROUND
        if self._turns and not out_of_time:
            self._queue.append(_Intent(self._turns.popleft(), why, because))
        elif not busy:
            self._give_up(now)

    def _emit(self, intent: _Intent, now: float) -> Ask:
        manner = intent.manner
        message, exact_case = manner.query(self.question, self._random, now)
        until = now + self.options.timeout
        if self._deadline is not None:
            until = min(until, self._deadline)
        return self._register(manner, message, intent.why, now, until, exact_case, intent.because)

    def _register(
        self,
        manner: Manner,
        message: Message,
        why: Why,
        at: float,
        until: float,
        exact_case: bool,
        because: int | None = None,
    ) -> Ask:
        ask = Ask(
            self._number,
            manner.upstream,
            manner.transport,
            message,
            self.question,
            until,
            exact_case,
            self.options.lenient,
            self.options.tsig,
        )
        self._number += 1
        step = Step(ask, why, at - self._started, because)
        self.history.append(step)
        self._open[ask.number] = _Pending(ask, manner, step, at)
        return ask

    def _take_over(self, sent: Sequence[Sent], now: float) -> None:
        reported: list[tuple[Ask, Reply | DnsError]] = []
        for each in sent:
            manner = next((one for one in self._manners if one.upstream == each.upstream), None)
            if manner is None:
                raise DnsError.InvalidValue("sent", str(each.upstream), "is not one of the upstreams")
            if manner in self._turns:
                self._turns.remove(manner)
            manner.continue_from(each.message, each.transport)
            asked = each.message.question[0].name
            exact_case = not asked.is_identical(self.question.name)
            ask = self._register(manner, each.message, Why.TAKEN_OVER, each.at, each.until, exact_case)
            if each.came is not None:
                reported.append((ask, each.came))
        for ask, came in reported:
            self.heard(ask, came, now)

    def _hedge_at(self, now: float) -> float | None:
        """When to ask a second upstream, because the first is late; None: never."""
        if not self.options.hedge or not self._turns or self._queue:
            return None
        out = list(self._open.values())
        if not out or len({pending.manner for pending in out}) >= MAX_AT_ONCE:
            return None
        first = out[0]
        return first.at + first.manner.learnt.delay(first.ask.transport, now)

    def _hedge(self, now: float) -> None:
        at = self._hedge_at(now)
        if at is not None and at <= now:
            self._advance(Why.HEDGE, now, next(iter(self._open)))

    # What comes.

    def _replied(self, pending: _Pending, reply: Reply, now: float) -> None:
        ask, manner = pending.ask, pending.manner
        manner.learnt.answered(ask.transport, now - pending.at, now)
        again = manner.objection(ask, reply, now)
        if again is not None:
            self._ask_again(pending, again)
            return
        reply.fell_back = Why.TRUNCATED in manner.used and ask.transport is Transport.TCP
        is_skipped = self.options.skip_servfail and reply.message.rcode == Rcode.SERVFAIL and self._turns
        if self._any_reply and not is_skipped:
            self._finish(reply)
            return
        verdict = judge(reply.message, self.question)
        if verdict.is_settled:
            over_udp = ask.transport is Transport.UDP
            self._finish(reply, verdict.error(ask.upstream.server, over_udp=over_udp), verdict)
            return
        self._replies.append((reply, verdict))
        if reply.message.rcode == Rcode.SERVFAIL and not self._any_reply:
            self._again.add(manner)
        self._advance(Why.NEXT, now, ask.number)

    def _ask_again(self, pending: _Pending, why: Why) -> None:
        self._queue.append(_Intent(pending.manner, why, pending.ask.number))

    def _cut(self, pending: _Pending, error: DnsError, now: float) -> None:
        """A message came of which only the header could be read, and it says that the message was cut."""
        again = pending.manner.cut_off(pending.ask)
        if again is None:
            self._failed(pending, error, now)
        else:
            self._ask_again(pending, again)

    def _failed(self, pending: _Pending, error: DnsError, now: float) -> None:
        ask, manner = pending.ask, pending.manner
        if manner.cut is not None and ask.transport is Transport.TCP:
            cause = error
            error = self._about(DnsError.Truncated(manner.cut.size), ask)
            error.hint = "the server does not answer over TCP, which it must (RFC 7766): ask another one"
            error.__cause__ = cause
        elif isinstance(error, (DnsError.Timeout, DnsError.NetworkError)):
            manner.learnt.failed(now)
        self._errors.append(self._about(error, ask))
        if isinstance(error, TsigError) and ask.transport is not Transport.UDP:
            # Nobody can forge that: neither will the answer over UDP be signed, nor that of the next round.
            self._open = {n: each for n, each in self._open.items() if each.manner is not manner}
        else:
            self._again.add(manner)
        asked = [each.manner for each in self._open.values()] + [each.manner for each in self._queue]
        if manner not in asked:
            self._advance(Why.NEXT, now, ask.number)

    def _about(self, error: DnsError, ask: Ask) -> DnsError:
        """The error with the question in the caller's letter case, and with the server."""
        error.name, error.rdtype = self.question.name, self.question.rdtype
        error.server = error.server or ask.upstream.server
        return error

    # The end.

    def _give_up(self, now: float) -> None:
        """End without a reply that settles the question: with the most telling of what came."""
        if self._replies:
            telling = [each for each in self._replies if each[0].message.rcode not in NEVER]
            reply, verdict = (telling or self._replies)[-1]
            error = verdict.error(reply.server, over_udp=reply.transport == Transport.UDP.value)
            if not telling:
                error = DnsError.NoRecovery(
                    reply.message.rcode,
                    name=self.question.name,
                    rdtype=self.question.rdtype,
                    server=reply.server,
                )
            self._finish(reply, error, verdict)
            return
        self._finish(error=self._most_telling(now - self._started))

    def _most_telling(self, elapsed: float) -> DnsError:
        errors = self._errors
        for kind in (TsigError, DnsError.InvalidResponse, DnsError.Truncated):
            for error in errors:
                if isinstance(error, kind):
                    return error
        silent = [error for error in errors if isinstance(error, DnsError.Timeout)]
        if errors and not silent:
            return errors[-1]
        hint = next((error.hint for error in silent if error.hint != DnsError.Timeout.hint), None)
        return DnsError.Timeout(
            round(elapsed, 3),
            len(self.history),
            name=self.question.name,
            rdtype=self.question.rdtype,
            server=", ".join(str(each.upstream.server) for each in self._manners),
            hint=hint,
        )

    def _finish(
        self, reply: Reply | None = None, error: DnsError | None = None, verdict: Verdict | None = None
    ) -> None:
        self._queue.clear()
        self._done = Done(self.history, reply, error, verdict)
