"""The answer to a query, and the rule that decides whether a message is the answer.

RFC 5452 section 9.1: an answer comes from the server of the query, to the port of the query, with the query's
ID and question, in the same letter case, because an attacker must guess the case too (the "0x20" bits).
netkit counts any other message and continues to wait. Such a message is not an error, because otherwise one
forged datagram could end a lookup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.message import Message

if TYPE_CHECKING:
    from netkit.addr import SocketAddr


class Reply:
    """A server's answer to a query, and how it was received.

    `elapsed_s` is from sending the query to having the answer (over TCP, from connecting); `size` is the
    answer's length in octets; `ignored` counts messages that were not the answer; `fell_back` is True
    where an answer over UDP was truncated and this is the one over TCP.
    """

    __slots__ = (
        "elapsed_s",
        "fell_back",
        "ignored",
        "message",
        "query",
        "server",
        "size",
        "transport",
        "wire",
    )

    def __init__(
        self,
        query: Message,
        message: Message,
        *,
        server: SocketAddr,
        transport: str,
        wire: bytes,
        elapsed_s: float,
        ignored: int = 0,
    ) -> None:
        self.query = query
        self.message = message
        self.server = server
        self.transport = transport
        self.wire = wire
        self.size = len(wire)
        self.elapsed_s = elapsed_s
        self.ignored = ignored
        self.fell_back = False

    def __repr__(self) -> str:
        return f"<Reply {self.message.rcode} from {self.server} over {self.transport}>"


class Ignored:
    """Messages that were not the answer: how many, and whether one was in all but its letter case."""

    __slots__ = ("count", "miscased")

    def __init__(self) -> None:
        self.count = 0
        self.miscased = False

    def add(self, query: Message, wire: bytes, server: SocketAddr) -> None:
        """Count a message that `decode_reply` did not take."""
        self.count += 1
        if not self.miscased:
            self.miscased = decode_reply(query, wire, server, exact_case=False) is not None

    @property
    def hint(self) -> str | None:
        """Return the hint about these messages, for an error when no answer came."""
        if not self.count:
            return None
        came = "1 message" if self.count == 1 else f"{self.count} messages"
        return f"{came} came, but not the answer"


def decode_reply(
    query: Message, wire: bytes, server: SocketAddr, *, exact_case: bool = True
) -> Message | None:
    """The message, if it is the answer to `query`; None if it is something else.

    `exact_case` says whether the letters of the name must come back in the case they were sent in.
    Raises DnsError.InvalidResponse if the message has the query's ID but is malformed. An attacker who knows
    the ID and the port could send a valid message just as well, so ignoring this one would not help.
    """
    if len(wire) < 2 or int.from_bytes(wire[:2], "big") != query.id:
        return None
    try:
        message = Message.from_wire(wire)
    except DnsError.InvalidResponse as error:
        error.server = server
        raise
    if not message.is_response or message.opcode != query.opcode:
        return None
    if not message.question and message.rcode in (Rcode.FORMERR, Rcode.NOTIMP, Rcode.REFUSED, Rcode.SERVFAIL):
        return message  # a server that could not make out the question has none to give back
    if len(message.question) != len(query.question):
        return None
    for asked, told in zip(query.question, message.question, strict=True):
        if (asked.rdtype, asked.rdclass) != (told.rdtype, told.rdclass):
            return None
        same = told.name.is_identical(asked.name) if exact_case else told.name == asked.name
        if not same:
            return None
    return message
