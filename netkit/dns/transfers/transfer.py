"""`ZoneTransfer`: a zone, or what has changed in it, from a server, record by record.

    with ZoneTransfer("example.org", "192.0.2.53") as transfer:
        for part, record in transfer.records():
            print(record)
        print(transfer.kind, transfer.soa.serial)

What is in memory is one message, so that a zone may have any size; with TSIG it is what came since the last
signature. The records come as they are found right (`TransferReader`), and the end may still be an error: who
builds something of them waits for the end.

RFC 5936 section 4 (over TCP), RFC 9103 (over TLS), RFC 1995 section 2 (IXFR over UDP, and again over TCP
where the answer does not fit). A transfer has a connection of its own, which is closed with it.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from netkit.dns.constants import DnsClass
from netkit.dns.errors import DnsError
from netkit.dns.exchange import random_bits
from netkit.dns.policy.upstream import Transport, Upstream
from netkit.dns.transfers.errors import TransferError
from netkit.dns.transfers.query import make_transfer_query, transfer_question
from netkit.dns.transfers.reader import STREAM_LIMITS, TransferReader
from netkit.dns.transports.stream_channel import lost
from netkit.dns.transports.streams import DotSettings, connect_flow, dial_flow
from netkit.dns.transports.tcp import framed, receive_framed
from netkit.dns.tsig.errors import TsigError
from netkit.dns.tsig.signing import sign
from netkit.dns.tsig.transfer import TsigVerifier
from netkit.dns.value import checked_int
from netkit.errors import NetkitError
from netkit.io import (
    OPERATIONS_PER_TURN,
    PAUSE,
    Closing,
    DeadlineExceeded,
    UnexpectedEof,
    before,
    deadline_after,
    phase,
    run,
    run_async,
)
from netkit.net.resolve import system_resolver
from netkit.net.udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from netkit.addr import SocketAddr
    from netkit.dns.edns import Edns
    from netkit.dns.name import Name
    from netkit.dns.policy.upstream import UpstreamLike
    from netkit.dns.records.soa import SOA
    from netkit.dns.transfers.reader import Heard, Sent, TransferKind, TransferLimits
    from netkit.dns.transports.reply import Connection
    from netkit.dns.transports.streams import Connect
    from netkit.dns.tsig.keys import TsigKey
    from netkit.io import ByteStream, CancellationToken, Flow
    from netkit.net.resolve import NameResolver
    from netkit.tls.config import TlsConfig

#: How many seconds a server may take for the connection, and then for each message.
PATIENCE = 30.0

#: How many seconds an answer over UDP is waited for, before TCP is used.
UDP_PATIENCE = 3.0


class SentQuery(NamedTuple):
    """A query of a transfer: what it went over, its octets, and when, in seconds since 1970."""

    transport: Transport
    wire: bytes
    at: float


class ZoneTransfer(Closing):
    """One transfer of `zone` from `server`.

    `server` is as a `Resolver` takes it: over TCP unless it is one over TLS, `"tls://192.0.2.53#name"`.
    `serial` asks for what has changed since that version (IXFR, RFC 1995); None asks for the whole zone.
    With `try_udp`, IXFR is asked over UDP first. `key` signs the query, and the answer must be signed with it
    then. `patience` is how many seconds the server may take to be connected to, and then for each message.
    `source`, `tls`, `connect` and `bootstrap` are as in a `Resolver`. `edns` is sent with the query.

    `begin` is not needed: the first record asks. After the end (or an error) `kind`, `soa`, `messages`,
    `record_count` and `octets` say what came, `server_addr`, `transport` and `connection` from where, and
    `elapsed_s` is how long it took, from connecting, in seconds. `queries` are those that were sent, one or
    (UDP, then TCP) two, and `heard` the messages that the last records came in; see `TransferReader`.

    Raises DnsError.InvalidName and DnsError.InvalidValue.
    """

    def __init__(
        self,
        zone: Name | str,
        server: UpstreamLike,
        *,
        serial: int | None = None,
        rdclass: int = DnsClass.IN,
        key: TsigKey | None = None,
        try_udp: bool = False,
        patience: float = PATIENCE,
        limits: TransferLimits = STREAM_LIMITS,
        edns: Edns | None = None,
        source: SocketAddr | None = None,
        tls: TlsConfig | None = None,
        connect: Connect | None = None,
        bootstrap: NameResolver | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        if serial is not None:
            checked_int("serial", serial, 0xFFFFFFFF)
        self.question = transfer_question(zone, serial, rdclass)
        upstream = Upstream.of(server)
        if upstream.transport is Transport.HTTPS:
            raise DnsError.InvalidValue("server", str(upstream), "zones are transferred over TCP and TLS")
        self.upstream = upstream
        self.serial = serial
        self.transport = Transport.UDP if try_udp and serial is not None else _over_stream(upstream)
        self.connection: Connection | None = None
        self.elapsed_s = 0.0
        self.queries: list[SentQuery] = []
        self._key = key
        self._patience = patience
        self._limits = limits
        self._edns = edns
        self._source = source
        self._settings = DotSettings(tls)
        self._connect = connect or connect_flow
        self._bootstrap = bootstrap or system_resolver
        self._clock = clock
        self._begun: float | None = None
        self._stream: ByteStream | None = None
        self._reader: TransferReader | None = None
        self._failed = False

    # -- what came

    @property
    def is_done(self) -> bool:
        """Whether the last record has come."""
        return self._reader is not None and self._reader.is_done

    @property
    def is_signed(self) -> bool:
        """Whether each message has to be signed with the key."""
        return self._key is not None

    @property
    def kind(self) -> TransferKind | None:
        """What it is; None as long as that is not known."""
        return None if self._reader is None else self._reader.kind

    @property
    def soa(self) -> SOA | None:
        """The SOA of the newest version; None before it came."""
        return None if self._reader is None else self._reader.soa

    @property
    def messages(self) -> int:
        """How many messages came."""
        return 0 if self._reader is None else self._reader.messages

    @property
    def record_count(self) -> int:
        """How many records came, both SOAs at the ends included."""
        return 0 if self._reader is None else self._reader.records

    @property
    def heard(self) -> list[Heard]:
        """The messages that the last records came in, or the one that refuses the transfer."""
        return [] if self._reader is None else self._reader.heard

    @property
    def octets(self) -> int:
        """How many octets all messages had."""
        return 0 if self._reader is None else self._reader.octets

    @property
    def server_addr(self) -> SocketAddr | None:
        """The address of the server; None before it was looked up."""
        return self.upstream.addr

    # -- the dialogue

    def records(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> Iterator[Sent]:
        """The records as they come. `timeout` is in seconds, for all of the transfer.

        Raises TransferError, TsigError.Rejected, DnsError.NetworkError and Timeout, TlsError.
        """
        until = deadline_after(timeout)
        while batch := run(self.next_flow(), deadline=until, cancel=cancel):
            yield from batch

    async def records_async(
        self, *, timeout: float | None = None, cancel: CancellationToken | None = None
    ) -> AsyncIterator[Sent]:
        """The records as they come, for `async for`; see `records`."""
        until = deadline_after(timeout)
        while batch := await run_async(self.next_flow(), deadline=until, cancel=cancel):
            for sent in batch:
                yield sent

    def next_flow(self) -> Flow[list[Sent]]:
        """Flow: the next records, one message's or more; none after the last. Raises as `records`."""
        begun = self._begun = monotonic() if self._begun is None else self._begun
        if self.is_done:
            return []
        if self._failed:
            raise DnsError.NetworkError("the transfer has failed before", name=self.question.name)
        self._failed = True  # until it is known to have gone well
        try:
            with phase(f"transferring {self.question.name}", "resolve"):
                found = yield from self._next()
            self._failed = False
            return found
        except DnsError as error:
            error.name = error.name or self.question.name
            error.rdtype = error.rdtype or self.question.rdtype
            error.server = error.server or self.upstream.server
            raise
        finally:
            self.elapsed_s = monotonic() - begun
            if self._failed or self.is_done:
                self.close()

    def close(self) -> None:
        """End the connection, from any thread."""
        if self._stream is not None:
            self._stream.close()

    def _next(self) -> Flow[list[Sent]]:
        if self._reader is None:
            if self.upstream.addr is None:
                yield from self._look_up()
            if self.transport is Transport.UDP:
                found = yield from self._over_udp()
                if found:
                    return found
                self.transport = _over_stream(self.upstream)
        if self._stream is None:
            yield from self._begin()
        while True:
            found = yield from self._next_message()
            if found or self.is_done:
                return found

    def _look_up(self) -> Flow[None]:
        upstream = self.upstream
        assert upstream.tls_name is not None  # `Upstream` says so where there is no address
        until = monotonic() + self._patience
        look_up = self._bootstrap(upstream.tls_name, upstream.port, 0)
        try:
            addrs = yield from before(until, look_up, expired=self._silence)
        except DnsError:
            raise
        except OSError as error:
            raise DnsError.NetworkError(f"the address of {upstream.tls_name} was not found") from error
        self.upstream = upstream.replace(addr=addrs[0])

    def _begin(self) -> Flow[None]:
        """Flow: connect, and ask."""
        until = monotonic() + self._patience
        dial = dial_flow(self.upstream, self.transport, self._source, self._settings, self._connect)
        try:
            self._stream, self.connection = yield from before(until, dial, expired=self._silence)
            wire, self._reader = self._query(self.transport)
            ask = self._stream.write_all_flow(framed(wire))
            yield from before(until, ask, expired=self._silence)
        except DnsError:
            raise
        except (OSError, NetkitError) as error:
            raise lost(error) from error

    def _query(self, transport: Transport) -> tuple[bytes, TransferReader]:
        """The octets of a query, which is sent now, and the reader of its answer."""
        number = random_bits(16)
        wire = make_transfer_query(self.question, number, self.serial, edns=self._edns).to_wire()
        verifier = None
        if self._key is not None:
            signed = sign(wire, self._key, self._clock())
            wire = signed.wire
            verifier = TsigVerifier(self._key, signed.mac)
        reader = TransferReader(
            self.question, number, serial=self.serial, verifier=verifier, limits=self._limits
        )
        self.queries.append(SentQuery(transport, wire, self._clock()))
        return wire, reader

    def _next_message(self) -> Flow[list[Sent]]:
        stream, reader = self._stream, self._reader
        assert stream is not None
        assert reader is not None
        until = monotonic() + self._patience
        try:
            wire = yield from before(until, receive_framed(stream), expired=self._silence)
        except DnsError:
            raise
        except (UnexpectedEof, ConnectionResetError, BrokenPipeError) as error:
            raise reader.ended() from error
        except (OSError, NetkitError) as error:
            if isinstance(error, (EOFError, DeadlineExceeded)):
                raise reader.ended() from error
            raise lost(error) from error
        yield PAUSE  # a server that is fast leaves nothing to wait for
        return reader.hear(wire, self._clock())

    def _over_udp(self) -> Flow[list[Sent]]:
        """Flow: ask over UDP. None of the records, if the answer does not fit, or none comes."""
        addr = self.upstream.addr
        assert addr is not None
        until = monotonic() + min(UDP_PATIENCE, self._patience)
        try:
            sock = UdpSocket.connected(addr, source=self._source)
        except OSError as error:
            raise DnsError.NetworkError.from_os_error(error) from error
        try:
            wire, reader = self._query(Transport.UDP)
            yield from sock.send_flow(wire)
            answer = yield from before(until, _answer_to(wire[:2], sock))
            found = reader.hear(answer, self._clock())
        except (TransferError.Refused, TsigError.Rejected):
            self._reader = reader
            raise
        except (TransferError, OSError):
            return []  # silence, a closed port, something else than the answer: TCP will tell
        finally:
            sock.close()
        if not reader.is_done:
            return []
        self._reader = reader
        return found

    def _silence(self, _: Exception) -> DnsError:
        reader = self._reader
        if reader is None or not reader.messages:
            return DnsError.Timeout(self._patience, 1)
        reason = f"no message for {self._patience:g} s"
        return TransferSilence(self._patience, reason, reader.messages + 1)


class TransferSilence(DnsError.Timeout):
    """The server was silent in the midst of a transfer: `message` is the one that did not come, from 1."""

    def __init__(self, timeout: float, reason: str, message: int) -> None:
        super().__init__(timeout, None)
        self.reason = reason
        self.message = message
        self.hint = TransferError.Incomplete.hint

    @property
    def kind(self) -> str:
        return "Timeout"

    def __str__(self) -> str:
        return f"{self._subject}: message {self.message}: {self.reason}{self._from_server}"


def _answer_to(number: bytes, sock: UdpSocket) -> Flow[bytes]:
    """Flow: the next datagram with an ID. Others are for an earlier query, or forged."""
    turn = 0
    while True:
        answer, _ = yield from sock.receive_flow()
        if answer[:2] == number:
            return answer
        turn += 1
        if turn % OPERATIONS_PER_TURN == 0:
            yield PAUSE


def _over_stream(upstream: Upstream) -> Transport:
    return Transport.TLS if upstream.transport is Transport.TLS else Transport.TCP
