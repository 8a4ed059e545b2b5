"""Containers: the certificates and revocation lists in PKCS #7, the identities in PKCS #12.

RFC 2315 section 9.1 (SignedData, of which only the bag of certificates is wanted: its signatures are not
looked at) and RFC 7292 (PFX, whose protection the cryptography package undoes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from netkit.tls.errors import TlsError
from netkit.tls.files.ber import definite
from netkit.tls.files.items import Item, Kind, Problem
from netkit.tls.files.revocation import RevocationList
from netkit.tls.files.stored_keys import stored_key, too_costly, too_many
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import INTEGER, OBJECT_IDENTIFIER, SEQUENCE, DerError, element_at, elements
from netkit.tls.x509.keys import panics_are_errors
from netkit.tls.x509.unreadable import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SET: Final = 0x31
_EXPLICIT: Final = 0xA0
_CERTIFICATES: Final = 0xA0
_LISTS: Final = 0xA1


def pkcs7_items(data: bytes) -> Iterator[Item]:
    """What is in a PKCS #7 bag, in its order. Raises DerError if that is none."""
    try:
        found = list(_signed_data(data))
    except DerError:
        data = definite(data)
        found = list(_signed_data(data))
    for tag, member in found:
        item = certificate_item(member) if tag == _CERTIFICATES else list_item(member)
        yield item._replace(inside="PKCS #7")


def _signed_data(data: bytes) -> Iterator[tuple[int, bytes]]:
    outer = element_at(data, 0, len(data), SEQUENCE)
    kind = element_at(data, outer.content, outer.end, OBJECT_IDENTIFIER)
    wrapper = element_at(data, kind.end, outer.end, _EXPLICIT)
    signed = element_at(data, wrapper.content, wrapper.end, SEQUENCE)
    version = element_at(data, signed.content, signed.end, INTEGER)
    digests = element_at(data, version.end, signed.end, _SET)
    content = element_at(data, digests.end, signed.end, SEQUENCE)
    for part in elements(data, content.end, signed.end):
        if part.tag in (_CERTIFICATES, _LISTS):
            for member in elements(data, part.content, part.end):
                yield part.tag, data[member.start : member.end]


def pkcs12_items(data: bytes, password: bytes | None) -> Iterator[Item]:
    """What is in a PKCS #12 file: the certificate of the key, the others, and the key."""
    problem = too_costly(data) or _mac_problem(data)
    loaded = problem or _open(data, password)
    if isinstance(loaded, Problem):
        yield Item(Kind.PKCS12, problem=loaded)
        return
    from cryptography.hazmat.primitives import serialization

    for held in (loaded.cert, *loaded.additional_certs):
        if held is not None:
            der = held.certificate.public_bytes(serialization.Encoding.DER)
            name = None if held.friendly_name is None else held.friendly_name.decode("utf-8", "replace")
            yield certificate_item(der)._replace(inside="PKCS #12", name=name)
    if loaded.key is not None:
        der = loaded.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key = stored_key(der, "PKCS #8", None)
        if isinstance(key, Problem):
            yield Item(Kind.PRIVATE_KEY, problem=key, inside="PKCS #12")
        else:
            yield Item(Kind.PRIVATE_KEY, key._replace(encrypted=bool(password)), inside="PKCS #12")


def _open(data: bytes, password: bytes | None) -> Any:
    """cryptography's object, or the Problem."""
    from cryptography.hazmat.primitives.serialization import pkcs12

    from netkit.tls.x509.extensions import quiet

    # No password and an empty one are not the same in PKCS #12, and tools write both for "none". A password
    # that is given may be for another file.
    for secret in (password, None, b"") if password else (None, b""):
        try:
            with quiet(), panics_are_errors():
                return pkcs12.load_pkcs12(data, secret)
        except ValueError as error:
            reason = reason_of(error)
        except Exception as error:  # UnsupportedAlgorithm and others
            return Problem(f"the PKCS #12 file cannot be read ({reason_of(error)})")
    if "password" not in reason.lower() and "mac" not in reason.lower():
        return Problem(f"the PKCS #12 file cannot be read: {reason}")
    if password:
        return Problem("the password is wrong, or the PKCS #12 file is damaged", locked=True)
    return Problem(
        "the PKCS #12 file needs a password", "give its password", locked=True, missing_password=True
    )


def _mac_problem(data: bytes) -> Problem | None:
    """Why the file's own check of the password is not made: it asks for too much work."""
    try:
        outer = element_at(data, 0, len(data), SEQUENCE)
        _version, _content, *mac = elements(data, outer.content, outer.end)
        for element in mac[:1]:
            numbers = [
                int.from_bytes(data[one.content : one.end], "big")
                for one in elements(data, element.content, element.end)
                if one.tag == INTEGER
            ]
            return too_many(max(numbers, default=0))
    except (DerError, ValueError):
        pass  # whoever reads it says what is wrong with it
    return None


def certificate_item(data: bytes, *, trusted: bool = False) -> Item:
    """A certificate, or why it is none; `trusted` allows trust settings behind it."""
    try:
        return Item(Kind.CERTIFICATE, Certificate.from_block(data, trusted=trusted))
    except TlsError as error:
        reason = error.reason if isinstance(error, TlsError.InvalidCertificate) else str(error)
        return Item(Kind.CERTIFICATE, problem=Problem(f"not a certificate: {reason}"))


def list_item(data: bytes) -> Item:
    """A revocation list, or why it is none."""
    try:
        return Item(Kind.REVOCATION_LIST, RevocationList(data))
    except DerError as error:
        return Item(Kind.REVOCATION_LIST, problem=Problem(f"not a revocation list: {error}"))
