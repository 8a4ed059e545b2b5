"""Small pictures of four formats, made octet by octet: one colour, a few pixels.

W3C PNG; ITU-T T.81 (JPEG, baseline); RFC 9649 (WebP, lossless); W3C SVG.
"""

from __future__ import annotations

from functools import cache
from struct import pack
from zlib import compress, crc32

#: The width and the height of the pictures, in pixels.
SIZE = 8


@cache
def png() -> bytes:
    """8 by 8 pixels of red, green and blue."""
    row = b"\x00" + bytes((0x2E, 0x7D, 0x32)) * SIZE
    head = pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", compress(row * SIZE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data)) for kind, data in chunks]
    )


@cache
def jpeg() -> bytes:
    """One block of 8 by 8 pixels of grey.

    Its tables have one code each: `0` is a difference of no bits (DC), and the end of the block (AC).
    """
    quantities = b"\x00" + bytes([1] * 64)
    frame = pack(">BHHB", 8, SIZE, SIZE, 1) + b"\x01\x11\x00"
    one_code = bytes([1] + [0] * 15) + b"\x00"
    segments = (
        (0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        (0xDB, quantities),
        (0xC0, frame),
        (0xC4, b"\x00" + one_code),
        (0xC4, b"\x10" + one_code),
        (0xDA, b"\x01\x01\x00\x00\x3f\x00"),
    )
    body = b"".join([pack(">BBH", 0xFF, kind, len(data) + 2) + data for kind, data in segments])
    return b"\xff\xd8" + body + b"\x3f" + b"\xff\xd9"  # two bits of code, then ones


@cache
def webp() -> bytes:
    """One colour, lossless: the five prefix codes have a symbol each, so that no pixel takes a bit."""
    bits = _Bits()
    bits.put(SIZE - 1, 14)
    bits.put(SIZE - 1, 14)
    bits.put(0, 1)  # no alpha
    bits.put(0, 3)  # version
    bits.put(0, 1)  # no transform
    bits.put(0, 1)  # no colour cache
    bits.put(0, 1)  # one group of prefix codes
    for symbol in (0x7D, 0x2E, 0x32, 0xFF, 0):  # green, red, blue, alpha, distance
        bits.put(1, 1)  # a simple code
        bits.put(0, 1)  # of one symbol
        bits.put(1, 1)  # in eight bits
        bits.put(symbol, 8)
    data = b"\x2f" + bits.octets()
    padded = data + b"\x00" * (len(data) % 2)
    chunk = b"VP8L" + pack("<I", len(data)) + padded
    return b"RIFF" + pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def svg() -> bytes:
    """A circle."""
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 8 8">'
        b'<circle cx="4" cy="4" r="3" fill="#2e7d32"/></svg>\n'
    )


class _Bits:
    """Bits, the least significant first."""

    def __init__(self) -> None:
        self._value = 0
        self._size = 0

    def put(self, value: int, size: int) -> None:
        self._value |= value << self._size
        self._size += size

    def octets(self) -> bytes:
        return self._value.to_bytes((self._size + 7) // 8, "little")
