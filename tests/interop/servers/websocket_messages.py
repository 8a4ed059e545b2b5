"""What the peers of WebSocket send each other, without anything that takes long to import."""

from __future__ import annotations

from functools import cache

#: Each form of a length begins or ends at some of these (RFC 6455 section 5.2); the last does not fit into
#: what the systems buffer.
SIZES = (0, 1, 125, 126, 65535, 65536, 3 << 20)

#: A frame with an opcode that is reserved, as either side sends it.
RESERVED_OF_SERVER = b"\x83\x00"
RESERVED_OF_CLIENT = b"\x83\x80\x01\x02\x03\x04"


@cache
def messages_of_peers() -> tuple[str | bytes, ...]:
    """A text and octets of each of those sizes."""
    octets = bytes((at * 7 + at) >> 8 & 255 for at in range(1 << 16))
    messages: list[str | bytes] = []
    for size in SIZES:
        messages.append("x" * (size % 2) + "ü" * (size // 2))
        messages.append((octets * (size // len(octets) + 1))[:size])
    return tuple(messages)
