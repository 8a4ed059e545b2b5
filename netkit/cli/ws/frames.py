"""--frames: what is on the wire, a line for each frame, with how much compression has saved.

    > text FIN mask 5 octets
    < text FIN RSV1 1,204 octets, inflated to 9,802 (12.3 %)

The size of a message that came compressed is known when it has been inflated. So the line of its last frame,
and those behind it, wait until then, which is before the next octets are received.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

from netkit.cli.frame.messages import plural
from netkit.websocket.heads import FrameHead, HeadScanner

if TYPE_CHECKING:
    from typing import TypeAlias

Direction: TypeAlias = Literal["sent", "received"]


class Told(Protocol):
    """Who is told of each frame; `size` is that of a compressed message inflated, `wire` its octets."""

    def __call__(self, direction: Direction, head: FrameHead, size: int | None, wire: int) -> object: ...


class FrameWatch:
    """Both directions of one connection."""

    def __init__(self, tell: Told) -> None:
        self._tell = tell
        self._ways: dict[Direction, _Way] = {"sent": _Way(), "received": _Way()}

    def octets(self, direction: Direction, data: bytes) -> None:
        """Octets as they are on the wire."""
        way = self._ways[direction]
        for head in way.scanner.feed(data):
            way.take(head)
        self._flush(direction)

    def message(self, direction: Direction, size: int) -> None:
        """A message of so many octets: before it is sent, or after it has come."""
        self._ways[direction].sizes.append(size)
        self._flush(direction)

    def end(self) -> None:
        """What still waits for its message has none."""
        for direction, way in self._ways.items():
            for head, _, wire in way.pending:
                self._tell(direction, head, None, wire)
            way.pending.clear()

    def _flush(self, direction: Direction) -> None:
        way = self._ways[direction]
        while way.pending:
            head, kind, wire = way.pending[0]
            if kind != "part" and not way.sizes:
                return
            size = way.sizes.popleft() if kind != "part" else None
            way.pending.popleft()
            self._tell(direction, head, size if kind == "compressed" else None, wire)


class _Way:
    def __init__(self) -> None:
        self.scanner = HeadScanner()
        self.sizes: deque[int] = deque()
        self.pending: deque[tuple[FrameHead, Literal["part", "plain", "compressed"], int]] = deque()
        self._wire = 0
        self._compressed = False

    def take(self, head: FrameHead) -> None:
        """Which frames end a message, and how many octets it had."""
        if head.is_control:
            self.pending.append((head, "part", head.length))
            return
        if head.opcode:
            self._wire, self._compressed = 0, 1 in head.reserved
        self._wire += head.length
        kind: Literal["part", "plain", "compressed"] = "part"
        if head.fin:
            kind = "compressed" if self._compressed else "plain"
        self.pending.append((head, kind, self._wire))


def frame_words(direction: Direction, head: FrameHead, size: int | None, wire: int) -> str:
    """A frame in one line."""
    words = [">" if direction == "sent" else "<", head.opcode_words]
    words += ["FIN"] if head.fin else []
    words += [f"RSV{number}" for number in head.reserved]
    words += ["mask"] if head.is_masked else []
    words.append(plural(head.length, "octet"))
    line = " ".join(words)
    if size is not None:
        line += f", inflated to {size:,} ({100 * wire / max(size, 1):.1f} %)"
    return line


def frame_row(
    direction: Direction, head: FrameHead, size: int | None, wire: int, at: float
) -> dict[str, Any]:
    """A frame as an event of --json."""
    return {
        "event": "frame",
        "direction": direction,
        "at_s": at,
        "fin": head.fin,
        "rsv": head.reserved,
        "opcode": head.opcode_words,
        "masked": head.is_masked,
        "length": head.length,
        "inflated_size": size,
        "ratio": None if size is None else round(wire / max(size, 1), 4),
    }
