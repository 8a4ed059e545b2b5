"""The settings of a TLS connection: versions, trust, identity, application protocols.

A `TlsConfig` never changes; the `with_...` methods and `replace` return a new one. Settings that contradict
each other raise `TlsError.InvalidConfig` when the `TlsConfig` is made. A setting that is still missing (a
server's identity) raises it when the `TlsConfig` is used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from netkit._log import Log
from netkit.tls.errors import TlsError
from netkit.tls.identity import Identity
from netkit.tls.versions import TlsVersion
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.trust import Purpose, split_by_trust

if TYPE_CHECKING:
    from netkit.tls.backend import IdentityResolver, SessionStore
    from netkit.tls.x509.keys import PrivateKey

log = Log("netkit.tls")

#: A function that gets the peer's chain and the name that was connected to. It raises a TlsError to refuse.
Verifier: TypeAlias = Callable[[tuple[Certificate, ...], "str | None"], None]


class CertVerifyMode(Enum):
    """Who decides whether the peer's certificates are accepted."""

    #: The chain must lead to a trusted root, be valid now, and match the name that was connected to.
    Full = "full"
    #: Nobody: every certificate is accepted. Use it to inspect a peer, never to send secrets.
    None_ = "none"
    #: The `verifier` of the configuration: inside the handshake where the backend can, else right after it.
    Custom = "custom"


#: The settings that are lists.
_LISTS = (
    "root_certs",
    "identity_chain",
    "alpn_protocols",
    "distrusted_certs",
    "tls13_cipher_suites",
    "groups",
    "signature_algorithms",
    "certificate_compression",
    "crls",
)

#: The settings that only one side has.
_OF_CLIENTS = ("session_store", "request_ocsp", "ech_config_list", "ech_grease")
_OF_SERVERS = (
    "client_auth_optional", "tickets", "max_early_data", "half_rtt", "resolver", "ocsp_response"
)  # fmt: skip

#: The most tickets that a server sends on a connection. A client needs one for each connection that it makes
#: at the same time (RFC 8446 section 4.6.1).
MOST_TICKETS = 100

