"""What a reply of a zone's server means for a walk from the root. Pure: no socket, no clock.

    found = read_reply(message, question, zone)
    found.outcome                   # Outcome.REFERRAL, ANSWER, ALIAS, NO_DATA, NO_NAME, UPWARD, SELF, ...

The rules, with their RFC sections:

- An authority says so (AA, RFC 1035 section 4.1.1). An answer without AA is from a cache or from something
  that stands in between, and does not count.
- A referral has NS records of a zone strictly below the one that was asked, and above or at the name (RFC
  1034 section 4.3.2). One to the same zone, to a zone above it ("upward"), or to one that the name is not in
  ("sideways") is of a server that is no authority for the zone: the delegation to it is lame.
- A denial has the SOA record of its zone (RFC 2308 section 3). If that zone is above the one that was asked,
  the server does not have the zone.
- Addresses beside a referral count for names in the zone that was asked, because only these are the server's
  to give (RFC 2181 section 5.4.1).
- An alias is followed here while it stays in the zone; the name that it leads to beyond that is asked for by
  a walk of its own. A DNAME record makes the alias of each name below it (RFC 6672 section 2.2).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.policy.verdict import Meaning, judge
from netkit.dns.records.base import DnsRecord
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.zone_of import MAX_SERVERS, addresses_told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.addr import IpAddr
    from netkit.dns.messages.message import Message, Question
    from netkit.dns.name import Name

R = TypeVar("R", bound=DnsRecord)


class Signing(Enum):
    """What a referral says of whether the zone below is signed; the value is the word in JSON."""

    SIGNED = "signed"
    """There are DS records."""
    UNSIGNED = "unsigned"
    """NSEC or NSEC3 records come in place of DS records: the zone above is signed, and this one is not."""
    NOT_SAID = "not-said"
    """Neither came: the zone above is not signed, or was not asked for DNSSEC records."""


class Delegation(NamedTuple):
    """A zone, and the servers that the zone above names for it.

    `parent` is the zone whose server said so. `glue` are the addresses that count; `foreign` are names with
    addresses that do not, because they are not in the parent. `ds` are the DS records of the zone.
    """

    zone: Name
    parent: Name
    names: tuple[Name, ...]
    glue: dict[Name, tuple[IpAddr, ...]]
    foreign: tuple[Name, ...] = ()
    ds: tuple[DnsRecord.DS, ...] = ()
    signing: Signing = Signing.NOT_SAID

    def needs_glue(self, name: Name) -> bool:
        """Whether the address of a server of the zone is found only with glue: its name is in the zone."""
        return name.is_subdomain_of(self.zone)


class Reading(NamedTuple):
    """What a reply means, and what it has for that.

    `name` is the name at the end of the aliases that were followed. `records` are those asked for there, with
    their signatures. `aliases` are the records that led there: CNAME records, each behind the DNAME record
    that makes it, if one does. `delegation` is for a referral. `zone` is the zone that a denial is of, and
    `proof` says what shows that the denial is true: "NSEC", "NSEC3" or None. `is_empty` says that the name
    has only names below it (an empty non-terminal, RFC 8499 section 7), where NSEC records show that. `odd`
    are things that ought not to be so.
    """

    outcome: Outcome
    name: Name
    records: tuple[DnsRecord, ...] = ()
    aliases: tuple[DnsRecord, ...] = ()
    delegation: Delegation | None = None
    zone: Name | None = None
    proof: str | None = None
    is_empty: bool = False
    odd: tuple[str, ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether signatures came with the records."""
        return any(record.rdtype == DnsRecordType.RRSIG for record in self.records)


def read_reply(message: Message, question: Question, zone: Name) -> Reading:
    """What the reply of a server of `zone` to `question` means. The time is linear in the message's size."""
    name = question.name
    if message.rcode == Rcode.YXDOMAIN and message.authoritative:
        return Reading(Outcome.ERROR, name, aliases=tuple(_of(DnsRecord.DNAME, message.answer)))
    if message.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return Reading(Outcome.REFUSED if message.rcode == Rcode.REFUSED else Outcome.FAILED, name)
    if not message.answer and message.rcode == Rcode.NOERROR and not _soas(message):
        referral = _referral(message, question, zone)
        if referral is not None:
            return referral
    if not message.authoritative:
        return Reading(Outcome.NOT_AUTHORITATIVE, name)
    return _authoritative(message, question, zone)


def _referral(message: Message, question: Question, zone: Name) -> Reading | None:
    """What a message without an answer says by its NS records; None if it is no referral."""
    name = question.name
    cuts = dict.fromkeys(record.name for record in _of(DnsRecord.NS, message.authority))
    if not cuts:
        return None
    below = [cut for cut in cuts if name.is_subdomain_of(cut) and cut.is_subdomain_of(zone) and cut != zone]
    if below:
        cut = max(below, key=lambda each: len(each.labels))
        odd = ("the referral has the flag AA, which only an answer has",) if message.authoritative else ()
        return Reading(Outcome.REFERRAL, name, delegation=_delegation(message, cut, zone), odd=odd)
    if message.authoritative and zone in cuts:
        return None  # no data, from an authority that gives no SOA record
    told = next(iter(cuts))
    if told == zone:
        return Reading(Outcome.SELF, name, zone=told)
    return Reading(Outcome.UPWARD if zone.is_subdomain_of(told) else Outcome.SIDEWAYS, name, zone=told)


