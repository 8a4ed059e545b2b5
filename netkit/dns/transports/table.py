"""The questions that are under way at one place, and the rule that decides which of them a message answers.

A `Table` belongs to one UDP socket or to one connection: it knows its questions by their IDs. RFC 5452
section 9.1: an answer comes from the server that was asked, to the port that asked, with the ID and the
question that were sent, in the same letter case, because an attacker must guess the case too (the "0x20"
bits). The port is the table's own socket; all else is compared here. Any other message is counted and has no
effect, because otherwise one forged datagram could end a lookup.

One message is the end of a question all the same: the query itself, if it comes back over a connection. There
only the server speaks, and one that sends back what it gets, such as an echo service, will not answer.

The question is compared as octets: it is the first thing after the header, so nothing in it can be
compressed, and the message need not be decoded to see that it is not the answer. No I/O, no clock and no
randomness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The most questions under way in one table: half of all IDs, so that two draws find an unused one on
#: average.
MAX_OUTSTANDING = 32_768

_HEADER_SIZE = 12
#: Where the question's name begins.
NAME_AT = _HEADER_SIZE

#: QR and the opcode, of the third octet of a header; the response code, of the fourth.
_QR_AND_OPCODE = 0xF8
_QR = 0x80
_TC = 0x02
_RCODE = 0x0F

#: Answers that may lack the question: the server could not make it out (RFC 1035 section 4.1.1).
_WITHOUT_QUESTION = frozenset((Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.SERVFAIL))
#: So may the answer to a signed query whose signature is not accepted: nsd's does.
_WITHOUT_QUESTION_IF_SIGNED = _WITHOUT_QUESTION | {Rcode.NOTAUTH}
#: BADVERS has its high bits in the OPT record, which is then the only record (RFC 6891 section 6.1.3).
_ONLY_OPT = bytes(7) + b"\x01"
_OPT_AT_ROOT = b"\x00\x00\x29"
_HIGH_BITS_OF_BADVERS = 1


class Wakes(Protocol):
    """What is told that a question is over, or `was_miscased`: an `Event` of `netkit.io`, or a collector of
    many."""

    def set_soon(self) -> None: ...


class Objects(Protocol):
    """What must agree to an answer: `Guard` of `netkit.dns.tsig`."""

    def objection(self, wire: bytes) -> DnsError | None:
        """Why a message is not the answer."""


class Outstanding:
    """One question that is under way, and what became of it.

    `wire` is the query as it is sent, with an unpredictable ID; the table replaces an ID that is taken.
    `question` are its octets from the name to the class. `answer` is the answer's octets, `error` why there
    is none; `is_over` says that it has one of them. `ignored` counts messages that were not the answer: with
    its ID, or with any while it is the only question of its table. `was_miscased` says that one of them was
    wrong only in the letter case of its name, which is no answer with `exact_case`. With `lenient`, a message
    without a question is one, whatever its response code. `guard` says of what would be the answer whether it
    is signed as it must be, and `refusal` is what it said of the last one. `until` is the moment when it is
    given up, `sent_at` when it was sent, `answered_at` when the answer came, in seconds of
    `time.monotonic()`.
    """

    __slots__ = (
        "answer", "answered_at", "error", "event", "exact_case", "guard", "id", "ignored", "is_over",
        "lenient", "question", "refusal", "sent_at", "until", "was_miscased", "wire",
    )  # fmt: skip

    def __init__(
        self,
        wire: bytes,
        question: bytes,
        until: float | None,
        event: Wakes,
        exact_case: bool = True,
        lenient: bool = False,
    ) -> None:
        self.id = wire[:2]
        self.wire = wire
        self.question = question
        self.until = until
        self.event = event
        self.exact_case = exact_case
        self.lenient = lenient
        self.answer: bytes | None = None
        self.error: DnsError | None = None
        self.is_over = False
        self.ignored = 0
        self.was_miscased = False
        self.guard: Objects | None = None
        self.refusal: DnsError | None = None
        self.sent_at = self.answered_at = 0.0

    @property
    def hint(self) -> str | None:
        """What to say of the messages that were not the answer, where none came."""
        if not self.ignored:
            return None
        came = "1 message" if self.ignored == 1 else f"{self.ignored} messages"
        return f"{came} came, but not the answer"

    def __repr__(self) -> str:
        return f"<Outstanding {self.id.hex()}{', over' if self.is_over else ''}>"


class Table:
    """The questions under way at one socket or connection, by ID.

    `source` is where its answers must come from, in whatever form `hear` is given it (of a connected socket:
    what recvfrom(2) returns; None of a connection, in which nobody else can speak). `foreign` counts
    messages that belong to no question under way.
    """

    __slots__ = ("_by_id", "foreign", "source")

    def __init__(self, source: object) -> None:
        self.source = source
        self.foreign = 0
        self._by_id: dict[bytes, Outstanding] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Outstanding]:
        return iter(list(self._by_id.values()))

    def add(self, one: Outstanding, draw: Callable[[], bytes]) -> None:
        """Enter a question under its ID. If that is taken, `draw` gives another one, two octets.

        Raises DnsError.TryAgain if MAX_OUTSTANDING questions are under way.
        """
        by_id = self._by_id
        if len(by_id) >= MAX_OUTSTANDING:
            raise DnsError.TryAgain(f"{MAX_OUTSTANDING} questions are under way there", server=None)
        while one.id in by_id:
            one.id = draw()
            one.wire = one.id + one.wire[2:]
        by_id[one.id] = one

    def drop(self, one: Outstanding) -> None:
        """Forget a question: an answer that comes later is foreign. No effect if it is not there."""
        if self._by_id.get(one.id) is one:
            del self._by_id[one.id]

    def hear(self, wire: bytes, source: object) -> Outstanding | None:
        """The question that this message answers, which is then no longer under way; None if there is none.
        So is one whose query has come back over a connection.

        A message that ends before its question does, or whose records are malformed, counts as the answer:
        who decodes it finds out. An attacker who can send it knows the ID and the port.
        """
        one = self._by_id.get(wire[:2])
        if one is None or source != self.source:
            self.foreign += 1
            if len(self._by_id) == 1:  # so whoever waits for it can be told that something came
                for only in self._by_id.values():
                    only.ignored += 1
            return None
        asked = one.wire
        question = one.question
        end = _HEADER_SIZE + len(question)
        if len(wire) >= _HEADER_SIZE:
            if wire[2] & _QR_AND_OPCODE != asked[2] & _QR_AND_OPCODE | _QR:
                if self.source is None and wire == asked:
                    del self._by_id[wire[:2]]
                    return one
                one.ignored += 1
                return None
            if wire[_HEADER_SIZE:end] != question or wire[4:6] != asked[4:6]:
                got = wire[_HEADER_SIZE:end] if wire[4:6] == asked[4:6] else None
                is_miscased = got is not None and _is_miscased(got, question)
                is_cut = got is not None and len(wire) < end and question.startswith(got)
                if one.exact_case if is_miscased else not (is_cut or _lacks_question(wire, one)):
                    one.ignored += 1
                    if is_miscased and not one.was_miscased:
                        one.was_miscased = True
                        one.event.set_soon()
                    return None
        if one.guard is not None:
            one.refusal = one.guard.objection(wire)
            if one.refusal is not None and self.source is not None:
                one.ignored += 1
                one.event.set_soon()
                return None
        del self._by_id[wire[:2]]
        return one


def _lacks_question(wire: bytes, one: Outstanding) -> bool:
    """Whether this is an error of a server that could not make out the question, and so gives none back."""
    if wire[4:6] != b"\x00\x00":
        return False
    if one.lenient or wire[2] & _TC:
        return True  # it was cut before its question: enough to ask over TCP, where nobody can forge
    rcode = wire[3] & _RCODE
    if rcode in (_WITHOUT_QUESTION if one.guard is None else _WITHOUT_QUESTION_IF_SIGNED):
        return True
    return (
        rcode == 0
        and wire[4:_HEADER_SIZE] == _ONLY_OPT
        and wire[_HEADER_SIZE : _HEADER_SIZE + 3] == _OPT_AT_ROOT
        and len(wire) > _HEADER_SIZE + 5
        and wire[_HEADER_SIZE + 5] == _HIGH_BITS_OF_BADVERS
    )


def _is_miscased(got: bytes, asked: bytes) -> bool:
    """Whether two questions differ in nothing but the case of their letters. Lengths are no letters; the
    type and the class at the end may look like some."""
    return got[-4:] == asked[-4:] and got[:-4].lower() == asked[:-4].lower()
