"""One family answered and the other silent: a short grace, and what is said of it. Without sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netkit.dns import host
from netkit.dns.constants import DnsClass, DnsRecordType
from netkit.dns.errors import DnsError
from netkit.dns.host import FoundHost, find_addresses_flow
from netkit.dns.messages.message import Question
from netkit.dns.name import Name
from netkit.dns.policy.answer import Answer
from netkit.dns.records import DnsRecord
from netkit.dns.resolver import Resolver
from netkit.dns.system import Hosts, HostSource, ResolvConf
from netkit.io import PAUSE, Event, Flow, run

pytestmark = pytest.mark.once

Drive = Callable[..., Any]

ADDRESSES = {"A": "www.example. 60 A 192.0.2.1", "AAAA": "www.example. 60 AAAA 2001:db8::1"}
ANSWER, DENIAL, SILENCE = "answer", "denial", "silence"


class Played(Resolver):
    """A resolver that answers each type as it is told to."""

    def __init__(self, conf: ResolvConf | None = None, **plays: str) -> None:
        sources = [HostSource("files"), HostSource("dns")]
        super().__init__(["192.0.2.53"], hosts=Hosts(), sources=sources, resolv_conf=conf)
        self.plays = plays
        self.asked: list[str] = []
        self.first = Event()

    def resolve_flow(self, name: Name | str, rdtype: int, rdclass: int = DnsClass.IN) -> Flow[Answer]:
        kind = str(DnsRecordType(rdtype))
        self.asked.append(kind)
        play = self.plays[kind]
        if play == SILENCE:
            yield from Event().wait()
        if play == "a little later":
            for _ in range(50):
                yield PAUSE
        if play == "after the first":
            yield from self.first.wait()
        self.first.set()
        if play == DENIAL:
            raise DnsError.NoData(name=name, rdtype=DnsRecordType(rdtype))
        return Answer(Question(name, rdtype), [DnsRecord.parse(ADDRESSES[kind])])


def find(drive: Drive, resolver: Resolver, grace: float = 0.01, family: int = 0) -> FoundHost:
    flow = find_addresses_flow(
        resolver, "www.example.", family, source_of=lambda address: address, grace=grace
    )
    found: FoundHost = drive(flow)
    return found


@pytest.mark.parametrize("silent", ["A", "AAAA"])
def test_what_came_is_given_and_the_other_is_a_problem(drive: Drive, silent: str) -> None:
    resolver = Played(**{"A": ANSWER, "AAAA": ANSWER, silent: SILENCE})
    found = find(drive, resolver)
    assert [each.address.version for each in found.addresses] == [4 if silent == "AAAA" else 6]
    (problem,) = found.problems
    assert isinstance(problem, DnsError.Timeout)
    assert str(problem.rdtype) == silent


def test_the_other_is_waited_for_a_little(drive: Drive) -> None:
    found = find(drive, Played(A=ANSWER, AAAA="after the first"), grace=60.0)
    assert len(found.addresses) == 2
    assert found.problems == ()


def test_a_denial_does_not_begin_the_grace(drive: Drive) -> None:
    """The other may have the only addresses: it has all its time."""
    found = find(drive, Played(A="a little later", AAAA=DENIAL), grace=0.0)
    assert [str(each.address) for each in found.addresses] == ["192.0.2.1"]


def test_the_other_may_take_as_long_again_as_the_first_took(monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = []

    def sleep_until(moment: float) -> Flow[None]:
        moments.append(moment)
        return
        yield  # it is a flow

    clock = iter([100.0, 103.0])
    monkeypatch.setattr(host, "monotonic", lambda: next(clock))
    monkeypatch.setattr(host, "sleep_until", sleep_until)
    assert len(find(run, Played(A=ANSWER, AAAA=SILENCE), grace=0.5).addresses) == 1
    assert moments == [106.0]


class TestNoAaaa:
    """resolv.conf(5): `options no-aaaa`."""

    def test_is_not_asked_for(self, drive: Drive) -> None:
        resolver = Played(ResolvConf(no_aaaa=True), A=ANSWER, AAAA=ANSWER)
        assert len(find(drive, resolver).addresses) == 1
        assert resolver.asked == ["A"]

    def test_leaves_nothing_of_that_family(self, drive: Drive) -> None:
        with pytest.raises(DnsError.HostNotFound) as caught:
            find(drive, Played(ResolvConf(no_aaaa=True), A=ANSWER, AAAA=ANSWER), family=6)
        assert "AAAA" in str(caught.value.hint)
