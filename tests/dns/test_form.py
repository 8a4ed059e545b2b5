"""`QueryForm`: queries out of the ordinary, and the messages that answer a query without a question."""

from __future__ import annotations

import pytest

from netkit.dns import DnsError, Message, QueryOptions, Question, make_query, make_response
from netkit.dns.constants import DnsRecordType, Opcode
from netkit.dns.messages.header import AA, QR, RD, TC, Z
from netkit.dns.policy.form import PLAIN_FORM, QueryForm
from netkit.dns.policy.matching import Mismatch, match

pytestmark = pytest.mark.once

QUERY = make_query("x.test", DnsRecordType.A, id=7)
ASKED = Question("x.test", DnsRecordType.A)


def test_a_form_changes_the_header_and_nothing_else() -> None:
    assert PLAIN_FORM.shape(QUERY) == QUERY
    made = QueryForm(Opcode.STATUS, AA | TC | Z, 4660).shape(QUERY)
    assert (made.id, made.flags, made.opcode) == (4660, RD | AA | TC | Z, Opcode.STATUS)
    assert (made.question, made.edns) == (QUERY.question, QUERY.edns)
    assert QueryOptions(form=QueryForm()).form is PLAIN_FORM
    assert QueryForm(has_question=False).shape(QUERY).question == ()


@pytest.mark.parametrize("flags", [QR, RD, 1 << 16])
def test_the_flags_of_a_form_are_those_that_nothing_else_sets(flags: int) -> None:
    with pytest.raises(DnsError.InvalidValue, match="only AA, TC, RA and Z"):
        QueryForm(flags=flags)


@pytest.mark.parametrize("size", [-1, 513])
def test_a_block_of_padding_is_at_most_512_octets(size: int) -> None:
    with pytest.raises(DnsError.InvalidValue, match="between 0 and 512"):
        QueryOptions(padding_block=size)


@pytest.mark.parametrize("lenient", [False, True])
def test_what_answers_a_query_without_a_question(lenient: bool) -> None:
    query = QueryForm(has_question=False).shape(QUERY)

    def matched(message: Message) -> Message | Mismatch:
        return match(message.to_wire(), query, ASKED, True, lenient)

    found = matched(make_response(query))
    assert isinstance(found, Message)
    assert found.complaints == ()
    assert matched(make_response(QUERY)) is Mismatch.OTHER
    assert matched(query) is Mismatch.OTHER
    assert matched(make_response(query).replace(opcode=Opcode.NOTIFY)) is Mismatch.OTHER
    assert matched(make_response(query).replace(id=8)) is Mismatch.OTHER
