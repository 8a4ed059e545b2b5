"""A bounded number of threads, in which blocking handlers run.

They are threads of their own, and not a `ThreadPoolExecutor`: Python waits for an executor's threads when it
ends, so one handler that hangs would keep the whole process. These do not keep it.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from netkit.io import Semaphore

if TYPE_CHECKING:
    from collections.abc import Callable


class ThreadPool:
    """Up to `size` threads, each made when it is first needed.

    A flow takes one of `places` before it starts a call, so calls that find no free thread wait in their
    order, each in the flow of its own connection. There is no other queue that could grow.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.places = Semaphore(size)
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def start(self, call: Callable[[], object]) -> None:
        """Run `call`, which raises nothing, in a thread. The place that the caller took is given back then.

        Only the thread that drives the server's flow calls this.
        """
        if len(self._threads) < self.size - self.places.free:
            thread = threading.Thread(
                target=self._work, name=f"netkit-http-{len(self._threads) + 1}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._calls.put(call)
        if self._is_closed:
            self._calls.put(None)  # for the thread that takes this late call

    def close(self) -> None:
        """Let every thread end after what it does now. Waits for none of them."""
        if not self._is_closed:
            self._is_closed = True
            for _ in self._threads:
                self._calls.put(None)

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that were made."""
        return list(self._threads)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            finally:
                del call
                self.places.release()
