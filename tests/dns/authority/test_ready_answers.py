"""Responses that are kept: which queries have one, how long, and how much is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from netkit.addr import SocketAddr
from netkit.dns.authority.answering import Came, respond
from netkit.dns.authority.ready_answers import OVERHEAD, ReadyAnswers, end_of_name
from netkit.dns.authority.responder import AnsweredQuery, Responder
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.messages.message import Message, Question, make_query
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord
from netkit.dns.tsig import TsigKey, sign
from netkit.dns.zones.zonefile import parse_zone
from tests.dns.authority.test_answering import ZONES, query
from tests.dns.strategies import messages

pytestmark = pytest.mark.once

PEER = SocketAddr.parse("192.0.2.7:4242")
NEXT = """
$ORIGIN example.
$TTL 300
@   SOA ns hostmaster 2 2 3 4 60
@   NS  ns
www A   192.0.2.99
"""


def peer() -> SocketAddr:
    return PEER


def responder() -> Responder:
    return Responder(ZONES, (), lambda: 0.0)


PLAIN = {
    "data": query(),
    "another class": query(rdclass=DnsClass.CH),
    "no EDNS": query(edns=None),
    "EDNS": query(edns=Edns(4096, dnssec_ok=True)),
    "another version": query(edns=Edns(version=1)),
    "any": query(rdtype=DnsRecordType.ANY),
    "root": query("."),
}
OTHER = {
    "an option": query(edns=Edns(options=[EdnsOption.Cookie(b"12345678")])).to_wire(),
    "a transfer": query(rdtype=DnsRecordType.AXFR).to_wire(),
    "part of one": query(rdtype=DnsRecordType.IXFR).to_wire(),
    "another opcode": query().replace(opcode=Opcode.NOTIFY).to_wire(),
    "two questions": query().replace(question=[Question("a.", 1), Question("b.", 1)]).to_wire(),
    "a record": query().replace(additional=[DnsRecord.A(Name.root, 1, "192.0.2.1")]).to_wire(),
    "a signature": sign(query().to_wire(), TsigKey("k.", b"secret" * 6), 1.0).wire,
    "a response": query().replace(flags=0x8000).to_wire(),
    "nothing": b"",
    "a header": bytes(12),
    "a pointer": bytes((0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1)),
    "octets after it": query(edns=None).to_wire() + b"\0",
    "no class": query(edns=None).to_wire()[:-2],
    "no end of the name": query(edns=None).to_wire()[:16],
}


@pytest.mark.parametrize("message", PLAIN.values(), ids=PLAIN)
def test_a_kept_response_is_the_one_that_would_be_made(message: Message) -> None:
    ours = responder()
    for number in (1, 2, 3):
        wire = message.replace(id=number).to_wire()
        assert end_of_name(wire) == 12 + len(message.question[0].name.to_wire())
        assert ours.datagram(wire, peer) == respond(ZONES, wire, Came("udp"))
    assert (ours.queries, ours.responses) == (3, 3)


@pytest.mark.parametrize("wire", OTHER.values(), ids=OTHER)
def test_what_is_not_kept(wire: bytes) -> None:
    kept = ReadyAnswers()
    kept.keep(wire, b"response")
    assert len(kept) == 0


@given(messages(), st.binary(max_size=40), st.booleans())
@settings(max_examples=60)
def test_any_message(message: Message, junk: bytes, is_junk: bool) -> None:
    wire = junk if is_junk else message.to_wire()
    if not end_of_name(wire):
        return
    read = Message.from_wire(wire)
    assert (len(read.question), len(read.answer), len(read.authority), len(read.additional)) == (1, 0, 0, 0)
    assert read.edns is None or not read.edns.options


def test_letter_case_is_that_of_the_query() -> None:
    ours = responder()
    for name in ("www.example.", "WwW.eXample.", "www.example."):
        answer = ours.datagram(query(name).to_wire(), peer)
        assert answer is not None
        assert str(Message.from_wire(answer).question[0].name) == name


def test_no_response_outlives_its_zones() -> None:
    ours = responder()
    before = ours.datagram(query().to_wire(), peer)
    ours.zones = Zones([parse_zone(NEXT)])
    after = ours.datagram(query().to_wire(), peer)
    assert before != after == respond(ours.zones, query().to_wire(), Came("udp"))


def test_who_is_told_of_queries_is_told_of_each() -> None:
    ours, told = responder(), list[AnsweredQuery]()
    ours.datagram(query().to_wire(), peer)
    ours.on_query = told.append
    ours.datagram(query().to_wire(), peer)
    assert [(each.peer, each.transport, str(each.rcode)) for each in told] == [(PEER, "udp", "NOERROR")]


def test_the_older_half_goes() -> None:
    wires = [make_query(f"n{number:04}.example.", 1, id=0).to_wire() for number in range(1000)]
    pair = 2 * (len(wires[0]) - 2) + OVERHEAD
    kept = ReadyAnswers(20 * pair)
    for wire in wires:
        kept.keep(wire, wire)
        kept.get(wires[0][2:])  # it is asked for again and again
        assert len(kept) <= 20
    assert kept.get(wires[-1][2:]) == wires[-1][2:]
    assert kept.get(wires[0][2:]) == wires[0][2:]
    assert kept.get(wires[500][2:]) is None


def test_a_response_that_is_larger_than_all() -> None:
    kept = ReadyAnswers(2000)
    kept.keep(query().to_wire(), bytes(1000))
    assert len(kept) == 0
