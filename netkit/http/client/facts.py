"""What a client can tell about an exchange: when each phase began and ended, and over which connection.

A `Timing` is filled as the exchange goes on. Its moments are those of `time.monotonic()`; `phases` and the
properties give seconds from the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.addr import SocketAddr
    from netkit.net.errors import Attempt
    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate

#: The steps of an exchange, in their order.
Phase: TypeAlias = Literal["queue", "dns", "connect", "proxy", "tls", "send", "wait", "receive"]

#: What is being done in each phase, for messages about a time that ran out.
DOING: dict[Phase, str] = {
    "queue": "waiting for a free connection",
    "dns": "resolving the host's name",
    "connect": "connecting",
    "proxy": "asking the proxy for a connection",
    "tls": "in the TLS handshake",
    "send": "sending the request",
    "wait": "waiting for the answer",
    "receive": "receiving the body",
}


class Timing:
    """When the phases of one exchange ended, as moments of `time.monotonic()`; None where there was no phase.

    `started` is when the request was asked for. `acquired` is when there was a connection to use: a new one,
    then `resolved`, `connected`, `tunnelled` (by a proxy) and `secured` (by TLS) come before it, or an old
    one. `sent` is when the whole request had been handed to the system, `answered` when the head of the
    final response was there, and `ended` when its body was. `phase` is what is being done now.
    """

    __slots__ = (
        "acquired",
        "answered",
        "connected",
        "ended",
        "phase",
        "queued",
        "resolved",
        "secured",
        "sent",
        "started",
        "tunnelled",
    )

    def __init__(self, started: float) -> None:
        self.started = started
        self.phase: Phase = "queue"
        self.queued: float | None = None
        self.resolved: float | None = None
        self.connected: float | None = None
        self.tunnelled: float | None = None
        self.secured: float | None = None
        self.acquired: float | None = None
        self.sent: float | None = None
        self.answered: float | None = None
        self.ended: float | None = None

    def phases(self) -> list[tuple[Phase, float, float]]:
        """Each phase that there was: its name, and when it began and ended, in seconds from the start."""
        moments: tuple[tuple[Phase, float | None], ...] = (
            ("queue", self.queued),
            ("dns", self.resolved),
            ("connect", self.connected),
            ("proxy", self.tunnelled),
            ("tls", self.secured),
            ("send", self.sent),
            ("wait", self.answered),
            ("receive", self.ended),
        )
        found: list[tuple[Phase, float, float]] = []
        begun = self.started
        for name, moment in moments:
            if moment is None:
                continue
            if name == "send" and self.acquired is not None:
                begun = max(begun, self.acquired)
            # A server may answer before the request is sent whole: then there was no wait.
            found.append((name, begun - self.started, max(begun, moment) - self.started))
            begun = max(begun, moment)
        return found

    @property
    def total(self) -> float | None:
        """Seconds from the start to the end of the body; None while it is not over."""
        return None if self.ended is None else self.ended - self.started

    @property
    def first_byte(self) -> float | None:
        """Seconds from the start to the head of the response."""
        return None if self.answered is None else self.answered - self.started

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {(end - begin) * 1000:.1f} ms" for name, begin, end in self.phases())
        return f"<Timing {shown or 'nothing yet'}>"


class ConnectionInfo:
    """Over which connection an exchange went.

    `local` and `peer` are addresses, None for a Unix socket, whose path is `unix_path`. `version` is the
    version of HTTP. `reused` says whether an earlier exchange used the connection. The fields of TLS are
    None, or empty, without TLS; `resumed` says whether the session of an earlier connection was resumed,
    `ocsp_response` is what the server stapled, in DER, and `ech_accepted` says whether the server decrypted
    the hello, None where it was not encrypted. `early_data_accepted` says whether the server took this
    exchange's request as early data (0-RTT), None if it was not sent so. `tls_backend` is the name of the
    backend (`"ssl"`).
    `proxy` is the proxy's address as text, without credentials. `attempts` are the addresses that were tried
    to connect.
    """

    __slots__ = (
        "alpn",
        "attempts",
        "cipher",
        "early_data_accepted",
        "ech_accepted",
        "group",
        "local",
        "ocsp_response",
        "peer",
        "peer_chain",
        "proxy",
        "resumed",
        "reused",
        "tls_backend",
        "tls_version",
        "unix_path",
        "version",
    )

    def __init__(self) -> None:
        self.local: SocketAddr | None = None
        self.peer: SocketAddr | None = None
        self.unix_path: str | None = None
        self.version = "1.1"
        self.reused = False
        self.alpn: str | None = None
        self.tls_version: TlsVersion | None = None
        self.tls_backend: str | None = None
        self.cipher: str | None = None
        self.group: str | None = None
        self.resumed: bool | None = None
        self.early_data_accepted: bool | None = None
        self.ocsp_response: bytes | None = None
        self.ech_accepted: bool | None = None
        self.peer_chain: tuple[Certificate, ...] = ()
        self.proxy: str | None = None
        self.attempts: tuple[Attempt, ...] = ()

    def again(self) -> ConnectionInfo:
        """The same, of a later exchange."""
        made = ConnectionInfo()
        for name in ConnectionInfo.__slots__:
            setattr(made, name, getattr(self, name))
        made.reused = True
        made.early_data_accepted = None
        return made

    def __repr__(self) -> str:
        return f"<ConnectionInfo HTTP/{self.version} to {self.peer or self.unix_path}>"


class TraceEvent:
    """One step of an exchange, told as it happens: `name`, `at` (a moment of `time.monotonic()`), `facts`.

    | name | when | facts |
    | --- | --- | --- |
    | `dns` | the name was resolved | `target`, `addresses` |
    | `service` | an endpoint of HTTPS records is tried | `target`, `port`, `alpn`, `ech` |
    | `ech` | encrypted otherwise, or not | `target`, `outcome` (`other keys`, `disabled`, `unknown`) |
    | `connect` | there is a connection | `target`, `peer`, `local`, `attempts`; or `path` |
    | `proxy` | the proxy has connected to the target | `proxy`, `target` |
    | `tls` | it is encrypted | `version`, `cipher`, `group`, `alpn`, `resumed`, `ech`, `chain`, `early` |
    | `connected`, `reuse` | a new, or an old connection is taken | `info` |
    | `request` | the request begins | `head`, `info` |
    | `interim` | a 1xx response came | `status`, `fields` |
    | `response` | the head of the response came | `reply` |
    | `end` | the body is over, or given up | `reply` |
    | `redirect` | a redirect is followed | `status`, `url` |
    | `auth` | the request goes again, with credentials | `status` |
    | `retry` | the request goes again | `error`, or `status`, or `delay`, `attempt`, `why` |
    | `upgrade_to_https` | HSTS changed the URL | `url` |
    """

    __slots__ = ("at", "facts", "name")

    def __init__(self, name: str, at: float, facts: dict[str, object]) -> None:
        self.name = name
        self.at = at
        self.facts = facts

    def __repr__(self) -> str:
        return f"TraceEvent({self.name}, {self.facts!r})"


#: Called with every step. It must not raise and must not wait.
if TYPE_CHECKING:
    Trace: TypeAlias = Callable[[TraceEvent], None]
