"""Check that a certificate is valid for a host: RFC 9525 (which replaced RFC 6125).

Only the subject alternative name extension counts, never the common name (section 2). A DNS name is compared
only with dNSName, an IP address only with iPAddress (section 6.4). A wildcard is the whole leftmost label
and stands for exactly one label (section 6.3). At least two labels must follow the wildcard, as OpenSSL and
browsers require, so `*.com` matches no host. Internationalised names are compared in their ASCII form
(A-labels).

OpenSSL, which has the last word in a connection, is stricter than that about wildcards: see
`openssl_objection`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from netkit.tls.x509.certificate import Certificate
    from netkit.tls.x509.extensions import SubjectAltNames

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

    One dot at the end only says that the name is absolute; two are no name. RFC 6066 section 3, RFC 5891.
    Raises ValueError if the text cannot be a host name.
    """
    text = host.strip().removesuffix(".")
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
    """Whether a certificate's dNSName matches `reference` (a result of `dns_reference`).

    A dNSName that ends with a dot matches nothing (RFC 5280 section 4.2.1.6: the preferred name syntax).
    """
    presented = pattern.lower() if pattern.isascii() and not pattern.endswith(".") else ""
    if "*" not in presented:
        return presented != "" and presented == reference
    label, _, parent = presented.partition(".")
    if label != "*" or "*" in parent or "." not in parent:
        return False
    _, _, reference_parent = reference.partition(".")
    return parent == reference_parent


def openssl_objection(pattern: str, reference: str) -> str | None:
    """Why OpenSSL does not let `pattern` stand for `reference`, although `dns_name_matches` does; else None.

    A wildcard is one for OpenSSL only if the labels after it have letters, digits and hyphens between them,
    and it stands for such a label only (`valid_star` and `wildcard_match` in crypto/x509/v3_utl.c).
    """
    if "*" not in pattern or not dns_name_matches(pattern, reference):
        return None
    label = reference.partition(".")[0]
    if "_" in label:
        return f"it has an underscore in {label!r}, where the wildcard stands"
    for parent in pattern.lower().split(".")[1:]:
        if "_" in parent:
            return f"the wildcard has an underscore after it, in {parent!r}"
        if parent.startswith("-") or parent.endswith("-"):
            return f"the wildcard has a label after it that begins or ends with a hyphen, {parent!r}"
    return None


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
