"""TSIG in use: what a server answers to signed queries, and which answers a client takes (RFC 8945)."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

import pytest

from netkit.dns import QueryOptions, Question, Rcode, parse_zone
from netkit.dns.authority.answering import Came, reply
from netkit.dns.authority.server import DnsServer
from netkit.dns.authority.zone_set import Zones
from netkit.dns.edns import Edns
from netkit.dns.exchange import ask
from netkit.dns.messages.message import MIN_MESSAGE, TC, Message, make_query
from netkit.dns.policy.upstream import Upstream
from netkit.dns.records import DnsRecord
from netkit.dns.resolver import Resolver
from netkit.dns.transports.ready import ReadySet
from netkit.dns.tsig import TsigError, TsigKey, sign, verify
from netkit.io import deadline_after, run
from netkit.serve.connections import in_background
from tests.dns.scripted import Asked, Script, ScriptedServer, answer

NOW = 1_700_000_000
KEY = TsigKey("key.example", b"a secret of both sides")
KEYS = (TsigKey("another.example", b"a secret"), KEY)
LONG = "x" * 230
ZONES = Zones(
    [
        parse_zone(
            f"$ORIGIN t.test.\n$TTL 60\n@ SOA a. b. 1 2 3 4 5\n@ NS a.\nwww A 192.0.2.1\n"
            f'two TXT "{LONG}" "{LONG[3:]}"\nbig TXT ' + f'"{LONG}" ' * 6
        )
    ]
)
QUERY = make_query("www.t.test", 1, id=7)


def answered(wire: bytes, now: float = NOW, *, over_tcp: bool = False) -> Message:
    made = reply(ZONES, wire, Came("tcp" if over_tcp else "udp", now), keys=KEYS)
    assert made is not None
    return Message.from_wire(made.wire)


def signature(message: Message) -> DnsRecord.TSIG:
    record = message.additional[-1]
    assert isinstance(record, DnsRecord.TSIG)
    return record


# -- the server


def test_a_signed_answer() -> None:
    signed = sign(QUERY.to_wire(), KEY, NOW)
    made = reply(ZONES, signed.wire, Came("udp", NOW), keys=KEYS)
    assert made is not None
    verified = verify(made.wire, KEY, NOW, signed.mac)
    assert Message.from_wire(verified.message) == made.message
    assert [str(record) for record in made.message.answer] == ["www.t.test.\t60\tIN\tA\t192.0.2.1"]


def test_no_signature_for_none() -> None:
    assert answered(QUERY.to_wire()).additional == ()


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (KEY.replace(secret=b"another"), 16),
        (KEY.replace(name="unknown"), 17),
        (KEY.replace(algorithm="hmac-sha512", mac_size=None), 17),
    ],
    ids=["BADSIG", "BADKEY", "BADKEY by its algorithm"],
)
def test_a_key_that_is_not_shared(key: TsigKey, error: int) -> None:
    signed = sign(QUERY.to_wire(), key, NOW)
    message = answered(signed.wire)
    record = signature(message)
    assert (message.rcode, message.answer, message.question) == (Rcode.NOTAUTH, (), QUERY.question)
    assert (record.name, record.algorithm) == (key.name, key.algorithm_name)
    assert (record.error, record.mac, record.other) == (error, b"", b"")
    with pytest.raises(TsigError.Rejected) as caught:
        verify(message.to_wire(), key, NOW, signed.mac)
    assert (caught.value.error, caught.value.is_verified) == (error, False)
    assert {16: "BADSIG", 17: "BADKEY"}[error] in str(caught.value)


@pytest.mark.parametrize("ahead", [-301, 4000])
def test_another_time(ahead: int) -> None:
    signed = sign(QUERY.to_wire(), KEY, NOW)
    message = answered(signed.wire, NOW + ahead)
    record = signature(message)
    assert message.rcode == Rcode.NOTAUTH
    assert (record.error, record.time_signed) == (Rcode.BADTIME, NOW)
    assert int.from_bytes(record.other, "big") == NOW + ahead
    with pytest.raises(TsigError.Rejected) as caught:
        verify(message.to_wire(), KEY, NOW, signed.mac)
    error = caught.value
    assert (error.is_verified, error.signed_at, error.server_time) == (True, NOW, NOW + ahead)
    assert f"{abs(ahead)} s {'behind' if ahead > 0 else 'ahead'} of the server's clock" in str(error)


def test_a_mac_that_is_cut_too_much() -> None:
    signed = sign(QUERY.to_wire(), KEY.replace(mac_size=16), NOW)
    message = answered(signed.wire)
    assert (message.rcode, signature(message).error) == (Rcode.NOTAUTH, Rcode.BADTRUNC)
    with pytest.raises(TsigError.Rejected) as caught:
        verify(message.to_wire(), KEY, NOW, signed.mac)
    assert caught.value.is_verified


def test_malformed_signatures() -> None:
    signed = sign(QUERY.to_wire(), KEY, NOW)
    short = Message.from_wire(signed.wire)
    short = short.replace(additional=[signature(short).replace(mac=signed.mac[:9])])
    twice = sign(signed.wire, KEY, NOW).wire
    tail = signed.wire[len(QUERY.to_wire()) :]
    before_another = QUERY.to_wire()[:11] + b"\3" + QUERY.to_wire()[12:] + tail + b"\0\0\x0a\0\1" + bytes(6)
    for wire in (short.to_wire(), twice, before_another):
        message = answered(wire)
        assert (message.rcode, message.answer) == (Rcode.FORMERR, ())


def test_an_answer_with_room_for_its_signature() -> None:
    # Without a signature the answer fits in 512 octets.
    query = make_query("two.t.test", 16, id=7, edns=None)
    plain = answered(query.to_wire())
    assert not plain.truncated
    signed = sign(query.to_wire(), KEY, NOW)
    made = reply(ZONES, signed.wire, Came("udp", NOW), keys=KEYS)
    assert made is not None
    assert len(made.wire) <= MIN_MESSAGE
    message = Message.from_wire(verify(made.wire, KEY, NOW, signed.mac).message)
    assert (message.truncated, message.rcode, message.answer) == (True, Rcode.NOERROR, ())
    assert not answered(signed.wire, over_tcp=True).truncated


def test_a_truncated_answer_is_signed() -> None:
    query = make_query("big.t.test", 16, id=7, edns=Edns(600))
    signed = sign(query.to_wire(), KEY, NOW)
    made = reply(ZONES, signed.wire, Came("udp", NOW), keys=KEYS)
    assert made is not None
    assert len(made.wire) <= 600
    assert Message.from_wire(verify(made.wire, KEY, NOW, signed.mac).message).truncated


# -- the client, over sockets


Drive = Callable[..., Any]
OPTIONS = QueryOptions(tsig=KEY, tries=1)
QUESTION = Question("www.t.test", 1)
RECORD = "www.t.test. 60 A 192.0.2.1"


def signing(asked: Asked, key: TsigKey = KEY, record: str = RECORD, ahead: float = 0.0) -> bytes:
    """The octets of an answer that is signed as it must be, but for what is given."""
    query = verify(asked.wire, KEY, time())
    return sign(answer(asked, record).to_wire(), key, time() + ahead, query.mac).wire


@pytest.mark.parametrize("tcp", [False, True], ids=["UDP", "TCP"])
def test_a_signed_exchange(drive: Drive, scripted: Callable[[Script], ScriptedServer], tcp: bool) -> None:
    server = scripted(signing)
    found = drive(ask(QUESTION, [server.addr], OPTIONS.replace(tcp=tcp)), deadline=deadline_after(5))
    assert [str(record) for record in found.message.answer] == ["www.t.test.\t60\tIN\tA\t192.0.2.1"]
    assert signature(found.message).name == KEY.name
    assert len(server.asked) == 1


def test_a_forged_answer_before_the_signed_one(
    drive: Drive, scripted: Callable[[Script], ScriptedServer]
) -> None:
    def script(asked: Asked) -> list[object]:
        forged = answer(asked, "www.t.test. 60 A 203.0.113.66")
        wrong = signing(asked, KEY.replace(secret=b"guessed"), "www.t.test. 60 A 203.0.113.67")
        cut = forged.to_wire()[:-3]
        if asked.over_tcp:
            return []
        return [forged, wrong, cut, forged, signing(asked)]

    server = scripted(script)
    found = drive(ask(QUESTION, [server.addr], OPTIONS), deadline=deadline_after(5))
    assert str(found.message.answer[0]).endswith("192.0.2.1")
    assert found.transport == "udp"
    assert found.ignored == 4


def unsigned(asked: Asked) -> Message:
    return answer(asked, RECORD)


def wrongly_signed(asked: Asked) -> bytes:
    return signing(asked, KEY.replace(secret=b"another"))


def unknown_key(asked: Asked) -> bytes:
    return signing(asked, KEY.replace(name="unknown"))


def late(asked: Asked) -> bytes:
    return signing(asked, ahead=-4000)


@pytest.mark.parametrize("tcp", [False, True], ids=["UDP", "TCP"])
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (unsigned, TsigError.Unsigned),
        (wrongly_signed, TsigError.BadSignature),
        (unknown_key, TsigError.UnknownKey),
        (late, TsigError.BadTime),
    ],
    ids=["unsigned", "wrong", "unknown", "late"],
)
def test_what_is_no_answer(
    drive: Drive,
    scripted: Callable[[Script], ScriptedServer],
    script: Script,
    kind: type[TsigError],
    tcp: bool,
) -> None:
    server = scripted(script)
    with pytest.raises(kind) as caught:
        drive(ask(QUESTION, [server.addr], OPTIONS.replace(tcp=tcp, tries=3)), deadline=deadline_after(5))
    assert (caught.value.server, caught.value.name) == (server.addr, QUESTION.name)
    # Over TCP nobody can forge: it is asked once, at once, and the answer is final.
    assert [asked.over_tcp for asked in server.asked] == [True] if tcp else [False, True]


def test_an_error_without_question_and_signature(
    drive: Drive, scripted: Callable[[Script], ScriptedServer]
) -> None:
    """As nsd says BADTIME."""

    def script(asked: Asked) -> Message:
        record = signature(asked.message).replace(mac=b"", error=Rcode.BADTIME, other=b"\0\0\0\0\0\7")
        refusal = answer(asked, rcode=Rcode.NOTAUTH)
        return refusal.replace(question=(), additional=[record])

    with pytest.raises(TsigError.Rejected) as caught:
        drive(ask(QUESTION, [scripted(script).addr], OPTIONS), deadline=deadline_after(5))
    assert (caught.value.server_time, caught.value.is_verified) == (7, False)


def test_a_better_server_is_asked_next(drive: Drive, scripted: Callable[[Script], ScriptedServer]) -> None:
    first, second = scripted(unsigned), scripted(signing)
    found = drive(ask(QUESTION, [first.addr, second.addr], OPTIONS), deadline=deadline_after(5))
    assert found.server == second.addr


def test_the_error_of_a_signature_is_told_rather_than_silence(
    drive: Drive, scripted: Callable[[Script], ScriptedServer]
) -> None:
    server = scripted(lambda asked: None if asked.over_tcp else unsigned(asked))
    with pytest.raises(TsigError.Unsigned):
        drive(ask(QUESTION, [server.addr], OPTIONS.replace(timeout=0.2)), deadline=deadline_after(5))


def test_a_truncated_answer_must_be_signed(
    drive: Drive, scripted: Callable[[Script], ScriptedServer]
) -> None:
    def script(asked: Asked) -> bytes:
        signed = signing(asked)
        if asked.over_tcp:
            return signed
        cut = answer(asked).replace(flags=answer(asked).flags | TC)
        return sign(cut.to_wire(), KEY, time(), verify(asked.wire, KEY, time()).mac).wire

    found = drive(ask(QUESTION, [scripted(script).addr], OPTIONS), deadline=deadline_after(5))
    assert found.transport == "tcp"
    assert found.fell_back


@pytest.mark.parametrize("is_signed", [True, False])
def test_without_a_descriptor_for_many_sockets(
    drive: Drive,
    scripted: Callable[[Script], ScriptedServer],
    monkeypatch: pytest.MonkeyPatch,
    is_signed: bool,
) -> None:
    monkeypatch.setattr(ReadySet, "available", False)
    forged = "www.t.test. 60 A 203.0.113.66"
    server = scripted(lambda asked: [answer(asked, forged), signing(asked) if is_signed else None])
    asking = ask(QUESTION, [server.addr], OPTIONS.replace(timeout=5.0 if is_signed else 0.2))
    if is_signed:
        found = drive(asking, deadline=deadline_after(5))
        assert str(found.message.answer[0]).endswith("192.0.2.1")
    else:
        with pytest.raises(TsigError.Unsigned):
            drive(asking, deadline=deadline_after(5))


def test_a_resolver_with_a_key(drive: Drive, scripted: Callable[[Script], ScriptedServer]) -> None:
    server = scripted(signing)
    with Resolver([server.addr], options=OPTIONS, cache_size=0) as resolver:
        for _ in range(2):
            assert drive(resolver.resolve_flow(QUESTION.name, 1), deadline=deadline_after(5)).records
    assert len(server.asked) == 2


def test_a_server_of_ours() -> None:
    server = DnsServer.bind("127.0.0.1:0", list(ZONES), KEYS)
    slow = DnsServer.bind("127.0.0.1:0", list(ZONES), KEYS, clock=lambda: 1_000_000)
    with in_background(server.serve), in_background(slow.serve):
        for tcp in (False, True):
            options = OPTIONS.replace(tcp=tcp)
            assert run(ask(QUESTION, [server.local_addr], options), deadline=deadline_after(5)).message.answer
            with pytest.raises(TsigError.Rejected) as caught:
                run(ask(QUESTION, [slow.local_addr], options), deadline=deadline_after(5))
            assert caught.value.server_time == 1_000_000
        big = run(ask(Question("big.t.test", 16), [server.local_addr], OPTIONS), deadline=deadline_after(5))
        assert big.transport == "tcp"


def test_padding_counts_the_signature() -> None:
    from netkit.dns.policy.knowledge import Knowledge
    from netkit.dns.policy.manner import PADDING_BLOCK, Manner

    upstream = Upstream.parse("tls://192.0.2.1")
    manner = Manner(upstream, Knowledge().of(upstream), OPTIONS, 0.0)
    message, _ = manner.query(QUESTION, lambda bits: 1, 0.0)
    assert len(sign(message.to_wire(), KEY, NOW).wire) % PADDING_BLOCK == 0
