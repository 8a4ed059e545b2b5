"""Descriptors that this process inherited: standard input, a pipe, a terminal, a file.

Other processes share their open file, so O_NONBLOCK is never set on it. A flow waits until poll(2) says that
a read will return, and then reads. Regular files are always ready, but epoll, and so an event loop, refuses
to watch them. So from a regular file the flow reads without waiting.
"""

from __future__ import annotations

import os
import stat

from netkit.io.flow import Descriptor, Flow

#: How much is read at once, in bytes: fewer and larger pieces are what a long file is sent fastest in.
FILE_PIECE = 262_144


class FileSource:
    """The bytes of a descriptor. The descriptor belongs to the caller: closing the source does not close
    it."""

    def __init__(self, fd: int) -> None:
        self._descriptor = Descriptor(fd, close=_keep)
        self._regular = stat.S_ISREG(os.fstat(fd).st_mode)

    def read_flow(self, size: int = FILE_PIECE) -> Flow[bytes]:
        """Flow: up to `size` bytes, as soon as there are any; `b""` at the end. Raises OSError."""
        if not self._regular:
            yield self._descriptor.want_read
        return os.read(self._descriptor.fd, size)

    def close(self) -> None:
        """Wake a flow that waits to read, with ClosedError."""
        self._descriptor.close()


def _keep() -> None:
    return None


class MemorySource:
    """Bytes in memory, read like those of a `FileSource`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_flow(self, size: int = 65536) -> Flow[bytes]:
        """Flow: up to `size` bytes; `b""` at the end."""
        taken, self._data = self._data[:size], self._data[size:]
        return taken
        yield  # a flow, though it never waits
