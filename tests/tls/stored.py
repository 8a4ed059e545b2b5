"""Files of certificates and keys in every form, made in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from tests.tls.pki import NOW, Issued, general_name, issue, named

HOST = "www.example.com"
ROOT = issue("Root", ca=True)
MIDDLE = issue("Middle", ROOT, ca=True)
LEAF = issue(HOST, MIDDLE, sans=(HOST,))
CHAIN = (LEAF.certificate, MIDDLE.certificate, ROOT.certificate)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
NO = serialization.NoEncryption()
SECRET = b"open sesame"


def key_bytes(
    key: Any,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    encoding: serialization.Encoding = PEM,
    password: bytes | None = None,
) -> bytes:
    protection = NO if password is None else serialization.BestAvailableEncryption(password)
    made: bytes = key.private_bytes(encoding, form, protection)
    return made


def request(*sans: str) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(HOST))
    names = x509.SubjectAlternativeName([general_name(name) for name in sans])
    return builder.add_extension(names, critical=False).sign(LEAF.key, hashes.SHA256())


def revocation_list(*revoked: int, issuer: Issued = MIDDLE) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.name)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=7))
        .add_extension(x509.CRLNumber(17), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    )
    for serial in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(NOW)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256())


def bag(encoding: serialization.Encoding = DER) -> bytes:
    return pkcs7.serialize_certificates([one.to_cryptography() for one in CHAIN[:2]], encoding)


def identity(password: bytes | None = SECRET, *, name: bytes | None = b"fred") -> bytes:
    protection = NO if password is None else serialization.BestAvailableEncryption(password)
    others = [MIDDLE.certificate.to_cryptography()]
    leaf = LEAF.certificate.to_cryptography()
    return pkcs12.serialize_key_and_certificates(name, LEAF.key, leaf, others, protection)
