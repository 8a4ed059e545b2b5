"""A byte stream that says what it was told to say: no socket, no clock, no waiting."""

from __future__ import annotations

from collections.abc import Iterable

from netkit.io import ByteStream, Event, Flow


class ScriptedStream(ByteStream):
    """Receives `pieces` one after another, then the end of the stream (or, with `silent`, nothing for ever);
    `sent` is what was sent into it."""

    def __init__(self, pieces: Iterable[bytes], *, silent: bool = False) -> None:
        super().__init__()
        self._pieces = [piece for piece in pieces if piece]
        self._silent = silent
        self._never = Event()
        self.sent = bytearray()
        self._closed = False

    def _receive(self) -> Flow[None]:
        if self._pieces:
            self._buffer.put(self._pieces.pop(0))
        elif self._silent:
            yield from self._never.wait()
        else:
            self._eof = True

    def _send(self, data: memoryview) -> Flow[int]:
        self.sent += data[:7]  # never all of it at once
        return min(7, len(data))
        yield

    def _finish(self) -> Flow[None]:
        return
        yield

    def close(self) -> None:
        self._closed = True

    @property
    def is_closed(self) -> bool:
        return self._closed


def whole(data: bytes) -> list[bytes]:
    return [data]


def by_byte(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


#: The ways in which the same bytes may arrive.
CUTS = (whole, by_byte)
