"""`netkit tls probe`: what a TLS server sends, and whether a client would accept it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias, TypedDict, cast

from netkit.cli.frame import inputs, options
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.fields import Endpoint as Peer, Format
from netkit.cli.frame.groups import SourceOptions, option_group
from netkit.cli.frame.messages import plural
from netkit.cli.frame.options import Endpoint, Number, Value, WrongValue, option
from netkit.cli.frame.output import rfc3339
from netkit.cli.frame.remedies import advice
from netkit.cli.frame.view import View
from netkit.cli.payload.tls_files import TrustOptions, protocols, trusted_certificates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import click

    from netkit.addr import HostPort
    from netkit.cli.frame.cells import Line
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.io import Flow
    from netkit.tls.certificate import Certificate
    from netkit.tls.errors import TlsError
    from netkit.tls.findings import Finding, Verification
    from netkit.tls.probe import ProbeReport
    from netkit.tls.versions import TlsVersion

HTTPS = 443

#: How many names of a certificate a table shows unless all are asked for.
NAMES = 12

Sign: TypeAlias = Literal["good", "bad", "warn", "none"]

#: The least width of a terminal that shows the chain as one table; narrower: a sheet for each certificate.
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


class ProbeRow(TypedDict):
    """What a TLS server sends, and the verdict."""

    host: str
    port: int
    peer: Annotated[Peer, "The address that answered"]
    server_name: Annotated[str, "The name that was requested (as SNI, if it is not an address) and checked"]
    resolve_s: Annotated[float | None, "The name lookup; null for an address"]
    connect_s: Annotated[float, "Connecting (TCP)"]
    handshake_s: Annotated[float | None, "The TLS handshake; null if it failed"]
    protocol: Annotated[str | None, "TLS 1.2, TLS 1.3, ..."]
    cipher: Annotated[str | None, "OpenSSL's name of the cipher suite"]
    alpn: Annotated[str | None, "The application protocol agreed on"]
    alpn_offered: list[str]
    accepted: Annotated[bool, "Whether an ordinary client would have connected"]
    days_left: Annotated[int | None, "Until the first certificate of the path expires"]
    probed_at: Annotated[str, Format("date-time")]
    certificates: Annotated[list[CertificateRow], "As sent"]
    verification: Annotated[VerificationRow | None, "null if no certificate was sent"]


class Probed(NamedTuple):
    """A report, and the options for showing it."""

    report: ProbeReport
    insecure: bool
    warn_days: int | None
    pem: bool
    all_names: bool

    @property
    def target(self) -> str:
        host = self.report.host
        return f"[{host}]:{self.report.port}" if ":" in host else f"{host}:{self.report.port}"

    @property
    def expires_soon(self) -> bool:
        left = self.report.days_left
        return self.warn_days is not None and left is not None and left < self.warn_days


class ProbeView(View[Probed]):
    """Facts, the chain, the verdict."""

    schema = ProbeRow
    columns = (Column("server", 32), Column("protocol", 8), Column("days", 5), Column("verdict", 60))

    def to_json(self, result: Probed) -> ProbeRow:
        report = result.report
        certificates = []
        for certificate in report.chain:
            row = certificate.to_dict(report.probed_at)
            if result.pem:
                row["pem"] = certificate.to_pem()
            certificates.append(cast(CertificateRow, row))
        judged = report.verification
        return {
            "host": report.host,
            "port": report.port,
            "peer": str(report.addr),
            "server_name": report.server_name,
            "resolve_s": report.resolve_s,
            "connect_s": report.connect_s,
            "handshake_s": report.handshake_s,
            "protocol": None if report.version is None else report.version.as_str,
            "cipher": report.cipher,
            "alpn": report.alpn,
            "alpn_offered": list(report.alpn_offered),
            "accepted": report.accepted,
            "days_left": report.days_left,
            "probed_at": rfc3339(report.probed_at),
            "certificates": certificates,
            "verification": None if judged is None else _verification_row(judged),
        }

    def label(self, result: Probed, text: str) -> str:  # noqa: ARG002
        return result.target

    def rows(self, result: Probed) -> Iterable[Sequence[object]]:
        report = result.report
        yield from (*_facts(report), *_times(report))
        for index, certificate in enumerate(report.chain):
            for name, value in _sheet(certificate, result, whole=True):
                yield "certificate", index, name, value
        for finding in _findings(report):
            yield finding.severity.value, finding.code, finding.index, finding.message
        yield "verdict", _word(result), *_why(result)

    def short(self, result: Probed) -> Iterable[Line]:
        if result.pem:
            return _pem(result.report.chain)
        return _reasons(result.report) or ["accepted"]

    def row(self, result: Probed) -> Sequence[object]:
        report = result.report
        protocol = report.version.as_str if report.version is not None else "-"
        days = "-" if report.days_left is None else report.days_left
        return protocol, days, _verdict(result)

    def table(self, result: Probed, env: Environment) -> Iterable[Any]:
        from rich.padding import Padding

        from netkit.cli.render import facts, mark, table, text

        report = result.report
        blank = text(" ")
        yield facts(_present([*_facts(report), ("times", ", ".join(map(" ".join, _times(report))))]))
        yield blank
        if env.width >= WIDE and report.chain:
            rows = [_wide_row(index, one, result) for index, one in enumerate(report.chain)]
            yield table(
                ("#", "subject, issuer", "names", "valid", "key, signature", "fingerprints"), rows, right=(0,)
            )
            yield blank
        else:
            for index, certificate in enumerate(report.chain):
                yield facts(_sheet(certificate, result), title=f"Certificate {index}")
                yield blank
        for finding in _findings(report):
            yield mark(_SIGNS[finding.severity.value], f"{finding.code}: {finding.message}", env)
            hint = advice(finding.hint, finding.remedy)
            if hint is not None:
                yield Padding(text(hint, "dim"), (0, 0, 0, 2))
        good: Sign = "good" if report.accepted and not result.expires_soon else "warn"
        refused = report.error is not None or _word(result) == "refused"
        yield mark("bad" if refused else good, _verdict(result), env)

    def failure(self, result: Probed) -> TlsError | None:
        if result.insecure and result.report.error is None:
            return None
        return result.report.failure

    def exit_code(self, result: Probed) -> Exit:
        return Exit.NO if result.expires_soon else Exit.OK


def _verification_row(judged: Verification) -> VerificationRow:
    row = cast(VerificationRow, judged.to_dict())
    for shown, finding in zip(row["findings"], judged.findings, strict=True):
        shown["hint"] = advice(finding.hint, finding.remedy)
    return row


_SIGNS: dict[str, Sign] = {"error": "bad", "warning": "warn", "note": "none"}


def _present(pairs: Iterable[tuple[str, str | None]]) -> list[tuple[str, object]]:
    return [(name, value) for name, value in pairs if value is not None]


def _facts(report: ProbeReport) -> list[tuple[str, str | None]]:
    offered = ", ".join(report.alpn_offered)
    alpn = None
    if report.cipher is not None and offered:
        alpn = f"{report.alpn} (offered: {offered})" if report.alpn else f"none (offered: {offered})"
    return [
        ("address", str(report.addr)),
        ("name", report.server_name),
        ("protocol", None if report.version is None else report.version.as_str),
        ("cipher", report.cipher),
        ("ALPN", alpn),
    ]


def _times(report: ProbeReport) -> list[tuple[str, str]]:
    phases = (("lookup", report.resolve_s), ("connect", report.connect_s), ("handshake", report.handshake_s))
    return [(name, f"{seconds * 1000:.1f} ms") for name, seconds in phases if seconds is not None]


def _sheet(certificate: Certificate, result: Probed, *, whole: bool = False) -> list[tuple[str, str | None]]:
    row = certificate.to_dict(result.report.probed_at)
    sans = row["sans"] or {}
    kinds = ("dns_names", "ip_addresses", "emails", "uris")
    names = [name for kind in kinds for name in sans.get(kind, ())]
    pairs: list[tuple[str, str | None]] = [
        ("subject", row["subject"]),
        ("issuer", row["issuer"]),
        ("names", ", ".join(names if whole else _first_names(names, result)) or None),
        ("valid", _validity(row)),
        ("key", _key(row)),
        ("signature", row["signature_algorithm"]),
        ("usage", _usage(row)),
        ("serial", row["serial"]),
        ("SHA-256", row["sha256"]),
        ("SHA-1", row["sha1"]),
        ("pin", row["spki_sha256_b64"]),
    ]
    pairs += [("problem", problem) for problem in row["problems"]]
    return [
        (name, value) for name, value in pairs if value is not None or name in ("subject", "issuer", "valid")
    ]


def _first_names(names: list[str], result: Probed) -> list[str]:
    """The first of a certificate's names, and how many more there are; all where that was asked for."""
    more = len(names) - NAMES
    if result.all_names or more <= 1:  # one more takes no more room than saying so
        return names
    return [*names[:NAMES], f"and {more:,} more (--all-names)"]


