"""Check that a certificate is valid for a host: RFC 9525 (which replaced RFC 6125).

Only the subject alternative name extension counts, never the common name (section 2). A DNS name is compared
only with dNSName, an IP address only with iPAddress (section 6.4). A wildcard is the whole leftmost label
and stands for exactly one label (section 6.3). At least two labels must follow the wildcard, as OpenSSL and
browsers require, so `*.com` matches no host. Internationalised names are compared in their ASCII form
(A-labels).
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
    """The IP address in `host`, without brackets and zone; None if `host` is a name."""
    text = host.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def dns_reference(host: str) -> str:
    """The form of a name for comparison and for SNI: ASCII (A-labels), lower case, no dot at the end.

    RFC 6066 section 3, RFC 5891. Raises ValueError if the text cannot be a host name.
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
    """Whether a certificate's dNSName matches `reference` (a result of `dns_reference`)."""
    presented = pattern.lower().rstrip(".") if pattern.isascii() else ""
    if "*" not in presented:
        return presented != "" and presented == reference
    label, _, parent = presented.partition(".")
    if label != "*" or "*" in parent or "." not in parent:
        return False
    _, _, reference_parent = reference.partition(".")
    return parent == reference_parent


def matches_host(names: SubjectAltNames, host: str) -> bool:
    """Whether one of the names matches `host`, which is a name or an IP address as text."""
    address = ip_reference(host)
    if address is not None:
        return any(ipaddress.ip_address(text) == address for text in names.ip)
    try:
        reference = dns_reference(host)
    except ValueError:
        return False
    return any(dns_name_matches(pattern, reference) for pattern in names.dns)


def verify_host(certificate: Certificate, host: str) -> None:
    """Raise `TlsError.HostnameMismatch` unless the certificate is valid for `host`."""
    from netkit.tls.errors import TlsError

    names = certificate.sans
    if not matches_host(names, host):
        raise TlsError.HostnameMismatch(host, (*names.dns, *names.ip))


def server_name_for(host: str) -> str | None:
    """The SNI value for a host: its name in ASCII, or None for an IP address (RFC 6066 section 3).

    Raises ValueError if `host` is neither a name nor an address.
    """
    return None if ip_reference(host) is not None else dns_reference(host)
