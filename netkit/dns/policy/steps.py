"""What a machine that resolves tells its pump (`Ask`, `Wait`, `Done`), and its history (`Step`).

A pump is what has sockets and a clock: it sends each `Ask`, waits as long as `Wait` says, and reports what
comes. The history is what a user reads when a lookup was slow or failed: what was asked of whom, over what,
when, what came, and why there was another ask.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.dns.messages.message import Message, Question
    from netkit.dns.policy.answer import Answer
    from netkit.dns.policy.upstream import Transport, Upstream
    from netkit.dns.policy.verdict import Verdict
    from netkit.dns.transports.reply import Reply
    from netkit.dns.tsig.keys import TsigKey


class Why(Enum):
    """Why an upstream was asked; the value is the reason in words."""

    FIRST = "the first to ask"
    NEXT = "the one before gave no answer to use"
    ROUND = "once more, in the next round"
    HEDGE = "the one before is slower than usual"
    ALIAS = "the name is an alias, and this is the name that it leads to"
    SEARCH = "the name before does not exist, and this is the next one of the search list"
    TRUNCATED = "the answer did not fit in a datagram"
    CASE = "the question came back in another letter case"
    NO_EDNS = "the server does not take EDNS"
    VERSION = "the server does not know this version of EDNS"
    COOKIE = "the server wants its own cookie back"
    COOKIE_TCP = "the server's cookie was missing or refused, and nobody can forge over TCP"
    COOKIE_FOREIGN = "the server answered with the cookie of another client"
    UNSIGNED = "the answer was not signed as it must be, and nobody can forge over TCP"
    TAKEN_OVER = "asked by a bulk engine"

    def __str__(self) -> str:
        return self.value


class Ask(NamedTuple):
    """A query to send, and to wait for until the moment `until`.

    `message` is ready to be encoded: with ID, letter case, EDNS, cookie and padding. The ID is 0 over HTTPS
    (RFC 8484 section 4.1). A pump that needs IDs to be unique on a socket may send another one. `question` is
    in the caller's letter case, in which the reply is to be given back. With `exact_case`, only a message
    with the question in the letter case of `message` is the answer. With `lenient`, a malformed answer is
    taken as far as it can be read. With `tsig`, the query is signed when it is sent, and only a message that
    is signed with the same key is the answer.
    """

    number: int
    upstream: Upstream
    transport: Transport
    message: Message
    question: Question
    until: float
    exact_case: bool
    lenient: bool = False
    tsig: TsigKey | None = None


class Wait(NamedTuple):
    """Nothing to send: wait for messages, and call `next` again at the moment `until` at the latest."""

    until: float


class Step:
    """One ask in the history: what was asked of whom, when, why, and what came.

    `question` is in the caller's letter case, also where the query is sent without one.
    `at` is in seconds after the start; `elapsed` is how long it took (None: not waited for to the end).
    `came` is the reply or the failure. `because` is the number of the ask whose outcome led to this one.
    """

    __slots__ = (
        "at",
        "because",
        "came",
        "elapsed",
        "number",
        "query",
        "question",
        "transport",
        "upstream",
        "why",
    )

    def __init__(self, ask: Ask, why: Why, at: float, because: int | None) -> None:
        self.number = ask.number
        self.upstream = ask.upstream
        self.transport = ask.transport
        self.query = ask.message
        self.question = ask.question
        self.why = why
        self.at = at
        self.because = because
        self.came: Reply | DnsError | None = None
        self.elapsed: float | None = None

    def __str__(self) -> str:
        if self.came is None:
            came = "not waited for"
        elif isinstance(self.came, DnsError):
            came = str(self.came)
        else:
            came = f"{self.came.message.rcode}, {self.came.size} octets"
        took = "" if self.elapsed is None else f" after {self.elapsed * 1000:.1f} ms"
        return f"{self.number}. {self.upstream} over {self.transport} ({self.why}): {came}{took}"

    def __repr__(self) -> str:
        return f"<Step {self}>"


class Done:
    """The end: `reply` or `error` (both, if the reply is what the error is about), and the history.

    `verdict` is what the reply means; `answer` is set by a `Lookup`, which follows aliases.
    """

    __slots__ = ("answer", "error", "history", "reply", "verdict")

    def __init__(
        self,
        history: Sequence[Step],
        reply: Reply | None = None,
        error: DnsError | None = None,
        verdict: Verdict | None = None,
        answer: Answer | None = None,
    ) -> None:
        self.history = tuple(history)
        self.reply = reply
        self.error = error
        self.verdict = verdict
        self.answer = answer

    def __repr__(self) -> str:
        return f"<Done after {len(self.history)} asks: {self.error or self.reply!r}>"


class Sent(NamedTuple):
    """A query that another engine sent before it handed the question over; see `Resolution`.

    `came` is its reply or failure; None: still awaited, until the moment `until`.
    """

    upstream: Upstream
    transport: Transport
    message: Message
    at: float
    until: float
    came: Reply | DnsError | None = None
