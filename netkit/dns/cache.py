"""A cache of answers, each kept for its TTL (RFC 1035 section 7.4); negative answers by RFC 2308."""

from __future__ import annotations

import threading
from collections import OrderedDict
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING

from netkit.dns.answer import Answer
from netkit.dns.errors import DnsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.message import Question

#: The largest number of answers in a cache; a full cache drops the answer that was unused for longest.
DEFAULT_CAPACITY = 4096
#: The longest time that an answer is kept, in seconds, for any TTL (RFC 8767 section 4: a week).
MAX_TTL = 604_800
#: The longest time that a negative answer is kept, in seconds (RFC 2308 section 5: one to three hours).
MAX_NEGATIVE_TTL = 10_800


class Cache:
    """Maps questions to answers and negative answers. May be used from any thread."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY, clock: Callable[[], float] = monotonic) -> None:
        self._capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[Question, tuple[float, float, Answer | DnsError]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: Question) -> Answer | None:
        """Return the answer for `question`, or None. Its TTLs are reduced by the time in the cache.

        Raises the stored DnsError if the cache has a negative answer.
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
            raise copy(what)  # each caller gets a copy, because Python writes a traceback into it
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
        """Keep an answer, or the error of a negative answer, for `ttl` seconds."""
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
