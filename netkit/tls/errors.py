"""The errors of TLS: what `netkit.tls` raises, and what each says to its reader.

    TlsError
    ├── HandshakeFailed                  the handshake failed before there was a connection
    │   ├── NotTls                       what the peer sent is not TLS at all
    │   └── EchRejected                  the server could not decrypt the hello: the keys that it takes
    ├── AlertReceived                    the peer refused with an alert: its number and name
    ├── UnsupportedVersion               the two sides have no protocol version in common
    ├── NoCipherSuites                   the two sides have no cipher suite in common
    ├── CertificateVerificationFailed    the peer's certificates were not accepted
    │   ├── CertificateExpired
    │   └── HostnameMismatch
    ├── InvalidCertificate               a certificate that cannot be read (ValueError)
    ├── InvalidKey                       local: a key that cannot be read or used (ValueError)
    ├── InvalidConfig                    usage: settings that contradict each other (ValueError)
    │   └── CapabilityError              usage: a setting that no backend here can honour
    ├── NoTrustStore                     local: no store of trusted certificates on this machine (OSError)
    ├── UnusableFile                     local: a file of certificates or keys that is broken, or not there
    └── IoError                          the connection below failed (OSError); connect, if it was cut off
        └── Truncated                    the connection ended without close_notify (EOFError)

The drawing names the stage where it is special. Else the stage is `tls` if the peer or the network caused
the error, and `local` if not. What OpenSSL says of a failure becomes one of them in `openssl_errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from netkit.errors import NO_CONNECTION, Fault, NetkitError, Remedy, Stage, system_kind
from netkit.tls import verify_codes as codes
from netkit.tls.alerts import alert_hint, alert_name, alert_remedy
from netkit.tls.clear import plain_protocol_hint
from netkit.tls.text import printable

if TYPE_CHECKING:
    from datetime import datetime

    from netkit.tls.versions import TlsVersion
    from netkit.tls.x509.certificate import Certificate


class TlsError(NetkitError):
    """The base class of all errors of TLS, certificates and keys; each is one of the variants drawn above."""

    layer = "tls"

    HandshakeFailed: ClassVar[type[HandshakeFailed_]]
    NotTls: ClassVar[type[NotTls_]]
    EchRejected: ClassVar[type[EchRejected_]]
    AlertReceived: ClassVar[type[AlertReceived_]]
    UnsupportedVersion: ClassVar[type[UnsupportedVersion_]]
    NoCipherSuites: ClassVar[type[NoCipherSuites_]]
    CertificateVerificationFailed: ClassVar[type[CertificateVerificationFailed_]]
    CertificateExpired: ClassVar[type[CertificateExpired_]]
    HostnameMismatch: ClassVar[type[HostnameMismatch_]]
    InvalidCertificate: ClassVar[type[InvalidCertificate_]]
    InvalidKey: ClassVar[type[InvalidKey_]]
    InvalidConfig: ClassVar[type[InvalidConfig_]]
    CapabilityError: ClassVar[type[CapabilityError_]]
    NoTrustStore: ClassVar[type[NoTrustStore_]]
    UnusableFile: ClassVar[type[UnusableFile_]]
    IoError: ClassVar[type[IoError_]]
    Truncated: ClassVar[type[Truncated_]]

    @property
    def stage(self) -> Stage:
        return "local" if self.fault in ("caller", "local") else "tls"


class HandshakeFailed(TlsError):
    """The handshake failed; `reason` says why, `code` is OpenSSL's name for the reason.

    `established`: it had succeeded before, and the connection has failed by the same kind of cause.
    """

    __qualname__ = "TlsError.HandshakeFailed"

    established = False

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
        return f"TLS {'connection' if self.established else 'handshake'} failed: {self.reason}"


class NotTls(HandshakeFailed):
    """The peer's answer is not TLS; `received` holds its first bytes."""

    __qualname__ = "TlsError.NotTls"

    def __init__(self, received: bytes = b"", *, code: str | None = None) -> None:
        super().__init__(
            "the peer does not speak TLS on this port", code=code, hint=plain_protocol_hint(received)
        )
        self.args = (received,)  # what pickle calls the class with
        self.received = received

    def __str__(self) -> str:
        if not self.received:
            return self.reason
        return f"{self.reason}: it sent {self.received[:40]!r}"


class EchRejected(HandshakeFailed):
    """The server could not decrypt the encrypted hello (RFC 9849 section 6.1.6).

    `retry_configs` is the ECHConfigList that it takes now, to connect once more with; None if it gave none,
    and so wants to be connected to without ECH. It comes from a server whose certificate for the public name
    was accepted.
    """

    __qualname__ = "TlsError.EchRejected"

    def __init__(self, retry_configs: bytes | None = None, *, code: str | None = None) -> None:
        if retry_configs is None:
            hint = "it has no other keys: connect without ECH, which shows the name"
        else:
            hint = "its keys have changed: connect again with those that it gave"
        super().__init__("the server has refused the encrypted hello", code=code, hint=hint)
        self.args = (retry_configs,)  # what pickle calls the class with
        self.retry_configs = retry_configs


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
            self.remedy = _VERIFY_REMEDIES.get(code or 0)
        #: The certificates that the peer sent, if the error comes from a handshake.
        self.chain: tuple[Certificate, ...] = ()

    def __str__(self) -> str:
        return f"the certificate was not accepted: {self.reason}"


