"""One question to a list of servers: transports, retries and fallbacks, without judging the answer.

This is what `dig` needs: the result is whatever a server answers, including SERVFAIL and NXDOMAIN.
`resolution.py` judges the answers. The steps, in order:

- If no answer to a UDP query comes within `timeout`, netkit sends the query again, to each server in turn,
  for `tries` rounds (RFC 1035 section 7.2).
- If an answer is truncated, netkit asks again over TCP (RFC 7766 section 5).
- If a server answers in a different letter case than that of the query, and no answer in the right case
  comes, netkit asks this server again with the name in plain letter case.
- If a server answers a query with EDNS by FORMERR or BADVERS, netkit asks again without EDNS (RFC 6891
  section 7).
"""

from __future__ import annotations

import random
from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.dns.constants import Rcode
from netkit.dns.errors import DnsError
from netkit.dns.message import DEFAULT_EDNS, make_query
from netkit.dns.transports.reply import Ignored
from netkit.dns.transports.tcp import exchange_tcp
from netkit.dns.transports.udp import exchange_udp
from netkit.dns.value import Value, assign
from netkit.io import phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netkit.addr import SocketAddr
    from netkit.dns.edns import Edns
    from netkit.dns.message import Message, Question
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.transports.reply import Reply
    from netkit.io import Flow

log = Log("netkit.dns")

#: Seconds to wait for one answer, and how often each server is asked (the defaults of resolv.conf(5)).
DEFAULT_TIMEOUT = 5.0
DEFAULT_TRIES = 2

_system_random = random.SystemRandom()


def random_bits(count: int) -> int:
    """Return unpredictable bits, for IDs and letter case (RFC 5452 section 4.3)."""
    return _system_random.getrandbits(count)


class QueryOptions(Value):
    """How questions are asked.

    `timeout` is how many seconds to wait for one answer, `tries` is how often each server is asked. `tcp`
    asks over TCP from the start. `ignore_truncation` accepts a truncated answer. `rd`, `ad` and `cd` are
    bits of the header. `edns` is None for queries without EDNS. `randomize_case` sends the name in random
    letter case, which an attacker must also guess to forge an answer. `source` is the local address of the
    queries (port 0: any port).
    """

    __slots__ = (
        "ad", "cd", "edns", "ignore_truncation", "randomize_case", "rd", "source", "tcp", "timeout", "tries",
    )  # fmt: skip
    __match_args__ = (
        "timeout", "tries", "tcp", "ignore_truncation", "rd", "ad", "cd", "edns", "randomize_case", "source",
    )  # fmt: skip

    timeout: float
    tries: int
    tcp: bool
    ignore_truncation: bool
    rd: bool
    ad: bool
    cd: bool
    edns: Edns | None
    randomize_case: bool
    source: SocketAddr | None

    def __init__(
        self,
        timeout: float = DEFAULT_TIMEOUT,
        tries: int = DEFAULT_TRIES,
        tcp: bool = False,
        ignore_truncation: bool = False,
        rd: bool = True,
        ad: bool = False,
        cd: bool = False,
        edns: Edns | None = DEFAULT_EDNS,
        randomize_case: bool = True,
        source: SocketAddr | None = None,
    ) -> None:
        if not timeout > 0:
            raise DnsError.InvalidValue("timeout", timeout, "must be more than 0 seconds")
        if tries < 1:
            raise DnsError.InvalidValue("tries", tries, "must be at least 1")
        assign(self, "timeout", timeout)
        assign(self, "tries", tries)
        assign(self, "tcp", tcp)
        assign(self, "ignore_truncation", ignore_truncation)
        assign(self, "rd", rd)
        assign(self, "ad", ad)
        assign(self, "cd", cd)
        assign(self, "edns", edns)
        assign(self, "randomize_case", randomize_case)
        assign(self, "source", source)


DEFAULT_OPTIONS = QueryOptions()


def ask(
    question: Question,
    servers: Sequence[SocketAddr],
    options: QueryOptions = DEFAULT_OPTIONS,
    *,
    usable: Callable[[Reply], bool] | None = None,
) -> Flow[Reply]:
    """Flow: return the first answer to `question` from one of `servers`, whatever the answer says.

    If `usable` is given and returns False for an answer, the flow asks the next server. If no answer is
    usable, the flow returns the last answer. If no server answers at all, the flow raises the most
    informative DnsError: InvalidResponse before NetworkError before Timeout.
    """
    if not servers:
        raise DnsError.TryAgain("no name server is configured", name=question.name, rdtype=question.rdtype)
    asker = _Asker(question, options)
    begun = monotonic()
    second_best: Reply | None = None
    errors: list[DnsError] = []
    for _ in range(options.tries):
        for server in servers:
            try:
                reply = yield from asker.ask(server)
            except DnsError as error:
                log.debug("%s: %s", server, error)
                errors.append(error)
                continue
            if usable is None or usable(reply):
                return reply
            log.debug("%s answered %s: asking the next server", server, reply.message.rcode)
            second_best = reply
        if second_best is not None:
            return second_best  # a server answered: another round would bring the same answers
    raise _most_telling(errors, question, servers, monotonic() - begun)


