"""One question to real sockets: what counts as its answer, and what is done where there is none."""

from __future__ import annotations

import struct
from collections.abc import Callable
from time import monotonic, process_time
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.exchange import QueryOptions, ask, ask_and_tell
from netkit.dns.messages.message import QR, TC, Message, Question
from netkit.dns.name import Name
from netkit.dns.policy.steps import Why
from netkit.dns.transports.udp import exchange_udp
from netkit.io import CancellationError, CancellationToken, DeadlineExceeded, Interrupted
from tests.conftest import free_port
from tests.dns.scripted import (
    CLOSE,
    RESET,
    Asked,
    Elsewhere,
    Pieces,
    Script,
    ScriptedServer,
    Sent,
    answer,
    changed,
    framed,
)
from tests.waiting import until

Scripted = Callable[[Script], ScriptedServer]
Drive = Callable[..., Any]

QUESTION = Question("www.Example.com.", DnsRecordType.A)
RECORD = "www.example.com. 60 A 192.0.2.1"
#: Long enough for a busy machine, and never waited for: an answer comes.
PATIENT = QueryOptions(timeout=5.0, tries=1)
#: Waited for to its end, and long enough for what comes in it on a busy machine.
SHORT = QueryOptions(timeout=0.3, tries=1)


def right(asked: Asked) -> bytes:
    return answer(asked, RECORD).to_wire()


def swapped_case(asked: Asked) -> bytes:
    """The answer with one letter of the name in the other case."""
    return changed(right(asked), 13, right(asked)[13] ^ 0x20)


#: What is not the answer although it looks like one.
FORGERIES: dict[str, Callable[[Asked], Any]] = {
    "wrong ID": lambda asked: changed(right(asked), 0, right(asked)[0] ^ 0xFF),
    "wrong name": lambda asked: answer(asked, RECORD).replace(question=[Question("www.example.net.", 1)]),
    "wrong type": lambda asked: answer(asked, RECORD).replace(question=[Question(QUESTION.name, 28)]),
    "wrong class": lambda asked: answer(asked, RECORD).replace(question=[Question(QUESTION.name, 1, 3)]),
    "no question": lambda asked: answer(asked, RECORD).replace(question=[]),
    "two questions": lambda asked: answer(asked, RECORD).replace(question=asked.message.question * 2),
    "wrong letter case": swapped_case,
    "not a response": lambda asked: asked.wire,
    "another opcode": lambda asked: answer(asked, RECORD).replace(opcode=4),
    "nothing": lambda asked: b"",
    "one octet": lambda asked: asked.wire[:1],
    "garbage": lambda asked: bytes([asked.wire[0] ^ 1]) * 40,
}


