"""Which message answers which question: the table of a socket or a connection, without either."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import ClassVar

import pytest

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import DEFAULT_EDNS, QR, Message, Question, make_query, make_response
from netkit.dns.transports.chance import BLOCK, Chance
from netkit.dns.transports.query import QueryEncoder
from netkit.dns.transports.table import MAX_OUTSTANDING, Outstanding, Table
from netkit.io import Event

pytestmark = pytest.mark.once

SERVER = ("192.0.2.53", 53)

#: How many forged messages the table gets. NETKIT_FORGERIES=1000000 is what was promised once.
FORGERIES = int(os.environ.get("NETKIT_FORGERIES", "20000"))


class Told:
    """Counts how often it is told that a question is over, or was miscased."""

    def __init__(self) -> None:
        self.count = 0

    def set_soon(self) -> None:
        self.count += 1


def asked(
    table: Table,
    name: str = "wWw.eXample.com.",
    rdtype: int = 1,
    number: int = 0x1234,
    edns: Edns | None = None,
) -> Outstanding:
    query = make_query(name, rdtype, id=number, edns=edns)
    wire, question = QueryEncoder().encode(query)
    one = Outstanding(wire, question, None, Told())
    table.add(one, lambda: os.urandom(2))
    return one


def answer_to(one: Outstanding, rcode: int = Rcode.NOERROR) -> bytes:
    return make_response(Message.from_wire(one.wire), rcode=rcode).to_wire()


def changed(wire: bytes, at: int, octet: int) -> bytes:
    return wire[:at] + bytes((octet,)) + wire[at + 1 :]


class TestWhatCounts:
    def test_the_answer(self) -> None:
        table = Table(SERVER)
        one, other = asked(table), asked(table, number=0x1235)
        assert table.hear(answer_to(one), SERVER) is one
        assert table.hear(answer_to(one), SERVER) is None, "it is answered"
        assert table.foreign == 1
        assert list(table) == [other]

    @pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.SERVFAIL])
    def test_an_error_may_lack_the_question(self, rcode: Rcode) -> None:
        table = Table(SERVER)
        one = asked(table)
        assert table.hear(Message(0x1234, QR, rcode=rcode).to_wire(), SERVER) is one

    def test_so_may_badvers_whose_code_is_in_the_opt_record(self) -> None:
        table = Table(SERVER)
        one = asked(table, edns=Edns(version=1))
        assert table.hear(Message(0x1234, QR, edns=Edns()).to_wire(), SERVER) is None, "no error"
        assert table.hear(Message(0x1234, QR, rcode=Rcode.NXDOMAIN).to_wire(), SERVER) is None
        assert table.hear(Message(0x1234, QR, rcode=Rcode.BADVERS, edns=Edns()).to_wire(), SERVER) is one
        assert one.ignored == 2

    @pytest.mark.parametrize("size", [3, 11, 12, 20])
    def test_what_is_cut_is_for_the_decoder(self, size: int) -> None:
        table = Table(SERVER)
        one = asked(table)
        assert table.hear(answer_to(one)[:size], SERVER) is one

    FORGERIES_OF: ClassVar[dict[str, Callable[[bytes], bytes]]] = {
        "ID": lambda wire: changed(wire, 0, wire[0] ^ 1),
        "not a response": lambda wire: changed(wire, 2, wire[2] ^ 0x80),
        "opcode": lambda wire: changed(wire, 2, wire[2] ^ 0x20),
        "no question": lambda wire: wire[:4] + bytes(8),
        "two questions": lambda wire: changed(wire, 5, 2),
        "length of a label": lambda wire: changed(wire, 12, 2),
        "letter": lambda wire: changed(wire, 13, ord("v")),
        "case": lambda wire: changed(wire, 13, wire[13] ^ 0x20),
        "type": lambda wire: changed(wire, 12 + 17 + 1, 2),
        "class": lambda wire: changed(wire, 12 + 17 + 3, 3),
        "question cut after another letter": lambda wire: changed(wire, 13, wire[13] ^ 0x20)[:20],
    }

    @pytest.mark.parametrize("forge", FORGERIES_OF.values(), ids=FORGERIES_OF)
    def test_forgeries(self, forge: Callable[[bytes], bytes]) -> None:
        table = Table(SERVER)
        one = asked(table)
        right = answer_to(one)
        assert table.hear(forge(right), SERVER) is None
        assert table.hear(right, SERVER) is one
        assert one.ignored == 1

    @pytest.mark.parametrize("source", [("192.0.2.53", 54), ("192.0.2.54", 53), None])
    def test_from_elsewhere(self, source: object) -> None:
        table = Table(SERVER)
        one = asked(table)
        assert table.hear(answer_to(one), source) is None
        assert (table.foreign, one.ignored) == (1, 1)

    def test_another_letter_case_is_told_once(self) -> None:
        table = Table(SERVER)
        one = asked(table, "example.com.", DnsRecordType.HTTPS)
        told = one.event
        assert isinstance(told, Told)
        wire = answer_to(one)
        upper = wire[:12] + wire[12:25].upper() + wire[25:]
        lower_type = changed(wire, len(wire) - 3, DnsRecordType.HTTPS ^ 0x20)
        assert table.hear(lower_type, SERVER) is None
        assert not one.was_miscased, "the type is no letter"
        assert table.hear(upper, SERVER) is None
        assert table.hear(upper, SERVER) is None
        assert (one.was_miscased, told.count, one.ignored) == (True, 1, 3)
        assert one.hint == "3 messages came, but not the answer"

    def test_another_letter_case_is_right_where_it_was_not_random(self) -> None:
        table = Table(SERVER)
        query, question = QueryEncoder().encode(make_query("example.com.", 1, id=1))
        one = Outstanding(query, question, None, Told(), exact_case=False)
        table.add(one, lambda: os.urandom(2))
        wire = answer_to(one)
        assert table.hear(wire[:12] + wire[12:25].upper() + wire[25:], SERVER) is one

    def test_what_was_dropped_is_foreign(self) -> None:
        table = Table(SERVER)
        one = asked(table)
        table.drop(one)
        table.drop(one)
        assert table.hear(answer_to(one), SERVER) is None
        assert table.foreign == 1

    def test_dropping_one_leaves_the_other_with_its_id(self) -> None:
        table = Table(SERVER)
        one = asked(table)
        table.drop(one)
        other = asked(table)
        table.drop(one)
        assert table.hear(answer_to(other), SERVER) is other


class TestNumbers:
    def test_an_id_in_use_is_replaced(self) -> None:
        table = Table(SERVER)
        first = asked(table)
        query, question = QueryEncoder().encode(make_query("example.", 1, id=0x1234))
        second = Outstanding(query, question, None, Event())
        drawn = iter([b"\x12\x34", b"\x12\x34", b"\x00\x07"])
        table.add(second, lambda: next(drawn))
        assert (second.id, second.wire[:2]) == (b"\x00\x07", b"\x00\x07")
        assert table.hear(answer_to(first), SERVER) is first
        assert table.hear(answer_to(second), SERVER) is second

    def test_ten_thousand_and_the_limit(self) -> None:
        table = Table(SERVER)
        chance = Chance()
        query, question = QueryEncoder().encode(make_query("example.", 1, id=1))
        many = [Outstanding(query, question, None, Event()) for _ in range(MAX_OUTSTANDING)]
        for one in many:
            table.add(one, chance.pair)
        assert len({one.id for one in many}) == len(table) == MAX_OUTSTANDING
        with pytest.raises(DnsError.TryAgain):
            table.add(Outstanding(query, question, None, Event()), chance.pair)
        for one in random.Random(14).sample(many, 10_000):
            assert table.hear(answer_to(one), SERVER) is one

    def test_chance_gives_every_octet_once(self) -> None:
        chance = Chance()
        got = [chance.take(7) for _ in range(2 * BLOCK // 7)]
        assert all(len(each) == 7 for each in got)
        assert len(set(got)) == len(got)
        assert {chance.below(3) for _ in range(200)} == {0, 1, 2}


def test_no_forged_message_is_accepted() -> None:
    """Each has something wrong: source, port, ID, question or letter case. RFC 5452 section 9.1."""
    chance = random.Random(20261126)
    table = Table(SERVER)
    name = "a-Name.With.many-Letters.eXample.com."
    one = asked(table, name, number=0xBEEF)
    right = answer_to(one)
    end = 12 + len(one.question)
    letters = [at for at in range(12, end - 4) if chr(right[at]).isalpha()]
    for _ in range(FORGERIES):
        source: tuple[str, int] = SERVER
        wire = bytearray(right)
        for what in chance.sample(("host", "port", "id", "question", "case"), chance.randint(1, 3)):
            if what == "host":
                source = (f"192.0.2.{chance.randrange(53)}", source[1])
            elif what == "port":
                source = (source[0], chance.randrange(54, 65536))
            elif what == "id":
                wire[0:2] = ((int.from_bytes(wire[:2], "big") + chance.randrange(1, 65536)) % 65536).to_bytes(
                    2, "big"
                )
            elif what == "case":
                for at in chance.sample(letters, chance.randint(1, len(letters))):
                    wire[at] = right[at] ^ 0x20
            else:
                at = chance.randrange(12, end)
                wire[at] = right[at] ^ chance.choice((1, 2, 4, 8, 16, 64, 128))
        if bytes(wire) == right and source == SERVER:
            continue
        assert table.hear(bytes(wire), source) is None, (wire.hex(), source)
    assert table.hear(right, SERVER) is one, "the right one still is"


class TestEncoder:
    @pytest.mark.parametrize("edns", [None, DEFAULT_EDNS, Edns(version=1, dnssec_ok=True)])
    def test_as_the_codec(self, edns: Edns | None) -> None:
        encoder = QueryEncoder()
        for number, rd in ((7, True), (65535, False)):
            query = make_query("www.Example.com.", DnsRecordType.AAAA, id=number, rd=rd, edns=edns)
            wire, question = encoder.encode(query)
            assert wire == query.to_wire()
            assert wire[12 : 12 + len(question)] == question

    def test_unusual_queries(self) -> None:
        two = Message(1, question=[Question("a.example.", 1), Question("b.example.", 28)])
        wire, question = QueryEncoder().encode(two)
        assert Message.from_wire(wire) == two
        assert len(wire) == 12 + len(question)
