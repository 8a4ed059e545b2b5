"""A small certificate authority for tests: certificates as right or as wrong as a test wants them."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import BIT_STRING, encode, join_certificate, split_certificate
from netkit.tls.x509.keys import PrivateKey

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
NO_USAGE: tuple[str, ...] = ("",)  # no key usage, also for an authority
SERVER_AUTH = (ExtendedKeyUsageOID.SERVER_AUTH,)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, and the name it issues under."""

    certificate: Certificate
    key: Any
    name: x509.Name

    @property
    def private_key(self) -> PrivateKey:
        der = self.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return PrivateKey.from_der(der)

    @property
    def pem(self) -> str:
        return self.certificate.to_pem()

    @property
    def key_pem(self) -> str:
        return self.private_key.to_pem()


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def named(common_name: str, organization: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    sans: tuple[str, ...] = (),
    ca: bool = False,
    constraints: bool = True,
    path_len: int | None = None,
    purposes: tuple[x509.ObjectIdentifier, ...] | None = None,
    usages: tuple[str, ...] | None = None,
    start: datetime = NOW - DAY,
    end: datetime = NOW + 90 * DAY,
    key: Any = None,
    digest: hashes.HashAlgorithm | None = hashes.SHA256(),  # noqa: B008  # None with Ed25519
    key_ids: bool = True,
    issuer_name: x509.Name | None = None,
    organization: str | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> Issued:
    """Issue a certificate; without `issuer` it signs itself. An authority has its usages by default."""
    if usages is None and ca:
        usages = ("key_cert_sign", "crl_sign")
    if usages is NO_USAGE:
        usages = None
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = named(name, organization)
    signer = issuer.key if issuer else key
    from_name = issuer_name or (issuer.name if issuer else subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(from_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_len), critical=True)
    if sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([general_name(text) for text in sans]), critical=False
        )
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if usages is not None:
        flags = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.KeyUsage(**(flags | dict.fromkeys(usages, True))), critical=True)
    if key_ids:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signed = builder.sign(signer, digest)
    return Issued(Certificate(signed.public_bytes(serialization.Encoding.DER)), key, subject)


def with_sha1(issued: Issued, signer: Issued) -> Issued:
    """The same signed by `signer` with ECDSA and SHA-1, which certificate builders refuse to do by now."""
    algorithm = bytes.fromhex("300906072a8648ce3d0401")
    parts = split_certificate(issued.certificate.der_data)
    parts = parts._replace(signature=algorithm, signature_algorithm=algorithm)
    tbs = Certificate(join_certificate(parts)).tbs_bytes
    signature = signer.key.sign(tbs, ec.ECDSA(hashes.SHA1()))
    parts = parts._replace(signature_value=encode(BIT_STRING, b"\x00" + signature))
    return Issued(Certificate(join_certificate(parts)), issued.key, issued.name)


def server_context(chain: list[Certificate], key: PrivateKey) -> ssl.SSLContext:
    """A standard library server that presents `chain`, whatever it looks like."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "identity.pem")
        path.write_text(key.to_pem() + "".join(certificate.to_pem() for certificate in chain))
        context.load_cert_chain(path)
    return context


def client_context(roots: list[Certificate]) -> ssl.SSLContext:
    """A standard library client with what netkit's have: no common names, partial chains."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for root in roots:
        context.load_verify_locations(cadata=root.der_data)
    return context


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, server_name: str | None) -> None:
    """Run a handshake in memory. Raises what the client's side raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=server_name)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = {one, other}
    for _ in range(20):
        for side in (one, other):
            if side not in waiting:
                continue
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                if side is one:
                    raise
                waiting.discard(side)
        if not waiting:
            return
    raise AssertionError("the handshake does not end")
