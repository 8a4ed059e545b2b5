"""What a server sends beside its certificates: a stapled OCSP response, and signed certificate timestamps.

RFC 6960 section 4.2 (OCSP), RFC 6962 section 3.2 (timestamps). Octets in, facts out. What cannot be read is
told as such and raises nothing: a client of today connects all the same. What is wrong with a response is
found by `checks.staple`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

from netkit.tls.x509.extensions import quiet
from netkit.tls.x509.unreadable import reason_of

#: What an OCSP response says of a certificate.
CertificateStatus: TypeAlias = Literal["good", "revoked", "unknown"]

_LOG_ID: Final = slice(1, 33)
_TIME: Final = slice(33, 41)


class OcspStaple(NamedTuple):
    """An OCSP response about one certificate; the times are UTC.

    `status` is None where the response is no statement: `problem` says why. `serial` is that of the
    certificate that it is about. `next_update` is None where the authority does not say.
    """

    status: CertificateStatus | None
    serial: int | None = None
    produced_at: datetime | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    problem: str | None = None


class Sct(NamedTuple):
    """A signed certificate timestamp: the log's identifier, and the time; both None if unreadable."""

    log_id: bytes | None
    issued_at: datetime | None


def read_staple(der: bytes) -> OcspStaple:
    """What an OCSP response (DER) says. Its signature is not judged. Raises nothing."""
    from cryptography.x509 import ocsp

    try:
        with quiet():
            response = ocsp.load_der_ocsp_response(der)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                words = response.response_status.name.lower().replace("_", " ")
                return OcspStaple(None, problem=f"the authority answered: {words}")
            names: dict[ocsp.OCSPCertStatus, CertificateStatus] = {
                ocsp.OCSPCertStatus.GOOD: "good",
                ocsp.OCSPCertStatus.REVOKED: "revoked",
                ocsp.OCSPCertStatus.UNKNOWN: "unknown",
            }
            return OcspStaple(
                names[response.certificate_status],
                response.serial_number,
                response.produced_at_utc,
                response.this_update_utc,
                response.next_update_utc,
                response.revocation_time_utc,
            )
    except ValueError as error:
        return OcspStaple(None, problem=f"it cannot be read: {reason_of(error)}")


def read_sct(data: bytes) -> Sct:
    """A timestamp of version 1; of another version only that it is there. Raises nothing."""
    if len(data) < _TIME.stop or data[0] != 0:
        return Sct(None, None)
    milliseconds = int.from_bytes(data[_TIME], "big")
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return Sct(data[_LOG_ID], None)
    return Sct(data[_LOG_ID], moment)
