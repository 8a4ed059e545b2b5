"""A small authoritative name server: zones in memory, over UDP, TCP and TLS.

`netkit.dns.authority.answering` makes every decision; the flows here receive and send. DNS over HTTPS is
added by who has an HTTP server (`netkit.doh_server`).

RFC 1035 section 4.2, RFC 7766 (TCP), RFC 7858 (TLS).
"""

from __future__ import annotations

from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit._log import Log
from netkit.addr import SocketAddr
from netkit.dns.authority.responder import Responder
from netkit.dns.transports.tcp import framed, receive_framed
from netkit.io import (
    PAUSE,
    ClosedError,
    DeadlineExceeded,
    Semaphore,
    all_of,
    before,
    nursery,
    race,
    sleep_until,
)
from netkit.net.same_port import bind_same_port
from netkit.net.udp import UdpSocket
from netkit.serve.connections import Served, serve
from netkit.serve.stop import another_request, leave

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Self

    from netkit.addr import SocketAddrsLike
    from netkit.dns.authority.answering import Over
    from netkit.dns.authority.faults import Delivery, DnsFaults
    from netkit.dns.authority.notify_sending import Notifier
    from netkit.dns.authority.responder import AnsweredQuery
    from netkit.dns.authority.zone_set import Zones
    from netkit.dns.tsig.keys import TsigKey
    from netkit.dns.zones.zone import Zone
    from netkit.io import ByteStream, Event, Flow, Nursery
    from netkit.lab.faults import Faults
    from netkit.lab.faulty_udp import FaultyUdpSocket
    from netkit.net.listening import StreamListener
    from netkit.net.udp import UdpMessage

    #: Makes the stream that is served from an accepted one: a handshake of TLS.
    Accept: TypeAlias = Callable[[ByteStream], Flow[ByteStream]]

log = Log("netkit.dns.authority")

#: Seconds an idle TCP connection is kept (RFC 7766 section 6.2.3 asks for the order of seconds).
TCP_IDLE_TIMEOUT = 10.0
#: How many datagrams of a script may wait for their time. A flood of queries would have any number of them.
MAX_UNDER_WAY = 10_000


