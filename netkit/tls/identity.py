"""What one side of a connection shows of itself: a certificate with its chain, and the private key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.keys import PrivateKey


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate, the intermediates that are sent after it, and the key of the first certificate.

    `chain` is in the order in which it is sent (RFC 8446 section 4.4.2). Raises `TlsError.InvalidConfig` if
    `chain` is empty. Whether the key belongs to the certificate is asked when a backend uses the identity,
    or by `matches`.
    """

    chain: tuple[Certificate, ...]
    key: PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if not self.chain:
            raise TlsError.InvalidConfig("identity_cert", "the chain is empty")

    @property
    def certificate(self) -> Certificate:
        """The certificate that the key belongs to."""
        return self.chain[0]

    @property
    def matches(self) -> bool:
        """Whether the key belongs to the certificate: both have the same public key."""
        return self.key.public_spki == self.certificate.spki_der
