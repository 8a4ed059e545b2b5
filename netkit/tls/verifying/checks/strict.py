"""What VERIFY_X509_STRICT refuses, which Python 3.13 and later set in `ssl.create_default_context`.

RFC 5280 sections 4.1 and 4.2, as OpenSSL's `check_extensions` (crypto/x509/x509_vfy.c) reads them with
X509_V_FLAG_X509_STRICT. netkit's own connections do not set the flag: each finding is a warning. A
certificate that is trusted by itself, alone in its path, is not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.verifying.findings import Finding
from netkit.tls.x509.extensions import (
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    SUBJECT_ALTERNATIVE_NAME,
    SUBJECT_KEY_IDENTIFIER,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate

#: The DER of an empty name.
_EMPTY = b"\x30\x00"


def check_strict(subject: Subject) -> Iterator[Finding]:
    """Report what strict clients refuse in the path."""
    path = subject.path.certificates
    if len(path) < 2:
        return
    for certificate in path:
        try:
            reasons = list(_reasons(certificate, is_last=certificate == path[-1]))
        except TlsError:
            continue  # `check_malformed` reports it
        if reasons:
            message = (
                f"{subject.called(certificate)}: {', '.join(reasons)}; Python 3.13 and later refuse that by "
                "default (VERIFY_X509_STRICT)"
            )
            yield Finding(Severity.WARNING, "strict", message, subject.index(certificate))


def _reasons(certificate: Certificate, *, is_last: bool) -> Iterator[str]:
    oids, critical = certificate.extension_oids, certificate.critical_extensions
    usage = certificate.key_usage
    may_sign = usage is None or "keyCertSign" in usage
    is_ca = certificate.is_ca
    has_names = SUBJECT_ALTERNATIVE_NAME in oids
    if certificate.path_len is not None:
        if not is_ca:
            yield "it limits the path below it, and is no authority"
        if not may_sign:
            yield "it limits the path below it, and may not sign certificates"
    if is_ca and BASIC_CONSTRAINTS in oids and BASIC_CONSTRAINTS not in critical:
        yield "its basic constraints are not critical"
    if is_ca and usage is None:
        yield "it is an authority without key usage"
    if not is_ca and usage is not None and may_sign:
        yield "it may sign certificates, and is no authority"
    if certificate.issuer_der == _EMPTY:
        yield "its issuer has no name"
    if certificate.subject_der == _EMPTY:
        if is_ca or not has_names or (usage is not None and "cRLSign" in usage):
            yield "its subject has no name"
        if has_names and SUBJECT_ALTERNATIVE_NAME not in critical:
            yield "its subject has no name, and its alternative names are not critical"
    if has_names and not certificate.sans.texts and not certificate.sans.malformed:
        yield "its list of alternative names is empty"
    if AUTHORITY_KEY_IDENTIFIER in critical:
        yield "its authority key identifier is critical"
    if SUBJECT_KEY_IDENTIFIER in critical:
        yield "its subject key identifier is critical"
    if certificate.version < 3:
        if oids:
            yield f"it has extensions, and is of version {certificate.version}"
        return
    if not is_last and certificate.authority_key_id is None:
        yield "its authority key identifier is missing"
    if is_ca and SUBJECT_KEY_IDENTIFIER not in oids:
        yield "its subject key identifier is missing"
