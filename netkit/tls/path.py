"""Follow the path from a peer's certificate to a trusted root, certificate by certificate.

RFC 5280 section 6, in OpenSSL's order: at each step a trusted issuer comes before an issuer that the peer
sent. This module decides nothing: if OpenSSL accepts a chain, the path is OpenSSL's. This module follows the
path to say where it ends, and why.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.tls.certificate import Certificate

#: How many certificates of the same name are tried as the issuer at one step. Each costs a signature check.
MAX_CANDIDATES: Final = 8

#: How many certificates a path may have (OpenSSL's own limit is 100).
MAX_PATH: Final = 32


class End(Enum):
    """How a path ends."""

    #: At a trusted certificate.
    TRUSTED = "trusted"
    #: At a self-signed certificate that is not trusted.
    UNTRUSTED_ROOT = "untrusted root"
    #: At a certificate whose issuer is neither sent nor trusted.
    NO_ISSUER = "no issuer"
    #: At a certificate whose named issuer is present, but which another key signed.
    WRONG_SIGNATURE = "wrong signature"


class Path(NamedTuple):
    """The certificates from the peer's own on, how the path ends, and the false issuer if there is one."""

    certificates: tuple[Certificate, ...]
    end: End
    false_issuer: Certificate | None = None


class TrustIndex:
    """Trusted certificates, indexed by their subject."""

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        self._by_subject: dict[object, list[Certificate]] = {}
        self._all: set[Certificate] = set()
        for certificate in certificates:
            self._all.add(certificate)
            try:
                self._by_subject.setdefault(certificate.subject_key, []).append(certificate)
            except TlsError:
                continue  # no certificate can name it as its issuer

    def __contains__(self, certificate: object) -> bool:
        return certificate in self._all

    def named(self, subject: object) -> list[Certificate]:
        """The trusted certificates with this subject."""
        return self._by_subject.get(subject, [])


def follow(chain: Sequence[Certificate], trusted: TrustIndex) -> Path:
    """Follow the path from `chain[0]` through the other certificates of `chain` to one of `trusted`."""
    current = chain[0]
    path = [current]
    unused = list(dict.fromkeys(certificate for certificate in chain[1:] if certificate != current))
    while len(path) < MAX_PATH:
        if current in trusted:
            return Path(tuple(path), End.TRUSTED)
        try:
            wanted = current.issuer_key
            self_signed = current.is_self_signed
        except TlsError:
            return Path(tuple(path), End.NO_ISSUER)
        candidates = trusted.named(wanted) + [other for other in unused if _has_subject(other, wanted)]
        candidates = [other for other in candidates if other != current]
        issuer = _issuer_among(current, candidates)
        if issuer is None:
            if self_signed:
                return Path(tuple(path), End.UNTRUSTED_ROOT)
            if candidates:
                return Path(tuple(path), End.WRONG_SIGNATURE, candidates[0])
            return Path(tuple(path), End.NO_ISSUER)
        path.append(issuer)
        if issuer in trusted:
            return Path(tuple(path), End.TRUSTED)
        unused.remove(issuer)
        current = issuer
    return Path(tuple(path), End.NO_ISSUER)


def _has_subject(certificate: Certificate, subject: object) -> bool:
    try:
        return bool(certificate.subject_key == subject)
    except TlsError:
        return False


def _issuer_among(certificate: Certificate, candidates: list[Certificate]) -> Certificate | None:
    key_id = _or_none(certificate, "authority_key_id")
    # A certificate whose key identifier is the one that `certificate` names comes first.
    ordered = sorted(candidates, key=lambda other: _or_none(other, "subject_key_id") != key_id)
    return next((other for other in ordered[:MAX_CANDIDATES] if certificate.is_signed_by(other)), None)


def _or_none(certificate: Certificate, attribute: str) -> bytes | None:
    try:
        value: bytes | None = getattr(certificate, attribute)
    except TlsError:
        return None
    return value
