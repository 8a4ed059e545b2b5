"""A small authoritative name server: zones in memory, over UDP and TCP.

`reply` makes every decision: it takes the octets of a query and returns the response and its octets,
without a socket. The flows around `reply` receive and send. The server does not support recursion,
transfers, updates or DNSSEC signing. It answers signed queries with signatures, and other queries without.

RFC 1034 section 4.3, RFC 1035 section 4.2, RFC 6891 (EDNS), RFC 7766 (TCP), RFC 8945 (TSIG). RFC 8482 is not
applied: ANY returns all records, because this server is for testing and learning.
"""

from __future__ import annotations

from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Literal, NamedTuple

from netkit._log import Log
from netkit.dns.constants import DnsClass, DnsRecordType, Opcode, Rcode
from netkit.dns.edns import Edns
from netkit.dns.errors import DnsError
from netkit.dns.messages.message import MIN_MESSAGE, QR, TC, Header, Message, make_response
from netkit.dns.messages.wire import MAX_MESSAGE, WireReader
from netkit.dns.transports.tcp import framed, receive_framed
from netkit.dns.tsig.answering import QuerySignature, query_signature
from netkit.dns.zones.zone import ZoneAnswer
from netkit.io import ClosedError, DeadlineExceeded, UnexpectedEof, all_of, before, race
from netkit.net.same_port import bind_same_port
from netkit.serve.connections import Served, serve
from netkit.serve.stop import another_request, leave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from netkit.addr import SocketAddr, SocketAddrsLike
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name
    from netkit.dns.records.base import DnsRecord
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.zones.zone import Zone
    from netkit.io import Event, Flow
    from netkit.lab.faults import Faults, FaultyStream
    from netkit.lab.faulty_udp import FaultyUdpSocket
    from netkit.net.tcp import TcpListener, TcpStream
    from netkit.net.udp import UdpSocket
    from netkit.serve.connections import Handler

log = Log("netkit.dns.server")

#: The largest response over UDP, even if the client accepts more: it fits an unfragmented IPv6 packet.
MAX_UDP_PAYLOAD = 1232
#: Seconds an idle TCP connection is kept (RFC 7766 section 6.2.3 asks for the order of seconds).
TCP_IDLE_TIMEOUT = 10.0

_NOTHING = ZoneAnswer("elsewhere")

_TRANSFERS = frozenset((DnsRecordType.AXFR, DnsRecordType.IXFR))


