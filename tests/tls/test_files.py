"""Files of certificates and keys, and the sources of trust: every form, and what is said of broken ones."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, x25519
from hypothesis import given, strategies as st

from netkit.tls.backends import prepare
from netkit.tls.config import TlsConfig
from netkit.tls.errors import TlsError
from netkit.tls.files import (
    Kind,
    in_order,
    read_certificates,
    read_file,
    read_identity,
    read_private_key,
    read_revocation_lists,
)
from netkit.tls.files.ber import definite
from netkit.tls.files.items import Content
from netkit.tls.files.opening import read_bytes, read_stream
from netkit.tls.files.reading import NothingRead, read_content
from netkit.tls.files.request import CertificateRequest
from netkit.tls.files.revocation import RevocationList
from netkit.tls.files.stored_keys import MAX_ITERATIONS, StoredKey, StoredPublicKey, too_costly
from netkit.tls.verifying.roots import SystemCerts, TrustLocations
from netkit.tls.verifying.verify import verify_chain
from netkit.tls.x509 import pem
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import DerError, encode
from tests.tls.each_backend import OWN
from tests.tls.memory import shake_hands
from tests.tls.pki import NOW, issue
from tests.tls.stored import (
    CHAIN,
    DER,
    HOST,
    LEAF,
    MIDDLE,
    PEM,
    ROOT,
    SECRET,
    bag,
    identity,
    key_bytes,
    request,
    revocation_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = LEAF.pem.encode()
#: Every form of a file with one certificate or more: its form, and how many it has.
FORMS: dict[str, tuple[bytes, str, int]] = {
    "PEM": (TEXT, "PEM", 1),
    "text around": (
        b"subject=CN = \xc3\x85\x85\n\n" + TEXT + b"\nissuer=\xff\n" + MIDDLE.pem.encode(),
        "PEM",
        2,
    ),
    "CRLF": (TEXT.replace(b"\n", b"\r\n"), "PEM", 1),
    "CR": (TEXT.replace(b"\n", b"\r"), "PEM", 1),
    "indented": (b"  " + TEXT.replace(b"\n", b"  \n  "), "PEM", 1),
    "BOM": (b"\xef\xbb\xbf" + TEXT, "PEM", 1),
    "UTF-16": (b"\xff\xfe" + TEXT.decode().encode("utf-16-le"), "PEM", 1),
    "UTF-16 BE": (b"\xfe\xff" + TEXT.decode().encode("utf-16-be"), "PEM", 1),
    "X509": (TEXT.replace(b"CERTIFICATE", b"X509 CERTIFICATE"), "PEM", 1),
    "TRUSTED": (TEXT.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), "PEM", 1),
    "DER": (LEAF.certificate.der_data, "DER", 1),
    "two DER": (LEAF.certificate.der_data + ROOT.certificate.der_data, "DER", 2),
    "DER, padded": (LEAF.certificate.der_data + bytes(100), "DER", 1),
    "DER, then PEM": (LEAF.certificate.der_data + b"\n" + MIDDLE.pem.encode(), "DER", 2),
    "PKCS #7": (bag(), "PKCS #7", 2),
    "PKCS #7 PEM": (bag(PEM), "PEM", 2),
    "PKCS #12": (identity(), "PKCS #12", 2),
    "PKCS #12, no password": (identity(None), "PKCS #12", 2),
}


@pytest.mark.parametrize("case", FORMS)
def test_every_form_of_certificates(case: str, tmp_path: Path) -> None:
    data, form, count = FORMS[case]
    content = read_content(data, SECRET)
    assert content.form == form
    assert [item.problem for item in content.items] == [None] * len(content.items)
    found = [item.value for item in content.items if item.kind is Kind.CERTIFICATE]
    assert LEAF.certificate in found
    assert len(found) == count
    if "PKCS #12" not in case or "no password" in case:
        path = tmp_path / "file"
        path.write_bytes(data)
        assert read_certificates(path) == found


KEYS: dict[str, tuple[Any, str, str]] = {
    "EC": (LEAF.key, "EC", "SEC 1"),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate(), "Ed25519", ""),
    "X25519": (x25519.X25519PrivateKey.generate(), "X25519", ""),
    "DSA": (dsa.generate_private_key(1024), "DSA", "OpenSSL"),
}


def only(content: Content) -> Any:
    (item,) = content.items
    assert item.problem is None
    return item.value


@pytest.mark.parametrize("case", KEYS)
@pytest.mark.parametrize("encoding", [PEM, DER])
def test_every_kind_of_private_key(case: str, encoding: serialization.Encoding) -> None:
    key, algorithm, old_form = KEYS[case]
    spki = key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    forms = [(serialization.PrivateFormat.PKCS8, "PKCS #8")]
    if old_form and not (case == "DSA" and encoding is DER):
        forms.append((serialization.PrivateFormat.TraditionalOpenSSL, old_form))
    for form, name in forms:
        found = only(read_content(key_bytes(key, form, encoding)))
        assert isinstance(found, StoredKey)
        assert (found.form, found.algorithm, found.encrypted) == (name, algorithm, False)
        assert found.public is not None
        assert found.public.spki_der == spki
        assert repr(found) == f"<StoredKey {algorithm}>"
        if encoding is DER and form is not serialization.PrivateFormat.PKCS8:
            continue
        locked = key_bytes(key, form, encoding, SECRET)
        for password, words in ((None, "is encrypted"), (b"wrong", "password is wrong"), ("", "password")):
            content = read_content(locked, password)
            (item,) = content.items
            assert item.problem is not None
            assert words in item.problem.reason
            assert content.locked
        opened = only(read_content(locked, SECRET))
        assert (opened.encrypted, opened.der_data) == (True, found.der_data)


def test_a_key_that_only_has_a_name_here() -> None:
    """A PKCS #8 of an algorithm that cryptography does not have."""
    gost = encode(0x30, bytes.fromhex("06082a85030701010101"))
    data = encode(0x30, b"\x02\x01\x00" + gost + encode(0x04, b"secret"))
    found = only(read_content(data))
    assert (found.algorithm, found.public) == ("GOST R 34.10-2012 (256 bit)", None)
    with pytest.raises(TlsError.InvalidKey, match="GOST"):
        found.private_key()


