"""NOTIFY: a primary server tells its secondaries that a zone has changed (RFC 1996), without any I/O.

`answer_notify` is what a name server here answers to one: NOERROR for a zone that it has, which says that it
has heard. It is itself primary, so that it does nothing more; BIND does the same.

`make_notification` and `notify_answer` are the other side, which `notify_sending` sends and waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.authority.answering import Reply
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.edns.extended_errors import ExtendedErrorCode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import AA, Message, make_response
from netkit.dns.tsig.answering import query_signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.authority.journal import Journals
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name
    from netkit.dns.records.soa import SOA
    from netkit.dns.tsig.keys import TsigKey

# The opcode in the third octet of a message.
_OPCODE_BITS, _NOTIFY_BITS = 0x78, int(Opcode.NOTIFY) << 3


class Notified(NamedTuple):
    """What came of a notification of `zone` to `server`: the response code, or the error, after `attempts`.

    `serial` is the one that was told; None for none. `elapsed_s` is how long it took, in seconds.
    """

    zone: Name
    server: SocketAddr
    serial: int | None
    rcode: Rcode | None
    error: DnsError | None
    attempts: int
    elapsed_s: float

    @property
    def is_heard(self) -> bool:
        """Whether the server has said that it heard: NOERROR."""
        return self.rcode == Rcode.NOERROR

    def __str__(self) -> str:
        what = f"{self.zone} serial {self.serial} to {self.server}"
        return f"{what}: {self.error if self.rcode is None else self.rcode} (attempts: {self.attempts})"


def make_notification(question: Question, number: int, soa: SOA | None) -> Message:
    """A notification with `number` as its ID (RFC 1996 section 3). `soa` is a hint: the newest one."""
    answer = [] if soa is None else [soa]
    return Message(number, AA, Opcode.NOTIFY, question=[question], answer=answer)


def notify_answer(query: Message, wire: bytes) -> Rcode | None:
    """The response code of the answer to a notification; None if a message is not that."""
    try:
        answer = Message.from_wire(wire, allow_trailing=True)
    except DnsError.InvalidResponse:
        return None
    if answer.id != query.id or not answer.is_response or answer.opcode != Opcode.NOTIFY:
        return None
    # nsd gives no question back where it refuses.
    if answer.question != query.question and (answer.question or answer.rcode == Rcode.NOERROR):
        return None
    return answer.rcode


# -- what is answered


def is_notification(wire: bytes) -> bool:
    """Whether a message says that it is a notification; False for nearly all others, and fast."""
    return len(wire) > 2 and wire[2] & _OPCODE_BITS == _NOTIFY_BITS


def answer_notify(
    journals: Journals,
    wire: bytes,
    *,
    keys: Sequence[TsigKey] = (),
    now: float = 0.0,
    signed_only: bool = False,
) -> Reply | None:
    """The response to a notification of a peer; None for another message, and one that is not accepted.

    `now` is in seconds since 1970, for signatures; with `signed_only`, who does not sign is refused.
    """
    if not is_notification(wire):
        return None
    signature = None
    edns = Edns()
    try:
        query = Message.from_wire(wire)
        if query.is_response:
            return None
        signature = query_signature(wire, keys, now)
    except DnsError:
        if wire[2] & 0x80 or len(wire) < 12:
            return None
        query = Message.from_malformed(wire)
        rcode = Rcode.FORMERR
    else:
        if signature is not None and signature.error is not None:
            return None
        if query.edns is not None and query.edns.version > 0:
            return None
        if signed_only and signature is None:
            rcode = Rcode.REFUSED
            edns = Edns(options=[EdnsOption.ExtendedError(ExtendedErrorCode.PROHIBITED)])
        else:
            rcode = _rcode(journals, query)
    response = make_response(query, rcode=rcode, aa=rcode == Rcode.NOERROR, edns=edns)
    encoded = response.to_wire()
    return Reply(response, encoded if signature is None else signature.sign(encoded))


def _rcode(journals: Journals, query: Message) -> Rcode:
    """RFC 1996 section 3.10: a server that is no secondary of the zone says so, or has heard."""
    if len(query.question) != 1 or query.question[0].rdtype != DnsRecordType.SOA:
        return Rcode.FORMERR
    question = query.question[0]
    if journals.of(question.name, question.rdclass) is not None:
        return Rcode.NOERROR
    return Rcode.NOTAUTH if question.rdclass == DnsClass.IN else Rcode.NOTIMP
