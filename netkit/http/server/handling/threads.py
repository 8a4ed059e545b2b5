"""A bounded number of threads, in which blocking handlers run.

They are threads of their own, and not a `ThreadPoolExecutor`: Python waits for an executor's threads when it
ends, so one handler that hangs would keep the whole process. These do not keep it.

To wake a thread costs more than a short call. So a start wakes one thread at most, and a thread that takes a
call wakes another one if more calls wait. Where calls are short, the first thread has taken them all before
the second one runs; where a call waits for something, the next one has a thread meanwhile. So the loop is
told late too of calls that have ended (`takes_over`): awake, it and the threads contend for the interpreter.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from netkit.io import Event, Semaphore, sleep_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.io import Flow

#: Calls that wait for a thread this long, in seconds, while none begins, are worth a warning.
LONG_WAIT = 1.0


class ThreadPool:
    """Up to `size` threads, each made when it is first needed.

    A flow takes one of `places` before it starts a call, so calls that find no free thread wait in their
    order, each in the flow of its own connection. There is no other queue that could grow.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.places = Semaphore(size)
        self.lacking = Event()  # set by a call that finds no free thread
        self._begun = 0  # how many calls were started
        self._calls: deque[Callable[[], object]] = deque()
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()  # of what follows, and of a look at `_calls` that finds it empty
        self._idle: list[threading.Lock] = []  # what the idle threads wait for: the last one is woken first
        self._is_waking = False  # one was woken, and has not taken a call yet
        self._owed: Callable[[], object] | None = None  # what the thread that was woken is to call first
        self._is_closed = False

    def start(self, call: Callable[[], object], *, wakes: bool = True) -> None:
        """Run `call`, which raises nothing, in a thread. The place that the caller took is given back then.

        Without `wakes`, the caller calls `wake` soon, for this call and for others. Only the thread that
        drives the server's flow calls this.
        """
        self._begun += 1
        self._calls.append(call)
        if len(self._threads) < self.size - self.places.free or self._is_closed:
            thread = threading.Thread(
                target=self._work, name=f"netkit-http-{len(self._threads) + 1}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        elif wakes:
            self.wake()

    def exhausted_flow(self) -> Flow[None]:
        """Flow: until calls wait for a thread and none has begun for LONG_WAIT seconds."""
        while True:
            yield from self.lacking.wait()
            begun = self._begun
            yield from sleep_until(monotonic() + LONG_WAIT)
            if self._begun == begun and self.places.waiting:
                return
            self.lacking.clear()
            if self.places.waiting:
                self.lacking.set()

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

    def takes_over(self, ring: Callable[[], object]) -> bool:
        """Whether a thread will call `ring` soon: one that was woken, and has not run yet.

        Any thread but the one that starts calls, where a handler of a signal may be the caller.
        """
        if self._owed is not None:
            return True
        with self._guard:
            if self._is_waking:
                self._owed = ring
            return self._is_waking

    def wake(self) -> None:
        """Wake a thread, if none is about to look for calls."""
        with self._guard:
            if self._is_waking or not self._idle:
                return  # nobody is idle: whoever ends its call looks for the next
            self._is_waking = True
            sleeper = self._idle.pop()
        sleeper.release()

    def _next(self, sleeper: threading.Lock) -> Callable[[], object] | None:
        """The next call; None at the end."""
        was_woken = False
        while True:
            owed = None
            with self._guard:
                call = self._calls.popleft() if self._calls else None
                is_over = self._is_closed
                if call is None and not is_over:
                    self._idle.append(sleeper)
                if was_woken:
                    self._is_waking = False
                if was_woken or call is None:
                    owed, self._owed = self._owed, None
            if owed is not None:
                owed()
            if call is not None:
                return call
            if is_over:
                return None
            sleeper.acquire()
            was_woken = True

    def _work(self) -> None:
        sleeper = threading.Lock()
        sleeper.acquire()
        while (call := self._next(sleeper)) is not None:
            if self._calls:
                self.wake()
            try:
                call()
            finally:
                del call
                self.places.release()
