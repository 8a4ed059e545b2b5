"""One frame (RFC 6455 section 5.2): its octets from its fields, and its fields from its octets.

`encode` and `decode` are the codec for one frame by itself, for tools that show or make frames. A connection
uses `netkit.websocket.reader` and `build_frame`, which do not make an object for each frame.

`encode` writes what it is given. A frame that breaks a rule can be written, for a test of a peer; `decode`
refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Self

from netkit import _twins
from netkit._value import Value, assign
from netkit.websocket.close import CloseCode, encode_close
from netkit.websocket.errors import WebSocketError
from netkit.websocket.masking import apply_mask
from netkit.websocket.opcode import Opcode

if TYPE_CHECKING:
    from netkit.websocket.masking import Octets

FIN: Final = 0x80
RSV1: Final = 0x40
_RSV: Final = 0x70
_MASKED: Final = 0x80

#: Octets that the payload of a control frame has at most (section 5.5).
MAX_CONTROL: Final = 125

#: The longest header: two octets, a 64-bit length and a masking key.
MAX_HEADER: Final = 14

#: What `decode` allows a payload to have, unless it is told something else.
MAX_PAYLOAD: Final = 16 << 20


class Frame(Value):
    """A frame: `fin`, the three reserved bits, the `opcode` and the `payload`, not masked.

    >>> Frame.text("hello")
    Frame(fin=True, rsv1=False, rsv2=False, rsv3=False, opcode=<Opcode.Textual: 1>, payload=b'hello')
    """

    __slots__ = ("fin", "opcode", "payload", "rsv1", "rsv2", "rsv3")
    __match_args__: ClassVar[tuple[str, ...]] = ("fin", "rsv1", "rsv2", "rsv3", "opcode", "payload")

    fin: bool
    rsv1: bool
    rsv2: bool
    rsv3: bool
    opcode: Opcode
    payload: bytes

    def __init__(
        self,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
        opcode: Opcode | int = Opcode.Binary,
        payload: Octets = b"",
    ) -> None:
        assign(self, "fin", fin)
        assign(self, "rsv1", rsv1)
        assign(self, "rsv2", rsv2)
        assign(self, "rsv3", rsv3)
        assign(self, "opcode", Opcode(opcode))
        assign(self, "payload", bytes(payload))

    @classmethod
    def text(cls, payload: str | Octets) -> Self:
        """A whole message of text. Octets are taken as they are, though they should be UTF-8."""
        return cls(opcode=Opcode.Textual, payload=payload.encode() if isinstance(payload, str) else payload)

    @classmethod
    def binary(cls, payload: Octets) -> Self:
        """A whole message of octets."""
        return cls(opcode=Opcode.Binary, payload=payload)

    @classmethod
    def ping(cls, payload: Octets = b"") -> Self:
        """A ping. Raises WebSocketError.InvalidValue for more than 125 octets."""
        return cls(opcode=Opcode.Ping, payload=control_payload(payload, "ping"))

    @classmethod
    def pong(cls, payload: Octets = b"") -> Self:
        """A pong. Raises WebSocketError.InvalidValue for more than 125 octets."""
        return cls(opcode=Opcode.Pong, payload=control_payload(payload, "pong"))

    @classmethod
    def close(cls, code: int | None = CloseCode.NORMAL, reason: str = "") -> Self:
        """A Close frame. Raises WebSocketError.InvalidValue for a code or a reason that may not be sent."""
        return cls(opcode=Opcode.Close, payload=encode_close(code, reason))

    @property
    def first(self) -> int:
        """The first octet: FIN, the reserved bits and the opcode."""
        return self.fin << 7 | self.rsv1 << 6 | self.rsv2 << 5 | self.rsv3 << 4 | self.opcode


def control_payload(payload: Octets, what: str) -> Octets:
    """The payload, if a control frame can have it. Raises WebSocketError.InvalidValue."""
    if len(payload) > MAX_CONTROL:
        raise WebSocketError.InvalidValue(what, f"{len(payload)} octets are more than 125", MAX_CONTROL)
    return payload


class DecodeResult(Value):
    """What `decode` found: `DecodeResult.NeedMore`, or `DecodeResult.Decoded`."""

    __slots__ = ()

    NeedMore: ClassVar[type[NeedMore]]
    Decoded: ClassVar[type[Decoded]]


class NeedMore(DecodeResult):
    """The frame is not complete. It counts as false."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


class Decoded(DecodeResult):
    """A `frame`, and how many octets of the buffer it had (`consumed`)."""

    __slots__ = ("consumed", "frame")
    __match_args__ = ("frame", "consumed")

    frame: Frame
    consumed: int

    def __init__(self, frame: Frame, consumed: int) -> None:
        assign(self, "frame", frame)
        assign(self, "consumed", consumed)


DecodeResult.NeedMore = NeedMore
DecodeResult.Decoded = Decoded


def encode(frame: Frame, mask_key: Octets | None = None, out: bytearray | None = None) -> bytearray:
    """Write a frame (RFC 6455 section 5.2).

    Args:
        frame: the frame, which is written as it is.
        mask_key: four octets, new and unpredictable for each frame that a client sends; None for a server.
        out: what the octets are appended to; a new bytearray if None.

    Returns:
        `out`.

    Raises:
        ValueError: the key has not four octets.
    """
    out = bytearray() if out is None else out
    out += build_frame(frame.first, frame.payload, mask_key)
    return out


