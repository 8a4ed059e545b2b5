"""Probe a TLS server: make one handshake, and report what the server sent and whether to trust it.

The handshake accepts any certificate, so that a wrong certificate is reported too. Then `verify` judges the
chain as a client that verifies would. A failed handshake also gives a report: how far the handshake came,
what the peer had sent until then, and the error. Without a connection there is no report, but an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.io import CancellationToken, Flow, deadline_after, phase, run, run_async
from netkit.net import Attempt, NameResolver, TcpStream, system_resolver
from netkit.tls.backends import new_session
from netkit.tls.config import CertVerifyMode, TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.stream import TlsStream
from netkit.tls.verify import DEFAULT_SECURITY_LEVEL, verify_chain
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.addr import SocketAddr
    from netkit.tls.certificate import Certificate
    from netkit.tls.findings import Verification

#: The application protocols that are offered by default: the same as a browser offers.
DEFAULT_ALPN = ("h2", "http/1.1")

log = Log("netkit.tls")


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The result of one probe.

    `server_name` is the name (or address) that was sent as SNI and that the chain was verified for. `addr` is
    the address that answered; `attempts` lists all connection attempts. Times are in seconds. `resolve_s` is
    None if there was nothing to look up; `handshake_s` is None if the handshake did not end. `chain` holds
    the certificates in the order the peer sent them. `verification` is the verdict about `chain`, None if the
    peer sent no certificate. `error` is the error of a failed handshake.
    """

    host: str
    port: int
    server_name: str
    addr: SocketAddr
    attempts: tuple[Attempt, ...]
    probed_at: datetime
    resolve_s: float | None
    connect_s: float
    handshake_s: float | None
    version: TlsVersion | None
    cipher: str | None
    alpn: str | None
    alpn_offered: tuple[str, ...]
    chain: tuple[Certificate, ...]
    verification: Verification | None
    error: TlsError | None

    @property
    def accepted(self) -> bool:
        """Whether an ordinary client would have connected."""
        return self.error is None and self.verification is not None and self.verification.accepted

    @property
    def failure(self) -> TlsError | None:
        """Why an ordinary client would not have connected: the handshake's error, or the chain's."""
        if self.error is not None:
            return self.error
        return None if self.verification is None else self.verification.error

    @property
    def days_left(self) -> int | None:
        """Whole days until the first certificate of the path expires; None if no date could be read."""
        path = self.verification.path if self.verification is not None else self.chain
        found: list[int] = []
        for certificate in path:
            try:
                found.append(certificate.days_left(self.probed_at))
            except TlsError:
                continue
        return min(found, default=None)


def probe_flow(
    host: str,
    port: int = 443,
    *,
    server_name: str | None = None,
    alpn: Sequence[str] = DEFAULT_ALPN,
    min_version: TlsVersion = TlsVersion.Tls12,
    max_version: TlsVersion = TlsVersion.Tls13,
    roots: Sequence[Certificate] | None = None,
    family: int = 0,
    source: SocketAddr | None = None,
    resolver: NameResolver | None = None,
    now: datetime | None = None,
) -> Flow[ProbeReport]:
    """Flow: `probe`, for other flows to `yield from`."""
    name = server_name if server_name is not None else host
    config = TlsConfig(
        min_version=min_version,
        max_version=max_version,
        verify_mode=CertVerifyMode.None_,
        alpn_protocols=tuple(alpn),
    )
    session = new_session(config, name)  # before the connection, so that wrong settings fail at once
    clock = _Clock(resolver or system_resolver)
    tcp = yield from TcpStream.connect_flow(
        (host, port), family=family, source=source, resolver=clock.resolve_flow
    )
    connect_s = clock.lap()
    log.debug("connected to %s in %.1f ms", tcp.peer_addr, connect_s * 1000)
    stream = TlsStream(tcp, session, config, name)
    error: TlsError | None = None
    handshake_s: float | None = None
    with stream:
        try:
            with phase(f"in the TLS handshake with {name}", "tls"):
                yield from stream.handshake_flow()
        except TlsError as raised:
            error = raised
            log.debug("the handshake failed: %s", error)
        else:
            handshake_s = clock.lap()
            log.debug("%s, %s in %.1f ms", stream.negotiated_version, stream.cipher, handshake_s * 1000)
        version, cipher = stream.negotiated_version, stream.cipher
        agreed, chain = stream.alpn_protocol, stream.peer_chain
    moment = now or datetime.now(UTC)
    verification: Verification | None = None
    if chain or error is None:
        level = 0 if min_version < TlsVersion.Tls12 else DEFAULT_SECURITY_LEVEL
        verification = verify_chain(chain, server_name=name, now=moment, roots=roots, security_level=level)
        log.debug("%d certificates: %s", len(chain), "accepted" if verification.accepted else "refused")
    return ProbeReport(
        host=host,
        port=port,
        server_name=name,
        addr=tcp.peer_addr,
        attempts=tuple(tcp.attempts),
        probed_at=moment,
        resolve_s=clock.resolve_s,
        connect_s=connect_s,
        handshake_s=handshake_s,
        version=version,
        cipher=cipher,
        alpn=agreed,
        alpn_offered=tuple(alpn),
        chain=chain,
        verification=verification,
        error=error,
    )


def probe(
    host: str,
    port: int = 443,
    *,
    server_name: str | None = None,
    alpn: Sequence[str] = DEFAULT_ALPN,
    min_version: TlsVersion = TlsVersion.Tls12,
    max_version: TlsVersion = TlsVersion.Tls13,
    roots: Sequence[Certificate] | None = None,
    family: int = 0,
    source: SocketAddr | None = None,
    resolver: NameResolver | None = None,
    now: datetime | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ProbeReport:
    """Connect, make the handshake, and judge the certificates that the peer sends.

    `server_name` replaces `host` as SNI and as the name to verify. `roots` are trusted instead of the
    certificates that this system trusts. `family` (`socket.AF_INET`, `AF_INET6`) allows only one family of
    addresses. `now` is the moment to judge by, UTC. `timeout` limits the whole probe, in seconds.

    The report contains a failed handshake and a chain that does not verify; they raise no error. Raises
    ResolveError and ConnectError if there is no connection, DeadlineExceeded, CancellationError, and
    `TlsError.InvalidConfig` if the settings are impossible.
    """
    flow = probe_flow(
        host,
        port,
        server_name=server_name,
        alpn=alpn,
        min_version=min_version,
        max_version=max_version,
        roots=roots,
        family=family,
        source=source,
        resolver=resolver,
        now=now,
    )
    return run(flow, deadline=deadline_after(timeout), cancel=cancel)


async def probe_async(
    host: str,
    port: int = 443,
    *,
    server_name: str | None = None,
    alpn: Sequence[str] = DEFAULT_ALPN,
    min_version: TlsVersion = TlsVersion.Tls12,
    max_version: TlsVersion = TlsVersion.Tls13,
    roots: Sequence[Certificate] | None = None,
    family: int = 0,
    source: SocketAddr | None = None,
    resolver: NameResolver | None = None,
    now: datetime | None = None,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ProbeReport:
    """The same as `probe`, for asyncio; arguments and errors as `probe`."""
    flow = probe_flow(
        host,
        port,
        server_name=server_name,
        alpn=alpn,
        min_version=min_version,
        max_version=max_version,
        roots=roots,
        family=family,
        source=source,
        resolver=resolver,
        now=now,
    )
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


class _Clock:
    """Measures the steps of one probe; name resolution is a step of its own."""

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
