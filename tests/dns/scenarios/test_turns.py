"""Whom, when, how often: rounds, silence, a second question beside the first, truncation, one deadline."""

from __future__ import annotations

from typing import Any

import pytest

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import QR, TC, Message, make_query
from netkit.dns.name import Name
from netkit.dns.policy.knowledge import FIRST_DELAY, FIRST_PAUSE, MAX_PAUSE, MIN_DELAY, Knowledge
from netkit.dns.policy.options import QueryOptions
from netkit.dns.policy.resolution import Resolution, Sent
from netkit.dns.policy.upstream import Transport, Upstream
from tests.dns.scenarios.stage import After, Script, Stage, question, reply
from tests.dns.scripted import Asked, answer

pytestmark = pytest.mark.once

RECORD = "www.example. 60 A 198.51.100.1"
ONE, TWO, THREE = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def good(asked: Asked) -> Message:
    return answer(asked, RECORD)


def silent(asked: Asked) -> None:
    return None


def failing(rcode: Rcode) -> Script:
    return lambda asked: answer(asked, rcode=rcode)


def hosts(stage: Stage) -> list[str]:
    """The last number of each server asked."""
    return [str(ask.upstream.server).partition(":")[0][-1] for ask in stage.asks]


class TestRounds:
    def test_each_server_in_each_round(self) -> None:
        stage = Stage({ONE: silent, TWO: silent})
        begun = stage.now
        done = stage.look_up("www.example.", timeout=2.0, tries=3)
        assert hosts(stage) == ["1", "2"] * 3
        assert stage.why == ["FIRST", "NEXT", "ROUND", "NEXT", "ROUND", "NEXT"]
        assert isinstance(done.error, DnsError.Timeout)
        assert (done.error.attempts, done.error.timeout) == (6, stage.now - begun) == (6, 12.0)
        assert all(step.elapsed == 2.0 for step in done.history)
        assert all(isinstance(step.came, DnsError.Timeout) for step in done.history)

    def test_servfail_is_tried_elsewhere_and_in_the_next_round(self) -> None:
        def repaired(asked: Asked) -> Message:
            return good(asked) if len(stage.asks) > 2 else answer(asked, rcode=Rcode.SERVFAIL)

        stage = Stage({ONE: repaired, TWO: failing(Rcode.SERVFAIL)})
        assert stage.look_up("www.example.").answer is not None
        assert hosts(stage) == ["1", "2", "1"]

    @pytest.mark.parametrize("rcode", [Rcode.REFUSED, Rcode.NOTIMP, Rcode.NOTAUTH])
    def test_a_refusal_is_not_asked_for_again(self, rcode: Rcode) -> None:
        stage = Stage({ONE: failing(rcode), TWO: failing(Rcode.SERVFAIL)})
        done = stage.look_up("www.example.", edns=None, tries=3)
        assert hosts(stage) == ["1", "2", "2", "2"]
        assert isinstance(done.error, DnsError.ServerError)

    def test_an_answer_of_any_kind_is_more_than_silence(self) -> None:
        stage = Stage({ONE: failing(Rcode.REFUSED), TWO: silent})
        assert isinstance(stage.look_up("www.example.").error, DnsError.Refused)

    def test_what_dig_shows_is_the_first_reply(self) -> None:
        stage = Stage({ONE: failing(Rcode.SERVFAIL), TWO: good})
        done = stage.ask("www.example.")
        assert done.error is None
        assert done.reply is not None
        assert done.reply.message.rcode == Rcode.SERVFAIL

    def test_no_server(self) -> None:
        assert isinstance(Stage({}).look_up("www.example.").error, DnsError.TryAgain)

    def test_what_comes_too_late_is_nothing(self) -> None:
        stage = Stage({ONE: lambda asked: After(2.5, good(asked)), TWO: silent})
        done = stage.look_up("www.example.", timeout=2.0, tries=1)
        assert isinstance(done.error, DnsError.Timeout)

    def test_the_network_says_that_nobody_is_there(self) -> None:
        stage = Stage({ONE: lambda asked: DnsError.NetworkError("connection refused", 111), TWO: good})
        begun = stage.now
        done = stage.look_up("www.example.")
        assert done.answer is not None
        assert stage.now - begun == pytest.approx(0.02)


