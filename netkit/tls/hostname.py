"""Whether a certificate is for a host: RFC 9525 (which replaced RFC 6125).

What counts is the subject alternative name extension and nothing else: never the common name (section 2),
a DNS name only against dNSName, an IP address only against iPAddress (section 6.4). A wildcard is the whole
leftmost label and stands for exactly one label (section 6.3). As OpenSSL and browsers do, at least two
labels must follow it, so that `*.com` is for nobody. Internationalised names are compared in their ASCII
form (A-labels).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from netkit.tls.certificate import Certificate
    from netkit.tls.extensions import SubjectAltNames

IpAddress: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_LDH: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def ip_reference(host: str) -> IpAddress | None:
    """The address that a host is, if it is one rather than a name; brackets and a zone are taken off."""
    text = host.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def dns_reference(host: str) -> str:
    """The name to compare by and to send as SNI: ASCII (A-labels), lower case, no dot at the end.

    RFC 6066 section 3, RFC 5891. Raises ValueError for what cannot be a host name.
    """
    text = host.strip().rstrip(".") if host.strip() != "." else ""
    if not text.isascii():
        import idna

        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"{host!r} is not a host name: {error}") from None
    text = text.lower()
    labels = text.split(".")
    if not text or len(text) > 253:
        raise ValueError(f"{host!r} is not a host name: {'empty' if not text else 'over 253 characters'}")
    for label in labels:
        if not label or len(label) > 63:
            problem = "an empty label" if not label else "a label over 63 characters"
            raise ValueError(f"{host!r} is not a host name: {problem}")
        if not _LDH.issuperset(label):
            raise ValueError(f"{host!r} is not a host name: {label!r} has a character that no host name has")
    return text


def dns_name_matches(pattern: str, reference: str) -> bool:
    """Whether a certificate's dNSName is for `reference` (as `dns_reference` gives it)."""
    presented = pattern.lower().rstrip(".") if pattern.isascii() else ""
    if "*" not in presented:
        return presented != "" and presented == reference
    label, _, parent = presented.partition(".")
    if label != "*" or "*" in parent or "." not in parent:
        return False
    _, _, reference_parent = reference.partition(".")
    return parent == reference_parent


def matches_host(names: SubjectAltNames, host: str) -> bool:
    """Whether the names are for `host`, a name or an IP address as text."""
    address = ip_reference(host)
    if address is not None:
        return any(ipaddress.ip_address(text) == address for text in names.ip)
    try:
        reference = dns_reference(host)
    except ValueError:
        return False
    return any(dns_name_matches(pattern, reference) for pattern in names.dns)


def verify_host(certificate: Certificate, host: str) -> None:
    """Raise `TlsError.HostnameMismatch` unless the certificate is for `host`."""
    from netkit.tls.errors import TlsError

    names = certificate.sans
    if not matches_host(names, host):
        raise TlsError.HostnameMismatch(host, (*names.dns, *names.ip))


def server_name_for(host: str) -> str | None:
    """What to send as SNI for a host: its name in ASCII, None for an IP address (RFC 6066 section 3).

    Raises ValueError for what is neither.
    """
    return None if ip_reference(host) is not None else dns_reference(host)
