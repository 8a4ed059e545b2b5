"""The cookies that a client keeps: which ones it stores, for how long, and with which requests they go back.

RFC 6265bis section 5.7 (storage), 5.8 (retrieval), 5.2 (same-site), 5.5 (400 days), 6.1 (limits).

A browser asks who started a request. This client has no pages, so its user starts every request, as if the
URL were typed in the address bar: cookies of every SameSite go with it. Only a redirect is started by
somebody else. `initiator` names the URL that redirected here, and if it is of another site, SameSite=Strict
cookies stay at home, and SameSite=Lax ones too unless the method is safe. A cookie without SameSite counts
as Lax. A partitioned cookie is kept like any other, because each site is visited for itself.

Secure cookies are for https and wss, and for http to this machine (`localhost`, 127.0.0.0/8, ::1), as in
browsers and curl: what does not leave the machine needs no encryption. A client that sends such a request
elsewhere, through a proxy or to an overridden address, says `loopback_is_secure=False`.

The clock is handed in: `now` is in seconds since 1970, as `time.time()` gives it.
"""

from __future__ import annotations

from heapq import nsmallest
from threading import Lock
from typing import TYPE_CHECKING

from netkit.http.cookies.cookie import MAX_AGE, Cookie, SameSite, default_path, path_matches
from netkit.http.cookies.stored import StoredCookie
from netkit.http.errors import HttpError
from netkit.http.hosts import (
    canonical_host,
    is_address,
    is_loopback,
    is_public_suffix,
    is_same_site,
    with_parents,
)
from netkit.http.types import Method

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netkit.http.url import Url

#: Cookies in all, and cookies of one domain: what RFC 6265bis section 6.1 asks for at least is 3000 and 50.
MAX_COOKIES = 3000
MAX_PER_DOMAIN = 180
#: Octets of a Cookie header: with its name it is a line that `Headers` takes, and that servers take.
MAX_HEADER = 16000

#: Which SameSite goes with a request: of the user or the same site, and of another site, safe or not.
_ALL = (None, *SameSite)
_NOT_STRICT = (None, SameSite.Lax, SameSite.None_)
_EVERYWHERE = (SameSite.None_,)


class _Entry:
    """A cookie in the jar: `order` is when it came, `used` when it was last stored or sent, both counted."""

    __slots__ = ("cookie", "order", "used")

    def __init__(self, cookie: StoredCookie, order: int, used: int) -> None:
        self.cookie = cookie
        self.order = order
        self.used = used


