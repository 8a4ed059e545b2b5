"""Files under a root: found by names, one after the other, so that nothing outside can be reached.

POSIX openat(2) with O_NOFOLLOW. Each name is opened in the directory that the name before it led to, and no
call of the system follows a symbolic link. A link is read instead, and its names take its place; `..` leads
back over the directories that were gone through, and never above the root. So there is no moment between a
check and an open in which a directory could be exchanged for a link.

A link with an absolute path stays inside if its path begins with that of the root. With `follow_symlinks` the
system follows every link by itself.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

#: The most symbolic links on the way to one file, as Linux has it.
MAX_LINKS: Final = 40

if sys.platform == "win32":
    _DIRECTORY = _FILE = _NOFOLLOW = 0
else:
    # A directory that is gone through need not be readable, where the system knows that (O_PATH).
    _DIRECTORY: Final = os.O_DIRECTORY | (os.O_PATH if sys.platform == "linux" else os.O_RDONLY)
    # A FIFO has no writer, perhaps: O_NONBLOCK opens it without waiting for one.
    _FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    _NOFOLLOW: Final = os.O_NOFOLLOW

#: What the system says of a name that leads nowhere.
_NOWHERE: Final = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.EILSEQ)
)


class Nothing(Enum):
    """Why nothing was found."""

    MISSING = "there is nothing of that name"
    REFUSED = "it is outside of the root, a link to nowhere, or neither a file nor a directory"
    FORBIDDEN = "the system does not allow it"


class Found(NamedTuple):
    """A file or a directory that was opened; whoever made the `Walk` closes it.

    `fd` of a file can be read, that of a directory only opens names in it. `place` is the way to the
    directory where its name was found (a link may have led elsewhere), for a directory the way to itself.
    """

    fd: int
    info: os.stat_result
    place: tuple[int, ...]

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory, else a regular file."""
        return stat.S_ISDIR(self.info.st_mode)


class Walk:
    """The descriptors of one way through the tree; closed together at the end of a `with` block.

    Raises OSError for a root that cannot be opened, HttpError.Other on a system that opens no name in an open
    directory (Windows).
    """

    __slots__ = ("_follow", "_is_linked", "_links", "_owned", "_root", "root")

    def __init__(self, root: str, follow_symlinks: bool = False) -> None:
        if os.open not in os.supports_dir_fd:
            raise HttpError.Other(
                "files cannot be served safely on this system: it has no openat(2)", fault="local"
            )
        self._root = root
        self._follow = follow_symlinks
        self._links = 0
        self._is_linked = False  # whether the name that is looked for is one of a link
        self._owned = [os.open(root, _DIRECTORY)]
        #: Where the way begins.
        self.root: tuple[int, ...] = (self._owned[0],)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every descriptor. No effect on one that is closed."""
        owned, self._owned = self._owned, []
        for fd in reversed(owned):
            os.close(fd)

    def mark(self) -> int:
        """A point to which `close_from` goes back."""
        return len(self._owned)

    def close_from(self, mark: int) -> None:
        """Close what was opened since `mark` was made."""
        while len(self._owned) > mark:
            os.close(self._owned.pop())

    def is_there(self, name: bytes, place: tuple[int, ...]) -> bool:
        """Whether there is something of that name: quicker than `find` where there is nothing."""
        try:
            os.stat(name, dir_fd=place[-1], follow_symlinks=False)
        except OSError:
            return False
        return True

    def look(self, names: Sequence[bytes], place: tuple[int, ...]) -> os.stat_result | None:
        """What the system says of what the names lead to; nothing stays open. None if nothing was found."""
        mark = self.mark()
        try:
            found = self.find(names, place)
        finally:
            self.close_from(mark)
        return found.info if isinstance(found, Found) else None

    def find(self, names: Sequence[bytes], place: tuple[int, ...] | None = None) -> Found | Nothing:
        """What the names lead to, from `place` on (None: from the root).

        Raises OSError where the system fails: it has no more descriptors, a disk cannot be read.
        """
        way = list(self.root if place is None else place)
        self._links = 0
        try:
            return self._find(way, names)
        except OSError as error:
            if error.errno in _NOWHERE:
                return Nothing.REFUSED if self._is_linked or error.errno == errno.ELOOP else Nothing.MISSING
            if error.errno in (errno.EACCES, errno.EPERM):
                return Nothing.FORBIDDEN
            raise

    def _find(self, way: list[int], names: Sequence[bytes]) -> Found | Nothing:
        """Go on from the end of `way`, which is changed."""
        left = list(reversed(names))
        place: tuple[int, ...] | None = None
        requested = 0  # how many names of the request are left behind those of a link
        self._is_linked = False
        while left:
            name = left.pop()
            if len(left) < requested:
                self._is_linked = False
            if not left and place is None:
                place = tuple(way)
            if name in (b"", b"."):
                continue
            if name == b"..":  # of a link: a request has none
                if len(way) <= 1:
                    return Nothing.REFUSED
                way.pop()
                continue
            info = os.stat(name, dir_fd=way[-1], follow_symlinks=self._follow)
            if stat.S_ISLNK(info.st_mode):
                more = self._read_link(name, way)
                if more is None:
                    return Nothing.REFUSED
                if not self._is_linked:
                    self._is_linked, requested = True, len(left)
                left.extend(reversed(more))
            elif stat.S_ISDIR(info.st_mode):
                way.append(self._open(name, _DIRECTORY, way[-1]))
            elif not stat.S_ISREG(info.st_mode):
                return Nothing.REFUSED
            elif left:
                return Nothing.MISSING
            else:
                fd = self._open(name, _FILE, way[-1])
                info = os.fstat(fd)
                assert place is not None
                return Found(fd, info, place) if stat.S_ISREG(info.st_mode) else Nothing.REFUSED
        return Found(way[-1], os.fstat(way[-1]), tuple(way))

    def _open(self, name: bytes, flags: int, directory: int) -> int:
        fd = os.open(name, flags if self._follow else flags | _NOFOLLOW, dir_fd=directory)
        self._owned.append(fd)
        return fd

    def _read_link(self, name: bytes, way: list[int]) -> list[bytes] | None:
        """The names that a link stands for; `way` then ends where they begin. None for one that leads out."""
        self._links += 1
        if self._links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        to = os.readlink(name, dir_fd=way[-1])
        if to.startswith(b"/"):
            root = os.fsencode(os.path.realpath(self._root)).rstrip(b"/") + b"/"
            if not (to + b"/").startswith(root):
                return None
            to = to[len(root) :]
            del way[1:]
        return to.split(b"/")


def open_directory(fd: int) -> int:
    """A descriptor of the same directory that can be read. Raises OSError."""
    return os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
