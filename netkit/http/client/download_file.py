"""The file that a download writes, and the state beside it while it is not complete.

The file has its final name from the beginning, and is created where nothing is: see
`netkit.http.bodies.save`. Beside it stands `NAME.netkit-part` until the file is complete: JSON with the
entity tag, the length and, for a file in several parts, what of each is there. A small file and not an
extended attribute: attributes do not exist on every file system and system, do not survive a copy, and
nobody sees them. So a file that is not complete can be told from one that is: the state is beside it. (curl
keeps nothing, and so cannot see that the file on the server has changed.)

The state is written in place by one call, so that it needs no new room when the disk is full, and what ends
the process leaves the old state or the new one. It is written after the octets that it speaks of. Neither is
forced to the disk: after a power failure a checksum is what tells.

While the file is written it is locked (flock, where there is one), against a second download of the same.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from netkit.http.bodies.save import create_file, resume_file
from netkit.http.client.download_errors import DownloadError, file_error
from netkit.http.client.download_state import MAX_STATE, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.http.bodies.save import SavedFile
    from netkit.http.client.download_config import OnExists

#: What follows the name of the file in that of its state.
SUFFIX: Final = ".netkit-part"

#: Names of fewer characters have room for it, whatever they are.
SHORT: Final = 48

#: What says that a file cannot be enlarged without writing to it.
_CANNOT_ALLOCATE: Final = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV)


def state_name(name: str) -> str:
    """The name of the state beside a file of that name."""
    if len(name) < SHORT:
        return name + SUFFIX
    from netkit.http.content_disposition import MAX_NAME, shortened

    return shortened(name, MAX_NAME - len(SUFFIX)) + SUFFIX


@contextlib.contextmanager
def _doing(doing: str, path: str) -> Iterator[None]:
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        raise file_error(error, path, doing) from error


class Target:
    """Where octets go: a file, or what has no place for them (a device, a pipe).

    `is_new`: it was made here, and not there before. `state` is what was found beside it, or None. `keeps`:
    what was written can be gone on with. Errors are DownloadError.File.
    """

    __slots__ = ("is_new", "name", "path", "state")
    keeps = True

    def __init__(self, name: str, path: str, *, is_new: bool) -> None:
        self.name = name
        self.path = path
        self.is_new = is_new
        self.state: State | None = None

    @property
    def modified(self) -> float:
        """When it was changed, in seconds since 1970."""
        return 0.0

    @property
    def size(self) -> int:
        """How long it is now, in octets."""
        raise NotImplementedError

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` octets from `position` on."""
        raise NotImplementedError

    def write_at(self, position: int, view: memoryview) -> int:
        """Write some of `view` at `position`; how many octets."""
        raise NotImplementedError

    def allocate(self, size: int) -> None:
        """Make it `size` octets long."""

    def truncate(self, size: int = 0) -> None:
        """Drop everything after the first `size` octets."""

    def save_state(self, state: State) -> None:
        """Keep `state` beside it."""

    def finish(self, modified: float | None = None) -> None:  # noqa: ARG002 - for those that have a time
        """It is complete."""
        self.close()

    def close(self) -> None:
        """Close it, and keep it as it is."""
        raise NotImplementedError

    def discard(self) -> None:
        """Close it, and remove what was made here."""
        self.close()


class Device(Target):
    """A device or a pipe that was named: octets go there in their order, and none comes back."""

    __slots__ = ("_fd", "_written")
    keeps = False

    def __init__(self, path: str) -> None:
        super().__init__(os.path.basename(path), path, is_new=False)
        self._written = 0
        with _doing("open", path):
            self._fd = os.open(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))

    @property
    def size(self) -> int:
        return self._written

    def read_at(self, position: int, size: int) -> bytes:  # noqa: ARG002
        raise file_error(OSError(errno.ESPIPE, os.strerror(errno.ESPIPE)), self.path, "read")

    def write_at(self, position: int, view: memoryview) -> int:  # noqa: ARG002 - it has no positions
        with _doing("write", self.path):
            count = os.write(self._fd, view)
        self._written += count
        return count

    def truncate(self, size: int = 0) -> None:
        if size < self._written:
            error = OSError(errno.ESPIPE, "what was written cannot be taken back")
            raise file_error(error, self.path, "begin again in")

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with _doing("write", self.path):
                os.close(fd)


