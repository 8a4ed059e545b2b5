"""Zone files on disk: `load_zone` reads one, and the files that it includes.

RFC 1035 section 5.1 says nothing of where an included file is. Here, as in knot, its name is relative to the
folder of the file that names it (BIND takes the working directory, which says nothing of the zone), and as in
named-checkzone, any file may be named that this process can read: who may write a zone file decides what it
serves. Only regular files are read, so that no device and no pipe keeps a server waiting, and only up to a
size.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from netkit.dns.zones.zonefile import parse_zone

if TYPE_CHECKING:
    from netkit.dns.name import Name
    from netkit.dns.zones.zone import Zone

#: The largest size of a file that a zone includes, in octets.
MAX_INCLUDED_SIZE = 1 << 30


def load_zone(
    path: str | os.PathLike[str], origin: Name | str | None = None, *, ttl: int | None = None
) -> Zone:
    """Make a zone of a zone file, with the files that its `$INCLUDE` directives name.

    `origin` and `ttl` are as `parse_zone` takes them. Raises OSError if the file itself cannot
    be read, and ZoneFileError for all else.
    """
    file = os.fspath(path)
    with open(file, "rb") as opened:
        text = opened.read()
    return parse_zone(text, origin, file=file, ttl=ttl, include=read_included)


def read_included(path: str) -> bytes:
    """The content of an included file: the `include` of `parse_zone`. Raises OSError."""
    # A pipe without a writer would wait for one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(None, "not a regular file")
        if about.st_size > MAX_INCLUDED_SIZE:
            raise OSError(None, f"larger than {MAX_INCLUDED_SIZE} octets")
        return opened.read(MAX_INCLUDED_SIZE)
