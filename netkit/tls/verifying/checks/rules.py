"""What the extensions allow: to issue, and for which purpose (RFC 5280 sections 4.2 and 6.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.verifying.findings import Finding
from netkit.tls.x509.extensions import (
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate

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


def check_authority(subject: Subject) -> Iterator[Finding]:
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


def check_purpose(subject: Subject) -> Iterator[Finding]:
    accepted = {subject.purpose, "msSGC", "nsSGC"} if subject.purpose == "serverAuth" else {subject.purpose}
    for certificate in subject.path.certificates:
        index = subject.index(certificate)
        try:
            purposes, usage = certificate.extended_key_usage, certificate.key_usage
        except TlsError:
            continue
        if purposes is not None and accepted.isdisjoint(purposes):
            listed = ", ".join(purposes[:6]) or "nothing (its extended key usage is empty)"
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


def check_critical(subject: Subject) -> Iterator[Finding]:
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
