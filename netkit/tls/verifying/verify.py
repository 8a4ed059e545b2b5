"""Verification with reasons: would a client accept this chain, and if not, what are all the reasons.

RFC 5280 section 6 (the path), RFC 9525 (the name), RFC 8446 section 4.4.2 (what a peer sends), and OpenSSL's
security levels (SSL_CTX_set_security_level). The verdict is a client's: that of a connection where there was
one, else of a client that the chain is played to (see `oracle`). This module makes the findings. If OpenSSL
refuses a chain and no finding explains it, OpenSSL's own words become a finding. So every refusal has a
reason, and a path is refused only if OpenSSL refuses it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls import verify_codes as codes
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.verifying.checks import CHECKS
from netkit.tls.verifying.checks.subject import Subject
from netkit.tls.verifying.findings import Finding, Verification
from netkit.tls.verifying.hostname import server_name_for
from netkit.tls.verifying.oracle import Verdict, client_verdict, store_verdict
from netkit.tls.verifying.path import End, Path, TrustIndex, as_built, follow
from netkit.tls.verifying.roots import SystemCerts, TrustLocations, settings_at
from netkit.tls.x509.trust import split_by_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.trust import Purpose

#: The security level of Python's contexts: 112 bits. It requires RSA keys of 2048 bits and forbids SHA-1.
DEFAULT_SECURITY_LEVEL: Final = 2

#: How many of the certificates of a chain are looked at one by one. The verdict is about all of them.
MAX_CHAIN: Final = 100

#: How many findings of one kind are listed; a last one counts the others.
MAX_OF_A_KIND: Final = 12

#: How far the moment to judge by may be from the clock's for a client to be asked, who reads the clock.
_NOW: Final = timedelta(hours=1)

#: The order of the findings: the chain itself, then its time, its name, its purpose, its strength.
_ORDER: Final = (
    "no-certificate",
    "malformed",
    "no-trust-store",
    "distrusted",
    "unknown-algorithm",
    "self-signed",
    "unknown-issuer",
    "missing-intermediate",
    "bad-signature",
    "expired",
    "not-yet-valid",
    "wrong-host",
    "not-a-ca",
    "path-too-long",
    "name-constraints",
    "wrong-purpose",
    "wrong-key-usage",
    "critical-extension",
    "weak-signature",
    "weak-key",
    "openssl",
    "rustls",
    "another-path",
)

_NO_PATH: Final = frozenset(
    {"unknown-issuer", "missing-intermediate", "bad-signature", "self-signed", "unknown-algorithm"}
)

#: The codes of a path that does not lead to a trusted certificate.
_NO_PATH_CODES: Final = frozenset(
    {
        codes.UNABLE_TO_GET_ISSUER_CERT,
        codes.DEPTH_ZERO_SELF_SIGNED_CERT,
        codes.SELF_SIGNED_CERT_IN_CHAIN,
        codes.UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        codes.UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    }
)

# OpenSSL's X509_V_ERR_ codes, and the finding with the same meaning.
_CODES_TOLD: Final[dict[int, frozenset[str]]] = {
    codes.UNSPECIFIED: frozenset({"malformed"}),
    codes.UNABLE_TO_GET_ISSUER_CERT: _NO_PATH,
    codes.UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: frozenset({"unknown-algorithm"}),
    codes.CERT_SIGNATURE_FAILURE: frozenset(
        {"bad-signature", "unknown-algorithm", "weak-signature", "weak-key"}
    ),  # rustls has one word
    codes.CERT_NOT_YET_VALID: frozenset({"not-yet-valid"}),
    codes.CERT_HAS_EXPIRED: frozenset({"expired"}),
    codes.DEPTH_ZERO_SELF_SIGNED_CERT: frozenset({"self-signed"}),
    codes.SELF_SIGNED_CERT_IN_CHAIN: _NO_PATH,
    codes.UNABLE_TO_GET_ISSUER_CERT_LOCALLY: _NO_PATH,
    codes.UNABLE_TO_VERIFY_LEAF_SIGNATURE: _NO_PATH,
    codes.NO_ISSUER_PUBLIC_KEY: frozenset({"not-a-ca"}),
    codes.PATH_LENGTH_EXCEEDED: frozenset({"path-too-long"}),
    codes.INVALID_PURPOSE: frozenset({"wrong-purpose", "wrong-key-usage"}),
    codes.CERT_UNTRUSTED: frozenset({"distrusted"}),
    codes.CERT_REJECTED: frozenset({"distrusted"}),
    codes.KEYUSAGE_NO_CERTSIGN: frozenset({"not-a-ca"}),
    codes.UNHANDLED_CRITICAL_EXTENSION: frozenset({"critical-extension"}),
    **dict.fromkeys(codes.VIOLATIONS, frozenset({"name-constraints"})),
    codes.HOSTNAME_MISMATCH: frozenset({"wrong-host"}),
    codes.IP_ADDRESS_MISMATCH: frozenset({"wrong-host"}),
    codes.EE_KEY_TOO_SMALL: frozenset({"weak-key", "unknown-algorithm"}),
    codes.CA_KEY_TOO_SMALL: frozenset({"weak-key", "unknown-algorithm"}),
    codes.CA_MD_TOO_WEAK: frozenset({"weak-signature"}),
    codes.INVALID_CA: frozenset({"not-a-ca"}),
}


def verify_chain(
    chain: Sequence[Certificate],
    *,
    server_name: str | None,
    now: datetime,
    roots: Sequence[Certificate] | None = None,
    security_level: int = DEFAULT_SECURITY_LEVEL,
    purpose: Purpose = "serverAuth",
    config: TlsConfig | None = None,
    verdict: Verdict | None = None,
    stapled: bool | None = None,
) -> Verification:
    """Whether a client would accept `chain`: the certificates in the order the peer sent them.

    `server_name` is the name or IP address that the connection was made to; None checks no name. `now` is
    the moment to judge by, UTC. `roots` are the trusted certificates; None means those that this system
    trusts. A root whose own trust settings forbid `purpose` is distrusted: a chain that leads to it is not
    accepted. `security_level` is OpenSSL's, 0 to 5. `config` are the settings of the client that judges, with
    its roots, instead of both; what in it is for old protocols relaxes nothing. `verdict` is that of a client
    which had a connection; it is not judged again then. `stapled` says whether an OCSP response came with the
    chain; None: nobody asked for one. The content of a certificate never raises an error.
    """
    if not chain:
        finding = Finding(Severity.ERROR, "no-certificate", "the peer sent no certificate")
        return Verification(False, (finding,), (), (), server_name, now, 0, "no certificate", "")
    if config is not None:
        security_level = _level_of(config)
    trust = _Trust(roots, purpose, config)
    if verdict is None:
        verdict = _verdict(chain, trust, server_name, now, security_level)
    verdict = verdict._replace(path=_read_once(verdict.path, (*chain, *trust.listed)))
    judged = tuple(chain[:MAX_CHAIN])
    subject = Subject(
        chain=judged,
        path=_path(judged, verdict, trust.index),
        server_name=server_name,
        now=now,
        security_level=security_level,
        purpose=purpose,
        trusted=trust.index,
        code=verdict.code,
        judge=verdict.judge,
        library=verdict.library,
        is_unread=verdict.unread,
        distrusted=trust.distrusted,
        name_accepted=_name_accepted(verdict),
        stapled=stapled,
    )
    findings = list(trust.problems)
    for check in CHECKS:
        findings += check(subject)
    if len(chain) > MAX_CHAIN:
        message = f"the peer sent {len(chain)} certificates; those after the first {MAX_CHAIN} are not listed"
        findings.append(Finding(Severity.WARNING, "long-chain", message))
    findings = _reconciled(findings, verdict)
    accepted = not any(finding.severity is Severity.ERROR for finding in findings)
    return Verification(
        accepted,
        tuple(_listed(sorted(findings, key=_weight))),
        judged,
        subject.path.certificates,
        server_name,
        now,
        verdict.code,
        verdict.message,
        verdict.judge,
    )


class _Trust:
    """The trusted certificates, in the forms in which the judges and the checks want them."""

    def __init__(
        self, roots: Sequence[Certificate] | None, purpose: Purpose, config: TlsConfig | None
    ) -> None:
        self.purpose: Purpose = purpose
        self._config = config
        self._roots = roots if config is None else config.root_certs or None
        self.anchors: Sequence[Certificate] | TrustLocations
        self.distrusted: tuple[Certificate, ...] = ()
        self.problems: tuple[Finding, ...] = ()
        self._index: Callable[[], TrustIndex] = _system_index
        listed = self._roots
        if listed is None:
            self.anchors, problem = _system_anchors()
            self.problems = (problem,) if problem else ()
            listed = settings_at(self.anchors) if isinstance(self.anchors, TrustLocations) else None
        if listed is not None:
            split = split_by_trust(listed, purpose)
            self.anchors, self.distrusted = split.trusted, split.distrusted
            self._index = lambda: TrustIndex(split.trusted)
        if config is not None:
            self.distrusted = tuple(dict.fromkeys((*self.distrusted, *config.distrusted_certs)))

    def index(self) -> TrustIndex:
        return self._index()

    @property
    def listed(self) -> Sequence[Certificate]:
        """The roots that the caller gave; empty where those of the system are trusted."""
        return self._roots or ()

    def client(self, security_level: int) -> TlsConfig | None:
        """The settings of a client with this trust; None if a client cannot have it."""
        if self._config is not None:
            return None if self._config.is_server else self._config
        if self.purpose != "serverAuth" or self.problems:
            return None
        suites = None if security_level == DEFAULT_SECURITY_LEVEL else f"DEFAULT:@SECLEVEL={security_level}"
        if self._roots is None:
            return TlsConfig(cipher_suites=suites)
        if not self.anchors:
            return None
        return TlsConfig(root_certs=tuple(self._roots), cipher_suites=suites)


def _verdict(
    chain: Sequence[Certificate],
    trust: _Trust,
    server_name: str | None,
    now: datetime,
    security_level: int,
) -> Verdict:
    """A client's verdict; that of the store alone where a client cannot be asked."""
    config = trust.client(security_level)
    if config is not None and server_name is not None and _is_name(server_name):
        clock = datetime.now(UTC)
        if abs(now - clock) <= _NOW:
            found = client_verdict(chain, config, server_name)
            if found is not None and not _changes_between(now, clock, (*chain, *found.path)):
                return found
    try:
        return store_verdict(chain, trust.anchors, now, trust.purpose)
    except TlsError as error:
        return Verdict(
            codes.UNSPECIFIED,
            str(error),
            "OpenSSL (pyOpenSSL)",
            name_judged=False,
            level_judged=False,
            unread=True,
        )


