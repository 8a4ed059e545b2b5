"""`netkit tls inspect`: files of certificates and keys, in any form, and what they say together."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict

from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.fields import Format
from netkit.cli.frame.groups import OptionGroup, field, flag, option_group
from netkit.cli.frame.messages import plural
from netkit.cli.frame.options import File, Number, WrongValue, argument
from netkit.cli.frame.output import rfc3339
from netkit.cli.frame.remedies import advice
from netkit.cli.frame.view import View
from netkit.cli.payload.moment import Moment
from netkit.cli.payload.tls.certificates import NAMES, VerificationRow, finding_marks, verification_row
from netkit.cli.payload.tls.files import (
    Password,
    ca_field,
    password_field,
    trusted_certificates,
)
from netkit.cli.payload.tls.item_sheets import (
    ITEMS,
    contents_words,
    item_pairs,
    item_tables,
    item_words,
)
from netkit.cli.payload.tls.items import ENTRIES, ItemRow, Show, item_pem, item_row
from netkit.errors import NetkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from netkit.cli.frame.cells import Line, Verdict as Sign
    from netkit.cli.frame.context import Environment
    from netkit.tls.files.items import Content, Item
    from netkit.tls.files.report import FileReport
    from netkit.tls.verifying.findings import Finding, Verification
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.trust import Purpose


class ItemFindingRow(TypedDict):
    """One thing found in a file, or between files."""

    severity: Annotated[Literal["error", "warning", "note"], "An error means that something is wrong"]
    code: Annotated[str, "Stable: key-mismatch, wrong-order, revoked, bad-signature, outdated-list, ..."]
    message: str
    item_index: Annotated[int | None, "The item it is about, counted from 0"]
    hint: str | None


class InspectRow(TypedDict):
    """What a file holds."""

    form: Annotated[str, "PEM, DER, PKCS #7 or PKCS #12"]
    items: Annotated[list[ItemRow], "In the file's order"]
    chain: Annotated[list[str], "SHA-256 fingerprints in the order in which a server sends them"]
    in_order: Annotated[bool, "Whether the certificates are in that order in the file"]
    days_left: Annotated[int | None, "Until the first certificate of the chain expires"]
    findings: list[ItemFindingRow]
    accepted: Annotated[bool | None, "The verdict; null if none was asked for, or there is no certificate"]
    verification: Annotated[VerificationRow | None, "The verdict about the chain, put in order"]
    checked_at: Annotated[str, Format("date-time"), "The moment that was judged by: now, or that of --at"]


class Inspected(NamedTuple):
    """The report on a file, the verdict on its chain, and what is to be shown of it."""

    path: str
    report: FileReport
    verification: Verification | None
    show: Show
    warn_days: int | None

    @property
    def items(self) -> tuple[Item, ...]:
        return self.report.content.items

    @property
    def chain(self) -> tuple[Certificate, ...]:
        return self.report.order.chain

    @property
    def days_left(self) -> int | None:
        """Until the first certificate of the chain expires; None where there is none that can be read."""
        from netkit.tls.errors import TlsError

        found = []
        for certificate in self.chain:
            try:
                found.append(certificate.days_left(self.show.now))
            except TlsError:
                continue
        return min(found, default=None)

    @property
    def expires_soon(self) -> bool:
        left = self.days_left
        return self.warn_days is not None and left is not None and left < self.warn_days

    @property
    def codes(self) -> list[str]:
        """The codes of the findings that are errors, of the file first."""
        of_file = [one.code for one in self.report.findings if one.severity.value == "error"]
        reasons = () if self.verification is None else self.verification.reasons
        return list(dict.fromkeys((*of_file, *(one.code for one in reasons))))


class InspectView(View[Inspected]):
    """The items, the findings, the verdict."""

    schema = InspectRow
    columns = (Column("file", 28), Column("holds", 36), Column("days", 6), Column("verdict", 60))

    def to_json(self, result: Inspected) -> InspectRow:
        report, judged = result.report, result.verification
        return {
            "form": report.content.form,
            "items": [item_row(report, index, result.show) for index in range(len(result.items))],
            "chain": [certificate.fingerprint_sha256 for certificate in result.chain],
            "in_order": not report.order.wrong,
            "days_left": result.days_left,
            "findings": [_finding_row(finding) for finding in report.findings],
            "accepted": None if judged is None else judged.accepted,
            "verification": None if judged is None else verification_row(judged),
            "checked_at": rfc3339(result.show.now),
        }

    def rows(self, result: Inspected) -> Iterable[Sequence[object]]:
        yield "form", result.report.content.form
        for index, item in enumerate(result.items):
            for name, value in item_pairs(result.report, index, result.show._replace(all_names=True)):
                yield item.kind.value, index, name, value
        for finding in _findings(result):
            yield finding.severity.value, finding.code, finding.index, finding.message
        judged = result.verification
        if judged is not None and judged.judge:
            yield "judge", judged.judge
        yield "verdict", *_verdict(result)

    def short(self, result: Inspected) -> Iterable[Line]:
        if result.show.pem:
            return _pem_lines(result)
        if result.verification is not None:
            return result.codes or ["accepted"]
        return [item_words(item) for item in result.items]

    def row(self, result: Inspected) -> Sequence[object]:
        left = result.days_left
        return contents_words(result.items), "-" if left is None else left, ": ".join(_verdict(result))

    def table(self, result: Inspected, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import facts, mark, text

        holds = f"{contents_words(result.items)} ({result.report.content.form})"
        yield facts([("file", result.path), ("holds", holds)])
        yield text(" ")
        yield from item_tables(result.report, result.show, env)
        yield from finding_marks(_findings(result), env)
        judged = result.verification
        if judged is not None and judged.judge:
            yield text(f"judged by {judged.judge}", "dim")
        word, *why = _verdict(result)
        sign: Sign = "bad" if result.codes or word == "refused" else "good"
        if sign == "good" and (result.expires_soon or word == "read in part"):
            sign = "warn"
        yield mark(sign, ": ".join((word, *why)), env)

    def failure(self, result: Inspected) -> Exception | None:
        """The first block that cannot be read, else why the chain is refused."""
        from netkit.tls.errors import TlsError

        for item in result.items:
            if item.problem is not None and not _is_only_locked(item):
                reason, hint = item.problem.reason, _hint(item)
                return TlsError.UnusableFile(result.path, reason, item.line, hint=hint)
        return None if result.verification is None else result.verification.error

    def exit_code(self, result: Inspected) -> Exit:
        return Exit.NO if result.codes or result.expires_soon else Exit.OK


def _finding_row(finding: Finding) -> ItemFindingRow:
    return {
        "severity": finding.severity.value,
        "code": finding.code,
        "message": finding.message,
        "item_index": finding.index,
        "hint": advice(finding.hint, finding.remedy),
    }


def _findings(result: Inspected) -> Iterator[Finding]:
    yield from result.report.findings
    if result.verification is not None:
        yield from result.verification.findings


def _verdict(result: Inspected) -> tuple[str, ...]:
    """The verdict in a word, and the explanation."""
    broken = sum(item.problem is not None and not _is_only_locked(item) for item in result.items)
    judged = result.verification
    codes = result.codes
    left = result.days_left
    days = () if left is None else (f"{left} days left{_soon(result)}",)
    if broken:
        return "read in part", f"{plural(broken, 'item')} cannot be read"
    if judged is not None and not judged.accepted:
        return "refused", ", ".join(codes)
    if codes:
        return "wrong", ", ".join(codes)
    if judged is not None:
        return "accepted", *days
    return "read", *days


def _soon(result: Inspected) -> str:
    return f", under the {result.warn_days} asked for" if result.expires_soon else ""


def _is_only_locked(item: Item) -> bool:
    """Whether an item is a key without its password: no fault, but a fact."""
    problem = item.problem
    return problem is not None and problem.missing_password and item.kind.value == "private-key"


def _hint(item: Item) -> str | None:
    assert item.problem is not None
    if item.problem.locked:
        return "--password-file FILE gives the password"
    return item.problem.hint


def _pem_lines(result: Inspected) -> Iterator[str]:
    """The certificates in order, then everything else in the file's order."""
    for certificate in result.report.order.certificates:
        yield from certificate.to_pem().splitlines()
    for item in result.items:
        text = None
        if item.kind.value != "certificate":
            text = item_pem(item, with_key=result.show.with_key)
        yield from () if text is None else text.splitlines()


