"""Certificates: every field, and what is left to see of a broken one."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import ssl
import subprocess
from base64 import b64encode
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from hypothesis import given, strategies as st

from netkit.tls.errors import TlsError
from netkit.tls.verifying.roots import SystemCerts, TrustLocations
from netkit.tls.x509 import der
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import CertificateParts, ExtensionParts, encode, join_certificate, split_certificate
from netkit.tls.x509.keys import KeyType
from tests.tls.pki import DAY, NOW, SERVER_AUTH, Issued, issue, rsa_key, with_sha1

ACCESS = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example")
        ),
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS,
            x509.UniformResourceIdentifier("http://ca.example/ca.der"),
        ),
    ]
)
POINTS = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/1")], None, None, None)]
)
ROOT = issue("Root", ca=True, path_len=1, usages=("key_cert_sign", "crl_sign"))
LEAF = issue(
    "leaf.example",
    ROOT,
    sans=("leaf.example", "*.leaf.example", "192.0.2.1", "2001:db8::1"),
    purposes=(*SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    usages=("digital_signature",),
    extensions=(
        (ACCESS, False),
        (POINTS, False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
    ),
)


def changed(issued: Issued, **parts: object) -> Certificate:
    """The certificate with some of its parts exchanged; the signature is the old one."""
    return Certificate(join_certificate(split_certificate(issued.certificate.der_data)._replace(**parts)))


def extension(oid: str, value: bytes, critical: bytes = b"") -> ExtensionParts:
    identifier = x509.ObjectIdentifier(oid)
    blank = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([]))
    key = ed25519.Ed25519PrivateKey.generate()
    built = (
        blank.public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .add_extension(x509.UnrecognizedExtension(identifier, value), critical=bool(critical))
        .sign(key, None)
    )
    return split_certificate(built.public_bytes(serialization.Encoding.DER)).extensions[0]


def test_a_leaf():
    leaf = LEAF.certificate
    assert (leaf.subject, leaf.issuer, leaf.common_name) == ("CN=leaf.example", "CN=Root", "leaf.example")
    assert (leaf.not_before, leaf.not_after) == (NOW - DAY, NOW + 90 * DAY)
    assert leaf.days_left(NOW) == 90
    assert leaf.days_left(NOW + timedelta(hours=1)) == 89
    assert leaf.days_left(NOW + 91 * DAY) == -1
    assert leaf.sans.dns == ("leaf.example", "*.leaf.example")
    assert leaf.sans.ip == ("192.0.2.1", "2001:db8::1")
    assert (str(leaf.public_key), leaf.key_type) == ("EC P-256", KeyType.Ec)
    assert (leaf.signature_algorithm, leaf.signature_hash) == ("ecdsa-with-SHA256", "sha256")
    assert leaf.key_usage == ("digitalSignature",)
    assert leaf.extended_key_usage == ("serverAuth", "clientAuth")
    assert (leaf.is_ca, leaf.path_len, leaf.version) == (False, None, 3)
    assert leaf.ocsp_urls == ("http://ocsp.example",)
    assert leaf.ca_issuer_urls == ("http://ca.example/ca.der",)
    assert leaf.crl_urls == ("http://crl.example/1",)
    assert leaf.must_staple
    assert leaf.authority_key_id == ROOT.certificate.subject_key_id
    assert not leaf.is_self_issued
    assert leaf.is_signed_by(ROOT.certificate)
    assert not leaf.is_signed_by(leaf)
    assert leaf.problems == ()


def test_a_root():
    root = ROOT.certificate
    assert (root.is_ca, root.path_len) == (True, 1)
    assert root.key_usage == ("keyCertSign", "cRLSign")
    assert root.extended_key_usage is None
    assert root.is_self_issued
    assert root.is_self_signed
    assert root.sans.texts == ()


def test_fingerprints_are_openssls(tmp_path):
    path = tmp_path / "leaf.pem"
    path.write_text(LEAF.pem)
    leaf = LEAF.certificate

    def openssl(*arguments: str) -> str:
        command = ["openssl", "x509", "-in", str(path), "-noout", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert (
        openssl("-fingerprint", "-sha256").strip().replace(":", "").lower().endswith(leaf.fingerprint_sha256)
    )
    assert openssl("-fingerprint", "-sha1").strip().replace(":", "").lower().endswith(leaf.fingerprint_sha1)
    assert openssl("-serial").strip() == f"serial={leaf.serial_hex.replace(':', '')}"
    assert openssl("-subject", "-issuer", "-nameopt", "RFC2253").split() == [
        f"subject={leaf.subject}",
        f"issuer={leaf.issuer}",
    ]


def test_the_pin_is_of_the_key():
    spki = LEAF.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert LEAF.certificate.spki_sha256_b64 == b64encode(hashlib.sha256(spki).digest()).decode()


def test_channel_binding():
    """RFC 5929 section 4.1: the signature's hash, but SHA-256 for SHA-1."""
    leaf = LEAF.certificate
    assert leaf.channel_binding_hash == hashlib.sha256(leaf.der_data).digest()
    old = with_sha1(LEAF, ROOT).certificate
    assert old.signature_hash == "sha1"
    assert old.channel_binding_hash == hashlib.sha256(old.der_data).digest()
    edwards = issue("x", key=ed25519.Ed25519PrivateKey.generate(), digest=None)
    assert edwards.certificate.channel_binding_hash == hashlib.sha256(edwards.certificate.der_data).digest()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (rsa_key(1024), "RSA 1024"),
        (ec.generate_private_key(ec.SECP384R1()), "EC P-384"),
        (ec.generate_private_key(ec.SECP256K1()), "EC secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
)
def test_keys(key, text):
    certificate = issue("x", ROOT, key=key).certificate
    assert str(certificate.public_key) == text
    assert certificate.problems == ()


