"""A bell: a descriptor that becomes readable when another thread, or a signal handler, rings it.

poll(2) cannot wait for a Python object, so whatever must wake it from outside sends a byte through a socket
pair (sockets, because select(2) on Windows takes nothing else). Ringing takes no lock and never blocks,
which is what makes it safe in a signal handler. A child process after fork(2) would share the descriptor
and steal the parent's rings, so a bell belongs to the process that made it.

The main thread's bell is rung by the system's signals as well, while it waits (`rung_by_signals`): a signal
that arrives after Python's last look for signals and before the poll has no call to interrupt, and without
a byte to wake it the poll would sleep with the handler still to be run.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Self


class _End(socket.SocketType):
    """One end of the pair, closed with the bell it belongs to.

    Among objects that refer to each other in a circle a bell may be collected after its sockets, which
    would say that nobody closed them. The class and its `__del__` are the interpreter's own: where Python
    code runs, Ctrl-C may come in between, and what it raises in a `__del__` is printed and then forgotten.
    """

    __del__ = socket.SocketType.close

    @classmethod
    def of(cls, sock: socket.socket) -> Self:
        """The same socket, as one that closes itself."""
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
        """Make the bell readable. Any thread, or a signal handler; silent in a forked child."""
        if self.pid != os.getpid():
            return
        try:
            self._theirs.send(b"\0")
        except OSError:
            pass  # full, so readable, which is all that was wanted; or closed in this instant

    def silence(self) -> None:
        """Make it unreadable again."""
        try:
            while self._ours.recv(4096):
                pass
        except OSError:
            pass  # nothing (more) to read

    def rung_by_signals(self) -> bool:
        """Have every signal of this process ring the bell, until `silent_to_signals`.

        False, and nothing changed, outside the main thread or where something else has that place.
        """
        if threading.get_ident() != threading.main_thread().ident:
            return False
        try:
            before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        except ValueError:
            return False  # a main thread of an interpreter that is not the main one
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
    """This thread's own bell, made at its first blocking wait and closed when the thread ends."""
    bell: Bell | None = getattr(_local, "bell", None)
    if bell is None or bell.pid != os.getpid():
        bell = _local.bell = Bell()
    return bell
