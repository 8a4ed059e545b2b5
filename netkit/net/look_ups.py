"""getaddrinfo(3) in threads, of which there is a limited number, however many look-ups were given up.

A look-up cannot be interrupted. If the name servers are silent, it occupies its thread for half a minute,
long after the caller has given up. One thread for each look-up would soon be a crowd of threads. So there
are at most MOST_THREADS; they are used again, and end when they are idle. A look-up that nobody waits for is
not started. A look-up that has started is shared by everyone who asks the same question meanwhile. If all
threads are busy, the next look-up waits for a free one, until its own deadline.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any, TypeAlias

from netkit.addr import AddrParseError, SocketAddr
from netkit.io import Event, Flow

#: How many look-ups are under way at once.
MOST_THREADS = 32

#: How long a thread waits, in seconds, for another look-up before it ends.
IDLE = 5.0

#: What is asked: host, port, family.
Question: TypeAlias = "tuple[str, int, int]"


class _LookUp:
    """One question, and those who wait for the answer."""

    __slots__ = ("failed", "found", "question", "waiting")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.waiting: set[Event] = set()
        self.found: list[SocketAddr] = []
        self.failed: Exception | None = None

    def ask(self) -> None:
        host, port, family = self.question
        try:
            for *_, sockaddr in socket.getaddrinfo(
                host.encode("idna") if not host.isascii() else host or None,
                port,
                socket.AddressFamily(family) if family else 0,
                socket.SOCK_STREAM,
            ):
                self._add(sockaddr)
        except Exception as error:
            self.failed = error.with_traceback(None)

    def _add(self, sockaddr: Any) -> None:
        try:
            addr = SocketAddr.from_sockaddr(sockaddr)
        except AddrParseError:
            return  # a system that answers with a family this one does not know
        if addr not in self.found:
            self.found.append(addr)


class LookUps:
    """The threads, and what is asked of them. Any thread and any event loop may ask."""

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._known: dict[Question, _LookUp] = {}  # waiting for a thread, or under way
        self._queue: dict[Question, _LookUp] = {}  # those of them that wait, in the order of asking
        self.idle = 0
        self._threads: set[threading.Thread] = set()

    def ask(self, question: Question) -> Flow[list[SocketAddr]]:
        """Flow: the addresses, in the system's order, each once. Raises what getaddrinfo(3) raises."""
        answered = Event()
        look_up = self._join(question, answered)
        try:
            yield from answered.wait()
        finally:
            self._leave(look_up, answered)
        if look_up.failed is not None:
            raise look_up.failed
        return list(look_up.found)

    def _join(self, question: Question, answered: Event) -> _LookUp:
        with self._guard:
            look_up = self._known.get(question)
            if look_up is None:
                look_up = self._known[question] = self._queue[question] = _LookUp(question)
                self._find_thread(look_up)
            look_up.waiting.add(answered)
        return look_up

    def _leave(self, look_up: _LookUp, answered: Event) -> None:
        with self._guard:
            look_up.waiting.discard(answered)
            if not look_up.waiting and self._queue.get(look_up.question) is look_up:
                del self._queue[look_up.question], self._known[look_up.question]

    def _find_thread(self, look_up: _LookUp) -> None:
        if len(self._queue) <= self.idle:
            self._guard.notify()
            return
        if len(self._threads) >= MOST_THREADS:
            return
        # Daemons, because a program that was told to end must not wait for a name server that is silent.
        thread = threading.Thread(target=self._work, name="netkit-look-up", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except BaseException as error:
            if thread.is_alive():
                raise  # interrupted as it began
            self._threads.discard(thread)
            if isinstance(error, RuntimeError) and self._threads:
                return  # there can be no more: those that are there will come to it
            del self._queue[look_up.question], self._known[look_up.question]
            if isinstance(error, RuntimeError):
                raise OSError(errno.EAGAIN, "no thread can be started for a look-up") from None
            raise

    def _work(self) -> None:
        while (look_up := self._next()) is not None:
            look_up.ask()
            with self._guard:
                del self._known[look_up.question]
                waiting, look_up.waiting = look_up.waiting, set()
            for answered in waiting:
                answered.set()

    def _next(self) -> _LookUp | None:
        """What to do next; None where the thread is to end."""
        with self._guard:
            if not self._queue:
                self.idle += 1
                self._guard.wait_for(lambda: bool(self._queue), IDLE)
                self.idle -= 1
            if not self._queue:
                self._threads.discard(threading.current_thread())
                return None
            return self._queue.pop(next(iter(self._queue)))


#: Those of this process. A child after fork(2) has none of its parent's threads, and locks as they were.
look_ups = LookUps()


def _begin_anew() -> None:
    global look_ups
    look_ups = LookUps()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