def test_pem():
    both = f"subject=whatever\n{LEAF.pem}\n\n{ROOT.pem}".replace("\n", "\r\n")
    assert Certificate.from_pem_chain(both) == [LEAF.certificate, ROOT.certificate]
    assert Certificate.from_pem(both.encode()) == LEAF.certificate
    assert Certificate.from_file_content(both.encode()) == [LEAF.certificate, ROOT.certificate]
    assert Certificate.from_file_content(LEAF.certificate.der_data) == [LEAF.certificate]
    trusted = der.encode(0x30, b"\x05\x00")
    block = LEAF.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    assert Certificate.from_pem(block) == LEAF.certificate
    with pytest.raises(TlsError.InvalidCertificate, match="no certificate \\(only PRIVATE KEY\\)"):
        Certificate.from_pem(LEAF.key_pem)
    with pytest.raises(TlsError.InvalidCertificate):
        Certificate.from_file_content(trusted)


def test_value():
    again = Certificate.from_der(memoryview(LEAF.certificate.der_bytes))
    assert again == LEAF.certificate
    assert {again, LEAF.certificate} == {again}
    assert again.size == len(again.der_bytes)
    assert pickle.loads(pickle.dumps(again)) == again
    assert repr(again) == "<Certificate CN=leaf.example>"


def test_plain_data_is_json():
    data = json.loads(json.dumps(LEAF.certificate.to_dict(NOW)))
    assert data["subject"] == "CN=leaf.example"
    assert data["days_left"] == 90
    assert data["key"] == {"algorithm": "EC", "bits": 256, "curve": "P-256"}
    assert data["sans"]["dns_names"] == ["leaf.example", "*.leaf.example"]
    assert data["not_after"].endswith("Z")
    assert data["problems"] == []
    assert "days_left" not in LEAF.certificate.to_dict()


# Broken ones.


def test_a_broken_extension_does_not_hide_the_rest():
    broken = extension("2.5.29.19", b"\x30\x03\x01\x01")
    old = split_certificate(LEAF.certificate.der_data).extensions
    certificate = changed(LEAF, extensions=(broken, *(one for one in old if one.oid != broken.oid)))
    assert certificate.subject == "CN=leaf.example"
    assert certificate.sans.dns == ("leaf.example", "*.leaf.example")
    assert certificate.key_usage == ("digitalSignature",)
    assert certificate.ocsp_urls == ("http://ocsp.example",)
    with pytest.raises(TlsError.InvalidCertificate) as caught:
        certificate.is_ca  # noqa: B018
    assert caught.value.field == "basic constraints extension"
    data = certificate.to_dict(NOW)
    assert data["is_ca"] is None
    assert data["days_left"] == 90
    assert len(data["problems"]) == 1
    assert "basic constraints" in data["problems"][0]


def test_an_extension_that_is_there_twice():
    old = split_certificate(LEAF.certificate.der_data).extensions
    certificate = changed(LEAF, extensions=(*old, old[1]))
    assert certificate.sans.dns == ("leaf.example", "*.leaf.example")
    assert [str(problem) for problem in certificate.problems] == [
        "the certificate's subject alternative name extension cannot be read: it is there twice"
    ]


def test_one_bad_address_does_not_hide_the_names():
    names = encode(
        0x30, encode(0x82, b"a.example") + encode(0x87, b"\x01\x02\x03") + encode(0x82, b"b.example")
    )
    certificate = changed(LEAF, extensions=(extension("2.5.29.17", names),))
    assert certificate.sans.dns == ("a.example", "b.example")
    place = certificate.der_data.index(b"\x87\x03\x01\x02\x03")
    assert certificate.sans.malformed == (f"an IP address of 3 bytes at octet {place}",)
    assert "3 bytes" in str(certificate.problems[0])


def test_all_kinds_of_names():
    names = encode(
        0x30,
        encode(0x81, b"a@example")
        + encode(0x86, b"https://x.example")
        + encode(0x88, b"\x2a\x03")
        + encode(0xA4, encode(0x30, b""))
        + encode(0xA0, encode(6, b"\x2a\x04") + encode(0xA0, encode(0x0C, b"x")))
        + encode(0x82, b"n\xff\x00l")
        + encode(0x9F - 1, b"?"),
    )
    sans = changed(LEAF, extensions=(extension("2.5.29.17", names),)).sans
    assert sans.email == ("a@example",)
    assert sans.uri == ("https://x.example",)
    assert sans.other == ("ID:1.2.3", "directory:", "other:1.2.4")
    assert sans.dns == ("n\\xff\x00l",)
    (malformed,) = sans.malformed
    assert re.fullmatch(r"a name of an unknown kind \(tag 0x9e\) at octet \d+", malformed)


