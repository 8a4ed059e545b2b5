"""The input of the checks, and the words for the certificates in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netkit.tls.errors import TlsError
from netkit.tls.verifying.path import End

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from netkit.tls.verifying.path import Path, TrustIndex
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.trust import Purpose


@dataclass(frozen=True, slots=True)
class Subject:
    """The chain as the peer sent it, the path through it, and what OpenSSL says.

    `path` is the path that OpenSSL built, as far as it is known, else the one that was found here. `code` is
    OpenSSL's verdict about it (or that of the library in its place), and `judge` says which one that was;
    `library` is its name in sentences. `is_unread`: the client did not even read the certificates, so it
    judged nothing about them. `trusted` gives the trusted certificates; making the list may take a while.
    `distrusted` holds the certificates whose own trust settings do not allow `purpose`. `name_accepted` is
    the verdict about the name, None if it did not get that far. `stapled` says whether an OCSP response came
    with the chain, None if nobody asked for one.
    """

    chain: tuple[Certificate, ...]
    path: Path
    server_name: str | None
    now: datetime
    security_level: int
    purpose: Purpose
    trusted: Callable[[], TrustIndex]
    code: int
    judge: str
    library: str = "OpenSSL"
    is_unread: bool = False
    distrusted: tuple[Certificate, ...] = ()
    name_accepted: bool | None = None
    stapled: bool | None = None

    @property
    def accepted(self) -> bool:
        """Whether OpenSSL found no fault."""
        return self.code == 0

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]

    @property
    def issuers(self) -> tuple[Certificate, ...]:
        """The path above the peer's certificate."""
        return self.path.certificates[1:]

    @property
    def used(self) -> tuple[Certificate, ...]:
        """The certificates of the path, and the others that were sent; each once."""
        return tuple(dict.fromkeys((*self.path.certificates, *self.chain)))

    def index(self, certificate: Certificate) -> int | None:
        return self.chain.index(certificate) if certificate in self.chain else None

    def is_anchor(self, certificate: Certificate) -> bool:
        return self.path.end is End.TRUSTED and certificate == self.path.certificates[-1]

    def called(self, certificate: Certificate) -> str:
        """How a sentence refers to a certificate: `certificate 1 (CN=Example CA)`."""
        name = name_of(certificate)
        index = self.index(certificate)
        if index is None:
            return f"the trusted certificate {name}"
        return f"the peer's certificate ({name})" if index == 0 else f"certificate {index} ({name})"


def name_of(certificate: Certificate, attribute: str = "subject") -> str:
    """The subject (or the issuer) for a sentence, not longer than that allows."""
    try:
        text = str(getattr(certificate, attribute))
    except TlsError:
        return "unreadable name"
    return (text if len(text) <= 100 else f"{text[:97]}...") or "empty name"


def is_self_issued(certificate: Certificate) -> bool:
    """Whether it names itself as its issuer; False if it cannot be read."""
    try:
        return certificate.is_self_issued
    except TlsError:
        return False


def days_of(delta: timedelta) -> float:
    """A period in days."""
    return delta.total_seconds() / 86400
