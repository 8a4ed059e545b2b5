"""A small DER reader and writer: split a certificate into its parts, and build one from parts.

ITU-T X.690 sections 8 and 10 (definite lengths, low tag numbers: nothing in RFC 5280 uses more), RFC 5280
section 4.1. The cryptography package reads the values inside the parts. This module exists so that one
unreadable part does not make the whole certificate unreadable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
BOOLEAN: Final = 0x01
SEQUENCE: Final = 0x30

#: The longest object identifier that is read, in bytes; real ones stay under 20.
MAX_OID: Final = 128


class DerError(ValueError):
    """The bytes are not DER of the expected shape; `offset` is where."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.reason} at octet {self.offset}"


class Element(NamedTuple):
    """One tag-length-value: where its header starts, where its content starts, where it ends."""

    tag: int
    start: int
    content: int
    end: int


def element_at(data: bytes, offset: int, limit: int, expected: int | None = None) -> Element:
    """The element that begins at `offset` and must end by `limit`. Raises DerError."""
    if offset + 2 > limit:
        raise DerError("ends where an element should begin", offset)
    tag = data[offset]
    if tag & 0x1F == 0x1F:
        raise DerError("a tag number over 30", offset)
    if expected is not None and tag != expected:
        raise DerError(f"tag {tag:#04x} where {expected:#04x} should be", offset)
    first = data[offset + 1]
    content = offset + 2
    length = first
    if first & 0x80:
        size = first & 0x7F
        if not 1 <= size <= 4:
            raise DerError("an indefinite or oversized length", offset + 1)
        content += size
        if content > limit:
            raise DerError("ends inside a length", offset + 1)
        length = int.from_bytes(data[offset + 2 : content], "big")
    end = content + length
    if end > limit:
        raise DerError(f"an element of {length} bytes where {limit - content} are left", offset)
    return Element(tag, offset, content, end)


def elements(data: bytes, offset: int, limit: int) -> Iterator[Element]:
    """The elements that follow each other from `offset` to `limit`. Raises DerError."""
    while offset < limit:
        element = element_at(data, offset, limit)
        yield element
        offset = element.end


