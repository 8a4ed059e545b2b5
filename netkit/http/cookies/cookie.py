"""Cookies: read and write the Set-Cookie header and the Cookie header.

RFC 6265bis section 4.1 (what servers send), 4.1.3 (the prefixes), 5.1 (dates, matching of domains and
paths), 5.6 (how a browser reads Set-Cookie), 5.7 (what it refuses to store).

There are two grammars: a narrow one for what a server should send, and a wide one for what a browser accepts.
The constructor uses the narrow grammar, and `Cookie.parse` the wide one; `is_conformant` says whether a
cookie fits the narrow one. Neither accepts a control character or a semicolon, so a cookie that was read can
be written again and stays one cookie.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from netkit._value import Value, assign
from netkit.http.errors import HttpError
from netkit.http.fields.dates import format_http_date, parse_cookie_date
from netkit.http.headers import TOKEN_CHARACTERS, named

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from netkit.errors import Fault

#: Octets of name and value together (section 5.6, step 5).
MAX_PAIR = 4096
#: Octets of the value of one attribute; longer ones are passed over (section 5.6).
MAX_ATTRIBUTE = 1024
#: The longest that a browser keeps a cookie, in seconds: 400 days (section 5.5).
MAX_AGE = 400 * 86400
#: Pairs in one Cookie header.
MAX_PAIRS = 180
#: Attributes of one Set-Cookie header.
MAX_ATTRIBUTES = 64

#: Section 4.1.1: visible ASCII without double quote, comma, semicolon and backslash.
_COOKIE_OCTETS = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('",;\\')
_DIGITS = frozenset("0123456789")


class SameSite(Enum):
    """With which requests a cookie is sent (section 4.1.2.7)."""

    #: Only with requests that the cookie's own site makes.
    Strict = "Strict"
    #: Also when another site's link leads here.
    Lax = "Lax"
    #: With all requests; the cookie must be Secure then.
    None_ = "None"


class Cookie(Value):
    """A cookie with its attributes, immutable; the builder's steps are keywords.

        >>> cookie = Cookie("sid", "31d4", path="/", secure=True, http_only=True, same_site=SameSite.Lax)
        >>> cookie.to_header_value()
        'sid=31d4; Path=/; Secure; HttpOnly; SameSite=Lax'
        >>> cookie.replace(max_age=3600).to_header_value()
        'sid=31d4; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax'
        >>> Cookie("__Host-sid", "31d4", secure=True)
        Traceback (most recent call last):
        netkit.http.errors.HttpError.InvalidValue: cookie name: the prefix __Host- requires Path=/

    `path`, `domain` and `expires` (an aware datetime) are None if the cookie has no such attribute. `max_age`
    is in seconds; 0 or less ends the cookie at once. If `same_site` is None, the browser decides, and uses
    Lax. `partitioned` gives the cookie a separate jar for each site that embeds this one.

    Raises HttpError.InvalidValue for what a server should not send (section 4.1.1), for a name prefix whose
    required attributes are missing, and for SameSite=None without Secure.
    """

    __slots__ = (
        "domain",
        "expires",
        "http_only",
        "max_age",
        "name",
        "partitioned",
        "path",
        "same_site",
        "secure",
        "value",
    )
    __match_args__: ClassVar[tuple[str, ...]] = (
        "name",
        "value",
        "path",
        "domain",
        "max_age",
        "expires",
        "secure",
        "http_only",
        "same_site",
        "partitioned",
    )

    name: str
    value: str
    path: str | None
    domain: str | None
    max_age: int | None
    expires: datetime | None
    secure: bool
    http_only: bool
    same_site: SameSite | None
    partitioned: bool

    def __init__(
        self,
        name: str,
        value: str,
        path: str | None = None,
        domain: str | None = None,
        max_age: int | None = None,
        expires: datetime | None = None,
        secure: bool = False,
        http_only: bool = False,
        same_site: SameSite | None = None,
        partitioned: bool = False,
    ) -> None:
        fields = (name, value, path, domain, max_age, expires, secure, http_only, same_site, partitioned)
        self._assign(fields)
        _check_built(self)
        _check_stored(self, "caller")

    def _assign(self, fields: tuple[Any, ...]) -> None:
        for field, value in zip(self.__match_args__, fields, strict=True):
            assign(self, field, value)

    @classmethod
    def parse(
        cls,
        text: str | bytes,
        *,
        now: datetime | None = None,
        max_pair: int = MAX_PAIR,
        max_attribute: int = MAX_ATTRIBUTE,
        max_attributes: int = MAX_ATTRIBUTES,
    ) -> Cookie:
        """Read the value of a Set-Cookie header as a browser does (sections 5.6 and 5.7).

        If `now` (an aware datetime) is given, Expires is limited to 400 days after it; Max-Age always has
        this limit. Unknown or empty attributes are ignored. If an attribute occurs twice, the last counts.

        Raises HttpError.InvalidValue, with the peer at fault, if a browser would ignore the cookie: a
        control character, a name and value over `max_pair` octets, neither name nor value, a name prefix
        whose required attributes are missing, SameSite=None without Secure, a domain that is not ASCII. Also
        raises it for more than `max_attributes` attributes, and for a value that contains = and has no name
        (`==1`), because a Cookie header would carry it as a different cookie.
        """
        header = _octets(text)
        pair, _, rest = header.partition(";")
        name, equals, value = pair.partition("=")
        if not equals:  # a nameless cookie
            name, value = "", pair
        name, value = name.strip(" \t"), value.strip(" \t")
        if not name and not value:
            raise _refused("cookie", "it has neither a name nor a value", "peer")
        if not name and "=" in value:
            raise _refused(
                "cookie", "it has no name, but an = in its value: it would go back as another", "peer"
            )
        if len(name) + len(value) > max_pair:
            problem = f"name and value are more than {max_pair} octets"
            raise _refused("cookie", problem, "peer", limit=max_pair)
        if rest.count(";") >= max_attributes:
            problem = f"more than {max_attributes} attributes"
            raise _refused("cookie", problem, "peer", limit=max_attributes)
        attributes = _Attributes(now)
        for attribute in rest.split(";") if rest else ():
            key, _, content = attribute.partition("=")
            if len(content.strip(" \t")) <= max_attribute:
                attributes.take(key.strip(" \t").lower(), content.strip(" \t"))
        made = cls.__new__(cls)
        made._assign((name, value, *attributes.fields()))
        _check_stored(made, "peer")
        return made

    @property
    def is_conformant(self) -> bool:
        """Whether a server should send this cookie (section 4.1.1); a browser accepts others too."""
        try:
            _check_built(self)
        except HttpError.InvalidValue:
            return False
        return True

    @property
    def is_host_only(self) -> bool:
        """Whether the cookie is sent only to the host that set it, and not to its subdomains."""
        return not self.domain

    @property
    def is_session(self) -> bool:
        """Whether the cookie has no end time (neither Max-Age nor Expires)."""
        return self.max_age is None and self.expires is None

    def expires_at(self, received: datetime) -> datetime | None:
        """When a cookie received at `received` ends; None for a session cookie. Max-Age overrides Expires."""
        from datetime import timedelta

        if self.max_age is None:
            return self.expires
        return received + timedelta(seconds=max(0, min(self.max_age, MAX_AGE)))

    def to_header_value(self) -> str:
        """The value of the Set-Cookie header that sets it."""
        parts = [self.to_pair()]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        if self.expires is not None:
            parts.append(f"Expires={format_http_date(self.expires)}")
        if self.domain:
            parts.append(f"Domain={self.domain}")
        if self.path is not None:
            parts.append(f"Path={self.path}")
        if self.secure:
            parts.append("Secure")
        if self.http_only:
            parts.append("HttpOnly")
        if self.same_site is not None:
            parts.append(f"SameSite={self.same_site.value}")
        if self.partitioned:
            parts.append("Partitioned")
        return "; ".join(parts)

    def to_pair(self) -> str:
        """`name=value`, as the Cookie header has it (section 5.8.3); a nameless cookie is its value alone."""
        return f"{self.name}={self.value}" if self.name else self.value

    def replace(self, **changes: Any) -> Cookie:
        """A copy with some fields changed. It is checked as in the constructor.

        If the cookie is not conformant (see `is_conformant`), the change must make it conformant.
        """
        return super().replace(**changes)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, self._values()

    def __repr__(self) -> str:
        shown = [f"Cookie({self.name!r}, '***'"]
        for field in self.__match_args__[2:]:
            value = getattr(self, field)
            if value is not None and value is not False:
                shown.append(f"{field}={value!r}")
        return f"{', '.join(shown)})"

    def __str__(self) -> str:
        return self.to_header_value()


def _restored(*fields: Any) -> Cookie:
    """A cookie as it was: one that was read may be none that can be built."""
    made = Cookie.__new__(Cookie)
    made._assign(fields)
    return made


class _Attributes:
    """What the attributes of a Set-Cookie header come to; of one given twice the last counts."""

    def __init__(self, now: datetime | None) -> None:
        self.now = now
        self.path: str | None = None
        self.domain: str | None = None
        self.max_age: int | None = None
        self.expires: datetime | None = None
        self.same_site: SameSite | None = None
        self.flags: set[str] = set()

    def take(self, name: str, value: str) -> None:
        match name:
            case "expires":
                moment = parse_cookie_date(value)
                if moment is not None:
                    self.expires = self._bounded(moment)
            case "max-age":
                seconds = _delta_seconds(value)
                if seconds is not None:
                    self.max_age = seconds
            case "domain":
                self.domain = value.removeprefix(".").lower() or None
            case "path":
                # Anything else stands for the directory of the request's own path.
                self.path = value if value.startswith("/") else None
            case "samesite":
                self.same_site = _SAME_SITES.get(value.lower())
            case "secure" | "httponly" | "partitioned":
                self.flags.add(name)

    def _bounded(self, moment: datetime) -> datetime:
        if self.now is None:
            return moment
        from datetime import timedelta

        return min(moment, self.now + timedelta(seconds=MAX_AGE))

    def fields(self) -> tuple[Any, ...]:
        """The fields after name and value, in the order of Cookie."""
        flags = self.flags
        return (
            *(self.path, self.domain, self.max_age, self.expires),
            *("secure" in flags, "httponly" in flags, self.same_site, "partitioned" in flags),
        )


_SAME_SITES = {site.value.lower(): site for site in SameSite}


def _delta_seconds(value: str) -> int | None:
    """Max-Age (section 5.6.2) in seconds, 0 to 400 days; 0 for anything negative, None for no number."""
    digits = value.removeprefix("-")
    if not digits or not _DIGITS.issuperset(digits):
        return None
    if value.startswith("-"):
        return 0
    # Compared by length first: a number of a thousand digits need not be made.
    digits = digits.lstrip("0")
    return MAX_AGE if len(digits) > 9 else min(int(digits or "0"), MAX_AGE)


def _octets(text: str | bytes) -> str:
    """A header's value as its octets in ISO 8859-1; no control character but the tab."""
    header = text if isinstance(text, str) else str(text, "latin-1")
    for at, char in enumerate(header):
        if (char < " " and char != "\t") or char == "\x7f":
            raise _refused("cookie", f"{named(char)} cannot stand in it", "peer", offset=at)
        if char > "\xff":
            problem = f"{named(char)} is no octet: give bytes, or text decoded as ISO 8859-1"
            raise _refused("cookie", problem, "caller", offset=at)
    return header


