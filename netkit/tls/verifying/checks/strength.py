"""Whether keys and signatures are strong enough, and known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.verifying.checks.subject import is_self_issued
from netkit.tls.verifying.findings import Finding
from netkit.tls.verifying.path import candidates_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate

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

#: The algorithms of keys that not every OpenSSL knows, and the first version that does.
_SINCE: Final = {
    "ML-DSA-44": (3, 5),
    "ML-DSA-65": (3, 5),
    "ML-DSA-87": (3, 5),
}


def check_strength(subject: Subject) -> Iterator[Finding]:
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
            certificate == subject.path.certificates[-1] and is_self_issued(certificate)
        ):
            continue  # a root is trusted by itself; its signature does not matter
        worth = _HASH_BITS.get(signature_hash or "")
        if worth is not None and worth < max(needed, 112):
            severity = Severity.ERROR if worth < needed else Severity.WARNING
            message = f"the signature on {subject.called(certificate)} is weak: {algorithm}"
            yield Finding(severity, "weak-signature", message, index)


def check_known_algorithms(subject: Subject) -> Iterator[Finding]:
    """Report keys that the OpenSSL which judged is too old for."""
    if subject.accepted:
        return
    path = subject.path.certificates
    issuers = candidates_for(path[-1], subject.trusted(), subject.chain)
    for certificate in dict.fromkeys((*subject.used, *issuers)):
        if not is_unknown_key(certificate, subject.judge):
            continue
        algorithm = certificate.public_key.algorithm
        major, minor = _SINCE[algorithm]
        message = (
            f"the key of {subject.called(certificate)} is {algorithm}, which this OpenSSL does not know "
            f"({subject.judge}; {major}.{minor} and later do)"
        )
        severity = Severity.ERROR if certificate in (*path, *issuers) else Severity.WARNING
        yield Finding(severity, "unknown-algorithm", message, subject.index(certificate))


def is_unknown_key(certificate: Certificate, judge: str) -> bool:
    """Whether the OpenSSL of `judge` is too old for the algorithm of the certificate's key."""
    version = re.match(r"OpenSSL (\d+)\.(\d+)", judge)
    try:
        since = _SINCE.get(certificate.public_key.algorithm)
    except TlsError:
        return False
    return version is not None and since is not None and tuple(map(int, version.groups())) < since