def _read_once(path: tuple[Certificate, ...], known: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """The path with those of its certificates that are known: what was read of them is not read again."""
    same = {certificate: certificate for certificate in known}
    return tuple(same.get(certificate, certificate) for certificate in path)


def _level_of(config: TlsConfig) -> int:
    """The security level of a client with these settings, which a list of ciphers can set."""
    found = re.findall(r"@SECLEVEL=(\d)", config.cipher_suites or "")
    return int(found[-1]) if found else DEFAULT_SECURITY_LEVEL


def _is_name(server_name: str) -> bool:
    try:
        server_name_for(server_name)
    except ValueError:
        return False
    return True


def _changes_between(one: datetime, other: datetime, certificates: Iterable[Certificate]) -> bool:
    """Whether one of the certificates begins or ends between the two moments."""
    first, last = min(one, other), max(one, other)
    for certificate in certificates:
        try:
            if first <= certificate.not_before <= last or first <= certificate.not_after <= last:
                return True
        except TlsError:
            continue
    return False


def _path(chain: tuple[Certificate, ...], verdict: Verdict, trusted: Callable[[], TrustIndex]) -> Path:
    """The path that OpenSSL built; where it did not come so far, the one that is found here."""
    if verdict.accepted and verdict.path:
        return Path(verdict.path, End.TRUSTED)
    found = follow(chain, trusted())
    built = verdict.path
    # A fault of another kind can end OpenSSL's path early: a certificate that is distrusted, or a weak key.
    ended_early = verdict.code not in _NO_PATH_CODES and found.certificates[: len(built)] == built
    if not built or found.certificates == built or ended_early:
        return found
    return as_built(verdict.path, trusted(), has_false_signature=verdict.code == codes.CERT_SIGNATURE_FAILURE)


def _name_accepted(verdict: Verdict) -> bool | None:
    """What OpenSSL says of the name, which it looks at before the dates and after the path."""
    if not verdict.name_judged:
        return None
    if verdict.code in (codes.HOSTNAME_MISMATCH, codes.IP_ADDRESS_MISMATCH):
        return False
    return True if verdict.accepted else None


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
    if verdict.accepted:
        # OpenSSL found no fault. What it did not see, or does not mind, does not make a client refuse.
        decided_here = _decided_here(verdict)
        return [
            replace(finding, severity=Severity.WARNING)
            if finding.severity is Severity.ERROR and finding.code not in decided_here
            else finding
            for finding in findings
        ]
    errors = (finding for finding in findings if finding.severity is Severity.ERROR)
    reasons = frozenset(finding.code for finding in errors)
    told = _CODES_TOLD.get(verdict.code, frozenset())
    if verdict.code in _NO_PATH_CODES:
        told |= {"malformed"}
    if verdict.code == codes.UNSPECIFIED and not verdict.unread:
        told = reasons  # a library without a number for its reason
    if told & reasons:
        return findings
    message = f"{verdict.library} refuses the chain: {verdict.message}"
    if verdict.code != codes.UNSPECIFIED:
        depth = "" if verdict.depth is None else f", depth {verdict.depth}"
        message += f" (code {verdict.code}{depth})"
    return [*findings, Finding(Severity.ERROR, verdict.library.lower(), message)]


def _decided_here(verdict: Verdict) -> frozenset[str]:
    """The findings that make a client refuse, and about which this verdict says nothing."""
    found = {"no-trust-store"}
    if not verdict.name_judged:
        found |= {"wrong-host"}
    if not verdict.level_judged:
        found |= {"weak-signature", "weak-key"}
    if not verdict.purpose_judged:
        found |= {"wrong-purpose", "wrong-key-usage", "distrusted"}
    return frozenset(found)


def _listed(findings: list[Finding]) -> Iterable[Finding]:
    """The findings, of each kind and severity not too many: the others are counted."""
    kinds = Counter((finding.code, finding.severity) for finding in findings)
    seen: Counter[tuple[str, Severity]] = Counter()
    for finding in findings:
        kind = finding.code, finding.severity
        seen[kind] += 1
        more = kinds[kind] - MAX_OF_A_KIND
        if more <= 1 or seen[kind] <= MAX_OF_A_KIND:
            yield finding
        elif seen[kind] == MAX_OF_A_KIND + 1:
            yield Finding(finding.severity, finding.code, f"and {more:,} more of this kind")


def _weight(finding: Finding) -> tuple[int, int, int]:
    severity = (Severity.ERROR, Severity.WARNING, Severity.NOTE).index(finding.severity)
    order = _ORDER.index(finding.code) if finding.code in _ORDER else len(_ORDER)
    return severity, order, -1 if finding.index is None else finding.index
