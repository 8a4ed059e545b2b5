"""`Server`, who is asked, and `Heard`, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.comparing.content import Content
from netkit.dns.policy.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.dns.errors import DnsError
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name
    from netkit.dns.policy.steps import Step
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply


class Server(NamedTuple):
    """Whom to ask: one server, or several of which the first to answer counts; none, if there is no address.

    `name` is the name it goes by, such as that of an NS record. `zone` is the zone that it is said to be
    authoritative for: an answer without authority is a fault then ("lame"); None where nothing is said.
    """

    upstreams: tuple[Upstream, ...]
    name: Name | None = None
    zone: Name | None = None

    @classmethod
    def of(cls, server: UpstreamLike, name: Name | None = None, zone: Name | None = None) -> Server:
        """One server, in any form in which upstreams are given."""
        return cls((Upstream.of(server),), name, zone)

    @property
    def address(self) -> str:
        """Where it is, as an upstream is written: `192.0.2.53:53`, `tls://192.0.2.53:853`."""
        return " ".join([str(each) for each in self.upstreams])

    def __str__(self) -> str:
        return self.address if self.name is None else f"{self.address} ({self.name})"


class Heard:
    """What `server` said to `question`: `reply`, or the `error` that is the reason for none.

    `soa` is the SOA record of the zone, where the server was asked for it. `content` is what counts of the
    reply; None without one. `history` are all queries.
    """

    __slots__ = ("content", "error", "history", "question", "reply", "server", "soa")

    def __init__(
        self,
        server: Server,
        question: Question,
        reply: Reply | None = None,
        error: DnsError | None = None,
        soa: DnsRecord.SOA | None = None,
        history: Sequence[Step] = (),
    ) -> None:
        self.server = server
        self.question = question
        self.reply = reply
        self.error = error
        self.soa = soa
        self.history = tuple(history)
        self.content = None if reply is None else Content(reply.message, question, soa)

    def __repr__(self) -> str:
        return f"<Heard of {self.server}: {self.error or self.content}>"