def _wide_row(index: int, certificate: Certificate, result: Probed) -> tuple[object, ...]:
    sheet = dict(_sheet(certificate, result))
    # In halves of 128 bits, so that it fits beside the rest.
    digest = sheet["SHA-256"] or ""
    prints = [f"SHA-256 {digest[:32]}", f"        {digest[32:]}", f"SHA-1 {sheet['SHA-1']}"]
    return (
        index,
        f"{sheet['subject'] or '-'}\n{sheet['issuer'] or '-'}",
        "\n".join((sheet.get("names") or "-").split(", ")),
        "\n".join((sheet["valid"] or "-").split(", ")),
        f"{sheet.get('key') or '-'}\n{sheet.get('signature') or '-'}",
        "\n".join([*prints, f"pin {sheet.get('pin') or '-'}"]),
    )


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


def _key(row: dict[str, Any]) -> str | None:
    key = row["key"]
    if key is None:
        return None
    return " ".join(str(part) for part in (key["algorithm"], key["curve"] or key["bits"]) if part)


def _usage(row: dict[str, Any]) -> str | None:
    parts = [*(row["extended_key_usage"] or ()), *(row["key_usage"] or ())]
    if row["is_ca"]:
        below = f", at most {row['path_len']} intermediates below" if row["path_len"] is not None else ""
        parts.insert(0, f"authority{below}")
    return ", ".join(parts) or None


