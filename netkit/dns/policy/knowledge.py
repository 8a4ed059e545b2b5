"""`Knowledge`: what was learnt of each upstream, kept from one question to the next.

- EDNS: whether the server understands it (RFC 6891 section 7), and letter case: whether it returns a
  question as it was sent.
- Cookies (RFC 7873, RFC 9018): ours for this server, the server's last one, and whether it takes part.
- Round-trip time, smoothed as TCP does (RFC 6298 section 2), for each transport.
- Failures in a row, and how long the server is then asked last.

No clock and no random source: moments (seconds, of any clock that only runs forward) and bits are handed in.
Every method may be called from any thread. What was learnt is forgotten after `LEARNT_FOR`: servers are
repaired, and an attacker who had luck once must not win for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from netkit.io.sync import forkable_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from netkit.dns.policy.upstream import Transport, Upstream

#: How many upstreams are remembered; the one that was unused for longest is forgotten first.
MAX_UPSTREAMS = 1024
#: How many seconds it is remembered that a server lacks EDNS, letter case or cookies.
LEARNT_FOR = 3600.0
#: After how many seconds a server gets a new client cookie (RFC 7873 section 7.1: within 26 hours).
COOKIE_LIFE = 86400.0
#: RFC 6298 section 2: the time allowed before anything was measured, and the bounds of it afterwards, in
#: seconds. The lower bound is not TCP's second: a server in the same house answers in a millisecond.
FIRST_DELAY, MIN_DELAY, MAX_DELAY = 1.0, 0.02, 3.0
#: After how many seconds a round-trip time is too old to go by.
RTT_LIFE = 600.0
#: For how many seconds a server is asked last after it failed: the first time, doubled with each failure in
#: a row, at most.
FIRST_PAUSE, MAX_PAUSE = 10.0, 300.0


class Learnt:
    """What was learnt of one upstream. Made by `Knowledge.of`; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = forkable_lock()
        self._no_edns_until = self._no_case_until = self._no_cookies_until = 0.0
        self._client_cookie = b""
        self._client_cookie_at = 0.0
        self._server_cookie = b""
        self._rtt: dict[Transport, tuple[float, float, float]] = {}  # smoothed, its variation, when
        self._failures = 0
        self._paused_until = 0.0

    # Asking.

    def has_edns(self, now: float) -> bool:
        """Whether to offer EDNS: yes, unless the server showed that it does not know it."""
        return now >= self._no_edns_until

    def is_plain(self, now: float) -> bool:
        """Whether the server is asked as any: with EDNS, in random letter case, and not last."""
        return now >= self._no_edns_until and now >= self._no_case_until and now >= self._paused_until

    def keeps_case(self, now: float) -> bool:
        """Whether the server returns a question in the letter case of the query, as far as is known."""
        return now >= self._no_case_until

    def cookie(self, now: float, random: Callable[[int], int]) -> tuple[bytes, bytes] | None:
        """The client's and the server's cookie to send (the second may be empty); None: send none.

        `random(64)` gives the bits of a new client cookie. Each server gets its own, so that servers cannot
        recognise a client by it (RFC 9018 section 3).
        """
        if now < self._no_cookies_until:
            return None
        with self._lock:
            if not self._client_cookie or now - self._client_cookie_at > COOKIE_LIFE:
                self._client_cookie, self._client_cookie_at = random(64).to_bytes(8, "big"), now
                self._server_cookie = b""
            return self._client_cookie, self._server_cookie

    @property
    def has_server_cookie(self) -> bool:
        """Whether the server has given a cookie, so that its answers must have one (RFC 7873 section 5.3)."""
        return bool(self._server_cookie)

    def delay(self, transport: Transport, now: float) -> float:
        """After how many seconds an answer is later than usual: the retransmission time of RFC 6298."""
        smoothed, variation, at = self._rtt.get(transport, (0.0, 0.0, -RTT_LIFE))
        if now - at >= RTT_LIFE:
            return FIRST_DELAY
        return min(max(smoothed + 4 * variation, MIN_DELAY), MAX_DELAY)

    def round_trip(self, transport: Transport, now: float) -> float | None:
        """The smoothed round-trip time in seconds; None if there is none that is new enough."""
        smoothed, _, at = self._rtt.get(transport, (0.0, 0.0, -RTT_LIFE))
        return None if now - at >= RTT_LIFE else smoothed

    def is_paused(self, now: float) -> bool:
        """Whether the server failed lately, so that others are asked first."""
        return now < self._paused_until

    # Learning.

    def answered(self, transport: Transport, round_trip: float | None, now: float) -> None:
        """A message came, whatever it says; `round_trip` seconds after the query, if that is known for sure.

        RFC 6298 section 2.3, with alpha 1/8 and beta 1/4.
        """
        with self._lock:
            self._failures, self._paused_until = 0, 0.0
            if round_trip is None:
                return
            smoothed, variation, at = self._rtt.get(transport, (0.0, 0.0, -RTT_LIFE))
            if now - at >= RTT_LIFE:
                smoothed, variation = round_trip, round_trip / 2
            else:
                variation += (abs(smoothed - round_trip) - variation) / 4
                smoothed += (round_trip - smoothed) / 8
            self._rtt[transport] = (smoothed, variation, now)

    def failed(self, now: float) -> None:
        """No answer came in time, or the network said that none can come."""
        with self._lock:
            self._paused_until = now + min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), MAX_PAUSE)
            self._failures += 1

    def lacks_edns(self, now: float) -> None:
        """The server refused a query with EDNS and answered it without."""
        self._no_edns_until = now + LEARNT_FOR

    def loses_case(self, now: float) -> None:
        """The server answered in another letter case."""
        self._no_case_until = now + LEARNT_FOR

    def lacks_cookies(self, now: float) -> None:
        """The server does not answer with cookies, or echoes another client's."""
        with self._lock:
            self._no_cookies_until, self._server_cookie = now + LEARNT_FOR, b""

    def gave_cookie(self, client: bytes, server: bytes) -> None:
        """The server answered with its cookie. It is kept if `client` is still our own."""
        with self._lock:
            if client == self._client_cookie:
                self._server_cookie = server


class Knowledge:
    """What was learnt of upstreams: `knowledge.of(upstream)`. May be used from any thread."""

    def __init__(self, limit: int = MAX_UPSTREAMS) -> None:
        self._limit = limit
        self._learnt: OrderedDict[Upstream, Learnt] = OrderedDict()
        self._lock = forkable_lock()
        # The one that was used last, so the last one in `_learnt`: most programs ask one server only.
        self._last: tuple[Upstream, Learnt] | None = None

    def of(self, upstream: Upstream) -> Learnt:
        """What is known of `upstream`; empty at first."""
        last = self._last
        if last is not None and last[0] is upstream:
            return last[1]
        with self._lock:
            found = self._learnt.get(upstream)
            if found is None:
                found = self._learnt[upstream] = Learnt()
                if len(self._learnt) > self._limit:
                    self._learnt.popitem(last=False)
            else:
                self._learnt.move_to_end(upstream)
            self._last = upstream, found
            return found

    def __len__(self) -> int:
        return len(self._learnt)
