"""`Reloading`: what a file of this system says, read again when the file has changed.

A program that runs for weeks must see that its machine has moved to another network. inotify would need a
descriptor and somebody who waits for it, and does not see every way in which such a file is replaced. So the
file is looked at when it is needed, and not more than once a second; that costs a stat(2). Size and inode are
compared too, because two changes can fall into one tick of the file system's clock.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from netkit._log import Log
from netkit.io.sync import forkable_lock

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

log = Log("netkit.dns")

#: How many seconds may pass before a change is seen.
CHECK_INTERVAL = 1.0


class Reloading(Generic[T]):
    """The content of the file `path`, as `read` gives it. May be used from any thread.

    The first reading may raise OSError. If a later one does, what was read before stays, and the file is read
    again at the next look.
    """

    def __init__(self, path: str, read: Callable[[str], T], clock: Callable[[], float] = monotonic) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._lock = forkable_lock()
        self._seen = _signature(path)
        self._looked_at = clock()
        self._content = read(path)

    @property
    def content(self) -> T:
        """What the file says now, or said less than a second ago."""
        now = self._clock()
        if now - self._looked_at < CHECK_INTERVAL:
            return self._content
        with self._lock:
            if now - self._looked_at < CHECK_INTERVAL:
                return self._content  # another thread has looked
            self._looked_at = now
            seen = _signature(self._path)
            if seen == self._seen:
                return self._content
            try:
                self._content = self._read(self._path)
            except OSError as error:
                log.debug("%s has changed, and cannot be read: %s", self._path, error)
            else:
                log.debug("%s has changed", self._path)
                self._seen = seen
            return self._content


def _signature(path: str) -> tuple[int, ...]:
    """What tells one state of a file from another; empty for a file that is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
