"""Judges what a DNS message means as the answer to a question. Pure: no socket, no clock.

    verdict = judge(message, question)
    verdict.meaning                 # Meaning.ANSWER, ALIAS, NO_DATA, NO_NAME, REFERRAL, ...

The rules, with their RFC sections:

- Records count only if they have the question's class, and the question's name or a name to which aliases
  lead from it (RFC 1034 section 3.6.2). Other records in the answer section are ignored.
- NXDOMAIN is about the name at the end of the aliases (RFC 2308 section 2.1).
- NOERROR without such records means "no data" if the authority section has an SOA record or has no NS record;
  otherwise it is a referral (RFC 2308 section 2.2). A message with the AA flag is never a referral (RFC 1035
  section 4.1.1). The RA flag has no effect.
- The name at the end of an alias must be asked for, unless the message has an SOA record of the zone of that
  name: only then did the server look up that name too (RFC 2308 section 2.2).
- A negative answer is valid for the lower of the SOA record's TTL and its minimum (RFC 2308 section 5), and
  no longer than the aliases that lead to it. Without an SOA record of the name's zone, it must not be
  cached.
- If a message was truncated (TC) before its authority section, the missing part may have the records (RFC
  2181 section 9).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.messages.message import Message, Question
    from netkit.dns.name import Name

#: Response codes that are about the server, not about the name: another server may have an answer.
_OF_THE_SERVER = frozenset((Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NOTIMP, Rcode.FORMERR, Rcode.NOTAUTH))


class Meaning(Enum):
    """The meaning of a message for a question."""

    ANSWER = auto()
    """The records asked for."""
    ALIAS = auto()
    """The name is an alias, and the resolver must ask for the name at its end."""
    NO_DATA = auto()
    """The name exists, and has no such records."""
    NO_NAME = auto()
    """The name does not exist."""
    REFERRAL = auto()
    """The server only refers to other servers. A recursive server that does this is "lame"."""
    LOOP = auto()
    """The name is an alias that leads back to itself."""
    CUT = auto()
    """The message was truncated, and the part that decides is missing."""
    FAILURE = auto()
    """The response code is an error other than NXDOMAIN."""


class Verdict:
    """The meaning of `message` as the answer to `question`.

    `records` are the requested records (of any type, for ANY) at `name`. `aliases` are the CNAME records, in
    order, from the question's name to `name`. `negative_ttl` is how many seconds a negative answer may be
    cached; None if it must not be cached.
    """

    __slots__ = ("aliases", "meaning", "message", "name", "negative_ttl", "question", "records")

    def __init__(
        self,
        meaning: Meaning,
        message: Message,
        question: Question,
        name: Name,
        records: Sequence[DnsRecord] = (),
        aliases: Sequence[DnsRecord.CNAME] = (),
        negative_ttl: int | None = None,
    ) -> None:
        self.meaning = meaning
        self.message = message
        self.question = question
        self.name = name
        self.records = tuple(records)
        self.aliases = tuple(aliases)
        self.negative_ttl = negative_ttl

    @property
    def is_settled(self) -> bool:
        """Whether the message settles the question, so that no other server needs to be asked.

        If not, another server may have an answer: this server failed, refused, or only referred to other
        servers although it should have asked them ("lame").
        """
        if self.meaning is Meaning.FAILURE:
            return self.message.rcode not in _OF_THE_SERVER
        return self.meaning is not Meaning.REFERRAL

    def error(self, server: SocketAddr | str | None = None, *, over_udp: bool = True) -> DnsError | None:
        """The error that says why there are no records; None if there are records.

        NotFound and NoData have `negative_ttl`; the others are TryAgain for a referral, AliasLoop, Truncated,
        Refused and ServerError. `over_udp` says whether the message came over UDP: only then does TCP help
        against Truncated.
        """
        message, question = self.message, self.question
        asked: dict[str, Any] = {"name": question.name, "rdtype": question.rdtype, "server": server}
        match self.meaning:
            case Meaning.ANSWER | Meaning.ALIAS:
                return None
            case Meaning.NO_DATA | Meaning.NO_NAME:
                kind = DnsError.NoData if self.meaning is Meaning.NO_DATA else DnsError.NotFound
                denied = kind(**asked)
                denied.negative_ttl = self.negative_ttl
                denied.absent = self.name if self.meaning is Meaning.NO_NAME else None
                return denied
            case Meaning.REFERRAL:
                return DnsError.TryAgain("the server refers to others and does not recurse", **asked)
            case Meaning.LOOP:
                reason = f"the alias of {self.name} leads back to itself"
                return DnsError.AliasLoop(reason, **asked)
            case Meaning.CUT:
                cut = DnsError.Truncated(**asked)
                if not over_udp:
                    cut.hint = "ask another server: this one truncates over a connection too"
                return cut
        why = () if message.edns is None else tuple([str(each) for each in message.edns.extended_errors])
        if message.rcode == Rcode.REFUSED:
            return DnsError.Refused(why, **asked)
        return DnsError.ServerError(message.rcode, why, **asked)

    def __repr__(self) -> str:
        return f"<Verdict {self.question.name} {self.question.rdtype}: {self.meaning.name}>"


def judge(message: Message, question: Question) -> Verdict:
    """Judge `message` as the answer to `question`. The time is proportional to the message's size."""
    records, aliases, name, looped = _follow(message, question)
    authority = _of_class(message.authority, question)
    soa = next((each for each in authority if _is_soa_above(name, each)), None)
    if message.rcode == Rcode.NXDOMAIN:
        meaning = Meaning.NO_NAME
    elif message.rcode != Rcode.NOERROR:
        meaning = Meaning.FAILURE
    elif looped:
        meaning = Meaning.LOOP
    elif records:
        meaning = Meaning.ANSWER
    elif soa is not None:
        meaning = Meaning.NO_DATA
    elif aliases:
        meaning = Meaning.ALIAS
    else:
        meaning = _nothing(message, {each.rdtype for each in authority})
    negative_ttl = None
    if isinstance(soa, DnsRecord.SOA) and meaning in (Meaning.NO_DATA, Meaning.NO_NAME):
        negative_ttl = min([soa.ttl, soa.minimum, *(alias.ttl for alias in aliases)])
    if meaning is not Meaning.ANSWER:
        records = []
    return Verdict(meaning, message, question, name, records, aliases, negative_ttl)


