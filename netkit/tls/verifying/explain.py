"""What a refused handshake can add to its error: the certificates, and which of them is at fault.

OpenSSL gives a number, and neither the place nor the name of the certificate that it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.tls.errors import (
    CertificateExpired,
    CertificateVerificationFailed,
    HostnameMismatch,
    TlsError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from netkit.tls.x509.certificate import Certificate


def explain_refusal(
    error: CertificateVerificationFailed,
    chain: Sequence[Certificate],
    path: Sequence[Certificate],
    now: datetime,
) -> None:
    """Put into `error` what the certificates tell.

    `chain` is what the peer sent, `path` what the library built of it, empty if that is not known. `now`
    is the moment of the handshake, UTC.
    """
    error.chain = tuple(chain)
    if isinstance(error, HostnameMismatch):
        try:
            names = chain[0].sans
        except (IndexError, TlsError):
            return
        error.names = (*names.dns, *names.ip)
    elif isinstance(error, CertificateExpired):
        _name_expired(error, chain, path, now)


def _name_expired(
    error: CertificateExpired,
    chain: Sequence[Certificate],
    path: Sequence[Certificate],
    now: datetime,
) -> None:
    for certificate in path or chain:
        try:
            ends, subject = certificate.not_after, certificate.subject
        except TlsError:
            continue  # it cannot be read: then there is nothing to add
        if ends >= now:
            continue
        error.not_after = ends
        if not chain or certificate != chain[0]:
            error.subject = subject
            error.index = chain.index(certificate) if certificate in chain else None
        return
