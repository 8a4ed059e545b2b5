"""What OpenSSL says of a failure, as an error of netkit.

`from_openssl` converts it for every binding of OpenSSL, `from_ssl_error` an `ssl.SSLError`. OpenSSL reports a
received alert with a reason that ends in the alert's name, and a refused chain with a verification code
(`X509_V_ERR_...`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls import verify_codes as codes
from netkit.tls.alerts import alert_of_reason
from netkit.tls.clear import begins_like_tls, fatal_alert_in
from netkit.tls.errors import (
    TlsError,
    closed_in_handshake,
)

if TYPE_CHECKING:
    import ssl

    from netkit.errors import Remedy
    from netkit.tls.errors import CertificateVerificationFailed
    from netkit.tls.versions import TlsVersion

_NOT_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNKNOWN_PROTOCOL",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
    }
)
_NO_VERSION: Final = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "NO_PROTOCOLS_AVAILABLE",
        "VERSION_TOO_LOW",
        "VERSION_TOO_HIGH",
        "WRONG_SSL_VERSION",
    }
)
_NO_CIPHER: Final = frozenset(
    {"NO_SHARED_CIPHER", "NO_CIPHERS_AVAILABLE", "NO_CIPHER_MATCH", "LIBRARY_HAS_NO_CIPHERS"}
)
_LOCAL_CIPHER: Final = _NO_CIPHER - {"NO_SHARED_CIPHER"}
_KEY: Final = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "PRIVATE_KEY_MISMATCH", "BAD_DECRYPT"})
_OWN_CERTIFICATE: Final = frozenset(
    {"NO_START_LINE", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "NO_CERTIFICATE_ASSIGNED"}
)

# What a peer has done, in the words of every backend.
NO_RECORD: Final = "the peer sent something that is no record of TLS"
LONG_RECORD: Final = "the peer sent a record that is too long for TLS"
DAMAGED: Final = "a record was damaged on the way"
EMPTY_RECORDS: Final = "the peer sent too many records without content"
WARNINGS: Final = "the peer sent too many warnings"
BAD_CERTIFICATE: Final = "the peer sent a certificate that cannot be read"
BAD_SIGNATURE: Final = "the peer's signature over the handshake is wrong"

#: Plain words for some of OpenSSL's reasons. The other reasons keep OpenSSL's words.
_REASONS: Final[dict[str, str]] = {
    # Where the peer had begun as TLS does; else it is no TLS at all.
    "WRONG_VERSION_NUMBER": f"{NO_RECORD} (wrong version number)",
    "PACKET_LENGTH_TOO_LONG": LONG_RECORD,
    "DATA_LENGTH_TOO_LONG": LONG_RECORD,
    "ENCRYPTED_LENGTH_TOO_LONG": LONG_RECORD,
    "BAD_RECORD_TYPE": NO_RECORD,
    "RECORD_TOO_SMALL": EMPTY_RECORDS,
    "TOO_MANY_WARN_ALERTS": WARNINGS,
    "ASN1_LIB": BAD_CERTIFICATE,
    "EXCESSIVE_MESSAGE_SIZE": (
        "the peer sent a message that is longer than OpenSSL accepts (certificates: 100 KiB)"
    ),
    "DH_KEY_TOO_SMALL": "the peer's Diffie-Hellman group is too small to be safe",
    "BAD_SIGNATURE": BAD_SIGNATURE,
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": DAMAGED,
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": (
        "the peer does not know secure renegotiation (RFC 5746), so it is not talked to"
    ),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer sent no certificate, and one is required",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no signature algorithm in common",
    "NO_SUITABLE_KEY_SHARE": "no key exchange group in common",
    "NO_APPLICATION_PROTOCOL": "no application protocol in common",
    "WRONG_SIGNATURE_TYPE": "the peer signed with an algorithm that is not accepted here",
    "TLSV1_UNRECOGNIZED_NAME": "the peer does not serve that name",
}
#: For some of these reasons: what the user can do, and the setting for it.
_REASON_HINTS: Final[dict[str, tuple[str, Remedy]]] = {
    "NO_APPLICATION_PROTOCOL": ("offer another", "alpn_protocols"),
    "TLSV1_UNRECOGNIZED_NAME": ("ask for another", "server_name"),
}


class OpensslFailure(NamedTuple):
    """What OpenSSL says of a failure, in the same form for every binding of it.

    `reason` is its name for the reason (`"WRONG_VERSION_NUMBER"`), empty if there is none. `words` is all
    that the binding says. `verify_code` is the result of a verification that failed.
    """

    reason: str = ""
    words: str = ""
    is_eof: bool = False
    verify_code: int | None = None
    verify_words: str = ""


def from_ssl_error(
    error: ssl.SSLError,
    *,
    server_name: str | None = None,
    received: bytes = b"",
    latest: bytes = b"",
    version: TlsVersion | None = None,
) -> TlsError:
    """Convert an error of the standard `ssl` module into a TlsError; arguments as `from_openssl`."""
    import ssl

    failure = OpensslFailure(
        getattr(error, "reason", None) or "",
        str(error),
        isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)),
        getattr(error, "verify_code", None),
        getattr(error, "verify_message", ""),
    )
    return from_openssl(failure, server_name=server_name, received=received, latest=latest, version=version)


def from_openssl(
    failure: OpensslFailure,
    *,
    server_name: str | None = None,
    received: bytes = b"",
    latest: bytes = b"",
    version: TlsVersion | None = None,
) -> TlsError:
    """Convert what OpenSSL says of a failure into a TlsError.

    `server_name` is the name that was verified. `received` holds the first bytes that the peer sent, and
    `latest` the last bytes. `version` is the version that the peer chose. Each one that is known makes the
    message better.
    """
    if failure.verify_code is not None:
        return from_verify_code(failure.verify_code, failure.verify_words, server_name)
    reason = failure.reason
    if not reason and "ASN1 lib" in failure.words:
        reason = "ASN1_LIB"  # the reason of another library of OpenSSL's, which Python's table lacks
    # Python's table of reasons lacks some alerts. In an unencrypted handshake the bytes show the alert.
    alert = alert_of_reason(reason) if reason else fatal_alert_in(latest)
    if alert is not None:
        return TlsError.AlertReceived(alert)
    if reason in _NOT_TLS and not begins_like_tls(received):
        return TlsError.NotTls(received, code=reason)
    if reason in _NO_VERSION:
        return TlsError.UnsupportedVersion(version)
    if reason in _LOCAL_CIPHER:
        return TlsError.NoCipherSuites("no cipher suite is left by the settings", fault="caller")
    if reason in _NO_CIPHER:
        return TlsError.NoCipherSuites()
    if reason in _KEY:
        return TlsError.InvalidKey(
            "it does not belong to the certificate" if "MISMATCH" in reason else "wrong password"
        )
    if reason in _OWN_CERTIFICATE:
        return TlsError.InvalidCertificate(_words(reason))
    if failure.is_eof or reason == "UNEXPECTED_EOF_WHILE_READING":
        return closed_in_handshake(received)
    words = _REASONS.get(reason) or _words(reason) or failure.words
    hint, remedy = _REASON_HINTS.get(reason, (None, None))
    return TlsError.HandshakeFailed(words, code=reason or None, hint=hint, remedy=remedy)


def from_verify_code(
    code: int, message: str, server_name: str | None = None
) -> CertificateVerificationFailed:
    """Convert an OpenSSL verification result (`X509_V_ERR_...`) other than 0 into a TlsError."""
    if code == codes.CERT_HAS_EXPIRED:
        return TlsError.CertificateExpired()
    if code in (codes.HOSTNAME_MISMATCH, codes.IP_ADDRESS_MISMATCH) and server_name:
        return TlsError.HostnameMismatch(server_name)
    return TlsError.CertificateVerificationFailed(message or f"verification code {code}", code)


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