def test_public_keys() -> None:
    spki = LEAF.certificate.spki_der
    for data in (spki, pem.encode("PUBLIC KEY", spki).encode()):
        found = only(read_content(data))
        assert isinstance(found, StoredPublicKey)
        assert (str(found.info), found.spki_sha256_b64) == ("EC P-256", LEAF.certificate.spki_sha256_b64)


def test_a_request() -> None:
    made = request(HOST, "192.0.2.1")
    for encoding in (PEM, DER):
        found = only(read_content(made.public_bytes(encoding)))
        assert isinstance(found, CertificateRequest)
        assert found.asked.subject == f"CN={HOST}"
        assert found.asked.sans.texts == (HOST, "192.0.2.1")
        assert found.signature_valid
        assert found.signature_algorithm == "ecdsa-with-SHA256"
        assert LEAF.certificate.has_key(found.spki_der)
    data = bytearray(made.public_bytes(DER))
    data[data.index(HOST.encode())] ^= 1
    assert not CertificateRequest(bytes(data)).signature_valid


def test_a_revocation_list() -> None:
    made = revocation_list(5, LEAF.certificate.serial)
    for encoding in (PEM, DER):
        found = only(read_content(made.public_bytes(encoding)))
        assert isinstance(found, RevocationList)
        assert (found.issuer, len(found), found.number, found.is_delta) == ("CN=Middle", 2, 17, False)
        assert (found.this_update, found.next_update) == (NOW, NOW + timedelta(days=7))
        assert [(one.serial, one.reason) for one in found] == [
            (5, "keyCompromise"),
            (LEAF.certificate.serial, "keyCompromise"),
        ]
        assert [found.entry_for(serial) for serial in (5, 6)] == [next(iter(found)), None]
        assert next(iter(found)).since == NOW
        assert found.issuer_key == MIDDLE.certificate.subject_key
        assert found.authority_key_id == MIDDLE.certificate.subject_key_id
        assert found.is_signed_by(MIDDLE.certificate)
        assert not found.is_signed_by(ROOT.certificate)


