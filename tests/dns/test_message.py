"""Messages: vectors fed whole, cut at every octet and with something behind; what is refused; round trips.

The vectors are in tests/vectors: `dns_messages.txt`, written by hand from the RFCs, and `dns_peers.json`,
made by NSD, dig and kdig.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import (
    AA,
    CD,
    QR,
    RA,
    RD,
    TC,
    Header,
    Message,
    Question,
    make_query,
    make_response,
)
from netkit.dns.messages.wire import WireReader
from netkit.dns.name import Name
from netkit.dns.records import DnsRecord

from .strategies import messages

VECTORS = Path(__file__).parent.parent / "vectors"
T = DnsRecordType


def _hand_written() -> dict[str, tuple[bytes, list[str]]]:
    found: dict[str, tuple[bytes, list[str]]] = {}
    text = (VECTORS / "dns_messages.txt").read_text()
    for block in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        lines = rest.splitlines()
        octets = "".join(line.partition(";")[0] for line in lines if not line.startswith("->"))
        found[title] = bytes.fromhex(octets), [line[3:] for line in lines if line.startswith("->")]
    return found


MESSAGES = _hand_written()
PEERS = json.loads((VECTORS / "dns_peers.json").read_text())
WIRES = [
    *[pytest.param(wire, id=title) for title, (wire, _) in MESSAGES.items()],
    *[
        pytest.param(bytes.fromhex("".join(peer["wire"])), id=peer.get("command") or f"nsd {peer['type']}")
        for peer in PEERS["answers"] + PEERS["queries"]
    ],
]


def described(message: Message) -> list[str]:
    """A message in the notation of dns_messages.txt."""
    flags = "".join(f" {flag}" for flag in message.flag_names)
    lines = [f"id {message.id} opcode {message.opcode} rcode {message.rcode} flags{flags}"]
    lines += [f"question {question}" for question in message.question]
    for section in ("answer", "authority", "additional"):
        lines += [f"{section} {record}" for record in getattr(message, section)]
    if message.edns is not None:
        lines.append(
            f"edns {message.edns.payload_size} version {message.edns.version}{' do' * message.edns.dnssec_ok}"
        )
        lines += [f"option {option}" for option in message.edns.options]
    return [line.replace("\t", " ") for line in lines]


@pytest.mark.parametrize("title", MESSAGES)
def test_decodes(title: str) -> None:
    wire, expected = MESSAGES[title]
    assert described(Message.from_wire(wire)) == expected


@pytest.mark.parametrize("wire", WIRES)
def test_from_any_buffer(wire: bytes) -> None:
    whole = Message.from_wire(wire)
    assert Message.from_wire(bytearray(wire)) == Message.from_wire(memoryview(wire)) == whole


@pytest.mark.parametrize("wire", WIRES)
def test_cut_at_every_octet(wire: bytes) -> None:
    for length in range(len(wire)):
        with pytest.raises(DnsError.InvalidResponse) as caught:
            Message.from_wire(wire[:length])
        assert 0 <= caught.value.offset <= length
        assert caught.value.field


@pytest.mark.parametrize("wire", WIRES)
def test_with_something_behind(wire: bytes) -> None:
    with pytest.raises(DnsError.InvalidResponse, match="2 octets after the last record") as caught:
        Message.from_wire(wire + b"\0\1")
    assert (caught.value.field, caught.value.offset) == ("message", len(wire))
    assert Message.from_wire(wire + b"\0\1", allow_trailing=True) == Message.from_wire(wire)


@pytest.mark.parametrize("wire", WIRES)
def test_encoding_and_decoding_again_changes_nothing(wire: bytes) -> None:
    message = Message.from_wire(wire)
    for again in (message.to_wire(), message.to_wire(compress=False)):
        assert Message.from_wire(again) == message
        # Equality of names does not see case; text does.
        assert described(Message.from_wire(again)) == described(message)
    assert len(message.to_wire()) <= len(message.to_wire(compress=False))


@pytest.mark.parametrize("peer", PEERS["answers"], ids=lambda peer: peer["type"])
def test_prints_records_as_dig_does(peer: dict[str, str]) -> None:
    message = Message.from_wire(bytes.fromhex("".join(peer["wire"])))
    assert message.question == (Question(peer["name"], T.parse(peer["type"])),)
    records = message.answer + message.authority + message.additional
    assert [str(record).replace("\t", " ") for record in records] == peer["lines"]
    assert message.edns is not None
    assert [str(option) for option in message.edns.options] == ['NSID: 70 72 6f 62 65 ("probe")']


@pytest.mark.parametrize("peer", PEERS["answers"], ids=lambda peer: peer["type"])
def test_compresses_as_well_as_nsd(peer: dict[str, str]) -> None:
    wire = bytes.fromhex("".join(peer["wire"]))
    assert len(Message.from_wire(wire).to_wire()) <= len(wire)


@pytest.mark.parametrize("peer", PEERS["queries"], ids=lambda peer: peer["command"])
def test_queries_of_peers_come_out_as_they_went_in(peer: dict[str, str]) -> None:
    wire = bytes.fromhex("".join(peer["wire"]))
    assert Message.from_wire(wire).to_wire() == wire


# What is refused: the field, the octet, and words of the reason. The header is `0000 0100` and four counts.

_Q = "0161 00 0001 0001"  # a. IN A, from octet 12 to 19
_A = "c00c 0001 0001 00000000 0004 7f000001"  # a. IN A 127.0.0.1

REFUSED = {
    "nothing": ("", "header.id", 0, "needs 2 octets; left of the message: 0"),
    "half a header": ("0000 0100 0001", "header.ancount", 6, "needs 2 octets"),
    "a count of questions that lies": (
        f"0000 0100 ffff 0000 0000 0000 {_Q}",
        "header.qdcount",
        4,
        "65535 cannot fit in the 7 octets that are left",
    ),
    "a count of answers that lies": (
        f"0000 8100 0001 0002 0000 0000 {_Q} 00 0001 0001 00000000 0000",
        "header.ancount",
        6,
        "2 cannot fit",
    ),
    "a count of authorities that lies": (
        f"0000 8100 0001 0000 0001 0000 {_Q}",
        "header.nscount",
        8,
        "1 cannot",
    ),
    "a count of additionals that lies": (
        f"0000 8100 0001 0000 0000 ffff {_Q}",
        "header.arcount",
        10,
        "65535",
    ),
    "a count that lies by less": (
        f"0000 8100 0001 0002 0000 0000 {_Q} {_A} 00000000000000000000",
        "answer[1].rdlength",
        44,
        "needs 2 octets; left of the message: 1",
    ),
    "a count too small": (
        f"0000 8100 0001 0000 0000 0000 {_Q} {_A}",
        "message",
        19,
        "16 octets after the last record",
    ),
    "a pointer to itself": (
        "0000 0100 0001 0000 0000 0000 c00c 0001 0001",
        "question[0].name",
        12,
        "to octet 12",
    ),
    "two pointers to each other": (
        "0000 8100 0001 0001 0000 0000 c013 0001 0001 0000 c00c 0001 0001 00000000 0000",
        "question[0].name",
        12,
        "compression pointer to octet 19 does not point back",
    ),
    "labels that come back to themselves": (
        "0000 0100 0001 0000 0000 0000 0161 c00c 0001 0001",
        "question[0].name",
        14,
        "compression pointer to octet 12 does not point back",
    ),
    "a pointer forward": (
        f"0000 8100 0001 0001 0000 0000 {_Q} c015 0001 0001 00000000 0004 7f000001",
        "answer[0].name",
        19,
        "does not point back",
    ),
    "a pointer out of the message": (
        "0000 0100 0001 0000 0000 0000 ffff 0001 0001",
        "question[0].name",
        12,
        "compression pointer to octet 16383",
    ),
    "a label type that was given up": (
        "0000 0100 0001 0000 0000 0000 4161 00 0001 0001",
        "question[0].name",
        12,
        "undefined label type 0x40",
    ),
    "a label type that never was": (
        "0000 0100 0001 0000 0000 0000 0161 8161 00 0001 0001",
        "question[0].name",
        14,
        "undefined label type 0x80",
    ),
    "a label past the end": (
        "0000 0100 0001 0000 0000 0000 0561626364",
        "question[0].name",
        12,
        "needs 7 octets; left of the message: 5",
    ),
    "an address too short": (
        f"0000 8100 0001 0001 0000 0000 {_Q} c00c 0001 0001 00000000 0003 7f0000",
        "answer[0].rdata.address",
        31,
        "needs 4 octets; left of the message: 3",
    ),
    "an address too long": (
        f"0000 8100 0001 0001 0000 0000 {_Q} c00c 0001 0001 00000000 0005 7f00000100",
        "answer[0].rdata",
        35,
        "1 octet left over",
    ),
    "RDATA that ends in the middle of a name": (
        f"0000 8100 0001 0002 0000 0000 {_Q} c00c 000f 0001 00000000 0004 000a 0361 {_A}",
        "answer[0].rdata.exchange",
        33,
        "needs 5 octets; left of the rdata: 2",
    ),
    "RDATA longer than the message": (
        f"0000 8100 0001 0001 0000 0000 {_Q} c00c 0001 0001 00000000 ffff 7f000001",
        "answer[0].rdata",
        31,
        "needs 65535 octets; left of the message: 4",
    ),
    "a third record's mail exchange": (
        f"0000 8100 0001 0003 0000 0000 {_Q} {_A} {_A} c00c 000f 0001 00000000 0004 000a c0ff",
        "answer[2].rdata.exchange",
        65,
        "compression pointer to octet 255 does not point back",
    ),
    "a TXT record without a string": (
        f"0000 8100 0001 0001 0000 0000 {_Q} c00c 0010 0001 00000000 0000",
        "answer[0].rdata.strings",
        31,
        "needs 1 octet",
    ),
    "a string longer than its TXT record": (
        f"0000 8100 0001 0001 0000 0000 {_Q} c00c 0010 0001 00000000 0003 016105",
        "answer[0].rdata.strings",
        34,
        "needs 5 octets",
    ),
    "OPT in the answer": (
        "0000 8100 0000 0001 0000 0000 00 0029 04d0 00000000 0000",
        "answer[0].type",
        13,
        "OPT in the answer section",
    ),
    "OPT in the authority": (
        "0000 8100 0000 0000 0001 0000 00 0029 04d0 00000000 0000",
        "authority[0].type",
        13,
        "OPT in the authority section",
    ),
    "a second OPT": (
        "0000 8100 0000 0000 0000 0002 00 0029 04d0 00000000 0000 00 0029 04d0 00000000 0000",
        "additional[1].type",
        24,
        "a second OPT",
    ),
    "OPT that is not the root's": (
        "0000 8100 0000 0000 0000 0001 016100 0029 04d0 00000000 0000",
        "additional[0].name",
        12,
        "not owned by the root",
    ),
    "an option longer than OPT": (
        "0000 8100 0000 0000 0000 0001 00 0029 04d0 00000000 0005 0003 0002 61",
        "additional[0].rdata.option[0].data",
        27,
        "needs 2 octets",
    ),
    "a second option cut short": (
        "0000 8100 0000 0000 0000 0001 00 0029 04d0 00000000 0007 0003 0000 000a 00",
        "additional[0].rdata.option[1].length",
        29,
        "needs 2 octets",
    ),
}


@pytest.mark.parametrize("title", REFUSED)
def test_refuses(title: str) -> None:
    wire, field, offset, reason = REFUSED[title]
    with pytest.raises(DnsError.InvalidResponse) as caught:
        Message.from_wire(bytes.fromhex(wire))
    error = caught.value
    assert (error.field, error.offset) == (field, offset)
    assert reason in error.reason
    assert f"malformed DNS message: {field} at octet {offset}: " in str(error)
    assert error.fault == "peer"
    assert error.layer == "dns"


def _record(owner: bytes, rdata: bytes = b"\x7f\0\0\1", rdtype: int = 1) -> bytes:
    return owner + rdtype.to_bytes(2, "big") + b"\0\1\0\0\0\0" + len(rdata).to_bytes(2, "big") + rdata


def _pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")


def _answers(records: list[bytes]) -> bytes:
    return b"\0\0\x81\0\0\0" + len(records).to_bytes(2, "big") + bytes(4) + b"".join(records)


def test_a_pointer_may_lead_to_a_pointer_127_times() -> None:
    # Each record's owner is a pointer to the owner before it.
    records = [_record(b"\1a\0")]
    at, before = 12 + len(records[0]), 12
    for _ in range(128):
        records.append(_record(_pointer(before)))
        before, at = at, at + 16
    message = Message.from_wire(_answers(records[:128]))
    assert {record.name for record in message.answer} == {Name.parse("a.")}
    with pytest.raises(DnsError.InvalidResponse, match="more than 127 compression pointers") as caught:
        Message.from_wire(_answers(records))
    assert caught.value.field == "answer[128].name"
    assert caught.value.limit == 127


def test_a_name_may_have_255_octets_wherever_they_are() -> None:
    label = b"\x3f" + b"a" * 63
    # 3 * 64 octets, 61 and a root make 254; behind a pointer, one label of one octet more is too much.
    tail = label * 3 + b"\x3b" + b"b" * 59 + b"\0"
    assert len(tail) == 253
    fits = _answers([_record(tail), _record(b"\1c" + _pointer(12))])
    assert len(Message.from_wire(fits).answer[1].name.to_wire()) == 255
    for owner in (b"\2cc" + _pointer(12), b"\1c\1c" + _pointer(12)):
        with pytest.raises(DnsError.InvalidResponse, match="name longer than 255 octets") as caught:
            Message.from_wire(_answers([_record(tail), _record(owner)]))
        assert caught.value.field == "answer[1].name"
        assert caught.value.limit == 255
        # The octet is that of the label which is too much, although the name it is in was read before.
        assert caught.value.offset == 12 + 3 * 64
    with pytest.raises(DnsError.InvalidResponse, match="name longer than 255 octets"):
        Message.from_wire(_answers([_record(label * 4 + b"\0")]))


@pytest.mark.parametrize("title", [title for title in REFUSED if "point" in title or "count" in title])
def test_what_would_loop_is_refused_at_once(title: str) -> None:
    wire = bytes.fromhex(REFUSED[title][0])
    spent = []
    for _ in range(5):
        start = time.process_time()
        with pytest.raises(DnsError.InvalidResponse):
            Message.from_wire(wire)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.001  # it takes 10 microseconds where nothing else runs


def _ladders() -> bytes:
    """The worst there is: 64 KiB of records, every owner at the far end of as many pointers as may be."""
    ladder = bytearray()
    base = 12 + 3 + 10 + 11
    before = 12
    while base + len(ladder) < 0x3F00:
        rung = len(ladder) // 2 % 126
        ladder += _pointer(before if rung else 12)
        before = base + len(ladder) - 2
    records = [_record(b"\1a\0", b"", 65280), _record(b"\0", bytes(ladder), 65280)]
    size = sum(map(len, records))
    while size < 65000:
        rung = len(records) * 126 % (len(ladder) // 2)
        records.append(_record(_pointer(base + 2 * rung), b"", 65280))
        size += 12
    return _answers(records)


def test_64_kib_of_pointers_cost_no_more_than_64_kib_of_anything() -> None:
    ladders = _ladders()
    plain = _answers([_record(_pointer(12) if at else b"\1a\0", b"", 65280) for at in range(5000)])
    spent = {}
    for wire in (plain, ladders):
        runs = []
        for _ in range(2):
            start = time.process_time()
            Message.from_wire(wire)
            runs.append(time.process_time() - start)
        spent[wire] = min(runs)
    # Following every ladder rung by rung would be a hundred times as much.
    assert spent[ladders] < 10 * spent[plain]


def test_every_octet_changed_to_every_other_is_read_or_refused() -> None:
    """No octet of a message can make decoding do anything but end or raise what it says it does."""
    wire = MESSAGES["compressed names inside RDATA, and pointers to a name that itself ends in a pointer"][0]
    for at in range(len(wire)):
        for value in (0, 1, 0x3F, 0x40, 0x80, 0xBF, 0xC0, 0xFF, wire[at] ^ 1):
            _read_or_refused(wire[:at] + bytes((value,)) + wire[at + 1 :])


def _read_or_refused(data: bytes) -> Message | None:
    try:
        message = Message.from_wire(data)
    except DnsError.InvalidResponse as error:
        assert 0 <= error.offset <= len(data)
        assert error.field
        assert str(error).isprintable()
        return None
    assert Message.from_wire(message.to_wire()) == message
    assert all(line.replace("\t", " ").isprintable() for line in described(message))
    return message


@given(st.binary(max_size=600))
@example(b"\0" * 12)
@example(b"\xff" * 512)
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    _read_or_refused(data)


@given(st.binary(max_size=300), st.tuples(*[st.integers(0, 3)] * 4))
def test_any_octets_behind_a_header_are_read_or_refused(data: bytes, counts: tuple[int, ...]) -> None:
    _read_or_refused(b"\0\0\x80\0" + b"".join(count.to_bytes(2, "big") for count in counts) + data)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_change_to_a_message_is_read_or_refused(data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from([parameter.values[0] for parameter in WIRES])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(wire) - 1))
        match data.draw(st.sampled_from(("set", "drop", "add"))):
            case "set":
                wire[at] = data.draw(st.integers(0, 255))
            case "drop" if len(wire) > 1:
                del wire[at]
            case _:
                wire[at:at] = data.draw(st.binary(min_size=1, max_size=3))
    _read_or_refused(bytes(wire))


@given(messages())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_encoded_is_what_is_decoded(message: Message) -> None:
    wire = message.to_wire()
    decoded = Message.from_wire(wire)
    assert decoded == message
    assert hash(decoded) == hash(message)
    assert described(decoded) == described(message)
    assert decoded.header == Header.from_wire(WireReader(wire))
    assert Message.from_wire(message.to_wire(compress=False)) == message


@given(messages(), st.integers(512, 1500))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_cut_is_cut_between_sets(message: Message, size: int) -> None:
    try:
        cut = Message.from_wire(message.to_wire(size))
    except DnsError.InvalidValue as error:
        assert error.limit == size  # question and options alone were too much
        return
    assert len(message.to_wire(size)) <= size
    assert (cut.question, cut.edns, cut.rcode) == (message.question, message.edns, message.rcode)
    for section in ("answer", "authority"):
        kept, whole = getattr(cut, section), getattr(message, section)
        assert kept == whole[: len(kept)]
        if len(kept) < len(whole):
            assert cut.truncated
            if kept:
                one, other = kept[-1], whole[len(kept)]
                assert (one.name, one.rdtype, one.rdclass) != (other.name, other.rdtype, other.rdclass)
    assert set(cut.additional) <= set(message.additional)


# Truncation.


def _query(name: str = "example.com", rdtype: DnsRecordType = T.TXT, **kwargs: object) -> Message:
    return make_query(name, rdtype, id=7, **kwargs)  # type: ignore[arg-type]


def _texts(name: str, count: int) -> list[DnsRecord]:
    return [DnsRecord.TXT(name, 300, f"{index:03d}" + "x" * 97) for index in range(count)]


def test_an_answer_that_does_not_fit_goes_whole_and_sets_tc() -> None:
    response = make_response(_query(), answer=_texts("example.com", 10), aa=True)
    assert not Message.from_wire(response.to_wire()).truncated
    cut = Message.from_wire(response.to_wire(512))
    assert cut.truncated
    assert cut.authoritative
    assert cut.answer == ()
    assert cut.question == response.question
    assert cut.edns == response.edns


def test_sets_that_fit_stay_and_those_behind_them_go() -> None:
    alias = DnsRecord.CNAME("www.example.com", 300, "example.com")
    soa = DnsRecord.SOA("example.com", 300, "ns", "root", 1, 2, 3, 4, 5)
    response = make_response(
        _query("www.example.com"), answer=[alias, *_texts("example.com", 10)], authority=[soa]
    )
    cut = Message.from_wire(response.to_wire(600))
    assert cut.answer == (alias,)
    assert cut.authority == ()
    assert cut.truncated


def test_additional_records_go_silently() -> None:
    mail = DnsRecord.MX("example.com", 300, 1, "mail.example.com")
    response = make_response(_query(rdtype=T.MX), answer=[mail], additional=_texts("mail.example.com", 10))
    cut = Message.from_wire(response.to_wire(512))
    assert cut.answer == (mail,)
    assert cut.additional == ()
    assert not cut.truncated


def test_a_smaller_set_still_fits_behind_one_that_does_not() -> None:
    address = DnsRecord.A("mail.example.com", 300, "192.0.2.1")
    response = make_response(_query(), additional=[*_texts("mail.example.com", 10), address])
    assert Message.from_wire(response.to_wire(512)).additional == (address,)


@pytest.mark.parametrize(("host", "truncated"), [("ns.sub.example.com", True), ("ns.example.net", False)])
def test_a_referral_without_its_glue_is_truncated(host: str, truncated: bool) -> None:
    # RFC 9471 section 3.1: the addresses of servers inside the zone referred to are not optional.
    servers = [DnsRecord.NS("sub.example.com", 300, host)]
    glue = [DnsRecord.A(host, 300, f"192.0.2.{octet}") for octet in range(40)]
    response = make_response(_query("a.sub.example.com"), authority=servers, additional=glue)
    cut = Message.from_wire(response.to_wire(512))
    assert cut.authority == tuple(servers)
    assert cut.additional == ()
    assert cut.truncated is truncated


def test_a_size_under_512_means_512() -> None:
    # RFC 6891 section 6.2.3.
    response = make_response(_query(), answer=_texts("example.com", 4))
    assert 400 < len(response.to_wire(0)) <= 512
    assert len(Message.from_wire(response.to_wire(0)).answer) == 4


def test_a_message_over_64_kib_is_refused_unless_it_may_be_cut() -> None:
    response = make_response(_query(), answer=_texts("example.com", 700))
    with pytest.raises(DnsError.InvalidValue, match="do not fit in 65535 octets"):
        response.to_wire()
    assert Message.from_wire(response.to_wire(65535)).truncated


def test_options_that_leave_no_room_are_refused() -> None:
    query = _query(edns=Edns(options=[EdnsOption.Padding(600)]))
    with pytest.raises(DnsError.InvalidValue, match="of question and OPT alone"):
        query.to_wire(512)


# Making messages.


def test_a_query() -> None:
    query = make_query("Example.com", T.MX, id=0xBEEF)
    assert described(query) == [
        "id 48879 opcode QUERY rcode NOERROR flags rd",
        "question Example.com. IN MX",
        "edns 1232 version 0",
    ]
    bare = make_query(Name.parse("a"), 255, id=1, rdclass=DnsClass.CH, rd=False, ad=True, cd=True, edns=None)
    assert described(bare) == ["id 1 opcode QUERY rcode NOERROR flags ad cd", "question a. CH ANY"]
    assert bare.to_wire() == bytes.fromhex("0001 0030 0001 0000 0000 0000 0161 00 00ff 0003")


def test_a_response_repeats_the_question() -> None:
    query = make_query("eXample.com", T.A, id=5, cd=True, edns=Edns(dnssec_ok=True))
    response = make_response(query, rcode=Rcode.NXDOMAIN, aa=True, ra=True)
    assert response.flags == QR | AA | RD | RA | CD
    assert response.id == 5
    assert response.question[0].name.is_identical(query.question[0].name)
    assert response.edns == Edns(dnssec_ok=True)
    # RFC 6891 section 6.1.1: no OPT to who did not send one.
    plain = make_query("example.com", T.A, id=5, edns=None)
    assert make_response(plain, edns=Edns(4096)).edns is None


def test_a_response_code_over_15_needs_edns() -> None:
    query = make_query("example.com", T.A, id=5)
    assert Message.from_wire(make_response(query, rcode=Rcode.BADCOOKIE).to_wire()).rcode == Rcode.BADCOOKIE
    with pytest.raises(DnsError.InvalidValue, match="needs EDNS"):
        make_response(query.replace(edns=None), rcode=Rcode.BADVERS).to_wire()


def test_a_relative_name_cannot_be_sent() -> None:
    with pytest.raises(DnsError.InvalidName, match="needs an origin"):
        make_query(Name.parse("www", relative=True), T.A, id=1).to_wire()


def test_a_truncated_message_still_says_what_it_answers() -> None:
    wire = make_response(_query(), answer=_texts("example.com", 4)).replace(flags=QR | TC).to_wire()[:100]
    with pytest.raises(DnsError.InvalidResponse):
        Message.from_wire(wire)
    head = Message.from_wire(wire, question_only=True)
    assert head.truncated
    assert head.question == (Question("example.com", T.TXT),)
    assert head.answer == ()


def test_a_ttl_with_its_sign_bit_is_zero() -> None:
    # RFC 2181 section 8.
    wire = bytes.fromhex("0000 8000 0000 0001 0000 0000 00 0001 0001 80000001 0004 7f000001")
    assert Message.from_wire(wire).answer[0].ttl == 0


def test_flags_have_names() -> None:
    message = Message(1, QR | AA | TC | RD | RA | 0x0040 | 0x0020 | CD, Opcode.UPDATE)
    assert message.flag_names == ("qr", "aa", "tc", "rd", "ra", "ad", "cd")
    assert message.is_response
    assert message.authoritative
    assert message.truncated
    assert message.recursion_desired
    assert message.recursion_available
    assert message.authentic_data
    assert message.checking_disabled
    nothing = Message(1)
    assert nothing.flag_names == ()
    assert not (nothing.is_response or nothing.truncated or nothing.checking_disabled)
    assert Message.from_wire(message.to_wire()).flags == message.flags  # Z among them


@pytest.mark.parametrize(
    ("fields", "field", "limit"),
    [
        ({"id": 0x10000}, "id", 0xFFFF),
        ({"id": -1}, "id", 0xFFFF),
        ({"id": 1, "flags": 0x7800}, "flags", 0x87F0),
        ({"id": 1, "opcode": 16}, "opcode", 15),
        ({"id": 1, "rcode": 4096}, "response code", 4095),
    ],
)
def test_fields_that_no_header_holds(fields: dict[str, int], field: str, limit: int) -> None:
    with pytest.raises(DnsError.InvalidValue) as caught:
        Message(**fields)
    assert (caught.value.field, caught.value.limit) == (field, limit)


def test_messages_are_values() -> None:
    query = make_query("example.com", T.A, id=5)
    assert query == make_query("EXAMPLE.com", T.A, id=5)
    assert query != make_query("example.com", T.A, id=6)
    assert query.replace(id=6) == make_query("example.com", T.A, id=6)
    with pytest.raises(AttributeError, match="cannot be changed"):
        query.id = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="no field nonsense"):
        query.replace(nonsense=1)
    match query:
        case Message(id=5, question=(Question(name=name, rdtype=T.A),)):
            assert name == Name.parse("example.com")
        case _:
            pytest.fail("does not match")


def test_equal_questions_have_the_same_key() -> None:
    key = Question("www.example", DnsRecordType.A).key
    assert Question("WWW.Example.", 1).key == key
    others = [
        Question("www.example", DnsRecordType.AAAA),
        Question("www.example", DnsRecordType.A, 3),
        Question(Name((b"www", b"example"), absolute=False), DnsRecordType.A),
        Question("ww.wexample", DnsRecordType.A),
    ]
    assert key not in {other.key for other in others}
    assert Question.from_wire(WireReader(b"\3WWW\7example\0\0\1\0\1")).key == key
