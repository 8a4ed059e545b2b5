"""The heads of frames, found in octets however they are cut."""

from __future__ import annotations

import pytest

from netkit.websocket import build_frame
from netkit.websocket.heads import FrameHead, HeadScanner

pytestmark = pytest.mark.once

FRAMES = [
    (build_frame(0x81, "hello"), FrameHead(0x81, False, 5)),
    (build_frame(0x42, bytes(300), b"abcd"), FrameHead(0x42, True, 300)),
    (build_frame(0x80, bytes(70_000)), FrameHead(0x80, False, 70_000)),
    (build_frame(0x89, b"", b"\0\0\0\0"), FrameHead(0x89, True, 0)),
    (b"\xf3\x01a", FrameHead(0xF3, False, 1)),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 1 << 20])
def test_heads_however_they_are_cut(size: int) -> None:
    octets = b"".join(frame for frame, _ in FRAMES)
    scanner = HeadScanner()
    found = [head for at in range(0, len(octets), size) for head in scanner.feed(octets[at : at + size])]
    assert found == [head for _, head in FRAMES]


def test_what_a_head_says() -> None:
    head = FrameHead(0xC1, True, 3)
    assert (head.fin, head.reserved, head.opcode_words, head.is_control) == (True, [1], "text", False)
    odd = FrameHead(0x7B, False, 0)
    assert (odd.fin, odd.reserved, odd.opcode_words, odd.is_control) == (False, [1, 2, 3], "0xB", True)


@pytest.mark.parametrize("octets", [b"\x82\x7e\x00\x01", b"\x82\x7f\x80", b"\x82\x7f" + bytes(7) + b"\x01"])
def test_nothing_is_found_behind_a_length_that_cannot_be_read(octets: bytes) -> None:
    scanner = HeadScanner()
    assert scanner.feed(octets) == []
    assert scanner.feed(build_frame(0x81, "hello")) == []
