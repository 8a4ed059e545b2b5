"""One connection of a probe: how it is made, its handshake, and the server's first word after it.

A server of TLS 1.3 refuses a client without a certificate after the handshake (RFC 8446 section 4.4.2.4), so
a probe waits for the server's first word: usually a session ticket, which comes at once.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from netkit._log import Log
from netkit.io import Flow, phase
from netkit.net import NameResolver, TcpStream, system_resolver
from netkit.tls.backend import Capability
from netkit.tls.errors import AlertReceived, CertificateVerificationFailed, TlsError
from netkit.tls.heard import Heard
from netkit.tls.probe.report import Phases, ProbeOptions, Traffic
from netkit.tls.probe.tap import Tap
from netkit.tls.stream import TlsStream
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate

if TYPE_CHECKING:
    from netkit.addr import SocketAddr
    from netkit.tls.backend import CertificateRequest, PreparedConfig

#: The part of the longest wait that is for a server as quick as this connection has been: in handshakes.
_PATIENCE = 3

log = Log("netkit.tls")


class Attempt(NamedTuple):
    """One connection, closed again: what it showed, and how its handshake ended.

    `refusal` is the error of a client that refused the certificates, `error` any other. `tells_of_requests`:
    the backend would tell of a request for a client certificate.
    """

    tcp: TcpStream
    addr: SocketAddr
    stream: TlsStream
    heard: Heard
    times: Phases
    traffic: Traffic
    chain: tuple[Certificate, ...]
    refusal: TlsError | None
    error: TlsError | None
    tells_of_requests: bool
    dialogue: object

    @property
    def ended(self) -> bool:
        """Whether the handshake came to its end, whatever followed."""
        return self.times.handshake is not None

    @property
    def request(self) -> CertificateRequest | None:
        """The server's request for a client certificate, as far as it is known."""
        return self.stream.client_certificate_requested or self.heard.certificate_request(self.spoken)

    @property
    def staple(self) -> bytes | None:
        """The stapled OCSP response, DER."""
        return self.stream.ocsp_response or self.heard.ocsp_response

    @property
    def version(self) -> TlsVersion | None:
        """The version that the server chose, also where the handshake did not come to its end."""
        return self.stream.negotiated_version or self.heard.version

    @property
    def spoken(self) -> TlsVersion:
        """The version to read by what went in the clear."""
        return self.version or TlsVersion.Tls12

    @property
    def scheme_in_clear(self) -> str | None:
        """The signature scheme of a key exchange before TLS 1.3."""
        return self.heard.signature_scheme(self.spoken, self.stream.cipher)


class Line:
    """How the connections of one probe are made, each like the one before."""

    def __init__(self, host: str, port: int, name: str, options: ProbeOptions) -> None:
        self.host = host
        self.port = port
        self.name = name
        self.options = options
        self._addr: SocketAddr | None = None  # the one that answered the first connection

    def connect_flow(self, clock: _Clock) -> Flow[TcpStream]:
        """Flow: a connection; after the first one, to the same address."""
        options = self.options
        if options.dial is not None:
            tcp = yield from options.dial(self.host, self.port)
        elif self._addr is not None:
            tcp = yield from TcpStream.connect_flow(self._addr, source=options.source)
        else:
            where = (self.host, self.port)
            tcp = yield from TcpStream.connect_flow(
                where, family=options.family, source=options.source, resolver=clock.resolve_flow
            )
        self._addr = tcp.peer_addr
        return tcp


def attempt_flow(line: Line, prepared: PreparedConfig, early_data: bytes = b"") -> Flow[Attempt]:
    """Flow: one connection with its handshake, and the server's first word after it."""
    clock = _Clock(line.options.resolver or system_resolver)
    tcp = yield from line.connect_flow(clock)
    times = Phases(clock.resolve_s, clock.lap())
    addr = tcp.peer_addr
    log.debug("connected to %s in %.1f ms", addr, times.connect * 1000)
    dialogue: object = None
    with tcp:
        if line.options.before_tls is not None:
            dialogue = yield from line.options.before_tls(tcp)
            times = times._replace(before_tls=clock.lap())
        tap = Tap(tcp)
        stream = TlsStream(tap, prepared, line.name)
        with stream:
            began = monotonic()
            error = yield from _shake_hands(stream, line.name, early_data)
            taken = clock.lap()
            if tap.first_at is not None:
                times = times._replace(first_byte=tap.first_at - began)
            traffic = Traffic(tap.sent, tap.received)
            if error is None:
                times = times._replace(handshake=taken)
                log.debug("%s, %s in %.1f ms", stream.negotiated_version, stream.cipher, taken * 1000)
                wait = min(line.options.longest_wait, 0.05 + _PATIENCE * taken)
                error = yield from _first_word(stream, tap, monotonic() + wait)
            else:
                log.debug("the handshake failed: %s", error)
        heard = Heard.in_clear(tap.heard)
        chain = stream.peer_chain or tuple(map(Certificate, heard.certificates(TlsVersion.Tls12)))
    refused = isinstance(error, CertificateVerificationFailed)
    return Attempt(
        tcp,
        addr,
        stream,
        heard,
        times,
        traffic,
        chain,
        error if refused else None,
        None if refused else error,
        Capability.ClientAuthRequest in prepared.backend.capabilities("client"),
        dialogue,
    )


def _shake_hands(stream: TlsStream, name: str, early_data: bytes) -> Flow[TlsError | None]:
    """Flow: the handshake; the error by which it failed."""
    try:
        with phase(f"in the TLS handshake with {name}", "tls"):
            yield from stream.handshake_flow(early_data)
    except TlsError as error:
        return error
    return None


def _first_word(stream: TlsStream, tap: Tap, until: float) -> Flow[TlsError | None]:
    """Flow: wait for anything from the server after a handshake of TLS 1.3; the alert, if it is one."""
    if stream.negotiated_version is not TlsVersion.Tls13:
        return None
    before = tap.received
    try:
        while not stream.try_fill(fresh=True) and tap.received == before and monotonic() < until:
            yield stream.want(until=until)
    except AlertReceived as alert:
        return alert
    except (TlsError, OSError):
        pass  # the server closed after the handshake, without a word: it has been made all the same
    return None


class _Clock:
    """Measures the steps of one connection; name resolution is a step of its own."""

    def __init__(self, resolver: NameResolver) -> None:
        self._resolver = resolver
        self._since = monotonic()
        self.resolve_s: float | None = None

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = monotonic()
        taken, self._since = now - self._since, now
        return taken

    def resolve_flow(self, host: str, port: int, family: int) -> Flow[list[SocketAddr]]:
        """Flow: resolve the name, and measure the time."""
        self.lap()
        found = yield from self._resolver(host, port, family)
        self.resolve_s = self.lap()
        return found
