"""What counts as a difference between servers, who is stale, lame, split, or not there."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given, strategies as st

from netkit.dns.comparing import Comparison, Content, Heard, Standing, compare, difference_of
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, AD, TC, Message, Question
from tests.dns.comparing.said import CACHE, QUESTION, ZONE, A, heard, message, soa

pytestmark = pytest.mark.once

B = "www.example. 300 A 192.0.2.2"


def told(*given: Heard) -> Comparison:
    return compare(QUESTION, given)


def groups(comparison: Comparison) -> list[list[str]]:
    """The last octets of the addresses in each group."""
    return [
        [
            str(member.server.upstreams[0].addr).partition(":")[0].rpartition(".")[2]
            for member in group.members
        ]
        for group in comparison.groups
    ]


#: Two answers that are the same as far as a comparison goes.
SAME: dict[str, tuple[Message, Message]] = {
    "the same": (message(A), message(A)),
    "in another order": (message(A, B), message(B, A)),
    "in other letters": (message(A), message("WWW.Example. 300 A 192.0.2.1")),
    "another authority section": (message(A), message(A, authority=["example. 300 NS ns.example."])),
    "a cache that has counted down": (message(A), message(A.replace("300", "17"), flags=CACHE)),
    "two caches": (message(A.replace("300", "9"), flags=CACHE), message(A, flags=CACHE)),
    "a cache that validates, and the zone": (message(A), message(A, flags=CACHE | AD)),
    "RD, RA and AA": (message(A), message(A, flags=AA | CACHE)),
    "signatures made at the moment": (
        message(A, "www.example. 300 RRSIG A 13 2 300 20260102000000 20260101000000 7 example. AAAA"),
        message(A, "www.example. 300 RRSIG A 13 2 300 20260302000000 20260301000000 7 example. BBBB"),
    ),
    "the end of an alias, which one server has too": (
        message("www.example. 300 CNAME www.other."),
        message("www.example. 300 CNAME www.other.", "www.other. 300 A 192.0.2.1"),
    ),
    "no such name": (
        message(rcode=Rcode.NXDOMAIN, authority=[soa()]),
        message(rcode=Rcode.NXDOMAIN, authority=[soa(ttl=7)], flags=CACHE),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_servers_that_agree(name: str) -> None:
    for first, second in (SAME[name], SAME[name][::-1]):
        comparison = told(heard(1, first), heard(2, second))
        assert comparison.agree
        assert comparison.error is None
        assert len(comparison.groups) == 1
        assert not comparison.dissenting
        one, other = comparison.members[0].heard.content, comparison.members[1].heard.content
        assert one is not None
        assert other is not None
        assert not difference_of(one, other)


def apart(first: Message, second: Message, *serials: int) -> Comparison:
    serial = iter(serials or (1, 1))
    comparison = told(heard(1, first, next(serial)), heard(2, second, next(serial)))
    assert not comparison.agree
    assert len(comparison.groups) == 2
    assert not comparison.groups[0].difference
    return comparison


def test_a_split_answer() -> None:
    comparison = apart(message(A), message(B))
    found = comparison.groups[1].difference
    assert [str(each) for each in found.only_first] == ["www.example.\t300\tIN\tA\t192.0.2.1"]
    assert [str(each) for each in found.only_second] == ["www.example.\t300\tIN\tA\t192.0.2.2"]
    assert (found.rcodes, found.serials, found.ttls) == (None, None, ())
    assert [each.server.address for each in comparison.dissenting] == ["192.0.2.2:53"]


def test_one_record_more() -> None:
    found = apart(message(A), message(A, B)).groups[1].difference
    assert (len(found.only_first), len(found.only_second)) == (0, 1)


def test_a_stale_secondary_shows_in_its_serial_alone() -> None:
    comparison = told(heard(1, message(A), 7), heard(2, message(A), 8), heard(3, message(A), 7))
    assert groups(comparison) == [["2"], ["1", "3"]]  # the newest first, though it is alone
    found = comparison.groups[1].difference
    assert (found.serials, found.behind) == ((8, 7), 1)
    assert not found.only_first
    assert [(each.serial, each.behind, len(each.members)) for each in comparison.serials] == [
        (8, 0, 1),
        (7, 1, 2),
    ]


def test_a_serial_that_has_wrapped_around_is_the_newer_one() -> None:
    comparison = told(heard(1, message(A), 0xFFFFFFFF), heard(2, message(A), 1))
    assert [(each.serial, each.behind) for each in comparison.serials] == [(1, 0), (0xFFFFFFFF, 2)]
    assert groups(comparison) == [["2"], ["1"]]


def test_serials_that_contradict_each_other() -> None:
    half = 1 << 31
    comparison = told(heard(1, message(A), 0), heard(2, message(A), half))
    assert [each.behind for each in comparison.serials] == [None, None]
    assert comparison.groups[1].difference.behind is None
    assert groups(comparison) == [["1"], ["2"]]


def test_the_ttl_of_the_zone_counts() -> None:
    found = apart(message(A), message(A.replace("300", "600"))).groups[1].difference
    assert [(str(each.name), each.rdtype, each.first, each.second) for each in found.ttls] == [
        ("www.example.", DnsRecordType.A, 300, 600)
    ]


def test_a_cache_keeps_nothing_longer_than_the_zone_says() -> None:
    found = apart(message(A), message(A.replace("300", "301"), flags=CACHE)).groups[1].difference
    assert [(each.first, each.second) for each in found.ttls] == [(300, 301)]
    # In whichever order they are given, the zone is what a cache is compared with.
    found = apart(message(A.replace("300", "301"), flags=CACHE), message(A)).groups[1].difference
    assert [(each.first, each.second) for each in found.ttls] == [(300, 301)]


def test_other_response_codes() -> None:
    found = apart(message(A), message(rcode=Rcode.NXDOMAIN, authority=[soa()])).groups[1].difference
    assert found.rcodes == (Rcode.NOERROR, Rcode.NXDOMAIN)
    assert len(found.only_first) == 1


def test_flags_that_count() -> None:
    assert apart(message(A), message(A, flags=AA | TC)).groups[1].difference.flags == (("tc", True),)
    cached = message(A, flags=CACHE)
    assert apart(cached, message(A, flags=CACHE | AD)).groups[1].difference.flags == (("ad", True),)


def test_another_zone() -> None:
    """One server has a zone of its own for what is in the parent zone on the other."""
    parent = heard(1, message(rcode=Rcode.NXDOMAIN, authority=[soa(3)]))
    child = heard(2, message(rcode=Rcode.NXDOMAIN, authority=[soa(3, zone="www.example.")]))
    comparison = told(parent, child)
    zones = comparison.groups[1].difference.zones
    assert zones is not None
    assert [str(each) for each in zones] == ["example.", "www.example."]
    assert {str(each.zone) for each in comparison.serials} == {"example.", "www.example."}


def test_a_referral_is_no_denial() -> None:
    denied = message(authority=[soa()], flags=0)
    referred = message(authority=["example. 300 NS ns.example."], flags=0)
    found = apart(denied, referred).groups[1].difference
    assert found.referral is True
    assert len(found.only_second) == 1


REFUSED = message(rcode=Rcode.REFUSED, flags=0)
LAME: dict[str, tuple[Message, str]] = {
    "it refuses": (REFUSED, "answers REFUSED"),
    "it fails": (message(rcode=Rcode.SERVFAIL, flags=0), "answers SERVFAIL"),
    "it refers upward": (message(authority=[". 300 NS a.root."], flags=0), "refers to other servers"),
    "it recurses": (message(A, flags=CACHE), "answers without authority"),
}


@pytest.mark.parametrize("name", LAME)
def test_a_lame_delegation(name: str) -> None:
    said, words = LAME[name]
    comparison = told(heard(1, message(A), zone=ZONE), heard(2, said, zone=ZONE))
    lame = comparison.members[1]
    assert (lame.standing, lame.group) == (Standing.LAME, None)
    assert lame.reason == words
    assert not comparison.agree
    assert comparison.outside == comparison.dissenting == (lame,)
    assert len(comparison.groups) == 1


def test_a_server_that_is_not_said_to_have_the_zone_is_not_lame() -> None:
    comparison = told(heard(1, message(A), zone=ZONE), heard(2, message(A, flags=CACHE)))
    assert comparison.agree


def test_an_unreachable_server() -> None:
    silent = DnsError.Timeout(5.0, 3, name=QUESTION.name, server="192.0.2.2:53")
    comparison = told(heard(1, message(A)), heard(2, silent))
    assert comparison.members[1].standing is Standing.FAILED
    assert comparison.members[1].reason == "no answer within 5 s"
    assert not comparison.agree
    assert comparison.error is None


def no_way(number: int = errno.ENETUNREACH) -> DnsError:
    return DnsError.NetworkError("network is unreachable", number)


def test_a_machine_without_ipv6_is_no_fault_of_servers() -> None:
    comparison = told(
        heard(1, message(A)),
        heard(2, no_way(), address="2001:db8::2"),
        heard(3, no_way(), address="2001:db8::3"),
    )
    assert [each.standing for each in comparison.members[1:]] == [Standing.NOT_ASKED] * 2
    assert comparison.agree
    assert comparison.dissenting == ()


def test_one_network_that_is_unreachable_is_a_fault() -> None:
    comparison = told(heard(1, message(A)), heard(2, no_way()))
    assert comparison.members[1].standing is Standing.FAILED
    refused = DnsError.NetworkError("connection refused", errno.ECONNREFUSED)
    comparison = told(heard(1, message(A)), heard(2, refused, address="2001:db8::2"))
    assert comparison.members[1].standing is Standing.FAILED


def test_nobody_answers() -> None:
    silent = DnsError.Timeout(5.0, 3, name=QUESTION.name)
    comparison = told(heard(1, silent), heard(2, REFUSED, zone=ZONE))
    assert comparison.error is silent
    assert not comparison.agree
    assert isinstance(told(heard(2, REFUSED, zone=ZONE)).error, DnsError.Refused)
    assert isinstance(told(heard(2, message(A, flags=CACHE), zone=ZONE)).error, DnsError.TryAgain)
    assert isinstance(told().error, DnsError.TryAgain)


def test_the_largest_group_is_first_where_no_serial_decides() -> None:
    comparison = told(
        *(heard(number, message(each, flags=CACHE)) for number, each in enumerate((A, B, B), start=1))
    )
    assert groups(comparison) == [["2", "3"], ["1"]]
    assert comparison.serials == ()


def test_a_cache_joins_the_group_whose_zone_it_has() -> None:
    comparison = told(heard(1, message(B, flags=CACHE)), heard(2, message(A), 1), heard(3, message(B), 2))
    assert groups(comparison) == [["1", "3"], ["2"]]


def test_a_cache_is_beside_the_newest_zone_that_it_agrees_with() -> None:
    comparison = told(heard(1, message(A), 1), heard(2, message(A), 2), heard(3, message(A, flags=CACHE)))
    assert groups(comparison) == [["2", "3"], ["1"]]


def test_two_caches_that_differ_in_ad_do_not_hide_behind_the_zone() -> None:
    comparison = told(
        heard(1, message(A)), heard(2, message(A, flags=CACHE | AD)), heard(3, message(A, flags=CACHE))
    )
    assert groups(comparison) == [["1", "2"], ["3"]]
    assert comparison.groups[1].difference.flags == (("ad", False),)


@pytest.mark.parametrize(
    ("said", "lifetime"),
    [
        (message(A, "www.example. 20 A 192.0.2.9"), 20),
        (message("www.example. 9 CNAME w.example.", "w.example. 300 A 192.0.2.1"), 9),
        (message(rcode=Rcode.NXDOMAIN, authority=[soa(ttl=40, minimum=60)]), 40),
        (message(authority=[soa(ttl=300, minimum=60)]), 60),
        (message(), None),  # RFC 2308 section 5: without an SOA record it must not be cached
        (message(rcode=Rcode.SERVFAIL), None),
        (message(authority=["example. 70 NS ns.example."], flags=0), 70),
        (message("www.example. 0 A 192.0.2.1"), 0),
    ],
)
def test_how_long_an_answer_may_be_kept(said: Message, lifetime: int | None) -> None:
    assert Content(said, QUESTION).lifetime == lifetime


def test_any_has_all_types() -> None:
    question = Question("www.example.", DnsRecordType.ANY)
    content = Content(message(A, 'www.example. 60 TXT "x"', question=question), question)
    assert content.exists
    assert len(content.records) == 2


def said_by_anyone() -> st.SearchStrategy[Message]:
    """Answers of which few things differ, so that many of them agree."""
    records = st.lists(st.sampled_from([A, B, A.replace("300", "60")]), max_size=2, unique=True)
    flags = st.sampled_from([AA, CACHE, CACHE | AD, AA | TC])
    rcodes = st.sampled_from([Rcode.NOERROR, Rcode.NXDOMAIN, Rcode.SERVFAIL])
    return st.builds(
        lambda answer, flag, rcode: message(*answer, flags=flag, rcode=rcode), records, flags, rcodes
    )


@given(st.lists(st.tuples(said_by_anyone(), st.integers(1, 2)), min_size=1, max_size=6))
def test_a_comparison_does_not_depend_on_the_order(said: list[tuple[Message, int]]) -> None:
    them = [heard(number, each, serial) for number, (each, serial) in enumerate(said, start=1)]
    forth, back = compare(QUESTION, them), compare(QUESTION, them[::-1])
    assert forth.agree == back.agree
    assert len(forth.serials) == len(back.serials)
    for each in (forth, back):
        assert sum(len(group.members) for group in each.groups) == len(said)
        assert [member.group is None for member in each.members] == [False] * len(said)
        for group in each.groups[1:]:
            assert group.difference, "two groups that do not differ"
