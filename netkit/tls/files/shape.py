"""What a DER element is, by its shape alone: a file without PEM markers does not say.

Each structure is told apart by its first elements, before anything is read in earnest: a certificate, a
request and a revocation list by the order of the elements of their signed part (RFC 5280 section 4.1 and 5.1,
RFC 2986 section 4), keys by their version and what follows it (RFC 5958, 8017, 5915), the containers by their
object identifier or version (RFC 2315, RFC 7292).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from netkit.tls.x509.der import (
    BIT_STRING,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    Element,
    element_at,
)

_SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")
_DATA: Final = bytes.fromhex("06092a864886f70d010701")
_TIMES: Final = (0x17, 0x18)


class Shape(Enum):
    """The structures that a file can hold in DER."""

    CERTIFICATE = "certificate"
    REQUEST = "certificate request"
    REVOCATION_LIST = "revocation list"
    PKCS7 = "PKCS #7"
    PKCS12 = "PKCS #12"
    PKCS8 = "PKCS #8"
    ENCRYPTED_PKCS8 = "encrypted PKCS #8"
    PKCS1 = "PKCS #1"
    SEC1 = "SEC 1"
    PUBLIC_KEY = "public key"
    RSA_PUBLIC_KEY = "RSA public key"


def shape_of(data: bytes) -> Shape | None:
    """What the first element of `data` is; None if it is nothing of this kind."""
    try:
        if data[:2] == b"\x30\x80":  # an indefinite length: only the containers have them
            return _container(data, 2)
        outer = element_at(data, 0, len(data), SEQUENCE)
        first = element_at(data, outer.content, outer.end)
        if data[first.start : first.end] == _SIGNED_DATA:
            return Shape.PKCS7
        second = _next(data, first, outer.end)
    except DerError:
        return None
    tags = (first.tag, None if second is None else second.tag)
    if first.tag == INTEGER:
        return _by_version(data, first, second, outer)
    if tags == (SEQUENCE, SEQUENCE):
        return _signed(data, first)
    return {(SEQUENCE, BIT_STRING): Shape.PUBLIC_KEY, (SEQUENCE, OCTET_STRING): Shape.ENCRYPTED_PKCS8}.get(
        tags  # type: ignore[arg-type]
    )


def _container(data: bytes, offset: int) -> Shape | None:
    first = element_at(data, offset, len(data))
    if data[first.start : first.end] == _SIGNED_DATA:
        return Shape.PKCS7
    return Shape.PKCS12 if data[first.start : first.end] == b"\x02\x01\x03" else None


def _next(data: bytes, element: Element, limit: int) -> Element | None:
    return None if element.end >= limit else element_at(data, element.end, limit)


def _by_version(data: bytes, version: Element, second: Element | None, outer: Element) -> Shape | None:
    """A structure that begins with a whole number."""
    number = data[version.content : version.end]
    if second is None:
        return None
    if second.tag == SEQUENCE and number == b"\x03":
        # PFX: the version, then the content info that has everything.
        inner = data[second.content : second.content + len(_DATA)]
        return Shape.PKCS12 if inner == _DATA or data[second.start + 1] == 0x80 else None
    if second.tag == SEQUENCE and number in (b"\x00", b"\x01"):
        return Shape.PKCS8
    if second.tag == OCTET_STRING and number == b"\x01":
        return Shape.SEC1
    if second.tag == INTEGER:
        return Shape.RSA_PUBLIC_KEY if second.end == outer.end else Shape.PKCS1
    return None


def _signed(data: bytes, tbs: Element) -> Shape | None:
    """A structure of a signed part, an algorithm and a signature."""
    tags: list[int] = []
    try:
        offset = tbs.content
        while offset < tbs.end and len(tags) < 5:
            element = element_at(data, offset, tbs.end)
            tags.append(element.tag)
            offset = element.end
    except DerError:
        return (
            Shape.CERTIFICATE
        )  # a broken one is most likely a certificate, whose reader says where it breaks
    first, rest = tags[:3], tags[3:]
    if tags[:1] == [0xA0] or (first == [INTEGER, SEQUENCE, SEQUENCE] and rest == [SEQUENCE, SEQUENCE]):
        return Shape.CERTIFICATE
    if tags[:1] == [INTEGER]:
        tags = tags[1:] if tags[3:4] and tags[3] in _TIMES else tags
    if len(tags) >= 3 and tags[:2] == [SEQUENCE, SEQUENCE] and tags[2] in _TIMES:
        return Shape.REVOCATION_LIST
    if tags[:3] == [INTEGER, SEQUENCE, SEQUENCE]:
        return Shape.REQUEST
    return Shape.CERTIFICATE
