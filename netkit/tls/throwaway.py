"""Certificates for a demonstration or a test: an authority that exists only while the process runs.

Do not use it in production. Keys are made when needed, and stay in memory unless the caller exports them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netkit.tls.certificate import Certificate
from netkit.tls.keys import PrivateKey

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAY = timedelta(days=1)


class ThrowawayAuthority:
    """A certificate authority with a new P-256 key; `certificate` is its root certificate."""

    def __init__(self, name: str = "netkit throw-away authority", *, days: int = 30) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(self._name, self._name, self._key.public_key(), now - _DAY, now + days * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        self.certificate = _certificate(builder.sign(self._key, hashes.SHA256()))

    def issue(
        self, names: Sequence[str], *, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> tuple[Certificate, PrivateKey]:
        """Issue a server certificate for DNS names and IP addresses; default: valid a week from yesterday.

        Raises ValueError if no name is given.
        """
        if not names:
            raise ValueError("a server certificate needs a name")
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        authority = self._key.public_key()
        builder = (
            _builder(
                _named(names[0]),
                self._name,
                key.public_key(),
                not_before or now - _DAY,
                not_after or now + 7 * _DAY,
            )
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
        )
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _certificate(builder.sign(self._key, hashes.SHA256())), PrivateKey.from_der(der)


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _certificate(made: x509.Certificate) -> Certificate:
    return Certificate.from_der(made.public_bytes(serialization.Encoding.DER))