class VerdictOptions(OptionGroup):
    """A verdict about the chain; any of these asks for it."""

    section = "Verdict"

    host: str | None = field("--host", metavar="NAME", help="Judge the chain as a client of NAME does.")
    ca: tuple[str, ...] = ca_field()
    at: datetime | None = field(
        "--at", type=Moment(), help="Judge by this moment, and not by now: 2027-01-31, or +30d."
    )
    client: bool = flag("--client", help="Judge as a server that wants a client's certificate does.")
    warn_days: int | None = field(
        "--warn-days",
        type=Number(0, 100_000),
        help="End with 1 if a certificate of the chain expires in less than N days.",
    )

    def check(self) -> None:
        if self.host is None:
            return
        from netkit.tls.verifying.hostname import dns_reference, ip_reference

        if self.client:
            raise WrongValue("--host and --client exclude each other", "a client's certificate has no host")
        if ip_reference(self.host) is None:
            try:
                dns_reference(self.host)
            except ValueError as error:
                raise WrongValue(str(error), "write a name or an address, as in example.com") from None

    @property
    def wanted(self) -> bool:
        """Whether a verdict is asked for."""
        return bool(self.host is not None or self.ca or self.at is not None or self.client)

    @property
    def purpose(self) -> Purpose:
        """What the certificate has to be for."""
        return "clientAuth" if self.client else "serverAuth"


