"""The connections of one place: one to each server, over TCP or TLS, made when needed and used again.

RFC 7766 section 6.2: connections are reused, and questions are pipelined. A connection that was used before
may have been closed by the server at any moment: what was asked over it then is asked once more over a new
one. So is what a server left unanswered that closes after each answer, or after a number of them.

TLS: RFC 7858. The certificate must be valid for the upstream's TLS name, or for its address. With pins, one
of them must be the hash of the certificate's public key; without a name, the pins alone decide (section 4.2).
The ALPN protocol is `dot` (RFC 7858 section 3.1, IANA's name).
"""

from __future__ import annotations

import os
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.policy.upstream import Transport
from netkit.dns.transports.reply import Connection
from netkit.dns.transports.stream_channel import StreamChannel, lost
from netkit.errors import NetkitError
from netkit.io import SingleFlight, before
from netkit.net.connect import connect_first
from netkit.net.tcp import TcpStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from netkit.addr import SocketAddr
    from netkit.dns.policy.upstream import Upstream
    from netkit.dns.transports.chance import Chance
    from netkit.dns.transports.table import Outstanding
    from netkit.io import ByteStream, Event, Flow
    from netkit.tls.config import TlsConfig
    from netkit.tls.x509.certificate import Certificate

    #: A server, how it is asked, and the local address.
    Key = tuple[Upstream, Transport, SocketAddr | None]

    #: Makes a connection to an address from a local one, such as through a proxy, and says how long the steps
    #: took. Raises ConnectError, OSError and NetkitError.
    Connect: TypeAlias = Callable[[SocketAddr, SocketAddr | None], Flow[tuple[ByteStream, Connection]]]

#: The name of DNS over TLS in ALPN.
DOT = "dot"

#: The most connections that one place keeps; idle ones of other servers are closed first.
MAX_CONNECTIONS = 256


class Streams:
    """The connections of one place. `tls` are settings for TLS; None is `TlsConfig.client()`. `connect` makes
    connections of TCP; None makes them directly. `preface` are octets before the first query of each."""

    def __init__(
        self,
        chance: Chance,
        tls: TlsConfig | None = None,
        connect: Connect | None = None,
        preface: bytes = b"",
    ) -> None:
        self._chance = chance
        self._preface = preface
        self._settings = DotSettings(tls)
        self._connect = connect or connect_flow
        self._channels: dict[Key, StreamChannel] = {}
        self._dialing: SingleFlight[Key, StreamChannel] = SingleFlight()
        self._is_closed = False
        self._process = os.getpid()

    @property
    def _is_ours(self) -> bool:
        """Whether these are connections of this process. A forked child must not end those of its parent."""
        return self._process == os.getpid()

    @property
    def outstanding(self) -> int:
        """How many questions are outstanding."""
        return sum([channel.outstanding for channel in self._channels.values()])

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(not channel.is_lost for channel in self._channels.values())

    def ask_flow(
        self,
        one: Outstanding,
        event: Event,
        upstream: Upstream,
        transport: Transport,
        source: SocketAddr | None = None,
    ) -> Flow[StreamChannel | None]:
        """Flow: ask over the connection to an upstream until `one` is over. Returns the last connection.

        What goes wrong is in `one.error`: DnsError.NetworkError, Timeout, TryAgain.
        """
        key = upstream, transport, source
        begun = monotonic()
        while True:
            try:
                channel = self._channels.get(key)
                is_reused = channel is not None and channel.is_usable()
                if channel is None or not is_reused:
                    channel = yield from self._dialed_flow(key, one.until, begun)
                    is_reused = channel.answered > 0
                channel.send(one)
            except DnsError as error:
                one.is_over = True
                one.error = copy(error)  # several may have waited for the same connection
                one.error.__cause__ = error.__cause__
                return None
            before_it = channel.answered
            try:
                yield from channel.wait_flow(one, event)
            except BaseException:
                channel.drop(one)
                raise
            if one.error is None or not channel.is_lost or isinstance(one.error, DnsError.Timeout):
                return channel
            # One try more where the server may simply have had enough of this connection.
            if not is_reused and channel.answered == before_it:
                return channel
            one.error = None
            one.is_over = False

    def _dialed_flow(self, key: Key, until: float | None, begun: float) -> Flow[StreamChannel]:
        def silence(_: Exception) -> DnsError:
            return DnsError.Timeout(monotonic() - begun, 1)

        return (yield from before(until, self._dialing.do(key, lambda: self._dial(key)), expired=silence))

    def _dial(self, key: Key) -> Flow[StreamChannel]:
        upstream, transport, source = key
        if self._is_closed:
            raise DnsError.NetworkError("the resolver was closed")
        self._make_room()
        begun = monotonic()
        try:
            stream, connection = yield from dial_flow(
                upstream, transport, source, self._settings, self._connect
            )
            if self._preface:
                # By itself, not with the first query: unbound 1.17 waits for more than the record of TLS has.
                yield from send_first(stream, self._preface)
        except DnsError:
            raise
        except (OSError, NetkitError) as error:
            raise lost(error) from error
        self._channels[key] = made = StreamChannel(stream, self._chance, connection, begun)
        return made

    def _make_room(self) -> None:
        if len(self._channels) < MAX_CONNECTIONS:
            return
        for key, channel in list(self._channels.items()):
            if channel.is_lost or not channel.outstanding:
                channel.close()
                del self._channels[key]

    def close(self) -> None:
        """Close all connections; their questions fail. Only in the place's own thread."""
        self._is_closed = True
        if not self._is_ours:
            self._channels.clear()  # its descriptors go with them
        for channel in self._channels.values():
            channel.close()

    def interrupt(self) -> None:
        """Close the connections from another thread: whoever waits gets to know."""
        self._is_closed = True
        if not self._is_ours:
            self.close()
            return
        for channel in list(self._channels.values()):
            channel.interrupt()


