"""PEM: read the blocks of a text file, and ignore the text between them.

RFC 7468. OpenSSL also ignores text outside the blocks, and people rely on that. A block may hold only
base64. Errors name the line. Files in UTF-16, and with a byte order mark, are read as well, which OpenSSL
does not do: editors and tools on Windows write them.
"""

from __future__ import annotations

import binascii
import codecs
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: OpenSSL's own label: a certificate, followed by its trust settings (see `netkit.tls.x509.trust`).
TRUSTED_CERTIFICATE: Final = "TRUSTED CERTIFICATE"

CERTIFICATE_LABELS: Final = ("CERTIFICATE", "X509 CERTIFICATE", TRUSTED_CERTIFICATE)

_BEGIN: Final = b"-----BEGIN "
#: A line that is a marker. What ends a block is compared with what began it; that the dashes are there, too.
_MARKER: Final = re.compile(
    rb"^[ \t\v\f]*-----(?:BEGIN (?P<begin>[^\n]*)-----[ \t\v\f]*|END (?P<end>[^\n]*))$", re.MULTILINE
)

#: How OpenSSL encrypts a key in its old way: the cipher and the initialization vector.
_DEK_INFO: Final = re.compile(
    r"^[ \t]*DEK-Info:[ \t]*(?P<cipher>[A-Z0-9-]+),(?P<vector>[0-9A-Fa-f]*)[ \t]*$", re.MULTILINE
)


class PemError(ValueError):
    """A block cannot be read; `line` is the line of the fault, counted from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason, line)
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class PemBlock(NamedTuple):
    """One block: its label, the text between its two markers, and the line number of the first marker."""

    label: str
    between: str
    line: int

    @property
    def body(self) -> tuple[str, ...]:
        """The lines between the markers."""
        return tuple(line.strip() for line in self.between.split("\n")[1:-1])

    @property
    def text(self) -> str:
        """The block as it is in the file."""
        return "\n".join((f"-----BEGIN {self.label}-----", *self.body, f"-----END {self.label}-----", ""))

    @property
    def has_headers(self) -> bool:
        """Whether headers come before the base64: it is encrypted in OpenSSL's old way (RFC 1421)."""
        return ":" in self.between

    @property
    def encryption_fault(self) -> str | None:
        """What is wrong with the header that says how the content is encrypted; None if nothing is.

        It has the initialization vector, whose length the cipher gives. A library that was handed a shorter
        one ended the process.
        """
        found = _DEK_INFO.search(self.between)
        if found is None:
            return "no DEK-Info line says how it is encrypted"
        wanted = 32 if found["cipher"].startswith("AES") else 16
        if len(found["vector"]) != wanted:
            return f"the DEK-Info line has {len(found['vector'])} digits where {wanted} should be"
        return None

    def decode(self) -> bytes:
        """The bytes that the base64 encodes. Raises PemError."""
        try:
            return binascii.a2b_base64("".join(self.between.split()), strict_mode=True)
        except ValueError as error:  # binascii.Error, or a character that is not ASCII
            raise PemError(f"not base64 between the markers of {self.label} ({error})", self.line) from None


def blocks(text: str | bytes) -> Iterator[PemBlock]:
    """The blocks of a text, in order. Raises PemError for a block without an end marker."""
    for found in scan(text):
        if isinstance(found, PemError):
            raise found
        yield found


def scan(text: str | bytes) -> Iterator[PemBlock | PemError]:
    """The blocks of a text, in order, and in the place of each block that does not end its PemError."""
    octets = text.encode("utf-8", "replace") if isinstance(text, str) else _octets(bytes(text))
    octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    label = ""
    begun = start = 0  # the line of the block that is open (0: none is), and where its content starts
    line, counted = 1, 0
    for marker in _MARKER.finditer(octets):
        line, counted = line + octets.count(b"\n", counted, marker.start()), marker.start()
        if marker["begin"] is not None:
            if begun:
                yield PemError(f"{label} does not end before the next block begins", begun)
            label, dashes, _ = _shown(marker["begin"]).partition("-----")
            if dashes:  # what follows on the line may be a private key, and no message shows one
                yield PemError(
                    f"{label} begins and ends on one line: its markers need lines of their own", line
                )
                begun = 0
                continue
            begun, start = line, marker.end()
        elif begun:
            if _shown(marker["end"].rstrip()) == f"{label}-----":
                yield PemBlock(label, _shown(octets[start : marker.start()]), begun)
            else:
                yield PemError(f"{label} ends as something else", line)
            begun = 0
    if begun:
        yield PemError(f"{label} does not end", begun)


def is_pem(data: bytes) -> bool:
    """Whether a file with this content has a block in it."""
    return _BEGIN in _octets(data)


def _shown(octets: bytes) -> str:
    return octets.decode("latin-1")  # comments may be in anything; the blocks are ASCII


def _octets(data: bytes) -> bytes:
    """The content of a file without a byte order mark, UTF-16 as UTF-8 (Windows' tools write such files)."""
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace").encode("utf-8", "replace")
    return data


def encode(label: str, der: bytes) -> str:
    """One block of 64-column base64, with the newline that ends it."""
    base64 = binascii.b2a_base64(der, newline=False).decode("ascii")
    lines = "\n".join(base64[start : start + 64] for start in range(0, len(base64), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
