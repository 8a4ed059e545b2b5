"""`Content`: what counts of an answer where it is compared with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.policy.verdict import Meaning, judge
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.messages.message import Message, Question
    from netkit.dns.name import Name
    from netkit.dns.policy.verdict import Verdict

    #: The name and the type of a set of records; for signatures also the type that they sign.
    SetKey = tuple[Name, DnsRecordType, DnsRecordType | None]

#: What a record is without what may differ between servers that have the same: its TTL, and of a signature
#: the octets and the times.
_ANY_TTL = {"ttl": 0}
_ANY_SIGNATURE = {"ttl": 0, "expiration": 0, "inception": 0, "signature": b""}


class Content:
    """What counts of `message` as the answer to `question`.

    `records` are those of the answer (of a referral: the NS records), by what is compared of each. `ttls` are
    the TTLs by set, in seconds. `zone` and `serial` are those of the zone that the answer is from, None where
    nobody said them. `lifetime` is how many seconds the answer may be kept (RFC 1035 section 3.2.1, RFC 2308
    section 5); None if the server did not say it.

    `soa` is an SOA record of the zone that came otherwise. Where the zone is known, records of names outside
    it do not count: one server has the zone that an alias leads to as well, another one has not.
    """

    __slots__ = ("lifetime", "message", "records", "serial", "ttls", "verdict", "zone")

    def __init__(self, message: Message, question: Question, soa: DnsRecord.SOA | None = None) -> None:
        self.message = message
        self.verdict: Verdict = judge(message, question)
        soa = soa_in(message, question.name) or soa
        self.zone: Name | None = None if soa is None else soa.name
        self.serial: int | None = None if soa is None else soa.serial
        zone = self.zone if message.authoritative else None
        counted = [each for each in self._told(question) if zone is None or each.name.is_subdomain_of(zone)]
        self.records: dict[DnsRecord, DnsRecord] = {_compared(record): record for record in counted}
        self.ttls: dict[SetKey, int] = {}
        for record in counted:
            key = set_of(record)
            self.ttls[key] = min(record.ttl, self.ttls.get(key, record.ttl))
        self.lifetime = self._lifetime()

    def _told(self, question: Question) -> Iterable[DnsRecord]:
        if self.is_referral:
            told = [each for each in self.message.authority if each.rdtype == DnsRecordType.NS]
        else:
            told = [each for each in self.message.answer if each.rdtype != DnsRecordType.TSIG]
        return [each for each in told if question.rdclass in (each.rdclass, DnsClass.ANY)]

    def _lifetime(self) -> int | None:
        match self.verdict.meaning:
            case Meaning.NO_DATA | Meaning.NO_NAME:
                return self.verdict.negative_ttl
            case Meaning.FAILURE | Meaning.CUT:
                return None
        return min(self.ttls.values(), default=None)

    @property
    def rcode(self) -> Rcode:
        """The response code."""
        return self.message.rcode

    @property
    def is_authoritative(self) -> bool:
        """Whether the server answers from the zone itself (AA), and not from a cache."""
        return self.message.authoritative

    @property
    def is_referral(self) -> bool:
        """Whether the server only names other servers to ask."""
        return self.verdict.meaning is Meaning.REFERRAL

    @property
    def exists(self) -> bool:
        """Whether the records that were asked for are there."""
        return self.verdict.meaning is Meaning.ANSWER

    def __repr__(self) -> str:
        return f"<Content {self.rcode}, {len(self.records)} records, serial {self.serial}>"


def soa_in(message: Message, name: Name) -> DnsRecord.SOA | None:
    """The SOA record of a zone that `name` is in, from the answer or (of a denial) the authority section."""
    for record in (*message.answer, *message.authority):
        if isinstance(record, DnsRecord.SOA) and name.is_subdomain_of(record.name):
            return record
    return None


def set_of(record: DnsRecord) -> SetKey:
    """Which set of records (RFC 2181 section 5) a record belongs to."""
    covered = record.type_covered if isinstance(record, DnsRecord.RRSIG) else None
    return record.name, record.rdtype, covered


def _compared(record: DnsRecord) -> DnsRecord:
    return record.replace(**(_ANY_SIGNATURE if isinstance(record, DnsRecord.RRSIG) else _ANY_TTL))
