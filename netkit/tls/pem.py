"""PEM: read the blocks of a text file, and ignore the text between them.

RFC 7468. OpenSSL also ignores text outside the blocks, and people rely on that. A block may hold only
base64. Errors name the line.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: OpenSSL's own label: a certificate, followed by its trust settings (see `netkit.tls.trust`).
TRUSTED_CERTIFICATE: Final = "TRUSTED CERTIFICATE"

CERTIFICATE_LABELS: Final = ("CERTIFICATE", "X509 CERTIFICATE", TRUSTED_CERTIFICATE)

_BEGIN: Final = "-----BEGIN "
_END: Final = "-----END "
_DASHES: Final = "-----"


class PemError(ValueError):
    """A block cannot be read; `line` is the line of the fault, counted from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason, line)
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class PemBlock(NamedTuple):
    """One block: its label, the lines between its two markers, and the line number of the first marker."""

    label: str
    body: tuple[str, ...]
    line: int

    @property
    def text(self) -> str:
        """The block as it is in the file."""
        return "\n".join((f"{_BEGIN}{self.label}{_DASHES}", *self.body, f"{_END}{self.label}{_DASHES}", ""))

    def decode(self) -> bytes:
        """The bytes that the base64 encodes. Raises PemError."""
        try:
            return binascii.a2b_base64("".join("".join(self.body).split()), strict_mode=True)
        except ValueError as error:  # binascii.Error, or a character that is not ASCII
            raise PemError(f"not base64 between the markers of {self.label} ({error})", self.line) from None


def blocks(text: str | bytes) -> Iterator[PemBlock]:
    """The blocks of a text, in order. Raises PemError for a block without an end marker."""
    if not isinstance(text, str):
        text = bytes(text).decode("latin-1")  # comments may be in anything; the blocks are ASCII
    label: str | None = None
    begun = 0
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith(_BEGIN) and line.endswith(_DASHES):
            if label is not None:
                raise PemError(f"{label} does not end before the next block begins", begun)
            label, begun, body = line[len(_BEGIN) : -len(_DASHES)], number, []
        elif label is not None:
            if line == f"{_END}{label}{_DASHES}":
                yield PemBlock(label, tuple(body), begun)
                label = None
            elif line.startswith(_END):
                raise PemError(f"{label} ends as something else", number)
            else:
                body.append(line)
    if label is not None:
        raise PemError(f"{label} does not end", begun)


def encode(label: str, der: bytes) -> str:
    """One block of 64-column base64, with the newline that ends it."""
    base64 = binascii.b2a_base64(der, newline=False).decode("ascii")
    lines = "\n".join(base64[start : start + 64] for start in range(0, len(base64), 64))
    return f"{_BEGIN}{label}{_DASHES}\n{lines}\n{_END}{label}{_DASHES}\n"
