"""What a name server gives away of its zones: AXFR (RFC 5936) and IXFR (RFC 1995), to whom it is allowed.

`transfer_out` decides, without a socket. A response of many messages is made message by message as they are
sent: a slow client holds no more than one, and each is signed when it is made. All messages are of the
version of the zone that was served when the query came.

AXFR is for TCP and TLS (RFC 5936 section 4.2, RFC 9103). Over UDP, IXFR gets differences that fit in one
message, and else the zone's SOA alone, which says that there is something newer (RFC 1995 section 2).

What is answered to who may not, asks for no zone, or asks wrongly, is what BIND, Knot and nsd answer, or one
or two of them.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, NamedTuple

from netkit.addr import SocketAddr
from netkit.dns.authority.journal import in_order
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns, EdnsOption
from netkit.dns.edns.extended_errors import ExtendedErrorCode
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import MIN_MESSAGE, Message, make_response
from netkit.dns.messages.series import Blocks, frame_blocks, write_series
from netkit.dns.records.base import DnsRecord
from netkit.dns.serials import is_newer
from netkit.dns.tsig.answering import query_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from ipaddress import IPv4Network, IPv6Network
    from typing import TypeAlias

    from netkit.dns.authority.answering import Over
    from netkit.dns.authority.journal import Journal, Journals
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name
    from netkit.dns.tsig.answering import QuerySignature
    from netkit.dns.tsig.keys import TsigKey

    Network: TypeAlias = IPv4Network | IPv6Network

_TYPES = (DnsRecordType.AXFR, DnsRecordType.IXFR)
# The types as they stand behind a name in a question; a query without them is for no transfer.
_MARKS = tuple([b"\0" + int(rdtype).to_bytes(2, "big") for rdtype in _TYPES])
#: How many transfers over TCP and TLS are under way at once, if nothing else is said; as in BIND.
MAX_TRANSFERS = 10
#: The largest response over UDP.
_MAX_UDP_PAYLOAD = 1232


class TransferPolicy(NamedTuple):
    """Who may transfer zones: whose address is in one of `networks`, or who signs with one of `keys`.

    `anyone` is for everybody.
    """

    networks: tuple[Network, ...] = ()
    keys: tuple[Name, ...] = ()
    anyone: bool = False

    def allows(self, peer: SocketAddr | str, key: Name | None) -> bool:
        """Whether a client may: at `peer`, which is text for a Unix-domain socket, signed with `key`."""
        if self.anyone or (key is not None and key in self.keys):
            return True
        if not isinstance(peer, SocketAddr):
            return False
        address = peer.ip.ipv4_mapped if peer.ip.version == 6 and peer.ip.ipv4_mapped else peer.ip
        return any(address in network for network in self.networks if network.version == address.version)


#: Who may where nothing is said: programs of this machine, by its addresses of loopback.
THIS_MACHINE = TransferPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))


class Outgoing:
    """A response to a query for a transfer: iterate over its messages, of which each is made when it is due.

    `question` is the query's, `rcode` that of the response; `size` counts the octets that were made so far.
    """

    def __init__(self, question: Question, rcode: Rcode, messages: Iterator[bytes]) -> None:
        self.question = question
        self.rcode = rcode
        self.size = 0
        self._messages = messages

    def __iter__(self) -> Iterator[bytes]:
        for wire in self._messages:
            self.size += len(wire)
            yield wire


def may_ask_transfer(wire: bytes) -> bool:
    """Whether a query may be one for a transfer; False for nearly all others, and fast."""
    return _MARKS[0] in wire or _MARKS[1] in wire


def transfer_out(
    journals: Journals,
    policy: TransferPolicy,
    wire: bytes,
    peer: SocketAddr | str,
    over: Over,
    *,
    keys: Sequence[TsigKey] = (),
    clock: Callable[[], float],
    signed_only: bool = False,
    has_room: bool = True,
) -> Outgoing | None:
    """The response to a query for a transfer; None for any other query, and one that cannot be accepted.

    `peer` is who asks, and `over` what it asks over; with `signed_only`, who does not sign is not accepted.
    Without `has_room` nothing is given over TCP and TLS, because too many transfers are under way: SERVFAIL,
    upon which a secondary asks again later.
    `clock` gives seconds since 1970, for signatures.
    """
    if not may_ask_transfer(wire):
        return None
    try:
        query = Message.from_wire(wire)
        signature = query_signature(wire, keys, clock())
    except DnsError:
        return None
    if query.is_response or query.opcode != Opcode.QUERY or len(query.question) != 1:
        return None
    if query.edns is not None and query.edns.version > 0:
        return None
    if query.question[0].rdtype not in _TYPES or (signature is not None and signature.error is not None):
        return None
    if signed_only and signature is None:
        return None
    asked = _Asked(query, signature, clock, over)
    if over == "https":
        return asked.refuse(Rcode.REFUSED, ExtendedErrorCode.NOT_SUPPORTED)
    if asked.question.rdtype == DnsRecordType.AXFR and over == "udp":
        return asked.refuse(Rcode.NOTIMP)
    if asked.question.rdclass == DnsClass.ANY:
        return asked.refuse(Rcode.FORMERR)
    journal = journals.of(asked.question.name, asked.question.rdclass)
    if journal is None:
        return asked.refuse(Rcode.NOTAUTH)
    if not policy.allows(peer, None if signature is None else signature.key_name):
        return asked.refuse(Rcode.REFUSED, ExtendedErrorCode.PROHIBITED)
    if not (has_room or over == "udp"):
        return asked.refuse(Rcode.SERVFAIL, ExtendedErrorCode.OTHER, "too many transfers are under way")
    if asked.question.rdtype == DnsRecordType.AXFR:
        return asked.give_whole(journal)
    known = asked.known_serial()
    if known is None:
        return asked.refuse(Rcode.FORMERR)
    return asked.give_since(journal, known)


class _Asked:
    """A query for a transfer, and the responses to it."""

    def __init__(
        self,
        query: Message,
        signature: QuerySignature | None,
        clock: Callable[[], float],
        over: Over,
    ) -> None:
        self.query = query
        self.question = query.question[0]
        self._signature = signature
        self._clock = clock
        self._over = over

    def known_serial(self) -> int | None:
        """The serial of the version that the client has (RFC 1995 section 3); None if it does not say it."""
        told = self.query.authority
        if len(told) == 1 and isinstance(told[0], DnsRecord.SOA) and told[0].name == self.question.name:
            return told[0].serial
        return None

    def refuse(self, rcode: Rcode, reason: int | None = None, words: str = "") -> Outgoing:
        """An error code, with an extended error for who can read it, and words of our own in that."""
        edns = Edns(_MAX_UDP_PAYLOAD)
        if reason is not None:
            edns = edns.replace(options=[EdnsOption.ExtendedError(reason, words)])
        head = make_response(self.query, rcode=rcode, edns=edns)
        return Outgoing(self.question, rcode, self._signed([head.to_wire()]))

    def give(self, records: Iterable[DnsRecord]) -> Outgoing:
        """Records, in as many messages as it takes."""
        messages = write_series(self._head(), records, reserved=self._reserved)
        return Outgoing(self.question, Rcode.NOERROR, self._signed(messages))

    def give_whole(self, journal: Journal) -> Outgoing:
        """A zone; its records are encoded once for all who ask for it by its name in the same letter case."""
        blocks = journal.whole
        if not blocks.fits(self.question):
            blocks = Blocks(self.question, in_order(journal.zone))
        messages = frame_blocks(self._head(), blocks, self._reserved)
        return Outgoing(self.question, Rcode.NOERROR, self._signed(messages))

    @property
    def _reserved(self) -> int:
        """The octets of each message that a signature takes."""
        return 0 if self._signature is None else self._signature.room

    def give_since(self, journal: Journal, known: int) -> Outgoing:
        """What has changed since a version: differences, or the whole zone, or the SOA alone."""
        soa = journal.zone.soa
        if not is_newer(soa.serial, than=known):
            return self.give([soa])
        step = journal.since(known)
        if self._over != "udp":
            return self.give_whole(journal) if step is None else self.give([soa, *step.records(), soa])
        if step is not None:
            made = self._fitting([soa, *step.records(), soa])
            if made is not None:
                return Outgoing(self.question, Rcode.NOERROR, self._signed([made]))
        return self.give([soa])

    def _fitting(self, records: Iterable[DnsRecord]) -> bytes | None:
        """One message of these records for UDP; None if they do not fit in what the client takes."""
        edns = self.query.edns
        limit = MIN_MESSAGE if edns is None else min(max(edns.payload_size, MIN_MESSAGE), _MAX_UDP_PAYLOAD)
        limit -= self._reserved
        messages = write_series(self._head(), records, limit)
        only = next(messages)
        return only if len(only) <= limit and next(messages, None) is None else None

    def _head(self) -> Message:
        return make_response(self.query, aa=True, edns=Edns(_MAX_UDP_PAYLOAD))

    def _signed(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        """The messages, each of them signed if the query was: RFC 8945 section 5.3.1 recommends all."""
        if self._signature is None:
            yield from messages
            return
        signer = self._signature.series()
        for wire in messages:
            yield signer.sign(wire, self._clock()).wire
