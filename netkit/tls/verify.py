"""Verification with reasons: would a client accept this chain, and if not, what are all the reasons.

RFC 5280 section 6 (the path), RFC 9525 (the name), RFC 8446 section 4.4.2 (what a peer sends), and OpenSSL's
security levels (SSL_CTX_set_security_level). The verdict is OpenSSL's (see `oracle`), together with the
name, the purpose and the security level that a connection adds. Tests compare it with real handshakes. This
module makes the findings. If OpenSSL refuses a chain and no finding explains it, OpenSSL's own words become
a finding. So every refusal has a reason, and a path is refused only if OpenSSL refuses it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.checks import CHECKS, Subject
from netkit.tls.errors import TlsError
from netkit.tls.findings import Finding, Verification
from netkit.tls.oracle import X509_V_OK, Verdict, openssl_verdict
from netkit.tls.path import End, Path, TrustIndex, follow
from netkit.tls.roots import SystemCerts, TrustLocations, settings_at
from netkit.tls.trust import split_by_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from netkit.tls.certificate import Certificate
    from netkit.tls.trust import Purpose

#: The security level of Python's contexts: 112 bits. It requires RSA keys of 2048 bits and forbids SHA-1.
DEFAULT_SECURITY_LEVEL: Final = 2

#: How many certificates of a chain are checked at most. A finding reports the number of the others.
MAX_CHAIN: Final = 64

#: The order of the findings: the chain itself, then its time, its name, its purpose, its strength.
_ORDER: Final = (
    "no-certificate",
    "malformed",
    "no-trust-store",
    "distrusted",
    "self-signed",
    "unknown-issuer",
    "missing-intermediate",
    "bad-signature",
    "expired",
    "not-yet-valid",
    "wrong-host",
    "not-a-ca",
    "path-too-long",
    "wrong-purpose",
    "wrong-key-usage",
    "critical-extension",
    "weak-signature",
    "weak-key",
    "openssl",
)

# OpenSSL's X509_V_ERR_ codes, and the finding with the same meaning.
_CODES_TOLD: Final[dict[int, frozenset[str]]] = {
    2: frozenset({"unknown-issuer", "missing-intermediate", "bad-signature"}),
    7: frozenset({"bad-signature"}),
    9: frozenset({"not-yet-valid"}),
    10: frozenset({"expired"}),
    18: frozenset({"self-signed"}),
    19: frozenset({"unknown-issuer", "self-signed"}),
    20: frozenset({"unknown-issuer", "missing-intermediate", "bad-signature"}),
    21: frozenset({"unknown-issuer", "missing-intermediate", "bad-signature"}),
    24: frozenset({"not-a-ca"}),
    25: frozenset({"path-too-long"}),
    32: frozenset({"not-a-ca"}),
    34: frozenset({"critical-extension"}),
    79: frozenset({"not-a-ca"}),
}


def verify_chain(
    chain: Sequence[Certificate],
    *,
    server_name: str | None,
    now: datetime,
    roots: Sequence[Certificate] | None = None,
    security_level: int = DEFAULT_SECURITY_LEVEL,
    purpose: Purpose = "serverAuth",
) -> Verification:
    """Whether a client would accept `chain`: the certificates in the order the peer sent them.

    `server_name` is the name or IP address that the connection was made to; None checks no name. `now` is
    the moment to judge by, UTC. `roots` are the trusted certificates; None means those that this system
    trusts. A root whose own trust settings forbid `purpose` is distrusted: a chain that leads to it is not
    accepted. `security_level` is OpenSSL's, 0 to 5. The content of a certificate never raises an error.
    """
    if not chain:
        finding = Finding(Severity.ERROR, "no-certificate", "the peer sent no certificate")
        return Verification(False, (finding,), (), server_name, now, 0, "no certificate")
    judged = tuple(chain[:MAX_CHAIN])
    findings: list[Finding] = []
    anchors: Sequence[Certificate] | TrustLocations
    trusted: Callable[[], TrustIndex]
    distrusted: tuple[Certificate, ...] = ()
    if roots is None:
        anchors, problem = _system_anchors()
        findings += [problem] if problem else []
        trusted = _system_index
        # pyOpenSSL sets no purpose, and OpenSSL then interprets trust settings in another way.
        roots = settings_at(anchors) if isinstance(anchors, TrustLocations) else None
    if roots is not None:
        split = split_by_trust(roots, purpose)
        anchors, distrusted = split.trusted, split.distrusted
        trusted = lambda: TrustIndex(split.trusted)  # noqa: E731
    try:
        verdict = openssl_verdict(judged, anchors, now)
    except TlsError as error:
        verdict = Verdict(1, str(error), 0)
    accepted_path = verdict.code == X509_V_OK
    path = Path(verdict.path, End.TRUSTED) if accepted_path else follow(judged, trusted())
    subject = Subject(judged, path, server_name, now, security_level, purpose, distrusted)
    for check in CHECKS:
        findings += check(subject)
    if len(chain) > MAX_CHAIN:
        message = (
            f"the peer sent {len(chain)} certificates; those after the first {MAX_CHAIN} are not looked at"
        )
        findings.append(Finding(Severity.WARNING, "long-chain", message))
    findings = _reconciled(findings, verdict)
    findings.sort(key=_weight)
    accepted = not any(finding.severity is Severity.ERROR for finding in findings)
    return Verification(
        accepted, tuple(findings), path.certificates, server_name, now, verdict.code, verdict.message
    )


def _system_anchors() -> tuple[Sequence[Certificate] | TrustLocations, Finding | None]:
    import sys

    try:
        if sys.platform in ("win32", "darwin"):
            return SystemCerts.load(), None
        return TrustLocations.find(), None
    except (TlsError, OSError) as error:
        hint, remedy = getattr(error, "hint", None), getattr(error, "remedy", None)
        return (), Finding(Severity.ERROR, "no-trust-store", str(error), hint=hint, remedy=remedy)


def _system_index() -> TrustIndex:
    try:
        return _kept_index(tuple(SystemCerts.load()))
    except (TlsError, OSError):
        return TrustIndex(())


@lru_cache(2)
def _kept_index(certificates: tuple[Certificate, ...]) -> TrustIndex:
    return TrustIndex(certificates)


def _reconciled(findings: list[Finding], verdict: Verdict) -> list[Finding]:
    """Combine findings and verdict: each refusal by OpenSSL gets a reason; only OpenSSL refuses a path."""
    if verdict.code == X509_V_OK:
        # OpenSSL found a path without fault. A fault outside this path does not make a client refuse.
        return [
            replace(finding, severity=Severity.WARNING)
            if finding.severity is Severity.ERROR and finding.code not in _BESIDE_THE_PATH
            else finding
            for finding in findings
        ]
    told = _CODES_TOLD.get(verdict.code, frozenset())
    if any(finding.code in told and finding.severity is Severity.ERROR for finding in findings):
        return findings
    message = f"OpenSSL refuses the chain: {verdict.message} (code {verdict.code}, depth {verdict.depth})"
    return [*findings, Finding(Severity.ERROR, "openssl", message)]


#: The findings that make a connection refuse, although the chain itself has no fault.
_BESIDE_THE_PATH: Final = frozenset(
    {
        "distrusted",
        "wrong-host",
        "wrong-purpose",
        "wrong-key-usage",
        "weak-signature",
        "weak-key",
        "no-trust-store",
    }
)


def _weight(finding: Finding) -> tuple[int, int, int]:
    severity = (Severity.ERROR, Severity.WARNING, Severity.NOTE).index(finding.severity)
    order = _ORDER.index(finding.code) if finding.code in _ORDER else len(_ORDER)
    return severity, order, -1 if finding.index is None else finding.index
