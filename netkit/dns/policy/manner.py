"""`Manner`: how one upstream is asked in the course of one question, and when it must be asked in another
way.

It begins with what is known of the upstream, makes the queries, and looks at each reply first: a reply may
mean that the query was wrong for this server, and not yet say anything about the question. Each reason to ask
again applies once, so that no server can keep a client busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from netkit.dns.constants import Rcode
from netkit.dns.edns import EdnsOption
from netkit.dns.messages.message import make_query
from netkit.dns.policy.form import PLAIN_FORM
from netkit.dns.policy.steps import Why
from netkit.dns.policy.upstream import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.edns import Edns
    from netkit.dns.messages.message import Message, Question
    from netkit.dns.policy.knowledge import Learnt
    from netkit.dns.policy.options import QueryOptions
    from netkit.dns.policy.steps import Ask
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transports.reply import Reply

    #: `random(64)` returns 64 unpredictable bits as an integer (RFC 5452 section 4.3).
    Random: TypeAlias = Callable[[int], int]

#: RFC 8467 section 4.1: an encrypted query's length is a multiple of this many octets.
PADDING_BLOCK = 128

#: Response codes of a server that will never answer such a question.
NEVER = frozenset((Rcode.NOTIMP, Rcode.FORMERR))

#: The transports whose connections DNS itself manages.
_STREAMS = (Transport.TCP, Transport.TLS)


class Manner:
    """How `upstream` is asked, as far as this question has shown; `used` are the reasons that applied.

    `cut` is a truncated reply, after which TCP was used.
    """

    __slots__ = ("_case", "_cookies", "_edns", "_options", "cut", "learnt", "transport", "upstream", "used")

    def __init__(self, upstream: Upstream, learnt: Learnt, options: QueryOptions, now: float) -> None:
        self.upstream = upstream
        self.learnt = learnt
        self._options = options
        udp = upstream.transport is Transport.UDP
        self.transport = Transport.TCP if udp and options.tcp else upstream.transport
        self._edns = options.edns if learnt.has_edns(now) else None
        self._case = options.randomize_case and learnt.keeps_case(now)
        self._cookies = options.cookies
        self.used: set[Why] = set()
        self.cut: Reply | None = None

    def continue_from(self, message: Message, transport: Transport) -> None:
        """Go on in the manner of a query that another engine sent."""
        self.transport = transport
        if message.edns is None:
            self._edns = None

    # Queries.

    def query(self, question: Question, random: Random, now: float) -> tuple[Message, bool]:
        """The query to send, and whether its answer must have the same letter case."""
        options = self._options
        exact_case = self._case and self.transport is Transport.UDP
        message = make_query(
            question.name.with_case(random(256)) if exact_case else question.name,
            question.rdtype,
            id=0 if self.transport is Transport.HTTPS else random(16),
            rdclass=question.rdclass,
            rd=options.rd,
            ad=options.ad or options.trust_ad,
            cd=options.cd,
            edns=self._with_options(random, now),
        )
        if options.form is not PLAIN_FORM:
            message = options.form.shape(message)
        block = options.padding_block
        if block is None:
            block = PADDING_BLOCK if options.padding and self.transport.is_encrypted else 0
        if block:
            message = _padded(message, block, 0 if options.tsig is None else options.tsig.record_size)
        return message, exact_case

    def _with_options(self, random: Random, now: float) -> Edns | None:
        """The EDNS to send, with a cookie and the wish to keep a connection, beside the caller's options."""
        edns = self._edns
        if edns is None:
            return None
        options: list[EdnsOption] = []
        if self._cookies and not self.transport.is_encrypted and edns.option(EdnsOption.Cookie) is None:
            cookie = self.learnt.cookie(now, random)
            if cookie is not None:
                options.append(EdnsOption.Cookie(*cookie))
        # RFC 7828 section 3.2.1: over TCP and TLS; a connection of HTTPS is kept as HTTP says.
        keepalive = self._options.keepalive and self.transport in _STREAMS
        if keepalive and edns.option(EdnsOption.Keepalive) is None:
            options.append(EdnsOption.Keepalive())
        return edns.replace(options=(*edns.options, *options)) if options else edns

    # Reasons to ask again.

    def objection(self, ask: Ask, reply: Reply, now: float) -> Why | None:
        """Why to ask this upstream again after `reply`; None if the reply is about the question.

        What the reply shows of the server is learnt, and the next query will be another.
        """
        again = self._cookie(ask, reply, now) or self._version(ask, reply)
        if again is not None:
            return again
        rcode = reply.message.rcode
        if not ask.exact_case and Why.CASE in self.used and ask.transport is Transport.UDP:
            self.learnt.loses_case(now)
        if ask.message.edns is None and Why.NO_EDNS in self.used and rcode not in NEVER:
            self.learnt.lacks_edns(now)
        if reply.message.truncated and not self._options.ignore_truncation:
            again = self._over_tcp(ask, Why.TRUNCATED)
            if again is not None:
                self.cut = reply
        return again

    def cut_off(self, ask: Ask) -> Why | None:
        """Why to ask again after a truncated message of which nothing could be read."""
        return None if self._options.ignore_truncation else self._over_tcp(ask, Why.TRUNCATED)

    def miscased(self) -> Why | None:
        """Why to ask again after an answer in another letter case: in plain case, once."""
        self._case = False
        return self._once(Why.CASE)

    def unsigned(self, ask: Ask) -> Why | None:
        """Why to ask again after a message that was not signed as it must be: over TCP, once."""
        return self._over_tcp(ask, Why.UNSIGNED)

    def _version(self, ask: Ask, reply: Reply) -> Why | None:
        """Whether the server refused the query's EDNS, or its version of EDNS."""
        sent, rcode = ask.message.edns, reply.message.rcode
        if sent is None or self._edns is None or not self._options.negotiate_edns:
            return None
        if rcode == Rcode.BADVERS and sent.version:
            # RFC 6891 section 6.1.3: the answer's version is the highest that the server knows.
            told = reply.message.edns
            version = told.version if told is not None and told.version < sent.version else 0
            self._edns = self._edns.replace(version=version)
            return self._once(Why.VERSION)
        # A server that knows EDNS and finds a query malformed says so with an OPT record of its own; one that
        # does not know it may echo the whole query (RFC 6891 section 7). One more query tells them apart.
        # Where a query is odd on purpose, the server may mean that.
        if self._options.form is not PLAIN_FORM:
            return None
        if rcode == Rcode.FORMERR or (rcode == Rcode.NOTIMP and reply.message.edns is None):
            self._edns = None
            return self._once(Why.NO_EDNS)
        return None

    def _cookie(self, ask: Ask, reply: Reply, now: float) -> Why | None:
        """Learn from the reply's cookie, or from its absence (RFC 7873 section 5.3)."""
        sent = None if ask.message.edns is None else ask.message.edns.option(EdnsOption.Cookie)
        if sent is None:
            return None
        edns = reply.message.edns
        got = None if edns is None else edns.option(EdnsOption.Cookie)
        if not self._cookies:
            return self._return_cookie(ask, reply, sent, got)
        if got is not None and got.client != sent.client:
            self.learnt.lacks_cookies(now)
            self._cookies = False
            return self._once(Why.COOKIE_FOREIGN)
        if got is None or not got.server:
            # A forged answer has no cookie either. Over TCP nobody can forge, and the truth comes out.
            if self.learnt.has_server_cookie:
                again = self._over_tcp(ask, Why.COOKIE_TCP)
                if again is not None:
                    return again
            self.learnt.lacks_cookies(now)
            return None
        self.learnt.gave_cookie(got.client, got.server)
        if reply.message.rcode != Rcode.BADCOOKIE:
            return None
        return self._once(Why.COOKIE) or self._over_tcp(ask, Why.COOKIE_TCP)

    def _return_cookie(
        self, ask: Ask, reply: Reply, sent: EdnsOption.Cookie, got: EdnsOption.Cookie | None
    ) -> Why | None:
        """Put the server's cookie into the caller's EDNS, where the server wants it."""
        edns = self._edns
        if reply.message.rcode != Rcode.BADCOOKIE or not self._options.return_cookie or edns is None:
            return None
        if got is None or not got.server or got.client != sent.client:
            return None
        options = [got if isinstance(each, EdnsOption.Cookie) else each for each in edns.options]
        self._edns = edns.replace(options=options)
        return self._once(Why.COOKIE) or self._over_tcp(ask, Why.COOKIE_TCP)

    def _once(self, why: Why) -> Why | None:
        """The reason, unless it has applied already."""
        if why in self.used:
            return None
        self.used.add(why)
        return why

    def _over_tcp(self, ask: Ask, why: Why) -> Why | None:
        if ask.transport is not Transport.UDP or self._once(why) is None:
            return None
        self.transport = Transport.TCP
        return why


def _padded(message: Message, block: int, more: int) -> Message:
    """The query with an option that makes its length a multiple of `block` octets (RFC 7830), with `more`
    octets for a signature."""
    edns = message.edns
    if edns is None or edns.option(EdnsOption.Padding) is not None:
        return message
    length = -(len(message.to_wire()) + more + 4) % block  # 4: the code and length of the option itself
    return message.replace(edns=edns.replace(options=(*edns.options, EdnsOption.Padding(length))))