@pytest.mark.parametrize("value", [b"", b"\xff\xff", b"\x01\x01\x00", b"\x02\x7f\x00"])
def test_a_list_whose_number_cannot_be_read(value: bytes) -> None:
    """What is beside it can be."""
    data = revocation_list(5).public_bytes(DER)
    number = bytes.fromhex("0603551d14") + encode(0x04, b"\x02\x01\x11")
    wrong = bytes.fromhex("0603551d14") + encode(0x04, value.ljust(3, b"\0")[:3])
    found = RevocationList(data.replace(number, wrong))
    assert found.number is None
    assert [one.serial for one in found] == [5]


def test_an_algorithm_that_cannot_be_read() -> None:
    for made in (revocation_list(1).public_bytes(DER), request("a.example").public_bytes(DER)):
        ecdsa = bytes.fromhex("06082a8648ce3d040302")
        wrong = made[::-1].replace(ecdsa[::-1], b"\x05" * len(ecdsa), 1)[::-1]
        found = only(read_content(wrong))
        assert found.signature_algorithm is None


def test_an_empty_revocation_list() -> None:
    found = RevocationList(revocation_list().public_bytes(DER))
    assert list(found) == []
    assert found, "it is a list, although nobody is in it"


def test_the_friendly_name_and_the_key_of_pkcs12() -> None:
    items = read_content(identity(), SECRET).items
    assert [(item.kind, item.name, item.inside) for item in items] == [
        (Kind.CERTIFICATE, "fred", "PKCS #12"),
        (Kind.CERTIFICATE, None, "PKCS #12"),
        (Kind.PRIVATE_KEY, None, "PKCS #12"),
    ]
    for password, words in ((None, "needs a password"), ("wrong", "is wrong")):
        (item,) = read_content(identity(), password).items
        assert item.problem is not None
        assert words in item.problem.reason
        assert item.problem.locked


def indefinite(data: bytes) -> bytes:
    """PKCS #7 as a stream has it: indefinite lengths in its outer three elements."""
    outer = data[4:] if data[1] == 0x82 else data[2 + (data[1] & 0x7F) * (data[1] > 0x80) :]
    oid, rest = outer[:11], outer[11:]
    skip = 2 + (rest[1] & 0x7F) * (rest[1] > 0x80)
    return b"\x30\x80" + oid + b"\xa0\x80" + rest[skip:] + bytes(4)


def test_indefinite_lengths() -> None:
    streamed = indefinite(bag())
    assert read_content(streamed).form == "PKCS #7"
    assert {item.value for item in read_content(streamed).items} == set(CHAIN[:2])
    assert definite(streamed) == bag()
    assert definite(bytes.fromhex("2480040161040162 0000")) == b"\x04\x02ab"


@given(st.binary(max_size=60))
def test_ber_of_any_octets(data: bytes) -> None:
    for octets in (data, b"\x30\x80" + data, b"\x24\x80\x04\x01a" + data):
        try:
            made = definite(octets)
        except DerError as error:
            assert 0 <= error.offset <= len(octets)
        else:
            assert definite(made) == made


@pytest.mark.parametrize("depth", [31, 40, 100_000])
def test_deep_nesting_ends(depth: int) -> None:
    data = b"\x30\x80" * depth + bytes(2 * depth)
    if depth < 32:
        assert definite(data)[:1] == b"\x30"
    else:
        with pytest.raises(DerError, match="32 deep"):
            definite(data)


# Broken files.


def broken_block(label: str = "CERTIFICATE") -> bytes:
    return f"-----BEGIN {label}-----\nAAAA\n!\n-----END {label}-----\n".encode()