def is_device(path: str) -> bool:
    """Whether there is something of that path, through links, that is neither a file nor a directory."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def make_folder(path: str) -> None:
    """Make a folder, and those above it, where there is none. Raises DownloadError.File."""
    with _doing("create", path):
        os.makedirs(path, exist_ok=True)


class PartialFile(Target):
    """A file that is being received."""

    __slots__ = ("_folder", "_kept", "_saved")

    def __init__(self, folder: str, saved: SavedFile) -> None:
        super().__init__(saved.name, saved.path, is_new=saved.is_new)
        self._folder = folder
        self._saved = saved
        self._kept: SavedFile | None = None  # the state's file

    @classmethod
    def create(
        cls, folder: str | os.PathLike[str], name: str, *, on_exists: OnExists = "fail", mode: int = 0o666
    ) -> PartialFile:
        """A new file. Raises DownloadError.File if there is something of that name.

        With "replace", a file that is there is emptied, and what is known of it is forgotten.
        """
        folder = os.fspath(folder)
        if on_exists == "replace":
            found = cls._emptied(folder, name)
            if found is not None:
                return found
            on_exists = "fail"
        with _doing("create", os.path.join(folder, name)):
            made = cls(folder, create_file(folder, name, on_exists=on_exists, keep_partial=True, mode=mode))
        try:
            made._lock()
        except BaseException:
            made.discard()
            raise
        return made

    @classmethod
    def _emptied(cls, folder: str, name: str) -> PartialFile | None:
        try:
            with _doing("write", os.path.join(folder, name)):
                made = cls(folder, resume_file(folder, name))
        except DownloadError.File as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        try:
            made._lock()
            made.truncate()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, state_name(name)))
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    def open(cls, folder: str | os.PathLike[str], name: str) -> PartialFile | None:
        """A file that is there, to go on with; None if there is none.

        Raises DownloadError.File, and DownloadError.NotResumable if the state beside it cannot be read.
        """
        folder = os.fspath(folder)
        path = os.path.join(folder, name)
        try:
            with _doing("open", path):
                made = cls(folder, resume_file(folder, name))
        except DownloadError.File as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        try:
            made._lock()
            made._load()
        except BaseException:
            made.close()
            raise
        return made

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:
            return
        with _doing("write", self.path):
            try:
                fcntl.flock(self._saved.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
                # Some file systems have no locks: a second download is then not noticed.

    def _load(self) -> None:
        place = os.path.join(self._folder, state_name(self.name))
        try:
            with _doing("open", place):
                kept = resume_file(self._folder, state_name(self.name))
        except DownloadError.File as error:
            if error.errno == errno.ENOENT:
                return
            raise
        self._kept = kept
        try:
            with _doing("read", place):
                data = os.pread(kept.fileno(), MAX_STATE + 1, 0)
            self.state = State.decode(data)
        except ValueError as error:
            raise DownloadError.NotResumable(
                f"what is beside {self.name!r} about its download cannot be read: {error}",
                hint="remove the file and what is beside it, and begin again",
            ) from None

    @property
    def size(self) -> int:
        """How long the file is now, in octets."""
        with _doing("look at", self.path):
            return os.fstat(self._saved.fileno()).st_size

    @property
    def modified(self) -> float:
        """When it was changed, in seconds since 1970."""
        with _doing("look at", self.path):
            return os.fstat(self._saved.fileno()).st_mtime

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` octets from `position` on."""
        with _doing("read", self.path):
            return os.pread(self._saved.fileno(), size, position)

    def write_at(self, position: int, view: memoryview) -> int:
        """Write some of `view` at `position`; how many octets."""
        try:
            return os.pwrite(self._saved.fileno(), view, position)
        except OSError as error:
            raise file_error(error, self.path, "write") from error

    def allocate(self, size: int) -> None:
        """Make the file `size` octets long, with room for them, so that a full disk shows now.

        What is there stays.
        """
        before = self.size
        fd = self._saved.fileno()
        with _doing("make room for", self.path):
            allocate = getattr(os, "posix_fallocate", None)
            try:
                if allocate is not None and size > before:
                    allocate(fd, 0, size)
                    return
            except OSError as error:
                if error.errno not in _CANNOT_ALLOCATE:
                    os.ftruncate(fd, before)
                    raise
            os.ftruncate(fd, size)

    def truncate(self, size: int = 0) -> None:
        """Drop everything after the first `size` octets."""
        with _doing("write", self.path):
            os.ftruncate(self._saved.fileno(), size)

    def save_state(self, state: State) -> None:
        """Keep `state` beside the file, in the place of the one before."""
        self.state = state
        place = os.path.join(self._folder, state_name(self.name))
        with _doing("write", place):
            if self._kept is None:
                self._kept = self._new_state()
            data = state.encode()
            # JSON ends where it ends: spaces after it cover what was there.
            padded = data.ljust(max(self._kept.size, len(data)))
            self._kept.size = len(padded)
            if os.pwrite(self._kept.fileno(), padded, 0) != len(padded):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _new_state(self) -> SavedFile:
        name = state_name(self.name)
        try:
            return create_file(self._folder, name, mode=0o600, keep_partial=True)
        except FileExistsError:
            # Of a file that was removed. A link is removed as well, and what it leads to stays.
            os.unlink(os.path.join(self._folder, name))
            return create_file(self._folder, name, mode=0o600, keep_partial=True)

    def _drop_state(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, state_name(self.name)))

    def finish(self, modified: float | None = None) -> None:
        """The file is complete: the state goes. `modified` becomes its time, in seconds since 1970."""
        with _doing("finish", self.path):
            if modified is not None:
                os.utime(self._saved.fileno(), (modified, modified))
            self._drop_state()
            self._saved.close()

    def close(self) -> None:
        """Close the file, and keep it and its state as they are."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        self._saved.close()

    def discard(self) -> None:
        """Close the file, and remove it with its state, if it was made here."""
        if self.is_new:
            with contextlib.suppress(OSError):
                self._drop_state()
        elif self._kept is not None:
            self._kept.close()
            self._kept = None
        self._saved.discard()
