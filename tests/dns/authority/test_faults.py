"""Faults on purpose in DNS messages: what is sent for each kind, and for which queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from netkit.addr import IpAddr
from netkit.dns.authority.answering import Came, respond
from netkit.dns.authority.faults import KINDS, Delivery, DnsFault, DnsFaults, InvalidDnsFault, base_of
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import TC, Message
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from tests.dns.authority.test_answering import ZONES, query

pytestmark = pytest.mark.once

VALUES: dict[str, Any] = {"cut": 20, "delay": 1.5, "wrong-address": IpAddr.parse("127.0.0.2")}
WWW = Name.parse("www.example.")


def fault(kind: str, **more: Any) -> DnsFault:
    return DnsFault(kind, VALUES.get(kind), **more)


def script(*faults: DnsFault, chance: Callable[[], float] = lambda: 0.5) -> DnsFaults:
    return DnsFaults(faults, chance)


def answer(wire: bytes) -> bytes:
    made = respond(ZONES, wire, Came("udp"))
    assert made is not None
    return made


def sent(kind: str, name: str = "WwW.example.", **how: Any) -> list[Delivery]:
    """What is sent in place of the response to a query."""
    wire = query(name, **how).to_wire()
    return script(fault(kind)).deliveries(wire, answer(wire), "udp")


def only(kind: str, name: str = "WwW.example.", **how: Any) -> Message:
    [delivery] = sent(kind, name, **how)
    return Message.from_wire(delivery.octets)


RIGHT = answer(query("WwW.example.").to_wire())


class TestKinds:
    def test_wrong_id(self) -> None:
        made = only("wrong-id")
        assert made.id != 77
        assert made == Message.from_wire(RIGHT).replace(id=made.id)

    def test_wrong_question(self) -> None:
        made = only("wrong-question")
        assert (made.id, made.question[0].rdtype) == (77, DnsRecordType.A)
        assert made.question[0].name == made.answer[0].name != WWW

    def test_where_it_comes_from(self) -> None:
        assert sent("wrong-port") == [Delivery(RIGHT, other_port=True)]
        assert sent("wrong-address") == [Delivery(RIGHT, address=IpAddr.parse("127.0.0.2"))]

    def test_letter_case(self) -> None:
        assert str(only("wrong-case").question[0].name) == "wWw.EXAMPLE."
        assert str(only("lower-case").question[0].name) == "www.example."
        assert only("wrong-case").answer == Message.from_wire(RIGHT).answer

    def test_something_first(self) -> None:
        garbage, right = sent("garbage-first")
        assert right.octets == RIGHT
        with pytest.raises(DnsError.InvalidResponse):
            Message.from_wire(garbage.octets)
        broken, right = sent("broken-first")
        assert right.octets == RIGHT
        assert broken.octets[:2] == RIGHT[:2]
        with pytest.raises(DnsError.InvalidResponse):
            Message.from_wire(broken.octets)

    def test_size(self) -> None:
        made = only("truncated")
        assert made.flags & TC
        assert not (made.answer or made.authority)
        assert sent("cut") == [Delivery(RIGHT[:20])]

    def test_edns(self) -> None:
        made = only("no-edns")
        assert (made.rcode, made.edns) == (Rcode.FORMERR, None)
        made = only("badvers")
        assert made.rcode == Rcode.BADVERS
        assert made.edns is not None
        for kind in ("no-edns", "badvers"):
            assert only(kind, edns=None).rcode == Rcode.NOERROR

    def test_pointer_loop(self) -> None:
        [delivery] = sent("pointer-loop")
        with pytest.raises(DnsError.InvalidResponse) as raised:
            Message.from_wire(delivery.octets)
        assert raised.value.field.startswith("answer[0].name")

    def test_when(self) -> None:
        assert sent("drop") == []
        assert sent("delay") == [Delivery(RIGHT, 1.5)]
        assert sent("duplicate") == [Delivery(RIGHT), Delivery(RIGHT)]

    def test_response_codes(self) -> None:
        assert only("servfail").rcode == Rcode.SERVFAIL
        assert only("refused").rcode == Rcode.REFUSED

    def test_lame(self) -> None:
        made = only("lame")
        assert (made.rcode, made.authoritative, made.answer) == (Rcode.NOERROR, False, ())
        assert {record.name for record in made.authority} == {Name.root}

    def test_endless_cname(self) -> None:
        chain, name = script(fault("endless-cname", name=WWW)), "WWW.example."
        for number in (1, 2, 3):
            wire = query(name).to_wire()
            [delivery] = chain.deliveries(wire, answer(wire), "udp")
            [alias] = Message.from_wire(delivery.octets).answer
            assert isinstance(alias, DnsRecord.CNAME)
            assert str(alias.name) == name
            name = str(alias.canonical)
            assert name == f"link-{number}.WWW.example."
        wire = query("link-1.other.example.").to_wire()
        assert chain.deliveries(wire, answer(wire), "udp") == [Delivery(answer(wire))]

    def test_a_chain_beside_the_longest_name_has_no_fault(self) -> None:
        long = ".".join(["x" * 60] * 4) + ".example."
        assert Message.from_wire(sent("endless-cname", long)[0].octets).rcode == Rcode.NXDOMAIN

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_query_without_a_question(self, kind: str) -> None:
        wire = query().replace(question=()).to_wire()
        for each in script(fault(kind)).deliveries(wire, answer(wire), "udp"):
            assert len(each.octets) >= 12


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=60))
@settings(max_examples=60)
def test_no_query_makes_it_raise(kind: str, junk: bytes) -> None:
    made = respond(ZONES, junk, Came("udp"))
    assert (script(fault(kind)).deliveries(junk, made, "udp") == []) == (made is None or kind == "drop")


class TestSelection:
    def chosen(self, script: DnsFaults, name: str, rdtype: int = DnsRecordType.A, over: str = "udp") -> bool:
        wire = query(name, rdtype).to_wire()
        return not script.deliveries(wire, answer(wire), over)

    def test_by_name_type_and_transport(self) -> None:
        drops = script(fault("drop", name=WWW, rdtype=DnsRecordType.A, over="tcp"))
        assert self.chosen(drops, "WWW.example.", over="tcp")
        assert not self.chosen(drops, "ns.example.", over="tcp")
        assert not self.chosen(drops, "www.example.", DnsRecordType.TXT, over="tcp")
        assert not self.chosen(drops, "www.example.")
        assert drops.injected == {"drop": 1}

    def test_by_a_wildcard(self) -> None:
        drops = script(fault("drop", name=Name.parse("*.example.")))
        names = ["a.b.example.", "www.example.", "example.", "com."]
        assert [self.chosen(drops, name) for name in names] == [True, True, False, False]

    def test_the_first_ones(self) -> None:
        drops = script(fault("drop", count=2))
        assert [self.chosen(drops, "www.example.") for _ in range(4)] == [True, True, False, False]

    def test_a_share(self) -> None:
        chances = iter([0.1, 0.5, 0.19, 0.2])
        drops = script(fault("drop", share=0.2), chance=lambda: next(chances))
        assert [self.chosen(drops, "www.example.") for _ in range(4)] == [True, False, True, False]

    def test_the_first_that_selects(self) -> None:
        both = script(fault("servfail", name=WWW, count=1), fault("drop"))
        assert [self.chosen(both, name) for name in ("ns.example.", "www.example.", "www.example.")] == [
            True, False, True]  # fmt: skip
        assert both.injected == {"servfail": 1, "drop": 2}

    def test_only_datagrams_come_from_elsewhere(self) -> None:
        wire = query().to_wire()
        assert script(fault("wrong-port")).deliveries(wire, answer(wire), "tcp") == [Delivery(answer(wire))]


@pytest.mark.parametrize(
    ("kind", "value", "more", "field"),
    [
        ("nothing", None, {}, "kind"),
        ("drop", 1, {}, "value"),
        ("cut", None, {}, "value"),
        ("cut", 70_000, {}, "value"),
        ("delay", 0, {}, "value"),
        ("delay", 1e9, {}, "value"),
        ("wrong-address", 1, {}, "value"),
        ("drop", None, {"share": 0}, "share"),
        ("drop", None, {"share": 1.5}, "share"),
        ("drop", None, {"count": 0}, "count"),
        ("drop", None, {"over": "quic"}, "over"),
        ("wrong-port", None, {"over": "tcp"}, "over"),
    ],
)
def test_what_cannot_be(kind: str, value: Any, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDnsFault) as raised:
        DnsFault(kind, value, **more)
    assert raised.value.field == field


def test_in_words() -> None:
    whole = DnsFault("cut", 40, name=WWW, rdtype=1, share=0.2, count=3, over="udp")
    assert str(whole) == "cut=40 for A of www.example. over UDP, 20%, 3 times"
    assert str(DnsFault("drop", rdtype=16, count=1)) == "drop for TXT of every name, once"
    assert str(DnsFault("drop")) == "drop"


@pytest.mark.parametrize(
    ("name", "base"),
    [("link-7.a.", "a."), ("LINK-7.a.", "a."), ("link-x.a.", "link-x.a."), ("a.", "a."), (".", ".")],
)
def test_the_beginning_of_a_chain(name: str, base: str) -> None:
    assert base_of(Name.parse(name)) == Name.parse(base)