class TestWhatCounts:
    @pytest.mark.parametrize(
        "forgery", [each for name, each in FORGERIES.items() if name != "wrong letter case"]
    )
    def test_forgeries_are_ignored_and_the_answer_awaited(
        self, scripted: Scripted, drive: Drive, forgery: Callable[[Asked], Any]
    ) -> None:
        server = scripted(lambda asked: [forgery(asked), forgery(asked), right(asked)])
        reply = drive(ask(QUESTION, [server.addr], PATIENT))
        assert [str(record).split() for record in reply.message.answer] == [
            ["www.example.com.", "60", "IN", "A", "192.0.2.1"]
        ]
        assert reply.ignored == 2
        assert reply.transport == "udp"
        assert reply.server == server.addr

    @pytest.mark.parametrize(
        "forgery", [each for name, each in FORGERIES.items() if name != "wrong letter case"]
    )
    def test_forgeries_alone_are_silence(
        self, scripted: Scripted, drive: Drive, forgery: Callable[[Asked], Any]
    ) -> None:
        server = scripted(forgery)
        with pytest.raises(DnsError.Timeout) as caught:
            drive(ask(QUESTION, [server.addr], SHORT))
        assert caught.value.hint == "1 message came, but not the answer"

    def test_from_another_port(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: Elsewhere(right(asked)))
        with pytest.raises(DnsError.Timeout) as caught:
            drive(ask(QUESTION, [server.addr], SHORT))
        assert caught.value.hint == DnsError.Timeout.hint, "the kernel keeps it away: nothing came"

    @pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.SERVFAIL])
    def test_a_refusal_may_lack_the_question(self, scripted: Scripted, drive: Drive, rcode: Rcode) -> None:
        server = scripted(lambda asked: Message(asked.message.id, QR, rcode=rcode))
        reply = drive(ask(QUESTION, [server.addr], PATIENT.replace(edns=None)))
        assert (reply.message.rcode, reply.ignored) == (rcode, 0)

    def test_over_tcp_too(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(
            lambda asked: [FORGERIES["wrong ID"](asked), FORGERIES["another opcode"](asked), right(asked)]
        )
        reply = drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True)))
        assert (reply.transport, reply.ignored) == ("tcp", 2)

    def test_a_flood_ends_with_the_deadline(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: [asked.wire] * 200)
        with pytest.raises(DnsError.Timeout) as caught:
            drive(ask(QUESTION, [server.addr], SHORT))
        assert "messages came, but not the answer" in (caught.value.hint or "")

    def test_each_query_has_an_id_a_case_and_a_port_of_its_own(self, scripted: Scripted) -> None:
        from netkit.io import run

        server = scripted(right)
        name = Name.parse("a-long-name-with-many-letters.example.com.")
        for _ in range(20):
            reply = run(ask(Question(name, 1), [server.addr], PATIENT))
            assert reply.message.question[0].name.is_identical(name), "told in the caller's case"
        assert len({asked.message.id for asked in server.asked}) > 15
        assert len({bytes(asked.wire[12:40]) for asked in server.asked}) == 20
        assert all(asked.message.question[0].name == name for asked in server.asked)

    def test_case_is_restored_in_every_section(self, scripted: Scripted, drive: Drive) -> None:
        def repeats(asked: Asked) -> Message:
            name = asked.message.question[0].name
            return answer(
                asked,
                f"{name} 60 A 192.0.2.1",
                authority=[f"{name} 60 NS ns.{name}"],
                additional=[f"ns.{name} 60 AAAA 2001:db8::1"],
            )

        server = scripted(repeats)
        message = drive(ask(QUESTION, [server.addr], PATIENT)).message
        texts = [str(record) for record in (*message.answer, *message.authority, *message.additional)]
        assert [text.count("www.Example.com.") for text in texts] == [1, 2, 1]

    @pytest.mark.parametrize(("tcp", "queries"), [(False, 2), (True, 1)])
    def test_a_server_that_lowercases_is_asked_in_plain_case(
        self, scripted: Scripted, drive: Drive, tcp: bool, queries: int
    ) -> None:
        def lowercases(asked: Asked) -> Message:
            name = Name.parse(asked.name)
            return answer(asked, RECORD).replace(question=[Question(name, DnsRecordType.A)])

        server = scripted(lowercases)
        reply = drive(ask(QUESTION, [server.addr], SHORT.replace(tcp=tcp)))
        assert reply.message.answer
        assert len(server.asked) == queries, "over TCP nobody can forge an answer: there the case is plain"
        assert server.asked[-1].message.question[0].name.is_identical(QUESTION.name)

    @pytest.mark.parametrize("what", ["silence", "wrong ID", "wrong name"])
    def test_nothing_else_makes_it_go_without(self, scripted: Scripted, drive: Drive, what: str) -> None:
        server = scripted(FORGERIES.get(what, lambda asked: None))
        name = Name.parse("a-long-name-with-many-letters.example.com.")
        with pytest.raises(DnsError.Timeout):
            drive(ask(Question(name, 1), [server.addr], QueryOptions(timeout=0.02, tries=3)))
        server.close()
        assert len(server.asked) == 3
        assert not any(asked.message.question[0].name.is_identical(name) for asked in server.asked)


def message_of(header: bytes, rest: bytes) -> Callable[[Asked], bytes]:
    """A response with the ID and question of the query, these counts, and what follows the question."""

    def script(asked: Asked) -> bytes:
        question = asked.wire[12 : 12 + len(QUESTION.name.to_wire()) + 4]
        return asked.wire[:2] + b"\x84\x00" + header + question + rest

    return script


_ONE = struct.pack(">HHHH", 1, 1, 0, 0)
_A = struct.pack(">HHIH", 1, 1, 60, 4)
#: Malformed answers: the counts, what follows the question, and which field and octet the error names.
MALFORMED: dict[str, tuple[bytes, bytes, str, int]] = {
    "pointer to itself": (_ONE, b"\xc0\x21" + _A + bytes(4), "answer[0].name", 33),
    "pointer forward": (_ONE, b"\xc0\x80" + _A + bytes(4), "answer[0].name", 33),
    "loop of two": (_ONE, b"\x01a\xc0\x21" + _A + bytes(4), "answer[0].name", 35),
    "name over 255 octets": (_ONE, (b"\x3f" + b"a" * 63) * 4 + b"\x00" + _A, "answer[0].name", 225),
    "count that lies": (struct.pack(">HHHH", 1, 65535, 65535, 65535), b"", "header.ancount", 6),
    "record cut": (_ONE, b"\xc0\x0c" + _A + bytes(3), "answer[0].rdata", 45),
    "length that lies": (
        _ONE, b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 400) + bytes(4), "answer[0].rdata", 45,
    ),
    "address of 5 octets": (
        _ONE, b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 5) + bytes(5), "answer[0].rdata", 49,
    ),
    "octets left over": (struct.pack(">HHHH", 1, 0, 0, 0), b"\x00" * 9, "", 33),
}  # fmt: skip


