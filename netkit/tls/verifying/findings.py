"""The result of a verification: the verdict, and one sentence for each reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netkit.severity import Severity
from netkit.tls import verify_codes as codes
from netkit.tls.errors import TlsError
from netkit.tls.verifying.explain import explain_refusal

if TYPE_CHECKING:
    from datetime import datetime

    from netkit.errors import Remedy
    from netkit.tls.x509.certificate import Certificate


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about a chain: its severity, a stable code for scripts, a sentence, and what to do.

    `remedy` is the setting that the hint is about, or None (`NetkitError.remedy`).

    `index` is the position of the certificate in the chain that the peer sent, from 0. It is None if the
    finding is about no sent certificate, or about a certificate from the trust store.
    """

    severity: Severity
    code: str
    message: str
    index: int | None = None
    hint: str | None = None
    remedy: Remedy | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "certificate_index": self.index,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a client would accept a chain, and why.

    `findings` are sorted: the most important reason comes first. `chain` is what was judged, as the peer sent
    it. `path` holds the certificates from the peer's certificate towards a trusted root, as far as they could
    be followed. `openssl_code` and `openssl_message` are OpenSSL's own verdict about the chain (0 and `"ok"`
    if OpenSSL accepts it); `judge` says which OpenSSL that was, and through which library (`""` if none was
    asked).
    """

    accepted: bool
    findings: tuple[Finding, ...]
    chain: tuple[Certificate, ...]
    path: tuple[Certificate, ...]
    server_name: str | None
    checked_at: datetime
    openssl_code: int
    openssl_message: str
    judge: str

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """The findings that make a client refuse the chain; empty if the client accepts it."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The faults that do not make a client refuse the chain."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    @property
    def error(self) -> TlsError | None:
        """The error that the connection would raise, None if the chain is accepted."""
        reasons = self.reasons
        if not reasons:
            return None
        first = reasons[0]
        if first.code == "expired":
            error = TlsError.CertificateExpired()
            explain_refusal(error, self.chain, self.path, self.checked_at)
            return error
        if first.code == "wrong-host" and self.server_name is not None:
            return TlsError.HostnameMismatch(self.server_name, self._names())
        code = self.openssl_code or codes.UNSPECIFIED
        return TlsError.CertificateVerificationFailed(
            first.message, code, hint=first.hint, remedy=first.remedy
        )

    def _names(self) -> tuple[str, ...]:
        try:
            names = self.path[0].sans
        except (TlsError, IndexError):
            return ()
        return (*names.dns, *names.ip)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, the path as fingerprints."""
        return {
            "accepted": self.accepted,
            "server_name": self.server_name,
            "findings": [finding.to_dict() for finding in self.findings],
            "path": [certificate.fingerprint_sha256 for certificate in self.path],
            "openssl_code": self.openssl_code,
            "openssl_message": self.openssl_message,
            "judge": self.judge,
        }
