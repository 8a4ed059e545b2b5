"""Hexadecimal dumps: the direction, the offset in that direction, hexadecimal, ASCII.

    > 00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 30 0d 0a  |GET / HTTP/1.0..|
    < 00000000  48 54 54 50 2f 31 2e 30  20 32 30 30 20 4f 4b 0d  |HTTP/1.0 200 OK.|

`>` was sent, `<` was received; each direction has its own offsets. Bytes that are not printable are dots.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Direction: TypeAlias = Literal["sent", "received"]

ARROWS: dict[Direction, str] = {"sent": ">", "received": "<"}

_PRINTABLE = bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in range(256))


def dump_rows(data: bytes, offset: int = 0) -> Iterator[str]:
    """The rows for `data`, sixteen bytes each; the first is at `offset`."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        text = row.translate(_PRINTABLE).decode("ascii")
        yield f"{offset + at:08x}  {row[:8].hex(' '):23}  {row[8:].hex(' '):23}  |{text}|"


class HexDump:
    """The dump of one conversation, piece by piece; `label` follows the arrow."""

    def __init__(self, label: str = "") -> None:
        self._label = f"{label} " if label else ""
        self._offsets: dict[Direction, int] = {"sent": 0, "received": 0}

    def lines(self, direction: Direction, data: bytes) -> Iterator[str]:
        """The lines for `data`; its offsets continue after the last piece of the same direction."""
        head = f"{ARROWS[direction]} {self._label}"
        offset = self._offsets[direction]
        for row in dump_rows(data, offset):
            yield head + row
        self._offsets[direction] = offset + len(data)


class Transcript:
    """A file of the conversation: for each piece a line with time, direction and size, then its dump."""

    def __init__(self, path: str) -> None:
        """Open and truncate the file. Raises OSError if it cannot be written."""
        self._file: IO[str] = open(path, "w", encoding="utf-8")  # noqa: SIM115  # close() closes it

    def note(self, text: str, label: str = "") -> None:
        """Write a remark about the conversation."""
        self._write([f"# {_now()} {label + ' ' if label else ''}{text}"])

    def write(self, direction: Direction, data: bytes, dump: HexDump, label: str = "") -> None:
        """Write a piece that was sent or received, without delay."""
        which = f"{label} " if label else ""
        head = f"{ARROWS[direction]} {which}{_now()} {direction} {len(data)} bytes"
        self._write([head, *dump.lines(direction, data)])

    def _write(self, lines: list[str]) -> None:
        self._file.write("".join(f"{line}\n" for line in lines))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
