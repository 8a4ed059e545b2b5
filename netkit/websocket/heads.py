"""The heads of frames in a stream of octets, for who looks on: payloads are passed over, and nothing is
refused (RFC 6455 section 5.2).

`MessageReader` says what octets mean, and this what they look like: where a peer breaks a rule, the frame
that does it is still shown. Only a length that cannot be read ends it, because anything could follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netkit.websocket.errors import WebSocketError
from netkit.websocket.frame import FIN, RSV1, read_header
from netkit.websocket.opcode import Opcode

if TYPE_CHECKING:
    from netkit.websocket.masking import Octets

#: The most octets of a head: two, eight of the length, four of the masking key.
MAX_HEAD = 14

_WORDS: dict[int, str] = {
    Opcode.Continuation: "continuation",
    Opcode.Textual: "text",
    Opcode.Binary: "binary",
    Opcode.Close: "close",
    Opcode.Ping: "ping",
    Opcode.Pong: "pong",
}


class FrameHead(NamedTuple):
    """The head of a frame. `first` is its first octet, `length` that of its payload, in octets."""

    first: int
    is_masked: bool
    length: int

    @property
    def fin(self) -> bool:
        """Whether the frame ends its message."""
        return bool(self.first & FIN)

    @property
    def reserved(self) -> list[int]:
        """Which of the reserved bits, 1 to 3, are set."""
        return [number for number in (1, 2, 3) if self.first & (RSV1 << 1 >> number)]

    @property
    def opcode(self) -> int:
        """What kind of frame it is, of 16."""
        return self.first & 0x0F

    @property
    def is_control(self) -> bool:
        """Whether it is no part of a message: Close, a ping, a pong."""
        return self.opcode >= 8

    @property
    def opcode_words(self) -> str:
        """The opcode's name, or its number where it is reserved.

        >>> FrameHead(0x81, False, 5).opcode_words, FrameHead(0x83, False, 0).opcode_words
        ('text', '0x3')
        """
        return _WORDS.get(self.opcode, f"0x{self.opcode:X}")


class HeadScanner:
    """Finds the heads of one direction of a connection."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._rest = 0  # octets of a payload that are still to come
        self._is_lost = False

    def feed(self, data: Octets) -> list[FrameHead]:
        """The heads that end in the next octets."""
        found: list[FrameHead] = []
        view = memoryview(data).cast("B")
        at = 0
        while at < len(view) and not self._is_lost:
            if self._rest:
                passed = min(self._rest, len(view) - at)
                self._rest -= passed
                at += passed
                continue
            self._head.append(view[at])
            at += 1
            head = self._read()
            if head is not None:
                found.append(head)
                self._head.clear()
                self._rest = head.length
        return found

    def _read(self) -> FrameHead | None:
        head = self._head
        if len(head) < 2:
            return None
        try:
            read = read_header(memoryview(head).toreadonly(), 0)
        except WebSocketError:
            self._is_lost = True
            return None
        if read is None or len(head) < read[1]:
            return None
        return FrameHead(head[0], bool(head[1] & 0x80), read[0])