class CookieJar:
    """The cookies of a client, from any thread.

        >>> from netkit.http import Url
        >>> jar = CookieJar()
        >>> jar.store(Url.parse("https://example.com/a/b"), ["id=7; Secure", "x=1; Path=/z"], now=0)
        []
        >>> jar.cookie_header(Url.parse("https://example.com/a/"), now=1)
        'id=7'

    `max_cookies` and `max_per_domain` limit how many are kept, `max_header` limits the octets of one Cookie
    header. Over a limit, these go first (section 5.7): cookies whose time is over; of a domain with too many,
    those without Secure, then the others; of all, whichever was not used for the longest time.
    """

    def __init__(
        self,
        cookies: Iterable[StoredCookie] = (),
        *,
        max_cookies: int = MAX_COOKIES,
        max_per_domain: int = MAX_PER_DOMAIN,
        max_header: int = MAX_HEADER,
    ) -> None:
        for field, limit in (
            ("max_cookies", max_cookies),
            ("max_per_domain", max_per_domain),
            ("max_header", max_header),
        ):
            if limit < 1:
                raise HttpError.InvalidValue(field, f"{limit} is less than 1")
        self.max_cookies = max_cookies
        self.max_per_domain = max_per_domain
        self.max_header = max_header
        self._lock = Lock()
        #: By domain, then by name, path and whether it is host-only: what makes two cookies the same one.
        self._domains: dict[str, dict[tuple[str, str, bool], _Entry]] = {}
        self._count = 0
        self._clock = 0
        for cookie in cookies:
            self.add(cookie)

    # Storing

    def store(
        self,
        url: Url,
        set_cookie_values: Iterable[str | bytes],
        now: float,
        *,
        loopback_is_secure: bool = True,
    ) -> list[HttpError.InvalidValue]:
        """Store what the response from `url` sets: the value of each Set-Cookie field, in order.

        Returns why cookies were refused, one error for each. No response is wrong because of a cookie, so
        nothing is raised. A cookie whose time is over removes the one that it replaces.
        """
        host = canonical_host(url.host or "")
        is_secure = _is_secure(url, host, loopback_is_secure)
        made, refused = [], []
        for text in set_cookie_values:
            try:
                if host is None:
                    raise _refused("cookie domain", "the URL's host cannot have cookies")
                made.append(_stored(Cookie.parse(text), host, url.path, is_secure, now))
            except HttpError.InvalidValue as error:
                error.fault = "peer"
                refused.append(error)
        if not made:
            return refused
        with self._lock:
            protected = {} if is_secure else self._secure_cookies(now)
            for cookie in made:
                if any(_would_hide(cookie, old) for old in protected.get(cookie.name, ())):
                    reason = "a Secure cookie of this name cannot be replaced without encryption"
                    refused.append(_refused("cookie", reason))
                elif cookie.is_expired(now):
                    self._drop(cookie)
                else:
                    self._put(cookie)
            self._evict({cookie.domain for cookie in made}, now)
        return refused

    def add(self, cookie: StoredCookie) -> None:
        """Store a cookie that did not come from a response: from a file, or from the user."""
        with self._lock:
            self._put(cookie)
            self._evict({cookie.domain}, None)

    def _secure_cookies(self, now: float) -> dict[str, list[StoredCookie]]:
        """The Secure cookies by name: an insecure response adds none, so one look serves all its cookies."""
        found: dict[str, list[StoredCookie]] = {}
        for entry in self._entries():
            if entry.cookie.secure and not entry.cookie.is_expired(now):
                found.setdefault(entry.cookie.name, []).append(entry.cookie)
        return found

    def _entries(self) -> Iterator[_Entry]:
        for entries in self._domains.values():
            yield from entries.values()

    def _put(self, cookie: StoredCookie) -> None:
        entries = self._domains.setdefault(cookie.domain, {})
        key = _key(cookie)
        old = entries.get(key)
        self._clock += 1
        if old is None:
            self._count += 1
            entries[key] = _Entry(cookie, self._clock, self._clock)
        else:  # section 5.7: a cookie that is replaced keeps its place in the order
            old.cookie = cookie.replace(created=old.cookie.created)
            old.used = self._clock

    def _drop(self, cookie: StoredCookie) -> None:
        entries = self._domains.get(cookie.domain, {})
        if entries.pop(_key(cookie), None) is not None:
            self._count -= 1
            if not entries:
                del self._domains[cookie.domain]

    def _evict(self, domains: set[str], now: float | None) -> None:
        """Keep the limits after `domains` got cookies."""
        crowded = [each for each in domains if len(self._domains.get(each, ())) > self.max_per_domain]
        if not crowded and self._count <= self.max_cookies:
            return
        if now is not None:
            self._drop_expired(self._entries() if self._count > self.max_cookies else self._of(crowded), now)
        for domain in crowded:
            entries = self._domains.get(domain, {})
            excess = len(entries) - self.max_per_domain
            ranked = nsmallest(
                max(0, excess), entries.values(), key=lambda entry: (entry.cookie.secure, entry.used)
            )
            for entry in ranked:
                self._drop(entry.cookie)
        excess = self._count - self.max_cookies
        if excess > 0:
            for entry in nsmallest(excess, self._entries(), key=lambda entry: entry.used):
                self._drop(entry.cookie)

    def _of(self, domains: Iterable[str]) -> Iterator[_Entry]:
        for domain in domains:
            yield from self._domains.get(domain, {}).values()

    def _drop_expired(self, entries: Iterable[_Entry], now: float) -> int:
        gone = [entry.cookie for entry in entries if entry.cookie.is_expired(now)]
        for cookie in gone:
            self._drop(cookie)
        return len(gone)

    # Sending

    def cookies_for(
        self,
        url: Url,
        now: float,
        *,
        method: str = "GET",
        initiator: Url | None = None,
        loopback_is_secure: bool = True,
    ) -> list[StoredCookie]:
        """The cookies that go with a request to `url`, in their order: longer paths first, then older ones.

        `initiator` is the URL whose response redirected here, None where the user asked. `method` decides
        about SameSite=Lax if that URL is of another site (section 5.8.3). The order is that of section 5.8.3.
        """
        host = canonical_host(url.host or "") if self._count else None
        if host is None:
            return []
        is_secure = _is_secure(url, host, loopback_is_secure)
        path = url.path or "/"
        # Read before the lock is taken: it may load the list of public suffixes.
        is_foreign = initiator is not None and not is_same_site(initiator, url)
        allowed = _same_sites(is_foreign, method)
        with self._lock:
            self._clock += 1
            found: list[_Entry] = []
            for domain in with_parents(host):
                entries = self._domains.get(domain)
                if entries is None:
                    continue
                for entry in list(entries.values()):
                    cookie = entry.cookie
                    if cookie.expires is not None and cookie.expires <= now:
                        self._drop(cookie)
                    elif (
                        (not cookie.host_only or domain == host)
                        and (is_secure or not cookie.secure)
                        and cookie.same_site in allowed
                        and (cookie.path == "/" or path_matches(path, cookie.path))
                    ):
                        entry.used = self._clock
                        found.append(entry)
            if len(found) > 1:
                found.sort(key=lambda entry: (-len(entry.cookie.path), entry.order))
            return [entry.cookie for entry in found]

    def cookie_header(
        self,
        url: Url,
        now: float,
        *,
        method: str = "GET",
        initiator: Url | None = None,
        loopback_is_secure: bool = True,
    ) -> str | None:
        """The value of the Cookie header for a request to `url`; None if there is no cookie for it.

        The arguments are those of `cookies_for`. A cookie that would make the value longer than `max_header`
        octets is left out: a neighbour who sets many long cookies for the whole domain would otherwise make
        every request fail.
        """
        found = self.cookies_for(
            url, now, method=method, initiator=initiator, loopback_is_secure=loopback_is_secure
        )
        pairs, length = [], -2
        for cookie in found:
            pair = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
            if length + 2 + len(pair) <= self.max_header:
                pairs.append(pair)
                length += 2 + len(pair)
        return "; ".join(pairs) if pairs else None

    # Looking and removing

    def __iter__(self) -> Iterator[StoredCookie]:
        """All cookies as they are now, in the order in which they came."""
        with self._lock:
            found = sorted(self._entries(), key=lambda entry: entry.order)
        return iter([entry.cookie for entry in found])

    def __len__(self) -> int:
        return self._count

    def domains(self) -> list[str]:
        """The domains that have cookies, sorted."""
        with self._lock:
            return sorted(self._domains)

    def of_domain(self, domain: str) -> list[StoredCookie]:
        """The cookies of exactly this domain, in the order in which they came."""
        with self._lock:
            entries = self._domains.get(canonical_host(domain) or "", {})
            return [entry.cookie for entry in sorted(entries.values(), key=lambda entry: entry.order)]

    def remove(self, name: str, domain: str, path: str | None = None) -> int:
        """Remove the cookies of this name and exactly this domain; None means any path. Returns how many."""
        with self._lock:
            gone = [
                entry.cookie
                for entry in self._of([canonical_host(domain) or ""])
                if entry.cookie.name == name and path in (None, entry.cookie.path)
            ]
            for cookie in gone:
                self._drop(cookie)
        return len(gone)

    def clear(self, domain: str | None = None) -> int:
        """Remove all cookies, or those of `domain` and of the names under it. Returns how many."""
        host = None if domain is None else canonical_host(domain) or ""
        with self._lock:
            gone = [
                entry.cookie
                for entry in self._entries()
                if host is None or host in with_parents(entry.cookie.domain)
            ]
            for cookie in gone:
                self._drop(cookie)
        return len(gone)

    def end_session(self) -> int:
        """Remove the cookies that have no end time, as a browser does when it is closed."""
        with self._lock:
            gone = [entry.cookie for entry in self._entries() if entry.cookie.expires is None]
            for cookie in gone:
                self._drop(cookie)
        return len(gone)

    def remove_expired(self, now: float) -> int:
        """Remove the cookies whose time is over. Returns how many."""
        with self._lock:
            return self._drop_expired(self._entries(), now)

    def __repr__(self) -> str:
        return f"<CookieJar with {self._count} cookies>"


