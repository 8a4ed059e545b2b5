"""The journal of `--resume FILE`: which inputs are done, so that nothing is asked twice.

The first line says whose journal it is; every other line is one finished input: its number among the
inputs (from 0), its exit code, and its text. A line is appended and flushed when the input's row has been
written, so a crash in between costs one question more, never a row. A last line without its newline was
cut off, and does not count.

An input is done if the journal has its number *and* its text: two inputs of the same text are two, and a
list that was edited is asked again from the edit on.
"""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, BinaryIO
from zlib import crc32

from netkit.errors import NetkitError

if TYPE_CHECKING:
    from netkit.errors import Fault

_TITLE = b"netkit journal 1 of "
#: How far a number may be ahead of those before it: inputs end in any order, but side by side.
_MAX_GAP = 10_000_000


class JournalError(NetkitError):
    """The file named with --resume is no journal, another command's, or in use."""

    layer = "netkit"
    fault: Fault = "local"
    stage = "local"

    def __init__(self, path: str, reason: str, hint: str | None = None) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Journal:
    """The journal at `path` of the command called `command`; made if it is not there.

    Raises JournalError if the file is something else, and OSError if it cannot be used.
    """

    def __init__(self, path: str, command: str) -> None:
        self.path = path
        self._file: BinaryIO = open(path, "a+b")  # noqa: SIM115 - close() closes it
        # One word for each input: 0 not done, else the text's CRC above the exit code plus one. Eight
        # megabytes for a million inputs, however long their texts.
        self._done = array("Q")
        self.count = 0
        try:
            self._lock()
            self._read(_TITLE + command.encode() + b"\n", command)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:
            return  # Windows: no advisory locks
        try:
            flock(self._file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise JournalError(self.path, "in use by another netkit") from None

    def _read(self, title: bytes, command: str) -> None:
        file = self._file
        file.seek(0)
        first = file.readline(4096)
        whole = len(first)
        if not first or (title.startswith(first) and not first.endswith(b"\n")):
            file.truncate(0)
            file.write(title)
            file.flush()
            return
        if not first.startswith(_TITLE):
            raise JournalError(
                self.path, "not a journal of netkit", "name a file that is not there, or an earlier journal"
            )
        if first != title:
            owner = first[len(_TITLE) :].decode("utf-8", "replace").strip()
            raise JournalError(self.path, f"the journal of `netkit {owner}`, not of `netkit {command}`")
        for line in file:
            if not line.endswith(b"\n"):
                break
            self._enter(line)
            whole += len(line)
        file.truncate(whole)
        file.seek(0, os.SEEK_END)

    def _enter(self, line: bytes) -> None:
        number, _, rest = line[:-1].partition(b" ")
        code, _, text = rest.partition(b" ")
        if not (number.isdigit() and code.isdigit() and len(number) < 12 and int(code) < 255):
            raise JournalError(self.path, f"a line that no journal has: {line[:40]!r}")
        index = int(number)
        if index > len(self._done) + _MAX_GAP:
            raise JournalError(self.path, f"number {index:,} is out of order")
        if index >= len(self._done):
            self._done.extend([0] * (index + 1 - len(self._done)))
        if not self._done[index]:
            self.count += 1
        self._done[index] = crc32(text) << 8 | int(code) + 1

    def code(self, index: int, text: str) -> int | None:
        """The exit code with which input number `index` ended, or None if it is still to be asked."""
        entry = self._done[index] if index < len(self._done) else 0
        if not entry or entry >> 8 != crc32(_encode(text)):
            return None
        return (entry & 0xFF) - 1

    def done(self, index: int, text: str, code: int) -> None:
        """Enter that an input ended. On disk (or at least with the system) when this returns."""
        self._file.write(b"%d %d %b\n" % (index, code, _encode(text)))
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
