"""A walk ends, whatever servers say."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings, strategies as st

from netkit.dns.messages.message import Message, make_response
from netkit.dns.records import DnsRecord
from tests.dns.tracing.world import World

pytestmark = pytest.mark.once

NAMES = (".", "test.", "example.test.", "www.example.test.", "ns.test.", "ns.example.test.", "other.")
RECORDS = [
    DnsRecord.parse(f"{owner} 60 {data}")
    for owner in NAMES
    for data in (
        "A 10.0.0.1",
        "A 10.0.0.2",
        "AAAA 2001:db8::1",
        "NS ns.test.",
        "NS ns.example.test.",
        "NS ns.other.",
        "CNAME www.example.test.",
        "CNAME other.",
        "DNAME test.",
        "DNAME example.test.",
        "SOA ns.test. admin.test. 1 1 1 1 1",
        "NSEC www.example.test. A",
        "DS 1 13 2 " + "ab" * 32,
        "DNSKEY 257 3 13 AAAA",
        "RRSIG A 13 2 60 20300101000000 20200101000000 1 test. AAAA",
    )
]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**64), st.sampled_from(("www.example.test", "example.test", "test")))
def test_a_walk_through_nonsense_ends(seed: int, name: str) -> None:
    dice = random.Random(seed)

    def nonsense(query: Message) -> Message | None:
        if dice.random() < 0.1:
            return None
        return make_response(
            query,
            rcode=dice.choice((0, 0, 0, 0, 2, 3, 5, 6)),
            aa=dice.random() < 0.5,
            ra=dice.random() < 0.3,
            answer=dice.sample(RECORDS, dice.choice((0, 0, 1, 2, 3))),
            authority=dice.sample(RECORDS, dice.choice((0, 1, 2, 3, 9))),
            additional=dice.sample(RECORDS, dice.choice((0, 1, 4))),
        )

    world = World(dict.fromkeys(("10.0.0.1", "10.0.0.2", "2001:db8::1"), nonsense))
    walked = world.trace(name, check=True, within=5.0)
    assert (walked.error is None) == bool(walked.records)
    assert len(walked.history) <= 201
    assert world.now - 1000.0 <= 5.2
    assert [hop.number for hop in walked.hops] == list(range(1, len(walked.hops) + 1))
    assert all(hop.reason for hop in walked.hops)
    assert repr(walked)
