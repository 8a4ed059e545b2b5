"""One question to one upstream, over whatever transport: what the flows of one thread ask through.

A `Station` holds the sockets and connections of one place (see `places`). `ask_flow` sends the query of an
`Ask` and returns the reply, or the error that says why there is none. It decides nothing: what is asked of
whom, and what follows from an answer, is `netkit.dns.policy.resolution`'s.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING
from weakref import finalize

from netkit.dns.edns import EdnsOption
from netkit.dns.errors import DnsError
from netkit.dns.policy.matching import Mismatch, match, mismatch_error
from netkit.dns.policy.upstream import Transport
from netkit.dns.transports.chance import Chance
from netkit.dns.transports.https import aged, https_answer, https_query
from netkit.dns.transports.query import QueryEncoder
from netkit.dns.transports.ready import ReadySet
from netkit.dns.transports.reply import Reply
from netkit.dns.transports.streams import Streams
from netkit.dns.transports.table import Outstanding
from netkit.dns.transports.udp import exchange_udp
from netkit.dns.transports.udp_pool import UdpPool
from netkit.io import DeadlineExceeded, Event, Interrupted, before
from netkit.net.resolve import system_resolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.addr import SocketAddr
    from netkit.dns.messages.message import Message, Question
    from netkit.dns.policy.steps import Ask
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transports.announced import Announced
    from netkit.dns.transports.https import HttpsExchange
    from netkit.dns.transports.streams import Connect
    from netkit.dns.tsig.guard import Guard
    from netkit.io import Flow
    from netkit.net.resolve import NameResolver
    from netkit.tls.config import TlsConfig

#: After so many seconds the address of an upstream that was given by name is looked up again.
BOOTSTRAP_SECONDS = 300.0


class Settings:
    """What the transports of a resolver need to know.

    `source` is the local address of queries. `tls` are settings for TLS. `https` makes requests over HTTPS;
    without it, upstreams over HTTPS cannot be asked. `bootstrap` finds the addresses of upstreams that are
    given by name; None is the system's resolver. `clock` gives seconds since 1970, for signatures. `connect`
    makes the connections of TCP and TLS in place of a direct one, such as through a proxy: then nothing is
    asked over UDP. `announced` says whom queries are said to come from, in a PROXY header before them.
    """

    __slots__ = ("announced", "bootstrap", "clock", "connect", "https", "source", "tls")

    def __init__(
        self,
        source: SocketAddr | None = None,
        tls: TlsConfig | None = None,
        https: HttpsExchange | None = None,
        bootstrap: NameResolver | None = None,
        clock: Callable[[], float] = time,
        connect: Connect | None = None,
        announced: Announced | None = None,
    ) -> None:
        self.announced = announced
        self.source = source
        self.tls = tls
        self.https = https
        self.bootstrap = bootstrap
        self.clock = clock
        self.connect = connect


class Ticket:
    """One ask that is out: `came` is the reply, or why there is none; None if none came in time."""

    __slots__ = ("ask", "begun", "came", "event", "is_miscased", "one")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.begun = monotonic()
        self.came: Reply | DnsError | None = None
        self.is_miscased = False
        self.one: Outstanding | None = None
        self.event = _NEVER


#: Of a ticket that has not begun, and of what waits otherwise.
_NEVER = Event()


class Station:
    """The transports of one place."""

    def __init__(self, settings: Settings) -> None:
        self.chance = chance = Chance()
        announced, connect, inside = settings.announced, settings.connect, b""
        self._before_datagram = b"" if announced is None else announced.datagram
        if announced is not None and announced.before_tls:
            connect = announced.before(connect)
        elif announced is not None:
            inside = announced.stream
        self.udp = UdpPool(chance, settings.source, self._before_datagram)
        self.streams = Streams(chance, settings.tls, connect, inside)
        self._settings = settings
        self._encoder = QueryEncoder()
        self._found: dict[Upstream, tuple[Upstream, float]] = {}  # upstreams by name, with their addresses
        self._https_questions = 0
        finalize(self, _release, self.udp, self.streams).atexit = False

    @property
    def outstanding(self) -> int:
        """How many questions are outstanding."""
        return self.udp.outstanding + self.streams.outstanding + self._https_questions

    @property
    def is_in_use(self) -> bool:
        """Whether a question is outstanding."""
        return self.outstanding > 0

    def close(self) -> None:
        """Close everything; questions that are outstanding fail. Only in the station's own thread."""
        self.udp.close()
        self.streams.close()

    def interrupt(self) -> None:
        """Make whoever waits here close it. Any thread."""
        self.udp.interrupt()
        self.streams.interrupt()

    def random(self, bits: int) -> int:
        """Return unpredictable bits, for a `Resolution`."""
        return int.from_bytes(self.chance.take((bits + 7) // 8), "big") & (1 << bits) - 1

    def go_flow(self, ticket: Ticket) -> Flow[bool]:
        """Flow: send the query, and wait until `ticket.came` says what became of it: then True.

        False if a message came that is the answer in all but its letter case, the first time that happens:
        the right one is still waited for, by another `go_flow` of the same ticket, until `drop`.
        """
        ask = ticket.ask
        try:
            if ask.transport is Transport.UDP:
                if self._settings.connect is not None:
                    raise DnsError.NetworkError("UDP does not go through a proxy", hint="ask over TCP")
                if not ReadySet.available:
                    ticket.came = yield from self._over_own_socket(ask)
                    return True
                return (yield from self._over_udp(ticket, ask))
            upstream = ask.upstream
            if upstream.addr is None:
                upstream = yield from self._bootstrap_flow(upstream, ask.until)
            over = self._over_https if ask.transport is Transport.HTTPS else self._over_stream
            ticket.came = yield from over(ask, upstream, ticket.begun)
        except DnsError as error:
            ticket.came = error
        except Interrupted as interrupted:
            note_deadline(interrupted, ask.upstream, ask.question)
            raise
        return True

    def drop(self, ticket: Ticket) -> None:
        """Nobody waits for it any more. No effect if it is over."""
        if ticket.one is not None:
            self.udp.drop(ticket.one)

    def _over_udp(self, ticket: Ticket, ask: Ask) -> Flow[bool]:
        pool = self.udp
        one = ticket.one
        try:
            if one is None:
                event = Event()
                ticket.one = one = self._outstanding(ask, event)
                ticket.event = event
                addr = ask.upstream.addr
                assert addr is not None  # `Upstream` says so for UDP
                yield from pool.begin_flow(one, addr)
            yield from pool.wait_flow(one, ticket.event, may_be_miscased=not ticket.is_miscased)
        except BaseException:
            if one is not None:
                pool.drop(one)
            raise
        if not one.is_over:
            ticket.is_miscased = True
            return False
        ticket.came = self._heard(ask, one, ask.upstream, one.sent_at)
        return True

    def _over_own_socket(self, ask: Ask) -> Flow[Reply]:
        """Flow: as `_over_udp`, for systems without a `ReadySet`. Raises DnsError."""
        assert ask.upstream.addr is not None  # `Upstream` says so for UDP
        return (
            yield from exchange_udp(
                ask.message,
                ask.upstream.addr,
                until=ask.until,
                source=self._settings.source,
                exact_case=ask.exact_case,
                question=ask.question,
                guard=self._guard(ask, ask.message.to_wire()),
                preface=self._before_datagram,
            )
        )

    def _over_stream(self, ask: Ask, upstream: Upstream, begun: float) -> Flow[Reply | DnsError | None]:
        event = Event()
        one = self._outstanding(ask, event)
        channel = yield from self.streams.ask_flow(one, event, upstream, ask.transport, self._settings.source)
        came = self._heard(ask, one, upstream, begun)
        if channel is None or not isinstance(came, Reply):
            return came
        if channel.connection is not None:
            came.over(
                channel.connection._replace(is_reused=channel.begun_at < begun), one.answered_at - one.sent_at
            )
        if came.message.edns is not None:
            option = came.message.edns.option(EdnsOption.Keepalive)
            if option is not None and option.timeout is not None:
                channel.keep(option.timeout)
        return came

    def _over_https(self, ask: Ask, upstream: Upstream, begun: float) -> Flow[Reply | DnsError | None]:
        exchange = self._settings.https
        if exchange is None:
            return DnsError.NetworkError("this resolver was made without an HTTPS client")
        one = self._outstanding(ask, Event())
        self._https_questions += 1
        try:
            reply = yield from before(ask.until, exchange(https_query(upstream, one.wire)), expired=_silence)
        finally:
            self._https_questions -= 1
        one.answer = https_answer(reply)
        one.refusal = None if one.guard is None else one.guard.objection(one.answer)
        one.answered_at = monotonic()
        came = self._heard(ask, one, upstream, begun)
        if reply.age and isinstance(came, Reply):
            came.message = aged(came.message, reply.age)
        if isinstance(came, Reply) and reply.connection is not None:
            came.over(reply.connection, reply.took_s)
        return came

    def _outstanding(self, ask: Ask, event: Event) -> Outstanding:
        """The query of an ask, signed if it has a key."""
        wire, question = self._encoder.encode(ask.message)
        guard = self._guard(ask, wire)
        sent = wire if guard is None else guard.wire
        one = Outstanding(sent, question, ask.until, event, ask.exact_case, ask.lenient)
        one.guard = guard
        return one

    def _guard(self, ask: Ask, wire: bytes) -> Guard | None:
        if ask.tsig is None:
            return None
        from netkit.dns.tsig.guard import Guard

        return Guard(wire, ask.tsig, self._settings.clock)

    def _heard(self, ask: Ask, one: Outstanding, upstream: Upstream, begun: float) -> Reply | DnsError | None:
        return self.heard(
            ask.message,
            ask.question,
            ask.exact_case,
            upstream,
            ask.transport,
            one,
            begun,
            lenient=ask.lenient,
        )

    @staticmethod
    def heard(
        query: Message,
        question: Question,
        exact_case: bool,
        upstream: Upstream,
        transport: Transport,
        one: Outstanding,
        begun: float,
        *,
        lenient: bool = False,
    ) -> Reply | DnsError | None:
        """What became of a question, for the machine that asked it: None if nothing did."""
        if one.error is not None or one.refusal is not None:
            return one.error or one.refusal
        wire = one.answer
        if wire is None:
            return None
        number = query.id.to_bytes(2, "big")
        if wire[:2] != number:  # the table sent another ID
            wire = number + wire[2:]
        server = upstream.addr
        assert server is not None  # it was looked up before
        try:
            message = match(wire, query, question, exact_case, lenient)
        except (DnsError.InvalidResponse, DnsError.Truncated) as error:
            error.server = server
            return error
        if isinstance(message, Mismatch):
            found = mismatch_error(wire, query)
            found.server = server
            return found
        return Reply(
            query,
            message,
            server=server,
            transport=transport.value,
            wire=wire,
            elapsed_s=one.answered_at - begun,
            ignored=one.ignored,
        )

    def _bootstrap_flow(self, upstream: Upstream, until: float) -> Flow[Upstream]:
        """Flow: an upstream that is given by name, with an address. Raises DnsError."""
        found = self._found.get(upstream)
        if found is not None and found[1] > monotonic():
            return found[0]
        assert upstream.tls_name is not None  # `Upstream` says so where there is no address
        look_up = self._settings.bootstrap or system_resolver
        try:
            addrs = yield from before(until, look_up(upstream.tls_name, upstream.port, 0), expired=_silence)
        except DnsError:
            raise
        except OSError as error:
            raise DnsError.NetworkError(f"the address of {upstream.tls_name} was not found") from error
        made = upstream.replace(addr=addrs[0])
        self._found[upstream] = made, monotonic() + BOOTSTRAP_SECONDS
        return made


def note_deadline(interrupted: Interrupted, upstream: Upstream, question: Question) -> None:
    """Say what was being done when the time of the flow's driver ran out."""
    error = interrupted.error
    if isinstance(error, DeadlineExceeded) and error.doing is None:
        error.doing = f"asking {upstream.server} for {question.name} {question.rdtype}"
        error.stage = "resolve"


def _release(udp: UdpPool, streams: Streams) -> None:
    """Close what a collected station has left, in whatever thread that happens: nobody uses it any more."""
    udp.close()
    streams.close()


def _silence(_: Exception) -> DnsError:
    return DnsError.Timeout(None, 1)