def _findings(report: ProbeReport) -> tuple[Finding, ...]:
    return () if report.verification is None else report.verification.findings


def _reasons(report: ProbeReport) -> list[str]:
    """The codes of the reasons for refusal, that of the handshake first."""
    first = [] if report.error is None else [report.error.kind]
    reasons = () if report.verification is None else report.verification.reasons
    return first + [finding.code for finding in reasons]


def _why(result: Probed) -> tuple[str, ...]:
    """The explanation of the verdict: the reasons, or how long the certificates stay valid."""
    report = result.report
    if report.error is not None:
        return (str(report.error),)
    if not report.accepted:
        return (", ".join(_reasons(report)),)
    left = report.days_left
    if left is None:
        return ()
    soon = f", under the {result.warn_days} asked for" if result.expires_soon else ""
    return (f"{left} days left{soon}",)


def _verdict(result: Probed) -> str:
    report = result.report
    if report.error is not None:
        return str(report.error)
    return ": ".join((_word(result), *_why(result)))


def _word(result: Probed) -> str:
    """The verdict in a word. With --insecure nothing is refused: what would be is told beside it."""
    if result.report.accepted:
        return "accepted"
    return "not verified" if result.insecure and result.report.error is None else "refused"


def _pem(chain: Iterable[Certificate]) -> Iterable[str]:
    for certificate in chain:
        yield from certificate.to_pem().splitlines()


