"""The checks of a certificate chain: one function for each kind of fault, which yields findings.

RFC 5280 section 6 (the path), RFC 9525 (the name), RFC 8446 section 4.4.2 (what a peer sends). No check
raises an error because of a certificate's content. `_check_malformed` reports the parts that cannot be read;
the other checks skip them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.extensions import (
    AUTHORITY_INFORMATION_ACCESS,
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    CRL_DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    SUBJECT_ALTERNATIVE_NAME,
    SUBJECT_KEY_IDENTIFIER,
    TLS_FEATURE,
    extension_name,
)
from netkit.tls.findings import Finding
from netkit.tls.hostname import ip_reference, matches_host
from netkit.tls.path import End, Path
from netkit.tls.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from netkit.tls.certificate import Certificate
    from netkit.tls.trust import Purpose

_LEVEL_BITS: Final = (0, 80, 112, 128, 192, 256)

# The security bits of a signature, by its hash. OpenSSL has the same numbers, which count known collisions.
_HASH_BITS: Final = {
    "md2": 39,
    "md5": 39,
    "sha1": 63,
    "sha224": 112,
    "sha256": 128,
    "sha384": 192,
    "sha512": 256,
}

# OpenSSL handles these extensions. It refuses a certificate that has any other critical extension.
_HANDLED_CRITICAL: Final = frozenset(
    {
        AUTHORITY_INFORMATION_ACCESS,
        AUTHORITY_KEY_IDENTIFIER,
        BASIC_CONSTRAINTS,
        CRL_DISTRIBUTION_POINTS,
        EXTENDED_KEY_USAGE,
        KEY_USAGE,
        NAME_CONSTRAINTS,
        SUBJECT_ALTERNATIVE_NAME,
        SUBJECT_KEY_IDENTIFIER,
        TLS_FEATURE,
        "1.3.6.1.5.5.7.1.7",  # RFC 3779 addresses
        "1.3.6.1.5.5.7.1.8",  # RFC 3779 AS numbers
        "1.3.6.1.5.5.7.1.14",  # proxy certificates
        "1.3.6.1.5.5.7.48.1.5",
        "2.16.840.1.113730.1.1",
        "2.5.29.18",
        "2.5.29.32",
        "2.5.29.33",
        "2.5.29.36",
        "2.5.29.54",
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """The input of the checks: the chain as the peer sent it, and the path that was found through it.

    `distrusted` holds the certificates whose own trust settings do not allow `purpose`.
    """

    chain: tuple[Certificate, ...]
    path: Path
    server_name: str | None
    now: datetime
    security_level: int
    purpose: Purpose
    distrusted: tuple[Certificate, ...] = ()

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]

    @property
    def issuers(self) -> tuple[Certificate, ...]:
        """The path above the peer's certificate."""
        return self.path.certificates[1:]

    def index(self, certificate: Certificate) -> int | None:
        return self.chain.index(certificate) if certificate in self.chain else None

    def is_anchor(self, certificate: Certificate) -> bool:
        return self.path.end is End.TRUSTED and certificate == self.path.certificates[-1]

    def called(self, certificate: Certificate) -> str:
        """How a sentence refers to a certificate: `certificate 1 (CN=Example CA)`."""
        name = _name(certificate)
        index = self.index(certificate)
        if index is None:
            return f"the trusted certificate {name}"
        return f"the peer's certificate ({name})" if index == 0 else f"certificate {index} ({name})"


def _name(certificate: Certificate, attribute: str = "subject") -> str:
    try:
        text = str(getattr(certificate, attribute))
    except TlsError:
        return "unreadable name"
    return (text if len(text) <= 100 else f"{text[:97]}...") or "empty name"