def encode(tag: int, content: bytes) -> bytes:
    """One element."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def oid_text(content: bytes, offset: int = 0) -> str:
    """An object identifier's content octets, which stand at `offset`, in dotted form. Raises DerError."""
    if not content or content[-1] & 0x80:
        raise DerError("an object identifier that ends inside a number", offset)
    if len(content) > MAX_OID:
        raise DerError(f"an object identifier of {len(content)} bytes", offset)
    numbers: list[int] = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def encode_oid(text: str) -> bytes:
    """An object identifier in dotted form as an element. Raises ValueError if that is none."""
    first, second, *rest = map(int, text.split("."))
    content = bytearray()
    for number in (40 * first + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return encode(OBJECT_IDENTIFIER, bytes(content))


def hexadecimal(number: int) -> str:
    """A serial number as pairs of hexadecimal digits: `"0A:1B"`."""
    text = f"{abs(number):X}"
    text = text.zfill(len(text) + len(text) % 2)
    pairs = ":".join(text[start : start + 2] for start in range(0, len(text), 2))
    return f"-{pairs}" if number < 0 else pairs


class ExtensionParts(NamedTuple):
    """One extension: its identifier, whether it is critical, its value's DER, all of it as it stands, and
    where it stands."""

    oid: str
    critical: bool
    value: bytes
    raw: bytes
    offset: int


class CertificateParts(NamedTuple):
    """A certificate's parts, each the bytes as they stand in it (RFC 5280 section 4.1)."""

    version: bytes
    serial: bytes
    signature: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    spki: bytes
    extensions: tuple[ExtensionParts, ...]
    signature_algorithm: bytes
    signature_value: bytes


def split_certificate(data: bytes) -> CertificateParts:
    """Split a certificate into its parts. Raises DerError with the offset if the structure is wrong."""
    outer = element_at(data, 0, len(data), SEQUENCE)
    if outer.end != len(data):
        raise DerError(f"{len(data) - outer.end} bytes follow the certificate", outer.end)
    tbs = element_at(data, outer.content, outer.end, SEQUENCE)
    algorithm = element_at(data, tbs.end, outer.end, SEQUENCE)
    value = element_at(data, algorithm.end, outer.end, BIT_STRING)
    offset = tbs.content
    version = b""
    if offset < tbs.end and data[offset] == 0xA0:
        element = element_at(data, offset, tbs.end)
        version = data[element.start : element.end]
        offset = element.end
    found: list[bytes] = [version]
    for tag in (INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE):
        element = element_at(data, offset, tbs.end, tag)
        found.append(data[element.start : element.end])
        offset = element.end
    extensions: tuple[ExtensionParts, ...] = ()
    for element in elements(data, offset, tbs.end):
        if element.tag == 0xA3:  # 0xA1 and 0xA2 are the unique identifiers that nobody uses
            extensions = tuple(extensions_in(data, element))
    version, serial, signature, issuer, validity, subject, spki = found
    return CertificateParts(
        version,
        serial,
        signature,
        issuer,
        validity,
        subject,
        spki,
        extensions,
        data[algorithm.start : algorithm.end],
        data[value.start : value.end],
    )


def part_offset(data: bytes, parts: CertificateParts, part: str) -> int:
    """Where a part of the certificate `data` begins, which has been split into `parts`."""
    outer = element_at(data, 0, len(data))
    tbs = element_at(data, outer.content, outer.end)
    if part == "signature_algorithm":
        return tbs.end
    before = parts._fields[: parts._fields.index(part)]
    return tbs.content + sum(len(getattr(parts, name)) for name in before)


def extensions_in(data: bytes, wrapper: Element) -> Iterator[ExtensionParts]:
    """The extensions of the list that `wrapper` holds (RFC 5280 section 4.1). Raises DerError."""
    sequence = element_at(data, wrapper.content, wrapper.end, SEQUENCE)
    for extension in elements(data, sequence.content, sequence.end):
        oid = element_at(data, extension.content, extension.end, OBJECT_IDENTIFIER)
        following = element_at(data, oid.end, extension.end)
        critical = following.tag == BOOLEAN and data[following.content : following.end] != b"\x00"
        if following.tag == BOOLEAN:
            following = element_at(data, following.end, extension.end)
        if following.tag != OCTET_STRING:
            raise DerError("an extension without a value", following.start)
        yield ExtensionParts(
            oid_text(data[oid.content : oid.end], oid.start),
            critical,
            data[following.content : following.end],
            data[extension.start : extension.end],
            extension.start,
        )


# A blank certificate: every part is valid and empty. One part of another certificate can be put into it.
_ED25519: Final = bytes.fromhex("300506032b6570")
_BLANK: Final = CertificateParts(
    version=bytes.fromhex("a003020102"),
    serial=bytes.fromhex("020101"),
    signature=_ED25519,
    issuer=bytes.fromhex("3000"),
    validity=encode(SEQUENCE, (encode(0x17, b"700101000000Z") * 2)),
    subject=bytes.fromhex("3000"),
    spki=encode(SEQUENCE, _ED25519 + encode(BIT_STRING, bytes(33))),
    extensions=(),
    signature_algorithm=_ED25519,
    signature_value=encode(BIT_STRING, bytes(65)),
)


def join_certificate(parts: CertificateParts) -> bytes:
    """The certificate that consists of `parts`. The signature is not computed again."""
    extensions = b"".join(extension.raw for extension in parts.extensions)
    tbs = encode(
        SEQUENCE,
        b"".join(parts[:7]) + (encode(0xA3, encode(SEQUENCE, extensions)) if extensions else b""),
    )
    return encode(SEQUENCE, tbs + parts.signature_algorithm + parts.signature_value)


def with_only(**parts: bytes | tuple[ExtensionParts, ...]) -> bytes:
    """A certificate that has the given parts and is blank otherwise."""
    return join_certificate(_BLANK._replace(**parts))  # type: ignore[arg-type]
