"""A watch of real servers whose zone changes meanwhile; nobody sleeps: the clock jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from netkit.dns import DnsServer, QueryOptions, parse_zone
from netkit.dns.comparing import Server
from netkit.dns.constants import DnsRecordType
from netkit.dns.messages.message import Question
from netkit.dns.watching import (
    End,
    Pace,
    Round,
    Sleep,
    Watcher,
    parse_condition,
    watch,
    watch_async,
    watch_flow,
)
from netkit.io import CancellationError, CancellationToken, DeadlineExceeded, Flow, run
from netkit.serve.connections import in_background

pytestmark = pytest.mark.once

WWW = Question("www.example.test.", DnsRecordType.A)
OPTIONS = QueryOptions(timeout=2.0, tries=1)


def zone_text(serial: int, address: str) -> str:
    return (
        f"$ORIGIN example.test.\n@ 300 SOA ns1 host {serial} 2 3 4 60\n@ 300 NS ns1\nns1 300 A 127.0.0.1\n"
        f"www 90 A {address}\n"
    )


def load(server: DnsServer, serial: int, address: str = "192.0.2.1") -> None:
    """Give a server another version of the zone."""
    server.zones = type(server.zones)([parse_zone(zone_text(serial, address))])


@pytest.fixture(scope="module")
def two() -> Iterator[list[DnsServer]]:
    """A primary and a secondary."""
    with ExitStack() as stack:
        found = [DnsServer.bind("127.0.0.1:0", [parse_zone(zone_text(1, "192.0.2.1"))]) for _ in range(2)]
        for server in found:
            stack.enter_context(in_background(server.serve))
        yield found


class Clock:
    """A clock that jumps to where somebody would sleep to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jumps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, moment: float) -> Flow[None]:
        self.jumps.append(moment - self.now)
        self.now = moment
        yield from ()


def test_a_watch_ends_when_the_record_changes(two: list[DnsServer]) -> None:
    primary = two[0]
    load(primary, 1)
    clock, rounds, queries = Clock(), [], primary.queries

    def on_round(found: Round) -> None:
        rounds.append(found)
        if found.number == 3:
            load(primary, 2, "192.0.2.7")

    watcher = Watcher(WWW, [Server.of(primary.local_addr)], parse_condition("answer=192.0.2.7", WWW))
    flow = watch_flow(watcher, OPTIONS, on_round=on_round, clock=clock, sleep=clock.sleep)
    assert run(flow) is End.HOLDS
    assert [str(each.news[0].kind) for each in rounds] == ["first", "same", "same", "changed"]
    assert clock.jumps == [90, 90, 90]  # the TTL, and not once more often
    assert primary.queries - queries == 4  # nobody asked for the SOA record, which is not compared


def test_waiting_for_propagation(two: list[DnsServer]) -> None:
    primary, secondary = two
    load(primary, 2, "192.0.2.7")
    load(secondary, 1)
    clock, rounds, sleeps = Clock(), [], []

    def on_round(found: Round) -> None:
        rounds.append(found)
        if found.number == 2:
            load(secondary, 2, "192.0.2.7")

    servers = [Server.of(each.local_addr, zone=parse_zone(zone_text(1, "192.0.2.1")).origin) for each in two]
    until = parse_condition("agree", WWW, several=True)
    watcher = Watcher(WWW, servers, until, pace=Pace(10.0))

    def on_sleep(found: Sleep) -> None:
        sleeps.append(str(found.delay.why))

    flow = watch_flow(watcher, OPTIONS, on_round=on_round, on_sleep=on_sleep, clock=clock, sleep=clock.sleep)
    assert run(flow) is End.HOLDS
    assert clock.jumps == [10, 10]
    assert sleeps == ["the interval"] * 2
    assert [each.comparison.agree for each in rounds] == [False, False, True]
    assert [[each.serial for each in found.comparison.serials] for found in rounds] == [[2, 1], [2, 1], [2]]


def test_the_blocking_and_the_async_form(two: list[DnsServer]) -> None:
    load(two[0], 1)
    exists = parse_condition("exists", WWW)

    def watcher() -> Watcher:
        return Watcher(WWW, [Server.of(two[0].local_addr)], exists)

    told: list[Round] = []
    assert watch(watcher(), OPTIONS, on_round=told.append) is End.HOLDS
    assert asyncio.run(watch_async(watcher(), OPTIONS, on_round=told.append)) is End.HOLDS
    assert [each.holds for each in told] == [True, True]


def test_a_time_limit_and_cancellation_end_it_while_it_sleeps(two: list[DnsServer]) -> None:
    load(two[0], 1)
    watcher = Watcher(WWW, [Server.of(two[0].local_addr)])
    with pytest.raises(DeadlineExceeded):
        watch(watcher, OPTIONS, timeout=0.02)
    token = CancellationToken()
    again = Watcher(WWW, [Server.of(two[0].local_addr)])
    with pytest.raises(CancellationError):
        watch(again, OPTIONS, on_round=lambda _: token.cancel(), cancel=token)
