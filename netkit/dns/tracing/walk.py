"""`Walk`: a walk from the root as a machine for a pump (`netkit.dns.transports.pump`): it has
times, and no socket.

`netkit.dns.tracing.route` decides whom to ask; here each attempt becomes a `Resolution` with one
server, which asks again over TCP where an answer is truncated, and without EDNS where a server knows none.
All have one deadline, and each waits only for its share of the time that is left: so a dead server costs
time, and never the walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.policy.knowledge import Knowledge
from netkit.dns.policy.resolution import Resolution
from netkit.dns.policy.steps import Done
from netkit.dns.tracing.checks import check_moves, findings
from netkit.dns.tracing.moves import Attempt, Came, Over
from netkit.dns.tracing.route import Route
from netkit.dns.tracing.trace import Trace, TraceOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.messages.message import Question
    from netkit.dns.policy.manner import Random
    from netkit.dns.policy.steps import Ask, Step, Wait
    from netkit.dns.tracing.moves import Moves
    from netkit.dns.tracing.trace import Hop
    from netkit.dns.transports.reply import Reply

#: The time that is left is divided among a server, those that may be asked in its place, and what is behind
#: them: by this at most; and one server has at least so many seconds.
MOST_SHARES = 6
LEAST = 0.02


class Walk:
    """Walk from the root to the answer to `question`; see `netkit.dns.tracing.route`.

    `now` is the moment of the start, in seconds of a clock that only runs forward; `random` gives random bits
    for IDs. `tell` is called with each hop when it is complete; it must not raise and must not wait. At the
    end, `next` returns a `Done` with the history, and `trace` has the result.
    """

    def __init__(
        self,
        question: Question,
        options: TraceOptions,
        now: float,
        random: Random,
        tell: Callable[[Hop], None] | None = None,
    ) -> None:
        self.question = question
        self.trace: Trace | None = None
        self._options = options
        self._random = random
        self._knowledge = Knowledge()
        self._began = now
        self._deadline = now + options.within
        self._route = Route(question, options, tell)
        self._error: DnsError | None = None
        self._is_checked = False
        self._history: list[Step] = []
        self._done: Done | None = None
        self._moves = self._all()
        self._part: Resolution | None = None
        self._part_began = now
        self._go_on(None, now)

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The asks that are out."""
        return () if self._part is None else self._part.asks

    def next(self, now: float) -> Ask | Wait | Done:
        """What to do now; as `Resolution.next`."""
        while self._done is None:
            assert self._part is not None
            step = self._part.next(now)
            if not isinstance(step, Done):
                return step
            self._history += step.history
            came = Came(step, self._part_began - self._began, now - self._part_began)
            self._go_on(came, now)
        return self._done

    def heard(self, ask: Ask, what: Reply | DnsError, now: float) -> None:
        """Report the reply to `ask`, or a failure; as `Resolution.heard`."""
        if self._part is not None:
            self._part.heard(ask, what, now)

    def miscased(self, ask: Ask) -> None:
        """Report an answer in another letter case; as `Resolution.miscased`."""
        if self._part is not None:
            self._part.miscased(ask)

    def unsigned(self, ask: Ask, refusal: DnsError) -> None:
        """Report an answer that is not signed as it must be; as `Resolution.unsigned`."""
        if self._part is not None:
            self._part.unsigned(ask, refusal)

    def _all(self) -> Moves[None]:
        """The walk and its checks. A limit ends either."""
        try:
            yield from self._route.moves()
        except Over as over:
            self._error = over.error
            return
        if not self._options.check:
            return
        try:
            yield from check_moves(self._route)
            self._is_checked = True
        except Over:
            pass  # the answer is there, and the result says that not all was checked

    def _go_on(self, came: Came | None, now: float) -> None:
        """Hand over what came, and begin the next attempt, or end."""
        try:
            attempt = next(self._moves) if came is None else self._moves.send(came)
            while now >= self._deadline:
                attempt = self._moves.throw(Over(self._too_late(now)))
        except StopIteration:
            self._finish(now)
            return
        self._begin(attempt, now)

    def _begin(self, attempt: Attempt, now: float) -> None:
        query = self._options.query
        share = max((self._deadline - now) / min(attempt.others + 2, MOST_SHARES), LEAST)
        how = query.replace(timeout=min(query.timeout, share), tries=1, rd=attempt.recurses, within=None)
        self._part_began = now
        self._part = Resolution(
            attempt.question,
            [attempt.upstream],
            how,
            now,
            self._random,
            self._knowledge,
            any_reply=True,
            deadline=self._deadline,
            first_number=len(self._history) + 1,
            began=self._began,
        )

    def _too_late(self, now: float) -> DnsError:
        last = self._route.hops[-1] if self._route.hops else None
        at = "" if last is None else f"; the last server that was asked is {last.place}, of {last.zone}"
        return DnsError.Timeout(
            round(now - self._began, 3),
            len(self._history),
            name=self.question.name,
            rdtype=self.question.rdtype,
            hint=f"the walk from the root has {self._options.within:.3g} s{at}",
        )

    def _finish(self, now: float) -> None:
        route = self._route
        route.tell_complete()
        end = route.end
        error = self._error or (None if end is None else end.error)
        hop = None if end is None else end.hop
        reading = None if end is None else end.reading
        if error is not None:
            error.history = tuple(self._history)
        self.trace = Trace(
            self.question,
            route.hops,
            [servers.cut for servers in route.path],
            findings(route),
            self._history,
            reading=reading,
            reply=None if hop is None or reading is None else hop.reply,
            aliases=() if end is None else end.aliases,
            error=error,
            elapsed=now - self._began,
            is_checked=self._is_checked,
        )
        self._part = None
        self._done = Done(self._history, self.trace.reply, error)
