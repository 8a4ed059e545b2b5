"""Keys as files hold them: private ones of any kind, locked or not, and public ones.

`PrivateKey` is a key that TLS can sign with. A file may hold others (X25519, DSA, ML-DSA, a curve of which
this OpenSSL knows only the name); these are described all the same. Neither `repr` nor an error shows a
secret.

Reading a locked key means to run the key derivation that its own parameters ask for. A hostile file may ask
for hours: `MAX_ITERATIONS` and `MAX_SCRYPT` are the limits, and they are looked at first.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netkit.tls.errors import TlsError
from netkit.tls.files.items import Problem
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    element_at,
    elements,
    oid_text,
    with_only,
)
from netkit.tls.x509.keys import KEY_ALGORITHMS, PrivateKey, PublicKeyInfo, is_consistent, panics_are_errors

if TYPE_CHECKING:
    from collections.abc import Callable

#: The most rounds of a key derivation. OpenSSL's default is 2,048, and OWASP recommends 600,000 (2023).
MAX_ITERATIONS: Final = 5_000_000

#: The most memory of a scrypt derivation, in bytes.
MAX_SCRYPT: Final = 256 * 1024 * 1024

#: The longest private key that is read, in bytes of DER. An RSA key of 16,384 bits has 9,300.
MAX_KEY: Final = 64 * 1024

_DAMAGED: Final = Problem("the private key is damaged: its numbers are not those of a key")

_PBKDF2: Final = "1.2.840.113549.1.5.12"
_SCRYPT: Final = "1.3.6.1.4.1.11591.4.11"
#: The identifiers below which PKCS #5 and PKCS #12 have their schemes with a password.
_SCHEMES: Final = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")


class StoredPublicKey:
    """A public key; `spki_der` is its SubjectPublicKeyInfo."""

    def __init__(self, spki_der: bytes) -> None:
        self.spki_der = spki_der

    @cached_property
    def _certificate(self) -> Certificate:
        return Certificate(with_only(spki=self.spki_der))

    @property
    def info(self) -> PublicKeyInfo:
        """Its algorithm, size and curve. Raises `TlsError.InvalidCertificate`."""
        return self._certificate.public_key

    @property
    def spki_sha256_b64(self) -> str:
        """Its pin, as `Certificate.spki_sha256_b64`."""
        return self._certificate.spki_sha256_b64


class StoredKey(NamedTuple):
    """A private key in a file.

    `form` is how it is stored (`"PKCS #8"`, `"PKCS #1"`, `"SEC 1"`), `encrypted` whether a password protects
    it there. `algorithm` is known even where this OpenSSL cannot read the key, and so has no `public`.
    """

    form: str
    encrypted: bool
    algorithm: str
    public: StoredPublicKey | None
    #: The unencrypted PKCS #8; None if it cannot be read.
    der_data: bytes | None

    def private_key(self) -> PrivateKey:
        """The key to sign with in TLS. Raises `TlsError.InvalidKey` if TLS cannot use this kind."""
        if self.der_data is None:
            raise TlsError.InvalidKey(f"a key of type {self.algorithm} cannot be used here")
        return PrivateKey.from_der(self.der_data)

    def __repr__(self) -> str:
        return f"<StoredKey {self.algorithm}>"


def stored_key(data: bytes, form: str, password: bytes | None, *, pem: bool = False) -> StoredKey | Problem:
    """The private key in `data`: DER, or with `pem` a whole block of PEM.

    A block may be encrypted in OpenSSL's old way (RFC 1421). `form` is PKCS #8, PKCS #1 or SEC 1.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if len(data) > MAX_KEY:
        return Problem(f"a private key of {len(data):,} bytes; more than {MAX_KEY:,} are not read")
    load: Callable[..., Any] = (
        serialization.load_pem_private_key if pem else serialization.load_der_private_key
    )
    encrypted = False
    try:
        try:
            with panics_are_errors():
                key = load(data, None, unsafe_skip_rsa_key_validation=True)
        except TypeError:  # it is encrypted
            encrypted = True
            if password is None:
                return Problem(
                    "the private key is encrypted", "give its password", locked=True, missing_password=True
                )
            with panics_are_errors():
                key = load(data, password, unsafe_skip_rsa_key_validation=True)
        if not is_consistent(key):
            return _DAMAGED
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    except UnsupportedAlgorithm:
        return _unknown(data, form, encrypted=encrypted, pem=pem)
    except Exception:  # ValueError and others, with no key material in them
        if encrypted:
            # A wrong password gives bad padding, or, one time in 256, meaningless bytes with good padding.
            return Problem("the password is wrong, or the private key is damaged", locked=True)
        named = _unknown(data, form, encrypted=False, pem=pem)
        if isinstance(named, StoredKey) and named.algorithm not in KEY_ALGORITHMS.values():
            return named
        return _DAMAGED
    described = StoredPublicKey(public)
    try:
        algorithm = described.info.algorithm
    except TlsError:
        algorithm = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    return StoredKey(form, encrypted, algorithm, described, der)


