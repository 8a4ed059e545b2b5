"""Trust settings: the purposes for which OpenSSL's TRUSTED CERTIFICATE blocks trust a certificate.

The block holds a certificate, followed by OpenSSL's X509_CERT_AUX (crypto/x509/x_x509a.c):

    SEQUENCE { trust   SEQUENCE OF OBJECT IDENTIFIER OPTIONAL,
               reject  [0] IMPLICIT SEQUENCE OF OBJECT IDENTIFIER OPTIONAL,
               alias   UTF8String OPTIONAL,
               keyid   OCTET STRING OPTIONAL,
               other   [1] IMPLICIT SEQUENCE OF AlgorithmIdentifier OPTIONAL }

`openssl x509 -addtrust`, `-addreject` and `-setalias` write such blocks. So does p11-kit, in Red Hat's
ca-bundle.trust.crt. The identifiers are those of extended key usage. The meaning is OpenSSL's (obj_trust in
crypto/x509/x509_trust.c): a purpose in the reject list is rejected; if there is a trust list, every purpose
that is not in it is rejected too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from netkit.tls.x509.der import (
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    Element,
    element_at,
    elements,
    oid_text,
)
from netkit.tls.x509.extensions import PURPOSE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netkit.tls.x509.certificate import Certificate

#: The purpose of the peer's certificate: for a server, or for a client.
Purpose: TypeAlias = Literal["serverAuth", "clientAuth"]

_UTF8_STRING: Final = 0x0C
_REJECT: Final = 0xA0
_OTHER: Final = 0xA1
_ANY: Final = "anyExtendedKeyUsage"

#: X509_CERT_AUX in DER that rejects every purpose (anyExtendedKeyUsage, 2.5.29.37.0).
REJECT_ALL: Final = bytes.fromhex("3008a0060604551d2500")


class TrustSettings(NamedTuple):
    """The purposes one certificate is trusted for: names (`"serverAuth"`), or identifiers without a name.

    `trusted` None means that the settings do not say; an empty tuple means that nothing is trusted.
    """

    trusted: tuple[str, ...] | None = None
    rejected: tuple[str, ...] = ()
    alias: str | None = None
    key_id: bytes | None = None

    def distrusts(self, purpose: str) -> str | None:
        """Why a certificate with these settings must not be trusted for `purpose`; None if it may be."""
        if purpose in self.rejected:
            return f"its trust settings reject {purpose}"
        if _ANY in self.rejected:
            return "its trust settings reject every purpose"
        if self.trusted is None or purpose in self.trusted or _ANY in self.trusted:
            return None
        listed = ", ".join(self.trusted) or "nothing"
        return f"its trust settings trust it for {listed} only, not for {purpose}"


class TrustSplit(NamedTuple):
    """Certificates in two lists: those whose own settings allow a purpose, and those whose do not."""

    trusted: tuple[Certificate, ...]
    distrusted: tuple[Certificate, ...]


def split_by_trust(certificates: Iterable[Certificate], purpose: Purpose) -> TrustSplit:
    """Separate the certificates that may be trusted for `purpose` from those whose own settings forbid it.

    If one entry of a certificate is distrusted, the certificate is distrusted, even if the list has it again
    without settings. Each result list keeps the order, and has each certificate once.
    """
    given = list(certificates)
    distrusted = {one: None for one in given if one.trust is not None and one.trust.distrusts(purpose)}
    trusted = {one: None for one in given if one not in distrusted}
    return TrustSplit(tuple(trusted), tuple(distrusted))


def parse_trust(data: bytes, offset: int) -> TrustSettings | None:
    """The settings in `data` from `offset` to the end; None if no bytes are left. Raises DerError."""
    if offset == len(data):
        return None
    outer = element_at(data, offset, len(data), SEQUENCE)
    if outer.end != len(data):
        raise DerError(f"{len(data) - outer.end} bytes follow the trust settings", outer.end)
    trusted: tuple[str, ...] | None = None
    rejected: tuple[str, ...] = ()
    alias: str | None = None
    key_id: bytes | None = None
    order = (SEQUENCE, _REJECT, _UTF8_STRING, OCTET_STRING, _OTHER)
    reached = 0
    for element in elements(data, outer.content, outer.end):
        if element.tag not in order[reached:]:
            raise DerError(f"tag {element.tag:#04x} is out of place in trust settings", element.start)
        reached = order.index(element.tag) + 1
        content = data[element.content : element.end]
        if element.tag == SEQUENCE:
            trusted = _purposes(data, element)
        elif element.tag == _REJECT:
            rejected = _purposes(data, element)
        elif element.tag == _UTF8_STRING:
            alias = content.decode("utf-8", "replace")
        elif element.tag == OCTET_STRING:
            key_id = content
    return TrustSettings(trusted, rejected, alias, key_id)


def _purposes(data: bytes, listed: Element) -> tuple[str, ...]:
    found = []
    for element in elements(data, listed.content, listed.end):
        if element.tag != OBJECT_IDENTIFIER:
            raise DerError("a purpose that is no object identifier", element.start)
        oid = oid_text(data[element.content : element.end])
        found.append(PURPOSE_NAMES.get(oid, oid))
    return tuple(found)
