"""The journal of `--resume FILE`: which inputs are done, so that nothing is asked twice.

The first line says whose journal it is, the second with which options the inputs were asked: the same list
with another record type or another server is another question, and is refused. Every other line is one
finished input: its number among the inputs (from 0), its exit code, and its text. A line is appended and
flushed when the input's row has been written, so a crash in between costs one question more, never a row. A
last line without its newline was cut off, and does not count.

An input is done if the journal has its number *and* its text: two inputs of the same text are two, and a
list that was edited is asked again from the edit on.
"""

from __future__ import annotations

import json
import os
from array import array
from typing import TYPE_CHECKING, BinaryIO
from zlib import crc32

from netkit.errors import NetkitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from netkit.errors import Fault

_ANY_TITLE = b"netkit journal "
_TITLE = b"netkit journal 2 of "
#: The longest first or second line, in bytes.
_MAX_HEAD = 65536
#: How far a number may be ahead of the numbers before it. Inputs end in any order, but near each other.
_MAX_GAP = 10_000_000


class JournalError(NetkitError):
    """The file named with --resume is no journal, another command's or question's, or in use."""

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
    """The journal at `path` of the command called `command`, asked with `options`; made if it is not there.

    Raises JournalError if the file is something else, and OSError if it cannot be used.
    """

    def __init__(self, path: str, command: str, options: Mapping[str, Any]) -> None:
        self.path = path
        self._file: BinaryIO = open(path, "a+b")  # noqa: SIM115 - close() closes it
        # One number for each input: 0 if it is not done, else the text's CRC in the high bits and the exit
        # code plus one in the low ones. A million inputs take eight megabytes, however long their texts are.
        self._done = array("Q")
        self.count = 0
        try:
            self._lock()
            self._read(command, options)
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

    def _read(self, command: str, options: Mapping[str, Any]) -> None:
        title, asked = _TITLE + command.encode() + b"\n", _asked_line(options)
        file = self._file
        file.seek(0)
        first, second = file.readline(_MAX_HEAD), file.readline(_MAX_HEAD)
        cut_off = title.startswith(first) if not first.endswith(b"\n") else first == title
        if cut_off and not second.endswith(b"\n"):  # no input can have been entered yet
            file.truncate(0)
            file.write(title + asked)
            file.flush()
            return
        self._check_title(first, title, command)
        if second != asked:
            raise JournalError(
                self.path,
                f"the journal of another question: {_differences(_options_of(second), options)}",
                "give the options of the first run, or name another journal",
            )
        whole = len(first) + len(second)
        for line in file:
            if not line.endswith(b"\n"):
                break
            self._enter(line)
            whole += len(line)
        file.truncate(whole)
        file.seek(0, os.SEEK_END)

    def _check_title(self, first: bytes, title: bytes, command: str) -> None:
        if not first.startswith(_ANY_TITLE):
            raise JournalError(
                self.path, "not a journal of netkit", "name a file that is not there, or an earlier journal"
            )
        if not first.startswith(_TITLE):
            raise JournalError(
                self.path,
                "the journal of another version of netkit, which does not say what was asked",
                "name another journal",
            )
        if first != title:
            owner = first[len(_TITLE) :].decode("utf-8", "replace").strip()
            raise JournalError(self.path, f"the journal of `netkit {owner}`, not of `netkit {command}`")

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
        """The exit code with which input number `index` ended; None if it is not done."""
        entry = self._done[index] if index < len(self._done) else 0
        if not entry or entry >> 8 != crc32(_encode(text)):
            return None
        return (entry & 0xFF) - 1

    def done(self, index: int, text: str, code: int) -> None:
        """Note that an input ended. When this returns, the system has the line."""
        self._file.write(b"%d %d %b\n" % (index, code, _encode(text)))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _asked_line(options: Mapping[str, Any]) -> bytes:
    return b"asked %b\n" % json.dumps(options, sort_keys=True).encode()


def _options_of(line: bytes) -> Mapping[str, Any]:
    """The options of the second line; none where it is not one."""
    try:
        found = json.loads(line.removeprefix(b"asked "))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """`--type was A, and is MX now`, for each option that differs."""
    return "; ".join(
        f"{name} was {_shown(before.get(name))}, and is {_shown(now.get(name))} now"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    )


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    if value is True:
        return "given"
    if value is False:
        return "switched off"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
