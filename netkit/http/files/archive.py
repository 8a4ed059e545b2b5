"""A directory as an archive that is written while it is sent: tar, tar.gz, zip.

POSIX.1-2001 pax (ustar with extended headers), RFC 1952 (gzip), APPNOTE 6.3.10 (zip, with zip64). No file is
ever in memory as a whole, and there is no temporary file. What is kept back, and what leads out of the root,
is not in the archive. A symbolic link that stays in the directory is stored as a link (tar); one that leads
to a file elsewhere under the root becomes that file; one to a directory elsewhere is left out, since it could
be one that the link is in.

A tar says how long a file is before its octets come, so an archive is broken off if a file gets shorter.
"""

from __future__ import annotations

import os
import posixpath
import stat
import tarfile
import zipfile
from time import gmtime
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.errors import HttpError
from netkit.http.files.media_types import is_compressible, media_type
from netkit.http.files.sending import TURN
from netkit.http.files.target import is_served
from netkit.http.files.tree import Found, open_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.files.tree import Walk

#: The kinds of archives, each with its media type.
MEDIA_TYPES: Final = {"zip": "application/zip", "tar.gz": "application/gzip", "tar": "application/x-tar"}
ARCHIVES: Final = tuple(MEDIA_TYPES)
#: How deep directories may lie in each other, and how many files and directories an archive has at most: a
#: zip remembers each to its end.
MAX_DEPTH: Final = 100
MAX_MEMBERS: Final = 500_000
#: From this size on a zip has the fields of zip64.
_ZIP64: Final = 0xF000_0000


class Member(NamedTuple):
    """One member: `path` begins with the name of the directory; `link` is where a symbolic link leads, None
    for what is no link; `found` a file that was opened."""

    path: bytes
    info: os.stat_result
    link: bytes | None = None
    found: Found | None = None


def members(walk: Walk, top: Found, name: bytes, hidden: bool, *, links: bool) -> Iterator[Member]:
    """The directory and what is in it, in the order of names. A file is open until the next is asked for.

    `links`: symbolic links are wanted as such. Raises HttpError.InvalidRequest over a limit, OSError.
    """
    yield Member(name, top.info)
    count = 0
    # For each directory on the way: it, its path, the names that are left, where to close to.
    stack = [(top, name, _names(top, hidden), walk.mark())]
    while stack:
        directory, path, left, mark = stack[-1]
        if not left:
            stack.pop()
            walk.close_from(mark)
            continue
        each = left.pop()
        count += 1
        if count > MAX_MEMBERS:
            raise HttpError.InvalidRequest(f"an archive of more than {MAX_MEMBERS} members", fault="local")
        its = path + b"/" + each
        here = walk.mark()
        try:
            info = os.stat(each, dir_fd=directory.fd, follow_symlinks=False)
            link = os.readlink(each, dir_fd=directory.fd) if stat.S_ISLNK(info.st_mode) else None
            found = walk.find((each,), directory.place)
        except FileNotFoundError:  # it has gone meanwhile
            continue
        if not isinstance(found, Found):
            continue
        if link is not None and links and _stays(its, link, name):
            yield Member(its, info, link)
        elif not found.is_directory:
            yield Member(its, found.info, None, found)
        elif link is None:
            if len(stack) >= MAX_DEPTH:
                raise HttpError.InvalidRequest(f"directories deeper than {MAX_DEPTH}", fault="local")
            yield Member(its, found.info)
            stack.append((found, its, _names(found, hidden), here))
            continue
        walk.close_from(here)


def tar(walk: Walk, top: Found, name: bytes, hidden: bool) -> Iterator[bytes]:
    """The pieces of a tar."""
    for member in members(walk, top, name, hidden, links=True):
        header = tarfile.TarInfo(os.fsdecode(member.path))
        header.mode = stat.S_IMODE(member.info.st_mode) & 0o777
        header.mtime = int(member.info.st_mtime)
        size = 0
        if member.link is not None:
            header.type, header.linkname = tarfile.SYMTYPE, os.fsdecode(member.link)
        elif member.found is None:
            header.type = tarfile.DIRTYPE
        else:
            header.size = size = member.info.st_size
        yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        if member.found is not None:
            yield from _octets(member.found.fd, size)
            if size % tarfile.BLOCKSIZE:
                yield bytes(tarfile.BLOCKSIZE - size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def zipped(walk: Walk, top: Found, name: bytes, hidden: bool) -> Iterator[bytes]:
    """The pieces of a zip. What would not become smaller is only wrapped."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for member in members(walk, top, name, hidden, links=False):
            is_directory = member.found is None
            path = member.path.decode("utf-8", "replace") + ("/" if is_directory else "")
            header = zipfile.ZipInfo(path, _dos_time(member.info.st_mtime))
            header.external_attr = (member.info.st_mode & 0xFFFF) << 16 | (0x10 if is_directory else 0)
            header.create_system = 3  # Unix: the upper half is its mode
            if member.found is None:
                archive.writestr(header, b"", zipfile.ZIP_STORED)
                continue
            size = member.info.st_size
            packed = is_compressible(media_type(member.path.rpartition(b"/")[2]))
            header.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            with archive.open(header, "w", force_zip64=size >= _ZIP64) as output:
                for piece in _octets(member.found.fd, size):
                    output.write(piece)
                    if sink.size:
                        yield sink.take()
            yield sink.take()
    yield sink.take()


def pieces_of(kind: str, walk: Walk, top: Found, name: bytes, hidden: bool) -> Iterator[bytes]:
    """The pieces of an archive; those of a tar.gz are still to be compressed."""
    return (zipped if kind == "zip" else tar)(walk, top, name, hidden)


class _Sink:
    """What a zip is written to: it only goes forward."""

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        """What was written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return data


def _names(directory: Found, hidden: bool) -> list[bytes]:
    """The names in a directory, the last one first; none where it must not be read."""
    try:
        fd = open_directory(directory.fd)
    except PermissionError:
        return []
    try:
        names = [os.fsencode(name) for name in os.listdir(fd)]
    finally:
        os.close(fd)
    return sorted((name for name in names if is_served(name, hidden)), reverse=True)


def _stays(path: bytes, link: bytes, top: bytes) -> bool:
    """Whether a link leads to a place in the archive, by its text."""
    if link.startswith(b"/"):
        return False
    to = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return to == top or to.startswith(top + b"/")


def _octets(fd: int, size: int) -> Iterator[bytes]:
    at = 0
    while at < size:
        data = os.pread(fd, min(TURN, size - at), at)
        if not data:
            raise HttpError.InvalidRequest("a file became shorter while it was archived", fault="local")
        at += len(data)
        yield data


def _dos_time(seconds: float) -> tuple[int, int, int, int, int, int]:
    """A time as a zip has it: 1980 to 2107."""
    found = gmtime(min(max(seconds, 315_532_800), 4_354_819_199))[:6]
    return (found[0], found[1], found[2], found[3], found[4], found[5])
