"""`OverStream`: a stream over another one, for kinds of streams that change little of what passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.io.stream import LINGER, QUIET, RECEIVE_SIZE, ByteStream

if TYPE_CHECKING:
    from netkit.io.flow import Event, Flow, Want


class OverStream(ByteStream):
    """A stream over another one, which it owns; what it does not say is the other one's."""

    def __init__(self, inner: ByteStream) -> None:
        super().__init__()
        self._inner = inner

    def _receive(self) -> Flow[None]:
        data = yield from self._inner.read_flow(RECEIVE_SIZE)
        if data:
            self._buffer.put(data)
        else:
            self._eof = True

    def _send(self, data: memoryview) -> Flow[int]:
        return self._inner.write_flow(data)

    def _finish(self) -> Flow[None]:
        return self._inner.finish()

    def try_send(self, data: bytes | memoryview) -> int:
        """As of the stream below."""
        return self._inner.try_send(data)

    def offer(self, data: bytes | memoryview) -> int:
        """As of the stream below."""
        return self._inner.offer(data)

    @property
    def unsent(self) -> int:
        """As of the stream below."""
        return self._inner.unsent

    def stop_reading(self, quiet: float = QUIET) -> None:
        """As of the stream below."""
        self._inner.stop_reading(quiet)

    def lingering_close(self, quiet: float = LINGER) -> Flow[int]:
        """As of the stream below."""
        return self._inner.lingering_close(quiet)

    def want(self, *, write: bool = False, event: Event | None = None, until: float | None = None) -> Want:
        """As of the stream below."""
        return self._inner.want(write=write, event=event, until=until)

    def close(self) -> None:
        """Close the stream below."""
        self._inner.close()

    @property
    def is_closed(self) -> bool:
        """Whether the stream below was closed."""
        return self._inner.is_closed

    @property
    def gone(self) -> Event:
        """Set when the stream is closed."""
        return self._inner.gone

    @property
    def below(self) -> ByteStream:
        """The stream that this one runs over."""
        return self._inner