def decode(
    buf: Octets, expect_masked: bool, max_payload: int = MAX_PAYLOAD, *, allowed_rsv: int = 0
) -> NeedMore | Decoded:
    """Read one frame from the front of a buffer, by all rules that concern a frame alone.

    Args:
        buf: what was received, from the beginning of a frame.
        expect_masked: true on a server, whose clients mask, false on a client.
        max_payload: the most octets of a payload.
        allowed_rsv: the reserved bits that an extension uses: 0x40 for permessage-deflate. They may be set
            in the first frame of a message of data.

    Raises:
        WebSocketError: the frame breaks a rule, as soon as the octets that say so are there. `offset`
            counts from the beginning of the buffer.
    """
    view = memoryview(buf).cast("B")
    if not view:
        return NeedMore()
    check_first(view[0], 0, allowed_rsv)
    if len(view) == 1:
        return NeedMore()
    check_second(view[0], view[1], 1, expect_masked)
    header = read_header(view, 0)
    if header is None:
        return NeedMore()
    length, size = header
    if length > max_payload:
        raise WebSocketError.LimitExceeded("max_frame", max_payload, length_offset(view[1], 0), length)
    if len(view) < size + length:
        return NeedMore()
    first, payload = view[0], view[size : size + length]
    octets = apply_mask(payload, view[size - 4 : size]) if expect_masked else payload.tobytes()
    fin, rsv1, rsv2, rsv3 = (bool(first & bit) for bit in (FIN, RSV1, 0x20, 0x10))
    return Decoded(Frame(fin, rsv1, rsv2, rsv3, first & 0xF, octets), size + length)


def check_first(first: int, offset: int, allowed_rsv: int, in_message: bool | None = None) -> None:
    """Check the first octet of a frame. `in_message`: whether a message is under way; None is not known."""
    opcode = first & 0x0F
    wrong = first & _RSV & ~(allowed_rsv if opcode in (1, 2) else 0)
    if wrong:
        raise WebSocketError.ReservedBitsSet(wrong, offset)
    if 2 < opcode < 8 or opcode > 10:
        raise WebSocketError.ReservedOpcode(opcode, offset)
    if opcode >= 8:
        if not first & FIN:
            raise WebSocketError.FragmentedControl(opcode, offset)
    elif in_message is not None and in_message != (opcode == 0):
        if in_message:
            raise WebSocketError.UnfinishedMessage(opcode, offset)
        raise WebSocketError.UnexpectedContinuation(offset)


def check_second(first: int, second: int, offset: int, expect_masked: bool) -> None:
    """Check the second octet of a frame, which is at `offset`."""
    if bool(second & _MASKED) != expect_masked:
        raise (WebSocketError.MaskMissing if expect_masked else WebSocketError.MaskForbidden)(offset)
    if first & 0x08 and second & 0x7F > MAX_CONTROL:
        raise WebSocketError.ControlTooLong(first & 0x0F, offset)


def read_header(data: bytes | memoryview, offset: int) -> tuple[int, int] | None:
    """The length of a frame's payload and of its header, None if the header is not complete.

    Its two first octets are there. `offset` is that of the frame, for errors.
    """
    second = data[1]
    length, size = second & 0x7F, 2
    if length == 126:
        if len(data) < 4:
            return None
        length, size = int.from_bytes(data[2:4], "big"), 4
        if length < 126:
            raise WebSocketError.NonMinimalLength(length, offset + 2)
    elif length == 127:
        if len(data) > 2 and data[2] & 0x80:
            raise WebSocketError.LengthOverflow(offset + 2)
        if len(data) < 10:
            return None
        length, size = int.from_bytes(data[2:10], "big"), 10
        if length < 65536:
            raise WebSocketError.NonMinimalLength(length, offset + 2)
    if second & _MASKED:
        size += 4
        # The length is judged before the key is there.
    return length, size


def length_offset(second: int, offset: int) -> int:
    """Where the length of a frame is, which begins at `offset`."""
    return offset + (1 if second & 0x7F < 126 else 2)


def _build_frame(first: int, payload: str | Octets, key: Octets | None = None) -> bytes:
    """Write a frame from its first octet and its payload (RFC 6455 section 5.2).

    >>> build_frame(0x81, "Hello", bytes.fromhex("37fa213d")).hex()
    '818537fa213d7f9f4d5158'

    Args:
        first: the first octet: FIN, the reserved bits and the opcode.
        payload: octets, or a text, which is sent in UTF-8.
        key: the masking key, four octets; None for a frame that is not masked.

    Raises:
        ValueError: `first` is no octet, or the key has not four.
        UnicodeEncodeError: the text has a lone surrogate.
        TypeError: the payload is neither a text nor contiguous octets.
    """
    if not 0 <= first <= 0xFF:
        raise ValueError(f"the first octet is from 0 to 255, not {first}")
    octets = payload.encode() if isinstance(payload, str) else memoryview(payload).cast("B")
    header = frame_header(first, len(octets), is_masked=key is not None)
    if key is None:
        return b"".join((header, octets))
    return b"".join((header, key, apply_mask(octets, key)))


def frame_header(first: int, length: int, *, is_masked: bool = False) -> bytes:
    """The header of a frame without its masking key: the length in the fewest octets that hold it."""
    bit = _MASKED if is_masked else 0
    if length < 126:
        return bytes((first, bit | length))
    if length < 65536:
        return bytes((first, bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, bit | 127)) + length.to_bytes(8, "big")


build_frame = _twins.choose("build_frame", _build_frame)
