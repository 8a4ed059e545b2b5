"""Identities on a server: which of several a client is shown, by its ClientHello, and who a client is.

The certificates say themselves for which names they are (RFC 6066 section 3), and the client says which
signatures it can check (RFC 8446 section 4.2.3): so a server can have an RSA and an ECDSA certificate for one
name, and nobody writes a table of names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.errors import TlsError
from netkit.tls.verifying.hostname import matches_host
from netkit.tls.x509.keys import KeyType

if TYPE_CHECKING:
    from netkit.tls.backend import ClientHelloInfo
    from netkit.tls.identity import Identity
    from netkit.tls.x509.certificate import Certificate

#: The signature schemes that a key of each kind can make (RFC 8446 section 4.2.3).
_SCHEMES: Final[dict[KeyType, frozenset[int]]] = {
    KeyType.Rsa: frozenset({0x0201, 0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B}),
    KeyType.Ec: frozenset({0x0203, 0x0403, 0x0503, 0x0603}),
    KeyType.Ed25519: frozenset({0x0807}),
    KeyType.Ed448: frozenset({0x0808}),
}


@dataclass(frozen=True, slots=True)
class ByCertificate:
    """A resolver that shows the first identity whose certificate is for the name that the client asks for.

    Of those for the name, the first whose signature the client can check goes before the others. A client
    that asks for another name, or for none, gets the first of all that it can check; so nobody is refused
    here. Raises `TlsError.InvalidConfig` if there is no identity.
    """

    identities: tuple[Identity, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "identities", tuple(self.identities))
        if not self.identities:
            raise TlsError.InvalidConfig("resolver", "there is no identity to choose")

    def __call__(self, hello: ClientHelloInfo) -> Identity:
        name = hello.server_name
        fitting = [] if name is None else [one for one in self.identities if _is_for(one, name)]
        choice = fitting or list(self.identities)
        return next((one for one in choice if _can_check(hello, one)), choice[0])


def _is_for(identity: Identity, name: str) -> bool:
    try:
        return matches_host(identity.certificate.sans, name)
    except TlsError:  # a certificate whose names cannot be read is for none
        return False


def _can_check(hello: ClientHelloInfo, identity: Identity) -> bool:
    """Whether the client can check a signature of the identity's key; it may not say (TLS 1.2)."""
    schemes = hello.signature_schemes
    return not schemes or not _SCHEMES[identity.key.key_type].isdisjoint(schemes)


class ShownCertificate(NamedTuple):
    """The certificate that a peer has shown, for logs: what cannot be read of it is None.

    `subject` and `issuer` are RFC 4514 text, `serial` and `sha256` hexadecimal.
    """

    subject: str | None
    issuer: str | None
    serial: str | None
    sha256: str

    @classmethod
    def of(cls, certificate: Certificate) -> ShownCertificate:
        """Of a certificate. It is the same for every request of a connection, so it is made once."""
        return _shown(certificate)

    def __str__(self) -> str:
        return self.subject or self.sha256


@lru_cache(256)
def _shown(certificate: Certificate) -> ShownCertificate:
    sha256 = certificate.fingerprint_sha256
    try:
        return ShownCertificate(certificate.subject, certificate.issuer, certificate.serial_hex, sha256)
    except TlsError:
        return ShownCertificate(None, None, None, sha256)
