"""Cancellation from outside: one token for any number of operations, cancelled once.

`cancel()` takes no lock: it sets a flag, and makes a descriptor readable (the descriptor is made at the first
wait with the token). So any thread may call it, and any signal handler, even one that interrupts a wait on
this token.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from netkit.io.bell import Bell
from netkit.io.errors import CancellationError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class CancellationToken:
    """Pass it as `cancel=token` to any operation; `token.cancel()` makes all of them raise.

    Bytes received before the cancellation stay in the streams' buffers. A token stays cancelled: make a new
    one for further operations.
    """

    __slots__ = ("__weakref__", "_bell", "_cancelled", "_loops", "reason")

    _making = threading.Lock()  # waiters hold it while they make a bell; cancel() never takes it

    def __init__(self) -> None:
        self._cancelled = False
        self._bell: Bell | None = None
        self._loops: dict[tuple[asyncio.AbstractEventLoop, Callable[[], None]], None] = {}
        self.reason: str | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self, reason: str | None = None) -> None:
        """Cancel every operation that has this token, now or later. Idempotent; any thread or signal
        handler."""
        if self._cancelled:
            return
        self.reason = reason
        self._cancelled = True
        bell = self._bell
        if bell is not None:
            bell.ring()
        for loop, wake in list(self._loops):
            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                pass  # the loop is closed, and so nothing waits in it any more

    def check(self) -> None:
        """Raise CancellationError if the token was cancelled."""
        if self._cancelled:
            raise CancellationError(self.reason)

    def __repr__(self) -> str:
        return f"<CancellationToken {'cancelled' if self._cancelled else 'live'}>"

    def _fileno(self) -> int:
        """The descriptor that a blocking wait polls too."""
        bell = self._bell
        if bell is None or bell.pid != os.getpid():
            with self._making:
                bell = self._bell
                if bell is None or bell.pid != os.getpid():
                    bell = self._bell = Bell()
            if self._cancelled:
                bell.ring()  # cancel() was called before the bell was set
        return bell.fd