class CertificateExpired(CertificateVerificationFailed):
    """A certificate of the chain has expired; `not_after` is its last valid moment, if known.

    `subject` is its name, and `index` its place in what the peer sent; both are None where it is the peer's
    own certificate, or where it is not known which one it is. A trusted certificate has no index.
    """

    __qualname__ = "TlsError.CertificateExpired"

    def __init__(
        self, not_after: datetime | None = None, subject: str | None = None, index: int | None = None
    ) -> None:
        super().__init__("certificate has expired", codes.CERT_HAS_EXPIRED)
        self.args = (not_after, subject, index)
        self.not_after = not_after
        self.subject = subject
        self.index = index

    def __str__(self) -> str:
        when = f" on {self.not_after:%Y-%m-%d %H:%M:%SZ}" if self.not_after else ""
        if self.subject is None:
            # OpenSSL does not say which one of the path it is.
            which = "the certificate" if self.not_after else "a certificate of the chain"
        elif self.index is None:
            which = f"the trusted certificate {printable(self.subject)}"
        else:
            which = f"certificate {self.index} of the chain ({printable(self.subject)})"
        return f"{which} expired{when}"


class HostnameMismatch(CertificateVerificationFailed):
    """The certificate is not valid for `host`; `names` are the names it is valid for, if known."""

    __qualname__ = "TlsError.HostnameMismatch"

    def __init__(self, host: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(f"it is not valid for {host}", codes.HOSTNAME_MISMATCH)
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


class CapabilityError(InvalidConfig):
    """A setting that the backend cannot honour, or no backend here; nothing has connected.

    `backends` are the names of those that could: empty if none here can.
    """

    __qualname__ = "TlsError.CapabilityError"

    def __init__(self, setting: str, reason: str, backends: tuple[str, ...] = ()) -> None:
        hint = f"these backends can: {', '.join(backends)}" if backends else None
        super().__init__(setting, reason, hint=hint)
        self.args = (setting, reason, backends)
        self.backends = backends


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


class UnusableFile(TlsError, ValueError):
    """A file of certificates, of keys, or for secrets cannot be used; `line` is that of the bad PEM block.

    `path` is the file, and `reason` the sentence without it.
    """

    __qualname__ = "TlsError.UnusableFile"

    fault: Fault = "local"

    def __init__(self, path: str, reason: str, line: int | None = None, *, hint: str | None = None) -> None:
        super().__init__(path, reason, line)
        self.path = path
        self.reason = reason
        self.line = line
        self.hint = hint

    def __str__(self) -> str:
        where = "" if self.line is None else f"line {self.line}: "
        return f"{printable(self.path)}: {where}{self.reason}"


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
EchRejected_ = EchRejected
AlertReceived_ = AlertReceived
UnsupportedVersion_ = UnsupportedVersion
NoCipherSuites_ = NoCipherSuites
CertificateVerificationFailed_ = CertificateVerificationFailed
CertificateExpired_ = CertificateExpired
HostnameMismatch_ = HostnameMismatch
InvalidCertificate_ = InvalidCertificate
InvalidKey_ = InvalidKey
InvalidConfig_ = InvalidConfig
CapabilityError_ = CapabilityError
NoTrustStore_ = NoTrustStore
UnusableFile_ = UnusableFile
IoError_ = IoError
Truncated_ = Truncated

TlsError.HandshakeFailed = HandshakeFailed
TlsError.NotTls = NotTls
TlsError.EchRejected = EchRejected
TlsError.AlertReceived = AlertReceived
TlsError.UnsupportedVersion = UnsupportedVersion
TlsError.NoCipherSuites = NoCipherSuites
TlsError.CertificateVerificationFailed = CertificateVerificationFailed
TlsError.CertificateExpired = CertificateExpired
TlsError.HostnameMismatch = HostnameMismatch
TlsError.InvalidCertificate = InvalidCertificate
TlsError.InvalidKey = InvalidKey
TlsError.InvalidConfig = InvalidConfig
TlsError.CapabilityError = CapabilityError
TlsError.NoTrustStore = NoTrustStore
TlsError.UnusableFile = UnusableFile
TlsError.IoError = IoError
TlsError.Truncated = Truncated


_VERIFY_HINTS: Final[dict[int, str]] = {
    codes.UNABLE_TO_GET_CRL: "lists of revoked certificates are checked, and its issuer's is not among them: "
    "add that one",
    codes.CRL_HAS_EXPIRED: "get the issuer's newer list of revoked certificates",
    codes.CERT_NOT_YET_VALID: "compare this machine's clock with the certificate's dates",
    codes.CERT_HAS_EXPIRED: "renew the certificate (or set this machine's clock right)",
    codes.DEPTH_ZERO_SELF_SIGNED_CERT: "trust this very certificate, or have one issued by an authority",
    codes.SELF_SIGNED_CERT_IN_CHAIN: "the chain ends in a root that is not trusted here: trust it, if it "
    "should be",
    codes.UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the issuer is neither sent by the peer nor trusted here: add "
    "the intermediate on the server, or trust the root",
    codes.UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the peer sent its own certificate only: add the intermediate on "
    "the server",
    codes.HOSTNAME_MISMATCH: "ask for a name that the certificate is for, or have it issued for this one",
    codes.IP_ADDRESS_MISMATCH: "ask for an address that the certificate is for, or have it issued for this "
    "one",
}

#: The settings that help.
_VERIFY_REMEDIES: Final[dict[int, Remedy]] = {
    codes.DEPTH_ZERO_SELF_SIGNED_CERT: "root_certs",
    codes.SELF_SIGNED_CERT_IN_CHAIN: "root_certs",
    codes.UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "root_certs",
    codes.HOSTNAME_MISMATCH: "server_name",
    codes.IP_ADDRESS_MISMATCH: "server_name",
}


def closed_in_handshake(received: bytes) -> Truncated:
    """The error of a handshake whose peer has gone; `received` holds the first bytes that it sent."""
    closed = Truncated("the peer closed the connection in the middle of the handshake")
    closed.hint = None if received else "it said nothing: does it speak TLS on this port?"
    return closed
