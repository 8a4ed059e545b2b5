"""Many sockets that are waited for as one: a descriptor that is readable when one of them is.

A `Want` of `netkit.io` names one descriptor to read. epoll(7) and kqueue(2) give one for any number of
sockets, and every driver can wait for it: poll(2), another epoll, libuv. After the wait it says at once which
sockets are ready, in one system call for all of them. Elsewhere (`ReadySet.available` is False) every
question has a socket of its own: see `udp`.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, ClassVar

from netkit.io import Descriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The most sockets that one look returns: rule 5 of `netkit.io`, so many operations and then others' turn.
AT_ONCE = 32

if sys.platform == "linux":

    class ReadySet:
        """Sockets that are waited for together."""

        available: ClassVar[bool] = True

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self.descriptor = Descriptor(self._epoll.fileno(), close=self._epoll.close)

        def add(self, fd: int) -> None:
            """Wait for this socket too."""
            self._epoll.register(fd, select.EPOLLIN)

        def remove(self, fd: int) -> None:
            """Wait for it no more. Call this before the socket is closed."""
            self._epoll.unregister(fd)

        def ready(self) -> Sequence[int]:
            """The sockets that have something to read or an error to report, without waiting; AT_ONCE at
            most."""
            return [fd for fd, _ in self._epoll.poll(0, AT_ONCE)]

elif hasattr(select, "kqueue"):

    class ReadySet:
        """Sockets that are waited for together."""

        available: ClassVar[bool] = True

        def __init__(self) -> None:
            self._kqueue = select.kqueue()
            self.descriptor = Descriptor(self._kqueue.fileno(), close=self._kqueue.close)

        def add(self, fd: int) -> None:
            """Wait for this socket too."""
            self._control(fd, select.KQ_EV_ADD)

        def remove(self, fd: int) -> None:
            """Wait for it no more. Call this before the socket is closed."""
            self._control(fd, select.KQ_EV_DELETE)

        def _control(self, fd: int, flags: int) -> None:
            self._kqueue.control([select.kevent(fd, select.KQ_FILTER_READ, flags)], 0)

        def ready(self) -> Sequence[int]:
            """The sockets that have something to read or an error to report, without waiting; AT_ONCE at
            most."""
            return [event.ident for event in self._kqueue.control(None, AT_ONCE, 0)]

else:

    class ReadySet:
        """Nothing: this system has no descriptor for many sockets."""

        available: ClassVar[bool] = False

        def __init__(self) -> None:
            self.descriptor = Descriptor(-1, close=_nothing)

        def add(self, fd: int) -> None:
            """Never called."""

        def remove(self, fd: int) -> None:
            """Never called."""

        def ready(self) -> Sequence[int]:
            """None are."""
            return ()


def _nothing() -> None:
    return None
