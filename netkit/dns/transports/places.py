"""Where the flows of a resolver meet: one place for each thread, and for each event loop.

A resolver may be used from any thread and any event loop. Sockets may not: an event loop watches a socket
until another one takes it over, and a lock around every question would cost more than it saves. So the flows
of one thread share sockets, and those of another thread have their own. A blocking call in a callback of an
event loop has a place of its own too: it must not wait for a flow of the loop, which cannot go on meanwhile.
For the same reason not everybody may wait for the answer to the question of somebody else: see
`here_and_company`.

After fork(2) the child uses no socket of its parent, because both would take each other's answers: its places
are new. The parent's stay open in the child until the resolver is closed or collected there.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakSet

from netkit.dns.errors import DnsError
from netkit.io import driver_depth
from netkit.io.sync import forkable_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Place(Protocol):
    """What the flows of one thread share."""

    @property
    def is_in_use(self) -> bool:
        """Whether a question is outstanding."""

    def close(self) -> None:
        """Release the descriptors; only in the place's thread, or while it is not in use."""

    def interrupt(self) -> None:
        """Make whoever pumps close it. Any thread."""


P = TypeVar("P", bound=Place)

_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _Here(threading.local):
    """A thread's places, by how many blocking calls are under way in it."""

    def __init__(self) -> None:
        # The place, the loop and the count of forks that it belongs to, and its company.
        self.known: list[tuple[object, object, int, object] | None] = []


class Places(Generic[P]):
    """The places of one resolver. `make` makes one."""

    def __init__(self, make: Callable[[], P]) -> None:
        self._make = make
        self._here = _Here()
        self._all: WeakSet[P] = WeakSet()
        self._guard = forkable_lock()
        self._is_closed = False

    def here(self) -> P:
        """The place of the flow that runs now. Raises DnsError.NetworkError after `close`."""
        return self.here_and_company()[0]

    def here_and_company(self) -> tuple[P, object]:
        """The place of the flow that runs now, and who may wait for the flow: the flows for which this is the
        same (hashable) thing.

        Blocking calls wait for each other, because each goes on by itself. The flows of an event loop wait
        for flows of the same loop only: another loop may have stopped, or stand still until the caller, who
        blocks it, has an answer. A forked child has none of the flows of its parent.

        Raises DnsError.NetworkError after `close`, and where no descriptor is left.
        """
        depth = driver_depth()
        loop = _running_loop()
        known = self._here.known
        if depth < len(known):
            entry = known[depth]
            if entry is not None and entry[1] is loop and entry[2] == _forks and not self._is_closed:
                return entry[0], entry[3]  # type: ignore[return-value]  # `_new` entered it
        return self._new(depth, loop)

    def _new(self, depth: int, loop: object) -> tuple[P, object]:
        with self._guard:
            if self._is_closed:
                raise DnsError.NetworkError("the resolver was closed")
            try:
                made = self._make()
            except OSError as error:  # no descriptor is left
                raise DnsError.NetworkError.from_os_error(error) from error
            self._all.add(made)
        known = self._here.known
        known.extend([None] * (depth + 1 - len(known)))
        company: object = _forks if depth == 1 and loop is None else made
        known[depth] = made, loop, _forks, company
        return made, company

    def __iter__(self) -> Iterator[P]:
        """All places that are in use somewhere."""
        with self._guard:
            return iter(list(self._all))

    def close(self) -> None:
        """Close all places; questions that are outstanding fail. Any thread; a second call does nothing."""
        with self._guard:
            self._is_closed = True
            places = list(self._all)
        for place in places:
            if place.is_in_use:
                place.interrupt()
            else:
                place.close()


def _running_loop() -> object:
    """The event loop that runs in this thread; None if none does. asyncio is not imported for it."""
    asyncio = sys.modules.get("asyncio.events")
    return None if asyncio is None else asyncio._get_running_loop()
