"""The things in a file of certificates and keys, as rows of JSON and as PEM. No secret is in a row.

`netkit.cli.payload.tls.item_sheets` makes them readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias, TypedDict

from netkit.cli.frame.fields import Format
from netkit.cli.frame.output import rfc3339
from netkit.cli.payload.tls.certificates import (
    NAMES,
    CertificateRow,
    KeyRow,
    SansRow,
    certificate_row,
)
from netkit.tls.x509.der import hexadecimal

if TYPE_CHECKING:
    from datetime import datetime

    from netkit.tls.files.items import Item
    from netkit.tls.files.report import FileReport
    from netkit.tls.files.request import CertificateRequest
    from netkit.tls.files.revocation import RevocationList, Revoked
    from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
    from netkit.tls.x509.certificate import Certificate

#: How many entries of a revocation list are shown unless all are asked for.
ENTRIES = 12


#: The certificates among all files that have the same key.
Owners: TypeAlias = Annotated[
    list[str], "SHA-256 fingerprints of the certificates among the files that have this key"
]


class ItemPemRow(TypedDict, total=False):
    """What --pem adds."""

    pem: Annotated[str, "With --pem; of a private key only with --with-key"]


class PlaceRow(ItemPemRow):
    """Where an item was found."""

    line: Annotated[int | None, "Of the first line of its PEM block, from 1; null outside PEM"]
    label: Annotated[str | None, "Of its PEM block: CERTIFICATE, PRIVATE KEY, ..."]
    inside: Annotated[Literal["PKCS #7", "PKCS #12"] | None, "The container that it was in"]


class RevokedRow(TypedDict):
    """An entry of a revocation list."""

    serial: Annotated[str, "Hexadecimal"]
    revoked_at: Annotated[str, Format("date-time")]
    reason: Annotated[str | None, "keyCompromise, superseded, ...; null if the list does not say"]


class CertificateItemRow(PlaceRow):
    """A certificate."""

    item_kind: Literal["certificate"]
    name: Annotated[str | None, "The friendly name that PKCS #12 gives it"]
    certificate: CertificateRow
    revocation: Annotated[RevokedRow | None, "If a revocation list among the files names it"]


class PrivateKeyItemRow(PlaceRow):
    """A private key; nothing here is secret."""

    item_kind: Literal["private-key"]
    stored_as: Annotated[str, "PKCS #8, PKCS #1, SEC 1 or OpenSSL"]
    encrypted: Annotated[bool, "Whether a password protects it in the file"]
    key: KeyRow
    spki_sha256_b64: Annotated[str | None, "Pin of the public half"]
    certificates: Annotated[
        list[str], "SHA-256 fingerprints of the certificates among the files with this key"
    ]


class PublicKeyItemRow(PlaceRow):
    """A public key."""

    item_kind: Literal["public-key"]
    key: KeyRow
    spki_sha256_b64: str
    certificates: Annotated[
        list[str], "SHA-256 fingerprints of the certificates among the files with this key"
    ]


class RequestItemRow(PlaceRow):
    """A request for a certificate. A part that cannot be read is null, and `problems` says why."""

    item_kind: Literal["certificate-request"]
    subject: Annotated[str | None, "RFC 4514 text"]
    sans: Annotated[SansRow | None, "Subject alternative names that are asked for"]
    key: KeyRow | None
    key_usage: Annotated[list[str] | None, "null if it is not asked for"]
    extended_key_usage: Annotated[list[str] | None, "null if it is not asked for"]
    is_ca: bool | None
    path_len: int | None
    must_staple: bool | None
    signature_algorithm: str | None
    signature_valid: Annotated[bool, "Whether its own key signed it"]
    challenge_password: Annotated[bool, "Whether there is one; it is not shown"]
    spki_sha256_b64: str | None
    certificates: Annotated[
        list[str], "SHA-256 fingerprints of the certificates among the files with this key"
    ]
    problems: list[str]


class RevocationListItemRow(PlaceRow):
    """A revocation list."""

    item_kind: Literal["revocation-list"]
    issuer: Annotated[str | None, "RFC 4514 text"]
    this_update_at: Annotated[str, Format("date-time")]
    next_update_at: Annotated[str | None, Format("date-time")]
    list_number: Annotated[str | None, "Among the lists of this issuer: decimal; hexadecimal if too long"]
    delta: Annotated[bool, "Whether it has only what changed since another list"]
    signature_algorithm: str | None
    signature_valid: Annotated[bool | None, "null if no certificate with the issuer's name was given"]
    signed_by: Annotated[str | None, "SHA-256 fingerprint of the issuer's certificate"]
    revoked_count: int
    revoked: Annotated[list[RevokedRow], f"The first {ENTRIES} entries; all with --all"]


class OtherItemRow(PlaceRow):
    """A block of another kind, or one that cannot be read."""

    item_kind: Annotated[
        Literal[
            "certificate",
            "private-key",
            "public-key",
            "certificate-request",
            "revocation-list",
            "pkcs7",
            "pkcs12",
            "other",
        ],
        "What it should be",
    ]
    problem: Annotated[str | None, "Why it cannot be read; null if it is only of no interest here"]
    locked: Annotated[bool, "Whether a password is missing, or wrong"]


ItemRow: TypeAlias = (
    CertificateItemRow
    | PrivateKeyItemRow
    | PublicKeyItemRow
    | RequestItemRow
    | RevocationListItemRow
    | OtherItemRow
)


class Show(NamedTuple):
    """What is wanted: the moment to count days from, PEM, keys in it, everything."""

    now: datetime
    pem: bool = False
    with_key: bool = False
    everything: bool = False
    all_names: bool = False

    @property
    def names(self) -> int | None:
        """How many names of a certificate are shown; None: all."""
        return None if self.all_names or self.everything else NAMES


def item_row(report: FileReport, index: int, show: Show) -> ItemRow:
    """The JSON object of one item of a file."""
    from netkit.tls.files.request import CertificateRequest
    from netkit.tls.files.revocation import RevocationList
    from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
    from netkit.tls.x509.certificate import Certificate

    item = report.content.items[index]
    row: ItemRow
    match item.value:
        case Certificate() as certificate:
            row = certificate_item_row(report, index, certificate, show)
        case StoredKey() as key:
            row = private_key_row(report, index, key)
        case StoredPublicKey() as public:
            row = public_key_row(report, index, public)
        case CertificateRequest() as request:
            row = request_row(report, index, request)
        case RevocationList() as listed:
            row = revocation_list_row(report, index, listed, show)
        case _:
            row = other_row(item)
    text = item_pem(item, with_key=show.with_key) if show.pem else None
    if text is not None:
        row["pem"] = text
    return row


def certificate_item_row(
    report: FileReport, index: int, certificate: Certificate, show: Show
) -> CertificateItemRow:
    """The JSON object of a certificate among other things."""
    item = report.content.items[index]
    entry = report.revoked.get(index)
    return {
        "item_kind": "certificate",
        **_place(item),
        "name": item.name,
        "certificate": certificate_row(certificate, show.now),
        "revocation": None if entry is None else revoked_row(entry),
    }


def private_key_row(report: FileReport, index: int, key: StoredKey) -> PrivateKeyItemRow:
    """The JSON object of a private key: of its public half, and how it is stored."""
    return {
        "item_kind": "private-key",
        **_place(report.content.items[index]),
        "stored_as": key.form,
        "encrypted": key.encrypted,
        "key": _key_row(key.public, key.algorithm),
        "spki_sha256_b64": None if key.public is None else key.public.spki_sha256_b64,
        "certificates": _owners(report, index),
    }


def public_key_row(report: FileReport, index: int, public: StoredPublicKey) -> PublicKeyItemRow:
    """The JSON object of a public key."""
    return {
        "item_kind": "public-key",
        **_place(report.content.items[index]),
        "key": _key_row(public, ""),
        "spki_sha256_b64": public.spki_sha256_b64,
        "certificates": _owners(report, index),
    }


def request_row(report: FileReport, index: int, request: CertificateRequest) -> RequestItemRow:
    """The JSON object of a request."""
    asked = request.asked.to_dict()
    return {
        "item_kind": "certificate-request",
        **_place(report.content.items[index]),
        "subject": asked["subject"],
        "sans": asked["sans"],
        "key": asked["key"],
        "key_usage": asked["key_usage"],
        "extended_key_usage": asked["extended_key_usage"],
        "is_ca": asked["is_ca"],
        "path_len": asked["path_len"],
        "must_staple": asked["must_staple"],
        "signature_algorithm": request.signature_algorithm,
        "signature_valid": request.signature_valid,
        "challenge_password": request.has_challenge_password,
        "spki_sha256_b64": asked["spki_sha256_b64"],
        "certificates": _owners(report, index),
        "problems": asked["problems"],
    }


def revocation_list_row(
    report: FileReport, index: int, listed: RevocationList, show: Show
) -> RevocationListItemRow:
    """The JSON object of a revocation list."""
    issuance = report.issuances[index]
    signer = issuance.issuer if issuance.signed else None
    until, number = listed.next_update, listed.number
    return {
        "item_kind": "revocation-list",
        **_place(report.content.items[index]),
        "issuer": listed.issuer_or_none,
        "this_update_at": rfc3339(listed.this_update),
        "next_update_at": None if until is None else rfc3339(until),
        "list_number": None if number is None else _number(number),
        "delta": listed.is_delta,
        "signature_algorithm": listed.signature_algorithm,
        "signature_valid": issuance.signed,
        "signed_by": None if signer is None else signer.fingerprint_sha256,
        "revoked_count": len(listed),
        "revoked": [revoked_row(entry) for entry in listed.first(None if show.everything else ENTRIES)],
    }


def _number(number: int) -> str:
    """A list's number, decimal unless it is longer than the 20 octets that RFC 5280 allows."""
    return f"{number}" if number.bit_length() <= 160 else hexadecimal(number)


