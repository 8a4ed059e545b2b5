"""`MemorySessionStore`: a client's sessions to resume, in memory (RFC 8446 section 4.6.1)."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from netkit.tls.versions import TlsVersion

if TYPE_CHECKING:
    from netkit.tls.backend import ResumableSession

#: The longest life of a ticket, in seconds: seven days (RFC 8446 section 4.6.1).
LONGEST_LIFE: Final = 604_800

#: How many servers' sessions are kept, and how many of one server.
SERVERS: Final = 256
EACH: Final = 4


class _Kept(NamedTuple):
    until: float
    session: ResumableSession


class MemorySessionStore:
    """Sessions of the latest `servers` servers, at most `each` of one server; safe for threads.

    A session of TLS 1.3 is given out once, so that an observer cannot link connections (RFC 8446 appendix
    C.4). One of TLS 1.2 is given out until it expires. Sessions that have expired are never given out.
    """

    def __init__(self, servers: int = SERVERS, each: int = EACH) -> None:
        self._servers = servers
        self._each = each
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, str], deque[_Kept]] = OrderedDict()

    def put(self, scope: object, server_name: str, session: ResumableSession) -> None:
        life = LONGEST_LIFE if session.lifetime is None else min(session.lifetime, LONGEST_LIFE)
        key = scope, server_name.lower()
        with self._lock:
            row = self._kept.setdefault(key, deque(maxlen=self._each))
            row.append(_Kept(monotonic() + life, session))
            self._kept.move_to_end(key)
            while len(self._kept) > self._servers:
                self._kept.popitem(last=False)

    def take(self, scope: object, server_name: str) -> ResumableSession | None:
        key = scope, server_name.lower()
        now = monotonic()
        with self._lock:
            row = self._kept.get(key)
            while row:
                newest = row[-1]
                if newest.until <= now:
                    row.pop()
                elif newest.session.version is TlsVersion.Tls13:
                    return row.pop().session
                else:
                    return newest.session
            self._kept.pop(key, None)
        return None

    @property
    def longest_early_data(self) -> int:
        """How many bytes of early data the sessions allow: the most that one does, 0 without any."""
        with self._lock:
            return max(
                (kept.session.max_early_data for row in self._kept.values() for kept in row), default=0
            )

    def clear(self) -> None:
        """Forget all sessions."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        """How many sessions are kept."""
        with self._lock:
            return sum(map(len, self._kept.values()))
