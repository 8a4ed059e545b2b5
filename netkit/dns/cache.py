"""What was answered, for as long as its TTL says: RFC 1035 section 7.4, RFC 2308 for what is not there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.errors import DnsError
from netkit.dns.resolution import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.message import Question

#: Answers kept at once; the one unused for longest makes room.
DEFAULT_CAPACITY = 4096
#: However long a TTL is, an answer is asked for again after this many seconds (RFC 8767 section 4: a week).
MAX_TTL = 604_800
#: The same for a "no" (RFC 2308 section 5: one to three hours).
MAX_NEGATIVE_TTL = 10_800


class Cache:
    """Answers and denials by question. May be used from any thread."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY, clock: Callable[[], float] = monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[Question, tuple[float, float, Answer | DnsError]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: Question) -> Answer | None:
        """The answer kept for `question`, its TTLs less the time it has been kept; None without one.

        Raises the DnsError kept for it, where the answer was that there is nothing.
        """
        now = self._clock()
        with self._lock:
            entry = self._entries.get(question)
            if entry is None:
                return None
            kept_at, until, what = entry
            if until <= now:
                del self._entries[question]
                return None
            self._entries.move_to_end(question)
        if isinstance(what, DnsError):
            raise copy(what)  # one of its own for each caller: a traceback is written into it
        age = int(now - kept_at)
        if not age:
            return what
        return Answer(
            what.question,
            [record.replace(ttl=max(0, record.ttl - age)) for record in what.records],
            [alias.replace(ttl=max(0, alias.ttl - age)) for alias in what.aliases],
            what.replies,
        )

    def keep(self, question: Question, what: Answer | DnsError, ttl: int) -> None:
        """Keep an answer, or the error that says there is none, for `ttl` seconds."""
        limit = MAX_NEGATIVE_TTL if isinstance(what, DnsError) else MAX_TTL
        if ttl <= 0 or not self._capacity:
            return
        now = self._clock()
        with self._lock:
            self._entries[question] = (now, now + min(ttl, limit), what)
            self._entries.move_to_end(question)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
