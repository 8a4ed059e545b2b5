"""Open a file of certificates and keys, and say which file and which line is wrong.

The rooms beside this one read bytes. Here are the functions that take a path; `read_certificates` and
`read_identity` want a file that is right, and raise `TlsError.UnusableFile` for the first block that is not.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from netkit.tls.errors import TlsError
from netkit.tls.files.items import Content, Item, Kind
from netkit.tls.files.order import in_order
from netkit.tls.files.reading import NothingRead, read_content
from netkit.tls.files.revocation import RevocationList
from netkit.tls.files.stored_keys import StoredKey
from netkit.tls.identity import Identity
from netkit.tls.x509.certificate import Certificate

if TYPE_CHECKING:
    from netkit.tls.x509.keys import PrivateKey

#: The largest file that is read, in bytes. The bundles of distributions have 250 KB.
MAX_FILE: Final = 32 * 1024 * 1024

#: How much is read at once, in bytes.
_PIECE: Final = 65_536

_CONTAINERS: Final = (Kind.PKCS7, Kind.PKCS12, Kind.OTHER)


def read_bytes(path: str | os.PathLike[str], *, limit: int = MAX_FILE) -> bytes:
    """The content of a file, a pipe too. Raises OSError, and UnusableFile for more than `limit` bytes."""
    name = os.fspath(path)
    with open(name, "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size > limit:
            raise _too_large(name, limit)
        return read_stream(file, name, limit=limit)


def read_stream(file: BinaryIO, name: str, *, limit: int = MAX_FILE) -> bytes:
    """The rest of a stream that is called `name` in errors. Raises as `read_bytes`."""
    # Piece by piece: to be asked for `limit` bytes, Python allocates them for every small file.
    pieces: list[bytes] = []
    left = limit
    while piece := file.read(_PIECE):
        left -= len(piece)
        if left < 0:
            raise _too_large(name, limit)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(name: str, limit: int) -> TlsError:
    return TlsError.UnusableFile(name, f"it is larger than the limit of {limit:,} bytes")


def read_file(
    path: str | os.PathLike[str], password: str | bytes | None = None, *, limit: int = MAX_FILE
) -> Content:
    """Everything in a file, the broken things too.

    Raises OSError, and `TlsError.UnusableFile` if there is nothing in it that is known here.
    """
    return content_of(read_bytes(path, limit=limit), os.fspath(path), password)


def content_of(data: bytes, path: str, password: str | bytes | None = None) -> Content:
    """As `read_file`, of what was read from `path`."""
    try:
        return read_content(data, password)
    except NothingRead as error:
        raise TlsError.UnusableFile(path, error.reason, hint=error.hint) from None


def read_certificates(path: str | os.PathLike[str]) -> list[Certificate]:
    """The certificates in a file, in its order: PEM, DER or PKCS #7.

    Other things in it are passed over. Raises OSError, and `TlsError.UnusableFile` with the line of the block
    if one of the certificates cannot be read, or if there is none.
    """
    return certificates_in(read_file(path), os.fspath(path))


def certificates_in(content: Content, path: str) -> list[Certificate]:
    """The certificates in what `path` holds. Raises `TlsError.UnusableFile`."""
    found: list[Certificate] = []
    for item in content.items:
        if item.kind is Kind.CERTIFICATE or item.kind in _CONTAINERS:
            _refuse(item, path)
        if isinstance(item.value, Certificate):
            found.append(item.value)
    if not found:
        raise TlsError.UnusableFile(path, f"it holds no certificate{_only(content)}")
    return found


def read_revocation_lists(path: str | os.PathLike[str]) -> list[RevocationList]:
    """The revocation lists in a file, in its order: PEM, DER or PKCS #7; their DER is for `TlsConfig.crls`.

    Raises OSError, and `TlsError.UnusableFile` if one cannot be read, or if there is none.
    """
    name = os.fspath(path)
    content = read_file(path)
    for item in content.items:
        if item.kind is Kind.REVOCATION_LIST or item.kind in _CONTAINERS:
            _refuse(item, name)
    found = [item.value for item in content.items if isinstance(item.value, RevocationList)]
    if not found:
        raise TlsError.UnusableFile(name, f"it holds no revocation list{_only(content)}")
    return found


def read_private_key(path: str | os.PathLike[str], password: str | bytes | None = None) -> PrivateKey:
    """The first private key in a file: PKCS #8, PKCS #1 or SEC 1 in PEM or DER, or PKCS #12.

    Raises OSError, and `TlsError.UnusableFile` if there is no key, if the password is wrong or missing, or if
    TLS cannot use this kind of key.
    """
    name = os.fspath(path)
    return _key_in(read_file(path, password), name)


def read_identity(
    path: str | os.PathLike[str],
    password: str | bytes | None = None,
    *,
    key: str | os.PathLike[str] | None = None,
) -> Identity:
    """The certificate, its issuers and the private key, all in PEM or PKCS #12, or the key in the file `key`.

    The chain is put in order, from the certificate of the key on. Raises OSError, and `TlsError.UnusableFile`
    where one of them is missing or broken, or where the key belongs to none of the certificates.
    """
    name = os.fspath(path)
    content = read_file(path, password)
    key_path = name if key is None else os.fspath(key)
    private = _key_in(content if key is None else read_file(key, password), key_path)
    certificates = certificates_in(content, name)
    spki = private.public_spki
    if not any(one.has_key(spki) for one in certificates):
        whose = "the private key" if key is None else f"the private key in {key_path}"
        raise TlsError.UnusableFile(name, f"{whose} belongs to none of the certificates")
    return Identity(in_order(certificates, spki).chain, private)


def _key_in(content: Content, path: str) -> PrivateKey:
    for item in content.items:
        if item.kind is Kind.PRIVATE_KEY or item.kind in _CONTAINERS:
            _refuse(item, path)
        if isinstance(item.value, StoredKey):
            try:
                return item.value.private_key()
            except TlsError.InvalidKey as error:
                raise TlsError.UnusableFile(path, str(error), item.line) from None
    raise TlsError.UnusableFile(path, f"it holds no private key{_only(content)}")


def _refuse(item: Item, path: str) -> None:
    if item.problem is not None:
        raise TlsError.UnusableFile(path, item.problem.reason, item.line, hint=item.problem.hint)


def _only(content: Content) -> str:
    kinds = sorted({item.label or item.kind.value.replace("-", " ") for item in content.items})
    return f", only {', '.join(kinds)}" if kinds else ""
