"""Probe a TLS server: connect as a client would, and report what the server sent and whether that was right.

The first handshake verifies, with the settings, the backend and the code of `TlsStream.connect`: whether it
succeeds is the verdict. `verify` gives the reasons. Only a server that was refused for its certificates gets
a second connection, which accepts anything, for what else it shows. A handshake that fails otherwise also
gives a report: how far it came, what the server had sent until then, and the error. Without a connection
there is no report, but an error.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from netkit._log import Log
from netkit.errors import NetkitError
from netkit.io import CancellationToken, Flow, before, deadline_after, run, run_async
from netkit.severity import Severity
from netkit.tls import verify_codes as codes
from netkit.tls.backends import prepare
from netkit.tls.config import CertVerifyMode
from netkit.tls.errors import (
    AlertReceived,
    CertificateVerificationFailed,
    HandshakeFailed,
)
from netkit.tls.probe.attempt import Attempt, Line, attempt_flow
from netkit.tls.probe.report import (
    ClientCertificate,
    ProbeOptions,
    ProbeReport,
    Resumption,
)
from netkit.tls.verifying.checks.staple import staple_findings
from netkit.tls.verifying.findings import Finding
from netkit.tls.verifying.oracle import Verdict
from netkit.tls.verifying.verify import verify_chain
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.names import name_text_of

if TYPE_CHECKING:
    from netkit.tls.backend import PreparedConfig, ResumableSession
    from netkit.tls.config import TlsConfig
    from netkit.tls.verifying.findings import Verification
    from netkit.tls.x509.certificate import Certificate

#: The alerts by which a server of TLS 1.2 or older refuses a client that shows no certificate: OpenSSL sends
#: handshake_failure, others bad_certificate or the no_certificate of SSL 3.0. TLS 1.3 has its own.
_WITHOUT_CERTIFICATE = frozenset({40, 41, 42, 116})

#: The longest that a further connection takes, in seconds: what the first one showed is reported in any case.
LONGEST_LOOK = 5.0

#: The share of a probe's time that its connections may take all together.
_SHARE = 0.9

log = Log("netkit.tls")


def probe_flow(host: str, port: int = 443, options: ProbeOptions | None = None) -> Flow[ProbeReport]:
    """Flow: `probe`, for other flows to `yield from`."""
    asked = options or ProbeOptions()
    began = monotonic()
    name = asked.server_name if asked.server_name is not None else host
    tickets = _Tickets() if asked.resume else None
    config = asked.config
    if tickets is not None or config.session_store is not None:
        config = config.replace(session_store=tickets)  # a session of an earlier connection shows nothing
    if config.verify_mode is CertVerifyMode.None_:
        config = config.with_verify_mode(CertVerifyMode.Full)
    prepared = prepare(config)  # before the connection, so that wrong settings fail at once
    prepared.session(name)
    line = Line(host, port, name, asked)
    first = yield from attempt_flow(line, prepared)
    chain = first.chain
    shown, shown_by = first, prepared
    if first.refusal is not None:
        again = yield from _second_look(line, config, tickets, look_until(monotonic(), began, asked.timeout))
        if again is not None:
            shown, shown_by = again
    moment = asked.now or datetime.now(UTC)
    verification = _judged(first, chain, prepared, name, moment, asked) if chain or first.ended else None
    accepted = first.error is None and first.refusal is None
    if verification is not None and config.verify_mode is CertVerifyMode.Full:
        accepted = accepted and verification.accepted
    wanted = _client_certificate(shown, config)
    if wanted == "required" and isinstance(first.error, AlertReceived) and config.identity_cert is None:
        first.error.hint, first.error.remedy = "the peer wants a client certificate", "identity_cert"
    resumption = None
    if tickets is not None and shown.ended and shown.error is None and shown.refusal is None:
        until = look_until(monotonic(), began, asked.timeout)
        # A server that was refused gets no data, unless none is ever refused.
        trusts = shown is first or asked.config.verify_mode is CertVerifyMode.None_
        early = asked.early_data if trusts else b""
        resumption = yield from _resumed(line, shown_by, tickets, early, until)
    return ProbeReport(
        host=host,
        port=port,
        server_name=name,
        addr=first.addr,
        attempts=tuple(first.tcp.attempts),
        backend=prepared.backend.name,
        probed_at=moment,
        times=first.times._replace(first_byte=shown.times.first_byte, handshake=shown.times.handshake),
        traffic=first.traffic,
        accepted=accepted,
        chain=chain,
        verification=verification,
        observations=tuple(_observations(first, shown, moment)),
        refusal=first.refusal,
        error=first.error,
        version=shown.version or first.version,
        cipher=shown.stream.cipher or first.stream.cipher,
        group=shown.stream.group or shown.heard.group,
        signature_scheme=shown.stream.signature_scheme or shown.scheme_in_clear,
        alpn=shown.stream.alpn_protocol,
        alpn_offered=config.alpn_protocols,
        ocsp_response=shown.staple,
        scts=shown.stream.session.scts,
        client_certificate=wanted,
        ca_names=tuple(map(name_text_of, shown.request.ca_names if shown.request is not None else ())),
        ech_accepted=shown.stream.session.ech_accepted,
        dialogue=first.dialogue,
        resumption=resumption,
    )


def probe(
    host: str,
    port: int = 443,
    options: ProbeOptions | None = None,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ProbeReport:
    """Connect, make the handshake as a client that verifies, and report everything about it.

    `options` say how (`ProbeOptions`). `timeout` limits the whole probe, in seconds.

    The report contains a failed handshake and a chain that was refused; they raise no error. Raises
    ResolveError and ConnectError if there is no connection, what `dial` and `before_tls` raise,
    DeadlineExceeded, CancellationError, and TlsError if the settings are impossible or this machine has no
    trusted certificates.
    """
    return run(
        probe_flow(host, port, _within(timeout, options)), deadline=deadline_after(timeout), cancel=cancel
    )


async def probe_async(
    host: str,
    port: int = 443,
    options: ProbeOptions | None = None,
    *,
    timeout: float | None = None,
    cancel: CancellationToken | None = None,
) -> ProbeReport:
    """The same as `probe`, for asyncio; arguments and errors as `probe`."""
    flow = probe_flow(host, port, _within(timeout, options))
    return await run_async(flow, deadline=deadline_after(timeout), cancel=cancel)


def _within(timeout: float | None, options: ProbeOptions | None) -> ProbeOptions | None:
    return options if timeout is None else replace(options or ProbeOptions(), timeout=timeout)


def look_until(now: float, began: float, timeout: float | None) -> float:
    """The moment at which a further connection is given up, so that there is time to report the first one."""
    longest = now + LONGEST_LOOK
    return longest if timeout is None else min(longest, began + _SHARE * timeout)


def _second_look(
    line: Line, config: TlsConfig, tickets: _Tickets | None, until: float
) -> Flow[tuple[Attempt, PreparedConfig] | None]:
    """Flow: a connection that accepts anything, and its settings; None if there is none by then."""
    open_to_all = config.replace(verify_mode=CertVerifyMode.None_, verifier=None, session_store=tickets)
    try:
        prepared = prepare(open_to_all)
        return (yield from before(until, attempt_flow(line, prepared))), prepared
    except (NetkitError, OSError) as error:
        log.debug("no second connection: %s", error)
        return None


def _judged(
    first: Attempt,
    chain: tuple[Certificate, ...],
    prepared: PreparedConfig,
    name: str,
    moment: datetime,
    options: ProbeOptions,
) -> Verification:
    """The findings about the chain. The verdict is that of the handshake, where it is about the same."""
    verdict: Verdict | None = None
    session = first.stream.session
    config, backend = prepared.config, prepared.backend
    judge = f"{backend.version} ({backend.name})"
    if options.now is not None or config.verify_mode is CertVerifyMode.Custom:
        pass  # the handshake was judged by another clock, or by the caller's verifier
    elif isinstance(first.refusal, CertificateVerificationFailed):
        code = first.refusal.code or codes.UNSPECIFIED
        verdict = Verdict(code, first.refusal.reason, judge, session.built_path)
    elif first.ended and config.min_version >= TlsVersion.Tls12:
        # Settings for old protocols relax the limits of the handshake, and the verdict must not be relaxed.
        verdict = Verdict(codes.OK, "ok", judge, session.built_path)
    elif isinstance(first.error, HandshakeFailed) and not first.stream.peer_chain:
        verdict = Verdict(codes.UNSPECIFIED, first.error.reason, judge, unread=True)
    stapled = None
    if config.request_ocsp and first.ended:
        stapled = first.staple is not None
    found = verify_chain(chain, server_name=name, now=moment, config=config, verdict=verdict, stapled=stapled)
    log.debug("%d certificates: %s", len(chain), "accepted" if found.accepted else "refused")
    return found


def _observations(first: Attempt, shown: Attempt, moment: datetime) -> list[Finding]:
    """Findings about the connection."""
    found: list[Finding] = []
    version = shown.stream.negotiated_version
    if version is not None and not version.is_secure and shown.ended:
        message = (
            f"the server chose {version.as_str}, which RFC 8996 forbids: ordinary clients do not speak it"
        )
        hint = "switch on TLS 1.2 and 1.3 at the server"
        found.append(Finding(Severity.WARNING, "old-protocol", message, hint=hint))
    if shown.staple is not None:
        found += staple_findings(shown.staple, moment)
    if shown is not first and shown.error is not None:
        message = f"a client that accepts any certificate does not get further: {shown.error}"
        found.append(Finding(Severity.WARNING, "handshake", message))
    return found


def _client_certificate(shown: Attempt, config: TlsConfig) -> ClientCertificate:
    """Whether the server wants a client certificate, as far as this connection tells."""
    given = config.identity_cert is not None
    alert = shown.error.code if isinstance(shown.error, AlertReceived) else None
    if alert == 116:
        return "required"
    asked = shown.request is not None
    if asked and alert in _WITHOUT_CERTIFICATE and not given:
        return "required"
    if not shown.ended:
        return "requested" if asked else "unknown"
    if asked:
        return "requested" if given else "optional"
    if shown.stream.negotiated_version is TlsVersion.Tls13 and not shown.tells_of_requests:
        return "unknown"
    return "none"


class _Tickets:
    """A `SessionStore` of one connection's sessions."""

    def __init__(self) -> None:
        self.given: list[ResumableSession] = []
        self._left: list[ResumableSession] = []

    def put(self, scope: object, server_name: str, session: ResumableSession) -> None:
        del scope, server_name
        self.given.append(session)
        self._left.append(session)

    def take(self, scope: object, server_name: str) -> ResumableSession | None:
        del scope, server_name
        return self._left.pop() if self._left else None


def _resumed(
    line: Line, prepared: PreparedConfig, tickets: _Tickets, early_data: bytes, until: float
) -> Flow[Resumption]:
    """Flow: one more connection, which resumes the session of the first, by the moment `until`."""
    if not tickets.given:
        return Resumption(0)
    newest = tickets.given[-1]
    made = Resumption(len(tickets.given), newest.lifetime, newest.max_early_data)
    try:
        attempt = attempt_flow(line, prepared, early_data if newest.max_early_data else b"")
        again = yield from before(until, attempt)
    except (NetkitError, OSError) as error:
        return made._replace(error=str(error))
    failure = again.error or again.refusal
    if failure is not None:
        return made._replace(error=str(failure))
    return made._replace(
        resumed=again.stream.resumed,
        early_data=again.stream.early_data_accepted,
        handshake=again.times.handshake,
    )