class DotSettings:
    """The settings of TLS for each upstream. `tls` are those to begin with; None is `TlsConfig.client()`.

    The sessions that servers give out are kept, and the next connection to the same upstream resumes one.
    """

    def __init__(self, tls: TlsConfig | None = None) -> None:
        self._tls = tls
        self._made: dict[Upstream, TlsConfig] = {}

    def of(self, upstream: Upstream) -> TlsConfig:
        """The settings for a connection to this upstream. Raises TlsError."""
        found = self._made.get(upstream)
        if found is None:
            from netkit.tls.backends import resuming
            from netkit.tls.config import TlsConfig
            from netkit.tls.sessions import MemorySessionStore

            config = (self._tls or TlsConfig.client()).with_alpn([DOT])
            if upstream.pins and upstream.tls_name is None:
                config = config.with_verifier(lambda chain, _: check_pins(upstream, chain))
            if len(self._made) >= MAX_CONNECTIONS:
                del self._made[next(iter(self._made))]
            found = self._made[upstream] = resuming(config, MemorySessionStore(servers=1))
        return found


def connect_flow(addr: SocketAddr, source: SocketAddr | None) -> Flow[tuple[ByteStream, Connection]]:
    """Flow: a connection of TCP to an address, made directly. Raises ConnectError."""
    begun = monotonic()
    made = yield from connect_first([addr], source=source)
    stream = TcpStream(made.sock, made.descriptor, peer=addr)
    took = monotonic() - begun
    # Else a query waits for the acknowledgement of what went before it, the end of a TLS handshake: 40 ms.
    stream.set_nodelay(True)
    return stream, Connection(took)


def dial_flow(
    upstream: Upstream,
    transport: Transport,
    source: SocketAddr | None,
    settings: DotSettings,
    connect: Connect,
) -> Flow[tuple[ByteStream, Connection]]:
    """Flow: a connection to an upstream over TCP or TLS. Raises ConnectError, TlsError, OSError."""
    assert upstream.addr is not None  # it was looked up before
    stream, connection = yield from connect(upstream.addr, source)
    if transport is not Transport.TLS:
        return stream, connection
    from netkit.tls.stream import TlsStream

    try:
        config = settings.of(upstream)
    except BaseException:
        stream.close()
        raise
    begun = monotonic()
    secure = yield from TlsStream.connect_flow(stream, upstream.tls_name or str(upstream.addr.ip), config)
    version = secure.negotiated_version
    connection = connection._replace(
        tls_s=monotonic() - begun,
        tls_version="" if version is None else version.as_str,
        cipher=secure.cipher or "",
        alpn=secure.alpn or "",
        group=secure.group or "",
        resumed=secure.resumed,
        ocsp_response=secure.ocsp_response,
        ech_accepted=secure.ech_accepted,
        tls_backend=secure.backend,
    )
    try:
        if upstream.pins:
            check_pins(upstream, secure.peer_chain)
    except BaseException:
        secure.close()
        raise
    return secure, connection


def send_first(stream: ByteStream, octets: bytes) -> Flow[None]:
    """Flow: send what precedes all queries; a stream that does not take it is closed."""
    try:
        yield from stream.write_all_flow(octets)
    except BaseException:
        stream.close()
        raise


def check_pins(upstream: Upstream, chain: tuple[Certificate, ...]) -> None:
    """Refuse a server whose certificate has none of the public keys (SPKI) that the upstream is pinned to.

    Raises TlsError.CertificateVerificationFailed.
    """
    from hashlib import sha256  # with the certificate, and no sooner: plain DNS starts without OpenSSL

    from netkit.tls.errors import TlsError

    if chain and sha256(chain[0].spki_der).digest() in upstream.pins:
        return
    raise TlsError.CertificateVerificationFailed("its public key is none of those that were pinned")
