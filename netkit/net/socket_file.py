"""The file of a listening Unix-domain socket: made, taken over from a dead server, removed. unix(7).

bind(2) makes the file, and fails with EADDRINUSE if any file exists there. A server that was killed leaves
its file behind, and the next one must remove it. But the file of a live server must never be removed, nor a
file that is not a socket. So the existing file is examined (is it a socket?) and connected to. Only
ECONNREFUSED shows that no server listens, and only then is the file removed.

Between this answer and the removal, another process may do the same, and listen already. If its file were
removed, it would run on, but no client could reach it. So all steps (connecting, removing, binding, setting
the mode, listening) happen under a lock, flock(2) on the directory. This lock needs no file of its own, and
the system releases it when the process ends. A holder of the lock never sees a socket of ours that is bound
but does not listen yet, which would look dead. Other programs do not take the lock: a program that binds just
between our connecting and our removing can still lose its file. If the lock cannot be taken (the directory
may not be read, the file system has no locks, or another process holds it for longer than `LOCK_WAIT`), no
file is removed.

At the end, the file is removed only if it is still the one that was made: it has the same inode, and while
the socket is open, no other file can get that inode. It is removed before the socket is closed, so that a
process that checks the file still finds a live server. Only the process that made the file removes it, not
its forked children.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

from netkit.net.errors import LISTEN, UnixError, unix_error

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long to wait, in seconds, for another process that is binding in the same directory.
LOCK_WAIT = 1.0

#: The error numbers of connect(2) on a non-blocking socket if the listener is alive.
_ALIVE = frozenset((0, errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS))


class SocketFile:
    """A socket's file, as this process made (or took over) it."""

    __slots__ = ("_identity", "_pid", "path")

    def __init__(self, path: str) -> None:
        """Remember the file that is at `path` now. Raises OSError if there is none."""
        self.path = os.path.abspath(path)
        found = os.lstat(self.path)
        self._identity = (found.st_dev, found.st_ino)
        self._pid = os.getpid()

    def remove(self) -> None:
        """Remove the file, if it is still the same file, and this process made it. Call this before
        closing."""
        if os.getpid() != self._pid:
            return
        try:
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._identity:
                os.unlink(self.path)
        except OSError:
            pass  # removed already, or we may not write in the directory any more


def listen_at(
    sock: socket.socket, path: str, *, backlog: int, mode: int | None, remove_stale: bool
) -> SocketFile:
    """Bind `sock` to `path` and listen. Returns the file; `mode` is its permissions, such as 0o600.

    If it raises UnixError, it has left no file behind.
    """
    with _directory_locked(os.path.dirname(path) or ".") as locked:
        for _ in range(8):  # other processes may make and remove the file
            try:
                if mode is not None:
                    _limit_mode(sock, mode)
                sock.bind(path)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise unix_error(path, error, LISTEN) from None
            _make_way(path, locked=locked, remove_stale=remove_stale)
        else:
            raise UnixError.AddressInUse(path, errno.EADDRINUSE, "its socket file keeps coming back", LISTEN)
        file = SocketFile(path)
        try:
            # Clients cannot connect before the socket listens, so setting the mode first is early enough.
            if mode is not None and stat.S_IMODE(os.lstat(path).st_mode) != mode:
                os.chmod(path, mode)
            sock.listen(backlog)
        except OSError as error:
            file.remove()
            raise unix_error(path, error, LISTEN) from None
    return file


def _make_way(path: str, *, locked: bool, remove_stale: bool) -> None:
    """Remove the dead socket at `path`, or raise the UnixError that says why it stays."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise UnixError.NotASocket(path, errno.EADDRINUSE, "the file there is not a socket", LISTEN)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            code = probe.connect_ex(path)
        if code == errno.ENOENT:
            return
        if code != errno.ECONNREFUSED:
            words = "" if code in _ALIVE else f" ({os.strerror(code).lower()} when tried)"
            raise UnixError.AddressInUse(path, errno.EADDRINUSE, f"address already in use{words}", LISTEN)
        if not (locked and remove_stale):
            reason = "a dead socket's file is there"
            if remove_stale:
                reason += ", and its directory could not be locked to remove it"
            refused = UnixError.AddressInUse(path, errno.EADDRINUSE, reason, LISTEN)
            refused.hint = "remove the file"
            raise refused
        os.unlink(path)
    except FileNotFoundError:
        return
    except UnixError:
        raise
    except OSError as error:
        raise unix_error(path, error, LISTEN) from None


def _limit_mode(sock: socket.socket, mode: int) -> None:
    """Make bind(2) create the file with no more permissions than `mode`, if the system allows that
    (Linux)."""
    try:
        os.fchmod(sock.fileno(), mode)
    except OSError:
        pass  # the mode is set before clients can connect anyway


@contextmanager
def _directory_locked(directory: str) -> Iterator[bool]:
    """Hold the lock of `directory`; gives whether it could be taken."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock

        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (ImportError, AttributeError, OSError):
        yield False  # if the directory has a problem, binding reports it
        return
    try:
        until = monotonic() + LOCK_WAIT
        locked = False
        while True:
            try:
                flock(fd, LOCK_EX | LOCK_NB)
                locked = True
                break
            except BlockingIOError:
                if monotonic() >= until:
                    break
                sleep(0.005)
            except OSError:
                break  # a file system without locks
        yield locked
    finally:
        os.close(fd)
