"""The base of everything that holds a descriptor: `with`, `async with`, and default timeouts."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Closing:
    """`with` and `async with` for objects whose `close` never waits."""

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
    """Close a flow's result that no caller gets, such as a connection that was just made or accepted."""
    if isinstance(value, Closing):
        value.close()
    elif isinstance(value, tuple):
        for each in value:
            dispose(each)


class Timed:
    """Default timeouts for reads and writes that are called without one: in seconds, or None for no limit."""

    read_timeout: float | None = None
    write_timeout: float | None = None

    def set_read_timeout(self, timeout: float | None) -> None:
        """Set the timeout of reads that are called without one, in seconds; None waits without limit."""
        self.read_timeout = timeout

    def set_write_timeout(self, timeout: float | None) -> None:
        """Set the timeout of writes that are called without one, in seconds; None waits without limit."""
        self.write_timeout = timeout

    def _read_deadline(self, timeout: float | None) -> float | None:
        return deadline_after(self.read_timeout if timeout is None else timeout)

    def _write_deadline(self, timeout: float | None) -> float | None:
        return deadline_after(self.write_timeout if timeout is None else timeout)


def deadline_after(timeout: float | None) -> float | None:
    """The moment of `time.monotonic()` that is `timeout` seconds from now; None for None."""
    return None if timeout is None else monotonic() + timeout
