"""`netkit tls probe`: what a TLS server sends, and whether a client would accept it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netkit.cli.frame import inputs, options
from netkit.cli.frame.cells import Column
from netkit.cli.frame.command import Run, command
from netkit.cli.frame.exits import Exit
from netkit.cli.frame.groups import OptionGroup, SourceOptions, field, flag, option_group
from netkit.cli.frame.options import Endpoint, Number
from netkit.cli.frame.view import View
from netkit.cli.payload.moment import Moment
from netkit.cli.payload.tls.certificates import NAMES, finding_marks, pem_lines, sheet, sheets
from netkit.cli.payload.tls.probe.options import BROWSERS, ProbePath, ProbeTls
from netkit.cli.payload.tls.probe.rows import Probed, ProbeRow, probe_row
from netkit.cli.payload.tls.probe.words import (
    LISTED,
    bytes_of,
    facts_of,
    reasons_of,
    times_of,
    verdict_of,
    why_of,
    word_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from netkit.addr import HostPort
    from netkit.cli.frame.cells import Line, Verdict as Sign
    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.io import Flow
    from netkit.tls.errors import TlsError

HTTPS = 443


class ProbeView(View[Probed]):
    """Facts, the chain, the verdict."""

    schema = ProbeRow
    columns = (
        Column("server", 32),
        Column("protocol", 8),
        Column("group", 14),
        Column("days", 5),
        Column("verdict", 60),
    )

    def to_json(self, result: Probed) -> ProbeRow:
        return probe_row(result)

    def label(self, result: Probed, text: str) -> str:  # noqa: ARG002
        return result.target

    def rows(self, result: Probed) -> Iterable[Sequence[object]]:
        report = result.report
        yield from (*facts_of(result), *times_of(report), bytes_of(report))
        for index, certificate in enumerate(report.chain):
            for name, value in sheet(certificate, report.probed_at, names=None):
                yield "certificate", index, name, value
        for finding in report.findings:
            yield finding.severity.value, finding.code, finding.index, finding.message
        yield "verdict", word_of(result), *why_of(result)

    def short(self, result: Probed) -> Iterable[Line]:
        if result.pem:
            return pem_lines(result.report.chain)
        return reasons_of(result.report) or ["accepted"]

    def row(self, result: Probed) -> Sequence[object]:
        report = result.report
        protocol = report.version.as_str if report.version is not None else "-"
        days = "-" if report.days_left is None else report.days_left
        return protocol, report.group or "-", days, verdict_of(result)

    def table(self, result: Probed, env: Environment) -> Iterable[Any]:
        from netkit.cli.render import facts, mark, text

        report = result.report
        times = ", ".join(map(" ".join, times_of(report)))
        pairs = [*facts_of(result, listed=LISTED), ("times", times), bytes_of(report)]
        yield facts([(name, value) for name, value in pairs if value is not None])
        yield text(" ")
        names = None if result.all_names else NAMES
        yield from sheets(report.chain, report.probed_at, env, names=names)
        yield from finding_marks(report.findings, env)
        good: Sign = "good" if report.accepted and not result.expires_soon else "warn"
        yield mark("bad" if word_of(result) in ("failed", "refused") else good, verdict_of(result), env)

    def failure(self, result: Probed) -> TlsError | None:
        if result.insecure and result.report.error is None:
            return None
        return result.report.failure

    def exit_code(self, result: Probed) -> Exit:
        return Exit.NO if result.expires_soon else Exit.OK


class JudgeOptions(OptionGroup):
    """What is judged beside the handshake, and what is shown."""

    at: datetime | None = field(
        "--at",
        type=Moment(),
        help="Judge the certificates by this moment, and not by now: 2027-01-31, or +30d.",
    )
    warn_days: int | None = field(
        "--warn-days",
        type=Number(0, 100_000),
        help="End with 1 if a certificate expires in less than N days.",
    )
    all_names: bool = flag(
        "--all-names",
        help=f"Show all names of a certificate in the table, not the first {NAMES} and how many more.",
    )
    pem: bool = flag("--pem", help="Print the certificates that the server sent, in PEM.")


@command(
    "tls probe",
    view=ProbeView(),
    doing="probing {}",
    see_also=("netkit-tls-inspect(1)", "netkit-serve-tls(1)", "openssl-s_client(1)", "sslscan(1)"),
)
@inputs.many("HOST[:PORT]", parse=Endpoint(HTTPS))
@option_group(judge=JudgeOptions, path=ProbePath, tls=ProbeTls, source=SourceOptions)
@options.timeout(10.0)
def probe(
    run: Run[Probed],
    targets: Inputs[HostPort],
    judge: JudgeOptions,
    path: ProbePath,
    tls: ProbeTls,
    source: SourceOptions,
    timeout: float,
) -> None:
    """Show what a TLS server sends, and whether a client would accept it.

    The handshake is that of a client which verifies, with the versions, suites, groups, roots and the
    certificate that the options say: whether it succeeds is the verdict. A server that is refused for its
    certificates gets a second connection, which accepts anything, so that everything it sends is shown. Every
    reason is told, not only the first, with a code for scripts: expired, not-yet-valid, wrong-host,
    self-signed, unknown-issuer, missing-intermediate, distrusted, weak-key, weak-signature, wrong-purpose
    and more.

    The exit code is 5 where the handshake failed or a client would refuse the certificates, 6 where the
    server broke the protocol before TLS (--starttls), 7 where it said nothing; what was learnt is shown all
    the same. With --insecure only the handshake counts.

    TLS 1.0 and 1.1 are tried only where --min-version or --tls1.0 asks for them. What no TLS library here can
    do (--ech) is refused before anything connects.

    Examples:

        $ netkit tls probe example.com
        $ netkit tls probe 192.0.2.1:8443 --servername example.com --ca root.pem
        $ netkit tls probe --starttls smtp mail.example.com
        $ netkit tls probe --tls1.2 --group x25519 --ocsp --resumption example.com
        $ netkit tls probe -f servers.txt --warn-days 21 --json
        $ netkit tls probe example.com --pem > chain.pem
    """
    config = tls.client(run.env, offers="" if path.starttls else BROWSERS)
    early = b""
    if tls.early_data is not None:
        from netkit.tls.files.opening import read_bytes

        early = read_bytes(tls.early_data)
    family, bound = source.resolve()
    if path.starttls is not None:
        targets = targets.of(targets.texts, Endpoint(path.starttls.port))

    def flow(target: HostPort) -> Flow[Probed]:
        from netkit.tls.backends import find_backend
        from netkit.tls.probe.probing import probe_flow
        from netkit.tls.probe.report import ProbeOptions

        host = str(target.host)
        asked = ProbeOptions(
            config,
            server_name=tls.servername,
            family=family,
            source=bound,
            dial=path.dial(source),
            before_tls=path.before_tls(tls.servername or host),
            now=judge.at,
            resume=tls.resumption,
            early_data=early,
            timeout=timeout,
        )
        report = yield from probe_flow(host, target.port, asked)
        return Probed(
            report,
            find_backend(report.backend).version,
            None if path.proxy is None else str(path.proxy),
            tls.insecure,
            judge.warn_days,
            judge.pem,
            judge.all_names,
        )

    if judge.pem:
        run.prefer_short()
    run.each(targets, flow, timeout=timeout)
