"""What the blocking driver asks the system with: poll(2), epoll(7) for many descriptors, select(2) elsewhere.

All three have poll's interface: `register` (again, to change what is watched), `unregister`, `poll` with
milliseconds. poll(2) is told everything at each call and costs nothing to set up, which is right for the one
or two descriptors of a dialogue; a server with two thousand idle connections would pay for each of them at
every turn, and is moved to epoll.

epoll is used with EPOLLONESHOT: what has fired is disabled until it is registered again, and what is
unregistered without having fired is taken out for real. So nothing is ever left that could fire for a number
that was closed and is another connection by now, not even where another process keeps the old one open.
"""

from __future__ import annotations

import select
from typing import Protocol

READ = 0x001  # POLLIN's and EPOLLIN's value wherever there is either; also what `Select` uses
WRITE = 0x004

#: From how many descriptors on epoll is worth its set-up and a system call for each wait.
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
        # A failed connect is an exceptional condition there, not a writable socket.
        readable, writable, failed = select.select(reading, writing, writing, seconds)
        found = dict.fromkeys(failed, READ | WRITE)
        for fd in readable:
            found[fd] = found.get(fd, 0) | READ
        for fd in writable:
            found[fd] = found.get(fd, 0) | WRITE
        return list(found.items())


class Epoll:
    """epoll(7), for many descriptors: a turn costs what happened in it, however many wait."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()  # numbers the kernel may have an entry for, disabled ones too
        self._armed: dict[int, int] = {}  # what can fire
        self._files: dict[int, int] = {}  # what epoll does not take: always ready, as poll(2) has it

    def register(self, fd: int, events: int, /) -> None:
        mask = events | select.EPOLLONESHOT
        try:
            if fd in self._known:
                try:
                    self._epoll.modify(fd, mask)
                except FileNotFoundError:  # the entry was of a connection closed since
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
