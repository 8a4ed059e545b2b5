"""The system calls of the blocking driver: poll(2), epoll(7) for many descriptors, select(2) elsewhere.

All three have poll's interface: `register` (again, to change the events), `unregister`, `poll` with
milliseconds. poll(2) passes all descriptors at each call, and needs no set-up. This is right for the one or
two descriptors of a dialogue. A server with two thousand idle connections would pay for each of them at every
turn, so it changes to epoll.

epoll is used with EPOLLONESHOT: a descriptor that fired is disabled until it is registered again. A
descriptor that is unregistered before it fired is really removed. So an old registration can never fire for a
number that was closed and now belongs to another connection, even if another process keeps the old open file.
"""

from __future__ import annotations

import select
from typing import Protocol

READ = 0x001  # the value of POLLIN and EPOLLIN on every system that has them; `Select` uses it too
WRITE = 0x004

#: With at least this many descriptors, epoll is worth its set-up and its system call for each wait.
MANY = 24


class Poller(Protocol):
    """poll's interface. Events are READ and WRITE, and others for errors and hang-ups."""

    def register(self, fd: int, events: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]: ...


class Select:
    """select(2), for Windows."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(self, fd: int, events: int, /) -> None:
        self._events[fd] = events

    def unregister(self, fd: int, /) -> None:
        del self._events[fd]

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        reading = [fd for fd, events in self._events.items() if events & READ]
        writing = [fd for fd, events in self._events.items() if events & WRITE]
        seconds = None if timeout is None else timeout / 1000
        # On Windows a failed connect is an exceptional condition, not a writable socket.
        readable, writable, failed = select.select(reading, writing, writing, seconds)
        found = dict.fromkeys(failed, READ | WRITE)
        for fd in readable:
            found[fd] = found.get(fd, 0) | READ
        for fd in writable:
            found[fd] = found.get(fd, 0) | WRITE
        return list(found.items())


class Epoll:
    """epoll(7), for many descriptors: the cost of a turn depends on the events in it, not on the waiters."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()  # numbers for which the kernel may have an entry, even a disabled one
        self._armed: dict[int, int] = {}  # what can fire
        self._files: dict[int, int] = {}  # files that epoll does not take: always ready, as with poll(2)

    def register(self, fd: int, events: int, /) -> None:
        mask = events | select.EPOLLONESHOT
        try:
            if fd in self._known:
                try:
                    self._epoll.modify(fd, mask)
                except FileNotFoundError:  # the entry belonged to a connection that was closed meanwhile
                    self._epoll.register(fd, mask)
            else:
                self._epoll.register(fd, mask)
        except PermissionError:
            self._files[fd] = events
            return
        self._known.add(fd)
        self._armed[fd] = events

    def unregister(self, fd: int, /) -> None:
        if self._files.pop(fd, None) is None and self._armed.pop(fd, None) is not None:
            self._known.discard(fd)
            self._epoll.unregister(fd)

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        # epoll's timeout is in seconds here, and rounded up to milliseconds.
        seconds = 0.0 if self._files else None if timeout is None else timeout / 1000
        found = self._epoll.poll(seconds)
        armed = self._armed
        for fd, _ in found:
            del armed[fd]
        return found + list(self._files.items()) if self._files else found

    def close(self) -> None:
        """Release epoll's own descriptor."""
        self._epoll.close()
