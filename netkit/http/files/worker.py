"""One thread for what takes long: checking a password against its hash, waiting for a disk.

There is one, so that whoever sends wrong passwords keeps one processor busy at most, and not the thread that
serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from netkit.io import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

    from netkit.io import Flow

T = TypeVar("T")


class Worker:
    """A thread, begun when it is first needed, in the process that serves."""

    __slots__ = ("_pool",)

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def call(self, function: Callable[[], T]) -> Flow[T]:
        """Flow: what `function` returns in the thread. Raises what it raises."""
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "netkit-files")
        over = Event()
        future = self._pool.submit(function)
        future.add_done_callback(lambda _: over.set())
        try:
            yield from over.wait()
        finally:
            future.cancel()
        return future.result()
