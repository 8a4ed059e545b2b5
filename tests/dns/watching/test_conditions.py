"""What can be waited for: how it is written, where a mistake is, and when it holds."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from netkit.dns.comparing import Content
from netkit.dns.constants import DnsRecordType, Rcode
from netkit.dns.messages.message import Message, Question
from netkit.dns.watching import Condition, ExpressionError, Sight, parse_condition
from tests.dns.comparing.said import CACHE, QUESTION, A, message, soa

pytestmark = pytest.mark.once

SOA = Question("example.", DnsRecordType.SOA)
TXT = Question("www.example.", DnsRecordType.TXT)
MX = Question("www.example.", DnsRecordType.MX)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("changed", "changed"),
        ("EXISTS", "exists"),
        ("!exists", "not exists"),
        ("not exists", "not exists"),
        ("not not exists", "not not exists"),
        ("answer=192.0.2.1", "answer=192.0.2.1"),
        ("answer == 192.0.2.1", "answer=192.0.2.1"),
        ("answer!='192.0.2.1'", "answer!=192.0.2.1"),
        ("rcode=nxdomain", "rcode=NXDOMAIN"),
        ("rcode!=RCODE3", "rcode!=NXDOMAIN"),
        ("serial>=2026112601", "serial>=2026112601"),
        ("ttl < 300", "ttl<300"),
        ("exists and ttl<=300", "exists and ttl<=300"),
        ("exists and ttl<=300 or changed", "(exists and ttl<=300) or changed"),
        ("exists and (ttl<=300 or changed)", "exists and (ttl<=300 or changed)"),
        ("!(exists or changed) and agree", "not (exists or changed) and agree"),
        (" ( ( changed ) ) ", "changed"),
    ],
)
def test_how_conditions_are_written(text: str, shown: str) -> None:
    condition = parse_condition(text, QUESTION, several=True, has_serials=True)
    assert str(condition) == shown
    again = parse_condition(shown, QUESTION, several=True, has_serials=True)
    assert again == condition


@pytest.mark.parametrize(
    ("text", "offset", "reason"),
    [
        ("", 0, "the end, where a term is expected"),
        ("   ", 3, "the end, where a term is expected"),
        ("rcode=NXDOMIAN", 6, "'NXDOMIAN' is no response code"),
        ("rcode= 'NXDOMIAN'", 8, "'NXDOMIAN' is no response code"),
        ("rcode>NXDOMAIN", 5, "rcode is not more or less than something"),
        ("rcode", 5, "rcode is compared with something"),
        ("rcode=", 6, "a value is missing after rcode="),
        ("answer=)", 7, "a value is missing after answer="),
        ("answer=192.0.2", 7, "'192.0.2' is not the data of A: "),
        ('answer=""', 8, "the value is empty"),
        ('answer="192.0.2.1', 7, "the quote is not closed"),
        ("answer=192.0.2.1 192.0.2.2", 17, "'192.0.2.2' does not continue the condition"),
        ("exists changed", 7, "'changed' does not continue the condition"),
        ("exists and", 10, "the end, where a term is expected"),
        ("exists, changed", 0, "'exists,' is no term"),
        ("exists & changed", 7, "'&' does not continue the condition"),
        ("anwser=192.0.2.1", 0, "'anwser' is no term"),
        ("(exists", 7, "the parenthesis of character 1 is not closed"),
        ("exists)", 6, "')' does not continue the condition"),
        ("exists and =", 11, "'=', where a term is expected"),
        ("ttl<=many", 5, "'many' is no number"),
        ("ttl<=4294967296", 5, "'4294967296' is no number"),
        ("ttl<=-1", 5, "'-1' is no number"),
        ("ttl<=٣", 5, "'٣' is no number"),
        ("changed and agree", 12, "agree is for several servers"),
        ("changed and serial>1", 12, "the answer to A has no serial"),
        ("!" * 40 + "exists", 33, "more than 32 levels"),
        ("(" * 5000, 4096, "longer than 4096 characters"),
        ("exists \x00", 7, "'\\x00' does not continue the condition"),
    ],
)
def test_a_mistake_has_a_place(text: str, offset: int, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, QUESTION)
    error = caught.value
    assert (error.offset, error.reason[: len(reason)]) == (offset, reason)
    assert f"at character {offset + 1}: {reason}" in str(error)
    assert isinstance(error, ValueError)
    assert error.stage == "usage"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("rcode=NXDOMIAN", "did you mean NXDOMAIN?"),
        ("anwser=1", "did you mean answer?"),
        ("serial>1", "ask for the type SOA"),
        ("?", "a term is one of changed, exists, agree, answer=192.0.2.1"),
    ],
)
def test_a_mistake_has_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, QUESTION)
    assert (caught.value.hint or "").startswith(hint)


@given(st.text(st.sampled_from("()!=<>\"' \tandornotexistsanswerttl0192.\\\x00é"), max_size=40))
def test_any_text_is_a_condition_or_has_a_place(text: str) -> None:
    try:
        condition = parse_condition(text, QUESTION, several=True)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
        assert error.reason
    else:
        assert parse_condition(str(condition), QUESTION, several=True) == condition


GONE = message(rcode=Rcode.NXDOMAIN, authority=[soa(ttl=40)])
FAILS = message(rcode=Rcode.SERVFAIL, flags=0)


def look(text: str, said: Message | None, question: Question = QUESTION) -> bool | None:
    content = None if said is None else Content(said, question)
    return parse_condition(text, question).holds(Sight(content, content))


#: What holds, does not, or cannot be told for: a record, no such name, SERVFAIL, silence.
HOLDS: dict[str, tuple[bool | None, bool | None, bool | None, bool | None]] = {
    "exists": (True, False, None, None),
    "!exists": (False, True, None, None),
    "answer=192.0.2.1": (True, False, None, None),
    "answer=192.0.2.2": (False, False, None, None),
    "answer!=192.0.2.1": (False, True, None, None),
    "rcode=NXDOMAIN": (False, True, False, None),
    "rcode!=SERVFAIL": (True, True, False, None),
    "ttl<=300": (True, True, None, None),
    "ttl=40": (False, True, None, None),
    "changed": (False, False, None, None),
    "exists or rcode=SERVFAIL": (True, False, True, None),
    "exists and rcode=SERVFAIL": (False, False, None, None),
    "!(exists and rcode=SERVFAIL)": (True, True, None, None),
}


@pytest.mark.parametrize("text", HOLDS)
def test_when_it_holds(text: str) -> None:
    assert tuple(look(text, each) for each in (message(A), GONE, FAILS, None)) == HOLDS[text]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("serial=7", True), ("serial!=7", False), ("serial>6", True), ("serial>7", False),
        ("serial>=7", True), ("serial<8", True), ("serial<=6", False),
        ("serial>4294967290", True),  # 7 is newer: the numbers have wrapped around (RFC 1982)
        ("serial<4294967290", False),
    ],
)  # fmt: skip
def test_serials(text: str, holds: bool) -> None:
    said = message(str(soa(7)), question=SOA)
    assert look(text, said, SOA) is holds


@pytest.mark.parametrize(
    ("text", "record", "question", "holds"),
    [
        ("answer='v=spf1 -all'", 'www.example. 60 TXT "v=spf1 " "-all"', TXT, True),
        ('answer=\'"v=spf1 " "-all"\'', 'www.example. 60 TXT "v=spf1 " "-all"', TXT, True),
        ("answer=x", 'www.example. 60 TXT "y"', TXT, False),
        ("answer='10 Mail.example'", "www.example. 60 MX 10 mail.example.", MX, True),
        ("answer='20 mail.example.'", "www.example. 60 MX 10 mail.example.", MX, False),
        ("answer=2001:db8:0::1", "www.example. 60 AAAA 2001:db8::1", Question("www.example.", 28), True),
        ("answer=2001:db8::1", "www.example. 60 AAAA 2001:db8::1", Question("www.example.", 255), True),
    ],
)
def test_an_answer_is_compared_as_data_of_its_type(
    text: str, record: str, question: Question, holds: bool
) -> None:
    assert look(text, message(record, question=question), question) is holds


def test_the_end_of_an_alias_is_the_answer() -> None:
    said = message("www.example. 9 CNAME w.example.", "w.example. 300 A 192.0.2.1")
    assert look("answer=192.0.2.1 and ttl=9", said)


def test_what_has_changed() -> None:
    changed = Condition.Changed()
    first = Content(message(A), QUESTION, soa(1))
    assert changed.holds(Sight(Content(message(A.replace("2.1", "2.2")), QUESTION), first)) is True
    assert changed.holds(Sight(Content(GONE, QUESTION), first)) is True
    # A new serial of the zone alone is no other answer, nor is what a cache has counted down.
    assert changed.holds(Sight(Content(message(A), QUESTION, soa(2)), first)) is False
    cached = Content(message(A.replace("300", "7"), flags=CACHE), QUESTION)
    assert changed.holds(Sight(cached, first)) is False
    assert changed.holds(Sight(Content(FAILS, QUESTION), first)) is None


def test_whether_servers_agree() -> None:
    agree = parse_condition("agree", QUESTION, several=True)
    assert [agree.holds(Sight(None, None, each)) for each in (True, False, None)] == [True, False, None]
