"""The inputs in their order: arguments, then the lines of a file or of standard input, read when needed.

If standard input is slow (a pipe, a terminal), the loop waits for it as for any other descriptor, so the
inputs in flight continue meanwhile.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from netkit.cli.frame.inputs import MAX_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netkit.cli.frame.context import Environment
    from netkit.cli.frame.inputs import Inputs
    from netkit.io import Flow

_CHUNK = 65536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Item(NamedTuple):
    """One input: its number (from 0), its text, where it stood (`hosts.txt:17`; None: an argument), how many
    bytes of the list it took, and the text without its secrets."""

    number: int
    text: str
    where: str | None
    size: int
    shown: str


class Lines:
    """The inputs in their order: arguments, then the lines of the file without blank lines and comments (#
    and ;)."""

    def __init__(self, inputs: Inputs[Any], env: Environment) -> None:
        from netkit.io import Lock

        self._reading = Lock()
        self._shown = inputs.spec.shown
        texts: list[str | None] = [*inputs.texts]  # None: the file
        if inputs.how.file is not None:
            texts.append("-" if inputs.how.file == "-" else None)
        self._places = iter(texts)
        self._file_name = inputs.how.file
        # Open the file before any probing: if it does not exist, nothing has been done yet.
        path = inputs.how.file
        self._file = None if path is None or path == "-" else open(path, "rb", buffering=0)  # noqa: SIM115
        self._env = env
        self._stream: _Stream | None = None
        self._count = 0
        self.ended = False
        #: The bytes of all inputs; None where that is not known, as of a pipe.
        self.size = self._whole_size(texts)
        #: The bytes that are over with, and how many of them took no time: comments, and the inputs that the
        #: journal had. Bytes that were only read say nothing: reading is ahead by all that are in flight.
        self.finished, self.free = 0, 0
        #: How many inputs the journal had.
        self.resumed = 0

    def _whole_size(self, texts: list[str | None]) -> int | None:
        whole = 0
        for text in texts:
            if text is None or text == "-":
                size = _size(self._env.stdin if text == "-" else self._file)
                if size is None:
                    return None
                whole += size
            else:
                whole += _argument_size(text)
        return whole

    def next(self) -> Flow[Item | None]:
        """Flow: the next input; None when there is none."""
        return self._reading.holding(self._read())

    def all(self) -> Flow[list[Item]]:
        """Flow: all inputs that are left."""
        found = []
        while (item := (yield from self.next())) is not None:
            found.append(item)
        return found

    def done(self, item: Item, *, resumed: bool = False) -> None:
        """Count an input as over; `resumed` says that the journal had it."""
        self.finished += item.size
        if resumed:
            self.resumed += 1
            self.free += item.size

    def _read(self) -> Flow[Item | None]:
        while not self.ended:
            if self._stream is not None:
                before = self._stream.taken
                line = yield from self._stream.next()
                size = self._stream.taken - before
                if line is None:
                    self._stream = None
                    continue
                text = line.strip()
                if text and text[0] not in "#;":  # `;` begins comments in zone files and in dig's
                    return self._item(text, f"{self._stream.name}:{self._stream.number}", size)
                self.finished += size
                self.free += size
                continue
            try:
                place = next(self._places)
            except StopIteration:
                self.ended = True
                return None
            if place is not None and place != "-":
                return self._item(place, None, _argument_size(place))
            self._stream = self._open(place)
        return None

    def _item(self, text: str, where: str | None, size: int) -> Item:
        self._count += 1
        return Item(self._count - 1, text, where, size, self._shown(text))

    @property
    def empty(self) -> bool:
        """Whether the inputs have ended, and there was none."""
        return self.ended and self._count == 0

    def _open(self, text: str | None) -> _Stream:
        if text == "-":
            return _Stream(self._env.stdin, "standard input")
        assert self._file_name is not None
        return _Stream(self._file, self._file_name)

    def close(self) -> None:
        """Close the file, even if it was not read to its end."""
        if self._file is not None:
            self._file.close()


class _Stream:
    """Lines of one stream. Reading does not block the thread, if the system can wait for the stream."""

    def __init__(self, file: BinaryIO | Any, name: str) -> None:
        self.name = name
        self.number = 0
        self.taken = 0
        self._file = file
        self._rest = b""
        self._lines: Iterator[bytes] = iter(())
        self._end = file is None
        self._descriptor: Any = None
        self._fd = -1
        if file is None:
            return
        try:
            self._fd = file.fileno()
            about = os.fstat(self._fd)
        except (OSError, ValueError):
            return  # a stream in memory, which never blocks
        if not stat.S_ISREG(about.st_mode) and os.name == "posix":
            from netkit.io import Descriptor

            # Wait for it, but do not make it non-blocking: the process that started this one shares the open
            # file.
            self._descriptor = Descriptor(self._fd, close=lambda: None)

    def next(self) -> Flow[str | None]:
        """Flow: the next line without its end; None at the end of the stream."""
        while True:
            for line in self._lines:
                self.number += 1
                self.taken += len(line) + 1
                if self.number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                return line.decode("utf-8", "surrogateescape")
            if self._end:
                return None
            if self._descriptor is not None:
                yield self._descriptor.want_read
                data = os.read(self._fd, _CHUNK)
            else:
                data = self._file.read(_CHUNK)
            lines = (self._rest + data).split(b"\n")
            self._rest = b""
            if data:
                rest = lines.pop()
                self._rest = rest[: MAX_LINE + 1]  # one byte too many is enough to refuse it
                self.taken += len(rest) - len(self._rest)
            else:
                self._end = True
                if lines == [b""]:
                    lines = []
            self._lines = iter(lines)


def _size(file: BinaryIO | Any) -> int | None:
    """How many bytes there are still to read; None where nobody knows."""
    if file is None:
        return 0
    try:
        about = os.fstat(file.fileno())
        return max(0, about.st_size - file.tell()) if stat.S_ISREG(about.st_mode) else None
    except (OSError, ValueError):
        return None


def _argument_size(text: str) -> int:
    """The bytes that an argument would take as a line."""
    return len(text.encode("utf-8", "surrogateescape")) + 1