def _refused(
    field: str,
    reason: str,
    fault: Fault,
    *,
    offset: int | None = None,
    limit: int | None = None,
    hint: str | None = None,
) -> HttpError.InvalidValue:
    return HttpError.InvalidValue(field, reason, offset=offset, limit=limit, fault=fault, hint=hint)


def _check_stored(cookie: Cookie, fault: Fault) -> None:
    """What a browser refuses to store, whoever made it (section 5.7)."""
    if cookie.domain is not None and not cookie.domain.isascii():
        raise _refused("cookie domain", "it is not ASCII", fault, hint="write the xn-- form of the name")
    if cookie.same_site is SameSite.None_ and not cookie.secure:
        raise _refused("cookie same_site", "SameSite=None requires Secure", fault)
    if cookie.partitioned and not cookie.secure:
        raise _refused("cookie partitioned", "Partitioned requires Secure", fault)
    # Compared in any case, and with the value where there is no name: servers mix these up.
    start = (cookie.name or cookie.value)[:9].lower()
    for prefix in ("__Secure-", "__Host-"):
        if not start.startswith(prefix.lower()):
            continue
        if not cookie.name:
            raise _refused("cookie value", f"a nameless cookie cannot begin with {prefix}", fault)
        if not cookie.secure:
            raise _refused("cookie name", f"the prefix {prefix} requires Secure", fault)
        if prefix == "__Host-" and cookie.domain:
            raise _refused("cookie name", "the prefix __Host- allows no Domain", fault)
        if prefix == "__Host-" and cookie.path != "/":
            raise _refused("cookie name", "the prefix __Host- requires Path=/", fault)


