"""The errors of TLS, and the conversion of OpenSSL's errors into them.

    TlsError
    ├── HandshakeFailed                  the handshake failed before there was a connection
    │   └── NotTls                       what the peer sent is not TLS at all
    ├── AlertReceived                    the peer refused with an alert: its number and name
    ├── UnsupportedVersion               the two sides have no protocol version in common
    ├── NoCipherSuites                   the two sides have no cipher suite in common
    ├── CertificateVerificationFailed    the peer's certificates were not accepted
    │   ├── CertificateExpired
    │   └── HostnameMismatch
    ├── InvalidCertificate               a certificate that cannot be read (ValueError)
    ├── InvalidKey                       local: a key that cannot be read or used (ValueError)
    ├── InvalidConfig                    usage: settings that contradict each other (ValueError)
    ├── NoTrustStore                     local: no store of trusted certificates on this machine (OSError)
    └── IoError                          the connection below failed (OSError); connect, if it was cut off
        └── Truncated                    the connection ended without close_notify (EOFError)

The drawing names the stage where it is special. Else the stage is `tls` if the peer or the network caused
the error, and `local` if not.

`from_ssl_error` converts an `ssl.SSLError` into one of these errors. OpenSSL reports a received alert with a
reason that ends in the alert's name, and a refused chain with a verification code (`X509_V_ERR_...`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from netkit.errors import NO_CONNECTION, Fault, NetkitError, Remedy, Stage, system_kind
from netkit.tls.alerts import alert_hint, alert_name, alert_of_reason, alert_remedy
from netkit.tls.text import printable

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    from netkit.tls.certificate import Certificate
    from netkit.tls.versions import TlsVersion


class TlsError(NetkitError):
    """The base class of all errors of TLS, certificates and keys; each is one of the variants drawn above."""

    layer = "tls"

    HandshakeFailed: ClassVar[type[HandshakeFailed_]]
    NotTls: ClassVar[type[NotTls_]]
    AlertReceived: ClassVar[type[AlertReceived_]]
    UnsupportedVersion: ClassVar[type[UnsupportedVersion_]]
    NoCipherSuites: ClassVar[type[NoCipherSuites_]]
    CertificateVerificationFailed: ClassVar[type[CertificateVerificationFailed_]]
    CertificateExpired: ClassVar[type[CertificateExpired_]]
    HostnameMismatch: ClassVar[type[HostnameMismatch_]]
    InvalidCertificate: ClassVar[type[InvalidCertificate_]]
    InvalidKey: ClassVar[type[InvalidKey_]]
    InvalidConfig: ClassVar[type[InvalidConfig_]]
    NoTrustStore: ClassVar[type[NoTrustStore_]]
    IoError: ClassVar[type[IoError_]]
    Truncated: ClassVar[type[Truncated_]]

    @property
    def stage(self) -> Stage:
        return "local" if self.fault in ("caller", "local") else "tls"


class HandshakeFailed(TlsError):
    """The handshake failed; `reason` says why, `code` is OpenSSL's name for the reason."""

    __qualname__ = "TlsError.HandshakeFailed"

    def __init__(
        self,
        reason: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        remedy: Remedy | None = None,
        fault: Fault = "peer",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.hint = hint
        self.remedy = remedy
        self.fault = fault

    def __str__(self) -> str:
        return f"TLS handshake failed: {self.reason}"


class NotTls(HandshakeFailed):
    """The peer's answer is not TLS; `received` holds its first bytes."""

    __qualname__ = "TlsError.NotTls"

    def __init__(self, received: bytes = b"", *, code: str | None = None) -> None:
        super().__init__("the peer does not speak TLS on this port", code=code, hint=_not_tls_hint(received))
        self.args = (received,)  # what pickle calls the class with
        self.received = received

    def __str__(self) -> str:
        if not self.received:
            return self.reason
        return f"{self.reason}: it sent {self.received[:40]!r}"


class AlertReceived(TlsError):
    """The peer sent a fatal alert: `code` is its number, `name` the RFC's name for it."""

    __qualname__ = "TlsError.AlertReceived"

    def __init__(self, code: int, name: str | None = None) -> None:
        super().__init__(code, name)
        self.code = code
        self.name = name or alert_name(code)
        self.hint = alert_hint(code)
        self.remedy = alert_remedy(code)

    def __str__(self) -> str:
        return f"the peer sent the alert {self.name} ({self.code})"


class UnsupportedVersion(TlsError):
    """No common protocol version; `version` is the one the peer chose or this side asked for, if known."""

    __qualname__ = "TlsError.UnsupportedVersion"

    def __init__(self, version: TlsVersion | None = None, *, hint: str | None = None) -> None:
        super().__init__(version)
        self.version = version
        self.hint = hint or "allow more versions"
        self.remedy = None if hint else "versions"

    def __str__(self) -> str:
        if self.version is None:
            return "the peer speaks no protocol version that is allowed here"
        return f"{self.version.as_str} is not among the protocol versions allowed here"


class NoCipherSuites(TlsError):
    """No common cipher suite, or this side's settings leave no cipher suite."""

    __qualname__ = "TlsError.NoCipherSuites"

    def __init__(self, reason: str = "no cipher suite in common", *, fault: Fault = "peer") -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault

    def __str__(self) -> str:
        return self.reason


class CertificateVerificationFailed(TlsError):
    """The peer's chain was not accepted; `reason` says why, `code` is OpenSSL's `X509_V_ERR_` number."""

    __qualname__ = "TlsError.CertificateVerificationFailed"

    def __init__(
        self,
        reason: str,
        code: int | None = None,
        *,
        hint: str | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        super().__init__(reason, code)
        self.reason = reason
        self.code = code
        self.hint, self.remedy = hint, remedy
        if hint is None:
            self.hint = _VERIFY_HINTS.get(code or 0)
            self.remedy = "root_certs" if code in _ABOUT_ROOTS else None
        #: The certificates that the peer sent, if the error comes from a handshake.
        self.chain: tuple[Certificate, ...] = ()

    def __str__(self) -> str:
        return f"the certificate was not accepted: {self.reason}"


class CertificateExpired(CertificateVerificationFailed):
    """A certificate of the chain has expired; `not_after` is its last valid moment, if known."""

    __qualname__ = "TlsError.CertificateExpired"

    def __init__(self, not_after: datetime | None = None) -> None:
        super().__init__("certificate has expired", X509_V_ERR_CERT_HAS_EXPIRED)
        self.args = (not_after,)
        self.not_after = not_after

    def __str__(self) -> str:
        when = f" on {self.not_after:%Y-%m-%d %H:%M:%SZ}" if self.not_after else ""
        return f"the certificate expired{when}"


class HostnameMismatch(CertificateVerificationFailed):
    """The certificate is not valid for `host`; `names` are the names it is valid for, if known."""

    __qualname__ = "TlsError.HostnameMismatch"

    def __init__(self, host: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(f"it is not valid for {host}", X509_V_ERR_HOSTNAME_MISMATCH)
        self.host = host
        self.names = names

    def __str__(self) -> str:
        named = f", but for {', '.join(map(printable, self.names[:8]))}" if self.names else ""
        more = f" and {len(self.names) - 8} more" if len(self.names) > 8 else ""
        return f"the certificate is not valid for {printable(self.host)}{named}{more}"


class InvalidCertificate(TlsError, ValueError):
    """A certificate cannot be read; `field` names the part, or is None if no part can be read."""

    __qualname__ = "TlsError.InvalidCertificate"

    def __init__(self, reason: str, field: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(reason, field)
        self.reason = reason
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        part = f"the certificate's {self.field}" if self.field else "the certificate"
        return f"{part} cannot be read: {self.reason}"


class InvalidKey(TlsError, ValueError):
    """A private key cannot be read or does not suit its use. The error never shows the key."""

    __qualname__ = "TlsError.InvalidKey"

    fault: Fault = "caller"

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"the private key cannot be used: {self.reason}"


class InvalidConfig(TlsError, ValueError):
    """Settings contradict each other or ask for something impossible; `setting` is the one to change."""

    __qualname__ = "TlsError.InvalidConfig"

    fault: Fault = "caller"
    stage = "usage"

    def __init__(self, setting: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(setting, reason)
        self.setting = setting
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"TLS settings: {self.setting}: {self.reason}"


class NoTrustStore(TlsError, OSError):
    """This machine has no store of trusted certificates in the places of `searched`."""

    __qualname__ = "TlsError.NoTrustStore"

    fault: Fault = "local"
    hint = "install the ca-certificates package, set SSL_CERT_FILE, or name the roots to trust"
    remedy: Remedy | None = "root_certs"

    def __init__(self, searched: tuple[str, ...]) -> None:
        super().__init__(searched)
        self.searched = searched

    def __str__(self) -> str:
        return f"no trusted certificates on this system (looked in {', '.join(self.searched) or 'no place'})"


class IoError(TlsError, OSError):
    """The connection under TLS failed."""

    __qualname__ = "TlsError.IoError"

    fault: Fault = "network"

    def __init__(self, reason: str, errno: int | None = None) -> None:
        super().__init__(errno, reason)
        self.args = (reason, errno)
        self.reason = reason

    @property
    def stage(self) -> Stage:
        return "connect" if self.kind in NO_CONNECTION else "tls"

    @property
    def kind(self) -> str:
        return system_kind(self, "IoError")

    def __str__(self) -> str:
        return self.reason


class Truncated(IoError, EOFError):
    """The connection ended without close_notify, so the data may be incomplete (RFC 8446 section 6.1)."""

    kind = "UnexpectedEof"
    __qualname__ = "TlsError.Truncated"

    def __init__(self, reason: str = "the connection ended without close_notify") -> None:
        super().__init__(reason)
        self.args = (reason,)


# Inside the class, a nested name cannot be its own annotation. These lines set the types of the names above.
HandshakeFailed_ = HandshakeFailed
NotTls_ = NotTls
AlertReceived_ = AlertReceived
UnsupportedVersion_ = UnsupportedVersion
NoCipherSuites_ = NoCipherSuites
CertificateVerificationFailed_ = CertificateVerificationFailed
CertificateExpired_ = CertificateExpired
HostnameMismatch_ = HostnameMismatch
InvalidCertificate_ = InvalidCertificate
InvalidKey_ = InvalidKey
InvalidConfig_ = InvalidConfig
NoTrustStore_ = NoTrustStore
IoError_ = IoError
Truncated_ = Truncated

TlsError.HandshakeFailed = HandshakeFailed
TlsError.NotTls = NotTls
TlsError.AlertReceived = AlertReceived
TlsError.UnsupportedVersion = UnsupportedVersion
TlsError.NoCipherSuites = NoCipherSuites
TlsError.CertificateVerificationFailed = CertificateVerificationFailed
TlsError.CertificateExpired = CertificateExpired
TlsError.HostnameMismatch = HostnameMismatch
TlsError.InvalidCertificate = InvalidCertificate
TlsError.InvalidKey = InvalidKey
TlsError.InvalidConfig = InvalidConfig
TlsError.NoTrustStore = NoTrustStore
TlsError.IoError = IoError
TlsError.Truncated = Truncated


X509_V_ERR_UNSPECIFIED: Final = 1
X509_V_ERR_CERT_NOT_YET_VALID: Final = 9
X509_V_ERR_CERT_HAS_EXPIRED: Final = 10
X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: Final = 18
X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: Final = 19
X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: Final = 20
X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: Final = 21
X509_V_ERR_HOSTNAME_MISMATCH: Final = 62
X509_V_ERR_IP_ADDRESS_MISMATCH: Final = 64

_VERIFY_HINTS: Final[dict[int, str]] = {
    9: "compare this machine's clock with the certificate's dates",
    10: "renew the certificate (or set this machine's clock right)",
    18: "trust this very certificate, or have one issued by an authority",
    19: "the chain ends in a root that is not trusted here: trust it, if it should be",
    20: "the issuer is neither sent by the peer nor trusted here: add the intermediate on the server, "
    "or trust the root",
    21: "the peer sent its own certificate only: add the intermediate on the server",
    62: "ask for a name that the certificate is for, or have it issued for this one",
    64: "ask for an address that the certificate is for, or have it issued for this one",
}

#: The codes for which it helps to name the roots to trust.
_ABOUT_ROOTS: Final = frozenset({18, 19, 20})

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

#: Plain words for some of OpenSSL's reasons. The other reasons keep OpenSSL's words.
_REASONS: Final[dict[str, str]] = {
    "DH_KEY_TOO_SMALL": "the peer's Diffie-Hellman group is too small to be safe",
    "BAD_SIGNATURE": "the peer's signature over the handshake is wrong",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "a record was damaged on the way",
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


def from_ssl_error(
    error: ssl.SSLError,
    *,
    server_name: str | None = None,
    received: bytes = b"",
    latest: bytes = b"",
    version: TlsVersion | None = None,
) -> TlsError:
    """Convert an error of the standard `ssl` module into a TlsError.

    `server_name` is the name that was verified. `received` holds the first bytes that the peer sent, and
    `latest` the last bytes. `version` is the version that the peer chose. Each one that is known makes the
    message better.
    """
    verify_code = getattr(error, "verify_code", None)
    if verify_code is not None:
        return from_verify_code(verify_code, getattr(error, "verify_message", ""), server_name)
    reason = getattr(error, "reason", None) or ""
    # Python's table of reasons lacks some alerts. In an unencrypted handshake the bytes show the alert.
    alert = alert_of_reason(reason) if reason else fatal_alert_in(latest)
    if alert is not None:
        return AlertReceived(alert)
    if reason in _NOT_TLS and not _begins_like_tls(received):
        return NotTls(received, code=reason)
    if reason in _NO_VERSION:
        return UnsupportedVersion(version)
    if reason in _NO_CIPHER:
        words = "no cipher suite is left by the settings" if reason in _LOCAL_CIPHER else _NO_CIPHER_SHARED
        return NoCipherSuites(words, fault="caller" if reason in _LOCAL_CIPHER else "peer")
    if reason in _KEY:
        return InvalidKey(
            "it does not belong to the certificate" if "MISMATCH" in reason else "wrong password"
        )
    if reason in _OWN_CERTIFICATE:
        return InvalidCertificate(_words(reason))
    if _is_eof(error, reason):
        closed = Truncated("the peer closed the connection in the middle of the handshake")
        closed.hint = None if received else "it said nothing: does it speak TLS on this port?"
        return closed
    words = _REASONS.get(reason) or _words(reason) or str(error)
    hint, remedy = _REASON_HINTS.get(reason, (None, None))
    return HandshakeFailed(words, code=reason or None, hint=hint, remedy=remedy)


def from_verify_code(
    code: int, message: str, server_name: str | None = None
) -> CertificateVerificationFailed:
    """Convert an OpenSSL verification result (`X509_V_ERR_...`) other than 0 into a TlsError."""
    if code == X509_V_ERR_CERT_HAS_EXPIRED:
        return CertificateExpired()
    if code in (X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH) and server_name:
        return HostnameMismatch(server_name)
    return CertificateVerificationFailed(message or f"verification code {code}", code)


def fatal_alert_in(received: bytes) -> int | None:
    """The number of the fatal alert at the end of unencrypted bytes, or None.

    A plaintext alert is one record of exactly two bytes (RFC 8446 section 5.1): type 21, a version,
    the length 2, the level 2 (fatal), the description.
    """
    record = received[-7:]
    if len(record) == 7 and record[:2] == b"\x15\x03" and record[3:6] == b"\x00\x02\x02":
        return record[6]
    return None


_NO_CIPHER_SHARED: Final = "no cipher suite in common"


def _begins_like_tls(received: bytes) -> bool:
    return len(received) >= 3 and 20 <= received[0] <= 24 and received[1] == 3 and received[2] <= 4


def _is_eof(error: ssl.SSLError, reason: str) -> bool:
    import ssl

    return (
        isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        or reason == "UNEXPECTED_EOF_WHILE_READING"
    )


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


def _not_tls_hint(received: bytes) -> str:
    beginnings = (
        (b"HTTP/", "this is plain HTTP: try http:// or ws://, or the port for TLS"),
        (b"SSH-", "this is an SSH server"),
        (
            b"220",
            "a mail or FTP server greets first: TLS starts there only after STARTTLS, or on another port",
        ),
        (b"* OK", "an IMAP server: TLS starts there only after STARTTLS, or on port 993"),
        (b"+OK", "a POP3 server: TLS starts there only after STLS, or on port 995"),
    )
    for beginning, hint in beginnings:
        if received.startswith(beginning):
            return hint
    return "check the port: something answers there, but in the clear"
