"""The random letter case of queries ("0x20"): servers that lose it, and results that must not show it."""

from __future__ import annotations

import pytest

from netkit.dns.edns import Edns
from netkit.dns.messages.message import QR, Message, Question
from netkit.dns.name import Name
from netkit.dns.policy.knowledge import LEARNT_FOR
from netkit.dns.policy.resolution import Ask, Wait
from netkit.dns.records import DnsRecord
from tests.dns.scenarios.stage import After, Stage
from tests.dns.scripted import Asked, answer

pytestmark = pytest.mark.once

RECORD = "a-name.with-letters.example. 60 A 198.51.100.1"
NAME = "a-name.with-letters.example."


def lowercases(asked: Asked) -> Message:
    plain = Question(Name.parse(asked.name), asked.message.question[0].rdtype)
    return answer(asked, RECORD).replace(question=[plain])


def test_a_server_that_loses_case_costs_one_query_and_once() -> None:
    stage = Stage({"192.0.2.1": lowercases})
    begun = stage.now
    done = stage.look_up(NAME)
    assert done.answer is not None
    assert stage.why == ["FIRST", "CASE"]
    assert stage.now - begun == pytest.approx(0.02), "no time-out"
    assert stage.asks[0].exact_case and not stage.asks[1].exact_case
    assert stage.look_up(NAME).answer is not None
    assert stage.why == ["FIRST"], "it is remembered"
    stage.now += LEARNT_FOR
    stage.look_up(NAME)
    assert stage.why == ["FIRST", "CASE"], "but not for ever: it may have been repaired"


def test_a_forged_case_does_not_keep_the_answer_out() -> None:
    def script(asked: Asked) -> object:
        if len(stage.asks) == 1:
            forged = lowercases(asked).replace(answer=[DnsRecord.parse(f"{NAME} 60 A 203.0.113.6")])
            return [forged, After(0.011, answer(asked, RECORD))]
        return After(0.5, answer(asked, RECORD))

    stage = Stage({"192.0.2.1": script})
    done = stage.look_up(NAME)
    assert done.answer is not None
    assert [str(record.address) for record in done.answer.records if isinstance(record, DnsRecord.A)] == [
        "198.51.100.1"
    ]
    assert len(stage.asks) == 2
    stage.look_up(NAME)
    assert stage.asks[2].exact_case, "a forger must not be able to turn the letter case off"


def test_the_case_is_another_in_each_query_and_in_no_result() -> None:
    stage = Stage({"192.0.2.1": lambda asked: answer(asked, RECORD)})
    for _ in range(8):
        stage.look_up("A-Name.with-LETTERS.example.")
        assert stage.done.reply is not None
        assert str(stage.done.reply.message.question[0].name) == "A-Name.with-LETTERS.example."
    names = {ask.message.question[0].name.to_wire() for ask in stage.asks}
    assert len(names) == 8


def test_names_compressed_against_the_question() -> None:
    """A pointer into the question, and a copy of it, in an owner and in rdata."""

    def script(asked: Asked) -> bytes:
        name = asked.message.question[0].name
        example = 12 + len(name.labels[0]) + 1
        head = Message(asked.message.id, QR, question=asked.message.question).to_wire()
        pointed = bytes((0xC0, 12)) + b"\0\x0f\0\1\0\0\0\x3c" + b"\0\x09" + b"\0\x0a" + b"\x04mail"
        pointed += bytes((0xC0, example))
        copied = name.to_wire() + b"\0\x0f\0\1\0\0\0\x3c"
        exchange = b"\x02mx" + name.parent.to_wire()
        copied += (2 + len(exchange)).to_bytes(2, "big") + b"\0\x14" + exchange
        return head[:6] + b"\0\2" + head[8:] + pointed + copied

    stage = Stage({"192.0.2.1": script})
    done = stage.look_up("Shop.Some-Long-Zone.Example.", "MX")
    assert done.answer is not None
    assert [str(record).split() for record in done.answer.records] == [
        ["Shop.Some-Long-Zone.Example.", "60", "IN", "MX", "10", "mail.Some-Long-Zone.Example."],
        ["Shop.Some-Long-Zone.Example.", "60", "IN", "MX", "20", "mx.Some-Long-Zone.Example."],
    ]


def test_what_the_server_wrote_stays_as_it_wrote_it() -> None:
    stage = Stage({"192.0.2.1": lambda asked: answer(asked, "www.EXAMPLE. 60 MX 1 Mail.Example.net.")})
    done = stage.look_up("www.example.", "MX")
    assert done.answer is not None
    assert str(done.answer.records[0]).split()[0::5] == ["www.EXAMPLE.", "Mail.Example.net."]


@pytest.mark.parametrize("server", ["tcp://192.0.2.1", "tls://192.0.2.1#a.example", "https://192.0.2.1/"])
def test_the_case_is_plain_where_nobody_can_forge(server: str) -> None:
    stage = Stage({server: lowercases})
    assert stage.look_up("A-Name.With-Letters.example.").answer is not None
    assert len(stage.asks) == 1
    assert str(stage.asks[0].message.question[0].name) == "A-Name.With-Letters.example."


def test_a_query_in_plain_case_has_no_other_case_to_come_back_in() -> None:
    stage = Stage({"tcp://192.0.2.1": lowercases})
    machine = stage.resolution(NAME)
    ask = machine.next(stage.now)
    assert isinstance(ask, Ask)
    machine.miscased(ask)
    assert isinstance(machine.next(stage.now), Wait), "nothing is asked again"


def test_an_error_names_the_question_in_the_callers_case() -> None:
    stage = Stage({"192.0.2.1": lambda asked: asked.wire[:2] + b"\x80" + b"\xff" * 20})
    done = stage.look_up("Www.Some-Zone.Example.", edns=Edns())
    assert done.error is not None
    assert str(done.error.name) == "Www.Some-Zone.Example."
