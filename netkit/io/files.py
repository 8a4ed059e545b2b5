"""Descriptors that this process was given: standard input, a pipe, a terminal, a file.

Their open file is shared with whoever gave them, so O_NONBLOCK is never set on it: a flow waits until
poll(2) says that a read will return, and then reads what is there. Regular files are always ready; epoll,
and so an event loop, refuses to watch them, which is why a read is tried first where they are.
"""

from __future__ import annotations

import os
import stat

from netkit.io.flow import Descriptor, Flow


class FileSource:
    """The bytes of a descriptor that stays its owner's: closing the source closes nothing."""

    def __init__(self, fd: int) -> None:
        self._descriptor = Descriptor(fd, close=_keep)
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        """Flow: up to `size` bytes, as soon as there are any; `b""` at the end. Raises OSError."""
        if not self._regular:
            yield self._descriptor.want_read
        return os.read(self._descriptor.fd, size)

    def close(self) -> None:
        """Let whoever waits in `receive` go, with ClosedError."""
        self._descriptor.close()


def _keep() -> None:
    return None


class MemorySource:
    """Bytes that are already here, received like those of a `FileSource`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        """Flow: up to `size` bytes; `b""` at the end."""
        taken, self._data = self._data[:size], self._data[size:]
        return taken
        yield  # a flow, though it never waits