class Zones:
    """The zones of a server; `find` selects one by the name in a question."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones: dict[tuple[Name, DnsClass], Zone] = {(zone.origin, zone.rdclass): zone for zone in zones}

    def __len__(self) -> int:
        return len(self._zones)

    def __iter__(self) -> Iterator[Zone]:
        return iter(self._zones.values())

    def find(self, name: Name, rdclass: DnsClass, rdtype: int = 0) -> Zone | None:
        """Return the closest zone that contains `name`, or None.

        For class ANY, return the first match in any class. For a DS record at the top of a zone, return the
        parent zone if this server has it, because the parent zone holds the DS (RFC 4035 section 3.1.4.1).
        """
        closest: Zone | None = None
        for ancestor in name.ancestors():
            zone = self._zones.get((ancestor, rdclass))
            if zone is None and rdclass == DnsClass.ANY:
                zone = next((one for (origin, _), one in self._zones.items() if origin == ancestor), None)
            if zone is None:
                continue
            if closest is not None:
                return zone if (name, DnsRecordType.NS) in zone.rrsets else closest
            if rdtype != DnsRecordType.DS or ancestor != name:
                return zone
            closest = zone
        return closest


class Reply(NamedTuple):
    """The result of `reply`: the response, and its octets."""

    message: Message
    wire: bytes


def respond(
    zones: Zones, wire: bytes, *, over_tcp: bool, keys: Sequence[TsigKey] = (), now: float = 0.0
) -> bytes | None:
    """The octets of the response to a query: those of `reply`."""
    made = reply(zones, wire, over_tcp=over_tcp, keys=keys, now=now)
    return None if made is None else made.wire


def reply(
    zones: Zones, wire: bytes, *, over_tcp: bool, keys: Sequence[TsigKey] = (), now: float = 0.0
) -> Reply | None:
    """Return the response to a query; None if `wire` is itself a response or is shorter than a header.

    `keys` may have signed the query; `now` is the time in seconds since 1970, which signatures are compared
    with. No content of `wire` or of the zones makes this function raise: the response to a query that cannot
    be read is FORMERR, and SERVFAIL replaces a response that cannot be encoded.
    """
    try:
        header = Header.from_wire(WireReader(wire))
    except DnsError:
        return None
    if header.flags & QR:
        return None  # RFC 5358: two servers that answer responses would answer each other for ever
    malformed: DnsError | None = None
    signature: QuerySignature | None = None
    try:
        query = Message.from_wire(wire)
        if query.additional and query.additional[-1].rdtype == DnsRecordType.TSIG:
            signature = query_signature(wire, keys, now)
        elif any(record.rdtype == DnsRecordType.TSIG for record in _records(query)):
            raise DnsError.InvalidResponse("type", 0, "TSIG is not the last record")
    except DnsError as error:
        malformed = error
        query = Message.from_malformed(wire)
    if over_tcp:
        limit = MAX_MESSAGE
    elif query.edns is None:
        limit = MIN_MESSAGE
    else:
        limit = min(max(query.edns.payload_size, MIN_MESSAGE), MAX_UDP_PAYLOAD)
    room = limit if signature is None else limit - signature.room
    try:
        response = _answer(zones, query, malformed, signature)
        encoded = response.to_wire(limit)
        if len(encoded) > room:
            # RFC 8945 section 5.3: the signature must fit, and nothing but the question stays beside it.
            response = _response(query, Rcode.NOERROR)
            response = response.replace(flags=response.flags | TC)
            encoded = response.to_wire(limit)
        if not (over_tcp and Header.from_wire(WireReader(encoded)).flags & TC):
            return Reply(response, encoded if signature is None else signature.sign(encoded))
        # TC asks the client to come again over TCP: there it would ask for ever.
        log.debug("the response to %s fits in no message", query.question[0])
    except DnsError as error:
        log.debug("a response that cannot be sent: %s", error)
    failed = _response(query, Rcode.SERVFAIL)
    encoded = failed.to_wire(limit)
    return Reply(failed, encoded if signature is None else signature.sign(encoded))


def _records(message: Message) -> tuple[DnsRecord, ...]:
    return message.answer + message.authority + message.additional


def _answer(
    zones: Zones, query: Message, malformed: DnsError | None, signature: QuerySignature | None
) -> Message:
    if signature is not None and signature.error is not None:
        log.debug("a query that is not accepted: %s", signature.error)
        return _response(query, Rcode.NOTAUTH)  # RFC 8945 section 5.2
    # What another version of EDNS, or another operation, looks like is not known here: whether a message
    # of it is malformed can be said by nobody.
    if query.edns is not None and query.edns.version > 0:
        return _response(query, Rcode.BADVERS)  # RFC 6891 section 6.1.3
    if query.opcode != Opcode.QUERY:
        return _response(query, Rcode.NOTIMP)
    if malformed is not None:
        log.debug("malformed query: %s", malformed)
        return _response(query, Rcode.FORMERR)
    if len(query.question) != 1:
        return _response(query, Rcode.FORMERR)  # RFC 9619
    question = query.question[0]
    if question.rdtype in _TRANSFERS:
        # An empty answer would say that the zone has no such record.
        return _response(query, Rcode.NOTIMP)
    zone = zones.find(question.name, question.rdclass, question.rdtype)
    if zone is None:
        return _response(query, Rcode.REFUSED)
    found = zone.find(question.name, question.rdtype)
    # RFC 1035 section 6.2: for all classes only where all of them are known to be here.
    return _response(query, found.rcode, found, aa=found.authoritative and question.rdclass != DnsClass.ANY)


def _response(query: Message, rcode: Rcode, found: ZoneAnswer = _NOTHING, *, aa: bool = False) -> Message:
    """Make the response with the found records, and with EDNS if the query has EDNS."""
    return make_response(
        query,
        rcode=rcode,
        aa=aa,
        answer=found.answer,
        authority=found.authority,
        additional=found.additional,
        edns=Edns(MAX_UDP_PAYLOAD, dnssec_ok=query.edns is not None and query.edns.dnssec_ok),
    )


class AnsweredQuery(NamedTuple):
    """A query and its response, for a log. `question` is None if no question could be read; `rcode` and
    `response_size` are None if there is no response. Sizes are in octets."""

    peer: SocketAddr
    transport: Literal["udp", "tcp"]
    question: Question | None
    rcode: Rcode | None
    size: int
    response_size: int | None

    def __str__(self) -> str:
        asked = "no question" if self.question is None else f"{self.question.name} {self.question.rdtype}"
        answered = "no response" if self.rcode is None else f"{self.rcode}, {self.response_size} octets"
        return f"{self.peer} over {self.transport.upper()}: {asked}: {answered}"


class DnsServer:
    """An authoritative server for `zones`, bound to UDP and TCP at one address.

        server = DnsServer.bind("127.0.0.1:0", zones)
        run(server.serve(stop))          # or await run_async(server.serve(stop))

    `queries`, `responses` and `tcp` count queries, responses and TCP connections. The server calls
    `on_query`, if it is set, for each query after its answer. `keys` are those of clients that sign their
    queries with TSIG; `clock` gives seconds since 1970, with which the times of signatures are compared.
    """

    def __init__(
        self,
        udp: UdpSocket,
        tcp: TcpListener,
        zones: Iterable[Zone],
        keys: Iterable[TsigKey] = (),
        clock: Callable[[], float] = time,
    ) -> None:
        self.zones = Zones(zones)
        self.keys = tuple(keys)
        self._clock = clock
        self.queries = 0
        self.responses = 0
        self.tcp = Served()
        self.on_query: Callable[[AnsweredQuery], object] | None = None
        self._udp = udp
        self._late: FaultyUdpSocket | None = None  # the same, where its datagrams are late on purpose
        self._tcp = tcp

    @classmethod
    def bind(
        cls,
        addr: SocketAddrsLike,
        zones: Iterable[Zone],
        keys: Iterable[TsigKey] = (),
        clock: Callable[[], float] = time,
    ) -> DnsServer:
        """Bind UDP and TCP to the same port; port 0 takes one that is free for both. Raises ListenError."""
        tcp, udp = bind_same_port(addr)
        return cls(udp, tcp, zones, keys, clock)

    @property
    def local_addr(self) -> SocketAddr:
        """The address at which the server answers."""
        return self._tcp.local_addr

    def serve(self, stop: Event, *, drain: float | None = 5.0, faults: Faults | None = None) -> Flow[None]:
        """Flow: answer until `stop` is set; open connections then have `drain` seconds to finish.

        With `faults`, responses come late, damaged or not at all, over UDP and TCP.
        """
        converse: Handler = partial(self._converse, stop=stop)
        self._udp.tell_destinations()
        if faults is not None:
            from netkit.lab.faults import faulty
            from netkit.lab.faulty_udp import FaultyUdpSocket

            converse = faulty(converse, faults)
            self._udp = self._late = FaultyUdpSocket(self._udp, faults.datagrams())
        try:
            tcp = serve(
                self._tcp,
                converse,
                stop=stop,
                drain=drain,
                hurry=leave,
                served=self.tcp,
            )
            flows: list[Flow[object]] = [self._datagrams(stop, drain), tcp]
            yield from all_of(flows)
        finally:
            self.close()

    def close(self) -> None:
        """Release both sockets, from any thread."""
        self._udp.close()
        self._tcp.close()

    def _datagrams(self, stop: Event, drain: float | None) -> Flow[None]:
        yield from race(self._answering(), stop.wait())
        if self._late is not None:
            yield from self._late.drain(stop, drain)

    def _answering(self) -> Flow[None]:
        while True:
            try:
                wire, peer, _, source = yield from self._udp.receive_msg_flow()
            except ClosedError:
                raise
            except OSError:
                continue  # an ICMP error for something sent before: the next datagram is another matter
            response = self._respond(wire, peer, over_tcp=False)
            if response is None:
                continue
            try:
                yield from self._udp.send_flow(response, peer, source)
            except ClosedError:
                raise
            except OSError as error:
                log.debug("%s: cannot be answered: %s", peer, error)

    def _converse(self, stream: TcpStream | FaultyStream, *, stop: Event) -> Flow[None]:
        while True:
            until = monotonic() + TCP_IDLE_TIMEOUT
            try:
                if not (yield from before(until, another_request(stream, stop))):
                    return
                wire = yield from before(until, receive_framed(stream), "waiting for a query")
            except (UnexpectedEof, DeadlineExceeded):
                return
            response = self._respond(wire, stream.peer_addr, over_tcp=True)
            if response is None:
                return  # RFC 7766 section 8: a broken dialogue is ended
            yield from before(
                until + TCP_IDLE_TIMEOUT, stream.write_all_flow(framed(response)), "sending a response"
            )

    def _respond(self, wire: bytes, peer: SocketAddr, *, over_tcp: bool) -> bytes | None:
        self.queries += 1
        made = reply(self.zones, wire, over_tcp=over_tcp, keys=self.keys, now=self._clock())
        if made is not None:
            self.responses += 1
        if self.on_query is not None or log.enabled:
            message, encoded = (None, None) if made is None else made
            answered = AnsweredQuery(
                peer,
                "tcp" if over_tcp else "udp",
                message.question[0] if message is not None and message.question else None,
                None if message is None else message.rcode,
                len(wire),
                None if encoded is None else len(encoded),
            )
            log.debug("%s", answered)
            if self.on_query is not None:
                self.on_query(answered)
        return None if made is None else made.wire
