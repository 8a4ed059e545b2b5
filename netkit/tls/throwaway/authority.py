"""`ThrowawayAuthority`: issues certificates as right or as wrong as they are wanted."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from netkit.tls.throwaway.faults import Wanted
from netkit.tls.throwaway.keys import Signer
from netkit.tls.throwaway.kinds import KeyKind, Staple
from netkit.tls.throwaway.revocation import ocsp_response, revocation_list, serial_of
from netkit.tls.throwaway.template import AUTHORITY, DAY, Issuer, Template, certificate_der, name_der
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import SEQUENCE, element_at, encode
from netkit.tls.x509.keys import PrivateKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netkit.tls.throwaway.faults import CertificateFault, Plan


@dataclass(frozen=True, slots=True)
class Presented:
    """What a server sends: its certificate and those behind it, and its key.

    `root` is what a client needs to trust; None where there is no such certificate. Where OpenSSL refuses to
    send `chain`, because something in it is no certificate or contradicts itself, `stand_in` is a certificate
    of the same key that it takes. `staple` is the OCSP response, DER, if there is to be one. `crls` are the
    lists, DER, of the certificate's issuer and of the root; the first has the certificate if it is revoked.
    """

    chain: tuple[Certificate, ...]
    key: PrivateKey
    root: Certificate | None
    stand_in: Certificate | None = None
    staple: bytes | None = None
    crls: tuple[bytes, ...] = ()


class ThrowawayAuthority:
    """A certificate authority with a new key; `certificate` is its root certificate.

    `key` is the kind of key that it has.
    """

    def __init__(
        self,
        name: str = "netkit throw-away authority",
        *,
        days: int = 30,
        key: KeyKind = KeyKind.P256,
    ) -> None:
        self._template = replace(AUTHORITY, common_name=name, ends=days * DAY, key=key)
        self._issuer, self.certificate = _self_signed(self._template, datetime.now(UTC))

    def issue(
        self, names: Sequence[str], *, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> tuple[Certificate, PrivateKey]:
        """Issue a server certificate for DNS names and IP addresses; default: valid a week from yesterday.

        Raises ValueError if no name is given.
        """
        now = datetime.now(UTC)
        begins = -DAY if not_before is None else not_before - now
        ends = 7 * DAY if not_after is None else not_after - now
        made = self._present(Wanted(tuple(names), begins=begins, ends=ends), now)
        return made.chain[0], made.key

    def faulty(self, names: Iterable[str], *faults: CertificateFault) -> Presented:
        """What a server for `names` sends that has these faults. Raises ValueError as `Wanted`."""
        return self.present(Wanted(tuple(names), faults))

    def present(self, wanted: Wanted) -> Presented:
        """What a server sends that is to have these certificates.

        Raises ValueError if the installed cryptography has no keys of a wanted kind.
        """
        return self._present(wanted, datetime.now(UTC))

    def _present(self, wanted: Wanted, now: datetime) -> Presented:
        plan = wanted.plan()
        signer = Signer.kept(plan.leaf.key)
        key = PrivateKey.from_der(signer.der_data)
        if plan.chain.is_self_signed:
            own = Issuer.honest(plan.leaf.subject_der, signer)
            return Presented((_made(plan.leaf, signer, own, now),), key, None)
        root, root_certificate = self._root(plan, now)
        issuers: list[Certificate] = []
        above = issuer = root
        for template in plan.issuers:
            above, next_signer = issuer, Signer.kept(template.key)
            issuers.append(_made(template, next_signer, above, now))
            issuer = Issuer.honest(template.subject_der, next_signer)
        honest = issuer
        if plan.chain.is_forged:
            issuer = issuer._replace(signer=Signer.new())
        sent = [_made(plan.leaf, signer, issuer, now), *_beside(plan, issuer, above, now)]
        sent += _sent(issuers, plan)
        serial = serial_of(sent[0].der_data)
        malformed = plan.chain.malformed
        if malformed is not None:
            sent[malformed] = _malformed(sent[malformed])
        stand_in = None
        if malformed is not None or plan.chain.is_contradictory:
            usual = Template(common_name=wanted.names[0], names=wanted.names)
            stand_in = _made(usual, signer, self._issuer, now)
        says = plan.chain.staple
        revoked = [serial] if says is Staple.Revoked else []
        crls = [revocation_list(revoked, honest, now)]
        if plan.issuers:
            crls.append(revocation_list((), root, now))
        staple = None
        if says is not None:
            above_it = issuers[-1] if issuers else root_certificate
            staple = ocsp_response(serial, honest, above_it.der_data, says, now)
        trusted = None if plan.chain.has_unknown_root else root_certificate
        return Presented(tuple(sent), key, trusted, stand_in, staple, tuple(crls))

    def packed(self) -> bytes:
        """The authority with its key, for another process to go on with."""
        return json.dumps(
            {
                "kind": self._template.key.value,
                "name": self._template.common_name,
                "key": self._issuer.signer.der_data.hex(),
                "certificate": self.certificate.der_data.hex(),
            }
        ).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """The authority that `packed` made this of. Raises ValueError for other octets."""
        said = json.loads(data)
        made = cls.__new__(cls)
        kind = KeyKind(said["kind"])
        made._template = replace(AUTHORITY, common_name=said["name"], key=kind)
        signer = Signer.of(kind, bytes.fromhex(said["key"]))
        made._issuer = Issuer.honest(made._template.subject_der, signer)
        made.certificate = Certificate(bytes.fromhex(said["certificate"]))
        return made

    def _root(self, plan: Plan, now: datetime) -> tuple[Issuer, Certificate]:
        if plan.chain.has_unknown_root:
            unknown = replace(self._template, common_name="netkit throw-away root that nobody trusts")
            return _self_signed(unknown, now)
        if plan.root is not None:
            return _self_signed(plan.root, now)
        return self._issuer, self.certificate


def _self_signed(template: Template, now: datetime) -> tuple[Issuer, Certificate]:
    signer = Signer.kept(template.key)
    issuer = Issuer.honest(template.subject_der, signer)
    return issuer, _made(template, signer, issuer, now)


def _made(template: Template, signer: Signer, issuer: Issuer, now: datetime) -> Certificate:
    serial = secrets.randbits(126) | 1 << 126
    return Certificate(certificate_der(template, signer.spki, issuer, serial, now))


def _beside(plan: Plan, issuer: Issuer, above: Issuer, now: datetime) -> list[Certificate]:
    """The certificates with the name of the server's issuer that are sent before its own, from `above` it."""
    found = []
    for _ in range(plan.chain.decoys):
        # Without key identifiers, nothing but the signature tells a decoy from the issuer.
        decoy = replace(plan.issuers[-1], has_key_ids=False)
        found.append(_made(decoy, Signer.new(), above, now))
    if plan.chain.is_crossed:
        stranger = Issuer.honest(name_der("netkit throw-away root that nobody has"), Signer.new())
        found.append(_made(plan.issuers[-1], issuer.signer, stranger, now))
    return found


def _sent(issuers: list[Certificate], plan: Plan) -> list[Certificate]:
    """The issuers that are sent of `issuers`, which are in the order from the root down."""
    kept = issuers[: len(issuers) - plan.chain.withheld]
    return kept if plan.chain.is_reversed else kept[::-1]


def _malformed(certificate: Certificate) -> Certificate:
    """A SEQUENCE that holds the first half of a certificate's octets: it ends inside an element."""
    der = certificate.der_data
    outer = element_at(der, 0, len(der), SEQUENCE)
    return Certificate(
        encode(SEQUENCE, der[outer.content : outer.content + (outer.end - outer.content) // 2])
    )