class DnsServer:
    """An authoritative server at some sockets.

        server = DnsServer.bind("127.0.0.1:0", zones)
        run(server.serve(stop))          # or await run_async(server.serve(stop))

    `responder` says what is answered, and counts; `tcp` counts connections over TCP and TLS.
    """

    def __init__(
        self,
        udp: Sequence[UdpSocket],
        tcp: Sequence[StreamListener[Any, Any]],
        responder: Responder,
        *,
        tls: Sequence[StreamListener[Any, Any]] = (),
        accept: Accept | None = None,
        max_connections: int | None = None,
    ) -> None:
        """Serve at these sockets, which are closed at the end.

        `accept` makes the handshakes of the connections to `tls`. At most `max_connections` are served at the
        same time, over all listeners; others wait.
        """
        self.responder = responder
        self.tcp = Served()
        self.max_connections = max_connections
        #: Tells the secondaries of zones that have become newer, if there are any to tell.
        self.notifier: Notifier | None = None
        self._udp = list(udp)
        self._tcp = list(tcp)
        self._tls = list(tls)
        self._accept = accept
        self._under_way = 0  # datagrams of a script, which may come late

    @classmethod
    def bind(
        cls,
        addr: SocketAddrsLike,
        zones: Iterable[Zone],
        keys: Iterable[TsigKey] = (),
        clock: Callable[[], float] = time,
    ) -> Self:
        """Bind UDP and TCP to the same port; port 0 takes one that is free for both. Raises ListenError."""
        tcp, udp = bind_same_port(addr)
        return cls([udp], [tcp], Responder(zones, keys, clock))

    @property
    def local_addr(self) -> SocketAddr:
        """The first address at which the server answers."""
        addr: SocketAddr = (self._udp or self._tcp or self._tls)[0].local_addr
        return addr

    @property
    def zones(self) -> Zones:
        """The zones that the server answers from; see `Responder.zones`."""
        return self.responder.zones

    @zones.setter
    def zones(self, zones: Zones) -> None:
        self.responder.zones = zones

    @property
    def keys(self) -> tuple[TsigKey, ...]:
        """The keys of clients that sign their queries."""
        return self.responder.keys

    @keys.setter
    def keys(self, keys: tuple[TsigKey, ...]) -> None:
        self.responder.keys = keys

    @property
    def queries(self) -> int:
        """How many queries have come."""
        return self.responder.queries

    @property
    def responses(self) -> int:
        """How many of them were answered."""
        return self.responder.responses

    @property
    def on_query(self) -> Callable[[AnsweredQuery], object] | None:
        """Who is told of each query after its answer."""
        return self.responder.on_query

    @on_query.setter
    def on_query(self, call: Callable[[AnsweredQuery], object] | None) -> None:
        self.responder.on_query = call

    def serve(
        self,
        stop: Event,
        *,
        drain: float | None = 5.0,
        faults: Faults | None = None,
        script: DnsFaults | None = None,
    ) -> Flow[None]:
        """Flow: answer until `stop` is set; open connections then have `drain` seconds to finish.

        With `faults`, responses come late, damaged or not at all, over every transport. With `script`, chosen
        responses are wrong as messages.
        """
        try:
            room = None if self.max_connections is None else Semaphore(self.max_connections)
            flows: list[Flow[object]] = [
                *(self._datagrams(sock, stop, drain, faults, script) for sock in self._udp),
                *(self._streams(each, "tcp", stop, drain, faults, script, room) for each in self._tcp),
                *(self._streams(each, "tls", stop, drain, faults, script, room) for each in self._tls),
            ]
            if self.notifier is not None:
                self.responder.on_newer = self.notifier.changed
                self.notifier.changed(self.zones)
                flows.append(self.notifier.serve(stop))
            yield from all_of(flows)
        finally:
            self.close()

    def close(self) -> None:
        """Release all sockets, from any thread."""
        for each in (*self._udp, *self._tcp, *self._tls):
            each.close()

    # UDP.

    def _datagrams(
        self,
        sock: UdpSocket,
        stop: Event,
        drain: float | None,
        faults: Faults | None,
        script: DnsFaults | None,
    ) -> Flow[None]:
        sock.tell_destinations()
        late: FaultyUdpSocket | None = None
        if faults is not None:
            from netkit.lab.faulty_udp import FaultyUdpSocket

            sock = late = FaultyUdpSocket(sock, faults.datagrams())
        yield from race(self._answering(sock, script), stop.wait())
        if late is not None:
            yield from late.drain(stop, drain)

    def _answering(self, sock: UdpSocket, script: DnsFaults | None) -> Flow[None]:
        if script is not None:
            yield from nursery(partial(self._acting, sock, script))
            return
        respond = self.responder.datagram

        def answer(wire: bytes, peer: object) -> bytes | None:
            try:
                return respond(wire, partial(sock.peer_of, peer))
            except Exception as error:
                _not_answered(error)
                return None

        yield from sock.answer_flow(answer)

    def _acting(self, sock: UdpSocket, script: DnsFaults, crew: Nursery) -> Flow[None]:
        """Flow: answer by the script, which may send several datagrams for a query, and late ones."""
        while True:
            try:
                message = yield from sock.receive_msg_flow()
            except ClosedError:
                raise
            except OSError:
                continue  # an ICMP error for something sent before: the next datagram is another matter
            try:
                response = self.responder.answer(message.data, message.peer, "udp")
            except Exception as error:
                _not_answered(error)
                continue
            for each in script.deliveries(message.data, response, "udp"):
                if self._under_way >= MAX_UNDER_WAY:
                    log.debug("%s: no answer: %d others are to come late", message.peer, MAX_UNDER_WAY)
                    continue
                self._under_way += 1
                crew.start(self._delivering(_deliver(sock, each, message)))

    def _delivering(self, delivery: Flow[None]) -> Flow[None]:
        try:
            yield from delivery
        finally:
            self._under_way -= 1

    # TCP and TLS.

    def _streams(
        self,
        listener: StreamListener[Any, Any],
        over: Over,
        stop: Event,
        drain: float | None,
        faults: Faults | None,
        script: DnsFaults | None,
        room: Semaphore | None,
    ) -> Flow[object]:
        accept = self._accept if over == "tls" else None

        def converse(accepted: Any) -> Flow[None]:
            peer = _peer_of(accepted)
            stream: ByteStream = accepted
            if faults is not None:
                from netkit.lab.faults import FaultyStream

                stream = FaultyStream(accepted, faults.session())
            if accept is not None:
                stream = yield from accept(stream)
            try:
                yield from self._converse(stream, peer, over, stop, script)
                if not stream.is_closed and stream is not accepted:
                    yield from stream.flush()
            finally:
                if over == "tls":
                    stream.close()

        return serve(
            listener,
            converse,
            stop=stop,
            drain=drain,
            hurry=leave,
            max_connections=room,
            served=self.tcp,
        )

    def _converse(
        self,
        stream: ByteStream,
        peer: SocketAddr | str,
        over: Over,
        stop: Event,
        script: DnsFaults | None,
    ) -> Flow[None]:
        while True:
            until = monotonic() + TCP_IDLE_TIMEOUT
            try:
                if not (yield from before(until, another_request(stream, stop))):
                    return
                wire = yield from before(until, receive_framed(stream), "waiting for a query")
            except (EOFError, DeadlineExceeded):
                return  # also without close_notify: no query was begun, or none that could be answered
            transfer = self.responder.transfer(wire, peer, over)
            if transfer is not None:
                if script is not None:
                    first = script.deliveries(wire, next(transfer), over)
                    yield from _send_each(stream, first, until)
                    if not first:
                        transfer.close()
                yield from _send_all(stream, transfer)
                continue
            response = self.responder.answer(wire, peer, over)
            if response is None:
                return  # RFC 7766 section 8: a broken dialogue is ended
            if script is None:
                yield from _send(stream, response, until)
            else:
                yield from _send_each(stream, script.deliveries(wire, response, over), until)


