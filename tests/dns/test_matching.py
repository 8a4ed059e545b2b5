"""Which octets are the answer to a query: every bit that must be right; names in the caller's letter case."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import QR, TC, Message, Question, make_query, make_response
from netkit.dns.name import Name
from netkit.dns.policy.matching import Mismatch, match, restored_name
from netkit.dns.records import DnsRecord

QUESTION = Question("www.some-zone.example.", 1)
SENT = QUESTION.name.with_case(0b1011_0110_1011_0110)
QUERY = make_query(SENT, 1, id=0x1234)
RIGHT = make_response(QUERY, answer=[DnsRecord.parse("www.some-zone.example. 60 A 192.0.2.1")]).to_wire()
#: Octets of an answer that an attacker has to guess: the ID, QR and opcode, the question.
GUESSED = [0, 1, 2, *range(12, 12 + len(SENT.to_wire()) + 4)]


def test_the_answer() -> None:
    message = match(RIGHT, QUERY, QUESTION, True)
    assert isinstance(message, Message)
    assert message.question[0].name.is_identical(QUESTION.name)


def test_lenient_takes_what_is_malformed_and_what_has_no_question() -> None:
    trailing = RIGHT + b"\0"
    with pytest.raises(DnsError.InvalidResponse):
        match(trailing, QUERY, QUESTION, True)
    message = match(trailing, QUERY, QUESTION, True, lenient=True)
    assert isinstance(message, Message)
    assert [complaint.field for complaint in message.complaints] == ["message"]
    bare = RIGHT[:4] + bytes(8)
    assert match(bare, QUERY, QUESTION, True) is Mismatch.OTHER
    message = match(bare, QUERY, QUESTION, True, lenient=True)
    assert isinstance(message, Message)
    assert [complaint.field for complaint in message.complaints] == ["question"]
    # Neither makes the answer of another query one.
    for wire in (b"\0\0" + trailing[2:], trailing[:13] + b"x" + trailing[14:]):
        assert isinstance(match(wire, QUERY, QUESTION, True, lenient=True), Mismatch)


@pytest.mark.parametrize("at", GUESSED)
def test_no_bit_of_what_must_be_guessed_may_be_wrong(at: int) -> None:
    for bit in range(8):
        if at == 2 and bit in (0, 1, 2):
            continue  # RD, TC and AA
        wire = bytearray(RIGHT)
        wire[at] ^= 1 << bit
        try:
            found = match(bytes(wire), QUERY, QUESTION, True)
        except DnsError.InvalidResponse:
            assert at > 11, "of this query, and malformed"
            continue
        assert isinstance(found, Mismatch)


def test_only_letters_in_another_case_are_that() -> None:
    for at in range(12, 12 + len(SENT.to_wire())):
        wire = bytearray(RIGHT)
        wire[at] ^= 0x20
        try:
            found = match(bytes(wire), QUERY, QUESTION, True)
        except DnsError.InvalidResponse:
            continue
        is_letter = chr(RIGHT[at]).isalpha() and RIGHT[at] > 63
        assert found is (Mismatch.CASE if is_letter else Mismatch.OTHER)
        if is_letter:
            message = match(bytes(wire), QUERY, QUESTION, False)
            assert isinstance(message, Message)
            assert message.question[0].name.is_identical(QUESTION.name)


@given(st.binary(max_size=80), st.integers(0, 0xFFFF))
def test_anything(wire: bytes, number: int) -> None:
    """Of octets that are not made for it, none is the answer."""
    for octets in (wire, number.to_bytes(2, "big") + wire, QUERY.to_wire()[:2] + wire):
        try:
            found = match(octets, QUERY, QUESTION, True)
        except (DnsError.InvalidResponse, DnsError.Truncated):
            assert octets[:2] == QUERY.to_wire()[:2]
            continue
        if isinstance(found, Message):
            assert not found.question, "an error, which may lack the question"
            assert found.rcode


@pytest.mark.parametrize(
    ("rcode", "counts"),
    [
        (Rcode.FORMERR, True), (Rcode.NOTIMP, True), (Rcode.REFUSED, True), (Rcode.SERVFAIL, True),
        (Rcode.NOERROR, False), (Rcode.NXDOMAIN, False), (Rcode.NOTAUTH, False),
    ],
)  # fmt: skip
def test_which_errors_may_lack_the_question(rcode: Rcode, counts: bool) -> None:
    wire = Message(QUERY.id, QR, rcode=rcode).to_wire()
    assert isinstance(match(wire, QUERY, QUESTION, True), Message) is counts


def test_a_truncated_message_without_a_question_is_known_by_its_id_alone() -> None:
    with pytest.raises(DnsError.Truncated):
        match(Message(QUERY.id, QR | TC).to_wire(), QUERY, QUESTION, True)
    with pytest.raises(DnsError.Truncated):
        match(Message(QUERY.id, QR | TC, question=QUERY.question).to_wire()[:20], QUERY, QUESTION, True)
    assert match(Message(1, QR | TC).to_wire(), QUERY, QUESTION, True) is Mismatch.OTHER
    with pytest.raises(DnsError.InvalidResponse):
        match(Message(QUERY.id, TC, question=QUERY.question).to_wire()[:20], QUERY, QUESTION, True)


#: Records whose names repeat the query, as a server writes them that copies it; and the same for the caller.
COPIES = [
    "{0} 60 A 192.0.2.1",
    "{0} 60 CNAME x.{0}",
    "other.example. 60 MX 10 mail.{0}",
    "{0} 60 SOA ns.{0} hostmaster.{0} 1 2 3 4 5",
    "{0} 60 SRV 1 2 3 a.b.{0}",
    "{0} 60 NS ns.{0}",
]


@pytest.mark.parametrize("text", COPIES)
@pytest.mark.parametrize("compress", [True, False])
def test_copies_of_the_query_are_in_the_callers_case(text: str, compress: bool) -> None:
    response = make_response(QUERY, answer=[DnsRecord.parse(text.format(SENT))])
    message = match(response.to_wire(compress=compress), QUERY, QUESTION, True)
    assert isinstance(message, Message)
    assert str(message.answer[0]) == str(DnsRecord.parse(text.format(QUESTION.name)))


def test_octets_that_only_look_like_the_query_stay() -> None:
    text = f'www.some-zone.example. 60 TXT "{SENT}"'
    wire = make_response(QUERY, answer=[DnsRecord.parse(text)]).to_wire()
    message = match(wire, QUERY, QUESTION, True)
    assert isinstance(message, Message)
    assert str(SENT) in str(message.answer[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.eXaMPle.", "a.Example."),
        ("eXaMPle.", "Example."),
        ("A.example.", "A.example."),
        ("Sub.wWw.eXaMPle.", "Sub.www.Example."),
        ("xwWw.eXaMPle.", "xwWw.Example."),
        (".", "."),
    ],
)
def test_restored_name(name: str, expected: str) -> None:
    restored = restored_name(Name.parse(name), Name.parse("wWw.eXaMPle."), Name.parse("www.Example."))
    assert str(restored) == expected
