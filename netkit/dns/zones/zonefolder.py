"""Zone files on disk: `load_zone` reads one, and the files that it includes.

RFC 1035 section 5.1 says nothing of where an included file is. Here, as in knot, its name is relative to the
folder of the file that names it (BIND takes the working directory, which says nothing of the zone), and as in
named-checkzone, any file may be named that this process can read: who may write a zone file decides what it
serves. Only regular files are included, so that no device and no pipe keeps a server waiting, and only up to
a size. The zone file itself may also be a pipe that somebody writes to (in a shell, `<(make-zone)`).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from netkit.dns.zones.zonefile import parse_zone

if TYPE_CHECKING:
    from netkit.dns.name import Name
    from netkit.dns.zones.zone import Zone

#: The largest size of a zone file, and of a file that a zone includes, in octets.
MAX_FILE_SIZE = 1 << 30

# Windows has O_BINARY alone.
_READING: int = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def load_zone(
    path: str | os.PathLike[str], origin: Name | str | None = None, *, ttl: int | None = None
) -> Zone:
    """Make a zone of a zone file, with the files that its `$INCLUDE` directives name.

    `origin` and `ttl` are as `parse_zone` takes them. Raises OSError if the file itself cannot
    be read, or is neither a regular file nor a pipe, and ZoneFileError for all else.
    """
    file = os.fspath(path)
    text = _content(file, or_pipe=True)
    return parse_zone(text, origin, file=file, ttl=ttl, include=read_included)


def read_included(path: str) -> bytes:
    """The content of an included file: the `include` of `parse_zone`. Raises OSError."""
    return _content(path)


def _content(path: str, *, or_pipe: bool = False) -> bytes:
    """The octets of a regular file; with `or_pipe`, also of a pipe, of which nothing is there while nobody
    writes to it. Raises OSError."""
    # To open a pipe without a writer would wait for one. With an opener, what open says of a folder names it.
    with open(path, "rb", opener=lambda name, _: os.open(name, _READING)) as opened:
        about = os.fstat(opened.fileno())
        if or_pipe and stat.S_ISFIFO(about.st_mode):
            os.set_blocking(opened.fileno(), True)
        elif stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        elif not stat.S_ISREG(about.st_mode):
            raise OSError(None, "not a regular file", path)
        text = opened.read(MAX_FILE_SIZE + 1) if about.st_size <= MAX_FILE_SIZE else None
    if text is None or len(text) > MAX_FILE_SIZE:
        raise OSError(None, f"larger than {MAX_FILE_SIZE} octets", path)
    return text