@pytest.mark.parametrize(
    ("part", "value", "field"),
    [
        ("subject", bytes.fromhex("300d310b3009060355040313023f3f"), None),
        ("subject", bytes.fromhex("300f310d300b06035504030c04fffe4141"), "subject"),
        ("validity", encode(0x30, encode(0x17, b"991301000000Z") * 2), "validity"),
        (
            "spki",
            encode(0x30, encode(0x30, bytes.fromhex("06072a8648ce3d0201")) + encode(3, b"\x00\x04")),
            None,
        ),
        ("version", bytes.fromhex("a003020107"), None),
    ],
)
def test_a_broken_part_does_not_hide_the_rest(part, value, field):
    certificate = changed(LEAF, **{part: value})
    data = certificate.to_dict(NOW)
    assert data["sha256"]
    assert data["issuer"] == "CN=Root"
    assert data["sans"]["dns_names"] == ["leaf.example", "*.leaf.example"]
    fields = {problem.field for problem in certificate.problems}  # type: ignore[attr-defined]
    assert field is None or field in fields


@pytest.mark.parametrize("serial", [b"\x02\x01\x00", b"\x02\x01\xff", b"\x02\x02\x00\xff"])
def test_serial_numbers_of_every_sign(serial):
    certificate = changed(LEAF, serial=serial)
    assert certificate.serial == int.from_bytes(serial[2:], "big", signed=True)
    assert certificate.subject == "CN=leaf.example"
    assert certificate.serial_hex == {0: "00", -1: "-01", 255: "FF"}[certificate.serial]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x85\x01\x00\x00\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x00",
        b"\x1f\x81",
        b"\x30\x03\x30\x01\x02",
        LEAF.certificate.der_data[:-1],
        LEAF.certificate.der_data + b"\x00",
        b"hello",
    ],
)
def test_what_is_no_certificate_at_all(data):
    certificate = Certificate.from_der(data)
    assert len(certificate.problems) == 1
    with pytest.raises(TlsError.InvalidCertificate):
        certificate.subject  # noqa: B018
    described = certificate.to_dict(NOW)
    assert described["subject"] is None
    assert described["sha256"] == hashlib.sha256(data).hexdigest()
    assert repr(certificate)
    assert not certificate.is_signed_by(ROOT.certificate)


def test_an_endless_object_identifier_costs_nothing():
    with pytest.raises(der.DerError):
        der.oid_text(b"\x81" * 100_000 + b"\x01")
    with pytest.raises(der.DerError):
        der.oid_text(b"\x81")
    assert der.oid_text(bytes.fromhex("2a8648ce3d0201")) == "1.2.840.10045.2.1"


def test_what_is_in_a_name_cannot_steer_a_terminal():
    certificate = issue("a\x1b]0;x\x07\n\u202eb").certificate
    assert certificate.subject.isprintable()
    assert certificate.subject == r"CN=a\1B]0\;x\07\0A\E2\80\AEb"


def test_taken_apart_and_put_together():
    data = LEAF.certificate.der_data
    assert join_certificate(split_certificate(data)) == data


LEAF_DER = LEAF.certificate.der_data


@given(st.data())
def test_no_mutation_escapes(data):
    """Whatever is wrong, it is told as `InvalidCertificate`; nothing else comes out."""
    mutated = bytearray(LEAF_DER)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    certificate = Certificate(mutated)
    described = certificate.to_dict(NOW)
    assert described["size"] == len(mutated)
    certificate.is_signed_by(ROOT.certificate)
    json.dumps(described)


@given(st.binary(max_size=200))
def test_no_bytes_escape(data):
    try:
        parts = split_certificate(data)
    except der.DerError:
        return
    assert isinstance(parts, CertificateParts)


# The system's store.


def test_the_systems_store(tmp_path, monkeypatch):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(ROOT.pem + LEAF.pem + ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    assert SystemCerts.load() == [ROOT.certificate, LEAF.certificate]


def test_a_directory_of_hashed_names(tmp_path, monkeypatch):
    (tmp_path / "0a1b2c3d.0").write_text(ROOT.pem)
    (tmp_path / "0a1b2c3d.1").write_text("not a certificate")
    (tmp_path / "ffffffff.0").symlink_to(tmp_path / "gone")
    (tmp_path / "root.pem").write_text(LEAF.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert TrustLocations.find() == TrustLocations(None, str(tmp_path))
    assert SystemCerts.load() == [ROOT.certificate]


def test_no_store(tmp_path, monkeypatch):
    nowhere = ssl.get_default_verify_paths()._replace(openssl_cafile=str(tmp_path / "nothing"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(TlsError.NoTrustStore) as caught:
        SystemCerts.load()
    assert caught.value.fault == "local"
    assert caught.value.remedy == "root_certs"
