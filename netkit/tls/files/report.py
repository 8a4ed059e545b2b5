"""What several files of certificates and keys say together: whose key is whose, who is revoked, what is bad.

A key file and a certificate file are each right alone, and wrong together. So the files are looked at as one:
a key, a public key and a request are compared with every certificate, and a revocation list is checked with
the key of its issuer, wherever that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.files.items import Item, Kind
from netkit.tls.files.order import Order, in_order
from netkit.tls.files.request import CertificateRequest
from netkit.tls.files.revocation import RevocationList, Revoked
from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
from netkit.tls.verifying.findings import Finding
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import DerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from netkit.tls.files.items import Content

#: How many findings of one code a file has at most; the last one counts the others.
MAX_FINDINGS: Final = 12


class Issuance(NamedTuple):
    """Who issued a revocation list: the certificate with that name, and whether its key signed the list.

    `signed` is None if no certificate with that name was given.
    """

    issuer: Certificate | None
    signed: bool | None


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file among others. `index` in a finding counts the items of this file, from 0.

    `owners` has for each key, public key and request, by its index, the certificates with the same key.
    `revoked` has for each certificate that a list names, by its index, the entry. `issuances` has for each
    revocation list, by its index, who issued it.
    """

    content: Content
    order: Order
    owners: dict[int, tuple[Certificate, ...]]
    revoked: dict[int, Revoked]
    issuances: dict[int, Issuance]
    findings: tuple[Finding, ...]

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates in the order of the file."""
        return tuple(item.value for item in self.content.items if isinstance(item.value, Certificate))


def report_on(
    contents: Sequence[Content], now: datetime, known: Sequence[Certificate] = ()
) -> list[FileReport]:
    """A report on each file, looked at with the others at the moment `now` (UTC).

    `known` are further certificates that may have issued a revocation list.
    """
    together = _Together(contents, known)
    return [_report(content, together, now) for content in contents]


def public_half(item: Item) -> bytes | None:
    """The public key of an item that is not a certificate, as SubjectPublicKeyInfo; None if it has none."""
    value = item.value
    if isinstance(value, StoredKey):
        return None if value.public is None else value.public.spki_der
    if isinstance(value, (StoredPublicKey, CertificateRequest)):
        return value.spki_der
    return None


class _Together:
    """The certificates and revocation lists of all files, found by key, by name and by issuer."""

    def __init__(self, contents: Sequence[Content], known: Sequence[Certificate]) -> None:
        values = [item.value for content in contents for item in content.items]
        self.certificates = list(dict.fromkeys(one for one in values if isinstance(one, Certificate)))
        self._by_key: dict[bytes, list[Certificate]] = {}
        for one in self.certificates:
            self._by_key.setdefault(_spki(one), []).append(one)
        self._by_name: dict[object, list[Certificate]] = {}
        for one in dict.fromkeys((*self.certificates, *known)):
            self._by_name.setdefault(_name(one, "subject_key"), []).append(one)
        lists = [one for one in values if isinstance(one, RevocationList)]
        self.issuances = {id(one): self._issuance(one) for one in lists}
        self._believed = [one for one in lists if self.issuances[id(one)].signed is not False]

    def owners(self, spki: bytes) -> tuple[Certificate, ...]:
        """The certificates with this key, which may be encoded in another way."""
        same = self._by_key.get(spki)
        if same is not None:
            return tuple(same)
        return tuple(one for one in self.certificates[:_COMPARED] if one.has_key(spki))

    def revoked(self, certificate: Certificate) -> Revoked | None:
        """The entry that revokes a certificate, of a list of its issuer."""
        for listed in self._believed:
            try:
                if certificate.issuer_key == listed.issuer_key:
                    entry = listed.entry_for(certificate.serial)
                    if entry is not None:
                        return entry
            except (TlsError, DerError):
                continue  # what is malformed is told where it stands
        return None

    def _issuance(self, listed: RevocationList) -> Issuance:
        try:
            named = self._by_name.get(listed.issuer_key, [])
        except TlsError:
            return Issuance(None, None)
        for one in named[:_COMPARED]:
            if listed.is_signed_by(one):
                return Issuance(one, True)
        return Issuance(named[0], False) if named else Issuance(None, None)


#: With how many certificates a key or a revocation list is compared at most, where their bytes are not alike.
_COMPARED: Final = 64

#: How many entries of a revocation list are read to see that they are right.
_LOOKED_AT: Final = 1_000


def _report(content: Content, together: _Together, now: datetime) -> FileReport:
    owners: dict[int, tuple[Certificate, ...]] = {}
    revoked: dict[int, Revoked] = {}
    issuances: dict[int, Issuance] = {}
    for index, item in enumerate(content.items):
        spki = public_half(item)
        if spki is not None:
            owners[index] = together.owners(spki)
        if isinstance(item.value, Certificate):
            entry = together.revoked(item.value)
            if entry is not None:
                revoked[index] = entry
        if isinstance(item.value, RevocationList):
            issuances[index] = together.issuances[id(item.value)]
    certificates = [item.value for item in content.items if isinstance(item.value, Certificate)]
    keys = (public_half(item) for item in content.items if item.kind is Kind.PRIVATE_KEY)
    order = in_order(certificates, next((spki for spki in keys if spki is not None), None))
    findings = [
        *_order_findings(order, certificates),
        *_key_findings(content, owners, bool(together.certificates)),
        *_request_findings(content),
        *_revocation_findings(content, revoked, issuances, now),
    ]
    return FileReport(content, order, owners, revoked, issuances, tuple(_limited(findings)))


def _order_findings(order: Order, given: list[Certificate]) -> Iterator[Finding]:
    if order.wrong:
        places = {certificate: index for index, certificate in reversed(list(enumerate(given)))}
        right = ", ".join(str(places[one]) for one in order.chain[:MAX_FINDINGS])
        more = ", ..." if len(order.chain) > MAX_FINDINGS else ""
        message = "the certificates are not in the order in which a server sends them"
        hint = (
            f"the right order of the certificates, counted from 0, is {right}{more}; a verdict is about that"
        )
        yield Finding(Severity.WARNING, "wrong-order", message, hint=hint)
    if len(set(given)) < len(given):
        yield Finding(Severity.NOTE, "duplicate", "a certificate is there more than once")


def _key_findings(
    content: Content, owners: dict[int, tuple[Certificate, ...]], compared: bool
) -> Iterator[Finding]:
    for index, item in enumerate(content.items):
        if item.kind is Kind.PRIVATE_KEY and index in owners and compared and not owners[index]:
            message = "the private key belongs to none of the certificates"
            yield Finding(Severity.ERROR, "key-mismatch", message, index)


def _request_findings(content: Content) -> Iterator[Finding]:
    for index, item in enumerate(content.items):
        if not isinstance(item.value, CertificateRequest):
            continue
        if not item.value.signature_valid:
            message = "the request is not signed with the key that it is for"
            yield Finding(Severity.ERROR, "bad-signature", message, index)
        if item.value.has_challenge_password:
            message = "the request has a challenge password in it, which anybody can read"
            yield Finding(Severity.NOTE, "challenge-password", message, index)


def _revocation_findings(
    content: Content, revoked: dict[int, Revoked], issuances: dict[int, Issuance], now: datetime
) -> Iterator[Finding]:
    for index, entry in revoked.items():
        why = "" if entry.reason is None else f" ({entry.reason})"
        message = f"the certificate has been revoked since {entry.since:%Y-%m-%d %H:%M:%SZ}{why}"
        yield Finding(Severity.ERROR, "revoked", message, index)
    for index, issuance in issuances.items():
        listed = content.items[index].value
        assert isinstance(listed, RevocationList)
        if issuance.signed is False:
            message = "the key of its issuer did not sign the revocation list"
            yield Finding(Severity.ERROR, "bad-signature", message, index)
        until = listed.next_update
        if until is not None and until < now:
            message = f"a newer revocation list was due on {until:%Y-%m-%d %H:%M:%SZ}"
            yield Finding(Severity.WARNING, "outdated-list", message, index)
        try:
            for _ in islice(listed, _LOOKED_AT):
                pass
        except DerError as error:
            message = f"an entry of the revocation list cannot be read: {error}"
            yield Finding(Severity.WARNING, "malformed", message, index)


def _limited(findings: list[Finding]) -> Iterator[Finding]:
    """At most so many findings of a code, and then one that counts the others; errors first."""
    findings.sort(key=lambda finding: list(Severity).index(finding.severity))
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.code] = counts.get(finding.code, 0) + 1
        if counts[finding.code] <= MAX_FINDINGS:
            yield finding
    for code, count in counts.items():
        if count > MAX_FINDINGS:
            severity = next(finding.severity for finding in findings if finding.code == code)
            yield Finding(severity, code, f"{count - MAX_FINDINGS:,} more of this kind")


def _spki(certificate: Certificate) -> bytes:
    try:
        return certificate.spki_der
    except TlsError:
        return b""


def _name(certificate: Certificate, attribute: str) -> object:
    try:
        name: object = getattr(certificate, attribute)
    except TlsError:
        return certificate
    return name
