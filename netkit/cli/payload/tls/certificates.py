"""Certificates, and what was found about them, as rows of JSON, sheets and lines: what the commands that show
them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, cast

from netkit.cli.frame.fields import Format
from netkit.cli.frame.messages import plural
from netkit.cli.frame.remedies import advice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from netkit.cli.frame.cells import Verdict as Sign
    from netkit.cli.frame.context import Environment
    from netkit.tls.verifying.findings import Finding, Verification
    from netkit.tls.x509.certificate import Certificate

#: How many names of a certificate a table shows unless all are asked for.
NAMES = 12

#: The longest value that a terminal shows, in characters.
LONGEST = 2_000

#: The least width of a terminal that shows a chain as one table, if it fits; else: a sheet for each
#: certificate.
WIDE = 140


class SansRow(TypedDict):
    """The names that a certificate is for."""

    dns_names: list[str]
    ip_addresses: list[str]
    emails: list[str]
    uris: list[str]
    others: list[str]


class KeyRow(TypedDict):
    """A certificate's key."""

    algorithm: Annotated[str, "RSA, EC, Ed25519, ... or an object identifier"]
    bits: int | None
    curve: str | None


class PemRow(TypedDict, total=False):
    """What --pem adds."""

    pem: Annotated[str, "With --pem"]


class CertificateRow(PemRow):
    """One certificate as the server sent it. A part that cannot be read is null, and `problems` says why."""

    subject: Annotated[str | None, "RFC 4514 text"]
    issuer: Annotated[str | None, "RFC 4514 text"]
    serial: Annotated[str | None, "Hexadecimal"]
    version: int | None
    not_before: Annotated[str | None, Format("date-time")]
    not_after: Annotated[str | None, Format("date-time")]
    days_left: Annotated[int | None, "Whole days until it expires; negative if it has expired"]
    sans: Annotated[SansRow | None, "Subject alternative names"]
    key: KeyRow | None
    signature_algorithm: str | None
    is_ca: bool | None
    path_len: int | None
    key_usage: Annotated[list[str] | None, "null if the certificate does not say"]
    extended_key_usage: Annotated[list[str] | None, "null if the certificate does not say"]
    self_signed: bool | None
    must_staple: bool | None
    ocsp_urls: list[str] | None
    ca_issuer_urls: list[str] | None
    crl_urls: list[str] | None
    sha256: Annotated[str, "Fingerprint, hexadecimal"]
    sha1: Annotated[str, "Fingerprint, hexadecimal"]
    spki_sha256_b64: Annotated[str | None, "Pin of the public key"]
    size: Annotated[int, "Bytes of DER"]
    problems: list[str]


class FindingRow(TypedDict):
    """One thing found in a chain."""

    severity: Annotated[
        Literal["error", "warning", "note"], "An error means that a client refuses the certificate"
    ]
    code: Annotated[str, "Stable: expired, wrong-host, self-signed, unknown-issuer, ..."]
    message: str
    certificate_index: Annotated[int | None, "The certificate it is about, counted from 0"]
    hint: str | None


class VerificationRow(TypedDict):
    """Whether a client accepts the chain, and why."""

    accepted: bool
    server_name: Annotated[str | None, "The name that was checked"]
    findings: list[FindingRow]
    path: Annotated[list[str], "SHA-256 fingerprints, from the server's certificate to the trusted root"]
    openssl_code: Annotated[int, "OpenSSL's X509_V_ERR number; 0 if OpenSSL accepts the chain"]
    openssl_message: str
    judge: Annotated[str, "Which OpenSSL judged, and through which library"]


def certificate_row(certificate: Certificate, now: datetime, *, pem: bool = False) -> CertificateRow:
    """The JSON object of a certificate at the moment `now`; `pem` adds it in PEM."""
    row = certificate.to_dict(now)
    if pem:
        row["pem"] = certificate.to_pem()
    return cast(CertificateRow, row)


def verification_row(judged: Verification) -> VerificationRow:
    """The JSON object of a verdict, the hints with this command line's options."""
    row = cast(VerificationRow, judged.to_dict())
    for shown, finding in zip(row["findings"], judged.findings, strict=True):
        shown["hint"] = advice(finding.hint, finding.remedy)
    return row


def sheet(
    certificate: Certificate, now: datetime, *, names: int | None = NAMES
) -> list[tuple[str, str | None]]:
    """Names and values of a certificate at the moment `now`, with at most so many `names` (None: all)."""
    row = certificate.to_dict(now)
    sans = row["sans"] or {}
    kinds = ("dns_names", "ip_addresses", "emails", "uris")
    found = [_one_name(name) for kind in kinds for name in sans.get(kind, ())]
    pairs: list[tuple[str, str | None]] = [
        ("subject", row["subject"]),
        ("issuer", row["issuer"]),
        ("names", ", ".join(_first_names(found, names)) or None),
        ("valid", _validity(row)),
        ("key", key_words(row["key"])),
        ("signature", row["signature_algorithm"]),
        ("usage", usage_words(row)),
        ("serial", row["serial"]),
        ("SHA-256", row["sha256"]),
        ("SHA-1", row["sha1"]),
        ("pin", row["spki_sha256_b64"]),
    ]
    pairs += [("problem", problem) for problem in row["problems"]]
    return [
        (name, value) for name, value in pairs if value is not None or name in ("subject", "issuer", "valid")
    ]


