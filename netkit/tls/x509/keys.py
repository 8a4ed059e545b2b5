"""Private keys, and the properties of public keys.

A `PrivateKey` can be read from PKCS#8, PKCS#1 (RSA) or SEC 1 (EC), each in DER or PEM, encrypted or not. It
is always kept as unencrypted PKCS#8 (RFC 5208). `repr` and errors never show the key.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netkit.tls.errors import TlsError
from netkit.tls.x509 import pem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509


class KeyType(Enum):
    """The kinds of key that netkit can sign with in TLS."""

    Rsa = "RSA"
    Ec = "EC"
    Ed25519 = "Ed25519"
    Ed448 = "Ed448"

    def __str__(self) -> str:
        return self.value


#: The curves of SEC 2 under the names that people use for them (FIPS 186 for the NIST ones).
CURVE_NAMES: Final[dict[str, str]] = {
    "secp192r1": "P-192",
    "secp224r1": "P-224",
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
}

#: Public key algorithms (RFC 3279, 4055, 5480, 8410, 9881) by object identifier.
KEY_ALGORITHMS: Final[dict[str, str]] = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.10045.2.1": "EC",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
    "1.2.643.7.1.1.1.1": "GOST R 34.10-2012 (256 bit)",
    "1.2.643.7.1.1.1.2": "GOST R 34.10-2012 (512 bit)",
}

# The security bits of an elliptic curve, by its size in bits. OpenSSL has the same numbers.
_CURVE_STRENGTH: Final = ((512, 256), (384, 192), (256, 128), (224, 112), (160, 80))


class PublicKeyInfo(NamedTuple):
    """A public key's algorithm, its size in bits (None if unknown), and its curve (None if it has none)."""

    algorithm: str
    bits: int | None = None
    curve: str | None = None

    @property
    def key_type(self) -> KeyType | None:
        """The key's `KeyType`; None if it is no such kind."""
        return _KEY_TYPES.get(self.algorithm)

    @property
    def security_bits(self) -> int | None:
        """The work to break the key, as a power of two; None if the algorithm is not known here."""
        if self.algorithm in ("RSA", "RSA-PSS", "DSA") and self.bits is not None:
            return _modulus_strength(self.bits)
        if self.algorithm == "EC" and self.bits is not None:
            return next((worth for size, worth in _CURVE_STRENGTH if self.bits >= size), self.bits // 2)
        return {"Ed25519": 128, "Ed448": 224, "ML-DSA-44": 128, "ML-DSA-65": 192, "ML-DSA-87": 256}.get(
            self.algorithm
        )

    def __str__(self) -> str:
        detail = self.curve or (self.bits if self.algorithm in ("RSA", "RSA-PSS", "DSA", "EC") else None)
        return f"{self.algorithm} {detail}" if detail else self.algorithm


def _modulus_strength(bits: int) -> int:
    """The work to factor a modulus: the estimate of NIST SP 800-56B appendix D, rounded to a multiple of 8.

    2048 bits give 112, and 3072 bits give 128. OpenSSL's security levels use the same numbers.
    """
    if bits < 8:
        return 0
    size = bits * math.log(2)
    estimate = (1.923 * (size * math.log(size) ** 2) ** (1 / 3) - 4.69) / math.log(2)
    return min((int(estimate) + 4) // 8 * 8, 192 if bits <= 7680 else 256 if bits <= 15360 else 1200)


_KEY_TYPES: Final[dict[str, KeyType]] = {
    "RSA": KeyType.Rsa,
    "RSA-PSS": KeyType.Rsa,
    "EC": KeyType.Ec,
    "Ed25519": KeyType.Ed25519,
    "Ed448": KeyType.Ed448,
}


def public_key_info(certificate: x509.Certificate) -> PublicKeyInfo:
    """Describe the key in a certificate. For an unsupported kind: at least its name or identifier."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    oid = certificate.public_key_algorithm_oid.dotted_string
    algorithm = KEY_ALGORITHMS.get(oid, oid)
    try:
        key: Any = certificate.public_key()
    except Exception:  # unsupported or malformed key: cryptography raises many kinds
        return PublicKeyInfo(algorithm)
    if isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)):
        return PublicKeyInfo(algorithm, key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return PublicKeyInfo(algorithm, key.curve.key_size, CURVE_NAMES.get(key.curve.name, key.curve.name))
    if isinstance(key, ed25519.Ed25519PublicKey):
        return PublicKeyInfo(algorithm, 256)
    if isinstance(key, ed448.Ed448PublicKey):
        return PublicKeyInfo(algorithm, 456)
    return PublicKeyInfo(algorithm)


def same_key(one: bytes, other: bytes) -> bool:
    """Whether two SubjectPublicKeyInfos (DER) are the same key.

    A point of a curve can be compressed, and parameters can be absent or NULL: then the bytes differ.
    """
    if one == other:
        return True
    from cryptography.hazmat.primitives import serialization

    try:
        first, second = (
            serialization.load_der_public_key(spki).public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            for spki in (one, other)
        )
    except Exception:  # unsupported or malformed: cryptography raises many kinds
        return False
    return first == second


_PRIVATE_LABELS: Final = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


class PrivateKey:
    """A private key: `der_data` is its unencrypted PKCS#8, `key_type` its kind."""

    __slots__ = ("_public", "der_data", "key_type")

    def __init__(self, der_data: bytes, key_type: KeyType) -> None:
        self.der_data = der_data
        self.key_type = key_type
        self._public: bytes | None = None

    @classmethod
    def from_der(
        cls,
        data: bytes | bytearray | memoryview,
        key_type: KeyType | None = None,
        *,
        password: str | bytes | None = None,
    ) -> PrivateKey:
        """Read a key from DER: PKCS#8 (encrypted or not), PKCS#1 or SEC 1.

        If `key_type` is given, the key must have this type. Raises `TlsError.InvalidKey`.
        """
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        key = _load(load_der_private_key, bytes(data), password)
        if key_type is not None and key.key_type is not key_type:
            raise TlsError.InvalidKey(f"it is a key of type {key.key_type}, not {key_type}")
        return key

    @classmethod
    def from_pem(cls, text: str | bytes, *, password: str | bytes | None = None) -> PrivateKey:
        """Read the first private key in a PEM text. Everything else in the text is ignored.

        `password` is for an encrypted key. Raises `TlsError.InvalidKey` if there is no key, if the key
        cannot be read, if the password is wrong or missing, or if TLS cannot use this kind of key.
        """
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        found: list[str] = []
        try:
            for block in pem.blocks(text):
                if block.label in _PRIVATE_LABELS:
                    if block.has_headers and block.encryption_fault is not None:
                        raise TlsError.InvalidKey(f"it is damaged: {block.encryption_fault}")
                    return _load(load_pem_private_key, block.text.encode("ascii", "replace"), password)
                found.append(block.label)
        except pem.PemError as error:
            raise TlsError.InvalidKey(str(error)) from None
        kinds = f"only {', '.join(sorted(set(found)))}" if found else "no PEM block"
        raise TlsError.InvalidKey(f"the text holds no private key ({kinds})")

    def to_pem(self, *, password: str | bytes | None = None) -> str:
        """The key as PKCS#8 PEM, encrypted if `password` is given."""
        from cryptography.hazmat.primitives import serialization

        if password is None:
            return pem.encode("PRIVATE KEY", self.der_data)
        encryption = serialization.BestAvailableEncryption(_password(password))
        text: bytes = self._object().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        return text.decode("ascii")

    @property
    def public_spki(self) -> bytes:
        """The public half as SubjectPublicKeyInfo in DER, to compare with a certificate's."""
        if self._public is None:
            from cryptography.hazmat.primitives import serialization

            self._public = (
                self._object()
                .public_key()
                .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            )
        return self._public

    def _object(self) -> Any:
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        return load_der_private_key(self.der_data, None, unsafe_skip_rsa_key_validation=True)

    def __repr__(self) -> str:
        return f"<PrivateKey {self.key_type}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        import hmac

        return self.key_type is other.key_type and hmac.compare_digest(self.der_data, other.der_data)

    def __hash__(self) -> int:
        return hash(hashlib.sha256(self.der_data).digest())


def is_consistent(key: object) -> bool:
    """Whether the numbers of an RSA key belong together; True for other keys, which are tested as they load.

    OpenSSL's own test asks whether the factors are prime as well. That takes 0.05 s for 2048 bits, 0.3 s for
    4096 and 4 s for 8192 (measured), each time a key is loaded, and is of use only to who makes a key.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not isinstance(key, rsa.RSAPrivateKey):
        return True
    numbers = key.private_numbers()
    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    if p < 2 or q < 2 or p * q != public.n:
        return False
    exponents = ((p, numbers.dmp1), (q, numbers.dmq1))
    return (numbers.iqmp * q) % p == 1 and all(
        (public.e * d) % (factor - 1) == 1 and (public.e * part) % (factor - 1) == 1
        for factor, part in exponents
    )


class PanicError(Exception):
    """A library in Rust met what it did not expect."""


@contextmanager
def panics_are_errors() -> Iterator[None]:
    """Make a panic of a library in Rust an Exception. PyO3 makes a BaseException of it."""
    try:
        yield
    except BaseException as error:
        if type(error).__module__ == "pyo3_runtime":
            raise PanicError(str(error)) from None
        raise


def _password(password: str | bytes) -> bytes:
    return password.encode() if isinstance(password, str) else password


def _load(loader: Any, data: bytes, password: str | bytes | None) -> PrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    secret = None if password is None else _password(password)
    try:
        with panics_are_errors():
            try:
                key = loader(data, secret, unsafe_skip_rsa_key_validation=True)
            except TypeError:  # a password for an unencrypted key, or no password for an encrypted key
                if secret is None:
                    raise TlsError.InvalidKey("it is encrypted", hint="give its password") from None
                key = loader(data, None, unsafe_skip_rsa_key_validation=True)
            if not is_consistent(key):
                raise TlsError.InvalidKey("it is damaged: its numbers do not belong together")
    except TlsError:
        raise
    except Exception as error:  # ValueError, UnsupportedAlgorithm and others, without key material
        if secret is not None:
            # A wrong password gives bad padding, or, one time in 256, meaningless bytes with good padding.
            raise TlsError.InvalidKey("the password is wrong, or the key is damaged") from None
        raise TlsError.InvalidKey(f"it cannot be read ({type(error).__name__})") from None
    kinds = (
        (rsa.RSAPrivateKey, KeyType.Rsa),
        (ec.EllipticCurvePrivateKey, KeyType.Ec),
        (ed25519.Ed25519PrivateKey, KeyType.Ed25519),
        (ed448.Ed448PrivateKey, KeyType.Ed448),
    )
    for kind, key_type in kinds:
        if isinstance(key, kind):
            der = key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return PrivateKey(der, key_type)
    name = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    raise TlsError.InvalidKey(f"a key of type {name} cannot be used here")
