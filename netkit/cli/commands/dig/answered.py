"""The result that `netkit dig` shows: the query, the reply to it, and what the reply means."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from netkit.dns.constants import DnsRecordType, Opcode, Rcode
from netkit.dns.errors import DnsError
from netkit.dns.policy.verdict import judge
from netkit.dns.transports.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.addr import SocketAddr
    from netkit.cli.commands.dig.grammar.queries import Query
    from netkit.dns.messages.message import Message
    from netkit.dns.policy.steps import Step
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.policy.verdict import Meaning
    from netkit.dns.records.base import DnsRecord
    from netkit.proxy.url import Proxy


#: Answers that are shown only where a flag asks for them: each led to another query.
_ON_DEMAND = {"showbadcookie": Rcode.BADCOOKIE, "showbadvers": Rcode.BADVERS}


class Shown:
    """Something to show for a query, in the way that the query's flags say."""

    __slots__ = ("query",)

    def __init__(self, query: Query) -> None:
        self.query = query

    def shows_unicode(self, *, at_terminal: bool) -> bool:
        """Whether names are shown in Unicode: +[no]idnout decides, else at a terminal."""
        return bool(self.query.flags.get("idnout", at_terminal))

    def shows(self, part: str) -> bool:
        """Whether to show a part of the output: `+[no]part` decides, else `+[no]all`."""
        flags = self.query.flags
        return bool(flags.get(part, flags.get("all", True)))

    def section_of(self, message: Message, name: str) -> tuple[DnsRecord, ...]:
        """The records of a message's section; empty if the section is not shown."""
        found: tuple[DnsRecord, ...] = getattr(message, name)
        return found if self.shows(name) else ()

    def form(self, mode: str) -> str:
        """The form of output, json, plain, short or table: that of the command, but for what `+short` or
        `+noshort` in a line of a file say."""
        short = self.query.flags.get("short")
        if mode == "plain" and short:
            return "short"
        return "plain" if mode == "short" and short is False else mode

    @property
    def has_own_form(self) -> bool:
        """Whether messages are shown in a form of their own: YAML, or the JSON of RFC 8427."""
        return bool(self.query.flags.get("yaml") or self.query.flags.get("json"))


class ShownTransfer(Shown):
    """Something to show of a zone transfer: of its messages, as in BIND's dig, headers, EDNS and the question
    only on demand.

    `at_end` says that a message ends the transfer with the SOA once more, which +onesoa leaves out.
    """

    __slots__ = ("at_end",)

    def __init__(self, query: Query) -> None:
        super().__init__(query)
        self.at_end = False

    def shows(self, part: str) -> bool:
        """Whether to show a part of the output."""
        flags = self.query.flags
        return bool(flags.get(part, flags.get("all", part not in ("comments", "question"))))

    def section_of(self, message: Message, name: str) -> tuple[DnsRecord, ...]:
        """The records of a message's section; empty if the section is not shown."""
        found = super().section_of(message, name)
        return found[:-1] if self.at_end and name == "answer" and self.has_one_soa else found

    @property
    def has_messages(self) -> bool:
        """Whether messages are shown, and not only the records in them."""
        return self.has_own_form or self.shows("comments") or self.shows("question")

    @property
    def has_one_soa(self) -> bool:
        """Whether the SOA at the end is left out: with +onesoa, and as in BIND's dig for AXFR alone."""
        return self.query.rdtype == DnsRecordType.AXFR and bool(self.query.flags.get("onesoa"))


class Answered(Shown):
    """A server's reply to a query, how it came to it, and what it means.

    `before` are the replies for the names of the search list that were tried before and do not exist.
    """

    __slots__ = ("before", "came_at", "history", "proxy", "reply", "source", "verdict")

    def __init__(
        self,
        query: Query,
        reply: Reply,
        history: Sequence[Step] = (),
        proxy: Proxy | None = None,
        before: Iterable[Answered] = (),
    ) -> None:
        super().__init__(query)
        self.reply = reply
        self.history = history
        self.proxy = proxy
        self.before = tuple(before)
        #: When the answer came, in seconds since 1970.
        self.came_at = time()
        #: The local address that was asked for; None if the kernel chose it.
        self.source: SocketAddr | None = None
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
    def is_lookup(self) -> bool:
        """Whether records were asked for: not by a header alone, and not with another opcode than QUERY."""
        query = self.reply.query
        return query.opcode == Opcode.QUERY and bool(query.question)

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

    @property
    def sent(self) -> list[tuple[Step | None, Message]]:
        """The queries that led to the answer, in the order in which they were sent, each with its step."""
        found: list[tuple[Step | None, Message]] = [
            (step, self.reply.query if step.came is self.reply else step.query) for step in self.history
        ]
        return found or [(None, self.reply.query)]

    def reply_before(self, step: Step | None) -> Reply | None:
        """What came of a query before the one that was answered, if it is to be shown."""
        if step is None or not isinstance(step.came, Reply) or step.came is self.reply:
            return None
        rcode, flags = step.came.message.rcode, self.query.flags
        wanted = any(flags.get(flag) and rcode == each for flag, each in _ON_DEMAND.items())
        return step.came if wanted else None

    @property
    def steps(self) -> list[tuple[str, float]]:
        """The steps on the way to the answer, with how long each took, in seconds."""
        reply, made = self.reply, self.reply.connection
        found: list[tuple[str, float]] = []
        if made is not None and not made.is_reused:
            timed = (("connect", made.connect_s), ("proxy", made.proxy_s), ("tls", made.tls_s))
            found = [(name, seconds) for name, seconds in timed if seconds is not None]
        return [*found, ("wait", max(reply.elapsed_s - sum([seconds for _, seconds in found]), 0.0))]

    def spent(self, seconds: float) -> str:
        """A time in milliseconds, with -u in microseconds."""
        if self.query.flags.get("microseconds"):
            return f"{seconds * 1_000_000:.0f}"
        return f"{seconds * 1000:.1f}"

    @property
    def unit(self) -> str:
        """The unit of `spent`."""
        return "us" if self.query.flags.get("microseconds") else "ms"

    @property
    def shown_before(self) -> tuple[Answered, ...]:
        """The replies of `before` that are shown too: with +showsearch."""
        return self.before if self.query.flags.get("showsearch") else ()

    def section(self, name: str) -> tuple[DnsRecord, ...]:
        """The records of a section; empty if the section is not shown."""
        return self.section_of(self.message, name)


class Referral(DnsError.NoData):
    """The server gave only a referral to other servers: neither records nor a denial."""

    hint = "ask one of the servers in the authority section, or a server that recurses"

    @property
    def kind(self) -> str:
        return "NoData"

    def __str__(self) -> str:
        return f"{self._subject}: no answer, only a referral to other servers{self._from_server}"
