"""A cache of answers, each kept for its TTL (RFC 1035 section 7.4).

- Negative answers are kept as RFC 2308 section 5 says: for the time that the zone's SOA record gives.
- A name that does not exist has no names below it (RFC 8020): NXDOMAIN is kept under the name that does not
  exist, at the end of the aliases, and answers for every type there and below.
- Optionally, answers are kept beyond their TTL, for `find_stale`: what to give while no server answers
  (RFC 8767). Such an answer then counts for 30 seconds, so that the servers are not asked at each lookup.

Limits: the number of answers, the octets of their messages, and the time for which each is kept whatever its
TTL says.
"""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from netkit.dns.errors import DnsError
from netkit.dns.policy.answer import Answer
from netkit.io.sync import forkable_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.constants import DnsClass
    from netkit.dns.messages.message import Question
    from netkit.dns.name import Name

K = TypeVar("K")

#: The largest number of answers in a cache; a full cache drops the answer that was unused for longest.
DEFAULT_CAPACITY = 4096
#: The most octets of the messages of all answers in a cache. An answer has a few hundred; a server that
#: sends 64 KiB for each question must not fill the memory.
MAX_OCTETS = 8 << 20
#: The longest time that an answer is kept, in seconds, for any TTL (RFC 8767 section 4: a week).
MAX_TTL = 604_800
#: The longest time that a negative answer is kept, in seconds (RFC 2308 section 5: one to three hours).
MAX_NEGATIVE_TTL = 10_800
#: How many seconds servers get where there is a stale answer to give (RFC 8767 section 5: 1.8).
STALE_AFTER = 1.8
#: The TTL of a stale answer, and how long it is given out before the servers are asked again (RFC 8767
#: section 4 and 5: 30 seconds).
STALE_TTL = 30


class _Entry(NamedTuple):
    kept_at: float
    until: float
    stale_until: float
    what: Answer | DnsError

    @property
    def octets(self) -> int:
        """How long the messages are that it keeps."""
        what = self.what
        if isinstance(what, DnsError):
            return 0
        replies = what.replies
        return replies[0].size if len(replies) == 1 else sum([reply.size for reply in replies])


class Cache:
    """Maps questions to answers and negative answers. May be used from any thread.

    `stale` is how many seconds an answer is kept after its TTL, for `find_stale`; 0: not at all.
    """

    def __init__(
        self,
        capacity: int = DEFAULT_CAPACITY,
        clock: Callable[[], float] = monotonic,
        *,
        stale: float = 0,
    ) -> None:
        self._capacity = capacity
        self._clock = clock
        self._stale = stale
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._absent: OrderedDict[tuple[Name, DnsClass], _Entry] = OrderedDict()
        self._octets = 0  # of all `_entries`
        self._lock = forkable_lock()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: Question, domain: Name | None = None) -> Answer | None:
        """Return the answer for `question`, or None. Its TTLs are reduced by the time in the cache.

        Raises the stored DnsError if the cache has a negative answer, for this question or for a name that
        does not exist and that the question's name is, or is below. `domain` is the domain whose servers are
        asked for this name, where not all names have the same ("split DNS"): what other servers say of the
        names above it does not count.
        """
        key = question.key
        if key not in self._entries and not self._absent:
            return None  # nearly always so, where it is not found
        now = self._clock()
        with self._lock:
            entry = self._fresh(self._entries, key, now) or self._denial(question, domain, now)
        if entry is None:
            return None
        age = int(now - entry.kept_at)
        if isinstance(entry.what, DnsError):
            raise _anew(entry.what, question, age)
        return _aged(entry.what, age) if age else entry.what

    def has_stale(self, question: Question) -> bool:
        """Whether `find_stale` would return an answer."""
        if not self._stale:
            return False
        with self._lock:
            entry = self._entries.get(question.key)
            return (
                entry is not None
                and entry.stale_until > self._clock()
                and entry.until <= self._clock()
                and not isinstance(entry.what, DnsError)
            )

    def find_stale(self, question: Question) -> Answer | None:
        """Return an answer whose TTL is over, because no server gives another; None if there is none.

        Its TTLs are 30 seconds, and `find` returns it for as long. RFC 8767 section 5.
        """
        now = self._clock()
        with self._lock:
            entry = self._entries.get(question.key)
            if entry is None or entry.stale_until <= now or isinstance(entry.what, DnsError):
                return None
            what = entry.what
            answer = _with_ttls(what, lambda _: STALE_TTL)
            until = min(now + STALE_TTL, entry.stale_until)
            self._entries[question.key] = _Entry(now, until, entry.stale_until, answer)
        return answer

    def keep(self, question: Question, what: Answer | DnsError, ttl: int, *, also_below: bool = True) -> None:
        """Keep an answer, or the error of a negative answer, for `ttl` seconds.

        `also_below` False: what it says of a name that does not exist is kept for this question alone.
        """
        limit = MAX_NEGATIVE_TTL if isinstance(what, DnsError) else MAX_TTL
        if ttl <= 0 or not self._capacity:
            return
        now = self._clock()
        until = now + min(ttl, limit)
        entry = _Entry(now, until, until + self._stale, what)
        with self._lock:
            replaced = self._entries.get(question.key)
            self._octets += entry.octets - (0 if replaced is None else replaced.octets)
            self._store(self._entries, question.key, entry)
            while self._octets > MAX_OCTETS:
                self._octets -= self._entries.popitem(last=False)[1].octets
            if also_below and isinstance(what, DnsError) and what.absent is not None:
                self._store(self._absent, (what.absent, question.rdclass), entry)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._absent.clear()
            self._octets = 0

    def _store(self, entries: OrderedDict[K, _Entry], key: K, entry: _Entry) -> None:
        entries[key] = entry
        entries.move_to_end(key)
        while len(entries) > self._capacity:
            self._octets -= entries.popitem(last=False)[1].octets

    def _fresh(self, entries: OrderedDict[K, _Entry], key: K, now: float) -> _Entry | None:
        entry = entries.get(key)
        if entry is None:
            return None
        if entry.until <= now:
            if entry.stale_until <= now or isinstance(entry.what, DnsError):
                del entries[key]
                self._octets -= entry.octets
            return None
        entries.move_to_end(key)
        return entry

    def _denial(self, question: Question, domain: Name | None, now: float) -> _Entry | None:
        """The entry of a name that does not exist, and that the question's name is or is below."""
        if not self._absent:
            return None
        for above in question.name.ancestors():
            if domain is not None and not above.is_subdomain_of(domain):
                return None
            entry = self._fresh(self._absent, (above, question.rdclass), now)
            if entry is not None:
                return entry
        return None


def _anew(kept: DnsError, question: Question, age: int) -> DnsError:
    """The error for another caller: a copy, because Python writes a traceback into it."""
    error = copy(kept)
    error.name, error.rdtype = question.name, question.rdtype
    if error.negative_ttl is not None:
        error.negative_ttl = max(0, error.negative_ttl - age)
    return error


def _aged(answer: Answer, age: int) -> Answer:
    return _with_ttls(answer, lambda ttl: max(0, ttl - age))


def _with_ttls(answer: Answer, change: Callable[[int], int]) -> Answer:
    return Answer(
        answer.question,
        [record.replace(ttl=change(record.ttl)) for record in answer.records],
        [alias.replace(ttl=change(alias.ttl)) for alias in answer.aliases],
        answer.replies,
        answer.authentic,
    )
