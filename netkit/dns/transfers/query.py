"""The queries that ask for a zone transfer (RFC 5936 section 2.1, RFC 1995 section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.messages.message import Message, Question
from netkit.dns.name import Name
from netkit.dns.records.base import DnsRecord

if TYPE_CHECKING:
    from netkit.dns.edns import Edns


def transfer_question(zone: Name | str, serial: int | None, rdclass: int = DnsClass.IN) -> Question:
    """The question for the differences from the version `serial`; for the whole zone if that is None."""
    return Question(zone, DnsRecordType.AXFR if serial is None else DnsRecordType.IXFR, rdclass)


def make_transfer_query(
    question: Question,
    number: int,
    serial: int | None = None,
    *,
    edns: Edns | None = None,
) -> Message:
    """A query for a transfer, with `number` as its ID.

    For IXFR, the authority section tells the version that is known: an SOA of which only `serial` counts.
    """
    known = [] if serial is None else [_soa_of(question, serial)]
    return Message(number, question=[question], authority=known, edns=edns)


def _soa_of(question: Question, serial: int) -> DnsRecord:
    return DnsRecord.SOA(question.name, 0, Name.root, Name.root, serial, 0, 0, 0, 0, rdclass=question.rdclass)