def test_one_bad_block_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "bundle.pem"
    path.write_bytes(TEXT + broken_block() + MIDDLE.pem.encode())
    items = read_file(path).items
    line = TEXT.count(b"\n") + 1
    assert [item.problem is None for item in items] == [True, False, True]
    assert items[1].line == line
    assert items[2].value == MIDDLE.certificate
    with pytest.raises(TlsError.UnusableFile, match=f"bundle.pem: line {line}: not base64") as caught:
        read_certificates(path)
    assert (caught.value.path, caught.value.line, caught.value.stage) == (str(path), line, "local")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b" \n\r\n", "it is empty"),
        (b"\xef\xbb\xbf", "neither PEM nor DER"),
        (bytes(1000), "neither PEM nor DER"),
        (b"\x7fELF" + bytes(range(256)), "neither PEM nor DER"),
        (b"\x30\x05hello", "nothing that is known"),
        (
            LEAF.certificate.der_data[:200],
            "is cut off or damaged: an element of [0-9]+ bytes where 196 are left",
        ),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "a Java keystore"),
        (b"ssh-ed25519 AAAA me", "a public key of SSH"),
        (b"MIIBszCCAVmgAwIBAgIU", "base64 without the lines"),
        (LEAF.key_pem.replace("KEY-----\n", "KEY-----", 1).encode(), "looks like PEM, but no block is whole"),
    ],
)
def test_files_with_nothing(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(NothingRead, match=words):
        read_content(data)
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(TlsError.UnusableFile, match=words):
        read_certificates(path)


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"\n" + TEXT[:-30], 2, "CERTIFICATE does not end"),
        (TEXT[:200] + b"\n" + TEXT, 1, "does not end before the next block"),
        (TEXT.replace(b"END CERTIFICATE", b"END X"), TEXT.count(b"\n"), "ends as something else"),
        (pem.encode("CERTIFICATE", b"\x30\x03\x02\x01\x00").encode(), 1, "not a certificate"),
        (pem.encode("CERTIFICATE", LEAF.certificate.der_data + b"\0").encode(), 1, "1 bytes follow"),
        (pem.encode("CERTIFICATE", b"").encode(), 1, "not a certificate"),
        (pem.encode("X509 CRL", LEAF.certificate.der_data).encode(), 1, "not a revocation list"),
        (pem.encode("CERTIFICATE REQUEST", b"\x30\x00").encode(), 1, "not a certificate request"),
        (pem.encode("PUBLIC KEY", b"\x30\x00").encode(), 1, "not a public key"),
        (pem.encode("PKCS7", b"\x30\x80").encode(), 1, "not a PKCS #7"),
        (pem.encode("PRIVATE KEY", b"\x30\x03\x02\x01\x00").encode(), 1, "the private key"),
        (broken_block("RSA PRIVATE KEY"), 1, "not base64"),
    ],
)
def test_broken_blocks_tell_their_line(data: bytes, line: int, words: str) -> None:
    found = [item for item in read_content(data).items if item.problem is not None]
    assert found[0].line == line
    assert found[0].problem is not None
    assert words in found[0].problem.reason


def test_a_key_on_one_line_is_in_no_message() -> None:
    joined = LEAF.key_pem.replace("\n", "")
    first, second = read_content(f"{joined}\n{LEAF.pem}".encode()).items
    assert first.problem is not None
    assert (
        first.problem.reason == "PRIVATE KEY begins and ends on one line: its markers need lines of their own"
    )
    assert second.value == LEAF.certificate


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LEAF.key_pem.encode(), "holds no certificate, only PRIVATE KEY"),
        (request("a.example").public_bytes(PEM), "holds no certificate, only CERTIFICATE REQUEST"),
        (identity(), "needs a password"),
    ],
)
def test_files_without_a_certificate(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(TlsError.UnusableFile, match=words):
        read_certificates(path)


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(TlsError.UnusableFile, match=r"larger than the limit of 33,554,432 bytes"):
        read_file(path)
    with pytest.raises(NothingRead, match="more than 2 things"):
        read_content(TEXT * 3, max_items=2)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)
    (item,) = read_content(
        encode(0x30, b"\x02\x01\x00" + encode(0x30, b"\x06\x01\x2a") + bytes(70_000))
    ).items
    assert item.problem is not None
    assert "more than 65,536 are not read" in item.problem.reason


def test_a_pipe_is_read(tmp_path: Path) -> None:
    import threading

    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(TEXT,))
    writer.start()
    assert read_certificates(path) == [LEAF.certificate]
    writer.join()


