"""`Answer`, and `Lookup`: from a question to its records, along aliases, without socket, clock or random
source.

A `Lookup` does the work of a stub resolver (RFC 1034 section 5.3.1): one `Resolution` for the name in
question, and one for each name that an alias leads to and that no message has answered yet. All of them share
one deadline, one numbering of asks and one history. A pump drives it as it drives a `Resolution`.

Private addresses in the answer for a public name can be refused ("DNS rebinding": a web page's name that
comes to mean a machine of the reader's own network).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Question
from netkit.dns.name import Name
from netkit.dns.policy.resolution import Ask, Done, Resolution, Step, Wait, Why
from netkit.dns.policy.upstream import Routes
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.addr import IpAddr
    from netkit.dns.policy.knowledge import Knowledge
    from netkit.dns.policy.manner import Random
    from netkit.dns.policy.options import QueryOptions
    from netkit.dns.policy.resolution import Sent
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.transports.reply import Reply

#: The largest number of aliases followed from one name; a longer chain counts as a loop.
MAX_ALIASES = 16

#: Addresses that mean this machine or its own network: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291.
PRIVATE_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
)  # fmt: skip
#: Names that are private by standard: RFC 6761 section 6.3, RFC 8375, and ICANN's for private use.
PRIVATE_NAMES = (Name.parse("localhost"), Name.parse("home.arpa"), Name.parse("internal"))


class Answer:
    """The requested records, and how they were found.

    `records` have the requested type (any type, for ANY) and the name `canonical_name`. `aliases` are the
    CNAME records, in order, from the question's name to `canonical_name`. `ttl` is the lowest TTL of records
    and aliases, in seconds. `authentic` says that a trusted server vouches for all of it by DNSSEC.
    """

    __slots__ = ("aliases", "authentic", "canonical_name", "question", "records", "replies", "ttl")

    def __init__(
        self,
        question: Question,
        records: Sequence[DnsRecord],
        aliases: Sequence[DnsRecord.CNAME] = (),
        replies: Sequence[Reply] = (),
        authentic: bool = False,
    ) -> None:
        self.question = question
        self.records = tuple(records)
        self.aliases = tuple(aliases)
        self.canonical_name = aliases[-1].canonical if aliases else question.name
        self.replies = tuple(replies)
        if len(self.records) == 1 and not self.aliases:  # most have one record
            self.ttl = self.records[0].ttl
        else:
            self.ttl = min([record.ttl for record in (*self.records, *self.aliases)], default=0)
        self.authentic = authentic

    def __repr__(self) -> str:
        return f"<Answer {self.question.name} {self.question.rdtype}: {len(self.records)} records>"


class Lookup:
    """Find the records that answer `question`, and follow aliases; see the module's docstring.

    `upstreams` is a list, or `Routes` for split DNS, which then decides anew for the name of each alias. The
    other arguments are those of `Resolution`. `Done.answer` has the records; otherwise `Done.error` is one of
    DnsError: NotFound (NXDOMAIN), NoData, ServerError, Refused, NoRecovery, TryAgain (servers that only refer
    elsewhere), AliasLoop (an alias that leads back to itself, or aliases without end), InvalidResponse
    (malformed), Truncated, Timeout, NetworkError, Other (private addresses for a public name).
    """

    def __init__(
        self,
        question: Question,
        upstreams: Routes | Iterable[UpstreamLike],
        options: QueryOptions,
        now: float,
        random: Random,
        knowledge: Knowledge | None = None,
        *,
        sent: Sequence[Sent] = (),
    ) -> None:
        self.question = question
        self.options = options
        self._routes = upstreams if isinstance(upstreams, Routes) else Routes(upstreams)
        self._random = random
        self._knowledge = knowledge
        self._started = began = min([now, *(each.at for each in sent)])
        self._deadline = None if options.within is None else began + options.within
        self._names = {question.name}
        self._aliases: list[DnsRecord.CNAME] = []
        self._replies: list[Reply] = []
        self._history: list[Step] = []
        self._done: Done | None = None
        self._part = self._resolution(question, now, Why.FIRST, sent)

    def _resolution(self, question: Question, now: float, why: Why, sent: Sequence[Sent] = ()) -> Resolution:
        return Resolution(
            question,
            self._routes.for_name(question.name),
            self.options,
            now,
            self._random,
            self._knowledge,
            deadline=self._deadline,
            why=why,
            first_number=len(self._history) + 1,
            began=self._started,
            sent=sent,
        )

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The asks that are out."""
        return () if self._done else self._part.asks

    def next(self, now: float) -> Ask | Wait | Done:
        """What to do now; as `Resolution.next`."""
        while self._done is None:
            step = self._part.next(now)
            if not isinstance(step, Done):
                return step
            self._history += step.history
            self._done = self._judged(step, now)
        return self._done

    def heard(self, ask: Ask, what: Reply | DnsError, now: float) -> None:
        """Report the reply to `ask`, or a failure; as `Resolution.heard`."""
        self._part.heard(ask, what, now)

    def miscased(self, ask: Ask) -> None:
        """Report an answer in another letter case; as `Resolution.miscased`."""
        self._part.miscased(ask)

    def unsigned(self, ask: Ask, refusal: DnsError) -> None:
        """Report an answer that is not signed as it must be; as `Resolution.unsigned`."""
        self._part.unsigned(ask, refusal)

    def expired(self, ask: Ask, now: float) -> None:
        """Report that no answer to `ask` came in time; as `Resolution.expired`."""
        self._part.expired(ask, now)

    def _judged(self, part: Done, now: float) -> Done | None:
        """The end of the lookup; None if an alias is to be followed."""
        reply, verdict = part.reply, part.verdict
        if reply is not None:
            self._replies.append(reply)
        if part.error is not None or reply is None or verdict is None:
            return self._failed(part, part.error or DnsError.TryAgain())
        self._aliases += verdict.aliases
        server = reply.server
        looped = next((alias for alias in verdict.aliases if alias.canonical in self._names), None)
        if looped is None and len(self._aliases) > MAX_ALIASES:
            reason = f"more than {MAX_ALIASES} aliases in a row"
            return self._failed(part, DnsError.AliasLoop(reason, server=server))
        if verdict.records:
            private = self._private(verdict.records)
            if private is not None:
                reason = f"{private} is an address of this machine or its network, and the name is public"
                return self._failed(part, DnsError.Other(f"refused: {reason}", server=server))
            authentic = self.options.trust_ad and all(each.message.authentic_data for each in self._replies)
            answer = Answer(self.question, verdict.records, self._aliases, self._replies, authentic)
            return Done(self._history, reply, None, verdict, answer)
        if looped is not None:
            reason = f"the alias of {looped.name} leads back to {looped.canonical}"
            return self._failed(part, DnsError.AliasLoop(reason, server=server))
        self._names.update(alias.canonical for alias in verdict.aliases)
        question = Question(verdict.name, self.question.rdtype, self.question.rdclass)
        self._part = self._resolution(question, now, Why.ALIAS)
        return None

    def _failed(self, part: Done, error: DnsError) -> Done:
        """The end with an error about the original question. The aliases to it limit its negative TTL."""
        error.name, error.rdtype = self.question.name, self.question.rdtype
        if error.negative_ttl is not None:
            error.negative_ttl = min([error.negative_ttl, *(alias.ttl for alias in self._aliases)])
        return Done(self._history, part.reply, error, part.verdict)

    def _private(self, records: Iterable[DnsRecord]) -> IpAddr | None:
        """The first private address for a public name, if such are refused."""
        if not self.options.refuse_private:
            return None
        allowed = (*PRIVATE_NAMES, *self.options.private_names)
        if any(self.question.name.is_subdomain_of(name) for name in allowed):
            return None
        addresses = (address for record in records for address in _addresses(record))
        return next((address for address in addresses if is_private(address)), None)


