"""Read the content of a file of certificates and keys, in whatever form it is: one reader for all of them.

PEM with any labels and with text between the blocks (RFC 7468; in UTF-8 or UTF-16 with a byte order mark,
with any line ends), DER, several DER elements behind each other, PKCS #7 and PKCS #12. The form is found by
looking, not by the file's name: a `.crt` may be either, and often is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netkit.tls.errors import TlsError
from netkit.tls.files.containers import certificate_item, list_item, pkcs7_items, pkcs12_items
from netkit.tls.files.items import Content, Item, Kind, Problem
from netkit.tls.files.request import CertificateRequest
from netkit.tls.files.shape import Shape, shape_of
from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey, stored_key, too_costly
from netkit.tls.x509 import pem
from netkit.tls.x509.der import BIT_STRING, SEQUENCE, DerError, element_at, encode
from netkit.tls.x509.trust import parse_trust

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many things a file may hold. The largest bundles of roots have under 500.
MAX_ITEMS: Final = 10_000

_KEY_FORMS: Final = {
    "PRIVATE KEY": "PKCS #8",
    "ENCRYPTED PRIVATE KEY": "PKCS #8",
    "RSA PRIVATE KEY": "PKCS #1",
    "EC PRIVATE KEY": "SEC 1",
    "DSA PRIVATE KEY": "OpenSSL",
}
_LABEL_SHAPES: Final = {
    "CERTIFICATE REQUEST": Shape.REQUEST,
    "NEW CERTIFICATE REQUEST": Shape.REQUEST,
    "X509 CRL": Shape.REVOCATION_LIST,
    "PUBLIC KEY": Shape.PUBLIC_KEY,
    "RSA PUBLIC KEY": Shape.RSA_PUBLIC_KEY,
    "PKCS7": Shape.PKCS7,
    "PKCS #7 SIGNED DATA": Shape.PKCS7,
    "CMS": Shape.PKCS7,
    "PKCS12": Shape.PKCS12,
}
_DER_FORMS: Final = {
    Shape.PKCS8: "PKCS #8",
    Shape.ENCRYPTED_PKCS8: "PKCS #8",
    Shape.PKCS1: "PKCS #1",
    Shape.SEC1: "SEC 1",
}
_RSA: Final = bytes.fromhex("300d06092a864886f70d0101010500")

#: Beginnings of files that people take for what is read here, and what to do with them.
_OTHERS: Final = (
    (
        b"\xfe\xed\xfe\xed",
        "a Java keystore",
        "keytool -importkeystore -deststoretype pkcs12 makes PKCS #12 of it",
    ),
    (
        b"\xce\xce\xce\xce",
        "a Java keystore",
        "keytool -importkeystore -deststoretype pkcs12 makes PKCS #12 of it",
    ),
    (b"ssh-", "a public key of SSH", "ssh-keygen -e -m PKCS8 -f FILE writes it in PEM"),
    (b"ecdsa-sha2-", "a public key of SSH", "ssh-keygen -e -m PKCS8 -f FILE writes it in PEM"),
    (b"MII", "base64 without the lines that PEM has around it", "base64 -d makes DER of it"),
    (b"-----BEGIN", "a PEM block whose first line is cut off", None),
)


class NothingRead(ValueError):
    """The content is none of the forms that are read here; `hint` says what to do, if that is known."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason, hint)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return self.reason


def read_content(data: bytes, password: str | bytes | None = None, *, max_items: int = MAX_ITEMS) -> Content:
    """Everything in `data`, the broken things too. `password` is for what is encrypted in it.

    Raises NothingRead if the content is of no form that is read here, or has more than `max_items` things.
    """
    secret = password.encode() if isinstance(password, str) else password
    items: list[Item] = []
    form, found = _items(data, secret)
    for item in found:
        if len(items) == max_items:
            raise NothingRead(f"it holds more than {max_items:,} things")
        items.append(item)
    if not items:
        raise NothingRead(f"it looks like {form}, but no block is whole", "a marker is a line of its own")
    return Content(form, tuple(items))


def _items(data: bytes, password: bytes | None) -> tuple[str, Iterator[Item]]:
    if not data.strip():
        raise NothingRead("it is empty")
    shape = shape_of(data)
    if shape in (Shape.PKCS7, Shape.PKCS12):
        return shape.value, _in_der(data, shape, password)
    if shape is not None:
        return "DER", _der_items(data, password)
    if pem.is_pem(data):
        return "PEM", _pem_items(data, password)
    for beginning, words, hint in _OTHERS:
        if data.startswith(beginning):
            raise NothingRead(f"it is {words}", hint)
    if data[:1] == b"\x30":
        try:
            element_at(data, 0, len(data))
        except DerError as error:
            raise NothingRead(f"it begins as DER, but is cut off or damaged: {error.reason}") from None
        raise NothingRead("it begins as DER, but with nothing that is known here")
    raise NothingRead(
        "it is neither PEM nor DER", "a block of PEM begins with -----BEGIN CERTIFICATE----- or the like"
    )


