"""Walks for the addresses of name servers, the limits of a walk, and how it begins."""

from __future__ import annotations

import pytest

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import Message
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.upstream import Upstream
from netkit.dns.tracing.errors import ZoneUnusable
from netkit.dns.tracing.outcome import Outcome
from netkit.dns.tracing.trace import DEFAULT_QUERY, Purpose
from tests.dns.tracing.world import (
    ROUND_TRIP,
    Script,
    World,
    authority,
    says,
    silent,
    way,
    zone,
)
from tests.dns.tracing.zones import SERVERS, addresses, world

pytestmark = pytest.mark.once


class TestAddressesOfServers:
    def test_a_walk_of_their_own(self) -> None:
        walked = world().trace("www.far.test")
        assert addresses(walked) == ["192.0.2.4"]
        assert [hop.purpose for hop in walked.hops] == [
            Purpose.NAME, Purpose.NAME, Purpose.ADDRESS, Purpose.ADDRESS, Purpose.ADDRESS, Purpose.NAME,
        ]  # fmt: skip
        assert {str(hop.whose) for hop in walked.hops if hop.depth} == {"ns.hosting.other."}
        assert way(walked)[2:] == [
            ". ns.root. referral",
            "other. ns.other. referral",
            "hosting.other. ns.hosting.other. answer",
            "far.test. ns.hosting.other. answer",
        ]
        assert [str(cut.zone) for cut in walked.path] == [".", "test.", "far.test."]

    def test_glue_of_another_zone_does_not_count(self) -> None:
        forged = says(
            aa=False,
            authority=["far.test. 60 NS ns.hosting.other."],
            additional=["ns.hosting.other. 60 A 10.0.0.66"],
        )
        played = world(at2=forged)
        assert addresses(played.trace("www.far.test")) == ["192.0.2.4"]
        assert not any(each.startswith("10.0.0.66") for each in played.asked)

    def test_missing_glue_is_told_without_a_query(self) -> None:
        walked = world().trace("www.bare.test")
        hop = walked.hops[-1]
        assert (hop.outcome, hop.upstream) == (Outcome.NO_ADDRESS, None)
        assert hop.reason == "its name is in the zone itself, and the referral has no address of it"
        assert isinstance(walked.error, ZoneUnusable)
        assert str(walked.error).endswith("(1 without an address)")

    def test_zones_that_depend_on_each_other(self) -> None:
        root = zone(".", "a. NS ns.b.", "b. NS ns.a.", ns=["ns.root."])
        walked = World({"10.0.0.1": authority(root)}).trace("www.a")
        assert walked.error is not None
        assert any("depend on each other" in hop.reason for hop in walked.hops)

    def test_a_name_server_that_does_not_exist(self) -> None:
        test = zone("test.", "example NS ns.gone.other.", "example NS ns.example", "ns.example A 10.0.0.4")
        walked = world(at2=authority(test)).trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"], "the one with glue is asked first"
        assert len(walked.hops) == 3
        walked = world(at2=authority(zone("test.", "example NS ns.gone.other."))).trace("www.example.test")
        assert walked.hops[-1].outcome is Outcome.NO_ADDRESS
        assert "the name does not exist" in walked.hops[-1].reason

    def test_a_name_server_that_is_an_alias(self) -> None:
        other = zone("other.", "ns CNAME real", "real A 10.0.0.4")
        test = zone("test.", "example NS ns.other.")
        walked = world(at2=authority(test), at6=authority(other)).trace("www.example.test")
        assert addresses(walked) == ["192.0.2.1"]
        assert [finding.fault.value for finding in walked.findings] == ["server-is-alias"]

    def test_many_name_servers_without_addresses_do_not_make_many_walks(self) -> None:
        names = [f"example NS ns{number}.gone.other." for number in range(60)]
        played = world(at2=authority(zone("test.", *names)))
        walked = played.trace("www.example.test")
        assert walked.error is not None
        assert sum(hop.outcome is Outcome.NO_ADDRESS for hop in walked.hops) == 6
        assert len(played.asked) < 30

    def test_depending_too_deep(self) -> None:
        records = [f"z{number}. NS ns.z{number + 1}." for number in range(10)]
        walked = World({"10.0.0.1": authority(zone(".", *records, ns=["ns.root."]))}).trace("www.z0")
        assert any("depend on too many" in hop.reason for hop in walked.hops)


