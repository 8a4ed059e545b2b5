"""How the certificates are made, and in which order they were sent (RFC 8446 section 4.4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.errors import InvalidCertificate, TlsError
from netkit.tls.text import printable
from netkit.tls.verifying.checks.subject import is_self_issued, name_of
from netkit.tls.verifying.findings import Finding
from netkit.tls.verifying.path import End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate

#: The longest serial number, in octets (RFC 5280 section 4.1.2.2).
LONGEST_SERIAL: Final = 20


def check_malformed(subject: Subject) -> Iterator[Finding]:
    """Report the parts that cannot be read."""
    for certificate in dict.fromkeys(subject.chain):
        for problem in certificate.problems:
            message = f"{subject.called(certificate)}: {printable(str(problem))}"
            # What a client cannot read at all makes it refuse. A part may be one that it does not look at.
            unread = subject.is_unread and isinstance(problem, InvalidCertificate) and problem.field is None
            severity = Severity.ERROR if unread else Severity.WARNING
            yield Finding(severity, "malformed", message, subject.index(certificate))


def check_serial(subject: Subject) -> Iterator[Finding]:
    """A serial number is positive, and has 20 octets at most."""
    for certificate in dict.fromkeys(subject.chain):
        try:
            serial = certificate.serial
        except TlsError:
            continue
        called, index = subject.called(certificate), subject.index(certificate)
        octets = (serial.bit_length() + 8) // 8  # with the octet that holds the sign
        if serial <= 0:
            shown = certificate.serial_hex if octets <= LONGEST_SERIAL else f"of {octets} octets"
            message = f"{called} has the serial number {shown}, which is not positive"
            yield Finding(Severity.NOTE, "odd-serial", message, index)
        elif octets > LONGEST_SERIAL:
            message = f"{called} has a serial number of {octets} octets: RFC 5280 allows {LONGEST_SERIAL}"
            yield Finding(Severity.NOTE, "odd-serial", message, index)


def check_staple(subject: Subject) -> Iterator[Finding]:
    """A certificate can demand that its OCSP status is sent along (RFC 7633)."""
    try:
        demanded = subject.leaf.must_staple
    except TlsError:
        return
    if not demanded or subject.stapled is not False:
        return
    message = "the certificate demands a stapled OCSP response (must-staple), and the server sent none"
    hint = "OpenSSL does not mind, other clients refuse it: switch OCSP stapling on at the server"
    yield Finding(Severity.WARNING, "no-staple", message, 0, hint)


def check_sent(subject: Subject) -> Iterator[Finding]:
    """Report certificates that were sent needlessly or out of order (RFC 8446 section 4.4.2)."""
    chain, path = subject.chain, subject.path.certificates
    positions = [subject.index(certificate) for certificate in path]
    sent = [position for position in positions if position is not None]
    if sent != sorted(sent):
        order = ", ".join(str(position) for position in sent)
        message = (
            f"the certificates are out of order: each should be followed by its issuer (needed: {order})"
        )
        yield Finding(Severity.WARNING, "out-of-order", message)
    seen: set[Certificate] = set()
    for index, certificate in enumerate(chain):
        if certificate in seen:
            message = f"certificate {index} ({name_of(certificate)}) was sent before"
            yield Finding(Severity.WARNING, "duplicate", message, index)
        elif certificate not in path and subject.path.end is End.TRUSTED:
            message = f"certificate {index} ({name_of(certificate)}) is not part of the chain"
            yield Finding(Severity.WARNING, "unneeded", message, index)
        elif index and subject.is_anchor(certificate) and is_self_issued(certificate):
            message = f"certificate {index} ({name_of(certificate)}) is the root, which clients have already"
            yield Finding(Severity.NOTE, "root-sent", message, index)
        seen.add(certificate)
