"""What is wrong on the way, found by what a zone says of itself and what the zone above says."""

from __future__ import annotations

import hashlib

import pytest

from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import Message, Question
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.tracing.checks import is_digest_of
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.reading import Signing
from netkit.dns.tracing.trace import Purpose, Trace
from tests.dns.tracing.world import Script, World, authority, way, zone

pytestmark = pytest.mark.once

ROOT = zone(".", "test. NS ns.test.", "ns.test. A 10.0.0.2", "ns.root. A 10.0.0.1", ns=["ns.root."])
KEY = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="


def key_of(owner: str) -> DnsRecord.DNSKEY:
    record = DnsRecord.parse(f"{owner} 60 DNSKEY {KEY}")
    assert isinstance(record, DnsRecord.DNSKEY)
    return record


def ds_of(owner: str, kind: int = 2) -> str:
    key = key_of(owner)
    name = {1: "sha1", 2: "sha256", 4: "sha384"}[kind]
    digest = hashlib.new(name, Name.parse(owner).to_wire() + key.rdata_wire()).hexdigest()
    return f"{key.key_tag} 13 {kind} {digest}"


def walked(test: Script | None = None, root: Script | None = None, **how: object) -> Trace:
    """A walk to www.test. with its checks."""
    sound = authority(zone("test.", "www A 192.0.2.1", "ns A 10.0.0.2", ns=["ns.test."]))
    world = World({"10.0.0.1": root or authority(ROOT), "10.0.0.2": test or sound})
    return world.trace("www.test", **{"check": True, **how})


def texts(trace: Trace) -> list[str]:
    return [f"{each.fault.value}: {each.text}" for each in trace.findings]


def test_nothing_is_wrong() -> None:
    trace = walked()
    assert trace.findings == ()
    assert trace.is_checked
    assert way(trace)[2:] == [". ns.root. answer", "test. ns.test. answer"]
    assert [hop.purpose for hop in trace.hops] == [Purpose.NAME] * 2 + [Purpose.CHECK] * 2
    assert [str(name) for name in trace.path[1].own or ()] == ["ns.test."]


def test_without_checks() -> None:
    trace = walked(check=False)
    assert len(trace.hops) == 2
    assert not trace.is_checked


def test_glue_that_differs() -> None:
    trace = walked(authority(zone("test.", "www A 192.0.2.1", "ns A 10.0.0.9", ns=["ns.test."])))
    assert texts(trace) == [
        "glue-differs: ns.test. is 10.0.0.2 by the zone above (.), and 10.0.0.9 by test. itself"
    ]
    assert trace.findings[0].hop == 1
    assert str(trace.findings[0].server) == "ns.test."


def test_glue_of_a_name_that_has_no_address_in_the_zone_itself() -> None:
    """The answer to NS has no addresses then: they are asked for."""
    trace = walked(authority(zone("test.", "www A 192.0.2.1", ns=["ns.test."])))
    assert texts(trace) == [
        "glue-differs: ns.test. is 10.0.0.2 by the zone above (.), and none by test. itself"
    ]
    assert [str(hop.question.rdtype) for hop in trace.hops[2:]] == ["NS", "NS", "A"]


def test_glue_of_one_family_is_not_compared_with_the_other() -> None:
    sound = zone("test.", "www A 192.0.2.1", "ns A 10.0.0.2", "ns AAAA 2001:db8::2", ns=["ns.test."])
    assert texts(walked(authority(sound))) == []


def test_servers_that_differ() -> None:
    trace = walked(authority(zone("test.", "www A 192.0.2.1", "ns A 10.0.0.2", ns=["ns.test.", "ns2.test."])))
    assert texts(trace) == ["servers-differ: the servers of test. differ; only the zone itself: ns2.test."]
    trace = walked(authority(zone("test.", "www A 192.0.2.1", ns=["elsewhere."])))
    assert texts(trace)[0] == (
        "servers-differ: the servers of test. differ; only the zone above (.): ns.test.; "
        "only the zone itself: elsewhere."
    )


def test_hints_that_differ() -> None:
    records = ("test. NS ns.test.", "ns.test. A 10.0.0.2", "ns.root. A 10.0.0.8")
    root = zone(".", *records, ns=["ns.root.", "b.root."])
    assert texts(walked(root=authority(root))) == [
        "hints-differ: the servers of . differ; only the zone itself: b.root.",
        "hints-differ: ns.root. is 10.0.0.1 by the hints, and 10.0.0.8 by . itself",
    ]


