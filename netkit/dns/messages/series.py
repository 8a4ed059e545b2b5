"""One response in many messages, such as a zone transfer (RFC 5936 section 2.2): `write_series`.

A message is its header, in the first one the question, a block of records, and EDNS. Only the blocks are
work, and they are the same for every client that asks by a name in the same letter case: `Blocks` keeps those
that were made, for what is given to many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.errors import DnsError
from netkit.dns.messages.wire import MAX_MESSAGE, WireWriter
from netkit.dns.messages.writing import write_behind_owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.dns.messages.message import Message, Question
    from netkit.dns.records.base import DnsRecord

#: The most octets that a pointer can skip (RFC 1035 section 4.1.4): further back nothing is compressed.
COMPRESSIBLE = 0x4000
#: The octets of an OPT record without options.
BARE_OPT = 11

_HEADER = 12


class Block(NamedTuple):
    """The records of one message: how many, and their octets, whose pointers count from its header."""

    records: int
    octets: bytes


class Blocks:
    """The blocks of `records`, made when the first reader comes to them, and kept for the others.

    They are for messages of which the first has `question`, or one with the same name in the same case.
    """

    __slots__ = ("_error", "_left", "_made", "question")

    def __init__(self, question: Question, records: Iterable[DnsRecord]) -> None:
        self.question = question
        self._made: list[Block] = []
        self._error: DnsError | None = None
        self._left = encode_blocks((question,), records, COMPRESSIBLE - BARE_OPT, MAX_MESSAGE - BARE_OPT)

    def fits(self, question: Question) -> bool:
        """Whether they are for an answer to this question too."""
        return question.name.to_wire() == self.question.name.to_wire()

    def __iter__(self) -> Iterator[Block]:
        at = 0
        while True:
            if at == len(self._made):
                if self._error is not None:
                    raise self._error
                try:
                    block = next(self._left, None)
                except DnsError as error:
                    self._error = error  # there is no more, also for the next reader
                    raise
                if block is None:
                    return
                self._made.append(block)
            yield self._made[at]
            at += 1


def write_series(
    head: Message, records: Iterable[DnsRecord], size: int = COMPRESSIBLE, reserved: int = 0
) -> Iterator[bytes]:
    """The messages that carry `records` in their answer sections, as full as they can be, each made when due.

    `head` is the message without them: its ID, flags and EDNS are those of all messages, its question is that
    of the first (RFC 5936 section 2.2.1). A message has up to `size` octets and `reserved` more that are left
    for a signature; a record that is larger has a message of its own. At least one message is made.

    Raises DnsError.InvalidValue for a record that fits in no message.
    """
    edns = len(_opt(head))
    blocks = encode_blocks(head.question, records, size - edns, MAX_MESSAGE - reserved - edns)
    return frame_blocks(head, blocks, reserved)


def frame_blocks(head: Message, blocks: Iterable[Block], reserved: int = 0) -> Iterator[bytes]:
    """The messages with these blocks; `head` and `reserved` are as for `write_series`.

    Raises DnsError.InvalidValue for a block that fits in no message.
    """
    opt = _opt(head)
    begin = head.to_wire()
    begin = begin[: len(begin) - len(opt)]
    limit = MAX_MESSAGE - reserved
    for count, octets in blocks:
        wire = b"".join((begin[:6], count.to_bytes(2, "big"), begin[8:], octets, opt))
        if len(wire) > limit:
            raise _too_large("records", str(count), limit)
        yield wire
        begin = begin[:4] + b"\0\0" + begin[6:_HEADER]  # QDCOUNT


def encode_blocks(
    questions: Sequence[Question], records: Iterable[DnsRecord], size: int, limit: int
) -> Iterator[Block]:
    """The records in blocks, at least one. Before each stands a header, and the questions before the first.

    A block ends before octet `size` of its message, but for a single record, which may come to `limit`.
    Raises DnsError.InvalidValue for a record that does not.
    """
    left = iter(records)
    record = next(left, None)
    first = True
    while first or record is not None:
        writer = WireWriter()
        data, write_name = writer.data, writer.name
        data += bytes(_HEADER)
        for question in questions if first else ():
            question.to_wire(writer)
        first = False
        start = len(data)
        count = 0
        while record is not None:
            mark = len(data)
            write_name(record.name)
            write_behind_owner(writer, record)
            if len(data) > size and (count or len(data) > limit):
                if not count:
                    raise _too_large("record", str(record), limit)
                writer.rewind(mark)
                break
            count += 1
            record = next(left, None)
        yield Block(count, bytes(data[start:]))


def _opt(head: Message) -> bytes:
    """The octets of the OPT record, which is the last one."""
    if head.edns is None:
        return b""
    return head.replace(question=()).to_wire()[_HEADER:]


def _too_large(field: str, value: str, limit: int) -> DnsError.InvalidValue:
    return DnsError.InvalidValue(field, value, f"no message of {limit:,} octets can carry it", limit=limit)
