"""The things in a file of certificates and keys, for people: names and values, sheets, tables, lines."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from netkit.cli.frame.messages import plural
from netkit.cli.payload.tls.certificates import key_words, sheet, sheets, usage_words
from netkit.cli.payload.tls.items import (
    ENTRIES,
    certificate_item_row,
    private_key_row,
    public_key_row,
    request_row,
    revocation_list_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.cli.frame.context import Environment
    from netkit.cli.payload.tls.items import (
        CertificateItemRow,
        PrivateKeyItemRow,
        PublicKeyItemRow,
        RequestItemRow,
        RevocationListItemRow,
        RevokedRow,
        Show,
    )
    from netkit.tls.files.items import Item
    from netkit.tls.files.report import FileReport

#: How many items of a file a table shows unless all are asked for.
ITEMS = 12

Pairs = list[tuple[str, str | None]]

_WORDS = {
    "certificate": "certificate",
    "private-key": "private key",
    "public-key": "public key",
    "certificate-request": "certificate request",
    "revocation-list": "revocation list",
    "pkcs7": "PKCS #7 bag",
    "pkcs12": "PKCS #12 file",
    "other": "block",
}


def item_pairs(report: FileReport, index: int, show: Show) -> list[tuple[str, str]]:
    """Names and values of one item."""
    from netkit.tls.files.request import CertificateRequest
    from netkit.tls.files.revocation import RevocationList
    from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
    from netkit.tls.x509.certificate import Certificate

    item = report.content.items[index]
    pairs: Pairs
    match item.value:
        case Certificate() as certificate:
            row = certificate_item_row(report, index, certificate, show)
            pairs = [*sheet(certificate, show.now, names=show.names), *_besides(row)]
        case StoredKey() as key:
            pairs = _private_key(private_key_row(report, index, key), report, index)
        case StoredPublicKey() as public:
            pairs = _public_key(public_key_row(report, index, public), report, index)
        case CertificateRequest() as request:
            asked = dict(sheet(request.asked, show.now, names=show.names))
            pairs = _request(request_row(report, index, request), asked.get("names"), report, index)
        case RevocationList() as listed:
            pairs = _revocation_list(revocation_list_row(report, index, listed, show))
        case _:
            pairs = [("label", item.label), ("problem", item.problem and item.problem.reason)]
    pairs.append(("found", _place(item)))
    return [(name, value) for name, value in pairs if value]


def item_words(item: Item) -> str:
    """An item in a line: `certificate CN=example.com`, `private key EC P-256`."""
    from netkit.tls.errors import TlsError
    from netkit.tls.files.request import CertificateRequest
    from netkit.tls.files.revocation import RevocationList
    from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
    from netkit.tls.x509.certificate import Certificate

    words: str | None
    try:
        match item.value:
            case Certificate() as certificate:
                words = certificate.subject or certificate.fingerprint_sha256
            case StoredKey(public=None, algorithm=name):
                words = name
            case StoredKey(public=StoredPublicKey() as public) | (StoredPublicKey() as public):
                words = str(public.info)
            case CertificateRequest() as request:
                words = request.asked.subject
            case RevocationList() as listed:
                words = f"{listed.issuer}, {plural(len(listed), 'entry', 'entries')}"
            case _:
                words = item.label or None
                if item.problem is not None:
                    words = item.problem.reason
    except TlsError as error:
        words = str(error)
    kind = _WORDS[item.kind.value]
    return f"{kind} {words}" if words else kind


def contents_words(items: tuple[Item, ...]) -> str:
    """What a file holds, counted: `2 certificates, 1 private key`."""
    counts: dict[str, int] = {}
    for item in items:
        word = _WORDS[item.kind.value]
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(plural(count, word) for word, count in counts.items())


def item_tables(report: FileReport, show: Show, env: Environment) -> Iterator[Any]:
    """The items on a terminal, in the file's order; certificates beside each other as one table."""
    from netkit.cli.render import facts, text
    from netkit.tls.x509.certificate import Certificate

    items = report.content.items
    shown = items if show.everything or len(items) - ITEMS <= 1 else items[:ITEMS]
    numbered = list(enumerate(shown))
    for is_certificate, group in groupby(numbered, lambda pair: isinstance(pair[1].value, Certificate)):
        if not is_certificate:
            for index, item in group:
                title = f"{_WORDS[item.kind.value].capitalize()} {index}"
                yield facts(item_pairs(report, index, show), title=title)
                yield text(" ")
            continue
        members = dict(group)
        besides = {
            index: _besides(certificate_item_row(report, index, item.value, show))
            for index, item in members.items()
            if isinstance(item.value, Certificate)
        }
        certificates = [item.value for item in members.values() if isinstance(item.value, Certificate)]
        more = [besides[index] for index in members]
        yield from sheets(certificates, show.now, env, names=show.names, numbers=list(members), besides=more)
    if len(shown) < len(items):
        yield text(f"{len(items) - len(shown):,} more items (--all shows them)", "dim")
        yield text(" ")


