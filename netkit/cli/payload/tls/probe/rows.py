"""What `netkit tls probe` found, as rows of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypedDict, cast

from netkit.cli.frame.exits import AttemptRow, attempt_row
from netkit.cli.frame.fields import Endpoint as Peer, Format
from netkit.cli.frame.output import b64, rfc3339
from netkit.cli.frame.remedies import advice
from netkit.cli.payload.tls.certificates import (
    CertificateRow,
    FindingRow,
    VerificationRow,
    certificate_row,
    verification_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from netkit.tls.probe.report import ProbeReport, Resumption
    from netkit.tls.starttls import StartTlsReport
    from netkit.tls.verifying.findings import Finding


class StartTlsRow(TypedDict):
    """What the server said before TLS."""

    name: Annotated[str, "The protocol in which TLS was asked for"]
    greeting: Annotated[str, "The server's first words, or its version; empty where there are none"]
    capabilities: Annotated[list[str], "What it says that it can do before TLS"]
    go_ahead: Annotated[str, "The words of the go-ahead; empty where the protocol has none"]


class OcspRow(TypedDict):
    """A stapled OCSP response. Its signature is not judged."""

    certificate_status: Annotated[
        Literal["good", "revoked", "unknown"] | None, "null if the response is no statement"
    ]
    produced_at: Annotated[str | None, Format("date-time")]
    this_update_at: Annotated[str | None, Format("date-time")]
    next_update_at: Annotated[str | None, Format("date-time"), "When it expires"]
    revoked_at: Annotated[str | None, Format("date-time")]
    reason: Annotated[str | None, "Why the response is no statement"]
    response_b64: Annotated[str, "The response in DER"]


class SctRow(TypedDict):
    """A signed certificate timestamp of the handshake."""

    log_id_b64: Annotated[str | None, "The log; null if the timestamp cannot be read"]
    issued_at: Annotated[str | None, Format("date-time")]
    sct_b64: Annotated[str, "The timestamp as it was sent"]


class ResumptionRow(TypedDict):
    """What came of one more connection, with --resumption."""

    tickets: Annotated[int, "How many sessions the server gave to resume"]
    lifetime_s: Annotated[int | None, "How long the newest lives; null if it is not told"]
    max_early_data: Annotated[int, "How many bytes of early data the server takes with it"]
    resumed: Annotated[bool | None, "null without a ticket, or if there was no second connection"]
    early_data_accepted: Annotated[bool | None, "null if none was sent"]
    handshake_s: Annotated[float | None, "The handshake that resumes"]
    reason: Annotated[str | None, "Why there was no second connection"]


class ProbeRow(TypedDict):
    """What a TLS server sends, and the verdict."""

    host: str
    port: int
    peer: Annotated[Peer, "The address that answered; with a proxy, the proxy's"]
    proxy: Annotated[str | None, "The proxy, without its password"]
    server_name: Annotated[str, "The name that was requested (as SNI, if it is not an address) and checked"]
    backend: Annotated[str, "The TLS backend that made the handshake"]
    library: Annotated[str, "The library of the backend, with its version"]
    resolve_s: Annotated[float | None, "The name lookup; null for an address"]
    connect_s: Annotated[float, "Connecting (TCP, and the proxy)"]
    starttls_s: Annotated[float | None, "The dialogue before TLS; null without --starttls"]
    first_byte_s: Annotated[float | None, "From the ClientHello to the server's first byte"]
    handshake_s: Annotated[float | None, "The TLS handshake; null if it failed"]
    tls_bytes_sent: Annotated[int, "Of the first handshake, above TCP"]
    tls_bytes_received: Annotated[int, "Of the first handshake, above TCP"]
    attempts: Annotated[list[AttemptRow], "Every address that was tried"]
    starttls: Annotated[StartTlsRow | None, "null without --starttls"]
    protocol: Annotated[str | None, "TLS 1.2, TLS 1.3, ..."]
    cipher: Annotated[str | None, "OpenSSL's name of the cipher suite"]
    group: Annotated[str | None, "The group of the key exchange; null if the backend does not tell"]
    signature_scheme: Annotated[
        str | None, "The scheme of the server's signature; null if the backend does not tell"
    ]
    alpn: Annotated[str | None, "The application protocol agreed on"]
    alpn_offered: list[str]
    client_auth: Annotated[
        Literal["required", "requested", "optional", "none", "unknown"],
        "Whether the server wants a client certificate. requested: it was given one. unknown: TLS 1.3 asks "
        "in secret, and the backend does not tell",
    ]
    client_ca_names: Annotated[list[str], "The authorities of client certificates that the server names"]
    ocsp: Annotated[OcspRow | None, "The stapled OCSP response; null without one (--ocsp asks for it)"]
    scts: Annotated[list[SctRow] | None, "null if the backend does not tell"]
    ech_accepted: Annotated[bool | None, "null if the ClientHello was not encrypted"]
    resumption: Annotated[ResumptionRow | None, "null without --resumption, or if the handshake failed"]
    accepted: Annotated[bool, "Whether an ordinary client would have connected"]
    days_left: Annotated[int | None, "Until the first certificate of the path expires"]
    probed_at: Annotated[str, Format("date-time"), "The moment that was judged by: now, or that of --at"]
    certificates: Annotated[list[CertificateRow], "As sent"]
    verification: Annotated[VerificationRow | None, "null if no certificate was sent"]
    observations: Annotated[list[FindingRow], "What was found about the connection"]


class Probed(NamedTuple):
    """A report, what made the handshake, and the options for showing it."""

    report: ProbeReport
    library: str
    proxy: str | None
    insecure: bool
    warn_days: int | None
    pem: bool
    all_names: bool

    @property
    def target(self) -> str:
        """HOST:PORT."""
        host = self.report.host
        return f"[{host}]:{self.report.port}" if ":" in host else f"{host}:{self.report.port}"

    @property
    def expires_soon(self) -> bool:
        """Whether fewer days are left than --warn-days asks for."""
        left = self.report.days_left
        return self.warn_days is not None and left is not None and left < self.warn_days

    @property
    def starttls(self) -> StartTlsReport | None:
        """What the server said before TLS."""
        from netkit.tls.starttls import StartTlsReport

        said = self.report.dialogue
        return said if isinstance(said, StartTlsReport) else None


def probe_row(result: Probed) -> ProbeRow:
    """The JSON object of a probe."""
    report = result.report
    judged = report.verification
    said = result.starttls if report.dialogue is not None else None
    return {
        "host": report.host,
        "port": report.port,
        "peer": str(report.addr),
        "proxy": result.proxy,
        "server_name": report.server_name,
        "backend": report.backend,
        "library": result.library,
        "resolve_s": report.times.resolve,
        "connect_s": report.times.connect,
        "starttls_s": report.times.before_tls,
        "first_byte_s": report.times.first_byte,
        "handshake_s": report.times.handshake,
        "tls_bytes_sent": report.traffic.sent,
        "tls_bytes_received": report.traffic.received,
        "attempts": [attempt_row(attempt) for attempt in report.attempts],
        "starttls": None
        if said is None
        else {
            "name": said.protocol,
            "greeting": said.greeting,
            "capabilities": list(said.capabilities),
            "go_ahead": said.answer,
        },
        "protocol": None if report.version is None else report.version.as_str,
        "cipher": report.cipher,
        "group": report.group,
        "signature_scheme": report.signature_scheme,
        "alpn": report.alpn,
        "alpn_offered": list(report.alpn_offered),
        "client_auth": report.client_certificate,
        "client_ca_names": list(report.ca_names),
        "ocsp": None if report.ocsp_response is None else _ocsp_row(report.ocsp_response),
        "scts": None if report.scts is None else [_sct_row(one) for one in report.scts],
        "ech_accepted": report.ech_accepted,
        "resumption": None if report.resumption is None else _resumption_row(report.resumption),
        "accepted": report.accepted,
        "days_left": report.days_left,
        "probed_at": rfc3339(report.probed_at),
        "certificates": [
            certificate_row(certificate, report.probed_at, pem=result.pem) for certificate in report.chain
        ],
        "verification": None if judged is None else verification_row(judged),
        "observations": _finding_rows(report.observations),
    }


def _finding_rows(findings: Iterable[Finding]) -> list[FindingRow]:
    return [cast(FindingRow, {**one.to_dict(), "hint": advice(one.hint, one.remedy)}) for one in findings]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _ocsp_row(response: bytes) -> OcspRow:
    from netkit.tls.x509.stapled import read_staple

    staple = read_staple(response)
    return {
        "certificate_status": staple.status,
        "produced_at": _moment(staple.produced_at),
        "this_update_at": _moment(staple.this_update),
        "next_update_at": _moment(staple.next_update),
        "revoked_at": _moment(staple.revoked_at),
        "reason": staple.problem,
        "response_b64": b64(response),
    }


def _sct_row(data: bytes) -> SctRow:
    from netkit.tls.x509.stapled import read_sct

    sct = read_sct(data)
    return {
        "log_id_b64": None if sct.log_id is None else b64(sct.log_id),
        "issued_at": _moment(sct.issued_at),
        "sct_b64": b64(data),
    }


def _resumption_row(found: Resumption) -> ResumptionRow:
    return {
        "tickets": found.tickets,
        "lifetime_s": found.lifetime,
        "max_early_data": found.max_early_data,
        "resumed": found.resumed,
        "early_data_accepted": found.early_data,
        "handshake_s": found.handshake,
        "reason": found.error,
    }
