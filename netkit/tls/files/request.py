"""Requests for a certificate (PKCS #10, RFC 2986): what is asked for, and whether the key's owner asks.

A request is shown as the certificate that it asks for: an unsigned certificate with the request's subject,
public key and requested extensions. So every part is read by the code that reads certificates, and one broken
part does not hide the others.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final, NamedTuple

from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import (
    BIT_STRING,
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DerError,
    ExtensionParts,
    element_at,
    elements,
    extensions_in,
    oid_text,
    with_only,
)
from netkit.tls.x509.signature import algorithm_name, is_signature_of

_SET: Final = 0x31
_ATTRIBUTES: Final = 0xA0
#: The attributes with the extensions that are asked for: PKCS #9's, and Microsoft's of before.
_EXTENSION_REQUESTS: Final = ("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14")
_CHALLENGE_PASSWORD: Final = "1.2.840.113549.1.9.7"


class RequestParts(NamedTuple):
    """A request's parts, each the bytes as they stand in it (RFC 2986 section 4)."""

    signed: bytes
    subject: bytes
    spki: bytes
    extensions: tuple[ExtensionParts, ...]
    attributes: tuple[str, ...]
    algorithm: bytes
    signature: bytes


class CertificateRequest:
    """One request; `der_data` is its DER. Raises DerError if that is no request."""

    def __init__(self, der_data: bytes) -> None:
        self.der_data = der_data
        self._parts = split_request(der_data)

    @cached_property
    def asked(self) -> Certificate:
        """A certificate with the subject, key and extensions that are asked for. Nobody has signed it."""
        parts = self._parts
        return Certificate(with_only(subject=parts.subject, spki=parts.spki, extensions=parts.extensions))

    @property
    def spki_der(self) -> bytes:
        """The public key, as SubjectPublicKeyInfo in DER."""
        return self._parts.spki

    @cached_property
    def signature_valid(self) -> bool:
        """Whether the key in the request has signed it: who asks has the private key."""
        parts = self._parts
        return is_signature_of(parts.spki, parts.algorithm, parts.signature, parts.signed)

    @cached_property
    def signature_algorithm(self) -> str | None:
        """The signature's algorithm, as a certificate's; None if it cannot be read."""
        return algorithm_name(self._parts.algorithm)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The identifiers of the attributes beside the extensions."""
        return tuple(oid for oid in self._parts.attributes if oid not in _EXTENSION_REQUESTS)

    @property
    def has_challenge_password(self) -> bool:
        """Whether there is a challenge password in it (RFC 2985 section 5.4.1), which anybody can read."""
        return _CHALLENGE_PASSWORD in self._parts.attributes


def split_request(data: bytes) -> RequestParts:
    """Split a request into its parts. Raises DerError."""
    outer = element_at(data, 0, len(data), SEQUENCE)
    if outer.end != len(data):
        raise DerError(f"{len(data) - outer.end} bytes follow the request", outer.end)
    info = element_at(data, outer.content, outer.end, SEQUENCE)
    algorithm = element_at(data, info.end, outer.end, SEQUENCE)
    signature = element_at(data, algorithm.end, outer.end, BIT_STRING)
    version = element_at(data, info.content, info.end, INTEGER)
    subject = element_at(data, version.end, info.end, SEQUENCE)
    spki = element_at(data, subject.end, info.end, SEQUENCE)
    extensions: list[ExtensionParts] = []
    attributes: list[str] = []
    for element in elements(data, spki.end, info.end):
        if element.tag != _ATTRIBUTES:
            raise DerError(f"tag {element.tag:#04x} is out of place in a request", element.start)
        for attribute in elements(data, element.content, element.end):
            oid = element_at(data, attribute.content, attribute.end, OBJECT_IDENTIFIER)
            values = element_at(data, oid.end, attribute.end, _SET)
            attributes.append(oid_text(data[oid.content : oid.end], oid.start))
            if attributes[-1] in _EXTENSION_REQUESTS:
                extensions += extensions_in(data, values)
    return RequestParts(
        data[info.start : info.end],
        data[subject.start : subject.end],
        data[spki.start : spki.end],
        tuple(extensions),
        tuple(attributes),
        data[algorithm.start : algorithm.end],
        data[signature.content + 1 : signature.end],  # the first byte of a BIT STRING counts unused bits
    )