class TestSilenceIsRemembered:
    def test_a_silent_server_is_asked_last_for_a_while(self) -> None:
        stage = Stage({ONE: silent, TWO: good})
        stage.look_up("www.example.")
        stage.look_up("www.example.")
        assert hosts(stage) == ["1", "2", "2"]
        stage.now += FIRST_PAUSE
        stage.look_up("www.example.")
        assert hosts(stage)[3:] == ["1", "2"], "then it gets another chance"
        stage.now += FIRST_PAUSE
        stage.look_up("www.example.")
        assert hosts(stage)[5:] == ["2"], "and the next pause is longer"

    def test_a_server_that_answers_nonsense_is_not_a_silent_one(self) -> None:
        stage = Stage({ONE: lambda asked: good(asked).to_wire()[:-1], TWO: good})
        stage.look_up("www.example.")
        stage.look_up("www.example.")
        assert hosts(stage) == ["1", "2", "1", "2"]

    def test_one_server_is_asked_in_any_case(self) -> None:
        stage = Stage({ONE: silent})
        for _ in range(3):
            stage.look_up("www.example.", tries=1)
        assert len(stage.asks) == 3

    def test_an_answer_ends_it(self) -> None:
        knowledge = Knowledge()
        learnt = knowledge.of(Upstream.parse(ONE))
        for _ in range(40):
            learnt.failed(100.0)
        assert learnt.is_paused(100.0 + MAX_PAUSE - 1)
        assert not learnt.is_paused(100.0 + MAX_PAUSE)
        learnt.answered(Transport.UDP, 0.01, 100.0)
        assert not learnt.is_paused(100.0)


class TestHedge:
    def test_a_second_server_is_asked_when_the_first_is_late(self) -> None:
        stage = Stage({ONE: silent, TWO: good})
        begun = stage.now
        done = stage.look_up("www.example.", hedge=True)
        assert done.answer is not None
        assert stage.why == ["FIRST", "HEDGE"]
        assert stage.now - begun == pytest.approx(FIRST_DELAY + 0.01)
        assert done.history[0].came is None, "nobody waited for it to the end"

    def test_late_is_what_the_round_trip_time_does_not_explain(self) -> None:
        slow: list[float] = [0.1]
        stage = Stage({ONE: lambda asked: After(slow[0], good(asked)), TWO: good})
        for _ in range(20):
            stage.look_up("www.example.", hedge=True)
        assert len(stage.asks) == 20, "the usual time is not late"
        slow[0] = 4.0
        begun = stage.now
        stage.look_up("www.example.", hedge=True)
        assert 0.1 < stage.now - begun < 0.2

    def test_the_first_may_still_win(self) -> None:
        stage = Stage({ONE: lambda asked: After(1.2, good(asked)), TWO: silent})
        done = stage.look_up("www.example.", hedge=True)
        assert done.reply is not None
        assert str(done.reply.server) == f"{ONE}:53"

    def test_no_more_than_two_at_once(self) -> None:
        stage = Stage({ONE: silent, TWO: silent, THREE: good})
        begun = stage.now
        assert stage.look_up("www.example.", hedge=True).answer is not None
        assert stage.why == ["FIRST", "HEDGE", "NEXT"]
        assert stage.now - begun == pytest.approx(5.01), "the third gets the place of the first"

    def test_not_where_nobody_asked_for_it(self) -> None:
        stage = Stage({ONE: lambda asked: After(4.0, good(asked)), TWO: good})
        stage.look_up("www.example.")
        assert hosts(stage) == ["1"]

    def test_the_retransmission_time_of_rfc_6298(self) -> None:
        learnt = Knowledge().of(Upstream.parse(ONE))
        learnt.answered(Transport.UDP, 0.1, 1.0)
        assert learnt.delay(Transport.UDP, 1.0) == pytest.approx(0.1 + 4 * 0.05)
        learnt.answered(Transport.UDP, 0.2, 2.0)
        assert learnt.delay(Transport.UDP, 2.0) == pytest.approx(0.1125 + 4 * 0.0625)

    def test_the_time_of_one_server_in_the_house(self) -> None:
        learnt = Knowledge().of(Upstream.parse(ONE))
        for at in range(50):
            learnt.answered(Transport.UDP, 0.0002, float(at))
        assert learnt.delay(Transport.UDP, 50.0) == MIN_DELAY
        assert learnt.delay(Transport.TCP, 50.0) == FIRST_DELAY
        assert learnt.round_trip(Transport.UDP, 50.0) == pytest.approx(0.0002)
        assert learnt.round_trip(Transport.UDP, 5000.0) is None, "too long ago"


