"""What a file of certificates and keys can hold: each thing with its place, whether it can be read or not.

A file is shown whole, although one of its blocks may be broken. So each block becomes an `Item`; a broken one
has a `problem` and no value. Who needs the whole file to be right asks for the first problem.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from netkit.tls.files.request import CertificateRequest
    from netkit.tls.files.revocation import RevocationList
    from netkit.tls.files.stored_keys import StoredKey, StoredPublicKey
    from netkit.tls.x509.certificate import Certificate

    #: What an item is, if it can be read.
    Value: TypeAlias = Certificate | StoredKey | StoredPublicKey | CertificateRequest | RevocationList


class Kind(Enum):
    """The kinds of things, as scripts match on them."""

    CERTIFICATE = "certificate"
    PRIVATE_KEY = "private-key"
    PUBLIC_KEY = "public-key"
    REQUEST = "certificate-request"
    REVOCATION_LIST = "revocation-list"
    #: A container that could not be opened. One that could be is replaced by what is in it.
    PKCS7 = "pkcs7"
    PKCS12 = "pkcs12"
    #: A block of another kind (`EC PARAMETERS`), which is passed over.
    OTHER = "other"


class Problem(NamedTuple):
    """Why a block cannot be read, and what to do.

    `locked` says that a password is needed, or another one; `missing_password`, that none was given.
    """

    reason: str
    hint: str | None = None
    locked: bool = False
    missing_password: bool = False


class Item(NamedTuple):
    """One thing in a file.

    `label` is that of its PEM block (empty outside PEM), `line` the line of the block's first marker, from 1.
    `inside` names the container that it was in, and `name` is the friendly name that PKCS #12 gives it.
    """

    kind: Kind
    value: Value | None = None
    problem: Problem | None = None
    label: str = ""
    line: int | None = None
    inside: Literal["PKCS #7", "PKCS #12"] | None = None
    name: str | None = None

    def at(self, label: str, line: int) -> Item:
        """The same, found in the PEM block that begins in `line`."""
        return self._replace(label=label, line=line)


class Content(NamedTuple):
    """A file's content: its form (`"PEM"`, `"DER"`, `"PKCS #12"`, ...), and the things in it, in order."""

    form: str
    items: tuple[Item, ...]

    @property
    def locked(self) -> bool:
        """Whether some of it can only be read with a password, or with another one."""
        return any(item.problem is not None and item.problem.locked for item in self.items)
