"""What `netkit tls probe` found, in words: the facts, the times, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.cli.frame.messages import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netkit.cli.payload.tls.probe.rows import Probed
    from netkit.tls.probe.report import ProbeReport, Resumption
    from netkit.tls.starttls import StartTlsReport

#: How many authorities, or capabilities, a table names.
LISTED = 12

_CLIENT_AUTH = {
    "required": "required",
    "requested": "asked for, and given",
    "optional": "asked for, not required",
    "none": "not asked for",
}


def facts_of(result: Probed, *, listed: int | None = None) -> list[tuple[str, str | None]]:
    """Names and values; None is what is not there. Lists have at most so many parts (None: all)."""
    report = result.report
    said = result.starttls if report.dialogue is not None else None
    through = f" (the proxy {result.proxy})" if result.proxy else ""
    return [
        ("address", f"{report.addr}{through}"),
        ("name", report.server_name),
        ("client", f"{result.library} ({report.backend})"),
        *_starttls(said, listed),
        ("protocol", None if report.version is None else report.version.as_str),
        ("cipher", report.cipher),
        ("group", report.group),
        ("scheme", report.signature_scheme),
        ("ALPN", _alpn(report)),
        ("client auth", _CLIENT_AUTH.get(report.client_certificate)),
        ("client CAs", _some(report.ca_names, listed, "; ") or None),
        ("OCSP", None if report.ocsp_response is None else _ocsp(report.ocsp_response)),
        ("SCTs", _scts(report.scts) if report.scts else None),
        ("ECH", None if report.ech_accepted is None else "accepted" if report.ech_accepted else "rejected"),
        ("resumption", None if report.resumption is None else _resumption(report.resumption)),
    ]


def times_of(report: ProbeReport) -> list[tuple[str, str]]:
    """The phases, and how long each took."""
    phases = (
        ("lookup", report.times.resolve),
        ("connect", report.times.connect),
        ("STARTTLS", report.times.before_tls),
        ("first byte", report.times.first_byte),
        ("handshake", report.times.handshake),
    )
    return [(name, f"{seconds * 1000:.1f} ms") for name, seconds in phases if seconds is not None]


def bytes_of(report: ProbeReport) -> tuple[str, str]:
    """The bytes of the handshake on the wire, both ways, and what they are."""
    sent, received = report.traffic
    return "bytes", f"{sent:,} sent, {received:,} received in the handshake"


def reasons_of(report: ProbeReport) -> list[str]:
    """The codes of the reasons for refusal, that of the handshake first."""
    first = [] if report.error is None else [report.error.kind]
    reasons = () if report.verification is None else report.verification.reasons
    return list(dict.fromkeys((*first, *(finding.code for finding in reasons))))


def word_of(result: Probed) -> str:
    """The verdict in a word. With --insecure nothing is refused: what would be is told beside it."""
    if result.report.accepted:
        return "accepted"
    if result.report.error is not None:
        return "failed"
    return "not verified" if result.insecure else "refused"


def why_of(result: Probed) -> tuple[str, ...]:
    """The explanation of the verdict: the reasons, or how long the certificates stay valid."""
    report = result.report
    if report.error is not None:
        return (str(report.error),)
    if not report.accepted:
        return (", ".join(reasons_of(report)),)
    left = report.days_left
    if left is None:
        return ()
    soon = f", under the {result.warn_days} asked for" if result.expires_soon else ""
    return (f"{left} days left{soon}",)


def verdict_of(result: Probed) -> str:
    """The verdict in one line."""
    return ": ".join((word_of(result), *why_of(result)))


def _some(parts: Sequence[str], listed: int | None, between: str = ", ") -> str:
    if listed is None or len(parts) - listed <= 1:
        return between.join(parts)
    return between.join((*parts[:listed], f"and {len(parts) - listed:,} more"))


def _starttls(said: StartTlsReport | None, listed: int | None) -> list[tuple[str, str | None]]:
    if said is None:
        return []
    return [
        ("STARTTLS", said.protocol),
        ("greeting", said.greeting or None),
        ("capabilities", _some(said.capabilities, listed) or None),
        ("go-ahead", said.answer or None),
    ]


def _alpn(report: ProbeReport) -> str | None:
    offered = ", ".join(report.alpn_offered)
    if report.cipher is None or not offered:
        return None
    return f"{report.alpn or 'none'} (offered: {offered})"


def _ocsp(response: bytes) -> str:
    from netkit.tls.x509.stapled import read_staple

    staple = read_staple(response)
    if staple.status is None:
        return f"no statement: {staple.problem}"
    words: str = staple.status
    if staple.revoked_at is not None:
        words += f" on {staple.revoked_at:%Y-%m-%d}"
    if staple.this_update is not None:
        words += f", said {staple.this_update:%Y-%m-%d}"
    if staple.next_update is not None:
        words += f", valid to {staple.next_update:%Y-%m-%d}"
    return words


def _scts(scts: Sequence[bytes]) -> str:
    from netkit.tls.x509.stapled import read_sct

    times = [f"{sct.issued_at:%Y-%m-%d}" for one in scts if (sct := read_sct(one)).issued_at is not None]
    when = f", of {_some(list(dict.fromkeys(times)), LISTED)}" if times else ""
    return f"{len(scts)}{when}"


def _resumption(found: Resumption) -> str:
    if not found.tickets:
        return "no ticket"
    lives = "" if found.lifetime is None else f" for {found.lifetime:,} s"
    words = [plural(found.tickets, "ticket") + lives]
    if found.error is not None:
        words.append(f"no second connection: {found.error}")
    else:
        took = "" if found.handshake is None else f" in {found.handshake * 1000:.1f} ms"
        words.append(f"resumed{took}" if found.resumed else "not resumed")
    if found.max_early_data:
        words.append(f"takes {found.max_early_data:,} bytes of early data")
    if found.early_data is not None:
        words.append("early data accepted" if found.early_data else "early data rejected")
    return ", ".join(words)
