"""ReadBuffer: taking, and looking without taking; and that nothing is taken half-way."""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from netkit.io import ByteStream, Flow, ReadBuffer, run
from netkit.net.fds import FdQueue
from netkit.net.listening import StreamListener
from netkit.net.udp import UdpSocket


def filled(*pieces: bytes) -> ReadBuffer:
    buffer = ReadBuffer()
    for piece in pieces:
        buffer.put(piece)
    return buffer


class TestPeekAndSkip:
    def test_what_is_seen_stays(self) -> None:
        buffer = filled(b"GET / HTTP/1.1\r\n", b"Host: a\r\n")
        assert bytes(buffer.peek()) == b"GET / HTTP/1.1\r\nHost: a\r\n"
        buffer.skip(16)
        assert bytes(buffer.peek()) == b"Host: a\r\n"
        assert buffer.take(100) == b"Host: a\r\n"
        assert bytes(buffer.peek()) == b""

    def test_it_cannot_be_written(self) -> None:
        for buffer in (filled(b"abc"), filled(b"ab", b"c")):
            with pytest.raises(TypeError):
                buffer.peek()[0] = 0

    def test_a_view_that_is_kept_is_found_out(self) -> None:
        buffer = filled(b"ab", b"cd")
        kept = buffer.peek()
        with pytest.raises(BufferError):
            buffer.put(b"ef")
        with pytest.raises(BufferError):
            buffer.skip(1)
        kept.release()
        buffer.put(b"ef")
        assert buffer.take(10) == b"abcdef"

    def test_no_more_can_be_skipped_than_there_is(self) -> None:
        buffer = filled(b"abc")
        with pytest.raises(ValueError, match="4 bytes cannot be skipped: there are 3"):
            buffer.skip(4)
        buffer.skip(3)
        assert len(buffer) == 0

    @given(st.lists(st.one_of(st.binary(max_size=8), st.integers(0, 12), st.integers(-12, -1))))
    def test_it_is_a_queue_of_bytes(self, steps: list[bytes | int]) -> None:
        buffer, expected = ReadBuffer(), b""
        for step in steps:
            if isinstance(step, bytes):
                buffer.put(step)
                expected += step
            elif step >= 0:
                assert buffer.take(step) == expected[:step]
                expected = expected[step:]
            elif -step <= len(expected):
                buffer.skip(-step)
                expected = expected[-step:]
            assert bytes(buffer.peek()) == expected
            assert len(buffer) == len(expected)


def test_a_flow_that_parses_where_the_bytes_lie() -> None:
    class Pieces(ByteStream):
        def __init__(self, pieces: list[bytes]) -> None:
            super().__init__()
            self.pieces = pieces

        def _receive(self) -> Flow[None]:
            if self.pieces:
                self._buffer.put(self.pieces.pop(0))
            else:
                self._eof = True
            return
            yield

    def head(stream: ByteStream) -> Flow[bytes]:
        while True:
            with stream.peek() as seen:
                end = bytes(seen).find(b"\r\n\r\n")
                size = len(seen)
                copied = bytes(seen[: end + 4]) if end >= 0 else b""
            if copied:
                stream.skip(len(copied))
                return copied
            assert (yield from stream.fill(size + 1))

    stream = Pieces([b"a: ", b"b\r", b"\n\r\nbody"])
    assert run(head(stream)) == b"a: b\r\n\r\n"
    assert stream.read() == b"body"


@pytest.mark.parametrize(
    "takes",
    [ReadBuffer.take, ReadBuffer.skip, StreamListener._first, UdpSocket._first, FdQueue.take],
    ids=lambda function: function.__qualname__,
)
def test_no_call_follows_the_removal(takes: Callable[..., Any]) -> None:
    """Python runs a signal's handler at calls: between a removal and the return, Ctrl-C would lose it."""
    instructions = list(dis.get_instructions(takes))
    removals, removed = 0, False
    for place, instruction in enumerate(instructions):
        emptied = instruction.opname == "STORE_ATTR" and instructions[place - 2].argval == b""
        if instruction.opname == "DELETE_SUBSCR" or emptied:
            removed = True
            removals += 1
        elif instruction.opname.startswith(("RETURN", "RAISE")):
            removed = False
        assert not (removed and instruction.opname.startswith(("CALL", "JUMP_BACKWARD"))), instruction
    assert removals


@pytest.mark.parametrize("stores", [ReadBuffer.receive, StreamListener._make_connection, FdQueue.receive])
def test_no_call_lies_between_two_places(stores: Callable[..., Any]) -> None:
    """Neither between the system's, in the unpacking, and the storing, nor between storing and removal."""
    moving, moves = False, 0
    for instruction in dis.get_instructions(stores):
        if instruction.opname == "UNPACK_SEQUENCE" and instruction.argval == 1:
            moving = True
        elif instruction.opname in ("STORE_ATTR", "DELETE_SUBSCR"):
            moves += moving
            moving = instruction.opname == "STORE_ATTR" and stores is not ReadBuffer.receive
        assert not (moving and instruction.opname.startswith(("CALL", "JUMP_BACKWARD"))), instruction
    assert moves
