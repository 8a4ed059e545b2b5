"""Save what a peer sends in a file that nobody else made: never over another file, never through a link.

    with create_file(directory, safe_filename(name), on_exists="append-number") as saved:
        for piece in body:
            saved.write(piece)
    print(saved.path)

The file is written in place, under its final name, as curl and wget2 do, and not as `NAME.part`. An
interrupted download can then be resumed by the same command with the same name. And one name is reserved
instead of two: to rename a partial file could replace a file that was made in the meantime, because rename(2)
replaces, and link(2), which does not, is missing on some file systems. The price is that a partial file has
the final name while it is written, so a reader has to wait for the end.

If the block ends with an exception, the file is removed, unless `keep_partial` says that it is wanted for
resuming. Only a file that was made here is removed, and only while its name still leads to it. A resumed file
was there before, so it always stays.

The directory is opened once, and the file is opened inside it, so a directory that is replaced meanwhile
changes nothing. Errors of the system are OSError, as it reports them.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from netkit.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from netkit.http.parser.lines import Buffer

#: What to do if the name is taken: fail, or choose `name.1` (as curl, wget) or `name (1).txt` (as browsers).
OnExists: TypeAlias = Literal["fail", "append-number", "number-in-brackets"]

#: How many names are tried.
MAX_TRIES: Final = 1_000

#: In octets; what is longer after the last dot is no extension.
_MAX_EXTENSION: Final = 32

#: O_NOFOLLOW is missing on Windows; O_EXCL alone follows no link there. O_NONBLOCK: a FIFO must not block.
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_COMMON: Final = (
    _NOFOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
)
_HAS_DIR_FD: Final = os.open in os.supports_dir_fd and os.unlink in os.supports_dir_fd


class SavedFile:
    """A file that is written here. Use it as a context manager, or call `close` or `discard` at the end.

    `path` is where it is, `size` how many octets it has. `is_new` says that it was made here.
    """

    __slots__ = ("_directory", "_fd", "_identity", "is_new", "keep_partial", "name", "path", "size")

    def __init__(
        self, directory: _Directory, name: str, fd: int, *, is_new: bool, size: int, keep_partial: bool
    ) -> None:
        self._directory = directory
        self._fd = fd
        self._identity = _identity(os.fstat(fd))
        self.name = name
        self.path = os.path.join(directory.path, name)
        self.size = size
        self.is_new = is_new
        #: Whether a file made here stays if the block ends with an exception and there is something in it.
        self.keep_partial = keep_partial

    def fileno(self) -> int:
        """The descriptor, for reading and for writing at other places than the end."""
        return self._fd

    def write(self, data: Buffer) -> None:
        """Add octets at the end, all of them. What was written before an error (a full disk) is in `size`."""
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self.size += written
            view = view[written:]

    def restart(self) -> None:
        """Begin again at octet 0: the server sent the whole instead of the rest."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def close(self) -> None:
        """The file is complete, or is kept as it is."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            finally:
                self._directory.close()

    def discard(self) -> None:
        """Close the file, and remove it if it was made here and its name still leads to it."""
        if self._fd < 0:
            return
        try:
            if self.is_new and self._directory.identity(self.name) == self._identity:
                self._directory.unlink(self.name)
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or (self.keep_partial and self.size):
            self.close()
        else:
            self.discard()

    def __repr__(self) -> str:
        return f"<SavedFile {self.path!r}, {self.size} octets>"


def create_file(
    directory: str | os.PathLike[str],
    name: str,
    *,
    on_exists: OnExists = "fail",
    keep_partial: bool = False,
    mode: int = 0o666,
    max_tries: int = MAX_TRIES,
) -> SavedFile:
    """Create a file that is not there yet.

    Args:
        directory: the folder, which has to be there.
        name: the name in it, one component. It is not made safe here: use `safe_filename`.
        on_exists: what to do if there is something of that name, also a link that leads nowhere.
        keep_partial: whether the file stays if the block ends with an exception.
        mode: the permissions, before the umask.
        max_tries: how many names are tried.

    Raises FileExistsError if the name, or each of the names tried, is taken; OSError as the system reports
    it; HttpError.InvalidValue for a name that is no component.
    """
    _check_component(name)
    folder = _Directory(directory)
    try:
        for candidate in candidate_names(name, on_exists, max_tries):
            try:
                fd = folder.open(candidate, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            except FileExistsError:
                continue
            return SavedFile(folder, candidate, fd, is_new=True, size=0, keep_partial=keep_partial)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.path.join(folder.path, name))
    except BaseException:
        folder.close()
        raise


def resume_file(directory: str | os.PathLike[str], name: str) -> SavedFile:
    """Open a partial file to go on at its end: `size` is the first octet that is missing.

    It must be a regular file, not a link. It stays whatever happens. Raises FileNotFoundError if there is
    none, OSError as the system reports it, and HttpError.InvalidValue for a name that is no component or
    leads to something that is no regular file.
    """
    _check_component(name)
    folder = _Directory(directory)
    try:
        fd = folder.open(name, os.O_RDWR, 0)
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise HttpError.InvalidValue(
                    "file name", "what it leads to is no regular file", fault="local"
                )
            size = os.lseek(fd, 0, os.SEEK_END)
            return SavedFile(folder, name, fd, is_new=False, size=size, keep_partial=True)
        except BaseException:
            os.close(fd)
            raise
    except BaseException:
        folder.close()
        raise


class _Directory:
    """A folder that is held open, so that its path is walked only once (where the system can do it)."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd: int | None = None
        if _HAS_DIR_FD:
            self._fd = os.open(self.path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open(self, name: str, flags: int, mode: int) -> int:
        try:
            return os.open(self._where(name), flags | _COMMON, mode, dir_fd=self._fd)
        except OSError as error:
            error.filename = os.path.join(self.path, name)
            raise

    def unlink(self, name: str) -> None:
        os.unlink(self._where(name), dir_fd=self._fd)

    def identity(self, name: str) -> tuple[int, int] | None:
        """Which file the name leads to; None if there is none."""
        try:
            return _identity(os.stat(self._where(name), dir_fd=self._fd, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _where(self, name: str) -> str:
        return os.path.join(self.path, name) if self._fd is None else name


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _check_component(name: str) -> None:
    if name in ("", ".", "..") or "\0" in name or "/" in name or "\\" in name:
        raise HttpError.InvalidValue(
            "file name", "it is not one component of a path", hint="safe_filename() makes one of any text"
        )


def candidate_names(name: str, on_exists: OnExists, max_tries: int) -> Iterator[str]:
    """The names to try if some are taken, each short enough: `max_tries` of them."""
    yield name
    if on_exists == "fail":
        return
    from netkit.http.content_disposition import MAX_NAME, shortened

    for number in range(1, max_tries):
        if on_exists == "append-number":
            end = f".{number}"
            yield shortened(name, MAX_NAME - len(end)) + end
        else:
            stem, extension = os.path.splitext(name)
            if len(extension.encode()) > _MAX_EXTENSION:
                stem, extension = name, ""
            end = f" ({number}){extension}"
            yield shortened(stem, MAX_NAME - len(end.encode())) + end
