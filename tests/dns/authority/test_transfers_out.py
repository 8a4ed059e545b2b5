"""What a server gives away of its zones: to whom, in which messages, and what others get."""

from __future__ import annotations

import gc
from collections.abc import Generator, Sequence
from ipaddress import ip_network
from weakref import ref

import pytest

from netkit.addr import SocketAddr
from netkit.dns import DnsError, DnsRecord, Message, Name, Question, TsigKey, parse_zone
from netkit.dns.authority.answering import Over
from netkit.dns.authority.journal import Journals, in_order
from netkit.dns.authority.responder import Responder
from netkit.dns.authority.transfers_out import THIS_MACHINE, TransferPolicy, may_ask_transfer, transfer_out
from netkit.dns.constants import Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.messages.message import make_query, make_response
from netkit.dns.messages.series import COMPRESSIBLE, Blocks, frame_blocks, write_series
from netkit.dns.transfers import TransferError, TransferKind, TransferReader
from netkit.dns.transfers.query import make_transfer_query, transfer_question
from netkit.dns.tsig import TsigVerifier, sign
from tests.dns.transfers.messages import ID, NOW, ORIGIN, a, ns, soa

pytestmark = pytest.mark.once

KEY = TsigKey("key.test", b"a secret of both sides")
LOCAL = SocketAddr.parse("127.0.0.1:5")
REMOTE = SocketAddr.parse("192.0.2.7:5")

MANY = [a(f"host{number}") for number in range(2000)]


def zone_text(*records: DnsRecord) -> str:
    return "\n".join(map(str, records))


OLD = parse_zone(zone_text(soa(1), ns(), *MANY, a("old")))
NEW = parse_zone(zone_text(soa(2), ns(), *MANY, a("new")))
JOURNALS = Journals().to([OLD]).to([NEW])


def give(
    serial: int | None = None,
    *,
    over: Over = "tcp",
    peer: SocketAddr | str = LOCAL,
    policy: TransferPolicy = THIS_MACHINE,
    key: TsigKey | None = None,
    edns: Edns | None = None,
    query: Message | None = None,
    keys: Sequence[TsigKey] = (KEY,),
    journals: Journals = JOURNALS,
) -> tuple[list[bytes], TransferReader] | None:
    """The messages for a query, and who reads them."""
    question = transfer_question(ORIGIN, serial)
    asked = query or make_transfer_query(question, ID, serial, edns=edns)
    wire = asked.to_wire()
    verifier = None
    if key is not None:
        signed = sign(wire, key, NOW)
        wire, verifier = signed.wire, TsigVerifier(key, signed.mac)
    outgoing = transfer_out(journals, policy, wire, peer, over, keys=keys, clock=lambda: NOW)
    if outgoing is None:
        return None
    made = list(outgoing)
    assert outgoing.size == sum(map(len, made))
    return made, TransferReader(question, ID, serial=serial, verifier=verifier)


def read(serial: int | None = None, **how: object) -> tuple[TransferReader, list[DnsRecord], list[bytes]]:
    given = give(serial, **how)  # type: ignore[arg-type]
    assert given is not None
    wires, reader = given
    records = [sent.record for wire in wires for sent in reader.hear(wire, NOW)]
    assert reader.is_done or len(wires) == 1
    return reader, records, wires


def refusal(**how: object) -> Rcode:
    given = give(**how)  # type: ignore[arg-type]
    assert given is not None
    ((wire,), reader) = given
    with pytest.raises(TransferError.Refused) as caught:
        reader.hear(wire, NOW)
    return caught.value.rcode


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
@pytest.mark.parametrize("edns", [None, Edns(4096)], ids=["", "EDNS"])
@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_the_whole_zone(over: Over, edns: Edns | None, key: TsigKey | None) -> None:
    reader, records, wires = read(over=over, key=key, edns=edns)
    assert reader.kind is TransferKind.AXFR
    assert records[0] == records[-1] == soa(2)
    assert sorted(map(str, records[1:-1])) == sorted(map(str, [ns(), *MANY, a("new")]))
    reserved = 0 if key is None else len(sign(b"\0" * 12, key, NOW).wire) - 12
    assert all(COMPRESSIBLE - 60 < len(wire) <= COMPRESSIBLE + reserved for wire in wires[:-1])
    assert len(wires) == 3
    assert all((Message.from_wire(wire).edns is not None) == (edns is not None) for wire in wires)
    assert [len(Message.from_wire(wire).question) for wire in wires] == [1, 0, 0]


