"""`QueryForm`: what is out of the ordinary in the header of a query, to see what a server makes of it.

A resolver never needs any of it. Who looks at a server does: a server must not mind a set Z bit (RFC 1035
section 4.1.1), must say NOTIMP to an opcode that it does not know, and may answer a message without a
question with its cookie alone (RFC 7873 section 5.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.constants import Opcode
from netkit.dns.errors import DnsError
from netkit.dns.messages.header import AA, RA, TC, Z
from netkit.dns.value import Value, assign, checked_int

if TYPE_CHECKING:
    from netkit.dns.messages.message import Message

#: The flags that only a `QueryForm` sets in a query; `QueryOptions` has the others.
FORM_FLAGS = AA | TC | RA | Z


class QueryForm(Value):
    """What the header of a query has beside the ordinary.

    `opcode` is that of the header. `flags` are any of AA, TC, RA and Z (`netkit.dns.messages.header`). `id`
    is the ID of the query; None is a random one, as it should be (RFC 5452). `has_question` is False for a
    query that is only a header and an OPT record.

    Raises DnsError.InvalidValue.
    """

    __slots__ = ("flags", "has_question", "id", "opcode")
    __match_args__ = ("opcode", "flags", "id", "has_question")

    opcode: Opcode
    flags: int
    id: int | None
    has_question: bool

    def __init__(
        self,
        opcode: int = Opcode.QUERY,
        flags: int = 0,
        id: int | None = None,  # noqa: A002  # the field's own name
        has_question: bool = True,
    ) -> None:
        if flags & ~FORM_FLAGS:
            raise DnsError.InvalidValue("flags", hex(flags), "only AA, TC, RA and Z", limit=FORM_FLAGS)
        assign(self, "opcode", Opcode(opcode))
        assign(self, "flags", flags)
        assign(self, "id", None if id is None else checked_int("id", id, 0xFFFF))
        assign(self, "has_question", bool(has_question))

    def shape(self, query: Message) -> Message:
        """The query in this form."""
        return query.replace(
            id=query.id if self.id is None else self.id,
            flags=query.flags | self.flags,
            opcode=self.opcode,
            question=query.question if self.has_question else (),
        )


#: The form of every query that a resolver sends.
PLAIN_FORM = QueryForm()
