"""Our ends of the pipes of a command: what it writes, and what it reads, in flows.

The ends are non-blocking. The command's are not: each end of a pipe is an open file of its own, so that the
flag is not shared (rule 11 of `netkit.io`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from netkit.io import ClosedError, Closing, Descriptor

if TYPE_CHECKING:
    from netkit.io import Buffer, Flow

#: How many octets are read at once, at the most: what a pipe of Linux holds.
PIECE = 65536


class _PipeEnd(Closing):
    """An end of a pipe, which is closed with the object."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._descriptor = Descriptor(fd, close=lambda: os.close(fd))

    @property
    def is_closed(self) -> bool:
        """Whether it is released."""
        return self._descriptor.closed

    def close(self) -> None:
        """Release it; no effect if it is released. A flow that waits for it gets ClosedError."""
        self._descriptor.close()

    def _check_open(self) -> None:
        if self._descriptor.closed:
            raise ClosedError("pipe")


class PipeReader(_PipeEnd):
    """The end that is read."""

    def read_flow(self, size: int = PIECE) -> Flow[bytes]:
        """Flow: up to `size` octets; `b""` when all who could write have closed their end."""
        while True:
            self._check_open()
            try:
                return os.read(self._descriptor.fd, size)
            except BlockingIOError:
                pass
            yield self._descriptor.want_read


class PipeWriter(_PipeEnd):
    """The end that is written to."""

    def write_all_flow(self, data: Buffer) -> Flow[None]:
        """Flow: write all of `data`. Raises BrokenPipeError if nobody can read it any more."""
        rest = memoryview(data).cast("B")
        while rest:
            self._check_open()
            try:
                rest = rest[os.write(self._descriptor.fd, rest) :]
            except BlockingIOError:
                yield self._descriptor.want_write


class Pipes(NamedTuple):
    """Those of one command: what it reads, what it writes, and its standard error."""

    stdin: PipeWriter
    stdout: PipeReader
    stderr: PipeReader

    def close(self) -> None:
        """Release all three."""
        for each in self:
            each.close()