def _unknown(data: bytes, form: str, *, encrypted: bool, pem: bool) -> StoredKey | Problem:
    """A key whose algorithm cryptography does not have, by the name that PKCS #8 gives it."""
    try:
        if encrypted or pem or form != "PKCS #8":
            raise DerError("no algorithm to be seen", 0)
        outer = element_at(data, 0, len(data), SEQUENCE)
        version = element_at(data, outer.content, outer.end, INTEGER)
        algorithm = element_at(data, version.end, outer.end, SEQUENCE)
        oid = element_at(data, algorithm.content, algorithm.end, OBJECT_IDENTIFIER)
        dotted = oid_text(data[oid.content : oid.end])
    except DerError:
        return Problem("the private key is of a kind that cannot be read here")
    return StoredKey(form, encrypted, KEY_ALGORITHMS.get(dotted, dotted), None, None)


def too_costly(data: bytes) -> Problem | None:
    """Why a key derivation that `data` asks for is not run; None if there is none, or a reasonable one.

    Every element of the DER is looked at, those in octet strings too (PKCS #12 nests so). What is encrypted
    itself is not seen.
    """
    pending = [(0, len(data))]
    while pending:
        start, end = pending.pop()
        try:
            found = list(elements(data, start, end))
        except DerError:
            continue
        if len(found) == 2 and found[0].tag == OBJECT_IDENTIFIER and found[1].tag == SEQUENCE:
            problem = _costs(data, oid_or_none(data[found[0].content : found[0].end]), found[1])
            if problem is not None:
                return problem
        pending += [
            (element.content, element.end)
            for element in found
            if element.tag & 0x20 or element.tag in (OCTET_STRING, 0x80)
        ]
    return None


def _costs(data: bytes, oid: str, parameters: Any) -> Problem | None:
    try:
        numbers = [
            int.from_bytes(data[one.content : one.end], "big")
            for one in elements(data, parameters.content, parameters.end)
            if one.tag == INTEGER
        ]
    except DerError:
        return None
    if oid == _SCRYPT and len(numbers) >= 3:
        cost, block, parallel = numbers[:3]
        if cost * block * 128 > MAX_SCRYPT or cost * block * parallel * 128 > 4 * MAX_SCRYPT:
            return Problem(
                f"its password's derivation takes more than {MAX_SCRYPT >> 20} MiB, which is refused"
            )
    elif oid == _PBKDF2 or oid.startswith(_SCHEMES):
        return too_many(max(numbers, default=0))
    return None


def too_many(iterations: int) -> Problem | None:
    """Why so many rounds of a derivation are not run; None if they are."""
    if iterations <= MAX_ITERATIONS:
        return None
    return Problem(
        f"its password's derivation takes {iterations:,} rounds; more than {MAX_ITERATIONS:,} are refused"
    )


def oid_or_none(content: bytes) -> str:
    """An object identifier in dotted form; empty where that cannot be read."""
    try:
        return oid_text(content)
    except DerError:
        return ""
