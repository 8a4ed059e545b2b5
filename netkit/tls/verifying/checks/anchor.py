"""Where the path ends, and which other path there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.severity import Severity
from netkit.tls.errors import TlsError
from netkit.tls.text import printable
from netkit.tls.verifying.checks.strength import is_unknown_key
from netkit.tls.verifying.checks.subject import name_of
from netkit.tls.verifying.findings import Finding
from netkit.tls.verifying.path import End, candidates_for, find_valid
from netkit.tls.x509.names import organization_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.tls.verifying.checks.subject import Subject
    from netkit.tls.x509.certificate import Certificate

#: The policies of the CA/Browser Forum (2.23.140.1) and the log's timestamps: what public authorities put in.
_POLICIES: Final = "2.5.29.32"
_SCTS: Final = "1.3.6.1.4.1.11129.2.4.2"


def check_end_of_path(subject: Subject) -> Iterator[Finding]:
    """Report a path that does not lead to a trusted certificate."""
    path = subject.path
    if path.end is End.TRUSTED or subject.is_unread:
        return
    last = path.certificates[-1]
    index = subject.index(last)
    issuer = name_of(last, "issuer")
    if path.end is End.UNTRUSTED_ROOT:
        if len(path.certificates) == 1:
            message = f"the certificate is self-signed: nobody but {name_of(last)} itself vouches for it"
            hint = "trust this very certificate, or have one issued by an authority"
            yield Finding(Severity.ERROR, "self-signed", message, index, hint, "root_certs")
            return
        message = f"the chain ends in the root {name_of(last)}, which is not trusted here"
        yield Finding(
            Severity.ERROR, "unknown-issuer", message, index, "trust it, if it should be", "root_certs"
        )
    elif path.end is End.WRONG_SIGNATURE:
        assert path.false_issuer is not None
        message = (
            f"{subject.called(last)} names {issuer} as its issuer, but the key of "
            f"{subject.called(path.false_issuer)} did not sign it"
        )
        hint = "an authority of the same name with another key: has it been made anew?"
        yield Finding(Severity.ERROR, "bad-signature", message, index, hint)
    elif (present := _issuer_present(last, subject)) is not None:
        yield from _issuer_not_taken(last, present, subject)
    elif len(path.certificates) == 1 and _has_intermediate_issuer(last, subject):
        message = (
            f"the certificate's issuer, {issuer}, was not sent and is not trusted here: "
            "an intermediate certificate is missing from what the server sends"
        )
        hint = "add it to the server's certificate file, after its own; if it is a private root, trust it"
        yield Finding(
            Severity.ERROR, "missing-intermediate", message, index, _with_aia(last, hint), "root_certs"
        )
    else:
        message = f"{issuer}, the issuer of {subject.called(last)}, is not trusted here, and was not sent"
        hint = "trust it, if it should be; if it is an intermediate, the server must send it"
        yield Finding(Severity.ERROR, "unknown-issuer", message, index, _with_aia(last, hint), "root_certs")


def _issuer_present(certificate: Certificate, subject: Subject) -> Certificate | None:
    """The issuer that is there, by name and signature, although OpenSSL found none."""
    return next(
        (
            one
            for one in candidates_for(certificate, subject.trusted(), subject.chain)
            if certificate.is_signed_by(one)
        ),
        None,
    )


def _issuer_not_taken(certificate: Certificate, issuer: Certificate, subject: Subject) -> Iterator[Finding]:
    """Say why OpenSSL does not take the issuer for one; `check_known_algorithms` says so of its key."""
    faulty = next((one for one in (certificate, issuer) if one.problems), None)
    if faulty is not None:
        problem = printable(str(faulty.problems[0]))
        message = (
            f"{subject.library} takes nothing for the issuer of {subject.called(certificate)}: {problem}"
        )
        yield Finding(Severity.ERROR, "malformed", message, subject.index(faulty))
    elif not is_unknown_key(issuer, subject.judge):
        pair = f"{subject.called(issuer)} for the issuer of {subject.called(certificate)}"
        message = f"{subject.library} does not take {pair}"
        hint = "compare the key identifiers of both, and what the issuer's key may be used for"
        yield Finding(Severity.ERROR, "unknown-issuer", message, subject.index(issuer), hint)


def _with_aia(certificate: Certificate, hint: str) -> str:
    try:
        urls = certificate.ca_issuer_urls
    except TlsError:
        urls = ()
    return f"{hint} (the certificate says it is at {printable(urls[0])})" if urls else hint


def _has_intermediate_issuer(certificate: Certificate, subject: Subject) -> bool:
    """Whether the issuer, which nobody has, is an intermediate rather than a root, as far as that shows.

    The certificate may say who issued the issuer (RFC 5280 section 4.2.1.1). Public authorities, which put
    policies, timestamps and the issuer's address in, issue by intermediates only. Else it counts that a
    trusted root is of the same organization.
    """
    try:
        named = certificate.authority_issuer_key
        if named is not None:
            return bool(named != certificate.issuer_key)
        if certificate.ca_issuer_urls or {_POLICIES, _SCTS} & set(certificate.extension_oids):
            return True
        organization = organization_in(certificate.issuer_key)
    except TlsError:
        return False
    return organization is not None and subject.trusted().has_organization(organization)


def check_other_path(subject: Subject) -> Iterator[Finding]:
    """Report a valid path that OpenSSL did not take: it does not try a second one."""
    path = subject.path
    if subject.accepted or (path.end is End.TRUSTED and not _is_broken(subject)):
        return
    other = find_valid(subject.chain, subject.trusted(), subject.now)
    if other is None or (path.end is End.NO_ISSUER and other[: len(path.certificates)] == path.certificates):
        return
    way = ", ".join(subject.called(certificate) for certificate in other[1:])
    message = f"another path is valid, through {way}: OpenSSL takes the first issuer, and tries no other"
    hint = "send the certificates of that path only; browsers and Go try every path"
    yield Finding(Severity.WARNING, "another-path", message, None, hint)


def _is_broken(subject: Subject) -> bool:
    """Whether a certificate above the first is the fault, so that another path may be without it."""
    for certificate in subject.issuers:
        try:
            if not certificate.not_before <= subject.now <= certificate.not_after or not certificate.is_ca:
                return True
        except TlsError:
            return True
    return False


def check_distrusted(subject: Subject) -> Iterator[Finding]:
    """Report a distrusted certificate in the path, or one that issued a certificate of the path.

    In the second case the peer did not send the distrusted certificate.
    """
    for certificate in subject.distrusted:
        on_path = next((one for one in subject.path.certificates if _leads_to(one, certificate)), None)
        if on_path is None:
            continue
        reason = certificate.trust.distrusts(subject.purpose) if certificate.trust is not None else None
        message = f"the chain leads to {name_of(certificate)}, which is distrusted here: {reason}"
        yield Finding(Severity.ERROR, "distrusted", message, subject.index(certificate))


def _leads_to(certificate: Certificate, distrusted: Certificate) -> bool:
    if certificate == distrusted:
        return True
    try:
        named = certificate.issuer_key == distrusted.subject_key
    except TlsError:
        return False
    return named and certificate.is_signed_by(distrusted)