class Version(Value["TlsVersion"]):
    """A TLS version: `1.2`, `TLSv1.3`."""

    name = "version"
    complete = staticmethod(lambda: ("1.0", "1.1", "1.2", "1.3"))
    form = "write 1.0, 1.1, 1.2 or 1.3"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TlsVersion:
        from netkit.tls.versions import TlsVersion

        if isinstance(value, TlsVersion):
            return value
        try:
            return TlsVersion.parse(str(value))
        except ValueError:
            self.wrong(f"{value!r} is not a TLS version", param, ctx)


@command("tls probe", view=ProbeView(), doing="probing {}", see_also=("openssl-s_client(1)",))
@inputs.many("HOST[:PORT]", parse=Endpoint(HTTPS).parse)
@option("--servername", metavar="NAME", help="Request and check this name instead of the host's.")
@option(
    "--alpn",
    metavar="LIST",
    default="h2,http/1.1",
    help="Offer these application protocols, separated by commas; '' offers none.",
)
@option("--min-version", type=Version(), default="1.2", help="Oldest TLS.")
@option("--max-version", type=Version(), default="1.3", help="Newest TLS.")
@option_group(trust=TrustOptions)
@option(
    "--warn-days",
    type=Number(0, 100_000),
    help="End with 1 if a certificate expires in less than N days.",
)
@option(
    "--all-names",
    is_flag=True,
    for_show=True,
    help=f"Show all names of a certificate in the table, not the first {NAMES} and how many more.",
)
@option("--pem", is_flag=True, help="Print the certificates that the server sent, in PEM.")
@option_group(source=SourceOptions)
@options.timeout(10.0)
def probe(
    run: Run[Probed],
    targets: Inputs[HostPort],
    servername: str | None,
    alpn: str,
    min_version: TlsVersion,
    max_version: TlsVersion,
    trust: TrustOptions,
    warn_days: int | None,
    all_names: bool,
    pem: bool,
    source: SourceOptions,
    timeout: float,
) -> None:
    """Show what a TLS server sends, and whether a client would accept it.

    One handshake is made that accepts anything, so that everything the server sends is shown; then the
    chain is judged as an ordinary client would. Every reason is told, not only the first, with a code for
    scripts: expired, not-yet-valid, wrong-host, self-signed, unknown-issuer, missing-intermediate,
    distrusted, weak-key, weak-signature, wrong-purpose and more.

    The exit code is 5 where the handshake failed or a client would refuse the certificates; what was learnt
    is shown all the same. With --insecure only the handshake counts.

    TLS 1.0 and 1.1 are tried only where --min-version asks for them.

    Examples:

        $ netkit tls probe example.com
        $ netkit tls probe 192.0.2.1:8443 --servername example.com --ca root.pem
        $ netkit tls probe -f servers.txt --warn-days 21 --json
        $ netkit tls probe example.com --pem > chain.pem
    """
    if min_version > max_version:
        raise WrongValue("--min-version is newer than --max-version")
    roots = None if trust.ca is None else trusted_certificates(trust.ca, run.env)
    offered = tuple(protocols(alpn))
    family, bound = source.resolve()

    def flow(target: HostPort) -> Flow[Probed]:
        from netkit.tls.probe import probe_flow

        report = yield from probe_flow(
            str(target.host),
            target.port,
            server_name=servername,
            alpn=offered,
            min_version=min_version,
            max_version=max_version,
            roots=roots,
            family=family,
            source=bound,
        )
        return Probed(report, trust.insecure, warn_days, pem, all_names)

    if pem:
        run.prefer_short()
    run.each(targets, flow, timeout=timeout)
