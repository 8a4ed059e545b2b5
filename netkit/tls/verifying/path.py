"""Follow the path from a peer's certificate to a trusted root, certificate by certificate.

RFC 5280 section 6, in OpenSSL's order: at each step a trusted issuer comes before an issuer that the peer
sent. This module decides nothing: the path is OpenSSL's where that is known. `follow` says where a path ends,
and why; `find_valid` looks for any valid path, as clients do that go back and try the next issuer.
"""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.errors import TlsError
from netkit.tls.x509.names import organization_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from netkit.tls.x509.certificate import Certificate

#: How many signatures are checked at most to find a path. Each costs up to 0.2 ms.
MAX_SIGNATURES: Final = 400

#: How many certificates a path may have: OpenSSL's own limit is 100 intermediates.
MAX_PATH: Final = 102


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

    def has_organization(self, organization: str) -> bool:
        """Whether a trusted certificate is of this organization (as `organization_in` gives it)."""
        return any(organization_in(subject) == organization for subject in self._by_subject)


def follow(chain: Sequence[Certificate], trusted: TrustIndex) -> Path:
    """Follow the path from `chain[0]` through the other certificates of `chain` to one of `trusted`."""
    current = chain[0]
    path = [current]
    budget = _Budget()
    unused = list(dict.fromkeys(certificate for certificate in chain[1:] if certificate != current))
    while len(path) < MAX_PATH:
        if current in trusted:
            return Path(tuple(path), End.TRUSTED)
        try:
            self_signed = current.is_self_signed
        except TlsError:
            return Path(tuple(path), End.NO_ISSUER)
        candidates = candidates_for(current, trusted, unused)
        issuer = next((other for other in candidates if budget.verifies(current, other)), None)
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


def as_built(path: Sequence[Certificate], trusted: TrustIndex, *, has_false_signature: bool) -> Path:
    """The path that OpenSSL built and refused, with how it ends."""
    for place, (below, above) in enumerate(pairwise(path)):
        if has_false_signature and not below.is_signed_by(above):
            return Path(tuple(path[: place + 1]), End.WRONG_SIGNATURE, above)
    last = path[-1]
    if last in trusted:
        return Path(tuple(path), End.TRUSTED)
    try:
        end = End.UNTRUSTED_ROOT if last.is_self_signed else End.NO_ISSUER
    except TlsError:
        end = End.NO_ISSUER
    return Path(tuple(path), end)


def find_valid(
    chain: Sequence[Certificate], trusted: TrustIndex, now: datetime
) -> tuple[Certificate, ...] | None:
    """The first path whose signatures, dates and authorities are right, trying every issuer; or None.

    Names, purposes and constraints are not looked at.
    """
    budget = _Budget()
    others = list(dict.fromkeys(chain[1:]))
    # Each entry is a path that may go on; the last is tried first, so that one path is followed to its end.
    open_paths: list[tuple[Certificate, ...]] = [(chain[0],)]
    while open_paths and budget.left:
        path = open_paths.pop()
        current = path[-1]
        if not _is_valid_at(current, now):
            continue
        if current in trusted:
            return path
        if len(path) >= MAX_PATH:
            continue
        unused = [certificate for certificate in others if certificate not in path]
        issuers = [
            other
            for other in candidates_for(current, trusted, unused)
            if (other in trusted or _may_issue(other)) and budget.verifies(current, other)
        ]
        open_paths += [(*path, issuer) for issuer in reversed(issuers)]
    return None


class _Budget:
    """Counts the signatures that are checked; when none is left, no signature verifies."""

    def __init__(self) -> None:
        self.left = MAX_SIGNATURES

    def verifies(self, certificate: Certificate, issuer: Certificate) -> bool:
        if not self.left:
            return False
        self.left -= 1
        return certificate.is_signed_by(issuer)


def candidates_for(
    certificate: Certificate, trusted: TrustIndex, unused: Sequence[Certificate]
) -> list[Certificate]:
    """The certificates that `certificate` names as its issuer, trusted ones first.

    Among them, those whose key identifier is the one that `certificate` names come first.
    """
    try:
        wanted = certificate.issuer_key
    except TlsError:
        return []
    found = trusted.named(wanted) + [other for other in unused if _has_subject(other, wanted)]
    key_id = _or_none(certificate, "authority_key_id")
    return sorted(
        (other for other in found if other != certificate),
        key=lambda other: _or_none(other, "subject_key_id") != key_id,
    )


def _is_valid_at(certificate: Certificate, now: datetime) -> bool:
    try:
        return certificate.not_before <= now <= certificate.not_after
    except TlsError:
        return False


def _may_issue(certificate: Certificate) -> bool:
    try:
        usage = certificate.key_usage
        return certificate.is_ca and (usage is None or "keyCertSign" in usage)
    except TlsError:
        return False


def _has_subject(certificate: Certificate, subject: object) -> bool:
    try:
        return bool(certificate.subject_key == subject)
    except TlsError:
        return False


def _or_none(certificate: Certificate, attribute: str) -> bytes | None:
    try:
        value: bytes | None = getattr(certificate, attribute)
    except TlsError:
        return None
    return value
