"""NOTIFY: sent until it is answered, and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, Message, Question, TsigKey, parse_zone
from netkit.dns.authority.journal import Journals
from netkit.dns.authority.notify import Notified, answer_notify, make_notification
from netkit.dns.authority.notify_sending import Notifier, send_notify, send_notify_flow
from netkit.dns.authority.options import ServerOptions
from netkit.dns.authority.responder import Responder
from netkit.dns.authority.server import DnsServer
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.messages.message import make_query, make_response
from netkit.dns.tsig import sign, verify
from netkit.dns.tsig.answering import query_signature
from netkit.serve.connections import in_background
from tests.conftest import free_port
from tests.dns.scripted import Asked, Script, ScriptedServer
from tests.dns.transfers.messages import ID, NOW, ORIGIN, ns, soa
from tests.waiting import until

pytestmark = pytest.mark.once

Scripted = Callable[[Script], ScriptedServer]
Drive = Callable[..., Any]

KEY = TsigKey("key.test", b"a secret of both sides")
QUESTION = Question(ORIGIN, DnsRecordType.SOA)


def heard(asked: Asked) -> Message:
    return make_response(asked.message, aa=True)


def test_it_is_sent_and_answered(scripted: Scripted, drive: Drive) -> None:
    server = scripted(heard)
    found: Notified = drive(send_notify_flow(ORIGIN, server.addr, soa=soa(5)))
    assert (found.rcode, found.error, found.attempts, found.is_heard) == (Rcode.NOERROR, None, 1, True)
    assert (found.serial, found.server) == (5, server.addr)
    server.close()
    (asked,) = server.asked
    assert (asked.message.opcode, asked.message.question, asked.message.authoritative) == (
        Opcode.NOTIFY, (QUESTION,), True,
    )  # fmt: skip
    assert asked.message.answer == (soa(5),)


def test_it_is_sent_again_until_the_answer_comes(scripted: Scripted) -> None:
    count = 0

    def script(asked: Asked) -> Any:
        nonlocal count
        count += 1
        answer = heard(asked)
        wrong = [
            None,
            [b"", answer.replace(id=asked.message.id ^ 1), answer.replace(opcode=0), asked.message, b"\1"],
            [answer.replace(question=[Question("other.test", 6)]), answer.replace(question=())],
        ]
        return wrong[count - 1] if count <= len(wrong) else answer

    found = send_notify(ORIGIN, str(scripted(script).addr), first_wait=0.05)
    assert (found.rcode, found.attempts) == (Rcode.NOERROR, 4)
    assert found.elapsed_s > 0.05 + 0.1 + 0.2


def test_nobody_answers(scripted: Scripted) -> None:
    found = send_notify(ORIGIN, scripted(lambda asked: None).addr, tries=2, first_wait=0.02)
    assert isinstance(found.error, DnsError.Timeout)
    assert (found.rcode, found.attempts, found.is_heard) == (None, 2, False)
    nobody = SocketAddr.new("127.0.0.1", free_port())
    found = send_notify(ORIGIN, nobody, tries=2, first_wait=0.02)
    assert isinstance(found.error, DnsError.NetworkError)
    assert "(attempts: 2)" in str(found)


def test_a_refusal_is_an_answer(scripted: Scripted) -> None:
    server = scripted(lambda asked: heard(asked).replace(rcode=5, question=()))  # as nsd has it
    found = send_notify(ORIGIN, server.addr)
    assert (found.rcode, found.is_heard, found.attempts) == (Rcode.REFUSED, False, 1)


def test_a_key(scripted: Scripted) -> None:
    from time import time

    def script(asked: Asked) -> bytes:
        verify(asked.wire, KEY, time())
        signature = query_signature(asked.wire, [KEY], time())
        assert signature is not None
        return signature.sign(heard(asked).to_wire())

    assert send_notify(ORIGIN, scripted(script).addr, key=KEY).is_heard
    unsigned = scripted(heard)
    found = send_notify(ORIGIN, unsigned.addr, key=KEY, tries=1, first_wait=0.05)
    assert isinstance(found.error, DnsError.Timeout)


def test_who_cannot_be_told() -> None:
    with pytest.raises(DnsError.InvalidValue, match="over UDP"):
        send_notify(ORIGIN, "tls://192.0.2.1")


# -- what a server answers

ZONE = parse_zone(f"{soa(1)}\n{ns()}")
JOURNALS = Journals().to([ZONE])


@pytest.mark.parametrize(
    ("question", "rcode"),
    [
        ([QUESTION], Rcode.NOERROR),
        ([Question("other.test", 6)], Rcode.NOTAUTH),
        ([Question(f"www.{ORIGIN}", 6)], Rcode.NOTAUTH),
        ([Question(ORIGIN, 1)], Rcode.FORMERR),
        ([Question(ORIGIN, 6, 3)], Rcode.NOTIMP),
        ([], Rcode.FORMERR),
        ([QUESTION, QUESTION], Rcode.FORMERR),
    ],
)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
def test_what_is_answered(question: list[Question], rcode: Rcode, key: TsigKey | None) -> None:
    query = make_notification(QUESTION, ID, soa(2)).replace(question=question)
    wire = query.to_wire()
    if key is not None:
        wire = sign(wire, key, NOW).wire
    made = answer_notify(JOURNALS, wire, keys=[KEY], now=NOW)
    assert made is not None
    answer = Message.from_wire(made.wire)
    assert (answer.rcode, answer.opcode, answer.id) == (rcode, Opcode.NOTIFY, ID)
    assert answer.authoritative == (rcode == Rcode.NOERROR)
    assert bool(answer.additional) == (key is not None)


def test_what_is_malformed_and_what_is_none() -> None:
    wire = make_notification(QUESTION, ID, None).to_wire()
    made = answer_notify(JOURNALS, wire[:-1])
    assert made is not None
    assert made.message.rcode == Rcode.FORMERR
    for other in (
        make_query(ORIGIN, 6, id=ID).to_wire(),
        make_response(Message.from_wire(wire)).to_wire(),
        make_notification(QUESTION, ID, None).replace(edns=Edns(version=1)).to_wire(),
        sign(wire, KEY, NOW).wire,
        wire[:11],
        b"",
    ):
        assert answer_notify(JOURNALS, other, now=NOW) is None


@pytest.mark.parametrize("edns", [None, Edns()])
def test_only_who_signs_is_heard(edns: Edns | None) -> None:
    server = Responder([ZONE], [KEY], lambda: NOW)
    server.options = ServerOptions(signed_only=True)
    query = make_notification(QUESTION, ID, None)
    wire = (query if edns is None else query.replace(edns=edns)).to_wire()
    peer = SocketAddr.parse("192.0.2.1:53")
    for ask in (
        lambda wire: server.answer(wire, peer, "udp"),
        lambda wire: server.datagram(wire, lambda: peer),
    ):
        refused = Message.from_wire(ask(wire))
        assert (refused.rcode, refused.authoritative, refused.opcode) == (Rcode.REFUSED, False, Opcode.NOTIFY)
        reasons = None if refused.edns is None else [each.info_code for each in refused.edns.extended_errors]
        assert reasons == (None if edns is None else [18])
        assert Message.from_wire(ask(sign(wire, KEY, NOW).wire)).rcode == Rcode.NOERROR
        assert Message.from_wire(ask(wire[:-1])).rcode == Rcode.FORMERR


# -- a server that tells


def test_a_server_tells_of_what_has_become_newer(scripted: Scripted) -> None:
    secondary = scripted(heard)
    other = parse_zone("other.test. 60 SOA a. b. 1 2 3 4 5\nother.test. 60 NS a.")
    server = DnsServer.bind("127.0.0.1:0", [ZONE, other])
    told: list[Notified] = []
    server.notifier = notifier = Notifier([secondary.addr])
    notifier.on_notified = told.append
    with in_background(server.serve):
        until(lambda: len(told) == 2, "the notifications of the begin")
        server.zones = Zones([parse_zone(f"{soa(2)}\n{ns()}"), other])
        until(lambda: len(told) == 3, "the notification of the change")
        server.zones = Zones([parse_zone(f"{soa(2)}\n{ns()}"), other])
    assert [(str(each.zone), each.serial) for each in told[2:]] == [(ORIGIN, 2)]
    assert all(each.is_heard for each in told)
