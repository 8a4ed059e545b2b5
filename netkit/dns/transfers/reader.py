"""Reading a zone transfer, message by message, without any I/O: `TransferReader`.

RFC 5936 (AXFR) section 2.2: the zone's SOA, its other records in any order, and the same SOA again, over as
many messages as it takes. The first message repeats the question, later ones need not.

RFC 1995 (IXFR) section 4: the SOA of the newest version; for each step from the version that was asked about
an older SOA, the records that go, a newer SOA, the records that come; and the newest SOA again. A server
without these steps sends the whole zone, in the form of AXFR. One that has nothing newer sends its SOA alone,
and so does one over UDP whose answer does not fit (section 2).

Each message is checked as it comes, and the first fault ends all: `hear` raises TransferError with the number
of message and record. What a message says counts only when all of it is right, and when it is signed with
TSIG, only when the next signature is: until then its records are held back.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.dns.constants import DnsRecordType, Opcode, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import QR, TC, Message
from netkit.dns.records.base import DnsRecord
from netkit.dns.serials import is_newer
from netkit.dns.transfers.errors import TransferError
from netkit.dns.tsig.errors import TsigError

if TYPE_CHECKING:
    from typing import NoReturn

    from netkit.dns.messages.header import Question
    from netkit.dns.records.soa import SOA
    from netkit.dns.tsig.transfer import TsigVerifier


E = TypeVar("E", bound=TransferError)


class TransferKind(Enum):
    """What a transfer turned out to be."""

    AXFR = "axfr"
    """The whole zone; also in answer to IXFR, from a server that has no differences."""
    IXFR = "ixfr"
    """The differences from the version that was asked about."""
    CURRENT = "current"
    """Nothing newer than the version that was asked about: its SOA alone."""

    def __str__(self) -> str:
        return self.value


class Part(Enum):
    """What a record is in its transfer."""

    FIRST = "first"
    """The SOA at the begin, of the newest version."""
    RECORD = "record"
    """A record of the whole zone."""
    OLD_SOA = "old_soa"
    """The SOA that begins a difference: of the version that it is from."""
    DELETED = "deleted"
    """A record that the difference takes away."""
    NEW_SOA = "new_soa"
    """The SOA in the middle of a difference: of the version that it leads to."""
    ADDED = "added"
    """A record that the difference adds."""
    LAST = "last"
    """The SOA at the end, the same as the first one."""

    def __str__(self) -> str:
        return self.value


class Sent(NamedTuple):
    """A record of a transfer, and what it is there."""

    part: Part
    record: DnsRecord


class Heard(NamedTuple):
    """A message of a transfer: its octets, and when it came, in seconds since 1970."""

    wire: bytes
    at: float


class TransferLimits(NamedTuple):
    """How much may come, at the most: octets of all messages, and records."""

    octets: int = 8 << 30
    records: int = 500_000_000


#: For a transfer that is read record by record, and kept nowhere.
STREAM_LIMITS = TransferLimits()

#: For one that is kept in memory.
ZONE_LIMITS = TransferLimits(1 << 30, 20_000_000)

# RFC 6895 section 3.1: types for questions and messages, which no zone has.
_META = frozenset((0, int(DnsRecordType.OPT), *range(128, 256)))


class TransferReader:
    """Reads the messages of one transfer: the answer to a query with `number` as its ID and `question`.

    `serial` is the version of the zone that the query (IXFR) told; None for AXFR. `verifier` is for a query
    that was signed. `is_done` says that the last record has come, and `kind` what it was, which is None as
    long as it may still be several. `messages`, `records` and `octets` count what came; `soa` is the SOA at
    the begin, None before it came. `heard` are the messages that the last records came in (with TSIG all
    since the signature before), or the one that refuses the transfer.
    """

    def __init__(
        self,
        question: Question,
        number: int,
        *,
        serial: int | None = None,
        verifier: TsigVerifier | None = None,
        limits: TransferLimits = STREAM_LIMITS,
    ) -> None:
        self.question = question
        self.kind: TransferKind | None = None if serial is not None else TransferKind.AXFR
        self.is_done = False
        self.soa: SOA | None = None
        self.messages = 0
        self.records = 0
        self.octets = 0
        self.heard: list[Heard] = []
        self._number = number
        self._serial = serial
        self._verifier = verifier
        self._limits = limits
        self._part = Part.FIRST  # of the last record that came
        self._reached = 0  # the serial that the differences so far lead to
        self._held: list[Sent] = []
        self._held_messages: list[Heard] = []
        self._at: int | None = None  # the record that is being read, from 1

    def hear(self, wire: bytes, now: float) -> list[Sent]:
        """Read the next message, and return the records that are certain by now.

        `now` is in seconds since 1970, for signatures. Raises TransferError, and TsigError.Rejected where the
        server refuses the signature of the query.
        """
        assert not self.is_done, "a transfer that is done has no more messages"
        self.messages += 1
        self._at = None
        self.octets += len(wire)
        if self.octets > self._limits.octets:
            raise self._located(TransferError.TooLarge("octets", self._limits.octets))
        came = Heard(wire, now)
        try:
            message = self._checked(wire, now)
        except (TransferError.Refused, TsigError.Rejected):
            self.heard = [came]
            raise
        self._held_messages.append(came)
        self._held += self._read(message)
        if self._verifier is None:
            return self._released()
        if self.is_done:
            try:
                self._verifier.finish()
            except TsigError as error:
                self._distrust(error)
        return self._released() if self._verifier.is_certain else []

    def ended(self) -> TransferError.Incomplete:
        """The error for a connection that has ended before the last record."""
        told = f"{self.records:,} records had come" if self.records else "nothing had come"
        error = TransferError.Incomplete(
            f"the connection ended before the last record ({told})", self.messages + 1
        )
        return self._located(error)

    def fail(self, reason: str) -> NoReturn:
        """Raise TransferError.Broken for the record, or the message, that is being read."""
        raise self._located(TransferError.Broken(reason))

    @property
    def is_lone_soa(self) -> bool:
        """Whether a newer SOA has come and nothing else: over UDP it says that the rest needs TCP."""
        return not self.is_done and self.messages == 1 and self.records == 1

    def _released(self) -> list[Sent]:
        self.heard, self._held_messages = self._held_messages, []
        held, self._held = self._held, []
        return held

    # -- the message

    def _checked(self, wire: bytes, now: float) -> Message:
        """The message, if it belongs to this transfer."""
        if len(wire) < 2 or int.from_bytes(wire[:2], "big") != self._number:
            self.fail("it has another ID than the query")
        if self._verifier is not None:
            try:
                wire = self._verifier.hear(wire, now)
            except TsigError.Rejected:
                raise
            except TsigError as error:
                self._refuse_unsigned(wire)
                self._distrust(error)
            except DnsError.InvalidResponse as error:
                self._malformed(error)
        try:
            message = Message.from_wire(wire)
        except DnsError.InvalidResponse as error:
            self._malformed(error)
        self._check_header(message)
        return message

    def _refuse_unsigned(self, wire: bytes) -> None:
        """Raise TransferError.Refused for an error code that came without a signature: it is what the server
        says, or somebody else, and in both cases there is no transfer."""
        try:
            message = Message.from_wire(wire)
        except DnsError.InvalidResponse:
            return
        if message.flags & QR and message.rcode != Rcode.NOERROR:
            self._check_header(message)

    def _check_header(self, message: Message) -> None:
        """RFC 5936 section 2.2.1, and 2.2.2 for the question."""
        if not message.flags & QR:
            self.fail("it is a query, not a response")
        if message.opcode != Opcode.QUERY:
            self.fail(f"its opcode is {message.opcode}")
        # A server that could not make out the question may leave it out of its refusal.
        may_be_absent = self.messages > 1 or message.rcode != Rcode.NOERROR
        if message.question != (self.question,) and (message.question or not may_be_absent):
            told = ", ".join([f"{each.name} {each.rdtype}" for each in message.question]) or "nothing"
            self.fail(f"its question is {told}, not {self.question.name} {self.question.rdtype}")
        if message.rcode != Rcode.NOERROR:
            edns = message.edns
            explanations = () if edns is None else tuple(map(str, edns.extended_errors))
            raise self._located(TransferError.Refused(message.rcode, explanations, self.messages))
        if message.flags & TC:
            self.fail("it is truncated (TC)")
        if not message.answer:
            self.fail("it has no records")

    # -- the records

    def _read(self, message: Message) -> list[Sent]:
        question, limit = self.question, self._limits.records
        origin, rdclass = question.name, question.rdclass
        found: list[Sent] = []
        for index, record in enumerate(message.answer, 1):
            self._at = index
            if self.is_done:
                self.fail(f"{record.name} {record.rdtype} stands behind the last SOA")
            if not record.name.is_subdomain_of(origin):
                self.fail(f"{record.name} {record.rdtype} is not in the zone {origin}")
            if record.rdclass != rdclass:
                self.fail(f"{record.name} {record.rdtype} is of class {record.rdclass}, not {rdclass}")
            self.records += 1
            if self.records > limit:
                raise self._located(TransferError.TooLarge("records", limit))
            if record.rdtype == DnsRecordType.SOA:
                assert isinstance(record, DnsRecord.SOA)
                if record.name != origin:
                    self.fail(f"an SOA of {record.name} in the zone {origin}")
                self._part = self._soa_part(record)
            else:
                if record.rdtype in _META:
                    self.fail(f"{record.rdtype} records are in no zone")
                self._part = self._other_part(record)
            found.append(Sent(self._part, record))
        self._end_of_message()
        self._at = None
        return found

    def _end_of_message(self) -> None:
        """RFC 1995 section 2: the SOA alone, no newer than what was asked about, is all."""
        if self.kind is not None or self.records != 1 or self._serial is None or self.soa is None:
            return
        if not is_newer(self.soa.serial, self._serial):
            self.kind = TransferKind.CURRENT
            self.is_done = True

    def _other_part(self, record: DnsRecord) -> Part:
        """What a record is that is no SOA."""
        last = self._part
        if self.soa is None:
            self.fail(f"the first record is {record.name} {record.rdtype}, not the SOA of the zone")
        if last is Part.FIRST:
            # RFC 1995 section 4: this is the second record, and tells the whole zone from differences.
            self.kind = TransferKind.AXFR
            return Part.RECORD
        if last is Part.OLD_SOA:
            return Part.DELETED
        return Part.ADDED if last is Part.NEW_SOA else last

    def _soa_part(self, soa: SOA) -> Part:
        """What an SOA of the zone is, which depends on what came before it."""
        first, last = self.soa, self._part
        if first is None:
            self.soa = soa
            return Part.FIRST
        if last is Part.FIRST and self.kind is None:
            return self._second(soa, first)
        if self.kind is TransferKind.AXFR:
            return self._closing(soa, first)
        if last in (Part.OLD_SOA, Part.DELETED):
            if not is_newer(soa.serial, self._reached):
                self.fail(
                    f"the difference leads from serial {self._reached} to {soa.serial}, which is not newer"
                )
            self._reached = soa.serial
            return Part.NEW_SOA
        if self._reached == first.serial:
            return self._closing(soa, first)
        if soa.serial != self._reached:
            self.fail(f"a difference from serial {soa.serial}, where the one before led to {self._reached}")
        return Part.OLD_SOA

    def _second(self, soa: SOA, first: SOA) -> Part:
        """What the second record of an answer to IXFR is, an SOA."""
        if soa.serial == self._serial and is_newer(first.serial, soa.serial):
            self.kind = TransferKind.IXFR
            self._reached = soa.serial
            return Part.OLD_SOA
        if soa.serial != first.serial:
            self.fail(
                f"the differences begin at serial {soa.serial}, not at {self._serial} which was asked about"
            )
        self.kind = TransferKind.AXFR  # of a zone that has nothing else
        return self._closing(soa, first)

    def _closing(self, soa: SOA, first: SOA) -> Part:
        if soa.serial != first.serial:
            self.fail(f"the last SOA has serial {soa.serial}, the first had {first.serial}")
        if not soa.same_data(first):
            self.fail("the last SOA is not the first one, although it has the same serial")
        self.is_done = True
        return Part.LAST

    # -- errors

    def _malformed(self, error: DnsError.InvalidResponse) -> NoReturn:
        found = re.match(r"answer\[(\d+)\]", error.field)
        self._at = None if found is None else int(found[1]) + 1
        where = f"{error.field} at octet {error.offset}" if error.field else f"octet {error.offset}"
        raise self._located(TransferError.Broken(f"malformed: {where}: {error.reason}")) from error

    def _distrust(self, error: TsigError) -> NoReturn:
        words = str(error).removeprefix("lookup: ")
        raise self._located(TransferError.Untrusted(words, hint=error.hint)) from error

    def _located(self, error: E) -> E:
        """The error with the place where the transfer is, and what was asked."""
        error.message = error.message or self.messages
        error.record = self._at
        error.name, error.rdtype = self.question.name, self.question.rdtype
        return error
