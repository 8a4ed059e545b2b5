"""Whether a message is the answer to a query, and the message in the caller's letter case.

RFC 5452 section 9.1: an answer comes from the server of the query, to the port of the query, with the query's
ID and question, in the same letter case, because an attacker must guess the case too (the "0x20" bits). The
pump knows source and port; the rest is here.

A query's random letter case must not reach a result. Answers repeat it: names in records are compressed
against the question, or copied from it. So the question's name is put into the caller's letter case in the
octets, before they are decoded: every name that points there comes out right, and no length changes. Copies
are put right after decoding, in the few messages that have any.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import QR, TC, Header, Message, Question
from netkit.dns.messages.wire import WireReader
from netkit.dns.name import Name
from netkit.dns.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.dns.records.base import DnsRecord

_QUESTION_AT = 12
#: Response codes of a server that could not make out the question: it may give none back.
_WITHOUT_QUESTION = frozenset((Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.SERVFAIL, Rcode.BADVERS))

_V = TypeVar("_V", bound=Value)


class Mismatch(Enum):
    """Why a message is not the answer to a query."""

    OTHER = auto()
    """It is something else: for another query, or forged."""
    CASE = auto()
    """It is the answer in all but the letter case of the question."""


def match(
    wire: bytes, query: Message, question: Question, exact_case: bool, lenient: bool = False
) -> Message | Mismatch:
    """The message in `wire`, if it is the answer to `query`.

    `question` is the one in the caller's letter case; `exact_case` says whether the letters must come back in
    the case in which `query` has them. A truncated message may end anywhere; what can be read of it is given,
    and with `lenient` that of any message, even without its question (`Message.complaints`).

    Raises DnsError.InvalidResponse if the message has the query's ID but is malformed. An attacker who knows
    the ID and the port could send a valid message just as well, so ignoring this one would not help. Raises
    DnsError.Truncated if it is truncated so early that its question is missing.
    """
    if len(wire) < 2 or int.from_bytes(wire[:2], "big") != query.id:
        return Mismatch.OTHER
    if not query.question:  # it is only a header, and then so is its answer
        message = _decoded(wire, lenient)
        if not message.flags & QR or message.opcode != query.opcode or message.question:
            return Mismatch.OTHER
        rest = [each for each in message.complaints if each.field != "question"]
        return message.replace(complaints=rest) if message.complaints else message
    asked = query.question[0].name
    sent, plain = asked.to_wire(), question.name.to_wire()
    end = _QUESTION_AT + len(sent)
    repeated = bytes(wire[_QUESTION_AT:end])
    if repeated != plain and repeated.lower() == plain.lower():
        wire = b"".join((wire[:_QUESTION_AT], plain, wire[end:]))
    message = _decoded(wire, lenient)
    if not message.flags & QR or message.opcode != query.opcode:
        return Mismatch.OTHER
    told = wire[4:6] + wire[_QUESTION_AT : end + 4]
    if told != b"\0\1" + plain + (question.rdtype << 16 | question.rdclass).to_bytes(4, "big"):
        without = not message.question and (lenient or message.rcode in _WITHOUT_QUESTION)
        return message if without else Mismatch.OTHER
    if exact_case and repeated != sent:
        return Mismatch.CASE
    if sent != plain and has_copy(wire, end, sent, plain):
        return _restored(message, asked, question.name)
    return message


def mismatch_error(wire: bytes, query: Message) -> DnsError.InvalidResponse:
    """What is wrong with a message that came where only the answer to `query` can come, and is not it."""
    if len(wire) < _QUESTION_AT:
        return DnsError.InvalidResponse("", len(wire), "ends within the header")
    header = Header.from_wire(WireReader(wire))
    if not header.flags & QR:
        return DnsError.InvalidResponse("flags", 2, "QR is 0: it is a query, not a response")
    if header.opcode != query.opcode:
        return DnsError.InvalidResponse(
            "opcode", 2, f"{header.opcode}, and that of the query is {query.opcode}"
        )
    return DnsError.InvalidResponse("question", _QUESTION_AT, "not the one that was asked")


def has_copy(wire: bytes, start: int, sent: bytes, plain: bytes) -> bool:
    """Whether a label that is in another letter case in the query than in the caller's name is in `wire`."""
    at = 0
    while sent[at]:
        after = at + 1 + sent[at]
        label = sent[at:after]
        if label != plain[at:after] and wire.find(label, start) >= 0:
            return True
        at = after
    return False


def _decoded(wire: bytes, lenient: bool) -> Message:
    """Decode a message; of one that was truncated in the middle of a record, what can be read.

    Raises DnsError.Truncated for one that was truncated before the end of its question, or has none. Nothing
    but the ID tells that it is for this query, and that is enough to ask over TCP, where nobody can forge.
    """
    try:
        message = Message.from_wire(wire, lenient=lenient)
    except DnsError.InvalidResponse:
        flags = Header.from_wire(WireReader(wire)).flags
        if not (flags & TC and flags & QR):
            raise
        try:
            message = Message.from_wire(wire, lenient=True)
        except DnsError.InvalidResponse as error:
            raise DnsError.Truncated(len(wire)) from error
    if message.truncated and message.is_response and not message.question:
        raise DnsError.Truncated(len(wire))
    return message


def _restored(message: Message, sent: Name, plain: Name) -> Message:
    """The message with copies of the query's letter case in the caller's."""
    return message.replace(
        answer=_restored_records(message.answer, sent, plain),
        authority=_restored_records(message.authority, sent, plain),
        additional=_restored_records(message.additional, sent, plain),
    )


def _restored_records(records: Iterable[DnsRecord], sent: Name, plain: Name) -> list[DnsRecord]:
    return [_restored_value(record, sent, plain) for record in records]


def _restored_value(value: _V, sent: Name, plain: Name) -> _V:
    changes = {}
    for field in value.__match_args__:
        held = getattr(value, field)
        if isinstance(held, Name):
            restored = restored_name(held, sent, plain)
            if restored is not held:
                changes[field] = restored
    return value.replace(**changes) if changes else value


def restored_name(name: Name, sent: Name, plain: Name) -> Name:
    """The name with the labels at its end that are the query's, in its letter case, in the caller's."""
    count = 0
    for ours, theirs in zip(reversed(sent.labels), reversed(name.labels), strict=False):
        if ours != theirs:
            break
        count += 1
    if not count or name.labels[-count:] == plain.labels[-count:]:
        return name
    return Name((*name.labels[:-count], *plain.labels[-count:]), name.is_absolute)