class _Asker:
    """One question, and what this object has learnt about how to ask the servers."""

    def __init__(self, question: Question, options: QueryOptions) -> None:
        self.question = question
        self.options = options
        self.edns = options.edns
        self.randomize_case = options.randomize_case

    def ask(self, server: SocketAddr) -> Flow[Reply]:
        """Flow: return one server's answer, over a transport and with an EDNS that the server supports."""
        reply = yield from self._over_transports(server)
        rcode = reply.message.rcode
        if self.edns is not None and rcode in (Rcode.FORMERR, Rcode.NOTIMP) and reply.message.edns is None:
            log.debug("%s answered %s to EDNS: asking without", server, rcode)
            self.edns = None
            reply = yield from self._over_transports(server)
        elif self.edns is not None and rcode == Rcode.BADVERS and self.edns.version:
            log.debug("%s does not know EDNS version %d: asking with 0", server, self.edns.version)
            self.edns = self.edns.replace(version=0)
            reply = yield from self._over_transports(server)
        return reply

    def _over_transports(self, server: SocketAddr) -> Flow[Reply]:
        options = self.options
        if options.tcp:
            return (yield from self._once(server, tcp=True))
        reply = yield from self._once(server, tcp=False)
        if not reply.message.truncated or options.ignore_truncation:
            return reply
        log.debug("%s: truncated at %d octets: asking over TCP", server, reply.size)
        try:
            whole = yield from self._once(server, tcp=True)
        except DnsError as error:
            raise DnsError.Truncated(
                reply.size, name=self.question.name, rdtype=self.question.rdtype, server=server
            ) from error
        whole.fell_back = True
        return whole

    def _once(self, server: SocketAddr, *, tcp: bool) -> Flow[Reply]:
        query = self._query()
        until = monotonic() + self.options.timeout
        exchange = exchange_tcp if tcp else exchange_udp
        log.debug(
            "%s: asking over %s: %s %s (id %d)",
            server, "TCP" if tcp else "UDP", self.question.name, self.question.rdtype, query.id,
        )  # fmt: skip
        ignored = Ignored()
        try:
            with phase(f"asking {server} for {self.question.name} {self.question.rdtype}", "resolve"):
                reply = yield from exchange(
                    query,
                    server,
                    until=until,
                    source=self.options.source,
                    exact_case=self.randomize_case,
                    ignored=ignored,
                )
        except DnsError as error:
            if not (isinstance(error, DnsError.Timeout) and ignored.miscased):
                error.name = error.name and self.question.name  # in the caller's letter case
                raise
            # The server may be one that does not keep letter case. Only this allows to go without: not
            # silence, nor any message that is wrong otherwise, which anybody could send.
            log.debug("%s: answered in another letter case: asking again in plain", server)
            self.randomize_case = False
            return (yield from self._once(server, tcp=tcp))
        log.debug(
            "%s: %s over %s: %s %s, %d octets in %.1f ms",
            server, reply.message.rcode, reply.transport.upper(), self.question.name, self.question.rdtype,
            reply.size, reply.elapsed_s * 1000,
        )  # fmt: skip
        if self.randomize_case:
            reply.message = _in_the_case_asked(reply.message, self.question)
        return reply

    def _query(self) -> Message:
        question, options = self.question, self.options
        name = question.name.with_case(random_bits(256)) if self.randomize_case else question.name
        return make_query(
            name,
            question.rdtype,
            id=random_bits(16),
            rdclass=question.rdclass,
            rd=options.rd,
            ad=options.ad,
            cd=options.cd,
            edns=self.edns,
        )


def _in_the_case_asked(message: Message, question: Question) -> Message:
    """Return the message with the question's name in the caller's letter case, not in the query's."""

    def restored(records: tuple[DnsRecord, ...]) -> list[DnsRecord]:
        return [
            record.replace(name=question.name) if record.name == question.name else record
            for record in records
        ]

    return message.replace(
        question=[question] if message.question else [],
        answer=restored(message.answer),
        authority=restored(message.authority),
        additional=restored(message.additional),
    )


def _most_telling(
    errors: list[DnsError], question: Question, servers: Sequence[SocketAddr], elapsed: float
) -> DnsError:
    for kind in (DnsError.InvalidResponse, DnsError.Truncated):
        for error in errors:
            if isinstance(error, kind):
                return error
    silent = [error for error in errors if isinstance(error, DnsError.Timeout)]
    if not silent:
        return errors[-1]
    hint = next((error.hint for error in silent if error.hint != DnsError.Timeout.hint), None)
    server = ", ".join(map(str, servers))
    return DnsError.Timeout(
        round(elapsed, 3), len(errors), name=question.name, rdtype=question.rdtype, server=server, hint=hint
    )