class ShowOptions(OptionGroup):
    """What is written of the files."""

    password_file: str | None = password_field()
    pem: bool = flag("--pem", help="Print what is in the files, in PEM: the chain in order, then the rest.")
    with_key: bool = flag("--with-key", help="With --pem, print private keys as well, unencrypted.")
    everything: bool = flag(
        "--all",
        help=f"Show all items of a file in the table, not the first {ITEMS}, and all entries of a revocation "
        f"list, not the first {ENTRIES}.",
    )
    all_names: bool = flag(
        "--all-names",
        help=f"Show all names of a certificate in the table, not the first {NAMES} and how many more.",
    )

    def check(self) -> None:
        if not self.pem:
            self.only_with("--pem", "with_key")


@command("tls inspect", view=InspectView(), doing="inspecting {}", see_also=("netkit-tls-probe(1)",))
@argument("files", nargs=-1, metavar="FILE...", type=File())
@option_group(verdict=VerdictOptions, shown=ShowOptions)
def inspect(run: Run[Inspected], files: tuple[str, ...], verdict: VerdictOptions, shown: ShowOptions) -> None:
    """Show what is in files of certificates and keys, and whether it fits together.

    FILE is PEM (with text between the blocks), DER, PKCS #7 or PKCS #12, and holds certificates, private and
    public keys, requests (CSR) and revocation lists (CRL); - is standard input. A block that cannot be read
    is told with its line, and the others are shown. Of a private key only the public half is shown.

    The files are looked at together: which certificate a key belongs to, which certificate a revocation list
    names, and whether its issuer signed it. A chain in a wrong order is told, and --pem writes it in order.

    --host, --ca, --at and --client ask for a verdict: whether a client, or a server, accepts the chain, with
    every reason. Then the exit code is 5 if it does not. It is 8 if a file cannot be read, and 1 if something
    does not fit: a key without its certificate, a revoked certificate, a wrong signature.

    Examples:

        $ netkit tls inspect netkit-demo/cert.pem netkit-demo/key.pem
        $ netkit tls inspect fullchain.pem --host example.com --at +30d
        $ netkit tls inspect --pem netkit-demo/cert.pem > chain.pem
        $ netkit tls inspect --pem --with-key netkit-demo/key.pem -o identity.pem
    """
    if not files:
        raise WrongValue("FILE is missing", "name one or more, or - for standard input")
    from netkit.tls.errors import TlsError
    from netkit.tls.files.report import report_on

    roots = trusted_certificates(verdict.ca, run.env, purpose=verdict.purpose) if verdict.ca else None
    if verdict.wanted and roots is None:
        from netkit.tls.verifying.roots import SystemCerts

        SystemCerts.load()  # a broken source of trust is an error of its own, not a chain that nobody trusts
    now = verdict.at or datetime.now(UTC)
    if shown.pem:
        run.prefer_short()
    if shown.with_key:
        run.env.keep_output_private()
    if len(files) > 1:
        run.start_many()
    password = Password(shown.password_file, run.env)
    read: list[Content | Exception] = []
    for path in files:
        try:
            read.append(_content(path, password, run.env))
        except (OSError, TlsError.UnusableFile) as error:
            read.append(error)
    contents = [one for one in read if not isinstance(one, Exception)]
    reports = iter(report_on(contents, now, roots or ()))
    show = Show(now, shown.pem, shown.with_key, shown.everything, shown.all_names)
    for path, found in zip(files, read, strict=True):
        if isinstance(found, Exception):
            run.failed(found, path)
            continue
        report = next(reports)
        judged = _judged(report, verdict, roots, now) if verdict.wanted else None
        run.result(Inspected(path, report, judged, show, verdict.warn_days), path)
        if shown.pem and report.order.wrong:
            run.env.warn(f"inspecting {path}", "the certificates were not in order, and are written in order")
    run.summary()


def _judged(
    report: FileReport, wanted: VerdictOptions, roots: Sequence[Certificate] | None, now: datetime
) -> Verification | None:
    """The verdict about a file's chain, as it is sent when it is in order; None if there is none."""
    from netkit.tls.verifying.verify import verify_chain

    if not report.order.chain:
        return None
    chain = report.order.certificates
    return verify_chain(chain, server_name=wanted.host, now=now, roots=roots, purpose=wanted.purpose)


def _content(path: str, password: Password, env: Environment) -> Content:
    """What is in a file, read with the password if one is needed and to be had.

    Raises OSError, and `TlsError.UnusableFile` if nothing in it is known.
    """
    from netkit.tls.files.opening import content_of, read_bytes, read_stream

    if path == "-":
        if env.stdin is None:
            raise OSError(errno.EBADF, "it is closed", "standard input")
        data = read_stream(env.stdin, "standard input")
    else:
        data = read_bytes(path)
    found = content_of(data, path)
    if not found.locked:
        return found
    try:
        secret = password.of(path)
    except (NetkitError, EOFError):  # there is none: the locked things are told as such
        return found
    return content_of(data, path, secret)