def _check_end_of_path(subject: Subject) -> Iterator[Finding]:
    path = subject.path
    last = path.certificates[-1]
    index = subject.index(last)
    issuer = _name(last, "issuer")
    if path.end is End.TRUSTED:
        return
    if path.end is End.UNTRUSTED_ROOT:
        if len(path.certificates) == 1:
            message = f"the certificate is self-signed: nobody but {_name(last)} itself vouches for it"
            hint = "trust this very certificate, or have one issued by an authority"
            yield Finding(Severity.ERROR, "self-signed", message, index, hint, "root_certs")
            return
        message = f"the chain ends in the root {_name(last)}, which is not trusted here"
        yield Finding(
            Severity.ERROR, "unknown-issuer", message, index, "trust it, if it should be", "root_certs"
        )
    elif path.end is End.WRONG_SIGNATURE:
        assert path.false_issuer is not None
        message = (
            f"{subject.called(last)} names {issuer} as its issuer, but the key of "
            f"{subject.called(path.false_issuer)} did not sign it"
        )
        hint = "an authority of the same name with another key: has it been made anew?"
        yield Finding(Severity.ERROR, "bad-signature", message, index, hint)
    elif len(path.certificates) == 1 and not _issuer_is_root(last):
        yield _missing_intermediate(last, index, issuer)
    else:
        message = f"{issuer}, the issuer of {subject.called(last)}, is not trusted here, and was not sent"
        hint = _with_aia(last, "trust it, if it should be")
        yield Finding(Severity.ERROR, "unknown-issuer", message, index, hint, "root_certs")


def _missing_intermediate(last: Certificate, index: int | None, issuer: str) -> Finding:
    message = (
        f"the certificate's issuer, {issuer}, was not sent and is not trusted here: "
        "an intermediate certificate is missing from what the server sends"
    )
    hint = _with_aia(
        last, "add it to the server's certificate file, after its own; if it is a private root, trust it"
    )
    return Finding(Severity.ERROR, "missing-intermediate", message, index, hint, "root_certs")


def _with_aia(certificate: Certificate, hint: str) -> str:
    try:
        urls = certificate.ca_issuer_urls
    except TlsError:
        urls = ()
    return f"{hint} (the certificate says it is at {printable(urls[0])})" if urls else hint


def _issuer_is_root(certificate: Certificate) -> bool:
    """Whether the certificate says that its issuer is self-issued. Then no intermediate is missing.

    The authority key identifier may name the issuer's issuer (RFC 5280 section 4.2.1.1).
    """
    try:
        named = certificate.authority_issuer_key
        return named is not None and bool(named == certificate.issuer_key)
    except TlsError:
        return False


def _check_distrusted(subject: Subject) -> Iterator[Finding]:
    """Report a distrusted certificate in the path, or one that issued a certificate of the path.

    In the second case the peer did not send the distrusted certificate.
    """
    for certificate in subject.distrusted:
        on_path = next((one for one in subject.path.certificates if _leads_to(one, certificate)), None)
        if on_path is None:
            continue
        reason = certificate.trust.distrusts(subject.purpose) if certificate.trust is not None else None
        message = f"the chain leads to {_name(certificate)}, which is distrusted here: {reason}"
        yield Finding(Severity.ERROR, "distrusted", message, subject.index(certificate))


def _leads_to(certificate: Certificate, distrusted: Certificate) -> bool:
    if certificate == distrusted:
        return True
    try:
        named = certificate.issuer_key == distrusted.subject_key
    except TlsError:
        return False
    return named and certificate.is_signed_by(distrusted)


def _check_time(subject: Subject) -> Iterator[Finding]:
    used = dict.fromkeys((*subject.path.certificates, *subject.chain))
    for certificate in used:
        severity = Severity.ERROR if certificate in subject.path.certificates else Severity.NOTE
        try:
            begins, ends = certificate.not_before, certificate.not_after
        except TlsError:
            continue  # `_check_malformed` reports it
        index = subject.index(certificate)
        if subject.now > ends:
            message = (
                f"{subject.called(certificate)} expired on {_moment(ends)}, {_ago(subject.now - ends)} ago"
            )
            hint = "renew it (or set this machine's clock right)" if index == 0 else None
            yield Finding(severity, "expired", message, index, hint)
        elif subject.now < begins:
            message = (
                f"{subject.called(certificate)} is valid only from {_moment(begins)} on, "
                f"in {_ago(begins - subject.now)}"
            )
            hint = "compare this machine's clock with the peer's"
            yield Finding(severity, "not-yet-valid", message, index, hint)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"


