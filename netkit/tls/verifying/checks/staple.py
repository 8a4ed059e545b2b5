"""What a stapled OCSP response says (RFC 6960 section 4.2, RFC 6066 section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.severity import Severity
from netkit.tls.verifying.findings import Finding
from netkit.tls.x509.unreadable import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


def staple_findings(response: bytes, now: datetime) -> Iterator[Finding]:
    """Findings about `response` (DER) at the moment `now`, UTC.

    Its signature is not verified. OpenSSL's clients do not look at it unless a program does.
    """
    from cryptography.x509 import ocsp

    try:
        read = ocsp.load_der_ocsp_response(response)
        if read.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            message = f"the stapled OCSP response is no answer: {read.response_status.name.lower()}"
            yield Finding(Severity.WARNING, "bad-staple", message, 0)
            return
        status, until, since = read.certificate_status, read.next_update_utc, read.this_update_utc
        revoked_at = read.revocation_time_utc if status is ocsp.OCSPCertStatus.REVOKED else None
    except Exception as error:  # cryptography raises many kinds for a malformed response
        message = f"the stapled OCSP response cannot be read: {reason_of(error)}"
        yield Finding(Severity.WARNING, "bad-staple", message, 0)
        return
    if revoked_at is not None:
        message = (
            "the stapled OCSP response says that the certificate was revoked on "
            f"{revoked_at:%Y-%m-%d %H:%M:%SZ}: browsers refuse it, OpenSSL does not look"
        )
        yield Finding(Severity.WARNING, "revoked", message, 0, "have a new certificate issued")
    elif status is ocsp.OCSPCertStatus.UNKNOWN:
        message = "the stapled OCSP response says that its authority does not know the certificate"
        yield Finding(Severity.WARNING, "bad-staple", message, 0)
    if until is not None and until < now:
        message = f"the stapled OCSP response was valid until {until:%Y-%m-%d %H:%M:%SZ} only"
        hint = "the server must fetch a new one"
        yield Finding(Severity.WARNING, "old-staple", message, 0, hint)
    elif since > now:
        message = f"the stapled OCSP response is valid only from {since:%Y-%m-%d %H:%M:%SZ} on"
        yield Finding(Severity.WARNING, "old-staple", message, 0, "compare the clocks")
