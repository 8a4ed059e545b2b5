"""What a probe is asked, and what it reports: `ProbeOptions`, `ProbeReport` and its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from netkit.io import Flow
from netkit.net import TcpStream
from netkit.severity import Severity
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from datetime import datetime

    from netkit.addr import SocketAddr
    from netkit.io import ByteStream
    from netkit.net import Attempt, NameResolver
    from netkit.tls.verifying.findings import Finding, Verification
    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate

#: The application protocols that are offered by default: the same as a browser offers.
DEFAULT_ALPN: Final = ("h2", "http/1.1")

#: How long a probe waits for the server's word on a client certificate, in seconds at most.
LONGEST_WAIT: Final = 0.3

#: Makes the connection below TLS, to the host and the port that are probed: through a proxy.
Dial: TypeAlias = Callable[[str, int], Flow[TcpStream]]

#: A dialogue over the connection before TLS begins, such as `starttls_flow`. What it returns is reported.
BeforeTls: TypeAlias = "Callable[[ByteStream], Flow[object]]"

#: Whether a server wants a client certificate. `requested`: it asked, and was given one, so it is not known
#: whether it insists. `unknown`: TLS 1.3 asks in secret, and the backend does not tell.
ClientCertificate: TypeAlias = Literal["required", "requested", "optional", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How to probe.

    `config` are the settings of the client whose verdict is wanted: roots, versions, groups, backend, client
    certificate and all others. They always verify: without a verifier of the caller's, in full. `server_name`
    replaces the host as SNI and as the name to verify. `family` (`socket.AF_INET`, `AF_INET6`) allows only
    one family of addresses, `source` is the local address, `resolver` looks names up; `dial` connects
    instead of all three. `before_tls` runs over the connection before TLS. `now` judges the certificates at
    another moment, UTC. `resume` makes one more connection, which resumes the session of the first, and sends
    `early_data` in it as 0-RTT where the server allows that. `timeout` is how long the whole probe may take,
    in seconds, where the caller limits it: what the first connection showed is reported then, even if a
    further one hangs.
    """

    config: TlsConfig = field(default_factory=lambda: TlsConfig(alpn_protocols=DEFAULT_ALPN))
    server_name: str | None = None
    family: int = 0
    source: SocketAddr | None = None
    resolver: NameResolver | None = None
    dial: Dial | None = None
    before_tls: BeforeTls | None = None
    now: datetime | None = None
    resume: bool = False
    early_data: bytes = b""
    longest_wait: float = LONGEST_WAIT
    timeout: float | None = None


class Phases(NamedTuple):
    """The times of a probe, in seconds.

    `resolve` is None if there was nothing to look up, `before_tls` if there was no dialogue. `first_byte` is
    from the ClientHello to the server's first byte, `handshake` to its end: None if it did not come so far.
    """

    resolve: float | None
    connect: float
    before_tls: float | None = None
    first_byte: float | None = None
    handshake: float | None = None


class Traffic(NamedTuple):
    """The bytes of one handshake on the wire, both ways, above TCP."""

    sent: int
    received: int


class Resumption(NamedTuple):
    """What came of a second connection.

    `tickets` is how many sessions the server gave to resume, `lifetime` how long the newest lives, in
    seconds (None if it is not told). `resumed` is None without a ticket, or if the second connection failed:
    `error` says how. `early_data` says whether 0-RTT was accepted, None if none was sent.
    """

    tickets: int
    lifetime: int | None = None
    max_early_data: int = 0
    resumed: bool | None = None
    early_data: bool | None = None
    handshake: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The result of one probe.

    `server_name` is the name (or address) that was sent as SNI and that the chain was verified for. `addr` is
    the address that answered; `attempts` lists all connection attempts. `backend` is the name of the library
    that made the handshakes. `chain` holds the certificates in the order the peer sent them. `verification`
    is the verdict about `chain` with its reasons, None if the peer sent no certificate. `observations` are
    findings about the connection. `accepted` says whether the client connected, and with it `refusal` is the
    error of a client that refused the certificates; `error` is that of a handshake that failed otherwise.
    `version` to `ca_names` are those of the connection that accepts anything, if the client refused.
    `ca_names` are the authorities of client certificates that the server names, as text. `dialogue` is what
    `before_tls` returned.
    """

    host: str
    port: int
    server_name: str
    addr: SocketAddr
    attempts: tuple[Attempt, ...]
    backend: str
    probed_at: datetime
    times: Phases
    traffic: Traffic
    accepted: bool
    chain: tuple[Certificate, ...]
    verification: Verification | None
    observations: tuple[Finding, ...]
    refusal: TlsError | None
    error: TlsError | None
    version: TlsVersion | None
    cipher: str | None
    group: str | None
    signature_scheme: str | None
    alpn: str | None
    alpn_offered: tuple[str, ...]
    ocsp_response: bytes | None
    scts: tuple[bytes, ...] | None
    client_certificate: ClientCertificate
    ca_names: tuple[str, ...]
    ech_accepted: bool | None = None
    dialogue: object = None
    resumption: Resumption | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, about the chain and about the connection; the errors first."""
        judged = () if self.verification is None else self.verification.findings
        order = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
        return tuple(sorted((*judged, *self.observations), key=lambda one: order.index(one.severity)))

    @property
    def failure(self) -> TlsError | None:
        """Why an ordinary client would not have connected: the handshake's error, or the chain's."""
        if self.error is not None:
            return self.error
        found = None if self.verification is None else self.verification.error
        return found or self.refusal

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