def _ago(delta: timedelta) -> str:
    seconds = int(delta.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _check_host(subject: Subject) -> Iterator[Finding]:
    host = subject.server_name
    if host is None:
        return
    try:
        names = subject.leaf.sans
    except TlsError:
        message = f"the names that the certificate is for cannot be read, so it is not for {printable(host)}"
        yield Finding(Severity.ERROR, "wrong-host", message, 0)
        return
    if matches_host(names, host):
        return
    presented = [printable(name) for name in (*names.dns, *names.ip)]
    if presented:
        more = f" and {len(presented) - 8} more" if len(presented) > 8 else ""
        message = f"the certificate is not for {printable(host)}, but for {', '.join(presented[:8])}{more}"
        hint = "ask for one of its names, or have it issued for this one"
    else:
        message = (
            f"the certificate is not for {printable(host)}: it names no host (no subject alternative name)"
        )
        hint = "have it issued with the name as a subject alternative name"
    common_name = _common_name(subject.leaf)
    if common_name is not None and common_name.lower() == host.lower().rstrip("."):
        hint = (
            "its common name does match, but clients stopped looking there: the name belongs among the SANs"
        )
    elif ip_reference(host) is not None and host in names.dns:
        hint = "the address stands there as a DNS name: it belongs there as an IP address"
    yield Finding(Severity.ERROR, "wrong-host", message, 0, hint)


def _common_name(certificate: Certificate) -> str | None:
    try:
        return certificate.common_name
    except TlsError:
        return None


def _check_authority(subject: Subject) -> Iterator[Finding]:
    """Every certificate above the first must be allowed to issue (RFC 5280 section 6.1.4, steps k to n)."""
    below = 0  # intermediates that are not self-issued, below the one looked at
    for certificate in subject.issuers:
        index = subject.index(certificate)
        try:
            usage, path_len = certificate.key_usage, certificate.path_len
            is_ca = certificate.is_ca or _is_old_root(certificate, subject)
            self_issued = certificate.is_self_issued
        except TlsError:
            continue
        if not is_ca:
            message = (
                f"{subject.called(certificate)} issued another certificate but is not an authority (CA:FALSE)"
            )
            yield Finding(Severity.ERROR, "not-a-ca", message, index)
        elif usage is not None and "keyCertSign" not in usage:
            message = (
                f"{subject.called(certificate)} issued another, but its key is not for that (no keyCertSign)"
            )
            yield Finding(Severity.ERROR, "not-a-ca", message, index)
        if path_len is not None and below > path_len:
            message = (
                f"{subject.called(certificate)} allows {path_len} intermediates below it, there are {below}"
            )
            yield Finding(Severity.ERROR, "path-too-long", message, index)
        below += not self_issued


def _is_old_root(certificate: Certificate, subject: Subject) -> bool:
    # A version 1 certificate cannot say whether it is an authority. A trusted root counts as one.
    return (
        certificate.version == 1
        and BASIC_CONSTRAINTS not in certificate.extension_oids
        and (certificate.is_self_issued or subject.is_anchor(certificate))
    )


def _check_purpose(subject: Subject) -> Iterator[Finding]:
    accepted = {subject.purpose, "msSGC", "nsSGC"} if subject.purpose == "serverAuth" else {subject.purpose}
    for certificate in subject.path.certificates:
        index = subject.index(certificate)
        try:
            purposes, usage = certificate.extended_key_usage, certificate.key_usage
        except TlsError:
            continue
        if purposes is not None and accepted.isdisjoint(purposes):
            listed = ", ".join(purposes[:6])
            message = f"{subject.called(certificate)} is for {listed}, not for {subject.purpose}"
            yield Finding(Severity.ERROR, "wrong-purpose", message, index)
        if certificate != subject.leaf or usage is None:
            continue
        needed = {"digitalSignature", "keyAgreement"}
        if subject.purpose == "serverAuth":
            needed |= {"keyEncipherment"}
        if needed.isdisjoint(usage):
            listed = ", ".join(usage) or "nothing"
            message = f"the key of {subject.called(certificate)} is for {listed}, not for TLS"
            yield Finding(Severity.ERROR, "wrong-key-usage", message, index)


def _check_strength(subject: Subject) -> Iterator[Finding]:
    needed = _LEVEL_BITS[max(0, min(subject.security_level, len(_LEVEL_BITS) - 1))]
    for certificate in subject.path.certificates:
        index = subject.index(certificate)
        try:
            key, signature_hash = certificate.public_key, certificate.signature_hash
            algorithm = certificate.signature_algorithm
        except TlsError:
            continue
        worth = key.security_bits
        if worth is not None and worth < max(needed, 112):
            severity = Severity.ERROR if worth < needed else Severity.WARNING
            message = f"the key of {subject.called(certificate)} is weak: {key}, worth {worth} bits"
            yield Finding(severity, "weak-key", message, index)
        if subject.is_anchor(certificate) or (
            certificate == subject.path.certificates[-1] and _self(certificate)
        ):
            continue  # a root is trusted by itself; its signature does not matter
        worth = _HASH_BITS.get(signature_hash or "")
        if worth is not None and worth < max(needed, 112):
            severity = Severity.ERROR if worth < needed else Severity.WARNING
            message = f"the signature on {subject.called(certificate)} is weak: {algorithm}"
            yield Finding(severity, "weak-signature", message, index)


def _self(certificate: Certificate) -> bool:
    try:
        return certificate.is_self_issued
    except TlsError:
        return False


def _check_critical(subject: Subject) -> Iterator[Finding]:
    for certificate in subject.path.certificates:
        try:
            critical = certificate.critical_extensions
        except TlsError:
            continue
        for oid in critical:
            if oid not in _HANDLED_CRITICAL:
                message = (
                    f"{subject.called(certificate)} has the critical extension {extension_name(oid)}, "
                    "which clients do not know and so must refuse"
                )
                yield Finding(Severity.ERROR, "critical-extension", message, subject.index(certificate))


def _check_malformed(subject: Subject) -> Iterator[Finding]:
    for certificate in dict.fromkeys(subject.chain):
        for problem in certificate.problems:
            message = f"{subject.called(certificate)}: {printable(str(problem))}"
            yield Finding(Severity.WARNING, "malformed", message, subject.index(certificate))
        if not certificate.problems and certificate.serial <= 0:
            called = subject.called(certificate)
            message = f"{called} has the serial number {certificate.serial_hex}, which is not positive"
            yield Finding(Severity.NOTE, "odd-serial", message, subject.index(certificate))


def _check_sent(subject: Subject) -> Iterator[Finding]:
    """Report certificates that were sent needlessly or out of order (RFC 8446 section 4.4.2)."""
    chain, path = subject.chain, subject.path.certificates
    positions = [subject.index(certificate) for certificate in path]
    sent = [position for position in positions if position is not None]
    if sent != sorted(sent):
        order = ", ".join(str(position) for position in sent)
        message = (
            f"the certificates are out of order: each should be followed by its issuer (needed: {order})"
        )
        yield Finding(Severity.WARNING, "out-of-order", message)
    seen: set[Certificate] = set()
    for index, certificate in enumerate(chain):
        if certificate in seen:
            message = f"certificate {index} ({_name(certificate)}) was sent before"
            yield Finding(Severity.WARNING, "duplicate", message, index)
        elif certificate not in path:
            message = f"certificate {index} ({_name(certificate)}) is not part of the chain"
            yield Finding(Severity.WARNING, "unneeded", message, index)
        elif index and subject.is_anchor(certificate) and _self(certificate):
            message = f"certificate {index} ({_name(certificate)}) is the root, which clients have already"
            yield Finding(Severity.NOTE, "root-sent", message, index)
        seen.add(certificate)


#: Every check. The order does not matter.
CHECKS: Final[tuple[Callable[[Subject], Iterator[Finding]], ...]] = (
    _check_end_of_path,
    _check_distrusted,
    _check_time,
    _check_host,
    _check_authority,
    _check_purpose,
    _check_strength,
    _check_critical,
    _check_malformed,
    _check_sent,
)