def _check_built(cookie: Cookie) -> None:
    """What a server should send (section 4.1.1)."""
    _check_characters("cookie name", cookie.name, TOKEN_CHARACTERS)
    if not cookie.name:
        raise _refused("cookie name", "it is empty", "caller")
    value, start = cookie.value, 0
    if not isinstance(value, str):
        raise TypeError(f"a cookie's value is text, not {type(value).__name__}")
    if len(value) >= 2 and value[0] == value[-1] == '"':  # the quotes are part of the value
        value, start = value[1:-1], 1
    _check_characters("cookie value", value, _COOKIE_OCTETS, start, "percent-encode the value, or Base64")
    if len(cookie.name) + len(cookie.value) > MAX_PAIR:
        problem = f"name and value are more than {MAX_PAIR} octets"
        raise _refused("cookie", problem, "caller", limit=MAX_PAIR)
    if cookie.path is not None:
        if not cookie.path.startswith("/"):
            raise _refused("cookie path", "it does not begin with a slash", "caller")
        _check_characters("cookie path", cookie.path, _PATH_CHARACTERS)
    if cookie.domain is not None:
        _check_characters("cookie domain", cookie.domain, _DOMAIN_CHARACTERS)
        if not cookie.domain.strip("."):
            raise _refused("cookie domain", "it is empty", "caller")
    for field, text in (("cookie path", cookie.path), ("cookie domain", cookie.domain)):
        if text is not None and len(text) > MAX_ATTRIBUTE:
            raise _refused(field, f"more than {MAX_ATTRIBUTE} octets", "caller", limit=MAX_ATTRIBUTE)
    if cookie.max_age is not None and not isinstance(cookie.max_age, int):
        raise TypeError(f"max_age is a number of seconds, an int, not {type(cookie.max_age).__name__}")
    if cookie.expires is not None and cookie.expires.tzinfo is None:
        raise _refused("cookie expires", "a datetime without a time zone is no moment", "caller")
    if cookie.same_site is not None and not isinstance(cookie.same_site, SameSite):
        raise TypeError(f"same_site is a SameSite, not {type(cookie.same_site).__name__}")