def _nothing(message: Message, authority: set[DnsRecordType]) -> Meaning:
    """Judge a message without a record or an alias, by the types in its authority section."""
    if DnsRecordType.SOA in authority:
        return Meaning.NO_DATA
    if DnsRecordType.NS in authority:
        return Meaning.NO_DATA if message.authoritative else Meaning.REFERRAL
    return Meaning.CUT if message.truncated else Meaning.NO_DATA


def _follow(
    message: Message, question: Question
) -> tuple[list[DnsRecord], list[DnsRecord.CNAME], Name, bool]:
    """The records for the question, the aliases to them, the name at the end, and whether it was met before.

    The answer section may have them in any order (RFC 1034 section 3.6.2, and what is seen).
    """
    by_name: dict[Name, list[DnsRecord]] = {}
    for record in _of_class(message.answer, question):
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
            return found, aliases, name, False
        alias = next((record for record in here if isinstance(record, DnsRecord.CNAME)), None)
        if alias is None:
            return [], aliases, name, False
        aliases.append(alias)
        name = alias.canonical
        if name in seen:
            return [], aliases, name, True
        seen.add(name)


def _of_class(records: Iterable[DnsRecord], question: Question) -> list[DnsRecord]:
    return [record for record in records if question.rdclass in (record.rdclass, DnsClass.ANY)]


def _is_soa_above(name: Name, record: DnsRecord) -> bool:
    return record.rdtype == DnsRecordType.SOA and name.is_subdomain_of(record.name)
