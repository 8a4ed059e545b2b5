"""When servers are asked again, what is new, and when a watch is over; the clock is the test's own."""

from __future__ import annotations

from itertools import pairwise

import pytest

from netkit.dns.comparing import Heard, Server
from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, Message
from netkit.dns.watching import (
    AskNow,
    Delay,
    End,
    Pace,
    Round,
    Sleep,
    Watcher,
    Why,
    next_delay,
    parse_condition,
)
from tests.dns.comparing.said import CACHE, QUESTION, A, heard, message, soa

pytestmark = pytest.mark.once

SILENCE = DnsError.Timeout(5.0, 1)
FAILS = message(rcode=Rcode.SERVFAIL, flags=0)


def record(address: int = 1, ttl: int = 300, flags: int = AA) -> Message:
    return message(f"www.example. {ttl} A 192.0.2.{address}", flags=flags)


@pytest.mark.parametrize(
    ("said", "interval", "delay"),
    [
        (record(ttl=60), None, Delay(60.0, Why.TTL)),
        (record(ttl=60), 3.0, Delay(3.0, Why.INTERVAL)),
        (record(ttl=60), 600.0, Delay(600.0, Why.INTERVAL)),
        (record(ttl=60, flags=CACHE), None, Delay(60.0, Why.TTL)),
        (record(ttl=60, flags=CACHE), 3.0, Delay(60.0, Why.TTL)),  # never more often than the TTL allows
        (record(ttl=60, flags=CACHE), 600.0, Delay(600.0, Why.INTERVAL)),
        (record(ttl=0), None, Delay(5.0, Why.LEAST)),
        (record(ttl=0, flags=CACHE), None, Delay(5.0, Why.LEAST)),
        (record(ttl=0, flags=CACHE), 0.5, Delay(0.5, Why.INTERVAL)),
        (message(rcode=Rcode.NXDOMAIN, authority=[soa(ttl=300, minimum=60)]), None, Delay(60.0, Why.DENIAL)),
        (message(authority=[soa(ttl=30, minimum=60)], flags=CACHE), 1.0, Delay(30.0, Why.DENIAL)),
        (message(rcode=Rcode.NXDOMAIN), None, Delay(5.0, Why.LEAST)),
        (FAILS, None, Delay(5.0, Why.FAILURE)),
        (FAILS, 30.0, Delay(30.0, Why.FAILURE)),
        (SILENCE, None, Delay(5.0, Why.FAILURE)),
    ],
)
def test_when_a_server_is_asked_again(said: Message | DnsError, interval: float | None, delay: Delay) -> None:
    assert next_delay(heard(1, said), Pace(interval)) == delay


class Watched:
    """A watcher, and its clock."""

    def __init__(
        self, *numbers: int, until: str | None = None, several: bool = False, **more: object
    ) -> None:
        self.servers = [heard(number, SILENCE).server for number in numbers or (1,)]
        several = several or len(self.servers) > 1
        condition = None
        if until is not None:
            condition = parse_condition(until, QUESTION, several=several, has_serials=several)
        self.watcher = Watcher(QUESTION, self.servers, condition, **more)  # type: ignore[arg-type]
        self.now = 1000.0

    def due(self) -> tuple[Server, ...]:
        step = self.watcher.next(self.now)
        assert isinstance(step, AskNow)
        return step.servers

    def hear(self, *said: Heard) -> Round:
        assert self.due() == tuple([each.server for each in said])
        return self.watcher.heard(said, self.now)

    def due_in(self) -> float:
        """Sleep as long as the watcher says; how long that was."""
        step = self.watcher.next(self.now)
        assert isinstance(step, Sleep)
        slept, self.now = step.until - self.now, step.until
        return slept


def kinds(found: Round) -> list[str]:
    return [str(each.kind) for each in found.news]


def test_one_server_from_the_first_answer_to_the_change() -> None:
    watched = Watched(until="changed")
    assert kinds(watched.hear(heard(1, record(ttl=60)))) == ["first"]
    assert watched.due_in() == 60
    assert kinds(watched.hear(heard(1, record(ttl=60)))) == ["same"]
    assert watched.due_in() == 60
    found = watched.hear(heard(1, record(2, ttl=20)))
    assert (kinds(found), found.holds, found.number) == (["changed"], True, 3)
    assert [each.rdata_text() for each in found.news[0].difference.only_second] == ["192.0.2.2"]
    assert watched.watcher.next(watched.now) is End.HOLDS


def test_a_condition_that_holds_at_once() -> None:
    watched = Watched(until="exists")
    assert watched.hear(heard(1, record())).holds
    assert watched.watcher.next(watched.now) is End.HOLDS