class TestMalformed:
    @pytest.mark.parametrize(("header", "rest", "field", "offset"), MALFORMED.values(), ids=MALFORMED)
    def test_ends_at_once_and_says_where(
        self, scripted: Scripted, drive: Drive, header: bytes, rest: bytes, field: str, offset: int
    ) -> None:
        server = scripted(message_of(header, rest))
        begun = process_time()
        with pytest.raises(DnsError.InvalidResponse) as caught:
            drive(ask(QUESTION, [server.addr], PATIENT))
        assert process_time() - begun < 2, "not after a walk around the loop"
        assert caught.value.field.startswith(field)
        assert caught.value.offset == offset
        assert caught.value.server == server.addr
        assert len(server.asked) == 1

    def test_header_cut(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: asked.wire[:2] + b"\x84")
        with pytest.raises(DnsError.InvalidResponse):
            drive(ask(QUESTION, [server.addr], PATIENT))

    def test_makes_way_for_the_next_server(self, scripted: Scripted, drive: Drive) -> None:
        broken = scripted(message_of(*MALFORMED["pointer forward"][:2]))
        good = scripted(right)
        assert drive(ask(QUESTION, [broken.addr, good.addr], PATIENT)).server == good.addr

    def test_over_tcp(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(message_of(*MALFORMED["loop of two"][:2]))
        with pytest.raises(DnsError.InvalidResponse):
            drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True)))

    def test_a_long_chain_of_pointers_is_walked_in_no_time(self, scripted: Scripted, drive: Drive) -> None:
        # Each of 4,000 records owned through one pointer more than the one before.
        def script(asked: Asked) -> Sent:
            question = asked.wire[12 : 12 + len(QUESTION.name.to_wire()) + 4]
            wire = bytearray(asked.wire[:2] + b"\x84\x00" + struct.pack(">HHHH", 1, 4000, 0, 0) + question)
            target = 12
            for _ in range(4000):
                here = len(wire)
                wire += struct.pack(">H", 0xC000 | target) + struct.pack(">HHIH", 1, 1, 60, 4) + bytes(4)
                target = here if here < 0x3FFF else target
            return bytes(wire)

        server = scripted(script)
        begun = process_time()
        try:
            drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True)))
        except DnsError.InvalidResponse:
            pass  # a limit on pointers is as good an end
        assert process_time() - begun < 2


def truncated(asked: Asked) -> Message:
    message = answer(asked)
    return message.replace(flags=message.flags | TC)


def over_tcp(what: Callable[[Asked], Any]) -> Script:
    """Truncated over UDP, `what` over TCP."""
    return lambda asked: what(asked) if asked.over_tcp else truncated(asked)


class TestTcp:
    def test_truncated_is_asked_again(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(over_tcp(right))
        reply = drive(ask(QUESTION, [server.addr], PATIENT))
        assert (reply.transport, reply.fell_back, len(reply.message.answer)) == ("tcp", True, 1)
        assert [asked.over_tcp for asked in server.asked] == [False, True]

    def test_unless_it_is_taken_as_it_is(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(over_tcp(right))
        reply = drive(ask(QUESTION, [server.addr], PATIENT.replace(ignore_truncation=True)))
        assert reply.message.truncated and not reply.fell_back
        assert len(server.asked) == 1

    @pytest.mark.parametrize("how", [CLOSE, RESET])
    def test_truncated_without_tcp(self, scripted: Scripted, drive: Drive, how: str) -> None:
        server = scripted(over_tcp(lambda asked: how))
        with pytest.raises(DnsError.Truncated) as caught:
            drive(ask(QUESTION, [server.addr], PATIENT))
        assert caught.value.size == len(truncated(server.asked[0]).to_wire())
        assert isinstance(caught.value.__cause__, DnsError.NetworkError)
        assert "ask another one" in str(caught.value.hint)

    def test_byte_by_byte(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: Pieces(bytes([octet]) for octet in framed(right(asked))))
        assert drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True))).message.answer

    def test_two_messages_in_one_segment(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: Pieces([framed(asked.wire[::-1]) + framed(right(asked))]))
        assert drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True))).ignored == 1

    @pytest.mark.parametrize(
        "what", [CLOSE, [Pieces([b"\x00"]), CLOSE], [Pieces([b"\x00\x20abc"]), CLOSE]], ids=repr
    )
    def test_closed_before_the_answer(self, scripted: Scripted, drive: Drive, what: Any) -> None:
        server = scripted(lambda asked: what)
        with pytest.raises(DnsError.NetworkError, match="closed the connection without an answer"):
            drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True)))

    def test_reset(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: RESET)
        with pytest.raises(DnsError.NetworkError):
            drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True)))

    def test_nobody_listens(self, drive: Drive) -> None:
        addr = SocketAddr.new("127.0.0.1", free_port())
        with pytest.raises(DnsError.NetworkError, match="refused"):
            drive(ask(QUESTION, [addr], PATIENT.replace(tcp=True)))

    def test_silence(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: None)
        with pytest.raises(DnsError.Timeout):
            drive(ask(QUESTION, [server.addr], SHORT.replace(tcp=True)))

    def test_empty_messages_are_ignored(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: Pieces([b"\x00\x00\x00\x00", framed(right(asked))]))
        assert drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=True))).ignored == 2

    def test_from_a_source_address(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(right)
        source = SocketAddr.new("127.0.0.1", 0)
        for tcp in (False, True):
            assert drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=tcp, source=source))).message.answer