def sheets(
    chain: Sequence[Certificate],
    now: datetime,
    env: Environment,
    *,
    names: int | None = NAMES,
    numbers: Sequence[int] | None = None,
    besides: Sequence[Sequence[tuple[str, str | None]]] = (),
) -> Iterator[Any]:
    """The certificates on a terminal: one table where they fit into it, else a sheet for each.

    They are counted from 0, or by `numbers`. `besides` has more names and values for each of them.
    """
    from netkit.cli.render import facts, table, text

    blank = text(" ")
    counted = list(range(len(chain)) if numbers is None else numbers)
    more = [[pair for pair in pairs if pair[1] is not None] for pairs in besides] or [[] for _ in chain]
    if env.width >= WIDE and chain:
        rows = [
            _wide_row(number, sheet(one, now, names=names), pairs)
            for number, one, pairs in zip(counted, chain, more, strict=True)
        ]
        if _table_width(rows) <= env.width:
            yield table(_TITLES, rows, right=(0,))
            yield blank
            return
    for number, certificate, pairs in zip(counted, chain, more, strict=True):
        cut = [(name, _cut(value)) for name, value in (*sheet(certificate, now, names=names), *pairs)]
        yield facts(cut, title=f"Certificate {number}")
        yield blank


def finding_marks(findings: Iterable[Finding], env: Environment) -> Iterator[Any]:
    """Findings on a terminal: a sign and the sentence, and below it what to do."""
    from rich.padding import Padding

    from netkit.cli.render import mark, text

    for finding in findings:
        yield mark(_SIGNS[finding.severity.value], f"{finding.code}: {finding.message}", env)
        hint = advice(finding.hint, finding.remedy)
        if hint is not None:
            yield Padding(text(hint, "dim"), (0, 0, 0, 2))


def pem_lines(chain: Iterable[Certificate]) -> Iterator[str]:
    """The certificates in PEM, line by line."""
    for certificate in chain:
        yield from certificate.to_pem().splitlines()


_TITLES = ("#", "subject, issuer", "names", "valid", "key, signature", "fingerprints")

_SIGNS: dict[str, Sign] = {"error": "bad", "warning": "warn", "note": "none"}


def _one_name(name: str) -> str:
    """A name so that it looks like no two, and like none: a certificate may have anything in it."""
    from netkit.tls.text import printable

    return printable(name).replace(" ", r"\x20") or '""'


def _first_names(found: list[str], shown: int | None) -> list[str]:
    """The first of a certificate's names, and how many more there are; all where that was asked for."""
    if shown is None or len(found) - shown <= 1:  # one more takes no more room than saying so
        return found
    return [*found[:shown], f"and {len(found) - shown:,} more (--all-names)"]


def _cut(value: str | None) -> str | None:
    """A value for a terminal: a name of a megabyte is cut, and says so."""
    if value is None or len(value) <= LONGEST:
        return value
    return f"{value[:LONGEST]}... ({len(value) - LONGEST:,} more characters)"


def _wide_row(
    index: int, pairs: Iterable[tuple[str, str | None]], besides: Iterable[tuple[str, str | None]]
) -> tuple[object, ...]:
    shown = {name: _cut(value) for name, value in pairs}
    told = "".join(f"\n{name} {value}" for name, value in besides)
    # In halves of 128 bits, so that it fits beside the rest.
    digest = shown["SHA-256"] or ""
    prints = [f"SHA-256 {digest[:32]}", f"        {digest[32:]}", f"SHA-1 {shown['SHA-1']}"]
    return (
        index,
        f"{shown['subject'] or '-'}\n{shown['issuer'] or '-'}",
        "\n".join((shown.get("names") or "-").split(", ")),
        "\n".join((shown["valid"] or "-").split(", ")) + told,
        f"{shown.get('key') or '-'}\n{shown.get('signature') or '-'}",
        "\n".join([*prints, f"pin {shown.get('pin') or '-'}"]),
    )


def _table_width(rows: Sequence[Sequence[object]]) -> int:
    """The width at which no cell wraps: three characters a column for its border and padding, and one."""
    columns = zip(_TITLES, *rows, strict=True)
    widest = (max(len(line) for cell in column for line in str(cell).split("\n")) for column in columns)
    return 1 + sum(3 + width for width in widest)


def _validity(row: dict[str, Any]) -> str | None:
    if row["not_before"] is None:
        return None
    left = row["days_left"]
    # Whole days that have passed: one that expired an hour ago has -1 days left.
    if left >= 0:
        words = f"{plural(left, 'day')} left"
    else:
        words = f"expired {plural(-left - 1, 'day')} ago" if left < -1 else "expired"
    return f"{row['not_before'][:10]} to {row['not_after'][:10]}, {words}"


def key_words(key: KeyRow | None) -> str | None:
    """A key in words: `EC P-256`, `RSA 2048`."""
    if key is None:
        return None
    return " ".join(str(part) for part in (key["algorithm"], key["curve"] or key["bits"]) if part)


def usage_words(row: Mapping[str, Any]) -> str | None:
    """What a certificate may be used for, or is asked to be."""
    parts = [*(row["extended_key_usage"] or ()), *(row["key_usage"] or ())]
    if row["is_ca"]:
        below = f", at most {row['path_len']} intermediates below" if row["path_len"] is not None else ""
        parts.insert(0, f"authority{below}")
    return ", ".join(parts) or None
