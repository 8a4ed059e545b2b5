"""Frames for tests, written from RFC 6455 section 5.2, and ways to feed them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netkit.websocket import WebSocketProtocol

#: The key of RFC 6455 section 5.7.
KEY = bytes.fromhex("37fa213d")

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(first: int, payload: bytes = b"", key: bytes | None = KEY, length: bytes | None = None) -> bytes:
    """A frame by the letter of section 5.2; `length` is what stands where the length does, second octet
    included, without the mask bit."""
    if length is None:
        if len(payload) < 126:
            length = bytes([len(payload)])
        elif len(payload) < 1 << 16:
            length = b"\x7e" + len(payload).to_bytes(2, "big")
        else:
            length = b"\x7f" + len(payload).to_bytes(8, "big")
    if key is None:
        return bytes([first]) + length + payload
    masked = bytes(octet ^ key[i % 4] for i, octet in enumerate(payload))
    return bytes([first, length[0] | 0x80]) + length[1:] + key + masked


def pieces(stream: bytes, size: int) -> Iterator[bytes]:
    """The stream in pieces of that size."""
    for at in range(0, len(stream), size):
        yield stream[at : at + size]


def fields(error: Exception | None) -> tuple[Any, ...] | None:
    """What there is of an error, to be compared."""
    return None if error is None else (type(error), str(error), vars(error))


def read(reader: Any, chunks: Iterator[bytes] | list[bytes]) -> list[tuple[int, str | bytes]]:
    """What a reader, or a protocol, finds in chunks; pieces of compressed messages are put together."""
    found: list[tuple[int, str | bytes]] = []
    packed = b""
    for chunk in chunks:
        for kind, payload in reader.feed(chunk):
            if kind in (RSV1 | TEXT, RSV1 | BINARY):
                packed += payload
            elif kind & RSV1:
                found.append((kind, packed + payload))
                packed = b""
            else:
                found.append((kind, payload))
    return found


def client(**settings: Any) -> WebSocketProtocol:
    """A client whose every masking key is that of section 5.7."""
    return WebSocketProtocol.client(lambda: KEY, **settings)