def revoked_row(entry: Revoked) -> RevokedRow:
    """The JSON object of an entry of a revocation list."""
    return {
        "serial": hexadecimal(entry.serial),
        "revoked_at": rfc3339(entry.since),
        "reason": entry.reason,
    }


def other_row(item: Item) -> OtherItemRow:
    """The JSON object of a block that is of another kind, or broken."""
    problem = item.problem
    return {
        "item_kind": item.kind.value,
        **_place(item),
        "problem": None if problem is None else problem.reason,
        "locked": problem is not None and problem.locked,
    }


def item_pem(item: Item, *, with_key: bool) -> str | None:
    """An item as one block of PEM, None if it has none.

    A private key is unencrypted PKCS #8 there, and is written only `with_key`.
    """
    from netkit.tls.files.request import CertificateRequest
    from netkit.tls.files.revocation import RevocationList
    from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
    from netkit.tls.x509 import pem
    from netkit.tls.x509.certificate import Certificate

    match item.value:
        case Certificate() as certificate:
            return certificate.to_pem()
        case StoredKey(der_data=bytes() as data):
            return pem.encode("PRIVATE KEY", data) if with_key else None
        case StoredPublicKey(spki_der=data):
            return pem.encode("PUBLIC KEY", data)
        case CertificateRequest(der_data=data):
            return pem.encode("CERTIFICATE REQUEST", data)
        case RevocationList(der_data=data):
            return pem.encode("X509 CRL", data)
    return None


def _place(item: Item) -> PlaceRow:
    return {"line": item.line, "label": item.label or None, "inside": item.inside}


def _owners(report: FileReport, index: int) -> list[str]:
    return [one.fingerprint_sha256 for one in report.owners.get(index, ())]


def _key_row(public: StoredPublicKey | None, algorithm: str) -> KeyRow:
    if public is None:
        return {"algorithm": algorithm, "bits": None, "curve": None}
    info = public.info
    return {"algorithm": info.algorithm, "bits": info.bits, "curve": info.curve}
