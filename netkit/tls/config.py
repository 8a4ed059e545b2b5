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
from netkit.tls.certificate import Certificate
from netkit.tls.errors import TlsError
from netkit.tls.trust import Purpose, split_by_trust
from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.keys import PrivateKey

log = Log("netkit.tls")

#: A function that gets the peer's chain and the name that was connected to. It raises a TlsError to refuse.
Verifier: TypeAlias = Callable[[tuple[Certificate, ...], "str | None"], None]


class CertVerifyMode(Enum):
    """Who decides whether the peer's certificates are accepted."""

    #: The chain must lead to a trusted root, be valid now, and match the name that was connected to.
    Full = "full"
    #: Nobody: every certificate is accepted. Use it to inspect a peer, never to send secrets.
    None_ = "none"
    #: The `verifier` of the configuration, after a handshake that accepts anything.
    Custom = "custom"


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The settings of one side.

    `root_certs` are trusted instead of the system's certificates. `use_system_certs` has an effect only if
    `root_certs` is empty. A root certificate may have its own trust settings (`Certificate.trust`). If they
    do not allow the purpose (serverAuth on a client, clientAuth on a server), the certificate moves to
    `distrusted_certs`, and every chain that leads through it is refused.
    `identity_chain` holds the intermediates that are sent after `identity_cert`. On a server `verify_mode`
    applies to client certificates: mode None asks for no certificate, the other modes require one.
    `cipher_suites` is a cipher list in OpenSSL's notation for TLS 1.2 and older; None keeps Python's list.
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

    def __post_init__(self) -> None:
        # The caller may pass any sequence. It is kept as a tuple, so that the configuration can be hashed.
        for name in ("root_certs", "identity_chain", "alpn_protocols", "distrusted_certs"):
            value = getattr(self, name)
            if isinstance(value, (str, Certificate)):
                raise TlsError.InvalidConfig(name, f"a list is wanted, not one {type(value).__name__}")
            object.__setattr__(self, name, tuple(value))
        self._pass_over_distrusted()
        self._check_versions()
        self._check_alpn()
        self._check_identity()
        self._check_trust()

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

    def with_verify_mode(self, mode: CertVerifyMode) -> TlsConfig:
        """Verify fully or not at all; for Custom use `with_verifier`."""
        return self.replace(verify_mode=mode, verifier=None)

    def with_verifier(self, verifier: Verifier) -> TlsConfig:
        """Let `verifier(chain, server_name)` decide. The verifier raises a TlsError to refuse the peer."""
        return self.replace(verify_mode=CertVerifyMode.Custom, verifier=verifier)
