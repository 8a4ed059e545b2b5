"""A cookie as a client keeps it: the host that it belongs to, and when it ends.

RFC 6265bis section 5.7 (the fields of a stored cookie), 4.1.3 (prefixes), 5.1.3 and 5.1.4 (where it goes).

`Cookie` is what a Set-Cookie header says; a `StoredCookie` is what came of it for one host at one moment. It
comes from a response, from a file or from the user, and all three are checked here.
"""

from __future__ import annotations

from typing import ClassVar

from netkit._value import Value, assign
from netkit.http.cookies.cookie import MAX_ATTRIBUTE, MAX_PAIR, SameSite, format_cookie_header, path_matches
from netkit.http.errors import HttpError
from netkit.http.hosts import canonical_host, is_address, with_parents


class StoredCookie(Value):
    """A cookie as it is kept: with its host, without what was only said to the browser. Immutable.

    `domain` is canonical: lower case, A-labels, no dot at either end. If `host_only` is set, the cookie goes
    to this host alone, otherwise also to the names under it; an address is always host-only. `expires` is in
    seconds since 1970, None for a cookie of this run only. `created` is when it was first stored.

    Raises HttpError.InvalidValue for a cookie that cannot be kept or sent (RFC 6265bis section 5.7).
    """

    __slots__ = (
        "created",
        "domain",
        "expires",
        "host_only",
        "http_only",
        "name",
        "path",
        "same_site",
        "secure",
        "value",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "name",
        "value",
        "domain",
        "path",
        "host_only",
        "secure",
        "http_only",
        "same_site",
        "expires",
        "created",
    )

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    http_only: bool
    same_site: SameSite | None
    expires: float | None
    created: float

    def __init__(
        self,
        name: str,
        value: str,
        domain: str,
        path: str = "/",
        host_only: bool = True,
        secure: bool = False,
        http_only: bool = False,
        same_site: SameSite | None = None,
        expires: float | None = None,
        created: float = 0.0,
    ) -> None:
        host = canonical_host(domain)
        if host is None:
            raise HttpError.InvalidValue("cookie domain", "it is not a host name")
        if not path.startswith("/"):
            raise HttpError.InvalidValue("cookie path", "it does not begin with a slash")
        if len(path) > MAX_ATTRIBUTE:
            raise HttpError.InvalidValue(
                "cookie path", f"more than {MAX_ATTRIBUTE} octets", limit=MAX_ATTRIBUTE
            )
        if len(name) + len(value) > MAX_PAIR:
            problem = f"name and value are more than {MAX_PAIR} octets"
            raise HttpError.InvalidValue("cookie", problem, limit=MAX_PAIR)
        format_cookie_header([(name, value)])  # refuses what a reader would take for something else
        assign(self, "name", name)
        assign(self, "value", value)
        assign(self, "domain", host)
        assign(self, "path", path)
        assign(self, "host_only", host_only or is_address(host))
        assign(self, "secure", secure)
        assign(self, "http_only", http_only)
        assign(self, "same_site", same_site)
        assign(self, "expires", expires)
        assign(self, "created", created)
        self._check_prefix()

    def _check_prefix(self) -> None:
        """What the prefix of a name promises (section 4.1.3); compared in any case, as section 5.7 does."""
        start = self.name[:9].lower()
        if start.startswith(("__secure-", "__host-")) and not self.secure:
            raise HttpError.InvalidValue("cookie name", "its prefix requires Secure")
        if start.startswith("__host-") and not (self.host_only and self.path == "/"):
            raise HttpError.InvalidValue("cookie name", "the prefix __Host- requires one host and Path=/")

    def is_expired(self, now: float) -> bool:
        """Whether its time is over at `now`."""
        return self.expires is not None and self.expires <= now

    def is_for(self, host: str, path: str) -> bool:
        """Whether it goes to a canonical `host` with a request for `path` (sections 5.1.3 and 5.1.4)."""
        if host != self.domain and (self.host_only or self.domain not in with_parents(host)):
            return False
        return path_matches(path, self.path)

    def __repr__(self) -> str:
        flags = [f" {flag}" for flag in ("host_only", "secure", "http_only") if getattr(self, flag)]
        until = "" if self.expires is None else f" until {self.expires:.0f}"
        return f"<StoredCookie {self.name!r} of {self.domain}{self.path}{until}{''.join(flags)}>"
