"""Signatures on certificates: their algorithms, and whether a given key made a signature.

RFC 5280 section 6.1.3, step a.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate


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


def verifies(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether `issuer`'s key verifies `certificate`'s signature.

    Also False if the algorithm is not supported here: an unverified signature is not trusted.
    """
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    try:
        view = certificate._signature_view
        key = issuer._view("spki").public_key()
        signature, tbs = certificate.signature, certificate.tbs_bytes
        if isinstance(key, rsa.RSAPublicKey):
            parameters = view.signature_algorithm_parameters
            hash_algorithm = view.signature_hash_algorithm
            if hash_algorithm is None or isinstance(parameters, ec.ECDSA) or parameters is None:
                return False
            key.verify(signature, tbs, parameters, hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            parameters = view.signature_algorithm_parameters
            if not isinstance(parameters, ec.ECDSA):
                return False
            key.verify(signature, tbs, parameters)
        elif isinstance(key, dsa.DSAPublicKey):
            hash_algorithm = view.signature_hash_algorithm
            if hash_algorithm is None:
                return False
            key.verify(signature, tbs, hash_algorithm)
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, tbs)
        else:
            return False
    except Exception:  # InvalidSignature, or any error from malformed or unsupported parts
        return False
    return True
