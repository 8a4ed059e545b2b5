"""rustls's errors as TlsError: its kind and its name for a reason become the same errors as OpenSSL's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls import verify_codes as codes
from netkit.tls.clear import begins_like_tls
from netkit.tls.errors import TlsError, closed_in_handshake
from netkit.tls.openssl_errors import (
    BAD_SIGNATURE,
    DAMAGED,
    EMPTY_RECORDS,
    LONG_RECORD,
    NO_RECORD,
    WARNINGS,
    from_verify_code,
)

if TYPE_CHECKING:
    from netkit.tls.versions import TlsVersion


class _Reason(NamedTuple):
    """Why a chain is not accepted: OpenSSL's `X509_V_ERR_` number for it, and words."""

    code: int
    words: str


#: By rustls's name, or by webpki's inside of it.
_REASONS: Final = {
    "Expired": _Reason(codes.CERT_HAS_EXPIRED, "certificate has expired"),
    "NotValidYet": _Reason(codes.CERT_NOT_YET_VALID, "certificate is not yet valid"),
    "UnknownIssuer": _Reason(codes.UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "no path to a trusted certificate"),
    "NotValidForName": _Reason(codes.HOSTNAME_MISMATCH, "hostname mismatch"),
    "BadSignature": _Reason(codes.CERT_SIGNATURE_FAILURE, "a signature in the chain is wrong"),
    "UnsupportedSignatureAlgorithm": _Reason(
        codes.CERT_SIGNATURE_FAILURE, "a signature in the chain has an unknown algorithm"
    ),
    "Revoked": _Reason(codes.CERT_REVOKED, "certificate revoked"),
    "InvalidPurpose": _Reason(codes.INVALID_PURPOSE, "the certificate is not for this purpose"),
    "UnhandledCriticalExtension": _Reason(
        codes.UNHANDLED_CRITICAL_EXTENSION, "a critical extension is not known"
    ),
    "UnknownRevocationStatus": _Reason(codes.UNABLE_TO_GET_CRL, "no CRL is of its issuer"),
    "ExpiredRevocationList": _Reason(codes.CRL_HAS_EXPIRED, "the CRL has expired"),
    "BadEncoding": _Reason(codes.UNSPECIFIED, "a certificate cannot be read"),
    "MaximumPathDepthExceeded": _Reason(codes.CERT_CHAIN_TOO_LONG, "the chain is too long"),
    "MaximumPathBuildCallsExceeded": _Reason(
        codes.CERT_CHAIN_TOO_LONG, "there are too many ways to build a path"
    ),
    "CaUsedAsEndEntity": _Reason(
        codes.INVALID_PURPOSE, "it is an authority's (CA:TRUE), which rustls accepts of no peer"
    ),
    "EndEntityUsedAsCa": _Reason(codes.INVALID_CA, "an issuer is no authority"),
    "PathLenConstraintViolated": _Reason(
        codes.PATH_LENGTH_EXCEEDED, "there are more authorities than one of them allows"
    ),
    "NameConstraintViolation": _Reason(codes.PERMITTED_VIOLATION, "an authority may not issue for this name"),
    "ExtensionValueInvalid": _Reason(
        codes.UNSPECIFIED, "a certificate has an extension twice, or with a value that is not allowed"
    ),
    "UnsupportedCertVersion": _Reason(codes.UNSPECIFIED, "a certificate is not of version 3"),
}