_PATH_CHARACTERS = frozenset(map(chr, range(0x20, 0x7F))) - {";"}
_DOMAIN_CHARACTERS = frozenset("-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _check_characters(
    field: str, text: str, allowed: frozenset[str], start: int = 0, hint: str | None = None
) -> None:
    if allowed.issuperset(text):
        return
    at, char = next((at, char) for at, char in enumerate(text, start) if char not in allowed)
    raise _refused(field, f"{named(char)} cannot stand in it", "caller", offset=at, hint=hint)


# The Cookie header.


def parse_cookie_header(text: str | bytes, *, max_pairs: int = MAX_PAIRS) -> tuple[tuple[str, str], ...]:
    """The names and values of a Cookie header, in order; a name may occur several times (section 4.2).

    The function is lenient, as servers must be: it removes whitespace, reads a pair without `=` as a value
    without a name, and ignores an empty pair. Double quotes are part of the value. Raises
    HttpError.InvalidValue for a control character, and for more than `max_pairs` pairs.

        >>> parse_cookie_header("SID=31d4; lang=en-US; flag")
        (('SID', '31d4'), ('lang', 'en-US'), ('', 'flag'))
    """
    header = _octets(text)
    if header.count(";") >= max_pairs:
        raise _refused("cookie header", f"more than {max_pairs} cookies", "peer", limit=max_pairs)
    found = []
    for piece in header.split(";"):
        name, equals, value = piece.partition("=")
        if not equals:
            name, value = "", piece
        pair = (name.strip(" \t"), value.strip(" \t"))
        if pair != ("", ""):
            found.append(pair)
    return tuple(found)