def test_so_many_rounds() -> None:
    watched = Watched(count=2)
    watched.hear(heard(1, record(ttl=1)))
    watched.due_in()
    watched.hear(heard(1, record(ttl=1)))
    assert watched.watcher.next(watched.now) is End.COUNT


def test_without_servers_there_is_nothing_to_do() -> None:
    assert Watcher(QUESTION, []).next(0.0) is End.COUNT


def test_a_failure_ends_nothing_and_is_told_once() -> None:
    watched = Watched(until="!exists")
    told = []
    for said in (record(), SILENCE, FAILS, record(), record(2), FAILS, record(3)):
        found = watched.hear(heard(1, said))
        assert not found.holds
        told += kinds(found)
        watched.due_in()
    assert told == ["first", "failed", "still failed", "back", "changed", "failed", "changed"]


def test_a_server_that_fails_from_the_beginning() -> None:
    watched = Watched(until="changed")
    assert kinds(watched.hear(heard(1, SILENCE))) == ["failed"]
    assert watched.due_in() == 5
    assert kinds(watched.hear(heard(1, record()))) == ["first"]  # nothing was known that could have changed
    watched.due_in()
    assert watched.hear(heard(1, record(2))).holds


def test_a_change_of_a_cache_is_not_that_its_ttl_counts_down() -> None:
    watched = Watched(until="changed")
    watched.hear(heard(1, record(ttl=7, flags=CACHE)))
    assert watched.due_in() == 7
    found = watched.hear(heard(1, record(ttl=300, flags=CACHE)))
    assert (kinds(found), found.holds) == (["same"], False)


def test_each_server_has_its_own_time() -> None:
    watched = Watched(1, 2, 3, until="agree")
    watched.hear(heard(1, record(ttl=10)), heard(2, record(2, ttl=30)), heard(3, record(ttl=10)))
    assert watched.due_in() == 10
    assert [each.address for each in watched.due()] == ["192.0.2.1:53", "192.0.2.3:53"]
    watched.hear(heard(1, record(ttl=25)), heard(3, record(ttl=25)))
    assert watched.due_in() == 20
    assert [each.address for each in watched.due()] == ["192.0.2.2:53"]
    found = watched.hear(heard(2, record(ttl=25)))
    assert found.comparison.agree
    assert found.holds
    assert len(found.comparison.members) == 3  # also those that were not asked in this round


def test_propagation_to_all_secondaries() -> None:
    watched = Watched(1, 2, until="agree and serial>=8", pace=Pace(10.0))
    found = watched.hear(heard(1, record(), 7), heard(2, record(), 7))
    assert (found.comparison.agree, found.holds) == (True, False)
    assert watched.due_in() == 10
    found = watched.hear(heard(1, record(), 8), heard(2, record(), 7))
    assert kinds(found) == ["serial", "same"]
    watched.due_in()
    assert watched.hear(heard(1, record(), 8), heard(2, record(), 8)).holds


def test_a_condition_has_to_hold_for_every_server() -> None:
    watched = Watched(1, 2, until="answer=192.0.2.2", pace=Pace(1.0))
    assert not watched.hear(heard(1, record(2)), heard(2, record(1))).holds
    watched.due_in()
    assert not watched.hear(heard(1, record(2)), heard(2, SILENCE)).holds
    watched.due_in()
    assert watched.hear(heard(1, record(2)), heard(2, record(2))).holds


def test_servers_that_all_fail_do_not_agree() -> None:
    watched = Watched(1, 2, until="agree")
    assert not watched.hear(heard(1, SILENCE), heard(2, SILENCE)).holds


def test_one_server_that_is_compared_agrees_if_it_answers() -> None:
    watched = Watched(until="agree", several=True, compares=True, pace=Pace(1.0))
    assert not watched.hear(heard(1, SILENCE)).holds
    watched.due_in()
    assert watched.hear(heard(1, record())).holds


def test_it_is_never_asked_before_its_time() -> None:
    """Whatever is said, whoever follows `next` asks a cache no more often than its TTLs allow."""
    watched = Watched()
    asked = []
    for ttl in (3, 0, 86_400, 1, 0, 299):
        asked.append((watched.now, ttl))
        watched.hear(heard(1, record(ttl=ttl, flags=CACHE)))
        assert isinstance(watched.watcher.next(watched.now), Sleep)
        watched.due_in()
    asked.append((watched.now, 0))
    for (earlier, ttl), (later, _) in pairwise(asked):
        assert later - earlier == max(ttl, 5)


def test_a_record_of_the_answer_is_in_the_first_round_too() -> None:
    found = Watched().hear(heard(1, message(A)))
    assert found.comparison.groups[0].content.exists
    assert found.news[0].delay == Delay(300.0, Why.TTL)