def _der_items(data: bytes, password: bytes | None) -> Iterator[Item]:
    """The DER elements that follow each other in a file. Trust settings belong to the certificate before."""
    offset = 0
    while data[offset:].strip(b"\0\r\n"):  # what some tools fill a block with
        if data[offset] != SEQUENCE and pem.is_pem(data[offset:]):  # somebody joined the two
            yield from _pem_items(data[offset:], password)
            return
        try:
            end = element_at(data, offset, len(data)).end
        except DerError as error:
            where = error.offset if offset == 0 else offset
            yield Item(Kind.OTHER, problem=Problem(f"{error.reason} at octet {where}"))
            return
        one = data[offset:end]
        shape = shape_of(one)
        if shape is Shape.CERTIFICATE and end < len(data):
            try:
                parse_trust(data, end)
            except DerError:
                pass
            else:
                one, end = data[offset:], len(data)
                yield certificate_item(one, trusted=True)
                return
        if shape is None:
            yield Item(Kind.OTHER, problem=Problem(f"nothing that is known here at octet {offset}"))
            return
        yield from _in_der(one, shape, password)
        offset = end


def _pem_items(data: bytes, password: bytes | None) -> Iterator[Item]:
    for block in pem.scan(data):
        if isinstance(block, pem.PemError):
            yield Item(Kind.OTHER, problem=Problem(block.reason), line=block.line)
            continue
        for item in _in_block(block, password):
            yield item.at(block.label, block.line)


def _in_block(block: pem.PemBlock, password: bytes | None) -> Iterator[Item]:
    form = _KEY_FORMS.get(block.label)
    if form is not None and block.has_headers:
        fault = block.encryption_fault
        if fault is not None:
            yield Item(Kind.PRIVATE_KEY, problem=Problem(f"the private key is damaged: {fault}"))
            return
        yield _key_item(stored_key(block.text.encode("ascii", "replace"), form, password, pem=True))
        return
    try:
        octets = block.decode()
    except pem.PemError as error:
        yield Item(_kind_of_label(block.label), problem=Problem(error.reason))
        return
    if block.label in pem.CERTIFICATE_LABELS:
        yield certificate_item(octets, trusted=block.label == pem.TRUSTED_CERTIFICATE)
    elif form == "OpenSSL":
        yield _key_item(stored_key(octets, form, password))
    elif form is not None:
        encrypted = block.label.startswith("ENCRYPTED")
        wanted = Shape.ENCRYPTED_PKCS8 if encrypted else next(s for s, f in _DER_FORMS.items() if f == form)
        yield from _in_der(octets, wanted, password)
    elif block.label in _LABEL_SHAPES:
        yield from _in_der(octets, _LABEL_SHAPES[block.label], password)
    else:
        yield Item(Kind.OTHER)


def _kind_of_label(label: str) -> Kind:
    if label in pem.CERTIFICATE_LABELS:
        return Kind.CERTIFICATE
    if label in _KEY_FORMS:
        return Kind.PRIVATE_KEY
    return _KINDS.get(_LABEL_SHAPES.get(label, Shape.CERTIFICATE), Kind.OTHER)


_KINDS: Final = {
    Shape.REQUEST: Kind.REQUEST,
    Shape.REVOCATION_LIST: Kind.REVOCATION_LIST,
    Shape.PUBLIC_KEY: Kind.PUBLIC_KEY,
    Shape.RSA_PUBLIC_KEY: Kind.PUBLIC_KEY,
    Shape.PKCS7: Kind.PKCS7,
    Shape.PKCS12: Kind.PKCS12,
}


def _in_der(data: bytes, shape: Shape, password: bytes | None) -> Iterator[Item]:
    """The things in one structure, which is a container or the thing itself."""
    if shape is Shape.CERTIFICATE:
        yield certificate_item(data)
    elif shape is Shape.REVOCATION_LIST:
        yield list_item(data)
    elif shape is Shape.PKCS12:
        yield from pkcs12_items(data, password)
    elif shape is Shape.PKCS7:
        try:
            yield from pkcs7_items(data)
        except DerError as error:
            yield Item(Kind.PKCS7, problem=Problem(f"not a PKCS #7 bag of certificates: {error}"))
    elif shape is Shape.REQUEST:
        try:
            yield Item(Kind.REQUEST, CertificateRequest(data))
        except DerError as error:
            yield Item(Kind.REQUEST, problem=Problem(f"not a certificate request: {error}"))
    elif shape is Shape.PUBLIC_KEY:
        yield _public_item(data)
    elif shape is Shape.RSA_PUBLIC_KEY:
        yield _public_item(encode(SEQUENCE, _RSA + encode(BIT_STRING, b"\0" + data)))
    else:
        problem = too_costly(data)
        yield _key_item(problem or stored_key(data, _DER_FORMS[shape], password))


def _key_item(read: StoredKey | Problem) -> Item:
    if isinstance(read, Problem):
        return Item(Kind.PRIVATE_KEY, problem=read)
    return Item(Kind.PRIVATE_KEY, read)


def _public_item(spki: bytes) -> Item:
    key = StoredPublicKey(spki)
    try:
        key.info  # noqa: B018  # raises if that is no key at all
        key.spki_sha256_b64  # noqa: B018
    except TlsError as error:
        return Item(Kind.PUBLIC_KEY, problem=Problem(f"not a public key: {error}"))
    return Item(Kind.PUBLIC_KEY, key)