def _delegation(message: Message, cut: Name, parent: Name) -> Delegation:
    records = [record for record in _of(DnsRecord.NS, message.authority) if record.name == cut]
    names = tuple(dict.fromkeys(record.nameserver for record in records))[:MAX_SERVERS]
    told = addresses_told(message)
    ds = tuple(record for record in _of(DnsRecord.DS, message.authority) if record.name == cut)
    signing = Signing.SIGNED if ds else Signing.NOT_SAID
    if not ds and _proof(message) is not None:
        signing = Signing.UNSIGNED
    return Delegation(
        cut,
        parent,
        names,
        {name: told[name] for name in names if name in told and name.is_subdomain_of(parent)},
        tuple(name for name in names if name in told and not name.is_subdomain_of(parent)),
        ds,
        signing,
    )


def _authoritative(message: Message, question: Question, zone: Name) -> Reading:
    verdict = judge(message, question)
    soa = next((each for each in _soas(message) if question.name.is_subdomain_of(each)), None)
    denies = verdict.meaning in (Meaning.NO_DATA, Meaning.NO_NAME) and not verdict.aliases
    if denies and soa is not None and zone != soa and zone.is_subdomain_of(soa):
        return Reading(Outcome.UPWARD, question.name, zone=soa)
    dnames = _of(DnsRecord.DNAME, message.answer)
    aliases: list[DnsRecord] = []
    name = question.name
    for alias in verdict.aliases:
        if not alias.name.is_subdomain_of(zone):
            return Reading(Outcome.ALIAS, name, aliases=tuple(aliases))
        maker = next((each for each in dnames if dname_target(alias.name, each) == alias.canonical), None)
        aliases += [alias] if maker is None else [maker, alias]
        name = alias.canonical
    if not aliases and question.rdtype != DnsRecordType.DNAME and verdict.meaning is not Meaning.ANSWER:
        # RFC 6672 section 3.1: who makes no CNAME record leaves that to the client.
        maker = next((each for each in dnames if dname_target(name, each) is not None), None)
        target = None if maker is None else dname_target(name, maker)
        if maker is not None and target is not None:
            return Reading(Outcome.ALIAS, target, aliases=(maker,))
    if aliases and not name.is_subdomain_of(zone):
        return Reading(Outcome.ALIAS, name, aliases=tuple(aliases))
    proof = _proof(message)
    match verdict.meaning:
        case Meaning.ANSWER:
            signatures = [
                each
                for each in _of(DnsRecord.RRSIG, message.answer)
                if each.name == name and each.type_covered in (question.rdtype, DnsRecordType.CNAME)
            ]
            records = list(dict.fromkeys((*verdict.records, *signatures)))
            return Reading(Outcome.ANSWER, name, tuple(records), tuple(aliases), zone=zone)
        case Meaning.LOOP:
            return Reading(Outcome.LOOP, name, aliases=tuple(aliases))
        case Meaning.ALIAS:
            return Reading(Outcome.ALIAS, name, aliases=tuple(aliases))
        case Meaning.NO_NAME:
            return Reading(Outcome.NO_NAME, name, (), tuple(aliases), zone=soa, proof=proof, odd=_no_soa(soa))
    return Reading(
        Outcome.NO_DATA,
        name,
        aliases=tuple(aliases),
        zone=soa,
        proof=proof,
        is_empty=_is_empty(message, name),
        odd=_no_soa(soa),
    )


def _no_soa(soa: Name | None) -> tuple[str, ...]:
    return () if soa is not None else ("the denial has no SOA record of the zone, so that nobody caches it",)


def dname_target(name: Name, record: DnsRecord.DNAME) -> Name | None:
    """The name that `name` stands for by a DNAME record above it; None if it is not below, or too long."""
    if name == record.name or not name.is_subdomain_of(record.name):
        return None
    try:
        return name.relativize(record.name).concatenate(record.target)
    except DnsError.InvalidName:
        return None


def _soas(message: Message) -> list[Name]:
    return [record.name for record in _of(DnsRecord.SOA, message.authority)]


def _proof(message: Message) -> str | None:
    """The type of the records that show that something is not there."""
    types = {record.rdtype for record in message.authority}
    for rdtype in (DnsRecordType.NSEC, DnsRecordType.NSEC3):
        if rdtype in types:
            return str(rdtype)
    return None


def _is_empty(message: Message, name: Name) -> bool:
    """Whether an NSEC record shows that `name` has no records, and names below it (RFC 4035 section 5.4)."""
    return any(
        record.name < name < record.next and record.next.is_subdomain_of(name)
        for record in _of(DnsRecord.NSEC, message.authority)
    )


def _of(kind: type[R], records: Iterable[DnsRecord]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]
