"""Revocation lists (RFC 5280 section 5): who revokes, until when the list counts, and which serial numbers.

A list can have a million entries. They are counted in one pass over their bytes, and read one by one on
demand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.errors import TlsError
from netkit.tls.x509.certificate import Certificate
from netkit.tls.x509.der import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    DerError,
    Element,
    ExtensionParts,
    element_at,
    elements,
    extensions_in,
    with_only,
)
from netkit.tls.x509.extensions import AUTHORITY_KEY_IDENTIFIER
from netkit.tls.x509.signature import algorithm_name, is_signature_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_EXTENSIONS: Final = 0xA0
_ENUMERATED: Final = 0x0A
_CRL_NUMBER: Final = "2.5.29.20"
_REASON_CODE: Final = "2.5.29.21"
_DELTA: Final = "2.5.29.27"

#: The reasons of RFC 5280 section 5.3.1 by their numbers.
REASONS: Final[dict[int, str]] = {
    0: "unspecified",
    1: "keyCompromise",
    2: "cACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "aACompromise",
}


class Revoked(NamedTuple):
    """One revoked certificate: its serial number, since when, and why if the list says."""

    serial: int
    since: datetime
    reason: str | None = None


class ListParts(NamedTuple):
    """A list's parts, each the bytes as they stand in it; `entries` is where the entries stand."""

    signed: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    entries: tuple[int, int]
    size: int
    extensions: tuple[ExtensionParts, ...]
    algorithm: bytes
    signature: bytes


class RevocationList:
    """One list; `der_data` is its DER. Raises DerError if that is no revocation list."""

    def __init__(self, der_data: bytes) -> None:
        self.der_data = der_data
        self._parts = split_revocation_list(der_data)

    def __len__(self) -> int:
        return self._parts.size

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Revoked]:
        """The entries, in order. Raises DerError for a malformed one."""
        start, end = self._parts.entries
        for entry in elements(self.der_data, start, end):
            yield _entry(self.der_data, entry)

    @cached_property
    def _named(self) -> Certificate:
        """A certificate with the issuer's name as its subject, which reads and compares it."""
        return Certificate(with_only(subject=self._parts.issuer))

    @property
    def issuer(self) -> str:
        """The issuer's name as RFC 4514 text. Raises `TlsError.InvalidCertificate`."""
        return self._named.subject

    @property
    def issuer_or_none(self) -> str | None:
        """The issuer's name; None if it cannot be read."""
        try:
            return self.issuer
        except TlsError:
            return None

    def first(self, count: int | None) -> list[Revoked]:
        """The first `count` entries (None: all), as far as they can be read."""
        found: list[Revoked] = []
        try:
            found.extend(islice(self, count))
        except DerError:
            pass  # `__iter__` tells of it
        return found

    @property
    def issuer_key(self) -> object:
        """A key to compare the issuer by, as a certificate's `subject_key`."""
        return self._named.subject_key

    @property
    def this_update(self) -> datetime:
        """When it was issued, UTC."""
        return self._parts.this_update

    @property
    def next_update(self) -> datetime | None:
        """By when there will be a newer list, UTC; None if it does not say."""
        return self._parts.next_update

    @property
    def signature_algorithm(self) -> str | None:
        """The signature's algorithm, as a certificate's; None if it cannot be read."""
        return algorithm_name(self._parts.algorithm)

    @property
    def number(self) -> int | None:
        """Its number among the lists of this issuer (RFC 5280 section 5.2.3); None without one to be read."""
        value = next((one.value for one in self._parts.extensions if one.oid == _CRL_NUMBER), b"")
        try:
            return _integer(value, element_at(value, 0, len(value), INTEGER))
        except DerError:
            return None

    @property
    def is_delta(self) -> bool:
        """Whether it has only what changed since another list (RFC 5280 section 5.2.4)."""
        return any(extension.oid == _DELTA for extension in self._parts.extensions)

    @cached_property
    def authority_key_id(self) -> bytes | None:
        """The identifier of the issuer's key. Raises `TlsError.InvalidCertificate`."""
        found = tuple(one for one in self._parts.extensions if one.oid == AUTHORITY_KEY_IDENTIFIER)
        return Certificate(with_only(extensions=found)).authority_key_id

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether `issuer`'s key verifies the signature. Names are not compared."""
        parts = self._parts
        return is_signature_of(issuer.spki_der, parts.algorithm, parts.signature, parts.signed)

    @cached_property
    def _places(self) -> dict[int, int]:
        """Where the entry of each serial number begins. Nothing else of an entry is read: there are many."""
        data, (start, end) = self.der_data, self._parts.entries
        return {
            _integer(data, element_at(data, entry.content, entry.end, INTEGER)): entry.start
            for entry in elements(data, start, end)
        }

    def entry_for(self, serial: int) -> Revoked | None:
        """The entry of a serial number, None if it is not revoked. Raises DerError."""
        place = self._places.get(serial)
        if place is None:
            return None
        return _entry(self.der_data, element_at(self.der_data, place, self._parts.entries[1]))