class TestEdns:
    @pytest.mark.parametrize("rcode", [Rcode.FORMERR, Rcode.NOTIMP])
    def test_asked_again_without(self, scripted: Scripted, drive: Drive, rcode: Rcode) -> None:
        def old(asked: Asked) -> Message:
            if asked.message.edns is None:
                return answer(asked, RECORD)
            return Message(asked.message.id, QR, rcode=rcode, question=asked.message.question)

        server = scripted(old)
        assert drive(ask(QUESTION, [server.addr], PATIENT)).message.answer
        assert [asked.message.edns is None for asked in server.asked] == [False, True]

    def test_an_error_without_edns_is_final(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: answer(asked, rcode=Rcode.FORMERR))
        assert drive(ask(QUESTION, [server.addr], PATIENT)).message.rcode == Rcode.FORMERR
        assert [asked.message.edns is None for asked in server.asked] == [False, True]

    def test_badvers_is_asked_with_version_0(self, scripted: Scripted, drive: Drive) -> None:
        def knows_0(asked: Asked) -> Message:
            assert asked.message.edns is not None
            return answer(asked, rcode=Rcode.BADVERS) if asked.message.edns.version else answer(asked, RECORD)

        server = scripted(knows_0)
        assert drive(ask(QUESTION, [server.addr], PATIENT.replace(edns=Edns(version=1)))).message.answer
        assert len(server.asked) == 2

    def test_badvers_to_version_0_does_not_go_round(self, scripted: Scripted, drive: Drive) -> None:
        server = scripted(lambda asked: answer(asked, rcode=Rcode.BADVERS))
        assert drive(ask(QUESTION, [server.addr], PATIENT)).message.rcode == Rcode.BADVERS
        assert len(server.asked) == 1


class TestHistory:
    """`ask_and_tell`: what was asked, over real sockets, and why again."""

    def test_of_an_answer(self, scripted: Scripted, drive: Drive) -> None:
        def cut(asked: Asked) -> Message:
            whole = answer(asked, RECORD)
            return whole if asked.over_tcp else whole.replace(flags=whole.flags | TC, answer=())

        server = scripted(cut)
        done = drive(ask_and_tell(QUESTION, [server.addr], PATIENT))
        assert done.error is None
        assert done.reply.fell_back
        assert [(str(step.transport), step.why) for step in done.history] == [
            ("udp", Why.FIRST), ("tcp", Why.TRUNCATED),
        ]  # fmt: skip
        assert all(step.came is not None and step.elapsed >= 0 for step in done.history)

    def test_of_a_failure(self, drive: Drive) -> None:
        nobody = SocketAddr.new("127.0.0.1", free_port())
        done = drive(ask_and_tell(QUESTION, [nobody], PATIENT))
        assert done.reply is None
        assert isinstance(done.error, DnsError.NetworkError)
        (step,) = done.history
        assert step.came is done.error


