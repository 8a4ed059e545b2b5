"""Keys of throw-away authorities: made by kind, and signing with any digest.

cryptography's certificate builder refuses digests that nobody should sign with (MD5, SHA-1); the keys
themselves sign with them. RFC 3279 and 4055 (RSA), RFC 5758 (ECDSA), RFC 8410 (Ed25519, Ed448), RFC 9881
(ML-DSA).
"""

from __future__ import annotations

from functools import cache
from typing import Final, Protocol, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from netkit.tls.throwaway.kinds import Digest, KeyKind
from netkit.tls.x509.der import SEQUENCE, encode, encode_oid


class MlDsaKey(Protocol):
    """A private key of ML-DSA, which only newer versions of cryptography have."""

    def sign(self, data: bytes, context: bytes | None = None) -> bytes: ...


SigningKey: TypeAlias = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | MlDsaKey
)


_HASHES: Final[dict[Digest, type[hashes.HashAlgorithm]]] = {
    Digest.Md5: hashes.MD5,
    Digest.Sha1: hashes.SHA1,
    Digest.Sha256: hashes.SHA256,
    Digest.Sha384: hashes.SHA384,
}
_CURVES: Final[dict[KeyKind, type[ec.EllipticCurve]]] = {
    KeyKind.P256: ec.SECP256R1,
    KeyKind.P384: ec.SECP384R1,
    KeyKind.P521: ec.SECP521R1,
}
_MODULI: Final = {
    KeyKind.Rsa1024: 1024,
    KeyKind.Rsa2048: 2048,
    KeyKind.Rsa3072: 3072,
    KeyKind.Rsa4096: 4096,
}
_RSA_OIDS: Final = {
    Digest.Md5: "1.2.840.113549.1.1.4",
    Digest.Sha1: "1.2.840.113549.1.1.5",
    Digest.Sha256: "1.2.840.113549.1.1.11",
    Digest.Sha384: "1.2.840.113549.1.1.12",
}
_ECDSA_OIDS: Final = {
    Digest.Sha1: "1.2.840.10045.4.1",
    Digest.Sha256: "1.2.840.10045.4.3.2",
    Digest.Sha384: "1.2.840.10045.4.3.3",
}
_ML_DSA_OIDS: Final = {
    KeyKind.MlDsa44: "2.16.840.1.101.3.4.3.17",
    KeyKind.MlDsa65: "2.16.840.1.101.3.4.3.18",
}
_OWN_FORMS: Final = (
    ec.EllipticCurvePrivateKey,
    rsa.RSAPrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
)
_NULL: Final = b"\x05\x00"


class Signer:
    """A private key of one kind: its public half (SubjectPublicKeyInfo, DER), and its signatures."""

    def __init__(self, kind: KeyKind, key: SigningKey) -> None:
        self.kind = kind
        self._key = key
        self.spki = _public(key)

    @classmethod
    def new(cls, kind: KeyKind = KeyKind.P256) -> Signer:
        """A new key. Raises ValueError if the installed cryptography has no such keys."""
        if kind in _CURVES:
            return cls(kind, ec.generate_private_key(_CURVES[kind]()))
        if kind in _MODULI:
            return cls(kind, rsa.generate_private_key(65537, _MODULI[kind]))
        if kind is KeyKind.Ed25519:
            return cls(kind, ed25519.Ed25519PrivateKey.generate())
        if kind is KeyKind.Ed448:
            return cls(kind, ed448.Ed448PrivateKey.generate())
        return cls(kind, _ml_dsa(kind))

    @classmethod
    def kept(cls, kind: KeyKind = KeyKind.P256) -> Signer:
        """A new key; of a kind that is slow to make (RSA, ML-DSA) always the same in this process."""
        return _kept(kind) if kind in _MODULI or kind in _ML_DSA_OIDS else cls.new(kind)

    @classmethod
    def of(cls, kind: KeyKind, der: bytes) -> Signer:
        """A key of PKCS#8 (`der_data`). Raises ValueError if it is none that can sign."""
        key = serialization.load_der_private_key(der, None)
        if not isinstance(key, _OWN_FORMS):
            raise ValueError(f"a key of type {type(key).__name__} does not sign here")
        return cls(kind, key)

    def algorithm(self, digest: Digest = Digest.Sha256) -> bytes:
        """The AlgorithmIdentifier of its signatures, in DER. Raises ValueError if it cannot be so."""
        if self.kind in _MODULI:
            return encode(SEQUENCE, encode_oid(_RSA_OIDS[digest]) + _NULL)
        if self.kind in _CURVES:
            if digest not in _ECDSA_OIDS:
                raise ValueError(f"there is no signature of ECDSA with {digest.value}")
            return encode(SEQUENCE, encode_oid(_ECDSA_OIDS[digest]))
        fixed = {KeyKind.Ed25519: "1.3.101.112", KeyKind.Ed448: "1.3.101.113", **_ML_DSA_OIDS}
        return encode(SEQUENCE, encode_oid(fixed[self.kind]))

    def sign(self, data: bytes, digest: Digest = Digest.Sha256) -> bytes:
        """The signature of `data`."""
        key = self._key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), _HASHES[digest]())
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, ec.ECDSA(_HASHES[digest]()))
        return key.sign(data)

    @property
    def der_data(self) -> bytes:
        """The private key as unencrypted PKCS#8. Raises ValueError for ML-DSA: no session here takes it."""
        key = self._key
        if isinstance(key, _OWN_FORMS):
            return key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        raise ValueError(f"a key of {self.kind.value} can issue certificates, and not be presented")


def can_make(kind: KeyKind) -> bool:
    """Whether the installed cryptography has such keys."""
    try:
        Signer.kept(kind)
    except ValueError:
        return False
    return True


@cache
def _kept(kind: KeyKind) -> Signer:
    return Signer.new(kind)


def _ml_dsa(kind: KeyKind) -> MlDsaKey:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:
        raise ValueError(f"the installed cryptography has no keys of {kind.value}") from None
    made: MlDsaKey
    if kind is KeyKind.MlDsa44:
        made = mldsa.MLDSA44PrivateKey.generate()
    else:
        made = mldsa.MLDSA65PrivateKey.generate()
    return made


def _public(key: SigningKey) -> bytes:
    public = key.public_key()  # type: ignore[union-attr]  # each of them has it
    data: bytes = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return data