def _besides(row: CertificateItemRow) -> Pairs:
    """What the file says of a certificate, beside what is in it."""
    from netkit.tls.text import printable

    entry = row["revocation"]
    since = None if entry is None else _revoked(entry)
    return [("friendly name", row["name"] and printable(row["name"])), ("revoked", since)]


def _private_key(row: PrivateKeyItemRow, report: FileReport, index: int) -> Pairs:
    return [
        ("key", key_words(row["key"])),
        ("stored as", f"{row['stored_as']}, encrypted" if row["encrypted"] else row["stored_as"]),
        ("pin", row["spki_sha256_b64"]),
        ("belongs to", _owner_words(report, index)),
    ]


def _public_key(row: PublicKeyItemRow, report: FileReport, index: int) -> Pairs:
    return [
        ("key", key_words(row["key"])),
        ("pin", row["spki_sha256_b64"]),
        ("belongs to", _owner_words(report, index)),
    ]


def _request(row: RequestItemRow, names: str | None, report: FileReport, index: int) -> Pairs:
    valid = "valid" if row["signature_valid"] else "NOT valid"
    return [
        ("subject", row["subject"]),
        ("names", names),
        ("key", key_words(row["key"])),
        ("signature", f"{row['signature_algorithm'] or 'unreadable'}, {valid}"),
        ("usage", usage_words(row)),
        ("challenge", "there is a challenge password in it" if row["challenge_password"] else None),
        ("pin", row["spki_sha256_b64"]),
        ("belongs to", _owner_words(report, index)),
        *(("problem", problem) for problem in row["problems"]),
    ]


def _revocation_list(row: RevocationListItemRow) -> Pairs:
    verdict = {True: "valid", False: "NOT valid", None: "not checked, its issuer's certificate is not here"}
    entries = [_revoked(entry, named=True) for entry in row["revoked"]]
    more = row["revoked_count"] - len(entries)
    if more > 0 and len(entries) >= ENTRIES:
        entries.append(f"and {more:,} more (--all)")
    until = row["next_update_at"]
    return [
        ("issuer", row["issuer"]),
        ("number", f"{row['list_number']}, only what changed" if row["delta"] else row["list_number"]),
        ("valid", f"{row['this_update_at'][:10]} to {'-' if until is None else until[:10]}"),
        ("signature", f"{row['signature_algorithm'] or 'unreadable'}, {verdict[row['signature_valid']]}"),
        ("signed by", row["signed_by"]),
        ("revoked", plural(row["revoked_count"], "certificate")),
        *(("entry", entry) for entry in entries),
    ]


def _revoked(entry: RevokedRow, *, named: bool = False) -> str:
    since = f"since {entry['revoked_at'][:10]}"
    parts = [entry["serial"], since] if named else [since]
    return ", ".join([*parts, entry["reason"]] if entry["reason"] else parts)


def _owner_words(report: FileReport, index: int) -> str | None:
    """The certificates with this key: by their number in this file, else by their name."""
    found = []
    for one in report.owners.get(index, ()):
        number = next((at for at, item in enumerate(report.content.items) if item.value == one), None)
        found.append(f"certificate {number}" if number is not None else item_name(one))
    return ", ".join(found) or None


def item_name(certificate: Any) -> str:
    """A certificate's subject, or its fingerprint where it has none that can be read."""
    from netkit.tls.errors import TlsError

    try:
        return str(certificate.subject) or str(certificate.fingerprint_sha256)
    except TlsError:
        return str(certificate.fingerprint_sha256)


def _place(item: Item) -> str | None:
    parts: list[str] = [item.inside] if item.inside else []
    parts += [f"line {item.line}"] if item.line is not None else []
    return ", ".join(parts) or None
