"""The octets of a query, quicker than those of any message.

`Message.to_wire` writes any message. A query has one question and perhaps an OPT record, and a resolver sends
thousands of them a second with the same OPT record: so that is encoded once. RFC 1035 section 4.1, RFC 6891
section 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.messages.wire import WireWriter

if TYPE_CHECKING:
    from netkit.dns.edns import Edns
    from netkit.dns.messages.message import Message

_HEADER_SIZE = 12
_COUNTS = b"\x00\x01\x00\x00\x00\x00\x00\x00"
_COUNTS_WITH_OPT = b"\x00\x01\x00\x00\x00\x00\x00\x01"


class QueryEncoder:
    """Encodes queries, and remembers the OPT record of the last one."""

    __slots__ = ("_edns", "_opt")

    def __init__(self) -> None:
        self._edns: Edns | None = None
        self._opt = b""

    def encode(self, query: Message) -> tuple[bytes, bytes]:
        """The query's octets, and those of its questions alone, from the first name to the last class."""
        if len(query.question) != 1 or query.answer or query.authority or query.additional or query.rcode:
            wire = query.to_wire(compress=False)
            asked = sum(len(each.name.to_wire()) + 4 for each in query.question)
            return wire, wire[_HEADER_SIZE : _HEADER_SIZE + asked]
        (question,) = query.question
        asking = question.name.to_wire() + (question.rdtype << 16 | question.rdclass).to_bytes(4, "big")
        head = (query.id << 16 | query.flags | query.opcode << 11).to_bytes(4, "big")
        edns = query.edns
        if edns is None:
            return head + _COUNTS + asking, asking
        if edns is not self._edns:
            writer = WireWriter(compress=False)
            edns.to_wire(writer, 0)
            self._edns, self._opt = edns, bytes(writer.data)
        return head + _COUNTS_WITH_OPT + asking + self._opt, asking
