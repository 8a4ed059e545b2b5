"""The result that `netkit dig` shows: the query, the reply to it, and what the reply means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.policy.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.commands.dig.grammar import Query
    from netkit.dns.messages.message import Message
    from netkit.dns.policy.steps import Step
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.policy.verdict import Meaning
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply
    from netkit.proxy.url import Proxy


class Answered:
    """A server's reply to a query, how it came to it, and what it means."""

    __slots__ = ("history", "proxy", "query", "reply", "verdict")

    def __init__(
        self, query: Query, reply: Reply, history: Sequence[Step] = (), proxy: Proxy | None = None
    ) -> None:
        self.query = query
        self.reply = reply
        self.history = history
        self.proxy = proxy
        self.verdict = judge(reply.message, query.question)

    @property
    def message(self) -> Message:
        """The answer itself."""
        return self.reply.message

    @property
    def meaning(self) -> Meaning:
        """What the answer means for the question."""
        return self.verdict.meaning

    @property
    def upstream(self) -> Upstream | None:
        """Who answered, as it was asked."""
        return next((step.upstream for step in self.history if step.came is self.reply), None)

    @property
    def server_name(self) -> str | None:
        """The name that the server's certificate was checked against; None without TLS."""
        upstream = self.upstream
        if upstream is None or not upstream.transport.is_encrypted:
            return None
        return upstream.tls_name or str(self.reply.server.ip)

    def shows_unicode(self, *, at_terminal: bool) -> bool:
        """Whether names are shown in Unicode: +[no]idnout decides, else at a terminal."""
        return bool(self.query.flags.get("idnout", at_terminal))

    def shows(self, part: str) -> bool:
        """Whether to show a part of the output: `+[no]part` decides, else `+[no]all`."""
        flags = self.query.flags
        return bool(flags.get(part, flags.get("all", True)))

    def section(self, name: str) -> tuple[DnsRecord, ...]:
        """The records of a section; empty if the section is not shown."""
        found: tuple[DnsRecord, ...] = getattr(self.message, name)
        return found if self.shows(name) else ()


class Referral(DnsError.NoData):
    """The server gave only a referral to other servers: neither records nor a denial."""

    hint = "ask one of the servers in the authority section, or a server that recurses"

    @property
    def kind(self) -> str:
        return "NoData"

    def __str__(self) -> str:
        return f"{self._subject}: no answer, only a referral to other servers{self._from_server}"