class TestLimits:
    def test_one_deadline_for_all(self) -> None:
        hints = {f"{letter}.root.": [f"10.1.0.{number}"] for number, letter in enumerate("abcdefghijklm", 1)}
        played = World({}, hints)
        begun = played.now
        walked = played.trace("www.example.test", within=6.0)
        assert isinstance(walked.error, DnsError.Timeout)
        assert played.now - begun == pytest.approx(6.0, abs=0.1)
        assert len({hop.server for hop in walked.hops}) == 13, "each had its turn"

    def test_a_dead_root_server_costs_time_and_not_the_walk(self) -> None:
        hints = {"a.root.": ["10.1.0.1"], "b.root.": ["10.0.0.1"]}
        walked = World(SERVERS, hints).trace("www.example.test", within=3.0)
        assert addresses(walked) == ["192.0.2.1"]
        assert way(walked)[:2] == [". a.root. timeout", ". b.root. referral"]
        assert walked.elapsed == pytest.approx(1.0 + 3 * ROUND_TRIP), "a third: there is one other server"

    def test_a_number_of_queries(self) -> None:
        walked = World({}, {"a.root.": ["10.1.0.1"]}).trace(
            "www.example.test", max_asks=3, query=QueryOptions(timeout=0.1, tries=100)
        )
        assert "more than 3 queries" in str(walked.error)
        assert len(walked.history) == 3

    def test_a_referral_without_end_ends(self) -> None:
        def deeper(query: Message) -> Message | DnsError | None:
            played_cut = query.question[0].name.suffix(len(cuts) + 1)
            cuts.append(played_cut)
            return says(
                aa=False, authority=[f"{played_cut} 60 NS ns.test."], additional=["ns.test. 60 A 10.0.0.2"]
            )(query)

        cuts: list[object] = []
        name = ".".join(["a"] * 100) + ".test"
        walked = world(at1=deeper, at2=deeper).trace(name)
        assert walked.error is not None
        assert len(walked.history) < 210

    def test_the_end_of_the_time_has_a_place(self) -> None:
        played = World({}, {"a.root.": ["10.1.0.1"]})
        walked = played.trace("x", within=0.1, query=DEFAULT_QUERY.replace(tries=100))
        assert isinstance(walked.error, DnsError.Timeout)
        assert played.now == pytest.approx(1000.1)
        assert walked.error.hint == (
            "the walk from the root has 0.1 s; the last server that was asked is a.root. (10.1.0.1:53), of ."
        )


class TestTheBeginning:
    def test_servers_that_another_one_names(self) -> None:
        start = says(". 60 NS ns.root.", aa=False, ra=True, additional=["ns.root. 60 A 10.0.0.1"])
        played = world(at99=start)
        walked = played.trace("www.example.test", start=(Upstream.of("10.0.0.99"),))
        assert addresses(walked) == ["192.0.2.1"]
        assert walked.hops[0].purpose is Purpose.ROOT
        assert walked.hops[0].reason == "names 1 server of the root"
        assert played.asked[0] == "10.0.0.99 . NS"

    def test_their_addresses_are_asked_of_it(self) -> None:
        def resolver(query: Message) -> Message | DnsError | None:
            question = query.question[0]
            assert query.recursion_desired
            record = "ns.root. 60 A 10.0.0.1" if question.rdtype == DnsRecordType.A else ". 60 NS ns.root."
            return says(record, aa=False, ra=True)(query)

        played = world(at99=resolver)
        walked = played.trace("www.example.test", start=(Upstream.of("10.0.0.99"),))
        assert addresses(walked) == ["192.0.2.1"]
        assert played.asked[1] == "10.0.0.99 ns.root. A"

    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            (silent, DnsError.Timeout),
            (says(rcode=Rcode.REFUSED, aa=False), DnsError.TryAgain),
            (says(), DnsError.TryAgain),
        ],
    )
    def test_nobody_names_them(self, script: Script, kind: type[DnsError]) -> None:
        walked = world(at99=script).trace("www.example.test", start=(Upstream.of("10.0.0.99"),))
        assert isinstance(walked.error, kind)
        assert walked.path == ()
