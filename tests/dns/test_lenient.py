"""Lenient reading: what is complained about, what is left of the message, and that strict reading refuses."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.messages.lenient import MAX_COMPLAINTS, Complaint
from netkit.dns.messages.message import Message, make_query
from netkit.dns.records import DnsRecord

from .strategies import messages
from .test_message import WIRES

OCTETS = [wire for parameter in WIRES for wire in parameter.values if isinstance(wire, bytes)]

#: www.example.com A, at octet 12; records begin at 33.
QUESTION = "03777777076578616d706c6503636f6d00 0001 0001"
A = "c00c 0001 0001 0000012c 0004 c0000201"
OPT = "00 0029 04d0 00000000 0000"


class Case(NamedTuple):
    """A message, the complaints about it, what is left, and whether strict reading refuses it."""

    octets: str
    complaints: list[str]
    left: list[str]
    refused: bool = True


CASES = {
    "octets after the last record": Case(
        f"0001 8180 0001 0001 0000 0000 {QUESTION} {A} 0000",
        ["message at octet 49: 2 octets after the last record"],
        ["A 192.0.2.1"],
    ),
    "no question without an error": Case(
        "0001 8180 0000 0001 0000 0000 00 0001 0001 0000012c 0004 c0000201",
        ["question at octet 4: none in a response without an error"],
        ["A 192.0.2.1"],
        refused=False,
    ),
    "no question with an error is nothing to complain of": Case(
        "0001 8182 0000 0000 0000 0000", [], [], refused=False
    ),
    "a query without a question": Case("0001 0100 0000 0000 0000 0000", [], [], refused=False),
    "a record cut in its data": Case(
        f"0001 8380 0001 0002 0000 0000 {QUESTION} {A} c00c 0001 0001 0000012c 0004 c000",
        ["answer[1].rdata at octet 61: needs 4 octets; left of the message: 2"],
        ["A 192.0.2.1"],
    ),
    "a record cut in its owner": Case(
        f"0001 8380 0001 0002 0000 0000 {QUESTION} {A} c0",
        ["answer[1].name at octet 49: needs 2 octets; left of the message: 1"],
        ["A 192.0.2.1"],
    ),
    "a record cut in its fields": Case(
        f"0001 8380 0001 0002 0000 0000 {QUESTION} {A} c00c 0001 00",
        ["answer[1].class at octet 53: needs 2 octets; left of the message: 1"],
        ["A 192.0.2.1"],
    ),
    "cut between records": Case(
        f"0001 8380 0001 0003 0000 0001 {QUESTION} {A}",
        ["header.ancount at octet 6: 1 of 3 records are there"],
        ["A 192.0.2.1"],
    ),
    "a count that nothing stands behind": Case(
        f"0001 8180 0001 ffff 0000 0000 {QUESTION}",
        ["header.ancount at octet 6: 0 of 65535 records are there"],
        [],
    ),
    "an owner that points to itself": Case(
        f"0001 8180 0001 0001 0000 0001 {QUESTION} c021 0001 0001 00000000 0000 {OPT}",
        ["answer[0].name at octet 33: compression pointer to octet 33 does not point back"],
        [],
    ),
    "data too short for its type, and a record behind it": Case(
        f"0001 8180 0001 0002 0000 0000 {QUESTION} c00c 0001 0001 0000012c 0003 c00002 {A}",
        ["answer[0].rdata.address at octet 45: needs 4 octets; left of the rdata: 3"],
        ["A \\# 3 C00002", "A 192.0.2.1"],
    ),
    "data too long for its type": Case(
        f"0001 8180 0001 0001 0000 0000 {QUESTION} c00c 0001 0001 0000012c 0005 c000020101",
        ["answer[0].rdata at octet 49: 1 octet left over"],
        ["A \\# 5 C000020101"],
    ),
    "two records that are wrong": Case(
        f"0001 8180 0001 0002 0000 0000 {QUESTION}"
        "c00c 0005 0001 ffffffff 0002 c02d c00c 0010 0001 0000012c 0002 0561",
        [
            "answer[0].rdata.canonical at octet 45: compression pointer to octet 45 does not point back",
            "answer[1].rdata.strings at octet 60: needs 5 octets; left of the message: 1",
        ],
        ["CNAME \\# 2 C02D", "TXT \\# 2 0561"],
    ),
    "an OPT that the root does not own": Case(
        f"0001 8180 0001 0000 0000 0001 {QUESTION} c00c 0029 04d0 00008000 0000",
        ["additional[0].name at octet 33: OPT is not owned by the root"],
        ["OPT 1232 do"],
    ),
    "an OPT in the answer": Case(
        f"0001 8180 0001 0001 0000 0000 {QUESTION} {OPT}",
        ["answer[0].type at octet 34: OPT in the answer section"],
        ["OPT 1232"],
    ),
    "a second OPT": Case(
        f"0001 8180 0001 0000 0000 0002 {QUESTION} {OPT} 00 0029 1000 00000000 0001 ff",
        ["additional[1].type at octet 45: a second OPT"],
        ["OPT 1232"],
    ),
    "an option that is malformed, and one behind it": Case(
        f"0001 8180 0001 0000 0000 0001 {QUESTION} 00 0029 04d0 00000000 000b 000a 0003 010203 0003 0000",
        ["additional[0].rdata.option[0].data.client at octet 48: needs 8 octets; left of the data: 3"],
        ["OPT 1232", "option 10 010203", "option 3 "],
    ),
    "an option that is longer than the record": Case(
        f"0001 8180 0001 0000 0000 0001 {QUESTION} 00 0029 04d0 00000000 0006 fde9 0005 0102",
        ["additional[0].rdata.option[0].data at octet 48: needs 5 octets; left: 2"],
        ["OPT 1232", "option 65001 0102"],
    ),
    "too little for an option": Case(
        f"0001 8180 0001 0000 0000 0001 {QUESTION} 00 0029 04d0 00000000 0003 000a00",
        ["additional[0].rdata.option[0].code at octet 44: 3 octets where 4 begin an option"],
        ["OPT 1232"],
    ),
}


def left(message: Message) -> list[str]:
    records = [*message.answer, *message.authority, *message.additional]
    lines = [f"{record.rdtype} {record.rdata_text()}" for record in records]
    edns = message.edns
    if edns is not None:
        lines.append(f"OPT {edns.payload_size}{' do' * edns.dnssec_ok}")
        lines += [f"option {option.code} {_data(option).hex()}" for option in edns.options]
    return lines


def _data(option: EdnsOption) -> bytes:
    assert isinstance(option, (EdnsOption.Unknown, EdnsOption.Nsid))
    return option.data


@pytest.mark.parametrize("title", CASES)
def test_what_is_left_and_what_is_said(title: str) -> None:
    case = CASES[title]
    wire = bytes.fromhex(case.octets)
    message = Message.from_wire(wire, lenient=True)
    assert list(map(str, message.complaints)) == case.complaints
    assert left(message) == case.left
    if case.refused:
        with pytest.raises(DnsError.InvalidResponse):
            Message.from_wire(wire)
    else:
        assert Message.from_wire(wire) == message.replace(complaints=())


@pytest.mark.parametrize(
    ("octets", "field"),
    [
        ("0001 8180 0001 0000 0000", "header.arcount"),
        ("0001 8180 0001 0000 0000 0000 0377777703", "question[0].name"),
        ("0001 8180 ffff 0000 0000 0000 00 0001 0001", "header.qdcount"),
    ],
)
def test_without_a_header_or_its_question_there_is_nothing(octets: str, field: str) -> None:
    errors = []
    for lenient in (False, True):
        with pytest.raises(DnsError.InvalidResponse) as caught:
            Message.from_wire(bytes.fromhex(octets), lenient=lenient)
        errors.append((caught.value.field, caught.value.offset, caught.value.reason))
    assert errors[0] == errors[1]
    assert errors[0][0].startswith(field)


def test_complaints_have_a_limit() -> None:
    wire = bytes.fromhex(f"0001 8180 0001 00c8 0000 0000 {QUESTION}") + 200 * bytes.fromhex(
        "c00c 0001 0001 00000000 0000"
    )
    message = Message.from_wire(wire, lenient=True)
    assert len(message.answer) == 200
    assert len(message.complaints) == MAX_COMPLAINTS
    assert message.complaints[0].field == "answer[0].rdata.address"
    assert message.complaints[-1].reason == "more is wrong, which is not listed"


def test_high_bits_of_the_response_code_are_read_with_the_opt() -> None:
    wire = bytes.fromhex("0001 8180 0000 0000 0000 0001 00 0029 04d0 01000000 0000 ff")
    message = Message.from_wire(wire, lenient=True)
    assert message.rcode == Rcode.BADVERS
    assert [complaint.field for complaint in message.complaints] == ["message"]


def test_complaints_are_part_of_the_value() -> None:
    wire = bytes.fromhex(CASES["octets after the last record"].octets)
    message = Message.from_wire(wire, lenient=True)
    assert message.complaints == (Complaint(49, "message", "2 octets after the last record"),)
    assert message != Message.from_wire(wire[:-2])
    assert message.replace(complaints=()) == Message.from_wire(wire[:-2])
    assert pickle.loads(pickle.dumps(message)) == message
    assert message.to_wire() == Message.from_wire(wire[:-2]).to_wire()


@pytest.mark.parametrize("wire", OCTETS)
def test_what_is_read_strictly_is_the_same_leniently(wire: bytes) -> None:
    strict, lenient = Message.from_wire(wire), Message.from_wire(wire, lenient=True)
    assert lenient.replace(complaints=()) == strict
    assert all(complaint.field == "question" for complaint in lenient.complaints)


@pytest.mark.parametrize("wire", OCTETS)
def test_cut_at_every_octet(wire: bytes) -> None:
    whole = Message.from_wire(wire)
    for length in range(len(wire)):
        try:
            message = Message.from_wire(wire[:length], lenient=True)
        except DnsError.InvalidResponse as error:
            assert error.field.startswith(("header", "question"))
            continue
        assert message.complaints
        # What is there is what the whole message has there.
        assert message.question == whole.question
        assert whole.answer[: len(message.answer)] == message.answer
        assert whole.authority[: len(message.authority)] == message.authority
        assert whole.additional[: len(message.additional)] == message.additional


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_change_to_a_message_is_read_with_a_complaint(data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from(OCTETS) | messages().map(Message.to_wire)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(wire) - 1))
        wire[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not wire:
            return
    octets = bytes(wire)
    try:
        strict = Message.from_wire(octets)
    except DnsError.InvalidResponse:
        strict = None
    try:
        message = Message.from_wire(octets, lenient=True)
    except DnsError.InvalidResponse:
        assert strict is None
        return
    assert len(message.complaints) <= MAX_COMPLAINTS
    for complaint in message.complaints:
        assert 0 <= complaint.offset <= len(octets)
        assert str(complaint).isprintable()
    if strict is None:
        assert message.complaints
    else:
        assert message.replace(complaints=()) == strict


def test_a_malformed_record_keeps_its_ttl_rule() -> None:
    wire = bytes.fromhex(CASES["two records that are wrong"].octets)
    first, _ = Message.from_wire(wire, lenient=True).answer
    assert isinstance(first, DnsRecord.Unknown)
    assert (first.ttl, first.rdtype) == (0, DnsRecordType.CNAME)


class TestQueries:
    """`Message.from_query`: RFC 6891 section 6.1.2, who does not understand an option ignores it."""

    @pytest.mark.parametrize("data", [b"x", b"12345678"])
    def test_of_other_options_nothing_is_said(self, data: bytes) -> None:
        edns = Edns(options=[EdnsOption.Unknown(11, data), EdnsOption.Cookie(b"12345678")])
        wire = make_query("e.", 1, id=1, edns=edns).to_wire()
        with pytest.raises(DnsError.InvalidResponse):
            Message.from_wire(wire)
        assert Message.from_query(wire, {10}).edns == edns

    def test_of_one_that_is_understood_it_is(self) -> None:
        edns = Edns(options=[EdnsOption.Unknown(11, b"x"), EdnsOption.Unknown(10, b"x")])
        with pytest.raises(DnsError.InvalidResponse, match=r"option\[0\]"):
            Message.from_query(make_query("e.", 1, id=1, edns=edns).to_wire(), {10})
        assert Message.from_query(make_query("e.", 1, id=1, edns=edns).to_wire(), set()).edns == edns

    def test_whatever_else_is_wrong_is(self) -> None:
        edns = Edns(options=[EdnsOption.Unknown(11, b"x")])
        wire = make_query("e.", 1, id=1, edns=edns).to_wire()
        for octets in (wire + b"x", wire[:-1], wire[:20], b""):
            with pytest.raises(DnsError.InvalidResponse):
                Message.from_query(octets, set())
