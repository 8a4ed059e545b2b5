"""The receiving half of a connection: octets in any pieces, whole messages out (RFC 6455 section 5).

    reader = MessageReader(expect_masked=True)
    reader.feed(b"\\x81\\x85....")    # [(Opcode.Textual, "hello")]

A reader knows the rules of frames, masks, fragments and UTF-8, and the limits. What a Ping or a Close means,
and how a message is inflated, is for `netkit.websocket.protocol`. It raises nothing for what the peer sent:
messages that were complete before a wrong octet are handed out, and the error is kept in `error`.

A message under way is one buffer that grows, however many fragments it has. Its text is checked as the
octets come, also inside an unfinished frame. The length that a frame announces reserves no memory, in Rust
at most eight times as much as has come.

This class has a twin in Rust (rust/src/websocket/reader.rs). The Python one is the specification.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Final, TypeAlias

from netkit import _twins
from netkit.websocket.errors import AtOctet, WebSocketError
from netkit.websocket.frame import FIN, RSV1, check_first, check_second, length_offset, read_header
from netkit.websocket.masking import apply_mask
from netkit.websocket.opcode import Opcode
from netkit.websocket.utf8 import Utf8Validator

if TYPE_CHECKING:
    from netkit.websocket.masking import Octets

#: What a reader found: the kind and the payload. The kind is `Opcode.Textual` with a text; `Opcode.Binary`,
#: `Ping`, `Pong` or `Close` with octets; or for a compressed message the first octet of its frame, with
#: the octets as they are: `COMPRESSED | 1` or `COMPRESSED | 2` for a piece, and with FIN for the last one.
Found: TypeAlias = "tuple[int, str | bytes]"

COMPRESSED: Final = RSV1

#: The largest limit.
MAX_LIMIT: Final = 1 << 62

DEFAULT_MAX_FRAME: Final = 16 << 20
DEFAULT_MAX_MESSAGE: Final = 16 << 20
DEFAULT_MAX_FRAGMENTS: Final = 1 << 17
DEFAULT_MAX_EMPTY_FRAGMENTS: Final = 1000

_OPCODES = {int(opcode): opcode for opcode in Opcode}


class _MessageReader:
    """Reads the messages that a peer sends.

    Args:
        expect_masked: true on a server, whose clients mask, false on a client.
        allow_compressed: RSV1 marks a compressed message (RFC 7692); otherwise it is an error.
        max_frame: the most octets of one frame's payload.
        max_message: the most octets of a message. A compressed one may have a sixteenth and 64 octets more,
            because what cannot be compressed becomes a little larger.
        max_fragments: the most frames of a message.
        max_empty_fragments: the most frames of a message that carry nothing.

    Raises ValueError for a limit that is not from 0 to 2**62.

    `error` is what was wrong, None if nothing was. `is_plain` says that the last `feed` found nothing but
    messages that are not compressed, and no error. `offset` is how many octets were
    read, or where the error is.
    """

    __slots__ = (
        "_allowed_rsv",
        "_buffer",
        "_control",
        "_empty",
        "_expect_masked",
        "_first",
        "_fragments",
        "_head",
        "_key",
        "_left",
        "_limits",
        "_masked",
        "_message",
        "_stopped",
        "_total",
        "_utf8",
        "error",
        "is_plain",
        "offset",
    )

    def __init__(
        self,
        expect_masked: bool,
        *,
        allow_compressed: bool = False,
        max_frame: int = DEFAULT_MAX_FRAME,
        max_message: int = DEFAULT_MAX_MESSAGE,
        max_fragments: int = DEFAULT_MAX_FRAGMENTS,
        max_empty_fragments: int = DEFAULT_MAX_EMPTY_FRAGMENTS,
    ) -> None:
        self._limits = (
            _limit("max_frame", max_frame),
            _limit("max_message", max_message),
            _limit("max_fragments", max_fragments),
            _limit("max_empty_fragments", max_empty_fragments),
        )
        self._expect_masked = bool(expect_masked)
        self._allowed_rsv = RSV1 if allow_compressed else 0
        self.error: WebSocketError | None = None
        self.is_plain = True
        self.offset = 0
        #: After an error or a Close frame nothing is read any more (section 5.5.1).
        self._stopped = False
        #: The octets of a header that is not complete.
        self._head = b""
        #: The frame under way: its first octet, its key, what was and is to be read of its payload (-1: no
        #: frame).
        self._first = 0
        self._key = b""
        self._masked = 0
        self._left = -1
        #: The message under way: the first octet of its first frame, 0 if there is none.
        self._message = 0
        self._total = 0
        self._fragments = 0
        self._empty = 0
        #: The payloads of the message under way, and of the control frame.
        self._buffer = bytearray()
        self._control = b""
        self._utf8 = Utf8Validator()

    @property
    def in_message(self) -> bool:
        """Whether a message, or a frame, is under way: the end of the stream would cut it off."""
        return not self._stopped and (bool(self._message) or self._left >= 0 or bool(self._head))

    @property
    def buffered(self) -> int:
        """How many octets of the message under way are kept."""
        return len(self._buffer)

    def feed(self, data: Octets) -> list[Found]:
        """What the next octets of the stream complete.

        Args:
            data: what was received, in any contiguous buffer. Nothing refers to it afterwards.

        Returns:
            What was found, in order. After a Close frame or an error the rest is not read.
        """
        view = memoryview(data).cast("B")
        found: list[Found] = []
        self.is_plain = True
        if self._stopped:
            return found
        try:
            self._read(view, found)
        except AtOctet as error:
            self.is_plain = False
            self._stopped = True
            self._buffer = bytearray()
            self.error = error.fresh()
            self.offset = error.offset
        return found

    def feed_front(self, buffer: bytearray, size: int) -> str | bytes | list[Found]:
        """`feed` the first `size` octets of a buffer, for a loop that receives into it.

        Where that is one message, which is not compressed, and nothing else, its payload is returned itself.
        Raises ValueError where there are not so many octets.
        """
        if not 0 <= size <= len(buffer):
            raise ValueError(f"{size} is not 0 to {len(buffer)} octets")
        with memoryview(buffer) as view:
            found = self.feed(view[:size])
        return found[0][1] if len(found) == 1 and self.is_plain else found

    def _read(self, view: memoryview, found: list[Found]) -> None:
        while not self._stopped:
            if self._left < 0:
                view = self._read_head(view)
                if self._left < 0:
                    break
            part = view[: self._left]
            view = view[len(part) :]
            if self._is_whole(part):
                found.append(self._whole(part))
                continue
            self._left -= len(part)
            self._take(part)
            if self._left:
                break
            self._end_frame(found)
        if self._message & COMPRESSED and self._buffer:
            self.is_plain = False
            found.append((self._message, bytes(self._buffer)))
            self._buffer.clear()

    def _is_whole(self, part: memoryview) -> bool:
        """Whether these octets are a whole message, in one frame and not compressed."""
        return (
            len(part) == self._left == self._total
            and self._fragments == 1
            and self._first in (FIN | Opcode.Textual, FIN | Opcode.Binary)
        )

    def _whole(self, part: memoryview) -> Found:
        payload = apply_mask(part, self._key) if self._key else part
        self.offset += len(part)
        message, self._message, self._left = self._message, 0, -1
        if message == Opcode.Binary:
            return Opcode.Binary, bytes(payload)
        try:
            return Opcode.Textual, str(payload, "utf-8")
        except UnicodeDecodeError:
            self._utf8.feed(payload)  # which finds the octet
            self._utf8.finish()
            raise

    def _read_head(self, view: memoryview) -> memoryview:
        """Read the header of a frame, and return what is behind it. `_left` is set if it is complete."""
        at = self.offset - len(self._head)
        before = len(self._head)
        head = self._head + view[: 14 - before]
        self._head = head
        if not head:
            return view
        check_first(head[0], at, self._allowed_rsv, bool(self._message))
        if len(head) > 1:
            check_second(head[0], head[1], at + 1, self._expect_masked)
            header = read_header(head, at)
            if header is not None:
                length, size = header
                self._check_length(head, length, at)
                if len(head) >= size:
                    self._begin_frame(head, length, size, at)
                    self.offset = at + size
                    return view[size - before :]
        self.offset = at + len(head)
        return view[len(head) - before :]

    def _check_length(self, head: bytes, length: int, at: int) -> None:
        max_frame, max_message, max_fragments, max_empty = self._limits
        opcode = head[0] & 0x0F
        where = length_offset(head[1], at)
        if length > max_frame:
            raise WebSocketError.LimitExceeded("max_frame", max_frame, where, length)
        if opcode >= 8:
            return
        most = max_message
        if (self._message or head[0]) & COMPRESSED:
            most += (most >> 4) + 64
        total = (self._total if self._message else 0) + length
        if total > most:
            raise WebSocketError.LimitExceeded("max_message", max_message, where, total)
        if (self._fragments if self._message else 0) + 1 > max_fragments:
            raise WebSocketError.LimitExceeded("max_fragments", max_fragments, at)
        if not length and not head[0] & FIN and (self._empty if self._message else 0) + 1 > max_empty:
            raise WebSocketError.LimitExceeded("max_empty_fragments", max_empty, where)

    def _begin_frame(self, head: bytes, length: int, size: int, at: int) -> None:
        self._head = b""
        self._first = first = head[0]
        self._key = head[size - 4 : size] if self._expect_masked else b""
        self._masked = 0
        self._left = length
        if first & 0x0F >= 8:
            return
        if not self._message:
            self._message = first & 0x4F
            self._total = self._fragments = self._empty = 0
            self._utf8 = Utf8Validator(at + size)
        else:
            self._utf8.offset = at + size
        self._total += length
        self._fragments += 1
        self._empty += not length and not first & FIN

    def _take(self, part: memoryview) -> None:
        """The next octets of the payload of the frame under way."""
        self.offset += len(part)
        payload: Octets = part
        if self._key:
            payload = apply_mask(part, self._key, self._masked)
            self._masked += len(part)
        if self._first & 0x0F >= 8:
            self._control += payload  # at most 125 octets
            return
        if self._message == Opcode.Textual:
            self._utf8.feed(payload)
        self._buffer += payload

    def _end_frame(self, found: list[Found]) -> None:
        self._left = -1
        opcode = self._first & 0x0F
        if opcode >= 8:
            self.is_plain = False
            if opcode == Opcode.Close:
                self._stopped = True
                self._buffer = bytearray()  # its message will never be whole
            found.append((_OPCODES[opcode], self._control))
            self._control = b""
            return
        if not self._first & FIN:
            return
        message = self._message
        if message & COMPRESSED:
            self.is_plain = False
            found.append((FIN | message, bytes(self._buffer)))
        elif message == Opcode.Textual:
            self._utf8.finish()
            found.append((Opcode.Textual, self._buffer.decode()))
        else:
            found.append((Opcode.Binary, bytes(self._buffer)))
        self._message = 0
        self._buffer.clear()


def _limit(name: str, value: int) -> int:
    if not 0 <= index(value) <= MAX_LIMIT:
        raise ValueError(f"{name} must be from 0 to {MAX_LIMIT}, not {value}")
    return index(value)


MessageReader = _twins.choose("MessageReader", _MessageReader)
