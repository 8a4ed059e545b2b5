"""The file of a listening Unix-domain socket: made, taken over when its server has died, removed. unix(7).

bind(2) makes the file and fails with EADDRINUSE where one is already, whatever it is. A server that was
killed leaves its file behind, and the next one must remove it; but the file of a live server must never go,
nor a file that is no socket. So: what is there is looked at (a socket?), and connected to. Only
ECONNREFUSED says that nobody listens, and only then is it removed.

Between that answer and the removal another process may have done the same and listen by now: removing
its file would leave it running and out of reach. So all of it (connecting, removing, binding, setting the
mode, listening) happens under a lock, flock(2) on the directory: no file of its own to be left behind, and
let go by the system whatever becomes of the process. Nobody who holds it sees a socket of ours bound and
not listening yet, which would look like a dead one. Other programs do not take the lock: one that binds in
the instant between our connecting and our removing can still lose its file. Where the lock cannot be had (a
directory that may not be read, a file system without locks, somebody who holds it for longer than
`LOCK_WAIT`) nothing is ever removed.

At the end a file is removed only if it is still the one that was made: the same inode, which as long as the
socket is open cannot be another file's. It is removed before the socket is closed, while whoever asks
still finds it alive; and only by the process that made it, not by its forked children.
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

#: What connect(2) on a non-blocking socket says of a listener that is alive.
_ALIVE = frozenset((0, errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS))


class SocketFile:
    """A socket's file, as this process made (or took over) it."""

    __slots__ = ("_identity", "_pid", "path")

    def __init__(self, path: str) -> None:
        """The file that is at `path` now, whatever is there later. Raises OSError if there is none."""
        self.path = os.path.abspath(path)
        found = os.lstat(self.path)
        self._identity = (found.st_dev, found.st_ino)
        self._pid = os.getpid()

    def remove(self) -> None:
        """Remove it, if it is still that file, and this process that one. To be called before closing."""
        if os.getpid() != self._pid:
            return
        try:
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._identity:
                os.unlink(self.path)
        except OSError:
            pass  # gone already, or in a directory that we may not write in any more


def listen_at(
    sock: socket.socket, path: str, *, backlog: int, mode: int | None, remove_stale: bool
) -> SocketFile:
    """Bind `sock` to `path` and listen; the file. `mode` is its permissions, such as 0o600.

    Raises UnixError; nothing is left behind then.
    """
    with _directory_locked(os.path.dirname(path) or ".") as locked:
        for _ in range(8):  # the file may come and go
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
            # Nobody can connect before the socket listens, so that the mode is right in time.
            if mode is not None and stat.S_IMODE(os.lstat(path).st_mode) != mode:
                os.chmod(path, mode)
            sock.listen(backlog)
        except OSError as error:
            file.remove()
            raise unix_error(path, error, LISTEN) from None
    return file


def _make_way(path: str, *, locked: bool, remove_stale: bool) -> None:
    """Remove the dead socket at `path`, or raise the UnixError that says why not."""
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
    """Have bind(2) make the file with no more permissions than `mode`, where the system lets us (Linux)."""
    try:
        os.fchmod(sock.fileno(), mode)
    except OSError:
        pass  # it is set before anybody can connect anyway


@contextmanager
def _directory_locked(directory: str) -> Iterator[bool]:
    """Hold the lock of `directory`; whether it could be had."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock

        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (ImportError, AttributeError, OSError):
        yield False  # binding will say what is wrong with the directory, if something is
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
