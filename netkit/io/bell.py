"""A bell: a descriptor that becomes readable when another thread, or a signal handler, rings it.

poll(2) cannot wait for a Python object. So other threads wake it with a byte through a socket pair (sockets,
because select(2) on Windows takes nothing else). Ringing takes no lock and never blocks, so it is safe in a
signal handler. After fork(2) a child process would share the descriptor and take the parent's bytes. So a
bell belongs to the process that made it.

While the main thread waits, the system's signals ring its bell as well (`rung_by_signals`). If a signal
arrives after Python's last check for signals and before the poll, it interrupts no call. Without a byte to
wake it, the poll would sleep before the handler has run.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Self


class _End(socket.SocketType):
    """One end of the pair, which closes itself when it is collected.

    If a bell is part of a reference cycle, its sockets may be collected before it, and Python would warn that
    they were not closed. The base class and its `__del__` are the interpreter's own code. In Python code,
    Ctrl-C could arrive in a `__del__`, where its exception is only printed and then lost.
    """

    __del__ = socket.SocketType.close

    @classmethod
    def of(cls, sock: socket.socket) -> Self:
        """The same socket, as an object that closes itself."""
        made = cls(sock.family, sock.type, sock.proto, sock.detach())
        made.setblocking(False)
        return made


class Bell:
    """Readable from the first `ring` until `silence`."""

    __slots__ = ("_ours", "_theirs", "fd", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._ours, self._theirs = map(_End.of, socket.socketpair())
        self.fd = self._ours.fileno()

    def ring(self) -> None:
        """Make the bell readable. Any thread or signal handler may call it; in a forked child it does
        nothing."""
        if self.pid != os.getpid():
            return
        try:
            self._theirs.send(b"\0")
        except OSError:
            pass  # the pair is full, so the bell is readable already; or it was closed at this moment

    def silence(self) -> None:
        """Make it unreadable again."""
        try:
            while self._ours.recv(4096):
                pass
        except OSError:
            pass  # nothing (more) to read

    def rung_by_signals(self) -> bool:
        """Make every signal of this process ring the bell, until `silent_to_signals`.

        Returns False and changes nothing outside the main thread, or if other code uses the wake-up
        descriptor.
        """
        if threading.get_ident() != threading.main_thread().ident:
            return False
        try:
            before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        except ValueError:
            return False  # the main thread of a subinterpreter
        if before != -1:
            signal.set_wakeup_fd(before)
            return False
        return True

    def silent_to_signals(self) -> None:
        """Undo `rung_by_signals`."""
        signal.set_wakeup_fd(-1)

    def close(self) -> None:
        """Release the descriptors."""
        self._ours.close()
        self._theirs.close()


_local = threading.local()


def thread_bell() -> Bell:
    """This thread's bell: made at its first blocking wait, and closed when the thread ends."""
    bell: Bell | None = getattr(_local, "bell", None)
    if bell is None or bell.pid != os.getpid():
        bell = _local.bell = Bell()
    return bell
