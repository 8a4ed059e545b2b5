"""Name constraints: the names that an authority may issue for (RFC 5280 sections 4.2.1.10 and 6.1.3)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.text import printable
from netkit.tls.verify_codes import VIOLATIONS
from netkit.tls.verifying.checks.subject import is_self_issued
from netkit.tls.verifying.findings import Finding
from netkit.tls.x509.extensions import Subtree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.extensions import NameConstraints


def check_name_constraints(subject: Subject) -> Iterator[Finding]:
    """Report each name that an authority of the path may not issue for: the name, the constraint, whose."""
    path = subject.path.certificates
    told = False
    limited: list[Certificate] = []
    for place, authority in enumerate(path[1:], start=1):
        try:
            constraints = authority.name_constraints
        except TlsError:
            continue
        if constraints is None:
            continue
        limited.append(authority)
        for certificate in path[:place]:
            if certificate != subject.leaf and is_self_issued(certificate):
                continue
            for name in names_of(certificate):
                problem = objection(constraints, name)
                if problem is None:
                    continue
                told = True
                message = (
                    f"{subject.called(authority)} may not issue for {printable(name.text)}, a name of "
                    f"{subject.called(certificate)}: {problem}"
                )
                yield Finding(Severity.ERROR, "name-constraints", message, subject.index(authority))
    if subject.code in VIOLATIONS and not told:
        whose = ", ".join(subject.called(authority) for authority in limited) or "an authority of the chain"
        message = f"a name in the chain is not one that {whose} may issue for (name constraints)"
        yield Finding(Severity.ERROR, "name-constraints", message)


def names_of(certificate: Certificate) -> list[Subtree]:
    """The names of a certificate that constraints can be about, except its subject."""
    try:
        sans = certificate.sans
    except TlsError:
        return []
    kinds = (("dns", sans.dns), ("ip", sans.ip), ("email", sans.email), ("uri", sans.uri))
    return [Subtree(kind, text) for kind, texts in kinds for text in texts]


def objection(constraints: NameConstraints, name: Subtree) -> str | None:
    """Why `name` is not within the constraints, None if it is."""
    for excluded in constraints.excluded:
        if excluded.kind == name.kind and _is_within(name, excluded):
            return f"{_shown(excluded)} is excluded"
    permitted = [one for one in constraints.permitted if one.kind == name.kind]
    if not permitted or any(_is_within(name, one) for one in permitted):
        return None
    return f"only {_listed(permitted)} is permitted"


def _listed(subtrees: Sequence[Subtree]) -> str:
    shown = ", ".join(_shown(one) for one in subtrees[:6])
    return shown if len(subtrees) <= 6 else f"{shown} and {len(subtrees) - 6} more"


def _shown(subtree: Subtree) -> str:
    return printable(subtree.text) or "the empty name"


def _is_within(name: Subtree, subtree: Subtree) -> bool:
    wanted, text = subtree.text.lower(), name.text.lower()
    if name.kind == "ip":
        try:
            return ipaddress.ip_address(text) in ipaddress.ip_network(wanted, strict=False)
        except ValueError:
            return False
    if name.kind == "email":
        if "@" in wanted:
            return text == wanted
        text = text.rpartition("@")[2]
        return text.endswith(wanted) if wanted.startswith(".") else text == wanted
    if name.kind == "uri":
        text = text.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
        return text.endswith(wanted) if wanted.startswith(".") else text == wanted
    # A DNS name is within if it is the constraint with labels added on the left.
    if not wanted or text == wanted:
        return True
    return text.endswith(wanted if wanted.startswith(".") else f".{wanted}")