class TestDeadline:
    def test_one_deadline_over_all_servers(self) -> None:
        stage = Stage({ONE: silent, TWO: silent})
        begun = stage.now
        done = stage.look_up("www.example.", timeout=2.0, tries=5, within=7.0)
        assert stage.now - begun == 7.0
        assert hosts(stage) == ["1", "2", "1", "2"]
        assert isinstance(done.error, DnsError.Timeout)

    def test_one_deadline_over_all_aliases(self) -> None:
        def script(asked: Asked) -> Any:
            return After(0.8, answer(asked, f"{asked.name} 60 CNAME a{len(stage.asks)}.{asked.name}"))

        stage = Stage({ONE: script})
        begun = stage.now
        done = stage.look_up("www.example.", within=3.0)
        assert stage.now - begun == 3.0
        assert isinstance(done.error, DnsError.Timeout)
        assert str(done.error.name) == "www.example."


def cut(asked: Asked, at: int | None = None) -> bytes:
    """A truncated answer, cut after `at` octets: in the middle of a record."""
    whole = answer(asked, *[f"www.example. 60 A 198.51.100.{last}" for last in range(9)])
    return whole.replace(flags=whole.flags | TC).to_wire()[:at]


class TestTruncation:
    def script(self, at: int | None) -> Script:
        return lambda asked: good(asked) if asked.over_tcp else cut(asked, at)

    @pytest.mark.parametrize("at", [None, 60, 31, 29, 13, 12])
    def test_tc_goes_to_tcp_also_where_a_record_is_cut(self, at: int | None) -> None:
        stage = Stage({ONE: self.script(at)})
        done = stage.look_up("www.example.")
        assert done.answer is not None
        assert stage.told == [f"{ONE}:53 udp", f"{ONE}:53 tcp"]
        assert stage.why == ["FIRST", "TRUNCATED"]
        assert done.reply is not None
        assert done.reply.fell_back

    def test_a_header_alone(self) -> None:
        def script(asked: Asked) -> Message:
            return good(asked) if asked.over_tcp else Message(asked.message.id, QR | TC)

        stage = Stage({ONE: script})
        assert stage.look_up("www.example.").answer is not None
        assert stage.why == ["FIRST", "TRUNCATED"]
        done = Stage({ONE: script}).look_up("www.example.", ignore_truncation=True, tries=1)
        assert isinstance(done.error, DnsError.Truncated)
        assert done.error.size == 12

    def test_without_tcp_the_next_server_is_asked(self) -> None:
        def script(asked: Asked) -> Any:
            return DnsError.NetworkError("connection refused", 111) if asked.over_tcp else cut(asked)

        stage = Stage({ONE: script, TWO: good})
        assert stage.look_up("www.example.").answer is not None
        assert hosts(stage) == ["1", "1", "2"]
        stage = Stage({ONE: script})
        done = stage.look_up("www.example.", tries=1)
        assert isinstance(done.error, DnsError.Truncated)
        assert isinstance(done.error.__cause__, DnsError.NetworkError)
        assert done.error.size

    def test_a_cut_answer_can_be_taken(self) -> None:
        stage = Stage({ONE: self.script(None)})
        done = stage.look_up("www.example.", ignore_truncation=True)
        assert done.answer is not None
        assert stage.told == [f"{ONE}:53 udp"]
        done = Stage({ONE: self.script(31)}).look_up("www.example.", ignore_truncation=True, tries=1)
        assert isinstance(done.error, DnsError.Truncated)

    def test_tcp_from_the_start(self) -> None:
        stage = Stage({ONE: good})
        stage.look_up("www.example.", tcp=True)
        assert stage.told == [f"{ONE}:53 tcp"]

    def test_a_malformed_message_is_an_error_and_the_next_server_is_asked(self) -> None:
        stage = Stage({ONE: lambda asked: good(asked).to_wire()[:-1], TWO: good})
        assert stage.look_up("www.example.").answer is not None
        done = Stage({ONE: lambda asked: good(asked).to_wire()[:-1]}).look_up("www.example.", tries=1)
        assert isinstance(done.error, DnsError.InvalidResponse)
        assert str(done.error.server) == f"{ONE}:53"