def test_messages_are_made_when_they_are_asked_for() -> None:
    times = iter([NOW, NOW + 1, NOW + 2, NOW + 3])
    query = sign(make_transfer_query(transfer_question(ORIGIN, None), ID).to_wire(), KEY, NOW)
    outgoing = transfer_out(
        JOURNALS, THIS_MACHINE, query.wire, LOCAL, "tcp", keys=[KEY], clock=lambda: next(times)
    )
    assert outgoing is not None
    messages = iter(outgoing)
    assert outgoing.size == 0
    first = Message.from_wire(next(messages)).additional[-1]
    assert isinstance(first, DnsRecord.TSIG)
    assert (first.time_signed, outgoing.size > 1000) == (NOW + 1, True)


def test_records_are_encoded_once_for_all_who_ask_alike() -> None:
    """Who asks in another letter case has the name as it was asked (RFC 5936 section 2.2.1)."""
    journals = Journals().to([NEW])
    asked = [
        make_transfer_query(transfer_question(name, serial), number, serial)
        for name, serial, number in [(ORIGIN, None, 7), (ORIGIN, 0, 8), ("EXAMPLE.Test.", None, 9)]
    ]
    made = [
        iter(transfer_out(journals, THIS_MACHINE, query.to_wire(), LOCAL, "tcp", clock=lambda: NOW) or ())
        for query in asked
    ]
    # Side by side: who comes second finds what was made for the first.
    first, second = zip(*zip(made[0], made[1], strict=True), strict=True)
    for query, wires in zip(asked, (first, second, list(made[2])), strict=True):
        found = [Message.from_wire(wire) for wire in wires]
        assert found[0].question == query.question
        assert str(found[0].question[0].name) == str(query.question[0].name)
        assert {each.id for each in found} == {query.id}
        answers = [record for each in found for record in each.answer]
        assert list(map(str, answers)) == list(map(str, in_order(NEW)))
    assert len(first) == 3
    assert [wire[12:] for wire in first[1:]] == [wire[12:] for wire in second[1:]]


def test_a_zone_that_was_replaced_is_freed_at_once() -> None:
    """Nothing of it is in a cycle: a server does not look for cycles among its zones (`lasting`)."""
    journals = Journals().to([parse_zone(zone_text(soa(1), ns(), *MANY))])
    journal = journals.of(NEW.origin, NEW.rdclass)
    assert journal is not None
    gone = ref(journal.zone)
    asked = make_transfer_query(transfer_question(ORIGIN, None), ID).to_wire()
    begun = iter(transfer_out(journals, THIS_MACHINE, asked, LOCAL, "tcp", clock=lambda: NOW) or ())
    next(begun)
    gc.disable()
    try:
        del journal, begun
        journals = journals.to([NEW])
        assert gone() is None
    finally:
        gc.enable()


def test_differences() -> None:
    for over in ("tcp", "tls"):
        reader, records, _ = read(1, over=over)
        assert reader.kind is TransferKind.IXFR
        assert records == [soa(2), soa(1), a("old"), soa(2), a("new"), soa(2)]
    assert read(0)[0].kind is TransferKind.AXFR
    for serial in (2, 3):
        reader, records, _ = read(serial)
        assert (reader.kind, records) == (TransferKind.CURRENT, [soa(2)])


