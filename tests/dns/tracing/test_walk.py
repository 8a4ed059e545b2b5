"""A walk from the root, step by step, against servers that are only played."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message
from netkit.dns.tracing.errors import ZoneUnusable
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.reading import Signing
from netkit.dns.tracing.trace import DEFAULT_QUERY, MAX_ALIASES
from tests.dns.tracing.world import (
    ROUND_TRIP,
    Script,
    World,
    authority,
    fails,
    refused,
    says,
    silent,
    unreachable,
    way,
    zone,
)
from tests.dns.tracing.zones import EXAMPLE, ROOT, SERVERS, TEST, addresses, world

pytestmark = pytest.mark.once


class TestTheWay:
    def test_from_the_root_to_the_answer(self) -> None:
        walked = world().trace("www.example.test")
        assert way(walked) == [
            ". ns.root. referral",
            "test. ns.test. referral",
            "example.test. ns.example.test. answer",
        ]
        assert addresses(walked) == ["192.0.2.1"]
        assert walked.error is None
        assert walked.outcome is Outcome.ANSWER
        assert [str(cut.zone) for cut in walked.path] == [".", "test.", "example.test."]
        assert [hop.number for hop in walked.hops] == [1, 2, 3]
        assert [hop.elapsed for hop in walked.hops] == pytest.approx([ROUND_TRIP] * 3)
        assert [hop.at for hop in walked.hops] == pytest.approx([0, ROUND_TRIP, 2 * ROUND_TRIP])
        assert walked.elapsed == pytest.approx(3 * ROUND_TRIP)
        assert [hop.then for hop in walked.hops] == [
            "the servers of test. are asked",
            "the servers of example.test. are asked",
            "the walk ends",
        ]

    def test_what_a_delegation_says(self) -> None:
        first, second, _ = world().trace("www.example.test").hops
        assert first.delegation is not None
        assert second.delegation is not None
        assert [str(name) for name in first.delegation.names] == ["ns.test.", "ns2.test."]
        assert first.delegation.signing is Signing.NOT_SAID
        assert first.reason == "test., 2 name servers; no DS"

    def test_each_hop_is_told_as_soon_as_it_is_complete(self) -> None:
        played = world()
        walked = played.trace("www.example.test")
        assert played.told == list(walked.hops)

    @pytest.mark.parametrize(
        ("name", "kind", "outcome"),
        [
            ("gone.example.test", DnsError.NotFound, Outcome.NO_NAME),
            ("gone.test", DnsError.NotFound, Outcome.NO_NAME),
            ("gone", DnsError.NotFound, Outcome.NO_NAME),
            ("ns.test", None, Outcome.ANSWER),
            ("two.test", DnsError.NoData, Outcome.NO_DATA),
        ],
    )
    def test_where_it_ends(self, name: str, kind: type[DnsError] | None, outcome: Outcome) -> None:
        # ns.test. has an address as glue in the root, and none in its own zone.
        walked = world(at2=authority(zone("test.", "ns A 10.0.0.2", "one.two A 192.0.2.8"))).trace(name)
        assert walked.outcome is outcome
        assert walked.error is None if kind is None else type(walked.error) is kind

    def test_a_denial_says_whose_it_is(self) -> None:
        walked = world().trace("gone.example.test")
        assert walked.hops[-1].reason == "gone.example.test. does not exist, says example.test."
        assert isinstance(walked.error, DnsError.NotFound)
        assert str(walked.error.absent) == "gone.example.test."

    def test_ds_records_are_those_of_the_zone_above(self) -> None:
        walked = world().trace("example.test", "DS")
        assert way(walked) == [". ns.root. referral", "test. ns.test. answer"]
        assert str(walked.records[0].rdata_text()).startswith("12345 13 2 ")

    def test_a_server_of_the_zone_above_and_below_skips_the_cut(self) -> None:
        walked = world(at2=authority(TEST, EXAMPLE)).trace("www.example.test")
        assert way(walked) == [". ns.root. referral", "test. ns.test. answer"]


class TestAliases:
    def test_within_a_zone(self) -> None:
        walked = world().trace("near.example.test")
        assert [str(record.name) for record in walked.aliases] == ["near.example.test."]
        assert addresses(walked) == ["192.0.2.1"]
        assert len(walked.hops) == 3

    def test_across_zones(self) -> None:
        walked = world().trace("away.example.test")
        assert way(walked)[3:] == [
            ". ns.root. referral",
            "other. ns.other. referral",
            "site.other. ns.hosting.other. answer",
        ]
        assert addresses(walked) == ["192.0.2.3"]
        assert str(walked.name) == "www.site.other."
        assert walked.hops[2].then == "www.site.other. is asked for"

    def test_a_walk_for_an_alias_begins_at_the_lowest_zone_that_is_known(self) -> None:
        cross = zone("cross.test.", "www CNAME www.example.test.")
        test = zone(
            "test.",
            "cross NS ns.cross",
            "ns.cross A 10.0.0.9",
            "example NS ns.example",
            "ns.example A 10.0.0.4",
        )
        walked = world(at2=authority(test), at9=authority(cross)).trace("www.cross.test")
        assert way(walked) == [
            ". ns.root. referral",
            "test. ns.test. referral",
            "cross.test. ns.cross.test. alias",
            "test. ns.test. referral",
            "example.test. ns.example.test. answer",
        ]

    def test_what_a_server_says_of_other_zones_does_not_count(self) -> None:
        forged = says(
            "away.example.test. 60 CNAME www.site.other.", "www.site.other. 60 A 192.0.2.66", aa=True
        )
        walked = world(at4=forged).trace("away.example.test")
        assert addresses(walked) == ["192.0.2.3"]

    def test_in_a_circle_in_one_answer(self) -> None:
        walked = world().trace("loop.example.test")
        assert isinstance(walked.error, DnsError.AliasLoop)

    def test_in_a_circle_across_zones(self) -> None:
        site = says("www.site.other. 60 CNAME away.example.test.")
        walked = world(at7=site).trace("away.example.test")
        assert isinstance(walked.error, DnsError.AliasLoop)
        assert "leads back to away.example.test." in str(walked.error)

    def test_without_end(self) -> None:
        def endless(query: Message) -> Message | DnsError | None:
            name = query.question[0].name
            number = int(name.labels[0][1:]) + 1
            return says(f"{name} 60 CNAME n{number}.example.test.")(query)

        walked = world(at4=endless).trace("n1.example.test")
        assert isinstance(walked.error, DnsError.AliasLoop)
        assert len(walked.aliases) == MAX_ALIASES + 1

    @pytest.mark.parametrize("with_cname", [True, False])
    def test_a_tree_elsewhere(self, with_cname: bool) -> None:
        records = ["old.example.test. 60 DNAME site.other."]
        if with_cname:
            records.append("www.old.example.test. 60 CNAME www.site.other.")
        walked = world(at4=says(*records)).trace("www.old.example.test")
        assert addresses(walked) == ["192.0.2.3"]
        assert [str(record.rdtype) for record in walked.aliases] == ["DNAME", "CNAME"][: 1 + with_cname]
        assert walked.hops[2].reason == (
            "an alias of www.site.other., by the DNAME record of old.example.test."
        )

    def test_a_tree_elsewhere_makes_a_name_too_long(self) -> None:
        target = ".".join(["a" * 60] * 3 + ["b" * 40])
        script = says(f"old.example.test. 60 DNAME {target}.", rcode=Rcode.YXDOMAIN)
        walked = world(at4=script).trace(f"{'c' * 60}.old.example.test")
        assert walked.outcome is Outcome.ERROR
        assert isinstance(walked.error, DnsError.ServerError)


NS_OF_EXAMPLE = "example.test. 60 NS ns.example.test."


@dataclass(frozen=True)
class Lame:
    """What a server says that does not have its zone."""

    script: Script
    outcome: Outcome
    words: str


LAME = {
    "refused": Lame(says(rcode=Rcode.REFUSED, aa=False), Outcome.REFUSED, "REFUSED"),
    "servfail": Lame(says(rcode=Rcode.SERVFAIL, aa=False), Outcome.FAILED, "SERVFAIL"),
    "notauth": Lame(says(rcode=Rcode.NOTAUTH, aa=False), Outcome.FAILED, "NOTAUTH"),
    "upward to the root": Lame(
        says(aa=False, authority=[". 60 NS ns.root."]), Outcome.UPWARD, "a referral of ., above test."
    ),
    "to itself": Lame(
        says(aa=False, authority=["test. 60 NS ns.test."]), Outcome.SELF, "a referral to test. itself"
    ),
    "sideways": Lame(
        says(aa=False, authority=["elsewhere.test. 60 NS ns.test."]),
        Outcome.SIDEWAYS,
        "a referral to elsewhere.test., which the name is not in",
    ),
    "a resolver": Lame(
        says("www.example.test. 60 A 192.0.2.66", aa=False, ra=True),
        Outcome.NOT_AUTHORITATIVE,
        "an answer, without authority (no AA): a resolver answers",
    ),
    "a resolver's denial": Lame(
        says(rcode=Rcode.NXDOMAIN, aa=False), Outcome.NOT_AUTHORITATIVE, "NXDOMAIN, without authority"
    ),
    "nothing": Lame(says(aa=False), Outcome.NOT_AUTHORITATIVE, "nothing, without authority (no AA)"),
    "the zone above": Lame(
        says(rcode=Rcode.NXDOMAIN, authority=[". 60 SOA a. b. 1 1 1 1 1"]),
        Outcome.UPWARD,
        "a denial of ., above test.",
    ),
    "silence": Lame(silent, Outcome.TIMEOUT, "no answer within 2 s"),
    "a closed port": Lame(fails(refused), Outcome.UNREACHABLE, "connection refused"),
    "garbage": Lame(
        fails(lambda: DnsError.InvalidResponse("header", 3, "too short")),
        Outcome.MALFORMED,
        "malformed: header",
    ),
}


class TestAnotherServer:
    @pytest.mark.parametrize("what", LAME)
    def test_is_asked_where_one_is_of_no_use(self, what: str) -> None:
        lame = LAME[what]
        walked = world(at2=lame.script).trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"]
        hop = walked.hops[1]
        assert (str(hop.server), hop.outcome) == ("ns.test.", lame.outcome)
        assert hop.reason.startswith(lame.words)
        assert hop.then == "another server is asked"
        assert str(walked.hops[2].server) == "ns2.test."
        assert len(walked.findings) == 1
        assert walked.findings[0].hop == hop.number
        assert str(walked.findings[0].zone) == "test."

    @pytest.mark.parametrize("what", LAME)
    def test_is_not_left(self, what: str) -> None:
        lame = LAME[what]
        walked = world(at2=lame.script, at3=lame.script).trace("www.example.test")
        assert walked.error is not None
        assert walked.reading is None
        assert walked.hops[-1].then == "no other server is left"
        if lame.outcome.is_lame:
            assert isinstance(walked.error, ZoneUnusable)
            assert walked.error.kind == "LameDelegation"
            assert "no server of test. gave a usable answer (2 " in str(walked.error)
        asked_again = {Outcome.TIMEOUT, Outcome.FAILED}
        assert len(walked.hops) == (5 if lame.outcome in asked_again else 3)

    def test_a_network_that_answers_in_place_of_all_is_known_after_some_root_servers(self) -> None:
        hints = {f"{letter}.root.": [f"10.1.0.{number}"] for number, letter in enumerate("abcdefghij", 1)}
        intercepted = says("www.example.test. 60 A 192.0.2.66", aa=False, ra=True)
        played = World({f"10.1.0.{number}": intercepted for number in range(1, 11)}, hints)
        walked = played.trace("www.example.test")
        assert len(walked.hops) == 3
        assert walked.error is not None
        assert walked.error.hint is not None
        assert "this network takes in what is sent to port 53" in walked.error.hint
        assert walked.error.kind == "TryAgain"

    def test_all_silent_is_a_timeout_that_names_them(self) -> None:
        walked = world(at2=silent, at3=silent).trace("www.example.test")
        assert isinstance(walked.error, DnsError.Timeout)
        assert walked.error.server == "10.0.0.2:53, 10.0.0.3:53"
        assert walked.error.attempts == 4
        assert [hop.turn for hop in walked.hops] == [1, 1, 1, 2, 2]
        assert walked.hops[2].then == "all were asked: those that may answer yet are asked again"

    def test_one_that_answers_the_second_time(self) -> None:
        def late(query: Message) -> Message | DnsError | None:
            return authority(TEST)(query) if played.now > 1003 else None

        played = world(at2=late, at3=silent)
        walked = played.trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"]
        assert walked.hops[3].turn == 2

    def test_a_referral_with_aa_is_one(self) -> None:
        script = says(aa=True, authority=[NS_OF_EXAMPLE], additional=["ns.example.test. 60 A 10.0.0.4"])
        walked = world(at2=script).trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"]
        assert "AA" in walked.findings[0].text

    def test_no_data_of_an_authority_without_a_soa_record(self) -> None:
        walked = world(at2=says(authority=["test. 60 NS ns.test."])).trace("here.test", "AAAA")
        assert walked.outcome is Outcome.NO_DATA
        assert "no SOA record" in walked.findings[0].text

    def test_who_was_of_use_is_asked_first_later(self) -> None:
        played = world(at2=silent)
        played.trace("away.test")
        assert [each for each in played.asked if each.startswith("10.0.0.2")] == ["10.0.0.2 away.test. A"]

    def test_all_answers_over_tcp(self) -> None:
        played = World(SERVERS, truncated=["10.0.0.2"])
        walked = played.trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"]
        assert [step.transport.value for step in walked.hops[1].history] == ["udp", "tcp"]
        assert len(walked.history) == 4


DUAL = {"ns.root.": ["2001:db8::1", "10.0.0.1"], "ns2.root.": ["2001:db8::2"]}


class TestFamilies:
    def test_one_without_a_way_is_left_out_at_once(self) -> None:
        away = fails(unreachable)
        played = World({**SERVERS, "2001:db8::1": away, "2001:db8::2": away}, DUAL)
        walked = played.trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"]
        assert [each.split()[0] for each in played.asked[:2]] == ["2001:db8::1", "10.0.0.1"]
        assert "no way to IPv6 from here" in walked.hops[0].then
        assert walked.findings == (), "that is no fault of theirs"

    def test_one_that_is_silent_is_left_out_where_the_other_answers(self) -> None:
        hints = {
            f"{letter}.root.": [f"10.1.0.{number}", f"2001:db8::{number}"]
            for number, letter in enumerate("abcdefghij", 1)
        }
        refusing = says(rcode=Rcode.REFUSED, aa=False)
        played = World({f"10.1.0.{number}": refusing for number in range(1, 11)}, hints)
        walked = played.trace("www.example.test")
        silent_hops = [hop for hop in walked.hops if hop.outcome is Outcome.TIMEOUT]
        assert len(silent_hops) == 3
        played = World({"10.1.0.9": authority(ROOT), **SERVERS}, hints)
        assert addresses(played.trace("www.example.test")) == ["192.0.2.1"], "silence alone leaves none out"

    def test_only_one_is_wanted(self) -> None:
        played = World(SERVERS, DUAL)
        assert addresses(played.trace("www.example.test", family=4)) == ["192.0.2.1"]
        walked = World(SERVERS, DUAL).trace("www.example.test", family=6)
        assert {str(hop.upstream) for hop in walked.hops} == {"[2001:db8::1]:53", "[2001:db8::2]:53"}

    def test_each_server_comes_before_the_second_address_of_another(self) -> None:
        hints = {"a.root.": ["10.1.0.1", "10.1.0.2"], "b.root.": ["10.1.0.3"]}
        played = World({}, hints)
        walked = played.trace("www.example.test", query=DEFAULT_QUERY.replace(tries=1))
        assert [each.split()[0] for each in played.asked] == ["10.1.0.1", "10.1.0.3", "10.1.0.2"]
        assert isinstance(walked.error, DnsError.Timeout)
