"""A short run of `damage`: records that are flipped, cut, doubled, lost and put in other places."""

from __future__ import annotations

from random import Random

from tests.tls.damage import damaged, one_round, records, run

_FLIGHT = b"\x16\x03\x03\x00\x05hello\x17\x03\x03\x00\x03abc"


def test_ends_fail_with_a_tls_error_or_go_on() -> None:
    outcomes = run(1, 200, 120)
    assert outcomes.total() > 10
    assert len(outcomes) > 10


def test_some_rounds_go_on_to_the_end() -> None:
    assert any(one_round(seed).count("end") == 2 for seed in range(1, 100))


def test_records_are_cut_where_they_end() -> None:
    assert records(_FLIGHT) == [_FLIGHT[:10], _FLIGHT[10:]]
    assert records(b"\x16\x03\x03\xff\xffabc") == [b"\x16\x03\x03\xff\xffabc"]


def test_damage_is_the_same_for_the_same_seed() -> None:
    made = [damaged(Random(seed), _FLIGHT, [b"\x15\x03\x03\x00\x02\x02\x28"]) for seed in range(300)]
    assert made == [damaged(Random(seed), _FLIGHT, [b"\x15\x03\x03\x00\x02\x02\x28"]) for seed in range(300)]
    assert len(set(made)) > 100
    assert sum(one != _FLIGHT for one in made) > 200