def test_differences_over_udp() -> None:
    reader, records, _ = read(1, over="udp")
    assert (reader.kind, len(records)) == (TransferKind.IXFR, 6)
    reader, records, _ = read(0, over="udp")
    assert (reader.is_done, reader.is_lone_soa, records) == (False, True, [soa(2)])
    # Differences that need more than a client takes.
    changed = [a(f"new-host{number}") for number in range(30)]
    journals = JOURNALS.to([parse_zone(zone_text(soa(3), ns(), *MANY, *changed))])
    assert read(2, over="udp", journals=journals)[0].is_lone_soa
    assert read(2, over="udp", journals=journals, edns=Edns(1232))[0].kind is TransferKind.IXFR
    assert read(2, over="udp", journals=journals, edns=Edns(1232), key=KEY)[0].kind is TransferKind.IXFR
    assert read(1, over="udp", key=KEY)[0].kind is TransferKind.IXFR


def test_what_is_refused() -> None:
    assert refusal(over="udp") == Rcode.NOTIMP
    assert refusal(over="https") == Rcode.REFUSED
    assert refusal(peer=REMOTE) == Rcode.REFUSED
    assert refusal(peer=REMOTE, over="udp", serial=1) == Rcode.REFUSED
    assert refusal(peer=REMOTE, key=KEY) == Rcode.REFUSED


@pytest.mark.parametrize(
    ("question", "rcode"),
    [
        (Question("nowhere.test", 252), Rcode.NOTAUTH),
        (Question(f"www.{ORIGIN}", 252), Rcode.NOTAUTH),
        (Question(ORIGIN, 252, 3), Rcode.NOTAUTH),
        (Question(ORIGIN, 252, 255), Rcode.FORMERR),
        (Question(ORIGIN, 251), Rcode.FORMERR),
    ],
)
def test_what_is_asked_wrongly(question: Question, rcode: Rcode) -> None:
    outgoing = transfer_out(
        JOURNALS, THIS_MACHINE, make_transfer_query(question, ID).to_wire(), LOCAL, "tcp", clock=lambda: NOW
    )
    assert outgoing is not None
    assert outgoing.rcode == Message.from_wire(next(iter(outgoing))).rcode == rcode


@pytest.mark.parametrize("told", [[], [soa(1), soa(1)], [soa(1, name="other.test.")], [a("www")]])
def test_ixfr_without_the_version_that_the_client_has(told: list[DnsRecord]) -> None:
    query = Message(ID, question=[transfer_question(ORIGIN, 1)], authority=told)
    assert refusal(serial=1, query=query) == Rcode.FORMERR


def test_why_it_is_refused() -> None:
    given = give(peer=REMOTE, edns=Edns())
    assert given is not None
    edns = Message.from_wire(given[0][0]).edns
    assert edns is not None
    assert [each.info_code for each in edns.extended_errors] == [18]