class TestInTheMiddle:
    """A bulk engine asks by itself, and hands over what it does not understand."""

    def sent(self, came: Any, until: float = 1003.0) -> Sent:
        query = make_query(Name.parse("wWw.eXample."), 1, id=7)
        return Sent(Upstream.parse(ONE), Transport.UDP, query, 998.0, until, came)

    def answered(self, **fields: Any) -> Sent:
        base = self.sent(None)
        machine = Resolution(
            question("www.example."), [base.upstream], QueryOptions(), 1.0, lambda bits: 0, sent=[base]
        )
        message = Message(7, fields.pop("flags", QR), question=[question("www.example.")], **fields)
        return base._replace(came=reply(machine.asks[0], message))

    def test_after_a_truncated_reply(self) -> None:
        stage = Stage({ONE: good, TWO: good})
        done = stage.settle("www.example.", sent=[self.answered(flags=QR | TC)])
        assert stage.told == [f"{ONE}:53 tcp"]
        assert stage.why == ["TAKEN_OVER", "TRUNCATED"]
        assert done.verdict is not None
        assert done.verdict.records
        assert done.history[0].at == -2.0, "before the machine began"

    def test_after_a_failure(self) -> None:
        stage = Stage({ONE: good, TWO: good})
        stage.settle("www.example.", sent=[self.answered(rcode=Rcode.SERVFAIL)])
        assert hosts(stage) == ["2"], "the first has had its turn"

    def test_still_out(self) -> None:
        stage = Stage({ONE: good, TWO: good})
        machine = stage.resolution("www.example.", sent=(self.sent(None),))
        (ask,) = machine.asks
        assert ask.exact_case
        assert (ask.message.id, ask.until) == (7, 1003.0)
        done = stage.play(machine)
        assert hosts(stage) == ["2"]
        assert stage.now == pytest.approx(1003.01), "it waited for the engine's query first"
        assert done.reply is not None

    def test_in_the_manner_in_which_the_engine_asked(self) -> None:
        without = make_query(Name.parse("www.example."), 1, id=7, edns=None)
        sent = self.sent(None)._replace(message=without, transport=Transport.TCP, until=999.0)
        stage = Stage({ONE: good})
        stage.settle("www.example.", sent=[sent], tries=2)
        assert stage.why == ["TAKEN_OVER", "ROUND"]
        assert stage.told == [f"{ONE}:53 tcp"]
        assert stage.asks[0].message.edns is None

    def test_of_a_server_that_is_not_asked(self) -> None:
        with pytest.raises(DnsError.InvalidValue):
            Stage({TWO: good}).settle("www.example.", sent=[self.sent(None)])


def test_the_history_says_what_happened() -> None:
    stage = Stage({
        ONE: silent,
        TWO: lambda asked: good(asked) if asked.over_tcp else cut(asked),
    })  # fmt: skip
    done = stage.look_up("www.example.", timeout=2.0, hedge=True)
    assert [str(step).partition(": ")[0] for step in done.history] == [
        "1. 192.0.2.1:53 over udp (the first to ask)",
        "2. 192.0.2.2:53 over udp (the one before is slower than usual)",
        "3. 192.0.2.2:53 over tcp (the answer did not fit in a datagram)",
    ]
    assert [(round(step.at, 3), step.because) for step in done.history] == [(0, None), (1.0, 1), (1.01, 2)]
    assert [None if step.elapsed is None else round(step.elapsed, 3) for step in done.history] == [
        None, 0.01, 0.01,
    ]  # fmt: skip
    assert "not waited for" in str(done.history[0])
    assert "NOERROR" in str(done.history[2])


def test_what_comes_for_an_ask_that_is_over_is_ignored() -> None:
    stage = Stage({ONE: silent, TWO: silent})
    machine = stage.resolution("www.example.")
    first = machine.next(stage.now)
    machine.expired(first, stage.now + 5)  # type: ignore[arg-type]  # it is an Ask
    machine.heard(first, DnsError.NetworkError("late"), stage.now + 6)  # type: ignore[arg-type]
    machine.miscased(first)  # type: ignore[arg-type]
    second = machine.next(stage.now + 6)
    assert [step.number for step in machine.history] == [1, 2]
    assert second in machine.asks
