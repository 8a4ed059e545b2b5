"""What everything that holds a descriptor has in common: `with`, `async with`, and timeouts of its own."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Closing:
    """`with` and `async with` for what has a `close` that never waits."""

    def close(self) -> None:
        """Release the descriptor."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def dispose(value: object) -> None:
    """Close what a flow returned and nobody will have: a connection that was just made or accepted."""
    if isinstance(value, Closing):
        value.close()
    elif isinstance(value, tuple):
        for each in value:
            dispose(each)


class Timed:
    """A read and a write timeout for operations that name none: in seconds, or None to wait for ever."""

    read_timeout: float | None = None
    write_timeout: float | None = None

    def set_read_timeout(self, timeout: float | None) -> None:
        """Give every read that names no timeout of its own `timeout` seconds; None waits for ever."""
        self.read_timeout = timeout

    def set_write_timeout(self, timeout: float | None) -> None:
        """Give every write that names no timeout of its own `timeout` seconds; None waits for ever."""
        self.write_timeout = timeout

    def _read_deadline(self, timeout: float | None) -> float | None:
        return deadline_after(self.read_timeout if timeout is None else timeout)

    def _write_deadline(self, timeout: float | None) -> float | None:
        return deadline_after(self.write_timeout if timeout is None else timeout)


def deadline_after(timeout: float | None) -> float | None:
    """The moment of `time.monotonic()` that is `timeout` seconds from now; None for None."""
    return None if timeout is None else monotonic() + timeout
