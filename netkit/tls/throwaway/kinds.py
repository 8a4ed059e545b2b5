"""The kinds of key, of digest and of OCSP response that a throw-away authority makes, by name."""

from __future__ import annotations

from enum import Enum


class KeyKind(Enum):
    """The kinds of key that can be made; the values are their names on the command line."""

    P256 = "ec-p256"
    P384 = "ec-p384"
    P521 = "ec-p521"
    Rsa1024 = "rsa-1024"
    Rsa2048 = "rsa-2048"
    Rsa3072 = "rsa-3072"
    Rsa4096 = "rsa-4096"
    Ed25519 = "ed25519"
    Ed448 = "ed448"
    MlDsa44 = "ml-dsa-44"
    MlDsa65 = "ml-dsa-65"


class Digest(Enum):
    """What a signature is over. Ed25519, Ed448 and ML-DSA have one of their own, and take none of these."""

    Md5 = "md5"
    Sha1 = "sha1"
    Sha256 = "sha256"
    Sha384 = "sha384"


class Staple(Enum):
    """What a stapled OCSP response says."""

    Good = "good"
    Revoked = "revoked"
    #: It was good, and is no longer current.
    Expired = "expired"
