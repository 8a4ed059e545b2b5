"""Differences between versions of a zone: found, put together, applied, and refused where they do not fit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from netkit.dns import DnsError, DnsRecord, Zone
from netkit.dns.transfers import Difference, TransferError
from netkit.dns.transfers.differences import apply_differences, condensed
from netkit.dns.zones.builder import ZoneBuilder

from .messages import ORIGIN, a, ns, soa


def zone(serial: int, *records: DnsRecord) -> Zone:
    builder = ZoneBuilder(ORIGIN)
    for record in (soa(serial), ns(), *records):
        builder.add(record)
    return builder.finish()


RECORDS = st.lists(
    st.one_of(
        st.builds(a, st.sampled_from("abcd"), st.integers(1, 3)),
        st.builds(
            lambda host, text: DnsRecord.TXT(f"{host}.{ORIGIN}", 300, [text]),
            st.sampled_from("ab"),
            st.sampled_from([b"x", b"X", b"y"]),
        ),
        st.just(DnsRecord.MX(ORIGIN, 60, 10, f"Mail.{ORIGIN}")),
    ),
    max_size=8,
)


@given(st.lists(RECORDS, min_size=2, max_size=5))
def test_found_applied_and_put_together(versions: list[list[DnsRecord]]) -> None:
    zones = [zone(serial, *records) for serial, records in enumerate(versions, 1)]
    steps = [Difference.between(old, new) for old, new in pairwise(zones)]
    for (old, new), step in zip(pairwise(zones), steps, strict=True):
        assert as_set(step.apply(old)) == as_set(new)
        assert step.size == len(list(step.records()))
    assert as_set(apply_differences(zones[0], steps)) == as_set(zones[-1])
    whole = condensed(steps)
    assert as_set(whole.apply(zones[0])) == as_set(zones[-1])
    direct = Difference.between(zones[0], zones[-1])
    assert (set(whole.deleted), set(whole.added)) == (set(direct.deleted), set(direct.added))


def as_set(one: Zone) -> set[DnsRecord]:
    return {record for rrset in one.rrsets.values() for record in rrset}


def test_a_ttl_that_changed_is_a_difference() -> None:
    step = Difference.between(zone(1, a("www", 1, 300)), zone(2, a("www", 1, 60)))
    assert (step.deleted, step.added) == ((a("www", 1, 300),), (a("www", 1, 60),))
    assert as_set(step.apply(zone(1, a("www", 1, 300)))) == as_set(zone(2, a("www", 1, 60)))


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Difference(soa(2), (), soa(3), ()), "a difference from serial 2, where it is at 1"),
        (Difference(soa(1), (a("www", 2),), soa(3), ()), r"deletes what is not there: www\.example\.test\."),
        (Difference(soa(1), (a("no"),), soa(3), ()), "deletes what is not there"),
        (Difference(soa(1), (), soa(3), (a("www", 1, 60),)), "adds what is there"),
        (Difference(soa(1), (), soa(3), (DnsRecord.CNAME(f"www.{ORIGIN}", 1, "x."),)), "is no zone: .*CNAME"),
        (Difference(soa(1), (), soa(3, name="other.test."), ()), "is no zone"),
    ],
)
def test_what_does_not_fit(step: Difference, words: str) -> None:
    before = zone(1, a("www", 1))
    with pytest.raises(TransferError.Unfit, match=words):
        step.apply(before)
    assert as_set(before) == as_set(zone(1, a("www", 1)))


def test_steps_that_do_not_follow_each_other() -> None:
    with pytest.raises(DnsError.InvalidValue, match="does not follow serial 2"):
        condensed([Difference(soa(1), (), soa(2), ()), Difference(soa(3), (), soa(4), ())])
    with pytest.raises(DnsError.InvalidValue, match="no difference"):
        condensed([])
