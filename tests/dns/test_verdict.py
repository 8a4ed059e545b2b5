"""What messages mean: one rule for `dig` and for the resolver, each case with the RFC that decides it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from netkit.dns.constants import DnsClass, DnsRecordType, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, QR, RA, RD, TC, Message, Question
from netkit.dns.name import Name
from netkit.dns.policy.verdict import Meaning, judge
from netkit.dns.records import DnsRecord

QUESTION = Question("www.example.", DnsRecordType.A)
SOA = "example. 300 SOA ns.example. hostmaster.example. 1 2 3 4 60"
OTHER_SOA = "net. 300 SOA ns.net. hostmaster.net. 1 2 3 4 60"
NS = "example. 300 NS ns.example."
A = "www.example. 60 A 192.0.2.1"


def message(
    *answer: str, authority: Iterable[str] = (), flags: int = RD | RA, rcode: int = Rcode.NOERROR
) -> Message:
    return Message(
        1,
        QR | flags,
        rcode=rcode,
        question=[QUESTION],
        answer=[DnsRecord.parse(text) for text in answer],
        authority=[DnsRecord.parse(text) for text in authority],
    )


TO_NET = "www.example. 60 CNAME www.net."

#: A message, and what it means as the answer to `www.example. A`.
CASES: dict[str, tuple[Message, Meaning]] = {
    "the records": (message(A), Meaning.ANSWER),
    "records and an SOA": (message(A, authority=[SOA]), Meaning.ANSWER),
    # RFC 1034 section 3.6.2
    "an alias and its end": (message(TO_NET, "www.net. 60 A 192.0.2.1"), Meaning.ANSWER),
    "in any order": (message("www.net. 60 A 192.0.2.1", TO_NET), Meaning.ANSWER),
    "in other letters": (message("WWW.Example. 60 A 192.0.2.1"), Meaning.ANSWER),
    "records of another name": (message("other.example. 60 A 192.0.2.1"), Meaning.NO_DATA),
    "an alias of another name": (message("other.example. 60 CNAME www.example."), Meaning.NO_DATA),
    "records beside the alias's end": (message(TO_NET, "other.net. 60 A 192.0.2.1"), Meaning.ALIAS),
    "records of another class": (message("www.example. 60 CH TXT x"), Meaning.NO_DATA),
    "an alias that leads out": (message(TO_NET), Meaning.ALIAS),
    "a loop": (message("www.example. 60 CNAME a.net.", "a.net. 60 CNAME WWW.example."), Meaning.LOOP),
    "an alias of itself": (message("www.example. 60 CNAME www.example."), Meaning.LOOP),
    # RFC 2308 section 2.1
    "NXDOMAIN": (message(rcode=Rcode.NXDOMAIN, authority=[SOA]), Meaning.NO_NAME),
    "NXDOMAIN with servers and no SOA": (message(rcode=Rcode.NXDOMAIN, authority=[NS]), Meaning.NO_NAME),
    "NXDOMAIN at an alias's end": (message(TO_NET, rcode=Rcode.NXDOMAIN), Meaning.NO_NAME),
    # RFC 2308 section 2.2
    "no data, SOA and servers": (message(authority=[SOA, NS]), Meaning.NO_DATA),
    "no data, SOA": (message(authority=[SOA]), Meaning.NO_DATA),
    "no data, nothing": (message(), Meaning.NO_DATA),
    "no data, SOA of elsewhere": (message(authority=[OTHER_SOA, NS]), Meaning.NO_DATA),
    "a referral": (message(authority=[NS], flags=RD), Meaning.REFERRAL),
    "a referral by one who would recurse": (message(authority=[NS], flags=RD | RA), Meaning.REFERRAL),
    "a referral, from the cache": (message(authority=[NS], flags=RA), Meaning.REFERRAL),
    "a referral beside records of another name": (
        message("other.example. 60 A 192.0.2.1", authority=[NS]),
        Meaning.REFERRAL,
    ),
    # RFC 1035 section 4.1.1: an authority for the name does not refer.
    "no data, by an authority": (message(authority=[NS], flags=AA), Meaning.NO_DATA),
    "no data at an alias's end": (message(TO_NET, authority=[OTHER_SOA]), Meaning.NO_DATA),
    "an alias that leads out of the SOA's zone": (message(TO_NET, authority=[SOA]), Meaning.ALIAS),
    "an alias into a zone that others serve": (
        message("www.example. 60 CNAME a.sub.example.", authority=["sub.example. 60 NS ns.sub.example."]),
        Meaning.ALIAS,
    ),
    # RFC 2181 section 9
    "cut short before the records": (message(flags=TC), Meaning.CUT),
    "cut short after them": (message(A, flags=TC), Meaning.ANSWER),
    "cut short after the SOA": (message(authority=[SOA], flags=TC), Meaning.NO_DATA),
    "SERVFAIL": (message(rcode=Rcode.SERVFAIL), Meaning.FAILURE),
    "REFUSED with records": (message(A, rcode=Rcode.REFUSED), Meaning.FAILURE),
    "a code nobody assigned": (message(rcode=3841), Meaning.FAILURE),
}


@pytest.mark.parametrize(("said", "meaning"), CASES.values(), ids=CASES)
def test_meaning(said: Message, meaning: Meaning) -> None:
    verdict = judge(said, QUESTION)
    assert verdict.meaning is meaning
    assert bool(verdict.records) == (meaning is Meaning.ANSWER)
    assert (verdict.error() is None) == (meaning in (Meaning.ANSWER, Meaning.ALIAS))


def test_records_and_aliases() -> None:
    chain = ["b.net. 60 A 192.0.2.1", "www.example. 60 CNAME a.example.", "a.example. 60 CNAME b.net."]
    verdict = judge(message(*chain, "b.net. 60 A 192.0.2.2"), QUESTION)
    assert [str(each.canonical) for each in verdict.aliases] == ["a.example.", "b.net."]
    assert str(verdict.name) == "b.net."
    assert [each.rdata_text() for each in verdict.records] == ["192.0.2.1", "192.0.2.2"]


def test_an_alias_may_be_asked_for() -> None:
    for rdtype in (DnsRecordType.CNAME, DnsRecordType.ANY):
        verdict = judge(message(TO_NET), Question("www.example.", rdtype))
        assert (verdict.meaning, len(verdict.records), verdict.aliases) == (Meaning.ANSWER, 1, ())


def test_every_type_is_of_the_name_only() -> None:
    verdict = judge(message("other.example. 60 A 192.0.2.1"), Question("www.example.", DnsRecordType.ANY))
    assert verdict.meaning is Meaning.NO_DATA


def test_every_class() -> None:
    said = message("www.example. 60 CH TXT x")
    question = Question("www.example.", DnsRecordType.TXT, DnsClass.ANY)
    assert judge(said, question).meaning is Meaning.ANSWER
    assert judge(message(TO_NET), Question("www.example.", 1, DnsClass.CH)).aliases == ()


@pytest.mark.parametrize(
    ("said", "ttl"),
    [
        (message(authority=[SOA]), 60),
        (message(authority=[NS, SOA]), 60),
        (message(authority=[SOA.replace("300", "30")]), 30),
        (message(rcode=Rcode.NXDOMAIN, authority=[SOA]), 60),
        (message(), None),
        # Not of the zone that the name is in: no word on how long.
        (message(authority=[OTHER_SOA]), None),
        (message(rcode=Rcode.NXDOMAIN, authority=[OTHER_SOA]), None),
        (message(TO_NET, rcode=Rcode.NXDOMAIN, authority=[SOA]), None),
        (message(TO_NET, rcode=Rcode.NXDOMAIN, authority=[OTHER_SOA, SOA]), 60),
        # No longer than the alias that leads there.
        (message("www.example. 5 CNAME www.net.", authority=[OTHER_SOA]), 5),
        (message("www.example. 5 CNAME www.net.", rcode=Rcode.NXDOMAIN, authority=[OTHER_SOA]), 5),
        (message(A, authority=[SOA]), None),
        (message(rcode=Rcode.SERVFAIL, authority=[SOA]), None),
    ],
)
def test_how_long_a_no_holds(said: Message, ttl: int | None) -> None:
    """RFC 2308 section 5."""
    verdict = judge(said, QUESTION)
    assert verdict.negative_ttl == ttl
    assert getattr(verdict.error(), "negative_ttl", None) == ttl


@pytest.mark.parametrize(
    ("meaning", "kind", "settled"),
    [
        ("no data, SOA", DnsError.NoData, True),
        ("NXDOMAIN", DnsError.NotFound, True),
        ("a referral", DnsError.TryAgain, False),
        ("a loop", DnsError.AliasLoop, True),
        ("cut short before the records", DnsError.Truncated, True),
        ("SERVFAIL", DnsError.ServerError, False),
        ("REFUSED with records", DnsError.Refused, False),
        ("a code nobody assigned", DnsError.ServerError, True),
    ],
)
def test_errors(meaning: str, kind: type[DnsError], settled: bool) -> None:
    verdict = judge(CASES[meaning][0], QUESTION)
    error = verdict.error()
    assert type(error) is kind
    assert (error.name, error.rdtype) == (QUESTION.name, QUESTION.rdtype)
    assert verdict.is_settled == settled


def test_an_answer_is_settled() -> None:
    assert judge(message(A), QUESTION).is_settled
    assert judge(message(TO_NET), QUESTION).is_settled


def test_extended_errors_are_told() -> None:
    edns = Edns(options=[EdnsOption.ExtendedError(6, "signature expired")])
    said = message(rcode=Rcode.SERVFAIL).replace(edns=edns)
    assert "EDE: 6 (DNSSEC Bogus): (signature expired)" in str(judge(said, QUESTION).error())


def test_a_long_chain_is_quick() -> None:
    from time import process_time

    chain = [DnsRecord.parse(f"n{number}.example. 60 CNAME n{number + 1}.example.") for number in range(3000)]
    begun = process_time()
    verdict = judge(Message(1, answer=chain), Question(Name.parse("n0.example."), 1))
    assert (verdict.meaning, len(verdict.aliases)) == (Meaning.ALIAS, 3000)
    assert process_time() - begun < 5
