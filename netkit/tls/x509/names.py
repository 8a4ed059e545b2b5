"""Distinguished names: convert to text, and compare (RFC 4514, RFC 5280 section 7.1)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from netkit.tls.text import rfc4514_safe

if TYPE_CHECKING:
    from cryptography import x509

# Names that RFC 4514 leaves to the LDAP registry (RFC 4519) and that certificates do use.
_ATTRIBUTES: Final[dict[str, str]] = {
    "2.5.4.5": "serialNumber",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}


@cache
def _attribute_names() -> dict[x509.ObjectIdentifier, str]:
    from cryptography import x509

    return {x509.ObjectIdentifier(oid): name for oid, name in _ATTRIBUTES.items()}


def name_text(name: x509.Name) -> str:
    """The name as RFC 4514 text, the most specific part first. Control characters are escaped."""
    return rfc4514_safe(name.rfc4514_string(_attribute_names()))


def name_text_of(der: bytes) -> str:
    """A name in DER as RFC 4514 text; as hexadecimal digits if it cannot be read."""
    from cryptography import x509

    from netkit.tls.x509.der import with_only
    from netkit.tls.x509.extensions import quiet

    try:
        with quiet():
            return name_text(x509.load_der_x509_certificate(with_only(subject=der)).subject)
    except Exception:  # cryptography raises many kinds; a peer's name must not end what is done with it
        return der.hex()


def comparable_name(name: x509.Name) -> object:
    """A key to compare names by. Case and spacing do not matter; the order of the parts does."""
    return tuple(
        frozenset(
            (item.oid.dotted_string, " ".join(item.value.lower().split()))
            if isinstance(item.value, str)
            else (item.oid.dotted_string, item.value)
            for item in rdn
        )
        for rdn in name.rdns
    )


def organization_in(key: object) -> str | None:
    """The organization in a result of `comparable_name`, None if there is none."""
    if not isinstance(key, tuple):
        return None
    found = (value for part in key for oid, value in part if oid == "2.5.4.10")
    return next((value for value in found if isinstance(value, str)), None)