def format_cookie_header(cookies: Iterable[Cookie | tuple[str, str]]) -> str:
    """The value of a Cookie header with `cookies`: Cookie objects, or pairs of name and value.

    Raises HttpError.InvalidValue for a name or value that a reader would read as something else.

        >>> format_cookie_header([Cookie("SID", "31d4", path="/"), ("lang", "en-US")])
        'SID=31d4; lang=en-US'
    """
    pairs = []
    for cookie in cookies:
        name, value = (cookie.name, cookie.value) if isinstance(cookie, Cookie) else cookie
        _check_sendable(name, value)
        pairs.append(f"{name}={value}" if name else value)
    return "; ".join(pairs)


def _check_sendable(name: str, value: str) -> None:
    """What would be read back as it is: a cookie that was read may be wider than one that is built."""
    for field, text, forbidden in (("cookie name", name, ";="), ("cookie value", value, ";")):
        for at, char in enumerate(text):
            if char in forbidden or (char < " " and char != "\t") or char == "\x7f" or char > "\xff":
                raise _refused(field, f"{named(char)} cannot stand in it", "caller", offset=at)
        if text != text.strip(" \t"):
            raise _refused(field, "it begins or ends with whitespace", "caller")
    if not name and "=" in value:
        raise _refused("cookie value", "without a name, what is before the = would be one", "caller")
    if not name and not value:
        raise _refused("cookie", "it has neither a name nor a value", "caller")


# Where a cookie belongs.


def domain_matches(host: str, domain: str) -> bool:
    """Whether a cookie for `domain` is sent to `host`: `domain` itself, or a name under it (section 5.1.3).

    The comparison ignores case. An address matches only itself. This function does not know the public suffix
    list, which names the domains that may not have cookies (`co.uk`).
    """
    host, domain = host.lower(), domain.lower()
    if host == domain:
        return True
    if not domain or not host.endswith(f".{domain}"):
        return False
    from netkit.addr import AddrParseError, IpAddr

    try:
        IpAddr.parse(host)
    except AddrParseError:
        return True
    return False


def path_matches(request_path: str, cookie_path: str) -> bool:
    """Whether a cookie for `cookie_path` is sent with a request for `request_path` (section 5.1.4)."""
    if request_path == cookie_path:
        return True
    if not request_path.startswith(cookie_path):
        return False
    return cookie_path.endswith("/") or request_path[len(cookie_path) : len(cookie_path) + 1] == "/"


def default_path(request_path: str) -> str:
    """The path of a cookie without Path: the directory of the request's path (section 5.1.4)."""
    if not request_path.startswith("/") or request_path.count("/") == 1:
        return "/"
    return request_path[: request_path.rindex("/")]
