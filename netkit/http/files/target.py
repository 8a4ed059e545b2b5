"""The path of a request as names of files: decided without a look at any disk.

RFC 3986 sections 2.1 (percent-encoding), 3.3 (path), 5.2.4 (dot segments).

    >>> Target.parse(b"/photos/caf%C3%A9/../a.jpg")
    Target(names=(b'photos', b'a.jpg'), is_directory=False)
    >>> Target.parse(b"/a/%2e%2e/%2e%2e/etc/passwd") is None
    True

Percent-encoding is undone once, in each segment. So an encoded slash never separates names: a segment that
has one is refused, because no file has such a name. A path that leads above the root is refused rather than
cut: who sends it is looking for something. A backslash is a character like others, since only names are used,
one by one, and never a path.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

#: The longest path, in octets.
MAX_PATH: Final = 8_192
#: The most names of a path: each costs a call of the system.
MAX_NAMES: Final = 128
#: The longest name, in octets, on the file systems of today.
MAX_NAME: Final = 255
#: What the name of a file begins with that is being uploaded. Such a file is never served.
UPLOADING: Final = b".netkit-upload-"

_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
#: What is encoded in a reference, besides what no segment may have: the colon, and what HTML has a use for.
_ENCODED_IN_NAMES: Final = re.compile(rb"[^A-Za-z0-9\-._~!$()*+,;=@]")


class Target(NamedTuple):
    """The names from the root on, and whether the path ends in a slash, as that of a directory does."""

    names: tuple[bytes, ...]
    is_directory: bool

    @classmethod
    def parse(cls, path: bytes) -> Target | None:
        """The names that a path, as it was sent, stands for; None for one that can be no file's."""
        if len(path) > MAX_PATH or path[:1] != b"/":
            return None
        if b"%" not in path and b"/." not in path and b"//" not in path and b"\0" not in path:
            names = path[1:].split(b"/")
            is_directory = not names[-1]
            if is_directory:
                names.pop()
        else:
            names = []
            is_directory = False
            for segment in path[1:].split(b"/"):
                name = decoded(segment)
                if name is None:
                    return None
                is_directory = name in (b"", b".", b"..")
                if name == b"..":
                    if not names:
                        return None
                    names.pop()
                elif not is_directory:
                    names.append(name)
        if len(names) > MAX_NAMES or (names and max(map(len, names)) > MAX_NAME):
            return None
        return cls(tuple(names), is_directory)

    def is_served(self, hidden: bool) -> bool:
        """Whether none of the names is one that is kept back."""
        return all(name[:1] != b"." or is_served(name, hidden) for name in self.names)

    @property
    def path(self) -> str:
        """The path to it, percent-encoded, from the root on."""
        path = "".join([f"/{encoded(name)}" for name in self.names])
        return f"{path}/" if self.is_directory or not self.names else path


def is_served(name: bytes, hidden: bool) -> bool:
    """Whether a file of that name may be seen."""
    return name[:1] != b"." or (hidden and not name.startswith(UPLOADING))


def decoded(segment: bytes) -> bytes | None:
    """A segment of a path, with percent-encoding undone; None if no file can have that name."""
    if b"%" in segment:
        for found in _ENCODED.finditer(segment):
            if found[1] is None:
                return None
        segment = _ENCODED.sub(lambda found: bytes([int(found[1], 16)]), segment)
    return None if b"/" in segment or b"\0" in segment else segment


def encoded(name: bytes) -> str:
    """A name as a segment of a path. A colon is encoded too: a relative reference may not have one in its
    first segment (RFC 3986 section 4.2).

    >>> encoded("a b:é?.txt".encode())
    'a%20b%3A%C3%A9%3F.txt'
    """
    return _ENCODED_IN_NAMES.sub(lambda found: b"%%%02X" % found[0][0], name).decode("ascii")
