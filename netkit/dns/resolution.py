"""From a question to an answer: what a server's message means, and following aliases to the end.

`resolve_question` is a stub resolver's part (RFC 1034 section 5.3.1): it asks recursive servers, judges
what they say (RFC 2308 section 2), and asks on where an alias leads out of the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.exchange import DEFAULT_OPTIONS, QueryOptions, ask
from netkit.dns.message import Question
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.message import Message
    from netkit.dns.name import Name
    from netkit.dns.transports.reply import Reply
    from netkit.io import Flow

#: How many aliases are followed from one name before it is called a loop.
MAX_ALIASES = 16

#: What another server may know better.
_ASK_ANOTHER = frozenset((Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NOTIMP, Rcode.FORMERR, Rcode.NOTAUTH))


class Answer:
    """The records that were asked for, and how they were come by.

    `records` are of the type asked for (every type, for ANY) at `canonical_name`, where the `aliases`
    (CNAME records, in order) lead from the question's name. `ttl` is the least of all of them, in seconds.
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


def is_usable(reply: Reply) -> bool:
    """Whether a recursive server's answer decides the question, rather than make way for another's."""
    message = reply.message
    if message.rcode in _ASK_ANOTHER:
        return False
    # A referral comes from a server that answers for other zones only, and does not recurse: "lame".
    return not (message.rcode == Rcode.NOERROR and not message.answer and _is_referral(message))


def resolve_question(
    question: Question, servers: Sequence[SocketAddr], options: QueryOptions = DEFAULT_OPTIONS
) -> Flow[Answer]:
    """Flow: the records that answer `question`, aliases followed.

    Raises DnsError: NotFound (NXDOMAIN), NoData, ServerError, Refused, NoRecovery, TryAgain (aliases
    without end, servers that only refer elsewhere), and what `ask` raises.
    """
    aliases: list[DnsRecord.CNAME] = []
    replies: list[Reply] = []
    asking = question
    while True:
        reply = yield from ask(asking, servers, options, usable=is_usable)
        replies.append(reply)
        _raise_for_rcode(reply, question)
        found, leads = follow(reply.message, asking)
        aliases += leads
        if found:
            return Answer(question, found, aliases, replies)
        if len(aliases) > MAX_ALIASES:
            raise DnsError.TryAgain(
                f"more than {MAX_ALIASES} aliases in a row",
                name=question.name,
                rdtype=question.rdtype,
                server=reply.server,
            )
        if not leads:
            raise _nothing(reply, question)
        target = leads[-1].canonical
        if _denies(reply.message, target):
            # The server followed the alias too, and says that there is nothing at its end.
            raise _nothing(reply, question)
        asking = Question(target, question.rdtype, question.rdclass)


def follow(message: Message, question: Question) -> tuple[list[DnsRecord], list[DnsRecord.CNAME]]:
    """What a message's answer section has for `question`: its records, and the aliases that lead to them.

    Without records, the last alias tells where to ask on. Raises DnsError.InvalidResponse for aliases that
    lead in a circle.
    """
    by_name: dict[Name, list[DnsRecord]] = {}
    for record in message.answer:
        if question.rdclass in (record.rdclass, DnsClass.ANY):
            by_name.setdefault(record.name, []).append(record)
    name = question.name
    seen = {name}
    aliases: list[DnsRecord.CNAME] = []
    while True:
        here = by_name.get(name, [])
        if question.rdtype == DnsRecordType.ANY:
            found = here
        else:
            found = [record for record in here if record.rdtype == question.rdtype]
        if found:
            return found, aliases
        alias = next((record for record in here if isinstance(record, DnsRecord.CNAME)), None)
        if alias is None:
            return [], aliases
        aliases.append(alias)
        name = alias.canonical
        if name in seen:
            raise DnsError.InvalidResponse("answer", 12, f"the alias of {name} leads back to itself")
        seen.add(name)


def negative_ttl(message: Message) -> int | None:
    """How long a "no" may be believed: the lesser of the SOA's TTL and minimum; None without SOA.

    RFC 2308 section 5.
    """
    for record in message.authority:
        if isinstance(record, DnsRecord.SOA):
            return min(record.ttl, record.minimum)
    return None


def _raise_for_rcode(reply: Reply, question: Question) -> None:
    message = reply.message
    about: dict[str, Any] = {"name": question.name, "rdtype": question.rdtype, "server": reply.server}
    explanations = tuple(
        option.text() for option in (message.edns.extended_errors if message.edns is not None else ())
    )
    match message.rcode:
        case Rcode.NOERROR:
            return
        case Rcode.NXDOMAIN:
            # With aliases: the name at their end is the one that does not exist (RFC 2308 section 2.1).
            raise _held(DnsError.NotFound(**about), message)
        case Rcode.REFUSED:
            raise DnsError.Refused(explanations, **about)
        case Rcode.NOTIMP | Rcode.FORMERR:
            raise DnsError.NoRecovery(message.rcode, **about)
        case rcode:
            raise DnsError.ServerError(rcode, explanations, **about)


def _nothing(reply: Reply, question: Question) -> DnsError:
    about: dict[str, Any] = {"name": question.name, "rdtype": question.rdtype, "server": reply.server}
    if _is_referral(reply.message):
        reason = "the server refers to others and does not recurse"
        return DnsError.TryAgain(reason, **about)
    return _held(DnsError.NoData(**about), reply.message)


def _held(error: DnsError, message: Message) -> DnsError:
    error.negative_ttl = negative_ttl(message)
    return error


def _is_referral(message: Message) -> bool:
    """Name servers, and no SOA, in the authority section; not authoritative (RFC 2308 section 2.2)."""
    kinds = {record.rdtype for record in message.authority}
    return (
        not message.authoritative
        and not message.recursion_available
        and DnsRecordType.NS in kinds
        and DnsRecordType.SOA not in kinds
    )


def _denies(message: Message, name: Name) -> bool:
    """Whether the authority section's SOA is of a zone that `name` is in: its "no" is about `name`."""
    return any(
        record.rdtype == DnsRecordType.SOA and name.is_subdomain_of(record.name)
        for record in message.authority
    )