def split_revocation_list(data: bytes) -> ListParts:
    """Split a revocation list into its parts, and count its entries. Raises DerError."""
    outer = element_at(data, 0, len(data), SEQUENCE)
    if outer.end != len(data):
        raise DerError(f"{len(data) - outer.end} bytes follow the revocation list", outer.end)
    tbs = element_at(data, outer.content, outer.end, SEQUENCE)
    algorithm = element_at(data, tbs.end, outer.end, SEQUENCE)
    signature = element_at(data, algorithm.end, outer.end, BIT_STRING)
    offset = tbs.content
    if offset < tbs.end and data[offset] == INTEGER:
        offset = element_at(data, offset, tbs.end, INTEGER).end
    inner = element_at(data, offset, tbs.end, SEQUENCE)
    issuer = element_at(data, inner.end, tbs.end, SEQUENCE)
    this_update = element_at(data, issuer.end, tbs.end)
    times = [_time(data, this_update)]
    entries, count = (this_update.end, this_update.end), 0
    extensions: tuple[ExtensionParts, ...] = ()
    for element in elements(data, this_update.end, tbs.end):
        if element.tag in (_UTC_TIME, _GENERALIZED_TIME) and len(times) == 1:
            times.append(_time(data, element))
        elif element.tag == SEQUENCE:
            entries = (element.content, element.end)
            count = sum(1 for _ in elements(data, element.content, element.end))
        elif element.tag == _EXTENSIONS:
            extensions = tuple(extensions_in(data, element))
        else:
            raise DerError(f"tag {element.tag:#04x} is out of place in a revocation list", element.start)
    return ListParts(
        data[tbs.start : tbs.end],
        data[issuer.start : issuer.end],
        times[0],
        times[1] if len(times) > 1 else None,
        entries,
        count,
        extensions,
        data[algorithm.start : algorithm.end],
        data[signature.content + 1 : signature.end],  # the first byte of a BIT STRING counts unused bits
    )


def _entry(data: bytes, entry: Element) -> Revoked:
    serial = element_at(data, entry.content, entry.end, INTEGER)
    since = element_at(data, serial.end, entry.end)
    reason = None
    if since.end < entry.end:
        listed = element_at(data, since.end, entry.end, SEQUENCE)
        # `extensions_in` expects what is around the list.
        for extension in extensions_in(data, Element(listed.tag, listed.start, listed.start, listed.end)):
            if extension.oid == _REASON_CODE:
                value = extension.value
                code = _integer(value, element_at(value, 0, len(value), _ENUMERATED))
                reason = REASONS.get(code, str(code))
    return Revoked(_integer(data, serial), _time(data, since), reason)


def _integer(data: bytes, element: Element) -> int:
    return int.from_bytes(data[element.content : element.end], "big", signed=True)


def _time(data: bytes, element: Element) -> datetime:
    """A time in the two forms that RFC 5280 section 5.1.2.4 allows. Raises DerError."""
    text = data[element.content : element.end].decode("latin-1")
    if element.tag == _UTC_TIME:
        # Years 50 to 99 are of the last century (RFC 5280 section 4.1.2.5.1).
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    elif element.tag != _GENERALIZED_TIME:
        raise DerError(f"tag {element.tag:#04x} where a time should be", element.start)
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise DerError("a time that is none", element.start) from None
