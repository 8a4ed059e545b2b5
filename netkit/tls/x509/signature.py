"""Signatures on certificates: their algorithms, and whether a given key made a signature.

RFC 5280 section 6.1.3, step a.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.x509.der import OBJECT_IDENTIFIER, DerError, element_at, oid_text, with_only

if TYPE_CHECKING:
    from cryptography import x509

    from netkit.tls.x509.certificate import Certificate


#: Signature algorithms (RFC 3279, 4055, 5758, 8410, 9881): the RFCs' names, and the hash that is signed.
SIGNATURE_ALGORITHMS: Final[dict[str, tuple[str, str | None]]] = {
    "1.2.840.113549.1.1.2": ("md2WithRSAEncryption", "md2"),
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "md5"),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "sha1"),
    "1.2.840.113549.1.1.10": ("RSASSA-PSS", None),
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "sha256"),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "sha384"),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "sha512"),
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "sha224"),
    "1.2.840.10040.4.3": ("dsa-with-sha1", "sha1"),
    "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "sha1"),
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "sha224"),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "sha512"),
    "2.16.840.1.101.3.4.3.2": ("dsa-with-sha256", "sha256"),
    "1.3.101.112": ("Ed25519", None),
    "1.3.101.113": ("Ed448", None),
    "2.16.840.1.101.3.4.3.17": ("ML-DSA-44", None),
    "2.16.840.1.101.3.4.3.18": ("ML-DSA-65", None),
    "2.16.840.1.101.3.4.3.19": ("ML-DSA-87", None),
}


def algorithm_name(algorithm: bytes) -> str | None:
    """The name of an AlgorithmIdentifier in DER; or its identifier; None if it is broken."""
    try:
        outer = element_at(algorithm, 0, len(algorithm))
        oid = element_at(algorithm, outer.content, outer.end, OBJECT_IDENTIFIER)
        dotted = oid_text(algorithm[oid.content : oid.end])
    except DerError:
        return None
    return SIGNATURE_ALGORITHMS.get(dotted, (dotted, None))[0]


def verifies(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether `issuer`'s key verifies `certificate`'s signature.

    Also False if the algorithm is not supported here: an unverified signature is not trusted.
    """
    try:
        view = certificate._signature_view
        key = issuer._view("spki").public_key()
        return _is_signature(view, key, certificate.signature, certificate.tbs_bytes)
    except Exception:  # any error from malformed or unsupported parts
        return False


def is_signature_of(spki: bytes, algorithm: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether the public key `spki` verifies `signature` over the bytes `signed`, by `algorithm` (all DER).

    For what is signed as a certificate is and is none: a request, a revocation list. Also False if the
    algorithm is not supported here.
    """
    from cryptography import x509

    try:
        view = x509.load_der_x509_certificate(with_only(signature=algorithm, signature_algorithm=algorithm))
        key = x509.load_der_x509_certificate(with_only(spki=spki)).public_key()
        return _is_signature(view, key, signature, signed)
    except Exception:  # any error from malformed or unsupported parts
        return False


def _is_signature(view: x509.Certificate, key: object, signature: bytes, signed: bytes) -> bool:
    """Whether `key` verifies, by the algorithm of the certificate `view`. Raises what cryptography does."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa

    # cryptography's `signature_algorithm_parameters` has nothing for SHA-1, which is verified all the same.
    name, _ = SIGNATURE_ALGORITHMS.get(view.signature_algorithm_oid.dotted_string, ("", None))
    hashed = view.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and name.endswith("WithRSAEncryption") and hashed is not None:
            key.verify(signature, signed, padding.PKCS1v15(), hashed)
        elif isinstance(key, rsa.RSAPublicKey) and name == "RSASSA-PSS" and hashed is not None:
            parameters = view.signature_algorithm_parameters
            if not isinstance(parameters, padding.PSS):
                return False
            key.verify(signature, signed, parameters, hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and name.startswith("ecdsa-") and hashed is not None:
            key.verify(signature, signed, ec.ECDSA(hashed))
        elif isinstance(key, dsa.DSAPublicKey) and name.startswith("dsa-") and hashed is not None:
            key.verify(signature, signed, hashed)
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, signed)
        elif name.startswith("ML-DSA-"):
            return _is_ml_dsa(key, signature, signed)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _is_ml_dsa(key: object, signature: bytes, signed: bytes) -> bool:
    """RFC 9881 section 3: the context is empty. Only newer versions of cryptography have the algorithm."""
    from cryptography.hazmat.primitives.asymmetric import mldsa

    if isinstance(key, (mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey)):
        key.verify(signature, signed)  # a signature of another size than that of the key's kind is wrong
        return True
    return False
