"""TLS alerts: the number and name of each, and what the receiver can change.

RFC 8446 section 6 (TLS 1.3), RFC 5246 section 7.2 (TLS 1.2), RFC 4346 section 7.2 (TLS 1.1), the
predecessors of RFC 5246 for the retired alerts, RFC 6066 section 9, RFC 7301 section 3.2, RFC 7507 section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from netkit.errors import Remedy

CLOSE_NOTIFY: Final = 0

#: Every alert a peer can send, by number. Names are the RFC's own.
ALERT_NAMES: Final[dict[int, str]] = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}

_HINTS: Final[dict[int, str]] = {
    40: "the peer found no version, cipher suite, group, signature algorithm or certificate to agree on",
    42: "the peer could not read the certificate it was sent",
    45: "the peer finds the certificate it was sent expired: compare the clocks of both sides",
    46: "the peer did not accept the certificate it was sent, and does not say why",
    48: "the peer does not know the issuer of the certificate it was sent: send the intermediates along",
    49: "the certificate was valid, and the peer refuses it all the same",
    70: "the peer does not speak any of the offered protocol versions: offer more of them",
    71: "the peer wants stronger ciphers or keys than were offered",
    80: "the peer broke down by itself: its log knows more",
    86: "the peer speaks a newer version than was offered: offer that, too",
    112: "the peer does not serve that name: ask for another",
    116: "the peer wants a client certificate",
    120: "the peer speaks none of the offered application protocols: offer another",
}

_REMEDIES: Final[dict[int, Remedy]] = {
    70: "versions",
    86: "max_version",
    112: "server_name",
    116: "identity_cert",
    120: "alpn_protocols",
}

# OpenSSL takes its names for alerts from SSL 3.0 and TLS 1.0, which spell some names differently.
_OPENSSL_SPELLING: Final[dict[str, str]] = {"user_cancelled": "user_canceled"}
_OPENSSL_PREFIXES: Final = (
    "sslv3_alert_",
    "tlsv13_alert_",
    "tlsv1_alert_",
    "tlsv1_",
    "ssl/tls_alert_",  # from OpenSSL 3.2 on
    "tls_alert_",  # from OpenSSL 4.0 on
)

_NUMBERS: Final[dict[str, int]] = {name: number for number, name in ALERT_NAMES.items()}


def alert_name(number: int) -> str:
    """The RFC's name of an alert, or `"alert_N"` for a number that has none."""
    return ALERT_NAMES.get(number, f"alert_{number}")


def alert_hint(number: int) -> str | None:
    """What the receiver of this alert can do, or None if there is no advice."""
    return _HINTS.get(number)


def alert_remedy(number: int) -> Remedy | None:
    """The setting that the hint of this alert is about, or None if there is none."""
    return _REMEDIES.get(number)


def alert_of_reason(reason: str) -> int | None:
    """The number of the alert that an OpenSSL reason (`"TLSV1_ALERT_UNKNOWN_CA"`) stands for, or None."""
    text = reason.lower().replace(" ", "_")
    for prefix in _OPENSSL_PREFIXES:
        if text.startswith(prefix):
            name = text[len(prefix) :]
            return _NUMBERS.get(_OPENSSL_SPELLING.get(name, name))
    return None