def _key(cookie: StoredCookie) -> tuple[str, str, bool]:
    return cookie.name, cookie.path, cookie.host_only


def _is_secure(url: Url, host: str | None, loopback_is_secure: bool) -> bool:
    return url.is_secure or (loopback_is_secure and host is not None and is_loopback(host))


def _same_sites(is_foreign: bool, method: str) -> tuple[SameSite | None, ...]:
    if not is_foreign:
        return _ALL
    return _NOT_STRICT if Method(method).is_safe else _EVERYWHERE


def _stored(cookie: Cookie, host: str, request_path: str, is_secure: bool, now: float) -> StoredCookie:
    """The cookie as it is kept for a response from `host`. Raises HttpError.InvalidValue (section 5.7)."""
    if cookie.secure and not is_secure:
        raise _refused("cookie", "a Secure cookie cannot be set without encryption")
    domain, host_only = _domain(cookie.domain, host)
    expires = None
    if cookie.max_age is not None:
        expires = now + cookie.max_age if cookie.max_age > 0 else float("-inf")
    elif cookie.expires is not None:
        expires = min(cookie.expires.timestamp(), now + MAX_AGE)
    return StoredCookie(
        cookie.name,
        cookie.value,
        domain,
        default_path(request_path) if cookie.path is None else cookie.path,
        host_only,
        cookie.secure,
        cookie.http_only,
        cookie.same_site,
        expires,
        now,
    )


def _domain(attribute: str | None, host: str) -> tuple[str, bool]:
    """The domain of a cookie that `host` sets, and whether it is for that host alone."""
    if not attribute:
        return host, True
    domain = canonical_host(attribute)
    if domain == host:
        # A public suffix may have cookies of its own, but not for what is under it.
        return host, is_address(host) or is_public_suffix(host)
    if domain is None or domain not in with_parents(host):
        raise _refused("cookie domain", "the host that sets the cookie is not in it")
    if is_public_suffix(domain):
        raise _refused("cookie domain", "it is a public suffix: the names under it have different owners")
    return domain, False


def _would_hide(cookie: StoredCookie, old: StoredCookie) -> bool:
    """Whether a server could take an insecure `cookie` for the Secure one (section 5.7, step 15)."""
    related = old.domain in with_parents(cookie.domain) or cookie.domain in with_parents(old.domain)
    return related and path_matches(cookie.path, old.path)


def _refused(field: str, reason: str) -> HttpError.InvalidValue:
    return HttpError.InvalidValue(field, reason, fault="peer")
