"""The files in which a client keeps its state: read within a limit, replaced whole, for the user alone.

Cookies and sessions are secrets, so a file gets mode 0600 before the first octet is in it. It is written
beside its place under another name and then renamed: a reader sees the old text or the new one, and a full
disk costs the new one only. What is at the place and is no regular file (/dev/null, a pipe) is written to
directly, because a rename would put a file there instead.
"""

from __future__ import annotations

import os
import stat

from netkit.http.errors import HttpError

#: Octets of a file that is read.
MAX_FILE = 16 * 1024 * 1024


def read_state(path: str, *, max_size: int = MAX_FILE) -> bytes:
    """The octets of the file at `path`.

    Raises OSError, and HttpError.InvalidValue for a file of more than `max_size` octets.
    """
    with open(path, "rb") as file:
        data = file.read(max_size + 1)
    if len(data) > max_size:
        raise HttpError.InvalidValue(
            path, f"the file is longer than {max_size} octets", limit=max_size, fault="local"
        )
    return data


def write_state(path: str, data: bytes) -> None:
    """Replace the file at `path` by one with `data` and mode 0600. Raises OSError; nothing has changed then.

    A symbolic link stays, and the file that it leads to is replaced.
    """
    place = os.path.realpath(path)
    try:
        if not stat.S_ISREG(os.stat(place).st_mode):
            with open(place, "wb") as file:
                file.write(data)
            return
    except FileNotFoundError:
        pass
    beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)[:200]}.{os.urandom(6).hex()}")
    # Made new, never followed: in a directory that others may write in, a link could wait under this name.
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        error.filename = path  # the name that the caller knows
        raise
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(beside, place)
    except BaseException:
        os.unlink(beside)
        raise