def _not_answered(error: Exception) -> None:
    """Log what kept one query from its answer. It is no reason to end the others, as over TCP."""
    log.warning("a query could not be answered: %s", error, error=error)


def _send(stream: ByteStream, response: bytes, until: float) -> Flow[None]:
    sending = stream.write_all_flow(framed(response))
    yield from before(until + TCP_IDLE_TIMEOUT, sending, "sending a response")


def _send_each(stream: ByteStream, deliveries: Iterable[Delivery], until: float) -> Flow[None]:
    """Flow: send what a script says, each when it is due."""
    for each in deliveries:
        if each.delay:
            yield from sleep_until(monotonic() + each.delay)
        yield from _send(stream, each.octets, until + each.delay)


def _send_all(stream: ByteStream, messages: Generator[bytes]) -> Flow[None]:
    """Flow: send messages, each of which is made when the one before is sent. A client has to take each in
    its time; meanwhile others have their turn."""
    try:
        for message in messages:
            yield from _send(stream, message, monotonic())
            yield PAUSE
    finally:
        messages.close()


def _peer_of(accepted: Any) -> SocketAddr | str:
    peer: SocketAddr | str = accepted.peer_addr
    return peer


def _deliver(sock: UdpSocket, delivery: Delivery, query: UdpMessage) -> Flow[None]:
    """Flow: send a datagram when it is due, from where it is to come from; what cannot be sent is logged."""
    if delivery.delay:
        yield from sleep_until(monotonic() + delivery.delay)
    source = query.reply_source
    try:
        if delivery.other_port:
            answered = query.destination or sock.local_addr
            with UdpSocket.bind_addr(SocketAddr.new(answered.ip, 0)) as other:
                yield from other.send_flow(delivery.octets, query.peer)
            return
        if delivery.address is not None:
            source = SocketAddr.new(delivery.address, sock.local_addr.port)
        yield from sock.send_flow(delivery.octets, query.peer, source)
    except ClosedError:
        raise
    except OSError as error:
        log.debug("%s: cannot be answered: %s", query.peer, error)
