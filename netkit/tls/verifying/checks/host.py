"""Whether the certificate is for the name that was asked for (RFC 9525), and where clients differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.text import printable
from netkit.tls.verifying.findings import Finding
from netkit.tls.verifying.hostname import dns_reference, ip_reference, matches_host, openssl_objection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.extensions import SubjectAltNames

#: How many of a certificate's names a sentence lists.
_LISTED = 8


def check_host(subject: Subject) -> Iterator[Finding]:
    """Compare the names by the RFC, and explain OpenSSL where it sees that differently."""
    host = subject.server_name
    if host is None:
        return
    shown = printable(host)
    try:
        names = subject.leaf.sans
    except TlsError:
        message = f"the names that the certificate is for cannot be read, so it is not for {shown}"
        yield Finding(Severity.ERROR, "wrong-host", message, 0)
        return
    if not matches_host(names, host):
        yield _mismatch(subject.leaf, names, host)
        return
    objection = _objection(names, host)
    if subject.name_accepted is False or (
        subject.name_accepted is None and objection is not None and subject.library == "OpenSSL"
    ):
        reason = objection or "it gives no reason"
        message = f"{subject.library} does not take the certificate for one of {shown}: {reason}"
        hint = "browsers and Go accept it; name the host itself in the certificate, or rename the host"
        yield Finding(Severity.ERROR, "wrong-host", message, 0, hint if objection else None)


def _objection(names: SubjectAltNames, host: str) -> str | None:
    """Why OpenSSL refuses every name that matches `host`; None if it accepts one, or one is an address."""
    if ip_reference(host) is not None:
        return None
    reference = dns_reference(host)
    if reference in (name.lower() for name in names.dns):
        return None
    found = [openssl_objection(name, reference) for name in names.dns if matches_host(_only(name), host)]
    return None if None in found else found[0]


def _only(name: str) -> SubjectAltNames:
    from netkit.tls.x509.extensions import SubjectAltNames

    return SubjectAltNames(dns=(name,))


def _mismatch(leaf: Certificate, names: SubjectAltNames, host: str) -> Finding:
    shown = printable(host)
    presented = [printable(name) for name in (*names.dns, *names.ip)]
    if presented:
        more = f" and {len(presented) - _LISTED} more" if len(presented) > _LISTED else ""
        message = f"the certificate is not for {shown}, but for {', '.join(presented[:_LISTED])}{more}"
        hint = "ask for one of its names, or have it issued for this one"
    else:
        message = f"the certificate is not for {shown}: it names no host (no subject alternative name)"
        hint = "have it issued with the name as a subject alternative name"
    try:
        reference = dns_reference(host)
    except ValueError as error:
        return Finding(Severity.ERROR, "wrong-host", printable(str(error)), 0)
    common_name = _common_name(leaf)
    if ip_reference(host) is not None and host in names.dns:
        hint = "the address stands there as a DNS name: it belongs there as an IP address"
    elif any(name.lower() == f"{reference}." for name in names.dns):
        hint = "the name in the certificate ends with a dot, which no name there may: have it issued anew"
    elif common_name is not None and common_name.lower() == reference:
        hint = (
            "its common name does match, but clients stopped looking there: the name belongs among the SANs"
        )
    return Finding(Severity.ERROR, "wrong-host", message, 0, hint)


def _common_name(certificate: Certificate) -> str | None:
    try:
        return certificate.common_name
    except TlsError:
        return None