def test_a_derivation_that_takes_hours_is_refused() -> None:
    locked = key_bytes(LEAF.key, encoding=DER, password=SECRET)
    assert too_costly(locked) is None
    hours = MAX_ITERATIONS + 1
    scheme = bytes.fromhex("06092a864886f70d01050c")
    number = encode(0x02, hours.to_bytes(4, "big"))
    nested = encode(0x30, scheme + encode(0x30, encode(0x04, bytes(8)) + number))
    for wrapped in (nested, encode(0x30, nested), encode(0x04, encode(0xA0, encode(0x30, nested)))):
        problem = too_costly(wrapped)
        assert problem is not None
        assert f"{hours:,} rounds" in problem.reason
    scrypt = bytes.fromhex("06092b06010401da47040b")
    numbers = b"".join(encode(0x02, one.to_bytes(5, "big")) for one in (1 << 30, 8, 1))
    problem = too_costly(encode(0x30, scrypt + encode(0x30, encode(0x04, bytes(8)) + numbers)))
    assert problem is not None
    assert "256 MiB" in problem.reason


def test_a_password_check_of_pkcs12_that_takes_hours_is_refused() -> None:
    data = identity()
    salt, rounds = data[-14:-4], data[-4:]
    assert (salt[:2], rounds) == (b"\x04\x08", b"\x02\x02\x08\x00"), "2,048 rounds end the file"
    # The salt is one octet shorter, so that the lengths around it stay right.
    forged = data[:-14] + b"\x04\x07" + salt[2:9] + b"\x02\x03\x4c\x4b\x41"
    (item,) = read_content(forged, SECRET).items
    assert item.problem is not None
    assert "5,000,001 rounds" in item.problem.reason


@given(st.binary(max_size=80))
def test_any_octets(data: bytes) -> None:
    """Every beginning leads to items or to NothingRead, and to nothing else."""
    for prefix in (b"", b"\x30\x80", b"\x30\x82\x00\x40", b"-----BEGIN X-----\n", b"\x30\x0a\x02\x01\x03"):
        try:
            content = read_content(prefix + data, "x")
        except NothingRead:
            continue
        assert [item for item in content.items if item.value is None and item.problem is None] == []


@given(st.data())
def test_mutated_files(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(MUTANTS))
    octets = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        content = read_content(bytes(octets), SECRET)
    except NothingRead:
        return
    for item in content.items:
        assert (item.value is None) or (item.problem is None)
        if isinstance(item.value, RevocationList):
            try:
                list(item.value)
            except DerError:
                pass
        if isinstance(item.value, CertificateRequest):
            assert item.value.signature_valid in (True, False)
            assert item.value.asked.to_dict()


MUTANTS = [
    LEAF.certificate.der_data,
    request("a.example").public_bytes(DER),
    revocation_list(1, 2).public_bytes(DER),
    bag(),
    indefinite(bag()),
    key_bytes(LEAF.key, encoding=DER),
    LEAF.certificate.spki_der,
]


# Identities and chains.