def _addresses(record: DnsRecord) -> Iterable[IpAddr]:
    """The addresses that a client would connect to because of a record (RFC 9460 section 7.3)."""
    if isinstance(record, (DnsRecord.A, DnsRecord.AAAA)):
        return (record.address,)
    if isinstance(record, (DnsRecord.HTTPS, DnsRecord.SVCB)):
        return (*record.params.ipv4hint, *record.params.ipv6hint)
    return ()


def is_private(address: IpAddr) -> bool:
    """Whether an address means this machine or its own network, also an IPv4 address in an IPv6 one.

    RFC 4291 section 2.5.5.2 (mapped) and RFC 6052 section 2.1 (the well-known prefix of translators).
    """
    number, version = int(address), address.version
    if version == 6 and number >> 32 in (0xFFFF, 0x64FF9B << 64):
        number, version = number & 0xFFFFFFFF, 4
    return any(number >> shift == prefix for shift, prefix in _private_prefixes()[version])


@cache
def _private_prefixes() -> dict[int, list[tuple[int, int]]]:
    """For each version of IP, how far to shift an address, and what is left if it is private."""
    from ipaddress import ip_network

    prefixes: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for network in map(ip_network, PRIVATE_NETWORKS):
        shift = network.max_prefixlen - network.prefixlen
        prefixes[network.version].append((shift, int(network.network_address) >> shift))
    return prefixes