def test_no_more_than_so_many_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Who comes next is told so, also in the log, until one of them is over or given up."""
    responder = Responder([NEW], [KEY], lambda: NOW)
    responder.max_transfers = 2
    whole = make_transfer_query(transfer_question(ORIGIN, None), ID, None, edns=Edns()).to_wire()
    newer = make_transfer_query(transfer_question(ORIGIN, 1), ID, 1, edns=Edns()).to_wire()

    def answer(wire: bytes, over: Over = "tcp") -> Message:
        messages = responder.transfer(wire, LOCAL, over)
        assert messages is not None
        first, *_ = messages
        return Message.from_wire(first)

    def begin() -> Generator[bytes]:
        messages = responder.transfer(whole, LOCAL, "tcp")
        assert messages is not None
        assert Message.from_wire(next(messages)).rcode == Rcode.NOERROR
        return messages

    first, second = begin(), begin()
    for wire in (whole, newer):
        refused = answer(wire)
        assert refused.rcode == Rcode.SERVFAIL
        assert refused.edns is not None
        assert [str(each) for each in refused.edns.extended_errors] == [
            "EDE: 0 (Other): (too many transfers are under way)"
        ]
    assert caplog.messages.count("127.0.0.1:5: no transfer of example.test.: 2 are under way") == 2
    udp = responder.answer(newer, LOCAL, "udp")
    assert udp is not None
    assert Message.from_wire(udp).rcode == Rcode.NOERROR, "one datagram holds nothing"
    list(first)
    assert answer(whole).rcode == Rcode.NOERROR
    begun = begin()
    assert answer(whole).rcode == Rcode.SERVFAIL
    second.close()
    assert answer(whole).rcode == Rcode.NOERROR
    begun.close()


def test_what_is_no_matter_of_transfers() -> None:
    question = transfer_question(ORIGIN, None)
    query = make_transfer_query(question, ID)
    others = [
        make_query(ORIGIN, 6, id=ID),
        query.replace(opcode=Opcode.NOTIFY),
        query.replace(question=[question, question]),
        make_response(query),
        query.replace(edns=Edns(version=1)),
    ]
    for other in others:
        assert give(query=other) is None
    assert give(key=KEY.replace(secret=b"another")) is None
    assert give(key=KEY, keys=[]) is None
    assert transfer_out(JOURNALS, THIS_MACHINE, query.to_wire()[:-1], LOCAL, "tcp", clock=lambda: NOW) is None
    assert not may_ask_transfer(make_query("www.example.test", 1, id=ID).to_wire())


def test_policies() -> None:
    by_key = TransferPolicy(keys=(Name.parse("KEY.test"),))
    assert by_key.allows(REMOTE, KEY.name)
    assert not by_key.allows(LOCAL, None)
    assert not by_key.allows(LOCAL, Name.parse("other.test"))
    network = TransferPolicy((ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
    assert network.allows(REMOTE, None)
    assert network.allows(SocketAddr.parse("[::ffff:192.0.2.1]:5"), None)
    assert network.allows(SocketAddr.parse("[2001:db8::1]:5"), None)
    assert not network.allows(LOCAL, None)
    assert not network.allows("/run/socket", None)
    assert THIS_MACHINE.allows(SocketAddr.parse("[::1]:5"), None)
    assert not THIS_MACHINE.allows(SocketAddr.parse("10.0.0.1:5"), None)
    assert TransferPolicy(anyone=True).allows(REMOTE, None)
    assert read(peer=REMOTE, policy=by_key, key=KEY)[0].is_done
    assert refusal(peer=REMOTE, policy=by_key) == Rcode.REFUSED


# -- messages in series


def test_a_record_that_is_larger_than_a_message() -> None:
    head = make_response(make_query(ORIGIN, 252, id=ID))
    large = DnsRecord.TXT(ORIGIN, 1, [b"x" * 255] * 100)
    made = list(write_series(head, [ns(), large, ns()], 512))
    assert [len(Message.from_wire(wire).answer) for wire in made] == [1, 1, 1]
    with pytest.raises(DnsError.InvalidValue, match="can carry it"):
        list(write_series(head, [DnsRecord.Unknown(ORIGIN, 1, 65280, bytes(65500))], reserved=100))
    assert [len(Message.from_wire(wire).answer) for wire in write_series(head, [])] == [0]
    # Nobody takes what was kept for all of it, and a signature needs its room.
    blocks = Blocks(head.question[0], [ns(), DnsRecord.Unknown(ORIGIN, 1, 65280, bytes(65510))])
    for _ in range(2):
        with pytest.raises(DnsError.InvalidValue, match="65,524 octets can carry it"):
            list(frame_blocks(head, blocks))
    blocks = Blocks(head.question[0], [DnsRecord.Unknown(ORIGIN, 1, 65280, bytes(65450))])
    assert len(list(frame_blocks(head, blocks))) == 1
    with pytest.raises(DnsError.InvalidValue, match="65,435 octets can carry it"):
        list(frame_blocks(head, blocks, 100))