class TestTries:
    def test_every_server_is_asked_every_time_round(self, scripted: Scripted, drive: Drive) -> None:
        servers = [scripted(lambda asked: None) for _ in range(3)]
        begun = monotonic()
        with pytest.raises(DnsError.Timeout) as caught:
            drive(ask(QUESTION, [server.addr for server in servers], QueryOptions(timeout=0.02, tries=2)))
        for server in servers:
            server.close()
        assert [len(server.asked) for server in servers] == [2, 2, 2]
        assert caught.value.attempts == 6
        assert 0.1 < monotonic() - begun < 20
        assert all(str(server.addr) in str(caught.value) for server in servers)
        assert isinstance(caught.value, TimeoutError)

    @pytest.mark.parametrize("tcp", [False, True])
    def test_when_all_time_is_over_nobody_is_asked_any_more(self, scripted: Scripted, tcp: bool) -> None:
        """The caller's deadline and the query's own have both passed when the flow hears of either."""
        servers = [scripted(lambda asked: None) for _ in range(2)]
        options = SHORT.replace(timeout=0.05, tries=2, tcp=tcp)
        flow = ask(QUESTION, [server.addr for server in servers], options)
        next(flow)
        over = monotonic() + options.timeout
        until(lambda: monotonic() > over)
        with pytest.raises(Interrupted) as caught:
            flow.throw(Interrupted(DeadlineExceeded()))
        assert str(servers[0].addr) in str(caught.value.error)

    def test_the_second_server_answers(self, scripted: Scripted, drive: Drive) -> None:
        silent, good = scripted(lambda asked: None), scripted(right)
        options = SHORT.replace(tries=2)
        assert drive(ask(QUESTION, [silent.addr, good.addr], options)).server == good.addr
        assert (len(silent.asked), len(good.asked)) == (1, 1)

    def test_the_second_try_is_answered(self, scripted: Scripted, drive: Drive) -> None:
        counted: list[Asked] = []

        def second(asked: Asked) -> bytes | None:
            counted.append(asked)
            return right(asked) if len(counted) > 1 else None

        server = scripted(second)
        assert drive(ask(QUESTION, [server.addr], SHORT.replace(tries=3))).message.answer
        assert len(server.asked) == 2
        assert server.asked[0].message.id != server.asked[1].message.id

    def test_a_closed_port_is_told_at_once(self, drive: Drive) -> None:
        addr = SocketAddr.new("127.0.0.1", free_port())
        begun = monotonic()
        with pytest.raises(DnsError.NetworkError) as caught:
            drive(ask(QUESTION, [addr], PATIENT))
        assert monotonic() - begun < 20
        assert caught.value.errno is not None

    def test_a_closed_port_makes_way(self, scripted: Scripted, drive: Drive) -> None:
        good = scripted(right)
        closed = SocketAddr.new("127.0.0.1", free_port())
        assert drive(ask(QUESTION, [closed, good.addr], PATIENT)).server == good.addr

    def test_no_server(self, drive: Drive) -> None:
        with pytest.raises(DnsError.TryAgain, match="no name server"):
            drive(ask(QUESTION, [], PATIENT))

    def test_any_answer_will_do_for_ask(self, scripted: Scripted, drive: Drive) -> None:
        refusing, good = scripted(lambda asked: answer(asked, rcode=Rcode.REFUSED)), scripted(right)
        assert drive(ask(QUESTION, [refusing.addr, good.addr], PATIENT)).server == refusing.addr
        assert good.asked == []

    def test_cancellation_ends_the_waiting(self, scripted: Scripted, drive: Drive) -> None:
        token = CancellationToken()

        def cancel(asked: Asked) -> None:
            token.cancel()

        server = scripted(cancel)
        with pytest.raises(CancellationError):
            drive(ask(QUESTION, [server.addr], PATIENT), cancel=token)

    @pytest.mark.parametrize("tcp", [False, True])
    def test_the_callers_deadline_is_not_the_querys(
        self, scripted: Scripted, drive: Drive, tcp: bool
    ) -> None:
        server = scripted(lambda asked: None)
        with pytest.raises(DeadlineExceeded):
            drive(ask(QUESTION, [server.addr], PATIENT.replace(tcp=tcp)), deadline=monotonic() + 0.03)
        assert len(server.asked) <= 1

    @pytest.mark.parametrize("wrong", [{"timeout": 0}, {"timeout": -1.0}, {"tries": 0}])
    def test_options_that_cannot_be(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(DnsError.InvalidValue):
            QueryOptions(**wrong)


class TestTransports:
    """Called by themselves, without a time limit of their own."""

    def test_without_until(self, scripted: Scripted, drive: Drive) -> None:
        query = Message(7, question=[QUESTION])
        reply = drive(exchange_udp(query, scripted(right).addr, until=None))
        assert reply.message.id == 7
        assert reply.size == len(reply.wire)
        assert reply.elapsed_s > 0
