"""A bounded number of threads, in which blocking handlers run.

They are threads of their own, and not a `ThreadPoolExecutor`: Python waits for an executor's threads when it
ends, so one handler that hangs would keep the whole process. These do not keep it.

To wake a thread costs more than a short call. So a start wakes one thread at most, and a thread that takes a
call wakes another one if more calls wait. Where calls are short, the first thread has taken them all before
the second one runs; where a call waits for something, the next one has a thread meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
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
        self._calls: deque[Callable[[], object]] = deque()
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()  # of what follows, and of a look at `_calls` that finds it empty
        self._idle: list[threading.Lock] = []  # what the idle threads wait for: the last one is woken first
        self._is_waking = False  # one was woken, and has not taken a call yet
        self._is_closed = False

    def start(self, call: Callable[[], object]) -> None:
        """Run `call`, which raises nothing, in a thread. The place that the caller took is given back then.

        Only the thread that drives the server's flow calls this.
        """
        self._calls.append(call)
        if len(self._threads) < self.size - self.places.free or self._is_closed:
            thread = threading.Thread(
                target=self._work, name=f"netkit-http-{len(self._threads) + 1}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        elif not self._is_waking:
            self._wake_one()

    def close(self) -> None:
        """Let every thread end after what it does now. Waits for none of them."""
        with self._guard:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for each in idle:
            each.release()

    @property
    def threads(self) -> list[threading.Thread]:
        """The threads that were made."""
        return list(self._threads)

    def _wake_one(self) -> None:
        with self._guard:
            if self._is_waking or not self._idle:
                return  # nobody is idle: whoever ends its call looks for the next
            self._is_waking = True
            sleeper = self._idle.pop()
        sleeper.release()

    def _next(self, sleeper: threading.Lock) -> Callable[[], object] | None:
        """The next call; None at the end."""
        while True:
            with self._guard:
                self._is_waking = False
                if self._calls:
                    return self._calls.popleft()
                if self._is_closed:
                    return None
                self._idle.append(sleeper)
            sleeper.acquire()

    def _work(self) -> None:
        sleeper = threading.Lock()
        sleeper.acquire()
        while (call := self._next(sleeper)) is not None:
            if self._calls and not self._is_waking:
                self._wake_one()
            try:
                call()
            finally:
                del call
                self.places.release()