#: RFC 8879 section 3.
COMPRESSIONS = ("zlib", "brotli", "zstd")


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The settings of one side.

    `root_certs` are trusted instead of the system's certificates. `use_system_certs` has an effect only if
    `root_certs` is empty. A root certificate may have its own trust settings (`Certificate.trust`). If they
    do not allow the purpose (serverAuth on a client, clientAuth on a server), the certificate moves to
    `distrusted_certs`, and every chain that leads through it is refused.
    `identity_chain` holds the intermediates that are sent after `identity_cert`. On a server `verify_mode`
    applies to client certificates: mode None asks for no certificate, the other modes require one.
    `client_auth_optional` lets a client without a certificate in, where the mode asks for one.
    `cipher_suites` is a cipher list in OpenSSL's notation for TLS 1.2 and older; None keeps Python's list.
    `tls13_cipher_suites`, `groups` and `signature_algorithms` are IANA's names, preferred first; empty keeps
    the backend's.

    `backend` names one; None takes the standard one, or the first that has what these settings ask for.
    `session_store` keeps a client's sessions, so that later connections resume them; `tickets` is how many a
    server sends, up to 100 (None: the backend's number). `max_early_data` is how many bytes of 0-RTT a server
    takes, 0 is none; with `half_rtt` its streams are handed out when some came, and can be written before the
    client's Finished (see `TlsStream.confirm`). `resolver` chooses by the ClientHello what a server shows. A
    client asks for a stapled OCSP response with `request_ocsp`; a server sends `ocsp_response` (DER).
    `ech_config_list` is an ECHConfigList; `ech_grease` pretends to have one. `certificate_compression` holds
    `"zlib"`, `"brotli"`, `"zstd"`. `crls` are DER. `key_log` is a file that secrets are appended to, instead
    of the one in SSLKEYLOGFILE; a handshake whose secrets cannot be written fails. `fips` demands that the
    cryptography is a FIPS module. A setting that no backend here can honour raises `CapabilityError` when the
    configuration is used, before anything connects.
    """

    min_version: TlsVersion = TlsVersion.Tls12
    max_version: TlsVersion = TlsVersion.Tls13
    root_certs: tuple[Certificate, ...] = ()
    identity_cert: Certificate | None = None
    identity_key: PrivateKey | None = None
    verify_mode: CertVerifyMode = CertVerifyMode.Full
    alpn_protocols: tuple[str, ...] = ()
    use_system_certs: bool = True
    is_server: bool = False
    identity_chain: tuple[Certificate, ...] = ()
    verifier: Verifier | None = None
    cipher_suites: str | None = None
    distrusted_certs: tuple[Certificate, ...] = ()
    client_auth_optional: bool = False
    backend: str | None = None
    tls13_cipher_suites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    session_store: SessionStore | None = None
    tickets: int | None = None
    max_early_data: int = 0
    resolver: IdentityResolver | None = None
    request_ocsp: bool = False
    ocsp_response: bytes | None = None
    ech_config_list: bytes | None = None
    ech_grease: bool = False
    certificate_compression: tuple[str, ...] = ()
    crls: tuple[bytes, ...] = ()
    key_log: str | None = None
    fips: bool = False
    half_rtt: bool = False

    def __post_init__(self) -> None:
        # The caller may pass any sequence. It is kept as a tuple, so that the configuration can be hashed.
        for name in _LISTS:
            value = getattr(self, name)
            if isinstance(value, (str, bytes, Certificate)):
                raise TlsError.InvalidConfig(name, f"a list is wanted, not one {type(value).__name__}")
            object.__setattr__(self, name, tuple(value))
        self._pass_over_distrusted()
        self._check_versions()
        self._check_alpn()
        self._check_identity()
        self._check_trust()
        self._check_sides()

    def _pass_over_distrusted(self) -> None:
        purpose: Purpose = "clientAuth" if self.is_server else "serverAuth"
        roots = split_by_trust(self.root_certs, purpose)
        distrusted = dict.fromkeys((*self.distrusted_certs, *roots.distrusted))
        trusted = tuple(root for root in roots.trusted if root not in distrusted)
        object.__setattr__(self, "root_certs", trusted)
        object.__setattr__(self, "distrusted_certs", tuple(distrusted))
        # Without this check, the system's roots would replace the roots that the caller gave.
        if distrusted and not trusted:
            problem = f"by their own trust settings, none of them may be trusted for {purpose}"
            raise TlsError.InvalidConfig("root_certs", problem)
        for root in roots.distrusted:
            reason = None if root.trust is None else root.trust.distrusts(purpose)
            log.warning("passed over %r: %s", root, reason)

    def _check_versions(self) -> None:
        if self.min_version > self.max_version:
            problem = f"{self.min_version.as_str} is newer than max_version, {self.max_version.as_str}"
            raise TlsError.InvalidConfig("min_version", problem)

    def _check_alpn(self) -> None:
        for protocol in self.alpn_protocols:
            if not protocol or not protocol.isascii() or len(protocol) > 255:
                problem = f"{protocol!r} is not a protocol name: 1 to 255 ASCII characters (RFC 7301)"
                raise TlsError.InvalidConfig("alpn_protocols", problem)
        if len(set(self.alpn_protocols)) < len(self.alpn_protocols):
            raise TlsError.InvalidConfig("alpn_protocols", "a protocol is named twice")

    def _check_identity(self) -> None:
        if (self.identity_cert is None) != (self.identity_key is None):
            missing = "identity_key" if self.identity_key is None else "identity_cert"
            raise TlsError.InvalidConfig(
                missing, "an identity is a certificate and its private key: one is missing"
            )
        if self.identity_chain and self.identity_cert is None:
            raise TlsError.InvalidConfig("identity_chain", "there is no identity_cert for it to follow")

    def _check_trust(self) -> None:
        if (self.verify_mode is CertVerifyMode.Custom) != (self.verifier is not None):
            problem = (
                "CertVerifyMode.Custom needs a verifier"
                if self.verifier is None
                else f"a verifier is never asked with CertVerifyMode.{self.verify_mode.name}"
            )
            raise TlsError.InvalidConfig("verifier", problem, hint="use with_verifier(...)")
        if self.verify_mode is not CertVerifyMode.Full or self.root_certs:
            return
        if self.is_server:
            problem = "to verify clients, name the roots that issue to them"
            raise TlsError.InvalidConfig("root_certs", problem, hint="use with_root_certs(...)")
        if not self.use_system_certs:
            problem = "nothing to verify the peer against: no root_certs, and use_system_certs is off"
            raise TlsError.InvalidConfig("root_certs", problem, hint="use with_root_certs(...)")

    def _check_sides(self) -> None:
        of_the_other = _OF_CLIENTS if self.is_server else _OF_SERVERS
        for name in of_the_other:
            if getattr(self, name):
                other = "a client" if self.is_server else "a server"
                raise TlsError.InvalidConfig(name, f"only {other} has this setting")
        if self.client_auth_optional and self.verify_mode is CertVerifyMode.None_:
            raise TlsError.InvalidConfig("client_auth_optional", "no certificate is asked for")
        if self.half_rtt:
            self._check_half_rtt()
        for size in ("max_early_data", "tickets"):
            if (getattr(self, size) or 0) < 0:
                raise TlsError.InvalidConfig(size, "it is negative")
        if self.max_early_data:
            self.demand_early_data("max_early_data")
        if (self.tickets or 0) > MOST_TICKETS:
            raise TlsError.InvalidConfig("tickets", f"at most {MOST_TICKETS} are sent to a client")
        for name in self.certificate_compression:
            if name not in COMPRESSIONS:
                problem = f"{name!r} is none of {', '.join(COMPRESSIONS)}"
                raise TlsError.InvalidConfig("certificate_compression", problem)

    def _check_half_rtt(self) -> None:
        if not self.max_early_data:
            raise TlsError.InvalidConfig("half_rtt", "there is no early data to answer: max_early_data is 0")
        # RFC 8446 section 4.4.4: before the peer's Finished there is no assurance of its identity.
        if self.verify_mode is not CertVerifyMode.None_:
            problem = "a client that is asked for a certificate cannot be answered before its Finished"
            raise TlsError.InvalidConfig("half_rtt", problem)

    def demand_early_data(self, setting: str) -> None:
        """Raise `TlsError.InvalidConfig` for `setting` if no version is allowed that has early data."""
        if self.max_version < TlsVersion.Tls13:
            raise TlsError.InvalidConfig(setting, "early data needs TLS 1.3 (RFC 8446 section 2.3)")

    @property
    def identity(self) -> Identity | None:
        """The certificate, its chain and its key as one value."""
        if self.identity_cert is None or self.identity_key is None:
            return None
        return Identity((self.identity_cert, *self.identity_chain), self.identity_key)

    @property
    def trusts_system(self) -> bool:
        """Whether the system's roots are trusted."""
        return (
            self.verify_mode is CertVerifyMode.Full
            and self.use_system_certs
            and not self.root_certs
            and not self.is_server
        )

    @classmethod
    def client(cls) -> TlsConfig:
        """Settings for a client: TLS 1.2 and 1.3, the system's roots, full verification."""
        return cls()

    @classmethod
    def server(cls) -> TlsConfig:
        """Settings for a server: TLS 1.2 and 1.3, no client certificates. Add `with_identity`."""
        return cls(is_server=True, verify_mode=CertVerifyMode.None_, use_system_certs=False)

    def replace(self, **changes: Any) -> TlsConfig:
        """A copy with the named fields changed. Raises `TlsError.InvalidConfig` as the constructor does."""
        return dataclasses.replace(self, **changes)

    def with_root_certs(self, certificates: Iterable[Certificate]) -> TlsConfig:
        """Trust these certificates instead of the system's. An empty list is an error: it trusts nobody.

        A certificate whose own trust settings do not allow the purpose goes into `distrusted_certs`, and a
        warning is logged. Raises `TlsError.InvalidConfig` if no trusted certificate is left.
        """
        roots = tuple(certificates)
        if not roots:
            raise TlsError.InvalidConfig("root_certs", "an empty list would trust nobody")
        return self.replace(root_certs=roots, distrusted_certs=())

    def with_system_certs(self) -> TlsConfig:
        """Trust the certificates that this system trusts."""
        return self.replace(root_certs=(), distrusted_certs=(), use_system_certs=True)

    def with_min_version(self, version: TlsVersion) -> TlsConfig:
        """Refuse older versions. TLS 1.0 or 1.1 lowers OpenSSL's security level, which forbids both."""
        return self.replace(min_version=version)

    def with_max_version(self, version: TlsVersion) -> TlsConfig:
        """Refuse newer versions."""
        return self.replace(max_version=version)

    def with_alpn(self, protocols: Iterable[str | bytes]) -> TlsConfig:
        """Offer these application protocols, preferred first. A server chooses among them."""
        if isinstance(protocols, (str, bytes)):
            protocols = (protocols,)
        names = (name if isinstance(name, str) else name.decode("latin-1") for name in protocols)
        return self.replace(alpn_protocols=tuple(names))

    def with_identity(self, certificate: Certificate | Sequence[Certificate], key: PrivateKey) -> TlsConfig:
        """Present this certificate; a sequence is the certificate and then its intermediates."""
        if isinstance(certificate, Certificate):
            return self.replace(identity_cert=certificate, identity_chain=(), identity_key=key)
        if not certificate:
            raise TlsError.InvalidConfig("identity_cert", "the chain is empty")
        first, *rest = certificate
        return self.replace(identity_cert=first, identity_chain=tuple(rest), identity_key=key)

    def with_backend(self, name: str | None) -> TlsConfig:
        """Use this backend; None leaves the choice to what the settings ask for."""
        return self.replace(backend=name)

    def with_verify_mode(self, mode: CertVerifyMode) -> TlsConfig:
        """Verify fully or not at all; for Custom use `with_verifier`."""
        return self.replace(verify_mode=mode, verifier=None)

    def with_verifier(self, verifier: Verifier) -> TlsConfig:
        """Let `verifier(chain, server_name)` decide. The verifier raises a TlsError to refuse the peer."""
        return self.replace(verify_mode=CertVerifyMode.Custom, verifier=verifier)