@pytest.mark.parametrize(
    "data",
    [
        LEAF.key_pem.encode() + b"".join(one.to_pem().encode() for one in (CHAIN[2], CHAIN[0], CHAIN[1])),
        b"".join(one.to_pem().encode() for one in CHAIN) + LEAF.key_pem.encode(),
    ],
)
def test_an_identity_is_put_in_order(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    path.write_bytes(data)
    found = read_identity(path)
    assert found.chain == CHAIN
    assert found.key == LEAF.private_key
    assert found.matches


def test_an_identity_in_pkcs12(tmp_path: Path) -> None:
    path = tmp_path / "identity.p12"
    path.write_bytes(identity())
    found = read_identity(path, "open sesame")
    assert (found.chain, found.key) == (CHAIN[:2], LEAF.private_key)
    assert read_private_key(path, SECRET) == LEAF.private_key
    with pytest.raises(TlsError.UnusableFile, match="needs a password"):
        read_identity(path)


def test_the_key_of_an_identity_in_its_own_file(tmp_path: Path) -> None:
    chain, key, other = tmp_path / "chain.pem", tmp_path / "key.der", tmp_path / "other.pem"
    chain.write_text(LEAF.pem + MIDDLE.pem)
    key.write_bytes(key_bytes(LEAF.key, encoding=DER, password=SECRET))
    other.write_text(ROOT.key_pem)
    assert read_identity(chain, SECRET, key=key).chain == CHAIN[:2]
    with pytest.raises(TlsError.UnusableFile, match="belongs to none of the certificates"):
        read_identity(chain, key=other)
    with pytest.raises(TlsError.UnusableFile, match="holds no private key, only CERTIFICATE"):
        read_identity(chain)
    other.write_bytes(key_bytes(KEYS["X25519"][0]))
    with pytest.raises(TlsError.UnusableFile, match="a key of type X25519 cannot be used here"):
        read_private_key(other)


def test_the_order_of_a_chain() -> None:
    leaf, middle, root = CHAIN
    stranger = issue("Stranger", ca=True).certificate
    assert in_order(CHAIN) == (CHAIN, (), False)
    assert in_order([root, middle, leaf]) == (CHAIN, (), True)
    assert in_order([leaf, root, middle, leaf]) == (CHAIN, (), True)
    assert in_order([middle, leaf], ROOT.certificate.spki_der).chain == (leaf, middle)
    assert in_order([middle, leaf, root], MIDDLE.certificate.spki_der).chain == (middle, root)
    assert in_order([leaf, stranger, middle, root]) == (CHAIN, (stranger,), True)
    assert in_order([]) == ((), (), False)
    assert in_order([root, stranger]) == ((root,), (stranger,), False), "a bundle of roots is no chain"
    assert in_order([middle, root]) == ((middle, root), (), False)


def test_a_chain_of_a_thousand_is_ordered_quickly() -> None:
    """Each certificate is looked up by its name: no pair of them is compared."""
    key = ec.generate_private_key(ec.SECP256R1())
    chain = [issue("0", ca=True, key=key, key_ids=False)]
    for number in range(1, 1000):
        chain.append(issue(str(number), chain[-1], ca=True, key=key, key_ids=False))
    certificates = [one.certificate for one in chain]
    assert in_order(certificates).chain == tuple(reversed(certificates))


def test_a_key_in_another_encoding() -> None:
    point = LEAF.key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    spki = LEAF.certificate.spki_der
    compressed = encode(0x30, spki[2:23] + encode(0x03, b"\0" + point))
    assert compressed != spki
    assert LEAF.certificate.has_key(compressed)
    assert not ROOT.certificate.has_key(compressed)


def test_revocation_lists_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "list.crl"
    made = revocation_list(1)
    path.write_bytes(made.public_bytes(PEM) + made.public_bytes(PEM))
    assert [one.der_data for one in read_revocation_lists(path)] == [made.public_bytes(DER)] * 2
    path.write_bytes(TEXT)
    with pytest.raises(TlsError.UnusableFile, match="no revocation list, only CERTIFICATE"):
        read_revocation_lists(path)


# The sources of trust.


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that SSL_CERT_FILE names; no directory has certificates."""
    path = tmp_path / "roots.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nowhere"))
    return path


BACKENDS = pytest.mark.parametrize("backend", ["ssl", "pyopenssl"])


@BACKENDS
@pytest.mark.parametrize("case", [case for case in FORMS if "PKCS #12" not in case])
def test_every_form_is_trusted(case: str, backend: str, trust: Path) -> None:
    """Also those that OpenSSL does not read itself."""
    trust.write_bytes(FORMS[case][0] + (b"" if case.startswith(("DER", "two", "PKCS #7")) else b"\n"))
    assert len(set(SystemCerts.load())) == FORMS[case][2]
    server = TlsConfig.server().with_identity(LEAF.certificate, LEAF.private_key)
    assert shake_hands(TlsConfig.client().replace(backend=backend), server, HOST)
    assert verify_chain(CHAIN[:1], server_name=HOST, now=NOW).accepted


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "roots.pem: it is empty"),
        (b"# nothing\n", "roots.pem: it is neither PEM nor DER"),
        (TEXT + broken_block(), f"roots.pem: line {TEXT.count(bytes([10])) + 1}: not base64"),
        (TEXT[:-40], "roots.pem: line 1: CERTIFICATE does not end"),
        (LEAF.key_pem.encode(), "roots.pem: it holds no certificate, only PRIVATE KEY"),
        (None, "roots.pem: No such file"),
    ],
)
def test_a_broken_file_of_roots(data: bytes | None, words: str, trust: Path) -> None:
    if data is not None:
        trust.write_bytes(data)
    config = TlsConfig.client()
    uses: list[Callable[[], object]] = [SystemCerts.load, TrustLocations.find]
    uses += [partial(prepare, config.replace(backend=name)) for name in ("ssl", "pyopenssl")]
    for use in uses:
        with pytest.raises(TlsError.UnusableFile, match=words) as caught:
            use()
        assert (caught.value.path, caught.value.stage) == (str(trust), "local")
        assert "SSL_CERT_FILE" in (caught.value.hint or "") or "PEM" in (caught.value.hint or "")


def test_a_file_of_roots_that_may_not_be_read(trust: Path) -> None:
    trust.mkdir()
    with pytest.raises(TlsError.UnusableFile, match="Is a directory"):
        prepare(TlsConfig.client())


def hashed(folder: Path, certificate: Certificate) -> str:
    """A directory in which OpenSSL finds `certificate` by the hash of its subject, which is one common name.

    The hash is of the name's canonical form (X509_NAME_hash): UTF-8, in lower case, without the outer header.
    """
    name = (certificate.common_name or "").lower().encode()
    canonical = encode(0x31, encode(0x30, bytes.fromhex("0603550403") + encode(0x0C, name)))
    number = int.from_bytes(hashlib.sha1(canonical).digest()[:4], "little")
    folder.mkdir()
    (folder / f"{number:08x}.0").write_text(certificate.to_pem())
    return str(folder)


def test_directories_of_roots(tmp_path: Path, trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list, of which some are not there. An empty file of roots beside it is no fault."""
    one = hashed(tmp_path / "one", ROOT.certificate)
    two = hashed(tmp_path / "two", LEAF.certificate)
    listed = os.pathsep.join((str(tmp_path / "nowhere"), one, "", two))
    monkeypatch.setenv("SSL_CERT_DIR", listed)
    trust.write_bytes(b"")
    assert TrustLocations.find() == TrustLocations(None, os.pathsep.join((one, two)))
    assert SystemCerts.load() == [ROOT.certificate, LEAF.certificate]
    assert verify_chain(CHAIN[:2], server_name=HOST, now=NOW).accepted
    trust.write_text(broken_block().decode())
    with pytest.raises(TlsError.UnusableFile, match="line 1"):
        TrustLocations.find()


def test_a_bundle_is_read_again_when_it_changes(trust: Path) -> None:
    trust.write_text(ROOT.pem)
    assert SystemCerts.load() == [ROOT.certificate]
    trust.write_text(ROOT.pem + LEAF.pem)
    assert SystemCerts.load() == [ROOT.certificate, LEAF.certificate]


@pytest.mark.parametrize("backend", OWN)
def test_a_key_log_in_a_folder_that_is_not_there(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "absent" / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    with pytest.raises(TlsError.UnusableFile, match="No such file") as caught:
        prepare(TlsConfig.client().replace(backend=backend))
    assert (caught.value.path, caught.value.stage) == (str(path), "local")
    assert "SSLKEYLOGFILE" in (caught.value.hint or "")


def test_a_small_file_is_not_read_into_the_room_of_the_largest() -> None:
    asked: list[int | None] = []

    class Asked(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size)
            return super().read(size)

    assert read_stream(Asked(b"x" * 100_000), "file") == b"x" * 100_000
    assert asked == [65_536] * 3
    assert read_stream(BytesIO(b"xyz"), "file", limit=3) == b"xyz"
    with pytest.raises(TlsError.UnusableFile, match="file: it is larger than the limit of 2 bytes"):
        read_stream(BytesIO(b"xyz"), "file", limit=2)
