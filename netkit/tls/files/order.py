"""The order of a chain: the certificate of the key first, then the issuer of each.

A server sends its own certificate first, and each next one should certify the one before (RFC 8446 section
4.4.2). Files are often in another order, and the server that gets one either refuses its own key or sends a
chain that some clients do not follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.errors import TlsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.tls.x509.certificate import Certificate

#: How many certificates of the same name are tried as the issuer of one. Each costs a signature check.
MAX_CANDIDATES: Final = 64


class Order(NamedTuple):
    """Certificates in a chain's order, and those that belong to no chain with them, in the order given.

    `wrong` says that they were in another order. Each certificate is there once.
    """

    chain: tuple[Certificate, ...]
    others: tuple[Certificate, ...]
    wrong: bool

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """All of them, the chain first."""
        return self.chain + self.others


def in_order(certificates: Sequence[Certificate], spki: bytes | None = None) -> Order:
    """The chain in `certificates`, from the one with the public key `spki` (or the one that issued none).

    Certificates that are no chain (a bundle of roots) keep their order.
    """
    given = list(dict.fromkeys(certificates))
    if not given:
        return Order((), (), False)
    by_subject: dict[object, list[Certificate]] = {}
    for one in given:
        by_subject.setdefault(_key(one, "subject_key"), []).append(one)
    first = _first(given, spki)
    chain = [first]
    used = {first}
    while (issuer := _issuer(chain[-1], by_subject, used)) is not None:
        chain.append(issuer)
        used.add(issuer)
    others = [one for one in given if one not in used]
    if others and spki is None and _is_authority(first):
        # Not a chain but a list of authorities: nothing says which of them comes first.
        return Order((given[0],), tuple(given[1:]), False)
    return Order(tuple(chain), tuple(others), [*chain, *others] != given)


def _first(given: list[Certificate], spki: bytes | None) -> Certificate:
    """The certificate that the chain begins with."""
    if spki is not None:
        for one in given:
            if one.has_key(spki):
                return one
    named = {_key(one, "issuer_key") for one in given if not one.is_self_issued_or_broken}
    leaves = [one for one in given if _key(one, "subject_key") not in named]
    return next((one for one in leaves if not _is_authority(one)), leaves[0] if leaves else given[0])


def _issuer(
    certificate: Certificate, by_subject: dict[object, list[Certificate]], used: set[Certificate]
) -> Certificate | None:
    named = by_subject.get(_key(certificate, "issuer_key"), ())
    candidates = [one for one in named if one not in used][:MAX_CANDIDATES]
    return next((one for one in candidates if certificate.is_signed_by(one)), None)


def _key(certificate: Certificate, attribute: str) -> object:
    try:
        key: object = getattr(certificate, attribute)
    except TlsError:
        return certificate  # like nothing else
    return key


def _is_authority(certificate: Certificate) -> bool:
    try:
        return certificate.is_ca
    except TlsError:
        return False
