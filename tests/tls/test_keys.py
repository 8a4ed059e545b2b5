"""Private keys, and PEM files as people have them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x25519

from netkit.tls.errors import TlsError
from netkit.tls.files.reading import read_content
from netkit.tls.x509 import pem
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import encode
from netkit.tls.x509.keys import KeyType, PrivateKey, PublicKeyInfo
from tests.tls.pki import issue, rsa_key

EC = ec.generate_private_key(ec.SECP256R1())
KEYS = {
    KeyType.Rsa: rsa_key(1024),
    KeyType.Ec: EC,
    KeyType.Ed25519: ed25519.Ed25519PrivateKey.generate(),
    KeyType.Ed448: ed448.Ed448PrivateKey.generate(),
}


def text(key, layout=form.PrivateFormat.PKCS8, password=None):
    how = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    return key.private_bytes(form.Encoding.PEM, layout, how)


@pytest.mark.parametrize("kind", KEYS, ids=str)
def test_every_kind(kind):
    key = PrivateKey.from_pem(text(KEYS[kind]))
    assert key.key_type is kind
    assert PrivateKey.from_der(key.der_data, kind) == key
    assert PrivateKey.from_pem(key.to_pem()) == key
    assert PrivateKey.from_pem(key.to_pem(password="pw"), password=b"pw") == key
    assert hash(PrivateKey.from_pem(key.to_pem())) == hash(key)


@pytest.mark.parametrize("layout", [form.PrivateFormat.PKCS8, form.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("password", [None, b"pw"])
def test_layouts(layout, password):
    key = PrivateKey.from_pem(text(EC, layout, password), password=password)
    assert key.key_type is KeyType.Ec
    assert key == PrivateKey.from_pem(text(EC))


def test_a_password_that_is_not_needed_does_no_harm():
    assert PrivateKey.from_pem(text(EC), password="pw").key_type is KeyType.Ec


def test_the_key_is_found_among_other_blocks():
    issued = issue("a")
    both = "comment\n" + issued.pem + "more\n" + issued.key_pem
    assert PrivateKey.from_pem(both).public_spki == issued.certificate.spki_der
    assert Certificate.from_pem(both) == issued.certificate


def test_it_never_shows_itself():
    key = PrivateKey.from_pem(text(EC))
    assert repr(key) == "<PrivateKey EC>"
    assert key.der_data.hex() not in repr(vars(type(key)))


@pytest.mark.parametrize(
    ("data", "password", "words"),
    [
        (b"", None, "no private key"),
        (b"nothing here", None, "no PEM block"),
        (issue("a").pem.encode(), None, "only CERTIFICATE"),
        (text(EC, password=b"pw"), None, "encrypted"),
        (text(EC, password=b"pw"), "other", "wrong"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "cannot be read"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n", None, "does not end"),
        (text(x25519.X25519PrivateKey.generate()), None, "X25519"),
        (text(dsa.generate_private_key(1024)), None, "DSA"),
    ],
)
def test_what_is_no_key(data, password, words):
    with pytest.raises(TlsError.InvalidKey, match=words):
        PrivateKey.from_pem(data, password=password)


def test_a_key_of_another_type():
    with pytest.raises(TlsError.InvalidKey, match="type EC, not RSA"):
        PrivateKey.from_der(PrivateKey.from_pem(text(EC)).der_data, KeyType.Rsa)


def test_junk_der():
    with pytest.raises(TlsError.InvalidKey):
        PrivateKey.from_der(b"\x30\x03\x02\x01\x00")


@pytest.mark.parametrize(
    ("bits", "worth"),
    [(512, 56), (1024, 80), (2048, 112), (3072, 128), (4096, 152), (7680, 192), (15360, 256)],
)
def test_the_worth_of_a_modulus(bits, worth):
    assert PublicKeyInfo("RSA", bits).security_bits == worth


def test_the_worth_of_curves():
    assert PublicKeyInfo("EC", 256, "P-256").security_bits == 128
    assert PublicKeyInfo("EC", 521, "P-521").security_bits == 256
    assert PublicKeyInfo("EC", 192, "P-192").security_bits == 80
    assert PublicKeyInfo("Ed25519", 256).security_bits == 128
    assert PublicKeyInfo("1.2.3").security_bits is None


def test_blocks_tell_their_line():
    found = list(
        pem.blocks("x\n-----BEGIN A-----\nAAAA\n-----END A-----\n-----BEGIN B-----\n-----END B-----")
    )
    assert [(block.label, block.line) for block in found] == [("A", 2), ("B", 5)]
    assert found[0].decode() == b"\x00\x00\x00"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("-----BEGIN A-----\nAAAA", "line 1: A does not end"),
        ("-----BEGIN A-----\n-----BEGIN B-----", "line 1: A does not end before"),
        ("-----BEGIN A-----\n-----END B-----", "line 2: A ends as something else"),
    ],
)
def test_broken_blocks(data, words):
    with pytest.raises(pem.PemError, match=words):
        list(pem.blocks(data))


@pytest.mark.parametrize("body", ["A", "AAA", "AA=A", "AA!A", "é"])
def test_what_is_not_base64(body):
    with pytest.raises(TlsError.InvalidCertificate, match="line 2: not base64"):
        Certificate.from_pem(f"\n-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("part", range(8))
def test_numbers_of_an_rsa_key_that_do_not_belong_together(part):
    """Each number of RFC 8017's RSAPrivateKey, one bit changed."""
    numbers = rsa_key(1024).private_numbers()
    public = numbers.public_numbers
    listed = [public.n, public.e, numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp]
    right = encode(0x30, b"\x02\x01\x00" + b"".join(map(integer, listed)))
    assert PrivateKey.from_der(right).key_type is KeyType.Rsa
    listed[part] ^= 2
    wrong = encode(0x30, b"\x02\x01\x00" + b"".join(map(integer, listed)))
    with pytest.raises(TlsError.InvalidKey):
        PrivateKey.from_der(wrong)
    (item,) = read_content(wrong).items
    assert item.problem is not None
    assert "damaged" in item.problem.reason


def integer(number):
    return encode(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("DEK-Info: AES-128-CBC,00AA", "4 digits where 32 should be"),
        ("DEK-Info: DES-EDE3-CBC,", "0 digits where 16 should be"),
        ("DEK-Info: AES-128-CBC", "no DEK-Info line"),
        ("X: y", "no DEK-Info line"),
    ],
)
def test_old_encryption_without_its_vector(header, words):
    """The cryptography package panics at a vector that is too short."""
    block = f"Proc-Type: 4,ENCRYPTED\n{header}\n\n{'AAAA' * 16}"
    data = f"-----BEGIN RSA PRIVATE KEY-----\n{block}\n-----END RSA PRIVATE KEY-----\n"
    with pytest.raises(TlsError.InvalidKey, match=words):
        PrivateKey.from_pem(data, password="x")
    (item,) = read_content(data.encode(), "x").items
    assert item.problem is not None
    assert words in item.problem.reason