@pytest.mark.parametrize("kind", [1, 2, 4])
def test_a_ds_record_of_a_key(kind: int) -> None:
    record = DnsRecord.parse(f"test. 60 DS {ds_of('test.', kind)}")
    assert isinstance(record, DnsRecord.DS)
    assert is_digest_of(record, key_of("test."))
    assert is_digest_of(record, key_of("TEST."))
    assert not is_digest_of(record, key_of("other."))
    assert not is_digest_of(record.replace(algorithm=8), key_of("test."))
    assert not is_digest_of(record.replace(key_tag=1), key_of("test."))
    assert is_digest_of(record.replace(digest_type=200), key_of("test."))


def signed_root(ds: str) -> Script:
    return authority(
        zone(
            ".",
            "test. NS ns.test.",
            f"test. DS {ds}",
            "ns.test. A 10.0.0.2",
            "ns.root. A 10.0.0.1",
            ns=["ns.root."],
        )
    )


def with_ds(script: Script) -> Script:
    """A server that has DS records beside its referrals, as signed zones do."""

    def answer(query: Message) -> Message:
        made = of(script, query)
        if made.authority and made.authority[0].rdtype == DnsRecordType.NS:
            question = Question(made.authority[0].name, DnsRecordType.DS)
            ds = of(script, query.replace(question=[question]))
            made = made.replace(authority=[*made.authority, *ds.answer])
        return made

    return answer


def with_signatures(script: Script) -> Script:
    """A server that has a signature in every answer, which nobody verifies here."""

    def answer(query: Message) -> Message:
        made = of(script, query)
        signature = f"{query.question[0].name} 60 RRSIG A 13 2 60 20300101000000 20200101000000 1 test. AAAA"
        return made.replace(answer=[*made.answer, DnsRecord.parse(signature)])

    return answer


def of(script: Script, query: Message) -> Message:
    made = script(query)
    assert isinstance(made, Message)
    return made


class TestSigned:
    @pytest.mark.parametrize("kind", [2, 4])
    def test_a_zone_with_the_key_of_its_ds_record(self, kind: int) -> None:
        test = zone("test.", "www A 192.0.2.1", "ns A 10.0.0.2", f"@ DNSKEY {KEY}", ns=["ns.test."])
        trace = walked(with_signatures(authority(test)), with_ds(signed_root(ds_of("test.", kind))))
        assert texts(trace) == []
        assert trace.hops[0].delegation is not None
        assert trace.hops[0].delegation.signing is Signing.SIGNED
        assert trace.hops[0].reason == "test., 1 name server; signed (DS)"
        assert trace.path[1].keys == (key_of("test."),)

    def test_no_key(self) -> None:
        trace = walked(root=with_ds(signed_root(ds_of("test."))))
        (text,) = texts(trace)
        assert text == (
            "not-signed: the zone above has a DS record of test., which has no key: "
            "validating resolvers answer SERVFAIL"
        )

    def test_another_key(self) -> None:
        test = zone("test.", "www A 192.0.2.1", "ns A 10.0.0.2", f"@ DNSKEY {KEY}", ns=["ns.test."])
        trace = walked(authority(test), with_ds(signed_root("7 13 2 " + "ab" * 32)))
        assert [each.fault.value for each in trace.findings] == ["ds-differs", "not-signed"]
        assert (
            f"no key of test. ({key_of('test.').key_tag}) is the one of its DS records (7)" in texts(trace)[0]
        )
        assert "answers without a signature" in texts(trace)[1]


class TestTheEndOfTheTime:
    def test_an_answer_stands_where_a_check_fails(self) -> None:
        sound = authority(zone("test.", "www A 192.0.2.1", ns=["ns.test."]))

        def only_www(query: Message) -> Message | None:
            return of(sound, query) if len(query.question[0].name.labels) > 1 else None

        trace = walked(only_www)
        assert trace.outcome is Outcome.ANSWER
        assert trace.error is None
        assert trace.findings == ()
        assert trace.is_checked

    def test_an_answer_stands_where_there_is_no_time_for_checks(self) -> None:
        trace = walked(max_asks=3)
        assert trace.outcome is Outcome.ANSWER
        assert trace.error is None
        assert not trace.is_checked
