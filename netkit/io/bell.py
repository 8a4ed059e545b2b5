"""A bell: a descriptor that becomes readable when another thread, or a signal handler, rings it.

poll(2) cannot wait for a Python object, so whatever must wake it from outside writes a byte. One pipe
(an eventfd where there is one) serves; ringing takes no lock and never blocks, which is what makes it
safe in a signal handler. A child process after fork(2) would share the descriptor and steal the
parent's rings, so a bell belongs to the process that made it.
"""

from __future__ import annotations

import os
import socket
import threading


class Bell:
    """Readable from the first `ring` until `silence`."""

    __slots__ = ("_pair", "fd", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._pair: tuple[socket.socket, socket.socket] | None = None
        if hasattr(os, "eventfd"):
            self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:  # a socket pair, since select(2) on Windows takes nothing but sockets
            self._pair = socket.socketpair()
            for end in self._pair:
                end.setblocking(False)
            self.fd = self._pair[0].fileno()

    def ring(self) -> None:
        """Make the bell readable. Any thread, or a signal handler; silent in a forked child."""
        if self.fd < 0 or self.pid != os.getpid():
            return
        try:
            if self._pair is None:
                os.eventfd_write(self.fd, 1)
            else:
                self._pair[1].send(b"\x01")
        except OSError:
            pass  # full, so readable, which is all that was wanted; or closed in this instant

    def silence(self) -> None:
        """Make it unreadable again."""
        try:
            if self._pair is None:
                os.eventfd_read(self.fd)
            else:
                while self._pair[0].recv(4096):
                    pass
        except OSError:
            pass  # nothing (more) to read

    def close(self) -> None:
        """Release the descriptors."""
        fd, self.fd = self.fd, -1
        if self._pair is not None:
            for end in self._pair:
                end.close()
        elif fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # at interpreter shutdown the system releases it
            pass


_local = threading.local()


def thread_bell() -> Bell:
    """This thread's own bell, made at its first blocking wait and closed when the thread ends."""
    bell: Bell | None = getattr(_local, "bell", None)
    if bell is None or bell.pid != os.getpid():
        bell = _local.bell = Bell()
    return bell
