"""When the certificates are valid."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.verifying.checks.subject import days_of
from netkit.tls.verifying.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from netkit.tls.verifying.checks.subject import Subject

#: The longest validity that browsers accept from public authorities, in days, for certificates issued from a
#: day on: CA/Browser Forum, Baseline Requirements for TLS server certificates section 6.3.2 (ballots 193,
#: SC-31 and SC-081).
LONGEST_VALIDITY: Final = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
    (datetime(2018, 3, 1, tzinfo=UTC), 825),
)


def check_time(subject: Subject) -> Iterator[Finding]:
    for certificate in subject.used:
        severity = Severity.ERROR if certificate in subject.path.certificates else Severity.NOTE
        try:
            begins, ends = certificate.not_before, certificate.not_after
        except TlsError:
            continue  # `check_malformed` reports it
        index = subject.index(certificate)
        if subject.now > ends:
            message = (
                f"{subject.called(certificate)} expired on {_moment(ends)}, {_ago(subject.now - ends)} ago"
            )
            hint = "renew it (or set this machine's clock right)" if index == 0 else None
            yield Finding(severity, "expired", message, index, hint)
        elif subject.now < begins:
            message = (
                f"{subject.called(certificate)} is valid only from {_moment(begins)} on, "
                f"in {_ago(begins - subject.now)}"
            )
            hint = "compare this machine's clock with the peer's"
            yield Finding(severity, "not-yet-valid", message, index, hint)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"


def _ago(delta: timedelta) -> str:
    seconds = int(delta.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def check_validity(subject: Subject) -> Iterator[Finding]:
    """Report a validity that public authorities may not give (a private one may)."""
    leaf = subject.leaf
    try:
        begins, ends, is_ca = leaf.not_before, leaf.not_after, leaf.is_ca
    except TlsError:
        return
    longest = next((days for since, days in LONGEST_VALIDITY if begins >= since), None)
    days = days_of(ends - begins) + 1 / 86400  # the last second counts
    if longest is None or is_ca or days <= longest:
        return
    message = (
        f"{subject.called(leaf)} is valid for {ceil(days)} days: browsers accept {longest} at most where a "
        f"public authority issued it on {begins:%Y-%m-%d}"
    )
    yield Finding(Severity.NOTE, "long-validity", message, 0)