#: What the peer has done, by rustls's name for it. The other names are their own words.
_WORDS: Final = {
    "InvalidContentType": NO_RECORD,
    "UnknownProtocolVersion": f"{NO_RECORD} (wrong version number)",
    "MessageTooLarge": LONG_RECORD,
    "PeerSentOversizedRecord": LONG_RECORD,
    "HandshakePayloadTooLarge": "the peer sent a message that is longer than rustls accepts (64 KiB)",
    "CertificatePayloadTooLarge": "the peer sent more certificates than rustls accepts (64 KiB)",
    "DecryptError": DAMAGED,
    "InvalidEmptyPayload": EMPTY_RECORDS,
    "TooManyEmptyFragments": EMPTY_RECORDS,
    "TooManyWarningAlertsReceived": WARNINGS,
    "TooManyKeyUpdateRequests": "the peer sent too many key updates",
    "TooManyRenegotiationRequests": "the peer asked for a renegotiation too often",
    "InappropriateMessage": "the peer sent a message that has no place there",
    "InappropriateHandshakeMessage": "the peer sent a message that has no place there",
    "BadSignature": BAD_SIGNATURE,
    "NoKxGroupsInCommon": "no key exchange group in common",
    "NoSignatureSchemesInCommon": "no signature algorithm in common",
}

#: What each kind of the others is, before rustls's name for the reason.
_ABOUT: Final = {
    "misbehaved": "the peer broke a rule of TLS",
    "message": "the peer sent a message that is malformed",
    "incompatible": "the two sides do not go together",
}

_BEFORE: Final = "invalid peer certificate: "
_CRL_SIGNATURE: Final = "invalid certificate revocation list: BadSignature"

#: How rustls names that nothing is in common, and what it is about.
_VERSIONS: Final = (
    "Tls12NotOffered",
    "Tls12NotOfferedOrEnabled",
    "ServerTlsVersionIsDisabledByOurConfig",
    "ServerDoesNotSupportTls12Or13",
)
_SUITES: Final = ("NoCipherSuitesInCommon",)


def translated(
    failure: tuple[str, str, int | None, str],
    *,
    is_server: bool,
    handshaking: bool,
    server_name: str | None,
    received: bytes,
    version: TlsVersion | None,
    retry_configs: bytes | None = None,
) -> TlsError:
    """The TlsError for a failure: (kind, rustls's name, number of an alert, words).

    `received` holds the first bytes that the peer sent, `version` what its ServerHello says. `retry_configs`
    is what a server gave that refused the encrypted hello.
    """
    kind, variant, alert, words = failure
    if kind == "alert" and alert is not None:
        return TlsError.AlertReceived(alert)
    if kind == "truncated":
        return closed_in_handshake(received) if handshaking else TlsError.Truncated()
    if kind == "certificate":
        return _refused(variant, words.removeprefix(_BEFORE), is_server, server_name)
    if kind == "no_certificate":
        return TlsError.HandshakeFailed("the peer sent no certificate, and one is required")
    if kind == "message" and not begins_like_tls(received):
        return TlsError.NotTls(received, code=variant)
    if variant in _SUITES:
        return TlsError.NoCipherSuites()
    if variant in _VERSIONS or "ProtocolVersion" in variant:
        return TlsError.UnsupportedVersion(version)
    if kind == "no_application_protocol":
        return TlsError.HandshakeFailed("no application protocol in common", code=variant)
    if kind == "ech_rejected":
        return TlsError.EchRejected(retry_configs, code=variant)
    about = _ABOUT.get(kind)
    said = words if about is None else f"{about}: {_spaced(variant)}"
    return TlsError.HandshakeFailed(_WORDS.get(variant, said), code=variant)


def _spaced(name: str) -> str:
    """A name of Rust's as words: `DuplicateServerHelloExtensions`, duplicate server hello extensions."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


def _refused(variant: str, words: str, is_server: bool, server_name: str | None) -> TlsError:
    inner = words.rpartition("(")[2].rstrip(")") if variant == "Other" else variant
    if words == _CRL_SIGNATURE:
        reason = _Reason(codes.CRL_SIGNATURE_FAILURE, "the CRL signature is wrong")
    else:
        told = _spaced(inner) if inner.isalnum() else words
        reason = _REASONS.get(inner.removesuffix("Context")) or _Reason(codes.UNSPECIFIED, told)
    if is_server:
        return TlsError.CertificateVerificationFailed(reason.words, reason.code)
    return from_verify_code(reason.code, reason.words, server_name)
