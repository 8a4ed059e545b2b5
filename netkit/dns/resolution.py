"""From a question to an answer: asks recursive servers, and follows aliases to the end.

`resolve_question` does the work of a stub resolver (RFC 1034 section 5.3.1): it asks recursive servers,
judges their answers with `netkit.dns.verdict`, and asks again if an alias leads to a name that the message
does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.exchange import DEFAULT_OPTIONS, QueryOptions, ask
from netkit.dns.message import Question
from netkit.dns.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply
    from netkit.dns.verdict import Verdict
    from netkit.io import Flow

#: The largest number of aliases followed from one name; a longer chain counts as a loop.
MAX_ALIASES = 16

#: Response codes of a server that will never answer such a question.
_NEVER = (Rcode.NOTIMP, Rcode.FORMERR)


class Answer:
    """The requested records, and how they were found.

    `records` have the requested type (any type, for ANY) and the name `canonical_name`. `aliases` are the
    CNAME records, in order, from the question's name to `canonical_name`. `ttl` is the lowest TTL of records
    and aliases, in seconds.
    """

    __slots__ = ("aliases", "canonical_name", "question", "records", "replies", "ttl")

    def __init__(
        self,
        question: Question,
        records: Sequence[DnsRecord],
        aliases: Sequence[DnsRecord.CNAME] = (),
        replies: Sequence[Reply] = (),
    ) -> None:
        self.question = question
        self.records = tuple(records)
        self.aliases = tuple(aliases)
        self.canonical_name = aliases[-1].canonical if aliases else question.name
        self.replies = tuple(replies)
        self.ttl = min((record.ttl for record in (*self.records, *self.aliases)), default=0)

    def __repr__(self) -> str:
        return f"<Answer {self.question.name} {self.question.rdtype}: {len(self.records)} records>"


def resolve_question(
    question: Question, servers: Sequence[SocketAddr], options: QueryOptions = DEFAULT_OPTIONS
) -> Flow[Answer]:
    """Flow: find the records that answer `question`, and follow aliases.

    Raises DnsError: NotFound (NXDOMAIN), NoData, ServerError, Refused, NoRecovery, TryAgain (aliases
    without end, servers that only refer elsewhere), InvalidResponse (an alias that leads back to itself),
    and what `ask` raises.
    """
    aliases: list[DnsRecord.CNAME] = []
    replies: list[Reply] = []
    asking = question
    while True:
        verdict, reply = yield from _ask_and_judge(asking, servers, options)
        replies.append(reply)
        error = verdict.error(reply.server)
        if error is not None:
            if (
                reply.message.rcode in _NEVER
            ):  # no server settled the question, and the last server will never answer it
                error = DnsError.NoRecovery(
                    reply.message.rcode, name=asking.name, rdtype=asking.rdtype, server=reply.server
                )
            raise _about(error, question, aliases)
        aliases += verdict.aliases
        if verdict.records:
            return Answer(question, verdict.records, aliases, replies)
        if len(aliases) > MAX_ALIASES:
            raise DnsError.TryAgain(
                f"more than {MAX_ALIASES} aliases in a row",
                name=question.name,
                rdtype=question.rdtype,
                server=reply.server,
            )
        asking = Question(verdict.name, question.rdtype, question.rdclass)


def _ask_and_judge(
    question: Question, servers: Sequence[SocketAddr], options: QueryOptions
) -> Flow[tuple[Verdict, Reply]]:
    """Flow: return the first reply that settles the question; if there is none, the last reply."""

    def is_settled(reply: Reply) -> bool:
        return judge(reply.message, question).is_settled

    reply = yield from ask(question, servers, options, usable=is_settled)
    return judge(reply.message, question), reply


def _about(error: DnsError, question: Question, aliases: Sequence[DnsRecord.CNAME]) -> DnsError:
    """Return the error for the original question, before `aliases`. They also limit its negative TTL."""
    error.name = question.name
    if error.negative_ttl is not None:
        error.negative_ttl = min([error.negative_ttl, *(alias.ttl for alias in aliases)])
    return error
