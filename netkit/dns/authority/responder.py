"""`Responder`: what a name server knows while it serves, and what it does with each query, whatever it came
over.

A responder has one version of its zones at a time. `zones` replaces all of them at once: a query is answered
by the zones before or by those after, never by some of each, and no response made for one version is sent for
another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit._log import Log
from netkit.dns.authority.answering import DEFAULT_OPTIONS, Came, Reply, reply
from netkit.dns.authority.journal import Journals
from netkit.dns.authority.notify import answer_notify, is_notification
from netkit.dns.authority.plain_answers import PlainAnswers
from netkit.dns.authority.ready_answers import ReadyAnswers
from netkit.dns.authority.transfers_out import MAX_TRANSFERS, THIS_MACHINE, may_ask_transfer, transfer_out
from netkit.dns.authority.zone_set import Zones
from netkit.dns.constants import Rcode
from netkit.dns.messages.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from netkit.addr import SocketAddr
    from netkit.dns.authority.answering import Over
    from netkit.dns.authority.options import ServerOptions
    from netkit.dns.authority.transfers_out import Outgoing
    from netkit.dns.messages.message import Question
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.zones.zone import Zone

log = Log("netkit.dns.authority")


class AnsweredQuery(NamedTuple):
    """A query and its response, for a log. `question` is None if no question could be read; `rcode` and
    `response_size` are None if there is no response. Sizes are in octets."""

    peer: SocketAddr | str
    transport: Over
    question: Question | None
    rcode: Rcode | None
    size: int
    response_size: int | None

    def __str__(self) -> str:
        asked = "no question" if self.question is None else f"{self.question.name} {self.question.rdtype}"
        answered = "no response" if self.rcode is None else f"{self.rcode}, {self.response_size} octets"
        return f"{self.peer} over {self.transport.upper()}: {asked}: {answered}"


class Responder:
    """Answers queries about `zones`.

    `queries` and `responses` count them. `on_query`, if it is set, is called for each query after its answer
    was made. `keys` are those of clients that sign their queries with TSIG; `clock` gives seconds since 1970,
    with which the times of signatures are compared. `options` are what the server does beside what its zones
    say.
    """

    def __init__(
        self,
        zones: Iterable[Zone],
        keys: Iterable[TsigKey],
        clock: Callable[[], float],
    ) -> None:
        self.keys = tuple(keys)
        #: Who may transfer the zones.
        self.transfers = THIS_MACHINE
        #: How many transfers over TCP and TLS may be under way at once.
        self.max_transfers = MAX_TRANSFERS
        self._transfers_under_way = 0
        #: Is called with the zones that have become newer, when `zones` are replaced.
        self.on_newer: Callable[[list[Zone]], object] | None = None
        self._journals = Journals()
        self.queries = 0
        self.responses = 0
        self.on_query: Callable[[AnsweredQuery], object] | None = None
        self._clock = clock
        self._options = DEFAULT_OPTIONS
        self.zones = Zones(zones)

    @property
    def zones(self) -> Zones:
        """The zones from now on."""
        return self._zones

    @zones.setter
    def zones(self, zones: Zones) -> None:
        before, self._journals = self._journals, self._journals.to(zones)
        self._zones = zones
        self._begin_again()
        if self.on_newer is not None:
            self.on_newer(self._journals.newer(before))

    @property
    def options(self) -> ServerOptions:
        """What the server does from now on."""
        return self._options

    @options.setter
    def options(self, options: ServerOptions) -> None:
        self._options = options
        self._begin_again()

    def _begin_again(self) -> None:
        """Forget all responses that were made for other zones, and by other options."""
        self._ready = ReadyAnswers()
        # Where a query must be signed, none is plain.
        self._plain = PlainAnswers(() if self._options.signed_only else self._zones)

    def datagram(self, wire: bytes, peer: Callable[[], SocketAddr]) -> bytes | None:
        """The response to a query over UDP; None if there is none. `peer` tells who asks."""
        if self.on_query is not None or log.enabled:
            return self.answer(wire, peer(), "udp")
        self.queries += 1
        ready = self._ready
        asked = wire[2:]
        rest = ready.get(asked)
        if rest is not None:
            self.responses += 1
            return wire[:2] + rest
        plain = self._plain.get(wire)
        if plain is not None:
            self.responses += 1
            ready.put(asked, plain[2:])
            return plain
        other = self._other(wire, peer, "udp")
        if other is not None:
            self.responses += 1
            return other.wire  # which depends on more than the query
        made = reply(
            self._zones,
            wire,
            Came("udp", self._clock(), peer),
            keys=self.keys,
            options=self._options,
        )
        if made is None:
            return None
        self.responses += 1
        ready.keep(wire, made.wire)
        return made.wire

    def answer(self, wire: bytes, peer: SocketAddr | str, over: Over) -> bytes | None:
        """The response to a query of `peer`; None if there is none."""
        self.queries += 1
        client = None if isinstance(peer, str) else lambda: peer
        made = self._other(wire, lambda: peer, over) or reply(
            self._zones,
            wire,
            Came(over, self._clock(), client),
            keys=self.keys,
            options=self._options,
        )
        if made is not None:
            self.responses += 1
        if self.on_query is not None or log.enabled:
            message, encoded = (None, None) if made is None else made
            question = message.question[0] if message is not None and message.question else None
            rcode = None if message is None else message.rcode
            size = None if encoded is None else len(encoded)
            self._tell(AnsweredQuery(peer, over, question, rcode, len(wire), size))
        return None if made is None else made.wire

    def transfer(self, wire: bytes, peer: SocketAddr | str, over: Over) -> Generator[bytes] | None:
        """The messages of the transfer that a query over TCP or TLS asks for, each made when it is due; None
        for any other query."""
        made = self._transfer(wire, peer, over)
        return None if made is None else self._given(made, wire, peer, over)

    def _transfer(self, wire: bytes, peer: SocketAddr | str, over: Over) -> Outgoing | None:
        return transfer_out(
            self._journals,
            self.transfers,
            wire,
            peer,
            over,
            keys=self.keys,
            clock=self._clock,
            signed_only=self._options.signed_only,
            has_room=self._transfers_under_way < self.max_transfers,
        )

    def _given(self, made: Outgoing, wire: bytes, peer: SocketAddr | str, over: Over) -> Generator[bytes]:
        self.queries += 1
        given = made.rcode == Rcode.NOERROR
        self._transfers_under_way += given
        if made.rcode == Rcode.SERVFAIL:
            log.warning(
                "%s: no transfer of %s: %d are under way", peer, made.question.name, self.max_transfers
            )
        try:
            yield from made
            self.responses += 1
        finally:
            self._transfers_under_way -= given
            if self.on_query is not None or log.enabled:
                self._tell(AnsweredQuery(peer, over, made.question, made.rcode, len(wire), made.size))

    def _other(self, wire: bytes, peer: Callable[[], SocketAddr | str], over: Over) -> Reply | None:
        """The one message that answers a notification, or a query for a transfer; None for other queries."""
        if is_notification(wire):
            return answer_notify(
                self._journals,
                wire,
                keys=self.keys,
                now=self._clock(),
                signed_only=self._options.signed_only,
            )
        if not may_ask_transfer(wire):
            return None
        made = self._transfer(wire, peer(), over)
        if made is None:
            return None
        only = next(iter(made))
        return Reply(Message.from_wire(only), only)

    def _tell(self, answered: AnsweredQuery) -> None:
        log.debug("%s", answered)
        if self.on_query is not None:
            self.on_query(answered)
